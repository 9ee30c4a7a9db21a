# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.endpointfactory`.
"""

from __future__ import annotations

import os
from typing import Any

from OpenSSL.crypto import X509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.remote import (
    ClientReactor,
    ClientTestCase,
    Outcome,
    Server,
    TLSServer,
    certify,
    readRequest,
    upgrade,
)
from txwebsocket import (
    PROXY_FROM_ENVIRONMENT,
    ClientConfig,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    ProxyFailed,
    ProxyRejected,
    TLSPolicy,
    W3CWebSocket,
    WebSocketClient,
    WebSocketClientEndpoint,
    clientFromURL,
)
from txwebsocket.client.endpointfactory import EndpointFactory, asURI
from txwebsocket.client.url import parseURL
from txwebsocket.testing import MemoryTransport

ESTABLISHED = b"HTTP/1.1 200 OK\r\n\r\n"
GRANTED = b"\x05\x00\x00\x01" + bytes(6)
REFUSED = b"HTTP/1.1 407 Who?\r\nContent-Length: 2\r\nX-Y: z\r\n\r\nno"
URL = "ws://example.com/chat"


class RouteTestCase(ClientTestCase):
    """
    What tests of ways to hosts need.
    """

    authority = certify()

    def trusting(self) -> TLSPolicy:
        """
        A policy that knows one authority.
        """
        certificate = X509.from_cryptography(self.authority.certificate)
        return TLSPolicy(trustRoot=Certificate(certificate))

    def client(self, proxy: Any, **options: Any) -> WebSocketClient:
        """
        A client that goes through a proxy.
        """
        return WebSocketClient(self.reactor, proxy=proxy, **options)

    def begin(
        self, proxy: Any, url: str = URL, **options: Any
    ) -> tuple[Outcome, Server]:
        """
        Connect as far as to the proxy.
        """
        outcome = Outcome(self.client(proxy, **options).connect(url))
        server = self.reactor.accept()
        server.turn()
        return outcome, server

    def assertProxyFailed(self, outcome: Outcome) -> Any:
        """
        The opening has failed because of the proxy; return how.
        """
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.PROXY)
        self.assertEqual(error.url, URL)
        self.assertIsInstance(error.cause, ProxyFailed)
        return error.cause

    def identity(self, name: str) -> Any:
        """
        How a server proves its name.
        """
        return certify(name, issuer=self.authority)


class HTTPTests(RouteTestCase):
    """
    Tests of clients behind HTTP proxies.
    """

    def test_plain(self) -> None:
        """
        ``ws:`` goes through a tunnel, too; the proxy is not asked for the path.
        """
        outcome, server = self.begin("http://proxy.example:3128")
        self.assertEqual(self.reactor.nameResolver.asked, ["proxy.example"])
        self.assertEqual(self.reactor.attempts[0].port, 3128)
        self.assertEqual(
            server.received(),
            b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
        )
        server.send(ESTABLISHED)
        request = server.request()
        self.assertEqual(request.line, "GET /chat HTTP/1.1")
        self.assertEqual(request.header("Proxy-Authorization"), [])
        server.send(upgrade(request) + server.text("early"))
        connection = self.opened(outcome)
        self.assertEqual(self.successResultOf(connection.receive()), "early")
        server.vanish()
        self.assertFalse(connection.connected)
        self.assertTrue(self.reactor.isIdle)

    def test_credentials(self) -> None:
        """
        User and password of the proxy's URL are for the proxy alone.
        """
        outcome, server = self.begin("http://ada:p%40%3Ass@proxy")
        self.assertIn(b"Proxy-Authorization: Basic YWRhOnBAOnNz\r\n", server.received())
        server.send(ESTABLISHED)
        self.assertEqual(server.request().header("Proxy-Authorization"), [])
        self.assertEqual(outcome.results, [])

    def test_secure(self) -> None:
        """
        ``wss:`` is TLS with the host, within the tunnel.
        """
        outcome, server = self.begin(
            "http://proxy", "wss://example.com/", tlsPolicy=self.trusting()
        )
        self.assertTrue(server.received().startswith(b"CONNECT example.com:443 "))
        server.send(ESTABLISHED)
        tls = TLSServer(server, self.identity("example.com").context())
        self.assertEqual(tls.serverName, "example.com")
        tls.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_otherHost(self) -> None:
        """
        A host with a certificate for another is none that the proxy could excuse.
        """
        outcome, server = self.begin(
            "http://proxy", "wss://example.com/", tlsPolicy=self.trusting()
        )
        server.received()
        server.send(ESTABLISHED)
        tls = TLSServer(server, self.identity("proxy").context())
        self.assertIs(self.failed(outcome, OpeningFailed).step, OpeningStep.TLS)
        self.assertEqual(tls.plain, b"")

    def test_secureProxy(self) -> None:
        """
        TLS with the proxy, verified by its own name, and TLS with the host in it.
        """
        outcome, server = self.begin(
            "https://proxy.example", "wss://example.com/", tlsPolicy=self.trusting()
        )
        self.assertEqual(self.reactor.attempts[0].port, 443)
        outer = TLSServer(server, self.identity("proxy.example").context())
        self.assertEqual(outer.serverName, "proxy.example")
        self.assertTrue(outer.plain.startswith(b"CONNECT example.com:443 "))
        outer.plain = b""
        outer.send(ESTABLISHED)
        inner = Within(outer)
        tls = TLSServer(inner, self.identity("example.com").context())  # type: ignore[arg-type]
        self.assertEqual(tls.serverName, "example.com")
        tls.send(upgrade(readRequest(tls.plain)))
        connection = self.opened(outcome)
        tls.plain = b""
        connection.send("hello")
        tls.turn()
        self.assertEqual(len(tls.plain), 2 + 4 + 5)

    def test_secureProxyPlainHost(self) -> None:
        """
        TLS with the proxy alone.
        """
        outcome, server = self.begin("https://proxy", tlsPolicy=self.trusting())
        tls = TLSServer(server, self.identity("proxy").context())
        tls.plain = b""
        tls.send(ESTABLISHED)
        tls.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_distrustedProxy(self) -> None:
        """
        A proxy with another's certificate is told nothing, whatever the host's policy.
        """
        root = Certificate(X509.from_cryptography(self.authority.certificate))
        creator = optionsForClientTLS("other.example", trustRoot=root)
        for policy, name in (
            (self.trusting(), "example.com"),
            (creator, "other.example"),
        ):
            outcome, server = self.begin("https://ada:pw@proxy", tlsPolicy=policy)
            tls = TLSServer(server, self.identity(name).context())
            self.assertEqual(tls.plain, b"")
            cause = self.assertProxyFailed(outcome)
            self.assertIn("https://proxy:443", str(cause))
            self.assertFalse(server.transport.isConnected)
            self.assertTrue(self.reactor.isIdle)

    def test_rejected(self) -> None:
        """
        A refusal is told with its response, and without our password.
        """
        outcome, server = self.begin("http://ada:hunter2@proxy:3128")
        server.received()
        server.send(REFUSED)
        error = outcome.results[0].value
        cause = self.assertProxyFailed(outcome)
        self.assertIsInstance(cause, ProxyRejected)
        self.assertEqual(cause.response.code, 407)
        self.assertEqual(cause.response.body, b"no")
        self.assertEqual(cause.response.headers.getRawHeaders("X-Y"), ["z"])
        self.assertIn("http://proxy:3128 refused: 407 Who?", str(error))
        self.assertNotIn("hunter2", f"{error!r} {error} {vars(error)} {vars(cause)}")
        self.assertGone(server)

    def test_garbage(self) -> None:
        """
        So is what is no answer.
        """
        outcome, server = self.begin("http://proxy")
        server.send(b"hello\r\n")
        self.assertProxyFailed(outcome)
        self.assertGone(server)

    def test_unreachable(self) -> None:
        """
        A proxy that is not there is the proxy's failure, not the host's; so is one that
        nobody knows.
        """
        outcome = Outcome(self.client("http://proxy").connect(URL))
        self.reactor.refuse(ConnectionRefusedError())
        cause = self.assertProxyFailed(outcome)
        self.assertIsInstance(cause.cause, ConnectionRefusedError)
        self.reactor.nameResolver.addresses["proxy"] = []
        outcome = Outcome(self.client("http://proxy").connect(URL))
        cause = self.assertProxyFailed(outcome)
        self.assertIsInstance(cause.cause, DNSLookupError)
        self.assertTrue(self.reactor.isIdle)


class Within:
    """
    A server at the end of a TLS connection to a proxy.
    """

    def __init__(self, outer: TLSServer) -> None:
        self.outer = outer

    def turn(self) -> None:
        self.outer.turn()

    def received(self) -> bytes:
        data, self.outer.plain = self.outer.plain, b""
        return data

    def send(self, data: bytes) -> None:
        self.outer.send(data)


class SOCKSTests(RouteTestCase):
    """
    Tests of clients behind SOCKS proxies.
    """

    def test_proxyLooksUp(self) -> None:
        """
        With ``socks5h:`` the proxy looks up the host's name, and nobody else.
        """
        outcome, server = self.begin("socks5h://proxy")
        self.assertEqual(self.reactor.nameResolver.asked, ["proxy"])
        self.assertEqual(self.reactor.attempts[0].port, 1080)
        self.assertEqual(server.received(), b"\x05\x01\x00")
        server.send(b"\x05\x00")
        self.assertEqual(server.received(), b"\x05\x01\x00\x03\x0bexample.com\x00\x50")
        server.send(GRANTED)
        server.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_weLookUp(self) -> None:
        """
        With ``socks5:`` we do, and the proxy is asked for the address.
        """
        outcome, server = self.begin("socks5://ada:pw@proxy")
        self.assertEqual(self.reactor.nameResolver.asked, ["example.com", "proxy"])
        server.received()
        server.send(b"\x05\x02")
        self.assertEqual(server.received(), b"\x01\x03ada\x02pw")
        server.send(b"\x01\x00")
        self.assertEqual(server.received(), b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50")
        server.send(GRANTED)
        server.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_address(self) -> None:
        """
        An address is not looked up.
        """
        self.begin("socks5://proxy", "ws://192.0.2.7/")
        self.assertEqual(self.reactor.nameResolver.asked, ["proxy"])

    def test_unknownHost(self) -> None:
        """
        A host that nobody knows is not the proxy's fault.
        """
        self.reactor.nameResolver.addresses["example.com"] = []
        outcome = Outcome(self.client("socks5://proxy").connect(URL))
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.LOOKUP)
        self.assertEqual(self.reactor.attempts, [])
        self.assertTrue(self.reactor.isIdle)

    def test_rejected(self) -> None:
        """
        Each of its replies that mean no is told with its number.
        """
        for code in range(1, 9):
            outcome, server = self.begin("socks5h://proxy")
            server.send(b"\x05\x00\x05" + bytes([code]))
            cause = self.assertProxyFailed(outcome)
            self.assertIsInstance(cause, ProxyRejected)
            self.assertEqual((cause.code, cause.response), (code, None))
            self.assertGone(server)

    def test_password(self) -> None:
        """
        A password that is not accepted is not told to anybody else.
        """
        outcome, server = self.begin("socks5h://ada:hunter2@proxy")
        server.send(b"\x05\x02\x01\x01")
        cause = self.assertProxyFailed(outcome)
        self.assertIsNone(cause.code)
        self.assertNotIn("hunter2", f"{cause} {cause!r} {vars(cause)}")
        self.assertGone(server)


class TimeTests(RouteTestCase):
    """
    Tests of ``openTimeout`` and of cancelling, which cover all of the way.
    """

    def stages(self, proxy: str, *answers: bytes) -> Any:
        """
        Connect again and again, as far as each of these answers of the proxy.
        """
        for count in range(len(answers) + 1):
            connecting = self.client(proxy, config=ClientConfig(openTimeout=7)).connect(
                URL
            )
            outcome = Outcome(connecting)
            server = self.reactor.accept()
            for answer in answers[:count]:
                server.send(answer)
            yield connecting, outcome, server

    def test_silent(self) -> None:
        """
        A proxy that falls silent, at whichever stage, is not waited for any longer.
        """
        for proxy, answers in (
            ("http://proxy", (b"HTTP/1.1", b" 200 OK\r\n")),
            ("socks5h://a:b@proxy", (b"\x05\x02", b"\x01\x00", b"\x05\x00\x00")),
            ("socks5://proxy", (b"\x05\x00",)),
        ):
            for _, outcome, server in self.stages(proxy, *answers):
                self.reactor.advance(6.9)
                self.assertEqual(outcome.results, [])
                self.reactor.advance(0.1)
                error = self.failed(outcome, OpeningTimedOut)
                self.assertIs(error.step, OpeningStep.PROXY)
                self.assertIn("7", str(error))
                self.assertGone(server)

    def test_halfRefused(self) -> None:
        """
        At the end of the time, part of a refusal is better than nothing.
        """
        outcome, server = self.begin("http://proxy")
        server.send(REFUSED[:-1])
        self.reactor.advance(10)
        cause = self.assertProxyFailed(outcome)
        self.assertEqual(cause.response.body, b"n")
        self.assertGone(server)

    def test_cancelled(self) -> None:
        """
        Cancelling closes the socket at each stage.
        """
        for proxy, answers in (
            ("http://proxy", (b"HTTP/1.1", b" 200 OK\r\n", b"\r\n")),
            ("socks5h://a:b@proxy", (b"\x05\x02", b"\x01\x00", GRANTED)),
        ):
            for connecting, outcome, server in self.stages(proxy, *answers):
                connecting.cancel()
                self.failed(outcome, CancelledError)
                self.assertGone(server)

    def test_beforeTheProxy(self) -> None:
        """
        So it does while the proxy is looked up, and while it is connected to.
        """
        for isSilent in (True, False):
            self.reactor.nameResolver.isSilent = isSilent
            for late in (True, False):
                connecting = self.client("socks5h://proxy").connect(URL)
                outcome = Outcome(connecting)
                if late:
                    self.reactor.advance(10)
                    error = self.failed(outcome, OpeningTimedOut)
                    self.assertIs(error.step, OpeningStep.PROXY)
                else:
                    connecting.cancel()
                    self.failed(outcome, CancelledError)
                self.assertTrue(all(each.isOver for each in self.reactor.attempts))
                self.assertTrue(self.reactor.isIdle)

    def test_lookup(self) -> None:
        """
        With ``socks5:``, the look-up of the host is told apart.
        """
        self.reactor.nameResolver.isSilent = True
        outcome = Outcome(self.client("socks5://proxy").connect(URL))
        self.reactor.advance(10)
        error = self.failed(outcome, OpeningTimedOut)
        self.assertIs(error.step, OpeningStep.LOOKUP)

    def test_answer(self) -> None:
        """
        Behind the proxy, it is the host that is waited for.
        """
        outcome, server = self.begin("http://proxy")
        server.received()
        server.send(ESTABLISHED)
        self.reactor.advance(10)
        error = self.failed(outcome, OpeningTimedOut)
        self.assertIs(error.step, OpeningStep.HANDSHAKE)
        self.assertGone(server)


@implementer(IAgentEndpointFactory)
class Agents:
    """
    A way to hosts that is somebody else's.

    :ivar asked: what it was asked for.
    """

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.asked: list[tuple[bytes, bytes, int]] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        TCP to an address of its own.
        """
        self.asked.append((uri.scheme, uri.host, uri.port))
        return TCP4ClientEndpoint(self.reactor, "192.0.2.99", 9)


