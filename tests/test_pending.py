# Part of txwebsocket. See LICENSE for details.
"""
Tests of what takes its time.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.pending import PendingDeferreds


class RunningTests(SynchronousTestCase):
    """
    Tests of waiting for what runs, and of giving it up.
    """

    def setUp(self) -> None:
        self.running = PendingDeferreds()
        self.first: Deferred[Any] = Deferred()
        self.second: Deferred[Any] = Deferred()
        self.running.add(self.first)
        self.running.add(self.second)

    def test_whenEnded(self) -> None:
        """
        All of it is waited for, however it ends, by as many as wish to.
        """
        ended = [self.running.whenEnded(), self.running.whenEnded()]
        self.assertEqual(len(self.running), 2)
        self.first.callback(None)
        self.assertNoResult(ended[0])
        self.second.errback(ZeroDivisionError())
        for each in ended:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(len(self.running), 0)
        self.failureResultOf(self.second, ZeroDivisionError)

    def test_results(self) -> None:
        """
        What it ends with stays there for others.
        """
        self.first.callback("result")
        self.assertEqual(self.successResultOf(self.first), "result")

    def test_nothing(self) -> None:
        """
        With nothing there, or nothing left, there is no wait.
        """
        running = PendingDeferreds()
        running.add(succeed(None))
        self.assertEqual(len(running), 0)
        self.successResultOf(running.whenEnded())

    def test_forgotten(self) -> None:
        """
        Whoever waits may stop waiting.
        """
        waiting, other = self.running.whenEnded(), self.running.whenEnded()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.first.callback(None)
        self.second.callback(None)
        self.successResultOf(other)

    def test_giveUp(self) -> None:
        """
        Given up, all is cancelled; what goes on regardless, and what comes later, is
        waited for no more.
        """

        def goOn(failure: Failure) -> Deferred[Any]:
            failure.trap(CancelledError)
            return Deferred()

        self.first.addErrback(goOn)
        stubborn: Deferred[Any] = Deferred()
        stubborn.addErrback(goOn)
        self.running.add(stubborn)
        ended = self.running.whenEnded()
        self.running.giveUp()
        self.failureResultOf(self.second, CancelledError)
        self.successResultOf(ended)
        self.running.add(Deferred())
        self.successResultOf(self.running.whenEnded())
