# Part of txwebsocket. See LICENSE for details.
"""
Tests of a connection as its users see it.
"""

from __future__ import annotations

from array import array
from typing import Any

from twisted.internet.address import IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder, binary, close, ping, pong, text
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    Deflate,
    ExtensionHeader,
    InvalidState,
    Opcode,
    State,
    WebSocketConnection,
    WebSocketFrame,
)
from txwebsocket.config import ServerConfig
from txwebsocket.connection.websocket import asBytes, makeChannel
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Role
from txwebsocket.wire.extensions import acceptOffers
from txwebsocket.wire.frames import Frame

KIB = 1024


class FaceTests(SynchronousTestCase):
    """
    Tests of what can be asked of a connection.
    """

    def test_beforeTransport(self) -> None:
        """
        A connection that has no transport yet says so, wherever it is asked.
        """
        connection = makeChannel(Role.SERVER, ServerConfig(), Clock()).connection
        self.assertIs(connection.state, State.CONNECTING)
        self.assertFalse(connection.connected)
        self.assertIsNone(connection.getPeer())
        self.assertIsNone(connection.getHost())
        self.assertIsNone(connection.remoteAddress)
        self.assertIsNone(connection.closeReport)
        self.assertIsNone(connection.request)
        self.assertIsNone(connection.url)
        self.assertIsNone(connection.protocol)
        self.assertEqual(connection.extensions, "")
        self.assertEqual(connection.bufferedAmount, 0)
        self.assertEqual(repr(connection), "<WebSocketConnection CONNECTING None>")

    def test_open(self) -> None:
        """
        An open connection knows both ends.
        """
        connection = Ends().connection
        self.assertIs(connection.state, State.OPEN)
        self.assertTrue(connection.connected)
        self.assertEqual(connection.getPeer().port, 50000)
        self.assertEqual(connection.getHost().port, 80)
        self.assertEqual(connection.remoteAddress, "192.0.2.1")
        self.assertEqual(repr(connection), "<WebSocketConnection OPEN 192.0.2.1>")

    def test_noHost(self) -> None:
        """
        The peer at the other end of a UNIX socket has no address.
        """

        class Unix(MemoryTransport):
            def getPeer(self) -> Any:
                return object()

        self.assertIsNone(Ends(transport=Unix(Clock())).connection.remoteAddress)

    def test_mapped(self) -> None:
        """
        An IPv4 peer on an IPv6 socket has its IPv4 address.
        """

        class DualStack(MemoryTransport):
            def getPeer(self) -> Any:
                return IPv6Address("TCP", "::ffff:192.0.2.7", 50000)

        connection = Ends(transport=DualStack(Clock())).connection
        self.assertEqual(connection.remoteAddress, "192.0.2.7")
        self.assertEqual(repr(connection), "<WebSocketConnection OPEN 192.0.2.7>")

    def test_states(self) -> None:
        """
        A connection is connected while messages can be sent, and not an instant longer.
        """
        ends = Ends()
        ends.connection.close()
        self.assertFalse(ends.connection.connected)
        self.assertIs(ends.connection.state, State.AWAITING_CLOSE)
        ends.peer.sendClose()
        self.assertIs(ends.connection.state, State.CLOSED)
        self.assertEqual(ends.connection.closeReport.code, 1000)  # type: ignore[union-attr]

    def test_bufferedAmount(self) -> None:
        """
        ``bufferedAmount`` counts what the transport has no room for.
        """
        ends = Ends()
        ends.connection.send(bytes(1000))
        self.assertEqual(ends.connection.bufferedAmount, 0)
        ends.peer.stall()
        ends.connection.send(bytes(1000 * KIB))
        waiting = ends.connection.bufferedAmount
        self.assertGreater(waiting, 800 * KIB)
        ends.connection.send(b"12345")
        self.assertEqual(ends.connection.bufferedAmount, waiting + 7)
        ends.peer.goOn()
        self.assertEqual(ends.connection.bufferedAmount, 0)

    def test_traffic(self) -> None:
        """
        ``traffic`` counts what has passed each way, what waits not included.
        """
        ends = Ends(Recorder())
        self.assertEqual(ends.connection.traffic, (0, 0, 0, 0, 0))
        ends.peer.sendText("abc", "d")
        ends.connection.send(bytes(10))
        self.assertEqual(ends.connection.traffic, (2, 1, 9 + 7, 12, 0))
        ends.peer.stall()
        ends.connection.send(bytes(1000 * KIB))
        traffic = ends.connection.traffic
        self.assertEqual(traffic.messagesSent, 2)
        self.assertLess(traffic.bytesSent, 200 * KIB)

    def test_pause(self) -> None:
        """
        pause() stops reading, resume() goes on.
        """
        application = Recorder()
        ends = Ends(application)
        ends.connection.pause()
        ends.peer.sendText("a")
        self.assertEqual(application.messages, [])
        ends.connection.resume()
        ends.peer.turn()
        self.assertEqual(application.messages, ["a"])

    def test_producer(self) -> None:
        """
        A producer of messages is paused and resumed as the peer reads, until it is
        detached.
        """

        class Producer:
            told: list[str]

            def __init__(self) -> None:
                self.told = []

            def pauseProducing(self) -> None:
                self.told.append("pause")

            def resumeProducing(self) -> None:
                self.told.append("resume")

            def stopProducing(self) -> None:
                self.told.append("stop")

        ends, producer = Ends(), Producer()
        ends.connection.attachProducer(producer)  # type: ignore[arg-type]
        ends.peer.stall()
        ends.connection.send(bytes(70 * KIB))
        self.assertEqual(producer.told, ["pause"])
        ends.peer.goOn()
        self.assertEqual(producer.told, ["pause", "resume"])
        ends.connection.detachProducer()
        ends.peer.stall()
        ends.connection.send(bytes(70 * KIB))
        ends.peer.vanish()
        self.assertEqual(producer.told, ["pause", "resume"])


