# Part of txwebsocket. See LICENSE for details.
"""
Tests of producers of messages, and of how much they make us hold.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.protocols.basic import FileSender
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.connection.test_writer import Readiness
from tests.integration.test_flow import OddError, Producer
from tests.support.memory import Ends, Recorder, binary, close, text
from txwebsocket import BufferFull, BufferPolicy, ServerConfig, WebSocketConnection
from txwebsocket.connection.pulltopush import PullToPush
from txwebsocket.connection.websocket import makeChannel
from txwebsocket.testing import MemoryTLSTransport, MemoryTransport
from txwebsocket.wire.codes import Role
from txwebsocket.wire.frames import FrameReader

KIB = 1024

# Messages that are more than all marks and the system's buffers take.
COUNT = 200


class Pulled:
    """
    A pull producer that sends one message each time, so many in all.

    :ivar count: how often it was asked.
    :ivar told: what else it was told.
    """

    def __init__(
        self, connection: WebSocketConnection, most: int = 10_000, size: int = 10 * KIB
    ) -> None:
        self.count = 0
        self.told: list[str] = []
        self._connection = connection
        self._most = most
        self._size = size

    def resumeProducing(self) -> None:
        """
        Send a message.
        """
        self.count += 1
        self._connection.write(self.count.to_bytes(4, "big") * (self._size // 4))
        if self.count == self._most:
            self._connection.unregisterProducer()

    def stopProducing(self) -> None:
        """
        Write it down.
        """
        self.told.append("stop")


class Greedy(Pulled):
    """
    A push producer that sends until it is paused.
    """

    isPaused = True

    def resumeProducing(self) -> None:
        """
        Send messages.
        """
        self.isPaused = False
        while not self.isPaused and self.count < self._most:
            super().resumeProducing()

    def pauseProducing(self) -> None:
        """
        Send no more.
        """
        self.isPaused = True


class ConsumerTests(SynchronousTestCase):
    """
    Tests of a connection as a consumer.
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.application = Recorder()
        self.ends = Ends(self.application)
        self.connection = self.ends.connection

    def fill(self) -> None:
        """
        Have the peer read nothing of more than it takes at a time.
        """
        self.ends.peer.stall()
        self.connection.send(bytes(200 * KIB))

    def test_interface(self) -> None:
        """
        A connection is a consumer in Twisted's terms.
        """
        self.assertTrue(verifyObject(IConsumer, self.connection))
        pulling = PullToPush(Pulled(self.connection), self.ends.clock, self.fail)
        self.assertTrue(verifyObject(IPushProducer, pulling))

    def test_write(self) -> None:
        """
        What is written is one message each: text for str, binary for bytes.
        """
        for data in ("a", b"b", bytearray(b"c"), ""):
            self.connection.write(data)
        self.assertEqual(
            self.ends.peer.frames(), [text("a"), binary(b"b"), binary(b"c"), text("")]
        )
        self.assertRaises(TypeError, self.connection.write, 1)

    def test_writeTooLate(self) -> None:
        """
        What a producer writes while the connection closes, or later, is dropped, since
        producers know nothing of that.
        """
        self.connection.close()
        self.connection.write("too late")
        self.assertEqual(self.ends.peer.frames(), [close()])
        self.ends.peer.vanish()
        self.connection.write("too late")

    def test_writeTooMuch(self) -> None:
        """
        A producer that writes on although it was paused has the connection closed, or
        is told so if that is the policy.
        """
        self.fill()
        self.connection.write(bytes(16 * KIB * KIB))
        self.assertFalse(self.connection.connected)
        ends = Ends(maxBufferedBytes=KIB, whenBufferFull=BufferPolicy.RAISE)
        ends.peer.stall()
        ends.connection.write(bytes(200 * KIB))
        self.assertRaises(BufferFull, ends.connection.write, "x")

    def test_push(self) -> None:
        """
        A push producer is paused while the peer does not read, and left alone when it
        is unregistered.
        """
        producer = Producer()
        self.connection.registerProducer(producer, True)
        self.assertEqual(producer.told, [])
        self.fill()
        self.assertEqual(producer.told, ["pause"])
        self.ends.peer.goOn()
        self.assertEqual(producer.told, ["pause", "resume"])
        self.connection.unregisterProducer()
        self.fill()
        self.ends.peer.vanish()
        self.assertEqual(producer.told, ["pause", "resume"])

    def test_pull(self) -> None:
        """
        A pull producer is asked for messages, but not at once, until it unregisters.
        """
        producer = Pulled(self.connection, most=3)
        self.connection.registerProducer(producer, False)
        self.assertEqual(producer.count, 0)
        for _ in range(3):
            self.ends.peer.turn()
            self.assertEqual(producer.count, 3)
        self.assertEqual(len(self.ends.peer.frames()), 3)
        self.ends.peer.vanish()
        self.assertEqual(producer.told, [])

    def test_pullUnregistered(self) -> None:
        """
        One that is unregistered meanwhile is asked no more.
        """
        producer = Pulled(self.connection)
        self.connection.registerProducer(producer, False)
        self.connection.unregisterProducer()
        self.ends.peer.turn()
        self.assertEqual(producer.count, 0)

    def test_pullWhileFull(self) -> None:
        """
        A pull producer is not asked while the peer does not read, whether it was there
        before or comes then.
        """
        self.fill()
        producer = Pulled(self.connection)
        self.connection.registerProducer(producer, False)
        self.ends.peer.wait(1)
        self.assertEqual(producer.count, 0)
        for _ in range(5):
            self.ends.transport.isStalled = False
            self.ends.transport.turn()
            self.ends.transport.isStalled = True
        self.assertTrue(0 < producer.count < 60, producer.count)

    def test_early(self) -> None:
        """
        A producer that is registered before the connection is open goes on when it is,
        after the application was told.
        """
        for streaming in (True, False):
            application = Recorder()
            ends = Ends(application, openIt=False)
            producer = Pulled(ends.connection, most=1) if not streaming else Producer()
            ends.connection.registerProducer(producer, streaming)
            ends.clock.advance(0)
            self.assertEqual(producer.told, ["pause"] * streaming)
            ends.link.opened()
            ends.clock.advance(0)
            self.assertEqual(producer.told, ["pause", "resume"] * streaming)
            self.assertEqual(len(ends.peer.frames()), 0 if streaming else 1)

    def test_registeredWhenOpen(self) -> None:
        """
        A push producer that is registered as soon as the connection is open is going
        already, and told nothing.
        """
        producer = Producer()

        class Early(Recorder):
            def negotiationFinished(self) -> None:
                self.connection.registerProducer(producer, True)

        Ends(Early())
        self.assertEqual(producer.told, [])

    def test_one(self) -> None:
        """
        There is one producer at a time, whatever its kind and by whichever name.
        """
        for streaming in (True, False):
            connection = Ends().connection
            first = Greedy(connection, 1)
            connection.registerProducer(first, streaming)
            for again in (True, False):
                error = self.assertRaises(
                    RuntimeError, connection.registerProducer, Producer(), again
                )
                self.assertEqual(str(error), f"{first!r} is registered already")
            self.assertRaises(RuntimeError, connection.attachProducer, Producer())
            connection.detachProducer()
            connection.registerProducer(Producer(), True)

    def stopped(self, end: Callable[[Ends], object]) -> list[str]:
        """
        What producers of both kinds are told when a connection ends in this way, and
        the application with it.
        """
        told: list[str] = []
        for streaming in (True, False):
            application = Recorder()
            ends = Ends(application)
            producer = Producer(application.told)
            application.told.clear()
            ends.connection.registerProducer(producer, streaming)
            end(ends)
            ends.peer.turn()
            ends.peer.vanish()
            self.assertEqual(application.told.count("stop"), 1)
            told += [each for each in application.told if each != "resume"]
        return told

    def test_stoppedByLoss(self) -> None:
        """
        When the connection is lost its producer is told to stop, once, before the
        application is told.
        """
        told = self.stopped(lambda ends: ends.peer.vanish())
        self.assertEqual(told, ["stop", "lost"] * 2)

    def test_stoppedByClosing(self) -> None:
        """
        When it begins to close, from either side, nothing can be sent any more, and the
        producer is told to stop, once.
        """
        ways: list[Callable[[Ends], object]] = [
            lambda ends: ends.connection.close(),
            lambda ends: ends.connection.drop(),
            lambda ends: ends.connection.drop(skipCloseFrame=True),
            lambda ends: ends.peer.sendClose(),
        ]
        for way in ways:
            self.assertEqual(self.stopped(way), ["stop", "lost"] * 2)

    def test_stoppedAtOnce(self) -> None:
        """
        It is told at the beginning of the closing handshake, not at its end.
        """
        producer = Producer()
        self.connection.registerProducer(producer, True)
        self.connection.close()
        self.assertEqual(producer.told, ["stop"])

    def test_tooLate(self) -> None:
        """
        A producer that is registered while the connection closes, or later, is told to
        stop at once, and so is the next one.
        """
        self.connection.close()
        for _ in range(2):
            for streaming in (True, False):
                producer = Producer()
                self.connection.registerProducer(producer, streaming)
                self.assertEqual(producer.told, ["stop"])
            self.ends.peer.vanish()

    def test_raising(self) -> None:
        """
        What a producer raises, whatever it is told, is logged and closes the connection
        with 1011.
        """
        cases: list[tuple[str, bool, Callable[[Ends], object]]] = [
            ("resumeProducing", False, lambda ends: ends.clock.advance(0)),
            ("pauseProducing", True, self.stallAndSend),
            ("resumeProducing", True, self.stallAndSend),
        ]
        for name, streaming, call in cases:
            ends = Ends(Recorder())
            producer = Producer()
            setattr(producer, name, self.raiseOddError)
            ends.connection.registerProducer(producer, streaming)
            call(ends)
            ends.peer.goOn()
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
            self.assertEqual(ends.peer.frames()[-1], close(1011))
            self.assertEqual(producer.told[-1], "stop")

    def stallAndSend(self, ends: Ends) -> None:
        """
        Have more wait than should.
        """
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))

    def test_raisingWhenStopped(self) -> None:
        """
        One that raises when it is told to stop is logged, and keeps the application
        from hearing of nothing.
        """
        producer = Producer()
        self.patch(producer, "stopProducing", self.raiseOddError)
        self.connection.registerProducer(producer, True)
        self.ends.peer.vanish()
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(len(self.application.lost), 1)

    def raiseOddError(self) -> None:
        """
        Raise.
        """
        raise OddError

    def test_fileSender(self) -> None:
        """
        Twisted's own sender of files sends one in messages, and tells when it is done.
        """
        octets = bytes(range(256)) * 4 * KIB
        name = self.mktemp()
        with open(name, "wb") as file:
            file.write(octets)
        with open(name, "rb") as file:
            done = FileSender().beginFileTransfer(file, self.connection)
            self.ends.peer.turn()
        self.successResultOf(done)
        payloads = [frame.payload for frame in self.ends.peer.frames()]
        self.assertEqual(b"".join(payloads), octets)
        self.assertGreater(len(payloads), 10)

    def test_fileSenderLost(self) -> None:
        """
        It is told when the connection ends before.
        """
        name = self.mktemp()
        with open(name, "wb") as file:
            file.write(bytes(KIB * KIB))
        with open(name, "rb") as file:
            done = FileSender().beginFileTransfer(file, self.connection)
            self.ends.peer.vanish()
        self.failureResultOf(done)


