# Part of txwebsocket. See LICENSE for details.
"""
C1 to C4, C8, D1, D2, D8 and D9: requests that a server must not misread.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from tests.tools.attacks.findings import (
    MEMORY,
    SMALL,
    Arena,
    Attack,
    Finding,
    atMost,
    rows,
    same,
)
from tests.tools.attacks.peers import Ended, Peer
from tests.tools.attacks.processes import Server
from tests.tools.attacks.wire import BINARY, FIN, KIB, MIB, TEXT, ask, frame

_GET = "GET / HTTP/1.1"
_ECHO = frame(FIN | TEXT, b"early")
_HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


class Row(NamedTuple):
    """
    A request, and the statuses that may answer it.

    :ivar more: what the response's headers have to have in them.
    """

    name: str
    request: bytes
    statuses: tuple[int, ...] = (400,)
    more: str = ""


def _with(name: str, value: str, *statuses: int) -> Row:
    """
    A request with one more header.
    """
    request = ask(_GET, f"{name}: {value}")
    return Row(f"{name}: {value!r:.40}", request, statuses or (400,))


CHECKS = (
    Row("POST", ask("POST / HTTP/1.1"), (405,), "allow: GET"),
    Row("HEAD", ask("HEAD / HTTP/1.1"), (405,), "allow: GET"),
    Row("PUT", ask("PUT / HTTP/1.1"), (405,), "allow: GET"),
    Row("HTTP/1.0", ask("GET / HTTP/1.0"), (400, 505)),
    Row("HTTP/0.9", b"GET /\r\n\r\n"),
    Row("HTTP/2.0", ask("GET / HTTP/2.0"), (400, 505)),
    Row("no version of HTTP", ask("GET / WS/1.1"), (400, 505)),
    Row("no Host", ask(host=None)),
    Row("an empty Host", ask(host="")),
    Row("two Hosts", ask(_GET, "Host: other")),
    Row("a Host with a path", ask(host="h/admin?room=9#")),
    Row("half an address as Host", ask(host="[")),
    Row("a space in Host", ask(host="a b")),
    Row("two names in Host", ask(host="h,g")),
    Row("another site's name for this machine", ask(host="evil.example"), (421,)),
    Row("a target without a slash", ask("GET x HTTP/1.1")),
    Row("a target with a backslash", ask("GET \\ HTTP/1.1")),
    Row("a URL of another host", ask("GET http://evil.example/ HTTP/1.1")),
    Row("no Upgrade", ask(upgrade=None), (426,), "upgrade: websocket"),
    Row("notwebsocket", ask(upgrade="notwebsocket"), (426,), "upgrade: websocket"),
    Row("h2c", ask(upgrade="h2c"), (426,), "upgrade: websocket"),
    Row("no Connection", ask(connection=None)),
    Row("Connection: notupgrade", ask(connection="notupgrade")),
    Row("Connection: keep-alive", ask(connection="keep-alive")),
    Row("no key", ask(secwebsocketkey=None)),
    Row("an empty key", ask(secwebsocketkey="")),
    Row("a key of 15 bytes", ask(secwebsocketkey="AAAAAAAAAAAAAAAAAAAA")),
    Row("a key of 17 bytes", ask(secwebsocketkey="AAAAAAAAAAAAAAAAAAAAAAA=")),
    Row("no base64", ask(secwebsocketkey="!!!!!!!!!!!!!!!!!!!!!!==")),
    Row("two keys", ask(_GET, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
    Row("no version", ask(secwebsocketversion=None), more="version: 13"),
    Row("version 12", ask(secwebsocketversion="12"), (426,), "version: 13"),
    Row("version 0", ask(secwebsocketversion="0"), (426,), "version: 13"),
    Row("version 013", ask(secwebsocketversion="013"), more="version: 13"),
    Row("version 13, 8", ask(secwebsocketversion="13, 8"), more="version: 13"),
    Row("version +13", ask(secwebsocketversion="+13"), more="version: 13"),
    Row("two versions", ask(_GET, "Sec-WebSocket-Version: 13")),
    _with("Sec-WebSocket-Protocol", "a b"),
    _with("Sec-WebSocket-Protocol", "a, a"),
    _with("Sec-WebSocket-Protocol", "(a)"),
    _with("Sec-WebSocket-Extensions", "permessage-deflate; ="),
    _with("Sec-WebSocket-Extensions", 'a; b="c'),
    _with("Sec-WebSocket-Extensions", "a b"),
    _with("Sec-WebSocket-Extensions", "constructor; __proto__=1", 101),
)

_CONTROLS = [chr(n) for n in (*range(1, 9), 11, 12, *range(14, 32), 127)]

SMUGGLED = (
    *(_with("X", f"a{c}Origin: http://b", 400) for c in _CONTROLS),
    _with("X", "a\x00b", 400),
    _with("X", "a\rUpgrade: b", 400),
    _with("X", "a\x85Origin: http://b", 101),
    Row("space before a colon", ask(_GET, "X : a")),
    Row("a tab before a colon", ask(_GET, "X\t: a")),
    Row("a folded line", ask(_GET, "X: a", " b")),
    Row("no colon", ask(_GET, "X")),
    Row("no name", ask(_GET, ": a")),
    Row("a space in a name", ask(_GET, "X Y: a")),
)

_BODY = frame(FIN | TEXT, b"body")

BODIES = (
    Row("Content-Length", ask(_GET, f"Content-Length: {len(_BODY)}") + _BODY),
    Row("of a GiB", ask(_GET, "Content-Length: 1073741824") + _BODY),
    Row("negative", ask(_GET, "Content-Length: -1") + _BODY),
    Row("no number", ask(_GET, "Content-Length: +4") + _BODY),
    Row("two lengths", ask(_GET, "Content-Length: 0", "Content-Length: 9") + _BODY),
    Row("chunked", ask(_GET, "Transfer-Encoding: chunked") + b"0\r\n\r\n" + _BODY),
    Row("identity", ask(_GET, "Transfer-Encoding: identity") + _BODY),
    Row("both", ask(_GET, "Transfer-Encoding: chunked", "Content-Length: 9") + _BODY),
    Row("no version, and another request", ask(secwebsocketversion=None) + _HIDDEN),
    Row("version 12, and another", ask(secwebsocketversion="12") + _HIDDEN, (426,)),
    Row("no page's, and another", ask(_GET, "Origin: null") + _HIDDEN, (403,)),
)

_FILL = "x" * 1000

LARGE = (
    Row("a header of 20 kB", ask(_GET, f"X: {_FILL * 20}"), (400, 431)),
    Row("a line of 20 kB", ask(f"GET /{_FILL * 20} HTTP/1.1"), (400, 414, 431)),
    Row("headers of 40 kB", ask(_GET, *[f"X: {_FILL}"] * 40), (400, 431)),
    Row("2000 headers", ask(_GET, *["X: y"] * 2000), (400, 431)),
)

# To 127.0.0.1, on whatever port, and with that in Host.
ORIGINS = (
    "null",
    "",
    "http://",
    "http://evil-127.0.0.1:{port}",
    "http://127.0.0.1.evil.example:{port}",
    "http://evil.example",
    "http://evil.example:{port}",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://127.0.0.1:{port}0",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port} http://evil.example",
    "http://127.0.0.1:{port},http://evil.example",
    "http://127.0.0.1.:{port}",
    "http://127.0.0.1:0{port}0",
    "http://[::1]:{port}",
    "http://2130706433:{port}",
    "http://127.1:{port}",
    "http://127。0。0。1:{port}",
    "127.0.0.1:{port}",
    "//127.0.0.1:{port}",
    "file://",
    "chrome-extension://127.0.0.1",
)

OFFERS = {
    "permessage-deflate": "permessage-deflate",
    "permessage-deflate; client_max_window_bits": "permessage-deflate",
    "permessage-deflate; server_max_window_bits=010": "",
    "permessage-deflate; server_max_window_bits=1e1": "",
    "permessage-deflate; client_max_window_bits=7": "",
    "permessage-deflate; client_max_window_bits=16": "",
    "permessage-deflate; server_max_window_bits": "",
    "permessage-deflate; server_max_window_bits=8": "",
    "permessage-deflate; server_no_context_takeover=1": "",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover": "",
    "permessage-deflate; unknown": "",
    "permessage-deflate; unknown, permessage-deflate": "permessage-deflate",
    "x-webkit-deflate-frame": "",
    "Permessage-Deflate": "",
}
"""
What is offered, and the extension that is agreed on.
"""


def _verdict(server: Server, row: Row) -> str:
    """
    What is wrong with the answer to a request, if anything is.
    """
    peer = server.connect()
    with suppress(Ended):
        peer.send(row.request)
    try:
        response = peer.head()
    except (Ended, TimeoutError) as error:
        return f"{row.name}: no answer, {error}"
    if response.status not in row.statuses:
        return f"{row.name}: {response.start}"
    lines = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    if row.more not in lines:
        return f"{row.name}: no {row.more!r}"
    return "" if response.status == 101 else _ended(peer, row)


def _ended(peer: Peer, row: Row) -> str:
    """
    After a refusal there is one body, and the end.
    """
    body = bytearray()
    try:
        while len(body) < MIB:
            body += peer.take(1)
    except Ended:
        more = re.search(rb"HTTP/1\.1 \d+", bytes(body))
        return f"{row.name}: and {more[0]!r}" if more else ""
    except TimeoutError:
        pass
    return f"{row.name}: not closed"


def _all(server: Server, what: str, table: Iterable[Row]) -> Finding:
    verdicts = [_verdict(server, row) for row in table]
    return rows(what, [each for each in verdicts if each], len(verdicts))


def _quiet(server: Server, number: int) -> Finding:
    """
    A hostile request costs a line of the log besides that of the access log, at most,
    and no traceback.
    """
    said = server.said()
    lines = said.splitlines()[1:]
    bad = [line for line in lines if "Traceback" in line or "Unhandled" in line]
    bad += [f"{len(lines)} lines for {number}"] if len(lines) > 2 * number + 20 else []
    bad += (
        ["a control character"] if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said) else []
    )
    return same("the log", "; ".join(bad) or "quiet", "quiet")


def checks(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _all(server, "refused as they should be", CHECKS)
        yield _quiet(server, len(CHECKS))


def smuggling(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _all(server, "refused as they should be", SMUGGLED)
        yield _quiet(server, len(SMUGGLED))


def bodies(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _all(server, "refused, and nothing behind them read", BODIES)
        yield _quiet(server, len(BODIES))


def large(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        server.mark()
        yield _all(server, "refused", LARGE)
        peer = server.connect()
        piece = f"X: {_FILL}\r\n".encode() * 64
        sent = peer.pour(ask()[:-2] + piece * 1024, 1.0)
        yield atMost("taken of headers without an end", sent, 16 * MIB, MEMORY)
        yield atMost("memory", server.grown(), MIB, MEMORY)


def early(arena: Arena) -> Iterator[Finding]:
    stream = ask() + _ECHO
    cuts = range(len(stream) - len(_ECHO) - 3, len(stream) + 1)
    wrong = []
    with arena.server() as server:
        for cut in cuts:
            peer = server.connect()
            peer.send(stream[:cut])
            if cut < len(stream):
                server.rests()
                peer.send(stream[cut:])
            response = peer.head()
            if peer.frame() != (FIN | TEXT, b"early"):
                wrong.append(f"cut at {cut}")
            if {"content-length", "transfer-encoding"} & response.headers.keys():
                wrong.append(f"{sorted(response.headers)} in a 101")
    yield rows("the frame behind the request is delivered", wrong, len(cuts))


def origins(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        host = f"127.0.0.1:{server.port}"
        given = [text.format(port=server.port) for text in ORIGINS]
        table = [
            Row(
                repr(origin),
                # A page's origin is ASCII; this is what else might come.
                ask(_GET, f"Origin: {origin}".encode().decode("latin-1"), host=host),
                (403,),
            )
            for origin in given
        ]
        twice = ask(_GET, *[f"Origin: http://{host}"] * 2, host=host)
        table.append(Row("two origins", twice, (403,)))
        yield _all(server, "refused", table)
        own = ask(_GET, f"Origin: HTTP://{host}", host=host)
        none = ask(host=host)
        table = [Row("our own", own, (101,)), Row("no page", none, (101,))]
        yield _all(server, "our own pages, and no page, let in", table)
        yield _quiet(server, len(given))


def forwarded(arena: Arena) -> Iterator[Finding]:
    lines = (
        "X-Forwarded-For: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "X-Real-IP: 9.9.9.9",
    )
    with arena.server(app="address") as server:
        peer = server.open(ask(_GET, *lines))
        yield same("the address is", peer.frame()[1].decode(), "127.0.0.1")


def offers(arena: Arena) -> Iterator[Finding]:
    wrong = []
    with arena.server("--compress") as server:
        for offer, wanted in OFFERS.items():
            found = _agreed(server, offer)
            if found.partition(";")[0] != wanted:
                wrong.append(f"{offer}: {found!r}")
    yield rows("bad offers passed over, good ones taken", wrong, len(OFFERS))


def unasked(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        found = _agreed(server, "permessage-deflate")
        yield same("what is agreed on", found or "nothing", "nothing")


def _agreed(server: Server, offer: str) -> str:
    peer = server.connect()
    peer.send(ask(_GET, f"Sec-WebSocket-Extensions: {offer}"))
    response = peer.head()
    peer.close()
    return response.headers.get("sec-websocket-extensions", "")


def secrets(arena: Arena) -> Iterator[Finding]:
    with arena.server(app="Failing") as server:
        peer = server.open()
        peer.send(frame(FIN | BINARY, b"x"))
        first, payload = peer.frame()
        yield same("the close is", f"{first:#x} {payload!r}", r"0x88 b'\x03\xf3'")
        shown = server.awaits("swordfish").group()
        yield same("what only the log has", shown, "swordfish")


def longNames(arena: Arena) -> Iterator[Finding]:
    """
    What a peer writes into the log is short, and in one line.
    """
    with arena.server() as server:
        before = len(server.said())
        origin = "http://\x1b[31m" + "a" * 8 * KIB
        peer = server.connect()
        peer.send(ask(_GET, f"Origin: {origin[8:]}"))
        peer.head()
        peer.drain()
        server.rests()
        yield atMost("of the log", len(server.said()) - before, KIB, SMALL)


ATTACKS = (
    Attack("C1", "handshakes that are none", checks, isQuick=False),
    Attack("C2", "too many headers, too large, and without an end", large),
    Attack(
        "C3", "control characters and folded lines in headers", smuggling, isQuick=False
    ),
    Attack("C4", "bodies, and requests behind a refused one", bodies, isQuick=False),
    Attack("C4", "a frame behind the request, cut everywhere", early, isQuick=False),
    Attack("C8", "offers of compression that break the rules", offers, isQuick=False),
    Attack("D1", "pages of other origins, and look-alikes", origins, isQuick=False),
    Attack("D2", "headers that tell another address", forwarded, isQuick=False),
    Attack(
        "D8", "an offer of compression that nobody asked for", unasked, isQuick=False
    ),
    Attack("D9", "an application that fails with a secret", secrets, isQuick=False),
    Attack("D9", "8 KiB that go into a log", longNames, isQuick=False),
)
