# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.endpoint`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import FrozenInstanceError
from inspect import signature
from typing import Any

import twisted.internet.reactor
from OpenSSL.crypto import X509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IPushProducer, IStreamClientEndpoint
from twisted.internet.ssl import Certificate
from twisted.internet.testing import AccumulatingProtocol
from twisted.web.client import (
    URI,
    BrowserLikePolicyForHTTPS,
    ResponseDone,
    ResponseFailed,
    readBody,
)
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH, IAgentEndpointFactory
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.memory import Recorder, close, text
from tests.support.remote import (
    URL,
    ClientTestCase,
    Outcome,
    Server,
    TLSServer,
    certify,
    upgrade,
)
from txwebsocket import (
    ClientConfig,
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    WebSocketClientEndpoint,
    WebSocketProtocol,
)
from txwebsocket.handshake.response import MAX_BODY_SIZE
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.errors import BadResponse


class Applications:
    """
    Makes applications that record what they are told.

    :ivar built: the URLs that were asked for.
    """

    def __init__(self) -> None:
        self.built: list[str] = []

    def buildProtocol(self, url: str) -> Recorder:
        """
        Make one.
        """
        self.built.append(url)
        return Recorder()


@implementer(IAgentEndpointFactory)
class StreamApplication:
    """
    A way to hosts that is not TCP.

    :ivar asked: the URIs that were asked for.
    :ivar transport: what the newest connection is made of.
    """

    transport: MemoryTransport

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.asked: list[URI] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        The way to this URI's host.
        """
        self.asked.append(uri)
        endpoint: IStreamClientEndpoint = TunnelEndpoint(self)
        return endpoint


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """
    Connects at once.
    """

    def __init__(self, tunnel: StreamApplication) -> None:
        self.tunnel = tunnel

    def connect(self, factory: Any) -> Deferred[Any]:
        """
        Connect to whoever the test is.
        """
        transport = self.tunnel.transport = MemoryTransport(self.tunnel.clock)
        protocol = factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        result: Deferred[Any] = Deferred()
        result.callback(protocol)
        return result


@implementer(IAgentEndpointFactory)
class HostnameEndpoints:
    """
    The way to pages, and to nothing else.
    """

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        The way to this URI's host.
        """
        if uri.scheme not in (b"http", b"https"):
            raise SchemeNotSupported(uri.scheme)
        host = uri.host.decode("ascii")
        endpoint: IStreamClientEndpoint = HostnameEndpoint(self.reactor, host, uri.port)
        return endpoint


class EndpointTestCase(ClientTestCase):
    """
    What tests of the endpoint need.
    """

    def setUp(self) -> None:
        super().setUp()
        self.applications = Applications()

    def start(self, connecting: Coroutine[Any, Any, Any]) -> Outcome:
        """
        Run a coroutine.
        """
        return Outcome(Deferred.fromCoroutine(connecting))

    def begin(self, url: str = URL, **more: Any) -> Outcome:
        """
        Connect to a URL.
        """
        endpoint = WebSocketClientEndpoint.new(self.reactor, url, **more)
        return self.start(endpoint.connect(self.applications))

    def application(self, outcome: Outcome) -> Recorder:
        """
        The application that connecting resulted in, once.
        """
        [result] = outcome.results
        self.assertIsInstance(result, Recorder)
        recorder: Recorder = result
        return recorder


