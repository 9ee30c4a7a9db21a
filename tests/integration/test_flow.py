# Part of txwebsocket. See LICENSE for details.
"""
Tests of peers that do not read, and of applications that do not: a part of those in
``test_link``.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder, binary, close, text
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    Opcode,
    WebSocketConnection,
    WebSocketProtocol,
)
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Role

KIB = 1024


class OddError(Exception):
    """
    What applications raise here.
    """


class FlowTests(SynchronousTestCase):
    """
    Tests of peers that do not read.
    """

    def test_serverStopsReading(self) -> None:
        """
        A server whose peer does not read stops reading that peer within one mark, and
        goes on, with every byte in order, when the peer does.
        """

        class Echo(Recorder):
            def bytesMessageReceived(self, data: bytes) -> None:
                super().bytesMessageReceived(data)
                self.connection.send(data)

        application = Echo()
        ends = Ends(application)
        ends.peer.stall()
        messages = [bytes([number]) * 16 * KIB for number in range(64)]
        ends.peer.send(b"".join(map(ends.peer.binary, messages)))
        self.assertFalse(ends.transport.isReading)
        self.assertLess(len(application.messages), 10)
        self.assertLess(ends.connection.bufferedAmount, 128 * KIB)
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames(), list(map(binary, messages)))
        self.assertTrue(ends.transport.isReading)

    def test_othersAreServed(self) -> None:
        """
        Others are read from as before.
        """
        stalled = Ends(Recorder())
        stalled.peer.stall()
        stalled.connection.send(bytes(200 * KIB))
        application = Recorder()
        Ends(application).peer.sendText("a")
        self.assertEqual(application.messages, ["a"])

    def test_clientGoesOnReading(self) -> None:
        """
        A client whose peer does not read reads on, so that two ends that both write
        do not wait for each other for ever.
        """
        application = Recorder()
        ends = Ends(application, role=Role.CLIENT)
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        ends.peer.sendText("a")
        self.assertEqual(application.messages, ["a"])

    def test_tooMuchWaits(self) -> None:
        """
        Who sends more than ``maxBufferedBytes`` to a peer that does not read is told,
        and the peer is told 1008 if it ever reads.
        """
        application = Recorder()
        ends = Ends(application, maxBufferedBytes=10 * KIB)
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        with self.assertRaises(ConnectionClosed) as raised:
            ends.connection.send(b"x")
        self.assertIs(raised.exception.report.cause, CloseCause.BUFFER_FULL)
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames()[1:], [close(1008, "reads too slowly")])
        ends.peer.end()
        self.assertIs(application.report.cause, CloseCause.BUFFER_FULL)

    def test_nobodyReceives(self) -> None:
        """
        In pull style the peer is read from no further while 16 messages wait.
        """
        ends = Ends()
        ends.peer.sendBytes(b"0")
        self.assertEqual(self.successResultOf(ends.connection.receive()), b"0")
        ends.peer.sendText(*"abcdefghijklmnopq")
        ends.peer.sendText("r")
        self.assertFalse(ends.transport.isReading)
        self.assertTrue(ends.transport.arrived)
        self.assertEqual(self.successResultOf(ends.connection.receive()), "a")
        self.assertFalse(ends.transport.isReading)
        self.assertEqual(self.successResultOf(ends.connection.receive()), "b")
        self.assertTrue(ends.transport.isReading)
        ends.peer.turn()
        received = [self.successResultOf(ends.connection.receive()) for _ in range(16)]
        self.assertEqual(received, list("cdefghijklmnopqr"))

    def test_writeTimeout(self) -> None:
        """
        A peer that reads nothing for 30 seconds is dropped, and the report says so.
        """
        application = Recorder()
        ends = Ends(application)
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        left = ends.connection.bufferedAmount
        ends.peer.waitLong(29)
        self.assertFalse(ends.transport.wasAborted)
        ends.peer.wait(1)
        self.assertTrue(ends.transport.wasAborted)
        report = application.report
        self.assertIs(report.cause, CloseCause.WRITE_TIMEOUT)
        self.assertEqual(report.bytesUnsent, left)
        self.assertFalse(report.wasClean)
        self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_writeTimeoutIsAnOption(self) -> None:
        """
        ``writeTimeout`` says how long.
        """
        application = Recorder()
        ends = Ends(application, writeTimeout=3)
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        ends.peer.wait(3)
        self.assertIs(application.report.cause, CloseCause.WRITE_TIMEOUT)

    def test_producer(self) -> None:
        """
        An attached producer is paused while the peer does not read.
        """
        ends = Ends()
        producer = Producer()
        ends.connection.attachProducer(producer)
        self.assertEqual(producer.told, [])
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        self.assertEqual(producer.told, ["pause"])
        ends.peer.goOn()
        self.assertEqual(producer.told[-1], "resume")
        self.assertEqual(producer.told.count("pause"), producer.told.count("resume"))

    def test_eagerProducer(self) -> None:
        """
        A producer that fills the transport again as soon as it is resumed is paused
        again, and the peer is not read from meanwhile.
        """
        application = Recorder()
        ends = Ends(application)

        class Eager(Producer):
            def resumeProducing(self) -> None:
                super().resumeProducing()
                ends.connection.send(bytes(200 * KIB))

        producer = Eager()
        ends.connection.attachProducer(producer)
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        for _ in range(3):
            ends.peer.transport.isStalled = False
            ends.peer.transport.turn()
            ends.peer.stall()
            ends.peer.sendText("a")
            self.assertFalse(ends.transport.isReading)
        self.assertEqual(application.messages, [])
        self.assertEqual(producer.told[-1], "pause")

    def test_largePortions(self) -> None:
        """
        A producer that writes more at a time than the mark is resumed only when what it
        wrote before is gone, so that a slow peer can't have it pile up.
        """
        for role in Role:
            ends = Ends(role=role)
            producer = Portions(ends.connection)
            ends.connection.attachProducer(producer)
            ends.peer.stall()
            producer.resumeProducing()
            for _ in range(50):
                ends.transport.isStalled = False
                ends.transport.turn()
                ends.peer.stall()
                self.assertLessEqual(ends.connection.bufferedAmount, 201 * KIB)
            self.assertGreater(len(ends.peer.received()), 2000 * KIB)
            self.assertEqual(
                producer.told.count("pause"), producer.told.count("resume")
            )

    def test_producerAttachedLate(self) -> None:
        """
        A producer that is attached while the peer does not read is paused at once.
        """
        ends = Ends()
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        producer = Producer()
        ends.connection.attachProducer(producer)
        self.assertEqual(producer.told, ["pause"])

    def test_oneProducer(self) -> None:
        """
        A second producer is refused while there is one.
        """
        ends = Ends()
        first, second = Producer(), Producer()
        ends.connection.attachProducer(first)
        self.assertRaises(RuntimeError, ends.connection.attachProducer, second)
        ends.connection.detachProducer()
        ends.connection.attachProducer(second)
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        self.assertEqual((first.told, second.told), ([], ["pause"]))

    def test_producerStopped(self) -> None:
        """
        When the connection ends, its producer is told to stop, before the application
        is told.
        """
        application = Recorder()
        ends = Ends(application)
        producer = Producer(application.told)
        ends.connection.attachProducer(producer)
        ends.peer.vanish()
        self.assertEqual(application.told[-2:], ["stop", "lost"])

    def test_producerTooLate(self) -> None:
        """
        A producer that is attached to an ended connection is told to stop, as every
        transport of Twisted does.
        """
        ends = Ends()
        ends.peer.vanish()
        producer = Producer()
        ends.connection.attachProducer(producer)
        self.assertEqual(producer.told, ["stop"])

    def test_brokenProducer(self) -> None:
        """
        A producer that raises is the application's fault: logged, and 1011.
        """

        class Broken(Producer):
            def pauseProducing(self) -> None:
                raise OddError

        ends = Ends()
        ends.connection.attachProducer(Broken())
        ends.peer.stall()
        ends.connection.send(bytes(100 * KIB))
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames()[1:], [close(1011)])

    def test_closingWhileFull(self) -> None:
        """
        A close waits its turn behind what was sent before, and takes a server's
        reading up again.
        """
        ends = Ends()
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        closed = ends.connection.close()
        self.assertTrue(ends.transport.isReading)
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames(), [binary(bytes(300 * KIB)), close()])
        ends.peer.sendClose()
        self.assertTrue(self.successResultOf(closed).wasClean)

    def test_closedByPeerWhileFull(self) -> None:
        """
        What was sent before the peer's close still leaves, and then the transport.
        """
        application = Recorder()
        ends = Ends(application, role=Role.CLIENT)
        ends.peer.stall()
        ends.connection.send(b"x" * 300 * KIB)
        ends.peer.sendClose(4000)
        self.assertTrue(ends.transport.isConnected)
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames(), [binary(b"x" * 300 * KIB), close(4000)])
        ends.peer.end()
        self.assertEqual(application.report.bytesUnsent, 0)
        self.assertTrue(application.report.wasClean)

    def test_closedByStalledPeer(self) -> None:
        """
        A peer that closes and never reads the rest is dropped after closeTimeout.
        """
        application = Recorder()
        ends = Ends(application, role=Role.CLIENT)
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        ends.peer.sendClose()
        ends.peer.wait(5)
        self.assertTrue(ends.transport.wasAborted)
        self.assertFalse(application.report.wasClean)
        self.assertGreater(application.report.bytesUnsent, 0)
        self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_stalledGoodbye(self) -> None:
        """
        A server does not wait for a peer that has said goodbye, and reads no more, to
        take the rest from its transport.
        """
        application = Recorder()
        ends = Ends(application)
        ends.peer.stall()
        ends.connection.send(bytes(10 * KIB))
        ends.peer.sendClose()
        self.assertTrue(ends.transport.disconnecting)
        ends.peer.waitLong(4)
        self.assertTrue(ends.transport.isConnected)
        ends.peer.waitLong(1)
        self.assertTrue(ends.transport.wasAborted)
        self.assertIs(application.report.cause, CloseCause.PEER_CLOSE)
        self.assertEqual(ends.clock.getDelayedCalls(), [])


class FloodTests(SynchronousTestCase):
    """
    Tests of peers that send all the time what they may send. How long others wait is
    measured by ``tests/tools/soak/fairness.py``.
    """

    def test_turns(self) -> None:
        """
        Between two reads of a flood everybody else has a turn: no more is delivered,
        and no more answered, than what one read has brought.
        """
        clock = Clock()
        flooded, other = (
            Ends(Echo(), transport=MemoryTransport(clock)) for _ in range(2)
        )
        tiny = flooded.peer.text("x")
        reads = 10
        most = flooded.transport.bufferSize // len(tiny) + 1
        flooded.transport.arrived += tiny * (reads * most)
        for number in range(1, reads):
            flooded.transport.turn()
            received = flooded.connection.traffic.messagesReceived
            self.assertLessEqual(received, number * most)
            other.peer.sendText("hello")
            self.assertEqual(other.peer.frames(), [text("hello")])

    def test_fewAtATime(self) -> None:
        """
        Python does not look through its objects because of a flood: of its frames few
        exist at a time.
        """
        ends = Ends(WebSocketProtocol())
        pings = ends.peer.frame(Opcode.PING, b"p") * 2000
        ends.peer.send(pings)
        seen: list[str] = []
        gc.collect()
        gc.callbacks.append(lambda phase, facts: seen.append(phase))
        self.addCleanup(gc.callbacks.pop)
        for _ in range(10):
            ends.peer.send(pings)
        self.assertLessEqual(seen.count("start"), 2)

    def mixed(self, ends: Ends, messages: Iterable[str]) -> bytes:
        """
        Messages as a peer sends them, with two pings behind each.
        """
        pings = ends.peer.frame(Opcode.PING, b"p") * 2
        return b"".join(ends.peer.text(message) + pings for message in messages)

    def test_inOrder(self) -> None:
        """
        Each message of a flood arrives, in its order, also if the application has to
        wait in the midst of it, and what comes behind the flood.
        """
        waits: list[Deferred[None]] = []

        class Waiting(Recorder):
            def textMessageReceived(self, message: str) -> Deferred[None] | None:
                super().textMessageReceived(message)
                if int(message) % 1500:
                    return None
                waits.append(Deferred())
                return waits[-1]

        application = Waiting()
        ends = Ends(application)
        messages = [str(number) for number in range(1, 6000)]
        for start in range(0, 6000, 2000):
            ends.peer.send(self.mixed(ends, messages[start : start + 2000]))
        ends.peer.sendText("9" * 1000)
        for number in range(1, 4):
            self.assertEqual(application.messages[-1], str(1500 * number))
            waits.pop().callback(None)
            ends.peer.turn()
        self.assertEqual(application.messages, [*messages, "9" * 1000])

    def test_closedAmid(self) -> None:
        """
        Once the application has closed, it is told nothing more of a flood.
        """

        class Closing(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                if message == "3000":
                    self.connection.close()

        application = Closing()
        ends = Ends(application)
        for start in range(0, 6000, 2000):
            numbers = range(start, start + 2000)
            ends.peer.send(self.mixed(ends, map(str, numbers)))
        self.assertEqual(application.messages[-1], "3000")
        traffic = ends.connection.traffic
        self.assertEqual(traffic.messagesReceived, 3001)

    def test_noTimers(self) -> None:
        """
        Floods of pings, pongs and empty fragments set no timer and keep nothing.
        """
        ends = Ends(Echo())
        calls = len(ends.clock.getDelayedCalls())
        for opcode in (Opcode.PING, Opcode.PONG):
            ends.peer.send(ends.peer.frame(opcode, b"p" * 125) * 2000)
        ends.peer.send(ends.peer.frame(Opcode.TEXT, b"", fin=False))
        ends.peer.send(ends.peer.frame(Opcode.CONTINUATION, b"", fin=False) * 2000)
        self.assertEqual(len(ends.clock.getDelayedCalls()), calls)
        self.assertEqual(ends.connection.bufferedAmount, 0)
        self.assertEqual(ends.connection.traffic.messagesReceived, 0)

    def test_pingsWhileClosing(self) -> None:
        """
        Pings put off no close, and are not answered any more.
        """
        ends = Ends(Echo())
        closed = ends.connection.close()
        for _ in range(5):
            ends.peer.ping(b"wait")
            ends.peer.wait(1)
        self.assertEqual(ends.peer.frames(), [close()])
        report = self.successResultOf(closed)
        self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)


class Echo(Recorder):
    """
    Sends back what arrives.
    """

    def textMessageReceived(self, message: str) -> None:
        """
        Send it back.
        """
        self.connection.send(message)


class BurstTests(SynchronousTestCase):
    """
    Tests of much that is sent in one go, while something is delivered.
    """

    def burst(self, application: Any, **options: Any) -> list[int]:
        """
        Have this application send in a hook; what waited when it was asked.
        """
        ends = Ends(application, **options)
        application.waiting = []
        ends.peer.sendText("go")
        ends.peer.turn()
        waiting: list[int] = application.waiting
        return waiting

    def test_oneWrite(self) -> None:
        """
        What is sent in a hook leaves when that is over, in one; of 256 KiB or more some
        leaves before.
        """

        class Sending(Recorder):
            def textMessageReceived(self, message: str) -> None:
                for _ in range(6):
                    self.connection.send(bytes(60 * KIB))
                    self.waiting.append(self.connection.bufferedAmount // KIB)

            waiting: list[int]

        self.assertEqual(self.burst(Sending()), [60, 120, 180, 240, 300, 240])

    def test_needed(self) -> None:
        """
        Some leaves before anything is refused.
        """

        class Sending(Recorder):
            def textMessageReceived(self, message: str) -> None:
                for _ in range(3):
                    self.connection.send(bytes(60 * KIB))
                    self.waiting.append(self.connection.bufferedAmount // KIB)

            waiting: list[int]

        self.assertEqual(
            self.burst(Sending(), maxBufferedBytes=150 * KIB), [60, 120, 60]
        )

    def test_drained(self) -> None:
        """
        Who waits for room in a hook waits as soon as the mark is passed.
        """

        class Sending(Recorder):
            def textMessageReceived(self, message: str) -> None:
                for _ in range(3):
                    self.connection.send(bytes(60 * KIB))
                    self.waiting.append(int(self.connection.drained().called))

            waiting: list[int]

        application = Sending()
        ends = Ends(application)
        application.waiting = []
        ends.peer.stall()
        ends.peer.sendText("go")
        self.assertEqual(application.waiting, [1, 0, 0])


class Producer:
    """
    A push producer that writes down what it is told.
    """

    def __init__(self, told: list[Any] | None = None) -> None:
        self.told: list[Any] = [] if told is None else told

    def pauseProducing(self) -> None:
        """
        Write it down.
        """
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """
        Write it down.
        """
        self.told.append("resume")

    def stopProducing(self) -> None:
        """
        Write it down.
        """
        self.told.append("stop")


class Portions(Producer):
    """
    A producer that writes a large portion whenever it is resumed.
    """

    def __init__(self, connection: WebSocketConnection) -> None:
        super().__init__()
        self._connection = connection

    def resumeProducing(self) -> None:
        """
        Write it down, and a portion.
        """
        super().resumeProducing()
        self._connection.send(bytes(200 * KIB))
