# Part of txwebsocket. See LICENSE for details.
"""
Tests of messages that are received in pieces.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder, close, oneTurn, pong
from tests.support.splits import everySplit
from tests.tools.attacks.wire import emptyBlocks
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionClosed,
    Deflate,
    ExtensionHeader,
    InvalidState,
    MessageReader,
    Opcode,
    ServerConfig,
    WebSocketProtocol,
    WebSocketRequest,
)
from txwebsocket.connection.incoming import MAX_PIECES, MAX_WAITING
from txwebsocket.testing import MemorySite
from txwebsocket.wire.codes import Role
from txwebsocket.wire.extensions import NegotiatedExtension, acceptOffers

KIB = 1024
MIB = 1024 * KIB
WORDS = "Größe 大きい 😀 and so on. " * 5


class OddError(Exception):
    """
    What applications raise here.
    """


class Reader(Recorder):
    """
    Reads each message as it arrives.

    :ivar pieces: what came so far, a list for each message, None at its end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[list[Any]] = []

    async def messageStarted(self, message: Any) -> None:
        """
        Read it.
        """
        self.pieces.append([])
        async for piece in message:
            self.pieces[-1].append(piece)
        self.pieces[-1].append(None)

    @property
    def whole(self) -> list[Any]:
        """
        The messages that are complete, joined.
        """
        return [
            p[0][:0].join(p[:-1]) if p[1:] else ""
            for p in self.pieces
            if p[-1:] == [None]
        ]


class Keeping(Recorder):
    """
    Keeps the messages until a test has done with them.

    :ivar kept: the messages.
    :ivar done: what ends their hooks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[MessageReader] = []
        self.done: list[Deferred[None]] = []

    def messageStarted(self, message: Any) -> Any:
        """
        Keep it.
        """
        self.kept.append(message)
        self.done.append(Deferred())
        return self.done[-1]


class Consumer:
    """
    Takes what it is given, until it has enough.

    :ivar taken: all of it.
    :ivar most: bytes after which it pauses whoever produces.
    """

    def __init__(self, most: int = 2**60) -> None:
        self.taken = b""
        self.most = most
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        There is one.
        """
        self.producer, self.isStreaming = producer, streaming

    def unregisterProducer(self) -> None:
        """
        There is none any more.
        """
        self.producer = None

    def write(self, data: bytes) -> None:
        """
        Take it.
        """
        self.taken += data
        if len(self.taken) >= self.most:
            self.producer.pauseProducing()

    def takeMore(self, most: int) -> None:
        """
        There is room again.
        """
        self.most = most
        self.producer.resumeProducing()


def agreed() -> list[NegotiatedExtension]:
    """
    Compression, as a server has agreed to it.
    """
    return acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])


def compressed(data: bytes) -> bytes:
    """
    What travels of a message.
    """
    [agreement] = agreed()
    return agreement.transform.encode(data) or b""