class ConnectTests(EndpointTestCase):
    """
    Tests of :meth:`WebSocketClientEndpoint.connect`.
    """

    def test_application(self) -> None:
        """
        It results in the application, made for the URL, when its connection is open.
        """
        outcome = self.begin()
        server = self.reactor.accept()
        self.assertEqual(outcome.results, [])
        server.upgrade()
        recorder = self.application(outcome)
        self.assertEqual(self.applications.built, [URL])
        self.assertEqual(recorder.told, ["started", "finished"])
        server.sendText("a")
        recorder.connection.sendTextMessage("b")
        self.assertEqual(recorder.messages, ["a"])
        self.assertEqual(server.frames(), [text("b")])

    def test_lazy(self) -> None:
        """
        Nothing happens before the coroutine runs.
        """
        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        connecting = endpoint.connect(self.applications)
        self.assertEqual(self.applications.built, [])
        self.assertTrue(self.reactor.isIdle)
        connecting.close()

    def test_again(self) -> None:
        """
        An endpoint connects as often as wanted, with a new application each time.
        """
        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        found = []
        for _ in range(3):
            outcome = self.start(endpoint.connect(self.applications))
            self.reactor.accept().upgrade()
            found.append(self.application(outcome))
        self.assertEqual(len({id(recorder) for recorder in found}), 3)
        self.assertEqual(self.applications.built, [URL] * 3)

    def test_anyApplication(self) -> None:
        """
        The application can be anything; what it does not care for is not called.
        """

        class Quiet:
            def buildProtocol(self, url: str) -> object:
                return marker

        marker = object()
        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        outcome = self.start(endpoint.connect(Quiet()))
        self.reactor.accept().upgrade()
        self.assertIs(outcome.results[0], marker)

    def test_written(self) -> None:
        """
        An application written for ``twisted.web.websocket`` works: it keeps what
        ``negotiationStarted`` gave it, and talks to that.
        """

        class Echo:
            def negotiationStarted(self, transport: Any) -> None:
                self.transport = transport
                self.lost: list[Any] = []

            def negotiationFinished(self) -> None:
                self.transport.sendTextMessage("hello")

            def textMessageReceived(self, message: str) -> None:
                self.transport.sendTextMessage(message)

            def bytesMessageReceived(self, data: bytes) -> None:
                self.transport.loseConnection()

            def connectionLost(self, reason: Any) -> None:
                self.lost.append(reason)

        class Factory:
            def buildProtocol(self, url: str) -> Echo:
                return Echo()

        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        outcome = self.start(endpoint.connect(Factory()))
        server = self.reactor.accept()
        server.upgrade()
        server.sendText("a")
        server.sendBytes(b"")
        self.assertEqual(server.frames(), [text("hello"), text("a"), close(1000)])
        server.sendClose(1000)
        server.end()
        [echo] = outcome.results
        self.assertEqual(len(echo.lost), 1)

    def test_early(self) -> None:
        """
        What comes with the answer is delivered after whoever awaited has had its turn.
        """

        async def talk() -> None:
            endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
            recorder = await endpoint.connect(self.applications)
            recorder.told.append("awaited")
            found.append(recorder)

        found: list[Recorder] = []
        self.start(talk())
        server = self.reactor.accept()
        server.send(upgrade(server.request()) + server.text("early"))
        [recorder] = found
        self.assertEqual(
            recorder.told, ["started", "finished", "awaited", ("text", "early")]
        )

    def test_rejected(self) -> None:
        """
        A refusal raises ConnectionRejected, whose response works with ``readBody``.
        """
        outcome = self.begin()
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual(error.response.code, 404)
        body = self.successResultOf(readBody(error.response))
        self.assertEqual(body, b"gone")
        self.assertGone(server)

    def test_failed(self) -> None:
        """
        All else raises OpeningFailed, with the step.
        """
        outcome = self.begin()
        self.reactor.refuse(OSError("odd"))
        self.assertIs(self.failed(outcome, OpeningFailed).step, OpeningStep.CONNECT)

    def test_timedOut(self) -> None:
        """
        It always answers within ``openTimeout``.
        """
        outcome = self.begin(config=ClientConfig(openTimeout=2))
        server = self.reactor.accept()
        server.wait(2)
        self.failed(outcome, OpeningTimedOut)
        self.assertGone(server)

    def test_cancelled(self) -> None:
        """
        Cancelling who awaits closes the socket.
        """
        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        connecting = Deferred.fromCoroutine(endpoint.connect(self.applications))
        outcome = Outcome(connecting)
        server = self.reactor.accept()
        server.request()
        connecting.cancel()
        self.failed(outcome, CancelledError)
        self.assertGone(server)

    def test_noURL(self) -> None:
        """
        A URL that is none raises ValueError, and nothing is made or connected.
        """
        outcome = self.begin("ftp://example.com/")
        self.failed(outcome, ValueError)
        self.assertEqual(self.applications.built, [])
        self.assertEqual(self.reactor.attempts, [])

    def test_factoryRaises(self) -> None:
        """
        What the factory raises goes to the caller, before anything is connected.
        """

        class Broken:
            def buildProtocol(self, url: str) -> object:
                raise LookupError("no such thing")

        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        self.failed(self.start(endpoint.connect(Broken())), LookupError)
        self.assertEqual(self.reactor.attempts, [])
        self.assertTrue(self.reactor.isIdle)

    def test_userinfo(self) -> None:
        """
        User and password of the URL authorize, and are not in what the endpoint shows.
        """
        url = "ws://ada:hunter2@example.com/"
        self.begin(url)
        request = self.reactor.accept().request()
        self.assertEqual(request.header("Authorization"), ["Basic YWRhOmh1bnRlcjI="])
        endpoint = WebSocketClientEndpoint.new(self.reactor, url)
        self.assertNotIn("hunter2", repr(endpoint))


