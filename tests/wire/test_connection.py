# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.connection`.

Most promises are the same for a server and for a client; these tests run for both.
"""

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.backwards import BackwardsTransform
from tests.support.conversation import CONFIGS, Conversation
from tests.support.raw import rawFrame, rawHead
from tests.support.splits import everySplit
from tests.wire.test_codes import BORDERS, SENDABLE
from txwebsocket.wire.codes import CloseCause, Opcode, Role
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.control import CloseReceived, PingReceived, PongReceived
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.extensions import MessageTransform
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.messages import Event
from txwebsocket.wire.states import State

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
EURO = "€".encode()


class ConversationTestCase(SynchronousTestCase):
    """
    What tests of a connection need.
    """

    role = Role.SERVER

    def setUp(self) -> None:
        self.start()

    def start(
        self, transforms: Iterable[MessageTransform] = (), **options: Any
    ) -> None:
        """
        Open a connection with these extensions agreed on, and these options.
        """
        self.talk = Conversation(self.role, transforms, **options)
        self.connection = self.talk.connection

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """
        Close as an application does.
        """
        self.connection.close(code, reason, CloseCause.LOCAL_CLOSE)

    def assertState(self, state: State) -> None:
        """
        The connection stands here.
        """
        self.assertIs(self.connection.state, state)

    def assertReport(self, **expected: Any) -> None:
        """
        The report has these fields.
        """
        report = self.connection.report()
        found = {name: getattr(report, name) for name in expected}
        self.assertEqual(found, expected)

    def assertTraffic(self, **expected: int) -> None:
        """
        The counts are these.
        """
        counts = self.connection.traffic()._asdict()
        self.assertEqual({name: counts[name] for name in expected}, expected)

    def assertFailure(self, events: list[Event], code: int) -> None:
        """
        All that happened is a failure, which the peer is told as the last thing.
        """
        [failure] = events
        self.assertIs(type(failure), ProtocolFailure)
        self.assertEqual(failure.code, code)
        payload = code.to_bytes(2, "big") + failure.reason.encode()
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, payload)])
        self.assertState(State.AWAITING_LOSS)
        self.assertReport(detail=failure.reason, sentCode=code, closeReceived=False)

    def assertNothingMore(self) -> None:
        """
        Whatever the peer sends, nothing happens and nothing is answered.
        """
        for chunk in (
            self.talk.frame(TEXT, b"late"),
            self.talk.frame(PING),
            self.talk.frame(PONG),
            self.talk.closeFrame(1000),
            b"\x83garbage",
        ):
            self.assertEqual(self.talk.receive(chunk), [])
        for isLate in (True, False):
            self.connection.pong(b"late", isLate)
        self.assertEqual(self.talk.sent(), [])
        self.assertIsNone(self.connection.nextEvent())


class OpeningTestsMixin:
    """
    Before the opening handshake is over.
    """

    def makeClosed(self) -> Connection:
        """
        A connection whose handshake isn't over.
        """
        return Connection(self.role, CONFIGS[self.role](), lambda: b"mask")

    def test_state(self) -> None:
        """
        A connection starts connecting, and is open once the handshake succeeded.
        """
        connection = self.makeClosed()
        self.assertIs(connection.state, State.CONNECTING)
        self.assertIs(connection.role, self.role)
        connection.open()
        self.assertIs(connection.state, State.OPEN)

    def test_openTwice(self) -> None:
        """
        It is opened once.
        """
        self.assertRaises(InvalidState, self.connection.open)

    def test_tooEarly(self) -> None:
        """
        Sending before that is a mistake, and says so.
        """
        connection = self.makeClosed()
        for send, argument in (
            (connection.send, "a"),
            (connection.send, b"a"),
            (connection.sendFrame, Frame(TEXT, b"a")),
            (connection.ping, b""),
        ):
            error = self.assertRaises(InvalidState, send, argument)
            self.assertIn("not over", str(error))
        self.assertFalse(connection.outbox.hasPending())

    def test_closeTooEarly(self) -> None:
        """
        There is no closing handshake before the opening one, and nothing to answer.
        """
        connection = self.makeClosed()
        connection.close(1000, "", CloseCause.LOCAL_CLOSE)
        connection.fail(1002, "", CloseCause.PEER_FAULT)
        connection.pong(b"")
        self.assertIs(connection.state, State.CONNECTING)
        self.assertFalse(connection.outbox.hasPending())

    def test_lostEarly(self) -> None:
        """
        A connection can be lost or dropped before it was open.
        """
        connection = self.makeClosed()
        connection.transportLost("refused")
        self.assertIs(connection.state, State.CLOSED)
        self.assertIs(connection.report().cause, CloseCause.PEER_LOST)
        self.assertEqual(connection.report().detail, "refused")
        connection = self.makeClosed()
        connection.abort(CloseCause.DROPPED, "too slow")
        self.assertIs(connection.state, State.AWAITING_LOSS)
        self.assertIs(connection.report().cause, CloseCause.DROPPED)

    def test_framesBehindHandshake(self) -> None:
        """
        Frames that came with the handshake are the first to be delivered.
        """
        connection = self.makeClosed()
        data = self.talk.frame(TEXT, b"early")
        connection.receive(data[:3])
        connection.open()
        connection.receive(data[3:])
        self.assertEqual(connection.nextEvent(), "early")


class ReceivingTestsMixin:
    """
    What the peer sends.
    """

    def test_messages(self) -> None:
        """
        Texts and bytes are delivered in order, however the network cuts them.
        """
        frame = self.talk.frame
        data = frame(TEXT, EURO) + frame(BINARY, b"\xff") + frame(TEXT) + frame(BINARY)
        for pieces in everySplit(data):
            self.assertEqual(self.talk.receive(*pieces), ["€", b"\xff", "", b""])

    def test_fragments(self) -> None:
        """
        Fragments are joined; what comes between them is delivered first.
        """
        frame = self.talk.frame
        data = (
            frame(TEXT, EURO[:1], fin=False)
            + frame(PING, b"p")
            + frame(CONTINUATION, EURO[1:], fin=False)
            + frame(CONTINUATION)
            + frame(BINARY, b"a", fin=False)
            + frame(CONTINUATION, b"b")
            + frame(TEXT, b"end")
        )
        for pieces in everySplit(data):
            self.assertEqual(
                self.talk.receive(*pieces), [PingReceived(b"p"), "€", b"ab", "end"]
            )

    def test_notAssembled(self) -> None:
        """
        Whoever wants frames gets frames, in place of messages.
        """
        self.start(assembleFragments=False)
        frame = self.talk.frame
        data = (
            frame(TEXT, EURO[:1], fin=False)
            + frame(PING, b"p")
            + frame(CONTINUATION, EURO[1:])
            + frame(BINARY, b"lone")
        )
        for pieces in everySplit(data):
            self.assertEqual(
                self.talk.receive(*pieces),
                [
                    Frame(TEXT, EURO[:1], fin=False),
                    PingReceived(b"p"),
                    Frame(CONTINUATION, EURO[1:]),
                    Frame(BINARY, b"lone"),
                ],
            )

    def test_oneByOne(self) -> None:
        """
        What is not asked for yet stays, so that an application can take its time.
        """
        frame = self.talk.frame
        self.connection.receive(frame(TEXT, b"a") + frame(TEXT, b"b"))
        self.assertEqual(self.connection.nextEvent(), "a")
        self.assertEqual(self.connection.nextEvent(), "b")
        self.assertIsNone(self.connection.nextEvent())
        self.assertIsNone(self.connection.nextEvent())

    def test_ping(self) -> None:
        """
        A ping is told, and answered only if the application has it so.
        """
        events = self.talk.receive(self.talk.frame(PING, b"there?"))
        self.assertEqual(events, [PingReceived(b"there?")])
        self.assertEqual(self.talk.sent(), [])
        self.connection.pong(b"there?")
        self.assertEqual(self.talk.sent(), [Frame(PONG, b"there?")])

    def test_newestPing(self) -> None:
        """
        Of many pings that a peer sends without reading, the newest is answered, at the
        cost of one.
        """
        for n in range(1000):
            [event] = self.talk.receive(self.talk.frame(PING, b"%d" % n))
            self.connection.pong(event.payload, isLate=True)
        self.assertEqual(self.talk.sent(), [Frame(PONG, b"999")])

    def test_everyPing(self) -> None:
        """
        As long as the peer reads, each of its pings is answered, in order.
        """
        for n in range(3):
            [event] = self.talk.receive(self.talk.frame(PING, b"%d" % n))
            self.connection.pong(event.payload)
        self.assertEqual(
            self.talk.sent(), [Frame(PONG, b"0"), Frame(PONG, b"1"), Frame(PONG, b"2")]
        )

    def test_pong(self) -> None:
        """
        A pong is told, whether it was asked for or not.
        """
        events = self.talk.receive(self.talk.frame(PONG, b"here"))
        self.assertEqual(events, [PongReceived(b"here")])

    def test_wrongMask(self) -> None:
        """
        A peer that masks when it must not, or doesn't when it must, breaks the
        protocol.
        """
        mask = b"" if self.role is Role.SERVER else b"mask"
        events = self.talk.receive(rawFrame(TEXT, b"a", mask=mask))
        self.assertFailure(events, 1002)
        self.assertReport(cause=CloseCause.PEER_FAULT, wasClean=False)

    def test_tooBig(self) -> None:
        """
        More than an option allows is refused, by the name of the option.
        """
        for option in ("maxReceivedFrameSize", "maxReceivedMessageSize"):
            self.start(**{option: 10})
            frame = self.talk.frame
            self.assertEqual(self.talk.receive(frame(TEXT, b"x" * 10)), ["x" * 10])
            self.assertFailure(self.talk.receive(frame(TEXT, b"x" * 11)), 1009)
            self.assertReport(cause=CloseCause.MESSAGE_TOO_BIG)
            self.assertIn(option, str(self.connection.report()))

    def test_badText(self) -> None:
        """
        Text that isn't UTF-8 ends the connection.
        """
        self.assertFailure(self.talk.receive(self.talk.frame(TEXT, b"\xff")), 1007)
        self.assertReport(cause=CloseCause.INVALID_DATA, code=1006)

    def test_beforeFailure(self) -> None:
        """
        What came before a failure is delivered, and nothing that comes after.
        """
        frame = self.talk.frame
        events = self.talk.receive(frame(TEXT, b"good") + b"\x83" + frame(TEXT, b"bad"))
        self.assertEqual(events[0], "good")
        self.assertFailure(events[1:], 1002)
        self.assertNothingMore()

    def test_extensionBit(self) -> None:
        """
        As no extension is agreed on, none of their bits may be set.
        """
        self.assertFailure(self.talk.receive(self.talk.frame(TEXT, rsv=0x40)), 1002)


class SendingTestsMixin:
    """
    What we send.
    """

    def test_messages(self) -> None:
        """
        Texts and bytes are sent in order, empty ones as well.
        """
        self.connection.send("€")
        self.connection.send(b"\xff")
        self.connection.send("")
        self.connection.send(b"")
        self.assertEqual(
            self.talk.sent(),
            [Frame(TEXT, EURO), Frame(BINARY, b"\xff"), Frame(TEXT), Frame(BINARY)],
        )

    def test_sizes(self) -> None:
        """
        A message of any size is sent in one frame.
        """
        for size in (125, 126, 4096, 4097, 65535, 65536, 200000):
            payload = (b"0123456789abcde" * 13334)[:size]
            self.connection.send(payload)
            self.assertEqual(self.connection.outbox.size, size + self.headSize(size))
            self.assertEqual(self.talk.sent(), [Frame(BINARY, payload)])

    def headSize(self, size: int) -> int:
        """
        How long the head of a frame is that we send.
        """
        extended = 0 if size < 126 else 2 if size < 65536 else 8
        return 2 + extended + (4 if self.role is Role.CLIENT else 0)

    def test_masks(self) -> None:
        """
        Each frame of a client has a mask of its own; a server's have none.
        """
        self.connection.send("a" * 10)
        self.connection.send("b" * 5000)
        self.connection.ping(b"c")
        self.connection.pong(b"d")
        self.connection.sendFrame(Frame(TEXT, b"e"))
        self.talk.taken()
        self.close()
        count = 6 if self.role is Role.CLIENT else 0
        self.assertEqual(len(self.talk.masks), count)
        self.assertIs(self.talk.taken().endswith(b"\x03\xe8"), not count)

    def test_surrogate(self) -> None:
        """
        Text that UTF-8 doesn't have is refused, and nothing of it is sent.
        """
        self.assertRaises(UnicodeEncodeError, self.connection.send, "a\ud800")
        self.assertEqual(self.talk.sent(), [])
        self.connection.send("next")
        self.assertEqual(self.talk.sent(), [Frame(TEXT, b"next")])

    def test_fragmented(self) -> None:
        """
        Where it is asked for, messages above the threshold are sent in fragments.
        """
        self.start(fragmentOutgoingMessages=True, fragmentationThreshold=2)
        self.connection.send("ab")
        self.connection.send("abc")
        self.connection.send(b"abcd")
        self.connection.send(b"")
        self.assertEqual(
            self.talk.sent(),
            [
                Frame(TEXT, b"ab"),
                Frame(TEXT, b"ab", fin=False),
                Frame(CONTINUATION, b"c"),
                Frame(BINARY, b"ab", fin=False),
                Frame(CONTINUATION, b"cd"),
                Frame(BINARY),
            ],
        )

    def test_notFragmented(self) -> None:
        """
        A threshold alone fragments nothing.
        """
        self.start(fragmentationThreshold=2)
        self.connection.send("abc")
        self.assertEqual(self.talk.sent(), [Frame(TEXT, b"abc")])

    def test_frames(self) -> None:
        """
        Single frames are sent as they are.
        """
        frames = [Frame(TEXT, EURO[:1], fin=False), Frame(CONTINUATION, EURO[1:])]
        for frame in frames:
            self.connection.sendFrame(frame)
        self.assertEqual(self.talk.sent(), frames)

    def test_extensionBits(self) -> None:
        """
        A frame goes out with its extension bits, if they were agreed on.
        """
        frame = Frame(TEXT, b"a", rsv=0x40)
        self.assertRaises(ValueError, self.connection.sendFrame, frame)
        self.assertEqual(self.talk.sent(), [])
        self.start(transforms=[BackwardsTransform(0x20), BackwardsTransform(0x40)])
        self.connection.sendFrame(frame)
        self.assertEqual(self.talk.taken()[0], 0xC1)

    def test_frameOrder(self) -> None:
        """
        A frame that comes out of order raises ValueError, and nothing of it is sent.
        """
        begin, end = Frame(BINARY, b"a", fin=False), Frame(CONTINUATION, b"c")
        middle = Frame(CONTINUATION, b"b", fin=False)
        self.assertRaises(ValueError, self.connection.sendFrame, end)
        self.connection.sendFrame(begin)
        for frame in (begin, Frame(TEXT), Frame(CLOSE)):
            self.assertRaises(ValueError, self.connection.sendFrame, frame)
        sent = [begin, middle, Frame(PING, b"p"), middle, end]
        for frame in sent[1:]:
            self.connection.sendFrame(frame)
        self.assertRaises(ValueError, self.connection.sendFrame, end)
        self.assertEqual(self.talk.sent(), sent)

    def test_withinMessage(self) -> None:
        """
        While a message is sent frame by frame, no other can be: it would be torn.
        Pings, pongs and a close can.
        """
        self.connection.sendFrame(Frame(TEXT, b"a", fin=False))
        for message in ("b", b"b", "b" * 5000):
            self.assertRaises(InvalidState, self.connection.send, message)
        self.assertRaises(InvalidState, self.connection.sendStreamBytes, b"abcd", 2)
        self.assertRaises(InvalidState, self.connection.sendBroadcast, BINARY, b"b", {})
        self.connection.ping(b"1")
        self.connection.pong(b"2")
        self.connection.sendFrame(Frame(CONTINUATION))
        self.connection.send("b")
        self.connection.sendFrame(Frame(TEXT, b"c", fin=False))
        self.close()
        opcodes = [frame.opcode for frame in self.talk.sent()]
        self.assertEqual(opcodes, [TEXT, PING, PONG, CONTINUATION, TEXT, TEXT, CLOSE])
        self.assertRaises(ConnectionClosed, self.connection.send, "d")

    def test_pings(self) -> None:
        """
        Each ping is sent, in order with the messages.
        """
        self.connection.send("a")
        self.connection.ping(b"")
        self.connection.ping(b"p" * 125)
        self.assertEqual(
            self.talk.sent(), [Frame(TEXT, b"a"), Frame(PING), Frame(PING, b"p" * 125)]
        )

    def test_pongFirst(self) -> None:
        """
        A late answer to a ping overtakes what waits.
        """
        self.connection.send("a")
        self.connection.pong(b"p", isLate=True)
        self.assertEqual(self.talk.sent(), [Frame(PONG, b"p"), Frame(TEXT, b"a")])

    def test_longPings(self) -> None:
        """
        A ping or pong of more than 125 bytes is refused, and nothing of it is sent.
        """
        for send in (self.connection.ping, self.connection.pong):
            error = self.assertRaises(ValueError, send, b"p" * 126)
            self.assertIn("at most 125 bytes, not 126", str(error))
        self.assertEqual(self.talk.sent(), [])

    def test_tooLate(self) -> None:
        """
        Sending when the connection is closing, or gone, tells how that came.
        """
        for end in (
            self.close,
            lambda: self.talk.receive(self.talk.closeFrame(1001, b"bye")),
            lambda: self.talk.receive(b"\x83"),
            lambda: self.connection.abort(CloseCause.WRITE_TIMEOUT),
            lambda: self.connection.transportLost("reset"),
        ):
            self.start()
            end()
            self.talk.taken()
            for send, argument in (
                (self.connection.send, "a"),
                (self.connection.send, b"a"),
                (self.connection.sendFrame, Frame(TEXT, b"a")),
                (self.connection.ping, b""),
            ):
                error = self.assertRaises(ConnectionClosed, send, argument)
                self.assertEqual(error.report, self.connection.report())
            self.connection.pong(b"")
            self.assertFalse(self.connection.outbox.hasPending())


class TrafficTestsMixin:
    """
    What is counted.
    """

    def test_nothing(self) -> None:
        """
        At first nothing has passed.
        """
        self.assertEqual(self.connection.traffic(), (0, 0, 0, 0, 0))

    def test_received(self) -> None:
        """
        Messages are counted as they are delivered, whole ones only, and all bytes.
        """
        frame = self.talk.frame
        data = frame(TEXT, b"a") + frame(BINARY, b"b", fin=False) + frame(PING)
        data += frame(CONTINUATION) + frame(PONG) + frame(BINARY)
        for piece in (data[:3], data[3:]):
            self.connection.receive(piece)
        self.assertTraffic(messagesReceived=0, bytesReceived=len(data))
        self.talk.events()
        self.assertTraffic(messagesReceived=3, bytesReceived=len(data))

    def test_boundless(self) -> None:
        """
        Who wants no bounds may give numbers beyond all memory.
        """
        self.start(maxBufferedBytes=2**100, highWaterMark=2**99)
        self.connection.send("a")
        self.connection.send("b")
        self.assertTraffic(messagesSent=2)

    def test_taken(self) -> None:
        """
        Whoever takes all that was read need not tell of messages; what else there is,
        and what is put back, isn't counted in the end.
        """
        frame, connection = self.talk.frame, self.connection
        half, other = frame(TEXT, b"b", fin=False), frame(CONTINUATION, b"c")
        items = connection.read(frame(TEXT, b"a") + half + frame(PING))
        first, *others = items
        self.assertEqual(first, "a")
        told = [connection.eventOf(item) for item in others]
        self.assertEqual(told, [None, PingReceived(b"")])
        self.assertTraffic(messagesReceived=1)
        connection.putBack(connection.read(other + frame(BINARY, b"d")))
        self.assertTraffic(messagesReceived=1)
        rest, *others = connection.read(frame(BINARY, b"e"))
        self.assertEqual((connection.eventOf(rest), others), ("bc", [b"d", b"e"]))
        self.assertTraffic(messagesReceived=4)
        self.assertEqual(connection.takeWaiting(), [])

    def test_receivedFrames(self) -> None:
        """
        It is messages that are counted, also where fragments aren't assembled.
        """
        self.start(assembleFragments=False)
        frame = self.talk.frame
        self.talk.receive(frame(TEXT, fin=False) + frame(CONTINUATION) + frame(TEXT))
        self.assertTraffic(messagesReceived=2)

    def test_discarded(self) -> None:
        """
        What is discarded isn't delivered.
        """
        self.close()
        self.talk.receive(self.talk.frame(TEXT, b"a"))
        self.assertTraffic(messagesReceived=0)
        self.assertReport(messagesDiscarded=1)

    def test_sent(self) -> None:
        """
        Messages are counted when they are sent, and bytes when they have left.
        """
        self.connection.send("a")
        self.connection.send(b"b" * 5000)
        self.connection.ping(b"")
        self.assertTraffic(messagesSent=2, bytesSent=0)
        self.connection.pong(b"late", isLate=True)
        self.assertTraffic(messagesSent=2, bytesSent=len(self.talk.taken()))

    def test_sentFrames(self) -> None:
        """
        A message in several frames is one message.
        """
        self.connection.sendFrame(Frame(TEXT, b"a", fin=False))
        self.connection.sendFrame(Frame(PING))
        self.connection.sendFrame(Frame(CONTINUATION, b"b"))
        self.assertTraffic(messagesSent=1)
        self.start(fragmentOutgoingMessages=True, fragmentationThreshold=1)
        self.connection.send("abc")
        self.assertTraffic(messagesSent=1)


class ExtensionTestsMixin:
    """
    What extensions do to messages.
    """

    def setUp(self) -> None:
        self.transform = BackwardsTransform()
        self.start(transforms=[self.transform])

    def test_sent(self) -> None:
        """
        A message is sent as its extension has it, with the extension's bit.
        """
        self.connection.send("abc")
        self.connection.send(b"x" * 5000 + b"y")
        self.assertEqual(
            self.talk.sent(),
            [
                Frame(TEXT, b"cba", rsv=0x20),
                Frame(BINARY, b"y" + b"x" * 5000, rsv=0x20),
            ],
        )

    def test_leftAlone(self) -> None:
        """
        It is sent as it is if the extension leaves it alone, or if the application
        wants it so.
        """
        self.connection.send("a")
        self.connection.send("abc", verbatim=True)
        self.connection.send(b"abc", verbatim=True)
        self.assertEqual(
            self.talk.sent(),
            [Frame(TEXT, b"a"), Frame(TEXT, b"abc"), Frame(BINARY, b"abc")],
        )

    def test_controlFrames(self) -> None:
        """
        Control frames are never changed.
        """
        self.connection.ping(b"abc")
        self.connection.pong(b"abc")
        self.close(1000, "abc")
        self.assertEqual(
            self.talk.sent(),
            [Frame(PING, b"abc"), Frame(PONG, b"abc"), Frame(CLOSE, b"\x03\xe8abc")],
        )

    def test_sentInFragments(self) -> None:
        """
        Of several frames the first has the bit.
        """
        self.start(
            [self.transform], fragmentOutgoingMessages=True, fragmentationThreshold=2
        )
        self.connection.send("abc")
        self.assertEqual(
            self.talk.sent(),
            [Frame(TEXT, b"cb", fin=False, rsv=0x20), Frame(CONTINUATION, b"a")],
        )

    def test_received(self) -> None:
        """
        A message with the bit is turned back, whole or in fragments; one without is
        taken as it is.
        """
        frame = self.talk.frame
        data = (
            frame(TEXT, "né".encode()[::-1], rsv=0x20)
            + frame(TEXT, b"abc")
            + frame(BINARY, b"c", fin=False, rsv=0x20)
            + frame(PING, b"abc")
            + frame(CONTINUATION, b"ba")
            + frame(TEXT, b"ab", fin=False)
            + frame(CONTINUATION, b"c")
        )
        for pieces in everySplit(data):
            self.assertEqual(
                self.talk.receive(*pieces),
                ["né", "abc", PingReceived(b"abc"), b"abc", "abc"],
            )

    def test_several(self) -> None:
        """
        Several extensions are undone in the reverse of the order they were done in,
        each if its bit is set.
        """
        self.start([BackwardsTransform(0x40), Suffix(0x10)])
        self.connection.send("abc")
        self.assertEqual(self.talk.sent(), [Frame(TEXT, b"cba+", rsv=0x50)])
        frame = self.talk.frame
        self.assertEqual(self.talk.receive(frame(TEXT, b"cba+", rsv=0x50)), ["abc"])
        self.assertEqual(self.talk.receive(frame(TEXT, b"abc+", rsv=0x10)), ["abc"])
        self.assertEqual(self.talk.receive(frame(TEXT, b"cba", rsv=0x40)), ["abc"])
        self.assertFailure(self.talk.receive(frame(TEXT, b"abc", rsv=0x20)), 1002)

    def test_otherBits(self) -> None:
        """
        A bit that wasn't agreed on still breaks the protocol.
        """
        self.assertFailure(self.talk.receive(self.talk.frame(TEXT, rsv=0x40)), 1002)

    def test_corrupt(self) -> None:
        """
        What an extension can't turn back ends the connection, with its reason.
        """
        self.assertFailure(
            self.talk.receive(self.talk.frame(TEXT, b"!", rsv=0x20)), 1007
        )
        self.assertReport(cause=CloseCause.INVALID_DATA, detail="it starts with a mark")

    def test_badText(self) -> None:
        """
        Text has to be UTF-8 when it has been turned back.
        """
        events = self.talk.receive(self.talk.frame(TEXT, EURO, rsv=0x20))
        self.assertFailure(events, 1007)
        self.assertReport(detail="a text message is not UTF-8")

    def test_limit(self) -> None:
        """
        The limit for messages holds for what they become, though on their way they may
        be a little larger.
        """
        self.start([self.transform], maxReceivedMessageSize=10)
        frame = self.talk.frame
        self.assertEqual(
            self.talk.receive(frame(BINARY, b"0123456789", rsv=0x20)), [b"9876543210"]
        )
        self.assertFailure(self.talk.receive(frame(BINARY, b"x" * 11, rsv=0x20)), 1009)
        self.assertReport(cause=CloseCause.MESSAGE_TOO_BIG)
        self.assertIn("maxReceivedMessageSize", self.connection.report().detail)

    def test_limitOnTheWay(self) -> None:
        """
        That little is an eighth and a kilobyte; and for plain messages it is nothing.
        """
        for size, rsv in ((80 + 10 + 1024 + 1, 0x20), (81, 0)):
            self.start([self.transform], maxReceivedMessageSize=80)
            head = self.talk.frame(BINARY, b"x" * size, rsv=rsv)[:8]
            self.assertFailure(self.talk.receive(head), 1009)
        self.start([self.transform], maxReceivedMessageSize=80)
        head = self.talk.frame(BINARY, b"x" * 1114, rsv=0x20)[:8]
        self.assertEqual(self.talk.receive(head), [])

    def test_oneByOne(self) -> None:
        """
        Messages are turned back as they are asked for: many could become large at once.
        """
        frame = self.talk.frame
        self.connection.receive(
            frame(TEXT, b"a", rsv=0x20) + frame(TEXT, b"!", rsv=0x20)
        )
        self.assertEqual(self.connection.nextEvent(), "a")
        self.assertState(State.OPEN)
        self.assertFailure(self.talk.events(), 1007)

    def test_discarded(self) -> None:
        """
        Messages that aren't delivered are counted all the same.
        """
        self.close()
        self.talk.receive(self.talk.frame(TEXT, b"abc", rsv=0x20))
        self.assertReport(messagesDiscarded=1)


class Suffix(BackwardsTransform):
    """
    Another extension: it adds a plus sign.
    """

    def encode(self, payload: bytes) -> bytes:
        """
        Add it.
        """
        return payload + b"+"

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Take it away.
        """
        return payload.removesuffix(b"+")


