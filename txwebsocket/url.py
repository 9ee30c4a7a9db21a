# -*- test-case-name: tests.test_url -*-
# Part of txwebsocket. See LICENSE for details.
"""
WebSocket URLs (RFC 6455, 3).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from hyperlink import URL
from twisted.internet.abstract import isIPAddress, isIPv6Address

_DEFAULT_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    Where a URL leads, in the terms of who connects there.

    :ivar url: the URL without its password, for logs and errors.
    :ivar isSecure: whether to speak TLS.
    :ivar host: a name in ASCII, or an address without brackets.
    :ivar port: a port number.
    :ivar netloc: host and port as the ``Host`` header has them.
    :ivar resource: path and query, as the request line has them.
    :ivar authorization: the ``Authorization`` header that user and password make, if
        there are any.
    """

    url: str
    isSecure: bool
    host: str
    port: int
    netloc: str
    resource: str
    authorization: str | None = field(repr=False)


def parseURL(text: str) -> Target:
    """
    Read a ``ws:`` or ``wss:`` URL.

    :raises ValueError: if it is none, or has a fragment.
    """
    try:
        url = URL.from_text(text)
    except ValueError:
        # Its text would quote the URL, and what is secret in it.
        raise ValueError(f"{_shown(text)!r} is not a URL") from None
    scheme = url.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not url.host:
        raise ValueError(
            f"a WebSocket URL starts with ws:// or wss://: {_shown(text)!r}"
        )
    if url.fragment or text.endswith("#"):
        # RFC 6455, 3: a fragment would mean nothing here.
        raise ValueError(f"a WebSocket URL has no fragment: {_shown(text)!r}")
    port = _DEFAULT_PORTS[scheme] if url.port is None else url.port
    if not 0 < port < 65536:
        raise ValueError(f"a port is between 1 and 65535: {_shown(text)!r}")
    host = _asciiHost(url, text)
    named = f"[{host}]" if isIPv6Address(host) else host
    netloc = named if port == _DEFAULT_PORTS[scheme] else f"{named}:{port}"
    resource = _resource(url)
    user = quote(unquote(url.userinfo.partition(":")[0]), safe="")
    return Target(
        url=f"{scheme}://{user and user + '@'}{netloc}{resource}",
        isSecure=scheme == "wss",
        host=host,
        port=port,
        netloc=netloc,
        resource=resource,
        authorization=_basic(url.userinfo) if url.userinfo else None,
    )


def _asciiHost(url: URL, text: str) -> str:
    if isIPAddress(url.host) or isIPv6Address(url.host):
        return str(url.host)
    try:
        return str(URL(host=url.host, scheme="http").to_uri().host)
    except ValueError:
        raise ValueError(f"the host of {_shown(text)!r} has no such name") from None


def _resource(url: URL) -> str:
    # With another host, since an IPv6 address is none that could be encoded.
    there = url.replace(scheme="http", host="h", port=80, userinfo="").to_uri()
    resource = str(there.to_text()).removeprefix("http://h")
    return resource if resource.startswith("/") else f"/{resource}"


def _basic(userinfo: str) -> str:
    """
    User and password as RFC 7617 wants them, in UTF-8.
    """
    user, _, password = userinfo.partition(":")
    credentials = f"{unquote(user)}:{unquote(password)}".encode()
    return f"Basic {b64encode(credentials).decode('ascii')}"


def _shown(text: str) -> str:
    """
    A text that is no good URL, without what might be a password in it.
    """
    _, at, end = text.rpartition("@")
    return f"...@{end}" if at else text
