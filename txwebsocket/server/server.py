# -*- test-case-name: tests.server.test_server -*-
# Part of txwebsocket. See LICENSE for details.
"""
The server: who is let in, and who is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET, Request, Site

from txwebsocket.config import ServerConfig
from txwebsocket.connection.callbacks import ConnectionCallbacks
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.listeners import Listeners
from txwebsocket.connection.timerqueue import Timer
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.deferreds import CANCELLED, callApplication
from txwebsocket.handshake.opening import HandshakeRequest
from txwebsocket.pending import PendingDeferreds
from txwebsocket.server.application import (
    RequestHandler,
    acceptAny,
    makeDecider,
    rejectAny,
)
from txwebsocket.server.broadcast import sendToMany
from txwebsocket.server.limits import AddressCounter
from txwebsocket.server.mount import MountedSites
from txwebsocket.server.request import WebSocketRequest, rejectUnavailable
from txwebsocket.server.requestcheck import RequestCheck, annotateRefusal
from txwebsocket.server.responses import sendRefusal
from txwebsocket.server.tlscheck import warnOfBrokenTLS
from txwebsocket.wire.codes import CloseCause, CloseCode, Opcode
from txwebsocket.wire.control import checkClose
from txwebsocket.wire.errors import UpgradeRefused, shown
from txwebsocket.wire.messages import BytesLike, asBytes, asUTF8


class WebSocketServer:
    """
    Serve an application to those who ask for a WebSocket.

    :param application: the first that fits decides how it is used. An object with
        ``buildProtocol(request)``, given the twisted.web request, makes an application
        for each connection, or refuses with None. A class is called without arguments
        for each connection. Another callable is a handler: it is given each
        :class:`WebSocketRequest`, to accept or reject it; it may be a coroutine
        function, or return a Deferred or an asyncio future. With None, every request is
        answered 404, or accepted if the option ``autoAcceptConnections`` is on.
    :param config: what can be chosen; the defaults if None.
    :param clock: keeps the time; if None, the reactor of the ``Site``.
    :param onConnect: called with each connection when it is open. This and the other
        listeners may be coroutine functions, or return Deferreds or asyncio futures.
        Their errors are logged, and :meth:`shutDown` waits for them.
    :param onClose: called with each connection that ``onConnect`` was called with, when
        it has ended; its ``closeReport`` says how.
    :param onUpgradeError: called with each :exc:`UpgradeRefused`: somebody got no
        WebSocket before the application was asked.
    :raises TypeError: if the application is none of these.
    :ivar config: what was chosen.
    """

    _log = Logger()

    def __init__(
        self,
        application: Any,
        config: ServerConfig | None = None,
        *,
        clock: IReactorTime | None = None,
        onConnect: Callable[[WebSocketConnection], object] | None = None,
        onClose: Callable[[WebSocketConnection], object] | None = None,
        onUpgradeError: Callable[[UpgradeRefused], object] | None = None,
    ) -> None:
        warnOfBrokenTLS()
        self.config = ServerConfig() if config is None else config
        self.application = application
        self._onConnect = onConnect
        self._onClose = onClose
        self._onUpgradeError = onUpgradeError
        self._admission = RequestCheck(self.config)
        self._mounts = MountedSites(self.serve, self.shutDown)
        self._clock = clock
        self._links: dict[WebSocketConnection, WebSocketChannel] = {}
        self._pending: dict[WebSocketRequest, Timer | None] = {}
        self._addresses = AddressCounter(self.config)
        self._callbacks = ConnectionCallbacks(
            self._decided, self._clientDisconnected, self._opened, self._ended
        )
        # What has not ended: handlers, and listeners that take their time.
        self._running = PendingDeferreds()
        self._listeners = Listeners("the server", self._running)
        # Requests whose handlers go on, and those that nobody waits for any more.
        self._handled: set[WebSocketRequest] = set()
        self._unfinishedHandlers: set[WebSocketRequest] = set()
        self._isShutDown = False

    @property
    def application(self) -> Any:
        """
        What is served; see the constructor. Another one is for requests to come.
        """
        return self._application

    @application.setter
    def application(self, application: Any) -> None:
        if application is None:
            accepts = self.config.autoAcceptConnections
            self._decide: RequestHandler = acceptAny if accepts else rejectAny
        else:
            self._decide = makeDecider(application)
        self._application = application

    @property
    def connections(self) -> Collection[WebSocketConnection]:
        """
        The connections that have not ended, as a live view.
        """
        return self._links.keys()

    @property
    def pendingRequests(self) -> Collection[WebSocketRequest]:
        """
        The requests that are not decided, as a live view.
        """
        return self._pending.keys()

    # Where

    def mount(self, *sites: Site) -> None:
        """
        Take over the upgrades of these sites, on any path; their pages stay. A
        :class:`WebSocketResource` in a site's tree keeps its own.

        Upgrades are taken before the tree is asked, so that no authentication in the
        tree protects them. When the site's reactor stops, the connections are closed
        with 1001.

        :raises ValueError: if the server is mounted on one of them already.
        """
        for site in sites:
            self._mounts.add(site)

    def unmount(self, *sites: Site) -> None:
        """
        Leave these sites, or all; connections and pending requests are not touched.

        :raises ValueError: if the server is not mounted on one of them.
        """
        if sites:
            for site in sites:
                self._mounts.remove(site)
        else:
            self._mounts.removeAll()

    def serve(self, httpRequest: Request) -> int:
        """
        Answer a twisted.web request that asks for a WebSocket.

        :return: ``NOT_DONE_YET``, as ``render`` does for what is answered elsewhere.
        """
        addresses = self._admission.addresses(httpRequest)
        address = addresses[0] if addresses else None
        try:
            offer = self._admit(httpRequest, address)
        except UpgradeRefused as refused:
            self._refuse(annotateRefusal(refused, httpRequest, address))
        except BaseException:  # noqa: BLE001 - an origin chooser may raise anything
            self._log.failure("An error while a request was checked")
            sendRefusal(httpRequest, 500, "")
        else:
            clock = self._clock = self._clock or httpRequest.channel.factory.reactor
            request = WebSocketRequest(
                httpRequest, offer, self.config, clock, self._callbacks, addresses
            )
            self._handle(request)
        return NOT_DONE_YET

    # To everybody

    def broadcast(
        self,
        message: str | BytesLike,
        *,
        to: Iterable[WebSocketConnection] | None = None,
        skipAbove: int | None = None,
    ) -> list[WebSocketConnection]:
        """
        Send a message to all open connections, or to some. It is framed once, and
        compressed once for those that compress each message by itself in the same way.
        No connection's fate touches another's, nor the caller's.

        :param message: text for ``str``, binary for what is like ``bytes``.
        :param to: connections of this server, each of which is sent it once; those
            that are closing, or have ended, are passed over. None means all.
        :param skipAbove: leave out who has more than this many bytes waiting. Who has
            more than ``maxBufferedBytes`` is closed or left out, as ``whenBufferFull``
            says; nothing is raised for them.
        :return: who was left out, or closed because of this.
        :raises ValueError: if one of ``to`` is open and not of this server.
        """
        if isinstance(message, str):
            return self.broadcastUTF(message, to=to, skipAbove=skipAbove)
        return self.broadcastBytes(message, to=to, skipAbove=skipAbove)

    def broadcastUTF(
        self,
        text: str | BytesLike,
        *,
        to: Iterable[WebSocketConnection] | None = None,
        skipAbove: int | None = None,
    ) -> list[WebSocketConnection]:
        """
        Send a text message to all open connections, or some; see :meth:`broadcast`.

        :param text: ``str``, or its UTF-8.
        :raises ValueError: also if bytes are not valid UTF-8.
        """
        payload = asUTF8(text)
        return sendToMany(Opcode.TEXT, payload, self._linksOf(to), skipAbove)

    def broadcastBytes(
        self,
        data: BytesLike,
        *,
        to: Iterable[WebSocketConnection] | None = None,
        skipAbove: int | None = None,
    ) -> list[WebSocketConnection]:
        """
        Send a binary message to all open connections, or some; see :meth:`broadcast`.
        """
        payload = asBytes(data)
        return sendToMany(Opcode.BINARY, payload, self._linksOf(to), skipAbove)

    def _linksOf(
        self, chosen: Iterable[WebSocketConnection] | None
    ) -> Sequence[WebSocketChannel]:
        if chosen is None:
            return list(self._links.values())
        recipients = dict.fromkeys(chosen)
        for connection in recipients:
            if connection.connected and connection not in self._links:
                raise ValueError(f"{connection!r} is not a connection of this server")
        return [self._links[each] for each in recipients if each in self._links]

    # The end

    def closeAllConnections(
        self, code: int = CloseCode.GOING_AWAY, reason: str = ""
    ) -> Deferred[None]:
        """
        Close all connections, and answer all pending requests with 503.

        :return: a Deferred that fires when those connections are gone.
        :raises ValueError: if the code or the reason can't be sent.
        """
        checkClose(code, reason)
        for request in list(self._pending):
            if request in self._pending:
                explanation = "The server is closing its connections."
                rejectUnavailable(request, CloseCause.SHUTDOWN, explanation)
        links = list(self._links.values())
        gone = DeferredList([link.whenClosed() for link in links])
        for link in links:
            link.close(CloseCause.SHUTDOWN, code, reason)
        return gone.addCallback(lambda _: None)

    def shutDown(
        self,
        code: int = CloseCode.GOING_AWAY,
        reason: str = "",
        timeout: float | None = None,
    ) -> Deferred[None]:
        """
        Let nobody in from now on, leave the sites the server is mounted on, answer all
        pending requests with 503, close all connections, and let handlers and listeners
        end.

        :param timeout: seconds after which the connections that are left are dropped,
            and handlers and listeners that have not ended are cancelled;
            ``closeTimeout`` if None.
        :return: a Deferred that fires when all connections are gone and all handlers
            and listeners have ended, or have been cancelled. A handler that waits for
            it would wait for itself, until the deadline.
        :raises ValueError: if the code or the reason can't be sent.
        """
        checkClose(code, reason)
        self._isShutDown = self._listeners.isStopping = True
        self._mounts.removeAll()
        gone = self.closeAllConnections(code, reason)
        if self._clock is not None and (self._links or self._running):
            seconds = self.config.closeTimeout if timeout is None else timeout
            deadline = Timer(self._clock, seconds, self._endAll)
            gone.addCallback(lambda _: self._running.whenEnded())
            gone.addCallback(lambda _: deadline.cancel())
        return gone

    def _endAll(self) -> None:
        for link in list(self._links.values()):
            link.abort(CloseCause.SHUTDOWN)
        self._running.giveUp()

    # Letting in

    def _admit(self, httpRequest: Request, address: str | None) -> HandshakeRequest:
        """
        Check whatever can be checked without the application.
        """
        offer = self._admission.check(httpRequest)
        if self._isShutDown:
            raise UpgradeRefused(503, "The server is shutting down.")
        self._checkCounts(address)
        return offer

    def _checkCounts(self, address: str | None) -> None:
        config = self.config
        counts = {
            "maxConnections": len(self._links) + len(self._pending),
            "maxConnectionsPerAddress": self._addresses.count(address),
            "maxPendingRequests": len(self._pending) + len(self._unfinishedHandlers),
        }
        for option, count in counts.items():
            limit = getattr(config, option)
            if limit is not None and count >= limit:
                raise UpgradeRefused(
                    503, f"The server is full ({option}). Try again later."
                )

    def _refuse(self, refused: UpgradeRefused) -> None:
        self._log.info(
            "{client} gets no WebSocket at {resource}: {refused}",
            client=shown(refused.remoteAddress or "Somebody on this machine"),
            resource=shown(refused.resource),
            refused=str(refused),
        )
        sendRefusal(
            refused.httpRequest, refused.status, refused.explanation, refused.headers
        )
        self._listeners.notify(self._onUpgradeError, refused)

    # Deciding

    def _handle(self, request: WebSocketRequest) -> None:
        self._pending[request] = None
        self._addresses.add(request, request.remoteAddress)
        waiting = callApplication(self._decide, request)
        if request in self._pending and self._clock is not None:
            tooLate = partial(self._decisionTimedOut, request)
            timer = Timer(self._clock, self.config.openTimeout, tooLate)
            self._pending[request] = timer
        if waiting is not None:
            self._handled.add(request)
            waiting.addBoth(self._handlerEnded, request)
            waiting.addCallbacks(
                partial(self._returned, request), partial(self._raised, request)
            )
            waiting.addErrback(partial(self._logFailure, request))
            self._running.add(waiting)

    def _handlerEnded(self, result: Any, request: WebSocketRequest) -> Any:
        self._handled.discard(request)
        self._unfinishedHandlers.discard(request)
        return result

    def _returned(self, request: WebSocketRequest, _: object) -> None:
        if request in self._pending:
            problem = RuntimeError("the handler ended without a decision")
            self._undecided(request, Failure(problem))
        elif request.link is not None and request.link.isPullMode:
            request.link.close(CloseCause.LOCAL_CLOSE, CloseCode.NORMAL, "")

    def _raised(self, request: WebSocketRequest, failure: Failure) -> None:
        link = request.link
        if request in self._pending:
            self._undecided(request, failure)
        elif self._isShutDown and failure.check(*CANCELLED):
            failure.cleanFailure()
        elif link is not None and link.isPullMode:
            link.applicationFailed(failure)
        elif link is not None and link.isRace(failure):
            failure.cleanFailure()
        else:
            self._logFailure(request, failure)

    def _undecided(self, request: WebSocketRequest, failure: Failure) -> None:
        self._logFailure(request, failure)
        request.reject(500)

    def _logFailure(self, request: WebSocketRequest, failure: Failure) -> None:
        self._log.failure(
            "An error while {request} was handled", failure, request=repr(request)
        )

    def _decisionTimedOut(self, request: WebSocketRequest) -> None:
        self._pending[request] = None
        self._log.warn(
            "{request} was not decided within openTimeout, {seconds} s",
            request=repr(request),
            seconds=self.config.openTimeout,
        )
        self._abandon(request)
        explanation = "The server did not decide in time."
        rejectUnavailable(request, CloseCause.OPEN_TIMEOUT, explanation)

    # Bookkeeping

    def _decided(
        self, request: WebSocketRequest, link: WebSocketChannel | None
    ) -> None:
        self._forget(request)
        if link is None:
            self._addresses.remove(request)
        else:
            self._links[link.connection] = link
            link.callbacks = self._callbacks

    def _clientDisconnected(self, request: WebSocketRequest) -> None:
        if not request.isDecided:
            self._abandon(request)
        self._forget(request)
        self._addresses.remove(request)

    def _opened(self, link: WebSocketChannel) -> None:
        self._listeners.notify(self._onConnect, link.connection)

    def _ended(self, link: WebSocketChannel) -> None:
        connection = link.connection
        del self._links[connection]
        self._addresses.remove(connection.request)
        if link.hasOpened:
            self._listeners.notify(self._onClose, connection)

    def _abandon(self, request: WebSocketRequest) -> None:
        if request in self._handled:
            self._unfinishedHandlers.add(request)

    def _forget(self, request: WebSocketRequest) -> None:
        timer = self._pending.pop(request, None)
        if timer is not None:
            timer.cancel()
