# -*- test-case-name: tests.connection.test_pulltopush -*-
# Part of txwebsocket. See LICENSE for details.
"""
Who makes messages as fast as the peer takes them.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import (
    IDelayedCall,
    IPullProducer,
    IPushProducer,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.deferreds import runApplication


@implementer(IPushProducer)
class PullToPush:
    """
    Asks a pull producer for more in every turn of the reactor, while it is not paused.
    It is paused at first.

    :param onError: told of what the producer raises; it is not asked again then.
    """

    def __init__(
        self,
        producer: IPullProducer,
        clock: IReactorTime,
        onError: Callable[[Failure], object],
    ) -> None:
        self._producer = producer
        self._clock = clock
        self._onError = onError
        self._call: IDelayedCall | None = None

    def __repr__(self) -> str:
        return repr(self._producer)

    def resumeProducing(self) -> None:
        """
        Begin, or go on.
        """
        if self._call is None:
            self._call = self._clock.callLater(0, self._pull)

    def pauseProducing(self) -> None:
        """
        Ask no more for now.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def stopProducing(self) -> None:
        """
        Ask never again.
        """
        self.pauseProducing()
        self._producer.stopProducing()

    def _pull(self) -> None:
        # Planned before, since whoever is asked may have us pause.
        self._call = self._clock.callLater(0, self._pull)
        runApplication(self._failed, self._producer.resumeProducing)

    def _failed(self, failure: Failure) -> None:
        self.pauseProducing()
        self._onError(failure)
