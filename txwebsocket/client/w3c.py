# -*- test-case-name: tests.client.test_w3c -*-
# Part of txwebsocket. See LICENSE for details.
"""
The WebSocket of browsers, on a reactor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.browser.api import InvalidSyntax, WebSocketAPI, offered, scalars
from txwebsocket.browser.dom import (
    Callback,
    CloseEvent,
    ErrorEvent,
    Event,
    MessageEvent,
)
from txwebsocket.client.client import WebSocketClient, makeHandshake
from txwebsocket.client.url import WebSocketURL, basicAuthorization, parseURL, shownURL
from txwebsocket.client.weburl import parseWebURL, trimmed
from txwebsocket.connection.errors import OpeningFailed, OpeningStep
from txwebsocket.connection.websocket import WebSocketConnection, channelOf
from txwebsocket.deferreds import runApplication
from txwebsocket.handshake.opening import checkProtocols
from txwebsocket.headers import HeaderPairs, headerPairs
from txwebsocket.wire.codes import CloseCode
from txwebsocket.wire.errors import ConnectionClosed

_SECURE_SCHEMES = ("wss", "https")
_UNIX = "ws+unix:"


class W3CWebSocket(WebSocketAPI):
    """
    A client's connection with the interface that browsers give to scripts, as the
    WHATWG WebSockets Standard has it.

    Where a browser has ``new WebSocket(url, protocols)``, this needs to know who makes
    the connection. With ``partial(W3CWebSocket, client=client)`` it looks the same.

    Events are never dispatched from within a call to this object. What a listener
    raises is logged.

    :param url: a ``ws:``, ``wss:``, ``http:`` or ``https:`` URL without a fragment,
        read as browsers do (WHATWG URL Standard); or one with ``ws+unix:``.
    :param protocols: a subprotocol, or several, the preferred one first.
    :param client: makes the connection, as its own options say.
    :param origin: where to say we come from, as a browser does.
    :param headers: more headers for the request.
    :raises InvalidSyntax: if it is no such URL, or a subprotocol can't be one or is
        there twice.
    :raises ValueError: if another argument can't be part of a request.
    """

    _log = Logger()

    def __init__(
        self,
        url: str,
        protocols: str | Iterable[str] = (),
        *,
        client: WebSocketClient,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
    ) -> None:
        super().__init__()
        names = offered(protocols)
        self._target = _parse(url, names)
        scheme = "wss" if self._target.isSecure else "ws"
        self._origin = f"{scheme}://{self._target.netloc}"
        self._clock = client.reactor
        self._readyState = self.CONNECTING
        self._protocol = self._extensions = ""
        self._connection: WebSocketConnection | None = None
        self._isTelling = False
        self._backlog = _Backlog()
        # Bytes that were to be sent too late, and bytes of frames that had left before
        # this turn, if anything was sent in it.
        self._unsendable = 0
        self._leftBefore: int | None = None
        self._tasks: deque[Callable[[], object]] = deque()
        self._opening = self._connect(client, names, origin, headers)
        self._opening.addErrback(self._ended)

    @property
    def url(self) -> str:
        """
        Where it leads, without user and password.
        """
        return self._target.url

    @property
    def readyState(self) -> int:
        """
        Where it stands: ``CONNECTING``, ``OPEN``, ``CLOSING`` or ``CLOSED``.
        """
        connection = self._connection
        isOver = connection is not None and not connection.connected
        if self._readyState == self.OPEN and isOver and not self._hasMessages():
            # The peer closes, and the end has not been told yet.
            return self.CLOSING
        return self._readyState

    @property
    def protocol(self) -> str:
        """
        The subprotocol agreed on; empty before it is open, and if there is none.
        """
        return self._protocol

    @property
    def extensions(self) -> str:
        """
        The extensions agreed on, in the header's own form; empty before it is open.
        """
        return self._extensions

    @property
    def bufferedAmount(self) -> int:
        """
        Bytes that were given to :meth:`send` and have not left our queue for the
        transport, heads of frames not counted. What is sent stays in it until the turn
        of the reactor is over, and what can't be sent any more for ever.
        """
        left = (
            self._clientDisconnected() if self._leftBefore is None else self._leftBefore
        )
        return self._unsendable + self._backlog.size(left)

    def _connect(
        self,
        client: WebSocketClient,
        protocols: Iterable[str],
        origin: str | None,
        headers: HeaderPairs | None,
    ) -> Deferred[WebSocketConnection]:
        """
        Begin to connect. To a browser a host that can't be reached is a failure of the
        connection, and no mistake of the caller.

        :raises ValueError: if the protocols, origin or headers can't be sent.
        """
        target = self._target
        pairs = headerPairs(headers)
        makeHandshake(target, client.config, protocols, origin, pairs)
        try:
            # The URL Standard has names and ports that no connection can have.
            parseURL(f"ws://{target.netloc}/")
            return client.connect(
                target,
                protocols,
                origin=origin,
                headers=pairs,
                application=_Application(self),
            )
        except ValueError as error:
            return fail(OpeningFailed(target.url, OpeningStep.CONNECT, error))

    def _hasMessages(self) -> bool:
        """
        Are there messages that came before the end, and were not told?
        """
        connection = self._connection
        isTelling = self._isTelling
        return isTelling or (
            connection is not None and channelOf(connection).hasQueued()
        )

    def _send(self, message: str | bytes) -> None:
        octets = message.encode("utf-8") if isinstance(message, str) else message
        connection = self._connection
        if connection is None:
            self._unsendable += len(octets)
            return
        if self._leftBefore is None:
            self._leftBefore = self._clientDisconnected()
            self._clock.callLater(0, self._turnEnded)
        try:
            connection.send(message)
        except ConnectionClosed:
            self._unsendable += len(octets)
        else:
            self._backlog.add(
                len(octets), self._clientDisconnected() + connection.bufferedAmount
            )

    def _clientDisconnected(self) -> int:
        connection = self._connection
        return 0 if connection is None else connection.traffic.bytesSent

    def _turnEnded(self) -> None:
        self._leftBefore = None
        # What has left is forgotten now, whether anybody asks or not.
        self._backlog.size(self._clientDisconnected())

    def _close(self, code: int | None, reason: str) -> None:
        isOpen = self._readyState == self.OPEN
        self._readyState = self.CLOSING
        if not isOpen:
            self._opening.cancel()
        if self._connection is not None:
            if isOpen:
                self._connection.close(code, reason)
            else:
                self._connection.drop(skipCloseFrame=True)

    # What the connection tells

    def _established(self, connection: WebSocketConnection) -> Deferred[None]:
        """
        The opening handshake is over. No message comes before this is told.
        """
        self._connection = connection
        told: Deferred[None] = Deferred()
        self._queue(partial(self._tellOpen, connection))
        self._queue(partial(told.callback, None))
        return told

    def _received(self, message: str | bytes) -> None:
        if self._readyState == self.OPEN:
            self._isTelling = True
            self._fire(MessageEvent("message", data=message, origin=self._origin))
            self._isTelling = False

    def _ended(self, failure: Failure) -> None:
        self._queue(partial(self._tellEnd, failure.value))

    # Tasks, which never run within a call to this object

    def _queue(self, task: Callable[[], object]) -> None:
        if not self._tasks:
            self._clock.callLater(0, self._runTasks)
        self._tasks.append(task)

    def _runTasks(self) -> None:
        while self._tasks:
            runApplication(self._listenerFailed, self._tasks[0])
            self._tasks.popleft()

    def _tellOpen(self, connection: WebSocketConnection) -> None:
        if self._readyState == self.CONNECTING:
            self._readyState = self.OPEN
            self._protocol = connection.protocol or ""
            self._extensions = connection.extensions
            self._fire(Event("open"))

    def _tellEnd(self, error: BaseException | None) -> None:
        self._readyState = self.CLOSED
        event = CloseEvent("close", code=CloseCode.ABNORMAL)
        if isinstance(error, ConnectionClosed):
            event.wasClean = error.report.wasClean
            event.code = error.report.code
            event.reason = error.report.reason
        if not event.wasClean:
            words = str(error) or type(error).__name__
            self._fire(ErrorEvent("error", error=error, message=words))
        self._fire(event)

    def _tell(self, listener: Callback, event: Event) -> None:
        runApplication(self._listenerFailed, listener, event)

    def _listenerFailed(self, failure: Failure) -> None:
        self._log.failure(
            "An error in a listener of {socket}", failure, socket=repr(self)
        )


class _Application:
    """
    Who is told what happens on the connection.
    """

    def __init__(self, socket: W3CWebSocket) -> None:
        self._socket = socket
        self.textMessageReceived = self.bytesMessageReceived = socket._received

    def negotiationStarted(self, connection: WebSocketConnection) -> None:
        self._connection = connection

    def negotiationFinished(self) -> Deferred[None]:
        return self._socket._established(self._connection)

    def connectionLost(self, reason: Failure) -> None:
        # If the opening fails, the client says more.
        if self._socket._connection is not None:
            self._socket._ended(reason)


class _Backlog:
    """
    The sizes of messages that wait to be sent.
    """

    def __init__(self) -> None:
        self._messages: deque[tuple[int, int]] = deque()
        self._size = 0

    def add(self, size: int, end: int) -> None:
        """
        A message waits.

        :param end: which byte of all those that are ever sent is its last.
        """
        self._messages.append((size, end))
        self._size += size

    def size(self, left: int) -> int:
        """
        Bytes of messages that wait.

        :param left: how many bytes of all those that are ever sent have left.
        """
        messages = self._messages
        while messages and messages[0][1] <= left:
            self._size -= messages.popleft()[0]
        if not messages:
            return 0
        size, end = messages[0]
        return self._size - size + min(size, end - left)


def _parse(url: str, protocols: Iterable[str]) -> WebSocketURL:
    """
    Read the constructor's arguments.

    :raises InvalidSyntax: if one of them is not of the form it should have.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be str, not {type(url).__name__}")
    text = trimmed(scalars(url))
    try:
        checkProtocols(protocols)
        return parseURL(text) if text.lower().startswith(_UNIX) else _targetOf(text)
    except ValueError as error:
        raise InvalidSyntax(str(error)) from None


def _targetOf(text: str) -> WebSocketURL:
    """
    Read a URL as browsers do.
    """
    try:
        url = parseWebURL(text)
    except ValueError as error:
        raise ValueError(f"{error}: {shownURL(text)!r}") from None
    if url.hasFragment:
        raise ValueError(f"a WebSocket URL has no fragment: {shownURL(text)!r}")
    isSecure = url.scheme in _SECURE_SCHEMES
    scheme, port = ("wss", 443) if isSecure else ("ws", 80)
    netloc = url.host if url.port is None else f"{url.host}:{url.port}"
    resource = url.path if url.query is None else f"{url.path}?{url.query}"
    hasUser = url.userinfo not in ("", ":")
    return WebSocketURL(
        url=f"{scheme}://{netloc}{resource}",
        isSecure=isSecure,
        host=url.host.strip("[]"),
        port=port if url.port is None else url.port,
        netloc=netloc,
        resource=resource,
        authorization=basicAuthorization(url.userinfo) if hasUser else None,
    )
