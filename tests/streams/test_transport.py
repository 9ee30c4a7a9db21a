# Part of txwebsocket. See LICENSE for details.
"""
Tests of streams of bytes in the messages of a connection, from one end.
"""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.integration.test_flow import Producer
from tests.support.memory import Ends, binary, close, text
from txwebsocket import CloseCause, WebSocketError
from txwebsocket.streams.transport import MESSAGE_SIZE, StreamApplication
from txwebsocket.testing import MemoryTLSTransport
from txwebsocket.wire.codes import Opcode, Role

KIB = 1024
MIB = 1024 * KIB


class OddError(Exception):
    """
    What protocols raise here.
    """


class Stream(Protocol):
    """
    An ordinary protocol that keeps what it is told.

    :ivar pieces: what came.
    :ivar lost: what ``connectionLost`` was given.
    """

    transport: Any

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.lost: list[Failure] = []

    @property
    def report(self) -> Any:
        """
        How the connection ended, which it did once.
        """
        [reason] = self.lost
        error: Any = reason.value
        return error.report

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.pieces.append(data)

    def connectionLost(self, reason: Any = None) -> None:
        """
        Keep it.
        """
        self.lost.append(reason)


class TunnelEnds(Ends):
    """
    One end of an open WebSocket with a protocol over it, and its peer.

    :ivar protocol: the protocol.
    :ivar stream: what it writes with.
    """

    def __init__(
        self,
        protocol: Stream | None = None,
        *,
        acceptText: bool = False,
        **options: Any,
    ) -> None:
        self.protocol = Stream() if protocol is None else protocol
        super().__init__(
            StreamApplication(self.protocol, acceptText=acceptText), **options
        )

    @property
    def stream(self) -> Any:
        """
        What the protocol writes with.
        """
        return self.protocol.transport


class TunnelTestCase(SynchronousTestCase):
    """
    What these tests need.
    """

    def assertEnded(self, ends: TunnelEnds, kind: type[Exception]) -> None:
        """
        The protocol was told that the connection has ended so, once, and nothing is
        left behind.
        """
        [reason] = ends.protocol.lost
        self.assertTrue(reason.check(kind), reason)
        self.assertTrue(reason.check(WebSocketError), reason)
        self.assertEqual(ends.clock.getDelayedCalls(), [])


class InterfaceTests(TunnelTestCase):
    """
    Tests of what the transport says it is.
    """

    def test_interfaces(self) -> None:
        """
        A protocol is given a transport with all that it may expect of TCP.
        """
        stream = TunnelEnds().stream
        for interface in (ITCPTransport, IConsumer, IPushProducer):
            self.assertTrue(verifyObject(interface, stream), interface)
        self.assertFalse(ISSLTransport.providedBy(stream))

    def test_secure(self) -> None:
        """
        Over TLS the transport says so, and has the peer's certificate.
        """
        transport = MemoryTLSTransport(Clock())
        certificate = object()
        self.patch(transport, "getPeerCertificate", lambda: certificate)
        stream = TunnelEnds(transport=transport).stream
        self.assertTrue(verifyObject(ISSLTransport, stream))
        self.assertIs(stream.getPeerCertificate(), certificate)

    def test_addresses(self) -> None:
        """
        Both addresses are those of the transport below.
        """
        ends = TunnelEnds()
        self.assertEqual(ends.stream.getPeer(), ends.transport.getPeer())
        self.assertEqual(ends.stream.getHost(), ends.transport.getHost())

    def test_connection(self) -> None:
        """
        A protocol can look at the connection that it is over.
        """
        ends = TunnelEnds()
        self.assertIs(ends.stream.connection, ends.connection)

    def test_optionsOfTCP(self) -> None:
        """
        What a protocol chooses for TCP reaches the transport below.
        """
        ends = TunnelEnds()
        ends.stream.setTcpNoDelay(False)
        self.assertIs(ends.transport.noDelay, False)
        self.assertIs(ends.stream.getTcpNoDelay(), False)
        ends.stream.setTcpNoDelay(True)
        self.assertIs(ends.stream.getTcpNoDelay(), True)
        kept: list[bool] = []
        self.patch(ends.transport, "setTcpKeepAlive", kept.append)
        ends.stream.setTcpKeepAlive(True)
        self.assertEqual(kept, [True])
        self.assertIs(ends.stream.getTcpKeepAlive(), False)


