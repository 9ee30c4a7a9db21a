# Part of txwebsocket. See LICENSE for details.
"""
A reactor's clock, which goes by the wall clock, and that may be set.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.python import runtime
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.connection import timerqueue as alarms


class WallClock(Clock):
    """
    The time of a reactor.

    :param test: the test, until whose end the system has this time only.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        super().__init__()
        self._set = 0.0
        test.patch(runtime, "seconds", self.seconds)
        test.patch(alarms, "monotonic", self.steady)

    def steady(self) -> float:
        """
        The time that nobody sets.
        """
        return self.seconds() - self._set

    def jump(self, seconds: float) -> None:
        """
        Somebody sets the clock.
        """
        self._set += seconds
        self.rightNow += seconds
        self.advance(0)
