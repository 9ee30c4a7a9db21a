# Part of txwebsocket. See LICENSE for details.
"""
Tests of messages that are sent in pieces.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer
from twisted.protocols.basic import FileSender
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.integration.test_flow import Producer
from tests.support.memory import Ends, Recorder, close, ping, pong, text
from tests.support.splits import everySplit
from txwebsocket import (
    BufferFull,
    BufferPolicy,
    ClientConfig,
    CloseCause,
    ConnectionClosed,
    Deflate,
    ExtensionHeader,
    InvalidState,
    Opcode,
    ServerConfig,
    WebSocketRequest,
)
from txwebsocket.testing import MemorySite
from txwebsocket.wire.codes import Role
from txwebsocket.wire.extensions import acceptOffers
from txwebsocket.wire.frames import Frame

CONTINUATION = Opcode(0)
TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
KIB = 1024
MIB = 1024 * KIB


class OddError(Exception):
    """
    What applications raise here.
    """


class OutgoingTestCase(SynchronousTestCase):
    """
    What these tests need.
    """

    def setUp(self) -> None:
        self.open()

    def open(self, **options: Any) -> None:
        """
        Open a connection.
        """
        self.application = Recorder()
        self.ends = Ends(self.application, **options)
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def stall(self) -> None:
        """
        The peer reads nothing from now on, and the transport is full.
        """
        self.peer.stall()
        self.connection.send(bytes(200 * KIB))
        self.peer.turn()

    def goOn(self) -> None:
        """
        The peer reads again; the first thing is what :meth:`stall` sent.
        """
        self.peer.goOn()
        self.assertEqual(len(self.peer.frames().pop(0).payload), 200 * KIB)


class OutgoingMessageTests(OutgoingTestCase):
    """
    Tests of :class:`MessageWriter`.
    """

    def test_pieces(self) -> None:
        """
        Each piece leaves at once as a frame of its own; then the message ends, and
        others can be sent.
        """
        for role in Role:
            self.open(role=role)
            message = self.connection.sendStream(isText=True)
            message.write("Größe")
            self.assertEqual(self.peer.frames(), [Frame(TEXT, "Größe".encode(), False)])
            message.write("")
            message.write("!")
            message.end()
            self.connection.send("next")
            self.assertEqual(
                self.peer.frames(),
                [
                    Frame(CONTINUATION, b"", False),
                    Frame(CONTINUATION, b"!", False),
                    Frame(CONTINUATION, b""),
                    text("next"),
                ],
            )

    def test_buffers(self) -> None:
        """
        The pieces of a binary message are anything like bytes; those sent stay as they
        were.
        """
        message = self.connection.sendStream()
        buffer = bytearray(b"one")
        message.write(buffer)
        buffer[:] = b"---"
        message.write(memoryview(b"two"))
        message.end()
        self.assertEqual([f.payload for f in self.peer.frames()], [b"one", b"two", b""])

    def test_wrongKind(self) -> None:
        """
        A piece of the other kind is refused, and does no harm.
        """
        message = self.connection.sendStream()
        error = self.assertRaises(TypeError, message.write, "text")
        self.assertIn("str", str(error))
        message.end()
        message = self.connection.sendStream(isText=True)
        error = self.assertRaises(TypeError, message.write, 5)
        self.assertIn("int", str(error))
        self.assertRaises(UnicodeEncodeError, message.write, "\ud800")
        message.end()
        self.assertEqual(self.peer.frames(), [Frame(BINARY), Frame(TEXT)])

    def test_encoded(self) -> None:
        """
        A piece of text may be UTF-8; other bytes are refused, and do no harm.
        """
        message = self.connection.sendStream(isText=True)
        message.write("ä".encode())
        for wrong in (b"\xff", b"\xc3a", b"\xed\xa0", b"\xc0"):
            self.assertRaises(ValueError, message.write, wrong)
        message.write("ü")
        message.end()
        frames = self.peer.frames()
        self.assertEqual([frame.opcode for frame in frames], [TEXT, 0, 0])
        self.assertEqual(b"".join(f.payload for f in frames).decode(), "äü")

    def test_cutCharacters(self) -> None:
        """
        It may be cut anywhere, as a file is; what can't go on like that is refused.
        """
        whole = "ä€🎈".encode()
        for pieces in everySplit(whole):
            message = self.connection.sendStream(isText=True)
            for piece in pieces:
                message.write(piece)
            message.end()
            sent = b"".join(frame.payload for frame in self.peer.frames())
            self.assertEqual(sent, whole)
        message = self.connection.sendStream(isText=True)
        message.write(whole[:1])
        self.assertRaises(ValueError, message.write, "a")
        self.assertRaises(ValueError, message.write, b"a")
        message.write(whole[1:2])
        message.write("a")
        message.end()
        sent = b"".join(frame.payload for frame in self.peer.frames())
        self.assertEqual(sent.decode(), "äa")

    def test_endsInsideCharacter(self) -> None:
        """
        A text that ends inside a character can't be ended: the connection is closed.
        """
        whole = "ä".encode()
        with (
            self.assertRaises(ValueError),
            self.connection.sendStream(isText=True) as message,
        ):
            message.write(whole[:1])
        self.assertFalse(self.connection.connected)
        self.assertEqual(self.peer.frames()[-1].payload[:2], b"\x03\xf3")
        self.setUp()
        sending = self.connection.sendPieces([whole, whole[:1]], isText=True)
        self.failureResultOf(sending, ValueError)
        self.assertFalse(self.connection.connected)

    def test_encodedPieces(self) -> None:
        """
        With ``isText`` all pieces of a text can be UTF-8.
        """
        pieces = ["ä".encode(), "ö".encode()]
        self.successResultOf(self.connection.sendPieces(pieces, isText=True))
        first, *_ = frames = self.peer.frames()
        self.assertEqual(first.opcode, TEXT)
        self.assertEqual(b"".join(f.payload for f in frames).decode(), "äö")

    def test_interleaved(self) -> None:
        """
        Meanwhile pings and pongs are sent, and other messages are refused.
        """
        message = self.connection.sendStream()
        message.write(b"a")
        self.connection.ping(b"?")
        self.peer.ping(b"!")
        self.assertRaises(InvalidState, self.connection.send, "other")
        self.assertRaises(InvalidState, self.connection.sendStream)
        self.failureResultOf(self.connection.sendPieces([b"x"]), InvalidState)
        message.end()
        self.assertEqual(
            self.peer.frames(),
            [Frame(BINARY, b"a", False), ping(b"?"), pong(b"!"), Frame(0, b"")],
        )

    def test_ended(self) -> None:
        """
        Nothing can be written after the end; ending once more does nothing.
        """
        message = self.connection.sendStream()
        message.end()
        message.end()
        self.assertRaises(InvalidState, message.write, b"late")
        other = self.connection.sendStream()
        self.assertRaises(InvalidState, message.write, b"late")
        other.end()
        self.assertEqual(len(self.peer.frames()), 2)

    def test_drained(self) -> None:
        """
        Whoever waits sends no faster than the peer reads.
        """
        self.stall()
        message = self.connection.sendStream()
        message.write(b"a")
        drained = message.drained()
        self.assertNoResult(drained)
        self.goOn()
        self.successResultOf(drained)

    def test_tooMuch(self) -> None:
        """
        Pieces that a peer does not read are bounded by maxBufferedBytes.
        """
        self.open(maxBufferedBytes=MIB)
        self.peer.stall()
        message = self.connection.sendStream()
        with self.assertRaises(ConnectionClosed) as caught:
            for _ in range(20):
                message.write(bytes(100 * KIB))
        self.assertIs(caught.exception.report.cause, CloseCause.BUFFER_FULL)

    def test_policies(self) -> None:
        """
        Where too much is not to close the connection, a piece that finds no room raises
        BufferFull, and nothing of it is missing later: it can be written again.
        """
        for policy in (BufferPolicy.RAISE, BufferPolicy.DROP):
            self.open(maxBufferedBytes=MIB, highWaterMark=KIB, whenBufferFull=policy)
            self.stall()
            message = self.connection.sendStream()
            for _ in range(7):
                message.write(bytes(100 * KIB))
            error = self.assertRaises(BufferFull, message.write, bytes(MIB))
            self.assertEqual(error.size, MIB)
            self.peer.goOn()
            message.write(bytes(MIB))
            message.end()
            size = sum(len(frame.payload) for frame in self.peer.frames())
            self.assertEqual(size, 900 * KIB + MIB)

    def test_endOfTooMuch(self) -> None:
        """
        However much waits, a message that has begun can be ended: it arrives, and
        others can follow it.
        """
        for policy in BufferPolicy:
            self.open(maxBufferedBytes=KIB, highWaterMark=KIB, whenBufferFull=policy)
            self.peer.stall()
            with self.connection.sendStream() as message:
                message.write(bytes(100 * KIB))
                message.write(bytes(100 * KIB))
            self.peer.goOn()
            self.connection.send("next")
            large = bytes(100 * KIB)
            self.assertEqual(
                self.peer.frames(),
                [
                    Frame(BINARY, large, False),
                    Frame(CONTINUATION, large, False),
                    Frame(CONTINUATION),
                    text("next"),
                ],
            )

    def test_emptyWhenFull(self) -> None:
        """
        A message without pieces, for which there is no room, is as if it had not been
        started, where that is not to close the connection.
        """
        for policy in (BufferPolicy.RAISE, BufferPolicy.DROP):
            self.open(maxBufferedBytes=KIB, highWaterMark=KIB, whenBufferFull=policy)
            self.stall()
            message = self.connection.sendStream()
            self.assertRaises(BufferFull, message.end)
            message.end()
            self.failureResultOf(self.connection.sendPieces([]), BufferFull)
            self.goOn()
            self.connection.send("next")
            self.assertEqual(self.peer.frames(), [text("next")])

    def test_closed(self) -> None:
        """
        A close goes between the pieces; writing and ending then raise.
        """
        message = self.connection.sendStream()
        message.write(b"a")
        self.connection.close()
        self.assertRaises(ConnectionClosed, message.write, b"b")
        self.assertRaises(ConnectionClosed, message.end)
        self.assertEqual(self.peer.frames(), [Frame(BINARY, b"a", False), close()])
        self.assertRaises(ConnectionClosed, self.connection.sendStream)

    def test_tooEarly(self) -> None:
        """
        No message can be started before the connection is open.
        """
        ends = Ends(openIt=False)
        self.assertRaises(InvalidState, ends.connection.sendStream)


class BlockTests(OutgoingTestCase):
    """
    Tests of messages as blocks.
    """

    def test_with(self) -> None:
        """
        The end of the block is the end of the message.
        """
        with self.connection.sendStream() as message:
            message.write(b"a")
        self.assertEqual(self.peer.frames(), [Frame(BINARY, b"a", False), Frame(0)])

    def test_asyncWith(self) -> None:
        """
        An asynchronous block waits until the message has left.
        """

        async def send() -> None:
            async with self.connection.sendStream() as message:
                message.write(b"a")

        self.stall()
        sent = Deferred.fromCoroutine(send())
        self.assertNoResult(sent)
        self.goOn()
        self.successResultOf(sent)

    def test_exception(self) -> None:
        """
        A message that is left with an exception can't be completed, and the peer must
        not take it for complete: the connection is closed with 1011, saying why.
        """
        with self.assertRaises(OddError), self.connection.sendStream() as message:
            message.write(b"a")
            raise OddError
        reason = "a message was broken off"
        self.assertEqual(
            self.peer.frames(), [Frame(BINARY, b"a", False), close(1011, reason)]
        )
        self.peer.end()
        report = self.application.report
        self.assertIs(report.cause, CloseCause.APPLICATION_ERROR)
        self.assertEqual(report.detail, reason)

    def test_exceptionBefore(self) -> None:
        """
        If nothing of it was sent, nothing has happened.
        """
        with self.assertRaises(OddError), self.connection.sendStream():
            raise OddError
        self.connection.send("next")
        self.assertEqual(self.peer.frames(), [text("next")])

    def test_exceptionWithProducer(self) -> None:
        """
        A producer is left alone then, and the connection can have another one.
        """
        producer = Producer()
        with self.assertRaises(OddError), self.connection.sendStream() as message:
            message.registerProducer(producer, True)
            raise OddError
        self.connection.registerProducer(Producer(), True)
        self.peer.vanish()
        self.assertEqual(producer.told, [])

    def test_exceptionAfter(self) -> None:
        """
        If it had ended already, nothing is broken off.
        """
        with self.assertRaises(OddError), self.connection.sendStream() as message:
            message.end()
            raise OddError
        self.assertTrue(self.connection.connected)

    def test_lostInside(self) -> None:
        """
        That the connection ends inside the block is told as that.
        """
        closed = self.assertRaises(ConnectionClosed)
        with closed, self.connection.sendStream() as message:
            message.write(b"a")
            self.peer.vanish()
            message.write(b"b")
        self.assertIs(self.application.report.cause, CloseCause.PEER_LOST)


class ProducerTests(OutgoingTestCase):
    """
    Tests of producers that write messages.
    """

    def test_interface(self) -> None:
        """
        A message is a consumer.
        """
        self.assertTrue(verifyObject(IConsumer, self.connection.sendStream()))

    def test_push(self) -> None:
        """
        A push producer is paused while the peer does not read, until it has done.
        """
        producer = Producer()
        message = self.connection.sendStream()
        message.registerProducer(producer, True)
        self.assertRaises(RuntimeError, message.registerProducer, producer, True)
        self.peer.stall()
        message.write(bytes(200 * KIB))
        self.assertEqual(producer.told, ["pause"])
        self.peer.goOn()
        self.assertEqual(producer.told, ["pause", "resume"])
        message.unregisterProducer()
        message.unregisterProducer()
        message.end()
        self.peer.vanish()
        self.assertEqual(producer.told, ["pause", "resume"])

    def test_pushLost(self) -> None:
        """
        A push producer is stopped when the connection is lost.
        """
        producer = Producer()
        self.connection.sendStream().registerProducer(producer, True)
        self.peer.vanish()
        self.assertEqual(producer.told, ["stop"])

    def test_pushTooLate(self) -> None:
        """
        A push producer that writes too late is stopped, rather than given an error it
        knows nothing of.
        """
        producer = Producer()
        message = self.connection.sendStream()
        message.registerProducer(producer, True)
        self.connection.close()
        message.write(b"late")
        message.write(b"later")
        self.assertEqual(producer.told, ["stop"])
        self.assertRaises(ConnectionClosed, message.end)
        self.assertEqual(self.peer.frames(), [close()])

    def test_file(self) -> None:
        """
        A file is sent, as fast as the peer reads it.
        """
        data = bytes(range(256)) * 4 * KIB
        self.stall()
        file = BytesIO(data)
        message = self.connection.sendStream()
        sent = FileSender().beginFileTransfer(file, message)
        sent.addCallback(lambda _: message.end())
        self.peer.turn()
        self.assertEqual(file.tell(), 0)
        self.peer.goOn()
        payloads = [frame.payload for frame in self.peer.frames()[1:]]
        self.successResultOf(sent)
        self.assertEqual(b"".join(payloads), data)
        self.peer.vanish()
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_textFile(self) -> None:
        """
        A file of text is sent as a text message, although its pieces cut characters. A
        file of other bytes ends the connection instead.
        """
        for data, isText in (
            ("a" + "€" * 100 * KIB, True),
            ("a" * KIB + "\xff", False),
        ):
            self.setUp()
            coded = data.encode("utf-8" if isText else "latin-1")
            message = self.connection.sendStream(isText=True)
            sent = FileSender().beginFileTransfer(BytesIO(coded), message)
            sent.addCallback(lambda _, message=message: message.end())
            if isText:
                payloads = [frame.payload for frame in self.peer.frames()]
                self.successResultOf(sent)
                self.assertEqual(b"".join(payloads).decode(), data)
                continue
            self.peer.turn()
            self.failureResultOf(sent)
            self.assertEqual(len(self.flushLoggedErrors(UnicodeDecodeError)), 1)
            self.assertEqual(self.peer.frames()[-1].payload[:2], b"\x03\xf3")

    def test_fileTurns(self) -> None:
        """
        One piece of a file is read in each turn, and more only while there is room.
        """
        file = BytesIO(bytes(8 * MIB))
        FileSender().beginFileTransfer(file, self.connection.sendStream())
        self.peer.stall()
        self.peer.turn()
        self.assertGreater(file.tell(), 0)
        self.assertLess(file.tell(), 200 * KIB)

    def sendFile(self) -> Deferred[None]:
        """
        Send a large file, in a block.
        """

        async def send() -> None:
            async with self.connection.sendStream() as message:
                await FileSender().beginFileTransfer(BytesIO(bytes(MIB)), message)

        return Deferred.fromCoroutine(send())

    def test_fileLost(self) -> None:
        """
        If the connection ends while a file is sent, that is what is told.
        """
        self.peer.stall()
        sent = self.sendFile()
        self.peer.turn()
        self.peer.vanish()
        self.failureResultOf(sent, ConnectionClosed)
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_fileClosed(self) -> None:
        """
        If the connection is closed while a file is sent, that is what is told.
        """
        sent = self.sendFile()
        self.connection.close()
        self.peer.turn()
        self.failureResultOf(sent, ConnectionClosed)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_brokenFile(self) -> None:
        """
        A pull producer that raises closes the connection with 1011.
        """

        class Broken(Producer):
            def resumeProducing(self) -> None:
                raise OddError

        self.connection.sendStream().registerProducer(Broken(), False)
        self.peer.turn()
        self.assertEqual(self.peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)


class SendPiecesTests(OutgoingTestCase):
    """
    Tests of ``sendPieces``.
    """

    def test_kinds(self) -> None:
        """
        A message is made of any iterable, asynchronous or not, and is of the kind of
        its pieces.
        """

        async def asynchronous() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        cases: list[tuple[Any, Opcode]] = [
            (["a", "b"], TEXT),
            ((b"a", bytearray(b"b")), BINARY),
            (iter(["a", "b"]), TEXT),
            (asynchronous(), BINARY),
        ]
        for pieces, opcode in cases:
            self.assertIsNone(self.successResultOf(self.connection.sendPieces(pieces)))
            frames = self.peer.frames()
            self.assertEqual(
                frames,
                [Frame(opcode, b"a", False), Frame(0, b"b", False), Frame(0, b"")],
            )

    def test_none(self) -> None:
        """
        A message without pieces is an empty one: binary, unless it is said to be text.
        """
        self.connection.sendPieces([])
        self.connection.sendPieces([], isText=True)
        self.connection.sendPieces([], isText=False)
        self.assertEqual(
            self.peer.frames(), [Frame(BINARY), Frame(TEXT), Frame(BINARY)]
        )

    def test_noPieces(self) -> None:
        """
        What is one piece by itself is no series of pieces.
        """
        for message in ("text", b"bytes"):
            sent = self.connection.sendPieces(message)  # type: ignore[arg-type]
            self.failureResultOf(sent, TypeError)
        self.assertEqual(self.peer.frames(), [])

    def test_slow(self) -> None:
        """
        The next piece is asked for when the peer has taken the one before.
        """
        asked = []

        def pieces() -> Iterator[bytes]:
            for number in range(3):
                asked.append(number)
                yield b"x"

        self.stall()
        sent = self.connection.sendPieces(pieces())
        self.assertEqual(asked, [0])
        self.assertNoResult(sent)
        self.goOn()
        self.assertEqual(asked, [0, 1, 2])
        self.successResultOf(sent)

    def test_turns(self) -> None:
        """
        Others have their turns, however fast the peer reads.
        """
        asked = []

        def pieces() -> Iterator[bytes]:
            for number in range(64):
                asked.append(number)
                yield bytes(64 * KIB)

        self.open(highWaterMark=32 * MIB, maxBufferedBytes=64 * MIB)
        sent = self.connection.sendPieces(pieces())
        self.assertLess(len(asked), 10)
        self.peer.turn()
        self.assertEqual(len(asked), 64)
        self.successResultOf(sent)

    def test_failing(self) -> None:
        """
        What the pieces raise is told, and the connection is closed if some were sent.
        """

        def pieces(count: int) -> Iterator[bytes]:
            yield from [b"x"] * count
            raise OddError

        self.failureResultOf(self.connection.sendPieces(pieces(0)), OddError)
        failed = self.connection.sendPieces(pieces(0), isText=False)
        self.failureResultOf(failed, OddError)
        self.assertTrue(self.connection.connected)
        self.failureResultOf(self.connection.sendPieces(pieces(1)), OddError)
        self.assertFalse(self.connection.connected)
        self.open()
        self.failureResultOf(self.connection.sendPieces([b"x", "y"]), TypeError)
        self.assertFalse(self.connection.connected)

    def test_lost(self) -> None:
        """
        If the connection ends in the middle, that is told.
        """
        self.stall()
        sent = self.connection.sendPieces([b"a", b"b"])
        self.peer.vanish()
        self.failureResultOf(sent, ConnectionClosed)

    def test_cancel(self) -> None:
        """
        Cancelling breaks the message off.
        """
        self.stall()
        sent = self.connection.sendPieces([b"a", b"b"])
        sent.cancel()
        self.failureResultOf(sent, CancelledError)
        self.assertFalse(self.connection.connected)


class CompressionTests(OutgoingTestCase):
    """
    Tests of compressed messages that are sent in pieces.
    """

    def sizes(self, pieces: Iterable[bytes], **options: Any) -> list[int]:
        """
        What travels of these pieces, in bytes.
        """
        agreed = acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])
        self.open(agreed=agreed)
        self.connection.sendPieces(pieces, **options)
        return [len(frame.payload) for frame in self.peer.frames()]

    def test_compress(self) -> None:
        """
        Pieces are compressed together, unless they are not to be.
        """
        noise = bytes(range(256))
        first, second, last = self.sizes([noise, noise])
        self.assertGreater(first, 250)
        self.assertLess(second, 20)
        self.assertEqual(last, 1)
        self.assertEqual(self.sizes([noise, noise], compress=False), [256, 256, 0])

    def test_relay(self) -> None:
        """
        A message is passed on while it arrives, from one connection to another, and
        holds little memory, compressed or not.
        """
        for extensions in ((), (Deflate(),)):
            self.relay(extensions)

    def relay(self, extensions: Any) -> None:
        """
        Send 16 MiB through a server to itself.
        """
        config: dict[str, Any] = {
            "extensions": extensions,
            "streamMessages": True,
            "maxReceivedMessageSize": 2**40,
        }

        async def echo(request: WebSocketRequest) -> None:
            connection = request.accept()
            async for message in connection.streams():
                await connection.sendPieces(message, isText=message.isText)

        site = MemorySite(echo, ServerConfig(**config))
        client = self.successResultOf(site.connect(config=ClientConfig(**config)))
        size = 0

        async def count() -> None:
            nonlocal size
            async for piece in await client.receiveStream():
                size += len(piece)

        piece = bytes(32 * KIB)
        counted = Deferred.fromCoroutine(count())
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        sent = client.sendPieces(piece for _ in range(512))
        site.flush()
        self.successResultOf(sent)
        self.successResultOf(counted)
        self.assertEqual(size, 16 * MIB)
        self.assertLess(tracemalloc.get_traced_memory()[1], 2 * MIB)
        tracemalloc.stop()