class SendingTests(SynchronousTestCase):
    """
    Tests of sending.
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.ends = Ends()
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def test_types(self) -> None:
        """
        A ``str`` is sent as text, what is like ``bytes`` as binary; empty ones too.
        """
        for message in ("h\u00e9llo", "", b"abc", b"", bytearray(b"abc")):
            self.assertIsNone(self.connection.send(message))  # type: ignore[arg-type,func-returns-value]
        self.assertEqual(
            self.peer.frames(),
            [text("h\u00e9llo"), text(""), binary(b"abc"), binary(b""), binary(b"abc")],
        )

    def test_buffers(self) -> None:
        """
        Of whatever has the buffer protocol exactly its bytes are sent.
        """
        numbers = array("H", [1, 2, 3])
        every = memoryview(bytes(range(6)))
        for data in (numbers, memoryview(numbers), every[::2], every[::-1]):
            self.connection.send(data)  # type: ignore[arg-type]
        self.assertEqual(
            self.peer.frames(),
            [
                binary(numbers.tobytes()),
                binary(numbers.tobytes()),
                binary(b"\0\2\4"),
                binary(b"\5\4\3\2\1\0"),
            ],
        )

    def test_laterChanges(self) -> None:
        """
        What is done to a buffer after it was sent does not change what was sent.
        """
        self.peer.stall()
        self.connection.send(bytes(200 * KIB))
        data = bytearray(b"x" * 10 * KIB)
        self.connection.send(data)  # type: ignore[arg-type]
        data[:] = bytes(10 * KIB)
        self.peer.goOn()
        self.assertEqual(self.peer.frames()[1], binary(b"x" * 10 * KIB))

    def test_wrongTypes(self) -> None:
        """
        Anything else raises TypeError, naming what it was, and nothing is sent: no
        number becomes so many zero bytes.
        """
        for wrong in (None, 0, 1000, 1.5, True, [1, 2], {"a": 1}, object()):
            for method in (
                self.connection.send,
                self.connection.sendBytes,
                self.connection.sendUTF,
                self.connection.sendTextMessage,
                self.connection.sendBytesMessage,
            ):
                with self.assertRaises(TypeError) as raised:
                    method(wrong)  # type: ignore[arg-type]
                self.assertIn(type(wrong).__name__, str(raised.exception))
            if wrong is not None:
                self.assertRaises(TypeError, self.connection.ping, wrong)
            self.assertRaises(TypeError, self.connection.pong, wrong)
        self.assertEqual(self.peer.frames(), [])
        self.assertTrue(self.connection.connected)

    def test_mixedUp(self) -> None:
        """
        Text is not sent where bytes belong.
        """
        self.assertRaises(TypeError, self.connection.sendBytes, "text")
        self.assertRaises(TypeError, self.connection.ping, "text")
        self.assertEqual(self.peer.frames(), [])

    def test_encodedText(self) -> None:
        """
        A text that is UTF-8 already, as serializers make it, is sent as text, and as it
        was when it was sent.
        """
        octets = bytearray("späße 🎈".encode())
        self.connection.sendUTF(bytes(octets))
        self.connection.sendTextMessage(octets)
        self.connection.sendUTF(memoryview(octets))
        self.connection.sendUTF(b"")
        octets[:] = bytes(len(octets))
        self.assertEqual(self.peer.frames(), [text("späße 🎈")] * 3 + [text("")])
        self.assertEqual(self.connection.traffic.messagesSent, 4)

    def test_notEncodedText(self) -> None:
        """
        Bytes that are not valid UTF-8 raise ValueError, and nothing is sent, however
        large they are.
        """
        for wrong in (
            b"\xff",
            b"a\xc3",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xf4\x90\x80\x80",
            b"a" * 100_000 + b"\x80",
        ):
            for data in (wrong, bytearray(wrong), memoryview(wrong)):
                self.assertRaises(ValueError, self.connection.sendUTF, data)
        self.assertEqual(self.peer.frames(), [])
        self.assertTrue(self.connection.connected)

    def test_surrogates(self) -> None:
        """
        Text that can't be UTF-8 raises an error, and nothing is sent.
        """
        self.assertRaises(UnicodeEncodeError, self.connection.send, "\ud800")
        self.connection.send("fine")
        self.assertEqual(self.peer.frames(), [text("fine")])

    def test_modelNames(self) -> None:
        """
        sendUTF and sendBytes say which kind it is to be.
        """
        self.connection.sendUTF("a")
        self.connection.sendBytes(b"b")
        self.assertEqual(self.peer.frames(), [text("a"), binary(b"b")])

    def test_fragments(self) -> None:
        """
        Messages are cut into frames if ``fragmentOutgoingMessages`` says so.
        """
        ends = Ends(fragmentOutgoingMessages=True, fragmentationThreshold=4)
        ends.connection.send("abcdefghij")
        ends.connection.send("abcd")
        self.assertEqual(
            ends.peer.frames(),
            [
                Frame(Opcode.TEXT, b"abcd", False),
                Frame(Opcode.CONTINUATION, b"efgh", False),
                Frame(Opcode.CONTINUATION, b"ij"),
                text("abcd"),
            ],
        )

    def test_frame(self) -> None:
        """
        sendFrame sends one frame as it is, masked as our role wants it.
        """
        for role in Role:
            ends = Ends(role=role)
            sent = WebSocketFrame(Opcode.TEXT, b"half", fin=False, mask=True)
            ends.connection.sendFrame(sent)
            self.assertEqual(
                ends.peer.frames(), [Frame(Opcode.TEXT, b"half", fin=False)]
            )

    def test_wrongFrame(self) -> None:
        """
        What would break the protocol raises ValueError, says why, and is not sent.
        """
        for frame, words in (
            (WebSocketFrame(Opcode.CLOSE, closeStatus=1000), "close()"),
            (WebSocketFrame(3), "opcode"),
            (WebSocketFrame(Opcode.TEXT, rsv1=True), "rsv1"),
            (WebSocketFrame(Opcode.PING, fin=False), "fragmented"),
            (WebSocketFrame(Opcode.PONG, bytes(126)), "125"),
            (WebSocketFrame(Opcode.CONTINUATION), "continue"),
        ):
            ends = Ends()
            error = self.assertRaises(ValueError, ends.connection.sendFrame, frame)
            self.assertIn(words, str(error))
            ends.connection.send("next")
            self.assertEqual(ends.peer.frames(), [text("next")])

    def test_withinMessage(self) -> None:
        """
        No message can be sent in the middle of another one.
        """
        ends = Ends()
        ends.connection.sendFrame(WebSocketFrame(Opcode.TEXT, b"a", fin=False))
        self.assertRaises(InvalidState, ends.connection.send, "b")
        self.assertRaises(
            ValueError, ends.connection.sendFrame, WebSocketFrame(Opcode.BINARY)
        )
        ends.connection.sendFrame(WebSocketFrame(Opcode.CONTINUATION, b"c"))
        ends.connection.send("b")
        self.assertEqual(len(ends.peer.frames()), 3)

    def test_fragmentedFrame(self) -> None:
        """
        fragmentAndSend sends a frame's payload as a message, in frames as they are
        configured; only messages can be cut.
        """
        ends = Ends(fragmentOutgoingMessages=True, fragmentationThreshold=4)
        ends.connection.fragmentAndSend(WebSocketFrame(Opcode.TEXT, b"abcdef"))
        ends.connection.fragmentAndSend(WebSocketFrame(Opcode.BINARY, b"gh"))
        self.assertEqual(
            ends.peer.frames(),
            [
                Frame(Opcode.TEXT, b"abcd", False),
                Frame(Opcode.CONTINUATION, b"ef"),
                binary(b"gh"),
            ],
        )
        for frame in (
            WebSocketFrame(Opcode.PING),
            WebSocketFrame(Opcode.CLOSE),
            WebSocketFrame(Opcode.CONTINUATION),
            WebSocketFrame(Opcode.TEXT, b"\xff"),
        ):
            self.assertRaises(ValueError, ends.connection.fragmentAndSend, frame)
        self.assertEqual(ends.peer.frames(), [])

    def test_compression(self) -> None:
        """
        Messages are compressed if that was agreed on, but for those that must not be.
        """
        agreed = acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])
        connection = (ends := Ends(agreed=agreed)).connection
        for method, message in (
            (connection.send, "x" * 1000),
            (connection.send, b"x" * 1000),
            (connection.sendUTF, "x" * 1000),
            (connection.sendBytes, b"x" * 1000),
            (connection.sendTextMessage, "x" * 1000),
            (connection.sendBytesMessage, b"x" * 1000),
        ):
            for options, isCompressed in (
                ({}, True),
                ({"compress": True}, True),
                ({"compress": False}, False),
            ):
                method(message, **options)  # type: ignore[operator]
                [frame] = ends.peer.frames()
                self.assertEqual(bool(frame.rsv), isCompressed)
                self.assertEqual(len(frame.payload) < 100, isCompressed)

    def test_clientMasks(self) -> None:
        """
        A client masks each frame with a key of its own.
        """
        ends = Ends(role=Role.CLIENT)
        keys = set()
        for _ in range(50):
            ends.connection.send(bytes(4))
            ends.peer.turn()
            frame = ends.peer.received()
            self.assertEqual(frame[1], 0x84)
            keys.add(frame[2:6])
            self.assertEqual(frame[2:6], frame[6:])
        self.assertEqual(len(keys), 50)

    def test_tooEarly(self) -> None:
        """
        Before the connection is open, sending raises InvalidState.
        """
        connection = makeChannel(Role.SERVER, ServerConfig(), Clock()).connection
        for act in (
            lambda: connection.send("a"),
            lambda: connection.send(b"a"),
            lambda: connection.sendFrame(WebSocketFrame()),
            connection.ping,
            connection.pong,
        ):
            self.assertRaises(InvalidState, act)

    def test_tooLate(self) -> None:
        """
        After the end, and while the connection is ending, sending raises
        ConnectionClosed with a report.
        """
        closing, gone = Ends(), Ends()
        closing.connection.close(4000)
        gone.peer.sendClose(4000)
        for ends in (closing, gone):
            connection = ends.connection
            for act in (
                lambda connection=connection: connection.send("a"),
                lambda connection=connection: connection.send(b"a"),
                lambda connection=connection: connection.sendFrame(WebSocketFrame()),
                connection.ping,
                connection.pong,
            ):
                with self.assertRaises(ConnectionClosed) as raised:
                    act()
                self.assertEqual(raised.exception.report.sentCode, 4000)
            self.assertEqual(ends.peer.frames(), [close(4000)])

    def test_flushed(self) -> None:
        """
        flushed() fires when the peer has taken what was sent, not before.
        """
        self.successResultOf(self.connection.flushed())
        self.peer.stall()
        self.connection.send(bytes(300 * KIB))
        waiting = self.connection.flushed()
        self.assertNoResult(waiting)
        self.peer.goOn()
        self.assertIsNone(self.successResultOf(waiting))

    def test_flushedLost(self) -> None:
        """
        flushed() fails when the connection ends, and says how much had not left.
        """
        self.peer.stall()
        self.connection.send(bytes(300 * KIB))
        unsent = self.connection.bufferedAmount
        waiting = self.connection.flushed()
        self.peer.vanish()
        for each in (waiting, self.connection.flushed()):
            error = self.failureResultOf(each, ConnectionClosed).value
            self.assertEqual(error.report.bytesUnsent, unsent)
        self.assertGreater(unsent, 100 * KIB)

    def test_paceOfPeer(self) -> None:
        """
        Whoever waits for flushed() after each message holds hardly anything back.
        """
        most: list[int] = []

        async def sendMuch() -> None:
            for _ in range(100):
                self.connection.send(bytes(50 * KIB))
                most.append(self.connection.bufferedAmount)
                await self.connection.flushed()

        sending = Deferred.fromCoroutine(sendMuch())
        self.peer.turn()
        self.successResultOf(sending)
        self.assertLessEqual(max(most), 50 * KIB + 10)
        self.assertEqual(len(self.peer.frames()), 100)


class BoundTests(SynchronousTestCase):
    """
    Tests of ``maxBufferedBytes``.
    """

    def full(self, **options: Any) -> Ends:
        """
        Open a connection whose peer does not read and for which something waits.
        """
        ends = Ends(maxBufferedBytes=1000, **options)
        ends.peer.stall()
        ends.connection.send(bytes(64 * KIB))
        ends.connection.send(bytes(100))
        self.assertEqual(ends.connection.bufferedAmount, 102)
        return ends

    def assertFull(self, ends: Ends) -> None:
        """
        Check that the connection ends because too much waits.
        """
        self.assertFalse(ends.connection.connected)
        ends.peer.goOn()
        self.assertEqual(ends.peer.frames()[-1], close(1008, "reads too slowly"))
        ends.peer.end()
        report = ends.connection.closeReport
        self.assertIs(report.cause, CloseCause.BUFFER_FULL)  # type: ignore[union-attr]

    def test_within(self) -> None:
        """
        As much as the bound allows may wait, the head of the last message left out.
        """
        ends = self.full()
        ends.connection.send(bytes(1000 - ends.connection.bufferedAmount))
        self.assertTrue(ends.connection.connected)

    def test_beyond(self) -> None:
        """
        More closes the connection with 1008; whoever sent it is told, and it is not
        queued.
        """
        for message in (bytes(899), "x" * 899):
            ends = self.full()
            with self.assertRaises(ConnectionClosed) as raised:
                ends.connection.send(message)
            self.assertIs(raised.exception.report.cause, CloseCause.BUFFER_FULL)
            self.assertLess(ends.connection.bufferedAmount, 200)
            self.assertFull(ends)

    def test_textInBytes(self) -> None:
        """
        It is bytes that count, also for text.
        """
        ends = self.full()
        with self.assertRaises(ConnectionClosed):
            ends.connection.send("\N{SNOWMAN}" * 400)
        self.assertFull(ends)

    def test_frames(self) -> None:
        """
        Single frames count as messages do.
        """
        ends = self.full()
        with self.assertRaises(ConnectionClosed):
            ends.connection.sendFrame(WebSocketFrame(Opcode.BINARY, bytes(900)))
        self.assertFull(ends)

    def test_pings(self) -> None:
        """
        So do pings, however small they are.
        """
        ends = self.full()
        with self.assertRaises(ConnectionClosed):
            for _ in range(1000):
                ends.connection.ping(b"hello?")
        self.assertFull(ends)

    def test_pongs(self) -> None:
        """
        Of pongs only the newest waits.
        """
        ends = self.full()
        for number in range(1000):
            ends.connection.pong(b"%d" % number)
        self.assertEqual(ends.connection.bufferedAmount, 102)
        ends.peer.goOn()
        self.assertEqual(
            [frame for frame in ends.peer.frames() if frame.opcode == Opcode.PONG],
            [pong(b"999")],
        )

    def test_oneMessage(self) -> None:
        """
        One message is always taken if nothing waits, and be it larger than the bound.
        """
        ends = Ends(maxBufferedBytes=1000)
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        self.assertTrue(ends.connection.connected)
        self.assertRaises(ConnectionClosed, ends.connection.send, b"one more")

    def test_client(self) -> None:
        """
        The bound holds for a client as well.
        """
        ends = Ends(role=Role.CLIENT, maxBufferedBytes=1000)
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        self.assertRaises(ConnectionClosed, ends.connection.send, b"x")
        self.assertFull(ends)


class PingTests(SynchronousTestCase):
    """
    Tests of ping() and pong().
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.application = Recorder()
        self.ends = Ends(self.application)
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def test_time(self) -> None:
        """
        ping() tells the seconds until the pong, and pongReceived is called as well.
        """
        answered = self.connection.ping(b"p")
        self.assertEqual(self.peer.frames(), [ping(b"p")])
        self.ends.clock.advance(0.25)
        self.peer.pong(b"p")
        self.assertEqual(self.successResultOf(answered), 0.25)
        self.assertEqual(self.application.told[-1], ("pong", b"p"))

    def test_randomPayload(self) -> None:
        """
        Without a payload each ping has one of its own, so that answers don't mix.
        """
        for _ in range(5):
            self.connection.ping()
        payloads = {frame.payload for frame in self.peer.frames()}
        self.assertEqual(len(payloads), 5)
        self.assertEqual({len(payload) for payload in payloads}, {8})

    def test_emptyPayload(self) -> None:
        """
        A payload that is given is sent as it is, an empty one too.
        """
        answered = self.connection.ping(b"")
        self.assertEqual(self.peer.frames(), [ping(b"")])
        self.ends.clock.advance(0.5)
        self.peer.pong(b"")
        self.assertEqual(self.successResultOf(answered), 0.5)

    def test_emptyPings(self) -> None:
        """
        With ``emptyPings`` those without a payload stay empty, those of the keep-alive
        too; a payload that is given is sent.
        """
        ends = Ends(Recorder(), emptyPings=True)
        answered = ends.connection.ping()
        ends.connection.ping(b"p")
        self.assertEqual(ends.peer.frames(), [ping(b""), ping(b"p")])
        ends.peer.pong()
        self.assertEqual(self.successResultOf(answered), 0)
        ends.clock.advance(20)
        self.assertEqual(ends.peer.frames(), [ping(b"")])

    def test_equalPings(self) -> None:
        """
        Pongs of equal payloads are those of the oldest pings, one each.
        """
        first = self.connection.ping(b"")
        self.ends.clock.advance(1)
        second = self.connection.ping(b"")
        self.peer.pong(b"")
        self.assertEqual(self.successResultOf(first), 1)
        self.assertNoResult(second)
        self.peer.pong(b"")
        self.assertEqual(self.successResultOf(second), 0)

    def test_wrongPong(self) -> None:
        """
        A pong with another payload is no answer.
        """
        answered = self.connection.ping(b"p")
        self.peer.pong(b"q")
        self.assertNoResult(answered)

    def test_lost(self) -> None:
        """
        ping() fails when the connection ends, and unless somebody waits nothing is
        logged.
        """
        answered = self.connection.ping(b"p").addErrback(lambda failure: failure)
        self.connection.ping(b"nobody waits")
        self.peer.vanish()
        error = self.failureResultOf(answered, ConnectionClosed).value
        self.assertIs(error.report.cause, CloseCause.PEER_LOST)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_tooLong(self) -> None:
        """
        A payload has at most 125 bytes: ValueError, and nothing is sent.
        """
        self.connection.ping(bytes(125))
        self.connection.pong(bytes(125))
        self.assertRaises(ValueError, self.connection.ping, bytes(126))
        self.assertRaises(ValueError, self.connection.pong, bytes(126))
        self.assertEqual(self.peer.frames(), [ping(bytes(125)), pong(bytes(125))])

    def test_pong(self) -> None:
        """
        pong() sends one unasked, with and without a payload.
        """
        self.connection.pong(b"alive")
        self.connection.pong()
        self.assertEqual(self.peer.frames(), [pong(b"alive"), pong()])


