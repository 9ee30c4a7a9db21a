# -*- test-case-name: tests.client.test_endpointfactory -*-
# Part of txwebsocket. See LICENSE for details.
"""
The way to a URL's host.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from txwebsocket.client.proxies import HTTPProxyEndpoint, SOCKSProxyEndpoint
from txwebsocket.client.proxyenv import PROXY_FROM_ENVIRONMENT, ProxySource, proxyFor
from txwebsocket.client.resolver import LookingUpEndpoint, hostEndpoint, isAddress
from txwebsocket.client.tls import TLSChoice, TLSEndpoint, choosePolicy, creatorFor
from txwebsocket.client.url import (
    ProxyURL,
    WebSocketURL,
    asWebSocketURL,
    parseProxy,
    parseURL,
    withoutZone,
)

ProxyChoice: TypeAlias = (
    str | ProxySource | IAgentEndpointFactory | IStreamClientEndpoint
)
"""
What a client goes through: the URL of a proxy, ``PROXY_FROM_ENVIRONMENT``, what makes
an endpoint for a URL, or one endpoint for all.
"""

BindAddress: TypeAlias = str | bytes | tuple[str | bytes, int]
"""
A local address to connect from, or that and a port.
"""


@implementer(IAgentEndpointFactory)
class EndpointFactory:
    """
    The ways from a client to the hosts of URLs.

    :param reactor: makes the connections and keeps the time.
    :param tlsPolicy: how servers prove who they are.
    :param proxy: what to go through.
    :param connectTimeout: seconds that TCP may take.
    :param bindAddress: where to connect from.
    :raises ValueError: if the proxy's URL is none.
    :raises TypeError: if something is not what it should be.
    """

    def __init__(
        self,
        reactor: Any,
        tlsPolicy: TLSChoice | None = None,
        proxy: ProxyChoice | None = None,
        connectTimeout: float | None = None,
        bindAddress: BindAddress | None = None,
    ) -> None:
        self._reactor = reactor
        self._policy = choosePolicy(tlsPolicy)
        # What was made for one server says nothing of a proxy.
        isPolicy = IPolicyForHTTPS.providedBy(tlsPolicy)
        self._proxyPolicy = self._policy if isPolicy else choosePolicy(None)
        self._connectOptions = _connectOptions(connectTimeout, bindAddress)
        self._choose = self._chooser(proxy)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        The way to a URL's host, as twisted.web asks for it.
        """
        url = asWebSocketURL(uri.toBytes().decode("ascii"))
        return self.endpointFor(parseURL(url))

    def endpointFor(self, target: WebSocketURL) -> IStreamClientEndpoint:
        """
        The way to a URL's host, TLS included.

        :raises ValueError: if there can't be one.
        """
        if target.socketPath is not None:
            timeout = self._connectOptions.get("timeout", 30)
            return UNIXClientEndpoint(self._reactor, target.socketPath, timeout)
        endpoint = self._choose(target)
        if not target.isSecure:
            return endpoint
        return self._secured(endpoint, self._policy, target.host, target.port)

    def _chooser(
        self, proxy: ProxyChoice | None
    ) -> Callable[[WebSocketURL], IStreamClientEndpoint]:
        """
        What finds the way to a URL's host, but for TLS.
        """
        if proxy is None:
            return self._directly
        if proxy is PROXY_FROM_ENVIRONMENT:
            return lambda target: self._through(proxyFor(target, os.environ), target)
        if isinstance(proxy, str):
            parsed = parseProxy(proxy)
            # What can't be said to the proxy is noticed now.
            self._behind(parsed, "localhost", 80)
            return partial(self._through, parsed)
        if IAgentEndpointFactory.providedBy(proxy):
            # Without TLS, which is spoken over what it makes.
            return lambda target: proxy.endpointForURI(asURI(target, b"ws"))
        if IStreamClientEndpoint.providedBy(proxy):
            return lambda target: proxy
        raise TypeError(
            "proxy must be a URL, PROXY_FROM_ENVIRONMENT, an IAgentEndpointFactory or "
            f"an IStreamClientEndpoint, not {type(proxy).__name__}"
        )

    def _directly(self, target: WebSocketURL) -> IStreamClientEndpoint:
        return self._connecting(target.host, target.port)

    def _through(
        self, proxy: ProxyURL | None, target: WebSocketURL
    ) -> IStreamClientEndpoint:
        if proxy is None:
            return self._directly(target)
        lead = partial(self._behind, proxy, port=target.port)
        if proxy.scheme == "socks5" and not isAddress(target.host):
            return LookingUpEndpoint(self._reactor, target.host, lead)
        return lead(target.host)

    def _behind(self, proxy: ProxyURL, host: str, port: int) -> IStreamClientEndpoint:
        isSOCKS = proxy.scheme.startswith("socks")
        kind = SOCKSProxyEndpoint if isSOCKS else HTTPProxyEndpoint
        return kind(
            self._reactor,
            self._to(proxy),
            host,
            port,
            username=proxy.username,
            password=proxy.password,
            # There is a limit for the whole of an opening.
            timeout=None,
            name=proxy.url,
        )

    def _to(self, proxy: ProxyURL) -> IStreamClientEndpoint:
        endpoint = self._connecting(proxy.host, proxy.port)
        if proxy.scheme != "https":
            return endpoint
        return self._secured(endpoint, self._proxyPolicy, proxy.host, proxy.port)

    def _connecting(self, host: str, port: int) -> IStreamClientEndpoint:
        return hostEndpoint(self._reactor, host, port, **self._connectOptions)

    def _secured(
        self,
        endpoint: IStreamClientEndpoint,
        policy: IPolicyForHTTPS,
        host: str,
        port: int,
    ) -> IStreamClientEndpoint:
        try:
            # A certificate names an address without a zone.
            creator = creatorFor(policy, withoutZone(host), port)
        except UnicodeError as error:
            raise ValueError(f"no certificate could name {host!r}: {error}") from None
        return TLSEndpoint(self._reactor, creator, endpoint)


def asURI(target: WebSocketURL, scheme: bytes | None = None) -> URI:
    """
    The part of a URL that endpoints are made from, as twisted.web has it.

    :param scheme: another scheme than the URL's.
    """
    path, _, query = target.resource.encode("ascii").partition(b"?")
    host = target.host.encode("ascii")
    netloc = target.authority.encode("ascii")
    if target.socketPath is not None:
        path = quote(target.socketPath).encode("ascii") + b":" + path
        return URI(b"ws+unix", b"", host, target.port, path, b"", query, b"")
    scheme = scheme or (b"wss" if target.isSecure else b"ws")
    return URI(scheme, netloc, host, target.port, path, b"", query, b"")


def _connectOptions(
    connectTimeout: float | None, bindAddress: BindAddress | None
) -> dict[str, Any]:
    """
    The arguments of Twisted's endpoint for these choices.
    """
    options: dict[str, Any] = {}
    if connectTimeout is not None:
        options["timeout"] = connectTimeout
    if bindAddress is not None:
        pair = bindAddress if isinstance(bindAddress, tuple) else (bindAddress, 0)
        host, port = pair
        # As a pair of a string, since Twisted before 25 takes nothing else.
        name = host.decode("ascii") if isinstance(host, bytes) else host
        options["bindAddress"] = (name, port)
    return options