class CallbackTests(SynchronousTestCase):
    """
    Tests of applications that are told when a message begins.
    """

    def test_asItArrives(self) -> None:
        """
        A message is there as soon as it begins, and its pieces as they arrive.
        """
        for role in Role:
            application = Reader()
            ends = Ends(application, role=role, streamMessages=True)
            data = ends.peer.text("Hello, world")
            cut = len(data) - 7
            ends.peer.send(data[:cut])
            self.assertEqual(application.pieces, [["Hello"]])
            ends.peer.send(data[cut:])
            self.assertEqual(application.pieces, [["Hello", ", world", None]])
            ends.peer.send(ends.peer.binary(b"bytes"))
            self.assertEqual(application.pieces[1], [b"bytes", None])
            self.assertEqual(ends.connection.traffic.messagesReceived, 2)

    def test_anySplit(self) -> None:
        """
        However the network cuts them, all messages arrive, text as text.
        """
        peer = Ends().peer
        data = (
            peer.text(WORDS)
            + peer.frame(Opcode.BINARY, b"one", fin=False)
            + peer.frame(Opcode.PING, b"?")
            + peer.frame(Opcode.CONTINUATION, b"two")
            + peer.text("")
            + peer.frame(Opcode.TEXT, compressed(WORDS.encode()), rsv=0x40)
        )
        for pieces in everySplit(data, 150):
            application = Reader()
            ends = Ends(application, agreed=agreed(), streamMessages=True)
            for piece in pieces:
                ends.peer.send(piece)
            self.assertEqual(application.whole, [WORDS, b"onetwo", "", WORDS])
            self.assertIn(("ping", b"?"), application.told)
            self.assertEqual(ends.peer.frames(), [pong(b"?")])

    def test_wholeWithoutHook(self) -> None:
        """
        An application that does not take pieces gets whole messages, and its hooks are
        waited for as ever.
        """

        class Plain:
            def __init__(self) -> None:
                self.told: list[Any] = []

            async def textMessageReceived(self, message: str) -> None:
                self.told.append(message)
                await done

            def bytesMessageReceived(self, data: bytes) -> None:
                self.told.append(data)

        for kind in (Plain, type("Derived", (Plain, WebSocketProtocol), {})):
            done: Deferred[None] = Deferred()
            application = kind()
            ends = Ends(application, streamMessages=True)
            data = ends.peer.text("Hello") + ends.peer.binary(b"data")
            ends.peer.send(data[:8])
            self.assertEqual(application.told, [])
            ends.peer.send(data[8:])
            self.assertEqual(application.told, ["Hello"])
            done.callback(None)
            self.assertEqual(application.told, ["Hello", b"data"])
        ends = Ends(object(), streamMessages=True)
        ends.peer.sendText("nobody hears this", "nor this")
        self.assertEqual(ends.connection.traffic.messagesReceived, 2)
        self.assertTrue(ends.transport.isReading)

    def test_someInPieces(self) -> None:
        """
        An application can take some messages in pieces, and leave others to super().
        """

        class Mixed(Reader):
            async def messageStarted(self, message: Any) -> None:
                if message.isText:
                    await WebSocketProtocol.messageStarted(self, message)
                else:
                    await super().messageStarted(message)

        application = Mixed()
        ends = Ends(application, streamMessages=True)
        ends.peer.send(ends.peer.text("name") + ends.peer.binary(b"data"))
        self.assertEqual(application.messages, ["name"])
        self.assertEqual(application.whole, [b"data"])

    def test_nextWaits(self) -> None:
        """
        The next message waits for the hook of the one before.
        """
        application = Keeping()
        ends = Ends(application, streamMessages=True)
        ends.peer.sendText("one", "two")
        self.assertEqual(len(application.kept), 1)
        self.assertEqual(self.successResultOf(application.kept[0].whole()), "one")
        self.assertEqual(len(application.kept), 1)
        application.done[0].callback(None)
        self.assertEqual(len(application.kept), 2)
        self.assertEqual(self.successResultOf(application.kept[1].whole()), "two")

    def test_concurrent(self) -> None:
        """
        Where several messages may be dealt with at a time, the next one begins when the
        one before has been read, as long as there are not too many.
        """
        application = Keeping()
        ends = Ends(application, streamMessages=True, concurrentMessages=2)
        ends.peer.sendText("one", "two", "three")
        self.assertEqual(len(application.kept), 1)
        for number, text in enumerate(("one", "two")):
            message = application.kept[number]
            self.assertEqual(self.successResultOf(message.whole()), text)
            self.assertEqual(len(application.kept), 2)
        application.done[1].callback(None)
        self.assertEqual(len(application.kept), 3)

    def test_rest(self) -> None:
        """
        What is left when the hook is over is discarded and counted, and what comes then
        is not harmed; compressed messages refer to what was discarded.
        """
        first, second = agreed()[0].transform, WORDS.encode() * 9
        frames = [first.encode(second) or b"" for _ in range(3)]
        application = Keeping()
        ends = Ends(application, agreed=agreed(), streamMessages=True)
        peer = ends.peer
        datas = [peer.frame(Opcode.TEXT, frame, rsv=0x40) for frame in frames]
        peer.send(datas[0][:20])
        application.done[0].callback(None)
        peer.send(datas[0][20:] + datas[1])
        self.assertRaises(InvalidState, application.kept[0].read)
        application.done[1].callback(None)
        peer.send(datas[2])
        whole = self.successResultOf(application.kept[2].whole())
        self.assertEqual(whole, second.decode())
        application.done[2].callback(None)
        ends.connection.close()
        peer.sendClose()
        peer.turn()
        self.assertEqual(application.report.messagesDiscarded, 2)

    def test_readToItsEnd(self) -> None:
        """
        A message of which nothing is left is not counted as discarded.
        """
        application = Keeping()
        ends = Ends(application, streamMessages=True)
        ends.peer.sendText("all of it")
        self.successResultOf(application.kept[0].read())
        application.done[0].callback(None)
        ends.connection.close()
        ends.peer.sendClose()
        ends.peer.end()
        self.assertEqual(application.report.messagesDiscarded, 0)

    def test_waitingWhenOver(self) -> None:
        """
        Who still waits for a piece when the hook is over is told so.
        """
        application = Keeping()
        ends = Ends(application, streamMessages=True)
        ends.peer.send(ends.peer.frame(Opcode.TEXT, b"", fin=False))
        waiting = application.kept[0].read()
        application.done[0].callback(None)
        self.failureResultOf(waiting, InvalidState)

    def test_raising(self) -> None:
        """
        A hook that raises, at once or later, closes the connection with 1011.
        """

        class Broken(Recorder):
            async def messageStarted(self, message: Any) -> None:
                await message.read()
                raise OddError

        class BrokenAtOnce(Recorder):
            def messageStarted(self, message: Any) -> Any:
                raise OddError

        for kind in (Broken, BrokenAtOnce):
            ends = Ends(kind(), streamMessages=True)
            ends.peer.sendText("a", "b")
            self.assertEqual(ends.peer.frames(), [close(1011)])
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_lost(self) -> None:
        """
        A connection that ends in the middle of a message fails what reads it, and that
        is not logged as a fault of the application.
        """
        application = Reader()
        ends = Ends(application, streamMessages=True)
        ends.peer.send(ends.peer.frame(Opcode.TEXT, b"half", fin=False))
        ends.peer.vanish()
        self.assertEqual(application.pieces, [["half"]])
        self.assertEqual(application.told[-1], "lost")
        self.assertEqual(self.flushLoggedErrors(), [])


