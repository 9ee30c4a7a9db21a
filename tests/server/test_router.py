# Part of txwebsocket. See LICENSE for details.
"""
Tests of routers.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request
from twisted.web.static import Data
from zope.interface.verify import verifyObject

from tests.support.memory import (
    Peer,
    Recorder,
    Response,
    Served,
    close,
    handshake,
    text,
)
from txwebsocket import (
    Cookie,
    InvalidState,
    ServerConfig,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
    WebSocketRouter,
    WebSocketRouterRequest,
    WebSocketServer,
)

ORDINARY = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
PROTOCOL = "Sec-WebSocket-Protocol"


class Heard:
    """
    A handler that remembers what it was given, and rejects it with a status of its own.

    :ivar requests: the requests.
    """

    def __init__(self, status: int = 418) -> None:
        self.status = status
        self.requests: list[WebSocketRouterRequest] = []

    def __call__(self, request: WebSocketRouterRequest) -> None:
        self.requests.append(request)
        request.reject(self.status)

    def take(self) -> WebSocketRouterRequest:
        """
        The one request there was.
        """
        [request] = self.requests
        self.requests.clear()
        return request


class RouterTestCase(SynchronousTestCase):
    """
    What tests of routers need.

    :ivar router: the router.
    :ivar served: the site that it is the root of.
    """

    def setUp(self) -> None:
        self.router = WebSocketRouter()
        self.served = Served(self.router)

    def mount(self, path: Any, protocol: str | None = None) -> Heard:
        """
        Mount a handler.
        """
        heard = Heard()
        self.router.mount(path, protocol, heard)
        return heard

    def ask(self, path: str, *protocols: str, served: Served | None = None) -> int:
        """
        The status of the answer to whoever asks there, offering these subprotocols.
        """
        lines = [f"{PROTOCOL}: {', '.join(protocols)}"] if protocols else []
        served = self.served if served is None else served
        return served.request(*lines, path=path).response().status

    def assertRouted(self, heard: Heard, path: str, *protocols: str) -> Any:
        """
        Who asks there, offering these subprotocols, comes to this handler.

        :return: the request that it was given.
        """
        self.assertEqual(self.ask(path, *protocols), heard.status)
        return heard.take()

    def assertNowhere(self, path: str, *protocols: str) -> None:
        """
        Who asks there, offering these subprotocols, is told that there is nothing.
        """
        self.assertEqual(self.ask(path, *protocols), 404)

    def get(self, path: str, served: Served | None = None) -> Response:
        """
        What somebody gets who asks for a page.
        """
        served = self.served if served is None else served
        return served.request(path=path, without=ORDINARY).response()


class PathTests(RouterTestCase):
    """
    Tests of routes by their paths.
    """

    def test_literal(self) -> None:
        """
        A path is for itself alone.
        """
        heard = self.mount("/rooms/lobby")
        self.assertEqual(self.assertRouted(heard, "/rooms/lobby").parameters, {})
        for path in ("/", "/rooms", "/rooms/lobby/", "/rooms/Lobby", "/rooms/lobby/x"):
            self.assertNowhere(path)

    def test_root(self) -> None:
        """
        The path that is only a slash is for itself alone too.
        """
        heard = self.mount("/")
        self.assertRouted(heard, "/")
        self.assertNowhere("/rooms")
        self.assertNowhere("//")

    def test_query(self) -> None:
        """
        What stands behind a question mark does not count.
        """
        heard = self.mount("/rooms")
        request = self.assertRouted(heard, "/rooms?a=/b")
        self.assertEqual(request.resource, "/rooms?a=/b")

    def test_parameters(self) -> None:
        """
        A name in braces is for one whole segment, and the handler is told which.
        """
        heard = self.mount("/rooms/{room}/{who}")
        request = self.assertRouted(heard, "/rooms/lobby/ada")
        self.assertEqual(request.parameters, {"room": "lobby", "who": "ada"})
        for path in ("/rooms/lobby", "/rooms/lobby/", "/rooms//ada", "/rooms/a/b/c"):
            self.assertNowhere(path)

    def test_decoded(self) -> None:
        """
        What is told was decoded once; an encoded slash stays in its segment.
        """
        heard = self.mount("/{room}")
        for path, room in (
            ("/caf%C3%A9", "café"),
            ("/a%2Fb", "a/b"),
            ("/a%252Fb", "a%2Fb"),
            ("/%25", "%"),
        ):
            request = self.assertRouted(heard, path)
            self.assertEqual(request.parameters, {"room": room})

    def test_notText(self) -> None:
        """
        A path that is not UTF-8 leads nowhere, not even to any.
        """
        self.mount("/{room}")
        self.mount("*")
        self.assertNowhere("/%FF")
        self.assertNowhere("/a/%C3/b")

    def test_any(self) -> None:
        """
        An asterisk is for any path.
        """
        heard = self.mount("*")
        for path in ("/", "/a", "/a/b/", "/a%2Fb", "//"):
            self.assertEqual(self.assertRouted(heard, path).parameters, {})

    def test_expression(self) -> None:
        """
        A compiled expression is for all of a path, and its groups are told by name or
        number.
        """
        heard = self.mount(re.compile(r"/(?P<room>[a-z]+)/(\d+)", re.IGNORECASE))
        request = self.assertRouted(heard, "/Lobby/12")
        self.assertEqual(request.parameters, {"room": "Lobby", "2": "12"})
        self.assertNowhere("/lobby/12/")
        self.assertNowhere("/x/lobby/12")

    def test_order(self) -> None:
        """
        Of several paths that fit, the one that was mounted first counts.
        """
        lobby, anyRoom, rest = map(self.mount, ("/lobby", "/{room}", "*"))
        self.mount("/{other}")
        self.mount("/attic")
        self.assertRouted(lobby, "/lobby")
        self.assertRouted(anyRoom, "/attic")
        self.assertRouted(rest, "/a/b")


class ProtocolTests(RouterTestCase):
    """
    Tests of routes by their subprotocols.
    """

    def test_offered(self) -> None:
        """
        A route with a subprotocol is for whoever offers it, among others perhaps.
        """
        heard = self.mount("/", "v1")
        self.assertEqual(self.assertRouted(heard, "/", "v1").protocol, "v1")
        self.assertEqual(self.assertRouted(heard, "/", "v2", "v1").protocol, "v1")
        self.assertNowhere("/", "v2")
        self.assertNowhere("/")

    def test_case(self) -> None:
        """
        Subprotocols are compared as they are written.
        """
        upper, lower = self.mount("/", "Chat"), self.mount("/", "chat")
        self.assertEqual(self.assertRouted(upper, "/", "Chat").protocol, "Chat")
        self.assertEqual(self.assertRouted(lower, "/", "chat").protocol, "chat")
        self.assertNowhere("/", "CHAT")

    def test_none(self) -> None:
        """
        A route without a subprotocol is for whoever offers none, and nobody else.
        """
        heard = self.mount("/", None)
        self.assertIsNone(self.assertRouted(heard, "/").protocol)
        self.assertNowhere("/", "v1")

    def test_any(self) -> None:
        """
        A route for any subprotocol is for whoever offers some, or none.
        """
        heard = self.mount("/", "*")
        self.assertRouted(heard, "/", "v1", "v2")
        self.assertIsNone(self.assertRouted(heard, "/").protocol)

    def test_clientsOrder(self) -> None:
        """
        The client's order decides, not the order in which routes were mounted.
        """
        one, two = self.mount("/", "v1"), self.mount("/{room}", "v2")
        three = self.mount("*", "v3")
        self.assertRouted(one, "/", "v1", "v3")
        self.assertRouted(three, "/", "v3", "v1")
        self.assertRouted(two, "/x", "v1", "v2", "v3")
        self.assertRouted(three, "/x", "v1", "v3", "v2")

    def test_mountOrder(self) -> None:
        """
        Of routes for the same subprotocol, the one that was mounted first decides, be
        it for any.
        """
        anyProtocol, one = self.mount("/", "*"), self.mount("*", "v1")
        self.assertRouted(anyProtocol, "/", "v1")
        self.assertRouted(one, "/x", "v1")
        self.router.unmount("/", "*")
        self.router.mount("/", "*", anyProtocol)
        self.assertRouted(one, "/", "v1")
        self.assertRouted(anyProtocol, "/", "v2")

    def test_literalAsterisk(self) -> None:
        """
        A client that offers a subprotocol of this odd name comes to no route for
        another.
        """
        self.mount("/", "v1")
        self.mount("/", None)
        self.assertNowhere("/", "*")

    def test_nowhere(self) -> None:
        """
        Who comes to no route is answered 404, in words.
        """
        self.mount("/", "v1")
        response = self.served.request(f"{PROTOCOL}: v2").response()
        self.assertEqual(response.status, 404)
        self.assertIn(b"No WebSocket is served here", response.body)


class RoutesTests(RouterTestCase):
    """
    Tests of adding and removing routes.
    """

    def test_twice(self) -> None:
        """
        A path and subprotocol can't be mounted twice, and the first stays.
        """
        for path in ("/chat", "/{room}", "*", re.compile("/a", re.IGNORECASE)):
            for protocol in ("v1", "*", None):
                heard = self.mount(path, protocol)
                error = self.assertRaises(ValueError, self.mount, path, protocol)
                self.assertIn(repr(path), str(error))
                self.assertIn(repr(protocol), str(error))
                self.router.unmount(path, protocol)
                self.assertRaises(ValueError, self.router.unmount, path, protocol)
                self.assertEqual(heard.requests, [])

    def test_firstStays(self) -> None:
        """
        The route that was there goes on after such a mistake.
        """
        heard = self.mount("/", None)
        self.assertRaises(ValueError, self.mount, "/", None)
        self.assertRouted(heard, "/")

    def test_sameExpression(self) -> None:
        """
        An expression that is compiled again is the same one; with other flags it is
        not.
        """
        self.mount(re.compile("/a"))
        self.mount(re.compile("/a", re.IGNORECASE))
        self.assertRaises(ValueError, self.mount, re.compile("/a"))
        self.router.unmount(re.compile("/a"), None)
        self.assertNowhere("/b")
        self.assertEqual(self.ask("/A"), 418)

    def test_unmount(self) -> None:
        """
        A route can be removed; others, also for the same path, stay.
        """
        gone, stays = self.mount("/", "v1"), self.mount("/", None)
        self.router.unmount("/", "v1")
        self.assertNowhere("/", "v1")
        self.assertRouted(stays, "/")
        self.assertEqual(gone.requests, [])

    def test_unmountUnknown(self) -> None:
        """
        A route that is not there can't be removed: path and subprotocol have to be
        just those it was mounted with.
        """
        self.mount("/{room}", "v1")
        for path, protocol in (
            ("/{room}", "V1"),
            ("/{room}", None),
            ("/{room}", "*"),
            ("/{other}", "v1"),
            ("/", "v1"),
        ):
            error = self.assertRaises(ValueError, self.router.unmount, path, protocol)
            self.assertIn(repr(path), str(error))

    def test_badPaths(self) -> None:
        """
        What is no path is refused, and changes nothing.
        """
        for path in ("", "chat", "/{a}/{a}"):
            error = self.assertRaises(ValueError, self.mount, path)
            self.assertIn(repr(path), str(error))
        for path in (None, b"/chat", re.compile(b"/chat")):
            self.assertRaises(TypeError, self.mount, path)
        self.assertNowhere("/chat")
        self.assertRaises(ValueError, self.router.unmount, "chat", None)

    def test_badProtocols(self) -> None:
        """
        What no client could offer is refused as a subprotocol.
        """
        for protocol in ("", "v1, v2", "a b", "ü"):
            error = self.assertRaises(ValueError, self.mount, "/", protocol)
            self.assertIn(repr(protocol), str(error))
        things: list[Any] = [b"v1", 5, ["v1"]]
        for thing in things:
            with self.assertRaises((TypeError, ValueError)):
                self.mount("/", thing)

    def test_badApplication(self) -> None:
        """
        What can't be served is refused, and leaves no route.
        """
        self.assertRaises(TypeError, self.router.mount, "/", None, None)
        self.assertRaises(TypeError, self.router.mount, "/", None, Recorder())
        self.mount("/", None)

    def test_later(self) -> None:
        """
        Routes can come and go while a site serves them.
        """
        self.assertNowhere("/")
        heard = self.mount("/")
        self.assertRouted(heard, "/")
        self.router.unmount("/", None)
        self.assertNowhere("/")


class ApplicationTests(RouterTestCase):
    """
    Tests of what can be mounted.
    """

    def setUp(self) -> None:
        super().setUp()
        self.made: list[Recorder] = []

    def assertTalks(self, *lines: str) -> Response:
        """
        Who asks for a WebSocket gets one, and the application hears what is said.
        """
        peer = self.served.request(*lines)
        response = peer.response()
        self.assertEqual(response.status, 101)
        peer.sendText("hello")
        self.assertEqual(self.made.pop().messages, ["hello"])
        return response

    def make(self) -> Recorder:
        """
        Make an application.
        """
        self.made.append(Recorder())
        return self.made[-1]

    def test_class(self) -> None:
        """
        A class is made for each connection, with the subprotocol that matched.
        """
        made = self.made

        class Application(Recorder):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        self.router.mount("/", "v1", Application)
        response = self.assertTalks(f"{PROTOCOL}: v2, v1")
        self.assertEqual(response.header(PROTOCOL), ["v1"])

    def test_factory(self) -> None:
        """
        A factory is given the request of twisted.web.
        """
        asked = []
        make = self.make

        class Factory:
            def buildProtocol(self, request: Request) -> Any:
                asked.append(request)
                return None if request.args else make()

        self.router.mount("/", None, Factory())
        self.assertTalks()
        self.assertIsInstance(asked[0], Request)
        self.assertEqual(self.ask("/?no=1"), 403)

    def test_coroutine(self) -> None:
        """
        A coroutine may take its time, and talk by itself.
        """
        decision: Deferred[Any] = Deferred()

        async def chat(request: WebSocketRouterRequest) -> None:
            await decision
            connection = request.accept()
            connection.send(f"in {request.parameters['room']}")
            async for message in connection:
                connection.send(f"{message}!")

        self.router.mount("/rooms/{room}", "chat.v1", chat)
        peer = self.served.request(f"{PROTOCOL}: chat.v1", path="/rooms/lobby")
        self.assertEqual(peer.received(), b"")
        decision.callback(None)
        self.assertEqual(peer.response().header(PROTOCOL), ["chat.v1"])
        self.assertEqual(peer.frames(), [text("in lobby")])
        peer.sendText("hello")
        self.assertEqual(peer.frames(), [text("hello!")])
        peer.sendClose()
        self.assertEqual(peer.frames(), [close()])

    def test_undecided(self) -> None:
        """
        A coroutine that ends undecided has the client answered 500, and is logged.
        """

        async def nothing(request: WebSocketRouterRequest) -> None:
            return

        self.router.mount("/", None, nothing)
        self.assertEqual(self.ask("/"), 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_raises(self) -> None:
        """
        So is one that raises, and all other routes go on.
        """

        def broken(request: WebSocketRouterRequest) -> None:
            raise ZeroDivisionError("secret")

        self.router.mount("/", None, broken)
        heard = self.mount("*")
        self.assertEqual(self.ask("/"), 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertRouted(heard, "/other")

    def test_config(self) -> None:
        """
        A router takes options, and a clock, as a WebSocketResource does.
        """
        clock = Clock()
        config = ServerConfig(openTimeout=2)
        router = WebSocketRouter(config, clock=clock)
        router.mount("/", None, lambda request: None)
        self.assertIs(router.server.config, config)
        peer = Served(router).request()
        self.assertEqual(peer.received(), b"")
        clock.advance(2)
        self.assertEqual(peer.response().status, 503)

    def test_limits(self) -> None:
        """
        All its routes share one server, with its limits and its connections.
        """
        self.served = Served(WebSocketRouter(ServerConfig(maxConnections=1)))
        router = self.served.resource
        for path in ("/a", "/b"):
            router.mount(path, None, Recorder)
        peer = self.served.upgrade(path="/a")
        self.assertEqual(self.ask("/b"), 503)
        router.server.broadcast("hello")
        self.assertEqual(peer.frames(), [text("hello")])


class TreeTests(RouterTestCase):
    """
    Tests of routers in a tree of resources.
    """

    def setUp(self) -> None:
        super().setUp()
        self.root = Resource()
        self.root.putChild(b"page", Data(b"a page", "text/plain"))
        self.root.putChild(b"chat", self.router)
        self.served = Served(self.root)

    def test_interface(self) -> None:
        """
        A router is a resource.
        """
        self.assertTrue(verifyObject(IResource, self.router))
        self.assertIsInstance(self.router, WebSocketResource)

    def test_below(self) -> None:
        """
        A router matches the path below its own.
        """
        heard = self.mount("/rooms/{room}")
        request = self.assertRouted(heard, "/chat/rooms/lobby")
        self.assertEqual(request.parameters, {"room": "lobby"})
        self.assertEqual(request.resource, "/chat/rooms/lobby")
        self.assertNowhere("/chat/chat/rooms/lobby")
        self.assertNowhere("/rooms/lobby")

    def test_ownPath(self) -> None:
        """
        Its own path is its root, with and without a slash at the end.
        """
        heard = self.mount("/")
        self.assertRouted(heard, "/chat")
        self.assertRouted(heard, "/chat/")
        self.assertNowhere("/chat//")

    def test_slashAtEnd(self) -> None:
        """
        Further below a slash at the end counts.
        """
        plain, slash = self.mount("/a"), self.mount("/a/")
        self.assertRouted(plain, "/chat/a")
        self.assertRouted(slash, "/chat/a/")

    def test_decoded(self) -> None:
        """
        What is below is decoded once, after it was cut into segments.
        """
        heard = self.mount("/{room}")
        for path, room in (("/chat/a%2Fb", "a/b"), ("/chat/%252F", "%2F")):
            request = self.assertRouted(heard, path)
            self.assertEqual(request.parameters, {"room": room})
        self.assertNowhere("/chat/%FF")

    def test_deeper(self) -> None:
        """
        A router matches below itself wherever it stands.
        """
        outer = Resource()
        outer.putChild(b"deep", self.root)
        self.served = Served(outer)
        heard = self.mount("/{room}")
        request = self.assertRouted(heard, "/deep/chat/lobby")
        self.assertEqual(request.parameters, {"room": "lobby"})

    def test_pages(self) -> None:
        """
        Pages can stand beside a router and below it, and are shown to whoever wants
        no WebSocket.
        """
        self.router.putChild(b"help", Data(b"how to chat", "text/plain"))
        heard = self.mount("/{room}")
        self.assertEqual(self.get("/page").body, b"a page")
        self.assertEqual(self.get("/chat/help").body, b"how to chat")
        self.assertEqual(self.get("/chat/lobby").status, 404)
        self.assertRouted(heard, "/chat/lobby")

    def test_child(self) -> None:
        """
        A WebSocket that is put below a router keeps its path from the router's routes.
        """
        self.router.putChild(b"own", WebSocketResource(Recorder))
        heard = self.mount("*")
        self.assertEqual(self.ask("/chat/own"), 101)
        self.assertEqual(self.ask("/chat/own/"), 101)
        self.assertEqual(heard.requests, [])
        self.assertRouted(heard, "/chat/other")

    def test_childFirst(self) -> None:
        """
        What is put below a router keeps its path from the routes also if it is no
        WebSocket, with all that begins alike.
        """
        rooms = Resource()
        rooms.putChild(b"", Data(b"all rooms", "text/plain"))
        self.router.putChild(b"rooms", rooms)
        heard = self.mount("*")
        self.assertEqual(self.get("/chat/rooms/").body, b"all rooms")
        self.assertEqual(self.ask("/chat/rooms/"), 200)
        self.assertNowhere("/chat/rooms/lobby")
        self.assertRouted(heard, "/chat/room")

    def test_page(self) -> None:
        """
        Who asks for a page at a router's own path is shown the one it was given, or is
        told that there is none.
        """
        for path in ("/chat", "/chat/"):
            self.assertEqual(self.get(path).status, 426)
        self.assertEqual(self.get("/chat/rooms").status, 404)
        page = Data(b"come in", "text/plain")
        self.root.putChild(b"door", WebSocketRouter(page=page))
        for path in ("/door", "/door/"):
            self.assertEqual(self.get(path).body, b"come in")

    def test_root(self) -> None:
        """
        A router can be the root of a site, with pages beside its routes.
        """
        self.served = Served(self.router)
        self.router.putChild(b"page", Data(b"a page", "text/plain"))
        heard = self.mount("/rooms/{room}")
        front = self.mount("/")
        self.assertRouted(heard, "/rooms/lobby")
        self.assertRouted(front, "/")
        self.assertEqual(self.get("/page").body, b"a page")
        self.assertEqual(self.get("/").status, 426)

    def test_severalRequests(self) -> None:
        """
        Requests that wait for a decision do not mix up their paths.
        """
        requests: list[WebSocketRouterRequest] = []
        self.router.mount("/{room}", None, requests.append)
        for room in ("lobby", "attic"):
            self.served.request(path=f"/chat/{room}")
        self.assertEqual(
            [request.parameters["room"] for request in requests], ["lobby", "attic"]
        )

    def test_sameConnection(self) -> None:
        """
        A client that was shown a page can ask for a WebSocket on the same connection.
        """
        heard = self.mount("/lobby")
        peer = self.served.request(path="/page", without=ORDINARY)
        self.assertEqual(peer.response().body, b"a page")
        peer.send(handshake(path="/chat/lobby"))
        self.assertEqual(peer.response().status, heard.status)
        heard.take()

    def test_server(self) -> None:
        """
        putChild takes no router's server away.
        """
        self.assertIsInstance(self.router.server, WebSocketServer)


class AttachTests(RouterTestCase):
    """
    Tests of routers that are attached to a server.
    """

    def setUp(self) -> None:
        super().setUp()
        self.root = Resource()
        self.root.putChild(b"", Data(b"a page", "text/plain"))
        self.served = Served(self.root)
        self.server = WebSocketServer(None)
        self.server.mount(self.served.site)

    def test_wholePath(self) -> None:
        """
        An attached router matches whole paths.
        """
        self.router.attachServer(self.server)
        heard = self.mount("/rooms/{room}")
        front = self.mount("/")
        request = self.assertRouted(heard, "/rooms/a%2Fb?c=d")
        self.assertEqual(request.parameters, {"room": "a/b"})
        self.assertRouted(front, "/")
        self.assertNowhere("/rooms/lobby/")
        self.assertNowhere("/%FF")
        self.assertEqual(self.get("/").body, b"a page")

    def test_severalSites(self) -> None:
        """
        It routes for all sites that the server is mounted on, with the server's
        options.
        """
        other = Served(Resource())
        self.server.mount(other.site)
        self.router.attachServer(self.server)
        self.router.mount("/a", None, Recorder)
        for served in (self.served, other):
            served.upgrade(path="/a")
            self.assertEqual(self.ask("/b", served=served), 404)
        self.assertEqual(len(self.server.connections), 2)
        self.assertEqual(len(self.router.server.connections), 0)

    def test_detach(self) -> None:
        """
        A detached router routes nothing there, and leaves connections as they are.
        """
        self.router.attachServer(self.server)
        self.router.mount("/", None, Recorder)
        peer = self.served.upgrade()
        self.router.detachServer()
        self.assertIsNone(self.server.application)
        self.assertNowhere("/")
        self.server.broadcast("hello")
        self.assertEqual(peer.frames(), [text("hello")])

    def test_again(self) -> None:
        """
        It can be attached again, to another server too.
        """
        heard = self.mount("/")
        for _ in range(2):
            self.router.attachServer(self.server)
            self.assertRouted(heard, "/")
            self.router.detachServer()
        other = Served(Resource())
        server = WebSocketServer(None)
        server.mount(other.site)
        self.router.attachServer(server)
        self.assertEqual(self.ask("/", served=other), heard.status)
        self.assertNowhere("/")

    def test_twice(self) -> None:
        """
        A router is attached to one server at a time.
        """
        self.router.attachServer(self.server)
        self.assertRaises(ValueError, self.router.attachServer, self.server)
        other = WebSocketServer(None)
        self.assertRaises(ValueError, self.router.attachServer, other)
        self.assertIsNone(other.application)

    def test_taken(self) -> None:
        """
        A server that has an application, another router for example, keeps it.
        """
        server = WebSocketServer(Recorder)
        error = self.assertRaises(ValueError, self.router.attachServer, server)
        self.assertIn("Recorder", str(error))
        self.assertIs(server.application, Recorder)
        WebSocketRouter().attachServer(self.server)
        self.assertRaises(ValueError, self.router.attachServer, self.server)
        self.router.attachServer(WebSocketServer(None))

    def test_notAttached(self) -> None:
        """
        A router that is not attached can't be detached.
        """
        self.assertRaises(ValueError, self.router.detachServer)
        self.router.attachServer(self.server)
        self.router.detachServer()
        self.assertRaises(ValueError, self.router.detachServer)

    def test_replaced(self) -> None:
        """
        What the server has been given in the router's place stays when the router
        leaves.
        """
        self.router.attachServer(self.server)
        self.server.application = Recorder
        self.router.detachServer()
        self.assertIs(self.server.application, Recorder)

    def test_inTreeToo(self) -> None:
        """
        A router can be in a tree and attached at the same time.
        """
        self.root.putChild(b"chat", self.router)
        self.router.attachServer(self.server)
        heard = self.mount("/lobby")
        self.assertRouted(heard, "/chat/lobby")
        self.assertRouted(heard, "/lobby")


class RequestTests(RouterTestCase):
    """
    Tests of the requests that routes are given.
    """

    def assertAccepted(self, accept: Any, *lines: str, protocol: Any = "v1") -> Peer:
        """
        Accept a request in this way, and have it upgraded.

        :return: the client.
        """

        def handler(request: WebSocketRouterRequest) -> None:
            self.connection: WebSocketConnection = accept(request)

        self.router.mount("/", protocol, handler)
        self.peer = self.served.request(*lines)
        self.response = self.peer.response()
        self.assertEqual(self.response.status, 101)
        return self.peer

    def test_properties(self) -> None:
        """
        It has all that a request has which no router was asked about, and the same.
        """
        heard = self.mount("/", "v1")
        request = self.assertRouted(heard, "/", "v1")
        original = request.webSocketRequest
        self.assertIsInstance(original, WebSocketRequest)
        names = {name for name in dir(original) if not name.startswith("_")}
        self.assertEqual(names - set(dir(request)), set())
        names -= {"accept", "reject"}
        for name in sorted(names):
            self.assertEqual(getattr(request, name), getattr(original, name), name)
        self.flushWarnings()

    def test_values(self) -> None:
        """
        It tells what the client has said.
        """
        heard = self.mount("/{room}", "v1")
        self.served.request(
            f"{PROTOCOL}: v2, v1",
            "Cookie: sid=1",
            "Origin: http://example.com",
            "Sec-WebSocket-Extensions: x-nothing",
            path="/lobby?a=b",
        )
        request = heard.take()
        self.assertEqual(request.protocol, "v1")
        self.assertEqual(request.parameters, {"room": "lobby"})
        self.assertEqual(request.requestedProtocols, ("v2", "v1"))
        self.assertEqual(request.cookies, {"sid": "1"})
        self.assertEqual(request.origin, "http://example.com")
        self.assertEqual(request.resource, "/lobby?a=b")
        self.assertEqual(request.resourceURL.path, "/lobby")
        self.assertEqual(request.host, "example.com")
        self.assertEqual(request.remoteAddress, "192.0.2.1")
        self.assertEqual(request.remoteAddresses, ("192.0.2.1",))
        self.assertEqual(request.webSocketVersion, 13)
        self.assertEqual([e.name for e in request.requestedExtensions], ["x-nothing"])
        self.assertIsInstance(request.httpRequest, Request)
        self.assertTrue(request.isDecided)

    def test_accept(self) -> None:
        """
        accept() agrees to the subprotocol that matched.
        """
        self.assertAccepted(lambda request: request.accept(), f"{PROTOCOL}: v2, v1")
        self.assertEqual(self.response.header(PROTOCOL), ["v1"])
        self.assertEqual(self.connection.protocol, "v1")

    def test_acceptOther(self) -> None:
        """
        It can be given another one that the client offers, but none that it does not.
        """

        def accept(request: WebSocketRouterRequest) -> WebSocketConnection:
            self.assertRaises(ValueError, request.accept, "v3")
            self.assertFalse(request.isDecided)
            return request.accept("v2")

        self.assertAccepted(accept, f"{PROTOCOL}: v2, v1")
        self.assertEqual(self.response.header(PROTOCOL), ["v2"])
        self.assertEqual(self.connection.protocol, "v2")

    def test_acceptNone(self) -> None:
        """
        Who offers no subprotocol gets none.
        """
        self.assertAccepted(lambda request: request.accept(), protocol=None)
        self.assertEqual(self.response.header(PROTOCOL), [])
        self.assertIsNone(self.connection.protocol)

    def test_acceptAny(self) -> None:
        """
        A route for any subprotocol agrees to none of its own accord: as without a
        router, the option ``subprotocols`` chooses.
        """
        self.router = WebSocketRouter(ServerConfig(subprotocols=["v2", "v1"]))
        self.served = Served(self.router)
        for lines, agreed in (
            ([f"{PROTOCOL}: v1, v2"], ["v2"]),
            ([f"{PROTOCOL}: v0, v1"], ["v1"]),
            ([f"{PROTOCOL}: v0"], []),
            ([], []),
        ):
            self.assertAccepted(lambda request: request.accept(), *lines, protocol="*")
            self.assertEqual(self.response.header(PROTOCOL), agreed)
            self.router.unmount("/", "*")

    def test_acceptAnyGiven(self) -> None:
        """
        There as well, the handler can choose one that the client offers.
        """
        self.assertAccepted(
            lambda request: request.accept("v2"), f"{PROTOCOL}: v1, v2", protocol="*"
        )
        self.assertEqual(self.response.header(PROTOCOL), ["v2"])

    def test_acceptOptions(self) -> None:
        """
        accept() passes on whatever else it is given.
        """
        application = Recorder()
        peer = self.assertAccepted(
            lambda request: request.accept(
                origin="http://example.com",
                cookies=[Cookie("seen", "1")],
                headers={"X-Room": "lobby"},
                application=application,
            ),
            f"{PROTOCOL}: v1",
            "Origin: http://example.com",
        )
        self.assertEqual(self.response.header("Set-Cookie"), ["seen=1"])
        self.assertEqual(self.response.header("X-Room"), ["lobby"])
        peer.sendText("hello")
        self.assertEqual(application.messages, ["hello"])

    def test_wrongOrigin(self) -> None:
        """
        The wrong origin leaves the request open.
        """

        def accept(request: WebSocketRouterRequest) -> WebSocketConnection:
            self.assertRaises(ValueError, request.accept, origin="http://a.example")
            return request.accept()

        self.assertAccepted(accept, f"{PROTOCOL}: v1")
        self.assertEqual(self.response.header(PROTOCOL), ["v1"])

    def test_reject(self) -> None:
        """
        reject() passes on whatever it is given.
        """
        self.router.mount(
            "/", None, lambda request: request.reject(402, "no", {"X-Price": "5"}, b"5")
        )
        response = self.served.request().response()
        self.assertEqual(response.status, 402)
        self.assertEqual(response.header("X-Price"), ["5"])
        self.assertEqual(response.body, b"5")

    def test_rejectReason(self) -> None:
        """
        Without more it says 403, and a sentence if there is one.
        """
        self.router.mount("/a", None, lambda request: request.reject())
        self.router.mount("/b", None, lambda request: request.reject(reason="not now"))
        self.assertEqual(self.ask("/a"), 403)
        response = self.served.request(path="/b").response()
        self.assertEqual(response.status, 403)
        self.assertIn(b"not now", response.body)

    def test_once(self) -> None:
        """
        It is decided once.
        """
        heard = self.mount("/")
        request = self.assertRouted(heard, "/")
        self.assertRaises(InvalidState, request.accept)
        self.assertRaises(InvalidState, request.reject)

    def test_connection(self) -> None:
        """
        The connection knows its request, whose path tells the room.
        """

        class Application(WebSocketProtocol):
            def negotiationFinished(self) -> None:
                self.connection.send(self.connection.request.resource)

        self.router.mount("/{room}", None, Application)
        peer = self.served.upgrade(path="/lobby")
        self.assertEqual(peer.frames(), [text("/lobby")])
