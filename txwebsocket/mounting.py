# -*- test-case-name: tests.test_mounting -*-
# Part of txwebsocket. See LICENSE for details.
"""
Taking upgrades over from a whole site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorCore
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import Request, Site

from txwebsocket.wire.handshake import isUpgrade


def asksForUpgrade(request: Request) -> bool:
    """
    Does a twisted.web request ask for a WebSocket?
    """
    headers = request.requestHeaders
    return isUpgrade(
        headers.getRawHeaders(b"upgrade", []),
        headers.getRawHeaders(b"sec-websocket-key", []),
    )


class Upgrading(Resource):
    """
    A resource whose ``render`` upgrades requests. In a tree of its own it wins over a
    server that is mounted on the whole site.
    """


class MountPoint(Resource):
    """
    Stands before a site's resource: upgrades go to a server, all else goes on.

    :ivar inner: what the site has served before.
    """

    def __init__(self, inner: IResource, serve: Callable[[Request], int]) -> None:
        super().__init__()
        self.inner = inner
        self.serve = serve

    def getChildWithDefault(self, path: bytes, request: Request) -> Any:
        """
        What the tree has for this path; for an upgrade the server, unless the tree has
        a WebSocket of its own there.
        """
        # Give the segment back, so that the tree is searched as if we were not there.
        before: list[bytes] = request.prepath or []
        after: list[bytes] = request.postpath or []
        after.insert(0, before.pop())
        request.prepath, request.postpath = before, after
        found = getChildForRequest(self.inner, request)
        if asksForUpgrade(request) and not isinstance(found, Upgrading):
            return _Upgrade(self.serve)
        return found

    def render(self, request: Request) -> Any:
        """
        Answer for the path that has no segments at all.
        """
        if asksForUpgrade(request):
            return self.serve(request)
        return self.inner.render(request)


class _Upgrade(Resource):
    isLeaf = True

    def __init__(self, serve: Callable[[Request], int]) -> None:
        super().__init__()
        self._serve = serve

    def render(self, request: Request) -> int:
        return self._serve(request)


class Mounts:
    """
    The sites that a server is mounted on.
    """

    def __init__(
        self, serve: Callable[[Request], int], shutDown: Callable[[], object]
    ) -> None:
        self._serve = serve
        self._shutDown = shutDown
        self._points: dict[Site, MountPoint] = {}
        self._triggers: dict[Site, Any] = {}

    def add(self, site: Site) -> None:
        """
        Stand before what the site serves.

        :raises ValueError: if we do already.
        """
        if site in self._points:
            raise ValueError(f"the server is mounted on {site!r} already")
        point = self._points[site] = MountPoint(site.resource, self._serve)
        site.resource = point
        if IReactorCore.providedBy(site.reactor):
            self._triggers[site] = site.reactor.addSystemEventTrigger(
                "before", "shutdown", self._shutDown
            )

    def remove(self, site: Site) -> None:
        """
        Stand there no longer, whoever has been mounted since.

        :raises ValueError: if we don't.
        """
        point = self._points.pop(site, None)
        if point is None:
            raise ValueError(f"the server is not mounted on {site!r}")
        reactor: Any = site.reactor
        trigger = self._triggers.pop(site, None)
        if trigger is not None:
            reactor.removeSystemEventTrigger(trigger)
        holder, name = site, "resource"
        while getattr(holder, name) is not point:
            holder, name = getattr(holder, name), "inner"
        setattr(holder, name, point.inner)

    def removeAll(self) -> None:
        """
        Leave all sites.
        """
        for site in list(self._points):
            self.remove(site)