class ReadingTests(SynchronousTestCase):
    """
    Tests of reading a message.
    """

    def setUp(self) -> None:
        self.begin()

    def begin(self, **options: Any) -> None:
        """
        Open a connection on which a message has begun.
        """
        self.application = Keeping()
        self.ends = Ends(self.application, streamMessages=True, **options)
        self.peer = self.ends.peer
        self.peer.send(self.peer.frame(Opcode.BINARY, b"one", fin=False))
        [self.message] = self.application.kept

    def go(self, payload: bytes, fin: bool = False) -> None:
        """
        Send more of the message.
        """
        self.peer.send(self.peer.frame(Opcode.CONTINUATION, payload, fin=fin))

    def test_read(self) -> None:
        """
        Pieces come one by one, and an empty one at the end, as often as one asks.
        """
        self.assertFalse(self.message.isText)
        self.assertIn("binary", repr(self.message))
        self.assertEqual(self.successResultOf(self.message.read()), b"one")
        waiting = self.message.read()
        self.go(b"")
        self.assertNoResult(waiting)
        self.go(b"two")
        self.assertEqual(self.successResultOf(waiting), b"two")
        self.go(b"three", fin=True)
        for piece in (b"three", b"", b""):
            self.assertEqual(self.successResultOf(self.message.read()), piece)

    def test_unlimited(self) -> None:
        """
        Without a limit, a message may announce any size; its pieces arrive as ever.
        """
        for role in Role:
            self.begin(maxReceivedMessageSize=None, role=role)
            mask = b"" if role is Role.CLIENT else bytes(4)
            head = bytes([0x80, 127 | 0x80 * bool(mask)]) + (2**40).to_bytes(8, "big")
            self.peer.send(head + mask + b"x" * 100)
            self.assertTrue(self.ends.connection.connected, role)
            self.assertEqual(self.successResultOf(self.message.read()), b"one")
            self.assertEqual(self.successResultOf(self.message.read()), b"x" * 100)

    def test_unlimitedCompressed(self) -> None:
        """
        It is the same with a message that is inflated.
        """
        data = bytes(range(256)) * 16 * KIB
        application = Keeping()
        ends = Ends(
            application,
            streamMessages=True,
            agreed=agreed(),
            maxReceivedMessageSize=None,
        )
        ends.peer.send(ends.peer.frame(Opcode.BINARY, compressed(data), rsv=0x40))
        [message] = application.kept
        read = bytearray()
        piece = b"first"
        while piece:
            reading = message.read()
            ends.peer.turn()
            piece = self.successResultOf(reading)
            self.assertLessEqual(len(piece), MAX_WAITING)
            read += piece
        self.assertEqual(read, data)

    def test_unlimitedWhole(self) -> None:
        """
        Collected in one, it may have 1 MiB, unless the application says how much.
        """
        for maxSize, size, isGiven in (
            (None, MIB, True),
            (None, MIB + 1, False),
            (2 * MIB, 2 * MIB, True),
            (2 * MIB, 2 * MIB + 1, False),
        ):
            self.begin(maxReceivedMessageSize=None)
            whole = self.message.whole(maxSize)
            self.go(bytes(size - 3), fin=True)
            if isGiven:
                self.assertEqual(len(self.successResultOf(whole)), size)
            else:
                self.failureResultOf(whole, ConnectionClosed)
                self.assertEqual(self.peer.frames()[-1].payload[:2], b"\x03\xf1")

    def test_whatGivesNothing(self) -> None:
        """
        Fragments that give no piece, more of them than may wait, hide neither what
        follows them nor the end.
        """
        nothing = b"\x00\x00\x00\xff\xff"
        data = agreed()[0].transform.encode(WORDS.encode()) or b""
        for number in (MAX_PIECES + 1, 4 * MAX_PIECES):
            ends = Ends(streamMessages=True, agreed=agreed())
            frame = ends.peer.frame
            ends.peer.send(
                frame(Opcode.BINARY, nothing, fin=False, rsv=0x40)
                + frame(Opcode.CONTINUATION, nothing, fin=False) * number
                + frame(Opcode.CONTINUATION, data)
            )
            whole = ends.connection.receive()
            ends.peer.turn()
            self.assertEqual(self.successResultOf(whole), WORDS.encode())
            self.assertTrue(ends.transport.isReading)

    def test_endWhileWaiting(self) -> None:
        """
        Who waits for a piece is told of the end.
        """
        self.message.read()
        waiting = self.message.read()
        self.go(b"", fin=True)
        self.assertEqual(self.successResultOf(waiting), b"")

    def test_cancel(self) -> None:
        """
        Cancelling a read loses nothing.
        """
        self.message.read()
        waiting = self.message.read()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.go(b"two")
        self.assertEqual(self.successResultOf(self.message.read()), b"two")

    def test_oneAtATime(self) -> None:
        """
        The pieces are taken by one only.
        """
        self.message.read()
        waiting = self.message.read()
        self.assertRaises(InvalidState, self.message.read)
        self.assertRaises(InvalidState, self.message.deliverTo, Consumer())
        self.go(b"two")
        self.successResultOf(waiting)
        self.message.deliverTo(Consumer())
        self.assertRaises(InvalidState, self.message.read)

    def test_whole(self) -> None:
        """
        The rest of a message can be had at once.
        """
        whole = self.message.whole()
        self.assertNoResult(whole)
        self.go(b"two", fin=True)
        self.assertEqual(self.successResultOf(whole), b"onetwo")

    def test_wholeTooLarge(self) -> None:
        """
        A peer that sends more than is wanted at once is closed with 1009.
        """
        whole = self.message.whole(6)
        self.go(b"two!")
        error = self.failureResultOf(whole, ConnectionClosed).value
        self.assertIs(error.report.cause, CloseCause.MESSAGE_TOO_BIG)
        [frame] = self.peer.frames()
        self.assertEqual(frame.payload[:2], (1009).to_bytes(2, "big"))
        self.begin()
        whole = self.message.whole(6)
        self.go(b"two", fin=True)
        self.assertEqual(self.successResultOf(whole), b"onetwo")

    def test_pausesPeer(self) -> None:
        """
        The peer is not read from while much waits, and is again when it is taken.
        """
        self.go(bytes(MAX_WAITING - 4))
        self.assertTrue(self.ends.transport.isReading)
        self.go(b"!")
        self.assertFalse(self.ends.transport.isReading)
        self.message.read()
        self.assertTrue(self.ends.transport.isReading)

    def test_tinyPieces(self) -> None:
        """
        Tiny pieces, which take more than their bytes, are counted, too.
        """
        tiny = self.peer.frame(Opcode.CONTINUATION, b"x", fin=False)
        self.peer.send(tiny * (MAX_PIECES - 2))
        self.assertTrue(self.ends.transport.isReading)
        self.peer.send(tiny * 5000)
        self.assertFalse(self.ends.transport.isReading)
        for _ in range(MAX_PIECES + 5000 - 1):
            self.successResultOf(self.message.read())
        self.assertNoResult(self.message.read())
        self.assertTrue(self.ends.transport.isReading)

    def test_pauseAndKeepalive(self) -> None:
        """
        A peer that is not read from, since nobody takes the pieces, is not dropped.
        """
        self.go(bytes(MAX_WAITING))
        self.peer.waitLong(100)
        self.message.read()
        self.assertTrue(self.ends.connection.connected)

    def test_pingsMeanwhile(self) -> None:
        """
        Pings between the pieces are answered while a message is read.
        """
        self.peer.ping(b"there?")
        self.assertEqual(self.peer.frames(), [pong(b"there?")])

    def test_lost(self) -> None:
        """
        If the connection ends in the middle, what has arrived can be read; then reading
        fails, also for who waited.
        """
        self.peer.vanish()
        self.assertEqual(self.successResultOf(self.message.read()), b"one")
        self.failureResultOf(self.message.read(), ConnectionClosed)
        self.failureResultOf(self.message.whole(), ConnectionClosed)
        self.begin()
        self.message.read()
        waiting = self.message.read()
        self.peer.vanish()
        self.failureResultOf(waiting, ConnectionClosed)

    def test_peerCloses(self) -> None:
        """
        A peer that closes in the middle of a message has not completed it, however
        clean the close is.
        """
        whole = self.message.whole()
        self.peer.sendClose()
        self.peer.end()
        error = self.failureResultOf(whole, ConnectionClosed).value
        self.assertTrue(error.report.wasClean)

    def test_completeBeforeLoss(self) -> None:
        """
        A message that has arrived is there to its end, whatever becomes of the
        connection.
        """
        self.go(b"two", fin=True)
        self.peer.vanish()
        self.assertEqual(self.successResultOf(self.message.whole()), b"onetwo")

    def test_closing(self) -> None:
        """
        Pieces that wait, and pause the peer, do not hide its close when we close; what
        has not arrived by then does not arrive.
        """
        self.go(bytes(MAX_WAITING))
        self.assertFalse(self.ends.transport.isReading)
        closed = self.ends.connection.close()
        self.go(b"too late", fin=True)
        self.peer.sendClose()
        self.peer.end()
        report = self.successResultOf(closed)
        self.assertTrue(report.wasClean)
        self.assertEqual(report.messagesDiscarded, 1)
        self.assertEqual(self.successResultOf(self.message.read()), b"one")
        sizes = [len(self.successResultOf(self.message.read())) for _ in range(2)]
        self.assertEqual(sum(sizes), MAX_WAITING)
        self.failureResultOf(self.message.read(), ConnectionClosed)
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_badText(self) -> None:
        """
        Text that is no UTF-8 closes the connection with 1007 and fails what reads it,
        compressed or not.
        """
        for payload, rsv in ((b"ok\xff", 0), (compressed(b"ok\xff" * 99), 0x40)):
            application = Keeping()
            ends = Ends(application, agreed=agreed(), streamMessages=True)
            begin = ends.peer.frame(Opcode.TEXT, payload[:2], fin=False, rsv=rsv)
            ends.peer.send(begin)
            whole = application.kept[0].whole()
            ends.peer.send(ends.peer.frame(Opcode.CONTINUATION, payload[2:]))
            ends.peer.end()
            error = self.failureResultOf(whole, ConnectionClosed).value
            self.assertIs(error.report.cause, CloseCause.INVALID_DATA)

    def test_corrupt(self) -> None:
        """
        Data that was not compressed fails what reads it, again and again.
        """
        application = Keeping()
        ends = Ends(application, agreed=agreed(), streamMessages=True)
        ends.peer.send(ends.peer.frame(Opcode.BINARY, b"\xff" * 9, rsv=0x40))
        self.failureResultOf(application.kept[0].read(), ConnectionClosed)
        [frame] = ends.peer.frames()
        self.assertEqual(frame.payload[:2], (1007).to_bytes(2, "big"))
        for _ in range(2):
            error = self.failureResultOf(application.kept[0].read(), ConnectionClosed)
            self.assertIs(error.value.report.cause, CloseCause.INVALID_DATA)
        application.done[0].callback(None)


