# Part of txwebsocket. See LICENSE for details.
"""
Targets that read single values: of headers, and URLs.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from tests.tools.fuzz.source import Source, check, checkSame, outcome
from txwebsocket.browser.api import scalars
from txwebsocket.client.proxyenv import proxyFor
from txwebsocket.client.url import WebSocketURL, parseProxy, parseURL
from txwebsocket.client.weburl import parseWebURL
from txwebsocket.handshake.cookies import Cookie
from txwebsocket.handshake.forwarded import TrustedProxies
from txwebsocket.handshake.opening import checkHeaders, checkProtocols, isUpgrade
from txwebsocket.handshake.origins import OriginPolicy, isSameHost, parseOrigin
from txwebsocket.handshake.paths import PathPattern, splitPath
from txwebsocket.wire.grammar import (
    formatExtensions,
    isHeaderValue,
    isKey,
    isToken,
    parseExtensions,
    parseProtocols,
    parseTokens,
)

_NETWORKS = ("127.0.0.0/8", "10.0.0.0/8", "::1", "fe80::/10")
_PROXIES = [
    TrustedProxies(_NETWORKS, name) for name in ("X-Forwarded-For", "Forwarded")
]
_POLICY = OriginPolicy(["https://a.example:8443", "https://*.b.example", "app://x"])
_ROUTES = (
    PathPattern("/"),
    PathPattern("/a/{room}"),
    PathPattern("*"),
    PathPattern(re.compile(r"/x/([^/]+)/(?P<name>.*)")),
)
_HOST = re.compile(rb"[!-~]+")


def readValue(data: bytes) -> None:
    """
    A header's values, one a line: they are read or refused with a sentence, and what
    was read is read again when it is written.
    """
    source = Source(data)
    kind = source.number() % len(_VALUES)
    _VALUES[kind](source.rest().split(b"\n"))


def _lists(lines: list[bytes]) -> None:
    for parse in (parseTokens, parseProtocols, parseExtensions):
        found = outcome(lambda: parse(lines), ValueError)  # noqa: B023
        together = outcome(lambda: parse([b",".join(lines)]), ValueError)  # noqa: B023
        if not isinstance(found, str):
            checkSame(found, together)
    isUpgrade(lines, [])


def _tokens(lines: list[bytes]) -> None:
    found = outcome(lambda: parseTokens(lines), ValueError)
    if not isinstance(found, str):
        check(all(map(isToken, found)), found)
        checkSame(found, parseTokens([", ".join(found).encode()]))
        outcome(lambda: checkProtocols(found), ValueError)


def _extensions(lines: list[bytes]) -> None:
    found = outcome(lambda: parseExtensions(lines), ValueError)
    if not isinstance(found, str):
        written = formatExtensions(found).encode("ascii")
        check(isHeaderValue(written), written)
        checkSame(found, parseExtensions([written]))


def _origin(lines: list[bytes]) -> None:
    text, host, *_ = [line.decode("latin-1") for line in [*lines, b"a.example"]]
    origin = parseOrigin(text)
    isPermitted = _POLICY.permits(text, host)
    check(origin or not isPermitted, "what is no origin is permitted", text)
    if origin is None:
        return
    check(0 <= origin.port < 65536, origin)
    again = parseOrigin(f"{origin.scheme}://{origin.host}:{origin.port or 1}")
    check(again is not None and again.host == origin.host, origin, again)
    own = f"{origin.host}:{origin.port}"
    check(not origin.port or isSameHost(origin, own), origin)
    if isPermitted and not isSameHost(origin, host):
        check(origin.scheme in ("https", "app"), "too much is permitted", origin)
        isListed = origin.host in ("a.example", "x") or origin.host.endswith(
            ".b.example"
        )
        check(isListed, "too much is permitted", origin)


def _forwarded(lines: list[bytes]) -> None:
    for proxies in _PROXIES:
        way, unreadable = proxies.path("127.0.0.1", lines)
        check(way[-1] == "127.0.0.1", way)
        # Nothing else than addresses is told.
        check(all(re.fullmatch(r"[0-9a-f.:]+", address) for address in way), way)
        isInThere = unreadable is None or unreadable.encode("latin-1") in b",".join(
            lines
        )
        check(isInThere, unreadable)
        # What a client writes before a proxy does changes nothing that the proxy says.
        name = "for=" if proxies is _PROXIES[1] else ""
        for told in (f"{name}192.0.2.1", f'{name}"[2001:db8::1]:80"'):
            honest = proxies.path("127.0.0.1", [told.encode()])
            forged = b",".join([*lines, told.encode()])
            checkSame(honest, proxies.path("127.0.0.1", [forged]))
        checkSame((["192.0.2.1"], None), proxies.path("192.0.2.1", lines))


def _cookie(lines: list[bytes]) -> None:
    name, value, path, domain, *_ = [
        line.decode("latin-1") for line in [*lines, b"", b"", b""]
    ]
    cookie = outcome(
        lambda: Cookie(
            name,
            value,
            path=path or None,
            domain=domain or None,
            expires=datetime(2026, 1, 1, tzinfo=UTC),
            maxAge=len(value),
            secure=True,
            sameSite="Lax",
        ),
        ValueError,
    )
    if isinstance(cookie, str):
        return
    header = cookie.header()
    check(header.startswith(f"{name}={value}; ") and header.isascii(), header)
    check(header.isprintable(), header)
    parts = 6 + bool(path) + bool(domain)
    check(header.count(";") + 1 == parts - 1, header)


def _header(lines: list[bytes]) -> None:
    name, value, *_ = [line.decode("latin-1") for line in [*lines, b""]]
    if outcome(lambda: checkHeaders([(name, value)]), ValueError) is None:
        check(isToken(name) and not {"\r", "\0", "\n"} & set(value), name, value)
    isKey(lines[0])


def _path(lines: list[bytes]) -> None:
    segments = splitPath(lines[0])
    if segments is not None:
        for route in _ROUTES:
            found = route.match(segments)
            check(found is None or all(isinstance(v, str) for v in found.values()))


_VALUES: tuple[Callable[[list[bytes]], None], ...] = (
    _lists,
    _tokens,
    _extensions,
    _origin,
    _forwarded,
    _cookie,
    _header,
    _path,
)


def readURL(data: bytes) -> None:
    """
    Any text as a URL of a WebSocket, or of a proxy: it leads somewhere, or is refused
    without telling its password; what goes into a request breaks no line.
    """
    kind, _, octets = data[:1], b"", data[1:]
    text = octets.decode("utf-8", "surrogateescape" if kind > b"\x80" else "replace")
    target = outcome(lambda: parseURL(text), ValueError)
    if not isinstance(target, str):
        _checkTarget(target)
        checkSame(_bare(target), _bare(parseURL(target.url)))
    proxy = outcome(lambda: parseProxy(text), ValueError)
    if not isinstance(proxy, str):
        check(_HOST.fullmatch(proxy.host.encode("ascii")), proxy)
        check(0 < proxy.port < 65536, proxy)
        checkSame(proxy.host, parseProxy(proxy.url).host)
        shown = f"{proxy!r} {proxy}"
        _checkSecrets(shown, [proxy.password])
    _readWebURL(text)
    names = {"http_proxy": "http://p:3128", "no_proxy": text}
    outcome(lambda: proxyFor(_HERE, names), ValueError)


def _readWebURL(text: str) -> None:
    """
    A URL as browsers read it: what it is read as, is read as the same again.
    """
    url = outcome(lambda: parseWebURL(scalars(text)), ValueError)
    if isinstance(url, str):
        return
    port = "" if url.port is None else f":{url.port}"
    query = "" if url.query is None else f"?{url.query}"
    whole = f"{url.scheme}://{url.host}{port}{url.path}{query}"
    check(_HOST.fullmatch(whole.encode("ascii")), whole)
    again = parseWebURL(whole)
    checkSame(url[2:6], again[2:6])


_HERE = parseURL("ws://192.0.2.1:81/")


def _bare(target: WebSocketURL) -> tuple[Any, ...]:
    return target.isSecure, target.host, target.port, target.resource, target.socketPath


def _checkTarget(target: WebSocketURL) -> None:
    for part in (target.host, target.netloc, target.resource):
        check(_HOST.fullmatch(part.encode("ascii")), part)
    check(target.resource.startswith("/"), target)
    check("#" not in target.resource, target)
    check(0 < target.port < 65536, target)
    check(target.socketPath is None or "\0" not in target.socketPath, target)


def _checkSecrets(shown: str, secrets: Iterable[str]) -> None:
    for secret in secrets:
        check(len(secret) < 8 or secret not in shown, "a secret is shown", shown)
