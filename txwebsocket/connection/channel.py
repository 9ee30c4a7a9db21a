# -*- test-case-name: tests.connection.test_channel -*-
# Part of txwebsocket. See LICENSE for details.
"""
Between a transport and the protocol core: reading, writing, time and the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from txwebsocket.connection.callbacks import ConnectionCallbacks
from txwebsocket.connection.dispatch import MessageDispatcher
from txwebsocket.connection.errors import closedError, logEnd
from txwebsocket.connection.hookcalls import log
from txwebsocket.connection.pausing import PauseReason
from txwebsocket.connection.progress import StallTimer
from txwebsocket.connection.pulltopush import PullToPush
from txwebsocket.connection.sockets import (
    FLOOD_PART,
    FLOOD_READ,
    MOST_READ,
    USUAL_READ,
    endTransport,
    tuneReadSize,
)
from txwebsocket.connection.timers import ConnectionTimer, startWatches
from txwebsocket.connection.writer import Writer
from txwebsocket.wire.codes import CloseCause, CloseCode, Role
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.errors import shown
from txwebsocket.wire.extensions import MessageTransform, NegotiatedExtension
from txwebsocket.wire.frames import Frame
from txwebsocket.wire.grammar import formatExtensions
from txwebsocket.wire.report import CloseReport
from txwebsocket.wire.states import CLOSING, INACTIVE, State

_PING_SIZE = 8

# Bytes that may wait for the end of a delivery, to leave in one write.
_AT_ONCE = 256 * 1024

# On the way of every message a name is cheaper than a member.
_OPEN = State.OPEN


class WebSocketChannel(MessageDispatcher):
    """
    One connection's machinery, which :class:`WebSocketConnection` is the face of.

    It is a protocol to its transport (``makeConnection``, ``dataReceived``,
    ``connectionLost``), and calls the application. Whoever opens the connection calls
    :meth:`attachApplication` if there is one, :meth:`makeConnection` and, when the
    opening handshake is over, :meth:`opened`.

    :ivar transport: what there is, since :meth:`makeConnection`.
    :ivar callbacks: a :class:`ConnectionCallbacks` if somebody keeps the connection in
        a list.
    :ivar hasOpened: whether the keeper was told that it is open; it may have ended
        while its application was told of the beginning.
    """

    def __init__(
        self, role: Role, config: ConnectionConfig, clock: IReactorTime
    ) -> None:
        super().__init__(role, config, clock)
        self.transport: Any = None
        self.writer = Writer(self, self.outbox, clock, config)
        self.callbacks: ConnectionCallbacks | None = None
        self.hasOpened = False
        self._isReading = True
        self._isFlooded = False
        self._isEnding = False
        self._watches: Sequence[ConnectionTimer] = ()
        self._closeTimer: StallTimer | None = None
        self._closed: list[Deferred[CloseReport]] = []
        self._producer: Any = None

    # Opening

    def makeConnection(self, transport: Any) -> None:
        """
        There is a transport.
        """
        self.transport = transport

    def opened(
        self, initialData: bytes = b"", agreed: Sequence[NegotiatedExtension] = ()
    ) -> None:
        """
        The opening handshake is over.

        :param initialData: what came behind it in the same segment: the first frames.
        :param agreed: the extensions that were agreed on.
        """
        self.connection.extensions = formatExtensions([e for e, _ in agreed])
        transforms = [transform for _, transform in agreed]
        self.core.open(transforms)
        if self.core.decoder is not None:
            self.limitWork(self.core.decoder)
        self._lastReceivedAt = self.alarms.seconds()
        self.writer.start(self.transport)
        if self.isPullMode:
            self._takeText = self._takeBytes = self.receiveQueue.put
        self.run(self._startWatches, transforms)
        if initialData:
            self.core.receive(initialData)
            self._pauseReasons |= PauseReason.START
            self.clock.callLater(0, self.resumeFrom, PauseReason.START)
        self.whileDelivering(self._begin)
        if self.callbacks is not None and self.report is None:
            self.hasOpened = True
            self.callbacks.opened(self)

    def _startWatches(self, transforms: Sequence[MessageTransform]) -> None:
        # It asks extensions, which may raise.
        self._watches = startWatches(
            self, self.clock, self.config, transforms, self.core.traffic
        )

    def _begin(self) -> None:
        producer = self._producer
        finished = self._hooks.negotiationFinished()
        self._waitFor(finished, self.config.concurrentMessages)
        if producer is not None and producer is self._producer:
            self._tellProducer()

    # What the transport calls

    def dataReceived(self, data: bytes) -> None:
        """
        The transport has read something.
        """
        self._lastReceivedAt = now = self.alarms.seconds()
        if now > self.alarms.overdueAt:
            self.alarms.timerIsOverdue()
        if not self._isReading:
            # It was read before, or somebody else has resumed the transport.
            self.transport.pauseProducing()
        if self._isFlooded:
            self.deliverNow(self._readInParts(data))
            return
        items = self.core.read(data)
        if len(data) >= FLOOD_READ:
            self._tuneReadSize(len(data), len(items), items)
        self.deliverNow(items)

    def _readInParts(self, data: bytes) -> Iterator[Any]:
        number = 0
        items: Sequence[Any] = ()
        for start in range(0, len(data), FLOOD_PART):
            items = self.core.read(data[start : start + FLOOD_PART])
            number += len(items)
            yield from items
        self._tuneReadSize(len(data), number, items)

    def _tuneReadSize(self, size: int, number: int, last: Sequence[Any]) -> None:
        # Of what comes in pieces, little is held.
        most = MOST_READ if self.incoming is None else USUAL_READ
        isFlood = tuneReadSize(self.transport, size, number, most)
        # The more frames exist at once, the more often CPython looks through all there
        # is. Of text and bytes it takes no notice.
        self._isFlooded = isFlood and Frame in map(type, last[::8])

    def connectionLost(self, reason: Failure) -> None:
        """
        The transport is gone.
        """
        # Twisted's TLS gives one that refers to itself by its traceback.
        if getattr(reason.value, "__traceback__", None) is not None:
            reason.cleanFailure()
        if self.report is not None:
            return
        isDone = reason.check(ConnectionDone) is not None
        detail = "" if isDone else shown(reason.getErrorMessage())
        self.takeLast(self.core.hasPeerClosed or isDone)
        if not (self._isEnding and isDone):
            # Else we had handed over all, and the system goes on delivering it.
            self.core.undelivered = self.writer.undelivered
        self.core.transportLost(detail)
        self.report = report = self.core.report()
        self.outbox.clear()
        self._stopTimers()
        errorFactory = partial(closedError, report)
        self.writer.end(errorFactory)
        if self._receiveQueue is not None:
            self._receiveQueue.end(errorFactory)
        if self.incoming is not None:
            self.incoming.end(errorFactory)
        self.pings.end(errorFactory)
        self._notifyLost(report)
        closed, self._closed = self._closed, []
        for each in closed:
            each.callback(report)
        self.breakCycles()

    def breakCycles(self) -> None:
        """
        Let go of those that refer to us, or all of us would wait for the cyclic
        collector of Python. Nothing can happen any more.
        """
        self.core.forgetOwner()
        self.writer.forgetOwner()
        if self._lost is None:
            self.forgetConnection()

    def _notifyLost(self, report: CloseReport) -> None:
        logEnd(log, self.connection, report)
        self._stopProducer()
        self.endDelivery(Failure(closedError(report)))
        if self.callbacks is not None:
            self.callbacks.ended(self)

    def whenClosed(self) -> Deferred[CloseReport]:
        """
        Wait until the connection has ended.
        """
        if self.report is not None:
            return succeed(self.report)
        closed: Deferred[CloseReport] = Deferred(self._closed.remove)
        self._closed.append(closed)
        return closed

    # Reading, or not

    def _updateReading(self) -> None:
        wanted = not self._mustWait()
        if wanted is not self._isReading:
            self._isReading = wanted
            if wanted:
                self._lastReceivedAt = self.alarms.seconds()
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    # Writing

    def syncTransport(self) -> None:
        """
        Do what follows from how things stand: write, read or not, and close.

        During a delivery this waits for its end, so that all that is sent meanwhile
        leaves in one write.
        """
        core = self.core
        isOpen = core.state is _OPEN
        if self.isDispatching or not (isOpen or core.state not in INACTIVE):
            return
        self.writer.flush()
        if self._pauseReasons or not self._isReading:
            self._updateReading()
        if not isOpen and core.state in CLOSING:
            self._continueClosing()

    def makeRoom(self, isNeeded: bool) -> None:
        """
        Much waits to be sent: hand over what can be, even during a delivery, and have
        who produces it paused. Where nobody does, what is sent in one go leaves in one,
        as long as it is not too much.

        :param isNeeded: whether more would be refused otherwise.
        """
        isProduced = self._producer is not None
        if isNeeded or isProduced or self.outbox.size >= _AT_ONCE:
            self.writer.flush()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Pause and resume this producer as the peer takes what is sent.

        :param streaming: whether it is an ``IPushProducer``; else it is an
            ``IPullProducer``, asked for more as long as there is room.
        """
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is registered already")
        if self.core.state not in (State.CONNECTING, State.OPEN):
            self.run(producer.stopProducing)
            return
        if streaming:
            self._producer = producer
        else:
            self._producer = PullToPush(producer, self.clock, self.applicationFailed)
        if not (streaming and self._hasRoom()):
            self._tellProducer()

    def unregisterProducer(self) -> None:
        """
        Leave the producer alone again.
        """
        producer, self._producer = self._producer, None
        if isinstance(producer, PullToPush):
            producer.pauseProducing()

    def _hasRoom(self) -> bool:
        return self.core.state is State.OPEN and not self.writer.isOverHighWater

    def _tellProducer(self) -> None:
        """
        Have the producer go on, or not.
        """
        producer = self._producer
        hasRoom = self._hasRoom()
        self.run(producer.resumeProducing if hasRoom else producer.pauseProducing)

    def _stopProducer(self) -> None:
        """
        Nothing can be sent any more.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            self.run(producer.stopProducing)

    def sendPressureChanged(self) -> None:
        """
        More waits than should, or that is over.
        """
        isOverHighWater = self.writer.isOverHighWater
        if self._producer is not None:
            self._tellProducer()
            if self.writer.isOverHighWater is not isOverHighWater:
                # It has sent that much already, and what follows from that was done.
                return
        if self.core.role is Role.SERVER:
            (self.pauseFor if isOverHighWater else self.resumeFrom)(PauseReason.WRITER)

    def writerStalled(self) -> None:
        """
        The peer has not read for too long.
        """
        self.abort(CloseCause.WRITE_TIMEOUT)

    def transportClosing(self) -> None:
        """
        Something else has asked the transport to close. It does not read any more, so
        there is nothing to wait for but that all has left.
        """
        self.fail(CloseCode.GOING_AWAY, "", CloseCause.DROPPED)

    # Closing

    def close(self, cause: CloseCause, code: int | None, reason: str) -> None:
        """
        Start the closing handshake, or give up an opening that is not over.
        """
        if self.core.state is State.CONNECTING:
            self.abort(cause)
            return
        isKept = self.queueEarly() or self.config.deliverAfterClose
        self.core.close(code, reason, cause)
        self._endedByUs(isKept)

    def fail(self, code: int, reason: str, cause: CloseCause) -> None:
        """
        End the connection for a fault: a close frame, and then no waiting for consent.
        """
        if self.core.state is State.CONNECTING:
            self.abort(cause)
            return
        self.core.fail(code, reason, cause)
        self.discardQueued()
        self.syncTransport()

    def drop(self, code: int, reason: str, skipCloseFrame: bool) -> None:
        """
        End the connection because the application wants no more of it.
        """
        if self.report is not None:
            return
        self.core.noteDrop(code, reason)
        if skipCloseFrame:
            self.abort(CloseCause.DROPPED)
        else:
            self.fail(code, reason, CloseCause.DROPPED)

    def finish(self, cause: CloseCause) -> None:
        """
        Send what is queued, and end the connection then, without a close frame.
        """
        if self.core.state is State.CONNECTING:
            self.abort(cause)
            return
        isKept = self.queueEarly() or self.config.deliverAfterClose
        self.core.abort(cause)
        self.outbox.seal()
        self._endedByUs(isKept)

    def _endedByUs(self, isKept: bool) -> None:
        if not isKept:
            self.discardQueued()
        self.syncTransport()

    def abort(self, cause: CloseCause) -> None:
        """
        Cut the transport; what was not sent is lost, and counted.
        """
        if self.report is None:
            self.core.abort(cause)
            if cause is CloseCause.DROPPED:
                self.discardQueued()
            self.writer.stop()
            self._isEnding = True
            if self.transport is not None:
                self.transport.abortConnection()

    def _continueClosing(self) -> None:
        if self._closeTimer is None and not self._isEnding:
            self._stopTimers()
            self._updateReading()
            self.pings.allowance.noteClose()
            self._closeTimer = self.writer.startCloseTimer(
                self._closeTimedOut, self.readingTime
            )
            self._stopProducer()
            # What waits to be delivered might hide the peer's close frame.
            self.deliver()
        isSent = not self.outbox.hasPending()
        if self.core.state is State.AWAITING_LOSS and isSent and not self._isEnding:
            self._isEnding = True
            self.writer.stop()
            self._endTransport()

    def _endTransport(self) -> None:
        """
        Our last byte is on its way: let the transport go.
        """
        if self.core.report().closeReceived:
            if self._closeTimer is not None:
                # The reading time is over; ending the transport has its own.
                self._closeTimer.restart()
            # RFC 6455, 7.1.1: the server goes first.
            if self.core.role is Role.SERVER:
                self.transport.loseConnection()
        else:
            endTransport(self.transport)

    def _closeTimedOut(self) -> None:
        self._closeTimer = None
        self.abort(CloseCause.CLOSE_TIMEOUT)

    # Time

    def lastReceivedAt(self) -> float:
        """
        When the peer last showed that it is there.
        """
        # While we don't read, the silence is ours.
        if self._mustWait():
            return self.alarms.seconds()
        # A ping may be behind what the peer takes as fast as it can.
        return max(self._lastReceivedAt, self.writer.aliveAt())

    def newPing(self) -> bytes:
        """
        The payload of a ping for which the application has chosen none.
        """
        return b"" if self.config.emptyPings else os.urandom(_PING_SIZE)

    def sendKeepalivePing(self) -> None:
        """
        The peer has been silent.
        """
        payload = self.newPing()
        self.pings.allowance.noteKeepalive(payload)
        self.core.pingAhead(payload)
        self.syncTransport()

    def readingTime(self) -> float:
        """
        Seconds that the peer's program may need to read what its system acknowledged.
        """
        # A system that acknowledges nothing gets none, nor does a peer that answered.
        isOver = self.core.hasPeerClosed or self.writer.isLagging()
        return 0.0 if isOver else self.pings.allowance.seconds()

    def keepaliveTimedOut(self) -> None:
        """
        The peer has been silent for too long.
        """
        self.abort(CloseCause.KEEPALIVE_TIMEOUT)

    def lifetimeOver(self) -> None:
        """
        The connection has lasted for as long as it may.
        """
        self.close(CloseCause.LIFETIME_OVER, CloseCode.GOING_AWAY, "")

    def _stopTimers(self) -> None:
        for watch in self._watches:
            watch.stop()
        self._watches = ()
        if self._closeTimer is not None:
            self._closeTimer.stop()
            self._closeTimer = None
