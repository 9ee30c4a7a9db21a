# -*- test-case-name: tests.server.test_router -*-
# Part of txwebsocket. See LICENSE for details.
"""
Applications by path and subprotocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Request

from txwebsocket.config import ServerConfig
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.handshake.cookies import Cookie
from txwebsocket.handshake.paths import (
    WILDCARD,
    MountPath,
    PathPattern,
    decodeSegments,
    splitPath,
)
from txwebsocket.headers import HeaderPairs
from txwebsocket.server.application import RequestHandler, makeDecider
from txwebsocket.server.mount import asksForUpgrade
from txwebsocket.server.request import WebSocketRequest
from txwebsocket.server.resource import WebSocketResource
from txwebsocket.server.responses import Body
from txwebsocket.server.server import WebSocketServer
from txwebsocket.wire.grammar import isToken


class _Mounted(NamedTuple):
    path: MountPath
    protocol: str | None
    route: PathPattern
    decide: RequestHandler


def _same(name: str) -> Any:
    """
    A property that is the same as that of the request a routed one was made from.
    """
    return property(
        lambda self: getattr(self.webSocketRequest, name),
        doc=f"The same as :class:`WebSocketRequest` has as ``{name}``.",
    )


def _isName(protocol: object) -> bool:
    return isinstance(protocol, str) and isToken(protocol)


class WebSocketRouterRequest:
    """
    A request that a router has found an application for.

    It has the properties of the :class:`WebSocketRequest` it was made from.

    :ivar webSocketRequest: that request.
    :ivar protocol: the subprotocol that the route is for; None if it is for none, or
        for any.
    :ivar parameters: what the route's parameters are, by their names.
    """

    httpRequest = _same("httpRequest")
    link = _same("link")
    key = _same("key")
    host = _same("host")
    origin = _same("origin")
    cookies = _same("cookies")
    resource = _same("resource")
    resourceURL = _same("resourceURL")
    remoteAddress = _same("remoteAddress")
    remoteAddresses = _same("remoteAddresses")
    requestedProtocols = _same("requestedProtocols")
    requestedExtensions = _same("requestedExtensions")
    webSocketVersion = _same("webSocketVersion")
    websocketVersion = _same("websocketVersion")
    isDecided = _same("isDecided")
    getPeerCertificate = _same("getPeerCertificate")

    def __init__(
        self,
        webSocketRequest: WebSocketRequest,
        protocol: str | None,
        parameters: dict[str, str],
    ) -> None:
        self.webSocketRequest = webSocketRequest
        self.protocol = protocol
        self.parameters = parameters

    def accept(
        self,
        protocol: str | None = None,
        *,
        origin: str | None = None,
        cookies: Iterable[Cookie] = (),
        headers: HeaderPairs | None = None,
        application: object | None = None,
    ) -> WebSocketConnection:
        """
        Open the connection; see :meth:`WebSocketRequest.accept`.

        :param protocol: the subprotocol; the one that the route is for if None.
        """
        return self.webSocketRequest.accept(
            self.protocol if protocol is None else protocol,
            origin=origin,
            cookies=cookies,
            headers=headers,
            application=application,
        )

    def reject(
        self,
        status: int = 403,
        reason: str = "",
        headers: HeaderPairs | None = None,
        body: Body = None,
    ) -> None:
        """
        Answer with an ordinary response; see :meth:`WebSocketRequest.reject`.
        """
        self.webSocketRequest.reject(status, reason, headers, body)


class WebSocketRouter(WebSocketResource):
    """
    Find the application for a request by its path and the subprotocols it offers.

    In a tree of resources it is for all paths below its own, and matches what is below.
    Pages and other resources can be put there too. Attached to a
    :class:`WebSocketServer`, it matches whole paths.

    :param config: what can be chosen; the defaults if None.
    :param page: the resource to show at the router's own path to whoever asks for no
        upgrade.
    :param clock: keeps the time; if None, the reactor of the ``Site``.
    """

    def __init__(
        self,
        config: ServerConfig | None = None,
        *,
        page: IResource | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        super().__init__(self._routeBelow, config, page=page, clock=clock)
        self._mounted: list[_Mounted] = []
        self._attached: WebSocketServer | None = None
        # The segments below our own path, of requests on their way to our server.
        self._below: WeakKeyDictionary[Request, list[bytes]] = WeakKeyDictionary()

    # Routes

    def mount(self, path: MountPath, protocol: str | None, application: Any) -> None:
        """
        Add a route. Of several that fit, the client's first subprotocol decides, then
        the order in which they were mounted.

        :param path: ``/literal``, ``/with/{name}`` for whole segments, ``*`` for any,
            or a compiled regular expression for all of the path. What is matched is
            handed to handlers as ``request.parameters``. Groups without a name have
            their number for one; those that took no part are not there.
        :param protocol: a subprotocol; None for clients that offer none; ``*`` for any
            or none.
        :param application: as for :class:`WebSocketServer`; a handler is given a
            :class:`WebSocketRouterRequest`.
        :raises ValueError: if the path is none, has braces around anything but a name
            and all of a segment, or there is this route already.
        :raises TypeError: if the application can't be served.
        """
        if protocol is not None and protocol != WILDCARD and not _isName(protocol):
            raise ValueError(f"{protocol!r} is not the name of a subprotocol")
        if self._find(path, protocol) is not None:
            raise ValueError(f"there is a route for {path!r} and {protocol!r} already")
        decide = makeDecider(application)
        self._mounted.append(_Mounted(path, protocol, PathPattern(path), decide))

    def unmount(self, path: MountPath, protocol: str | None) -> None:
        """
        Remove a route.

        :raises ValueError: if there is none for just this path and protocol.
        """
        found = self._find(path, protocol)
        if found is None:
            raise ValueError(f"there is no route for {path!r} and {protocol!r}")
        self._mounted.remove(found)

    def _find(self, path: MountPath, protocol: str | None) -> _Mounted | None:
        wanted = (path, protocol)
        return next((m for m in self._mounted if (m.path, m.protocol) == wanted), None)

    # Attached to a server

    def attachServer(self, server: WebSocketServer) -> None:
        """
        Route what a server has no application for.

        :raises ValueError: if the router is attached already, or the server has an
            application.
        """
        if self._attached is not None:
            raise ValueError("the router is attached to a server already")
        if server.application is not None:
            raise ValueError(f"the server has an application: {server.application!r}")
        self._attached = server
        server.application = self._routeAll

    def detachServer(self) -> None:
        """
        Leave the server.

        :raises ValueError: if the router is not attached to one.
        """
        if self._attached is None:
            raise ValueError("the router is not attached to a server")
        if self._attached.application == self._routeAll:
            self._attached.application = None
        self._attached = None

    # In a tree of resources

    def getChildWithDefault(self, path: bytes, request: Request) -> Any:
        """
        A child that was put here; else, for an upgrade, the router itself.
        """
        if path in self.children or not asksForUpgrade(request):
            return super().getChildWithDefault(path, request)
        # Give all segments back, and let nobody look further.
        below = [path, *(request.postpath or [])]
        request.postpath = []
        self._below[request] = below
        return self

    def handlesSegment(self, segment: bytes | None) -> bool:
        """
        It is for everything below, but for the children that were put there.
        """
        return segment not in self.children

    def _routeBelow(self, request: WebSocketRequest) -> object:
        segments = self._below.pop(request.httpRequest, [b""])
        if not request.httpRequest.path.startswith(b"/"):
            # A plain Site has taken an absolute URL for a path, as for its pages.
            return self._route(request, None)
        return self._route(request, decodeSegments(segments))

    def _routeAll(self, request: WebSocketRequest) -> object:
        path = request.resourceURL.path.encode("latin-1")
        return self._route(request, splitPath(path))

    def _route(self, request: WebSocketRequest, segments: list[str] | None) -> object:
        if segments is not None:
            for protocol in request.requestedProtocols or (None,):
                for mounted in self._mounted:
                    if mounted.protocol not in (protocol, WILDCARD):
                        continue
                    found = mounted.route.match(segments)
                    if found is not None:
                        # A route for any protocol has agreed to none.
                        agreed = None if mounted.protocol == WILDCARD else protocol
                        return mounted.decide(
                            WebSocketRouterRequest(request, agreed, found)
                        )
        request.reject(404, "No WebSocket is served here for these subprotocols.")
        return None