class Page(AccumulatingProtocol):
    """
    Takes the body of a refusal.
    """

    @property
    def reason(self) -> Any:
        """
        The reason that ended the body.
        """
        return self.closedReason


class RefusedTests(EndpointTestCase):
    """
    Tests of refusals, which are told at their head.
    """

    def refuse(self, *lines: str, body: bytes = b"") -> tuple[Any, Server]:
        """
        Connect, be refused, and take the response.
        """
        outcome = self.begin()
        server = self.reactor.accept()
        server.request()
        head = ["HTTP/1.1 403 Forbidden", *lines, "", ""]
        server.send("\r\n".join(head).encode() + body)
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual(error.response.code, 403)
        return error.response, server

    def deliver(self, response: Any) -> Page:
        """
        Take its body.
        """
        page = Page()
        response.deliverBody(page)
        return page

    def assertFailed(self, page: Page, kind: type[Exception]) -> None:
        """
        The body ended too early, for this reason.
        """
        error = page.reason.value
        self.assertIsInstance(error, ResponseFailed)
        self.assertIsInstance(error.reasons[0].value, kind)

    def test_atHead(self) -> None:
        """
        The head is enough: connecting fails, and the body is read as it arrives, from
        its beginning.
        """
        response, server = self.refuse("Content-Length: 6", body=b"ab")
        self.assertEqual((response.length, response.body), (6, b"ab"))
        page = self.deliver(response)
        self.assertEqual(page.data, b"ab")
        server.send(b"cd")
        self.assertEqual((page.data, page.closed), (b"abcd", 0))
        server.send(b"efXY")
        self.assertEqual((page.data, response.body), (b"abcdef", b"abcdef"))
        self.assertTrue(page.reason.check(ResponseDone))
        self.assertGone(server)
        self.assertTrue(self.reactor.isIdle)

    def test_application(self) -> None:
        """
        The application is told of the end at once, before any of the body.
        """
        recorder = Recorder()

        class Factory:
            def buildProtocol(self, url: str) -> Recorder:
                return recorder

        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        outcome = self.start(endpoint.connect(Factory()))
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 503 Busy\r\n\r\n")
        self.assertEqual(recorder.told, ["started", "lost"])
        self.failed(outcome, ConnectionRejected)

    def test_readBody(self) -> None:
        """
        ``readBody`` waits for a body that is still arriving, however it is framed and
        cut, and gives one that has arrived at once.
        """
        for framing, coded in (
            ("Content-Length: 4", b"gone"),
            ("Transfer-Encoding: chunked", b"3\r\ngon\r\n1\r\ne\r\n0\r\n\r\n"),
        ):
            for at in range(len(coded) - 2):
                response, server = self.refuse(framing, body=coded[:at])
                reading = readBody(response)
                self.assertNoResult(reading)
                server.send(coded[at:])
                self.assertEqual(self.successResultOf(reading), b"gone")
                self.assertEqual(self.successResultOf(readBody(response)), b"gone")

    def test_noBody(self) -> None:
        """
        An empty body is known to be empty at once.
        """
        response, server = self.refuse("Content-Length: 0")
        self.assertEqual(self.successResultOf(readBody(response)), b"")
        self.assertGone(server)
        self.assertTrue(self.reactor.isIdle)

    def test_withoutLength(self) -> None:
        """
        A body that ends with the connection may have been longer, as twisted.web says
        of every such response.
        """
        response, server = self.refuse(body=b"some")
        self.assertIs(response.length, UNKNOWN_LENGTH)
        page = self.deliver(response)
        server.end()
        self.assertEqual(page.data, b"some")
        self.assertTrue(page.reason.check(PotentialDataLoss))

    def test_lost(self) -> None:
        """
        A body that the connection's end cuts short is told to be incomplete.
        """
        response, server = self.refuse("Content-Length: 4", body=b"g")
        page = self.deliver(response)
        server.end()
        self.assertEqual(page.data, b"g")
        self.assertFailed(page, ConnectionDone)
        self.assertFailed(self.deliver(response), ConnectionDone)
        self.assertTrue(self.reactor.isIdle)

    def test_bounded(self) -> None:
        """
        At most 64 KiB of a body are read, and its reader is told that there may be
        more.
        """
        for framing, start in (
            ("X-Without: a length", b""),
            ("Content-Length: 1000000", b""),
            ("Transfer-Encoding: chunked", b"fffff\r\n"),
        ):
            response, server = self.refuse(framing, body=start)
            page = self.deliver(response)
            server.send(b"x" * MAX_BODY_SIZE + b"y")
            self.assertEqual(len(page.data), MAX_BODY_SIZE)
            self.assertNotIn(b"y", page.data)
            self.assertTrue(page.reason.check(PotentialDataLoss), framing)
            self.assertGone(server)

    def test_exactly(self) -> None:
        """
        A body of exactly as much is complete.
        """
        response, server = self.refuse(f"Content-Length: {MAX_BODY_SIZE}")
        page = self.deliver(response)
        server.send(b"x" * MAX_BODY_SIZE)
        self.assertEqual(len(page.data), MAX_BODY_SIZE)
        self.assertTrue(page.reason.check(ResponseDone))

    def test_trickling(self) -> None:
        """
        ``openTimeout`` bounds the body as well: one that trickles in is cut then.
        """
        response, server = self.refuse("Content-Length: 100")
        page = self.deliver(response)
        for _ in range(9):
            server.wait(1)
            server.send(b"x")
        self.assertEqual(page.closed, 0)
        server.wait(1)
        self.assertEqual(page.data, b"x" * 9)
        self.assertFailed(page, TimeoutError)
        self.assertGone(server)
        self.assertTrue(self.reactor.isIdle)

    def test_unread(self) -> None:
        """
        A body without a reader does not keep the socket open either.
        """
        _, server = self.refuse("Content-Length: 100", body=b"x")
        server.wait(9.5)
        self.assertFalse(server.transport.wasAborted)
        server.wait(0.5)
        self.assertGone(server)
        self.assertTrue(self.reactor.isIdle)

    def test_malformed(self) -> None:
        """
        A body that is malformed fails alone: status and headers are told all the same.
        """
        for framing, start, more in (
            ("Content-Length: five", b"ab", b""),
            ("Transfer-Encoding: chunked", b"2\r\nab\r\n", b"zz\r\n"),
        ):
            response, server = self.refuse(framing, body=start)
            server.send(more)
            self.assertFailed(self.deliver(response), BadResponse)
            self.assertGone(server)
            self.assertTrue(self.reactor.isIdle)

    def test_paused(self) -> None:
        """
        A reader of the body can pause and resume it.
        """
        response, server = self.refuse("Content-Length: 4", body=b"a")
        page = self.deliver(response)
        transport: Any = page.transport
        self.assertTrue(verifyObject(IPushProducer, transport))
        transport.pauseProducing()
        server.send(b"b")
        self.assertEqual(page.data, b"a")
        transport.resumeProducing()
        server.send(b"")
        self.assertEqual(page.data, b"ab")

    def test_stopped(self) -> None:
        """
        A protocol that wants no more of the body can cut the connection, and so does
        cancelling ``readBody``.
        """
        for name in ("stopProducing", "loseConnection", "abortConnection"):
            response, server = self.refuse("Content-Length: 4", body=b"a")
            page = self.deliver(response)
            getattr(page.transport, name)()
            server.turn()
            self.assertFailed(page, ConnectionAborted)
            self.assertGone(server)
        response, server = self.refuse("Content-Length: 4")
        reading = readBody(response)
        reading.cancel()
        self.failureResultOf(reading, ResponseFailed)
        self.assertGone(server)
        self.assertEqual(self.flushWarnings(), [])

    def test_TLS(self) -> None:
        """
        It is the same over TLS.
        """
        authority = certify()
        root = Certificate(X509.from_cryptography(authority.certificate))
        policy = BrowserLikePolicyForHTTPS(root)
        outcome = self.begin("wss://example.com/", tlsPolicy=policy)
        identity = certify("example.com", issuer=authority)
        tls = TLSServer(self.reactor.accept(), identity.context())
        tls.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nga")
        error = self.failed(outcome, ConnectionRejected)
        reading = readBody(error.response)
        self.assertNoResult(reading)
        tls.send(b"te")
        self.assertEqual(self.successResultOf(reading), b"gate")
        self.assertGone(tls.server)

    def test_redirect(self) -> None:
        """
        A followed redirect is not told as a rejection; the rejection after it has it.
        """
        outcome = self.begin(config=ClientConfig(maxRedirects=1))
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\n\r\n")
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual(error.response.previousResponse.code, 302)
        server.send(b"x")
        self.assertEqual(self.successResultOf(readBody(error.response)), b"x")


