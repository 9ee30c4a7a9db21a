# Part of txwebsocket. See LICENSE for details.
"""
Time that is kept as a reactor keeps it, and counts what is asked of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


class CountedCall(DelayedCall):
    """
    A delayed call that is counted when it is changed.
    """

    asked: Counter[str]

    def cancel(self) -> None:
        """
        Count it, and do so.
        """
        self.asked["cancel"] += 1
        super().cancel()

    def reset(self, secondsFromNow: float) -> None:
        """
        Count it, and do so.
        """
        self.asked["reset"] += 1
        super().reset(secondsFromNow)

    def delay(self, secondsLater: float) -> None:
        """
        Count it, and do so.
        """
        self.asked["delay"] += 1
        super().delay(secondsLater)


@implementer(IReactorTime)
class HeapClock:
    """
    A clock for very many delayed calls. Twisted's own sorts all of them each time.

    :ivar asked: how often each method was called, those of the delayed calls included.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._now = 0.0
        self._number = count()
        self._heap: list[tuple[float, int, CountedCall]] = []

    def seconds(self) -> float:
        """
        What time it is.
        """
        return self._now

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """
        Call something later.
        """
        self.asked["callLater"] += 1
        call = CountedCall(
            self._now + delay, callable, args, kw, _nothing, self._push, self.seconds
        )
        call.asked = self.asked
        self._push(call)
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """
        What is to be called.
        """
        return [call for _, _, call in self._heap if call.active()]

    def advance(self, seconds: float) -> None:
        """
        Let time pass.
        """
        end = self._now + seconds
        while self._heap and self._heap[0][0] <= end:
            due, _, call = heappop(self._heap)
            if not call.active() or due != call.time:
                continue
            if call.delayed_time > 0:
                call.activate_delay()
                self._push(call)
                continue
            self._now = due
            call.called = 1
            call.func(*call.args, **call.kw)
        self._now = end

    def _push(self, call: CountedCall) -> None:
        heappush(self._heap, (call.time, next(self._number), call))


def _nothing(call: DelayedCall) -> None:
    """
    What was cancelled is passed over when its time has come.
    """
