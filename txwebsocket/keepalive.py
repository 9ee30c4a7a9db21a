# -*- test-case-name: tests.test_keepalive -*-
# Part of txwebsocket. See LICENSE for details.
"""
Noticing that a peer is gone, or has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from txwebsocket.wire.extensions import Transform
from txwebsocket.wire.report import Traffic


class Keepalive:
    """
    Ask for a sign of life after some silence, and give up if there is none.

    A connection has one timer, which nothing that arrives ever touches: when it fires
    it looks back, and sleeps again for as long as is missing.

    :param interval: seconds of silence before ``ping`` is called.
    :param grace: seconds of silence after that before ``giveUp`` is called; None to
        call ``ping`` again and again.
    :param lastHeard: tells when the last sign of life came, by the same clock.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_giveUp",
        "_grace",
        "_interval",
        "_isStopped",
        "_lastHeard",
        "_ping",
        "_pinged",
    )

    def __init__(
        self,
        clock: IReactorTime,
        *,
        interval: float,
        grace: float | None,
        lastHeard: Callable[[], float],
        ping: Callable[[], object],
        giveUp: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._interval = interval
        self._grace = grace
        self._lastHeard = lastHeard
        self._ping = ping
        self._giveUp = giveUp
        self._isStopped = False
        # When a ping was sent that nothing has come after so far.
        self._pinged: float | None = None
        self._call: IDelayedCall | None = clock.callLater(interval, self._look)

    def stop(self) -> None:
        """
        Watch no longer.
        """
        self._isStopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = None
        now = self._clock.seconds()
        due = self._dueAt(now)
        if due > now:
            self._sleep(due - now)
        elif self._pinged is not None:
            self._giveUp()
        else:
            self._askForLife(now)

    def _dueAt(self, now: float) -> float:
        """
        When something is to be done, if nothing is heard until then.
        """
        heard = self._lastHeard()
        if self._pinged is not None and self._grace is not None:
            if heard < self._pinged:
                return self._pinged + self._grace
            self._pinged = None
        return heard + self._interval

    def _askForLife(self, now: float) -> None:
        self._ping()
        if self._grace is None:
            self._sleep(self._interval)
        else:
            self._pinged = now
            self._sleep(self._grace)

    def _sleep(self, seconds: float) -> None:
        if not self._isStopped:
            self._call = self._clock.callLater(seconds, self._look)


class Idleness:
    """
    Have extensions release what they can make again while no message passes.

    What passes touches no timer here either. It is noticed when a timer fires, so that
    a release may come up to twice as late as was asked for.

    :param traffic: tells what has passed so far.
    """

    __slots__ = ("_clock", "_passed", "_since", "_timers", "_traffic")

    def __init__(
        self,
        clock: IReactorTime,
        transforms: Iterable[Transform],
        traffic: Callable[[], Traffic],
    ) -> None:
        self._clock = clock
        self._traffic = traffic
        self._passed = 0
        self._since = clock.seconds()
        self._timers = [
            Keepalive(
                clock,
                interval=transform.releaseAfter,
                grace=None,
                lastHeard=self._lastPassed,
                ping=transform.release,
                giveUp=transform.release,
            )
            for transform in transforms
            if transform.releaseAfter is not None
        ]

    def stop(self) -> None:
        """
        Watch no longer.
        """
        for timer in self._timers:
            timer.stop()

    def _lastPassed(self) -> float:
        traffic = self._traffic()
        passed = traffic.messagesReceived + traffic.messagesSent
        if passed != self._passed:
            self._passed, self._since = passed, self._clock.seconds()
        return self._since
