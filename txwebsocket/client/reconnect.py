# -*- test-case-name: tests.client.test_reconnect -*-
# Part of txwebsocket. See LICENSE for details.
"""
One connection after the other.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from txwebsocket.client.backoff import ReconnectConfig, isFatal
from txwebsocket.connection.errors import closedError
from txwebsocket.connection.listeners import Listeners
from txwebsocket.connection.timerqueue import Timer, timerQueueFor
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.deferreds import CANCELLED, asDeferred
from txwebsocket.pending import PendingDeferreds
from txwebsocket.wire.codes import CloseCode
from txwebsocket.wire.errors import ConnectionClosed, WebSocketError, shown
from txwebsocket.wire.report import CloseReport

Connect: TypeAlias = Callable[
    [],
    Deferred[WebSocketConnection]
    | Coroutine[Any, Any, WebSocketConnection]
    | Future[WebSocketConnection],
]
"""
Makes one attempt to connect.
"""

FailureListener: TypeAlias = Callable[[Exception, float | None], object]
"""
Is given what went wrong, and the seconds until the next attempt, or None if there will
be none.
"""

# What happens on networks, and so needs no traceback.
_EXPECTED = (WebSocketError, ConnectError, OSError, *CANCELLED)


class Reconnector:
    """
    Knows when to try to connect, and when to give up.

    :param clock: keeps the time.
    :param connect: makes one attempt.
    :param onAttempt: called before each attempt with its number, from 1.
    :param onFailure: called when an attempt has failed or a connection has ended.
    :raises TypeError: if ``connect`` can't be called.
    :ivar connection: the newest connection, if there was one.
    :ivar attempts: attempts that were made.
    :ivar failures: attempts that failed.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        connect: Connect,
        config: ReconnectConfig | None,
        onAttempt: Callable[[int], object] | None,
        onFailure: FailureListener | None,
    ) -> None:
        if not callable(connect):
            raise TypeError(f"connect must be a callable, not {connect!r}")
        self.clock = clock
        self._seconds = timerQueueFor(clock).seconds
        self.connect = connect
        self.connection: WebSocketConnection | None = None
        self.attempts = 0
        self.failures = 0
        self._config = ReconnectConfig() if config is None else config
        self._onAttempt = onAttempt
        self._onFailure = onFailure
        self._pursuit: _ConnectLoop | None = None
        self._openedAt = 0.0
        # None as long as nobody was told.
        self._endedAt: float | None = None
        self._forget()

    def _forget(self) -> None:
        self._running = PendingDeferreds()
        self.listeners = Listeners("a client", self._running)
        self._isFresh = True
        self._isTold = False
        # Failed attempts and ended connections since a connection lasted.
        self._inRow = 0

    def open(self) -> Deferred[WebSocketConnection]:
        """
        Begin to connect: at once the first time, later after the delay that is due
        since the last connection ended, as it must have.

        :return: a Deferred of the open connection. It fails with the error to give up
            for, if there is one.
        """
        self._pursuit = pursuit = _ConnectLoop(self)
        if self._isFresh:
            pursuit.start()
        else:
            now = self._seconds()
            endedAt = now if self._endedAt is None else self._endedAt
            failure = Failure(self._lastEnd(endedAt - self._openedAt))
            pursuit.goOn(failure, self.failed(failure, now - endedAt))
        return pursuit.opened

    def stop(self, code: int) -> Deferred[Any]:
        """
        Give up the attempt in progress, whose Deferred fails with ``CancelledError``,
        close the connection, and forget what went wrong so far. Listeners that have not
        ended after that are cancelled.

        :return: a Deferred that fires when the connection has ended.
        """
        running = self._running
        self.listeners.isStopping = True
        self._forget()
        pursuit, self._pursuit = self._pursuit, None
        if pursuit is not None:
            pursuit.opened.cancel()
        ended: Deferred[Any] = succeed(None)
        if self.connection is not None:
            ended = self.connection.close(code)
        return ended.addCallback(self._stopped, self.connection, running)

    def _stopped(
        self,
        _: object,
        connection: WebSocketConnection | None,
        running: PendingDeferreds,
    ) -> Deferred[Any] | None:
        if self.connection is connection:
            self.connection = None
        # Not now: it may be a listener that has stopped us.
        return deferLater(self.clock, 0, running.giveUp) if running else None

    def _lastEnd(self, lasted: float) -> ConnectionClosed:
        """
        How the last connection ended; if it has lasted, the delays begin anew.
        """
        connection: Any = self.connection
        report: CloseReport = connection.closeReport
        isBusy = report.code == CloseCode.TRY_AGAIN_LATER
        if lasted >= self._config.resetAfter and not isBusy:
            self._inRow = 0
        return closedError(report)

    # What an attempt tells

    def trying(self) -> None:
        """
        The next attempt begins.
        """
        self.attempts += 1
        self.listeners.notify(self._onAttempt, self.attempts)

    def succeeded(self, connection: WebSocketConnection) -> None:
        """
        It has led to a connection.
        """
        self._log.info("{connection} is open", connection=repr(connection))
        self._isFresh = self._isTold = False
        self.connection = connection
        self._openedAt = self._seconds()
        self._endedAt = None
        connection.whenClosed().addCallback(self._ended)

    def _ended(self, _: object) -> None:
        self._endedAt = self._seconds()

    def failed(self, failure: Failure, passed: float = 0.0) -> float | None:
        """
        It has failed, or the connection that it led to has ended.

        :param passed: the seconds since then.
        :return: the seconds until the next attempt, or None if there shall be none.
        """
        error: Any = failure.value
        if not isinstance(error, ConnectionClosed):
            self.failures += 1
        self._inRow += 1
        delay = self._delayAfter(error)
        if delay is not None:
            delay = max(0.0, delay - passed)
        self._tell(failure, delay)
        self.listeners.notify(self._onFailure, error, delay)
        return delay

    def _delayAfter(self, error: Exception) -> float | None:
        try:
            return self._config.delayAfter(error, self._inRow)
        except BaseException:  # noqa: BLE001 - a user's callable may raise anything
            self._log.failure("An error in a callable of a ReconnectConfig")
            return None if isFatal(error) else self._config.maxDelay

    def _tell(self, failure: Failure, delay: float | None) -> None:
        """
        Log it: loudly once, until there is something new to say.
        """
        error: Any = failure.value
        isNew, self._isTold = not self._isTold, True
        isOurs = isinstance(error, WebSocketError)
        text = failure.getErrorMessage()
        text = text if isOurs else f"{type(error).__name__}: {shown(text)}"
        if delay is None:
            self._log.error("Gives up connecting: {error}", error=text)
            return
        if isNew and not isinstance(error, _EXPECTED):
            self._log.failure("An error while connecting", failure)
        isQuiet = isinstance(error, ConnectionClosed) and error.report.wasClean
        level = LogLevel.info if isQuiet else LogLevel.warn
        self._log.emit(
            level if isNew else LogLevel.debug,
            "Not connected, trying again in {delay:.1f} s: {error}",
            error=text,
            delay=delay,
        )


