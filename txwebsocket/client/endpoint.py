# -*- test-case-name: tests.client.test_endpoint -*-
# Part of txwebsocket. See LICENSE for details.
"""
The client in the form of ``twisted.web.websocket``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.web.iweb import IAgentEndpointFactory

from txwebsocket.client.attempt import AttemptOptions
from txwebsocket.client.client import makeHandshake, openConnection
from txwebsocket.client.endpointfactory import (
    BindAddress,
    EndpointFactory,
    ProxyChoice,
    asURI,
)
from txwebsocket.client.redirects import RedirectableRequest
from txwebsocket.client.tls import TLSChoice
from txwebsocket.client.url import WebSocketURL, asWebSocketURL, isPageURL, parseURL
from txwebsocket.config import ClientConfig
from txwebsocket.interfaces import WebSocketClientFactory

_P = TypeVar("_P")


@dataclass(frozen=True)
class WebSocketClientEndpoint:
    """
    A URL and a way to connect there; see :meth:`new`.

    :ivar endpointFactory: makes the endpoint for a URL's host, so that the way there
        can be any: a proxy, Tor, a test in memory.
    :ivar url: the URL to connect to; see :meth:`new`.
    :ivar reactor: keeps the time; if None, the reactor that is installed.
    :ivar config: what can be chosen.
    """

    endpointFactory: IAgentEndpointFactory
    url: str = field(repr=False)
    reactor: IReactorTime | None = None
    config: ClientConfig = field(default_factory=ClientConfig)

    @classmethod
    def new(
        cls,
        reactor: Any,
        url: str,
        tlsPolicy: TLSChoice | None = None,
        connectTimeout: float | None = None,
        bindAddress: BindAddress | None = None,
        config: ClientConfig | None = None,
        proxy: ProxyChoice | None = None,
    ) -> WebSocketClientEndpoint:
        """
        Make an endpoint for a URL.

        :param reactor: makes the connection and keeps the time.
        :param url: a ``ws:``, ``wss:`` or ``ws+unix:`` URL; ``http:`` is taken for
            ``ws:``, and ``https:`` for ``wss:``.
        :param tlsPolicy: how a ``wss:`` server proves who it is; by default as for a
            browser, see :class:`WebSocketClient`.
        :param connectTimeout: seconds that TCP may take, within ``openTimeout``.
        :param bindAddress: the local address to connect from.
        :param config: what can be chosen; the defaults if None.
        :param proxy: what to go through, as for :class:`WebSocketClient`.
        """
        factory = EndpointFactory(
            reactor, tlsPolicy, proxy, connectTimeout, bindAddress
        )
        return cls(factory, url, reactor, ClientConfig() if config is None else config)

    async def connect(self, protocolFactory: WebSocketClientFactory[_P]) -> _P:
        """
        Open a connection for an application.

        :param protocolFactory: its ``buildProtocol(url)`` makes the application.
        :return: the application, when the connection is open.
        :raises ConnectionRejected: if the server answers with an ordinary response, as
            soon as its head is there. ``openTimeout`` bounds the time for the body,
            too, and 64 KiB its size.
        :raises OpeningFailed: if the opening fails otherwise, or takes too long.
        """
        target = parseURL(asWebSocketURL(self.url))
        hop = RedirectableRequest(target, makeHandshake(target, self.config))
        application = protocolFactory.buildProtocol(self.url)
        # A LoopingCall's clock is the installed reactor unless it is given another.
        clock = self.reactor or LoopingCall(makeHandshake).clock
        journey = AttemptOptions(
            endpointFor=self._endpointFor,
            maxRedirects=self.config.maxRedirects,
            isRejectionStreamed=True,
        )
        await openConnection(clock, self.config, hop, journey, application)
        return application

    def _endpointFor(self, target: WebSocketURL) -> IStreamClientEndpoint:
        # Those of twisted.web's Agent know these schemes only.
        page = b"https" if target.isSecure else b"http"
        uri = asURI(target, page if isPageURL(self.url) else None)
        endpoint: IStreamClientEndpoint = self.endpointFactory.endpointForURI(uri)
        return endpoint