class PullTests(SynchronousTestCase):
    """
    Tests of connections in pull style.
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.ends = Ends()
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def collect(self, connection: WebSocketConnection) -> tuple[list[Any], Any]:
        """
        Take all messages there are and will be.
        """
        received: list[str | bytes] = []

        async def take() -> list[str | bytes]:
            async for message in connection:
                received.append(message)  # noqa: PERF401
            return received

        return received, Deferred.fromCoroutine(take())

    def test_receive(self) -> None:
        """
        receive() gives the messages in order, those that waited and those to come.
        """
        self.peer.sendText("a")
        self.peer.sendBytes(b"b")
        self.assertEqual(self.successResultOf(self.connection.receive()), "a")
        self.assertEqual(self.successResultOf(self.connection.receive()), b"b")
        waiting = self.connection.receive()
        self.assertNoResult(waiting)
        self.peer.sendText("")
        self.assertEqual(self.successResultOf(waiting), "")

    def test_boundOfMessages(self) -> None:
        """
        When 16 messages wait, the peer is read from no further; taking one goes on.
        """
        for number in range(16):
            self.assertTrue(self.ends.transport.isReading)
            self.peer.sendText(str(number))
        self.assertFalse(self.ends.transport.isReading)
        self.peer.sendText("16")
        self.assertTrue(self.ends.transport.arrived)
        for number in range(17):
            message = self.successResultOf(self.connection.receive())
            self.assertEqual(message, str(number))
            self.peer.turn()
        self.assertTrue(self.ends.transport.isReading)

    def test_boundInSegment(self) -> None:
        """
        The bound holds within one segment, too: what is behind it stays undecoded.
        """
        self.peer.sendText(*map(str, range(40)))
        self.assertFalse(self.ends.transport.isReading)
        for number in range(40):
            self.assertEqual(
                self.successResultOf(self.connection.receive()), str(number)
            )
        self.assertTrue(self.ends.transport.isReading)

    def test_boundOfBytes(self) -> None:
        """
        At most as many bytes wait as one message may have, and one more message.
        """
        ends = Ends(maxReceivedMessageSize=1000)
        for _ in range(3):
            ends.peer.sendBytes(bytes(400))
        self.assertFalse(ends.transport.isReading)
        ends.peer.sendBytes(bytes(400))
        self.assertTrue(ends.transport.arrived)

    def test_cancel(self) -> None:
        """
        Cancelling receive() loses no message.
        """
        waiting = self.connection.receive()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.peer.sendText("a")
        self.assertEqual(self.successResultOf(self.connection.receive()), "a")

    def test_cancelledTask(self) -> None:
        """
        Nor does cancelling a coroutine that loops over the messages.
        """
        received, taking = self.collect(self.connection)
        self.peer.sendText("a")
        taking.cancel()
        self.failureResultOf(taking, CancelledError)
        self.peer.sendText("b")
        self.assertEqual(received, ["a"])
        self.assertEqual(self.successResultOf(self.connection.receive()), "b")

    def test_loop(self) -> None:
        """
        ``async for`` gives each message, and ends when the connection closes cleanly.
        """
        received, taking = self.collect(self.connection)
        self.peer.sendText("a", "b")
        self.assertEqual(received, ["a", "b"])
        self.peer.sendBytes(b"c")
        self.assertNoResult(taking)
        self.peer.sendClose()
        self.assertEqual(self.successResultOf(taking), ["a", "b", b"c"])

    def test_loopOverRest(self) -> None:
        """
        What had been received before a clean end can be taken after it.
        """
        self.peer.sendText("a", "b")
        self.peer.sendClose()
        _, taking = self.collect(self.connection)
        self.assertEqual(self.successResultOf(taking), ["a", "b"])

    def test_loopLost(self) -> None:
        """
        ``async for`` raises ConnectionClosed when the connection ends otherwise.
        """
        received, taking = self.collect(self.connection)
        self.peer.sendText("a")
        self.peer.vanish()
        error = self.failureResultOf(taking, ConnectionClosed).value
        self.assertIs(error.report.cause, CloseCause.PEER_LOST)
        self.assertEqual(received, ["a"])

    def test_receiveAfterEnd(self) -> None:
        """
        After the end receive() fails with the report, clean or not.
        """
        self.peer.sendText("last")
        self.peer.sendClose(4000)
        self.assertEqual(self.successResultOf(self.connection.receive()), "last")
        failure = self.failureResultOf(self.connection.receive(), ConnectionClosed)
        self.assertEqual(failure.value.report.code, 4000)

    def test_lostWithFullQueue(self) -> None:
        """
        TLS tells of the end at once with what came before it, though we don't read:
        all of that can be received.
        """
        messages = [str(number) for number in range(40)]
        ends = Ends()
        peer = ends.peer
        peer.arrive(b"".join(map(peer.text, messages)) + peer.close(4001))
        self.assertFalse(ends.transport.isReading)
        peer.vanish()
        for message in messages:
            self.assertEqual(self.successResultOf(ends.connection.receive()), message)
        failure = self.failureResultOf(ends.connection.receive(), ConnectionClosed)
        error: Any = failure.value
        self.assertEqual(error.report.receivedCode, 4001)
        self.assertEqual(error.report.messagesDiscarded, 0)

    def test_lostWithBombs(self) -> None:
        """
        Of what is small on the wire and large otherwise, no more is taken then than may
        wait anyway, and a message; the rest is counted as discarded.
        """
        ours, theirs = (
            acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])
            for _ in range(2)
        )
        ends = Ends(agreed=ours, maxReceivedMessageSize=100 * KIB)
        ends.connection.pause()
        for _ in range(10):
            data = theirs[0].transform.encode(bytes(60 * KIB)) or b""
            ends.peer.arrive(ends.peer.frame(Opcode.BINARY, data, rsv=0x40))
        ends.peer.vanish()
        received, done = self.collect(ends.connection)
        failure = self.failureResultOf(done, ConnectionClosed)
        error: Any = failure.value
        self.assertEqual(len(received), 2)
        self.assertEqual(error.report.messagesDiscarded, 8)

    def test_closingWithFullQueue(self) -> None:
        """
        A full queue does not hide the peer's close frame from who closes: what is
        behind it is thrown away and counted.
        """
        self.peer.sendText(*map(str, range(40)))
        self.peer.sendText("not read yet")
        self.peer.sendClose(4000)
        closed = self.connection.close()
        self.peer.turn()
        report = self.successResultOf(closed)
        self.assertTrue(report.wasClean)
        self.assertEqual(report.code, 4000)
        self.assertEqual(report.messagesDiscarded, 25)
        _, taking = self.collect(self.connection)
        self.assertEqual(self.successResultOf(taking), list(map(str, range(16))))

    def test_context(self) -> None:
        """
        ``async with`` closes the connection at the end, and waits until it is gone.
        """

        async def talk() -> str:
            async with self.connection as connection:
                connection.send("hello")
                return str(await connection.receive())

        talking = Deferred.fromCoroutine(talk())
        self.peer.sendText("hi")
        self.assertEqual(self.peer.frames(), [text("hello"), close()])
        self.assertNoResult(talking)
        self.peer.sendClose()
        self.assertEqual(self.successResultOf(talking), "hi")

    def test_contextRaising(self) -> None:
        """
        ``async with`` lets errors through, after the connection is gone.
        """

        async def talk() -> None:
            async with self.connection:
                raise ZeroDivisionError

        talking = Deferred.fromCoroutine(talk())
        self.assertNoResult(talking)
        self.peer.sendClose()
        self.failureResultOf(talking, ZeroDivisionError)

    def test_contextGone(self) -> None:
        """
        ``async with`` a connection that has ended meanwhile is no error.
        """

        async def talk() -> None:
            async with self.connection as connection:
                async for _ in connection:
                    pass

        talking = Deferred.fromCoroutine(talk())
        self.peer.sendClose()
        self.assertIsNone(self.successResultOf(talking))


class ClosingTests(SynchronousTestCase):
    """
    Tests of close(), drop() and their kin.
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.ends = Ends()
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def test_codes(self) -> None:
        """
        Codes that may not travel are refused, in close() and in drop(), and nothing
        happens.
        """
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, -1, 65536):
            self.assertRaises(ValueError, self.connection.close, code)
            self.assertRaises(ValueError, self.connection.drop, code)
            self.assertRaises(ValueError, self.connection.loseConnection, code)
        self.assertTrue(self.connection.connected)
        self.assertEqual(self.peer.frames(), [])

    def test_goodCodes(self) -> None:
        """
        Those that may, do.
        """
        for code in (1000, 1001, 1003, 1007, 1012, 1014, 3000, 4999):
            ends = Ends()
            ends.connection.close(code)
            self.assertEqual(ends.peer.frames(), [close(code)])

    def test_noCode(self) -> None:
        """
        close(None) gives no code; a reason needs one.
        """
        self.assertRaises(ValueError, self.connection.close, None, "why")
        self.connection.close(None)
        self.assertEqual(self.peer.frames(), [close(None)])

    def test_reasons(self) -> None:
        """
        A reason has at most 123 bytes in UTF-8, and can be in any script.
        """
        for reason in ("x" * 124, "\N{SNOWMAN}" * 42):
            self.assertRaises(ValueError, self.connection.close, 1000, reason)
            self.assertRaises(ValueError, self.connection.drop, 1000, reason)
        self.connection.close(1000, "\N{SNOWMAN}" * 41)
        self.assertEqual(self.peer.frames(), [close(1000, "\N{SNOWMAN}" * 41)])

    def test_badReason(self) -> None:
        """
        A reason that can't be UTF-8 is refused, and nothing happens.
        """
        self.assertRaises(ValueError, self.connection.close, 1000, "\ud800")
        self.assertRaises(ValueError, self.connection.drop, 1000, "\ud800")
        self.assertTrue(self.connection.connected)

    def test_neverFails(self) -> None:
        """
        The Deferreds of close() and whenClosed() never fail, however it ends.
        """
        closed = [self.connection.whenClosed(), self.connection.close()]
        self.peer.vanish()
        closed += [self.connection.whenClosed(), self.connection.close()]
        reports = {id(self.successResultOf(each)) for each in closed}
        self.assertEqual(len(reports), 1)

    def test_drop(self) -> None:
        """
        drop() tells the peer 1002 unless it is given another code.
        """
        self.connection.drop()
        self.assertEqual(self.peer.frames(), [close(1002)])

    def test_dropCause(self) -> None:
        """
        The report of a dropped connection says who dropped it.
        """
        self.connection.drop(1008, "no", skipCloseFrame=True)
        self.peer.turn()
        self.assertEqual(self.peer.received(), b"")
        report = self.successResultOf(self.connection.whenClosed())
        self.assertIs(report.cause, CloseCause.DROPPED)

    def test_loseConnection(self) -> None:
        """
        loseConnection() is close() without a result.
        """
        self.assertIsNone(self.connection.loseConnection(4000, "so"))  # type: ignore[func-returns-value]
        self.assertEqual(self.peer.frames(), [close(4000, "so")])
        ends = Ends()
        ends.connection.loseConnection()
        self.assertEqual(ends.peer.frames(), [close()])


class OctetsTests(SynchronousTestCase):
    def test_same(self) -> None:
        """
        ``bytes`` are not copied on their way.
        """
        data = b"x" * 100
        self.assertIs(asBytes(data), data)
