# Part of txwebsocket. See LICENSE for details.
"""
Tests of how a silent peer, or an idle one, is noticed.
"""

from __future__ import annotations

import weakref
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.idle import Crowd
from txwebsocket.connection.timers import ExtensionIdleTimer, Keepalive, Lifetime
from txwebsocket.wire.report import TrafficStats


class KeepaliveTests(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Start at a time that is not zero, as clocks do.
        """
        self.clock = Clock()
        self.clock.advance(1000)
        self.told: list[tuple[str, float]] = []
        self.heard = self.clock.seconds()
        self.reading = 0.0

    def readingTime(self) -> float:
        return self.reading

    def lastReceivedAt(self) -> float:
        return self.heard

    def sendKeepalivePing(self) -> None:
        self.note("ping")

    def keepaliveTimedOut(self) -> None:
        self.note("gave up")

    def watch(self, grace: float | None = 10) -> Keepalive:
        """
        Ping after 20 seconds.
        """
        return Keepalive(self, self.clock, interval=20, grace=grace)

    def note(self, what: str) -> None:
        """
        Note what happened and when, since the start.
        """
        self.told.append((what, self.clock.seconds() - 1000))

    def hear(self) -> None:
        """
        The peer shows life.
        """
        self.heard = self.clock.seconds()

    def waitUntil(self, second: float) -> None:
        """
        Let time pass, in small steps.
        """
        while self.clock.seconds() < 1000 + second:
            self.clock.advance(0.5)

    def test_silence(self) -> None:
        """
        A peer that is silent for 20 seconds is pinged, and given up 10 seconds later.
        """
        self.watch()
        self.waitUntil(60)
        self.assertEqual(self.told, [("ping", 20), ("gave up", 30)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_readingTime(self) -> None:
        """
        A peer that has much to read before the ping has time for that in addition; but
        none from the moment on when that turns out to be wrong.
        """
        for reading, changed, gaveUp in ((25, 25, 55), (25, 0, 40), (3, 3, 33)):
            self.setUp()
            self.reading = reading
            self.watch()
            self.waitUntil(31)
            self.reading = changed
            self.waitUntil(100)
            self.assertEqual(self.told, [("ping", 20), ("gave up", gaveUp)])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answeredLate(self) -> None:
        """
        An answer within that time counts, and silence after it is noticed as early as
        ever.
        """
        self.reading = 200
        self.watch()
        self.waitUntil(35)
        self.hear()
        self.reading = 0
        self.waitUntil(120)
        expected = [("ping", 20), ("ping", 55), ("gave up", 65)]
        self.assertEqual(self.told, expected)

    def test_lateTimer(self) -> None:
        """
        A process that was busy for long pings before it gives anybody up.
        """
        self.watch()
        self.clock.advance(500)
        self.assertEqual(self.told, [("ping", 500)])
        self.clock.advance(10)
        self.assertEqual(self.told, [("ping", 500), ("gave up", 510)])

    def test_life(self) -> None:
        """
        A peer that is heard of in time is never pinged, and a ping comes 20 seconds
        after the last sign of life, not some multiple of it.
        """
        self.watch()
        for second in (5, 19, 30.5):
            self.waitUntil(second)
            self.hear()
        self.waitUntil(50)
        self.assertEqual(self.told, [])
        self.waitUntil(51)
        self.assertEqual(self.told, [("ping", 50.5)])

    def test_answered(self) -> None:
        """
        Whoever shows life after the ping is watched on, from that moment.
        """
        self.watch()
        self.waitUntil(28)
        self.hear()
        self.waitUntil(47.5)
        self.assertEqual(self.told, [("ping", 20)])
        self.waitUntil(48)
        self.assertEqual(self.told, [("ping", 20), ("ping", 48)])
        self.waitUntil(80)
        self.assertEqual(self.told[2:], [("gave up", 58)])

    def test_answeredAtOnce(self) -> None:
        """
        An answer in the same instant as the ping counts.
        """
        self.watch()
        self.waitUntil(20)
        self.hear()
        self.waitUntil(39)
        self.assertEqual(self.told, [("ping", 20)])
        self.waitUntil(40)
        self.assertEqual(self.told, [("ping", 20), ("ping", 40)])

    def test_neverGivingUp(self) -> None:
        """
        Without a grace period a silent peer is pinged every 20 seconds, for ever.
        """
        self.watch(grace=None)
        self.waitUntil(65)
        self.assertEqual(self.told, [("ping", 20), ("ping", 40), ("ping", 60)])
        self.hear()
        self.waitUntil(85)
        self.assertEqual(self.told[3:], [("ping", 85)])

    def test_stop(self) -> None:
        """
        Nobody is watched any more after stop(), and no timer is left.
        """
        keepalive = self.watch()
        self.waitUntil(10)
        keepalive.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        keepalive.stop()
        keepalive.expired()
        self.waitUntil(60)
        self.assertEqual(self.told, [])

    def test_stopWithinPing(self) -> None:
        """
        If sending the ping ends the connection, no timer is left behind.
        """
        keepalive = self.watch()
        self.sendKeepalivePing = lambda: keepalive.stop() or stopped.stop()  # type: ignore[assignment,method-assign,func-returns-value]
        stopped = Keepalive(self, self.clock, interval=5, grace=10)
        self.waitUntil(60)
        self.assertEqual(self.told, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_oneTimer(self) -> None:
        """
        However much arrives, a connection has one timer, which is not touched for it.
        """
        self.watch()
        [timer] = self.clock.getDelayedCalls()
        due = timer.getTime()
        for second in range(1, 20):
            self.waitUntil(second)
            self.hear()
            self.assertEqual(self.clock.getDelayedCalls(), [timer])
            self.assertEqual(timer.getTime(), due)


class Releasing:
    """
    An extension that writes down when it releases something.
    """

    def __init__(self, clock: Clock, releaseAfter: float | None) -> None:
        self.releaseAfter = releaseAfter
        self.told: list[float] = []
        self._clock = clock

    def release(self) -> None:
        """
        Write it down.
        """
        self.told.append(self._clock.seconds())


class IdlenessTests(SynchronousTestCase):
    """
    Tests of what extensions are told of connections with nothing to say.
    """

    def setUp(self) -> None:
        """
        Nothing has passed yet.
        """
        self.clock = Clock()
        self.traffic = TrafficStats(0, 0, 0, 0)

    def watch(self, *after: float | None) -> list[Releasing]:
        """
        Watch a connection with extensions that want to be told after so many seconds.
        """
        extensions = [Releasing(self.clock, seconds) for seconds in after]
        transforms: Any = extensions
        self.watches = [
            ExtensionIdleTimer(transform, self.clock, lambda: self.traffic)
            for transform in transforms
        ]
        return extensions

    def stop(self) -> None:
        """
        Watch no longer.
        """
        for watch in self.watches:
            watch.stop()

    def waitUntil(self, second: float) -> None:
        """
        Let time pass, in small steps.
        """
        while self.clock.seconds() < second:
            self.clock.advance(0.5)

    def test_idle(self) -> None:
        """
        Each is told when no message has passed for as long as it wants, and as long as
        it lasts; one that wants nothing is never told.
        """
        first, second, never = self.watch(10, 15, None)
        self.waitUntil(32)
        self.assertEqual(first.told, [10, 20, 30])
        self.assertEqual(second.told, [15, 30])
        self.assertEqual(never.told, [])

    def test_busy(self) -> None:
        """
        While messages pass, in whatever direction, nothing is released; afterwards it
        is, at most twice as late as was asked for.
        """
        for direction in ("messagesReceived", "messagesSent"):
            self.setUp()
            [extension] = self.watch(10)
            for second in range(5, 100, 5):
                self.waitUntil(second)
                self.traffic = self.traffic._replace(**{direction: second})
            self.assertEqual(extension.told, [])
            self.waitUntil(115)
            [released] = extension.told
            self.assertTrue(105 <= released <= 115, released)
            self.stop()

    def test_bytesAreNoMessages(self) -> None:
        """
        Pings and pongs, or the parts of a message, do not count.
        """
        [extension] = self.watch(10)
        for second in range(1, 11):
            self.waitUntil(second)
            self.traffic = self.traffic._replace(bytesReceived=second, bytesSent=second)
        self.assertEqual(extension.told, [10])

    def test_stop(self) -> None:
        """
        After stop() no timer is left.
        """
        extensions = self.watch(10, 15)
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.waitUntil(40)
        self.assertEqual([extension.told for extension in extensions], [[], []])


class LifetimeTests(SynchronousTestCase):
    """
    Tests of how long a connection may last.
    """

    def setUp(self) -> None:
        """
        No connection has ended.
        """
        self.clock = Clock()
        self.ended: list[float] = []

    def lifetimeOver(self) -> None:
        self.ended.append(self.clock.seconds())

    def begin(self, jitter: float, drawn: float) -> Lifetime:
        """
        Let one last for 100 seconds, less a part by chance.
        """
        connection: Any = self
        return Lifetime(connection, self.clock, 100, jitter, lambda: drawn)

    def test_jitter(self) -> None:
        """
        The chance decides between all of the time and what the jitter leaves of it.
        """
        for jitter, drawn, expected in (
            (0, 0, 100),
            (0, 1, 100),
            (0.1, 0, 100),
            (0.1, 0.5, 95),
            (0.1, 1, 90),
            (0.5, 0.5, 75),
            (1, 0.75, 25),
        ):
            self.setUp()
            self.begin(jitter, drawn)
            self.clock.pump([1] * 120)
            self.assertEqual(self.ended, [expected])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        A connection that has ended before is not ended again, and leaves no timer.
        """
        lifetime = self.begin(0, 0)
        self.clock.advance(50)
        lifetime.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        lifetime.stop()
        self.clock.advance(100)
        self.assertEqual(self.ended, [])

    def test_nothingKept(self) -> None:
        """
        Of a connection that has ended before its time nothing is kept until then.
        """

        class ClosingHandshake:
            def lifetimeOver(self) -> None:
                """
                It has ended before.
                """

        self.begin(0, 0)
        connection: Any = ClosingHandshake()
        ended = weakref.ref(connection)
        Lifetime(connection, self.clock, 100, 0).stop()
        del connection
        self.assertIsNone(ended())

    def test_spread(self) -> None:
        """
        Those who came together are sent away over all of the time that the jitter
        gives, and share one timer until then.
        """
        connection: Any = self
        lifetimes = [Lifetime(connection, self.clock, 100, 0.5) for _ in range(1000)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(49.9)
        self.assertEqual(self.ended, [])
        for _ in range(5):
            before = len(self.ended)
            self.clock.pump([1] * 10)
            # A fifth of them, as a rule.
            self.assertTrue(100 < len(self.ended) - before < 300, self.ended)
        self.clock.advance(1)
        self.assertEqual(len(self.ended), len(lifetimes))


class CrowdTests(SynchronousTestCase):
    """
    Tests of what timers cost where there are very many connections. How long an idle
    minute takes is measured by ``tests.tools.bench.idle``.
    """

    def test_messages(self) -> None:
        """
        No message touches a timer, whichever way it goes, however many there are; and
        all connections share one.
        """
        crowd = Crowd(20)
        self.assertEqual(crowd.clock.asked, {"callLater": 1})
        for number in range(100):
            crowd.say(f"message {number}")
            crowd.clock.advance(0.1)
        self.assertEqual(crowd.clock.asked, {"callLater": 1})
        traffic = [link.connection.traffic for link in crowd.links]
        self.assertEqual({each.messagesReceived for each in traffic}, {100})
        self.assertEqual({each.messagesSent for each in traffic}, {100})

    def test_idle(self) -> None:
        """
        An idle minute costs each connection a ping every 20 seconds, and a look for its
        answer, be they few or many; the reactor has one timer, which is never moved,
        and is asked for one turn more whenever it has fired.
        """
        for number in (1, 10, 1000):
            crowd = Crowd(number)
            crowd.clock.asked.clear()
            crowd.idle()
            pings = [link.transport.pings for link in crowd.links]
            self.assertEqual(pings, [3] * number)
            self.assertEqual(crowd.clock.asked, {"callLater": 10})
            self.assertEqual(len(crowd.clock.getDelayedCalls()), 1)

    def test_busy(self) -> None:
        """
        A busy minute costs less: each looks up once in an interval, and asks nobody.
        """
        crowd = Crowd(10)
        crowd.clock.asked.clear()
        for _ in range(60):
            crowd.say("hello")
            crowd.clock.advance(1)
        self.assertEqual([link.transport.pings for link in crowd.links], [0] * 10)
        self.assertLessEqual(crowd.clock.asked["callLater"], 40)
        self.assertEqual(set(crowd.clock.asked), {"callLater"})

    def test_leaving(self) -> None:
        """
        The last to leave takes the timer along.
        """
        crowd = Crowd(10)
        for link in crowd.links[:9]:
            link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(crowd.clock.getDelayedCalls()), 1)
        crowd.links[9].connectionLost(Failure(ConnectionDone()))
        self.assertEqual(crowd.clock.getDelayedCalls(), [])
