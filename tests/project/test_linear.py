# Part of txwebsocket. See LICENSE for details.
"""
Tests that what reads somebody else's text takes a time that grows as the text does.

An expression that can match in many ways, or a search that begins anew at each place,
takes four times as much text in sixteen times the time. What is compared is how much
longer a reader takes for that, never how long.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from functools import partial
from http.cookiejar import CookieJar
from time import process_time

from twisted.trial.unittest import SynchronousTestCase

from tests.project.test_speed import instructions
from tests.support.memory import KEY, handshake
from tests.support.twins import TWINS
from txwebsocket.client.cookiejar import storeCookies
from txwebsocket.client.proxyenv import proxyFor
from txwebsocket.client.redirects import RedirectableRequest
from txwebsocket.client.url import parseProxy, parseURL
from txwebsocket.client.weburl import parseWebURL
from txwebsocket.handshake.cookies import Cookie
from txwebsocket.handshake.forwarded import TrustedProxies
from txwebsocket.handshake.hosts import HostPolicy
from txwebsocket.handshake.httpconnect import ConnectDialogue
from txwebsocket.handshake.opening import ClientHandshake, checkHeaders, readRequest
from txwebsocket.handshake.origins import OriginPolicy, isSameHost, parseOrigin
from txwebsocket.handshake.paths import PathPattern, splitPath
from txwebsocket.handshake.response import BodyReader, ResponseHead, ResponseReader
from txwebsocket.handshake.socks5 import SocksDialogue
from txwebsocket.handshake.targets import parseTarget
from txwebsocket.wire.errors import BadResponse, UpgradeRefused
from txwebsocket.wire.grammar import (
    isHeaderValue,
    isKey,
    parseExtensions,
    parseProtocols,
    parseTokens,
)

Reader = Callable[[str], object]

_SIZE = 1024
# Seconds below which a time says more of the machine than of the reader.
_SHORT = 1e-4
_REFUSALS = (ValueError, BadResponse, UpgradeRefused)
_ORIGINS = OriginPolicy(["https://*.example.com", "https://example.com"])
_PROXIES = TrustedProxies(["0.0.0.0/0", "::/0"])
_FORWARDED = TrustedProxies(["0.0.0.0/0", "::/0"], "Forwarded")
_HERE = parseURL("ws://example.com/chat")
_ASKED = ClientHandshake(host="example.com", target="/chat", key=KEY)
_ROUTES = (PathPattern("/a/{b}"), PathPattern(re.compile(r"/(.*)/end")))

# What a text consists of, again and again; and what it begins and ends with.
_UNITS = (
    "a",
    "1",
    " ",
    "\t",
    ",",
    ", ",
    ";",
    "; a",
    "=",
    ";a=b",
    '"',
    "\\",
    '\\"',
    "\\a",
)
_UNITS += (
    ":",
    "a:",
    "[",
    ":]",
    "/",
    "//",
    "/a",
    "..",
    "../",
    "@",
    "a@",
    "%",
    "%41",
    "?",
    "#",
)
_UNITS += (
    ".",
    "a.",
    "-",
    "\r",
    "\r\n",
    "\n",
    "a:b\r\n",
    "\x00",
    "é",
    "::",
    "1.1.1.1,",
    "0\r\n",
)
# Where there is more that has to stand around it for a reader to go on.
_AROUND = {
    "extensions": ('a;b="', '"'),
    "an origin": ("https://", ":"),
    "an allowed origin": ("https://", ".example.com"),
    "Forwarded": ('for="', '"'),
    "a request target": ("/", "#"),
    "a response": ("a\r\nB: ", "\r\n\r\n"),
    "a body": ("1;", "\r\n"),
    "Location": ("https://h/", "#"),
    "Set-Cookie": ("a=b; expires=", "; path=/"),
    "a URL": ("ws://h/", " "),
    "a URL of a socket": ("a:/", "?"),
    "a proxy's URL": ("http://a:", "@h"),
}


def _response(text: str) -> None:
    octets = f"HTTP/1.1 200 OK\r\nA: {text}\r\n\r\n".encode("latin-1")
    for data in (octets, text.encode("latin-1")):
        reader = ResponseReader()
        for at in range(0, len(data), 16):
            if reader.feed(data[at : at + 16]) is not None:
                break


def _body(text: str, step: int) -> None:
    headers = ((b"Transfer-Encoding", b"chunked"),)
    reader = BodyReader(ResponseHead("1.1", 404, "", headers))
    data = text.encode("latin-1")
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])


def _request(name: str, text: str) -> None:
    _, *lines = handshake(f"{name}: .").split(b"\r\n")[:-2]
    headers = [line.split(b": ", 1) for line in lines]
    value = text.encode("latin-1")
    readRequest(
        b"GET", b"/", b"HTTP/1.1", [(n, value if v == b"." else v) for n, v in headers]
    )


def _redirect(text: str) -> None:
    head = ResponseHead("1.1", 302, "", ((b"Location", text.encode("latin-1")),))
    RedirectableRequest(_HERE, _ASKED).after(head)


def _setCookie(text: str) -> None:
    headers = ((b"Set-Cookie", text.encode("latin-1")),)
    storeCookies(CookieJar(), _HERE, ResponseHead("1.1", 101, "", headers))


def _answer(name: str, text: str) -> None:
    headers = (
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (name.encode(), text.encode("latin-1")),
    )
    _ASKED.agree(ResponseHead("1.1", 101, "", headers))


def _path(text: str) -> None:
    segments = splitPath(text.encode("latin-1"))
    for route in _ROUTES:
        route.match(segments or [text])


def _proxy(text: str, step: int) -> None:
    for dialogue in (SocksDialogue("h", 80), ConnectDialogue("h", 80)):
        data = text.encode("latin-1")
        for at in range(0, len(data), step):
            if dialogue.isComplete:
                break
            dialogue.feed(data[at : at + step])


def _frames(text: str, step: int) -> None:
    data = text.encode("latin-1")
    for twin in TWINS:
        reader = twin.FrameReader(masked=False, maxFrameSize=None, maxMessageSize=2**20)
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])


def _lines(parse: Callable[[list[bytes]], object]) -> Reader:
    return lambda text: parse([text.encode("latin-1")])


READERS: dict[str, Reader] = {
    "tokens": _lines(parseTokens),
    "protocols": _lines(parseProtocols),
    "extensions": _lines(parseExtensions),
    "a key": lambda text: isKey(text.encode("latin-1")),
    "a value": lambda text: isHeaderValue(text.encode("latin-1")),
    "headers": lambda text: checkHeaders([("A", text)]),
    "a name": lambda text: checkHeaders([(text, "a")]),
    "a cookie": lambda text: Cookie("a", text, path=text),
    "the name of a cookie": lambda text: Cookie(text, ""),
    "an origin": parseOrigin,
    "an allowed origin": lambda text: _ORIGINS.permits(text, "h"),
    "a host": lambda text: isSameHost(parseOrigin("http://h"), text),
    "an allowed host": HostPolicy(["h", "*.h"]).permits,
    "a request target": parseTarget,
    "a request target's host": lambda text: parseTarget(f"http://{text}"),
    "X-Forwarded-For": _lines(partial(_PROXIES.path, "127.0.0.1")),
    "Forwarded": _lines(partial(_FORWARDED.path, "127.0.0.1")),
    "Connection": partial(_request, "Connection"),
    "Upgrade": partial(_request, "Upgrade"),
    "Sec-WebSocket-Version": partial(_request, "Sec-WebSocket-Version"),
    "Sec-WebSocket-Protocol": partial(_request, "Sec-WebSocket-Protocol"),
    "Sec-WebSocket-Extensions": partial(_request, "Sec-WebSocket-Extensions"),
    "Content-Length": partial(_request, "Content-Length"),
    "a path": _path,
    "a response": _response,
    "a body": partial(_body, step=2**20),
    "a body in pieces": partial(_body, step=16),
    "an accepted protocol": partial(_answer, "Sec-WebSocket-Protocol"),
    "Location": _redirect,
    "Set-Cookie": _setCookie,
    "a proxy's answer": partial(_proxy, step=16),
    "a URL": parseURL,
    "a URL as browsers read it": lambda text: parseWebURL(f"ws://h/{text}"),
    "a host as browsers read it": lambda text: parseWebURL(f"ws://{text}"),
    "a URL of a socket": lambda text: parseURL(f"ws+unix:/{text}"),
    "a proxy's URL": parseProxy,
    "no_proxy": lambda text: proxyFor(_HERE, {"all_proxy": "p", "no_proxy": text}),
    "frames": partial(_frames, step=2**20),
    "frames in pieces": partial(_frames, step=16),
}


def _read(read: Reader, text: str) -> None:
    try:
        read(text)
    except _REFUSALS:
        pass


def _readAll(read: Reader, size: int) -> None:
    for unit in ("a", ",", ";a=b", "/a", "1.1.1.1,", "1\r\na\r\n"):
        _read(read, _repeat("", unit, "", size))


def _seconds(read: Reader, text: str, times: int) -> float:
    """
    What it takes at least.
    """
    found = []
    for _ in range(times):
        began = process_time()
        _read(read, text)
        found.append(process_time() - began)
    return min(found)


def slowdown(read: Reader, make: Callable[[int], str]) -> float:
    """
    How much longer a reader takes for four times as much. What else runs can make it
    more, so that it is measured again if it is much; or less, if it is the short text
    that takes longer, so that this one is read more often.
    """
    ratio = 0.0
    for times in (1, 3, 10, 30):
        short = _seconds(read, make(_SIZE), 5 * times)
        ratio = _seconds(read, make(4 * _SIZE), times) / max(short, _SHORT)
        if ratio < 8:
            break
    return ratio


def _texts(name: str) -> Iterator[Callable[[int], str]]:
    """
    What makes texts of any size for a reader.
    """
    for start, end in {("", ""), ("", "\x00"), _AROUND.get(name, ("", ""))}:
        for unit in _UNITS:
            yield partial(_repeat, start, unit, end)


def _repeat(start: str, unit: str, end: str, size: int) -> str:
    return start + unit * (size // len(unit)) + end


class LinearTests(SynchronousTestCase):
    """
    Tests of how long reading takes.
    """

    def test_time(self) -> None:
        """
        No text makes a reader slow out of proportion, whatever is repeated in it.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        slow = {
            f"{name}: {make(20)!r}": ratio
            for name, read in READERS.items()
            for make in _texts(name)
            if (ratio := slowdown(read, make)) >= 8
        }
        self.assertEqual(slow, {})

    def test_instructions(self) -> None:
        """
        Nor does any text make a reader go through it again and again.
        """
        for name, read in READERS.items():
            short, long = (
                instructions(partial(_readAll, read, size)) for size in (128, 512)
            )
            self.assertLess(long, 5 * short + 200, name)

    def test_measure(self) -> None:
        """
        What is slow out of proportion would be found.
        """
        bad = re.compile(r"(?:\w|-)+://")
        self.assertGreater(slowdown(bad.search, partial(_repeat, "", "a", "")), 8)
