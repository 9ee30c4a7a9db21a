# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.readallowance`.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends
from txwebsocket import CloseCause, CloseReport
from txwebsocket.connection.readallowance import MAX_UNREAD, SLOWEST_READ, ReadAllowance
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.outbox import Outbox

MIB = 1024 * 1024

# So little that the peer is read from all the time.
_PIECE = 32 * 1024


class EstimateTests(SynchronousTestCase):
    """
    Tests of what is counted as unread.
    """

    def setUp(self) -> None:
        """
        Nothing was sent so far.
        """
        self.outbox = Outbox()
        self.allowance = ReadAllowance(self.outbox)

    def send(self, size: int) -> None:
        """
        Send so many bytes.
        """
        self.outbox.put(bytes(size))
        self.outbox.take(size)

    def test_little(self) -> None:
        """
        If little was sent there is no allowance at all.
        """
        self.send(SLOWEST_READ - 1)
        self.allowance.noteKeepalive(b"a")
        self.assertEqual(self.allowance.seconds(), 0)
        self.send(1)
        self.assertEqual(self.allowance.seconds(), 0)
        self.allowance.noteKeepalive(b"b")
        self.assertEqual(self.allowance.seconds(), 1)

    def test_bound(self) -> None:
        """
        However much was sent, there is no more than 256 seconds.
        """
        for size in (MAX_UNREAD, 100 * MIB):
            self.send(size)
            self.allowance.noteKeepalive(b"a")
            self.assertEqual(self.allowance.seconds(), 256)

    def test_pong(self) -> None:
        """
        A pong confirms what was sent before its ping, and nothing behind it.
        """
        self.send(2 * MIB)
        self.allowance.noteKeepalive(b"a")
        self.send(MIB)
        self.allowance.noteKeepalive(b"b")
        self.assertEqual(self.allowance.seconds(), 96)
        self.allowance.notePong(b"other")
        self.assertEqual(self.allowance.seconds(), 96)
        self.allowance.notePong(b"a")
        self.assertEqual(self.allowance.seconds(), 32)
        self.allowance.notePong(b"a")
        self.allowance.notePong(b"b")
        self.assertEqual(self.allowance.seconds(), 0)

    def test_queued(self) -> None:
        """
        A ping of the application, and a close frame, are behind what is queued; one of
        the keep-alive is ahead of it.
        """
        self.outbox.put(bytes(MIB))
        self.allowance.noteKeepalive(b"a")
        self.assertEqual(self.allowance.seconds(), 0)
        self.allowance.noteClose()
        self.assertEqual(self.allowance.seconds(), 32)
        self.allowance.notePing(b"b")
        self.allowance.notePong(b"b")
        self.assertEqual(self.allowance.seconds(), 0)

    def test_manyPings(self) -> None:
        """
        Of very many pings few are remembered: the first, for peers that answer each,
        and the newest, for those that answer only that. The others confirm nothing.
        """
        for answered, seconds in ((0, 99), (6, 93), (50, 100), (99, 0)):
            self.setUp()
            for number in range(100):
                self.send(SLOWEST_READ)
                self.allowance.notePing(b"%d" % number)
            self.allowance.noteClose()
            self.allowance.notePong(b"%d" % answered)
            self.assertEqual(self.allowance.seconds(), seconds)


class Peers(SynchronousTestCase):
    """
    A connection in memory, whose transport takes all at once.
    """

    def begin(self, role: Role, size: int, **options: Any) -> None:
        """
        Open a connection, and send so many bytes in all.
        """
        transport = MemoryTransport(Clock())
        self.ends = Ends(role=role, transport=transport, **options)
        self.peer = self.ends.peer
        self.closed = self.ends.connection.whenClosed()
        self.send(size)

    def send(self, size: int) -> None:
        """
        Send so many bytes in all.
        """
        for start in range(0, size, _PIECE):
            self.ends.connection.send(bytes(min(_PIECE, size - start)))
            self.peer.turn()

    def answerPing(self) -> None:
        """
        The peer reads the only ping among all, and answers it.
        """
        [ping] = [each for each in self.peer.frames() if each.opcode == Opcode.PING]
        self.peer.pong(ping.payload)

    def assertEnds(self, seconds: int, cause: CloseCause) -> None:
        """
        The connection ends after so many seconds, and no earlier.
        """
        self.peer.waitLong(seconds - 1)
        self.assertNoResult(self.closed)
        self.peer.wait(1)
        report: CloseReport = self.successResultOf(self.closed)
        self.assertIs(report.cause, cause)
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])


