# -*- test-case-name: tests.connection.test_timerqueue -*-
# Part of txwebsocket. See LICENSE for details.
"""
Very many deadlines with one timer of the reactor.

Deadlines survive a clock that is set. A reactor's own time is the wall clock's, and so
is that of its timers. Here another time counts, which nothing sets, and the reactor's
timer is only the moment to look at it. A clock that is set forward makes that moment
too early, which is noticed then. One that is set back makes it late; the next bytes
that arrive on any connection show it.

No deadline ends anything before the reactor has looked at its sockets once more. A
process that was busy, or stopped, finds all its deadlines over before it has read what
arrived in time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from time import monotonic
from typing import Protocol
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python import runtime

from txwebsocket.deferreds import runApplication

# Alarms that were switched off stay in the heap until there are more of them than
# others, and no fewer than this.
_FEW = 64

INEXACT = 0.001
"""
Seconds by which a clock may be off that was not set: by its last digit, or by how the
system keeps the wall clock right.
"""

# Seconds after which a timer that has not fired shows that the clock was set back, or
# that the reactor is busy.
_LATE = 1.0


def steadyTime(clock: IReactorTime) -> Callable[[], float]:
    """
    What tells the time by which deadlines go: the clock's own, unless it is the wall
    clock's.
    """
    return monotonic if clock.seconds == runtime.seconds else clock.seconds


class Expirable(Protocol):
    """
    Has a deadline in a :class:`TimerQueue`.

    :ivar deadline: by the queue's time, or None. Only the queue sets it.
    """

    deadline: float | None

    def expired(self) -> object:
        """
        It is time.
        """


class TimerQueue:
    """
    The alarms of all connections that share a clock.

    A timer of the reactor for each connection takes as much memory as all else that
    watches over it.

    :ivar clock: the clock.
    :ivar seconds: tells the time, which nothing sets.
    :ivar overdueAt: the time from which on traffic is a reason for
        :meth:`timerIsOverdue`.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.seconds = steadyTime(clock)
        self.overdueAt = inf
        self._heap: list[tuple[float, int, Expirable]] = []
        self._numbers = count()
        self._pending = 0
        self._isRinging = False
        self._call: IDelayedCall | None = None
        # When the timer fires.
        self._at = 0.0

    def set(self, sleeper: Expirable, seconds: float) -> None:
        """
        Set a deadline for an object that has none yet.
        """
        due = sleeper.deadline = self.seconds() + seconds
        heappush(self._heap, (due, next(self._numbers), sleeper))
        self._pending += 1
        if not self._isRinging and (not self._hasTimer() or due < self._at):
            self._start(due)

    def cancel(self, sleeper: Expirable) -> None:
        """
        Take a deadline back.
        """
        if sleeper.deadline is None:
            return
        sleeper.deadline = None
        self._pending -= 1
        if not self._pending:
            self._heap.clear()
            self._stop()
        elif len(self._heap) > max(_FEW, 2 * self._pending):
            self._heap = [each for each in self._heap if each[0] == each[2].deadline]
            heapify(self._heap)

    def _hasTimer(self) -> bool:
        # Others may cancel all timers of a reactor, as trial does between tests.
        return self._call is not None and self._call.active()

    def _start(self, due: float) -> None:
        self._stop()
        self._at = due
        self.overdueAt = due + _LATE
        seconds = max(due - self.seconds(), 0.0)
        self._call = self.clock.callLater(seconds, self._timerFired)

    def _stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        self.overdueAt = inf

    def timerIsOverdue(self) -> None:
        """
        Have the reactor's timer fire now.
        """
        if self._call is not None:
            self._stop()
            self._call = self.clock.callLater(0, self._timerFired)

    def _timerFired(self) -> None:
        self._call = None
        self.overdueAt = inf
        if self._at - self.seconds() > INEXACT:
            # The clock was set forward.
            self._start(self._at)
        else:
            self._call = self.clock.callLater(0, self._ring)

    def _ring(self) -> None:
        self._call = None
        now = max(self.seconds(), self._at)
        self._isRinging = True
        while self._heap and self._heap[0][0] <= now:
            due, _, sleeper = heappop(self._heap)
            if sleeper.deadline == due:
                sleeper.deadline = None
                self._pending -= 1
                self._wake(sleeper)
        self._isRinging = False
        if self._pending:
            self._start(self._heap[0][0])
        else:
            self._heap.clear()

    def _wake(self, sleeper: Expirable) -> None:
        # One must not let all others sleep for ever.
        failed = partial(
            self._log.failure, "{sleeper} failed when it was woken", sleeper=sleeper
        )
        runApplication(failed, sleeper.expired)


class Timer:
    """
    Calls something once, after some time.
    """

    __slots__ = ("_alarms", "_call", "deadline")

    def __init__(
        self, clock: IReactorTime, seconds: float, call: Callable[[], object]
    ) -> None:
        # None when it was called, or will not be.
        self._call: Callable[[], object] | None = call
        self.deadline: float | None = None
        self._alarms = timerQueueFor(clock)
        self._alarms.set(self, seconds)

    @property
    def secondsLeft(self) -> float:
        """
        How long it still takes.
        """
        if self.deadline is None:
            return 0.0
        return max(self.deadline - self._alarms.seconds(), 0.0)

    def cancel(self) -> None:
        """
        Call nothing any more.
        """
        # What was switched off may be kept for a while, and must not keep more.
        self._call = None
        self._alarms.cancel(self)

    def expired(self) -> None:
        """
        It is time.
        """
        call, self._call = self._call, None
        if call is not None:
            call()


# By the clock's id, which no other has while its alarms keep it.
_known: WeakValueDictionary[int, TimerQueue] = WeakValueDictionary()


def timerQueueFor(clock: IReactorTime) -> TimerQueue:
    """
    The queue of this clock. It lasts while it is referred to, or has deadlines.
    """
    alarms = _known.get(id(clock))
    if alarms is None:
        alarms = _known[id(clock)] = TimerQueue(clock)
    return alarms
