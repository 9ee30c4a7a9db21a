# -*- test-case-name: tests.test_url -*-
# Part of txwebsocket. See LICENSE for details.
"""
WebSocket URLs (RFC 6455, 3).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote

from hyperlink import URL, URLParseError
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
    authorization: str | None


def parseURL(text: str) -> Target:
    """
    Read a ``ws:`` or ``wss:`` URL.

    :raises ValueError: if it is none, or has a fragment.
    """
    try:
        url = URL.from_text(text)
    except URLParseError as error:
        raise ValueError(f"{_shown(text)!r} is not a URL: {error}") from None
    scheme = url.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not url.host:
        raise ValueError(
            f"a WebSocket URL starts with ws:// or wss://: {_shown(text)!r}"
        )
    if url.fragment or text.endswith("#"):
        # RFC 6455, 3: a fragment would mean nothing here.
        raise ValueError(f"a WebSocket URL has no fragment: {_shown(text)!r}")
    port = url.port or _DEFAULT_PORTS[scheme]
    host = _asciiHost(url)
    named = f"[{host}]" if isIPv6Address(host) else host
    return Target(
        url=url.replace(userinfo=url.userinfo.partition(":")[0]).to_text(),
        isSecure=scheme == "wss",
        host=host,
        port=port,
        netloc=named if port == _DEFAULT_PORTS[scheme] else f"{named}:{port}",
        resource=_resource(url),
        authorization=_basic(url.userinfo) if url.userinfo else None,
    )


def _asciiHost(url: URL) -> str:
    if isIPAddress(url.host) or isIPv6Address(url.host):
        return str(url.host)
    try:
        return str(URL(host=url.host, scheme="http").to_uri().host)
    except ValueError as error:
        raise ValueError(f"{url.host!r} is not the name of a host: {error}") from None


def _resource(url: URL) -> str:
    # Without the host, since an IPv6 address is none that could be encoded.
    local = URL(path=url.path, query=url.query, rooted=True).to_uri().to_text()
    return local if local.startswith("/") else f"/{local}"


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
    start, at, end = text.rpartition("@")
    return f"{start.partition('//')[0]}//...@{end}" if at else text
