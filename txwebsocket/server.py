# -*- test-case-name: tests.test_server -*-
# Part of txwebsocket. See LICENSE for details.
"""
The server: who is let in, and who is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from inspect import isclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET, Request

from txwebsocket.connection import WebSocketConnection
from txwebsocket.hooks import asDeferred
from txwebsocket.link import Link
from txwebsocket.refusal import refuse
from txwebsocket.request import WebSocketRequest
from txwebsocket.requirements import warnOfBrokenTLS
from txwebsocket.upgrade import canTakeOver
from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.errors import UpgradeRefused
from txwebsocket.wire.handshake import Offer, readRequest
from txwebsocket.wire.options import ServerConfig
from txwebsocket.wire.origins import OriginPolicy

# How much of what a client sent is worth a line in the log.
_LOGGED_SIZE = 200


class WebSocketServer:
    """
    Serve an application to those who ask for a WebSocket.

    :param application: the first that fits decides how it is used. An object with
        ``buildProtocol(request)``, given the twisted.web request, makes an application
        for each connection, or refuses with None. A class is called without arguments
        for each connection. Another callable is a handler: it is given each
        :class:`WebSocketRequest`, to accept or reject it; it may be a coroutine or
        return a Deferred.
    :param config: what can be chosen; the defaults if None.
    :param clock: keeps the time; if None, the reactor of the ``Site``.
    :raises TypeError: if the application is none of these.
    """

    _log = Logger()

    def __init__(
        self,
        application: Any,
        config: ServerConfig | None = None,
        *,
        clock: IReactorTime | None = None,
    ) -> None:
        warnOfBrokenTLS()
        self.config = ServerConfig() if config is None else config
        self._decide = _decider(application)
        self._origins = OriginPolicy(self.config.origins)
        self._clock = clock
        self._links: dict[WebSocketConnection, Link] = {}
        self._pending: dict[WebSocketRequest, IDelayedCall | None] = {}
        self._handlers: set[Deferred[Any]] = set()
        self._isShutDown = False

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

    def serve(self, httpRequest: Request) -> int:
        """
        Answer a twisted.web request that asks for a WebSocket.

        :return: ``NOT_DONE_YET``, as ``render`` does for what is answered elsewhere.
        """
        try:
            offer = self._admit(httpRequest)
        except UpgradeRefused as refused:
            self._log.info(
                "{client} gets no WebSocket: {refused}",
                client=str(httpRequest.getClientAddress()),
                refused=ascii(str(refused))[:_LOGGED_SIZE],
            )
            refuse(httpRequest, refused.status, refused.explanation, refused.headers)
        else:
            clock = self._clock = self._clock or httpRequest.channel.factory.reactor
            self._handle(
                WebSocketRequest(httpRequest, offer, self.config, clock, self._decided)
            )
        return NOT_DONE_YET

    def shutDown(
        self,
        code: int = CloseCode.GOING_AWAY,
        reason: str = "",
        timeout: float | None = None,
    ) -> Deferred[None]:
        """
        Let nobody in from now on, answer all pending requests with 503, and close all
        connections.

        :param timeout: seconds after which the connections that are left are dropped,
            and handlers that have not ended are cancelled; ``closeTimeout`` if None.
        :return: a Deferred that fires when all connections are gone.
        """
        self._isShutDown = True
        for request in list(self._pending):
            request.reject(503, "The server is shutting down.")
        links = list(self._links.values())
        gone = DeferredList([link.whenClosed() for link in links])
        for link in links:
            link.close(CloseCause.SHUTDOWN, code, reason)
        if self._clock is not None and (self._links or self._handlers):
            seconds = self.config.closeTimeout if timeout is None else timeout
            deadline = self._clock.callLater(seconds, self._endAll)
            gone.addCallback(lambda _: self._noLaterThan(deadline))
        return gone.addCallback(lambda _: None)

    def _noLaterThan(self, deadline: IDelayedCall) -> None:
        """
        All connections are gone: what is left need not wait for the deadline.
        """
        if deadline.active():
            deadline.reset(0)

    def _endAll(self) -> None:
        for link in list(self._links.values()):
            link.abort(CloseCause.SHUTDOWN)
        for handler in list(self._handlers):
            handler.cancel()

    # Letting in

    def _admit(self, httpRequest: Request) -> Offer:
        """
        Check whatever can be checked without the application.
        """
        if not canTakeOver(httpRequest):
            raise UpgradeRefused(
                426, "A WebSocket is asked for over HTTP/1.1, not over HTTP/2."
            )
        offer = readRequest(
            httpRequest.method, httpRequest.clientproto, _headers(httpRequest)
        )
        if offer.origin is not None:
            self._checkOrigin(offer.origin, offer.host)
        if self._isShutDown:
            raise UpgradeRefused(503, "The server is shutting down.")
        return offer

    def _checkOrigin(self, origin: str, host: str) -> None:
        if not self._origins.permits(origin, host):
            raise UpgradeRefused(
                403,
                f"Pages of {origin!r} may not connect to {host!r}. If they should, "
                "name their origin in the server's option 'origins'; behind a proxy "
                "that changes the header Host, name the site's own origin there.",
            )

    # Deciding

    def _handle(self, request: WebSocketRequest) -> None:
        self._pending[request] = None
        request.httpRequest.notifyFinish().addErrback(lambda _: self._forget(request))
        try:
            waiting = asDeferred(self._decide(request))
        except Exception:  # noqa: BLE001 - an application may raise anything
            self._raised(request, Failure())
            return
        if request in self._pending and self._clock is not None:
            self._pending[request] = self._clock.callLater(
                self.config.openTimeout, self._tooLate, request
            )
        if waiting is not None:
            self._handlers.add(waiting)
            waiting.addBoth(self._handlerEnded, waiting)
            waiting.addCallbacks(
                partial(self._returned, request), partial(self._raised, request)
            )
            waiting.addErrback(partial(self._logFailure, request))

    def _handlerEnded(self, result: Any, handler: Deferred[Any]) -> Any:
        self._handlers.discard(handler)
        return result

    def _returned(self, request: WebSocketRequest, _: object) -> None:
        if not request.isDecided:
            problem = RuntimeError("the handler ended without a decision")
            self._undecided(request, Failure(problem))
            return
        link = request.link
        if link is not None and link.isPulled:
            link.close(CloseCause.LOCAL_CLOSE, CloseCode.NORMAL, "")

    def _raised(self, request: WebSocketRequest, failure: Failure) -> None:
        if self._isShutDown and failure.check(CancelledError):
            return
        if not request.isDecided:
            self._undecided(request, failure)
        elif request.link is not None and request.link.isPulled:
            request.link.applicationFailed(failure)
        else:
            self._logFailure(request, failure)

    def _undecided(self, request: WebSocketRequest, failure: Failure) -> None:
        self._logFailure(request, failure)
        if not request.isDecided:
            request.reject(500)

    def _logFailure(self, request: WebSocketRequest, failure: Failure) -> None:
        self._log.failure(
            "An error while {request} was handled", failure, request=repr(request)
        )

    def _tooLate(self, request: WebSocketRequest) -> None:
        self._pending[request] = None
        self._log.warn(
            "{request} was not decided within openTimeout, {seconds} s",
            request=repr(request),
            seconds=self.config.openTimeout,
        )
        request.reject(503, "The server did not decide in time.")

    def _decided(self, request: WebSocketRequest, link: Link | None) -> None:
        self._forget(request)
        if link is not None:
            self._links[link.connection] = link
            link.onEnd = self._ended

    def _forget(self, request: WebSocketRequest) -> None:
        timer = self._pending.pop(request, None)
        if timer is not None:
            timer.cancel()

    def _ended(self, link: Link) -> None:
        del self._links[link.connection]


def _headers(httpRequest: Request) -> Iterator[tuple[bytes, bytes]]:
    for name, values in httpRequest.requestHeaders.getAllRawHeaders():
        for value in values:
            yield name, value


def _decider(application: Any) -> Callable[[WebSocketRequest], object]:
    """
    How requests are decided, by what kind of thing the application is.
    """
    if hasattr(application, "buildProtocol"):
        return partial(_askFactory, application.buildProtocol)
    if isclass(application):
        return partial(_makeFrom, application)
    if callable(application):
        handler: Callable[[WebSocketRequest], object] = application
        return handler
    raise TypeError(
        "an application must have buildProtocol, be a class or be callable, "
        f"not {application!r}"
    )


def _askFactory(build: Callable[[Any], object], request: WebSocketRequest) -> None:
    application = build(request.httpRequest)
    if application is None:
        request.reject(403)
    else:
        request.accept(application=application)


def _makeFrom(make: Callable[[], object], request: WebSocketRequest) -> None:
    request.accept(application=make())