class ConsumerTests(SynchronousTestCase):
    """
    Tests of delivering a message to a consumer.
    """

    def setUp(self) -> None:
        self.application = Keeping()
        self.ends = Ends(
            self.application,
            streamMessages=True,
            agreed=agreed(),
            maxReceivedMessageSize=8 * MIB,
        )
        self.peer = self.ends.peer

    def begin(self, consumer: Any, opcode: int = Opcode.BINARY) -> Deferred[None]:
        """
        Have a message that begins go to a consumer.
        """
        self.peer.send(self.peer.frame(opcode, b"one", fin=False))
        return self.application.kept[-1].deliverTo(consumer)

    def go(self, payload: bytes, fin: bool = False) -> None:
        """
        Send more of the message.
        """
        self.peer.send(self.peer.frame(Opcode.CONTINUATION, payload, fin=fin))

    def test_deliver(self) -> None:
        """
        A consumer gets all of a message, and then is left alone.
        """
        for opcode in (Opcode.BINARY, Opcode.TEXT):
            consumer = Consumer()
            done = self.begin(consumer, opcode)
            self.assertTrue(consumer.isStreaming)
            self.assertEqual(consumer.taken, b"one")
            self.go(WORDS.encode())
            self.assertNoResult(done)
            self.go(b"", fin=True)
            self.assertEqual(consumer.taken, b"one" + WORDS.encode())
            self.assertIsNone(consumer.producer)
            self.assertIsNone(self.successResultOf(done))
            self.application.done[-1].callback(None)

    def test_slow(self) -> None:
        """
        A consumer that has enough pauses the peer, and takes the rest when it can.
        """
        consumer = Consumer(4)
        done = self.begin(consumer)
        self.go(b"two")
        self.go(bytes(MAX_WAITING))
        self.assertEqual(consumer.taken, b"onetwo")
        self.assertFalse(self.ends.transport.isReading)
        self.go(b"", fin=True)
        self.assertNoResult(done)
        consumer.takeMore(2**60)
        self.peer.turn()
        self.assertEqual(len(consumer.taken), MAX_WAITING + 6)
        self.successResultOf(done)

    def test_slowAtOnce(self) -> None:
        """
        Of the pieces that wait, a consumer gets no more than it takes.
        """
        self.peer.send(self.peer.frame(Opcode.BINARY, b"one", fin=False))
        self.go(b"two")
        self.go(b"three")
        consumer = Consumer(4)
        self.application.kept[0].deliverTo(consumer)
        self.assertEqual(consumer.taken, b"onetwo")
        consumer.takeMore(99)
        self.assertEqual(consumer.taken, b"onetwothree")

    def test_turns(self) -> None:
        """
        Of what becomes large others have their turns between the steps.
        """
        consumer = Consumer()
        data = compressed(bytes(4 * MIB))
        self.peer.transport.arrived += self.peer.frame(Opcode.BINARY, data, rsv=0x40)
        self.peer.transport.turn()
        done = self.application.kept[0].deliverTo(consumer)
        self.assertEqual(len(consumer.taken), MIB)
        self.peer.turn()
        self.assertEqual(len(consumer.taken), 4 * MIB)
        self.successResultOf(done)

    def test_pausedBetweenTurns(self) -> None:
        """
        A consumer that pauses between two turns is left alone until it resumes.
        """
        consumer = Consumer()
        data = self.peer.frame(Opcode.BINARY, compressed(bytes(2 * MIB)), rsv=0x40)
        self.peer.transport.arrived += data
        self.peer.transport.turn()
        self.application.kept[0].deliverTo(consumer)
        consumer.producer.pauseProducing()
        self.peer.turn()
        self.assertEqual(len(consumer.taken), MIB)
        consumer.producer.resumeProducing()
        self.peer.turn()
        self.assertEqual(len(consumer.taken), 2 * MIB)

    def test_outlivesHook(self) -> None:
        """
        What goes to a consumer goes on when the hook is over; the next message waits.
        """
        consumer = Consumer()
        done = self.begin(consumer)
        self.application.done[0].callback(None)
        self.go(b"two", fin=True)
        self.successResultOf(done)
        self.assertEqual(consumer.taken, b"onetwo")
        self.peer.sendText("next")
        self.assertEqual(len(self.application.kept), 2)

    def test_stop(self) -> None:
        """
        A consumer that wants no more gets no more, and the rest is discarded; so it is
        when the delivery is cancelled.
        """
        for stop in (
            lambda consumer, done: consumer.producer.stopProducing(),
            lambda consumer, done: done.cancel(),
        ):
            consumer = Consumer()
            done = self.begin(consumer)
            stop(consumer, done)
            self.failureResultOf(done, CancelledError)
            self.assertIsNone(consumer.producer)
            self.go(bytes(MAX_WAITING))
            self.assertTrue(self.ends.transport.isReading)
            self.go(b"two", fin=True)
            self.assertEqual(consumer.taken, b"one")
            self.application.done[-1].callback(None)
        self.peer.sendText("next")
        self.assertEqual(len(self.application.kept), 3)

    def test_brokenConsumer(self) -> None:
        """
        A consumer that raises fails the delivery.
        """

        class Broken(Consumer):
            def write(self, data: bytes) -> None:
                raise kind

        for kind in (OddError, SystemExit):
            self.failureResultOf(self.begin(Broken()), kind)
            self.go(b"", fin=True)
            self.application.done[-1].callback(None)

    def test_lost(self) -> None:
        """
        A consumer is left alone when the connection is lost, and the delivery fails.
        """
        consumer = Consumer()
        done = self.begin(consumer)
        self.peer.vanish()
        self.failureResultOf(done, ConnectionClosed)
        self.assertIsNone(consumer.producer)


