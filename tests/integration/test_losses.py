# Part of txwebsocket. See LICENSE for details.
"""
The loss of a connection in each situation that it can be in, and what is left of it.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.task import Clock
from twisted.logger import LimitedHistoryLogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Peer, Recorder, Served
from tests.support.serving import OddError, serverOf
from txwebsocket import (
    ConnectionClosed,
    Deflate,
    ExtensionHeader,
    Opcode,
    State,
    WebSocketConnection,
    WebSocketFrame,
    WebSocketProtocol,
)
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Role
from txwebsocket.wire.extensions import acceptOffers

KIB = 1024
MIB = 1024 * KIB


class Producer:
    """
    A producer that counts how often it is stopped.
    """

    def __init__(self) -> None:
        self.stops = 0

    def pauseProducing(self) -> None:
        """
        Do nothing.
        """

    resumeProducing = pauseProducing

    def stopProducing(self) -> None:
        """
        Count it.
        """
        self.stops += 1


class Situation:
    """
    One end of a connection, its application, and who waits for something.

    :ivar told: what those have heard who wait.
    """

    def __init__(self, role: Role, application: Recorder | None) -> None:
        self.application = application
        self.never: Deferred[None] = Deferred()
        self.ends = Ends(application, role=role, openIt=False)
        self.connection, self.peer = self.ends.connection, self.ends.peer
        self.told: list[Any] = []
        self.waiting = 0

    def open(self, early: bytes = b"") -> None:
        """
        The opening handshake is over.
        """
        self.ends.link.opened(early)

    def expect(self, waiting: Deferred[Any]) -> None:
        """
        Wait for this.
        """
        self.waiting += 1
        waiting.addBoth(self.told.append)

    def fill(self) -> None:
        """
        Send more than the peer takes.
        """
        self.peer.stall()
        self.connection.send(bytes(200 * KIB))
        self.expect(self.connection.flushed())


def _early(it: Situation) -> None:
    it.open(it.peer.text("early"))


def _paused(it: Situation) -> None:
    it.open()
    it.connection.pause()
    it.peer.sendText("unheard")


def _waitingForHook(it: Situation) -> None:
    application: Any = it.application
    application.textMessageReceived = lambda _: it.never
    it.open()
    it.peer.sendText("a", "b")


def _withinMessage(it: Situation) -> None:
    it.open()
    it.peer.send(it.peer.frame(Opcode.TEXT, b"begun", fin=False))


def _withinFrame(it: Situation) -> None:
    it.open()
    it.peer.send(it.peer.binary(bytes(1000))[:500])


def _full(it: Situation) -> None:
    it.open()
    it.fill()


def _fullWithProducer(it: Situation) -> None:
    it.open()
    it.connection.attachProducer(it.producer)  # type: ignore[attr-defined]
    it.fill()


def _sendingFrames(it: Situation) -> None:
    it.open()
    frame = WebSocketFrame(opcode=Opcode.TEXT, binaryPayload=b"begun", fin=False)
    it.connection.sendFrame(frame)


def _pinged(it: Situation) -> None:
    it.open()
    it.expect(it.connection.ping())


def _askedForLife(it: Situation) -> None:
    it.open()
    it.peer.waitLong(21)


def _closing(it: Situation) -> None:
    it.open()
    it.expect(it.connection.close(4000))


def _closingWhileFull(it: Situation) -> None:
    it.open()
    it.fill()
    it.expect(it.connection.close(4000))


def _failed(it: Situation) -> None:
    it.open()
    it.peer.send(it.peer.frame(3))


def _failedWhileFull(it: Situation) -> None:
    it.open()
    it.fill()
    it.connection.drop()


def _dropped(it: Situation) -> None:
    it.open()
    it.connection.drop(skipCloseFrame=True)


SITUATIONS: dict[str, tuple[State, Callable[[Situation], object]]] = {
    "nothing has happened": (State.CONNECTING, lambda it: None),
    "paused too early": (State.CONNECTING, lambda it: it.connection.pause()),
    "open": (State.OPEN, Situation.open),
    "frames came with the handshake": (State.OPEN, _early),
    "paused": (State.OPEN, _paused),
    "a hook is waited for": (State.OPEN, _waitingForHook),
    "a message is arriving": (State.OPEN, _withinMessage),
    "a frame is arriving": (State.OPEN, _withinFrame),
    "much waits for the peer": (State.OPEN, _full),
    "a producer is paused": (State.OPEN, _fullWithProducer),
    "frames are being sent": (State.OPEN, _sendingFrames),
    "a pong is waited for": (State.OPEN, _pinged),
    "the peer was asked for life": (State.OPEN, _askedForLife),
    "we have closed": (State.AWAITING_CLOSE, _closing),
    "our close waits behind much": (State.AWAITING_CLOSE, _closingWhileFull),
    "the peer broke a rule": (State.AWAITING_LOSS, _failed),
    "we say that it did, and it does not read": (State.AWAITING_LOSS, _failedWhileFull),
    "we have dropped it": (State.AWAITING_LOSS, _dropped),
}

LOSSES: dict[str, Callable[[Situation], object]] = {
    "leaves": lambda it: it.ends.transport.lose(ConnectionDone()),
    "is reset": lambda it: it.ends.transport.lose(ConnectionLost("reset")),
    "is aborted": lambda it: it.ends.transport.lose(ConnectionAborted()),
    "is dropped": lambda it: it.connection.drop(skipCloseFrame=True),
    "its application fails": lambda it: it.ends.link.applicationFailed(
        Failure(OddError())
    ),
    "breaks a rule": lambda it: it.peer.arrive(it.peer.frame(3)),
    "closes": lambda it: it.peer.arrive(it.peer.close(4001)),
    "does nothing more": lambda it: None,
}


class TableTests(SynchronousTestCase):
    """
    Tests of each loss in each situation.
    """

    def check(self, role: Role, situation: str, loss: str, pulls: bool) -> None:
        """
        Have one thing happen, and whatever follows from it.
        """
        application = None if pulls else Recorder()
        it = Situation(role, application)
        producer = it.producer = Producer()  # type: ignore[attr-defined]
        it.expect(it.connection.whenClosed())
        if pulls:
            it.expect(it.connection.receive())
        state, arrive = SITUATIONS[situation]
        arrive(it)
        self.assertIs(it.connection.state, state)
        if state is State.CONNECTING and loss in ("breaks a rule", "closes"):
            return
        LOSSES[loss](it)
        it.peer.waitLong(130, 10)
        if it.ends.transport.isConnected and role is Role.SERVER:
            # Opening it has a deadline elsewhere, as has our own pause nowhere.
            self.assertTrue(it.ends.link._pauseReasons or state is State.CONNECTING)
            it.peer.vanish()
        it.peer.vanish()
        self.assertOver(it)
        self.assertEqual(producer.stops, situation == "a producer is paused")

    def assertOver(self, it: Situation) -> None:
        """
        It has ended once, whoever waits was told, and nothing is left.
        """
        self.assertIs(it.connection.state, State.CLOSED)
        self.assertEqual(len(it.told), it.waiting)
        self.assertIn(it.connection.closeReport, it.told)
        self.assertEqual(it.ends.clock.getDelayedCalls(), [])
        self.assertEqual(it.connection.bufferedAmount, 0)
        self.assertRaises(ConnectionClosed, it.connection.send, "too late")
        if it.application is not None:
            self.assertEqual(it.application.told.count("lost"), 1)
            self.assertEqual(it.application.report, it.connection.closeReport)
            told = list(it.application.told)
            it.never.callback(None)
            it.connection.resume()
            it.peer.waitLong(60, 20)
            self.assertEqual(it.application.told, told)

    def everything(self, role: Role, pulls: bool) -> None:
        """
        Try all.
        """
        for situation in SITUATIONS:
            if pulls and situation == "a hook is waited for":
                continue
            for loss in LOSSES:
                try:
                    self.check(role, situation, loss, pulls)
                except BaseException as error:
                    error.add_note(f"{situation}; {loss}")
                    raise
        for failure in self.flushLoggedErrors():
            self.assertTrue(failure.check(OddError))

    def test_server(self) -> None:
        """
        On a server.
        """
        self.everything(Role.SERVER, False)

    def test_serverPulls(self) -> None:
        """
        On a server, in pull style.
        """
        self.everything(Role.SERVER, True)

    def test_client(self) -> None:
        """
        In a client.
        """
        self.everything(Role.CLIENT, False)

    def test_clientPulls(self) -> None:
        """
        In a client, in pull style.
        """
        self.everything(Role.CLIENT, True)


class PauseTests(SynchronousTestCase):
    """
    Tests of an application that pauses from within any of its callbacks.
    """

    hooks = (
        "negotiationStarted",
        "negotiationFinished",
        "textMessageReceived",
        "bytesMessageReceived",
        "pingReceived",
        "pongReceived",
        "connectionLost",
    )

    def test_anywhere(self) -> None:
        """
        Nothing more is read or told until it resumes, then all is, in order; and a loss
        meanwhile is told as ever.
        """
        for hook in self.hooks:
            for isLost in (False, True):
                self.check(hook, isLost)

    def check(self, hook: str, isLost: bool) -> None:
        """
        Pause in one of them.
        """
        application = Recorder()
        original = getattr(application, hook)
        paused: list[bool] = []

        def pausing(*args: Any) -> Any:
            if not paused:
                paused.append(True)
                application.connection.pause()
            return original(*args)

        setattr(application, hook, pausing)
        served = Served(lambda request: request.accept(application=application))
        peer = served.upgrade()
        pieces = [
            peer.text("a"),
            peer.binary(b"b"),
            peer.frame(Opcode.PING, b"c"),
            peer.frame(Opcode.PONG, b"d"),
            peer.text("e"),
        ]
        peer.send(b"".join(pieces))
        wanted = [("text", "a"), ("bytes", b"b"), ("ping", b"c"), ("pong", b"d")]
        wanted.append(("text", "e"))
        isPausing = hook != "connectionLost"
        self.assertEqual(peer.transport.isReading, not isPausing)
        if isPausing:
            self.assertNotIn(wanted[-1], application.told)
        if isLost:
            peer.vanish()
            self.assertEqual(application.told[-1], "lost")
        else:
            application.connection.resume()
            peer.turn()
            self.assertTrue(peer.transport.isReading)
            self.assertEqual(application.told[2:], wanted)
            peer.sendClose()
        self.assertEqual(application.told.count("lost"), 1)
        self.assertEqual(served.clock.getDelayedCalls(), [])


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """
    Tell how many bytes of memory are in use that were not before.
    """
    tracemalloc.start()
    try:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


class KeptTests(SynchronousTestCase):
    """
    Tests of what is kept of a connection that has ended by who keeps the connection,
    and without any help of the garbage collector.
    """

    def setUp(self) -> None:
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def lost(self, act: Callable[[Any], object], **options: Any) -> int:
        """
        How many bytes more an ended connection keeps because of this.
        """
        with growth() as grown:
            ends = Ends(WebSocketProtocol(), **options)
            before = grown()
            act(ends.peer)
            ends.peer.vanish()
            ends.peer.received()
            return grown() - before

    def test_halfMessage(self) -> None:
        """
        Half a message, or half a frame, is not kept.
        """
        half = bytes(MIB // 2)
        for act in (
            lambda peer: peer.arrive(peer.frame(Opcode.BINARY, half, fin=False)),
            lambda peer: peer.arrive(peer.binary(bytes(MIB))[: MIB // 2]),
        ):
            self.assertLess(self.lost(act), 64 * KIB)

    def test_unsent(self) -> None:
        """
        Nor is what the peer has not read.
        """

        def much(peer: Peer) -> None:
            peer.stall()
            for _ in range(8):
                peer.protocol.connection.send(bytes(64 * KIB))

        # The transport in memory keeps what it was given.
        self.assertLess(self.lost(much), 192 * KIB)

    def test_compressors(self) -> None:
        """
        Nor are compressors.
        """
        offers = [ExtensionHeader("permessage-deflate")]
        agreed = acceptOffers([Deflate()], offers)
        payload = acceptOffers([Deflate()], offers)[0].transform.encode(bytes(1000))

        def talk(peer: Peer) -> None:
            agreed.clear()
            peer.protocol.connection.send("again and again " * 100)
            peer.arrive(peer.frame(Opcode.BINARY, payload or b"", rsv=0x40))

        self.assertLess(self.lost(talk, agreed=agreed), 24 * KIB)

    def test_lastMessage(self) -> None:
        """
        A message that was delivered is the application's alone, also while the
        connection is open.
        """
        for early in (False, True):
            kept: list[Any] = []

            class Application(WebSocketProtocol):
                def bytesMessageReceived(self, data: bytes, kept: Any = kept) -> None:
                    kept.append(data)

            message = bytes(100_000)
            with growth() as grown:
                ends = Ends(Application(), openIt=not early)
                data = ends.peer.binary(message)
                if early:
                    ends.link.opened(data)
                    ends.peer.turn()
                else:
                    ends.peer.arrive(data)
                self.assertEqual(kept, [message])
                del data
                before = grown()
                kept.clear()
                self.assertGreaterEqual(before - grown(), 100_000)
                self.assertLess(grown(), 64 * KIB)

    def test_application(self) -> None:
        """
        The application is not kept.
        """
        for lose in (
            lambda ends: ends.peer.vanish(),
            lambda ends: ends.peer.sendClose(),
            lambda ends: ends.connection.drop(),
        ):
            application = Recorder()
            seen = weakref.ref(application)
            ends = Ends(application)
            lose(ends)
            ends.peer.vanish()
            application.connection = None
            del application
            self.assertIsNone(seen())

    def test_whoHasWaited(self) -> None:
        """
        What a coroutine had at hand when it was told of the end is not kept.
        """

        class Thing:
            pass

        seen: list[weakref.ref[Thing]] = []

        async def wait(waiting: Deferred[Any]) -> None:
            thing = Thing()
            seen.append(weakref.ref(thing))
            try:
                await waiting
            except ConnectionClosed:
                del waiting

        ends = Ends()
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        for waits in ("receive", "flushed", "drained", "ping"):
            Deferred.fromCoroutine(wait(getattr(ends.connection, waits)()))
        ends.peer.vanish()
        for waits in ("receive", "flushed", "drained"):
            Deferred.fromCoroutine(wait(getattr(ends.connection, waits)()))
        self.assertEqual(len(seen), 7)
        gc.collect()
        self.assertEqual([each() for each in seen], [None] * 7)

    def test_askingAgain(self) -> None:
        """
        Who asks an ended connection again and again is told each time, and it keeps
        nothing of that.
        """
        ends = Ends()
        ends.peer.vanish()

        async def ask(kind: str) -> int:
            for _ in range(100):
                try:
                    await getattr(ends.connection, kind)()
                except ConnectionClosed as error:
                    traceback, size = error.__traceback__, 0
                    while traceback is not None:
                        traceback, size = traceback.tb_next, size + 1
            return size

        for kind in ("receive", "flushed", "drained"):
            asked = Deferred.fromCoroutine(ask(kind))
            self.assertLess(self.successResultOf(asked), 10)

    def test_others(self) -> None:
        """
        Others, with whom it shared a timer, don't keep it either.
        """
        clock = Clock()
        other = Ends(Recorder(), transport=MemoryTransport(clock))
        ends = Ends(Recorder(), transport=MemoryTransport(clock))
        seen = weakref.ref(ends.link)
        ends.peer.vanish()
        del ends
        gc.collect()
        self.assertIsNone(seen())
        self.assertTrue(other.connection.connected)

    def test_log(self) -> None:
        """
        The log keeps no connection, though it may keep what it is told until somebody
        reads it.
        """
        history = LimitedHistoryLogObserver()
        globalLogPublisher.addObserver(history)
        self.addCleanup(globalLogPublisher.removeObserver, history)
        ends = Ends(Recorder())
        seen = weakref.ref(ends.link)
        ends.peer.send(ends.peer.frame(3))
        ends.peer.end()
        self.assertIsNotNone(ends.connection.closeReport)
        del ends
        gc.collect()
        told: list[str] = []
        history.replayTo(lambda event: told.append(event.get("report", "")))
        self.assertIn("opcode 3 is unknown", "".join(told))
        self.assertIsNone(seen())


class ManyTests(SynchronousTestCase):
    """
    Tests of a server after many clients.
    """

    def test_everyKind(self) -> None:
        """
        After 2000 connections of every kind nothing is left of them, and nothing of
        those who got none.
        """

        waiting: list[Deferred[None]] = []

        async def pull(connection: WebSocketConnection) -> None:
            async for message in connection:
                connection.send(message)

        async def handler(request: Any) -> None:
            wanted = request.resourceURL.query
            if wanted == "reject":
                request.reject(401)
            elif wanted == "pull":
                await pull(request.accept())
            elif wanted == "wait":
                await waiting[-1]
            elif wanted == "fail":
                raise OddError
            else:
                request.accept(application=Recorder())

        served = Served(handler)
        seen: list[weakref.ref[Any]] = []
        ways: list[Callable[[Any], object]] = [
            lambda peer: peer.vanish(),
            lambda peer: peer.end(),
            lambda peer: peer.sendClose(),
            lambda peer: peer.send(b"\xff" * 20),
            lambda peer: peer.send(peer.frame(Opcode.TEXT, b"half", fin=False)),
            lambda peer: peer.sendText("hello"),
        ]
        queries = ("", "pull", "reject", "wait", "fail")
        for number in range(2000):
            query = queries[number % len(queries)]
            waiting[:] = [Deferred()]
            peer = served.request(path=f"/?{query}")
            ways[number // len(queries) % len(ways)](peer)
            if number % 100 == 0:
                peer.wait(12)
            channel = peer.protocol._channel
            seen += map(weakref.ref, (channel, *channel.requests))
            peer.vanish()
            waiting[0].callback(None)
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 400)
        del peer, channel
        self.assertEqual(list(serverOf(served).connections), [])
        self.assertEqual(list(serverOf(served).pendingRequests), [])
        for call in served.clock.getDelayedCalls():
            self.fail(f"{call} is left")
        served.site.lines.clear()
        gc.collect()
        self.assertEqual([each() for each in seen if each() is not None], [])
