# -*- test-case-name: tests.test_incoming -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whole messages, of those that are received in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from txwebsocket.turns import TurnLimit


class Collector:
    """
    Collect the pieces of one message after the other, as long as there are receivers.

    :param nextMessage: returns a Deferred of the next message, which has a method
        ``whole()``.
    """

    def __init__(
        self, clock: IReactorTime, nextMessage: Callable[[], Deferred[Any]]
    ) -> None:
        self._nextMessage = nextMessage
        self._whole: list[Any] = []
        self._receivers: list[Deferred[Any]] = []
        self._isCollecting = self._isAnswering = False
        self._limit = TurnLimit(clock, self._collect)

    def receive(self) -> Deferred[str | bytes]:
        """
        The next message, when all of it is there. Cancelling the Deferred loses none.
        """
        receiver: Deferred[str | bytes] = Deferred(self._receivers.remove)
        self._receivers.append(receiver)
        if self._limit.allows():
            self._collect()
        return receiver

    def _collect(self) -> None:
        # A loop, since there may be many receivers, and each may be answered at once.
        if self._isAnswering:
            return
        self._isAnswering = True
        while self._receivers and not self._limit.isResting:
            if self._whole:
                self._receivers.pop(0).callback(self._whole.pop(0))
            elif self._isCollecting:
                break
            else:
                self._collectNext()
        self._isAnswering = False

    def _collectNext(self) -> None:
        self._isCollecting = True
        whole = self._nextMessage().addCallback(lambda message: message.whole())
        whole.addBoth(self._collected)

    def _collected(self, whole: Any) -> None:
        self._isCollecting = False
        self._whole.append(whole)
        self._collect()
