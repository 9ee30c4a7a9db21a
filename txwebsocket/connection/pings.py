# -*- test-case-name: tests.connection.test_pings -*-
# Part of txwebsocket. See LICENSE for details.
"""
Pings that wait for their pong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from txwebsocket.connection.readallowance import ReadAllowance
from txwebsocket.connection.timerqueue import timerQueueFor
from txwebsocket.wire.outbox import Outbox

MAX_UNANSWERED = 1000
"""
Pings that may wait for their pong; beyond that the oldest is cancelled.
"""


class Pings:
    """
    Match pongs with pings, and tell how long each took.

    :ivar allowance: what pongs tell about how far the peer has read.
    """

    __slots__ = ("_seconds", "_sent", "allowance")

    def __init__(self, clock: IReactorTime, outbox: Outbox) -> None:
        self.allowance = ReadAllowance(outbox)
        self._seconds = timerQueueFor(clock).seconds
        self._sent: Sequence[tuple[bytes, float, Deferred[float]]] = ()

    def sent(self, payload: bytes) -> Deferred[float]:
        """
        A ping was sent.

        :return: a Deferred of the seconds until its pong. Of more than 1000 that wait,
            the oldest is cancelled.
        """
        self.allowance.notePing(payload)
        if len(self._sent) >= MAX_UNANSWERED:
            _, _, oldest = self._sent[0]
            _silence(oldest)
            oldest.cancel()
        answered: Deferred[float] = Deferred(self._forget)
        self._sent = [*self._sent, (payload, self._seconds(), answered)]
        return answered

    def answer(self, payload: bytes) -> None:
        """
        A pong arrived. It answers its ping and all before it, since a peer may answer
        only the newest (RFC 6455, 5.5.3).
        """
        self.allowance.notePong(payload)
        payloads = [sent for sent, _, _ in self._sent]
        if payload not in payloads:
            return
        count = payloads.index(payload) + 1
        answered, self._sent = self._sent[:count], self._sent[count:]
        now = self._seconds()
        for _, then, waiting in answered:
            # Who was told before may have cancelled it.
            if not waiting.called:
                waiting.callback(now - then)

    def end(self, errorFactory: Callable[[], BaseException]) -> None:
        """
        There will be no more pongs.

        :param errorFactory: makes the error of each pending Deferred.
        """
        sent, self._sent = self._sent, ()
        for _, _, waiting in sent:
            _silence(waiting)
            if not waiting.called:
                waiting.errback(errorFactory())

    def _forget(self, answered: Deferred[float]) -> None:
        self._sent = [each for each in self._sent if each[2] is not answered]


def _silence(waiting: Deferred[float]) -> None:
    """
    Whoever pings without waiting doesn't want to read of it in the log.
    """
    callbacks: Any = waiting.callbacks
    if not callbacks:
        waiting.addErrback(_ignore)


def _ignore(_: object) -> None:
    return None
