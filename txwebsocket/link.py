# -*- test-case-name: tests.test_link -*-
# Part of txwebsocket. See LICENSE for details.
"""
Between a transport and the protocol core: reading, writing, time and the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.errors import closedError, logEnd
from txwebsocket.frame import WebSocketFrame
from txwebsocket.holds import Hold
from txwebsocket.hooks import NO_HOOKS, Hooks, asDeferred, introduce
from txwebsocket.inbox import Inbox
from txwebsocket.keepalive import Watch, startWatches
from txwebsocket.keepers import Keeper
from txwebsocket.pings import Pings
from txwebsocket.sockets import USUAL_READ, endTransport, readFor
from txwebsocket.wire.codes import CloseCause, CloseCode, Role
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.control import PingReceived, PongReceived
from txwebsocket.wire.errors import ConnectionClosed
from txwebsocket.wire.extensions import Agreement
from txwebsocket.wire.frames import Frame
from txwebsocket.wire.grammar import formatExtensions
from txwebsocket.wire.options import ConnectionConfig
from txwebsocket.wire.report import CloseReport
from txwebsocket.wire.states import CLOSING, NOTHING_TO_DO, State
from txwebsocket.writer import Writer

_PING_SIZE = 8
_nextMask = partial(os.urandom, 4)

_OPEN = State.OPEN


class Link:
    """
    One connection's machinery, which :class:`WebSocketConnection` is the face of.

    It is a protocol to its transport (``makeConnection``, ``dataReceived``,
    ``connectionLost``), and calls the application. Whoever opens the connection calls
    :meth:`attachApplication` if there is one, :meth:`makeConnection` and, when the
    opening handshake is over, :meth:`opened`.

    :ivar connection: the face.
    :ivar clock: keeps the time.
    :ivar wire: the protocol core.
    :ivar isDelivering: whether the application is being told something; what it sends
        leaves when that is over.
    :ivar isPulled: whether the application takes messages itself, with ``receive()``.
    :ivar writer: what hands the outbox to the transport.
    :ivar pings: what waits for a pong.
    :ivar report: how the connection ended, once it has.
    :ivar keeper: a :class:`Keeper` if somebody keeps the connection in a list.
    :ivar hasOpened: whether the keeper was told that it is open; it may have ended
        while its application was told of the beginning.
    """

    _log = Logger()

    def __init__(
        self, role: Role, config: ConnectionConfig, clock: IReactorTime
    ) -> None:
        self.connection: Any = None
        self.transport: Any = None
        self.config = config
        self.wire = Connection(role, config, _nextMask)
        self.pings = Pings(clock)
        self.writer = Writer(self, self.wire.outbox, clock, config.writeTimeout)
        self.report: CloseReport | None = None
        self.keeper: Keeper | None = None
        self.hasOpened = False
        self.clock = clock
        self._hooks = NO_HOOKS
        self.isPulled = True
        self._inbox: Inbox | None = None
        self._takeText: Callable[[str], Any] = NO_HOOKS.frameReceived
        self._takeBytes: Callable[[bytes], Any] = NO_HOOKS.frameReceived
        self._held: int = Hold.NONE
        self._isReading = True
        self.isDelivering = False
        self._isEnding = False
        self._lastHeard: float
        self._watches: Sequence[Watch] = ()
        self._closeCall: IDelayedCall | None = None
        self._closed: list[Deferred[CloseReport]] = []
        self._producer: IPushProducer | None = None

    # Opening

    def attachApplication(self, application: object) -> None:
        """
        Deliver to an application in callback style. What it raises while it is told of
        the beginning goes to the caller.
        """
        self.isPulled = False
        self._hooks = introduce(application, self.connection)
        self._takeText = self._hooks.textMessageReceived
        self._takeBytes = self._hooks.bytesMessageReceived
        self._hooks.negotiationStarted(self.connection)

    @property
    def inbox(self) -> Inbox:
        """
        What waits for ``receive()``; made when it is needed.
        """
        if self._inbox is None:
            self._inbox = Inbox(
                self.config.maxReceivedMessageSize, partial(self.release, Hold.INBOX)
            )
            if self.report is not None:
                self._inbox.end(closedError(self.report))
        return self._inbox

    def makeConnection(self, transport: Any) -> None:
        """
        There is a transport.
        """
        self.transport = transport

    def opened(self, early: bytes = b"", agreed: Sequence[Agreement] = ()) -> None:
        """
        The opening handshake is over.

        :param early: what came behind it in the same segment: the first frames.
        :param agreed: the extensions that were agreed on.
        """
        self.connection.extensions = formatExtensions([e for e, _ in agreed])
        transforms = [transform for _, transform in agreed]
        self.wire.open(transforms)
        self._lastHeard = self.clock.seconds()
        self.writer.start(self.transport)
        if self.isPulled:
            self._takeText = self._takeBytes = self.inbox.put
        self._watches = startWatches(
            self, self.clock, self.config, transforms, self.wire.traffic
        )
        if early:
            self.wire.receive(early)
            self._held |= Hold.START
            self.clock.callLater(0, self.release, Hold.START)
        self.whileDelivering(lambda: self._waitFor(self._hooks.negotiationFinished()))
        if self.keeper is not None and self.report is None:
            self.hasOpened = True
            self.keeper.opened(self)

    # What the transport calls

    def dataReceived(self, data: bytes) -> None:
        """
        The transport has read something.
        """
        self._lastHeard = self.clock.seconds()
        items = self.wire.receive(data)
        if len(data) >= USUAL_READ:
            readFor(self.transport, items)
        if not self.isDelivering:
            self.whileDelivering(self._deliverEvents)

    def connectionLost(self, reason: Failure) -> None:
        """
        The transport is gone.
        """
        if self.report is not None:
            return
        detail = "" if reason.check(ConnectionDone) else reason.getErrorMessage()
        self.wire.lose(detail)
        self.report = report = self.wire.report()
        self.wire.outbox.clear()
        self._stopTimers()
        error = closedError(report)
        self.writer.end(error)
        if self._inbox is not None:
            self._inbox.end(error)
        self.pings.end(error)
        self._sayGoodbye(report, error)
        closed, self._closed = self._closed, []
        for each in closed:
            each.callback(report)

    def _sayGoodbye(self, report: CloseReport, error: ConnectionClosed) -> None:
        logEnd(self._log, self.connection, report)
        hooks, self._hooks = self._hooks, NO_HOOKS
        producer, self._producer = self._producer, None
        self._takeText = self._takeBytes = NO_HOOKS.frameReceived
        if producer is not None:
            self._run(producer.stopProducing)
        self._run(self._tellLost, hooks, Failure(error))
        if self.keeper is not None:
            self.keeper.ended(self)

    def _tellLost(self, hooks: Hooks, reason: Failure) -> None:
        ending = asDeferred(hooks.connectionLost(reason))
        if ending is not None:
            ending.addErrback(self.applicationFailed)

    def whenClosed(self) -> Deferred[CloseReport]:
        """
        Wait until the connection has ended.
        """
        if self.report is not None:
            return succeed(self.report)
        closed: Deferred[CloseReport] = Deferred(self._closed.remove)
        self._closed.append(closed)
        return closed

    # Delivering

    def _deliver(self) -> None:
        if not self.isDelivering:
            self.whileDelivering(self._deliverEvents)

    def whileDelivering(self, deliver: Callable[[], object]) -> None:
        """
        Call something of the application's; all it sends meanwhile leaves in one write.
        """
        self.isDelivering = True
        try:
            deliver()
        except Exception:  # noqa: BLE001 - an application may raise anything
            self.applicationFailed(Failure())
        self.isDelivering = False
        self.settle()

    def _deliverEvents(self) -> None:
        takeIncoming = self.wire.takeIncoming
        while not self._held and (taken := takeIncoming()):
            items = iter(taken)
            try:
                isDone = self._deliverItems(items)
            except Exception:
                self.wire.putBack(items)
                raise
            if not isDone:
                self.wire.putBack(items)

    def _deliverItems(self, items: Iterator[Any]) -> bool:
        # With few calls in the usual case, since this is the way of every message.
        wire = self.wire
        for item in items:
            kind = type(item)
            if kind is str and wire.state is _OPEN:
                wire.messagesReceived += 1
                result = self._takeText(item)
            elif kind is bytes and wire.state is _OPEN:
                wire.messagesReceived += 1
                result = self._takeBytes(item)
            else:
                result = self._takeEvent(wire.eventOf(item))
            if result is not None:
                self._waitFor(result)
            elif self.isPulled and self.inbox.isFull:
                self.hold(Hold.INBOX)
            if self._held:
                return False
        return True

    def _takeEvent(self, event: object) -> Any:
        if isinstance(event, bytes):
            return self._takeBytes(event)
        if isinstance(event, str):
            return self._takeText(event)
        if isinstance(event, PingReceived):
            if self._hooks.pingReceived(event.payload) is not False:
                self.wire.pong(event.payload, self.writer.isFull)
        elif isinstance(event, PongReceived):
            self.pings.answer(event.payload)
            return self._hooks.pongReceived(event.payload)
        elif isinstance(event, Frame):
            return self._hooks.frameReceived(WebSocketFrame.fromFrame(event))
        return None

    def _waitFor(self, result: object) -> None:
        """
        Deliver nothing more until what a hook returned is there.
        """
        deferred = asDeferred(result)
        if deferred is None:
            return
        done: list[object] = []
        deferred.addErrback(self.applicationFailed).addBoth(done.append)
        if not done:
            self.hold(Hold.HOOK)
            deferred.addBoth(lambda _: self.release(Hold.HOOK))

    def _run(self, hook: Callable[..., object], *args: object) -> None:
        try:
            hook(*args)
        except Exception:  # noqa: BLE001 - an application may raise anything
            self.applicationFailed(Failure())

    def applicationFailed(self, failure: Failure) -> None:
        """
        The application raised: log it, and close with 1011.

        That its own connection has ended while it was sending is a race and no fault.
        """
        isRace = failure.check(ConnectionClosed) and self.wire.state is not State.OPEN
        if not isRace:
            self._log.failure(
                "An error in the application of {connection}",
                failure,
                connection=repr(self.connection),
            )
            self.fail(CloseCode.INTERNAL_SERVER_ERROR, "", CloseCause.APPLICATION_ERROR)

    # Reading, or not

    def hold(self, why: Hold) -> None:
        """
        Deliver nothing more and stop reading, for one more reason.
        """
        if self.wire.state in (State.CONNECTING, State.OPEN):
            self._held |= why
            self.settle()

    def release(self, why: Hold) -> None:
        """
        Take one of the reasons back; when none is left, go on.
        """
        if self._held & why:
            self._held &= ~why
            self._lastHeard = self.clock.seconds()
            self._deliver()

    def _readOrNot(self) -> None:
        wanted = not self._held
        if wanted is not self._isReading:
            self._isReading = wanted
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    # Writing

    def settle(self) -> None:
        """
        Do what follows from how things stand: write, read or not, and close.

        During a delivery this waits for its end, so that all that is sent meanwhile
        leaves in one write.
        """
        wire = self.wire
        if self.isDelivering or (
            wire.state is not State.OPEN and wire.state in NOTHING_TO_DO
        ):
            return
        self.writer.flush()
        self._readOrNot()
        if wire.state is not State.OPEN and wire.state in CLOSING:
            self._continueClosing()

    def attachProducer(self, producer: IPushProducer) -> None:
        """
        Pause and resume this producer as the peer takes what is sent.
        """
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is attached already")
        if self.report is not None:
            producer.stopProducing()
            return
        self._producer = producer
        if self.writer.isFull:
            producer.pauseProducing()

    def detachProducer(self) -> None:
        """
        Leave the attached producer alone again.
        """
        self._producer = None

    def writerChanged(self) -> None:
        """
        The transport has no room, or has room again.
        """
        isFull = self.writer.isFull
        producer = self._producer
        if producer is not None:
            self._run(producer.pauseProducing if isFull else producer.resumeProducing)
            if self.writer.isFull is not isFull:
                # It has sent that much already, and what follows from that was done.
                return
        if self.wire.role is Role.SERVER:
            (self.hold if isFull else self.release)(Hold.WRITER)
        if not isFull:
            self.settle()

    def writerStalled(self) -> None:
        """
        The peer has not read for too long.
        """
        self.abort(CloseCause.WRITE_TIMEOUT)

    # Closing

    def close(self, cause: CloseCause, code: int | None, reason: str) -> None:
        """
        Start the closing handshake, or give up an opening that is not over.
        """
        if self.wire.state is State.CONNECTING:
            self.abort(cause)
            return
        self.wire.close(code, reason, cause)
        self.settle()

    def fail(self, code: int, reason: str, cause: CloseCause) -> None:
        """
        End the connection for a fault: a close frame, and then no waiting for consent.
        """
        if self.wire.state is State.CONNECTING:
            self.abort(cause)
            return
        self.wire.fail(code, reason, cause)
        self.settle()

    def abort(self, cause: CloseCause) -> None:
        """
        Cut the transport; what was not sent is lost, and counted.
        """
        if self.report is None:
            self.wire.drop(cause)
            self.writer.stop()
            self._isEnding = True
            if self.transport is not None:
                self.transport.abortConnection()

    def _continueClosing(self) -> None:
        if self._closeCall is None and not self._isEnding:
            self._stopTimers()
            self._held = Hold.NONE
            self._readOrNot()
            self._closeCall = self.clock.callLater(
                self.config.closeTimeout, self._closeTimedOut
            )
            # What waits to be delivered might hide the peer's close frame.
            self._deliver()
        isSent = not self.wire.outbox.hasSome()
        if self.wire.state is State.AWAITING_LOSS and isSent and not self._isEnding:
            self._isEnding = True
            self.writer.stop()
            self._endTransport()

    def _endTransport(self) -> None:
        """
        Our last byte is on its way: let the transport go.
        """
        if self.wire.report().closeReceived:
            # RFC 6455, 7.1.1: the server goes first.
            if self.wire.role is Role.SERVER:
                self.transport.loseConnection()
        else:
            endTransport(self.transport)

    def _closeTimedOut(self) -> None:
        self._closeCall = None
        self.abort(CloseCause.CLOSE_TIMEOUT)

    # Time

    def heardAt(self) -> float:
        """
        When the peer last showed that it is there.
        """
        # While we don't read, the silence is ours.
        return self.clock.seconds() if self._held else self._lastHeard

    def askForLife(self) -> None:
        """
        The peer has been silent.
        """
        self.wire.ping(os.urandom(_PING_SIZE))
        self.settle()

    def giveUp(self) -> None:
        """
        The peer has been silent for too long.
        """
        self.abort(CloseCause.KEEPALIVE_TIMEOUT)

    def _stopTimers(self) -> None:
        for watch in self._watches:
            watch.stop()
        self._watches = ()
        if self._closeCall is not None:
            self._closeCall.cancel()
            self._closeCall = None
