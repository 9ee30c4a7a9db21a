# -*- test-case-name: tests.test_turns -*-
# Part of txwebsocket. See LICENSE for details.
"""
A bound for loops that are made of callbacks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

# The part of Python's stack that such a loop may use.
_PART = 3


class TurnLimit:
    """
    Let a loop go on in the next turn of the reactor when the stack has become deep.

    A Deferred that has fired already calls its callbacks from within ``addCallback``.
    If these ask for the next result, each result that is there takes the stack deeper.

    :param goOn: called in that turn.
    :ivar isResting: whether that turn is waited for.
    """

    __slots__ = ("_clock", "_goOn", "isResting")

    def __init__(self, clock: IReactorTime, goOn: Callable[[], object]) -> None:
        self._clock = clock
        self._goOn = goOn
        self.isResting = False

    def allows(self) -> bool:
        """
        May a result be given at once?
        """
        if not self.isResting and _isStackDeep():
            self.isResting = True
            self._clock.callLater(0, self._rested)
        return not self.isResting

    def _rested(self) -> None:
        self.isResting = False
        self._goOn()


def _isStackDeep() -> bool:
    try:
        sys._getframe(sys.getrecursionlimit() // _PART)
    except ValueError:
        return False
    return True