class KeepaliveTests(Peers):
    """
    Tests of when the keep-alive gives up.
    """

    cause = CloseCause.KEEPALIVE_TIMEOUT

    def test_silent(self) -> None:
        """
        A peer that was sent much and stays silent has a second more for each 32 KiB,
        and no other ping; one that was sent little has none.
        """
        for role in Role:
            for size, seconds in ((10_000, 30), (MIB, 62), (5 * MIB, 190)):
                self.begin(role, size)
                self.assertEnds(seconds, self.cause)
                opcodes = [each.opcode for each in self.peer.frames()]
                self.assertEqual(opcodes.count(Opcode.PING), 1)

    def test_bound(self) -> None:
        """
        However much it was sent, it has no more than 256 seconds in addition.
        """
        for role in Role:
            self.begin(role, 12 * MIB)
            self.assertEnds(286, self.cause)

    def test_sentLater(self) -> None:
        """
        What is sent after the ping does not delay its answer, and counts for nothing.
        """
        self.begin(Role.SERVER, MIB)
        self.peer.waitLong(21)
        self.send(4 * MIB)
        self.assertEnds(62 - 21, self.cause)

    def test_pong(self) -> None:
        """
        When a pong has come, only what was sent after its ping is unread; other bytes
        from the peer are life, and confirm nothing.
        """
        for role in Role:
            self.begin(role, 5 * MIB)
            self.peer.waitLong(100)
            self.answerPing()
            self.assertEnds(30, self.cause)
            self.begin(role, 5 * MIB)
            self.peer.waitLong(100)
            self.peer.sendText("life")
            self.assertEnds(190, self.cause)

    def test_unacknowledged(self) -> None:
        """
        A peer whose system does not take what was sent has no time in addition.
        """
        for role in Role:
            self.begin(role, 5 * MIB)
            self.patch(self.ends.link.writer.__class__, "isLagging", lambda self: True)
            self.assertEnds(30, self.cause)


class CloseTests(Peers):
    """
    Tests of how long the peer's close frame is waited for.
    """

    cause = CloseCause.CLOSE_TIMEOUT

    def test_unanswered(self) -> None:
        """
        A peer that was sent much has a second more for each 32 KiB, and no more than
        256; one that was sent little has ``closeTimeout``.
        """
        for role in Role:
            for size, seconds in ((10_000, 5), (5 * MIB, 165), (12 * MIB, 261)):
                self.begin(role, size)
                self.ends.connection.close()
                self.assertEnds(seconds, self.cause)

    def test_bound(self) -> None:
        """
        ``maxCloseTime`` bounds it as before.
        """
        for role in Role:
            self.begin(role, 5 * MIB, maxCloseTime=20.0)
            self.ends.connection.close()
            self.assertEnds(20, self.cause)

    def test_pong(self) -> None:
        """
        What a pong confirms is not counted, whether it comes before the close or after.
        """
        for role in Role:
            self.begin(role, 4 * MIB, keepaliveInterval=2.0)
            self.peer.waitLong(3)
            self.answerPing()
            self.ends.connection.close()
            self.assertEnds(5, self.cause)
            self.begin(role, 4 * MIB, keepaliveInterval=2.0)
            self.peer.waitLong(3)
            self.ends.connection.close()
            self.peer.waitLong(100)
            self.answerPing()
            self.peer.waitLong(2)
            self.assertFalse(self.ends.transport.isConnected)

    def test_answered(self) -> None:
        """
        A server whose close frame has come has read all, and has ``closeTimeout`` from
        then on to end the connection.
        """
        self.begin(Role.CLIENT, 5 * MIB)
        self.ends.connection.close()
        self.peer.waitLong(20)
        self.peer.sendClose()
        self.peer.waitLong(4)
        self.assertTrue(self.ends.transport.isConnected)
        self.peer.wait(1)
        self.assertFalse(self.ends.transport.isConnected)

    def test_unacknowledged(self) -> None:
        """
        A peer whose system does not take what was sent has ``closeTimeout``.
        """
        for role in Role:
            self.begin(role, 5 * MIB)
            self.patch(self.ends.link.writer.__class__, "isLagging", lambda self: True)
            self.ends.connection.close()
            self.assertEnds(5, self.cause)