class Line:
    """
    A server's connection over a transport whose peer reads only when it is told to.

    :ivar connection: the connection.
    """

    connection: WebSocketConnection

    def held(self) -> int:
        """
        Bytes of what was sent that are in the memory of our process.
        """
        return self.connection.bufferedAmount + self.heldBelow()

    def heldBelow(self) -> int:
        """
        Those of them that the transport holds.
        """
        raise AssertionError

    def read(self) -> bytes:
        """
        Have the peer read what it can, and then nothing more.
        """
        raise AssertionError


class MemoryLine(Line):
    """
    Over a transport that tells no more than that it wants a pause.
    """

    transport: type[MemoryTransport] = MemoryTransport

    def __init__(self, case: SynchronousTestCase, **options: Any) -> None:
        self._ends = Ends(transport=self.transport(Clock()), **options)
        self._ends.peer.stall()
        self.connection = self._ends.connection

    def heldBelow(self) -> int:
        return len(self._ends.transport.unsent)

    def read(self) -> bytes:
        self._ends.transport.isStalled = False
        self._ends.transport.turn()
        self._ends.transport.isStalled = True
        for _ in range(50):
            self._ends.clock.advance(0)
        return self._ends.peer.received()


class TLSLine(MemoryLine):
    """
    The same over TLS.
    """

    transport = MemoryTLSTransport


