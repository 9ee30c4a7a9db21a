# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.streaming`, and of a connection's part in it.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.conversation import Conversation
from tests.support.splits import everySplit
from txwebsocket.wire.codes import CloseCause, Opcode, Role
from txwebsocket.wire.deflate import Deflate, DeflateTransform
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.extensions import (
    MessageTooBig,
    MessageTransform,
    StreamingTransform,
)
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.streaming import StreamingDecoder, StreamingEncoder

CONTINUATION, TEXT, BINARY = Opcode(0), Opcode.TEXT, Opcode.BINARY
RSV1 = 0x40
WORDS = "Größe 大きい 😀 and so on. " * 9


def deflate(isFresh: bool = False, bits: int = 12, **options: Any) -> DeflateTransform:
    """
    What compresses, the same in both directions.
    """
    return DeflateTransform(
        Deflate(**options),
        ownBits=bits,
        isOwnFresh=isFresh,
        peerBits=bits,
        isPeerFresh=isFresh,
    )


class Reverse:
    """
    An extension that knows whole messages only.
    """

    rsv = 0x20
    releaseAfter = None

    def encode(self, payload: bytes) -> bytes | None:
        """
        Turn it round.
        """
        return payload[::-1]

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Turn it back.
        """
        if len(payload) > limit:
            raise MessageTooBig
        return payload[::-1]

    def sharingKey(self) -> Any:
        """
        All are alike.
        """
        return 1

    def release(self) -> None:
        """
        There is nothing to let go of.
        """


def decoder(
    first: Frame, *transforms: MessageTransform, limit: int = 2**20
) -> StreamingDecoder:
    """
    One that has got the first fragment.
    """
    made = StreamingDecoder(first, transforms, limit)
    made.add(first)
    return made


def takeAll(decoder: StreamingDecoder) -> list[Any]:
    """
    The pieces that are there, and what comes then.
    """
    pieces = [decoder.take()]
    while isinstance(pieces[-1], str | bytes) and pieces[-1]:
        pieces.append(decoder.take())
    return pieces


def decodeIn(
    chunks: list[bytes], opcode: int, rsv: int, *transforms: MessageTransform
) -> Any:
    """
    What becomes of a message that arrives like that, taken as it arrives.
    """
    made = StreamingDecoder(Frame(opcode, b"", False, rsv), transforms, 2**20)
    pieces = []
    for number, chunk in enumerate(chunks, 1):
        made.add(Frame(CONTINUATION, chunk, number == len(chunks)))
        pieces += takeAll(made)
    end = pieces.pop()
    taken = [piece for piece in pieces if piece is not None]
    return end[:0].join(taken) if isinstance(end, str | bytes) else end


class PieceDecoderTests(SynchronousTestCase):
    """
    Tests of messages that arrive in fragments.
    """

    def test_binary(self) -> None:
        """
        The pieces of a binary message are its fragments; then there is nothing, until
        more arrives or the message is over.
        """
        made = decoder(Frame(BINARY, b"one", False))
        self.assertFalse(made.isText)
        self.assertEqual(takeAll(made), [b"one", None])
        made.add(Frame(CONTINUATION, b"", False))
        self.assertEqual(takeAll(made), [None])
        made.add(Frame(CONTINUATION, b"two", False))
        made.add(Frame(CONTINUATION, b"three", True))
        self.assertEqual(takeAll(made), [b"two", b"three", b""])
        self.assertEqual(takeAll(made), [b""])

    def test_empty(self) -> None:
        """
        Empty messages are messages.
        """
        self.assertEqual(takeAll(decoder(Frame(BINARY))), [b""])
        self.assertEqual(takeAll(decoder(Frame(TEXT))), [""])

    def test_raising(self) -> None:
        """
        An extension that raises ends the message with an error for everybody who asks,
        and never as if it were complete.
        """

        class Broken(Reverse):
            def decode(self, payload: bytes, limit: int) -> bytes:
                raise ZeroDivisionError

        made = decoder(Frame(TEXT, b"one", True, Reverse.rsv), Broken())
        self.assertRaises(ZeroDivisionError, made.take)
        for _ in range(2):
            self.assertEqual(made.take(), ProtocolFailure(1011, ""))

    def test_size(self) -> None:
        """
        What waits is counted, and whether all of it is there.
        """
        made = decoder(Frame(BINARY, b"one", False))
        made.add(Frame(CONTINUATION, b"three", True))
        self.assertEqual((made.size, made.isComplete), (8, True))
        made.take()
        self.assertEqual((made.size, made.isComplete), (5, True))
        takeAll(made)
        self.assertEqual(made.size, 0)

    def test_text(self) -> None:
        """
        However a text is cut, its pieces end at characters.
        """
        for chunks in everySplit(WORDS.encode(), 100):
            self.assertEqual(decodeIn(chunks, TEXT, 0), WORDS)

    def test_deflate(self) -> None:
        """
        A compressed message is inflated however it is cut, and so are those after it.
        """
        for isFresh in (False, True):
            theirs, ours = deflate(isFresh), deflate(isFresh)
            for chunks in everySplit(theirs.encode(WORDS.encode()) or b""):
                self.assertEqual(decodeIn(chunks, TEXT, RSV1, deflate()), WORDS)
            theirs = deflate(isFresh, minSize=0)
            for message in (b"one" * 9, b"two" * 40, bytes(10**5), b"one" * 9):
                chunk = theirs.encode(message) or b""
                found = decodeIn([chunk[:5], chunk[5:]], BINARY, RSV1, ours)
                self.assertEqual(found, message)

    def test_bounded(self) -> None:
        """
        What is small on the wire becomes large a step at a time.
        """
        small = deflate().encode(bytes(2**20)) or b""
        made = decoder(Frame(BINARY, small, True, RSV1), deflate())
        sizes = [len(piece) for piece in takeAll(made)]
        self.assertLess(len(small), 2000)
        self.assertEqual(max(sizes), 2**16)
        self.assertEqual(sum(sizes), 2**20)

    def test_tooBig(self) -> None:
        """
        More than the limit is refused, naming the option, however often one asks.
        """
        small = deflate().encode(bytes(10**6)) or b""
        made = decoder(Frame(BINARY, small, True, RSV1), deflate(), limit=10**5)
        *_, failure = takeAll(made)
        self.assertEqual(failure[0], 1009)
        self.assertIn("maxReceivedMessageSize", failure[1])
        self.assertEqual(made.take(), failure)

    def test_corrupt(self) -> None:
        """
        What was not compressed, and text that is no UTF-8, is refused.
        """
        failure = decodeIn([b"\xff", b"\xff\xff"], BINARY, RSV1, deflate())
        self.assertEqual(failure[0], 1007)
        for bad in (b"ok\xff", b"ok\xed\xa0", b"ok\xc3"):
            _, data, _ = StreamingEncoder(TEXT, [deflate()]).encode(bad, True)
            for payload, rsv in ((bad, 0), (data, RSV1)):
                for chunks in everySplit(payload):
                    failure = decodeIn(chunks, TEXT, rsv, deflate())
                    self.assertEqual(
                        failure, ProtocolFailure(1007, "a text message is not UTF-8")
                    )

    def test_wholeOnly(self) -> None:
        """
        An extension that knows whole messages only gets them, alone or with others.
        """
        message = WORDS.encode()
        for chunks in everySplit(message[::-1], 30):
            self.assertEqual(decodeIn(chunks, TEXT, 0x20, Reverse()), WORDS)
        both = deflate().encode(message[::-1]) or b""
        for chunks in everySplit(both, 30):
            found = decodeIn(chunks, TEXT, RSV1 | 0x20, Reverse(), deflate())
            self.assertEqual(found, WORDS)
        made = decoder(Frame(BINARY, b"12345", True, 0x20), Reverse(), limit=4)
        self.assertEqual(made.take()[0], 1009)  # type: ignore[index]
        self.assertEqual(
            takeAll(decoder(Frame(BINARY, b"", True, 0x20), Reverse()))[-1], b""
        )


class PieceEncoderTests(SynchronousTestCase):
    """
    Tests of messages that are sent in pieces.
    """

    def decode(
        self, frames: list[tuple[int, bytes, int]], *transforms: MessageTransform
    ) -> Any:
        """
        What the peer makes of these frames.
        """
        opcode, _, flags = frames[0]
        chunks = [payload for _, payload, _ in frames]
        return decodeIn(chunks, opcode, flags & 0x70, *transforms)

    def test_plain(self) -> None:
        """
        Each piece is a frame: the first has the kind of the message, the last its end.
        """
        encoder = StreamingEncoder(TEXT, ())
        self.assertFalse(encoder.hasBegun)
        self.assertEqual(encoder.encode(b"a", False), (TEXT, b"a", 0))
        self.assertTrue(encoder.hasBegun)
        self.assertEqual(encoder.encode(b"", False), (CONTINUATION, b"", 0))
        self.assertEqual(encoder.encode(b"b", True), (CONTINUATION, b"b", 0x80))
        self.assertEqual(
            StreamingEncoder(BINARY, ()).encode(b"a", True), (2, b"a", 0x80)
        )

    def test_deflate(self) -> None:
        """
        Pieces are compressed with what came before, in the message and in those before
        it, and are there for the peer at once; an end can come with the last or alone.
        """
        for isFresh in (False, True):
            theirs, ours = deflate(isFresh), deflate(isFresh)
            noise = Random(1).randbytes(50)
            for pieces in ([noise, b"", noise, b""], [noise], [b""], [b"", b""]):
                encoder = StreamingEncoder(BINARY, [ours])
                last = len(pieces) - 1
                frames = [encoder.encode(p, n == last) for n, p in enumerate(pieces)]
                self.assertEqual([f[2] & RSV1 for f in frames][:1], [RSV1])
                self.assertFalse(any(f[2] & RSV1 for f in frames[1:]))
                self.assertEqual(self.decode(frames, theirs), b"".join(pieces))
                if len(pieces) == 4:
                    self.assertLess(len(frames[2][1]), 20)

    def test_betweenWholeMessages(self) -> None:
        """
        Whole messages and those in pieces share what they refer to.
        """
        ours, theirs = deflate(), deflate()
        words = WORDS.encode()
        self.assertEqual(theirs.decode(ours.encode(words) or b"", 2**20), words)
        encode = ours.encodePieces()
        assert encode is not None
        small = encode(words, False) + encode(b"", True)
        self.assertLess(len(small), 40)
        self.assertEqual(theirs.decode(small, 2**20), words)
        self.assertEqual(theirs.decode(ours.encode(words) or b"", 2**20), words)

    def test_smallWindow(self) -> None:
        """
        A window that zlib can't make leaves pieces alone.
        """
        self.assertIsNone(deflate(bits=8).encodePieces())
        encoder = StreamingEncoder(TEXT, [deflate(bits=8)])
        self.assertEqual(encoder.encode(b"a" * 99, False), (TEXT, b"a" * 99, 0))

    def test_wholeOnly(self) -> None:
        """
        An extension that knows whole messages only leaves pieces alone.
        """
        encoder = StreamingEncoder(TEXT, [Reverse()])
        self.assertEqual(encoder.encode(b"abc", True), (TEXT, b"abc", 0x80))

    def test_protocol(self) -> None:
        """
        Deflate is a transform that works in pieces.
        """
        transform: StreamingTransform = deflate()
        encode: Callable[[bytes, bool], bytes] | None = transform.encodePieces()
        pieces: Iterator[bytes] = transform.decodePieces(iter([]), 1)
        self.assertTrue(callable(encode))
        self.assertEqual(list(pieces), [])


class ConnectionTests(SynchronousTestCase):
    """
    Tests of what a connection does with pieces.
    """

    def test_receiving(self) -> None:
        """
        A message is told as fragments while it arrives, and counted at its end.
        """
        for role in Role:
            talk = Conversation(role, streamMessages=True)
            data = talk.frame(TEXT, b"Hello")
            cut = len(data) - 3
            self.assertEqual(talk.receive(data[:cut]), [Frame(TEXT, b"He", False)])
            self.assertEqual(talk.connection.messagesReceived, 0)
            self.assertEqual(talk.receive(data[cut:]), [Frame(CONTINUATION, b"llo")])
            self.assertEqual(talk.connection.messagesReceived, 1)
            self.assertEqual(talk.receive(talk.frame(BINARY)), [Frame(BINARY)])

    def test_decoderFor(self) -> None:
        """
        What reads a message knows the connection's extensions and limit.
        """
        talk = Conversation(
            Role.SERVER, [deflate()], streamMessages=True, maxReceivedMessageSize=99
        )
        for size, expected in ((99, bytes(99)), (100, 1009)):
            small = deflate().encode(bytes(size)) or b""
            [first] = talk.receive(talk.frame(BINARY, small, rsv=RSV1))
            assert isinstance(first, Frame)
            made = talk.connection.makeStreamingDecoder(first)
            made.add(first)
            found = takeAll(made)
            result = (
                found[-1][0] if isinstance(found[-1], ProtocolFailure) else found[0]
            )
            self.assertEqual(result, expected)
        talk.connection.failConnection(found[-1])
        self.assertIs(talk.connection.report().cause, CloseCause.MESSAGE_TOO_BIG)

    def test_sending(self) -> None:
        """
        A message in pieces is counted at its end; pings and pongs go between.
        """
        talk = Conversation(Role.CLIENT)
        talk.connection.startMessage(True)
        talk.connection.sendFragment(b"a", False)
        talk.connection.ping(b"?")
        self.assertEqual(talk.connection.traffic().messagesSent, 0)
        talk.connection.sendFragment(b"b", True)
        self.assertEqual(talk.connection.traffic().messagesSent, 1)
        talk.connection.send("next")
        self.assertEqual(
            talk.sent(),
            [
                Frame(TEXT, b"a", False),
                Frame(Opcode.PING, b"?"),
                Frame(CONTINUATION, b"b"),
                Frame(TEXT, b"next"),
            ],
        )

    def test_nothingBetween(self) -> None:
        """
        Nothing else can be sent meanwhile but control frames.
        """
        connection = Conversation(Role.SERVER).connection
        connection.startMessage(False)
        connection.sendFragment(b"a", False)
        self.assertRaises(InvalidState, connection.send, "other")
        self.assertRaises(InvalidState, connection.startMessage, True)
        self.assertRaises(InvalidState, connection.sendStreamBytes, b"abc", 1)
        frame = Frame(CONTINUATION, b"sneaked in", False)
        error = self.assertRaises(ValueError, connection.sendFrame, frame)
        self.assertIn("pieces", str(error))
        connection.sendFrame(Frame(Opcode.PING, b"?"))
        connection.sendFragment(b"b", True)
        self.assertRaises(InvalidState, connection.sendFragment, b"c", True)
        connection.sendFrame(Frame(BINARY, b"a", False))
        self.assertRaises(InvalidState, connection.startMessage, True)

    def test_takeBack(self) -> None:
        """
        A message can be taken back until its first piece is sent.
        """
        talk = Conversation(Role.SERVER)
        talk.connection.startMessage(False)
        self.assertTrue(talk.connection.cancelMessage())
        talk.connection.send("next")
        self.assertEqual(talk.sent(), [Frame(TEXT, b"next")])
        talk.connection.startMessage(False)
        talk.connection.sendFragment(b"", False)
        self.assertFalse(talk.connection.cancelMessage())
        self.assertRaises(InvalidState, talk.connection.send, "next")

    def test_plain(self) -> None:
        """
        Pieces are compressed, unless they are to be plain.
        """
        talk = Conversation(Role.SERVER, [deflate()])
        for verbatim in (False, True):
            talk.connection.startMessage(True, verbatim)
            talk.connection.sendFragment(b"a" * 99, False)
            talk.connection.sendFragment(b"", True)
            first, last = talk.sent()
            self.assertEqual(bool(first.rsv), not verbatim)
            self.assertEqual(first.payload == b"a" * 99, verbatim)
            self.assertEqual((last.rsv, last.fin), (0, True))

    def test_bufferFull(self) -> None:
        """
        Pieces are bounded by what may wait for the peer.
        """
        connection = Conversation(Role.SERVER, maxBufferedBytes=1000).connection
        connection.startMessage(False)
        connection.sendFragment(bytes(900), False)
        self.assertRaises(ConnectionClosed, connection.sendFragment, bytes(900), False)
        self.assertIs(connection.report().cause, CloseCause.BUFFER_FULL)

    def test_endWhenFull(self) -> None:
        """
        The end of what has begun is taken however much waits; that of an empty message
        is not.
        """
        connection = Conversation(Role.SERVER, maxBufferedBytes=1000).connection
        connection.startMessage(False)
        connection.sendFragment(bytes(2000), False)
        connection.sendFragment(b"", True)
        self.assertEqual(connection.traffic().messagesSent, 1)
        connection.startMessage(False)
        self.assertRaises(ConnectionClosed, connection.sendFragment, b"", True)

    def test_close(self) -> None:
        """
        A close goes between pieces, and nothing follows it.
        """
        talk = Conversation(Role.SERVER)
        talk.connection.startMessage(False)
        talk.connection.sendFragment(b"a", False)
        talk.connection.close(1001, "", CloseCause.LOCAL_CLOSE)
        self.assertRaises(ConnectionClosed, talk.connection.sendFragment, b"b", True)
        self.assertEqual(talk.receive(talk.closeFrame(1001))[-1][0], 1001)  # type: ignore[index]
        self.assertEqual([f.opcode for f in talk.sent()], [BINARY, Opcode.CLOSE])

    def test_closing(self) -> None:
        """
        While we are closing, messages in pieces are counted and not told.
        """
        talk = Conversation(Role.SERVER, streamMessages=True)
        self.assertEqual(len(talk.receive(talk.frame(TEXT, b"He", fin=False))), 1)
        talk.connection.close(1000, "", CloseCause.LOCAL_CLOSE)
        rest = talk.frame(CONTINUATION, b"llo") + talk.frame(BINARY)
        self.assertEqual(talk.receive(rest), [])
        self.assertEqual(talk.connection.report().messagesDiscarded, 2)
        talk.connection.noteDiscarded()
        self.assertEqual(talk.connection.report().messagesDiscarded, 3)
