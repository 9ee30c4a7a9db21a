# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.progress`.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.connection import progress
from txwebsocket.connection.progress import StallTimer, acknowledged, unacknowledged
from txwebsocket.connection.timerqueue import TimerQueue

MUCH = b"x" * 2**22


class SystemTests(SynchronousTestCase):
    """
    Tests of what the system tells.
    """

    if sys.platform == "win32":
        skip = "Windows does not tell it"

    def connect(self, isTCP: bool) -> tuple[socket.socket, socket.socket]:
        """
        Both ends of a connection; the first does not block.
        """
        if isTCP:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                ours = socket.create_connection(listening.getsockname())
                peer, _ = listening.accept()
        else:
            ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.settimeout(5)
        self.addCleanup(ours.close)
        self.addCleanup(peer.close)
        return ours, peer

    def read(self, peer: socket.socket, size: int) -> None:
        """
        Read so much.
        """
        while size > 0:
            size -= len(peer.recv(min(size, 2**16)))

    def test_reading(self) -> None:
        """
        When a peer reads, more is acknowledged and less is not; else both stay as they
        are.
        """
        for isTCP in (True, False):
            ours, peer = self.connect(isTCP)
            sent = ours.send(MUCH)
            before, _ = acknowledged(ours)
            waiting = unacknowledged(ours)
            self.assertGreater(waiting, 0)
            self.assertEqual(acknowledged(ours)[0], before)
            self.read(peer, sent - 1000)
            self.assertGreater(acknowledged(ours)[0], before)
            self.assertLess(unacknowledged(ours), waiting)

    def test_exact(self) -> None:
        """
        Over TCP nothing is counted twice: what the peer's system took is acknowledged,
        and all else is not, even when the peer has reset the connection.
        """
        ours, peer = self.connect(True)
        sent = ours.send(MUCH)
        for isReset in (False, True):
            if isReset:
                linger = struct.pack("ii", 1, 0)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                peer.close()
            # The system counts the beginning of the connection as a byte.
            known = unacknowledged(ours) + acknowledged(ours)[0]
            self.assertIn(known - sent, (0, 1))

    if sys.platform != "linux":
        test_exact.skip = "only Linux counts what is acknowledged"  # type: ignore[attr-defined]

    def test_closed(self) -> None:
        """
        Of a closed socket nothing is known.
        """
        for isTCP in (True, False):
            ours, _ = self.connect(isTCP)
            ours.send(b"x")
            ours.close()
            self.assertEqual((acknowledged(ours), unacknowledged(ours)), ((0, 0.0), 0))

    def test_otherSystems(self) -> None:
        """
        Where the system counts nothing, less that is not acknowledged means progress;
        and where it does not tell that either, nothing does.
        """
        ours, peer = self.connect(True)
        self.patch(progress, "_HAS_TCP_INFO", False)
        sent = ours.send(MUCH)
        before, ago = acknowledged(ours)
        self.assertEqual((before, ago), (-unacknowledged(ours), 0.0))
        self.read(peer, sent - 1000)
        self.assertGreater(acknowledged(ours)[0], before)
        self.patch(progress, "ioctl", None)
        del progress.ioctl
        self.addCleanup(setattr, progress, "ioctl", None)
        self.assertEqual(unacknowledged(ours), 0)


class StallTests(SynchronousTestCase):
    """
    Tests of :class:`StallTimer`.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.movedAt = 0.0
        self.stalled: list[float] = []

    def begin(self, patience: float, **options: Any) -> StallTimer:
        """
        Note when nothing has moved for so long.
        """
        return StallTimer(
            TimerQueue(self.clock),
            patience,
            lambda: self.movedAt,
            lambda: self.stalled.append(self.clock.seconds()),
            **options,
        )

    def test_nothing(self) -> None:
        """
        If nothing moves, this is told after that time, once; whether time passes in
        steps or all at once.
        """
        for steps in ([0.5] * 30, [9.9, 0.1, 5], [10], [50]):
            self.setUp()
            self.begin(10)
            self.clock.pump(steps)
            self.assertEqual(len(self.stalled), 1)
            self.assertAlmostEqual(self.stalled[0], max(10.0, steps[0]))
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_moving(self) -> None:
        """
        What moves puts it off, from the moment it did.
        """
        self.begin(10)
        for _ in range(10):
            self.clock.pump([0.5] * 18)
            self.movedAt = self.clock.seconds() - 0.5
        self.assertEqual(self.stalled, [])
        self.clock.pump([0.5] * 40)
        self.assertEqual(self.stalled, [99.5])

    def test_longest(self) -> None:
        """
        It does not put it off for ever, if there is a bound.
        """
        for patience, longest, expected in ((10, 35, 35), (10, 3, 3), (10, 10, 10)):
            self.setUp()
            self.begin(patience, longest=longest)
            for _ in range(100):
                self.clock.advance(0.5)
                self.movedAt = self.clock.seconds()
            self.assertEqual(self.stalled, [expected])

    def test_allowance(self) -> None:
        """
        The allowance is added from when something has moved last, within the bound.
        """
        for longest, expected in ((100, 45), (30, 30)):
            self.setUp()
            self.begin(10, longest=longest, allowance=lambda: 30.0)
            self.clock.pump([0.5] * 10)
            self.movedAt = 5.0
            self.clock.pump([0.5] * 200)
            self.assertEqual(self.stalled, [expected])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_withdrawn(self) -> None:
        """
        An allowance that is withdrawn is noticed soon.
        """
        allowances = [30.0, 0.0]
        self.begin(10, allowance=lambda: allowances.pop(0))
        self.clock.pump([0.5] * 40)
        self.assertEqual(self.stalled, [12.5])

    def test_restart(self) -> None:
        """
        After restart() the time counts anew, but for the bound.
        """
        for longest, expected in ((100, 18), (15, 15)):
            self.setUp()
            timer = self.begin(10, longest=longest)
            self.clock.pump([0.5] * 16)
            timer.restart()
            self.clock.pump([0.5] * 40)
            self.assertEqual(self.stalled, [expected])

    def test_stop(self) -> None:
        """
        After stop() nothing is told, and nothing kept.
        """
        timer = self.begin(10)
        self.clock.advance(5)
        timer.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        timer.expired()
        self.clock.advance(20)
        self.assertEqual(self.stalled, [])
