# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.endpoint`.
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
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate
from twisted.web.client import URI, BrowserLikePolicyForHTTPS, readBody
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.memory import Recorder, close, text
from tests.remote import (
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
from txwebsocket.testing import MemoryTransport


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
class Tunnel:
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

    def __init__(self, tunnel: Tunnel) -> None:
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
        outcome = self.begin("https://example.com/")
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
        self.reactor.nameResolver.addresses["::1"] = ["::1"]
        for url, host, netloc in (
            ("ws://[::1]:81/", "::1", "[::1]:81"),
            ("ws://bücher.example/ö", "xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("WS://127.0.0.1/?a", "127.0.0.1", "127.0.0.1"),
        ):
            self.begin(url)
            self.assertEqual(self.reactor.nameResolver.asked[-1], host)
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
        tunnel = Tunnel(self.reactor)
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

    def connectThrough(self, tunnel: Tunnel, url: str) -> tuple[Outcome, Server]:
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
        tunnel = Tunnel(self.reactor)
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
            tunnel = Tunnel(self.reactor)
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

    def test_installedReactor(self) -> None:
        """
        Without a reactor, as in ``twisted.web.websocket``, the installed one keeps the
        time.
        """
        reactor: Any = twisted.internet.reactor
        planned = reactor.getDelayedCalls()
        tunnel = Tunnel(self.reactor)
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

        tunnel = Tunnel(self.reactor)
        endpoint = WebSocketClientEndpoint(tunnel, URL, self.reactor)
        outcome = self.start(endpoint.connect(Factory()))
        Server(tunnel.transport.protocol, tunnel.transport).upgrade()
        [application] = outcome.results
        self.assertTrue(application.same)