class ReadingTests(TunnelTestCase):
    """
    Tests of what a protocol receives.
    """

    def test_data(self) -> None:
        """
        Each binary message is a part of the stream; an empty one is none.
        """
        ends = TunnelEnds()
        frames = map(ends.peer.binary, (b"ab", b"", b"c"))
        ends.peer.send(b"".join(frames))
        self.assertEqual(ends.protocol.pieces, [b"ab", b"c"])

    def test_early(self) -> None:
        """
        What came together with the handshake is delivered once the protocol has its
        transport.
        """
        early = Ends().peer.binary(b"at once")
        ends = TunnelEnds(early=early)
        self.assertEqual(ends.protocol.pieces, [])
        ends.peer.turn()
        self.assertEqual(ends.protocol.pieces, [b"at once"])

    def test_text(self) -> None:
        """
        A peer that sends text is told that only bytes are taken, and the stream has
        not ended well.
        """
        ends = TunnelEnds()
        ends.peer.send(ends.peer.text("a") + ends.peer.binary(b"b"))
        why = "only binary messages are taken"
        self.assertEqual(ends.peer.frames(), [close(1003, why)])
        ends.peer.sendClose(1003)
        ends.peer.end()
        self.assertEqual(ends.protocol.pieces, [])
        self.assertEnded(ends, ConnectionLost)

    def test_textAccepted(self) -> None:
        """
        Text is taken as its UTF-8 if that is asked for.
        """
        ends = TunnelEnds(acceptText=True)
        ends.peer.sendText("grüß", "")
        ends.peer.sendBytes(b" gott")
        self.assertEqual(ends.protocol.pieces, ["grüß".encode(), b" gott"])

    def test_pause(self) -> None:
        """
        A protocol that pauses is given nothing more, not even from what has arrived
        already, and the socket is not read.
        """

        class OneAtATime(Stream):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.transport.pauseProducing()

        ends = TunnelEnds(OneAtATime())
        ends.peer.send(b"".join(map(ends.peer.binary, (b"a", b"b"))))
        self.assertEqual(ends.protocol.pieces, [b"a"])
        self.assertFalse(ends.transport.isReading)
        ends.stream.resumeProducing()
        self.assertEqual(ends.protocol.pieces, [b"a", b"b"])
        ends.stream.resumeProducing()
        self.assertTrue(ends.transport.isReading)

    def test_fault(self) -> None:
        """
        A protocol that raises is logged, its peer is told 1011 and nothing else, and it
        is told the end as well.
        """

        class Broken(Stream):
            def dataReceived(self, data: bytes) -> None:
                self.transport.write(b"half an answer")
                raise OddError

        ends = TunnelEnds(Broken())
        ends.peer.sendBytes(b"a")
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        ends.peer.sendClose(1011)
        ends.peer.end()
        self.assertEnded(ends, ConnectionLost)
        self.assertIs(ends.protocol.report.cause, CloseCause.APPLICATION_ERROR)

    def test_faultAtTheStart(self) -> None:
        """
        So is one that raises when it is connected.
        """

        class Broken(Stream):
            def connectionMade(self) -> None:
                raise OddError

        ends = TunnelEnds(Broken())
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        ends.peer.end()
        self.assertEnded(ends, ConnectionLost)

    def test_frames(self) -> None:
        """
        A connection that has frames in place of messages can't be a stream.
        """
        with self.assertRaises(ValueError) as raised:
            TunnelEnds(assembleFragments=False)
        self.assertIn("assembleFragments", str(raised.exception))