class ChoiceTests(RouteTestCase):
    """
    Tests of what can be a client's ``proxy``.
    """

    def setUp(self) -> None:
        super().setUp()
        self.environment: dict[str, str] = {}
        self.patch(os, "environ", self.environment)

    def test_notByItself(self) -> None:
        """
        The environment is not looked at unless that is wanted.
        """
        self.environment["all_proxy"] = "http://proxy"
        self.begin(None)
        self.assertEqual(self.reactor.nameResolver.asked, ["example.com"])

    def test_environment(self) -> None:
        """
        If it is, then at each connect.
        """
        client = self.client(PROXY_FROM_ENVIRONMENT)
        for variables, asked in (
            ({}, "example.com"),
            ({"http_proxy": "proxy"}, "proxy"),
            ({"http_proxy": "proxy", "no_proxy": "example.com"}, "example.com"),
        ):
            self.environment.clear()
            self.environment.update(variables)
            client.connect(URL)
            self.assertEqual(self.reactor.nameResolver.asked.pop(), asked)
        self.environment.clear()
        self.environment["http_proxy"] = "ftp://proxy"
        error = self.assertRaises(ValueError, client.connect, URL)
        self.assertIn("http_proxy", str(error))

    def test_factory(self) -> None:
        """
        An ``IAgentEndpointFactory`` leads to the host; TLS is the client's own, so that
        none is asked for.
        """
        agents = Agents(self.reactor)
        outcome, server = self.begin(
            agents, "wss://example.com/", tlsPolicy=self.trusting()
        )
        self.assertEqual(agents.asked, [(b"ws", b"example.com", 443)])
        self.assertEqual(self.reactor.attempts[0].host, "192.0.2.99")
        TLSServer(server, self.identity("example.com").context()).upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_endpoint(self) -> None:
        """
        An endpoint leads to one place, whatever the URL; over TLS it must be the URL's
        host that is there.
        """
        endpoint = TCP4ClientEndpoint(self.reactor, "192.0.2.99", 9)
        outcome, server = self.begin(endpoint)
        self.assertEqual(self.reactor.attempts[0].host, "192.0.2.99")
        server.upgrade()
        self.assertTrue(self.opened(outcome).connected)
        outcome, server = self.begin(
            endpoint, "wss://example.com/", tlsPolicy=self.trusting()
        )
        TLSServer(server, self.identity("example.org").context())
        self.assertIs(self.failed(outcome, OpeningFailed).step, OpeningStep.TLS)

    def test_badURL(self) -> None:
        """
        What is no URL of a proxy is refused when the client is made, without showing
        its password.
        """
        for url in (
            "ftp://a:hunter2@p",
            "http://a:hunter2@p/x",
            "socks4://p",
            "http://",
        ):
            error = self.assertRaises(ValueError, self.client, url)
            self.assertIn("socks5h://", str(error))
            self.assertNotIn("hunter2", str(error))

    def test_badCredentials(self) -> None:
        """
        So is one whose user could not be told to the proxy.
        """
        for url in ("http://a%3Ab:hunter2@p", f"socks5://{'a' * 256}:hunter2@p"):
            error = self.assertRaises(ValueError, self.client, url)
            self.assertNotIn("hunter2", str(error))

    def test_other(self) -> None:
        """
        Anything else is no proxy.
        """
        for proxy in (True, 3128, object):
            error = self.assertRaises(TypeError, self.client, proxy)
            self.assertIn("PROXY_FROM_ENVIRONMENT", str(error))

    def test_form(self) -> None:
        """
        ``WebSocketClientEndpoint.new`` takes the same.
        """
        endpoint = WebSocketClientEndpoint.new(
            self.reactor, URL, proxy="http://ada:hunter2@proxy"
        )
        self.assertNotIn("hunter2", repr(endpoint))
        way = endpoint.endpointFactory.endpointForURI(asURI(parseURL(URL)))
        way.connect(None)  # type: ignore[arg-type]
        self.assertEqual(self.reactor.nameResolver.asked, ["proxy"])


