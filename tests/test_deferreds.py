# Part of txwebsocket. See LICENSE for details.
"""
Tests of calling application code and waiting for its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from types import coroutine
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.raising import EVERY_WAY, KINDS, makeFuture
from tests.support.serving import OddError
from txwebsocket.deferreds import (
    CANCELLED,
    asDeferred,
    callApplication,
    runApplication,
)


class AsDeferredTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """
        There is nothing to wait for when a hook returns an ordinary value.
        """
        for value in (None, 0, "text", b"bytes", True, object(), [succeed(None)]):
            self.assertIsNone(asDeferred(value))

    def test_deferred(self) -> None:
        """
        A Deferred is waited for as it is.
        """
        result: Deferred[None] = Deferred()
        self.assertIs(asDeferred(result), result)

    def test_coroutine(self) -> None:
        """
        A coroutine is run, and its result waited for.
        """
        awaited: Deferred[int] = Deferred()

        async def hook() -> int:
            return await awaited + 1

        waiting = asDeferred(hook())
        assert waiting is not None
        self.assertNoResult(waiting)
        awaited.callback(1)
        self.assertEqual(self.successResultOf(waiting), 2)

    def test_awaitable(self) -> None:
        """
        Whatever else can be awaited is waited for: other kinds of coroutines, and
        objects that have a coroutine.
        """

        class Awaitable:
            def __await__(self) -> Generator[Deferred[int], None, int]:
                return (yield from awaited.__await__()) + 1

        @coroutine
        def hook() -> Generator[Deferred[int], int, int]:
            return (yield awaited) + 1

        for make in (Awaitable, hook):
            awaited: Deferred[int] = Deferred()
            waiting = asDeferred(make())
            assert waiting is not None
            self.assertNoResult(waiting)
            awaited.callback(1)
            self.assertEqual(self.successResultOf(waiting), 2)

    def test_inlineCallbacks(self) -> None:
        """
        A function with inlineCallbacks is as good as a coroutine.
        """
        awaited: Deferred[int] = Deferred()

        @inlineCallbacks
        def hook() -> Generator[Deferred[int], int, int]:
            return (yield awaited)

        waiting = asDeferred(hook())
        assert waiting is not None
        awaited.callback(1)
        self.assertEqual(self.successResultOf(waiting), 1)

    def test_raising(self) -> None:
        """
        What a coroutine raises is what the Deferred fails with.
        """

        async def hook() -> None:
            raise ZeroDivisionError

        waiting = asDeferred(hook())
        assert waiting is not None
        self.failureResultOf(waiting, ZeroDivisionError)

    def test_future(self) -> None:
        """
        A future of asyncio, such as a task, is waited for, and cancelled with its
        Deferred.
        """
        clock = Clock()
        for end, isExpected in ENDS.items():
            future = makeFuture(clock)
            waiting = asDeferred(future)
            assert waiting is not None
            self.assertNoResult(waiting)
            end(future)
            clock.advance(0)
            results: list[Any] = []
            waiting.addBoth(results.append)
            self.assertTrue(isExpected(results[0]), results)
        future = makeFuture(clock)
        waiting = asDeferred(future)
        assert waiting is not None
        waiting.cancel()
        self.assertTrue(future.cancelled())
        clock.advance(0)
        self.failureResultOf(waiting, *CANCELLED)


ENDS: dict[Callable[[asyncio.Future[Any]], object], Callable[[Any], object]] = {
    lambda future: future.set_result("odd"): "odd".__eq__,
    lambda future: future.set_exception(OddError()): lambda f: f.check(OddError),
    lambda future: future.cancel(): lambda f: f.check(asyncio.CancelledError),
}


class CallTests(SynchronousTestCase):
    """
    Tests of calling application code.
    """

    def test_raises(self) -> None:
        """
        Whatever it raises, and however, is what the Deferred fails with.
        """
        for way in EVERY_WAY:
            result = callApplication(way)
            assert result is not None
            self.failureResultOf(result, *KINDS)

    def test_arguments(self) -> None:
        """
        It is given its arguments; there is no Deferred if it returns an ordinary value.
        """
        told: list[object] = []
        self.assertIsNone(callApplication(told.append, "odd"))
        self.assertEqual(told, ["odd"])

    def test_failed(self) -> None:
        """
        Each failure can be passed on to a function in place of that.
        """
        for way in EVERY_WAY:
            failures: list[Any] = []
            result = runApplication(failures.append, way, 1)
            assert result is not None
            self.successResultOf(result)
            [failure] = failures
            self.assertTrue(failure.check(*KINDS))

    def test_later(self) -> None:
        """
        That works for what fails later, too, and there is something to wait for.
        """
        waited: Deferred[object] = Deferred()
        failures: list[Any] = []
        running = runApplication(failures.append, lambda: waited)
        assert running is not None
        self.assertNoResult(running)
        waited.errback(OddError())
        self.successResultOf(running)
        self.assertTrue(failures[0].check(OddError))
