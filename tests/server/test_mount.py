# Part of txwebsocket. See LICENSE for details.
"""
Tests of servers that take over the upgrades of whole sites.
"""

from __future__ import annotations

from base64 import b64encode
from itertools import permutations
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.base import _ThreePhaseEvent
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.guard import BasicCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.resource import EncodingResourceWrapper, IResource, Resource
from twisted.web.server import GzipEncoderFactory, Request, Site
from twisted.web.static import Data
from twisted.web.test.requesthelper import DummyRequest
from twisted.web.vhost import NameVirtualHost
from zope.interface import implementer

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
    CloseCause,
    ServerConfig,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
    WebSocketRouter,
    WebSocketServer,
)
from txwebsocket.server.mount import asksForUpgrade
from txwebsocket.testing import MemoryTLSTransport

ORDINARY = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")


class Named(WebSocketProtocol):
    """
    Says its name.
    """

    name = "the server"

    def negotiationFinished(self) -> None:
        self.connection.send(self.name)


def named(what: str) -> type[Named]:
    """
    An application that says this.
    """
    return type("Application", (Named,), {"name": what})


class Where(Resource):
    """
    A page that shows how it was found.
    """

    def __init__(self, isLeaf: bool = False) -> None:
        super().__init__()
        self.isLeaf = isLeaf

    def render_GET(self, request: Request) -> bytes:
        return repr((request.prepath, request.postpath)).encode()

    def render_POST(self, request: Request) -> bytes:
        content: Any = request.content
        return b"posted " + bytes(content.read())


def makeTree() -> Resource:
    """
    A root with pages below.
    """
    root = Resource()
    root.putChild(b"", Data(b"the front page", "text/plain"))
    root.putChild(b"leaf", Where(isLeaf=True))
    branch = Where()
    branch.putChild(b"", Where())
    branch.putChild(b"twig", Where())
    root.putChild(b"branch", branch)
    return root


class MountingTestCase(SynchronousTestCase):
    """
    What tests of mounting need.
    """

    def get(self, served: Served, path: str, *lines: str) -> Response:
        """
        What somebody gets who asks for a page.
        """
        return served.request(*lines, path=path, without=ORDINARY).response()

    def assertPages(self, served: Served) -> None:
        """
        All pages of the tree are there, and found as ever.
        """
        plain = Served(makeTree())
        for path in (
            "/",
            "/leaf",
            "/leaf/",
            "/leaf/a/b",
            "/leaf/a%2Fb//",
            "/branch",
            "/branch/",
            "/branch/twig",
            "/branch/twig/",
            "/branch/none",
            "/none",
            "//",
        ):
            response = self.get(served, path)
            expected = self.get(plain, path)
            self.assertEqual(response[:2], expected[:2], path)
            self.assertEqual(response.body, expected.body, path)

    def assertServedBy(self, who: str, served: Served, path: str = "/") -> Peer:
        """
        Who asks for a WebSocket there gets one, from this application.
        """
        peer = served.upgrade(path=path)
        self.assertEqual(peer.frames(), [text(who)])
        return peer

    def assertNobody(self, served: Served, path: str = "/none") -> None:
        """
        Who asks for a WebSocket there is shown what else is there, which is nothing.
        """
        self.assertEqual(served.request(path=path).response().status, 404)


