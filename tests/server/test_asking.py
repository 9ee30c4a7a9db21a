# Part of txwebsocket. See LICENSE for details.
"""
Tests of how a server answers those who ask for a WebSocket: the checks that come
before its application. Limits are in ``test_admission``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel

from tests.support.memory import Recorder, Response, Served
from tests.support.serving import ConnectionCallbacks, OddError, Serving
from txwebsocket import (
    INSECURE_ANY_ORIGIN,
    ServerConfig,
    WebSocketResource,
    WebSocketRouter,
    WebSocketServer,
    WebSocketServerProtocolFactory,
)
from txwebsocket.server.site import WebSocketSite
from txwebsocket.standalone.pages import RootResource
from txwebsocket.wire.errors import UpgradeRefused


class AdmissionTests(SynchronousTestCase):
    """
    Tests of what is checked before the application is asked.
    """

    def setUp(self) -> None:
        """
        Nobody shall be let in.
        """
        self.callbacks = ConnectionCallbacks()

    def refused(
        self, *lines: str, config: ServerConfig | None = None, **options: Any
    ) -> Response:
        """
        What a bad handshake is answered.
        """
        peer = Served(self.callbacks, config).request(*lines, **options)
        response = peer.response()
        self.assertEqual(self.callbacks.requests, [], lines)
        self.assertFalse(peer.transport.isConnected)
        self.assertIn("close", response.header("Connection")[0])
        self.assertGreater(len(response.body), 20)
        return response

    def test_method(self) -> None:
        """
        Other methods than GET are answered 405, which names GET.
        """
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"):
            response = self.refused(method=method)
            self.assertEqual(
                (response.status, response.header("Allow")), (405, ["GET"])
            )

    def test_httpVersion(self) -> None:
        """
        HTTP/1.0 is answered 400.
        """
        self.assertEqual(self.refused(version="HTTP/1.0").status, 400)

    def test_host(self) -> None:
        """
        Host must be there, once.
        """
        for lines, options in (
            ([], {"without": ["Host"]}),
            (["Host: a", "Host: b"], {}),
            (["Host:"], {}),
        ):
            response = self.refused(*lines, **options)
            self.assertEqual(response.status, 400)
            self.assertIn(b"Host", response.body)

    def test_badHost(self) -> None:
        """
        What is no host is answered 400 on every way in, and the application never sees
        it.
        """
        for host in ("h/admin?room=9#", "[", "a b", "h,g"):
            for way, served, own in self.waysIn():
                response = served.request(f"Host: {host}", path=f"/{own}").response()
                self.assertEqual(response.status, 400, (way, host))
        self.assertEqual(self.callbacks.requests, [])

    def test_noPath(self) -> None:
        """
        A target that only lacks its slash does not lead to the path that it resembles,
        on any way in.
        """
        for first in "x\\*":
            for way, served, own in self.waysIn():
                target = f"{first}{own}"
                if target == "*":
                    # That asks about the server as a whole (RFC 9112, 3.2.4).
                    continue
                response = served.request(path=target).response()
                self.assertEqual(response.status, 400, (way, target))
        self.assertEqual(self.callbacks.requests, [])

    def test_brokenURL(self) -> None:
        """
        A URL without a valid host, or with a fragment, leads nowhere, and leaves no
        traceback.
        """
        for target in ("http://[/", "http://[/chat", "http:///chat", "/chat#x"):
            for way, served, _ in self.waysIn():
                response = served.request(path=target).response()
                self.assertIn(response.status, (400, 404), (way, target))
        self.assertEqual(self.callbacks.requests, [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_absoluteURL(self) -> None:
        """
        A URL of the host that ``Host`` names is as good as its path (RFC 9112, 3.2.2),
        on a mounted server and on our own site.
        """
        for way, served, own in self.waysIn():
            if way in ("resource", "router"):
                # A plain Site takes the URL for a path, for pages too.
                continue
            served.request(path=f"http://Example.com:80/{own}?a=b")
            url = self.callbacks.requests.pop().resourceURL
            self.assertEqual((url.path, url.query), (f"/{own}", "a=b"), way)
            other = served.request(path=f"http://evil.example/{own}").response()
            self.assertEqual(other.status, 400, way)

    def test_plainSite(self) -> None:
        """
        Where it is taken for a path, no route fits it, not even one for all paths.
        """
        router = WebSocketRouter()
        router.mount("*", None, self.callbacks)
        response = Served(router).request(path="http://example.com/chat").response()
        self.assertEqual(response.status, 404)

    def test_allowedHosts(self) -> None:
        """
        A request for a host that is not in ``allowedHosts`` is answered 421 on every
        way in, even if its origin equals it. The answer names the host and the option.
        """
        config = ServerConfig(allowedHosts=["localhost", "*.example.com", "::1"])
        for host in (
            "evil.example",
            "localhost.evil.example",
            "192.0.2.1",
            "example.com",
        ):
            for way, served, own in self.waysIn(config):
                lines = f"Host: {host}:8080", f"Origin: http://{host}:8080"
                response = served.request(*lines, path=f"/{own}").response()
                self.assertEqual(response.status, 421, (way, host))
                self.assertIn(host.encode(), response.body)
                self.assertIn(b"'allowedHosts'", response.body)
        self.assertEqual(self.callbacks.requests, [])

    def test_otherHosts(self) -> None:
        """
        All others get in, and by default any host does.
        """
        config = ServerConfig(allowedHosts=["localhost", "*.example.com", "::1"])
        for host in ("LocalHost:8080", "a.example.com", "[::1]:8080"):
            for way, served, own in (*self.waysIn(config), *self.waysIn()):
                served.request(f"Host: {host}", path=f"/{own}")
                self.assertEqual(self.callbacks.requests.pop().host, host, way)

    def waysIn(
        self, config: ServerConfig | None = None
    ) -> Iterator[tuple[str, Served, str]]:
        """
        All that can serve a WebSocket: a name, the site, and the path without a slash.
        """
        tree = Resource()
        tree.putChild(b"chat", WebSocketResource(self.callbacks, config))
        yield "resource", Served(tree), "chat"
        yield "strict", Served(tree, site=WebSocketSite(tree, reactor=Clock())), "chat"
        mounted = Served(Resource())
        WebSocketServer(self.callbacks, config).mount(mounted.site)
        yield "mounted", mounted, "chat"
        router = WebSocketRouter(config)
        router.mount("/chat", None, self.callbacks)
        yield "router", Served(router), "chat"
        routed, server = Served(Resource()), WebSocketServer(None, config)
        attached = WebSocketRouter()
        attached.mount("/chat", None, self.callbacks)
        attached.attachServer(server)
        server.mount(routed.site)
        yield "attached router", routed, "chat"
        bare = WebSocketServerProtocolFactory(self.callbacks, config, reactor=Clock())
        yield "bare transports", Served(Resource(), site=bare), "chat"
        root = RootResource(self.callbacks, config or ServerConfig())
        yield "twistd", Served(root, site=WebSocketSite(root, reactor=Clock())), ""

    def test_upgrade(self) -> None:
        """
        A request without ``Upgrade`` is answered 426, with what it lacks.
        """
        for lines, options in (
            ([], {"without": ["Upgrade"]}),
            (["Upgrade: h2c"], {}),
            (["Upgrade: websockets"], {}),
        ):
            response = self.refused(*lines, **options)
            self.assertEqual(response.status, 426)
            self.assertEqual(response.header("Upgrade"), ["websocket"])
            self.assertEqual(response.header("Sec-WebSocket-Version"), ["13, 8"])

    def test_connection(self) -> None:
        """
        ``Connection`` must name Upgrade, as a word of its own.
        """
        for lines, options in (
            ([], {"without": ["Connection"]}),
            (["Connection: keep-alive"], {}),
            (["Connection: notupgrade"], {}),
            (["Connection: Upgrade: yes"], {}),
        ):
            response = self.refused(*lines, **options)
            self.assertEqual(response.status, 400)
            self.assertIn(b"Connection", response.body)

    def test_key(self) -> None:
        """
        The key must be there, once, and be 16 bytes in base64.
        """
        for lines, options in (
            ([], {"without": ["Sec-WebSocket-Key"]}),
            (["Sec-WebSocket-Key: short"], {}),
            (["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAA=="], {}),
            (["Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="], {}),
            (["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="] * 2, {}),
        ):
            self.assertEqual(self.refused(*lines, **options).status, 400)

    def test_version(self) -> None:
        """
        A version that is not spoken is answered 426 and those that are; none at all or
        nonsense 400, with them as well.
        """
        for lines, options, status in (
            (["Sec-WebSocket-Version: 7"], {}, 426),
            (["Sec-WebSocket-Version: 14"], {}, 426),
            (["Sec-WebSocket-Version: 0"], {}, 426),
            (["Sec-WebSocket-Version: 13, 8"], {}, 400),
            (["Sec-WebSocket-Version: x"], {}, 400),
            (["Sec-WebSocket-Version: 13"] * 2, {}, 400),
            ([], {"without": ["Sec-WebSocket-Version"]}, 400),
        ):
            response = self.refused(*lines, **options)
            self.assertEqual(response.status, status, lines)
            self.assertEqual(response.header("Sec-WebSocket-Version"), ["13, 8"])

    def test_lists(self) -> None:
        """
        Lists that break their grammar are answered 400.
        """
        for line in (
            "Sec-WebSocket-Protocol: a b",
            "Sec-WebSocket-Protocol: a, a",
            "Sec-WebSocket-Protocol: a/b",
            "Sec-WebSocket-Extensions: x; =1",
            'Sec-WebSocket-Extensions: x; a="',
        ):
            self.assertEqual(self.refused(line).status, 400, line)

    def test_controlCharacters(self) -> None:
        """
        A control character in any header is answered 400: some take it for the end of
        a line.
        """
        for character in "\x0b\x0c\x1c\x1d\x1e\x7f\x01":
            response = self.refused(f"X-Name: a{character}Origin: http://example.com")
            self.assertEqual(response.status, 400)
            self.assertIn(b"control character", response.body)

    def test_channel(self) -> None:
        """
        Whoever asks over HTTP/2, where nothing can be taken over, is answered 426.
        """
        channel = DummyChannel()
        request = Request(channel)
        request.gotLength(0)
        request.method, request.clientproto = b"GET", b"HTTP/2"
        WebSocketServer(self.callbacks, clock=Clock()).serve(request)
        self.assertIn(b"426 Upgrade Required", channel.transport.written.getvalue())
        self.assertEqual(self.callbacks.requests, [])

    def test_nothingEscapes(self) -> None:
        """
        No refusal is an error of the server's: nothing but a line is logged.
        """
        with capturedLogs() as logged:
            self.refused("Sec-WebSocket-Key: \xff\xfe" + "x" * 500)
        lines = [event for event in logged if "refused" in event]
        self.assertEqual(len(lines), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_log(self) -> None:
        """
        What a client sent is logged in one line, cut, and without anything that a
        terminal would obey.
        """
        with capturedLogs() as logged:
            self.refused("Origin: http://\xe9\x9b\xaa" + "x" * 500)
        [event] = [event for event in logged if "refused" in event]
        self.assertTrue(event["refused"].isprintable())
        self.assertLess(len(event["refused"]), 600)
        self.assertIn("403", event["refused"])
        self.assertIn("192.0.2.1", event["client"])

    def test_upgradeError(self) -> None:
        """
        Whoever wants to know is told of each refusal, after the client; if that fails
        it is logged.
        """
        told: list[UpgradeRefused] = []

        def note(refused: UpgradeRefused) -> None:
            told.append(refused)
            raise OddError

        server = WebSocketServer(self.callbacks, clock=Clock(), onUpgradeError=note)
        peer = Served(Serving(server)).request("Sec-WebSocket-Version: 99")
        self.assertEqual(peer.response().status, 426)
        self.assertEqual([refused.status for refused in told], [426])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)


class OriginTests(SynchronousTestCase):
    """
    Tests of which pages may connect.
    """

    def status(
        self, origin: str | None, host: str = "example.com", origins: Any = ()
    ) -> int:
        """
        What a page of this origin is answered.
        """
        lines = [f"Host: {host}"]
        if origin is not None:
            lines.append(f"Origin: {origin}")
        served = Served(Recorder, ServerConfig(origins=origins))
        return served.request(*lines).response().status

    def test_none(self) -> None:
        """
        A program that sends no origin is let in.
        """
        self.assertEqual(self.status(None), 101)

    def test_same(self) -> None:
        """
        Pages of the host and port that was asked for are let in, in any case and with
        the default port spelled out or not.
        """
        for origin, host in (
            ("http://example.com", "example.com"),
            ("https://example.com", "example.com"),
            ("http://EXAMPLE.com", "example.COM"),
            ("http://example.com:80", "example.com"),
            ("https://example.com", "example.com:443"),
            ("http://example.com:8080", "example.com:8080"),
            ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ):
            self.assertEqual(self.status(origin, host), 101, origin)

    def test_lookalikes(self) -> None:
        """
        All others are answered 403, however alike they look.
        """
        for origin in (
            "http://evil.example",
            "http://evil-example.com",
            "http://example.com.evil.example",
            "http://example.com:81",
            "https://example.com:80",
            "http://example.com@evil.example",
            "http://evil.example/example.com",
            "http://evil.example#example.com",
            "http://sub.example.com",
            "http://example.com.",
            "http://example.co",
            "http://xn--exmple-cua.com",
            "http://\xe9xample.com",
            "null",
            "",
            "file://",
            "example.com",
            "//example.com",
            "http://example.com http://evil.example",
            "http://example.com, http://example.com",
            "http:///example.com",
        ):
            self.assertEqual(self.status(origin), 403, origin)

    def test_repeated(self) -> None:
        """
        Two origins are answered 403, even if both are good.
        """
        served = Served(Recorder)
        peer = served.request(*["Origin: http://example.com"] * 2)
        self.assertEqual(peer.response().status, 403)

    def test_draftHeader(self) -> None:
        """
        A client of the draft can't dodge the check by its header's other name, nor one
        of the standard.
        """
        served = Served(Recorder)
        evil = "http://evil.example"
        for version, name in (("8", "Sec-WebSocket-Origin"), ("13", "Origin")):
            peer = served.request(
                f"Sec-WebSocket-Version: {version}", f"{name}: {evil}"
            )
            self.assertEqual(peer.response().status, 403)

    def test_allowed(self) -> None:
        """
        The option ``origins`` lets in others: exact ones, hosts below one, or all.
        """
        friends = ["https://friend.example", "https://*.friend.example"]
        for origin, status in (
            ("https://friend.example", 101),
            ("https://a.b.friend.example", 101),
            ("https://notfriend.example", 403),
            ("http://friend.example", 403),
            ("https://friend.example:444", 403),
            ("http://example.com", 101),
        ):
            self.assertEqual(self.status(origin, origins=friends), status, origin)
        self.assertEqual(self.status("null", origins=[INSECURE_ANY_ORIGIN]), 101)

    def test_exactTexts(self) -> None:
        """
        What programs send that is no origin is let in if just that is named.
        """
        for text in ("null", "file://", "MyDevice", "http://example.com/chat"):
            self.assertEqual(self.status(text), 403)
            self.assertEqual(self.status(text, origins=[text]), 101)
            self.assertEqual(self.status(f"{text}x", origins=[text]), 403)
            self.assertEqual(self.status("http://evil.example", origins=[text]), 403)

    def test_callable(self) -> None:
        """
        Or what a callable says, which then decides alone.
        """
        chooser = {"http://evil.example": True}.get
        self.assertEqual(self.status("http://evil.example", origins=chooser), 101)
        self.assertEqual(self.status("http://example.com", origins=chooser), 403)
        self.assertEqual(self.status(None, origins=chooser), 101)

    def test_explanation(self) -> None:
        """
        The refusal names both sides and the option, in the answer and in the log.
        """
        with capturedLogs() as logged:
            peer = Served(Recorder).request("Origin: http://evil.example")
        body = peer.response().body
        for words in (b"'http://evil.example'", b"'example.com'", b"'origins'"):
            self.assertIn(words, body)
        [event] = [event for event in logged if "refused" in event]
        self.assertIn("http://evil.example", event["refused"])
