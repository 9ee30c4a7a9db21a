# Part of txwebsocket. See LICENSE for details.
"""
The ways in which application code can fail: each kind of exception, now or later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, fail
from twisted.internet.task import Clock

from tests.support.serving import OddError

SECRET = "secret"

KINDS: tuple[type[BaseException], ...] = (
    OddError,
    CancelledError,
    asyncio.CancelledError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
)
"""
The kinds of exceptions: ordinary ones, and those that ``except Exception`` misses.
"""

Way = Callable[..., Any]


class MemoryLoop:
    """
    What futures of asyncio need of an event loop.

    :param clock: calls what is to be called soon; if None, that is called at once.
    """

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock

    def call_soon(self, function: Way, *arguments: Any, context: object) -> None:
        """
        Call it in the next turn.
        """
        if self._clock is None:
            function(*arguments)
        else:
            self._clock.callLater(0, function, *arguments)

    def call_exception_handler(self, context: object) -> None:
        """
        Nobody has asked for the result of a future.
        """

    def get_debug(self) -> bool:
        """
        Nothing is to be debugged.
        """
        return False


def makeFuture(clock: Clock | None = None) -> asyncio.Future[Any]:
    """
    A future of asyncio, without asyncio's loop.

    :param clock: the loop's.
    """
    loop: Any = MemoryLoop(clock)
    return asyncio.Future(loop=loop)


def raising(kind: type[BaseException]) -> Way:
    """
    Fail at once.
    """

    def way(*_: object) -> Any:
        raise kind(SECRET)

    return way


def failingLater(kind: type[BaseException]) -> Way:
    """
    Fail by a Deferred.
    """
    return lambda *_: fail(kind(SECRET))


def failingCoroutine(kind: type[BaseException]) -> Way:
    """
    Fail by a coroutine.
    """

    async def way(*_: object) -> Any:
        raise kind(SECRET)

    return way


def failingFuture(kind: type[BaseException]) -> Way:
    """
    Fail by a future of asyncio.
    """

    def way(*_: object) -> Any:
        future = makeFuture()
        if kind is asyncio.CancelledError:
            future.cancel()
        else:
            future.set_exception(kind(SECRET))
        return future

    return way


AT_ONCE: tuple[Way, ...] = tuple(map(raising, KINDS))
"""
Each kind, raised.
"""

EVERY_WAY: tuple[Way, ...] = (
    *AT_ONCE,
    *map(failingLater, KINDS),
    *map(failingCoroutine, KINDS),
    *map(failingFuture, KINDS),
)
"""
Each kind, by each way.
"""
