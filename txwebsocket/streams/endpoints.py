# -*- test-case-name: tests.streams.test_endpoints -*-
# Part of txwebsocket. See LICENSE for details.
"""
Any Twisted protocol over a WebSocket: endpoints, and a factory for servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from zope.interface import implementer

from txwebsocket.client.client import WebSocketClient, makeHandshake
from txwebsocket.client.endpointfactory import BindAddress, ProxyChoice
from txwebsocket.client.tls import TLSChoice
from txwebsocket.client.url import parseURL
from txwebsocket.config import ClientConfig, ServerConfig
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.handshake.paths import WILDCARD
from txwebsocket.headers import HeaderPairs, headerPairs
from txwebsocket.server.router import WebSocketRouter
from txwebsocket.server.site import WebSocketSite
from txwebsocket.streams.transport import StreamApplication
from txwebsocket.wire.codes import CloseCode


class WebSocketStreamFactory:
    """
    Serve ordinary protocols over WebSockets, wherever an application is served:
    ``WebSocketResource(WebSocketStreamFactory(factory))``, a :class:`WebSocketServer`,
    a route.

    :param factory: makes the protocol for each client, told the client's address. If
        it makes none, the client is refused with 403.
    :param acceptText: take text messages, too, as their UTF-8. A client that sends
        text is closed with 1003 otherwise.
    """

    def __init__(self, factory: IProtocolFactory, *, acceptText: bool = False) -> None:
        self._factory = factory
        self._acceptText = acceptText

    def buildProtocol(self, request: IRequest) -> object | None:
        """
        Make the protocol for one client.
        """
        protocol = self._factory.buildProtocol(request.getClientAddress())
        if protocol is None:
            return None
        return StreamApplication(protocol, acceptText=self._acceptText)


@implementer(IStreamClientEndpoint)
class WebSocketStreamClientEndpoint:
    """
    Connect ordinary protocols over WebSockets, as often as wanted; see also
    :func:`clientFromURL`.

    :param client: opens the connections, with its options.
    :param url: a ``ws:``, ``wss:`` or ``ws+unix:`` URL.
    :param protocols: subprotocols to offer, the preferred one first.
    :param origin: where to say we come from, as a browser does.
    :param headers: more headers for the request.
    :param acceptText: take text messages, too, as their UTF-8. A server that sends text
        is closed with 1003 otherwise.
    :raises ValueError: if an argument can't be part of a request.
    """

    def __init__(
        self,
        client: WebSocketClient,
        url: str,
        protocols: Iterable[str] = (),
        *,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
        acceptText: bool = False,
    ) -> None:
        if not isinstance(protocols, str):
            protocols = tuple(protocols)
        pairs = headerPairs(headers)
        target = parseURL(url)
        makeHandshake(target, client.config, protocols, origin, pairs)
        self._client = client
        self._url = url
        self._shownURL = target.url
        self._protocols = protocols
        self._origin = origin
        self._headers = pairs
        self._acceptText = acceptText

    def __repr__(self) -> str:
        return f"<WebSocketStreamClientEndpoint {self._shownURL}>"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Open a connection for a protocol.

        :param protocolFactory: makes the protocol, when the connection is open.
        :return: a Deferred of the protocol. It fails as that of
            :meth:`WebSocketClient.connect` does, or with ``NoProtocol`` if the factory
            makes none. Cancelling it closes the socket.
        """
        tunnel = _ClientTunnel(protocolFactory, self._acceptText)
        protocolFactory.doStart()
        # The environment may have changed since, and name no good proxy any more.
        opened: Deferred[Any] = maybeDeferred(
            self._client.connect,
            self._url,
            self._protocols,
            origin=self._origin,
            headers=self._headers,
            application=tunnel,
        )
        opened.addCallbacks(tunnel.opened, _stopped, errbackArgs=(protocolFactory,))
        return opened


class _ClientTunnel(StreamApplication):
    """
    Makes its protocol when the connection is open, and remembers how that went.
    """

    def __init__(self, factory: IProtocolFactory, acceptText: bool) -> None:
        super().__init__(acceptText=acceptText)
        self._factory = factory
        self._begun: IProtocol | Failure

    def negotiationFinished(self) -> None:
        """
        The connection is open.
        """
        try:
            self._begun = self._begin()
        except BaseException:  # noqa: BLE001 - an application may raise anything
            self._begun = Failure()
            self.connection.drop(CloseCode.INTERNAL_SERVER_ERROR)

    def _begin(self) -> IProtocol:
        protocol = self._factory.buildProtocol(self.connection.getPeer())
        if protocol is None:
            raise NoProtocol
        self.begin(protocol)
        return protocol

    def opened(self, connection: WebSocketConnection) -> Any:
        """
        The protocol, or why there is none.
        """
        connection.whenClosed().addCallback(_stopped, self._factory)
        return self._begun


