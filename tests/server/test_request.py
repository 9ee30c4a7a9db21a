# Part of txwebsocket. See LICENSE for details.
"""
Tests of a client's wish for a WebSocket.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.static import Data

from tests.support.memory import KEY, Peer, Recorder, Served, text
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    Cookie,
    Deflate,
    ExtensionHeader,
    InvalidState,
    ServerConfig,
    State,
    WebSocketProtocol,
    WebSocketRequest,
)
from txwebsocket.testing import MemoryTransport


class OddError(Exception):
    """
    What applications raise here.
    """


class RequestTestCase(SynchronousTestCase):
    """
    Has a client ask for a WebSocket, which nobody decides about.
    """

    def ask(
        self, *lines: str, config: ServerConfig | None = None, **options: Any
    ) -> WebSocketRequest:
        """
        The request that a handshake makes; ``self.peer`` is who sent it.
        """
        asked: list[WebSocketRequest] = []
        self.served = Served(asked.append, config)
        self.peer: Peer = self.served.request(*lines, **options)
        [request] = asked
        self.addCleanup(self.peer.vanish)
        return request

    def assertOpen(self, request: WebSocketRequest) -> None:
        """
        Check that nothing has been answered and the request can be accepted still.
        """
        self.peer.turn()
        self.assertEqual(self.peer.received(), b"")
        self.assertFalse(request.isDecided)
        request.accept()
        self.assertEqual(self.peer.response().status, 101)


class AskedTests(RequestTestCase):
    """
    Tests of what a request says.
    """

    def test_plain(self) -> None:
        """
        A handshake with no more than it must have says so.
        """
        request = self.ask()
        self.assertEqual(request.key, KEY)
        self.assertEqual(request.host, "example.com")
        self.assertIsNone(request.origin)
        self.assertEqual(request.resource, "/")
        self.assertEqual(request.requestedProtocols, ())
        self.assertEqual(request.requestedExtensions, ())
        self.assertEqual(request.webSocketVersion, 13)
        self.assertEqual(request.cookies, {})
        self.assertEqual(request.remoteAddress, "192.0.2.1")
        self.assertEqual(request.remoteAddresses, ("192.0.2.1",))
        self.assertFalse(request.isDecided)
        self.assertIsNone(request.link)
        self.assertEqual(repr(request), "<WebSocketRequest '/' from 192.0.2.1>")

    def test_resource(self) -> None:
        """
        The resource is what the request line has, undecoded; its parts can be had.
        """
        request = self.ask(path="/?a=%20b&c")
        self.assertEqual(request.resource, "/?a=%20b&c")
        self.assertEqual(request.resourceURL.path, "/")
        self.assertEqual(request.resourceURL.query, "a=%20b&c")
        self.assertEqual(request.resourceURL.netloc, "example.com")

    def test_resourceURL(self) -> None:
        """
        No odd request moves the path: what the request line has is what there is.
        """
        for path in ("/", "/?", "/?//h/admin", "/?a=http://h/?b", "/?[", "/?%23"):
            url = self.ask("Host: h:80", path=path).resourceURL
            self.assertEqual((url.netloc, url.path), ("h:80", "/"), path)
            self.assertEqual((url.query, url.fragment), (path[2:], ""))

    def test_doubleSlash(self) -> None:
        """
        A path that starts with two slashes is no host name.
        """
        asked: list[WebSocketRequest] = []

        class Everywhere(Resource):
            isLeaf = True

            def render(self, request: Request) -> Any:
                return served.resource.render(request)

        served = Served(asked.append)
        served.site.resource = Everywhere()
        served.request(path="//evil.example/x?y").vanish()
        url = asked[0].resourceURL
        self.assertEqual((url.netloc, url.path), ("example.com", "//evil.example/x"))

    def test_headers(self) -> None:
        """
        Origin, subprotocols, extensions and cookies are what the client sent.
        """
        request = self.ask(
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: v2.chat, V1.chat",
            "Sec-WebSocket-Protocol: other",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x",
            "Cookie: sid=abc; theme=dark",
        )
        self.assertEqual(request.origin, "http://example.com")
        self.assertEqual(request.requestedProtocols, ("v2.chat", "V1.chat", "other"))
        self.assertEqual(
            request.requestedExtensions,
            (
                ExtensionHeader(
                    "permessage-deflate", (("client_max_window_bits", None),)
                ),
                ExtensionHeader("x"),
            ),
        )
        self.assertEqual(request.cookies, {"sid": "abc", "theme": "dark"})

    def test_version8(self) -> None:
        """
        The draft's version and its header for the origin are known.
        """
        request = self.ask(
            "Sec-WebSocket-Version: 8", "Sec-WebSocket-Origin: http://example.com"
        )
        self.assertEqual(request.webSocketVersion, 8)
        self.assertEqual(request.origin, "http://example.com")

    def test_oddCookies(self) -> None:
        """
        A cookie that is not as it should be hides no other and raises no error.
        """
        request = self.ask(
            'Cookie: good=1; nothing; =noname; caf\xe9=\xff; quoted="a b"; last=2'
        )
        self.assertEqual((request.cookies["good"], request.cookies["last"]), ("1", "2"))

    def test_unparsed(self) -> None:
        """
        What need not be parsed isn't given.
        """
        request = self.ask(
            "Cookie: a=b",
            "Sec-WebSocket-Extensions: x",
            config=ServerConfig(parseCookies=False, parseExtensions=False),
        )
        self.assertEqual((request.cookies, request.requestedExtensions), ({}, ()))

    def test_remoteAddresses(self) -> None:
        """
        Only trusted proxies are believed when they tell where a request came from.
        """
        forged = "X-Forwarded-For: 198.51.100.7, 203.0.113.9"
        self.assertEqual(self.ask(forged).remoteAddress, "192.0.2.1")
        trusting = ServerConfig(trustedProxies=["192.0.2.0/24"])
        request = self.ask(forged, config=trusting)
        self.assertEqual(request.remoteAddress, "203.0.113.9")
        self.assertEqual(request.remoteAddresses, ("203.0.113.9", "192.0.2.1"))

    def test_remoteAddressOfConnection(self) -> None:
        """
        A connection has the address of its request, from its beginning to its end; the
        proxy is its transport's peer.
        """
        told: list[str | None] = []

        class Application(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                told.append(self.connection.remoteAddress)

        config = ServerConfig(trustedProxies=["192.0.2.1"])
        request = self.ask("X-Forwarded-For: 203.0.113.9", config=config)
        connection = request.accept(application=Application())
        self.assertEqual(connection.getPeer().host, "192.0.2.1")
        self.assertIn("203.0.113.9", repr(connection))
        connection.drop(1000, "", skipCloseFrame=True)
        told.append(connection.remoteAddress)
        self.assertEqual(told, ["203.0.113.9"] * 2)

    def test_noAddress(self) -> None:
        """
        A client at the other end of a UNIX socket has no address.
        """

        class Unix(MemoryTransport):
            def getPeer(self) -> Any:
                return object()

        asked: list[WebSocketRequest] = []
        served = Served(asked.append)
        peer = served.connect(Unix(served.clock))
        peer.send(b"".join([b"GET / HTTP/1.1\r\n", _HEADERS]))
        self.assertIsNone(asked[0].remoteAddress)
        self.assertEqual(repr(asked[0]), "<WebSocketRequest '/' from None>")
        asked[0].accept()
        self.assertEqual(peer.response().status, 101)
        peer.vanish()

    def test_modelName(self) -> None:
        """
        The model's spelling of the version works, with a warning.
        """
        request = self.ask()
        self.assertEqual(request.websocketVersion, 13)
        [warning] = self.flushWarnings()
        self.assertIn("txwebsocket 0.1.0", warning["message"])
        self.assertIn("webSocketVersion", warning["message"])


_HEADERS = (
    b"Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY.encode() + b"\r\n\r\n"
)


class AcceptTests(RequestTestCase):
    """
    Tests of accept().
    """

    def test_accept(self) -> None:
        """
        Accepting opens the connection at once, in pull style without an application.
        """
        request = self.ask()
        connection = request.accept()
        self.assertTrue(connection.connected)
        self.assertTrue(request.isDecided)
        self.assertIsNotNone(request.link)
        self.assertEqual(list(self.served.resource.server.connections), [connection])
        self.assertEqual(list(self.served.resource.server.pendingRequests), [])
        self.assertIs(connection.request, request)
        self.assertIsNone(connection.protocol)
        self.assertEqual(self.peer.response().status, 101)
        connection.send("hi")
        self.peer.sendText("hello")
        self.assertEqual(self.peer.frames(), [text("hi")])
        self.assertEqual(self.successResultOf(connection.receive()), "hello")

    def test_application(self) -> None:
        """
        An application is told what arrives.
        """
        application = Recorder()
        connection = self.ask().accept(application=application)
        self.assertEqual(application.told, ["started", "finished"])
        self.assertIs(application.connection, connection)
        self.peer.sendText("a")
        self.assertEqual(application.messages, ["a"])

    def test_once(self) -> None:
        """
        A request is decided once: whatever comes second raises InvalidState.
        """
        for first in ("accept", "reject"):
            for second in ("accept", "reject"):
                request = self.ask()
                getattr(request, first)()
                self.assertRaises(InvalidState, getattr(request, second))
                status = self.peer.response().status
                self.assertEqual(status, 101 if first == "accept" else 403)
                self.assertEqual(self.peer.received(), b"")

    def test_onceIntroduced(self) -> None:
        """
        An application that comes too late is not told anything.
        """
        request, application = self.ask(), Recorder()
        request.accept()
        self.assertRaises(InvalidState, request.accept, application=application)
        self.assertEqual(application.told, [])

    def assertProtocol(
        self, chosen: str | None, *arguments: str, **options: Any
    ) -> None:
        """
        Check which subprotocol accept() agrees on, if the client offers b, a and c.
        """
        request = self.ask("Sec-WebSocket-Protocol: b, a, c", **options)
        connection = request.accept(*arguments)
        self.assertEqual(connection.protocol, chosen)
        header = self.peer.response().header("Sec-WebSocket-Protocol")
        self.assertEqual(header, [] if chosen is None else [chosen])

    def test_protocol(self) -> None:
        """
        The handler chooses the subprotocol; without a choice none is used.
        """
        self.assertProtocol("a", "a")
        self.assertProtocol(None)

    def test_protocolFromTheStart(self) -> None:
        """
        The application knows the subprotocol from the start.
        """
        told: list[str | None] = []

        class Application(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                told.append(self.connection.protocol)

            def negotiationFinished(self) -> None:
                told.append(self.connection.protocol)

        request = self.ask("Sec-WebSocket-Protocol: b, a")
        request.accept("a", application=Application())
        self.assertEqual(told, ["a", "a"])

    def test_protocolOfConfig(self) -> None:
        """
        Without a choice the first of the server's own list that is offered is used.
        """
        self.assertProtocol("a", config=ServerConfig(subprotocols=["x", "a", "b"]))
        self.assertProtocol(None, config=ServerConfig(subprotocols=["x"]))
        self.assertProtocol("c", "c", config=ServerConfig(subprotocols=["a"]))

    def test_protocolChooser(self) -> None:
        """
        Or what a callable says, given what is offered.
        """
        seen: list[Sequence[str]] = []

        def choose(offered: Sequence[str]) -> str | None:
            seen.append(offered)
            return offered[-1]

        self.assertProtocol("c", config=ServerConfig(subprotocols=choose))
        self.assertEqual(seen, [("b", "a", "c")])
        self.assertProtocol(None, config=ServerConfig(subprotocols=lambda _: None))

    def test_badChooser(self) -> None:
        """
        A callable that returns what was not offered is told so; the request stays open.
        """
        config = ServerConfig(subprotocols=lambda _: "x")
        request = self.ask("Sec-WebSocket-Protocol: a", config=config)
        self.assertRaises(ValueError, request.accept)
        self.assertFalse(request.isDecided)
        request.accept("a")
        self.assertEqual(self.peer.response().status, 101)

    def test_wrongProtocol(self) -> None:
        """
        A subprotocol that was not offered, in this very case, raises ValueError, which
        names those that were; the request stays open.
        """
        request = self.ask("Sec-WebSocket-Protocol: a, b")
        for wrong in ("c", "A", "", "a, b"):
            with self.assertRaises(ValueError) as raised:
                request.accept(wrong)
            self.assertIn("offers a, b", str(raised.exception))
        self.assertOpen(request)
        request = self.ask()
        with self.assertRaises(ValueError) as raised:
            request.accept("a")
        self.assertIn("offers none", str(raised.exception))
        self.assertOpen(request)

    def test_compression(self) -> None:
        """
        Extensions of the configuration are agreed on if the client offers them, and
        the connection says so; then they are used.
        """
        offer = "Sec-WebSocket-Extensions: permessage-deflate"
        agreed = ServerConfig(extensions=[Deflate()])
        for lines, config, name in (
            ([offer], agreed, "permessage-deflate"),
            ([], agreed, ""),
            ([offer], None, ""),
        ):
            connection = self.ask(*lines, config=config).accept()
            header = self.peer.response().header("Sec-WebSocket-Extensions")
            self.assertEqual(header, [connection.extensions] if name else [])
            self.assertEqual(connection.extensions.partition(";")[0], name)
            connection.send("x" * 5000)
            [frame] = self.peer.frames()
            self.assertEqual(len(frame.payload) < 100, bool(name))

    def test_origin(self) -> None:
        """
        A handler can demand an origin; another raises ValueError, and the request
        stays open.
        """
        request = self.ask("Origin: http://example.com")
        for wrong in ("http://example.org", "HTTP://EXAMPLE.COM", "", "null"):
            self.assertRaises(ValueError, request.accept, origin=wrong)
        request.accept(origin="http://example.com")
        self.assertEqual(self.peer.response().status, 101)
        request = self.ask()
        self.assertRaises(ValueError, request.accept, origin="http://example.com")
        self.assertOpen(request)

    def test_cookies(self) -> None:
        """
        Cookies are set in the response, with all their attributes.
        """
        until = datetime(2030, 1, 1, tzinfo=UTC)
        self.ask().accept(
            cookies=[
                Cookie("seen", "1", maxAge=3600, httpOnly=True, sameSite="Lax"),
                Cookie("other", "2", path="/x", expires=until),
            ]
        )
        self.assertEqual(
            self.peer.response().header("Set-Cookie"),
            [
                "seen=1; Max-Age=3600; SameSite=Lax; HttpOnly",
                "other=2; Path=/x; Expires=Tue, 01 Jan 2030 00:00:00 GMT",
            ],
        )

    def test_headers(self) -> None:
        """
        Headers are added as a mapping or, if a name is there twice, as pairs.
        """
        self.ask().accept(headers={"X-One": "1", "X-Two": "caf\xe9"})
        response = self.peer.response()
        self.assertEqual(response.header("X-One"), ["1"])
        self.assertEqual(response.header("X-Two"), ["caf\xe9"])
        self.ask().accept(headers=[("X-One", "1"), ("X-One", "2")])
        self.assertEqual(self.peer.response().header("X-One"), ["1", "2"])

    def test_singleHeaders(self) -> None:
        """
        A header that has one value replaces that of twisted.web, or of a resource on
        the way, in whatever case its name is. Others are added.
        """

        def ask() -> WebSocketRequest:
            request = self.ask()
            set = request.httpRequest.responseHeaders
            set.setRawHeaders("Retry-After", ["9"])
            set.setRawHeaders("Vary", ["Origin"])
            return request

        given = [("server", "mine"), ("DATE", "then"), ("Retry-After", "3")]
        for act in (
            lambda request: request.accept(headers=[*given, ("Vary", "Cookie")]),
            lambda request: request.reject(headers=[*given, ("Vary", "Cookie")]),
            lambda request: request.reject(
                headers=[*given, ("Vary", "Cookie")], body=b"no"
            ),
            lambda request: request.reject(
                headers=[*given, ("Vary", "Cookie")], body=Data(b"no", "text/plain")
            ),
        ):
            act(ask())
            response = self.peer.response()
            for name, value in given:
                self.assertEqual(response.header(name), [value])
            self.assertEqual(response.header("Vary"), ["Origin", "Cookie"])

    def test_twoOfSingleHeaders(self) -> None:
        """
        Two values for a header that has one are an error, and the request stays open.
        """
        for name, other in (("Server", "server"), ("Retry-After", "Retry-After")):
            request = self.ask()
            for act in (request.accept, request.reject):
                error = self.assertRaises(
                    ValueError, act, headers=[(name, "1"), ("X", "y"), (other, "1")]
                )
                self.assertIn(other, str(error))
            self.assertOpen(request)

    def test_ownHeadersOfTwistedWeb(self) -> None:
        """
        Where no such header is given, those of twisted.web are sent, once.
        """
        for act in (
            lambda request: request.accept(headers={"X": "y"}),
            lambda request: request.reject(headers={"X": "y"}),
        ):
            act(self.ask())
            response = self.peer.response()
            for name in ("Server", "Date"):
                self.assertEqual(len(response.header(name)), 1, name)

    def test_injection(self) -> None:
        """
        No header, and so no cookie either, can smuggle another one in: ValueError, and
        the request stays open.
        """
        for name, value in _INJECTIONS:
            request = self.ask()
            self.assertRaises(ValueError, request.accept, headers=[(name, value)])
            self.assertRaises(ValueError, request.accept, headers={name: value})
            self.assertOpen(request)

    def test_ownHeaders(self) -> None:
        """
        What the handshake says itself can't be said otherwise.
        """
        for name in (
            "Upgrade",
            "connection",
            "Content-Length",
            "Transfer-Encoding",
            "SEC-WEBSOCKET-ACCEPT",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
        ):
            request = self.ask()
            self.assertRaises(ValueError, request.accept, headers={name: "x"})
            self.assertOpen(request)

    def test_badCookies(self) -> None:
        """
        What is no cookie is not sent for one: the error says what is accepted, and the
        request stays open.
        """
        for cookies in (
            "x",
            "",
            b"x",
            {},
            {"a": "1"},
            1,
            Cookie("a", "1"),
            ["a=b\r\nX: y"],
            [("a", "1")],
            [Cookie("a", "1"), None],
        ):
            request = self.ask()
            error = self.assertRaises(TypeError, request.accept, cookies=cookies)
            self.assertIn("cookies must be an iterable of Cookie", str(error))
            self.assertOpen(request)

    def test_sameCookies(self) -> None:
        """
        Two cookies that a client would take for one are an error, and the request stays
        open. Another path or another domain makes another cookie.
        """
        for first, second in (
            (Cookie("a", "1"), Cookie("a", "2")),
            (Cookie("a", "1", path="/x"), Cookie("a", "1", path="/x", maxAge=0)),
            (
                Cookie("a", "1", domain="Example.com"),
                Cookie("a", "2", domain="example.com"),
            ),
            (
                Cookie("a", "1", domain=".example.com"),
                Cookie("a", "2", domain="example.com"),
            ),
        ):
            request = self.ask()
            error = self.assertRaises(
                ValueError, request.accept, cookies=iter((first, second))
            )
            self.assertIn("'a'", str(error))
            self.assertOpen(request)
        different = [
            Cookie("a", "1"),
            Cookie("A", "1"),
            Cookie("a", "1", path="/x"),
            Cookie("a", "1", path="/x", domain="example.com"),
        ]
        self.ask().accept(cookies=(each for each in different))
        self.assertEqual(
            self.peer.response().header("Set-Cookie"),
            [each.header() for each in different],
        )

    def test_failingApplication(self) -> None:
        """
        If the application fails while it is introduced the caller is told, and can
        decide otherwise.
        """

        class Broken(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                raise OddError

        request = self.ask()
        self.assertRaises(OddError, request.accept, application=Broken())
        self.assertFalse(request.isDecided)
        self.assertEqual(len(self.served.resource.server.connections), 0)
        request.reject(500)
        self.assertEqual(self.peer.response().status, 500)

    def test_decidedMeanwhile(self) -> None:
        """
        If the application decides otherwise while it is introduced, that holds; the
        caller is told, and the application that its connection came to nothing.
        """

        class Unwilling(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                transport.request.reject(401)

        application = Unwilling()
        request = self.ask()
        self.assertRaises(InvalidState, request.accept, application=application)
        self.assertEqual(self.peer.response().status, 401)
        self.assertEqual(application.told, ["started", "lost"])
        self.assertEqual(len(self.served.resource.server.connections), 0)

    def test_unwillingApplication(self) -> None:
        """
        If it closes its connection already then, the client is answered 403.
        """

        class Unwilling(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                transport.loseConnection()

        application = Unwilling()
        connection = self.ask().accept(application=application)
        self.assertEqual(self.peer.response().status, 403)
        self.assertEqual(application.told, ["started", "lost"])
        self.assertIs(connection.state, State.CLOSED)
        self.assertEqual(len(self.served.resource.server.connections), 0)

    def test_brokenTransport(self) -> None:
        """
        If the transport fails at that moment the caller is told, and the application
        that its connection came to nothing; the transport is cut.
        """

        class Broken(MemoryTransport):
            def write(self, data: bytes) -> None:
                raise OddError

        asked: list[WebSocketRequest] = []
        served = Served(asked.append)
        peer = served.connect(Broken(served.clock))
        peer.send(b"GET / HTTP/1.1\r\n" + _HEADERS)
        application = Recorder()
        self.assertRaises(OddError, asked[0].accept, application=application)
        self.assertEqual(application.told, ["started", "lost"])
        peer.turn()
        self.assertTrue(peer.transport.wasAborted)
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(len(served.resource.server.connections), 0)
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_clientLeft(self) -> None:
        """
        If the client has left before the decision, accepting still works: the
        connection is lost at once, which its application is told once.
        """
        for leave in ("vanish", "end"):
            application = Recorder()
            request = self.ask()
            getattr(self.peer, leave)()
            connection = request.accept(application=application)
            self.assertEqual(application.told, ["started", "lost"])
            self.assertIs(application.report.cause, CloseCause.PEER_LOST)
            self.assertTrue(application.lost[0].check(ConnectionLost))
            self.assertIs(connection.state, State.CLOSED)
            self.assertRaises(ConnectionClosed, connection.send, "a")
            self.assertEqual(self.peer.received(), b"")
            self.assertEqual(len(self.served.resource.server.connections), 0)
            self.assertEqual(self.served.clock.getDelayedCalls(), [])

    def test_clientLeftInPullStyle(self) -> None:
        """
        The same in pull style: there is nothing to receive.
        """
        request = self.ask()
        self.peer.vanish()
        connection = request.accept()
        self.failureResultOf(connection.receive(), ConnectionClosed)
        report = self.successResultOf(connection.whenClosed())
        self.assertIs(report.cause, CloseCause.PEER_LOST)

    def test_earlyMessages(self) -> None:
        """
        Messages that came with the request are delivered after the caller has had its
        turn, so that it can prepare for them.
        """
        request = self.ask()
        self.peer.sendText("early")
        application = Recorder()
        connection = request.accept(application=application)
        connection.send("prepared")
        self.assertEqual(application.messages, [])
        self.peer.turn()
        self.assertEqual(application.messages, ["early"])


_INJECTIONS = [
    ("X-Name", "a\r\nX-Evil: b"),
    ("X-Name", "a\nX-Evil: b"),
    ("X-Name", "a\rX-Evil: b"),
    ("X-Name", "a\0b"),
    ("X-Name", "\x0b"),
    ("X-Name", "\N{SNOWMAN}"),
    ("X-Name\r\nX-Evil", "b"),
    ("X-Name:", "b"),
    ("X Name", "b"),
    ("", "b"),
    ("Set-Cookie", "a=b\r\nX-Evil: b"),
]


class RejectTests(RequestTestCase):
    """
    Tests of reject().
    """

    def test_reject(self) -> None:
        """
        Rejecting answers 403 unless it is told otherwise, and closes the connection.
        """
        request = self.ask()
        request.reject()
        response = self.peer.response()
        self.assertEqual((response.status, response.phrase), (403, "Forbidden"))
        self.assertEqual(response.body, b"403 Forbidden\n\nForbidden\n")
        self.assertEqual(response.header("Connection"), ["close"])
        self.assertTrue(request.isDecided)
        self.assertIsNone(request.link)
        self.assertFalse(self.peer.transport.isConnected)

    def test_reason(self) -> None:
        """
        A reason is a sentence in the body, and never more than that.
        """
        self.ask().reject(401, "log in\r\nX-Evil: b")
        response = self.peer.response()
        self.assertEqual(response.phrase, "Unauthorized")
        self.assertEqual(response.body, b"401 Unauthorized\n\nlog in\r\nX-Evil: b\n")
        self.assertEqual(response.header("X-Evil"), [])

    def test_headers(self) -> None:
        """
        Headers are added: a redirect, for example.
        """
        self.ask().reject(302, headers={"Location": "/login"})
        response = self.peer.response()
        self.assertEqual(
            (response.status, response.header("Location")), (302, ["/login"])
        )
        self.ask().reject(401, headers=[("WWW-Authenticate", "Basic")])
        self.assertEqual(self.peer.response().header("WWW-Authenticate"), ["Basic"])

    def test_body(self) -> None:
        """
        The body can be given as it is, as text, bytes or a resource.
        """

        class Page(Resource):
            def render_GET(self, request: Request) -> bytes:
                return b"from a resource"

        for body, sent in (
            ("caf\xe9", "caf\xe9".encode()),
            (b"\0\xff", b"\0\xff"),
            (b"", b""),
            ("", b""),
            (Page(), b"from a resource"),
        ):
            self.ask().reject(404, "not this", body=body)
            response = self.peer.response()
            self.assertEqual((response.status, response.body), (404, sent))

    def test_typeOfBody(self) -> None:
        """
        The type of a body is the one that its headers name.
        """
        for body in ("{}", b"{}"):
            headers = {"Content-Type": "application/json"}
            self.ask().reject(404, headers=headers, body=body)
            response = self.peer.response()
            self.assertEqual(response.header("Content-Type"), ["application/json"])

    def test_brokenBody(self) -> None:
        """
        If the resource that is to be the body fails, the client is answered all the
        same, and the error is logged.
        """

        class Broken(Resource):
            def render_GET(self, request: Request) -> bytes:
                raise OddError

        served = Served(lambda request: request.reject(404, body=Broken()))
        peer = served.request()
        peer.turn()
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertNotEqual(peer.received(), b"")
        self.assertFalse(peer.transport.isConnected)

    def test_statuses(self) -> None:
        """
        Only a status that refuses is taken; others raise ValueError and the request
        stays open.
        """
        request = self.ask()
        wrong: Any
        for wrong in (0, 99, 100, 101, 200, 204, 299, 600, 1000, -403, "404", 404.5):
            self.assertRaises(ValueError, request.reject, wrong)
        self.assertOpen(request)

    def test_otherBody(self) -> None:
        """
        A body that is neither text, bytes nor a resource raises TypeError and the
        request stays open.
        """
        request = self.ask()
        for wrong in (5, ["text"], {"text": 1}):
            body: Any = wrong
            error = self.assertRaises(TypeError, request.reject, body=body)
            self.assertIn("body must be text, bytes or a resource", str(error))
        self.assertOpen(request)

    def test_goodStatuses(self) -> None:
        """
        All others are taken, the last ones too.
        """
        for status in (300, 302, 400, 418, 599):
            self.ask().reject(status)
            self.assertEqual(self.peer.response().status, status)

    def test_injection(self) -> None:
        """
        No header can smuggle another one in: ValueError, and the request stays open.
        """
        for name, value in _INJECTIONS:
            request = self.ask()
            self.assertRaises(ValueError, request.reject, headers=[(name, value)])
            self.assertOpen(request)

    def test_unencodableReason(self) -> None:
        """
        A reason with a lone surrogate does not leave the client without an answer.
        """
        request = self.ask()
        try:
            request.reject(403, "no \ud800")
        except ValueError:
            request.reject(403)
        self.assertEqual(self.peer.response().status, 403)

    def test_clientLeft(self) -> None:
        """
        Rejecting a client that has left is no error.
        """
        request = self.ask()
        self.peer.vanish()
        request.reject()
        self.assertTrue(request.isDecided)
        self.assertEqual(self.peer.received(), b"")