class NewTests(EndpointTestCase):
    """
    Tests of :meth:`WebSocketClientEndpoint.new` and of the endpoint as a value.
    """

    def test_signature(self) -> None:
        """
        It is called as that of ``twisted.web.websocket``, by position or by name.
        """
        names = list(signature(WebSocketClientEndpoint.new).parameters)
        self.assertEqual(
            names[:5], ["reactor", "url", "tlsPolicy", "connectTimeout", "bindAddress"]
        )
        fields = list(signature(WebSocketClientEndpoint).parameters)
        self.assertEqual(fields[:2], ["endpointFactory", "url"])

    def test_options(self) -> None:
        """
        TCP's timeout and local address are passed on.
        """
        self.begin(connectTimeout=3, bindAddress=b"192.0.2.9")
        [attempt] = self.reactor.attempts
        self.assertEqual((attempt.timeout, attempt.bindAddress), (3, ("192.0.2.9", 0)))

    def test_defaults(self) -> None:
        """
        Without options they are Twisted's, and ours.
        """
        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        self.assertEqual(endpoint.config, ClientConfig())
        self.assertEqual(endpoint.url, URL)
        self.assertIs(endpoint.reactor, self.reactor)
        self.begin()
        self.assertEqual(self.reactor.attempts[0].timeout, 30)

    def test_config(self) -> None:
        """
        The configuration is the connection's.
        """
        config = ClientConfig(webSocketVersion=8)
        self.begin(config=config)
        request = self.reactor.accept().request()
        self.assertEqual(request.header("Sec-WebSocket-Version"), ["8"])

    def test_hosts(self) -> None:
        """
        It leads wherever the client's own URLs lead.
        """
        name = "xn--bcher-kva.example"
        self.reactor.nameResolver.addresses[name] = ["192.0.2.3"]
        for url, host, netloc in (
            ("ws://[::1]:81/", "::1", "[::1]:81"),
            ("ws://bücher.example/ö", "192.0.2.3", name),
            ("WS://127.0.0.1/?a", "127.0.0.1", "127.0.0.1"),
        ):
            self.begin(url)
            self.assertEqual(self.reactor.attempts[-1].host, host)
            request = self.reactor.accept().request()
            self.assertEqual(request.header("Host"), [netloc])

    def test_TLS(self) -> None:
        """
        ``wss:`` is TLS, with the policy given.
        """
        authority = certify()
        root = Certificate(X509.from_cryptography(authority.certificate))
        policy = BrowserLikePolicyForHTTPS(root)
        outcome = self.begin("wss://example.com/", tlsPolicy=policy)
        identity = certify("example.com", issuer=authority)
        TLSServer(self.reactor.accept(), identity.context()).upgrade()
        self.application(outcome)
        self.assertEqual(self.reactor.attempts[0].port, 443)

    def test_pageURLs(self) -> None:
        """
        As with ``twisted.web.websocket``, ``http:`` and ``https:`` URLs lead to a
        WebSocket, too; the application's factory is given the URL as it is.
        """
        for url, port, netloc in (
            ("http://example.com/chat?a=b", 80, "example.com"),
            ("HTTP://example.com:443/chat?a=b", 443, "example.com:443"),
            ("https://example.com/chat?a=b", 443, "example.com"),
            ("https://example.com:80/chat?a=b", 80, "example.com:80"),
        ):
            outcome = self.begin(url)
            server = self.reactor.accept()
            self.assertEqual(self.reactor.attempts[-1].port, port)
            self.assertEqual(self.applications.built[-1], url)
            if url.startswith("https"):
                TLSServer(server, certify("example.com").context())
                error = self.failed(outcome, OpeningFailed)
                self.assertIs(error.step, OpeningStep.TLS)
            else:
                request = server.request()
                self.assertEqual(request.line, "GET /chat?a=b HTTP/1.1")
                self.assertEqual(request.header("Host"), [netloc])
                server.send(upgrade(request))
                self.application(outcome)

    def test_TLSByDefault(self) -> None:
        """
        Without one the platform's authorities decide.
        """
        outcome = self.begin("wss://example.com/")
        TLSServer(self.reactor.accept(), certify("example.com").context())
        self.assertIs(self.failed(outcome, OpeningFailed).step, OpeningStep.TLS)

    def test_frozen(self) -> None:
        """
        An endpoint can't be changed, and can be a key.
        """
        endpoint = WebSocketClientEndpoint.new(self.reactor, URL)
        self.assertRaises(FrozenInstanceError, setattr, endpoint, "url", "ws://other/")
        self.assertIn(endpoint, {endpoint})

    def test_equal(self) -> None:
        """
        Two of the same way and URL are the same.
        """
        tunnel = StreamApplication(self.reactor)
        one = WebSocketClientEndpoint(tunnel, URL, self.reactor)
        self.assertEqual(one, WebSocketClientEndpoint(tunnel, URL, self.reactor))
        other = WebSocketClientEndpoint(tunnel, "ws://other/", self.reactor)
        self.assertNotEqual(one, other)

    def test_endpointFactory(self) -> None:
        """
        The way that ``new`` chooses is an ``IAgentEndpointFactory`` as well, which
        leads to a host by its name.
        """
        factory = WebSocketClientEndpoint.new(self.reactor, URL).endpointFactory
        self.assertTrue(verifyObject(IAgentEndpointFactory, factory))
        endpoint = factory.endpointForURI(URI.fromBytes(b"ws://example.com:81/"))
        self.assertIsInstance(endpoint, HostnameEndpoint)


