# -*- test-case-name: tests.server.test_requestcheck -*-
# Part of txwebsocket. See LICENSE for details.
"""
Who may ask for a WebSocket at all: what can be checked of a request by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.logger import Logger
from twisted.web.server import Request

from txwebsocket.config import ServerConfig
from txwebsocket.handshake.forwarded import UNIX, TrustedProxies
from txwebsocket.handshake.hosts import HostPolicy
from txwebsocket.handshake.opening import HandshakeRequest, readRequest
from txwebsocket.handshake.origins import OriginPolicy
from txwebsocket.server.upgrade import canTakeOver
from txwebsocket.wire.errors import UpgradeRefused, shown


class RequestCheck:
    """
    Read a twisted.web request that asks for a WebSocket.

    :param config: says which hosts are answered for, which origins are let in, and
        which proxies are trusted.
    """

    _log = Logger()

    def __init__(self, config: ServerConfig) -> None:
        self._hosts = HostPolicy(config.allowedHosts)
        self._origins = OriginPolicy(config.origins)
        self._header = config.forwardedHeader
        self._proxies = TrustedProxies(config.trustedProxies, self._header)

    def addresses(self, httpRequest: Request) -> list[str]:
        """
        The way the request came: the client's address first.
        """
        values = httpRequest.requestHeaders.getRawHeaders(self._header.encode(), [])
        path = self._proxies.path(_peer(httpRequest.getClientAddress()), values)
        if path.unreadable is not None:
            self._log.warn(
                "The header {header} of {proxy} must name an address here, not {hop}",
                header=self._header,
                proxy=next(iter(path.addresses), UNIX),
                hop=shown(repr(path.unreadable)),
            )
        return path.addresses

    def check(self, httpRequest: Request) -> HandshakeRequest:
        """
        What the request offers.

        :raises UpgradeRefused: if it can't become a WebSocket.
        """
        if not canTakeOver(httpRequest):
            raise UpgradeRefused(
                426, "A WebSocket is asked for over HTTP/1.1, not over HTTP/2."
            )
        offer = readRequest(
            httpRequest.method,
            httpRequest.uri,
            httpRequest.clientproto,
            _headers(httpRequest),
        )
        self._checkHost(offer.host)
        if offer.origin is not None:
            self._checkOrigin(offer.origin, offer.host)
        return offer

    def _checkHost(self, host: str) -> None:
        if not self._hosts.permits(host):
            raise UpgradeRefused(
                421,
                f"This server does not answer for the host {shown(repr(host))}. If it "
                "should, name the host in the server's option 'allowedHosts', or with "
                "--allowed-host.",
            )

    def _checkOrigin(self, origin: str, host: str) -> None:
        if not self._origins.permits(origin, host):
            raise UpgradeRefused(
                403,
                f"Pages of {shown(repr(origin))} may not connect to "
                f"{shown(repr(host))}. If they should, "
                "name their origin, exactly as it is here, in the server's option "
                "'origins'; behind a proxy that changes the header Host, name the "
                "site's own origin there.",
            )


def _peer(address: Any) -> str | None:
    """
    The peer of a transport, as trustedProxies name it.
    """
    return UNIX if isinstance(address, UNIXAddress) else getattr(address, "host", None)


def annotateRefusal(
    refused: UpgradeRefused, httpRequest: Request, address: str | None
) -> UpgradeRefused:
    """
    Add to a refusal whose request it was.
    """
    refused.httpRequest = httpRequest
    refused.remoteAddress = address
    refused.resource = httpRequest.uri.decode("latin-1")
    for name in (b"sec-websocket-origin", b"origin"):
        for value in httpRequest.requestHeaders.getRawHeaders(name, []):
            refused.origin = value.decode("latin-1")
    return refused


def _headers(httpRequest: Request) -> Iterator[tuple[bytes, bytes]]:
    for name, values in httpRequest.requestHeaders.getAllRawHeaders():
        for value in values:
            yield name, value