class SocketLine(Line):
    """
    Over a plain socket.
    """

    def __init__(self, case: SynchronousTestCase, **options: Any) -> None:
        ours, self._peer = socket.socketpair()
        case.addCleanup(self._peer.close)
        case.addCleanup(ours.close)
        self._peer.setblocking(False)
        self._reactor: Any = Readiness()
        self._clock = Clock()
        link = makeChannel(Role.SERVER, ServerConfig(**options), self._clock)
        self._transport = Connection(ours, link, self._reactor)
        self._transport.connected = True
        link.makeConnection(self._transport)
        link.opened()
        self.connection = link.connection

    def heldBelow(self) -> int:
        return len(self._transport.dataBuffer) + self._transport._tempDataLen

    def read(self) -> bytes:
        received = b""
        with contextlib.suppress(BlockingIOError):
            while part := self._peer.recv(2**20):
                received += part
        if self._reactor.isWriting:
            self._transport.doWrite()
        for _ in range(50):
            self._clock.advance(0)
        return received


class BoundMixin:
    """
    Tests of who sends faster than a stalled peer reads.

    :cvar below: bytes that the transport may take beyond the mark.
    """

    line: type[Line]
    below = 0
    marks = (None, 10 * KIB, 512 * KIB)

    size = 10 * KIB

    def connect(self, mark: int | None) -> Line:
        """
        Connect to a peer that does not read.
        """
        options = {} if mark is None else {"highWaterMark": mark}
        self.mark = mark or 64 * KIB
        self.most = 0
        line = self.line(self, **options)  # type: ignore[arg-type]
        send = line.connection.send

        def sendAndLook(message: Any, **options: Any) -> None:
            send(message, **options)
            self.most = max(self.most, line.held())

        line.connection.send = sendAndLook  # type: ignore[method-assign]
        return line

    def assertBounded(self: Any, line: Line) -> None:
        """
        The peer gets all messages, in order, and no more than the mark, and one
        message, was ever held.
        """
        received = b""
        reader = FrameReader(
            masked=False,
            maxFrameSize=None,
            maxMessageSize=2**20,
            rsv=0,
            slack=0,
            whole=True,
        )
        for _ in range(10 * COUNT):
            if len(received) >= COUNT * (self.size + 4):
                break
            received += line.read()
        messages = reader.feed(received)
        self.assertEqual(len(messages), COUNT)
        for number, message in enumerate(messages, 1):
            self.assertEqual(message[:4], number.to_bytes(4, "big"))
        self.assertLess(self.most, self.mark + self.size + 100 + self.below)
        # A test in which nothing ever waits tests nothing.
        self.assertGreater(self.most, min(self.mark, 64 * KIB) // 2)

    def test_push(self: Any) -> None:
        """
        A push producer that writes until it is paused.
        """
        for mark in self.marks:
            line = self.connect(mark)
            producer = Greedy(line.connection, COUNT, self.size)
            line.connection.registerProducer(producer, True)
            producer.resumeProducing()
            self.assertLess(producer.count, COUNT)
            self.assertBounded(line)

    def test_pull(self: Any) -> None:
        """
        A pull producer that always has something.
        """
        for mark in self.marks:
            line = self.connect(mark)
            producer = Pulled(line.connection, COUNT, self.size)
            line.connection.registerProducer(producer, False)
            self.assertBounded(line)

    def assertWaits(self: Any, name: str) -> None:
        """
        A coroutine that waits in this way after each message.
        """
        for mark in self.marks:
            line = self.connect(mark)

            async def work(connection: Any = line.connection) -> None:
                for number in range(1, COUNT + 1):
                    connection.send(number.to_bytes(4, "big") * (self.size // 4))
                    await getattr(connection, name)()

            working = ensureDeferred(work())
            self.assertNoResult(working)
            self.assertBounded(line)
            self.successResultOf(working)

    def test_flushed(self: Any) -> None:
        """
        A coroutine that waits for flushed() after each message.
        """
        self.assertWaits("flushed")

    def test_drained(self: Any) -> None:
        """
        A coroutine that waits for drained() after each message.
        """
        self.assertWaits("drained")

    def test_manyDrained(self: Any) -> None:
        """
        Several of them do not all go on at the same moment, only to find it full.
        """
        line = self.connect(None)

        async def work(number: int) -> None:
            for _ in range(20):
                await line.connection.drained()
                line.connection.send(number.to_bytes(4, "big") * (self.size // 4))

        working = [ensureDeferred(work(number)) for number in range(30)]
        received = 0
        while received < 600 * (self.size + 4):
            received += len(line.read())
        for each in working:
            self.successResultOf(each)
        self.assertLess(self.most, self.mark + self.size + 100 + self.below)


class MemoryBoundTests(BoundMixin, SynchronousTestCase):
    """
    The tests over a transport that has a mark of its own.
    """

    line = MemoryLine
    below = 128 * KIB


class TLSBoundTests(BoundMixin, SynchronousTestCase):
    """
    The tests over TLS.
    """

    line = TLSLine
    below = 128 * KIB


class SocketBoundTests(BoundMixin, SynchronousTestCase):
    """
    The tests over a plain socket, past its transport.
    """

    line = SocketLine


class DeliveryTests(SynchronousTestCase):
    """
    Tests of producers within hooks.
    """

    def test_paused(self) -> None:
        """
        A producer that is started within a hook is paused while it writes, before the
        hook returns, be its messages large or small.
        """

        class Answering(Recorder):
            def textMessageReceived(self, message: str) -> None:
                producer = Greedy(self.connection, size=int(message))
                self.told.append(producer)
                self.connection.registerProducer(producer, True)
                producer.resumeProducing()

        for size in (10 * KIB, 100):
            for mark in (64 * KIB, 200 * KIB):
                application = Answering()
                ends = Ends(application, highWaterMark=mark)
                ends.peer.stall()
                ends.peer.sendText(str(size))
                producer = application.told[-1]
                self.assertTrue(producer.isPaused)
                self.assertLess(producer.count * size, mark + 128 * KIB)
                self.assertTrue(ends.connection.connected)

    def test_waiting(self) -> None:
        """
        A hook that sends and waits for drained() goes on as the peer reads.
        """

        class Answering(Recorder):
            sent = 0

            async def textMessageReceived(self, message: str) -> None:
                for _ in range(1000):
                    self.sent += 1
                    self.connection.send(bytes(10 * KIB))
                    await self.connection.drained()

        application = Answering()
        ends = Ends(application)
        ends.peer.stall()
        ends.peer.sendText("all of it, please")
        self.assertLess(application.sent, 50)
        ends.peer.goOn()
        self.assertEqual(len(ends.peer.frames()), 1000)


class WaitingTests(SynchronousTestCase):
    """
    Tests of drained().
    """

    def setUp(self) -> None:
        """
        Open a connection to a peer that does not read.
        """
        self.ends = Ends(highWaterMark=300 * KIB, lowWaterMark=100 * KIB)
        self.ends.peer.stall()
        self.connection = self.ends.connection

    def test_room(self) -> None:
        """
        While less than the high mark waits, there is nothing to wait for, though it is
        not flushed.
        """
        self.connection.send(bytes(200 * KIB))
        self.successResultOf(self.connection.drained())
        self.assertNoResult(self.connection.flushed())

    def drainedAt(self) -> int:
        """
        Have the peer read in portions until drained() fires; tell how much is queued
        then.
        """
        waiting: Deferred[None] = self.connection.drained()
        self.assertNoResult(waiting)
        for _ in range(100):
            self.ends.transport.isStalled = False
            self.ends.transport.turn()
            self.ends.transport.isStalled = True
            if waiting.called:
                return self.connection.bufferedAmount
        raise AssertionError("it never fires")

    def test_marks(self) -> None:
        """
        From the high mark on it waits until the low one is reached.
        """
        self.connection.send(bytes(400 * KIB))
        self.assertTrue(0 < self.drainedAt() <= 100 * KIB)

    def test_quarter(self) -> None:
        """
        The low mark is a quarter of the high one by default.
        """
        for high in (64, 1024):
            self.ends = Ends(highWaterMark=high * KIB)
            self.ends.peer.stall()
            self.connection = self.ends.connection
            self.connection.send(bytes(2 * high * KIB))
            left = self.drainedAt()
            self.assertTrue(left <= high * KIB // 4, left)
            self.assertEqual(left > 0, high == 1024)

    def test_zero(self) -> None:
        """
        With a low mark of zero all has to be on its way.
        """
        self.ends = Ends(highWaterMark=1, lowWaterMark=0)
        self.ends.peer.stall()
        self.connection = self.ends.connection
        self.connection.send(bytes(200 * KIB))
        self.assertEqual(self.drainedAt(), 0)

    def test_cancelled(self) -> None:
        """
        Who gives up waiting is forgotten, and nobody else.
        """
        self.connection.send(bytes(400 * KIB))
        first, second = self.connection.drained(), self.connection.drained()
        first.cancel()
        self.failureResultOf(first)
        self.ends.peer.goOn()
        self.successResultOf(second)

    def test_ended(self) -> None:
        """
        When the connection ends before, it fails, now and later.
        """
        self.connection.send(bytes(400 * KIB))
        waiting = self.connection.drained()
        self.ends.peer.vanish()
        for each in (waiting, self.connection.drained()):
            error: Any = self.failureResultOf(each).value
            self.assertGreater(error.report.bytesUnsent, 0)

    def test_closes(self) -> None:
        """
        A close behind less than the high mark is on its way when all else is, and the
        transport goes then.
        """
        self.connection.send(bytes(250 * KIB))
        closed = self.connection.close()
        self.ends.peer.goOn()
        self.assertEqual(self.ends.peer.frames()[-1], close())
        self.ends.peer.sendClose()
        self.assertTrue(self.successResultOf(closed).wasClean)

    def test_closedByPeer(self) -> None:
        """
        So it is when the peer closes first, for a client and a server.
        """
        for role in Role:
            ends = Ends(Recorder(), role=role, highWaterMark=300 * KIB)
            ends.peer.stall()
            ends.connection.send(bytes(250 * KIB))
            ends.peer.sendClose()
            ends.peer.goOn()
            self.assertEqual(ends.peer.frames()[-1], close())
            # A client leaves it to the server to go first.
            self.assertEqual(ends.transport.isConnected, role is Role.CLIENT)
            ends.peer.end()
            self.assertEqual(ends.clock.getDelayedCalls(), [])
