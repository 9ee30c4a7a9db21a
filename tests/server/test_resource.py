# Part of txwebsocket. See LICENSE for details.
"""
Tests of a WebSocket in a tree of resources.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site
from zope.interface.verify import verifyObject

from tests.support.memory import Recorder, Response, Served, handshake
from txwebsocket import ServerConfig, WebSocketResource, WebSocketServer


class Page(Resource):
    """
    An ordinary page.
    """

    def __init__(self, body: bytes = b"page") -> None:
        super().__init__()
        self.body = body

    def render_GET(self, request: Request) -> bytes:
        """
        Show it.
        """
        return self.body


def get(path: str = "/", *lines: str, method: str = "GET") -> bytes:
    """
    A request for a page.
    """
    head = [f"{method} {path} HTTP/1.1", "Host: example.com", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1")


class ResourceTests(SynchronousTestCase):
    def answered(self, resource: Any, request: bytes) -> Response:
        """
        What a request is answered.
        """
        peer = Served(resource).connect()
        peer.send(request)
        return peer.response()

    def test_interface(self) -> None:
        """
        It is a resource like any other.
        """
        self.assertTrue(verifyObject(IResource, WebSocketResource(Recorder)))

    def test_server(self) -> None:
        """
        Its server has the configuration and the connections; being put into a tree,
        for which twisted.web sets an attribute of the same name, does not change that.
        """
        config = ServerConfig(maxReceivedMessageSize=5)
        resource = WebSocketResource(Recorder, config)
        server = resource.server
        self.assertIsInstance(server, WebSocketServer)
        self.assertIs(server.config, config)
        root = Resource()
        root.putChild(b"ws", resource)
        Site(root, reactor=Clock())
        self.assertIs(resource.server, server)
        Served(root).upgrade(path="/ws")
        self.assertEqual(len(server.connections), 1)

    def test_clock(self) -> None:
        """
        Its time is that of the site's reactor, or of the clock it is given.
        """
        for own in (None, Clock()):
            served = Served(WebSocketResource(Recorder, clock=own))
            peer = served.upgrade()
            clock = served.clock if own is None else own
            clock.advance(20)
            self.assertEqual(len(peer.frames()), 1)

    def test_wrongApplication(self) -> None:
        """
        What can't be served is refused when the resource is made.
        """
        self.assertRaises(TypeError, WebSocketResource, "tests.support.memory.Recorder")

    def test_places(self) -> None:
        """
        It works as a site's root and anywhere in the tree, with and without a slash at
        the end and with a query.
        """
        inner = Resource()
        inner.putChild(b"ws", WebSocketResource(Recorder))
        root = Resource()
        root.putChild(b"deep", inner)
        for path in ("/deep/ws", "/deep/ws/", "/deep/ws?a=b", "/deep/ws/?a=b"):
            self.assertEqual(self.answered(root, handshake(path=path)).status, 101)
        for path in ("/", "/?a=b"):
            resource = WebSocketResource(Recorder)
            self.assertEqual(self.answered(resource, handshake(path=path)).status, 101)

    def test_notBelow(self) -> None:
        """
        What is below it does not exist, unless it is put there.
        """
        for path in ("/x", "/x/", "//", "//x"):
            resource = WebSocketResource(Recorder)
            self.assertEqual(self.answered(resource, handshake(path=path)).status, 404)

    def test_children(self) -> None:
        """
        It can have children, WebSockets and pages.
        """
        root = WebSocketResource(Recorder, page=Page(b"root"))
        root.putChild(b"page", Page(b"child"))
        root.putChild(b"ws", WebSocketResource(Recorder))
        self.assertEqual(self.answered(root, get("/page")).body, b"child")
        self.assertEqual(self.answered(root, get("/")).body, b"root")
        self.assertEqual(self.answered(root, handshake(path="/ws")).status, 101)
        self.assertEqual(self.answered(root, handshake(path="/")).status, 101)

    def test_page(self) -> None:
        """
        Whoever asks for no upgrade is shown the page, whatever their method.
        """
        resource = WebSocketResource(Recorder, page=Page())
        self.assertEqual(self.answered(resource, get()).body, b"page")
        head = self.answered(resource, get(method="HEAD"))
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(self.answered(resource, get(method="POST")).status, 405)

    def test_pageKeepsConnection(self) -> None:
        """
        A page does not end the connection, which may become a WebSocket next.
        """
        peer = Served(WebSocketResource(Recorder, page=Page())).connect()
        peer.send(get())
        self.assertEqual(peer.response().body, b"page")
        peer.send(handshake())
        self.assertEqual(peer.response().status, 101)

    def test_noPage(self) -> None:
        """
        Without a page they are told 426 and how to ask.
        """
        for method in ("GET", "POST"):
            response = self.answered(WebSocketResource(Recorder), get(method=method))
            self.assertEqual(response.status, 426)
            self.assertEqual(response.phrase, "Upgrade Required")
            self.assertEqual(response.header("Upgrade"), ["websocket"])
            self.assertEqual(response.header("Sec-WebSocket-Version"), ["13, 8"])
            self.assertIn(b"not a page", response.body)

    def test_strippedHeaders(self) -> None:
        """
        A WebSocket client behind a proxy that drops ``Upgrade`` is told so, and not
        shown the page.
        """
        resource = WebSocketResource(Recorder, page=Page())
        request = handshake(without=["Upgrade", "Connection"])
        response = self.answered(resource, request)
        self.assertEqual(response.status, 426)
        self.assertIn(b"proxy", response.body)

    def test_otherUpgrades(self) -> None:
        """
        Who offers an upgrade to something else gets the page.
        """
        resource = WebSocketResource(Recorder, page=Page())
        for lines in (
            ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"],
            ["Connection: Upgrade", "Upgrade: websockets"],
            ["Connection: Upgrade", "Upgrade: not a websocket"],
        ):
            self.assertEqual(self.answered(resource, get("/", *lines)).body, b"page")