class _ConnectLoop:
    """
    Attempts to connect, one after the other, until one succeeds.

    :ivar opened: the Deferred of the connection.
    """

    def __init__(self, reconnector: Reconnector) -> None:
        self.opened: Deferred[WebSocketConnection] = Deferred(self._cancelled)
        self._reconnector = reconnector
        self._isOver = False
        self._call: Timer | None = None
        self._connecting: Deferred[Any] | None = None

    def start(self) -> None:
        """
        Make the next attempt.
        """
        self._call = None
        self._reconnector.trying()
        if not self._isOver:
            self._begin()

    def _begin(self) -> None:
        self._connecting = connecting = Deferred.fromCoroutine(self._connect())
        if self._isOver:
            connecting.cancel()
        connecting.addCallbacks(self._succeeded, self._failed)

    async def _connect(self) -> WebSocketConnection:
        made: Any = self._reconnector.connect()
        waited = asDeferred(made)
        connection = made if waited is None else await waited
        if not isinstance(connection, WebSocketConnection):
            raise TypeError(f"connect gave no WebSocketConnection but {connection!r}")
        if self._isOver:
            # It was cancelled, and went on.
            connection.close(CloseCode.GOING_AWAY)
        return connection

    def _succeeded(self, connection: WebSocketConnection) -> None:
        if not self._isOver:
            self._isOver = True
            self._reconnector.succeeded(connection)
            self.opened.callback(connection)

    def _failed(self, failure: Failure) -> None:
        if not self._isOver:
            self.goOn(failure, self._reconnector.failed(failure))

    def goOn(self, failure: Failure, delay: float | None) -> None:
        """
        Make the next attempt after a delay, or none; or nothing at all, if whoever was
        told of the failure has had enough.
        """
        if self._isOver:
            return
        if delay is None:
            self._isOver = True
            self.opened.errback(failure)
        else:
            self._call = Timer(self._reconnector.clock, delay, self.start)

    def _cancelled(self, _: object) -> None:
        self._isOver = True
        if self._call is not None:
            self._call.cancel()
        if self._connecting is not None:
            self._connecting.cancel()


