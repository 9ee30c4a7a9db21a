# -*- test-case-name: tests.test_client -*-
# Part of txwebsocket. See LICENSE for details.
"""
The client.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from txwebsocket._version import __version__
from txwebsocket.connection import WebSocketConnection, makeLink
from txwebsocket.opening import Opening
from txwebsocket.route import BindAddress, ProxyChoice, Route
from txwebsocket.tls import TLSChoice
from txwebsocket.url import Target, parseURL
from txwebsocket.wire.codes import Role
from txwebsocket.wire.handshake import ClientHandshake, checkHeaders, checkProtocols
from txwebsocket.wire.options import ClientConfig

HeaderPairs: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""
Headers as a mapping, or as pairs where a name occurs more than once.
"""

_KEY_SIZE = 16
_USER_AGENT = f"txwebsocket/{__version__}"


class WebSocketClient:
    """
    Connect to WebSocket servers, as often as wanted.

    :param reactor: makes the connections and keeps the time.
    :param config: what can be chosen; the defaults if None.
    :param tlsPolicy: how ``wss:`` servers prove who they are: a :class:`TLSPolicy` or
        another ``IPolicyForHTTPS``, or what ``optionsForClientTLS`` returns. Unless it
        is given, their certificate must be valid, trusted by the platform, and for the
        URL's host.
    :param proxy: what to go through: the URL of a proxy, ``PROXY_FROM_ENVIRONMENT``, an
        ``IAgentEndpointFactory``, or one endpoint for all URLs. TLS is spoken over it.
    :param bindAddress: the local address to connect from, or a pair of that and a port.
    :raises ValueError: if the proxy's URL is none.
    :raises TypeError: if ``tlsPolicy`` or ``proxy`` is something else.
    """

    def __init__(
        self,
        reactor: Any,
        config: ClientConfig | None = None,
        *,
        tlsPolicy: TLSChoice | None = None,
        proxy: ProxyChoice | None = None,
        bindAddress: BindAddress | None = None,
    ) -> None:
        self.config = ClientConfig() if config is None else config
        self._reactor = reactor
        self._route = Route(reactor, tlsPolicy, proxy, bindAddress=bindAddress)
        self._openings: set[Deferred[WebSocketConnection]] = set()

    @property
    def reactor(self) -> Any:
        """
        What makes the connections and keeps the time.
        """
        return self._reactor

    def connect(
        self,
        url: str,
        protocols: Iterable[str] = (),
        *,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
        application: object | None = None,
    ) -> Deferred[WebSocketConnection]:
        """
        Open a connection.

        :param url: a ``ws:``, ``wss:`` or ``ws+unix:`` URL; user and password in it are
            sent as Basic authentication.
        :param protocols: subprotocols to offer, the preferred one first. The server
            must choose one of them.
        :param origin: where to say we come from, as a browser does.
        :param headers: more headers for the request.
        :param application: who is told what arrives, see :class:`WebSocketProtocol`; a
            connection without one is in pull style.
        :return: a Deferred of the open connection. It always fires within
            ``openTimeout``, and fails with :exc:`ConnectionRejected`,
            :exc:`OpeningTimedOut` or :exc:`OpeningFailed`. Cancelling it closes the
            socket.
        :raises ValueError: if an argument can't be part of a request, or the
            environment is to name a proxy and names none that can be.
        """
        target = parseURL(url)
        endpoint = self._route.endpointFor(target)
        handshake = makeHandshake(target, self.config, protocols, origin, headers)
        opened = open_(
            self._reactor, self.config, target, handshake, endpoint, application
        )
        self._openings.add(opened)
        return opened.addBoth(self._over, opened)

    def abort(self) -> None:
        """
        Give up the openings in progress; their Deferreds fail with ``CancelledError``.
        Open connections are not touched. To a :class:`WebSocketClientService` this is
        a failed attempt like others, so stop the service to end its attempts.
        """
        for opening in list(self._openings):
            opening.cancel()

    def _over(self, result: Any, opened: Deferred[WebSocketConnection]) -> Any:
        self._openings.discard(opened)
        return result


def open_(
    clock: IReactorTime,
    config: ClientConfig,
    target: Target,
    handshake: ClientHandshake,
    endpoint: IStreamClientEndpoint,
    application: object | None,
) -> Deferred[WebSocketConnection]:
    """
    Open one connection through an endpoint.
    """
    link = makeLink(Role.CLIENT, config, clock)
    link.connection.url = target.url
    return Opening(clock, target, handshake, link, application).start(endpoint)


def makeHandshake(
    target: Target,
    config: ClientConfig,
    protocols: Iterable[str] = (),
    origin: str | None = None,
    headers: HeaderPairs | None = None,
) -> ClientHandshake:
    """
    Check what a caller wants in the request, and make it.

    :raises ValueError: naming what can't be part of it.
    """
    if isinstance(protocols, str):
        raise ValueError(f"protocols must be a list of names, not {protocols!r}")
    offered = tuple(protocols)
    checkProtocols(offered)
    pairs = _pairs(headers)
    given = pairs if origin is None else [*pairs, ("Origin", origin)]
    checkHeaders(given)
    counts = Counter(name.lower() for name, _ in given)
    for name in ("Host", "Origin"):
        if counts[name.lower()] > 1:
            raise ValueError(f"{name} is given more than once")
    names = {name.lower() for name, _ in pairs}
    hosts = [value for name, value in pairs if name.lower() == "host"]
    if target.authorization is not None and "authorization" not in names:
        pairs.append(("Authorization", target.authorization))
    if "user-agent" not in names:
        pairs.append(("User-Agent", _USER_AGENT))
    return ClientHandshake(
        host=hosts[0] if hosts else target.netloc,
        target=target.resource,
        key=b64encode(os.urandom(_KEY_SIZE)).decode("ascii"),
        version=config.webSocketVersion,
        protocols=offered,
        origin=origin,
        headers=tuple(pair for pair in pairs if pair[0].lower() != "host"),
        extensions=tuple(config.extensions),
    )


def _pairs(headers: HeaderPairs | None) -> list[tuple[str, str]]:
    if headers is None:
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    return list(headers)
