# -*- test-case-name: tests.client.test_service -*-
# Part of txwebsocket. See LICENSE for details.
"""
Staying connected, as a service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import isclass
from typing import Any, TypeAlias

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.client.backoff import ReconnectConfig
from txwebsocket.client.reconnect import Connect, FailureListener, Reconnector
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.deferreds import CANCELLED, callApplication
from txwebsocket.wire.codes import CloseCode
from txwebsocket.wire.errors import ConnectionClosed

Handler: TypeAlias = Callable[[WebSocketConnection], object]
"""
Converses over the connection it is given. It may return a Deferred, a coroutine or an
asyncio future.
"""


class WebSocketClientService(Service):
    """
    Stay connected, from ``startService`` to ``stopService``.

    Whatever ends a connection, and whatever an attempt fails with, the next attempt
    follows after a delay, unless there is no use in trying again; the
    :class:`ReconnectConfig` decides both.

    :param reactor: keeps the time.
    :param connect: called without arguments for each attempt; returns a Deferred of a
        :class:`WebSocketConnection`, or is a coroutine function. If it fails, the
        attempt has failed. What changes from one attempt to the next is made in it: the
        URL, a token, the application.
    :param handler: called with each connection when it is open, for pull style. If it
        is a coroutine function, or returns a Deferred or an asyncio future, the
        connection is closed at its end: with 1000, or 1011 if it has raised. The next
        attempt waits for that.
    :param config: when to try again; the defaults if None.
    :param onAttempt: called before each attempt with its number, from 1. This and the
        other listeners may be coroutine functions, or return Deferreds or asyncio
        futures. Their errors are logged, and :meth:`stopService` cancels those that
        have not ended.
    :param onConnect: called with each connection when it is open.
    :param onFailure: called when an attempt has failed or a connection has ended, with
        the error, and the seconds until the next attempt or None if there will be none.
    :raises TypeError: if ``connect`` or ``handler`` can't be called, or the handler is
        a class: applications are made in ``connect``.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        connect: Connect,
        handler: Handler | None = None,
        config: ReconnectConfig | None = None,
        *,
        onAttempt: Callable[[int], object] | None = None,
        onConnect: Callable[[WebSocketConnection], object] | None = None,
        onFailure: FailureListener | None = None,
    ) -> None:
        if isclass(handler) or not (handler is None or callable(handler)):
            raise TypeError(
                "handler must be a callable that is given a connection, "
                f"not {handler!r}; applications are made in connect"
            )
        self._clock: IReactorTime = reactor
        self._handler = _doNothing if handler is None else handler
        self._reconnector = Reconnector(
            reactor, connect, config, onAttempt, self._failed
        )
        self._onConnect = onConnect
        self._onFailure = onFailure
        # For how many more failures each waits.
        self._waiting: dict[Deferred[WebSocketConnection], int | None] = {}
        # Why nobody needs to wait.
        self._error: Exception | None = None
        # From the opening of a connection until its handler has ended.
        self._isBusy = False
        self._handling: Deferred[Any] | None = None

    @property
    def connection(self) -> WebSocketConnection | None:
        """
        The connection, while it is open.
        """
        connection = self._reconnector.connection
        return connection if connection is not None and connection.connected else None

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

    def whenConnected(
        self, failAfterFailures: int | None = None
    ) -> Deferred[WebSocketConnection]:
        """
        Wait until there is an open connection.

        :param failAfterFailures: how many failed attempts, from now on, to wait for at
            most; None to wait as long as it takes.
        :return: a Deferred of the connection. It fails with the error of the last of
            so many attempts; with the error for which the service gives up; and with
            ``CancelledError`` if the service stops, or is stopped already. Before the
            service is started, it waits for that.
        """
        connection = self.connection
        if connection is not None:
            return succeed(connection)
        if self._error is not None:
            return fail(self._error)
        waiting: Deferred[WebSocketConnection] = Deferred(self._forget)
        self._waiting[waiting] = failAfterFailures
        return waiting

    # IService

    def startService(self) -> None:
        """
        Begin to connect. A service that was stopped, or has given up and was stopped,
        can be started again.
        """
        if not self.running:
            super().startService()
            self._error = None
            if not self._isBusy:
                self._connect()

    def stopService(self) -> Deferred[Any]:
        """
        Stop trying, and close the connection with 1001.

        :return: a Deferred that fires when the connection has ended, within
            ``closeTimeout``. Handlers and listeners that have not ended then are
            cancelled.
        """
        super().stopService()
        stopped = self._reconnector.stop(CloseCode.GOING_AWAY)
        self._failWaiting(CancelledError("the service was stopped"))
        return stopped.addCallback(self._endHandler)

    def _endHandler(self, _: object) -> Deferred[Any] | None:
        handling = self._handling
        if handling is None or handling.called:
            return None
        # Not now: it may be the handler that has stopped us.
        return deferLater(self._clock, 0, handling.cancel)

    # The life of a connection

    def _connect(self) -> None:
        self._reconnector.open().addCallbacks(self._opened, _doNothing)

    def _opened(self, connection: WebSocketConnection) -> None:
        self._isBusy = True
        for each in self._takeWaiting():
            each.callback(connection)
        self._reconnector.listeners.notify(self._onConnect, connection)
        handling = callApplication(self._handler, connection)
        self._handling = connection.whenClosed() if handling is None else handling
        self._handling.addErrback(self._handlerFailed, connection)
        self._handling.addCallback(self._handled, connection)

    def _handlerFailed(self, failure: Failure, connection: WebSocketConnection) -> None:
        # A handler may learn in this way that the connection, or service, has ended.
        isHarmless = failure.check(ConnectionClosed, *CANCELLED)
        if isHarmless and not connection.connected:
            # Thrown into a coroutine, it refers to itself by its traceback.
            failure.cleanFailure()
        else:
            self._log.failure(
                "An error in the handler of {connection}",
                failure,
                connection=repr(connection),
            )
            connection.close(CloseCode.INTERNAL_SERVER_ERROR)

    def _handled(self, _: object, connection: WebSocketConnection) -> None:
        connection.close(CloseCode.NORMAL).addCallback(self._over)

    def _over(self, _: object) -> None:
        self._isBusy = False
        self._handling = None
        if self.running:
            self._connect()

    # Failures

    def _failed(self, error: Exception, delay: float | None) -> None:
        if delay is None:
            self._failWaiting(error)
        elif not isinstance(error, ConnectionClosed):
            self._countDown(error)
        self._reconnector.listeners.notify(self._onFailure, error, delay)

    def _failWaiting(self, error: Exception) -> None:
        self._error = error
        for each in self._takeWaiting():
            each.errback(error)

    def _countDown(self, error: Exception) -> None:
        for each, left in list(self._waiting.items()):
            if left is not None and each in self._waiting:
                self._waiting[each] = left - 1
                if left <= 1:
                    del self._waiting[each]
                    each.errback(error)

    def _takeWaiting(self) -> Iterator[Deferred[WebSocketConnection]]:
        """
        Who waits now, one by one, since each may make others give up waiting.
        """
        for each in list(self._waiting):
            if self._waiting.pop(each, 0) != 0:
                yield each

    def _forget(self, waiting: Deferred[WebSocketConnection]) -> None:
        self._waiting.pop(waiting, None)


def _doNothing(_: object) -> None:
    return None
