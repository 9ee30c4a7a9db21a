# -*- test-case-name: tests.connection.test_incoming -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whole messages, of those that are received in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from txwebsocket.connection.turns import TurnLimit


class Collector:
    """
    Collect the pieces of one message after the other, as long as there are receivers.
    """

    def __init__(self, clock: IReactorTime) -> None:
        # It refers to an object that has this one: kept while there are receivers.
        self._nextMessage: Callable[[], Deferred[Any]] | None = None
        self._whole: list[Any] = []
        self._receivers: list[Deferred[Any]] = []
        self._isCollecting = self._isAnswering = False
        self._limit = TurnLimit(clock)

    def receive(
        self, receiveStream: Callable[[], Deferred[Any]]
    ) -> Deferred[str | bytes]:
        """
        The next message, when all of it is there. Cancelling the Deferred loses none.

        :param receiveStream: returns a Deferred of the next message, which has a method
            ``whole()``.
        """
        receiver: Deferred[str | bytes] = Deferred(self._receivers.remove)
        self._receivers.append(receiver)
        self._nextMessage = receiveStream
        if self._limit.allows(self._collect):
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
            elif self._nextMessage is not None:
                self._collectNext(self._nextMessage())
        self._isAnswering = False
        if not self._receivers:
            self._nextMessage = None

    def _collectNext(self, message: Deferred[Any]) -> None:
        self._isCollecting = True
        message.addCallback(lambda message: message.whole()).addBoth(self._collected)

    def _collected(self, whole: Any) -> None:
        self._isCollecting = False
        self._whole.append(whole)
        self._collect()