class ClosingTestsMixin:
    """
    The closing handshake, and other ends.
    """

    def test_weClose(self) -> None:
        """
        We close, the peer answers, and the transport can go: a clean end.
        """
        self.close(1001, "bye")
        self.assertState(State.AWAITING_CLOSE)
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, b"\x03\xe9bye")])
        events = self.talk.receive(self.talk.closeFrame(1001))
        self.assertEqual(events, [CloseReceived(1001, "")])
        self.assertState(State.AWAITING_LOSS)
        self.assertEqual(self.talk.sent(), [])
        self.connection.transportLost()
        self.assertState(State.CLOSED)
        self.assertReport(
            cause=CloseCause.LOCAL_CLOSE,
            wasClean=True,
            sentCode=1001,
            sentReason="bye",
            receivedCode=1001,
            receivedReason="",
            closeReceived=True,
            code=1001,
            detail="",
            messagesDiscarded=0,
            bytesUnsent=0,
        )

    def test_peerCloses(self) -> None:
        """
        The peer closes, is answered in its own words, and the transport can go.
        """
        events = self.talk.receive(self.talk.closeFrame(4000, "Grüße".encode()))
        self.assertEqual(events, [CloseReceived(4000, "Grüße")])
        self.assertState(State.AWAITING_LOSS)
        payload = b"\x0f\xa0" + "Grüße".encode()
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, payload)])
        self.connection.transportLost()
        self.assertState(State.CLOSED)
        self.assertReport(
            cause=CloseCause.PEER_CLOSE,
            wasClean=True,
            sentCode=4000,
            sentReason="Grüße",
            receivedCode=4000,
            receivedReason="Grüße",
            closeReceived=True,
        )

    def test_bothClose(self) -> None:
        """
        Where both close at once, each frame is the other's answer; ours stays the cause
        for us.
        """
        self.close(1000, "ours")
        events = self.talk.receive(self.talk.closeFrame(1001, b"theirs"))
        self.assertEqual(events, [CloseReceived(1001, "theirs")])
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, b"\x03\xe8ours")])
        self.assertState(State.AWAITING_LOSS)
        self.assertReport(
            cause=CloseCause.LOCAL_CLOSE,
            wasClean=True,
            sentCode=1000,
            sentReason="ours",
            receivedCode=1001,
            receivedReason="theirs",
        )

    def test_closeEverySplit(self) -> None:
        """
        A close frame is read however the network cuts it.
        """
        for pieces in everySplit(self.talk.closeFrame(1000, b"bye")):
            self.start()
            self.assertEqual(self.talk.receive(*pieces), [CloseReceived(1000, "bye")])

    def test_peerClosesWithoutCode(self) -> None:
        """
        A close frame without a code is answered in kind, and counts as 1005.
        """
        events = self.talk.receive(self.talk.frame(CLOSE))
        self.assertEqual(events, [CloseReceived(None, "")])
        self.assertEqual(self.talk.sent(), [Frame(CLOSE)])
        self.assertReport(receivedCode=None, sentCode=None, code=1005, wasClean=True)

    def test_weCloseWithoutCode(self) -> None:
        """
        We may close without a code as well.
        """
        self.close(None)
        self.assertEqual(self.talk.sent(), [Frame(CLOSE)])
        self.assertReport(closeSent=True, sentCode=None, sentReason="", code=1006)

    def test_notEnded(self) -> None:
        """
        There is no report of what has not begun to end.
        """
        self.assertRaises(InvalidState, self.connection.report)

    def test_closeOnce(self) -> None:
        """
        Only one close frame is ever sent; the first one counts.
        """
        self.close(1000, "first")
        self.close(4000, "second")
        self.connection.fail(1011, "third", CloseCause.APPLICATION_ERROR)
        self.close(4001)
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, b"\x03\xe8first")])
        self.assertReport(sentCode=1000, sentReason="first")

    def test_afterCloseHandshake(self) -> None:
        """
        After the peer's close frame nothing is told and nothing is sent.
        """
        self.talk.receive(self.talk.closeFrame(1000))
        self.talk.taken()
        self.close(1000)
        self.connection.fail(1002, "late", CloseCause.PEER_FAULT)
        self.assertNothingMore()
        self.assertReport(cause=CloseCause.PEER_CLOSE, messagesDiscarded=0)

    def test_behindClose(self) -> None:
        """
        What comes behind the peer's close frame in the same chunk isn't read, be it
        broken.
        """
        events = self.talk.receive(
            self.talk.closeFrame(1000) + self.talk.frame(TEXT, b"late") + b"\x83"
        )
        self.assertEqual(events, [CloseReceived(1000, "")])
        self.assertIsNone(self.connection.nextEvent())
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, b"\x03\xe8")])
        self.assertReport(cause=CloseCause.PEER_CLOSE, wasClean=True)

    def test_closeNotAcknowledged(self) -> None:
        """
        A peer that cuts the transport as soon as it has our close frame has closed
        cleanly: only data before that frame counts as not delivered.
        """
        self.talk.receive(self.talk.closeFrame(1000))
        size = len(self.talk.taken())
        for undelivered, wasClean in ((0, True), (size, True), (size + 1, False)):
            self.connection.undelivered = undelivered
            report = self.connection.report()
            self.assertEqual(report.wasClean, wasClean, undelivered)
            self.assertEqual(report.bytesUnsent, 0 if wasClean else undelivered)

    def test_behindTheEnd(self) -> None:
        """
        Messages behind the peer's close frame, or behind its fault, are not counted,
        whether they arrive in the same chunk or in a later one.
        """
        late = self.talk.frame(TEXT, b"late")
        for last in (self.talk.closeFrame(1000), self.talk.frame(CLOSE, b"x")):
            for chunks in ([last + late], [last, late]):
                self.start()
                for chunk in chunks:
                    self.talk.receive(chunk)
                self.assertEqual(self.connection.report().messagesDiscarded, 0)

    def test_discarded(self) -> None:
        """
        Messages that arrive after our close frame are counted, not delivered; pongs are
        told still, pings are not.
        """
        self.close()
        self.talk.taken()
        frame = self.talk.frame
        events = self.talk.receive(
            frame(TEXT, b"a")
            + frame(BINARY, b"b", fin=False)
            + frame(PING)
            + frame(PONG, b"p")
            + frame(CONTINUATION, b"c")
            + frame(TEXT, b"not whole", fin=False)
        )
        self.assertEqual(events, [PongReceived(b"p")])
        self.assertReport(messagesDiscarded=2)
        self.assertEqual(self.talk.sent(), [])
        self.assertEqual(
            self.talk.receive(self.talk.closeFrame(1000)), [CloseReceived(1000, "")]
        )
        self.assertReport(messagesDiscarded=2, wasClean=True)

    def test_discardedFrames(self) -> None:
        """
        Where fragments aren't assembled, it is still messages that are counted.
        """
        self.start(assembleFragments=False)
        self.close()
        frame = self.talk.frame
        events = self.talk.receive(
            frame(TEXT, b"a", fin=False)
            + frame(CONTINUATION, b"b", fin=False)
            + frame(CONTINUATION, b"c")
            + frame(BINARY, b"d")
        )
        self.assertEqual(events, [])
        self.assertReport(messagesDiscarded=2)

    def test_discardedQueued(self) -> None:
        """
        That goes as well for messages that had arrived before we closed and weren't
        asked for.
        """
        self.connection.receive(self.talk.frame(TEXT, b"a") * 3)
        self.assertEqual(self.connection.nextEvent(), "a")
        self.close()
        self.assertEqual(self.talk.events(), [])
        self.assertReport(messagesDiscarded=2)

    def test_brokenAfterClose(self) -> None:
        """
        If the peer breaks a rule in place of answering our close frame, that is told,
        and nothing more is sent.
        """
        self.close(1000, "bye")
        self.talk.taken()
        [failure] = self.talk.receive(b"\x83")
        self.assertEqual(failure.code, 1002)
        self.assertState(State.AWAITING_LOSS)
        self.assertReport(
            cause=CloseCause.PEER_FAULT, sentCode=1000, wasClean=False, code=1006
        )
        self.assertNothingMore()

    def test_codes(self) -> None:
        """
        Codes that may travel close the connection; others break the protocol.
        """
        for code in BORDERS:
            self.start()
            events = self.talk.receive(self.talk.closeFrame(code))
            if code in SENDABLE:
                self.assertEqual(events, [CloseReceived(code, "")])
                echo = Frame(CLOSE, code.to_bytes(2, "big"))
                self.assertEqual(self.talk.sent(), [echo])
            else:
                self.assertFailure(events, 1002)
                self.assertIn(str(code), self.connection.report().detail)

    def test_halfCode(self) -> None:
        """
        A close frame with one byte of payload breaks the protocol.
        """
        self.assertFailure(self.talk.receive(self.talk.frame(CLOSE, b"\x03")), 1002)

    def test_badReason(self) -> None:
        """
        A reason is UTF-8 and ends at a character.
        """
        for reason in (b"\xff", b"bye \xe2\x82", b"\xed\xa0\x80"):
            self.start()
            events = self.talk.receive(self.talk.closeFrame(1000, reason))
            self.assertFailure(events, 1007)
            self.assertReport(cause=CloseCause.INVALID_DATA, receivedCode=None)

    def test_badCodeAndReason(self) -> None:
        """
        Where code and reason are both bad, the rule that is broken first counts.
        """
        self.assertFailure(self.talk.receive(self.talk.closeFrame(1005, b"\xff")), 1002)

    def test_longReason(self) -> None:
        """
        A reason of more than 123 bytes is cut at a character, in the report as well.
        """
        for end in (
            lambda reason: self.close(1000, reason),
            lambda reason: self.connection.fail(1011, reason, CloseCause.DROPPED),
        ):
            self.start()
            end("a" + "€" * 41)
            [frame] = self.talk.sent()
            self.assertEqual(frame.payload[2:].decode(), "a" + "€" * 40)
            self.assertReport(sentReason="a" + "€" * 40)

    def test_forbiddenCodes(self) -> None:
        """
        Codes that may not travel aren't sent, and the connection stays open.
        """
        for code in (0, 999, 1004, 1005, 1006, 1015, 5000):
            self.assertRaises(ValueError, self.close, code)
        self.assertState(State.OPEN)
        self.assertEqual(self.talk.sent(), [])

    def test_surrogateReason(self) -> None:
        """
        A reason that UTF-8 doesn't have is refused, and the connection stays open.
        """
        self.assertRaises(UnicodeEncodeError, self.close, 1000, "\ud800")
        self.assertState(State.OPEN)
        self.assertEqual(self.talk.sent(), [])
        self.connection.transportLost("reset")
        self.assertReport(
            cause=CloseCause.PEER_LOST, closeSent=False, sentCode=None, detail="reset"
        )

    def test_fail(self) -> None:
        """
        We can end a connection because of a fault: the peer is told, and nothing more
        is delivered.
        """
        self.talk.wait()
        self.connection.send("first")
        self.connection.fail(1011, "oops", CloseCause.APPLICATION_ERROR)
        self.assertIsNone(self.connection.nextEvent())
        self.assertState(State.AWAITING_LOSS)
        self.assertEqual(
            self.talk.sent(), [Frame(TEXT, b"first"), Frame(CLOSE, b"\x03\xf3oops")]
        )
        self.assertNothingMore()
        self.assertReport(
            cause=CloseCause.APPLICATION_ERROR, detail="oops", sentCode=1011
        )

    def test_failOnce(self) -> None:
        """
        The first fault counts.
        """
        self.connection.fail(1011, "first", CloseCause.APPLICATION_ERROR)
        self.connection.fail(1002, "second", CloseCause.PEER_FAULT)
        self.connection.abort(CloseCause.DROPPED, "third")
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, b"\x03\xf3first")])
        self.assertReport(cause=CloseCause.APPLICATION_ERROR, detail="first")

    def test_drop(self) -> None:
        """
        A connection can be given up without a word; what waits isn't delivered, and
        what wasn't sent is counted.
        """
        for start in (lambda: None, self.close):
            self.start()
            self.talk.wait()
            self.connection.send("unsent")
            start()
            waiting = self.connection.outbox.size
            self.connection.abort(CloseCause.KEEPALIVE_TIMEOUT, "no pong")
            self.assertIsNone(self.connection.nextEvent())
            self.assertState(State.AWAITING_LOSS)
            self.assertEqual(self.connection.outbox.size, waiting)
            self.assertReport(
                cause=CloseCause.KEEPALIVE_TIMEOUT,
                detail="no pong",
                wasClean=False,
                bytesUnsent=waiting,
                closeReceived=False,
            )
            self.talk.taken()
            self.assertNothingMore()

    def test_dropAfterClose(self) -> None:
        """
        Giving up on the transport after the closing handshake changes nothing about
        how it ended.
        """
        self.talk.receive(self.talk.closeFrame(1000))
        self.talk.taken()
        self.connection.abort(CloseCause.CLOSE_TIMEOUT)
        self.assertState(State.AWAITING_LOSS)
        self.assertReport(cause=CloseCause.PEER_CLOSE, wasClean=True)

    def test_lost(self) -> None:
        """
        A connection that just breaks is told as such, with what the transport said.
        """
        self.talk.wait()
        self.connection.send("unsent")
        size = self.connection.outbox.size
        self.connection.transportLost("Connection reset by peer")
        self.assertState(State.CLOSED)
        self.assertEqual(self.talk.events(), [])
        self.assertIsNone(self.connection.nextEvent())
        self.assertReport(
            cause=CloseCause.PEER_LOST,
            detail="Connection reset by peer",
            wasClean=False,
            code=1006,
            bytesUnsent=size,
        )

    def test_lostWhileClosing(self) -> None:
        """
        If the peer leaves without answering our close frame, we were the ones to close,
        but not cleanly.
        """
        self.close(1000, "bye")
        self.talk.taken()
        self.connection.transportLost("Connection reset by peer")
        self.assertReport(
            cause=CloseCause.LOCAL_CLOSE, wasClean=False, code=1006, sentCode=1000
        )

    def test_lostBeforeAnswer(self) -> None:
        """
        The end isn't clean if our answer to the peer's close frame never left.
        """
        self.talk.receive(self.talk.closeFrame(1000))
        self.connection.transportLost("Connection reset by peer")
        self.assertReport(cause=CloseCause.PEER_CLOSE, wasClean=False, code=1000)

    def test_afterLoss(self) -> None:
        """
        When the transport is gone, nothing is told any more, and the report stays.
        """
        self.connection.transportLost("reset")
        report = self.connection.report()
        self.connection.abort(CloseCause.DROPPED)
        self.close()
        self.connection.fail(1002, "late", CloseCause.PEER_FAULT)
        self.assertNothingMore()
        self.assertEqual(self.connection.report(), report)
        self.assertRaises(InvalidState, self.connection.transportLost)


