# Part of txwebsocket. See LICENSE for details.
"""
B1 to B3: what a peer can make a server wait for. These attacks mostly wait themselves.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.tools.attacks.findings import (
    MILLISECONDS,
    NUMBER,
    SECONDS,
    Arena,
    Attack,
    Finding,
    atLeast,
    atMost,
    same,
)
from tests.tools.attacks.peers import Ended, Peer, echoes
from tests.tools.attacks.processes import Server
from tests.tools.attacks.wire import (
    BINARY,
    CLOSE,
    FIN,
    KIB,
    PING,
    TEXT,
    ask,
    frame,
    head,
)

# What the options say, and what a busy machine may add.
_HEAD, _OPEN, _CLOSE, _INTERVAL, _GRACE, _WRITE = 10.0, 10.0, 5.0, 20.0, 10.0, 30.0
_SPARE = 2.5
_LONG = 60.0


def _trickle(peer: Peer, data: bytes, pause: float = 0.5) -> float:
    """
    Send a byte at a time until the connection ends; return the seconds that takes.
    """
    began = time.monotonic()
    with suppress(Ended):
        for byte in data * 1000:
            peer.send(bytes((byte,)))
            peer.socket.settimeout(pause)
            with suppress(TimeoutError):
                peer.take(2**30)
            if time.monotonic() - began > _LONG:
                break
    return time.monotonic() - began


def slowRequest(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        seconds = _trickle(server.connect(), b"GET / HTTP/1.1\r\nX: " + b"x" * 1000)
        yield atMost("time", seconds, _HEAD + _SPARE, SECONDS)
        yield atLeast("and no less than", seconds, _HEAD - 1, SECONDS)


def noRequest(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield atMost("time", server.connect().endsIn(), _HEAD + _SPARE, SECONDS)


def secondRequest(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        peer = server.connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        seconds = _trickle(peer, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000)
        yield atMost("time", seconds, _HEAD + _SPARE, SECONDS)


def noTLS(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        silent = Peer(socket.create_connection(("127.0.0.1", server.port)))
        slow = Peer(socket.create_connection(("127.0.0.1", server.port)))
        # The head of a TLS record that has a ClientHello of 512 bytes in it.
        seconds = _trickle(slow, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        yield atMost("time", seconds, _HEAD + _SPARE, SECONDS)
        yield atMost("and who says nothing, later", silent.endsIn(), _SPARE, SECONDS)


def noDecision(arena: Arena) -> Iterator[Finding]:
    with arena.server(app="undecided") as server:
        peer = server.connect()
        peer.send(ask())
        began = time.monotonic()
        yield same("status", peer.head().status, 503)
        peer.drain()
        yield atMost("time", time.monotonic() - began, _OPEN + _SPARE, SECONDS)


def afterBothCloses(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        peer = server.open()
        peer.send(frame(FIN | CLOSE, b"\x03\xe8"))
        yield same("code", peer.code(), 1000)
        yield atMost("time", peer.endsIn(), 1.0, SECONDS)


def closeUnanswered(arena: Arena) -> Iterator[Finding]:
    with arena.server(app="Closing") as server:
        peer = server.open()
        peer.send(frame(FIN | TEXT, b"bye"))
        yield same("code", peer.code(), 1000)
        yield atMost("time", peer.endsIn(), _CLOSE + _SPARE, SECONDS)


def closeTalkedOver(arena: Arena) -> Iterator[Finding]:
    times = []
    with arena.server(app="Closing") as server:
        for data in (frame(FIN | TEXT, b"more"), frame(FIN | PING), b"\xff" * 20):
            peer = server.open()
            peer.send(frame(FIN | TEXT, b"bye"))
            peer.code()
            times.append(_talkOn(peer, data))
    yield atMost("time", max(times), _CLOSE + _SPARE, SECONDS)


def _talkOn(peer: Peer, data: bytes) -> float:
    """
    Go on sending something; return the seconds until that fails.
    """
    began = time.monotonic()
    with suppress(Ended):
        while time.monotonic() - began < _LONG:
            peer.send(data)
            time.sleep(0.1)
    return time.monotonic() - began


def halfClosed(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        for name, sent in (("at rest", b""), ("in a frame", head(FIN | BINARY, 100))):
            peer = server.open()
            peer.send(sent)
            peer.socket.shutdown(socket.SHUT_WR)
            yield atMost(f"time, {name}", peer.endsIn(), 1.0, SECONDS)
        yield _atRest(server)


def _atRest(server: Server) -> Finding:
    time.sleep(0.5)
    before = server.worked()
    time.sleep(2.0)
    worked = (server.worked() - before) / 2.0
    return atMost("processor in a second afterwards", worked, 0.05, MILLISECONDS)


def silence(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        peer = server.open()
        peer.socket.settimeout(_LONG)
        began = time.monotonic()
        first, payload = peer.frame()
        yield same("first", hex(first), hex(FIN | PING))
        yield atMost("after", time.monotonic() - began, _INTERVAL + _SPARE, SECONDS)
        yield atLeast("random bytes in it", len(payload), 4, NUMBER)
        yield atMost("and ended after", peer.endsIn(), _GRACE + _SPARE, SECONDS)


def longFrame(arena: Arena) -> Iterator[Finding]:
    """
    A frame that arrives slowly is a sign of life.
    """
    with arena.server() as server:
        peer = server.open()
        peer.send(head(FIN | BINARY, 40))
        for _ in range(40):
            peer.send(b"x")
            time.sleep(1.0)
        first, payload = peer.frame()
        yield same("what comes", f"{first:#x}, {len(payload)} bytes", "0x82, 40 bytes")


def neverReading(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        other = server.open()
        peer = server.open()
        peer.pour(frame(FIN | BINARY, bytes(64 * KIB)) * 1024, 1.0)
        began = time.monotonic()
        descriptors = server.descriptors()
        while server.descriptors() == descriptors:
            if time.monotonic() - began > _LONG:
                break
            # The other one is no client that is silent.
            echoes(other)
            time.sleep(0.2)
        seconds = time.monotonic() - began
        yield atMost("its socket is closed after", seconds, _WRITE + _SPARE, SECONDS)


_BOTH = ("tcp", "tls")


def _waits(
    kind: str,
    title: str,
    run: Callable[[Arena], Iterator[Finding]],
    over: tuple[str, ...] = _BOTH,
) -> Attack:
    return Attack(kind, title, run, over=over, isQuick=False, isPatient=True)


ATTACKS = (
    _waits("B1", "a request that comes a byte at a time", slowRequest),
    _waits("B1", "no request at all", noRequest),
    _waits("B1", "a second request that comes a byte at a time", secondRequest),
    _waits("B1", "a TLS handshake that never ends", noTLS, ("tls",)),
    _waits("B1", "a request that nobody decides on", noDecision),
    _waits("B2", "a close, and a connection that stays", afterBothCloses),
    _waits("B2", "a close that is not answered", closeUnanswered),
    _waits("B2", "a close that is talked over", closeTalkedOver),
    _waits("B2", "no more data, and no close", halfClosed, ("tcp",)),
    _waits("B3", "silence", silence),
    _waits("B3", "a frame of 40 bytes, a byte each second", longFrame),
    _waits("A7", "nothing read for half a minute", neverReading),
)
