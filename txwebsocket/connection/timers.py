# -*- test-case-name: tests.connection.test_timers -*-
# Part of txwebsocket. See LICENSE for details.
"""
Noticing that a peer is gone, has nothing to say, or has been there for long enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import random
from typing import Protocol, TypeAlias

from twisted.internet.interfaces import IReactorTime

from txwebsocket.connection.timerqueue import timerQueueFor
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.extensions import MessageTransform
from txwebsocket.wire.report import TrafficStats


class KeepaliveTarget(Protocol):
    """
    Whose signs of life are watched.
    """

    def lastReceivedAt(self) -> float:
        """
        When the last sign of life came, by the alarms of the clock.
        """

    def sendKeepalivePing(self) -> object:
        """
        There was none for long enough to ask for one.
        """

    def readingTime(self) -> float:
        """
        Seconds by which an answer may come later, since there is more to read first.
        """

    def keepaliveTimedOut(self) -> object:
        """
        There was none after that, either.
        """


class LifetimeTarget(KeepaliveTarget, Protocol):
    """
    Who is not there for ever, however lively.
    """

    def lifetimeOver(self) -> object:
        """
        It has lasted for as long as it may.
        """


class Keepalive:
    """
    Ask for a sign of life after some silence, and give up if there is none.

    A connection sets one alarm, which nothing that arrives ever touches: when it rings
    it looks back, and sleeps again for as long as is missing.

    :param interval: seconds of silence before ``sendKeepalivePing`` is called.
    :param grace: seconds of silence after that before ``giveUp`` is called, besides the
        peer's reading time; None to call ``sendKeepalivePing`` again and again.
    """

    __slots__ = (
        "_alarms",
        "_grace",
        "_interval",
        "_pinged",
        "_watched",
        "deadline",
    )

    def __init__(
        self,
        watched: KeepaliveTarget,
        clock: IReactorTime,
        interval: float,
        grace: float | None,
    ) -> None:
        # None when it is to be watched no longer.
        self._watched: KeepaliveTarget | None = watched
        self._interval = interval
        self._grace = grace
        # When a ping was sent that nothing has come after so far.
        self._pinged: float | None = None
        self.deadline: float | None = None
        self._alarms = timerQueueFor(clock)
        self._alarms.set(self, interval)

    def stop(self) -> None:
        """
        Watch no longer.
        """
        # What was switched off may be kept for a while, and must not keep more.
        self._watched = None
        self._alarms.cancel(self)

    def expired(self) -> None:
        """
        Look back.
        """
        watched, now = self._watched, self._alarms.seconds()
        if watched is None:
            return
        due = self._dueAt(watched.lastReceivedAt())
        if due > now:
            self._sleep(due - now)
        elif self._pinged is not None:
            self._giveUpOrWait(watched, now - due)
        else:
            self._askForLife(watched, now)

    def _dueAt(self, heard: float) -> float:
        """
        When something is to be done, if nothing is heard until then.
        """
        if self._pinged is not None and self._grace is not None:
            if heard < self._pinged:
                return self._pinged + self._grace
            self._pinged = None
        return heard + self._interval

    def _giveUpOrWait(self, watched: KeepaliveTarget, late: float) -> None:
        """
        The grace period is over since ``late`` seconds.
        """
        left = watched.readingTime() - late
        if left <= 0:
            watched.keepaliveTimedOut()
        else:
            # No longer, so that a peer that answers and dies then is noticed in time.
            self._sleep(min(left, self._grace or left))

    def _askForLife(self, watched: KeepaliveTarget, now: float) -> None:
        watched.sendKeepalivePing()
        if self._grace is None:
            self._sleep(self._interval)
        else:
            self._pinged = now
            self._sleep(self._grace)

    def _sleep(self, seconds: float) -> None:
        if self._watched is not None:
            self._alarms.set(self, seconds)


class ExtensionIdleTimer:
    """
    Have an extension release what it can make again while no message passes.

    What passes touches no alarm here either. It is noticed when one rings, so that a
    release may come up to twice as late as was asked for.

    :param traffic: tells what has passed so far.
    """

    __slots__ = ("_passed", "_seconds", "_since", "_timer", "_traffic", "_transform")

    def __init__(
        self,
        transform: MessageTransform,
        clock: IReactorTime,
        traffic: Callable[[], TrafficStats],
    ) -> None:
        self._transform = transform
        self._seconds = timerQueueFor(clock).seconds
        self._traffic = traffic
        self._passed = 0
        self._since = self._seconds()
        self._timer: Keepalive | None = None
        if transform.releaseAfter is not None:
            self._timer = Keepalive(self, clock, transform.releaseAfter, None)

    def stop(self) -> None:
        """
        Watch no longer.
        """
        if self._timer is not None:
            self._timer.stop()

    def lastReceivedAt(self) -> float:
        """
        When the last message passed, as far as was noticed.
        """
        traffic = self._traffic()
        passed = traffic.messagesReceived + traffic.messagesSent
        if passed != self._passed:
            self._passed, self._since = passed, self._seconds()
        return self._since

    def sendKeepalivePing(self) -> None:
        """
        It has been quiet for long enough.
        """
        self._transform.release()

    keepaliveTimedOut = sendKeepalivePing

    def readingTime(self) -> float:
        """
        Return 0: no peer is asked for an answer.
        """
        return 0.0


class Lifetime:
    """
    End a connection when it has lasted for long enough, be it busy or not.

    :param longest: seconds until ``lifetimeOver`` is called, at most.
    :param jitter: by what part of them it may be called earlier.
    :param draw: returns how much of that part it is this time, from 0 to 1.
    """

    __slots__ = ("_alarms", "_connection", "deadline")

    def __init__(
        self,
        connection: LifetimeTarget,
        clock: IReactorTime,
        longest: float,
        jitter: float,
        draw: Callable[[], float] = random,
    ) -> None:
        # None when it may last, or has ended.
        self._connection: LifetimeTarget | None = connection
        self.deadline: float | None = None
        self._alarms = timerQueueFor(clock)
        self._alarms.set(self, longest * (1 - jitter * draw()))

    def stop(self) -> None:
        """
        Let it last.
        """
        # As above: this may be kept for a while, and must not keep more.
        self._connection = None
        self._alarms.cancel(self)

    def expired(self) -> None:
        """
        It is time.
        """
        if self._connection is not None:
            self._connection.lifetimeOver()


ConnectionTimer: TypeAlias = Keepalive | ExtensionIdleTimer | Lifetime
"""
What has to be stopped when a connection ends.
"""


def startWatches(
    connection: LifetimeTarget,
    clock: IReactorTime,
    config: ConnectionConfig,
    transforms: Iterable[MessageTransform],
    traffic: Callable[[], TrafficStats],
) -> Sequence[ConnectionTimer]:
    """
    Watch an open connection as its options say.

    :param transforms: what its extensions do.
    :param traffic: tells what has passed so far.
    """
    watches: list[ConnectionTimer] = [
        ExtensionIdleTimer(transform, clock, traffic) for transform in transforms
    ]
    if config.keepalive and not config.useNativeKeepalive:
        isDropping = config.dropConnectionOnKeepaliveTimeout
        grace = config.keepaliveGracePeriod if isDropping else None
        watches.append(Keepalive(connection, clock, config.keepaliveInterval, grace))
    if config.maxLifetime is not None:
        watches.append(
            Lifetime(connection, clock, config.maxLifetime, config.lifetimeJitter)
        )
    return tuple(watches)
