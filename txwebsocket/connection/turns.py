# -*- test-case-name: tests.connection.test_turns -*-
# Part of txwebsocket. See LICENSE for details.
"""
A bound for loops that are made of callbacks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from txwebsocket.wire.messages import MessageDecoder

# The part of Python's stack that such a loop may use.
_PART = 3


class TurnLimit:
    """
    Let a loop go on in the next turn of the reactor when the stack has become deep.

    A Deferred that has fired already calls its callbacks from within ``addCallback``.
    If these ask for the next result, each result that is there takes the stack deeper.

    :ivar isResting: whether that turn is waited for.
    """

    __slots__ = ("_clock", "isResting")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.isResting = False

    def allows(self, goOn: Callable[[], object]) -> bool:
        """
        May a result be given at once?

        :param goOn: called in the next turn, if not. It is kept no longer than that,
            since it refers to an object that has this one.
        """
        if not self.isResting and _isStackDeep():
            self.isResting = True
            self._clock.callLater(0, self._rested, goOn)
        return not self.isResting

    def _rested(self, goOn: Callable[[], object]) -> None:
        self.isResting = False
        goOn()


class WorkLimit:
    """
    Let decoding go on in the next turn of the reactor when it has cost enough.

    :param decoder: counts the work.
    """

    __slots__ = ("_calls", "_clock", "_decoder")

    def __init__(self, clock: IReactorTime, decoder: MessageDecoder) -> None:
        self._clock = clock
        self._decoder = decoder
        self._calls: list[Callable[[], object]] = []

    def isReached(self, proceed: Callable[[], object]) -> bool:
        """
        Is this turn's work done?

        :param proceed: called in the next turn then.
        """
        if not (self._calls or self._decoder.isTurnOver()):
            return False
        if not self._calls:
            self._clock.callLater(0, self._beginTurn)
        if proceed not in self._calls:
            self._calls.append(proceed)
        return True

    def _beginTurn(self) -> None:
        self._decoder.beginTurn()
        calls, self._calls = self._calls, []
        for proceed in calls:
            proceed()


def succeedFlat(clock: IReactorTime) -> Deferred[None]:
    """
    A Deferred that has fired, or fires in the next turn where the stack is deep. No
    loop of callbacks over it goes too deep.
    """
    if not _isStackDeep():
        return succeed(None)
    waiting: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(0, waiting.callback, None)
    return waiting


def _isStackDeep() -> bool:
    try:
        sys._getframe(sys.getrecursionlimit() // _PART)
    except ValueError:
        return False
    return True