class WritingTests(TunnelTestCase):
    """
    Tests of what a protocol sends.
    """

    def test_oneMessageATurn(self) -> None:
        """
        All that is written in one turn of the reactor is one message.
        """
        ends = TunnelEnds()
        ends.stream.write(b"a")
        ends.stream.write(b"")
        ends.stream.writeSequence([b"b", bytearray(b"c"), memoryview(b"d")])
        self.assertEqual(ends.connection.traffic.messagesSent, 0)
        self.assertEqual(ends.peer.frames(), [binary(b"abcd")])
        ends.stream.write(b"e")
        self.assertEqual(ends.peer.frames(), [binary(b"e")])
        self.assertEqual(ends.peer.frames(), [])

    def test_answers(self) -> None:
        """
        What a protocol answers to a message is one message, and does not wait for
        another turn.
        """

        class Answering(Stream):
            def dataReceived(self, data: bytes) -> None:
                planned = len(ends.clock.getDelayedCalls())
                self.transport.write(data)
                self.transport.write(b"!")
                self.added = len(ends.clock.getDelayedCalls()) - planned

        ends = TunnelEnds(Answering())
        ends.peer.arrive(ends.peer.binary(b"a") + ends.peer.binary(b"b"))
        self.assertEqual(ends.connection.traffic.messagesSent, 2)
        self.assertEqual(ends.peer.frames(), [binary(b"a!"), binary(b"b!")])
        self.assertEqual(ends.protocol.added, 0)  # type: ignore[attr-defined]

    def test_large(self) -> None:
        """
        No message is larger than every peer takes, and what is written before a large
        piece goes before it.
        """
        for role in Role:
            ends = TunnelEnds(role=role)
            piece = bytes(range(256)) * KIB
            ends.stream.write(b"first")
            ends.stream.write(piece)
            ends.stream.write(b"last")
            payloads = [frame.payload for frame in ends.peer.frames()]
            self.assertEqual(
                list(map(len, payloads)), [5, *[MESSAGE_SIZE] * (len(piece) >> 16), 4]
            )
            self.assertEqual(b"".join(payloads), b"first" + piece + b"last")

    def test_manyPieces(self) -> None:
        """
        Many pieces that are more than a message together become several.
        """
        ends = TunnelEnds()
        ends.stream.writeSequence([bytes([i]) * 30 * KIB for i in range(5)])
        payloads = [frame.payload for frame in ends.peer.frames()]
        self.assertEqual(list(map(len, payloads)), [60 * KIB, 60 * KIB, 30 * KIB])

    def test_copies(self) -> None:
        """
        A large piece is copied no more than once while it waits.
        """
        ends = TunnelEnds()
        ends.peer.stall()
        piece = bytes(8 * MIB)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        ends.stream.write(piece)
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 8.5 * MIB)

    def test_noBytes(self) -> None:
        """
        What is no bytes is refused, as every transport of Twisted does.
        """
        ends = TunnelEnds()
        self.assertRaises(TypeError, ends.stream.write, "text")
        self.assertRaises(TypeError, ends.stream.writeSequence, [b"a", "text"])

    def test_tooMuch(self) -> None:
        """
        A protocol that writes more than may wait loses its connection, which is closed
        with 1008. As with TCP, writing itself never fails.
        """
        ends = TunnelEnds(maxBufferedBytes=100 * KIB)
        ends.peer.stall()
        ends.stream.write(bytes(300 * KIB))
        self.assertTrue(ends.connection.connected)
        ends.stream.write(bytes(64 * KIB))
        self.assertFalse(ends.connection.connected)
        ends.stream.write(bytes(64 * KIB))
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames()[-1], close(1008, "reads too slowly"))
        ends.peer.end()
        self.assertIs(ends.protocol.report.cause, CloseCause.BUFFER_FULL)
        self.assertEnded(ends, ConnectionLost)

    def test_noEndOfOneDirection(self) -> None:
        """
        A protocol that ends its writing still receives; what it writes then is lost,
        and its peer is told nothing.
        """
        ends = TunnelEnds()
        ends.stream.write(b"a")
        ends.stream.loseWriteConnection()
        ends.stream.write(b"b")
        self.assertEqual(ends.peer.frames(), [binary(b"a")])
        ends.peer.sendBytes(b"c")
        self.assertEqual(ends.protocol.pieces, [b"c"])
        ends.stream.loseConnection()
        self.assertEqual(ends.peer.frames(), [close()])