class ReconnectingWebSocket:
    """
    Connections for a loop: each turn has a fresh one, and there is always a next.

    ::

        async for connection in WebSocketConnections(reactor, connect):
            with suppress(ConnectionClosed):
                async for message in connection:
                    ...

    When the body ends, its connection is closed with 1000 if it is still open. The next
    turn begins when there is another: after a delay, and after as many attempts as it
    takes. The loop ends by ``break``, or by what the body raises, or by the error of an
    attempt or a connection after which there is no use in trying again.

    Leaving the loop closes the connection, as soon as nothing refers to this object any
    more. To be sure of when, and to wait for it, use the object in ``async with``, or
    call :meth:`aclose`.

    :param reactor: keeps the time.
    :param connect: called without arguments for each attempt; returns a Deferred of a
        :class:`WebSocketConnection` in pull style, or is a coroutine function. If it
        fails, the attempt has failed.
    :param config: when to try again; the defaults if None.
    :param onAttempt: called before each attempt with its number, from 1. This and the
        other listener may be coroutine functions, or return Deferreds or asyncio
        futures. Their errors are logged, and :meth:`aclose` cancels those that have not
        ended.
    :param onFailure: called when an attempt has failed or a connection has ended, with
        the error, and the seconds until the next attempt or None if there will be none.
    :raises TypeError: if ``connect`` can't be called.
    """

    _isOver = True

    def __init__(
        self,
        reactor: Any,
        connect: Connect,
        config: ReconnectConfig | None = None,
        *,
        onAttempt: Callable[[int], object] | None = None,
        onFailure: FailureListener | None = None,
    ) -> None:
        self._reconnector = Reconnector(reactor, connect, config, onAttempt, onFailure)
        self._isOver = False

    @property
    def attempts(self) -> int:
        """
        How many attempts to connect were made.
        """
        return self._reconnector.attempts

    @property
    def failures(self) -> int:
        """
        How many of them have failed.
        """
        return self._reconnector.failures

    def __aiter__(self) -> ReconnectingWebSocket:
        return self

    async def __anext__(self) -> WebSocketConnection:
        connection = self._reconnector.connection
        if connection is not None:
            await connection.close()
        if self._isOver:
            raise StopAsyncIteration
        return await self._reconnector.open().addErrback(self._gaveUp)

    def _gaveUp(self, failure: Failure) -> Failure:
        if self._isOver:
            raise StopAsyncIteration
        self._isOver = True
        return failure

    async def aclose(self) -> None:
        """
        End the loop, and close the connection with 1000.
        """
        self._isOver = True
        await self._reconnector.stop(CloseCode.NORMAL)

    def __del__(self) -> None:
        # A loop that is left has no other way to tell. Any thread may collect what it
        # leaves behind, so that a reactor is asked to do the rest.
        connection = None if self._isOver else self._reconnector.connection
        if connection is not None and connection.connected:
            reactor: Any = self._reconnector.clock
            call = getattr(reactor, "callFromThread", _call)
            call(connection.close, CloseCode.NORMAL)

    async def __aenter__(self) -> ReconnectingWebSocket:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _call(function: Callable[..., object], *args: object) -> None:
    function(*args)
