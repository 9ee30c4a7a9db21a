# Part of txwebsocket. See LICENSE for details.
"""
Tests of telling listeners.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends
from tests.support.raising import EVERY_WAY, KINDS, makeFuture
from tests.support.serving import OddError
from txwebsocket.connection.errors import closedError
from txwebsocket.connection.listeners import Listeners, isRace
from txwebsocket.pending import PendingDeferreds


class ListenersTests(SynchronousTestCase):
    """
    Tests of :class:`Listeners`.
    """

    def setUp(self) -> None:
        self.running = PendingDeferreds()
        self.listeners = Listeners("the tests", self.running)

    def test_told(self) -> None:
        """
        A listener is called with what has happened; none need be there.
        """
        told: list[object] = []
        self.listeners.notify(lambda *what: told.extend(what), 1, "two")
        self.listeners.notify(None, 3)
        self.assertEqual(told, [1, "two"])
        self.assertEqual(len(self.running), 0)

    def test_failing(self) -> None:
        """
        Whatever it fails with is logged, with what it listened to.
        """
        for way in EVERY_WAY:
            self.listeners.notify(way)
            self.assertEqual(len(self.flushLoggedErrors(*KINDS)), 1)
            self.assertEqual(len(self.running), 0)

    def test_running(self) -> None:
        """
        One that takes its time is known until it has ended.
        """
        deferred: Deferred[None] = Deferred()
        self.listeners.notify(lambda: deferred)
        self.assertEqual(len(self.running), 1)
        deferred.errback(OddError())
        self.assertEqual(len(self.running), 0)
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_stopping(self) -> None:
        """
        One that is cancelled is logged, unless its owner is about to stop.
        """
        for isStopping in (False, True):
            self.listeners.isStopping = isStopping
            futures = [makeFuture()]
            deferreds: list[Deferred[Any]] = [Deferred()]
            self.listeners.notify(futures.pop)
            self.listeners.notify(lambda deferreds=deferreds: deferreds[0])
            deferreds[0].cancel()
            self.running.whenEnded()
            logged = self.flushLoggedErrors(CancelledError)
            self.assertEqual(len(logged), 0 if isStopping else 1)


class RaceTests(SynchronousTestCase):
    """
    Tests of :func:`isRace`.
    """

    def test_ended(self) -> None:
        """
        Code is left by the end of just its connection; nothing else is a race.
        """
        ends, other = Ends(), Ends()
        ends.link.connectionLost(Failure(OddError()))
        lost = Failure(closedError(ends.link.report))  # type: ignore[arg-type]
        self.assertTrue(isRace(lost, ends.connection))
        self.assertFalse(isRace(lost, other.connection))
        self.assertFalse(isRace(lost, "connection"))
        self.assertFalse(isRace(Failure(OddError()), ends.connection))
