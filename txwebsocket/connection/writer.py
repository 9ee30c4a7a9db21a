# -*- test-case-name: tests.connection.test_writer -*-
# Part of txwebsocket. See LICENSE for details.
"""
From the outbox to the transport, no faster than the peer reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from socket import socket
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IPullProducer,
    IPushProducer,
    IReactorTime,
)
from zope.interface import implementer

from txwebsocket.connection.progress import (
    StallTimer,
    acknowledged,
    unacknowledged,
    undelivered,
)
from txwebsocket.connection.sockets import (
    bottomOf,
    heedClosing,
    ignoreClosing,
    plainSocket,
    sendBy,
)
from txwebsocket.connection.timerqueue import timerQueueFor
from txwebsocket.connection.turns import succeedFlat
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.outbox import Octets, Outbox

PORTION = 64 * 1024
"""
Bytes that a transport is given at a time. What it has no room for stays with us, where
it can be counted.
"""

# Bytes that a socket is given at a time.
_AT_ONCE = 1024 * 1024

# Bytes that TLS adds to the last of the data: a record's header and tag, and an alert.
_TLS_OVERHEAD = 80


class Writes(Protocol):
    """
    Whose writer it is.
    """

    def sendPressureChanged(self) -> None:
        """
        The writer is behind, or has caught up.
        """

    def syncTransport(self) -> None:
        """
        The writer was full, and is not any more.
        """

    def writerStalled(self) -> None:
        """
        The writer has been full for too long.
        """

    def transportClosing(self) -> None:
        """
        Something else has asked the transport to close, and it waits for the writer.
        """


class _Nobody:
    """
    The owner of a writer whose transport is gone.
    """

    def sendPressureChanged(self) -> None:
        """
        Do nothing.
        """

    syncTransport = writerStalled = transportClosing = sendPressureChanged


_NOBODY = _Nobody()


@implementer(IPullProducer, IPushProducer)
class Writer:
    """
    Hand what is in an outbox to a transport, as its producer.

    A plain TCP socket that holds nothing unsent is written to directly; its transport
    is given only what that leaves over, and asks for more when it has passed that on.
    Any other transport is given all, until it asks for a pause.

    :ivar isTransportFull: whether the transport holds more than a mark: its own, or a
        portion if we write to the socket. It is full until it holds nothing.
    :ivar undelivered: bytes that the transport and the system still had when the
        transport went away, as far as is known.
    :ivar isOverHighWater: whether more waits than should: from ``highWaterMark`` bytes
        on, until no more than ``lowWaterMark`` are left.
    """

    __slots__ = (
        "_acknowledged",
        "_alarms",
        "_bottom",
        "_config",
        "_given",
        "_makeError",
        "_moved",
        "_outbox",
        "_overhead",
        "_owner",
        "_socket",
        "_stall",
        "_transport",
        "_waiting",
        "_waitingForRoom",
        "_wasLagging",
        "isOverHighWater",
        "isTransportFull",
        "undelivered",
    )

    def __init__(
        self,
        owner: Writes,
        outbox: Outbox,
        clock: IReactorTime,
        config: ConnectionConfig,
    ) -> None:
        self.isTransportFull = self.isOverHighWater = False
        self.undelivered = 0
        self._owner = owner
        self._outbox = outbox
        self._alarms = timerQueueFor(clock)
        self._config = config
        self._transport: Any = None
        self._bottom: Any = None
        self._overhead = 0
        self._socket: socket | None = None
        # How far the peer was known to be, and when it had come that far.
        self._acknowledged = 0
        self._moved = 0.0
        self._wasLagging = False
        # Bytes the transport was given since it was known to hold nothing.
        self._given = 0
        self._stall: StallTimer | None = None
        self._waiting: Sequence[Deferred[None]] = ()
        self._makeError: Callable[[], BaseException] | None = None
        self._waitingForRoom: Sequence[Deferred[None]] = ()

    def start(self, transport: Any) -> None:
        """
        Begin to write to this transport.
        """
        self._socket = plainSocket(transport)
        # It may hold something of the opening handshake still. As a pull producer we
        # are asked at once, and then whenever that has left.
        transport.registerProducer(self, self._socket is None)
        self._transport = transport
        self._bottom = bottomOf(transport)
        self._overhead = 0 if self._bottom is transport else _TLS_OVERHEAD
        heedClosing(transport, self._owner.transportClosing)

    def flush(self) -> None:
        """
        Hand over as much as can be taken.
        """
        outbox = self._outbox
        if outbox.socket is None or not self._sendNow():
            while outbox.hasPending() and self._transport is not None:
                if self.isTransportFull:
                    self._checkWaterMarks()
                    break
                self._handOver(b"".join(outbox.take(PORTION)))
        if self._waiting and not self.isTransportFull and not outbox.hasPending():
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
        while outbox.size or outbox.pendingPong or outbox.urgentPing:
            before = outbox.bytesTaken
            pieces = outbox.take(_AT_ONCE)
            sent = sendBy(outbox.socket, pieces)
            if sent < outbox.bytesTaken - before:
                outbox.putBack(_behind(pieces, sent))
                return False
        return True

    def _handOver(self, octets: bytes) -> None:
        """
        Have the transport write.
        """
        self._outbox.socket = None
        self._given += len(octets)
        self._transport.write(octets)
        if self._socket is not None and self._given >= self._portion():
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
        if not self.isTransportFull and not self._outbox.hasPending():
            return succeedFlat(self._alarms.clock)
        waiting: Deferred[None] = Deferred(self._cancelFlushed)
        self._waiting = [*self._waiting, waiting]
        return waiting

    def _cancelFlushed(self, waiting: Deferred[None]) -> None:
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
        if not self.isOverHighWater:
            return succeedFlat(self._alarms.clock)
        waiting: Deferred[None] = Deferred(self._cancelDrained)
        self._waitingForRoom = [*self._waitingForRoom, waiting]
        return waiting

    def _cancelDrained(self, waiting: Deferred[None]) -> None:
        left = [each for each in self._waitingForRoom if each is not waiting]
        self._waitingForRoom = left

    def stop(self) -> None:
        """
        Leave the transport alone; it will not be paused for us again, and can close.
        """
        self._cancelStall()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            self._outbox.socket = None
            ignoreClosing(transport)
            if getattr(transport, "disconnecting", False):
                # TLS joins small writes until the next turn, unless it is told again.
                transport.loseConnection()
            transport.unregisterProducer()
            self._awaitLoss()

    def _awaitLoss(self) -> None:
        """
        Be told when the connection is gone, while its socket can still be asked.

        Twisted tells this to producers only. One that is not paused keeps no connection
        open.
        """
        bottom = self._bottom
        if bottom is not None and bottom.producer is None and not bottom.TLS:
            bottom.registerProducer(self, True)

    def end(self, errorFactory: Callable[[], BaseException]) -> None:
        """
        The transport is gone: fail the pending Deferreds.

        :param errorFactory: makes the error of each Deferred, pending or later.
        """
        if self._transport is not None:
            ignoreClosing(self._transport)
        self._transport = self._socket = self._outbox.socket = self._bottom = None
        self._makeError = errorFactory
        self._cancelStall()
        waiting = [*self._waiting, *self._waitingForRoom]
        self._waiting = self._waitingForRoom = ()
        for each in waiting:
            if not each.called:
                each.errback(errorFactory())

    def forgetOwner(self) -> None:
        """
        Fire no Deferred any more.
        """
        self._owner = _NOBODY

    def pauseProducing(self) -> None:
        """
        The transport holds enough for now.
        """
        if not self.isTransportFull and self._transport is not None:
            self.isTransportFull = True
            self._stall = StallTimer(
                self._alarms, self._config.writeTimeout, self.movedAt, self._stalled
            )
            self._checkWaterMarks()

    def resumeProducing(self) -> None:
        """
        The transport has passed everything on.
        """
        if self._transport is not None:
            self._outbox.socket = self._socket
        elif self._bottom is not None and self._bottom.producer is self:
            self._leaveBottom()
        if self._given or self.isTransportFull:
            # There was no room for that, and now there is.
            self._moved = self._alarms.seconds()
        self._given = 0
        if self.isTransportFull:
            self.isTransportFull = False
            self._cancelStall()
            # What waits goes before what others add, or it would pile up.
            self.flush()
            self._checkWaterMarks()
            if not self.isTransportFull:
                self._owner.syncTransport()
        elif self.isOverHighWater:
            self._checkWaterMarks()
        if getattr(self._transport, "disconnecting", False):
            self._owner.transportClosing()

    def _leaveBottom(self) -> None:
        """
        A paused producer does keep a connection open, and is to let it go.
        """
        self._bottom.unregisterProducer()
        self._bottom.startWriting()

    def stopProducing(self) -> None:
        """
        The transport is going away; its protocol is told of the loss.
        """
        if hasattr(self._bottom, "socket"):
            self.undelivered = max(undelivered(self._bottom) - self._overhead, 0)

    def _checkWaterMarks(self) -> None:
        """
        Compare what waits with the marks, and tell if that means something else now.
        """
        waits = self._outbox.size + self._bytesInTransport()
        high, low = self._config.highWaterMark, self._config.lowWaterMark
        if self.isOverHighWater:
            isOverHighWater = waits > (high // 4 if low is None else low)
        else:
            isOverHighWater = waits >= high
        if isOverHighWater is not self.isOverHighWater:
            self.isOverHighWater = isOverHighWater
            self._owner.sendPressureChanged()
            self._fireDrained()

    def _bytesInTransport(self) -> int:
        """
        Bytes that the transport holds, as far as that is known.
        """
        if self._socket is not None:
            return self._given
        return self._portion() if self.isTransportFull else 0

    def _fireDrained(self) -> None:
        # One after the other, since each may fill it again.
        while self._waitingForRoom and not self.isOverHighWater:
            first, *self._waitingForRoom = self._waitingForRoom
            first.callback(None)

    def _stalled(self) -> None:
        self._stall = None
        self._owner.writerStalled()

    def _cancelStall(self) -> None:
        if self._stall is not None:
            self._stall.stop()
            self._stall = None

    # How far the peer is

    def aliveAt(self) -> float:
        """
        When the peer has last shown life by taking something; 0 if that shows none.

        Its system takes small messages, and pings, even if its program has died. That
        more is taken is life only while so much waits that a ping is behind it.
        """
        wasLagging, self._wasLagging = self._wasLagging, self.isLagging()
        movedAt = self.movedAt()
        return movedAt if wasLagging or self._wasLagging else 0.0

    def isLagging(self) -> bool:
        """
        Has the peer not taken everything yet?
        """
        if self.isTransportFull or self._outbox.hasPending():
            return True
        handle = getattr(self._bottom, "socket", None)
        return handle is not None and unacknowledged(handle) > 0

    def startCloseTimer(
        self, timedOut: Callable[[], object], readingTime: Callable[[], float]
    ) -> StallTimer:
        """
        Start the deadline of closing, which progress puts off within a bound.

        :param timedOut: called when the peer has taken nothing for ``closeTimeout``,
            or closing takes ``maxCloseTime``.
        :param readingTime: returns seconds by which its answer may come later.
        """
        patience, longest = self._config.closeTimeout, self._config.maxCloseTime
        return StallTimer(
            self._alarms, patience, self.movedAt, timedOut, longest, readingTime
        )

    def movedAt(self) -> float:
        """
        When the peer has last taken something, as far as is known.
        """
        handle = getattr(self._bottom, "socket", None)
        if handle is not None:
            count, ago = acknowledged(handle)
            if count > self._acknowledged:
                now = self._alarms.seconds()
                self._moved = max(self._moved, now - ago)
            self._acknowledged = count
        return self._moved


def _behind(pieces: Iterable[Octets], sent: int) -> Iterator[Octets]:
    """
    The pieces without their first ``sent`` bytes.
    """
    for piece in pieces:
        if sent < len(piece):
            yield memoryview(piece)[sent:] if sent else piece
        sent = max(sent - len(piece), 0)
