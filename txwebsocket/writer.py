# -*- test-case-name: tests.test_writer -*-
# Part of txwebsocket. See LICENSE for details.
"""
From the outbox to the transport, no faster than the peer reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from socket import socket
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IPullProducer,
    IPushProducer,
    IReactorTime,
)
from zope.interface import implementer

from txwebsocket.sockets import outletOf, sendBy
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.outbox import Octets, Outbox

PORTION = 64 * 1024
"""
Bytes that a transport is given at a time. What it has no room for stays with us, where
it can be counted.
"""

# Bytes that a socket is given at a time.
_AT_ONCE = 1024 * 1024


class Writes(Protocol):
    """
    Whose writer it is.
    """

    def writerChanged(self) -> None:
        """
        The writer is behind, or has caught up.
        """

    def settle(self) -> None:
        """
        The writer was full, and is not any more.
        """

    def writerStalled(self) -> None:
        """
        The writer has been full for too long.
        """


class _Nobody:
    """
    The owner of a writer whose transport is gone.
    """

    def writerChanged(self) -> None:
        """
        Do nothing.
        """

    settle = writerStalled = writerChanged


_NOBODY = _Nobody()


@implementer(IPullProducer, IPushProducer)
class Writer:
    """
    Hand what is in an outbox to a transport, as its producer.

    A plain TCP socket that holds nothing unsent is written to directly; its transport
    is given only what that leaves over, and asks for more when it has passed that on.
    Any other transport is given all, until it asks for a pause.

    :ivar isFull: whether the transport holds more than a mark: its own, or a portion if
        we write to the socket. It is full until it holds nothing.
    :ivar isBehind: whether more waits than should: from ``highWaterMark`` bytes on,
        until no more than ``lowWaterMark`` are left.
    """

    __slots__ = (
        "_clock",
        "_config",
        "_given",
        "_makeError",
        "_outbox",
        "_outlet",
        "_owner",
        "_stallCall",
        "_transport",
        "_waiting",
        "_waitingForRoom",
        "isBehind",
        "isFull",
    )

    def __init__(
        self,
        owner: Writes,
        outbox: Outbox,
        clock: IReactorTime,
        config: ConnectionConfig,
    ) -> None:
        self.isFull = self.isBehind = False
        self._owner = owner
        self._outbox = outbox
        self._clock = clock
        self._config = config
        self._transport: Any = None
        self._outlet: socket | None = None
        # Bytes the transport was given since it was known to hold nothing.
        self._given = 0
        self._stallCall: IDelayedCall | None = None
        self._waiting: Sequence[Deferred[None]] = ()
        self._makeError: Callable[[], BaseException] | None = None
        self._waitingForRoom: Sequence[Deferred[None]] = ()

    def start(self, transport: Any) -> None:
        """
        Begin to write to this transport.
        """
        self._outlet = outletOf(transport)
        # It may hold something of the opening handshake still. As a pull producer we
        # are asked at once, and then whenever that has left.
        transport.registerProducer(self, self._outlet is None)
        self._transport = transport

    def flush(self) -> None:
        """
        Hand over as much as can be taken.
        """
        outbox = self._outbox
        if outbox.outlet is None or not self._sendNow():
            while outbox.hasSome() and self._transport is not None:
                if self.isFull:
                    self._compare()
                    break
                self._handOver(b"".join(outbox.take(PORTION)))
        if self._waiting and not self.isFull and not outbox.hasSome():
            waiting, self._waiting = self._waiting, ()
            for each in waiting:
                # Who was told before may have cancelled it.
                if not each.called:
                    each.callback(None)

    def _sendNow(self) -> bool:
        """
        Write to the socket, until it is full or nothing is left; tell whether nothing
        is.
        """
        outbox = self._outbox
        while outbox.size or outbox.owed:
            before = outbox.taken
            pieces = outbox.take(_AT_ONCE)
            sent = sendBy(outbox.outlet, pieces)
            if sent < outbox.taken - before:
                outbox.putBack(_behind(pieces, sent))
                return False
        return True

    def _handOver(self, octets: bytes) -> None:
        """
        Have the transport write.
        """
        self._outbox.outlet = None
        self._given += len(octets)
        self._transport.write(octets)
        if self._outlet is not None and self._given >= self._portion():
            self.pauseProducing()

    def _portion(self) -> int:
        # What the transport is given is above neither mark.
        return min(PORTION, self._config.highWaterMark)

    def flushed(self) -> Deferred[None]:
        """
        Wait until the outbox is empty and the transport is below its mark.
        """
        if self._makeError is not None:
            return fail(self._makeError())
        if not self.isFull and not self._outbox.hasSome():
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._giveUp)
        self._waiting = [*self._waiting, waiting]
        return waiting

    def _giveUp(self, waiting: Deferred[None]) -> None:
        self._waiting = [each for each in self._waiting if each is not waiting]

    def drained(self) -> Deferred[None]:
        """
        Wait until the writer is not behind.
        """
        if self._makeError is not None:
            return fail(self._makeError())
        if self._outbox.size >= self._config.highWaterMark:
            # Perhaps it only waits for the end of a delivery.
            self.flush()
        if not self.isBehind:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._giveUpRoom)
        self._waitingForRoom = [*self._waitingForRoom, waiting]
        return waiting

    def _giveUpRoom(self, waiting: Deferred[None]) -> None:
        left = [each for each in self._waitingForRoom if each is not waiting]
        self._waitingForRoom = left

    def stop(self) -> None:
        """
        Leave the transport alone; it will not be paused for us again, and can close.
        """
        self._cancelStall()
        if self._transport is not None:
            self._transport.unregisterProducer()
            self._transport = self._outbox.outlet = None

    def end(self, makeError: Callable[[], BaseException]) -> None:
        """
        The transport is gone; who waits is told so.

        :param makeError: makes what tells so, for each who waits now or later.
        """
        self._transport = self._outlet = self._outbox.outlet = None
        self._makeError = makeError
        self._cancelStall()
        waiting = [*self._waiting, *self._waitingForRoom]
        self._waiting = self._waitingForRoom = ()
        for each in waiting:
            if not each.called:
                each.errback(makeError())

    def forgetOwner(self) -> None:
        """
        Tell nobody any more.
        """
        self._owner = _NOBODY

    def pauseProducing(self) -> None:
        """
        The transport holds enough for now.
        """
        if not self.isFull:
            self.isFull = True
            self._stallCall = self._clock.callLater(
                self._config.writeTimeout, self._stalled
            )
            self._compare()

    def resumeProducing(self) -> None:
        """
        The transport has passed everything on.
        """
        if self._transport is not None:
            self._outbox.outlet = self._outlet
        self._given = 0
        if self.isFull:
            self.isFull = False
            self._cancelStall()
            # What waits goes before what others add, or it would pile up.
            self.flush()
            self._compare()
            if not self.isFull:
                self._owner.settle()
        elif self.isBehind:
            self._compare()

    def stopProducing(self) -> None:
        """
        The transport is going away; who lost it will tell.
        """

    def _compare(self) -> None:
        """
        Compare what waits with the marks, and tell if that means something else now.
        """
        waits = self._outbox.size + self._heldBelow()
        high, low = self._config.highWaterMark, self._config.lowWaterMark
        if self.isBehind:
            isBehind = waits > (high // 4 if low is None else low)
        else:
            isBehind = waits >= high
        if isBehind is not self.isBehind:
            self.isBehind = isBehind
            self._owner.writerChanged()
            self._tellRoom()

    def _heldBelow(self) -> int:
        """
        Bytes that the transport holds, as far as that is known.
        """
        if self._outlet is not None:
            return self._given
        return self._portion() if self.isFull else 0

    def _tellRoom(self) -> None:
        # One after the other, since each may fill it again.
        while self._waitingForRoom and not self.isBehind:
            first, *self._waitingForRoom = self._waitingForRoom
            first.callback(None)

    def _stalled(self) -> None:
        self._stallCall = None
        self._owner.writerStalled()

    def _cancelStall(self) -> None:
        if self._stallCall is not None:
            self._stallCall.cancel()
            self._stallCall = None


def _behind(pieces: Iterable[Octets], sent: int) -> Iterator[Octets]:
    """
    The pieces without their first ``sent`` bytes.
    """
    for piece in pieces:
        if sent < len(piece):
            yield memoryview(piece)[sent:] if sent else piece
        sent = max(sent - len(piece), 0)
