# -*- test-case-name: tests.server.test_mount -*-
# Part of txwebsocket. See LICENSE for details.
"""
Taking upgrades over from a whole site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IReactorCore
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import Request, Site
from twisted.web.vhost import NameVirtualHost

from txwebsocket.handshake.opening import isUpgrade
from txwebsocket.handshake.targets import parseTarget


def asksForUpgrade(request: Request) -> bool:
    """
    Does a twisted.web request ask for a WebSocket?
    """
    headers = request.requestHeaders
    return isUpgrade(
        headers.getRawHeaders(b"upgrade", []),
        headers.getRawHeaders(b"sec-websocket-key", []),
    )


def useOriginForm(request: Request) -> None:
    """
    Let a tree be searched for the path of an absolute URL (RFC 9112, 3.2.2), which
    twisted.web takes as a whole for a path.
    """
    try:
        target = parseTarget(request.uri.decode("latin-1"))
    except ValueError:
        return
    if target.netloc:
        request.path = target.path.encode("latin-1")
        request.prepath = []
        request.postpath = list(map(unquote_to_bytes, request.path[1:].split(b"/")))


class UpgradeResource(Resource):
    """
    A resource whose ``render`` upgrades requests. In a site's tree it wins over a
    server that is mounted on the site.
    """

    def handlesSegment(self, segment: bytes | None) -> bool:
        """
        Is this for a path that goes on with a segment, or with none?
        """
        return not segment


class UpgradeInterceptor(Resource):
    """
    Stands before a site's resource: upgrades go to a server, all else goes on.

    :ivar inner: what the site has served before.
    :ivar serve: serves upgrades; None if the server has left and this can't be removed.
    """

    def __init__(
        self, inner: IResource, serve: Callable[[Request], int] | None
    ) -> None:
        super().__init__()
        self.inner = inner
        self.serve = serve

    def putChild(self, path: bytes, child: IResource) -> None:
        """
        Put a child where it belongs.
        """
        self.inner.putChild(path, child)

    def getChildWithDefault(self, path: bytes, request: Request) -> Any:
        """
        The server for an upgrade, unless the tree has a WebSocket of its own for this
        path; else what the tree has.
        """
        # Give the segment back, so that the tree is searched as if we were not there.
        before: list[bytes] = request.prepath or []
        after: list[bytes] = request.postpath or []
        after.insert(0, before.pop())
        request.prepath, request.postpath = before, after
        if not before:
            useOriginForm(request)
            after = request.postpath
        if self._takes(request, after):
            request.postpath = []
            return _Upgrade(self.serve)
        return getChildForRequest(self.inner, request)

    def render(self, request: Request) -> Any:
        """
        Answer for the path that has no segments at all.
        """
        if self._takes(request, []):
            return self.serve(request) if self.serve else None
        return self.inner.render(request)

    def _takes(self, request: Request, segments: list[bytes]) -> bool:
        return (
            self.serve is not None
            and asksForUpgrade(request)
            and not _hasUpgrading(self.inner, segments, request)
        )


def _hasUpgrading(resource: Any, segments: list[bytes], request: Request) -> bool:
    """
    Is there a WebSocket in the tree on the way to this path?

    Only children that were put there are looked at. Those that a resource would make
    are not asked for, since that may log somebody in or look something up.
    """
    for segment in [*segments, None]:
        resource = _unwrap(resource, request)
        if isinstance(resource, UpgradeResource) and resource.handlesSegment(segment):
            return True
        resource = getattr(resource, "children", {}).get(segment)
        if resource is None:
            return False
    return False


def _unwrap(resource: Any, request: Request) -> Any:
    """
    What stands behind mount points and virtual hosts.
    """
    while True:
        if isinstance(resource, UpgradeInterceptor):
            resource = resource.inner
        elif isinstance(resource, NameVirtualHost):
            host = request.getRequestHostname().lower()
            resource = resource.hosts.get(host, resource.default)
        else:
            return resource


class _Upgrade(Resource):
    isLeaf = True

    def __init__(self, serve: Any) -> None:
        super().__init__()
        self._serve = serve

    def render(self, request: Request) -> Any:
        return self._serve(request)


class MountedSites:
    """
    The sites that a server is mounted on.
    """

    def __init__(
        self, serve: Callable[[Request], int], shutDown: Callable[[], object]
    ) -> None:
        self._serve = serve
        self._shutDown = shutDown
        self._points: dict[Site, UpgradeInterceptor] = {}
        self._triggers: dict[Site, Any] = {}

    def add(self, site: Site) -> None:
        """
        Stand before what the site serves.

        :raises ValueError: if we do already.
        """
        if site in self._points:
            raise ValueError(f"the server is mounted on {site!r} already")
        point = self._points[site] = UpgradeInterceptor(site.resource, self._serve)
        site.resource = point
        if IReactorCore.providedBy(site.reactor):
            self._triggers[site] = site.reactor.addSystemEventTrigger(
                "before", "shutdown", self._reactorStops
            )

    def _reactorStops(self) -> object:
        # What has fired can't be removed any more.
        self._triggers.clear()
        return self._shutDown()

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
        # Somebody may have put a resource of his own before ours, where it stays then.
        point.serve = None
        holder: Any = site
        name = "resource"
        while isinstance(held := getattr(holder, name), UpgradeInterceptor):
            if held is point:
                setattr(holder, name, point.inner)
                return
            holder, name = held, "inner"

    def removeAll(self) -> None:
        """
        Leave all sites.
        """
        for site in list(self._points):
            self.remove(site)
