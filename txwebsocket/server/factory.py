# -*- test-case-name: tests.server.test_factory -*-
# Part of txwebsocket. See LICENSE for details.
"""
A server for bare transports: all that an endpoint needs to serve WebSockets.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from txwebsocket.config import ServerConfig
from txwebsocket.server.resource import WebSocketResource
from txwebsocket.server.server import WebSocketServer
from txwebsocket.server.site import WebSocketSite


class WebSocketServerProtocolFactory(WebSocketSite):
    """
    A Twisted protocol factory that serves WebSockets, at every path, and nothing else.

    Give it to any ``IStreamServerEndpoint``, to ``reactor.adoptStreamConnection``, or
    take a protocol from ``buildProtocol`` and connect it to a transport. Its protocols
    read the opening handshake themselves, within ten seconds, and answer ordinary
    requests with 426. To serve pages or several applications, use a ``Site`` and
    :class:`WebSocketResource`.

    To stop listening leaves connections as they are, as with TCP; ``shutDown`` of
    :attr:`server` closes them.

    :param application: as for :class:`WebSocketServer`.
    :param config: what can be chosen; the defaults if None.
    :param page: the resource to show in place of the answer 426.
    :param reactor: keeps the time; the installed one if None.
    """

    def __init__(
        self,
        application: Any,
        config: ServerConfig | None = None,
        *,
        page: IResource | None = None,
        reactor: IReactorTime | None = None,
    ) -> None:
        resource = WebSocketResource(application, config, page=page, clock=reactor)
        # So that it is asked for every path.
        resource.isLeaf = True
        self._server = resource.server
        super().__init__(resource, reactor=reactor)

    @property
    def server(self) -> WebSocketServer:
        """
        The server, with the live connections.
        """
        return self._server
