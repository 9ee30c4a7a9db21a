# -*- test-case-name: tests.connection.test_listeners -*-
# Part of txwebsocket. See LICENSE for details.
"""
Telling the listeners of a server or a client.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.deferreds import CANCELLED, runApplication
from txwebsocket.pending import PendingDeferreds
from txwebsocket.wire.errors import ConnectionClosed


class Listeners:
    """
    Call listeners, which may be coroutine functions or return Deferreds or asyncio
    futures. Their errors are logged and change nothing else.

    :param owner: what they listen to, for the log.
    :param running: where those are added that have not ended.
    :ivar isStopping: whether listeners may be cancelled now, which is no error then.
    """

    _log = Logger()

    def __init__(self, owner: str, running: PendingDeferreds) -> None:
        self.isStopping = False
        self._owner = owner
        self._running = running

    def notify(self, listener: Callable[..., object] | None, *what: object) -> None:
        """
        Call a listener, if there is one, with what has happened.
        """
        if listener is not None:
            running = runApplication(partial(self._failed, what), listener, *what)
            if running is not None:
                self._running.add(running)

    def _failed(self, what: tuple[object, ...], failure: Failure) -> None:
        isCancelled = self.isStopping and failure.check(*CANCELLED)
        if isCancelled or any(isRace(failure, each) for each in what):
            # Thrown into a coroutine, it refers to itself by its traceback.
            failure.cleanFailure()
        else:
            self._log.failure(
                "An error in a listener of {owner}", failure, owner=self._owner
            )


def isRace(failure: Failure, what: object) -> bool:
    """
    Has code that uses a connection failed because just this connection has ended?
    """
    hasEnded = isinstance(what, WebSocketConnection) and not what.connected
    return hasEnded and failure.check(ConnectionClosed) is not None
