# -*- test-case-name: tests.client.test_url -*-
# Part of txwebsocket. See LICENSE for details.
"""
The URLs of WebSockets (RFC 6455, 3) and of proxies.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from hyperlink import URL
from twisted.internet.abstract import isIPAddress, isIPv6Address

from txwebsocket.client.weburl import endsInNumber, standIn

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_HTTP = re.compile(r"http(s?)(?=://)", re.IGNORECASE)
_UNIX = re.compile(r"ws\+unix:", re.IGNORECASE)
_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# What is no control character, and no space, in any of which URLs could hide.
_PRINTABLE = re.compile(r"[!-~\xa1-\U0010ffff]*")
# RFC 3986, 3.2: user, host and port.
_AUTHORITY = re.compile(r"\w+://([^/?#]*)")
_IN_BRACKETS = re.compile(
    r"\[([0-9A-Fa-f:.]+)(?:%25((?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+))?\](?::[^:]*)?"
)
_ZONE = re.compile(r"[!-~]+")
# What hyperlink raises; the second where an address in brackets is not ASCII.
_NO_URL = (ValueError, UnboundLocalError)
_EMPTY_PORT = re.compile(
    r"(\w+://(?:[^/?#@]*@)?(?:\[[^]/?#]*\]|[^]:/?#[]*)):(?=[/?#]|\Z)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketURL:
    """
    Where a URL leads, in the terms of who connects there.

    :ivar url: the URL without user and password, for logs and errors.
    :ivar isSecure: whether to speak TLS.
    :ivar host: a name in ASCII, or an address without brackets, perhaps with a zone.
    :ivar port: a port number.
    :ivar socketPath: the UNIX socket to connect to in place of the host.
    :ivar netloc: host and port as the ``Host`` header has them: without a zone, which
        means nothing on another machine (RFC 6874, 1).
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
    socketPath: str | None = None

    @property
    def authority(self) -> str:
        """
        Host and port as the URL has them, the zone of an address included.
        """
        return _withZone(self.netloc, self.host.partition("%")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyURL:
    """
    A proxy, as its URL tells.

    :ivar url: the URL without user and password, for errors.
    :ivar scheme: ``http``, ``https``, ``socks5`` or ``socks5h``.
    :ivar host: a name in ASCII, or an address without brackets, perhaps with a zone.
    :ivar port: a port number.
    :ivar username: who we are, for a proxy that wants to know.
    :ivar password: what belongs to that.
    """

    url: str
    scheme: str
    host: str
    port: int
    username: str | None = field(repr=False)
    password: str = field(repr=False)


def withoutZone(host: str) -> str:
    """
    A host as another machine knows it: the zone of an address (RFC 4007, 11) means
    something on this one alone.
    """
    return host.partition("%")[0]


def parseURL(text: str) -> WebSocketURL:
    """
    Read a ``ws:``, ``wss:`` or ``ws+unix:`` URL.

    :raises ValueError: if it is none, or has a fragment.
    :raises TypeError: if it is not even text.
    """
    _checkText(text)
    if _UNIX.match(text):
        return _parseUnix(text)
    whole, zone = _separateZone(text)
    try:
        url = URL.from_text(_withoutEmptyPort(whole))
    except _NO_URL:
        # Its text would quote the URL, and what is secret in it.
        raise ValueError(f"{shownURL(text)!r} is not a URL") from None
    scheme = url.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not url.host:
        raise ValueError(
            "a WebSocket URL starts with ws://, wss:// or ws+unix:/: "
            f"{shownURL(text)!r}"
        )
    if url.fragment or text.endswith("#"):
        # RFC 6455, 3: a fragment would mean nothing here.
        raise ValueError(f"a WebSocket URL has no fragment: {shownURL(text)!r}")
    port = _portOf(url, _DEFAULT_PORTS, text)
    host = _asciiHost(url, text)
    named = f"[{host}]" if isIPv6Address(host) else host
    netloc = named if port == _DEFAULT_PORTS[scheme] else f"{named}:{port}"
    resource = _resource(url)
    return WebSocketURL(
        # Without a user either: where there is no password, that is the secret.
        url=f"{scheme}://{_withZone(netloc, zone)}{resource}",
        isSecure=scheme == "wss",
        host=f"{host}%{zone}" if zone else host,
        port=port,
        netloc=netloc,
        resource=resource,
        authorization=basicAuthorization(url.userinfo) if url.userinfo else None,
    )


def asWebSocketURL(text: str) -> str:
    """
    Write an ``http:`` URL as ``ws:`` and an ``https:`` URL as ``wss:``.

    :raises TypeError: if it is not text.
    """
    _checkText(text)
    return _HTTP.sub(r"ws\1", text, count=1) if isPageURL(text) else text


def isPageURL(text: str) -> bool:
    """
    Is this an ``http:`` or ``https:`` URL?
    """
    return _HTTP.match(text) is not None


def parseProxy(text: str) -> ProxyURL:
    """
    Read the URL of a proxy; one without a scheme is ``http:``.

    :raises ValueError: if it is none.
    """
    whole, zone = _separateZone(text if "://" in text else f"http://{text}")
    try:
        url = URL.from_text(whole)
    except _NO_URL:
        raise ValueError(f"{shownURL(text)!r} is not the URL of a proxy") from None
    scheme = url.scheme.lower()
    isMore = any(url.path) or url.query or url.fragment
    if scheme not in _PROXY_PORTS or not url.host or isMore:
        raise ValueError(
            "the URL of a proxy is http://, https://, socks5:// or socks5h://, with a "
            f"host and perhaps a port and nothing more: {shownURL(text)!r}"
        )
    port = _portOf(url, _PROXY_PORTS, text)
    host = _asciiHost(url, text)
    named = f"[{host}]" if isIPv6Address(host) else host
    user, _, password = url.userinfo.partition(":")
    return ProxyURL(
        url=f"{scheme}://{_withZone(named, zone)}:{port}",
        scheme=scheme,
        host=f"{host}%{zone}" if zone else host,
        port=port,
        username=unquote(user) if url.userinfo else None,
        password=unquote(password),
    )


def _parseUnix(text: str) -> WebSocketURL:
    """
    Read ``ws+unix:/path/of/socket:/path?query``, as the package ``ws`` has it.

    The first colon ends the socket's path, in which one is written ``%3A``.
    """
    _, _, rest = text.partition(":")
    path, _, resource = rest.partition(":")
    if path.startswith("///"):
        # An empty host may be there, as in file URLs.
        path = path[2:]
    if not path.startswith("/") or path.startswith("//") or path == "/":
        raise ValueError(
            "a ws+unix URL is ws+unix:/path/of/socket:/path?query, not "
            f"{shownURL(text)!r}"
        )
    if "#" in text or not _PRINTABLE.fullmatch(text) or "?" in path:
        raise ValueError(
            "a ws+unix URL has no fragment, no space and no query before the colon: "
            f"{shownURL(text)!r}"
        )
    socketPath = unquote(path)
    if "\0" in socketPath:
        raise ValueError(f"the path of a socket has no zero byte: {shownURL(text)!r}")
    slash = "" if resource.startswith("/") else "/"
    resource = _resource(URL.from_text(f"ws://h{slash}{resource}"))
    return WebSocketURL(
        url=f"ws+unix:{quote(socketPath)}:{resource}",
        isSecure=False,
        host="localhost",
        port=_DEFAULT_PORTS["ws"],
        netloc="localhost",
        resource=resource,
        authorization=None,
        socketPath=socketPath,
    )


def _separateZone(text: str) -> tuple[str, str]:
    """
    Check user, host and port of a URL for what hyperlink lets pass, and take out the
    zone of an address (RFC 6874, 2).

    :return: the URL without the zone, and the zone, which is empty if there is none.
    :raises ValueError: naming the part that is wrong.
    """
    found = _AUTHORITY.match(text)
    if found is None:
        return text, ""
    if "\\" in found[1]:
        # Browsers take it for a slash, so that what follows is no host to them.
        raise ValueError(f"a URL has no backslash before its path: {shownURL(text)!r}")
    place = found[1].rpartition("@")[2]
    if "[" not in place and "]" not in place:
        _checkPort(place, text)
        return text, ""
    address = _IN_BRACKETS.fullmatch(place)
    zone = unquote(address[2] or "") if address else ""
    if not address or not isIPv6Address(address[1]) or not _ZONE.fullmatch(zone or "-"):
        raise ValueError(
            "brackets hold an IPv6 address, with its zone behind %25 if it has one: "
            f"{shownURL(text)!r}"
        )
    _checkPort(place.rpartition("]")[2], text)
    if address[2] is None:
        return text, ""
    start = found.start(1) + len(found[1]) - len(place)
    return text[: start + address.end(1)] + text[start + address.end(2) :], zone


def _withZone(netloc: str, zone: str) -> str:
    """
    Host and port with the zone as a URL has it.
    """
    return netloc.replace("]", f"%25{quote(zone, safe='')}]") if zone else netloc


def _checkPort(place: str, text: str) -> None:
    """
    Has the port, if there is one, nothing but digits? Python's numbers may have more.
    """
    port = place.rpartition(":")[2] if ":" in place else ""
    if port and not (port.isascii() and port.isdigit()):
        raise ValueError(f"a port is between 1 and 65535: {shownURL(text)!r}")


def _withoutEmptyPort(text: str) -> str:
    """
    RFC 3986, 3.2.3: an empty port is the default one.
    """
    found = _EMPTY_PORT.match(text)
    return text if found is None else found[1] + text[found.end() :]


def _portOf(url: URL, defaults: Mapping[str, int], text: str) -> int:
    port = defaults[url.scheme.lower()] if url.port is None else int(url.port)
    if not 0 < port < 65536:
        raise ValueError(f"a port is between 1 and 65535: {shownURL(text)!r}")
    return port


def _asciiHost(url: URL, text: str) -> str:
    if isIPAddress(url.host) or isIPv6Address(url.host):
        return str(url.host)
    stand = standIn(url.host) if url.host.isascii() else url.host
    try:
        found = str(URL(host=stand, scheme="http").to_uri().host)
    except ValueError:
        raise ValueError(f"the host of {shownURL(text)!r} has no such name") from None
    host = found if stand == url.host else str(url.host).lower()
    if not isIPAddress(host) and endsInNumber(host):
        # Resolvers read some of these as addresses, each in its own way.
        raise ValueError(
            f"the host of {shownURL(text)!r} ends in a number and is not an IPv4 "
            "address of four numbers from 0 to 255"
        )
    return host


def _resource(url: URL) -> str:
    # With another host, since an IPv6 address is none that could be encoded.
    there = url.replace(scheme="http", host="h", port=80, userinfo="").to_uri()
    resource = str(there.to_text()).removeprefix("http://h")
    return resource if resource.startswith("/") else f"/{resource}"


def basicAuthorization(userinfo: str) -> str:
    """
    User and password as RFC 7617 wants them, in UTF-8.
    """
    user, _, password = userinfo.partition(":")
    credentials = f"{unquote(user)}:{unquote(password)}".encode()
    return f"Basic {b64encode(credentials).decode('ascii')}"


def _checkText(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"a URL must be str, not {type(text).__name__}")


def shownURL(text: str) -> str:
    """
    A text that is no good URL, without what might be a password in it.
    """
    _, at, end = text.rpartition("@")
    return f"...@{end}" if at else text
