# Part of txwebsocket. See LICENSE for details.
"""
Tests of what becomes of messages for which there is no room.
"""

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.config import ServerConfig
from txwebsocket.wire.codes import CloseCause, CloseCode, Opcode, Role
from txwebsocket.wire.config import BufferPolicy
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.errors import BufferFull, ConnectionClosed, InvalidState
from txwebsocket.wire.frames import Frame
from txwebsocket.wire.states import State

LIMIT = 1000
KEPT = (BufferPolicy.RAISE, BufferPolicy.DROP)


def frame(opcode: int, payload: bytes, fin: bool = True) -> Frame:
    """
    A frame to send.
    """
    return Frame(opcode, payload, fin, 0)


class Owner:
    """
    Who owns a connection.

    :ivar told: what it was told.
    :ivar take: called when room is to be made.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.take: Callable[[], object] = lambda: None

    def makeRoom(self, isNeeded: bool) -> None:
        """
        Note it, and do what there is to do.
        """
        self.told.append("needed" if isNeeded else "room")
        self.take()

    def messageDropped(self) -> None:
        """
        Note it.
        """
        self.told.append("dropped")


class RoomTestCase(SynchronousTestCase):
    """
    What tests of the bound need.
    """

    def full(self, policy: BufferPolicy, **options: Any) -> Connection:
        """
        Open a connection with room for 98 bytes of payload.
        """
        self.owner = Owner()
        config = ServerConfig(maxBufferedBytes=LIMIT, whenBufferFull=policy, **options)
        connection = Connection(Role.SERVER, config, lambda: b"", self.owner)
        connection.open()
        connection.send(bytes(898))
        self.assertEqual(connection.outbox.size, 902)
        return connection

    def assertRefused(
        self, connection: Connection, call: Callable[..., object], *args: object
    ) -> None:
        """
        The call raises what tells of the full buffer, and does nothing else.
        """
        before = connection.outbox.size
        error = self.assertRaises(BufferFull, call, *args)
        self.assertEqual((error.waiting, error.limit), (before, LIMIT))
        self.assertEqual(connection.outbox.size, before)
        self.assertIs(connection.state, State.OPEN)


class PolicyTests(RoomTestCase):
    """
    Tests of each policy.
    """

    def test_fits(self) -> None:
        """
        Up to the very bound there is room, by each policy.
        """
        for policy in BufferPolicy:
            connection = self.full(policy)
            connection.send(bytes(98))
            self.assertEqual(connection.traffic().messagesSent, 2)

    def test_oneAlways(self) -> None:
        """
        One message is always taken, by each policy.
        """
        for policy in BufferPolicy:
            connection = self.full(policy)
            connection.outbox.clear()
            connection.send(bytes(2 * LIMIT))
            self.assertEqual(connection.traffic().messagesSent, 2)

    def test_close(self) -> None:
        """
        The connection is closed with 1008, or 1013, and who sends is told.
        """
        for policy, code in (
            (BufferPolicy.CLOSE, CloseCode.POLICY_VIOLATION),
            (BufferPolicy.CLOSE_TRY_AGAIN_LATER, CloseCode.TRY_AGAIN_LATER),
        ):
            connection = self.full(policy)
            error = self.assertRaises(ConnectionClosed, connection.send, bytes(99))
            self.assertEqual(error.report.sentCode, code)
            self.assertIs(error.report.cause, CloseCause.BUFFER_FULL)
            self.assertEqual(error.report.messagesDropped, 0)
            self.assertIs(connection.state, State.AWAITING_LOSS)

    def test_raise(self) -> None:
        """
        Who sends is told how much there is, and can go on later.
        """
        connection = self.full(BufferPolicy.RAISE)
        for message in (bytes(99), "x" * 99):
            self.assertRefused(connection, connection.send, message)
        self.assertEqual(connection.traffic().messagesDropped, 0)
        connection.outbox.take(LIMIT)
        connection.send(bytes(99))
        self.assertEqual(connection.traffic().messagesSent, 2)

    def test_drop(self) -> None:
        """
        The message is left out, which is counted and told; those that fit are sent.
        """
        connection = self.full(BufferPolicy.DROP)
        connection.send(bytes(99))
        connection.send("\N{SNOWMAN}" * 33)
        connection.send("fits")
        traffic = connection.traffic()
        self.assertEqual((traffic.messagesSent, traffic.messagesDropped), (2, 2))
        self.assertEqual(self.owner.told.count("dropped"), 2)
        self.assertEqual(connection.outbox.size, 908)
        connection.transportLost()
        self.assertEqual(connection.report().messagesDropped, 2)

    def test_frames(self) -> None:
        """
        A message in one frame is left out, too.
        """
        connection = self.full(BufferPolicy.DROP)
        connection.sendFrame(frame(Opcode.BINARY, bytes(99)))
        self.assertEqual(connection.traffic().messagesDropped, 1)
        connection.sendFrame(frame(Opcode.BINARY, bytes(9)))
        self.assertEqual(connection.traffic().messagesSent, 2)

    def test_parts(self) -> None:
        """
        Parts of a message, which would be none without them, are refused instead, and
        can be sent later; so are pings, which somebody waits for.
        """
        for policy in KEPT:
            connection = self.full(policy)
            first = frame(Opcode.BINARY, bytes(99), fin=False)
            self.assertRefused(connection, connection.sendFrame, first)
            self.assertFalse(connection.isSendingFragments)
            connection.sendFrame(frame(Opcode.BINARY, bytes(90), fin=False))
            for fin in (False, True):
                part = frame(Opcode.CONTINUATION, bytes(20), fin=fin)
                self.assertRefused(connection, connection.sendFrame, part)
                ping = frame(Opcode.PING, bytes(20))
                self.assertRefused(connection, connection.sendFrame, ping)
            self.assertRefused(connection, connection.ping, bytes(20))
            self.assertEqual(connection.traffic().messagesDropped, 0)
            connection.outbox.take(LIMIT)
            connection.sendFrame(frame(Opcode.CONTINUATION, b"end"))
            self.assertFalse(connection.isSendingFragments)

    def test_shared(self) -> None:
        """
        A message for many is left out for this one alone, before it is framed.
        """
        connection = self.full(BufferPolicy.DROP)
        shared: dict[Any, Any] = {}
        self.assertFalse(connection.sendBroadcast(Opcode.TEXT, bytes(99), shared))
        self.assertTrue(connection.sendBroadcast(Opcode.TEXT, b"fits", shared))
        self.assertEqual(connection.traffic().messagesDropped, 1)
        connection = self.full(BufferPolicy.RAISE)
        self.assertRefused(
            connection, connection.sendBroadcast, Opcode.TEXT, bytes(99), {}
        )

    def test_stream(self) -> None:
        """
        A stream, which can do without no part, is closed by each policy.
        """
        for policy in BufferPolicy:
            connection = self.full(policy)
            connection.sendStreamBytes(bytes(50), 10)
            error = self.assertRaises(
                ConnectionClosed, connection.sendStreamBytes, bytes(99), 10
            )
            self.assertIn(error.report.sentCode, (1008, 1013))


class MakingRoomTests(RoomTestCase):
    """
    Tests of having somebody take what waits.
    """

    def test_mark(self) -> None:
        """
        From the mark on, each message has room made before it.
        """
        connection = self.full(BufferPolicy.CLOSE, highWaterMark=910)
        connection.send(b"some")
        self.assertEqual(self.owner.told, [])
        connection.send(b"more")
        self.assertEqual(self.owner.told, [])
        connection.send(b"much")
        self.assertEqual(self.owner.told, ["room"])

    def test_beforeRefusal(self) -> None:
        """
        Nothing is refused before room was made for it.
        """
        for policy in BufferPolicy:
            connection = self.full(policy)
            self.owner.take = connection.outbox.clear
            connection.send(bytes(500))
            connection.sendFrame(frame(Opcode.BINARY, bytes(600)))
            connection.ping(bytes(100))
            connection.sendBroadcast(Opcode.BINARY, bytes(950), {})
            connection.sendStreamBytes(bytes(500), 400)
            self.assertEqual(self.owner.told, ["needed"] * 4)
            self.assertEqual(connection.traffic().messagesSent, 6)

    def test_changedMeanwhile(self) -> None:
        """
        Who makes room may begin a message frame by frame, or end the connection: then
        nothing is sent into it.
        """
        connection = self.full(BufferPolicy.CLOSE)
        begin = frame(Opcode.BINARY, b"part", fin=False)
        self.owner.take = lambda: (
            connection.outbox.clear(),
            setattr(self.owner, "take", lambda: None),
            connection.sendFrame(begin),
        )
        self.assertRaises(InvalidState, connection.send, bytes(99))
        connection = self.full(BufferPolicy.CLOSE)
        self.owner.take = lambda: connection.close(1000, "", CloseCause.LOCAL_CLOSE)
        self.assertRaises(ConnectionClosed, connection.send, bytes(99))
        self.assertEqual(connection.outbox.size, 906)
