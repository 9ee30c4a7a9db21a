# -*- test-case-name: tests.client.test_client -*-
# Part of txwebsocket. See LICENSE for details.
"""
The client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from http.cookiejar import CookieJar
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from txwebsocket._version import __version__
from txwebsocket.client.attempt import AttemptOptions, ConnectionAttempt
from txwebsocket.client.endpointfactory import BindAddress, EndpointFactory, ProxyChoice
from txwebsocket.client.redirects import RedirectableRequest, makeKey
from txwebsocket.client.tls import TLSChoice
from txwebsocket.client.url import WebSocketURL, parseURL
from txwebsocket.config import ClientConfig
from txwebsocket.connection.websocket import WebSocketConnection, makeChannel
from txwebsocket.handshake.hosts import parseAuthority
from txwebsocket.handshake.opening import (
    ORIGIN_HEADERS,
    ClientHandshake,
    checkHeaders,
    checkProtocols,
)
from txwebsocket.headers import HeaderPairs, headerPairs, headerText
from txwebsocket.wire.codes import Role

_USER_AGENT = f"txwebsocket/{__version__}"


class WebSocketClient:
    """
    Connect to WebSocket servers, as often as wanted.

    :param reactor: makes the connections and keeps the time.
    :param config: what can be chosen; the defaults if None.
    :param tlsPolicy: how ``wss:`` servers prove who they are: a :class:`TLSPolicy` or
        another ``IPolicyForHTTPS``, or what ``optionsForClientTLS`` returns. Unless it
        is given, their certificate must be valid, trusted by the platform, and for the
        URL's host; if not, the cause of the error is :exc:`CertificateRejected`.
    :param proxy: what to go through: the URL of a proxy, ``PROXY_FROM_ENVIRONMENT``, an
        ``IAgentEndpointFactory``, or one endpoint for all URLs. TLS is spoken over it.
    :param bindAddress: the local address to connect from, or a pair of that and a port.
    :param cookieJar: where cookies are taken from and put into, by each request and
        each response; without one there are none. It can be that of a
        ``twisted.web.client.CookieAgent``, so that one logs in by HTTP.
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
        cookieJar: CookieJar | None = None,
    ) -> None:
        self.config = ClientConfig() if config is None else config
        self.cookieJar = cookieJar
        self._reactor = reactor
        route = EndpointFactory(reactor, tlsPolicy, proxy, bindAddress=bindAddress)
        self._endpointFor = route.endpointFor
        self._openings: set[Deferred[WebSocketConnection]] = set()

    @property
    def reactor(self) -> Any:
        """
        What makes the connections and keeps the time.
        """
        return self._reactor

    def connect(
        self,
        url: str | WebSocketURL,
        protocols: Iterable[str] = (),
        *,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
        application: object | None = None,
    ) -> Deferred[WebSocketConnection]:
        """
        Open a connection.

        :param url: a ``ws:``, ``wss:`` or ``ws+unix:`` URL; user and password in it are
            sent as Basic authentication. :class:`W3CWebSocket` gives one in parts.
        :param protocols: subprotocols to offer, the preferred one first. The server
            must choose one of them, unless ``requireSubprotocol`` is off.
        :param origin: where to say we come from, as a browser does.
        :param headers: more headers for the request: a mapping, pairs, or twisted.web's
            ``Headers``. With a ``Cookie`` of the caller's, none is taken from the jar.
        :param application: who is told what arrives, see :class:`WebSocketProtocol`; a
            connection without one is in pull style.
        :return: a Deferred of the open connection. It always fires within
            ``openTimeout``, and fails with :exc:`ConnectionRejected`,
            :exc:`OpeningTimedOut` or :exc:`OpeningFailed`. Cancelling it closes the
            socket.
        :raises ValueError: if an argument can't be part of a request, or the
            environment is to name a proxy and names none that can be.
        :raises TypeError: if it is of another type, saying which are accepted.
        """
        target = url if isinstance(url, WebSocketURL) else parseURL(url)
        handshake = makeHandshake(target, self.config, protocols, origin, headers)
        journey = AttemptOptions(
            endpointFor=self._endpointFor,
            jar=self.cookieJar,
            maxRedirects=self.config.maxRedirects,
        )
        hop = RedirectableRequest(target, handshake)
        opened = openConnection(self._reactor, self.config, hop, journey, application)
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


def openConnection(
    clock: IReactorTime,
    config: ClientConfig,
    hop: RedirectableRequest,
    journey: AttemptOptions,
    application: object | None,
) -> Deferred[WebSocketConnection]:
    """
    Open one connection.

    :param hop: the first request.
    :param journey: finds the way to its host, and to those that redirects lead to.
    :raises ValueError: if there is no way.
    """
    link = makeChannel(Role.CLIENT, config, clock)
    return ConnectionAttempt(clock, hop, journey, link, application).start()


def makeHandshake(
    target: WebSocketURL,
    config: ClientConfig,
    protocols: Iterable[str] = (),
    origin: str | None = None,
    headers: HeaderPairs | None = None,
) -> ClientHandshake:
    """
    Check what a caller wants in the request, and make it.

    :raises ValueError: naming what can't be part of it.
    :raises TypeError: naming what is of another type.
    """
    if isinstance(protocols, str):
        raise ValueError(f"protocols must be a list of names, not {protocols!r}")
    if not isinstance(protocols, Iterable):
        raise TypeError(
            f"protocols must be a list of names, not {type(protocols).__name__}"
        )
    offered = tuple(protocols)
    checkProtocols(offered)
    origin = None if origin is None else headerText(origin)
    pairs = headerPairs(headers)
    own = ORIGIN_HEADERS[config.webSocketVersion]
    _checkGiven(pairs if origin is None else [*pairs, (own, origin)])
    given = {name.lower(): value for name, value in pairs}
    if target.authorization is not None and "authorization" not in given:
        pairs.append(("Authorization", target.authorization))
    if "user-agent" not in given:
        pairs.append(("User-Agent", _USER_AGENT))
    return ClientHandshake(
        host=given.get("host", target.netloc),
        target=target.resource,
        key=makeKey(),
        version=config.webSocketVersion,
        protocols=offered,
        requiresProtocol=config.requireSubprotocol,
        origin=origin,
        headers=tuple(pair for pair in pairs if pair[0].lower() != "host"),
        extensions=tuple(config.extensions),
    )


def _checkGiven(headers: list[tuple[str, str]]) -> None:
    checkHeaders(headers)
    counts = Counter(name.lower() for name, _ in headers)
    for name in ("Host", *ORIGIN_HEADERS.values()):
        if counts[name.lower()] > 1:
            raise ValueError(f"{name} is given more than once")
    for name, value in headers:
        if name.lower() == "host" and parseAuthority(value) is None:
            # RFC 9112, 3.2: a server answers 400.
            raise ValueError(
                "the header Host must be a name or an address, with or without a port, "
                f"not {value!r}"
            )