class HostTests(RouteTestCase):
    """
    Tests of the direct way.
    """

    def test_interface(self) -> None:
        """
        A route does for twisted.web, too.
        """
        self.assertTrue(
            verifyObject(IAgentEndpointFactory, EndpointFactory(self.reactor))
        )

    def test_underscore(self) -> None:
        """
        Hosts with an underscore in their name are reached.
        """
        outcome, server = self.begin(None, "ws://my_host.example:81/")
        self.assertEqual(self.reactor.nameResolver.asked, ["my_host.example"])
        self.assertEqual(server.request().header("Host"), ["my_host.example:81"])
        server.send(upgrade(server.asked))
        self.assertTrue(self.opened(outcome).connected)

    def test_underscoreTLS(self) -> None:
        """
        Over TLS, too, if a certificate has the name. Twisted's own policies take no
        such name, and the client says so at once.
        """
        outcome, server = self.begin(
            None, "wss://my_host.example/", tlsPolicy=self.trusting()
        )
        TLSServer(server, self.identity("my_host.example").context()).upgrade()
        self.assertTrue(self.opened(outcome).connected)
        outcome, server = self.begin(
            None, "wss://xn--ls8h.example/", tlsPolicy=self.trusting()
        )
        TLSServer(server, self.identity("xn--ls8h.example").context()).upgrade()
        self.assertTrue(self.opened(outcome).connected)
        self.reactor = ClientReactor()
        client = self.client(None, tlsPolicy=BrowserLikePolicyForHTTPS())
        error = self.assertRaises(ValueError, client.connect, "wss://my_host/")
        self.assertIn("my_host", str(error))
        self.assertTrue(self.reactor.isIdle)

    def test_zone(self) -> None:
        """
        An address with a zone is reached in the zone, and the server is asked for the
        address alone, over TLS as well: no certificate names a zone.
        """
        outcome, server = self.begin(None, "ws://[fe80::1%25eth0]:81/")
        self.assertEqual(self.reactor.attempts[-1].host, "fe80::1%eth0")
        self.assertEqual(server.request().header("Host"), ["[fe80::1]:81"])
        server.send(upgrade(server.asked))
        connection = self.opened(outcome)
        self.assertEqual(connection.url, "ws://[fe80::1%25eth0]:81/")
        outcome, server = self.begin(
            None, "wss://[fe80::1%25eth0]/", tlsPolicy=self.trusting()
        )
        self.assertEqual(self.reactor.attempts[-1].host, "fe80::1%eth0")
        tls = TLSServer(server, self.identity("fe80::1").context())
        self.assertIsNone(tls.serverName)
        tls.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_zoneForm(self) -> None:
        """
        ``WebSocketClientEndpoint`` leads there as well.
        """
        url = "ws://[fe80::1%25eth0]:81/"
        factory = WebSocketClientEndpoint.new(self.reactor, url).endpointFactory
        factory.endpointForURI(asURI(parseURL(url))).connect(Factory())
        self.assertEqual(self.reactor.attempts[-1].host, "fe80::1%eth0")

    def test_zoneOfProxy(self) -> None:
        """
        A proxy's address can have a zone, with TLS as well; what is behind the proxy
        can't, since the zone is one of this machine.
        """
        for proxy in ("http://p", "socks5://p", "socks5h://p"):
            client = self.client(proxy)
            url = "ws://[fe80::1%25eth0]/"
            error = self.assertRaises(ValueError, client.connect, url)
            self.assertIn("zone", str(error))
            self.assertTrue(self.reactor.isIdle)
        self.begin("http://[fe80::2%25eth0]:3128")
        self.assertEqual(self.reactor.attempts[-1].host, "fe80::2%eth0")
        self.begin("https://[fe80::2%25eth0]:3128")
        self.assertEqual(self.reactor.attempts[-1].host, "fe80::2%eth0")

    def test_brackets(self) -> None:
        """
        No client connects to what stands in brackets and is not an IPv6 address.
        """
        for url in ("ws://[example.com]/", "wss://[g]/", "ws://[192.0.2.1]/"):
            self.assertRaises(ValueError, self.client(None).connect, url)
            endpoint = WebSocketClientEndpoint.new(self.reactor, url)
            self.failureResultOf(
                Deferred.fromCoroutine(endpoint.connect(None)),  # type: ignore[arg-type]
                ValueError,
            )
            self.assertRaises(ValueError, clientFromURL, self.reactor, url)
            self.assertRaises(ValueError, W3CWebSocket, url, client=self.client(None))
            self.assertRaises(ValueError, self.client, url.replace("ws", "http", 1))
        self.assertEqual(self.reactor.nameResolver.asked, [])
        self.assertEqual(self.reactor.attempts, [])

    def test_unknown(self) -> None:
        """
        A host that nobody knows, with and without an underscore.
        """
        for host in ("no.example", "no_.example"):
            self.reactor.nameResolver.addresses[host] = []
            outcome = Outcome(self.client(None).connect(f"ws://{host}/"))
            error = self.failed(outcome, OpeningFailed)
            self.assertIs(error.step, OpeningStep.LOOKUP)
            self.assertIn(host, str(error.cause))
            self.assertTrue(self.reactor.isIdle)

    def test_timeouts(self) -> None:
        """
        At the end of the time it is told whether the name or the host was waited for.
        """
        for isSilent, host in (
            (True, "a"),
            (True, "a_b"),
            (False, "a"),
            (False, "a_b"),
        ):
            self.reactor.nameResolver.isSilent = isSilent
            outcome = Outcome(self.client(None).connect(f"ws://{host}/"))
            self.reactor.advance(10)
            error = self.failed(outcome, OpeningTimedOut)
            step = OpeningStep.LOOKUP if isSilent else OpeningStep.CONNECT
            self.assertIs(error.step, step)
            self.assertTrue(all(each.isOver for each in self.reactor.attempts))
            self.assertTrue(self.reactor.isIdle)

    def test_bindAddress(self) -> None:
        """
        The local address can be text or bytes, alone or with a port.
        """
        for given in ("192.0.2.9", b"192.0.2.9", ("192.0.2.9", 0), (b"192.0.2.9", 0)):
            self.begin(None, bindAddress=given)
            attempt = self.reactor.attempts[-1]
            self.assertEqual(attempt.bindAddress, ("192.0.2.9", 0))
        self.begin(None, bindAddress=("", 4000))
        self.assertEqual(self.reactor.attempts[-1].bindAddress, ("", 4000))