class ProducerTests(TunnelTestCase):
    """
    Tests of producers that a protocol registers.
    """

    def fill(self, ends: TunnelEnds) -> None:
        """
        Have the peer read nothing of more than it takes at a time.
        """
        ends.peer.stall()
        ends.stream.write(bytes(200 * KIB))

    def test_push(self) -> None:
        """
        A push producer is paused while the peer does not read, and let go when it is
        unregistered.
        """
        ends = TunnelEnds()
        producer = Producer()
        ends.stream.registerProducer(producer, True)
        self.fill(ends)
        self.assertEqual(producer.told, ["pause"])
        ends.peer.goOn()
        self.assertEqual(producer.told, ["pause", "resume"])
        ends.stream.unregisterProducer()
        self.fill(ends)
        self.assertEqual(producer.told, ["pause", "resume"])

    def test_pushWhileDelivering(self) -> None:
        """
        A push producer that a protocol starts when it is asked for something is paused
        while it is writing, before it has written all it has.
        """

        class Answering(Stream):
            isPaused = False
            written = 0

            def dataReceived(self, data: bytes) -> None:
                self.transport.registerProducer(self, True)
                while not self.isPaused and self.written < 32 * MIB:
                    self.transport.write(bytes(100 * KIB))
                    self.written += 100 * KIB

            def pauseProducing(self) -> None:
                self.isPaused = True

        for role in Role:
            protocol = Answering()
            ends = TunnelEnds(protocol, role=role)
            ends.peer.stall()
            ends.peer.arrive(ends.peer.binary(b"all of it, please"))
            self.assertTrue(protocol.isPaused)
            self.assertLess(protocol.written, 512 * KIB)
            self.assertTrue(ends.connection.connected)

    def test_pull(self) -> None:
        """
        A pull producer is asked for more once a turn, as long as the peer reads.
        """
        ends = TunnelEnds()
        producer = Pulled(ends)
        ends.stream.registerProducer(producer, False)
        self.assertEqual(producer.count, 0)
        ends.peer.stall()
        ends.peer.turn()
        before = producer.count
        self.assertIn(before, range(4, 10))
        ends.peer.turn()
        self.assertEqual(producer.count, before)
        ends.peer.transport.isStalled = False
        ends.transport.turn()
        ends.transport.turn()
        self.assertGreater(producer.count, before)
        ends.stream.unregisterProducer()
        before = producer.count
        ends.peer.turn()
        self.assertEqual(producer.count, before)

    def test_pullLate(self) -> None:
        """
        A pull producer that comes while the peer does not read waits for its turn.
        """
        ends = TunnelEnds()
        self.fill(ends)
        producer = Pulled(ends, most=1)
        ends.stream.registerProducer(producer, False)
        ends.peer.turn()
        self.assertEqual(producer.count, 0)
        ends.peer.goOn()
        self.assertEqual(producer.count, 1)

    def test_file(self) -> None:
        """
        A file arrives whole, and the transport can be closed behind it.
        """
        ends = TunnelEnds()
        content = bytes(range(256)) * 900
        sent = FileSender().beginFileTransfer(BytesIO(content), ends.stream)
        sent.addCallback(lambda _: ends.stream.loseConnection())
        frames = ends.peer.frames()
        self.assertEqual(b"".join(frame.payload for frame in frames[:-1]), content)
        self.assertEqual(frames[-1], close())

    def test_pullRaises(self) -> None:
        """
        A pull producer that raises is logged and asked no more, and its connection is
        closed with 1011.
        """

        class Broken(Pulled):
            def resumeProducing(self) -> None:
                super().resumeProducing()
                raise OddError

        ends = TunnelEnds()
        producer = Broken(ends)
        ends.stream.registerProducer(producer, False)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(producer.count, 1)
        ends.peer.end()
        self.assertTrue(producer.isStopped)
        self.assertEnded(ends, ConnectionLost)

    def test_pullFlushed(self) -> None:
        """
        A pull producer that comes at the very moment when there is room again is asked
        once a turn all the same.
        """
        ends = TunnelEnds()
        self.fill(ends)
        ends.clock.advance(0)
        producer = Pulled(ends, most=1)
        flushed = ends.connection.flushed()
        flushed.addCallback(lambda _: ends.stream.registerProducer(producer, False))
        ends.peer.goOn()
        self.assertEqual(producer.count, 1)

    def test_one(self) -> None:
        """
        There is one producer at a time.
        """
        for isPush in (True, False):
            ends = TunnelEnds()
            first = Producer()
            ends.stream.registerProducer(first, isPush)
            for streaming in (True, False):
                with self.assertRaises(RuntimeError) as raised:
                    ends.stream.registerProducer(Producer(), streaming)
                self.assertIn(repr(first), str(raised.exception))

    def test_stopped(self) -> None:
        """
        Producers of both kinds are stopped when the connection ends, once.
        """
        for streaming in (True, False):
            ends = TunnelEnds()
            producer = Pulled(ends)
            ends.stream.registerProducer(producer, streaming)
            ends.peer.vanish()
            self.assertTrue(producer.isStopped)
            self.assertEqual(producer.count, 0)
            self.assertEnded(ends, ConnectionLost)

    def test_tooLate(self) -> None:
        """
        A producer that is registered after the end is stopped at once, and the next
        one, too.
        """
        for streaming in (True, False):
            ends = TunnelEnds()
            ends.peer.vanish()
            for _ in range(2):
                producer = Pulled(ends)
                ends.stream.registerProducer(producer, streaming)
                self.assertTrue(producer.isStopped)
            self.assertEqual(producer.count, 0)
            self.assertEqual(ends.clock.getDelayedCalls(), [])


