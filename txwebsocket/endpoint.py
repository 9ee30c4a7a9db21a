# -*- test-case-name: tests.test_endpoint -*-
# Part of txwebsocket. See LICENSE for details.
"""
The client in the form of ``twisted.web.websocket``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from txwebsocket.client import makeEndpoint, makeHandshake, open_
from txwebsocket.interfaces import WebSocketClientFactory
from txwebsocket.url import Target, parseURL
from txwebsocket.wire.options import ClientConfig


@dataclass(frozen=True)
class WebSocketClientEndpoint:
    """
    A URL and a way to connect there; see :meth:`new`.

    :ivar endpointFactory: makes the endpoint for a URL's host, so that the way there
        can be any: a proxy, Tor, a test in memory.
    :ivar url: the URL to connect to.
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
        tlsPolicy: IPolicyForHTTPS | None = None,
        connectTimeout: float | None = None,
        bindAddress: bytes | None = None,
        config: ClientConfig | None = None,
    ) -> WebSocketClientEndpoint:
        """
        Make an endpoint for a URL.

        :param reactor: makes the connection and keeps the time.
        :param url: a ``ws:`` or ``wss:`` URL.
        :param tlsPolicy: how a ``wss:`` server proves who it is; by default as for a
            browser.
        :param connectTimeout: seconds that TCP may take, within ``openTimeout``.
        :param bindAddress: the local address to connect from.
        :param config: what can be chosen; the defaults if None.
        """
        factory = _EndpointFactory(
            reactor,
            BrowserLikePolicyForHTTPS() if tlsPolicy is None else tlsPolicy,
            connectTimeout,
            bindAddress,
        )
        return cls(factory, url, reactor, ClientConfig() if config is None else config)

    async def connect(self, protocolFactory: WebSocketClientFactory) -> Any:
        """
        Open a connection for an application.

        :param protocolFactory: its ``buildProtocol(url)`` makes the application.
        :return: the application, when the connection is open.
        :raises ConnectionRejected: if the server answers with an ordinary response.
        :raises OpeningFailed: if the opening fails otherwise, or takes too long.
        """
        target = parseURL(self.url)
        endpoint = self.endpointFactory.endpointForURI(_asURI(target))
        application = protocolFactory.buildProtocol(self.url)
        handshake = makeHandshake(target, self.config)
        # A LoopingCall's clock is the installed reactor unless it is given another.
        clock = self.reactor or LoopingCall(makeHandshake).clock
        await open_(clock, self.config, target, handshake, endpoint, application)
        return application


@implementer(IAgentEndpointFactory)
class _EndpointFactory:
    """
    The way that :meth:`WebSocketClientEndpoint.new` chooses.
    """

    def __init__(
        self,
        reactor: Any,
        tlsPolicy: IPolicyForHTTPS,
        connectTimeout: float | None,
        bindAddress: bytes | None,
    ) -> None:
        self._reactor = reactor
        self._options = (tlsPolicy, connectTimeout, bindAddress)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        Plain TCP, or TLS over it.
        """
        target = parseURL(uri.toBytes().decode("ascii"))
        return makeEndpoint(self._reactor, target, *self._options)


def _asURI(target: Target) -> URI:
    """
    The part of a URL that endpoints are made from, as twisted.web has it.
    """
    scheme = b"wss" if target.isSecure else b"ws"
    host = target.host.encode("ascii")
    netloc = target.netloc.encode("ascii")
    path, _, query = target.resource.encode("ascii").partition(b"?")
    return URI(scheme, netloc, host, target.port, path, b"", query, b"")
