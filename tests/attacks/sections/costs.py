# Part of txwebsocket. See LICENSE for details.
"""
B4 and B5: what a peer can make a server compute.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from threading import Thread

from tests.attacks.findings import (
    MILLISECONDS,
    Arena,
    Attack,
    Finding,
    atMost,
    linear,
)
from tests.attacks.peers import Peer, connect, echoes, shakeHands
from tests.attacks.processes import Server
from tests.attacks.wire import BINARY, FIN, KIB, PING, ask, frame

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
def _flood(server: Server, data: bytes) -> Iterator[None]:
    """
    A peer that sends as fast as it can, in a process of its own.
    """
    child = get_context("spawn").Process(
        target=_pourOn, args=(server.port, server.isSecure, data), daemon=True
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


def _pourOn(port: int, isSecure: bool, data: bytes) -> None:
    peer = connect(port, isSecure)
    shakeHands(peer)
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
                delays = sorted(_delay(server, quiet) for _ in range(200))
            what = f"processor while an echo waits, p99, with {name}"
            yield atMost(what, delays[-3], 0.05, MILLISECONDS)


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
        "tiny messages and pings as fast as can be",
        floods,
        over=("tcp", "tls"),
        isQuick=False,
    ),
)