class EndTests(TunnelTestCase):
    """
    Tests of how a stream ends.
    """

    def test_lose(self) -> None:
        """
        A protocol that loses its connection has all it wrote sent before, and is told
        of a clean end when the peer agrees.
        """
        ends = TunnelEnds()
        ends.stream.write(b"bye")
        ends.stream.loseConnection()
        self.assertTrue(ends.stream.disconnecting)
        ends.stream.write(b"too late")
        ends.stream.loseConnection()
        self.assertEqual(ends.peer.frames(), [binary(b"bye"), close()])
        self.assertEqual(ends.protocol.lost, [])
        ends.peer.sendClose()
        self.assertEnded(ends, ConnectionDone)

    def test_loseInAnswer(self) -> None:
        """
        So it is if that was its answer, and what came behind is not delivered.
        """

        class Short(Stream):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.transport.write(b"bye")
                self.transport.loseConnection()

        ends = TunnelEnds(Short())
        frames = [ends.peer.binary(b"a"), ends.peer.binary(b"b"), ends.peer.text("c")]
        ends.peer.send(b"".join(frames))
        self.assertEqual(ends.peer.frames(), [binary(b"bye"), close()])
        self.assertEqual(ends.protocol.pieces, [b"a"])

    def test_loseToSlowPeer(self) -> None:
        """
        A peer has as long as it takes to read what was written before the end: the
        closing handshake and its deadline come after that.
        """
        ends = TunnelEnds(Stream(), role=Role.CLIENT)
        ends.peer.stall()
        content = bytes(range(256)) * 4 * KIB
        ends.stream.write(content)
        ends.stream.loseConnection()
        received = []
        while ends.connection.connected:
            ends.peer.wait(20)
            ends.transport.isStalled = False
            ends.transport.turn()
            ends.peer.stall()
            ends.peer.sendBytes(b"x")
            received += ends.peer.frames()
        ends.peer.goOn()
        received += ends.peer.frames()
        self.assertEqual(received[-1], close())
        messages = [frame for frame in received if frame.opcode == Opcode.BINARY]
        self.assertEqual(b"".join(frame.payload for frame in messages), content)
        self.assertEqual(ends.protocol.pieces, [])

    def test_loseToStalledPeer(self) -> None:
        """
        A peer that reads nothing is dropped after ``writeTimeout``.
        """
        ends = TunnelEnds()
        ends.peer.stall()
        ends.stream.write(bytes(300 * KIB))
        ends.stream.loseConnection()
        ends.peer.waitLong(29)
        self.assertEqual(ends.protocol.lost, [])
        ends.peer.wait(1)
        self.assertEnded(ends, ConnectionLost)

    def test_pauseIsNotLogged(self) -> None:
        """
        A proxied protocol may pause and resume without a line in the log.
        """
        told: list[Any] = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        for role in Role:
            ends = TunnelEnds(role=role)
            ends.stream.pauseProducing()
            ends.peer.sendBytes(b"later")
            self.assertFalse(ends.transport.isReading)
            self.assertEqual(ends.protocol.pieces, [])
            ends.stream.resumeProducing()
            ends.peer.turn()
            self.assertEqual(ends.protocol.pieces, [b"later"])
        self.assertEqual(told, [])

    def test_endedWhilePaused(self) -> None:
        """
        With TLS the last bytes and the end arrive together, also while the protocol
        has paused. It gets them before ``connectionLost``, as without a WebSocket.
        """

        class Last(Stream):
            def connectionLost(self, reason: Any = None) -> None:
                self.pieces.append(b"lost")

        for role in Role:
            ends = TunnelEnds(Last(), role=role, acceptText=True)
            ends.stream.pauseProducing()
            ends.peer.arrive(ends.peer.binary(b"the ") + ends.peer.text("last"))
            self.assertEqual(ends.protocol.pieces, [])
            ends.transport.lose(ConnectionDone())
            self.assertEqual(ends.protocol.pieces, [b"the ", b"last", b"lost"])

    def test_loseWhilePaused(self) -> None:
        """
        A protocol that does not read can lose its connection all the same.
        """
        ends = TunnelEnds()
        ends.stream.pauseProducing()
        ends.stream.loseConnection()
        ends.stream.pauseProducing()
        self.assertEqual(ends.peer.frames(), [close()])
        ends.peer.sendBytes(b"not wanted")
        ends.peer.sendClose()
        self.assertEqual(ends.protocol.pieces, [])
        self.assertEnded(ends, ConnectionDone)

    def test_loseWhileFull(self) -> None:
        """
        Between that wish and the closing handshake, while the peer reads, nothing is
        added, and nothing keeps the peer's own close from being heard.
        """
        ends = TunnelEnds(role=Role.CLIENT)
        ends.peer.stall()
        ends.stream.pauseProducing()
        ends.stream.write(bytes(200 * KIB))
        ends.stream.loseConnection()
        self.assertTrue(ends.transport.isReading)
        ends.stream.pauseProducing()
        self.assertTrue(ends.transport.isReading)
        ends.stream.write(b"too late")
        ends.peer.goOn()
        *first, last = ends.peer.frames()
        self.assertEqual(sum(len(frame.payload) for frame in first), 200 * KIB)
        self.assertEqual(last, close())

    def test_loseWithPullProducer(self) -> None:
        """
        The end waits for a registered pull producer to finish.
        """
        ends = TunnelEnds()
        ends.stream.registerProducer(Pulled(ends, most=40), False)
        ends.stream.loseConnection()
        frames = ends.peer.frames()
        self.assertEqual(sum(len(frame.payload) for frame in frames[:-1]), 640 * KIB)
        self.assertEqual(frames[-1], close())
        self.assertEqual(ends.peer.frames(), [])

    def test_loseWithPushProducer(self) -> None:
        """
        It does not wait for a push producer that has nothing to add, such as the other
        transport of a bridge: nobody unregisters that, as TCP does not need it.
        """
        ends = TunnelEnds()
        producer = Producer()
        ends.stream.registerProducer(producer, True)
        ends.stream.write(b"all")
        ends.stream.loseConnection()
        self.assertEqual(ends.peer.frames(), [binary(b"all"), close()])
        ends.peer.sendClose()
        self.assertEqual(producer.told, ["stop"])
        self.assertEnded(ends, ConnectionDone)

    def test_loseWithPausedProducer(self) -> None:
        """
        A push producer that was paused in the middle goes on to its end.
        """

        class Portions(Producer):
            left = 4

            def resumeProducing(self) -> None:
                super().resumeProducing()
                self.left -= 1
                ends.stream.write(bytes(100 * KIB))
                if not self.left:
                    ends.stream.unregisterProducer()

        ends = TunnelEnds()
        ends.peer.stall()
        producer = Portions()
        ends.stream.registerProducer(producer, True)
        producer.resumeProducing()
        ends.stream.loseConnection()
        self.assertEqual(producer.left, 3)
        ends.peer.goOn()
        frames = ends.peer.frames()
        self.assertEqual(sum(len(frame.payload) for frame in frames[:-1]), 400 * KIB)
        self.assertEqual(frames[-1], close())

    def test_echo(self) -> None:
        """
        A transport can be the producer of itself, so that who does not read its echo is
        not read from, and can be closed all the same.
        """

        class Echo(Stream):
            def connectionMade(self) -> None:
                self.transport.registerProducer(self.transport, True)

            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.transport.write(data)

        for role in Role:
            ends = TunnelEnds(Echo(), role=role)
            ends.peer.stall()
            pieces = [bytes([number]) * 40 * KIB for number in range(16)]
            ends.peer.send(b"".join(map(ends.peer.binary, pieces)))
            self.assertFalse(ends.transport.isReading)
            self.assertLess(len(ends.protocol.pieces), 5)
            ends.peer.goOn()
            self.assertEqual(ends.peer.frames(), list(map(binary, pieces)))
            ends.stream.loseConnection()
            self.assertEqual(ends.peer.frames(), [close()])

    def test_stopProducing(self) -> None:
        """
        Who consumes what we receive can end it.
        """
        ends = TunnelEnds()
        ends.stream.stopProducing()
        self.assertEqual(ends.peer.frames(), [close()])

    def test_abort(self) -> None:
        """
        A protocol can cut its connection, and what it wrote is lost.
        """
        ends = TunnelEnds()
        ends.stream.write(b"never sent")
        ends.stream.abortConnection()
        self.assertTrue(ends.transport.wasAborted)
        self.assertEqual(ends.protocol.lost, [])
        self.assertEqual(ends.peer.frames(), [])
        self.assertEnded(ends, ConnectionLost)

    def test_peerCloses(self) -> None:
        """
        A peer that closes in the ordinary way has ended the stream.
        """
        for code in (1000, 1001, None):
            ends = TunnelEnds()
            ends.peer.sendClose(code)
            self.assertEnded(ends, ConnectionDone)

    def test_peerFails(self) -> None:
        """
        A peer that closes for a fault, even with a closing handshake, has cut the
        stream short, which is no end that a protocol may take for one.
        """
        for code in (1002, 1009, 1011, 1013, 4000):
            ends = TunnelEnds()
            ends.peer.sendClose(code)
            self.assertEnded(ends, ConnectionLost)
            self.assertEqual(ends.protocol.report.receivedCode, code)
            self.assertTrue(ends.protocol.report.wasClean)

    def test_peerVanishes(self) -> None:
        """
        So has one that is suddenly gone.
        """
        ends = TunnelEnds()
        ends.stream.write(b"in vain")
        ends.transport.lose(ConnectionLost("the cable was cut"))
        self.assertEnded(ends, ConnectionLost)

    def test_halfClosed(self) -> None:
        """
        And one that ends its direction of TCP without a close frame.
        """
        ends = TunnelEnds()
        ends.peer.sendBytes(b"cut sho")
        ends.peer.end()
        self.assertEqual(ends.protocol.pieces, [b"cut sho"])
        self.assertEnded(ends, ConnectionLost)

    def test_afterTheEnd(self) -> None:
        """
        A protocol that does not let go of its transport does no harm.
        """
        ends = TunnelEnds()
        ends.peer.vanish()
        stream = ends.stream
        stream.write(b"a")
        for method in (
            stream.loseConnection,
            stream.abortConnection,
            stream.loseWriteConnection,
            stream.pauseProducing,
            stream.resumeProducing,
            stream.unregisterProducer,
        ):
            method()
        self.assertEnded(ends, ConnectionLost)

    def test_neverOpened(self) -> None:
        """
        A protocol whose connection never opened is told nothing.
        """
        ends = TunnelEnds(openIt=False)
        ends.link.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(ends.protocol.lost, [])
        self.assertIs(ends.stream, None)

    def test_textWhileLosing(self) -> None:
        """
        Text that comes too late to matter is passed over, like all else.
        """
        ends = TunnelEnds()
        ends.peer.stall()
        ends.stream.write(bytes(200 * KIB))
        ends.stream.loseConnection()
        ends.peer.arrive(ends.peer.text("a"))
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames()[-1], close())
        self.assertNotIn(text("a"), ends.peer.frames())


class Pulled:
    """
    A pull producer of 16 KiB at a time, which counts how often it was asked.

    :param most: how often it gives something.
    """

    def __init__(self, ends: TunnelEnds, most: int = 1000) -> None:
        self.count = 0
        self.isStopped = False
        self._ends = ends
        self._most = most

    def resumeProducing(self) -> None:
        """
        Produce.
        """
        self.count += 1
        self._ends.stream.write(bytes(16 * KIB))
        if self.count == self._most:
            self._ends.stream.unregisterProducer()

    def pauseProducing(self) -> None:
        """
        Produce nothing by itself.
        """

    def stopProducing(self) -> None:
        """
        Produce never again.
        """
        if self.isStopped:
            raise ValueError("stopped twice")
        self.isStopped = True
