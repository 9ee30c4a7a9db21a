# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.connection`.

Most promises are the same for a server and for a client; these tests run for both.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.splits import everySplit
from tests.wire.conversation import CONFIGS, Conversation
from tests.wire.raw import rawFrame, rawHead
from tests.wire.test_codes import SENDABLE
from txwebsocket.wire.codes import CloseCause, Opcode, Role
from txwebsocket.wire.connection import (
    CloseReceived,
    Connection,
    Event,
    PingReceived,
    PongReceived,
    frameMessage,
)
from txwebsocket.wire.control import (
    checkClose,
    checkControlPayload,
    closePayload,
    parseClosePayload,
)
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.frames import Failed, Frame
from txwebsocket.wire.options import ServerConfig
from txwebsocket.wire.states import State

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
EURO = "€".encode()

BORDERS = (0, 1, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 1100)
BORDERS += (1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535)
"""
Codes on both sides of each border between those that may travel and those that may not.
"""


class ConversationTestCase(SynchronousTestCase):
    """
    What tests of a connection need.
    """

    role = Role.SERVER

    def setUp(self) -> None:
        self.start()

    def start(self, **options: Any) -> None:
        """
        Open a connection with these options.
        """
        self.talk = Conversation(self.role, **options)
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

    def assertFailure(self, events: list[Event], code: int) -> None:
        """
        All that happened is a failure, which the peer is told as the last thing.
        """
        [failure] = events
        self.assertIs(type(failure), Failed)
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
        self.assertFalse(self.connection.hasEvents())


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
            (connection.sendText, "a"),
            (connection.sendBytes, b"a"),
            (connection.sendFrame, Frame(TEXT, b"a")),
            (connection.sendFramed, [(b"\x81\x01a",)]),
            (connection.ping, b""),
        ):
            error = self.assertRaises(InvalidState, send, argument)
            self.assertIn("not over", str(error))
        self.assertFalse(connection.outbox.hasSome())

    def test_closeTooEarly(self) -> None:
        """
        There is no closing handshake before the opening one, and nothing to answer.
        """
        connection = self.makeClosed()
        connection.close(1000, "", CloseCause.LOCAL_CLOSE)
        connection.fail(1002, "", CloseCause.PEER_FAULT)
        connection.pong(b"")
        self.assertIs(connection.state, State.CONNECTING)
        self.assertFalse(connection.outbox.hasSome())

    def test_lostEarly(self) -> None:
        """
        A connection can be lost or dropped before it was open.
        """
        connection = self.makeClosed()
        connection.lose("refused")
        self.assertIs(connection.state, State.CLOSED)
        self.assertIs(connection.report().cause, CloseCause.PEER_LOST)
        self.assertEqual(connection.report().detail, "refused")
        connection = self.makeClosed()
        connection.drop(CloseCause.DROPPED, "too slow")
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
        self.assertTrue(connection.hasEvents())
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
        self.assertTrue(self.connection.hasEvents())
        self.assertEqual(self.connection.nextEvent(), "a")
        self.assertTrue(self.connection.hasEvents())
        self.assertEqual(self.connection.nextEvent(), "b")
        self.assertFalse(self.connection.hasEvents())
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
        self.connection.sendText("€")
        self.connection.sendBytes(b"\xff")
        self.connection.sendText("")
        self.connection.sendBytes(b"")
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
            self.connection.sendBytes(payload)
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
        self.connection.sendText("a" * 10)
        self.connection.sendText("b" * 5000)
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
        self.assertRaises(UnicodeEncodeError, self.connection.sendText, "a\ud800")
        self.assertEqual(self.talk.sent(), [])
        self.connection.sendText("next")
        self.assertEqual(self.talk.sent(), [Frame(TEXT, b"next")])

    def test_fragmented(self) -> None:
        """
        Where it is asked for, messages above the threshold are sent in fragments.
        """
        self.start(fragmentOutgoingMessages=True, fragmentationThreshold=2)
        self.connection.sendText("ab")
        self.connection.sendText("abc")
        self.connection.sendBytes(b"abcd")
        self.connection.sendBytes(b"")
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
        self.connection.sendText("abc")
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
        A frame goes out with its extension bits.
        """
        self.connection.sendFrame(Frame(TEXT, b"a", rsv=0x40))
        self.assertEqual(self.talk.taken()[0], 0xC1)

    def test_pings(self) -> None:
        """
        Each ping is sent, in order with the messages.
        """
        self.connection.sendText("a")
        self.connection.ping(b"")
        self.connection.ping(b"p" * 125)
        self.assertEqual(
            self.talk.sent(), [Frame(TEXT, b"a"), Frame(PING), Frame(PING, b"p" * 125)]
        )

    def test_pongFirst(self) -> None:
        """
        A late answer to a ping overtakes what waits.
        """
        self.connection.sendText("a")
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
            lambda: self.connection.drop(CloseCause.WRITE_TIMEOUT),
            lambda: self.connection.lose("reset"),
        ):
            self.start()
            end()
            self.talk.taken()
            for send, argument in (
                (self.connection.sendText, "a"),
                (self.connection.sendBytes, b"a"),
                (self.connection.sendFrame, Frame(TEXT, b"a")),
                (self.connection.sendFramed, [(b"\x81\x01a",)]),
                (self.connection.ping, b""),
            ):
                error = self.assertRaises(ConnectionClosed, send, argument)
                self.assertEqual(error.report, self.connection.report())
            self.connection.pong(b"")
            self.assertFalse(self.connection.outbox.hasSome())


class TrafficTestsMixin:
    """
    What is counted.
    """

    def assertTraffic(self, **expected: int) -> None:
        """
        The counts are these.
        """
        counts = self.connection.traffic()._asdict()
        self.assertEqual({name: counts[name] for name in expected}, expected)

    def test_nothing(self) -> None:
        """
        At first nothing has passed.
        """
        self.assertEqual(self.connection.traffic(), (0, 0, 0, 0))

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
        self.connection.sendText("a")
        self.connection.sendBytes(b"b" * 5000)
        self.connection.sendFramed([(b"\x81\x01", b"a")])
        self.connection.ping(b"")
        self.assertTraffic(messagesSent=3, bytesSent=0)
        self.connection.pong(b"late", isLate=True)
        self.assertTraffic(messagesSent=3, bytesSent=len(self.talk.taken()))

    def test_sentFrames(self) -> None:
        """
        A message in several frames is one message.
        """
        self.connection.sendFrame(Frame(TEXT, b"a", fin=False))
        self.connection.sendFrame(Frame(PING))
        self.connection.sendFrame(Frame(CONTINUATION, b"b"))
        self.connection.sendFrame(Frame(CLOSE))
        self.assertTraffic(messagesSent=1)
        self.start(fragmentOutgoingMessages=True, fragmentationThreshold=1)
        self.connection.sendText("abc")
        self.assertTraffic(messagesSent=1)


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
        self.connection.lose()
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
        self.connection.lose()
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
        self.assertReport(sentCode=None, sentReason="", code=1006)

    def test_notEnded(self) -> None:
        """
        A report that is asked for too early claims no end that was agreed on.
        """
        self.assertReport(
            cause=CloseCause.PEER_LOST,
            wasClean=False,
            sentCode=None,
            receivedCode=None,
            closeReceived=False,
            detail="",
        )

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
        self.assertFalse(self.connection.hasEvents())
        self.assertEqual(self.talk.sent(), [Frame(CLOSE, b"\x03\xe8")])
        self.assertReport(cause=CloseCause.PEER_CLOSE, wasClean=True)

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
        self.connection.lose("reset")
        self.assertReport(cause=CloseCause.PEER_LOST, sentCode=None, detail="reset")

    def test_fail(self) -> None:
        """
        We can end a connection because of a fault: the peer is told, and nothing more
        is delivered.
        """
        self.talk.wait()
        self.connection.sendText("first")
        self.connection.fail(1011, "oops", CloseCause.APPLICATION_ERROR)
        self.assertFalse(self.connection.hasEvents())
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
        self.connection.drop(CloseCause.DROPPED, "third")
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
            self.connection.sendText("unsent")
            start()
            waiting = self.connection.outbox.size
            self.connection.drop(CloseCause.KEEPALIVE_TIMEOUT, "no pong")
            self.assertFalse(self.connection.hasEvents())
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
        self.connection.drop(CloseCause.CLOSE_TIMEOUT)
        self.assertState(State.AWAITING_LOSS)
        self.assertReport(cause=CloseCause.PEER_CLOSE, wasClean=True)

    def test_lost(self) -> None:
        """
        A connection that just breaks is told as such, with what the transport said.
        """
        self.talk.wait()
        self.connection.sendText("unsent")
        size = self.connection.outbox.size
        self.connection.lose("Connection reset by peer")
        self.assertState(State.CLOSED)
        self.assertEqual(self.talk.events(), [])
        self.assertFalse(self.connection.hasEvents())
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
        self.connection.lose("Connection reset by peer")
        self.assertReport(
            cause=CloseCause.LOCAL_CLOSE, wasClean=False, code=1006, sentCode=1000
        )

    def test_lostBeforeAnswer(self) -> None:
        """
        The end isn't clean if our answer to the peer's close frame never left.
        """
        self.talk.receive(self.talk.closeFrame(1000))
        self.connection.lose("Connection reset by peer")
        self.assertReport(cause=CloseCause.PEER_CLOSE, wasClean=False, code=1000)

    def test_afterLoss(self) -> None:
        """
        When the transport is gone, nothing is told any more, and the report stays.
        """
        self.connection.lose("reset")
        report = self.connection.report()
        self.connection.drop(CloseCause.DROPPED)
        self.close()
        self.connection.fail(1002, "late", CloseCause.PEER_FAULT)
        self.assertNothingMore()
        self.assertEqual(self.connection.report(), report)
        self.assertRaises(InvalidState, self.connection.lose)


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
        self.connection.sendBytes(payload)
        self.assertIs(self.connection.outbox.take(9000)[1], payload)

    def test_framed(self) -> None:
        """
        A message that was framed once can be sent to many.
        """
        large = b"x" * 5000
        framed = frameMessage(TEXT, b"to all", ServerConfig())
        framed += frameMessage(BINARY, large, ServerConfig())
        for _ in range(2):
            self.start()
            self.connection.sendText("before")
            self.connection.sendFramed(framed)
            self.assertEqual(
                self.talk.sent(),
                [Frame(TEXT, b"before"), Frame(TEXT, b"to all"), Frame(BINARY, large)],
            )


class FrameMessageTests(SynchronousTestCase):
    """
    Tests of :func:`frameMessage`.
    """

    def test_one(self) -> None:
        """
        A message is one frame, in one piece; a large payload isn't copied.
        """
        config = ServerConfig()
        self.assertEqual(frameMessage(TEXT, b"a", config), [(b"\x81\x01a",)])
        self.assertEqual(frameMessage(BINARY, b"", config), [(b"\x82\x00",)])
        payload = b"x" * 5000
        [(head, body)] = frameMessage(BINARY, payload, config)
        self.assertEqual(head, rawHead(BINARY, 5000))
        self.assertIs(body, payload)

    def test_joined(self) -> None:
        """
        Up to a few kilobytes it costs less to join head and payload.
        """
        for size, parts in ((4096, 1), (4097, 2)):
            [frame] = frameMessage(BINARY, bytes(size), ServerConfig())
            self.assertEqual(len(frame), parts)

    def test_several(self) -> None:
        """
        It is several frames where the options say so, each with a mask of its own.
        """
        config = ServerConfig(fragmentOutgoingMessages=True, fragmentationThreshold=2)
        self.assertEqual(
            frameMessage(TEXT, b"abc", config),
            [(rawFrame(TEXT, b"ab", fin=False),), (rawFrame(CONTINUATION, b"c"),)],
        )
        masks = iter((b"1234", b"5678"))
        self.assertEqual(
            frameMessage(TEXT, b"abc", config, masks.__next__),
            [
                (rawFrame(TEXT, b"ab", fin=False, mask=b"1234"),),
                (rawFrame(CONTINUATION, b"c", mask=b"5678"),),
            ],
        )


class PayloadTests(SynchronousTestCase):
    """
    Tests of the payloads of control frames.
    """

    def test_controlPayload(self) -> None:
        """
        Up to 125 bytes are taken, and kept as bytes.
        """
        for size in (0, 125):
            payload = checkControlPayload(bytearray(size))
            self.assertEqual((payload, type(payload)), (bytes(size), bytes))
        self.assertRaises(ValueError, checkControlPayload, bytes(126))

    def test_closePayload(self) -> None:
        """
        A close frame has its code in two bytes and its reason in UTF-8, or is empty.
        """
        self.assertEqual(closePayload(None, ""), b"")
        self.assertEqual(closePayload(1000, ""), b"\x03\xe8")
        self.assertEqual(closePayload(4999, "€"), b"\x13\x87" + EURO)

    def test_cutReason(self) -> None:
        """
        However long a reason is, its payload fits, and is never cut in a character.
        """
        for character in ("a", "é", "€", "😀"):
            for start in ("", "1", "12", "123"):
                payload = closePayload(1000, start + character * 130)
                kept = (123 - len(start)) // len(character.encode())
                self.assertEqual(payload[2:].decode(), start + character * kept)

    def test_parsed(self) -> None:
        """
        What was written can be read.
        """
        self.assertEqual(parseClosePayload(b""), (None, ""))
        self.assertEqual(parseClosePayload(b"\x03\xe8"), (1000, ""))
        self.assertEqual(parseClosePayload(b"\x13\x87" + EURO), (4999, "€"))

    def test_parsedCodes(self) -> None:
        """
        Just the codes that may travel are read.
        """
        found = set()
        for code in range(65536):
            try:
                found.add(parseClosePayload(code.to_bytes(2, "big"))[0])
            except ValueError:
                pass
        self.assertEqual(found, SENDABLE)

    def test_notParsed(self) -> None:
        """
        Half a code and a reason that isn't UTF-8 are told apart.
        """
        error = self.assertRaises(ValueError, parseClosePayload, b"\x03")
        self.assertFalse(isinstance(error, UnicodeError))
        self.assertIn("half a code", str(error))
        self.assertRaises(UnicodeError, parseClosePayload, b"\x03\xe8\xff")


class CheckCloseTests(SynchronousTestCase):
    """
    Tests of :func:`checkClose`.
    """

    def assertRefused(self, code: Any, reason: str, told: str) -> None:
        """
        No close frame is sent with these, and the error says why.
        """
        error = self.assertRaises(ValueError, checkClose, code, reason)
        self.assertIn(told, str(error))

    def test_accepted(self) -> None:
        """
        A code that may travel with a reason that fits, or neither, can be sent.
        """
        self.assertIsNone(checkClose(None, ""))
        for code in SENDABLE:
            self.assertIsNone(checkClose(code, "x" * 123))
        self.assertIsNone(checkClose(1000, "€" * 41))

    def test_codes(self) -> None:
        """
        Other codes can't, and those that can are listed.
        """
        for code in {*BORDERS, -1, 65536} - SENDABLE:
            self.assertRefused(code, "", f"1007 to 1014 or 3000 to 4999, not {code}")

    def test_reasons(self) -> None:
        """
        A reason has at most 123 bytes in UTF-8, no lone surrogate, and needs a code.
        """
        self.assertRefused(1000, "x" * 124, "at most 123 bytes in UTF-8, not 124")
        self.assertRefused(1000, "€" * 42, "not 126")
        self.assertRefused(1000, "\ud800", "surrogates not allowed")
        self.assertRefused(None, "bye", "a reason needs a close code: 'bye'")

    def test_otherTypes(self) -> None:
        """
        A code is a whole number and a reason is text, nothing that merely looks so.
        """
        for code in ("1000", 1000.0, 3000.5, b"\x03\xe8", True):
            self.assertRefused(code, "", f"not {code!r}")
        for reason in (b"bye", None, 1):
            error = self.assertRaises(TypeError, checkClose, 1000, reason)
            self.assertIn(f"must be str, not {type(reason).__name__}", str(error))