class PullTests(SynchronousTestCase):
    """
    Tests of asking for messages.
    """

    def setUp(self) -> None:
        self.ends = Ends(streamMessages=True)
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def test_unlimitedReceive(self) -> None:
        """
        If messages have no limit, receive() still has one.
        """
        ends = Ends(streamMessages=True, maxReceivedMessageSize=None)
        receiving = ends.connection.receive()
        ends.peer.sendBytes(bytes(MIB))
        self.assertEqual(len(self.successResultOf(receiving)), MIB)
        receiving = ends.connection.receive()
        ends.peer.sendBytes(bytes(MIB + 1))
        error = self.failureResultOf(receiving, ConnectionClosed).value
        self.assertEqual(error.report.sentCode, 1009)

    def test_nextMessage(self) -> None:
        """
        A message is given as soon as it begins, to who waited or comes later.
        """
        waiting = self.connection.receiveStream()
        self.peer.send(self.peer.frame(Opcode.TEXT, b"a", fin=False))
        message = self.successResultOf(waiting)
        self.assertIsInstance(message, MessageReader)
        self.assertEqual(self.successResultOf(message.read()), "a")
        self.peer.send(self.peer.frame(Opcode.CONTINUATION, b""))
        self.assertEqual(self.successResultOf(message.read()), "")
        self.peer.sendText("b")
        message = self.successResultOf(self.connection.receiveStream())
        self.assertEqual(self.successResultOf(message.whole()), "b")

    def test_off(self) -> None:
        """
        Where messages are not streamed, asking for one in pieces names the option.
        """
        error = self.assertRaises(InvalidState, Ends().connection.receiveStream)
        self.assertIn("streamMessages", str(error))

    def test_rest(self) -> None:
        """
        What is left of a message when the next is asked for is discarded and counted;
        the next one is given when that has arrived.
        """
        self.peer.send(self.peer.frame(Opcode.TEXT, b"a", fin=False))
        first = self.successResultOf(self.connection.receiveStream())
        waiting = self.connection.receiveStream()
        self.assertRaises(InvalidState, first.read)
        self.peer.send(self.peer.frame(Opcode.CONTINUATION, b"b"))
        self.assertNoResult(waiting)
        self.peer.sendText("c")
        message = self.successResultOf(waiting)
        self.assertEqual(self.successResultOf(message.whole()), "c")
        closed = self.connection.close()
        self.peer.sendClose()
        self.peer.end()
        self.assertEqual(self.successResultOf(closed).messagesDiscarded, 1)

    def test_restTakesTime(self) -> None:
        """
        The next message is given when all of the one before has been discarded, since
        what is compressed may refer to it.
        """
        ends = Ends(streamMessages=True, agreed=agreed(), maxReceivedMessageSize=2**30)
        theirs = agreed()[0].transform
        datas = [bytes(4 * MIB), WORDS.encode() * 9, WORDS.encode() * 9]
        frames = [theirs.encode(data) or b"" for data in datas]
        for frame in frames:
            ends.peer.arrive(ends.peer.frame(Opcode.BINARY, frame, rsv=0x40))
        self.successResultOf(ends.connection.receiveStream())
        waiting = ends.connection.receiveStream()
        self.assertNoResult(waiting)
        ends.peer.turn()
        message = self.successResultOf(waiting)
        self.assertEqual(self.successResultOf(message.whole()), datas[1])
        self.assertEqual(self.successResultOf(ends.connection.receive()), datas[2])

    def test_cancel(self) -> None:
        """
        Cancelling loses no message.
        """
        waiting = self.connection.receiveStream()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.peer.sendText("a")
        message = self.successResultOf(self.connection.receiveStream())
        self.assertEqual(self.successResultOf(message.whole()), "a")

    def test_wholeOnes(self) -> None:
        """
        Who asks for whole messages gets whole messages, in order; cancelling loses
        none, also in the middle of one.
        """
        first, second = self.connection.receive(), self.connection.receive()
        data = (
            self.peer.text("one") + self.peer.binary(b"two") + self.peer.text("three")
        )
        self.peer.send(data[:8])
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.peer.send(data[8:])
        self.assertEqual(self.successResultOf(second), "one")
        for message in (b"two", "three"):
            self.assertEqual(self.successResultOf(self.connection.receive()), message)
        waiting = self.connection.receive()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.peer.sendText("four")
        self.assertEqual(self.successResultOf(self.connection.receive()), "four")
        last = self.connection.receive()
        self.peer.vanish()
        self.failureResultOf(last, ConnectionClosed)
        self.failureResultOf(self.connection.receive(), ConnectionClosed)

    def test_pausesPeer(self) -> None:
        """
        Nobody reads from a peer while 16 messages wait, or many bytes of them.
        """
        self.peer.sendText(*"abcdefghijklmno")
        self.assertTrue(self.ends.transport.isReading)
        self.peer.sendText("p")
        self.assertFalse(self.ends.transport.isReading)
        for letter in "abcdefghijklmnop":
            self.assertEqual(self.successResultOf(self.connection.receive()), letter)
        self.assertTrue(self.ends.transport.isReading)
        self.peer.sendBytes(bytes(MAX_WAITING))
        self.assertFalse(self.ends.transport.isReading)

    def test_afterLoss(self) -> None:
        """
        Messages that have arrived can be had after the end; then there are no more.
        """
        self.peer.sendText("a", "b")
        waiting = self.connection.receiveStream()
        self.peer.send(self.peer.frame(Opcode.TEXT, b"c", fin=False))
        self.peer.vanish()
        self.assertEqual(
            self.successResultOf(self.successResultOf(waiting).whole()), "a"
        )
        self.assertEqual(self.successResultOf(self.connection.receive()), "b")
        half = self.successResultOf(self.connection.receiveStream())
        self.assertEqual(self.successResultOf(half.read()), "c")
        self.failureResultOf(half.read(), ConnectionClosed)
        self.failureResultOf(self.connection.receiveStream(), ConnectionClosed)

    def test_lostInTheRest(self) -> None:
        """
        Who waits for the next message while much of one before is discarded, which then
        turns out to be cut off or corrupt, is told that there are no more.
        """
        [agreement] = agreed()
        large = agreement.transform.encode(bytes(4 * MIB)) or b""
        for data, fin in ((large, False), (large + b"\xff" * 9, True)):
            ends = Ends(
                streamMessages=True, agreed=agreed(), maxReceivedMessageSize=8 * MIB
            )
            ends.peer.send(ends.peer.frame(Opcode.BINARY, data, fin=fin, rsv=0x40))
            self.successResultOf(ends.connection.receiveStream())
            ends.peer.vanish()
            waiting = ends.connection.receiveStream()
            self.assertNoResult(waiting)
            ends.peer.turn()
            self.failureResultOf(waiting, ConnectionClosed)

    def test_behindFault(self) -> None:
        """
        What has arrived behind a message that is corrupt is not given, in whichever way
        it is asked for: the connection has ended with that.
        """
        for ask in ("receiveStream", "receive"):
            ends = Ends(streamMessages=True, agreed=agreed())
            corrupt = ends.peer.frame(Opcode.BINARY, b"\xff" * 9, rsv=0x40)
            ends.peer.send(corrupt + ends.peer.text("behind"))
            failed = ends.connection.receive()
            asked = getattr(ends.connection, ask)()
            ends.peer.end()
            ends.peer.turn()
            for each in (failed, asked, getattr(ends.connection, ask)()):
                error = self.failureResultOf(each, ConnectionClosed).value
                self.assertIs(error.report.cause, CloseCause.INVALID_DATA)

    def test_lostWhileWaiting(self) -> None:
        """
        Who waits for a message when the connection is lost is told so.
        """
        waiting = self.connection.receiveStream()
        self.peer.vanish()
        self.failureResultOf(waiting, ConnectionClosed)

    def test_lostBehindUnread(self) -> None:
        """
        Who waits for a message behind one that nobody reads is told of the end, too;
        what has arrived can still be asked for.
        """
        for ask in ("receiveStream", "receive"):
            ends = Ends(streamMessages=True)
            first = ends.connection.receiveStream()
            waiting = getattr(ends.connection, ask)()
            ends.peer.sendText("a", "b")
            ends.peer.vanish()
            self.failureResultOf(waiting, ConnectionClosed)
            message = self.successResultOf(first)
            self.assertEqual(self.successResultOf(message.whole()), "a")
            self.assertEqual(self.successResultOf(ends.connection.receive()), "b")

    def readAll(self) -> Deferred[list[Any]]:
        """
        All messages.
        """

        async def read() -> list[Any]:
            return [
                await message.whole() async for message in self.connection.streams()
            ]

        return Deferred.fromCoroutine(read())

    def test_messages(self) -> None:
        """
        A loop over the messages ends at a clean close, and raises otherwise.
        """
        for end in ("sendClose", "vanish"):
            self.setUp()
            read = self.readAll()
            self.peer.sendText("a", "b")
            getattr(self.peer, end)()
            self.peer.turn()
            if end == "vanish":
                self.failureResultOf(read, ConnectionClosed)
            else:
                self.assertEqual(self.successResultOf(read), ["a", "b"])

    def test_handler(self) -> None:
        """
        A handler on a server reads a client's message while it is sent, and with
        compression as without.
        """
        got: list[Any] = []

        async def handler(request: WebSocketRequest) -> None:
            async for message in request.accept().streams():
                async for piece in message:
                    got.append(piece)  # noqa: PERF401 - as it comes

        for extensions in ((), (Deflate(),)):
            site = MemorySite(
                handler, ServerConfig(streamMessages=True, extensions=extensions)
            )
            client = self.successResultOf(
                site.connect(config=ClientConfig(extensions=extensions))
            )
            message = client.sendStream()
            for letter in (b"a", b"b", b"c"):
                message.write(letter * 100)
                site.flush()
                self.assertEqual(got.pop(), letter * 100)
            message.end()
            closed = client.close()
            site.flush()
            self.assertTrue(self.successResultOf(closed).wasClean)