class AsksForUpgradeTests(SynchronousTestCase):
    """
    Tests of :func:`asksForUpgrade`.
    """

    def asks(self, **headers: str) -> bool:
        """
        Does a request with these headers ask?
        """
        request = DummyRequest([b""])
        for name, value in headers.items():
            request.requestHeaders.addRawHeader(name.replace("_", "-"), value)
        return asksForUpgrade(request)

    def test_asks(self) -> None:
        """
        A request asks for a WebSocket if ``Upgrade`` names one, in any case and among
        others.
        """
        for value in ("websocket", "WebSocket", "h2c, websocket"):
            self.assertTrue(self.asks(upgrade=value), value)

    def test_key(self) -> None:
        """
        A key alone counts too: a proxy may have removed the rest.
        """
        self.assertTrue(self.asks(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ=="))

    def test_page(self) -> None:
        """
        Whoever asks for something else, or for nothing, gets a page.
        """
        self.assertFalse(self.asks())
        self.assertFalse(self.asks(connection="Upgrade"))
        for value in ("h2c", "websockets", "websocket/13", '"', ""):
            self.assertFalse(self.asks(upgrade=value), value)


class PageTests(MountingTestCase):
    """
    Tests of what a site still serves when a server is mounted on it.
    """

    def setUp(self) -> None:
        self.served = Served(makeTree())
        self.server = WebSocketServer(Named)

    def test_pages(self) -> None:
        """
        All pages stay as they were, and so they do when the server leaves.
        """
        self.server.mount(self.served.site)
        self.assertPages(self.served)
        self.server.unmount()
        self.assertPages(self.served)

    def test_leafRoot(self) -> None:
        """
        A root that is a leaf is shown the whole path, as without the server.
        """
        for path in ("/", "/a", "/a/b/"):
            plain = self.get(Served(Where(isLeaf=True)), path)
            served = Served(Where(isLeaf=True))
            self.server.mount(served.site)
            self.assertEqual(self.get(served, path).body, plain.body)

    def test_methods(self) -> None:
        """
        A page is shown each request, whatever its method and body.
        """
        self.server.mount(self.served.site)
        response = self.served.request(
            "Content-Length: 5", path="/branch/twig", method="POST", without=ORDINARY
        )
        response.send(b"hello")
        self.assertEqual(response.response().body, b"posted hello")

    def test_oneConnection(self) -> None:
        """
        A client that has been shown a page can upgrade the same connection.
        """
        self.server.mount(self.served.site)
        peer = self.served.request(path="/", without=ORDINARY)
        self.assertEqual(peer.response().body, b"the front page")
        peer.send(handshake(path="/chat"))
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frames(), [text("the server")])

    def test_encoded(self) -> None:
        """
        Pages that are compressed stay so.
        """
        page = EncodingResourceWrapper(Where(isLeaf=True), [GzipEncoderFactory()])
        root = Resource()
        root.putChild(b"zipped", page)
        for resource in (root, page):
            served = Served(resource)
            self.server.mount(served.site)
            response = self.get(served, "/zipped", "Accept-Encoding: gzip")
            self.assertEqual(response.header("Content-Encoding"), ["gzip"])

    def test_putLater(self) -> None:
        """
        What is put onto the site's resource later is found, also when the server has
        left.
        """
        self.server.mount(self.served.site)
        page = Data(b"a new page", "text/plain")
        self.served.site.resource.putChild(b"new", page)
        self.assertEqual(self.get(self.served, "/new").body, b"a new page")
        self.server.unmount()
        self.assertEqual(self.get(self.served, "/new").body, b"a new page")

    def test_noSegments(self) -> None:
        """
        A site's root that is part of another tree as well is found there too, with what
        is mounted on it.
        """
        self.served = Served(Where())
        self.server.mount(self.served.site)
        outer = Resource()
        outer.putChild(b"inner", self.served.site.resource)
        other = Served(outer)
        self.assertEqual(self.get(other, "/inner").body, b"([b'inner'], [])")
        self.assertServedBy("the server", other, "/inner")
        self.assertServedBy("the server", other, "/inner/chat")

    def test_siteInTree(self) -> None:
        """
        A site that is part of another site's tree keeps its pages and its server.
        """
        self.server.mount(self.served.site)
        outer = Resource()
        outer.putChild(b"inner", self.served.site)
        other = Served(outer)
        self.assertEqual(
            self.get(other, "/inner/branch/twig").body,
            b"([b'inner', b'branch', b'twig'], [])",
        )
        self.assertServedBy("the server", other, "/inner/chat")


class UpgradeTests(MountingTestCase):
    """
    Tests of who gets a WebSocket from a server that is mounted on a site.
    """

    def setUp(self) -> None:
        self.served = Served(makeTree())
        self.server = WebSocketServer(Named)
        self.server.mount(self.served.site)

    def test_anyPath(self) -> None:
        """
        Whoever asks for an upgrade gets it, on any path, be there a page or not.
        """
        for path in ("/", "/chat", "/chat/", "/a/b/c?d=e", "/leaf/a", "/branch/twig"):
            self.assertServedBy("the server", self.served, path)

    def test_path(self) -> None:
        """
        The application sees which path it was.
        """
        seen = []

        def handler(request: WebSocketRequest) -> None:
            seen.append((request.resource, request.resourceURL.path))
            request.reject()

        self.server.application = handler
        self.served.request(path="/branch/%74wig/?a=b")
        self.assertEqual(seen, [("/branch/%74wig/?a=b", "/branch/%74wig/")])

    def test_notEnough(self) -> None:
        """
        Whoever asks for an upgrade in a wrong way is told what is wrong, and shown no
        page.
        """
        response = self.served.request(without=("Upgrade", "Connection")).response()
        self.assertEqual(response.status, 426)
        response = self.served.request("Sec-WebSocket-Key: 1").response()
        self.assertEqual(response.status, 400)

    def test_refused(self) -> None:
        """
        Whom the application refuses is shown no page either.
        """
        self.server.application = lambda request: request.reject(403, "go away")
        response = self.served.request(path="/").response()
        self.assertEqual(response.status, 403)
        self.assertIn(b"go away", response.body)

    def test_noPageAsked(self) -> None:
        """
        No page is rendered for an upgrade.
        """
        rendered = []

        class Page(Resource):
            isLeaf = True

            def render(self, request: Request) -> bytes:
                rendered.append(request)
                return b""

        self.served = Served(Page())
        self.server.mount(self.served.site)
        self.assertServedBy("the server", self.served)
        self.assertEqual(rendered, [])


class TreeTests(MountingTestCase):
    """
    Tests of WebSockets in the tree of a site that a server is mounted on.
    """

    def setUp(self) -> None:
        self.root = makeTree()
        self.served = Served(self.root)
        self.server = WebSocketServer(Named)
        self.server.mount(self.served.site)

    def test_resource(self) -> None:
        """
        A WebSocketResource in the tree keeps its own, with and without a slash at the
        end; the server has all other paths.
        """
        self.root.putChild(b"ws", WebSocketResource(named("the tree")))
        for path in ("/ws", "/ws/"):
            self.assertServedBy("the tree", self.served, path)
        for path in ("/", "/wss", "/ws/below"):
            self.assertServedBy("the server", self.served, path)
        self.assertEqual(self.get(self.served, "/ws").status, 426)
        self.assertPages(self.served)

    def test_root(self) -> None:
        """
        One that is the site's root keeps that path.
        """
        self.served = Served(named("the tree"))
        self.server.mount(self.served.site)
        self.assertServedBy("the tree", self.served, "/")
        self.assertServedBy("the server", self.served, "/chat")

    def test_router(self) -> None:
        """
        A router in the tree keeps all paths below its own.
        """
        router = WebSocketRouter()
        router.mount("/chat", None, named("the router"))
        self.root.putChild(b"ws", router)
        self.assertServedBy("the router", self.served, "/ws/chat")
        self.assertNobody(self.served, "/ws/talk")
        self.assertServedBy("the server", self.served, "/chat")

    def test_absoluteURL(self) -> None:
        """
        A request that names a whole URL comes to the same as one with its path.
        """
        self.root.putChild(b"ws", WebSocketResource(named("the tree")))
        self.assertServedBy("the tree", self.served, "http://example.com/ws")
        self.assertServedBy("the server", self.served, "http://example.com/chat")

    def test_routersChildren(self) -> None:
        """
        So does a WebSocket that is put below a router; where a page is put, the server
        has its way.
        """
        router = WebSocketRouter()
        router.mount("*", None, named("the router"))
        router.putChild(b"own", WebSocketResource(named("the child")))
        router.putChild(b"page", Data(b"a page", "text/plain"))
        self.root.putChild(b"ws", router)
        self.assertServedBy("the child", self.served, "/ws/own")
        self.assertServedBy("the server", self.served, "/ws/page")
        self.assertServedBy("the router", self.served, "/ws")
        self.assertServedBy("the router", self.served, "/ws/other")

    def test_deeper(self) -> None:
        """
        One can stand anywhere below.
        """
        branch = self.root.children[b"branch"]
        branch.putChild(b"ws", WebSocketResource(named("the tree")))
        self.assertServedBy("the tree", self.served, "/branch/ws")
        self.assertServedBy("the server", self.served, "/branch")
        self.assertServedBy("the server", self.served, "/branch/twig")

    def test_virtualHost(self) -> None:
        """
        One can stand in the tree of a virtual host.
        """
        hosts = NameVirtualHost()
        hosts.addHost(b"example.com", self.root)
        hosts.default = Resource()
        self.root.putChild(b"ws", WebSocketResource(named("the tree")))
        self.served = Served(hosts)
        self.assertServedBy("the tree", self.served, "/ws")
        self.server.mount(self.served.site)
        self.assertServedBy("the tree", self.served, "/ws")
        self.assertServedBy("the server", self.served, "/")
        peer = self.served.upgrade("Host: example.org", path="/ws")
        self.assertEqual(peer.frames(), [text("the server")])

    def test_madeOnDemand(self) -> None:
        """
        The server does not ask resources what they would make, so that it has the path
        of a WebSocket that is made only when it is asked for.
        """

        class Maker(Resource):
            def getChild(self, path: bytes, request: Request) -> Resource:
                return WebSocketResource(named("the tree"))

        self.root.putChild(b"maker", Maker())
        self.assertServedBy("the server", self.served, "/maker/ws")

    def test_severalServers(self) -> None:
        """
        One in the tree wins over several servers as well.
        """
        self.root.putChild(b"ws", WebSocketResource(named("the tree")))
        WebSocketServer(named("the other")).mount(self.served.site)
        self.assertServedBy("the tree", self.served, "/ws")
        self.assertServedBy("the other", self.served, "/")


@implementer(IRealm)
class Realm:
    """
    Lets everybody in whom a portal sends.

    :ivar present: who is in.
    :ivar seen: how many have been.
    """

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.present: list[Any] = []
        self.seen = 0

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        """
        Let somebody in.
        """
        self.seen += 1
        self.present.append(avatarId)
        return IResource, self.resource, lambda: self.present.remove(avatarId)


class BeforeTheTreeTests(MountingTestCase):
    """
    Tests of trees that do something when they are searched.
    """

    def setUp(self) -> None:
        self.root = makeTree()
        self.served = Served(self.root)
        WebSocketServer(Named).mount(self.served.site)

    def protect(self) -> Realm:
        """
        Put a page behind a login.
        """
        realm = Realm(Where(isLeaf=True))
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada=b"secret")
        wrapper = HTTPAuthSessionWrapper(
            Portal(realm, [checker]), [BasicCredentialFactory("test")]
        )
        self.root.putChild(b"private", wrapper)
        return realm

    def test_noLogin(self) -> None:
        """
        No login in the tree protects the server: it decides about all upgrades itself.
        """
        self.protect()
        self.assertEqual(self.get(self.served, "/private").status, 401)
        for path in ("/private", "/private/below"):
            self.assertServedBy("the server", self.served, path)

    def test_nobodyLoggedIn(self) -> None:
        """
        So nobody is logged in on the way to it, who would never be logged out.
        """
        realm = self.protect()
        login = "Authorization: Basic " + b64encode(b"ada:secret").decode()
        self.assertEqual(self.get(self.served, "/private", login).status, 200)
        self.assertEqual((realm.seen, realm.present), (1, []))
        for path in ("/private", "/private/below"):
            peer = self.served.upgrade(login, path=path)
            peer.sendClose()
            self.assertEqual((realm.seen, realm.present), (1, []))

    def test_brokenPage(self) -> None:
        """
        A page that can't be found because of a fault keeps no upgrade from the server.
        """

        class Broken(Resource):
            def getChild(self, path: bytes, request: Request) -> Any:
                raise ZeroDivisionError("the database is away")

        self.root.putChild(b"broken", Broken())
        self.assertEqual(self.get(self.served, "/broken/page").status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertServedBy("the server", self.served, "/broken/page")


class MountTests(MountingTestCase):
    """
    Tests of coming and going.
    """

    def setUp(self) -> None:
        self.served = Served(makeTree())
        self.root = self.served.site.resource
        self.server = WebSocketServer(Named)

    def assertUnmounted(self, served: Served) -> None:
        """
        The site is as it was before.
        """
        self.assertNobody(served)
        self.assertPages(served)

    def test_severalSites(self) -> None:
        """
        One server serves several sites, and counts all their connections together.
        """
        others = [Served(makeTree(), clock=self.served.clock) for _ in range(2)]
        self.server.mount(self.served.site, others[0].site)
        self.server.mount(others[1].site)
        peers = [
            self.assertServedBy("the server", each) for each in (self.served, *others)
        ]
        self.assertEqual(len(self.server.connections), 3)
        self.server.broadcast("hello")
        for peer in peers:
            self.assertEqual(peer.frames(), [text("hello")])

    def test_TLS(self) -> None:
        """
        A site with TLS and one without can share a server.
        """
        secure = Served(makeTree(), clock=self.served.clock)
        self.server.mount(self.served.site, secure.site)
        seen = []

        def handler(request: WebSocketRequest) -> None:
            seen.append(request.httpRequest.isSecure())
            request.accept(application=Named())

        self.server.application = handler
        peer = secure.connect(MemoryTLSTransport(secure.clock))
        peer.send(handshake())
        self.assertEqual(peer.response().status, 101)
        self.assertServedBy("the server", self.served)
        self.assertEqual(seen, [True, False])

    def test_unmountOne(self) -> None:
        """
        A server can leave one site and stay on another.
        """
        other = Served(makeTree())
        self.server.mount(self.served.site, other.site)
        self.server.unmount(self.served.site)
        self.assertUnmounted(self.served)
        self.assertIs(self.served.site.resource, self.root)
        self.assertServedBy("the server", other)

    def test_unmountAll(self) -> None:
        """
        A server leaves all sites if none is named.
        """
        others = [Served(makeTree()), self.served]
        self.server.mount(*(each.site for each in others))
        self.server.unmount()
        for each in others:
            self.assertUnmounted(each)
        self.assertIs(self.served.site.resource, self.root)

    def test_unmountNone(self) -> None:
        """
        A server that is mounted nowhere has nothing to leave.
        """
        self.server.unmount()
        self.assertUnmounted(self.served)

    def test_twice(self) -> None:
        """
        A server is mounted on a site once.
        """
        self.server.mount(self.served.site)
        error = self.assertRaises(ValueError, self.server.mount, self.served.site)
        self.assertIn(repr(self.served.site), str(error))
        self.server.unmount(self.served.site)
        self.assertUnmounted(self.served)
        self.assertIs(self.served.site.resource, self.root)

    def test_notThere(self) -> None:
        """
        A server can't leave where it is not.
        """
        error = self.assertRaises(ValueError, self.server.unmount, self.served.site)
        self.assertIn(repr(self.served.site), str(error))
        self.server.mount(self.served.site)
        self.server.unmount(self.served.site)
        self.assertRaises(ValueError, self.server.unmount, self.served.site)
        self.assertUnmounted(self.served)

    def test_again(self) -> None:
        """
        A server can come back.
        """
        for _ in range(3):
            self.server.mount(self.served.site)
            self.assertServedBy("the server", self.served)
            self.server.unmount(self.served.site)
            self.assertUnmounted(self.served)

    def test_newestFirst(self) -> None:
        """
        Of several servers on a site, the last that was mounted serves.
        """
        self.server.mount(self.served.site)
        WebSocketServer(named("the newest")).mount(self.served.site)
        self.assertServedBy("the newest", self.served)
        self.assertPages(self.served)

    def test_anyOrder(self) -> None:
        """
        Several servers on a site can leave in any order; the newest that is left
        serves.
        """
        names = ["one", "two", "three"]
        for order in permutations(names):
            served = Served(makeTree())
            before = served.site.resource
            servers = {name: WebSocketServer(named(name)) for name in names}
            for server in servers.values():
                server.mount(served.site)
            left = list(names)
            for name in order:
                self.assertServedBy(left[-1], served)
                servers[name].unmount(served.site)
                left.remove(name)
            self.assertUnmounted(served)
            self.assertIs(served.site.resource, before)

    def test_connections(self) -> None:
        """
        Leaving a site touches no connection.
        """
        self.server.mount(self.served.site)
        peer = self.assertServedBy("the server", self.served)
        self.server.unmount()
        self.assertEqual(len(self.server.connections), 1)
        self.server.broadcast("still there")
        self.assertEqual(peer.frames(), [text("still there")])

    def test_requests(self) -> None:
        """
        Nor does it touch requests that are not decided.
        """
        requests: list[WebSocketRequest] = []
        self.server.application = requests.append
        self.server.mount(self.served.site)
        peer = self.served.request()
        self.server.unmount()
        self.assertEqual(list(self.server.pendingRequests), requests)
        requests[0].accept(application=Named())
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frames(), [text("the server")])

    def test_shutDown(self) -> None:
        """
        A server that shuts down leaves its sites to their pages.
        """
        self.server.mount(self.served.site)
        self.assertServedBy("the server", self.served)
        self.server.shutDown()
        self.assertUnmounted(self.served)
        self.assertIs(self.served.site.resource, self.root)

    def test_wrapped(self) -> None:
        """
        A server leaves a site also if somebody else has put something in front of it
        since.
        """
        self.server.mount(self.served.site)
        wrapper = self.wrap(self.served.site)
        self.assertServedBy("the server", self.served)
        self.server.unmount(self.served.site)
        self.assertIs(self.served.site.resource, wrapper)
        self.assertUnmounted(self.served)

    def test_replaced(self) -> None:
        """
        So it does if the site serves something else altogether now.
        """
        self.server.mount(self.served.site)
        self.served.site.resource = page = Where()
        self.server.unmount(self.served.site)
        self.assertIs(self.served.site.resource, page)
        self.assertRaises(ValueError, self.server.unmount, self.served.site)

    def test_wrappedShutDown(self) -> None:
        """
        It shuts down then as well: all connections are closed.
        """
        self.server.mount(self.served.site)
        self.wrap(self.served.site)
        peer = self.assertServedBy("the server", self.served)
        done = self.server.shutDown()
        self.assertEqual(peer.frames(), [close(1001)])
        peer.sendClose(1001)
        self.assertIsNone(self.successResultOf(done))

    def wrap(self, site: Site) -> Resource:
        """
        Put a resource in front of what a site serves.
        """
        inner = site.resource

        class Wrapper(Resource):
            def getChildWithDefault(self, path: bytes, request: Request) -> Any:
                request.responseHeaders.addRawHeader("X-Wrapped", "1")
                return inner.getChildWithDefault(path, request)

        site.resource = Wrapper()
        return site.resource


