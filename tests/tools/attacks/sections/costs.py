# Part of txwebsocket. See LICENSE for details.
"""
B4 and B5: what a peer can make a server compute.
"""

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from threading import Thread

from tests.tools.attacks.findings import (
    MILLISECONDS,
    Arena,
    Attack,
    Finding,
    atMost,
    linear,
    same,
)
from tests.tools.attacks.peers import Peer, connect, echoes, shakeHands
from tests.tools.attacks.processes import Server
from tests.tools.attacks.wire import (
    BINARY,
    COMPRESSED,
    FIN,
    KIB,
    MIB,
    PING,
    RSV1,
    ask,
    deflated,
    emptyBlocks,
    frame,
)

# What takes a careless expression long, repeated; and where it stands.
HEADERS = (
    ("Sec-WebSocket-Extensions", 'a;b="'),
    ("Sec-WebSocket-Extensions", 'a;b="\\\\'),
    ("Sec-WebSocket-Extensions", "permessage-deflate;"),
    ("Sec-WebSocket-Extensions", " \t"),
    ("Sec-WebSocket-Extensions", "a, "),
    ("Sec-WebSocket-Extensions", "a;"),
    ("Sec-WebSocket-Protocol", "a "),
    ("Sec-WebSocket-Protocol", ","),
    ("Sec-WebSocket-Protocol", " \t"),
    ("Connection", "upgrade/"),
    ("Connection", ", "),
    ("Upgrade", "websocket "),
    ("Origin", "http://"),
    ("Origin", "http://a."),
    ("Host", "a:"),
    ("Host", "["),
    ("Cookie", "a="),
    ("Cookie", "a=b;"),
    ("Cookie", 'a="\\'),
    ("X-Forwarded-For", "1, "),
    ("Sec-WebSocket-Version", "1"),
    ("Sec-WebSocket-Key", "="),
)

# As many blocks of a message as may say that they are the last, and more of them.
_ENDS = 16
_TOO_MANY_ENDS = 255

_TIMES = 5
_NAP = 0.005
_LEAST = 1e-4
_LONG = 600.0


def _cost(server: Server, name: str, pattern: str, size: int) -> float:
    """
    Seconds of the processor for a request with a header this long, at best.
    """
    value = (pattern * size)[:size] + "!"
    request = ask("GET / HTTP/1.1", f"{name}: {value}")
    costs = []
    for _ in range(_TIMES):
        peer = server.connect()
        before = server.worked()
        peer.send(request)
        peer.head()
        # The system counts when the server sleeps again.
        time.sleep(_NAP)
        costs.append(server.worked() - before)
        peer.close()
    # One that was counted in another's place took no time.
    return max(min(costs), _LEAST)


def longHeaders(arena: Arena) -> Iterator[Finding]:
    most, ratio = 0.0, (1.0, 1.0)
    with arena.server() as server:
        server.warmUp()
        for name, pattern in HEADERS:
            small, large = (_cost(server, name, pattern, n * KIB) for n in (2, 8))
            most = max(most, large)
            ratio = max(ratio, (small, large), key=lambda pair: pair[1] / pair[0])
    yield linear(*ratio)
    if not arena.isQuick:
        yield atMost("processor for the worst", most, 0.005, MILLISECONDS)


@contextmanager
def _flood(server: Server, data: bytes, request: bytes = b"") -> Iterator[None]:
    """
    A peer that sends as fast as it can, in a process of its own.
    """
    child = get_context("spawn").Process(
        target=_pourOn,
        args=(server.port, server.isSecure, data, request),
        daemon=True,
    )
    child.start()
    try:
        # It has to import things first.
        before = server.worked()
        while server.worked() - before < 0.3:
            time.sleep(0.1)
        yield
    finally:
        child.kill()
        child.join()


def _pourOn(port: int, isSecure: bool, data: bytes, request: bytes) -> None:
    peer = connect(port, isSecure)
    shakeHands(peer, request)
    # Or the server would soon read no more.
    Thread(target=peer.drain, args=(_LONG,), daemon=True).start()
    while True:
        peer.pour(data)


def floods(arena: Arena) -> Iterator[Finding]:
    for name, one in (
        ("messages", frame(FIN | BINARY, b"a")),
        ("pings", frame(FIN | PING, b"a")),
    ):
        with arena.server(app="Silent") as server:
            quiet = server.open()
            echoes(quiet, b"echo")
            with _flood(server, one * 100_000):
                yield _slowest(server, quiet, name)


def _slowest(server: Server, quiet: Peer, name: str) -> Finding:
    delays = sorted(_delay(server, quiet) for _ in range(200))
    what = f"processor while an echo waits, p99, with {name}"
    return atMost(what, delays[-3], 0.05, MILLISECONDS)


def inflating(arena: Arena) -> Iterator[Finding]:
    for name, payload in (
        ("messages of 1 MiB in 1 KiB", deflated(bytes(MIB))),
        ("empty messages that end again and again", _ended(_ENDS)),
        ("1 MiB of blocks that make nothing", emptyBlocks(MIB)),
        ("empty messages", b"\0"),
    ):
        one = frame(FIN | RSV1 | BINARY, payload)
        with arena.server("--compress", app="Silent") as server:
            quiet = server.open()
            echoes(quiet, b"echo")
            with _flood(server, one * (4 * MIB // len(one)), COMPRESSED):
                yield _slowest(server, quiet, name)
    with arena.server("--compress") as server:
        peer = server.open(COMPRESSED)
        peer.send(frame(FIN | RSV1 | BINARY, _ended(_TOO_MANY_ENDS)))
        yield same(f"code for {_TOO_MANY_ENDS} ends", peer.code(), 1007)


def _ended(times: int) -> bytes:
    deflater = zlib.compressobj(9, wbits=-15)
    return deflater.flush(zlib.Z_FINISH) * times


def _delay(server: Server, peer: Peer) -> float:
    """
    What a server does meanwhile: on a machine that does other things as well, this is
    the server's part of what an echo has to wait.
    """
    time.sleep(0.005)
    before = server.worked()
    echoes(peer, b"echo")
    return server.worked() - before


ATTACKS = (
    Attack("B4", "headers of 8 kB that mean a lot of work", longHeaders),
    Attack(
        "B5",
        "compressed messages as fast as can be that cost much",
        inflating,
        over=("tcp", "tls"),
        isQuick=False,
    ),
    Attack(
        "B5",
        "tiny messages and pings as fast as can be",
        floods,
        over=("tcp", "tls"),
        isQuick=False,
    ),
)
