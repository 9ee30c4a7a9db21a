# Part of txwebsocket. See LICENSE for details.
"""
A: what a peer can make a server hold.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import median

from tests.tools.attacks.findings import (
    MEMORY,
    MILLISECONDS,
    SECONDS,
    SMALL,
    TIMES,
    Arena,
    Attack,
    Finding,
    answered,
    atLeast,
    atMost,
    calmest,
    linear,
    rows,
    same,
)
from tests.tools.attacks.peers import Ended, Peer, echoes
from tests.tools.attacks.processes import Server
from tests.tools.attacks.wire import (
    BINARY,
    COMPRESSED,
    CONTINUATION,
    FIN,
    KIB,
    MIB,
    PING,
    PONG,
    RSV1,
    TEXT,
    ask,
    bomb,
    deflated,
    fragments,
    frame,
    head,
)

_FRESH = COMPRESSED.replace(b"deflate", b"deflate; client_no_context_takeover")
_FRAGMENT = frame(CONTINUATION, b"a")
_MANY_FRAGMENTS = frame(BINARY) + _FRAGMENT * 999_999 + frame(FIN | CONTINUATION, b"z")

# Bytes on their way that a kernel may hold for both sides, and more than that.
_PLENTY = 128 * MIB
_STUCK = 1.0


def bombs(arena: Arena) -> Iterator[Finding]:
    sizes, parts, requests = (256, 1024), (1, 64), (COMPRESSED, _FRESH)
    if arena.isQuick:
        sizes, requests = sizes[1:], requests[:1]
    cases = [(s, p, r) for s in sizes for p in parts for r in requests]
    growths, codes, times = [], set(), []
    for mebibytes, number, request in cases:
        stream = fragments(RSV1 | BINARY, bomb(mebibytes), number)
        with arena.server("--compress") as server:
            server.warmUp(request)
            peer = server.open(request)
            server.mark()
            began = time.monotonic()
            with suppress(Ended):
                peer.send(stream)
            codes.add(str(peer.code()))
            times.append(time.monotonic() - began)
            growths.append(server.grown())
    yield atMost("memory", max(growths), 8 * MIB, MEMORY)
    yield same("codes", ", ".join(sorted(codes)), "1009")
    if not arena.isQuick:
        yield atMost("time", max(times), 1.0, SECONDS)


def exactLimits(arena: Arena) -> Iterator[Finding]:
    wrong, number = [], 0
    for limit in (1000, 64 * KIB, MIB):
        with arena.server("--compress", f"--max-size={limit}") as server:
            for size, wanted in ((limit, "echo"), (limit + 1, "1009")):
                data = bytes(size)
                for name, first, payload in (
                    ("plain", BINARY, data),
                    ("compressed", RSV1 | BINARY, deflated(data)),
                ):
                    for parts in (1, 3):
                        peer = server.open(COMPRESSED)
                        with suppress(Ended):
                            peer.send(fragments(first, payload, parts))
                        found = peer.verdict()
                        peer.close()
                        number += 1
                        if found != wanted:
                            what = f"{size} of {limit} bytes, {name}, {parts} frames"
                            wrong.append(f"{what}: {found}")
    yield rows("up to the limit echoed, one byte more 1009", wrong, number)


def announced(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        peer.send(head(FIN | BINARY, MIB + 1))
        yield same("code at the head alone", peer.code(), 1009)


def endless(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        server.mark()
        piece = frame(CONTINUATION, bytes(16 * KIB))
        peer.pour(frame(BINARY) + piece * 1024, _STUCK)
        yield same("code", peer.code(), 1009)
        yield atMost("memory", server.grown(), 4 * MIB, MEMORY)


def promises(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        server.mark()
        peers = []
        for _ in range(200):
            peer = server.open()
            peer.send(head(FIN | BINARY, 1_000_000) + bytes(10))
            peers.append(peer)
        server.rests()
        yield atMost("memory", server.grown(), 8 * MIB, MEMORY)
        yield answered("another's echo", server.open())


def tinyFragments(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        server.mark()
        peer.send(_MANY_FRAGMENTS)
        yield same("the echo's size", len(peer.frame()[1]), 1_000_000)
        yield atMost("memory", server.grown(), 8 * MIB, MEMORY)
    yield _ratio(arena, lambda n: frame(BINARY) + _FRAGMENT * (n * 60_000))


def emptyFragments(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        server.mark()
        peer.send(frame(BINARY) + frame(CONTINUATION) * 500_000)
        peer.send(frame(FIN | CONTINUATION, b"z"))
        yield same("the echo", peer.frame()[1].decode(), "z")
        yield atMost("memory", server.grown(), 2 * MIB, MEMORY)


def _ratio(arena: Arena, stream: Callable[[int], bytes]) -> Finding:
    """
    Compare what a message takes with what one four times as long does.

    :param stream: makes a message, but for its last frame, as long as it is told to.
    """
    costs = []
    with arena.server("--max-size=67108864", app="Sink") as server:
        for size in (1, 1, 4):
            peer = server.open()
            before = server.worked()
            peer.send(stream(size) + frame(FIN | CONTINUATION))
            peer.frame()
            costs.append(server.worked() - before)
            peer.close()
    return linear(costs[1], costs[2])


def tinyReads(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        server.mark()

        def cost(times: int) -> float:
            peer = server.open()
            before = server.worked()
            data = frame(FIN | BINARY, bytes(times * 64 * KIB))
            for at in range(0, len(data), 8):
                peer.send(data[at : at + 8])
            peer.frame()
            return server.worked() - before

        once, fourTimes = calmest(cost)
        yield atMost("memory", server.grown(), 2 * MIB, MEMORY)
        yield linear(once, fourTimes)
        if not arena.isQuick:
            yield atMost("processor", fourTimes, 1.0, SECONDS)


def joining(arena: Arena) -> Iterator[Finding]:
    unit = MIB if arena.isQuick else 4 * MIB
    piece = frame(CONTINUATION, bytes(4 * KIB))
    yield _ratio(arena, lambda n: frame(BINARY) + piece * (n * unit // KIB))


def slowRequests(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()

        def cost(request: bytes) -> float:
            peer = server.connect()
            before = server.worked()
            for byte in request:
                peer.send(bytes((byte,)))
            peer.head()
            return server.worked() - before

        yield linear(
            *calmest(lambda n: cost(ask("GET / HTTP/1.1", f"X: {'x' * (n * 3000)}")))
        )
        if not arena.isQuick:
            yield atMost("processor", cost(ask()), 0.02, MILLISECONDS)


def notReading(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        server.mark()
        message = frame(FIN | BINARY, bytes(64 * KIB))
        sent = peer.pour(message * (_PLENTY // len(message)), _STUCK)
        yield atMost("memory", server.grown(), 4 * MIB, MEMORY)
        yield atMost("taken from the peer", sent, _PLENTY // 4, MEMORY)
        # What was cut may go on now; and all comes back, in order.
        yield same("what comes back", _allBack(peer, message, sent), "all, in order")


def _allBack(peer: Peer, message: bytes, sent: int) -> str:
    whole, part = divmod(sent, len(message))
    for number in range(whole):
        first, payload = peer.frame()
        if (first, len(payload)) != (FIN | BINARY, 64 * KIB) or payload.strip(b"\0"):
            return f"message {number} is {first:#x} with {len(payload)} bytes"
    if part:
        peer.send(message[part:])
        peer.frame()
    return "all, in order"


def othersMeanwhile(arena: Arena) -> Iterator[Finding]:
    message, ratios = frame(FIN | BINARY, bytes(64 * KIB)), []
    with arena.server() as server:
        server.warmUp()
        other = server.open()
        # Many short turns, each compared with the one before, since a machine's pace
        # wanders.
        for _ in range(40):
            alone = _rate(other)
            stuck = server.open()
            stuck.pour(message * 512, _STUCK / 10)
            ratios.append(_rate(other) / alone)
            stuck.close()
            time.sleep(_STUCK / 10)
    yield atLeast("another's rate, with and without", median(ratios), 0.95, TIMES)


def _rate(peer: Peer, seconds: float = 0.1) -> float:
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        echoes(peer)
        number += 1
    return number / seconds


def pings(arena: Arena) -> Iterator[Finding]:
    number = 50_000 if arena.isQuick else 200_000
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        server.mark()
        peer.pour(frame(FIN | PING, b"p" * 125) * number, _STUCK)
        yield atMost("memory", server.grown(), MIB, MEMORY)
        reader = server.open()
        wrong = [str(n) for n in range(3) if not _answersLast(reader, n)]
        yield rows("the last of 100 is answered", wrong, 3)


def _answersLast(peer: Peer, burst: int) -> bool:
    payloads = [b"%d.%d" % (burst, number) for number in range(100)]
    peer.send(b"".join(frame(FIN | PING, payload) for payload in payloads))
    with suppress(TimeoutError, Ended):
        while True:
            if peer.frame() == (FIN | PONG, payloads[-1]):
                return True
    return False


def pongs(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        server.warmUp()
        peer = server.open()
        server.mark()
        peer.send(frame(FIN | PONG, b"p" * 125) * 200_000)
        yield answered("the echo behind them", peer)
        yield atMost("memory", server.grown(), MIB, MEMORY)


def slowApplications(arena: Arena) -> Iterator[Finding]:
    growths, taken = [], []
    for app in ("Slow", "idle"):
        for size in (1, KIB, 64 * KIB):
            message = frame(FIN | TEXT, b"a" * size)
            with arena.server(app=app) as server:
                server.open().close()
                server.rests()
                peer = server.open()
                server.mark()
                taken.append(peer.pour(message * (64 * MIB // len(message)), _STUCK))
                growths.append(server.grown())
    yield atMost("memory", max(growths), 4 * MIB, MEMORY)
    yield atMost("taken from the peer", max(taken), 32 * MIB, MEMORY)


def idleConnections(arena: Arena) -> Iterator[Finding]:
    number = 300 if arena.isQuick else 1000
    for name, options, request, bar in (
        ("each", (), ask(), 20 * KIB),
        ("each with compression, used", ("--compress",), COMPRESSED, 80 * KIB),
    ):
        with arena.server(*options) as server:
            server.warmUp(request)
            server.mark()
            peers = [server.open(request) for _ in range(number)]
            for peer in peers:
                if options:
                    peer.send(frame(RSV1 | FIN | BINARY, deflated(b"hello" * 40)))
                    peer.frame()
            yield atMost(name, server.kept() / number, bar, SMALL)


def halfOpen(arena: Arena) -> Iterator[Finding]:
    number = 300 if arena.isQuick else 1000
    with arena.server() as server:
        server.warmUp()
        other = server.open()
        server.mark()
        peers = [server.connect() for _ in range(number)]
        for peer in peers:
            peer.send(ask()[:-2])
        server.rests()
        yield atMost("each", server.kept() / number, 20 * KIB, SMALL)
        if not arena.isQuick:
            yield atMost("an echo elsewhere", _slowest(other), 0.05, MILLISECONDS)


def _slowest(peer: Peer) -> float:
    return max(echoes(peer) for _ in range(100))


def tooMany(arena: Arena) -> Iterator[Finding]:
    for option in ("maxConnections", "maxConnectionsPerAddress"):
        with arena.library(**{option: 5}) as server:
            peers = [server.open() for _ in range(5)]
            refused = server.connect()
            refused.send(ask())
            response = refused.head()
            found = f"{response.status}, {response.headers.get('connection')}"
            refused.drain()
            yield same(f"above {option}", found, "503, close")
            peers.pop().close()
            server.rests()
            yield answered("an echo, below it again", server.open())


def _leave(server: Server, number: int) -> None:
    """
    Come and go, each time in another way.
    """
    peer = server.connect()
    if number % 5 == 0:
        peer.send(ask()[: number % 150])
    elif number % 5 == 1:
        peer.send(ask(upgrade=None))
        peer.drain()
    else:
        peer.send(ask())
        peer.head()
        if number % 5 == 2:
            peer.send(frame(FIN | 8, b"\x03\xe8"))
            peer.drain()
        elif number % 5 == 3:
            peer.send(frame(FIN | 3) + bytes(100))
        else:
            peer.send(fragments(TEXT, b"half a message", 2)[:12])
    peer.close()


def churn(arena: Arena) -> Iterator[Finding]:
    number = 500 if arena.isQuick else 2000
    with arena.library(compress=True) as server:
        for turn in range(200):
            _leave(server, turn)
        server.rests()
        descriptors = server.descriptors()
        server.mark()
        for turn in range(number):
            _leave(server, turn)
        server.rests()
        yield atMost("memory", server.kept(), MIB, MEMORY)
        yield same("descriptors left", server.descriptors() - descriptors, 0)
        server.tell("objects")
        yield same("objects left", server.awaits(r"objects left (.*)$")[1], "none")


_BOTH = ("tcp", "tls")

ATTACKS = (
    Attack("A1", "messages that inflate to 256 MiB and 1 GiB", bombs, over=_BOTH),
    Attack("A1", "messages at the limit, and a byte above it", exactLimits),
    Attack("A2", "a frame announced above the limit", announced),
    Attack("A2", "a message without an end", endless, over=_BOTH),
    Attack("A3", "1 MB announced on 200 connections, and 10 bytes sent", promises),
    Attack("A5", "a message in 1,000,000 fragments", tinyFragments),
    Attack("A5", "500,000 empty fragments", emptyFragments),
    Attack("A5", "a frame in pieces of 8 bytes", tinyReads),
    Attack("A6", "a message of many MiB in fragments of 4 KiB", joining),
    Attack("A6", "a request byte by byte", slowRequests),
    Attack("A7", "128 MiB to be echoed, and nothing read", notReading, over=_BOTH),
    Attack("A7", "the same, while others talk", othersMeanwhile, isQuick=False),
    Attack("A8", "200,000 pings, and nothing read", pings, over=_BOTH),
    Attack("A8", "200,000 pongs", pongs),
    Attack("A9", "64 MiB to an application that takes nothing", slowApplications),
    Attack("A10", "connections, and silence", idleConnections),
    Attack("A10", "requests that never end", halfOpen),
    Attack("A10", "more connections than are allowed", tooMany),
    Attack("A10", "2,000 comings and goings of every kind", churn, over=_BOTH),
)
