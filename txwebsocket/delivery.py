# -*- test-case-name: tests.test_link -*-
# Part of txwebsocket. See LICENSE for details.
"""
From the protocol core to the application, one thing after the other.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.deferreds import asDeferred, runApplication
from txwebsocket.errors import closedError
from txwebsocket.frame import WebSocketFrame
from txwebsocket.holds import Hold
from txwebsocket.hooks import NO_HOOKS, introduce
from txwebsocket.inbox import Inbox
from txwebsocket.incoming import Incoming, IncomingMessage
from txwebsocket.pings import Pings
from txwebsocket.wire.codes import CloseCause, CloseCode, Role
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.control import PingReceived, PongReceived
from txwebsocket.wire.errors import ConnectionClosed
from txwebsocket.wire.frames import Frame
from txwebsocket.wire.report import CloseReport
from txwebsocket.wire.states import State
from txwebsocket.writer import Writer

# Not a class's own, or each event would keep the connection it tells of.
log = Logger()

_nextMask = partial(os.urandom, 4)

_OPEN = State.OPEN


class Delivery(ABC):
    """
    What arrives, on its way to the application: messages in their order, one at a time,
    and no more while there is a reason to wait.

    :ivar connection: the face of the connection, which the application knows.
    :ivar clock: keeps the time.
    :ivar wire: the protocol core.
    :ivar outbox: what it has to send.
    :ivar isDelivering: whether the application is being told something; what it sends
        leaves when that is over.
    :ivar isPulled: whether the application takes messages itself, with ``receive()``.
    :ivar incoming: the messages that are received in pieces; None if they are not.
    :ivar pings: what waits for a pong.
    :ivar writer: what hands the outbox to the transport.
    :ivar report: how the connection ended, once it has.
    """

    writer: Writer

    # Of most connections these stay what they are here, and take no memory.
    _awaited = 0
    _droppedLately = 0

    def __init__(
        self, role: Role, config: ConnectionConfig, clock: IReactorTime
    ) -> None:
        self.connection: Any = None
        self.config = config
        self.clock = clock
        self.wire = Connection(role, config, _nextMask, self)
        self.outbox = self.wire.outbox
        self.pings = Pings(clock)
        self.report: CloseReport | None = None
        self.isPulled = True
        self.isDelivering = False
        self._inbox: Inbox | None = None
        self.incoming = Incoming(self) if config.streamMessages else None
        self._hooks = NO_HOOKS
        self._takeText: Callable[[str], Any] = NO_HOOKS.frameReceived
        self._takeBytes: Callable[[bytes], Any] = NO_HOOKS.frameReceived
        self._held: int = Hold.NONE
        self._lastHeard: float

    @abstractmethod
    def settle(self) -> None:
        """
        Do what follows from how things stand.
        """

    @abstractmethod
    def makeRoom(self, isNeeded: bool) -> None:
        """
        Much waits to be sent: hand over what can be, even during a delivery.
        """

    @abstractmethod
    def fail(self, code: int, reason: str, cause: CloseCause) -> None:
        """
        End the connection for a fault.
        """

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
                messageLimit(self.config),
                partial(self.hold, Hold.INBOX),
                partial(self.release, Hold.INBOX),
            )
            if self.report is not None:
                self._inbox.end(partial(closedError, self.report))
        return self._inbox

    def receive(self) -> Deferred[str | bytes]:
        """
        The next whole message, in pull style.
        """
        source = self.inbox if self.incoming is None else self.incoming
        return source.receive()

    def messageStarted(self, message: IncomingMessage) -> Any:
        """
        Tell the application of a message that it gets in pieces.
        """
        return self._hooks.messageStarted(message)

    def deliver(self) -> None:
        """
        Tell the application what has arrived, as far as it can be told now.
        """
        if not self.isDelivering:
            self.whileDelivering(self._deliverWaiting)

    def deliverNow(self, items: Iterable[Any]) -> None:
        """
        The same, of what was read just now.
        """
        if self.isDelivering or self._held:
            self.wire.putBack(items)
            return
        # This is whileDelivering, with fewer calls.
        self.isDelivering = True
        try:
            self._deliverItems(iter(items))
        except BaseException:  # noqa: BLE001 - an application may raise anything
            self.applicationFailed(Failure())
        if self.wire.waiting:
            self._deliverWaiting()
        self.isDelivering = False
        self.settle()

    def whileDelivering(self, deliver: Callable[[], object]) -> None:
        """
        Call something of the application's; all it sends meanwhile leaves in one write.
        """
        self.isDelivering = True
        self.run(deliver)
        self.isDelivering = False
        self.settle()

    def _deliverWaiting(self) -> None:
        # What raised may be no reason to end, and then the rest follows.
        while self.wire.waiting and not self._held:
            self.run(self._deliverItems, iter(self.wire.takeWaiting()))

    def _deliverItems(self, items: Iterator[Any]) -> None:
        # With few calls in the usual case, since this is the way of every message.
        wire = self.wire
        takeText, takeBytes = self._takeText, self._takeBytes
        try:
            for item in items:
                kind = type(item)
                if kind is str and wire.state is _OPEN:
                    result = takeText(item)
                elif kind is bytes and wire.state is _OPEN:
                    result = takeBytes(item)
                else:
                    result = self._takeEvent(wire.eventOf(item))
                if result is not None:
                    self._waitFor(result, self.config.concurrentMessages)
                if self._held:
                    wire.putBack(items)
        except BaseException:
            wire.putBack(items)
            raise

    def _takeEvent(self, event: object) -> Any:
        if isinstance(event, PingReceived):
            wanted = self._hooks.pingReceived(event.payload)
            deferred = asDeferred(wanted)
            if deferred is not None:
                return deferred.addCallback(self._answerPing, event.payload)
            self._answerPing(wanted, event.payload)
        elif isinstance(event, bytes):
            return self._takeBytes(event)
        elif isinstance(event, str):
            return self._takeText(event)
        elif isinstance(event, PongReceived):
            self.pings.answer(event.payload)
            return self._hooks.pongReceived(event.payload)
        elif isinstance(event, Frame):
            if self.incoming is not None:
                self.incoming.take(event)
                return None
            return self._hooks.frameReceived(WebSocketFrame.fromFrame(event))
        return None

    def _answerPing(self, wanted: object, payload: bytes) -> None:
        if wanted is not False:
            self.wire.pong(payload, self.writer.isFull)

    def _waitFor(self, result: object, atOnce: int = 1) -> None:
        """
        Deliver nothing more until what a hook returned is there, unless fewer than so
        many are waited for.
        """
        deferred = asDeferred(result)
        if deferred is None:
            return
        done: list[object] = []
        deferred.addErrback(self.applicationFailed).addBoth(done.append)
        if not done:
            self._awaited += 1
            if self._awaited >= atOnce:
                self.hold(Hold.HOOK)
            deferred.addBoth(self._goOn)

    def _goOn(self, _: object) -> None:
        self._awaited -= 1
        self.release(Hold.HOOK)
        # It may have allowed a pong.
        self.settle()

    def messageDropped(self) -> None:
        """
        A message was left out. Operators are told of the first one, the application of
        all when nothing waits any more.
        """
        self._droppedLately += 1
        if self._droppedLately == 1:
            log.info(
                "{connection} reads too slowly: messages are left out",
                connection=repr(self.connection),
            )
            self.writer.flushed().addCallbacks(self._tellDropped, _passOver)

    def _tellDropped(self, _: object) -> None:
        dropped, self._droppedLately = self._droppedLately, 0
        if self.wire.state is State.OPEN:
            self.run(self._hooks.messagesDropped, dropped)

    def run(self, hook: Callable[..., object], *args: object) -> None:
        """
        Call application code, which may raise now or later.
        """
        runApplication(self.applicationFailed, hook, *args)

    def applicationFailed(self, failure: Failure) -> None:
        """
        The application raised: log it, and close with 1011.

        That its own connection has ended while it was sending is a race and no fault.
        """
        isRace = failure.check(ConnectionClosed) and self.wire.state is not State.OPEN
        if not isRace:
            log.failure(
                "An error in the application of {connection}",
                failure,
                connection=repr(self.connection),
            )
            self.fail(CloseCode.INTERNAL_SERVER_ERROR, "", CloseCause.APPLICATION_ERROR)

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
            self.deliver()


def _passOver(ended: Failure) -> None:
    """
    The connection has ended; its report tells the rest.
    """
    ended.trap(ConnectionClosed)
