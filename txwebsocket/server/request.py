# -*- test-case-name: tests.server.test_request -*-
# Part of txwebsocket. See LICENSE for details.
"""
A client's wish for a WebSocket, to be granted or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import SplitResult

from incremental import Version
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.server import Request

from txwebsocket.config import ServerConfig
from txwebsocket.connection.callbacks import ConnectionCallbacks
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.sockets import peerCertificate
from txwebsocket.connection.websocket import WebSocketConnection, makeChannel
from txwebsocket.deprecation import ReplacedProperty
from txwebsocket.handshake.cookies import Cookie, cookieHeaders
from txwebsocket.handshake.opening import (
    HandshakeRequest,
    checkHeaders,
    formatAcceptResponse,
)
from txwebsocket.handshake.targets import parseTarget
from txwebsocket.headers import HeaderPairs, headerPairs
from txwebsocket.server.responses import Body, checkBody, sendRefusal
from txwebsocket.server.upgrade import (
    checkSingle,
    replaceHeaders,
    responseHeaders,
    takeOver,
)
from txwebsocket.wire.codes import CloseCause, Role
from txwebsocket.wire.errors import InvalidState, shown
from txwebsocket.wire.extensions import NegotiatedExtension, acceptOffers
from txwebsocket.wire.grammar import ExtensionHeader
from txwebsocket.wire.states import State


class WebSocketRequest:
    """
    A checked request for a WebSocket. Call :meth:`accept` or :meth:`reject`, once, now
    or within the server's ``openTimeout``.

    :ivar httpRequest: the twisted.web request, with its session and authentication.
    :ivar key: the value of ``Sec-WebSocket-Key``.
    :ivar host: the value of ``Host``: a name or an address, perhaps with a port.
    :ivar origin: where the page comes from that asks, or what a program says of itself;
        None if the request does not tell.
    :ivar resource: path and query, as the request line has them; an absolute URL, if it
        has that.
    :ivar requestedProtocols: the offered subprotocols, in the client's order.
    :ivar requestedExtensions: the offered extensions, in the client's order.
    :ivar webSocketVersion: 13 or 8.
    :ivar remoteAddresses: the way the request came: the client's address first, then
        those of ``trustedProxies``; ``"unix"`` for one behind a UNIX socket. Empty if
        the client's address is not known.
    :ivar link: the machinery of the connection, if the request was accepted.
    """

    def __init__(
        self,
        httpRequest: Request,
        offer: HandshakeRequest,
        config: ServerConfig,
        clock: IReactorTime,
        callbacks: ConnectionCallbacks,
        addresses: Sequence[str] = (),
    ) -> None:
        self.httpRequest = httpRequest
        self.key = offer.key
        self.host = offer.host
        self.origin = offer.origin
        self.resource = httpRequest.uri.decode("latin-1")
        self.requestedProtocols: tuple[str, ...] = offer.protocols
        self.requestedExtensions: tuple[ExtensionHeader, ...] = (
            offer.extensions if config.parseExtensions else ()
        )
        self.remoteAddresses: tuple[str, ...] = tuple(addresses)
        self.webSocketVersion = offer.version
        # Both until it is decided.
        self._offer: HandshakeRequest | None = offer
        self._leaving: Deferred[None] | None = httpRequest.notifyFinish()
        self._leaving.addErrback(self._clientLeft)
        self._config = config
        self._clock = clock
        self._callbacks = callbacks
        self.link: WebSocketChannel | None = None
        self._isDecided = False
        # Why the application's decision comes too late, if it does.
        self._lost: Failure | None = None
        self._withdrawnFor: CloseCause | None = None

    def __repr__(self) -> str:
        resource, address = shown(repr(self.resource)), shown(str(self.remoteAddress))
        return f"<WebSocketRequest {resource} from {address}>"

    @property
    def cookies(self) -> dict[str, str]:
        """
        The cookies the client sent, as they came; no odd one hides the others.
        """
        if not self._config.parseCookies:
            return {}
        received = self.httpRequest.received_cookies
        return {_text(name): _text(value) for name, value in received.items()}

    @property
    def remoteAddress(self) -> str | None:
        """
        The client's address, or None if its transport has none. Behind
        ``trustedProxies`` it is the one they tell. IPv4-mapped ones are told as IPv4.
        """
        return self.remoteAddresses[0] if self.remoteAddresses else None

    @property
    def resourceURL(self) -> SplitResult:
        """
        The resource in its parts: ``path`` and ``query``, from the request line alone,
        and the ``netloc`` that was asked for.
        """
        target = parseTarget(self.resource)
        return target if target.netloc else target._replace(netloc=self.host)

    websocketVersion = ReplacedProperty(
        "webSocketVersion", Version("txwebsocket", 0, 1, 0)
    )

    @property
    def isDecided(self) -> bool:
        """
        Has it been accepted or rejected, or answered 503 by the server?
        """
        return self._isDecided or self._withdrawnFor is not None

    def getPeerCertificate(self) -> Any:
        """
        The certificate with which the client has proved who it is, as ``ISSLTransport``
        gives it; None without TLS, or if it showed none. Behind a proxy it is the
        proxy's.
        """
        return peerCertificate(self.httpRequest.transport)

    def accept(
        self,
        protocol: str | None = None,
        *,
        origin: str | None = None,
        cookies: Iterable[Cookie] = (),
        headers: HeaderPairs | None = None,
        application: object | None = None,
    ) -> WebSocketConnection:
        """
        Open the connection.

        Messages that came together with the request are delivered after the caller has
        had its turn.

        If it is too late, because the client has left or the server has answered 503
        meanwhile, the connection ends at once, with a report that says why.

        :param protocol: one of ``requestedProtocols``. If None, the first of the
            configuration's ``subprotocols`` that the client offers, if there is one.
        :param origin: what the origin must have been.
        :param cookies: cookies to set, each with a name, path and domain of its own.
        :param headers: more headers for the response. ``Server``, ``Date`` and others
            that have one value replace those that twisted.web or a resource has set.
        :param application: who is told what arrives, see :class:`WebSocketProtocol`; a
            connection without one is in pull style.
        :raises InvalidState: if the request was decided before.
        :raises ValueError: if the protocol was not offered, the origin was another, two
            cookies are one, or a header can't be sent; the request stays open.
        :raises TypeError: if cookies or headers are something else; the request stays
            open.
        """
        self._checkUndecided()
        chosen = self._choose(protocol)
        if origin is not None and origin != self.origin:
            raise ValueError(f"the origin is {self.origin!r}, not {origin!r}")
        extra = _checkedHeaders(headers)
        extra += cookieHeaders(cookies)
        offer = cast(HandshakeRequest, self._offer)
        agreed = acceptOffers(self._config.extensions, offer.extensions)
        link = self._introduce(chosen, application)
        self._decide(link)
        connection: WebSocketConnection = link.connection
        if self._withdrawnFor is not None:
            _endUnopened(link, self._withdrawnFor, Failure(ConnectionAborted()))
        elif self._lost is not None:
            link.connectionLost(self._lost)
        elif link.core.state is not State.CONNECTING:
            # The application wants no connection, after all.
            link.connectionLost(Failure(ConnectionAborted()))
            sendRefusal(self.httpRequest, 403, "")
        else:
            self._open(link, extra, agreed)
        return connection

    def _introduce(
        self, protocol: str | None, application: object | None
    ) -> WebSocketChannel:
        """
        Make the connection and tell the application of it.
        """
        link = makeChannel(Role.SERVER, self._config, self._clock)
        link.connection.request = self
        link.connection.protocol = protocol
        if application is not None:
            try:
                link.attachApplication(application)
            except BaseException:
                _endUnopened(link, CloseCause.APPLICATION_ERROR, Failure())
                raise
        # Choosing and introducing are the application's, which may decide otherwise.
        if self._isDecided:
            link.connectionLost(Failure(ConnectionAborted()))
            self._checkUndecided()
        return link

    def _open(
        self,
        link: WebSocketChannel,
        extra: list[tuple[str, str]],
        agreed: Sequence[NegotiatedExtension],
    ) -> None:
        """
        Take the connection over and say so.
        """
        offer = cast(HandshakeRequest, self._offer)
        replaceHeaders(self.httpRequest, extra)
        headers = [*responseHeaders(self.httpRequest), *extra]
        protocol = link.connection.protocol
        response = formatAcceptResponse(
            offer, protocol, headers, [e for e, _ in agreed]
        )
        transport: Any = self.httpRequest.transport
        try:
            early = takeOver(self.httpRequest, link, response)
        except BaseException:
            # A transport that fails now is none; its connection must not stay behind.
            link.connectionLost(Failure())
            transport.abortConnection()
            raise
        self._forget()
        link.opened(early, agreed)

    def reject(
        self,
        status: int = 403,
        reason: str = "",
        headers: HeaderPairs | None = None,
        body: Body = None,
    ) -> None:
        """
        Answer with an ordinary HTTP response. If it is too late, nothing happens.

        :param status: an HTTP status from 300 to 599.
        :param reason: a sentence for its body.
        :param headers: more headers for the response; see :meth:`accept`.
        :param body: the body itself, in place of the reason: text, bytes, or a resource
            to render.
        :raises InvalidState: if the request was decided before.
        :raises ValueError: if the status or a header can't be sent; the request stays
            open.
        :raises TypeError: if the headers or the body are something else; the request
            stays open.
        """
        self._checkUndecided()
        if not isinstance(status, int) or not 300 <= status <= 599:
            raise ValueError(f"a refusal has a status from 300 to 599, not {status!r}")
        extra = _checkedHeaders(headers)
        checkBody(body)
        self._decide(None)
        if self._lost is None and self._withdrawnFor is None:
            sendRefusal(self.httpRequest, status, reason, extra, body)

    def _checkUndecided(self) -> None:
        if self._isDecided:
            raise InvalidState("a request is accepted or rejected once")

    def _decide(self, link: WebSocketChannel | None) -> None:
        self._isDecided = True
        self.link = link
        self._callbacks.decided(self, link)

    def _choose(self, protocol: str | None) -> str | None:
        if protocol is None:
            protocol = self._preferred()
            if protocol is None:
                return None
        if protocol not in self.requestedProtocols:
            offers = ", ".join(self.requestedProtocols) or "none"
            raise ValueError(f"the client offers {offers}, not {protocol!r}")
        return protocol

    def _preferred(self) -> str | None:
        preferred = self._config.subprotocols
        if callable(preferred):
            return preferred(self.requestedProtocols)
        offered = (name for name in preferred if name in self.requestedProtocols)
        return next(offered, None)

    def _clientLeft(self, reason: Failure) -> None:
        self._lost = reason
        self._callbacks.left(self)

    def _forget(self) -> None:
        """
        Let go of what was for the decision; a connection may last for long.
        """
        if self._leaving is not None:
            self.httpRequest.notifications.remove(self._leaving)
        self._leaving = self._offer = None

    def _withdraw(self, cause: CloseCause) -> None:
        self._withdrawnFor = cause
        self._callbacks.decided(self, None)


def rejectUnavailable(
    request: WebSocketRequest, cause: CloseCause, explanation: str
) -> None:
    """
    Answer 503 to a request that the application has not decided. What it decides from
    now on comes too late, which is no fault of its.

    :param cause: what ends a connection that is accepted nevertheless.
    """
    request._withdraw(cause)
    sendRefusal(request.httpRequest, 503, explanation)


def _endUnopened(link: WebSocketChannel, cause: CloseCause, failure: Failure) -> None:
    """
    End a connection that has no transport yet.
    """
    link.abort(cause)
    link.connectionLost(failure)


def _checkedHeaders(headers: HeaderPairs | None) -> list[tuple[str, str]]:
    pairs = headerPairs(headers)
    checkHeaders(pairs)
    checkSingle(pairs)
    return pairs


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
