# Part of txwebsocket. See LICENSE for details.
"""
Tests of how pongs find their pings.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.connection.pings import Pings
from txwebsocket.wire.outbox import Outbox


class PingsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Make the pings of one connection.
        """
        self.clock = Clock()
        self.pings = Pings(self.clock, Outbox())

    def test_time(self) -> None:
        """
        A ping tells the seconds until its pong.
        """
        answered = self.pings.sent(b"a")
        self.clock.advance(1.5)
        self.assertNoResult(answered)
        self.pings.answer(b"a")
        self.assertEqual(self.successResultOf(answered), 1.5)

    def test_newest(self) -> None:
        """
        A pong answers the pings before its own as well, and none behind it.
        """
        first = self.pings.sent(b"a")
        self.clock.advance(1)
        second = self.pings.sent(b"b")
        third = self.pings.sent(b"c")
        self.clock.advance(1)
        self.pings.answer(b"b")
        self.assertEqual(self.successResultOf(first), 2)
        self.assertEqual(self.successResultOf(second), 1)
        self.assertNoResult(third)
        self.pings.answer(b"c")
        self.assertEqual(self.successResultOf(third), 1)

    def test_unasked(self) -> None:
        """
        A pong that no ping asked for answers none.
        """
        answered = self.pings.sent(b"a")
        self.pings.answer(b"b")
        self.pings.answer(b"")
        self.assertNoResult(answered)

    def test_samePayload(self) -> None:
        """
        Of two pings with the same payload the older one is answered first.
        """
        first, second = self.pings.sent(b"a"), self.pings.sent(b"a")
        self.pings.answer(b"a")
        self.successResultOf(first)
        self.assertNoResult(second)
        self.pings.answer(b"a")
        self.successResultOf(second)

    def test_pingAgainOnAnswer(self) -> None:
        """
        Whoever is answered may ping again at once.
        """
        again = self.pings.sent(b"a").addCallback(lambda _: self.pings.sent(b"b"))
        self.pings.answer(b"a")
        self.assertNoResult(again)
        self.clock.advance(3)
        self.pings.answer(b"b")
        self.assertEqual(self.successResultOf(again), 3)

    def test_cancel(self) -> None:
        """
        A ping whose answer nobody waits for any more is forgotten; others are not.
        """
        cancelled, patient = self.pings.sent(b"a"), self.pings.sent(b"b")
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.pings.answer(b"a")
        self.assertNoResult(patient)
        self.pings.answer(b"b")
        self.successResultOf(patient)

    def test_most(self) -> None:
        """
        What waits for a peer that answers no ping is bounded: of more than a thousand
        the oldest is cancelled, and that is not logged if nobody waits for it.
        """
        first = self.pings.sent(b"first")
        told: list[Failure] = []
        first.addErrback(told.append)
        for _ in range(1000):
            self.pings.sent(b"more")
        self.assertEqual([each.type for each in told], [CancelledError])
        last = self.pings.sent(b"last")
        self.pings.answer(b"first")
        self.assertNoResult(last)
        self.pings.answer(b"last")
        self.successResultOf(last)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_end(self) -> None:
        """
        When the connection ends, whoever waits for a pong is told so.
        """
        waiting: list[object] = []
        for payload in (b"a", b"b"):
            self.pings.sent(payload).addErrback(waiting.append)
        self.pings.end(EOFError)
        kinds = [type(each.value) for each in waiting]  # type: ignore[attr-defined]
        self.assertEqual(kinds, [EOFError, EOFError])

    def test_endUnwatched(self) -> None:
        """
        Pinging without waiting for the answer leaves nothing in the log when the
        connection ends.
        """
        self.pings.sent(b"a")
        self.pings.end(EOFError)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_pongAfterEnd(self) -> None:
        """
        A pong after the end answers nobody a second time.
        """
        told: list[object] = []
        self.pings.sent(b"a").addBoth(told.append)
        self.pings.end(EOFError)
        self.pings.answer(b"a")
        self.assertEqual(len(told), 1)
