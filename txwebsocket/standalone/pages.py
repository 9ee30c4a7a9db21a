# -*- test-case-name: tests.standalone.test_pages -*-
# Part of txwebsocket. See LICENSE for details.
"""
What ``twistd websocket`` shows to browsers: its own page, or somebody's directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.static import File

from txwebsocket.config import ServerConfig
from txwebsocket.handshake.hosts import HostPolicy
from txwebsocket.server.mount import asksForUpgrade
from txwebsocket.server.resource import WebSocketResource
from txwebsocket.server.responses import sendRefusal

_PAGE = Path(__file__).with_name("page")

# The page needs itself and its WebSocket, and nothing else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Files(File):
    """
    The files of a directory, without listings and without what is hidden.
    """

    indexNames = ["index.html"]

    def directoryListing(self) -> IResource:
        """
        There is none.
        """
        return notFound()

    def getChild(self, path: bytes, request: Request) -> Any:
        """
        A file or directory, unless its name starts with a dot.
        """
        isHidden = path.startswith(b".") and path != b".well-known"
        if isHidden or b"\0" in path or not _isText(path):
            return notFound()
        return super().getChild(path, request)

    def render_GET(self, request: Request) -> Any:
        """
        The file, as the type that it has by its name and no other.
        """
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        return super().render_GET(request)

    def render_HEAD(self, request: Request) -> Any:
        """
        The same without its content.
        """
        return self.render_GET(request)


def _isText(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _PageFiles(Files):
    """
    The files of the built-in page.
    """

    def render_GET(self, request: Request) -> Any:
        request.setHeader(b"Content-Security-Policy", _POLICY.encode("ascii"))
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        return super().render_GET(request)


class _Index(Resource):
    """
    What a directory shows for itself: its ``index.html``.
    """

    def __init__(self, files: Files) -> None:
        super().__init__()
        self._files = files

    def render(self, request: Request) -> Any:
        return self._files.getChild(b"", request).render(request)


class _Misdirected(Resource):
    """
    The answer to a request for a host that is not this server's.
    """

    isLeaf = True

    def render(self, request: Request) -> int:
        explanation = (
            "This server does not answer for this host. If it should, name it "
        )
        sendRefusal(request, 421, explanation + "with --allowed-host.")
        return NOT_DONE_YET


class RootResource(WebSocketResource):
    """
    A WebSocket at ``/``, and the files of a directory for whoever wants pages.

    :param directory: the directory; the built-in page if None.
    """

    def __init__(
        self,
        application: Any,
        config: ServerConfig,
        directory: str | None = None,
        *,
        clock: IReactorTime | None = None,
    ) -> None:
        self._hosts = HostPolicy(config.allowedHosts)
        kind, path = (_PageFiles, _PAGE) if directory is None else (Files, directory)
        self._files = kind(str(path), defaultType="application/octet-stream")
        super().__init__(application, config, page=_Index(self._files), clock=clock)

    def getChildWithDefault(self, path: bytes, request: Request) -> Any:
        """
        The WebSocket or a file. Pages are for the same hosts as the WebSocket is.
        """
        if not asksForUpgrade(request) and not self._isForUs(request):
            return _Misdirected()
        return super().getChildWithDefault(path, request)

    def _isForUs(self, request: Request) -> bool:
        hosts = request.requestHeaders.getRawHeaders(b"host", [b""])
        return all(self._hosts.permits(host.decode("latin-1")) for host in hosts)

    def getChild(self, path: bytes, request: Request) -> Any:
        """
        The WebSocket for the root itself, else a file.
        """
        if path == b"":
            return super().getChild(path, request)
        return self._files.getChildWithDefault(path, request)
