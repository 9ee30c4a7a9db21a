# -*- test-case-name: tests.connection.test_incoming -*-
# Part of txwebsocket. See LICENSE for details.
"""
From a message to whoever takes its pieces, at their pace.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

# Pieces that are passed on in one turn of the reactor; others want their turn, too.
_AT_ONCE = 16


def octetsOf(piece: str | bytes) -> bytes:
    """
    A piece as a consumer takes it: text in UTF-8.
    """
    return piece.encode("utf-8") if isinstance(piece, str) else piece


@implementer(IPushProducer)
class PieceProducer:
    """
    Pass the pieces of a message on, as many in a turn of the reactor as others can wait
    for.

    :param take: gives the next one, as a message does.
    :param write: is given each.
    :param ended: is told once, when there are no more, or with a failure.
    :param isTurnOver: tells whether the rest is for another turn of the reactor, for
        which :meth:`run` will be called.
    """

    def __init__(
        self,
        clock: IReactorTime,
        take: Callable[[], str | bytes | None],
        write: Callable[[str | bytes], object],
        ended: Callable[[Failure | None], object],
        isTurnOver: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._take = take
        self._write = write
        self._ended = ended
        self._isTurnOver = isTurnOver
        self._isPaused = self._isOver = self._isRunning = False

    def run(self) -> None:
        """
        Pass on what there is.
        """
        if self._isRunning or self._isPaused or self._isOver:
            return
        self._isRunning = True
        try:
            hasMore = self._passOn()
        except BaseException:  # noqa: BLE001 - a consumer may raise anything
            self._end(Failure())
            return
        if hasMore:
            # What arrives meanwhile waits for its turn, too.
            self._clock.callLater(0, self._continue)
        else:
            self._isRunning = False

    def _continue(self) -> None:
        self._isRunning = False
        self.run()

    def _passOn(self) -> bool:
        """
        Pass some pieces on; tell whether there may be more now.
        """
        for _ in range(_AT_ONCE):
            if self._isTurnOver():
                return False
            piece = self._take()
            if not piece:
                if piece is not None:
                    self._end(None)
                return False
            self._write(piece)
            if self._isPaused or self._isOver:
                return False
        return True

    def _end(self, failure: Failure | None) -> None:
        if not self._isOver:
            self._isOver = True
            ended = self._ended
            # Who has passed the pieces on is referred to by these, and refers to us.
            self._take, self._write, self._ended = _nothing, _ignore, _ignore
            ended(failure)

    def pauseProducing(self) -> None:
        """
        The consumer has enough for now.
        """
        self._isPaused = True

    def resumeProducing(self) -> None:
        """
        The consumer takes more.
        """
        self._isPaused = False
        self.run()

    def stopProducing(self) -> None:
        """
        The consumer wants no more.
        """
        self._end(Failure(CancelledError()))


def _nothing() -> None:
    return None


def _ignore(_: object) -> None:
    return None