class TunnelTests(EndpointTestCase):
    """
    Tests of endpoints that are given a way of their own.
    """

    def connectThrough(
        self, tunnel: StreamApplication, url: str
    ) -> tuple[Outcome, Server]:
        """
        Connect through a tunnel.
        """
        endpoint = WebSocketClientEndpoint(tunnel, url, self.reactor)
        outcome = self.start(endpoint.connect(self.applications))
        return outcome, Server(tunnel.transport.protocol, tunnel.transport)

    def test_tunnel(self) -> None:
        """
        Any ``IAgentEndpointFactory`` will do; TCP is not touched.
        """
        tunnel = StreamApplication(self.reactor)
        outcome, server = self.connectThrough(tunnel, "ws://example.com:81/a/b?c=d")
        server.upgrade()
        self.application(outcome)
        self.assertEqual(self.reactor.attempts, [])
        [uri] = tunnel.asked
        self.assertEqual(
            (uri.scheme, uri.host, uri.port, uri.netloc, uri.path, uri.query),
            (b"ws", b"example.com", 81, b"example.com:81", b"/a/b", b"c=d"),
        )

    def test_uris(self) -> None:
        """
        What it is asked for is what twisted.web makes of the same URL, in ASCII and
        without user and password.
        """
        for url, plain in {
            "wss://example.com/": b"wss://example.com:443/",
            "ws://example.com": b"ws://example.com:80/",
            "ws://ada:pw@[::1]:81/x": b"ws://[::1]:81/x",
            "ws://bücher.example/ö?ü=1": b"ws://xn--bcher-kva.example:80/%C3%B6?%C3%BC=1",
        }.items():
            tunnel = StreamApplication(self.reactor)
            self.connectThrough(tunnel, url)
            expected = URI.fromBytes(plain)
            [uri] = tunnel.asked
            for name in (
                "scheme",
                "host",
                "port",
                "path",
                "params",
                "query",
                "fragment",
            ):
                self.assertEqual(getattr(uri, name), getattr(expected, name), url)
            self.assertNotIn(b"pw", uri.toBytes())

    def test_pageURIs(self) -> None:
        """
        Where the URL is ``http:`` or ``https:``, it is asked for such a one, too, since
        those of twisted.web know no other; also where a redirect leads.
        """
        for url in ("http://example.com:81/x", "https://example.com/x"):
            tunnel = StreamApplication(self.reactor)
            config = ClientConfig(maxRedirects=1)
            endpoint = WebSocketClientEndpoint(tunnel, url, self.reactor, config)
            self.start(endpoint.connect(self.applications))
            server = Server(tunnel.transport.protocol, tunnel.transport)
            server.request()
            server.send(
                b"HTTP/1.1 302 Found\r\nLocation: https://other.example/y\r\n\r\n"
            )
            first, second = tunnel.asked
            self.assertEqual(first.toBytes(), url.encode())
            self.assertEqual(second.toBytes(), b"https://other.example/y")

    def test_noText(self) -> None:
        """
        A URL that is not text is told as such when the connection is asked for.
        """
        for wrong in (b"ws://example.com/", 5, None):
            given: Any = wrong
            endpoint = WebSocketClientEndpoint(StreamApplication(self.reactor), given)
            connecting = Deferred.fromCoroutine(endpoint.connect(self.applications))
            error = self.failureResultOf(connecting, TypeError).value
            self.assertIn("a URL must be str", str(error))

    def test_agentEndpoints(self) -> None:
        """
        So an endpoint factory that was written for twisted.web's ``Agent`` will do.
        """
        factory = HostnameEndpoints(self.reactor)
        for url, port in (("http://example.com/", 80), ("https://example.com/", 443)):
            endpoint = WebSocketClientEndpoint(factory, url, self.reactor)
            self.start(endpoint.connect(self.applications))
            self.assertEqual(self.reactor.attempts[-1].port, port)

    def test_installedReactor(self) -> None:
        """
        Without a reactor, as in ``twisted.web.websocket``, the installed one keeps the
        time.
        """
        reactor: Any = twisted.internet.reactor
        planned = reactor.getDelayedCalls()
        tunnel = StreamApplication(self.reactor)
        endpoint = WebSocketClientEndpoint(tunnel, URL)
        connecting = Deferred.fromCoroutine(endpoint.connect(self.applications))
        outcome = Outcome(connecting)
        [timer] = set(reactor.getDelayedCalls()) - set(planned)
        self.assertTrue(5 < timer.getTime() - reactor.seconds() <= 10)
        connecting.cancel()
        self.failed(outcome, CancelledError)
        self.assertEqual(set(reactor.getDelayedCalls()), set(planned))

    def test_protocolClass(self) -> None:
        """
        An application that inherits from WebSocketProtocol has its connection before it
        is told anything.
        """

        class Application(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                self.same = transport is self.connection

        class Factory:
            def buildProtocol(self, url: str) -> Application:
                return Application()

        tunnel = StreamApplication(self.reactor)
        endpoint = WebSocketClientEndpoint(tunnel, URL, self.reactor)
        outcome = self.start(endpoint.connect(Factory()))
        Server(tunnel.transport.protocol, tunnel.transport).upgrade()
        [application] = outcome.results
        self.assertTrue(application.same)
