# -*- test-case-name: tests.test_pending -*-
# Part of txwebsocket. See LICENSE for details.
"""
What takes its time: handlers and listeners that have not ended.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed


class PendingDeferreds:
    """
    Know what has not ended, so that it can be waited for, and cancelled.
    """

    def __init__(self) -> None:
        self._running: set[Deferred[Any]] = set()
        self._waiting: list[Deferred[None]] = []
        self._isGivenUp = False

    def __len__(self) -> int:
        return len(self._running)

    def add(self, deferred: Deferred[Any]) -> None:
        """
        Remember this until it fires. Its result is left as it is.
        """
        self._running.add(deferred)
        deferred.addBoth(self._ended, deferred)

    def _ended(self, result: Any, deferred: Deferred[Any]) -> Any:
        self._running.discard(deferred)
        if not self._running:
            self._tell()
        return result

    def whenEnded(self) -> Deferred[None]:
        """
        Wait until nothing runs any more, or whatever does is given up.
        """
        if self._isGivenUp or not self._running:
            return succeed(None)
        ended: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(ended)
        return ended

    def giveUp(self) -> None:
        """
        Cancel whatever runs, and wait for nothing any more: neither for what goes on
        regardless, nor for what is still to come.
        """
        self._isGivenUp = True
        for deferred in list(self._running):
            deferred.cancel()
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for ended in waiting:
            ended.callback(None)
