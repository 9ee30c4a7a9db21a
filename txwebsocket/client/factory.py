# -*- test-case-name: tests.client.test_factory -*-
# Part of txwebsocket. See LICENSE for details.
"""
A client for bare transports: the opening handshake on a transport that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.cookiejar import CookieJar
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.client.attempt import AttemptOptions
from txwebsocket.client.client import makeHandshake, openConnection
from txwebsocket.client.redirects import RedirectableRequest
from txwebsocket.client.url import parseURL
from txwebsocket.config import ClientConfig
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.headers import HeaderPairs, headerPairs


class WebSocketClientProtocolFactory(Factory):
    """
    A Twisted protocol factory that opens WebSockets on the transports it is given.

    Give it to any ``IStreamClientEndpoint``, or take a protocol from ``buildProtocol``
    and connect it to a transport. The URL says what to ask for, and not where: TLS, if
    any, and the way to the host are the transport's. Each protocol's ``opened`` is a
    Deferred as that of :meth:`WebSocketClient.connect`. Redirects are not followed,
    since they lead to other transports.

    :param reactor: keeps the time.
    :param url: a ``ws:`` or ``wss:`` URL, for the request.
    :param protocols: subprotocols to offer, the preferred one first.
    :param config: what can be chosen; the defaults if None.
    :param origin: where to say we come from, as a browser does.
    :param headers: more headers for the request.
    :param makeApplication: makes the application for each connection, such as a
        subclass of :class:`WebSocketProtocol`; without it they are in pull style.
    :param cookieJar: where cookies are taken from and put into.
    :raises ValueError: if an argument can't be part of a request.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        url: str,
        protocols: Iterable[str] = (),
        *,
        config: ClientConfig | None = None,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
        makeApplication: Callable[[], object] | None = None,
        cookieJar: CookieJar | None = None,
    ) -> None:
        self._reactor = reactor
        self._target = parseURL(url)
        self._config = ClientConfig() if config is None else config
        if isinstance(protocols, Iterable) and not isinstance(protocols, str):
            protocols = tuple(protocols)
        self._request = (protocols, origin, headerPairs(headers))
        self._makeApplication = makeApplication
        self._jar = cookieJar
        # What can't be part of a request is refused now.
        self._nextHop()

    def buildProtocol(self, addr: IAddress | None) -> OpeningProtocol:
        """
        Make the protocol for one transport.
        """
        protocol = OpeningProtocol(self._open)
        protocol.factory = self
        return protocol

    def _nextHop(self) -> RedirectableRequest:
        return RedirectableRequest(
            self._target, makeHandshake(self._target, self._config, *self._request)
        )

    def _open(self, endpoint: IStreamClientEndpoint) -> Deferred[WebSocketConnection]:
        make = self._makeApplication
        return openConnection(
            self._reactor,
            self._config,
            self._nextHop(),
            AttemptOptions(endpointFor=lambda _: endpoint, jar=self._jar),
            None if make is None else make(),
        )


class _Idle(Protocol):
    """
    The receiver of data before the opening, and after the connection.
    """

    def handshakeCompleted(self) -> None:
        """
        That changes nothing.
        """


@implementer(IHandshakeListener)
class OpeningProtocol(Protocol):
    """
    Opens a WebSocket on its transport, as
    :meth:`WebSocketClientProtocolFactory.buildProtocol` makes it.

    :ivar opened: a Deferred of the open :class:`WebSocketConnection`. It fires within
        ``openTimeout`` from when there is a transport. Cancelling it closes that.
    """

    def __init__(self, begin: Callable[[Any], Deferred[WebSocketConnection]]) -> None:
        self.opened: Deferred[WebSocketConnection] = Deferred(self._cancelled)
        self._begin = begin
        self._opening: Deferred[WebSocketConnection] | None = None
        self._inner: Any = _Idle()

    def connectionMade(self) -> None:
        """
        There is a transport: begin.
        """
        transport: Any = self.transport
        if self.opened.called:
            transport.abortConnection()
            return
        try:
            self._opening = self._begin(_Here(self))
        except BaseException:  # noqa: BLE001 - what makes applications may raise anything
            transport.abortConnection()
            self.opened.errback(Failure())
        else:
            self._opening.chainDeferred(self.opened)

    def handshakeCompleted(self) -> None:
        """
        TLS is established.
        """
        self._inner.handshakeCompleted()

    def dataReceived(self, data: bytes) -> None:
        """
        The transport has received data.
        """
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The transport is gone.
        """
        inner, self._inner = self._inner, _Idle()
        inner.connectionLost(reason)

    def startInner(self, factory: Any) -> Any:
        """
        Have the transport's data delivered to another protocol.
        """
        transport: Any = self.transport
        self._inner = inner = factory.buildProtocol(transport.getPeer())
        inner.makeConnection(transport)
        if not ISSLTransport.providedBy(transport):
            # TLS may be below, and nothing tells when it is established.
            inner.handshakeCompleted()
        return inner

    def _cancelled(self, _: object) -> None:
        if self._opening is not None:
            self._opening.cancel()


@implementer(IStreamClientEndpoint)
class _Here:
    """
    Leads to where a protocol is connected already.
    """

    def __init__(self, protocol: OpeningProtocol) -> None:
        self._protocol = protocol

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return succeed(self._protocol.startInner(protocolFactory))
