# Part of txwebsocket. See LICENSE for details.
"""
A whole conversation between a client and a server of ours that is cut, silenced or
merely divided after each of its bytes, in both directions.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.cutting import (
    MESSAGE,
    PATIENCE,
    SPEAKERS,
    Conversations,
    CutWire,
    Outcome,
    fallSilent,
    goOn,
    leave,
    replaceWire,
    reset,
)
from tests.support.memory import Recorder
from txwebsocket import (
    CloseCause,
    CloseReport,
    ConnectionClosed,
    OpeningFailed,
    WebSocketClient,
    WebSocketConnection,
    WebSocketRequest,
)
from txwebsocket.testing import MemorySite

_NEVER = 10**9


class CutsTests(SynchronousTestCase):
    """
    Tests of what becomes of both ends.
    """

    def setUp(self) -> None:
        self.conversations = Conversations()

    def size(self, speaker: str) -> int:
        """
        How many bytes one end says, if nothing happens.
        """
        outcome = self.conversations.try_(speaker, _NEVER, goOn)
        self.assertWhole(outcome)
        return outcome.core.carried

    def assertWhole(self, outcome: Outcome) -> None:
        """
        All was said and heard.
        """
        talker, [answerer] = outcome.talker, outcome.answerers
        self.assertEqual(talker.messages, ["welcome", MESSAGE, "parts", bytes(300)])
        self.assertEqual(answerer.messages, talker.messages[1:])
        self.assertIn(("ping", b"there?"), answerer.told)
        self.assertIn(("pong", b"there?"), talker.told)
        for end in (talker, answerer):
            self.assertTrue(end.report.wasClean)
            self.assertEqual(end.report.code, 4000)
        self.assertOver(outcome)

    def assertOver(self, outcome: Outcome) -> None:
        """
        Each end has ended once, everybody who waited was told, and nothing is left.
        """
        talker, site = outcome.talker, self.conversations.site
        for end in (talker, *outcome.answerers):
            self.assertEndedOnce(end)
        [result] = outcome.results
        if isinstance(result, WebSocketConnection):
            self.assertEqual(outcome.reports, [talker.report])
        else:
            self.assertTrue(result.check(OpeningFailed), result)
        for waiting in (talker.pinged, talker.flushed):
            self.assertTrue(waiting is None or waiting.called)
            if waiting is not None:
                waiting.addErrback(lambda _: None)
        for transport in (outcome.core.speaker, outcome.core.listener):
            self.assertFalse(transport.isConnected)
        self.assertEqual(site.clock.getDelayedCalls(), [])
        self.assertNotIn("192.0.2.1", repr(vars(site.server)))

    def assertEndedOnce(self, end: Recorder) -> None:
        """
        If it has begun it has ended, and heard nothing since.
        """
        if end.told:
            self.assertEqual(end.told.count("lost"), 1)
            self.assertEqual(end.told[-1], "lost")
            self.assertEqual(end.connection.closeReport, end.report)

    def assertForgotten(self) -> None:
        """
        Nothing is kept alive of all that was tried, and the site serves as before.
        """
        self.assertWhole(self.conversations.try_("client", _NEVER, goOn))
        self.conversations.answerers.clear()
        self.conversations.site.wires.clear()
        gc.collect()
        left = [kept() for kept in self.conversations.kept if kept() is not None]
        self.assertEqual(left, [])

    def everywhere(
        self,
        fault: Callable[[CutWire], object],
        check: Callable[[Outcome], object],
    ) -> None:
        """
        Have this happen after each byte that either end says, before the last.
        """
        for speaker in SPEAKERS:
            for place in range(self.size(speaker)):
                check(self.conversations.try_(speaker, place, fault))
        self.assertForgotten()

    def test_reset(self) -> None:
        """
        The connection is reset.
        """

        def check(outcome: Outcome) -> None:
            self.assertOver(outcome)
            for end in outcome.answerers:
                isWhole = end.report.closeReceived
                self.assertEqual(end.report.code, 4000 if isWhole else 1006)
                self.assertEqual(end.report.wasClean, isWhole)

        self.everywhere(reset, check)

    def test_leave(self) -> None:
        """
        One end leaves without a word.
        """
        self.everywhere(leave, self.assertOver)

    def test_silence(self) -> None:
        """
        Nothing arrives any more, and nobody says so: both ends find out by themselves.
        """
        causes = set()

        def check(outcome: Outcome) -> None:
            self.assertOver(outcome)
            causes.update(end.report.cause for end in outcome.answerers)
            if outcome.talker.told:
                causes.add(outcome.talker.report.cause)

        self.everywhere(fallSilent, check)
        for cause in ("OPEN_TIMEOUT", "KEEPALIVE_TIMEOUT", "CLOSE_TIMEOUT"):
            self.assertIn(CloseCause[cause], causes)

    def test_divided(self) -> None:
        """
        Where the network divides what is said makes no difference.
        """
        self.everywhere(goOn, self.assertWhole)


class PullTests(SynchronousTestCase):
    """
    Tests of the same for coroutines, on both sides.
    """

    def setUp(self) -> None:
        self.site = MemorySite(self.handle)

    async def handle(self, request: WebSocketRequest) -> None:
        """
        Repeat everything.
        """
        connection = request.accept()
        async for message in connection:
            connection.send(message)
            await connection.flushed()

    async def talk(self, client: WebSocketClient) -> CloseReport:
        """
        Wait for everything that can be waited for.
        """
        connection = await client.connect("ws://example.com/")
        connection.send("hello")
        self.assertEqual(await connection.receive(), "hello")
        await connection.ping()
        await connection.flushed()
        return await connection.close()

    def try_(
        self, speaker: str, place: int, fault: Callable[[CutWire], object]
    ) -> tuple[Any, CutWire]:
        """
        What the client's coroutine ends with.
        """
        results: list[Any] = []
        talking = Deferred.fromCoroutine(self.talk(self.site.client()))
        talking.addBoth(results.append)
        wire = replaceWire(self.site, speaker, place, fault)
        self.site.flush()
        self.site.advance(PATIENCE, 26)
        [result] = results
        self.assertEqual(self.site.clock.getDelayedCalls(), [])
        return result, wire

    def test_everywhere(self) -> None:
        """
        Wherever the connection breaks, or falls silent, both coroutines end; the
        client's with how the connection ended, and no handler is left at the server.
        """
        for speaker in SPEAKERS:
            report, wire = self.try_(speaker, _NEVER, goOn)
            self.assertTrue(report.wasClean)
            for place in range(wire.carried):
                for fault in (reset, fallSilent):
                    result, _ = self.try_(speaker, place, fault)
                    if not isinstance(result, CloseReport):
                        result.trap(ConnectionClosed, OpeningFailed)
        server: Any = self.site.server
        self.successResultOf(server.shutDown())
