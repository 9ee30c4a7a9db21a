# -*- test-case-name: tests.test_deferreds -*-
# Part of txwebsocket. See LICENSE for details.
"""
Calling application code, and waiting for its result.

There is one rule for all code of an application: hooks, handlers, listeners, factories,
producers and options that are callables. Any exception it raises ends here, whatever
its class. It is logged, and a connection that it was raised for is closed with 1011.
``SystemExit``, ``KeyboardInterrupt``, ``GeneratorExit`` and asyncio's
``CancelledError`` are no exceptions to that, as they are none to a
:class:`~twisted.internet.defer.Deferred`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from types import CoroutineType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

CANCELLED = (CancelledError, asyncio.CancelledError)
"""
The errors of cancelled code: a Deferred's, and that of an asyncio task, which is a
``BaseException`` only.
"""


def asDeferred(result: object) -> Deferred[Any] | None:
    """
    What to wait for before a call that returned ``result`` is over, if anything: a
    Deferred, a coroutine, a future of asyncio, of which tasks are a kind, or anything
    else that can be awaited, such as the coroutines of Cython.
    """
    if result is None:
        return None
    if isinstance(result, Deferred):
        return result
    if isinstance(result, CoroutineType):
        return Deferred.fromCoroutine(result)
    if asyncio.isfuture(result):
        return Deferred.fromFuture(result)
    if isawaitable(result):
        return Deferred.fromCoroutine(_resultOf(result))
    return None


async def _resultOf(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def callApplication(
    function: Callable[..., object], *arguments: object
) -> Deferred[Any] | None:
    """
    Call application code.

    :return: a Deferred of its result, or of the exception that it raised; None if it
        has returned an ordinary value, which is of no interest.
    """
    try:
        return asDeferred(function(*arguments))
    except BaseException:  # noqa: BLE001 - an application may raise anything
        return fail(Failure())


def runApplication(
    failed: Callable[[Failure], object],
    function: Callable[..., object],
    *arguments: object,
) -> Deferred[Any] | None:
    """
    Call application code, and pass each exception on to ``failed``, now or later.

    :return: a Deferred that fires when all is over; None if it is over already.
    """
    running = callApplication(function, *arguments)
    return None if running is None else running.addErrback(failed)