@implementer(IReactorCore)
class StoppableReactor(Clock):
    """
    A clock with the system events of Twisted's reactors.

    :ivar events: what happens when it stops.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events = _ThreePhaseEvent()
        self.hasStopped = False

    def addSystemEventTrigger(
        self, phase: str, event: str, function: Any, *args: Any, **options: Any
    ) -> Any:
        """
        Add a trigger for the end.
        """
        if event != "shutdown":
            raise ValueError(f"there is no {event} here")
        return self.events.addTrigger(phase, function, *args, **options)

    def removeSystemEventTrigger(self, trigger: Any) -> None:
        """
        Take it back.
        """
        self.events.removeTrigger(trigger)

    def stop(self) -> None:
        """
        Begin to stop; when nobody asks for more time, it has stopped.
        """
        self.events.addTrigger("during", setattr, self, "hasStopped", True)
        self.events.fireEvent()


class ReactorTests(MountingTestCase):
    """
    Tests of what happens when the reactor of a site stops.
    """

    def setUp(self) -> None:
        self.reactor = StoppableReactor()
        self.served = Served(makeTree(), clock=self.reactor)
        self.server = WebSocketServer(Named, ServerConfig(closeTimeout=3))
        self.server.mount(self.served.site)

    def test_closed(self) -> None:
        """
        Connections are closed with 1001, and the reactor waits until they are gone.
        """
        peer = self.assertServedBy("the server", self.served)
        self.reactor.stop()
        self.assertEqual(peer.frames(), [close(1001)])
        self.assertFalse(self.reactor.hasStopped)
        peer.sendClose(1001)
        self.assertTrue(self.reactor.hasStopped)

    def test_bounded(self) -> None:
        """
        It waits no longer than ``closeTimeout``.
        """
        peer = self.assertServedBy("the server", self.served)
        [connection] = self.server.connections
        self.reactor.stop()
        peer.wait(2.9)
        self.assertFalse(self.reactor.hasStopped)
        peer.wait(0.1)
        self.assertTrue(self.reactor.hasStopped)
        self.assertIn(
            connection.closeReport.cause,  # type: ignore[union-attr]
            (CloseCause.SHUTDOWN, CloseCause.CLOSE_TIMEOUT),
        )

    def test_requests(self) -> None:
        """
        Requests that are not decided are answered 503.
        """
        requests: list[WebSocketRequest] = []
        self.server.application = requests.append
        peer = self.served.request()
        self.reactor.stop()
        self.assertEqual(peer.response().status, 503)
        self.assertTrue(self.reactor.hasStopped)

    def test_noConnections(self) -> None:
        """
        Where nobody is connected, nobody is waited for.
        """
        self.reactor.stop()
        self.assertTrue(self.reactor.hasStopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_quiet(self) -> None:
        """
        Twisted has nothing to warn of: a trigger that has fired is not removed.
        """
        self.reactor.stop()
        self.assertEqual(self.flushWarnings(), [])

    def test_severalSites(self) -> None:
        """
        A server on several sites of a reactor is shut down once.
        """
        other = Served(makeTree(), clock=self.reactor)
        self.server.mount(other.site)
        peers = [
            self.assertServedBy("the server", each) for each in (self.served, other)
        ]
        self.reactor.stop()
        for peer in peers:
            self.assertEqual(peer.frames(), [close(1001)])
            peer.sendClose(1001)
        self.assertTrue(self.reactor.hasStopped)

    def test_unmounted(self) -> None:
        """
        A server that has left has no say in when a reactor stops, and its connections
        are its own affair.
        """
        peer = self.assertServedBy("the server", self.served)
        self.server.unmount()
        self.assertEqual(self.reactor.events.before, [])
        self.reactor.stop()
        self.assertTrue(self.reactor.hasStopped)
        self.assertEqual(peer.frames(), [])

    def test_shutDownBefore(self) -> None:
        """
        Nor has one that was shut down.
        """
        self.server.shutDown()
        self.assertEqual(self.reactor.events.before, [])
        self.assertEqual(self.flushWarnings(), [])

    def test_otherSite(self) -> None:
        """
        Leaving one site leaves the trigger for another.
        """
        other = Served(makeTree(), clock=self.reactor)
        self.server.mount(other.site)
        self.server.unmount(self.served.site)
        peer = self.assertServedBy("the server", other)
        self.reactor.stop()
        self.assertEqual(peer.frames(), [close(1001)])

    def test_memoryReactor(self) -> None:
        """
        A reactor of Twisted's for tests, which can't take triggers back, can be used.
        """
        reactor = MemoryReactorClock()
        served = Served(makeTree(), clock=reactor)
        server = WebSocketServer(Recorder)
        server.mount(served.site)
        self.assertEqual(len(reactor.triggers["before"]["shutdown"]), 1)
        server.unmount()
        self.assertIn("before", reactor.triggers)

    def test_clock(self) -> None:
        """
        A clock, which never stops, can be used as well.
        """
        served = Served(makeTree())
        server = WebSocketServer(Named)
        server.mount(served.site)
        self.assertServedBy("the server", served)
        server.unmount()
        self.assertNobody(served)