def isDue(clock: Clock) -> bool:
    """
    Is there anything to be done in the next turn?
    """
    return any(each.getTime() <= clock.seconds() for each in clock.getDelayedCalls())


class Counted:
    """
    Compression that counts what is inflated.
    """

    def __init__(self, transform: Any, count: Callable[[int], object]) -> None:
        self._transform = transform
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transform, name)

    def decodePieces(self, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
        """
        Inflate, and count.
        """
        for piece in self._transform.decodePieces(pieces, limit):
            self._count(len(piece))
            yield piece


class TurnTests(SynchronousTestCase):
    """
    Tests of how much is inflated in one turn of the reactor.
    """

    def setUp(self) -> None:
        self.inflated = 0

    def count(self, size: int) -> None:
        """
        So much was inflated.
        """
        self.inflated += size

    def start(self, application: object | None = None) -> Ends:
        """
        A connection whose peer may send a lot.
        """
        [one] = agreed()
        transform: Any = Counted(one.transform, self.count)
        return Ends(
            application,
            agreed=[one._replace(transform=transform)],
            streamMessages=True,
            maxReceivedMessageSize=2**40,
        )

    def runAll(self, ends: Ends, work: Callable[[], object]) -> int:
        """
        Do something, and then what follows in later turns, none of which may take long;
        return how many these were.
        """
        clock, turns = ends.peer.clock, 0
        while True:
            before = self.inflated
            work()
            self.assertLessEqual(self.inflated - before, MIB + 64 * KIB)
            if not isDue(clock):
                return turns
            work = partial(oneTurn, clock)
            turns += 1

    def arrive(self, ends: Ends, *datas: bytes) -> None:
        """
        Have these messages arrive at once.
        """
        frame = ends.peer.frame
        frames = [frame(Opcode.BINARY, compressed(data), rsv=0x40) for data in datas]
        ends.peer.arrive(b"".join(frames))

    def test_read(self) -> None:
        """
        An application that reads all there is gets it in several turns.
        """

        class Reading(WebSocketProtocol):
            size = 0

            async def messageStarted(self, message: Any) -> None:
                async for piece in message:
                    self.size += len(piece)

        reading = Reading()
        ends = self.start(reading)
        turns = self.runAll(ends, lambda: self.arrive(ends, bytes(32 * MIB), bytes(99)))
        self.assertGreater(turns, 28)
        self.assertEqual(reading.size, 32 * MIB + 99)

    def test_emptyBlocks(self) -> None:
        """
        Messages that cost much and become nothing are read in several turns as well.
        """
        ends = self.start()
        one = ends.peer.frame(Opcode.BINARY, emptyBlocks(60 * KIB), rsv=0x40)
        ends.peer.arrive(one * 10)

        async def skip() -> None:
            for _ in range(10):
                message = await ends.connection.receiveStream()
                self.assertEqual(await message.whole(), b"")

        done: list[Deferred[None]] = []
        turns = self.runAll(ends, lambda: done.append(Deferred.fromCoroutine(skip())))
        self.assertGreaterEqual(turns, 4)
        self.assertTrue(done[0].called)

    def test_tiny(self) -> None:
        """
        So are messages that are empty, of which a read has thousands.
        """
        ends = self.start(Recorder())
        one = ends.peer.frame(Opcode.BINARY, b"\0", rsv=0x40)
        turns = self.runAll(ends, lambda: ends.peer.arrive(one * 9000))
        self.assertGreaterEqual(turns, 4)

    def test_unwanted(self) -> None:
        """
        So does an application that takes none of them, and its peer can go on.
        """

        class Careless(Recorder):
            def messageStarted(self, message: Any) -> None:
                self.told.append("message")

        application = Careless()
        ends = self.start(application)
        self.runAll(ends, lambda: self.arrive(ends, *[bytes(100 * KIB)] * 50))
        self.assertEqual(application.told.count("message"), 50)
        self.assertEqual(self.inflated, 5000 * KIB)
        self.assertTrue(ends.transport.isReading)

    def test_skipped(self) -> None:
        """
        Neither do messages that are passed over in pull style take a turn too long.
        """
        ends = self.start()
        self.arrive(ends, *[bytes(300 * KIB)] * 15, bytes(99))

        async def skip() -> str | bytes:
            for _ in range(15):
                await ends.connection.receiveStream()
            return await (await ends.connection.receiveStream()).whole()

        done: list[Deferred[Any]] = []
        turns = self.runAll(ends, lambda: done.append(Deferred.fromCoroutine(skip())))
        self.assertGreater(turns, 2)
        self.assertEqual(self.successResultOf(done[0]), bytes(99))

    def test_consumer(self) -> None:
        """
        Nor do messages that go to a consumer.
        """
        taken = []

        class Passing(WebSocketProtocol):
            def messageStarted(self, message: Any) -> Any:
                taken.append(Consumer(2**62))
                return message.deliverTo(taken[-1])

        ends = self.start(Passing())
        self.runAll(ends, lambda: self.arrive(ends, *[bytes(400 * KIB)] * 20))
        self.assertEqual([len(each.taken) for each in taken], [400 * KIB] * 20)

    def test_cancelled(self) -> None:
        """
        A read that is cancelled while it is another's turn loses nothing.
        """
        ends = self.start()
        self.arrive(ends, bytes(2 * MIB) + b"end")
        message = self.successResultOf(ends.connection.receiveStream())
        read: Deferred[Any] = message.read()
        taken = []
        while read.called:
            taken.append(self.successResultOf(read))
            read = message.read()
        read.cancel()
        self.failureResultOf(read, CancelledError)
        oneTurn(ends.peer.clock)
        rest = message.whole()
        ends.peer.turn()
        taken.append(self.successResultOf(rest))
        self.assertEqual(b"".join(taken), bytes(2 * MIB) + b"end")

    def test_lost(self) -> None:
        """
        What had arrived before the connection was lost is read likewise.
        """
        ends = self.start()
        self.arrive(ends, bytes(8 * MIB))
        message = self.successResultOf(ends.connection.receiveStream())
        ends.peer.vanish()
        whole: list[Deferred[Any]] = []
        turns = self.runAll(ends, lambda: whole.append(message.whole()))
        self.assertGreater(turns, 6)
        self.assertEqual(self.successResultOf(whole[0]), bytes(8 * MIB))


class MemoryTests(SynchronousTestCase):
    """
    Tests of how much is held.
    """

    def measure(self, send: Callable[[Ends], None], size: int) -> None:
        """
        Count what is held at most, while a message of this size is sent.
        """
        count = 0

        class Counting(WebSocketProtocol):
            async def messageStarted(self, message: Any) -> None:
                nonlocal count
                async for piece in message:
                    count += len(piece)

        ends = Ends(
            Counting(),
            agreed=agreed(),
            streamMessages=True,
            maxReceivedMessageSize=2**40,
        )
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        send(ends)
        ends.peer.turn()
        self.assertEqual(count, size)
        self.assertLess(tracemalloc.get_traced_memory()[1], MIB)
        tracemalloc.stop()

    def test_plain(self) -> None:
        """
        A message of 64 MiB passes through while less than 1 MiB is held.
        """

        def send(ends: Ends) -> None:
            head = b"\x82\xff" + (64 * MIB).to_bytes(8, "big") + bytes(4)
            ends.peer.arrive(head)
            chunk = bytes(64 * KIB)
            for _ in range(1024):
                ends.peer.arrive(chunk)

        self.measure(send, 64 * MIB)

    def test_compressed(self) -> None:
        """
        So does one that is compressed, though all of it arrives at once.
        """
        data = compressed(bytes(64 * MIB))
        frame = Ends().peer.frame(Opcode.BINARY, data, rsv=0x40)
        self.assertLess(len(frame), 100 * KIB)
        self.measure(lambda ends: ends.peer.send(frame), 64 * MIB)

    def test_discarded(self) -> None:
        """
        So does one that nobody wants.
        """
        frame = Ends().peer.frame(Opcode.BINARY, compressed(bytes(8 * MIB)), rsv=0x40)

        class Careless(Recorder):
            def messageStarted(self, message: Any) -> Any:
                return None

        ends = Ends(
            Careless(),
            agreed=agreed(),
            streamMessages=True,
            maxReceivedMessageSize=2**40,
        )
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        ends.peer.arrive(frame)
        ends.peer.turn()
        self.assertLess(tracemalloc.get_traced_memory()[1], MIB)
        self.assertTrue(ends.transport.isReading)
        ends.peer.ping(b"?")
        self.assertEqual(ends.peer.frames()[-1], pong(b"?"))
