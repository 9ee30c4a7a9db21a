# Part of txwebsocket. See LICENSE for details.
"""
Tests of how frames go to the transport.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from txwebsocket.connection.sockets import plainSocket
from txwebsocket.connection.writer import PORTION, Writer
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.outbox import Outbox

KIB = 1024


class Connected:
    """
    Whoever is connected to the transport: it does not listen.
    """

    def makeConnection(self, transport: object) -> None:
        """
        There is a transport.
        """

    def connectionLost(self, reason: Failure) -> None:
        """
        There is none.
        """


class WriterTests(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Connect a writer to a peer that does not read at first.
        """
        self.clock = Clock()
        self.outbox = Outbox()
        self.told: list[object] = []
        self.writer = Writer(self, self.outbox, self.clock, ConnectionConfig())
        self.transport = MemoryTransport(self.clock)
        self.transport.connect(Connected())
        self.transport.isStalled = True

    def writerStalled(self) -> None:
        """
        The peer does not read.
        """
        self.told.append("stalled")

    def transportClosing(self) -> None:
        """
        Something else closes the transport.
        """
        self.told.append("closing")

    def sendPressureChanged(self) -> None:
        """
        Note whether more waits than should.
        """
        self.told.append(self.writer.isOverHighWater)

    def syncTransport(self) -> None:
        """
        Do what a connection does: write on when there is room.
        """
        self.writer.flush()

    def put(self, *sizes: int) -> None:
        """
        Queue frames of these sizes.
        """
        for size in sizes:
            self.outbox.put(b"x" * size)

    def start(self) -> None:
        """
        The connection is open.
        """
        self.writer.start(self.transport)
        self.writer.flush()

    def drain(self) -> None:
        """
        Let the peer read all there is.
        """
        self.transport.isStalled = False
        while self.transport.turn():
            pass
        self.transport.isStalled = True

    def test_interface(self) -> None:
        """
        The writer is a push producer to its transport.
        """
        self.assertTrue(verifyObject(IPushProducer, self.writer))
        self.start()
        self.assertIs(self.transport.producer, self.writer)
        self.assertTrue(self.transport.isStreaming)

    def test_beforeStart(self) -> None:
        """
        What is queued before there is a transport leaves when there is one.
        """
        self.put(3)
        self.writer.flush()
        self.assertEqual(self.outbox.size, 3)
        self.start()
        self.assertEqual((self.outbox.size, self.transport.unsent), (0, b"xxx"))

    def test_order(self) -> None:
        """
        Frames leave in order, however they are cut into writes.
        """
        frames = [bytes([number]) * (number * 777) for number in range(100)]
        self.start()
        for frame in frames:
            self.outbox.put(frame)
            self.writer.flush()
        self.drain()
        self.assertEqual(self.transport.sent, b"".join(frames))

    def test_highWater(self) -> None:
        """
        The transport is given little more than its mark; the rest waits here, where it
        is counted.
        """
        self.put(1000 * KIB)
        self.start()
        self.assertTrue(self.writer.isTransportFull)
        given = len(self.transport.unsent)
        self.assertGreater(given, PORTION)
        self.assertLessEqual(given, 2 * PORTION)
        self.assertEqual(self.outbox.size, 1000 * KIB - given)
        self.assertEqual(PORTION, 64 * KIB)

    def test_nothingWhileFull(self) -> None:
        """
        Nothing is written while the transport is full, and all of it afterwards.
        """
        self.put(200 * KIB)
        self.start()
        given = len(self.transport.unsent)
        self.put(10)
        self.writer.flush()
        self.assertEqual(len(self.transport.unsent), given)
        self.drain()
        self.assertEqual(len(self.transport.sent), 200 * KIB + 10)
        self.assertEqual((self.outbox.size, self.told[-1]), (0, False))

    def test_manySmallFrames(self) -> None:
        """
        Many small frames leave in one write for each 64 KiB, not one each.
        """
        writes: list[int] = []
        self.transport.writeSequence = lambda parts: writes.append(len(b"".join(parts)))  # type: ignore[method-assign,assignment]
        self.put(*[10] * 10_000)
        self.start()
        self.assertEqual(writes, [65540, 34460])

    def test_flushedAtOnce(self) -> None:
        """
        When nothing waits, flushed() has fired already.
        """
        self.start()
        self.successResultOf(self.writer.flushed())

    def test_flushedLater(self) -> None:
        """
        flushed() fires when our queue is empty and the transport is below its mark.
        """
        self.put(300 * KIB)
        self.start()
        waiting = [self.writer.flushed(), self.writer.flushed()]
        for each in waiting:
            self.assertNoResult(each)
        self.drain()
        for each in waiting:
            self.assertIsNone(self.successResultOf(each))

    def test_flushedWaitsForTransport(self) -> None:
        """
        flushed() waits for the transport as well, when our own queue is empty already.
        """
        self.start()
        self.transport.write(b"x" * 70 * KIB)
        self.assertEqual(self.outbox.size, 0)
        waiting = self.writer.flushed()
        self.assertNoResult(waiting)
        self.drain()
        self.successResultOf(waiting)

    def test_sendingWhileFull(self) -> None:
        """
        Sending more while the transport is full does not fire flushed().
        """
        self.put(100 * KIB)
        self.start()
        waiting = self.writer.flushed()
        self.put(10)
        self.writer.flush()
        self.assertNoResult(waiting)
        self.drain()
        self.successResultOf(waiting)

    def test_flushedCancelled(self) -> None:
        """
        Whoever waits for flushed() may give up; others wait on.
        """
        self.put(300 * KIB)
        self.start()
        impatient, patient = self.writer.flushed(), self.writer.flushed()
        impatient.cancel()
        self.failureResultOf(impatient, CancelledError)
        self.drain()
        self.successResultOf(patient)

    def test_sendingWhenFlushed(self) -> None:
        """
        Whoever sends more when flushed() fires and waits again, waits for that.
        """
        self.put(300 * KIB)
        self.start()

        def sendMore(_: object) -> object:
            self.put(300 * KIB)
            self.writer.flush()
            return self.writer.flushed()

        again = self.writer.flushed().addCallback(sendMore)
        self.drain()
        self.successResultOf(again)
        self.assertEqual(len(self.transport.sent), 600 * KIB)

    def test_flushedAfterEnd(self) -> None:
        """
        flushed() fails when the connection ends, and ever after.
        """
        self.put(300 * KIB)
        self.start()
        waiting = self.writer.flushed()
        self.writer.end(ConnectionDone)
        self.failureResultOf(waiting, ConnectionDone)
        self.failureResultOf(self.writer.flushed(), ConnectionDone)

    def test_changes(self) -> None:
        """
        A change between full and not full is told once.
        """
        self.start()
        self.writer.resumeProducing()
        self.assertEqual(self.told, [])
        self.writer.pauseProducing()
        self.writer.pauseProducing()
        self.assertEqual(self.told, [True])
        self.writer.resumeProducing()
        self.writer.resumeProducing()
        self.assertEqual(self.told, [True, False])

    def test_stall(self) -> None:
        """
        A peer that reads nothing for writeTimeout is noticed, to the second.
        """
        self.put(100 * KIB)
        self.start()
        self.clock.advance(29.9)
        self.assertNotIn("stalled", self.told)
        self.clock.advance(0.1)
        self.assertEqual(self.told.count("stalled"), 1)
        self.clock.advance(100)
        self.assertEqual(self.told.count("stalled"), 1)

    def test_noStall(self) -> None:
        """
        A peer that reads in time is not taken for a stalled one, however often.
        """
        self.start()
        for _ in range(5):
            self.put(100 * KIB)
            self.writer.flush()
            self.clock.advance(29)
            self.drain()
        self.assertNotIn("stalled", self.told)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        After stop() the transport is left alone, and can close.
        """
        self.put(100 * KIB)
        self.start()
        self.writer.stop()
        self.assertIsNone(self.transport.producer)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        given = len(self.transport.unsent)
        self.writer.stop()
        self.writer.resumeProducing()
        self.put(10)
        self.writer.flush()
        self.assertEqual(len(self.transport.unsent), given)

    def test_stopIdle(self) -> None:
        """
        It can be stopped, or end, when there never was anything to wait for.
        """
        self.start()
        self.writer.stop()
        self.writer.end(ConnectionDone)
        self.assertIsNone(self.transport.producer)

    def test_stopStalled(self) -> None:
        """
        It can be stopped when a peer was found to be stalled.
        """
        self.put(100 * KIB)
        self.start()
        self.clock.advance(30)
        self.writer.stop()
        self.assertIsNone(self.transport.producer)

    def test_nothingAfterEnd(self) -> None:
        """
        When the transport is gone, nothing is written to it any more.
        """
        self.start()
        self.writer.end(ConnectionDone)
        self.put(10)
        self.writer.flush()
        self.assertEqual((self.transport.unsent, self.outbox.size), (b"", 10))

    def test_end(self) -> None:
        """
        When the transport is gone, no timer is left.
        """
        self.put(100 * KIB)
        self.start()
        self.transport.lose(ConnectionDone())
        self.writer.end(ConnectionDone)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertNotIn("stalled", self.told)


class Readiness:
    """
    What a socket's transport asks a reactor for.

    :ivar isWriting: whether the transport waits until the socket takes more.
    """

    def __init__(self) -> None:
        self.isWriting = False

    def addReader(self, reader: object) -> None:
        """
        The transport reads; nobody here has anything for it.
        """

    removeReader = addReader

    def addWriter(self, writer: object) -> None:
        self.isWriting = True

    def removeWriter(self, writer: object) -> None:
        self.isWriting = False


class SocketTests(SynchronousTestCase):
    """
    Tests of writing to a plain TCP socket, past its transport.
    """

    def setUp(self) -> None:
        """
        Connect a writer and a peer, with a transport that holds nothing any more.
        """
        self.clock = Clock()
        self.outbox = Outbox()
        self.told: list[object] = []
        self.writer = Writer(self, self.outbox, self.clock, ConnectionConfig())
        ours, self.peer = socket.socketpair()
        self.addCleanup(self.peer.close)
        self.addCleanup(ours.close)
        self.peer.setblocking(False)
        self.reactor: Any = Readiness()
        self.transport = Connection(ours, Protocol(), self.reactor)
        self.transport.connected = True
        self.transport.write(b"response ")
        self.noteChange: Callable[[], object] = lambda: None
        self.writer.start(self.transport)

    def sendPressureChanged(self) -> None:
        self.told.append(self.writer.isOverHighWater)
        self.noteChange()

    def syncTransport(self) -> None:
        self.writer.flush()

    def writerStalled(self) -> None:
        self.told.append("stalled")

    def transportClosing(self) -> None:
        self.told.append("closing")

    def send(self, *frames: bytes) -> None:
        """
        Send these at once.
        """
        for frame in frames:
            self.outbox.put(frame)
        self.writer.flush()

    def turn(self) -> None:
        """
        Let the reactor write if the transport asks for it.
        """
        if self.reactor.isWriting:
            self.transport.doWrite()

    def received(self) -> bytes:
        """
        All that has reached the peer so far.
        """
        received = b""
        with contextlib.suppress(BlockingIOError):
            while part := self.peer.recv(2**20):
                received += part
        return received

    def test_pullProducer(self) -> None:
        """
        The writer asks such a transport to say when it has passed everything on.
        """
        self.assertTrue(verifyObject(IPullProducer, self.writer))
        self.assertIs(self.transport.producer, self.writer)
        self.assertFalse(self.transport.streamingProducer)

    def test_behindResponse(self) -> None:
        """
        What the transport holds already, the response of the handshake, goes first.
        """
        self.send(b"frame")
        self.assertEqual(self.received(), b"")
        self.turn()
        self.assertEqual(self.received(), b"response frame")

    def test_atOnce(self) -> None:
        """
        When the transport holds nothing, frames reach the system without the reactor.
        """
        self.turn()
        for frames in ([b"one"], [b"one", b"two"], [b"few "] * 8, [b"many "] * 99):
            self.received()
            self.send(*frames)
            self.assertEqual(self.received(), b"".join(frames))
            self.assertFalse(self.reactor.isWriting)
        self.assertEqual(self.told, [])

    def test_parts(self) -> None:
        """
        A large payload goes beside its head.
        """
        self.turn()
        self.received()
        self.outbox.putParts((b"head ", b"payload"))
        self.writer.flush()
        self.assertEqual(self.received(), b"head payload")

    def test_fullSocket(self) -> None:
        """
        What the system does not take is the transport's to write, one mark of it; the
        rest stays here, and all of it arrives in order.
        """
        self.turn()
        self.received()
        frames = [bytes([number]) * 100 * KIB for number in range(30)]
        self.send(*frames)
        self.assertEqual(self.told, [True])
        held = len(self.transport.dataBuffer) + self.transport._tempDataLen
        self.assertTrue(PORTION <= held <= 2 * PORTION, held)
        self.assertGreater(self.outbox.size, 1000 * KIB)
        self.assertEqual(self.outbox.size + self.outbox.bytesTaken, 3000 * KIB)
        self.send(b"last")
        received = b""
        while part := self.received():
            received += part
            self.turn()
        self.assertEqual(received, b"".join(frames) + b"last")
        self.assertEqual((self.outbox.size, self.told[-1]), (0, False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_marks(self) -> None:
        """
        It is behind from 64 KiB on, and until no more than 16 are left, what the
        transport holds included.
        """
        self.turn()
        self.received()
        for size in range(300, 420, 8):
            changes: list[tuple[bool, int]] = []
            self.noteChange = lambda changes=changes: changes.append(
                (self.writer.isOverHighWater, self.held())
            )
            self.send(bytes(size * KIB))
            while self.held():
                self.peer.recv(8 * KIB)
                self.turn()
            self.assertEqual(
                [isOverHighWater for isOverHighWater, _ in changes], [True, False]
            )
            (_, high), (_, low) = changes
            self.assertGreaterEqual(high, 64 * KIB)
            self.assertLessEqual(low, 16 * KIB)
            self.received()

    def held(self) -> int:
        """
        Bytes that have not reached the system.
        """
        buffered = len(self.transport.dataBuffer) - self.transport.offset
        return self.outbox.size + buffered + self.transport._tempDataLen

    def test_stall(self) -> None:
        """
        A peer that reads nothing for writeTimeout is noticed.
        """
        self.turn()
        self.send(bytes(3000 * KIB))
        self.clock.advance(29.9)
        self.assertEqual(self.told, [True])
        self.clock.advance(0.1)
        self.assertEqual(self.told, [True, "stalled"])

    def test_brokenSocket(self) -> None:
        """
        That the connection is broken is left to the transport to notice.
        """
        self.turn()
        self.peer.close()
        self.send(b"frame")
        self.assertTrue(self.reactor.isWriting)
        self.assertIs(self.transport.doWrite(), CONNECTION_LOST)

    def test_stop(self) -> None:
        """
        After stop() the socket is left alone, and the transport can close.
        """
        self.turn()
        self.received()
        self.writer.stop()
        self.send(b"frame")
        self.assertEqual(self.received(), b"")
        self.transport.loseConnection()
        self.assertIs(self.transport.doWrite(), CONNECTION_DONE)

    def test_stopWhilePaused(self) -> None:
        """
        It can close then even if it holds so much that it pauses its producers.
        """
        self.turn()
        self.writer.stop()
        self.transport.write(b"x" * 200 * KIB)
        self.transport.loseConnection()
        self.assertTrue(self.transport.producerPaused)
        results = []
        while self.reactor.isWriting and CONNECTION_DONE not in results:
            results.append(self.transport.doWrite())
            self.received()
        self.assertIs(results[-1], CONNECTION_DONE)

    def test_closedByOthers(self) -> None:
        """
        When something else asks the transport to close, the owner is told as soon as
        all is written, and again while it has more to write.
        """
        self.turn()
        self.transport.write(b"more")
        self.transport.loseConnection()
        self.assertEqual(self.told, [])
        self.turn()
        self.assertEqual(self.told, ["closing"])
        self.writer.stop()
        self.assertTrue(self.reactor.isWriting)
        self.assertIs(self.transport.doWrite(), CONNECTION_DONE)

    def test_undelivered(self) -> None:
        """
        When the connection is lost, what the transport and the system still have is
        counted.
        """
        self.turn()
        self.received()
        for isStopped in (False, True):
            self.send(b"x" * 1000)
            if isStopped:
                self.writer.stop()
            self.transport.write(b"y" * 500)
            self.transport.connectionLost(Failure(ConnectionLost()))
            # Of a UNIX socket, the system counts what it needs itself.
            self.assertGreaterEqual(self.writer.undelivered, 1500)
            self.assertLess(self.writer.undelivered, 10_000)
            self.setUp()

    def test_onlyPlain(self) -> None:
        """
        Where TLS, or anything else, stands between, nothing passes it.
        """
        self.assertIsNotNone(plainSocket(self.transport))
        self.transport.TLS = True
        self.assertIsNone(plainSocket(self.transport))
        self.assertIsNone(plainSocket(MemoryTransport(self.clock)))
