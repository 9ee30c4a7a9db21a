# -*- test-case-name: tests.test_writer -*-
# Part of txwebsocket. See LICENSE for details.
"""
From the outbox to the transport, no faster than the peer reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from txwebsocket.wire.outbox import Outbox

HIGH_WATER = 64 * 1024
"""
Bytes that a transport is given at a time. What it has no room for stays with us, where
it can be counted.
"""


@implementer(IPushProducer)
class Writer:
    """
    Hand what is in an outbox to a transport, as a push producer.

    :ivar isFull: whether the transport has asked for a pause. It asks when it holds
        more than its own mark, and takes that back when it holds nothing.
    :param writeTimeout: seconds that a pause may last.
    :param onChange: called when :attr:`isFull` has changed.
    :param onStall: called when a pause has lasted too long.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: IReactorTime,
        *,
        writeTimeout: float,
        onChange: Callable[[], object],
        onStall: Callable[[], object],
    ) -> None:
        self.isFull = False
        self._outbox = outbox
        self._clock = clock
        self._writeTimeout = writeTimeout
        self._onChange = onChange
        self._onStall = onStall
        self._transport: Any = None
        self._stallCall: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._error: BaseException | None = None

    def start(self, transport: Any) -> None:
        """
        Begin to write to this transport.
        """
        self._transport = transport
        transport.registerProducer(self, True)

    def flush(self) -> None:
        """
        Hand over as much as the transport takes.
        """
        outbox = self._outbox
        while outbox.hasSome() and not self.isFull and self._transport is not None:
            parts = outbox.take(HIGH_WATER)
            if len(parts) == 1:
                self._transport.write(parts[0])
            else:
                self._transport.writeSequence(parts)
        if self._waiting and not self.isFull and not outbox.hasSome():
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def flushed(self) -> Deferred[None]:
        """
        Wait until the outbox is empty and the transport is below its mark.
        """
        if self._error is not None:
            return fail(self._error)
        if not self.isFull and not self._outbox.hasSome():
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def stop(self) -> None:
        """
        Leave the transport alone; it will not be paused for us again, and can close.
        """
        self._cancelStall()
        if self._transport is not None:
            self._transport.unregisterProducer()
            self._transport = None

    def end(self, error: BaseException) -> None:
        """
        The transport is gone; who waits is told so.
        """
        self._transport = None
        self._error = error
        self._cancelStall()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(error)

    def pauseProducing(self) -> None:
        """
        The transport holds enough for now.
        """
        if not self.isFull:
            self.isFull = True
            self._stallCall = self._clock.callLater(self._writeTimeout, self._stalled)
            self._onChange()

    def resumeProducing(self) -> None:
        """
        The transport has passed everything on.
        """
        if self.isFull:
            self.isFull = False
            self._cancelStall()
            self._onChange()

    def stopProducing(self) -> None:
        """
        The transport is going away; who lost it will tell.
        """

    def _stalled(self) -> None:
        self._stallCall = None
        self._onStall()

    def _cancelStall(self) -> None:
        if self._stallCall is not None:
            self._stallCall.cancel()
            self._stallCall = None
