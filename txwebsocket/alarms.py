# -*- test-case-name: tests.test_alarms -*-
# Part of txwebsocket. See LICENSE for details.
"""
Waking very many sleepers with one timer.
"""

from __future__ import annotations

from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Protocol
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from txwebsocket.deferreds import runApplication

# Alarms that were switched off stay in the heap until there are more of them than
# others, and no fewer than this.
_FEW = 64


class Sleeper(Protocol):
    """
    Who wants to be woken.

    :ivar wakesAt: when, by the clock; None if not at all. Nobody else changes it.
    """

    wakesAt: float | None

    def wake(self) -> object:
        """
        It is time.
        """


class Alarms:
    """
    The alarms of all connections that share a clock.

    A timer of the reactor for each connection takes as much memory as all else that
    watches over it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Sleeper]] = []
        self._numbers = count()
        self._pending = 0
        self._isRinging = False
        self._call: IDelayedCall | None = None
        # When the timer fires.
        self._at = 0.0

    def set(self, sleeper: Sleeper, seconds: float) -> None:
        """
        Wake someone after this time, who does not wait to be woken yet.
        """
        due = sleeper.wakesAt = self._clock.seconds() + seconds
        heappush(self._heap, (due, next(self._numbers), sleeper))
        self._pending += 1
        if not self._isRinging and (self._call is None or due < self._at):
            self._start(due)

    def cancel(self, sleeper: Sleeper) -> None:
        """
        Let someone sleep on.
        """
        if sleeper.wakesAt is None:
            return
        sleeper.wakesAt = None
        self._pending -= 1
        if not self._pending:
            self._heap.clear()
            self._stop()
        elif len(self._heap) > max(_FEW, 2 * self._pending):
            self._heap = [each for each in self._heap if each[0] == each[2].wakesAt]
            heapify(self._heap)

    def _start(self, due: float) -> None:
        self._stop()
        self._at = due
        seconds = max(due - self._clock.seconds(), 0.0)
        self._call = self._clock.callLater(seconds, self._ring)

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _ring(self) -> None:
        self._call = None
        # A clock may be off by its last digit.
        now = max(self._clock.seconds(), self._at)
        self._isRinging = True
        while self._heap and self._heap[0][0] <= now:
            due, _, sleeper = heappop(self._heap)
            if sleeper.wakesAt == due:
                sleeper.wakesAt = None
                self._pending -= 1
                self._wake(sleeper)
        self._isRinging = False
        if self._heap:
            self._start(self._heap[0][0])

    def _wake(self, sleeper: Sleeper) -> None:
        # One must not let all others sleep for ever.
        failed = partial(
            self._log.failure, "{sleeper} failed when it was woken", sleeper=sleeper
        )
        runApplication(failed, sleeper.wake)


# By the clock's id, which no other has while its alarms keep it.
_known: WeakValueDictionary[int, Alarms] = WeakValueDictionary()


def alarmsOf(clock: IReactorTime) -> Alarms:
    """
    The alarms by this clock; they last as long as somebody keeps them or they are set.
    """
    alarms = _known.get(id(clock))
    if alarms is None:
        alarms = _known[id(clock)] = Alarms(clock)
    return alarms
