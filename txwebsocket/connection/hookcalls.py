# -*- test-case-name: tests.connection.test_channel -*-
# Part of txwebsocket. See LICENSE for details.
"""
Calling the hooks of an application, and waiting for their results.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from weakref import ref

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.connection.hooks import NO_HOOKS, introduce
from txwebsocket.connection.incoming import MessageReader
from txwebsocket.connection.pausing import ASKED, PauseReason
from txwebsocket.connection.timerqueue import timerQueueFor
from txwebsocket.connection.writer import Writer
from txwebsocket.deferreds import asDeferred, runApplication
from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.errors import ConnectionClosed
from txwebsocket.wire.report import CloseReport
from txwebsocket.wire.states import State

# Not a class's own, or each event would keep the connection it tells of.
log = Logger()

_UNREAD = {
    PauseReason.PAUSED: "it is paused",
    PauseReason.INBOX: "its queue of received messages is full",
    PauseReason.PIECES: "its queue of received messages is full",
}


class HookCaller(ABC):
    """
    Calls the hooks of one connection's application, handles their exceptions and
    results, and holds the reasons not to call them for now.

    :ivar alarms: keeps the time, and the deadlines.
    :ivar core: the protocol core.
    :ivar writer: passes the protocol core's frames on to the transport.
    :ivar isPullMode: whether the application takes messages itself, with ``receive()``.
    :ivar report: how the connection ended, once it has.
    """

    core: Connection
    writer: Writer

    # Of most connections these stay what they are here, and take no memory.
    _awaited = 0
    _awaitedControls = 0
    _droppedLately = 0
    _hasWarned = False

    def __init__(self, config: ConnectionConfig, clock: IReactorTime) -> None:
        self._connection: Any = None
        self.config = config
        self.alarms = timerQueueFor(clock)
        self.report: CloseReport | None = None
        self.isPullMode = True
        self._hooks = NO_HOOKS
        self._takeText: Callable[[str], Any] = NO_HOOKS.frameReceived
        self._takeBytes: Callable[[bytes], Any] = NO_HOOKS.frameReceived
        self._pauseReasons: int = PauseReason.NONE

    @property
    def connection(self) -> Any:
        """
        The face of the connection, which the application knows. After the end this is
        None, unless others keep it.
        """
        connection = self._connection
        return connection() if isinstance(connection, ref) else connection

    @connection.setter
    def connection(self, connection: Any) -> None:
        self._connection = connection

    @property
    def clock(self) -> IReactorTime:
        """
        The reactor, for what is to happen in its next turn.
        """
        return self.alarms.clock

    @abstractmethod
    def syncTransport(self) -> None:
        """
        Do what follows from how things stand.
        """

    @abstractmethod
    def deliver(self) -> None:
        """
        Tell the application what has arrived, as far as it can be told now.
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
        self.isPullMode = False
        self._hooks = introduce(application, self.connection)
        self._takeText = self._hooks.textMessageReceived
        self._takeBytes = self._hooks.bytesMessageReceived
        self._hooks.negotiationStarted(self.connection)

    def messageStarted(self, message: MessageReader) -> Any:
        """
        Tell the application of a message that it gets in pieces.
        """
        return self._hooks.messageStarted(message)

    def _answerPing(self, wanted: object, payload: bytes) -> None:
        if wanted is not False:
            self.core.pong(payload, self.writer.isTransportFull)

    def _noteControl(self, deferred: Deferred[Any]) -> Deferred[Any]:
        """
        Count the hooks of pings and pongs that have not finished.
        """
        self._awaitedControls += 1
        deferred.addErrback(self.applicationFailed)
        return deferred.addBoth(self._controlDone)

    def _controlDone(self, result: object) -> object:
        self._awaitedControls -= 1
        self.resumeFrom(PauseReason.CONTROL)
        return result

    def _waitFor(self, result: object, weight: int = 1) -> None:
        """
        Deliver nothing more until the result of a hook is there, unless fewer than
        ``concurrentMessages`` hooks run.

        :param weight: the number of hooks it counts as.
        """
        deferred = asDeferred(result)
        if deferred is None:
            return
        done: list[object] = []
        deferred.addErrback(self.applicationFailed).addBoth(done.append)
        if not done:
            self._awaited += weight
            if self._awaited >= self.config.concurrentMessages:
                self.pauseFor(PauseReason.HOOK)
            deferred.addBoth(self._hookFinished, weight)

    def _hookFinished(self, _: object, weight: int) -> None:
        self._awaited -= weight
        if self._awaited < self.config.concurrentMessages:
            self.resumeFrom(PauseReason.HOOK)
        # It may have allowed a pong.
        self.syncTransport()

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
        if self.core.state is State.OPEN:
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
        if self.isRace(failure):
            # Thrown into a coroutine, it refers to itself by its traceback.
            failure.cleanFailure()
        else:
            log.failure(
                "An error in the application of {connection}",
                failure,
                connection=repr(self.connection),
            )
            self.fail(CloseCode.INTERNAL_SERVER_ERROR, "", CloseCause.APPLICATION_ERROR)

    def forgetConnection(self) -> None:
        """
        Refer to the face of the connection no more than others do: it refers to us.
        """
        connection = self.connection
        self._connection = None if connection is None else ref(connection)

    def isRace(self, failure: Failure) -> bool:
        """
        Has code failed because just this connection has ended?
        """
        hasEnded = self.core.state is not State.OPEN
        return hasEnded and failure.check(ConnectionClosed) is not None

    def pauseFor(self, why: PauseReason) -> None:
        """
        Deliver nothing more, for one more reason; unless that is
        :attr:`PauseReason.HOOK`, read nothing more, either.
        """
        if why & ASKED and self.report is not None:
            return
        isRead = self.core.isReceiving or self.core.state is State.CONNECTING
        if why in _UNREAD and isRead and not self._hasWarned:
            self._hasWarned = True
            log.info(
                "{connection} is not read from while {reason}: pings of its peer "
                "can't be answered meanwhile. This is logged once for a connection",
                connection=repr(self.connection),
                reason=_UNREAD[why],
            )
        self._pauseReasons |= why
        self.syncTransport()

    def resumeFrom(self, why: PauseReason) -> None:
        """
        Take one of the reasons back; when none is left, go on.
        """
        if self._pauseReasons & why:
            self._pauseReasons &= ~why
            self.deliver()


def _passOver(ended: Failure) -> None:
    """
    The connection has ended; its report tells the rest.
    """
    ended.trap(ConnectionClosed)