class UnixTests(RouteTestCase):
    """
    Tests of ``ws+unix:``.
    """

    def connectUnix(self, url: str, **options: Any) -> tuple[Outcome, Any]:
        """
        Begin to connect to a UNIX socket.
        """
        outcome = Outcome(self.client(None, **options).connect(url))
        return outcome, self.reactor.unixClients[-1]

    def test_open(self) -> None:
        """
        The socket is connected to; the host is localhost.
        """
        outcome, (path, factory, _, _) = self.connectUnix(
            "ws+unix:/run/my%20app.sock:/chat?room=1"
        )
        self.assertEqual(path, "/run/my app.sock")
        transport = MemoryTransport(self.reactor)
        protocol = factory.buildProtocol(None)
        transport.connect(protocol)
        server = Server(protocol, transport)
        request = server.request()
        self.assertEqual(request.line, "GET /chat?room=1 HTTP/1.1")
        self.assertEqual(request.header("Host"), ["localhost"])
        server.send(upgrade(request))
        connection = self.opened(outcome)
        self.assertEqual(connection.url, "ws+unix:/run/my%20app.sock:/chat?room=1")

    def test_refused(self) -> None:
        """
        Nobody listens there.
        """
        outcome, (_, factory, _, _) = self.connectUnix("ws+unix:/run/a.sock")
        factory.clientConnectionFailed(None, Failure(ConnectError()))
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.CONNECT)
        self.assertEqual(error.url, "ws+unix:/run/a.sock:/")
        self.assertTrue(self.reactor.isIdle)

    def test_noProxy(self) -> None:
        """
        No proxy could lead there, so that none is asked.
        """
        client = self.client("http://proxy")
        client.connect("ws+unix:/run/a.sock:/")
        self.assertEqual(len(self.reactor.unixClients), 1)
        self.assertEqual(self.reactor.nameResolver.asked, [])

    def test_form(self) -> None:
        """
        ``WebSocketClientEndpoint`` leads there as well.
        """
        url = "ws+unix:/run/my%20app.sock:/chat?room=1"
        factory = WebSocketClientEndpoint.new(
            self.reactor, url, connectTimeout=3
        ).endpointFactory
        factory.endpointForURI(asURI(parseURL(url))).connect(None)  # type: ignore[arg-type]
        [(path, _, timeout, _)] = self.reactor.unixClients
        self.assertEqual((path, timeout), ("/run/my app.sock", 3))
