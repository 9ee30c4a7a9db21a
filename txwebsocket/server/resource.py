# -*- test-case-name: tests.server.test_resource -*-
# Part of txwebsocket. See LICENSE for details.
"""
A WebSocket in a tree of twisted.web resources.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET, Request

from txwebsocket.config import ServerConfig
from txwebsocket.handshake.opening import UPGRADE_HEADERS
from txwebsocket.server.mount import UpgradeResource, asksForUpgrade
from txwebsocket.server.responses import sendRefusal
from txwebsocket.server.server import WebSocketServer


class WebSocketResource(UpgradeResource):
    """
    Upgrades the requests that ask for it, at its own path with or without a slash at
    the end. It can be a site's root and have children.

    What happens before a request's head is whole it cannot know. A ``Site`` ends a
    connection that is silent for a minute, but has no deadline for a head that trickles
    in, and reads a body, however long, before it asks its resources. ``twistd
    websocket`` has a stricter site; for yours, limit this in a proxy in front of it.

    :param application: as for :class:`WebSocketServer`.
    :param config: what can be chosen; the defaults if None.
    :param page: the resource to show to whoever asks for no upgrade. Without one, the
        answer is 426.
    :param clock: keeps the time; if None, the reactor of the ``Site``.
    """

    def __init__(
        self,
        application: Any,
        config: ServerConfig | None = None,
        *,
        page: IResource | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        super().__init__()
        self._server = WebSocketServer(application, config, clock=clock)
        self._page = page

    @property  # type: ignore[override]
    def server(self) -> WebSocketServer:
        """
        Who serves here, with the live connections.
        """
        return self._server

    @server.setter
    def server(self, value: object) -> None:
        """
        Keep ours: ``putChild`` gives each child an attribute of this name, which
        nothing in twisted.web uses any more.
        """

    def getChild(self, path: bytes, request: Request) -> Any:
        """
        The resource itself below its own slash; nothing elsewhere.
        """
        if path == b"" and not request.postpath:
            return self
        return super().getChild(path, request)

    def render(self, request: Request) -> Any:
        """
        Upgrade, show the page, or say that there is none.
        """
        if asksForUpgrade(request):
            return self._server.serve(request)
        if self._page is not None:
            return self._page.render(request)
        sendRefusal(
            request,
            426,
            "This is a WebSocket, not a page.",
            UPGRADE_HEADERS,
        )
        return NOT_DONE_YET
