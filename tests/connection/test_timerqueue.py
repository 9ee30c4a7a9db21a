# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.timerqueue`.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.raising import AT_ONCE, KINDS
from tests.support.wallclock import WallClock
from txwebsocket.connection.timerqueue import (
    Timer,
    TimerQueue,
    steadyTime,
    timerQueueFor,
)


class Expirable:
    """
    Writes down when it is woken, and may do more then.
    """

    def __init__(self, clock: Clock, then: Callable[[], object] | None = None) -> None:
        self.deadline: float | None = None
        self.woken: list[float] = []
        self._clock = clock
        self._then = then

    def expired(self) -> None:
        self.woken.append(self._clock.seconds())
        if self._then is not None:
            self._then()


class AlarmTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.1)
        self.alarms = TimerQueue(self.clock)

    def sleep(self, *seconds: float) -> list[Expirable]:
        """
        Have some sleepers woken after these times.
        """
        sleepers = [Expirable(self.clock) for _ in seconds]
        for sleeper, each in zip(sleepers, seconds, strict=True):
            self.alarms.set(sleeper, each)
        return sleepers

    def woken(self, sleepers: list[Expirable]) -> list[list[float]]:
        """
        How many seconds after the start each was woken.
        """
        return [[round(at - 1000.1, 6) for at in each.woken] for each in sleepers]

    def test_inTime(self) -> None:
        """
        Each is woken once, at its time, in whatever order they were set.
        """
        sleepers = self.sleep(3, 1, 2, 2, 0)
        for _ in range(50):
            self.clock.advance(0.1)
        [third, first, *second, zeroth] = [at for [at] in self.woken(sleepers)]
        for at, wanted in ((zeroth, 0), (first, 1), (second[0], 2), (third, 3)):
            self.assertTrue(wanted <= at < wanted + 0.15, (at, wanted))
        self.assertEqual(second[0], second[1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_exactly(self) -> None:
        """
        A clock that jumps to the very time wakes them, be it off by its last digit.
        """
        for seconds in (0.1, 0.2, 0.3, 0.7, 1 / 3, 20, 1e-9):
            [sleeper] = self.sleep(seconds)
            self.clock.advance(seconds)
            self.assertEqual(len(sleeper.woken), 1, seconds)

    def test_oneTimer(self) -> None:
        """
        However many sleep, the reactor has one timer, for the first of them.
        """
        self.sleep(5, 3, 9)
        [timer] = self.clock.getDelayedCalls()
        self.assertAlmostEqual(timer.getTime(), 1003.1)
        self.clock.advance(4)
        [timer] = self.clock.getDelayedCalls()
        self.assertAlmostEqual(timer.getTime(), 1005.1)

    def test_cancel(self) -> None:
        """
        Who is to sleep on is not woken; the last one takes the timer along.
        """
        first, second = self.sleep(1, 2)
        self.alarms.cancel(first)
        self.alarms.cancel(first)
        self.clock.advance(1.5)
        self.alarms.cancel(second)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(5)
        self.assertEqual(self.woken([first, second]), [[], []])

    def test_again(self) -> None:
        """
        Who was woken, or let sleep on, can be woken again.
        """
        sleeper = Expirable(self.clock, lambda: self.alarms.set(sleeper, 1))
        self.alarms.set(sleeper, 1)
        for _ in range(3):
            self.clock.advance(1)
        self.assertEqual(self.woken([sleeper]), [[1, 2, 3]])
        self.alarms.cancel(sleeper)
        self.alarms.set(sleeper, 5)
        self.clock.advance(4.9)
        self.assertEqual(len(sleeper.woken), 3)
        self.clock.advance(0.1)
        self.assertEqual(len(sleeper.woken), 4)

    def test_inBetween(self) -> None:
        """
        Who sets an alarm when it is woken does not make others wait for it.
        """
        sleeper = Expirable(self.clock, lambda: self.alarms.set(sleeper, 10))
        self.alarms.set(sleeper, 10)
        others = self.sleep(15, 25)
        for _ in range(30):
            self.clock.advance(1)
        self.assertEqual(self.woken([sleeper, *others]), [[10, 20, 30], [15], [25]])

    def test_setTwice(self) -> None:
        """
        An alarm that was cancelled and set to the same time rings once.
        """
        [sleeper, _] = self.sleep(2, 9)
        self.alarms.cancel(sleeper)
        self.alarms.set(sleeper, 2)
        self.clock.advance(3)
        self.assertEqual(self.woken([sleeper]), [[3]])

    def test_cancelOthers(self) -> None:
        """
        One who is woken may let others sleep on, that were to be woken with it.
        """
        others = self.sleep(2, 2)

        def cancel() -> None:
            for other in others:
                self.alarms.cancel(other)

        sleeper = Expirable(self.clock, cancel)
        self.alarms.set(sleeper, 1)
        self.clock.advance(2)
        self.assertEqual(self.woken([sleeper, *others]), [[2], [], []])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_readsFirst(self) -> None:
        """
        Who sleeps too long is woken when all else that was due has happened, and the
        reactor has had a turn to read.
        """
        [sleeper] = self.sleep(5)
        seen: list[bool] = []
        self.clock.callLater(5, lambda: seen.append(bool(sleeper.woken)))
        self.clock.advance(5)
        self.assertEqual((seen, len(sleeper.woken)), ([False], 1))

    def test_earlierWhileReading(self) -> None:
        """
        Whatever is set or cancelled in that turn, nothing is lost.
        """
        first, second = self.sleep(5, 6)
        more: list[Expirable] = []
        self.clock.callLater(5, lambda: self.alarms.cancel(first))
        self.clock.callLater(5, lambda: more.extend(self.sleep(0, 2)))
        for _ in range(10):
            self.clock.advance(1)
        self.assertEqual(self.woken([first, second, *more]), [[], [6], [5], [7]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelledByOthers(self) -> None:
        """
        A reactor whose timers are cancelled by other code, as trial does between tests,
        loses no later alarm: the next one that is set starts a timer again.
        """
        self.sleep(1)
        for call in self.clock.getDelayedCalls():
            call.cancel()
        [later] = self.sleep(2)
        self.alarms.timerIsOverdue()
        for _ in range(30):
            self.clock.advance(0.1)
        self.assertEqual(len(later.woken), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_error(self) -> None:
        """
        What some do when they are woken keeps nobody else asleep, whatever they raise.
        """
        for way in AT_ONCE:
            self.alarms.set(Expirable(self.clock, way), 1)
        good = self.sleep(1, 2)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(self.woken(good), [[1], [2]])
        self.assertEqual(len(self.flushLoggedErrors(*KINDS)), len(KINDS))

    def test_leavers(self) -> None:
        """
        Those who come and go leave nothing behind, while others stay.
        """
        stays = self.sleep(100)
        leaves = [weakref.ref(self.leaver()) for _ in range(1000)]
        gc.collect()
        self.assertLess(sum(each() is not None for each in leaves), 100)
        self.clock.advance(100)
        self.assertEqual(self.woken(stays), [[100]])

    def leaver(self) -> Expirable:
        """
        One who sets an alarm and cancels it.
        """
        [sleeper] = self.sleep(20)
        self.alarms.cancel(sleeper)
        return sleeper


class JumpTests(SynchronousTestCase):
    """
    Tests of a wall clock that is set.
    """

    def setUp(self) -> None:
        self.clock = WallClock(self)
        self.alarms = TimerQueue(self.clock)
        self.woken: list[float] = []

    def sleep(self, seconds: float) -> Timer:
        """
        Note when a timer calls.
        """
        return Timer(
            self.clock, seconds, lambda: self.woken.append(self.clock.steady())
        )

    def test_forward(self) -> None:
        """
        A clock that is set forward ends nothing too early, and nothing too late.
        """
        timer = self.sleep(10)
        self.clock.advance(4)
        self.clock.jump(3600)
        self.assertEqual((self.woken, timer.secondsLeft), ([], 6))
        self.clock.pump([1] * 5)
        self.assertEqual(self.woken, [])
        self.clock.advance(1)
        self.assertEqual(self.woken, [10])
        self.assertEqual(timer.secondsLeft, 0)

    def test_back(self) -> None:
        """
        After a clock was set back, whatever sets a deadline, or notices that one is
        overdue, has all of them met.
        """
        self.sleep(10)
        self.clock.advance(4)
        self.clock.jump(-3600)
        self.clock.pump([1] * 8)
        alarms = timerQueueFor(self.clock)
        # Twisted's own timer can't know.
        self.assertEqual(self.woken, [])
        self.assertGreater(self.clock.steady(), alarms.overdueAt)
        alarms.timerIsOverdue()
        self.assertEqual(alarms.overdueAt, inf)
        alarms.timerIsOverdue()
        self.clock.advance(0)
        self.assertEqual(self.woken, [12])
        alarms.timerIsOverdue()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_inTime(self) -> None:
        """
        As long as nothing sets it, no timer is overdue; a small difference is none.
        """
        self.sleep(10)
        alarms = timerQueueFor(self.clock)
        self.clock.jump(0.0001)
        for _ in range(10):
            self.assertLess(self.clock.steady(), alarms.overdueAt)
            self.clock.advance(1)
        self.assertEqual(self.woken, [10])

    def test_cancelled(self) -> None:
        """
        A timer that was cancelled calls nothing, keeps nothing, and may be cancelled
        again.
        """
        timer = self.sleep(10)
        for _ in range(2):
            timer.cancel()
        timer.expired()
        self.clock.advance(20)
        self.assertEqual((self.woken, timer.secondsLeft), ([], 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_otherClocks(self) -> None:
        """
        A clock that is not the wall clock is believed.
        """
        clock = Clock()
        self.assertEqual(steadyTime(clock), clock.seconds)
        self.assertEqual(steadyTime(self.clock), self.clock.steady)


class AlarmsOfTests(SynchronousTestCase):
    def test_shared(self) -> None:
        """
        Whoever has the same clock has the same alarms.
        """
        clock, other = Clock(), Clock()
        self.assertIs(timerQueueFor(clock), timerQueueFor(clock))
        self.assertIsNot(timerQueueFor(clock), timerQueueFor(other))

    def test_forgotten(self) -> None:
        """
        They go with the clock, when nobody needs either any more.
        """
        clock = Clock()
        alarms = timerQueueFor(clock)
        alarms.set(Expirable(clock), 1)
        references = [weakref.ref(clock), weakref.ref(alarms)]
        del clock, alarms
        gc.collect()
        self.assertEqual([each() for each in references], [None, None])

    def test_keptWhileNeeded(self) -> None:
        """
        As long as someone is to be woken, whoever comes next has the same alarms.
        """
        clock = Clock()
        timerQueueFor(clock).set(Expirable(clock), 1)
        gc.collect()
        timerQueueFor(clock).set(Expirable(clock), 2)
        self.assertEqual(len(clock.getDelayedCalls()), 1)