class ServerOpeningTests(OpeningTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` before it is open, on a server.
    """


class ClientOpeningTests(OpeningTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` before it is open, on a client.
    """

    role = Role.CLIENT


class ServerReceivingTests(ReceivingTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that receives, on a server.
    """


class ClientReceivingTests(ReceivingTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that receives, on a client.
    """

    role = Role.CLIENT


class ServerSendingTests(SendingTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that sends, on a server.
    """


class ClientSendingTests(SendingTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that sends, on a client.
    """

    role = Role.CLIENT


class ServerTrafficTests(TrafficTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that counts, on a server.
    """


class ClientTrafficTests(TrafficTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that counts, on a client.
    """

    role = Role.CLIENT


class ServerExtensionTests(ExtensionTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` with extensions, on a server.
    """


class ClientExtensionTests(ExtensionTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` with extensions, on a client.
    """

    role = Role.CLIENT


class ServerClosingTests(ClosingTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that ends, on a server.
    """


class ClientClosingTests(ClosingTestsMixin, ConversationTestCase):
    """
    Tests of a :class:`Connection` that ends, on a client.
    """

    role = Role.CLIENT


class BroadcastTests(ConversationTestCase):
    """
    Tests of what only a server does: nothing is masked, so nothing need be copied.
    """

    def test_notCopied(self) -> None:
        """
        The payload of a large message leaves as the very object that was given.
        """
        payload = b"x" * 5000
        self.connection.send(payload)
        self.assertIs(self.connection.outbox.take(9000)[1].obj, payload)

    def test_joined(self) -> None:
        """
        Up to a few kilobytes it costs less to join head and payload.
        """
        for size, parts in ((4096, 1), (4097, 2)):
            self.connection.send(bytes(size))
            self.assertEqual(len(self.connection.outbox.take(9000)), parts)

    def test_shared(self) -> None:
        """
        A message to several connections is framed once for all of them.
        """
        payload, shared, parts = b"x" * 5000, {}, []
        for _ in range(3):
            self.start()
            self.connection.sendBroadcast(BINARY, payload, shared)
            parts.append(self.connection.outbox.take(9000))
            self.assertTraffic(messagesSent=1)
        head, body = parts[0]
        self.assertEqual((head, body), (rawHead(BINARY, 5000), payload))
        for other in parts:
            self.assertIs(other[0], head)
            self.assertIs(other[1].obj, payload)

    def test_sharedKeys(self) -> None:
        """
        Where extensions change it, that is done once for those that change it alike,
        and for each by itself where it can't be shared.
        """
        shared = {}
        for key, encoded in (("a", 1), ("a", 0), ("b", 1), (None, 1), (None, 1)):
            transform = BackwardsTransform(key=key)
            self.start(transforms=[transform])
            self.connection.sendBroadcast(TEXT, b"abc", shared)
            self.assertEqual(self.talk.sent(), [Frame(TEXT, b"cba", rsv=0x20)])
            self.assertEqual(transform.encoded, encoded)
        self.start()
        self.connection.sendBroadcast(TEXT, b"abc", shared)
        self.assertEqual(self.talk.sent(), [Frame(TEXT, b"abc")])

    def test_sharedLate(self) -> None:
        """
        A connection that has ended tells so.
        """
        self.close()
        for shared in ({}, {(): [(b"\x81\x00",)]}):
            self.assertRaises(
                ConnectionClosed, self.connection.sendBroadcast, TEXT, b"", shared
            )