def _stopped(result: Any, factory: IProtocolFactory) -> Any:
    factory.doStop()
    return result


def clientFromURL(
    reactor: Any,
    url: str,
    protocols: Iterable[str] = (),
    *,
    config: ClientConfig | None = None,
    tlsPolicy: TLSChoice | None = None,
    proxy: ProxyChoice | None = None,
    bindAddress: BindAddress | None = None,
    origin: str | None = None,
    headers: HeaderPairs | None = None,
    acceptText: bool = False,
) -> WebSocketStreamClientEndpoint:
    """
    Make an endpoint that connects ordinary protocols to a URL.

    :param reactor: makes the connections and keeps the time.
    :param url: a ``ws:``, ``wss:`` or ``ws+unix:`` URL; user and password in it are
        sent as Basic authentication.
    :param protocols: subprotocols to offer, the preferred one first.
    :param config: what can be chosen; the defaults if None.
    :param tlsPolicy: how ``wss:`` servers prove who they are, as for
        :class:`WebSocketClient`.
    :param proxy: what to go through, as for :class:`WebSocketClient`.
    :param bindAddress: the local address to connect from, or a pair of that and a port.
    :param origin: where to say we come from, as a browser does.
    :param headers: more headers for the request.
    :param acceptText: take text messages, too, as their UTF-8.
    :raises ValueError: if an argument can't be part of a request.
    """
    client = WebSocketClient(
        reactor, config, tlsPolicy=tlsPolicy, proxy=proxy, bindAddress=bindAddress
    )
    return WebSocketStreamClientEndpoint(
        client,
        url,
        protocols,
        origin=origin,
        headers=headers,
        acceptText=acceptText,
    )


@implementer(IStreamServerEndpoint)
class WebSocketStreamServerEndpoint:
    """
    Serve ordinary protocols over WebSockets, at one path, and nothing else.

    To serve them beside pages or other applications, use
    :class:`WebSocketStreamFactory`.

    :param reactor: keeps the time.
    :param endpoint: where to listen, for TCP, TLS or whatever it is for.
    :param path: the path, or a pattern as in :meth:`WebSocketRouter.mount`. Elsewhere
        the answer is 404.
    :param protocol: the subprotocol that clients have to offer. If None, those are
        served that offer none, or do without.
    :param config: what can be chosen; the defaults if None.
    :param acceptText: take text messages, too, as their UTF-8.
    :raises ValueError: if the path or the protocol is none.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        endpoint: IStreamServerEndpoint,
        path: str = "/",
        protocol: str | None = None,
        *,
        config: ServerConfig | None = None,
        acceptText: bool = False,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._route = (path, WILDCARD if protocol is None else protocol)
        self._config = config
        self._acceptText = acceptText
        # What could not be served is refused now.
        WebSocketRouter().mount(*self._route, StreamApplication)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Begin to serve.

        :param protocolFactory: makes the protocol for each client.
        :return: what the inner endpoint's ``listen`` returns. To stop listening leaves
            connections as they are, as with TCP.
        """
        application = WebSocketStreamFactory(
            protocolFactory, acceptText=self._acceptText
        )
        router = WebSocketRouter(self._config, clock=self._reactor)
        router.mount(*self._route, application)
        site = _StreamSite(router, protocolFactory, self._reactor)
        return self._endpoint.listen(site)


class _StreamSite(WebSocketSite):
    """
    A site that starts and stops with the factory behind it.
    """

    def __init__(
        self,
        router: WebSocketRouter,
        protocolFactory: IProtocolFactory,
        reactor: IReactorTime,
    ) -> None:
        super().__init__(router, reactor=reactor)
        self._protocolFactory = protocolFactory

    def startFactory(self) -> None:
        super().startFactory()
        self._protocolFactory.doStart()

    def stopFactory(self) -> None:
        self._protocolFactory.doStop()
        super().stopFactory()
