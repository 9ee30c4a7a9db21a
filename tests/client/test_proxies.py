# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.proxies`.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionLost,
    ConnectionRefusedError,
    NoProtocol,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.testing import AccumulatingProtocol
from zope.interface.verify import verifyObject

from tests.support.remote import ClientTestCase, Outcome, Server, TLSServer, certify
from tests.support.splits import everySplit
from txwebsocket import (
    HTTPProxyEndpoint,
    ProxyFailed,
    ProxyRejected,
    SOCKSProxyEndpoint,
    TLSPolicy,
)
from txwebsocket.client.tls import TLSEndpoint
from txwebsocket.wire.errors import BadResponse

PROXY = "192.0.2.3"
CONNECT = b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 OK\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nX-Why: rules\r\nContent-Length: 3\r\n\r\nno!"


class Users(Factory):
    """
    Makes the protocols at the end of a tunnel.

    :ivar made: those it made.
    :ivar starts: how often it was started, less how often it was stopped.
    """

    protocol = AccumulatingProtocol
    # What an AccumulatingProtocol asks for.
    protocolConnectionMade = None

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.starts = 0

    def doStart(self) -> None:
        self.starts += 1

    def doStop(self) -> None:
        self.starts -= 1

    def buildProtocol(self, address: Any) -> Any:
        protocol = super().buildProtocol(address)
        self.made.append(protocol)
        return protocol


class ProxyTestCase(ClientTestCase):
    """
    What tests of proxies need.
    """

    def setUp(self) -> None:
        super().setUp()
        self.users = Users()

    def tcp(self) -> IStreamClientEndpoint:
        """
        The way to the proxy.
        """
        return TCP4ClientEndpoint(self.reactor, PROXY, 3128)

    def endpoint(self, kind: Any = HTTPProxyEndpoint, **options: Any) -> Any:
        """
        The way through it.
        """
        options = {"host": "example.com", "port": 80, **options}
        return kind(self.reactor, self.tcp(), **options)

    def begin(
        self, kind: Any = HTTPProxyEndpoint, **options: Any
    ) -> tuple[Outcome, Server]:
        """
        Connect to the proxy.
        """
        outcome = Outcome(self.endpoint(kind, **options).connect(self.users))
        server = self.reactor.accept()
        server.turn()
        return outcome, server


class BothTests(ProxyTestCase):
    """
    Tests of what both kinds have in common.
    """

    def test_interface(self) -> None:
        """
        Both are endpoints.
        """
        for kind in (HTTPProxyEndpoint, SOCKSProxyEndpoint):
            self.assertTrue(verifyObject(IStreamClientEndpoint, self.endpoint(kind)))

    def test_checked(self) -> None:
        """
        What can't be asked of a proxy is noticed when the endpoint is made.
        """
        for kind in (HTTPProxyEndpoint, SOCKSProxyEndpoint):
            self.assertRaises(ValueError, self.endpoint, kind, host="a\r\nb")
            self.assertRaises(ValueError, self.endpoint, kind, port=0)
        self.assertRaises(ValueError, self.endpoint, username="a:b")

    def test_again(self) -> None:
        """
        An endpoint connects as often as wanted.
        """
        endpoint = self.endpoint()
        for _ in range(3):
            outcome = Outcome(endpoint.connect(self.users))
            server = self.reactor.accept()
            server.turn()
            self.assertEqual(server.received(), CONNECT)
            server.send(ESTABLISHED)
            self.assertIs(outcome.results[0], self.users.made[-1])

    def test_notShown(self) -> None:
        """
        The password is not in what the endpoint shows.
        """
        endpoint = self.endpoint(username="ada", password="hunter2")
        self.assertNotIn("hunter2", repr(endpoint))


class TunnelTests(ProxyTestCase):
    """
    Tests of a tunnel that is there.
    """

    def test_through(self) -> None:
        """
        Bytes go to and fro, and the proxy's answer is no part of them.
        """
        outcome, server = self.begin()
        self.assertEqual(server.received(), CONNECT)
        self.assertEqual(self.users.made, [])
        server.send(ESTABLISHED)
        [protocol] = outcome.results
        self.assertIsInstance(protocol, AccumulatingProtocol)
        self.assertEqual(protocol.data, b"")
        protocol.transport.write(b"hello")
        server.turn()
        self.assertEqual(server.received(), b"hello")
        server.send(b"world")
        self.assertEqual(protocol.data, b"world")
        self.assertTrue(self.reactor.isIdle)

    def test_SOCKS(self) -> None:
        """
        The same through SOCKS, with a user.
        """
        outcome, server = self.begin(SOCKSProxyEndpoint, username="ada", password="pw")
        self.assertEqual(server.received(), b"\x05\x02\x00\x02")
        server.send(b"\x05\x02")
        self.assertEqual(server.received(), b"\x01\x03ada\x02pw")
        server.send(b"\x01\x00")
        self.assertEqual(server.received(), b"\x05\x01\x00\x03\x0bexample.com\x00\x50")
        server.send(b"\x05\x00\x00\x01" + bytes(6) + b"early")
        [protocol] = outcome.results
        self.assertEqual(protocol.data, b"early")

    def test_early(self) -> None:
        """
        What the host sends first may come with the proxy's answer; at any split it is
        the protocol's, after whoever connected has had a turn.
        """
        for pieces in everySplit(ESTABLISHED + b"early"):
            seen: list[bytes] = []
            connecting = self.endpoint().connect(self.users)
            connecting.addCallback(
                lambda protocol, seen=seen: seen.append(protocol.data)
            )
            server = self.reactor.accept()
            for piece in pieces:
                server.send(piece)
            self.assertEqual(seen, [b""])
            self.assertEqual(self.users.made[-1].data, b"early")

    def test_ends(self) -> None:
        """
        The end of the connection is told, once, and the factory with it.
        """
        outcome, server = self.begin()
        server.send(ESTABLISHED)
        [protocol] = outcome.results
        self.assertEqual(self.users.starts, 1)
        server.vanish()
        self.assertEqual(protocol.closed, 1)
        self.assertTrue(protocol.closedReason.check(ConnectionLost))
        self.assertEqual(self.users.starts, 0)
        self.assertEqual(outcome.results, [protocol])

    def test_noProtocol(self) -> None:
        """
        A factory that makes none, or raises, has the connection closed.
        """
        for made, error in ((None, NoProtocol), (LookupError("x"), LookupError)):

            class Choosy(Factory):
                def buildProtocol(self, address: Any, made: Any = made) -> Any:
                    if made is None:
                        return None
                    raise made

            outcome = Outcome(self.endpoint().connect(Choosy()))
            server = self.reactor.accept()
            server.send(ESTABLISHED)
            self.failed(outcome, error)
            self.assertGone(server)

    def test_brokenProtocol(self) -> None:
        """
        A protocol that raises at once has the connection closed, and whoever connected
        is told.
        """

        class Broken(Protocol):
            def connectionMade(self) -> None:
                raise LookupError("no such thing")

        outcome = Outcome(self.endpoint().connect(Factory.forProtocol(Broken)))
        server = self.reactor.accept()
        server.send(ESTABLISHED)
        self.failed(outcome, LookupError)
        self.assertGone(server)

    def test_closesAtOnce(self) -> None:
        """
        A protocol may close before anybody else knows of it.
        """

        class Brief(Protocol):
            def connectionMade(self) -> None:
                self.transport.abortConnection()  # type: ignore[union-attr]

        outcome = Outcome(self.endpoint().connect(Factory.forProtocol(Brief)))
        server = self.reactor.accept()
        server.send(ESTABLISHED + b"more")
        self.assertIsInstance(outcome.results[0], Brief)
        self.assertGone(server)

    def test_chain(self) -> None:
        """
        A proxy can be behind another.
        """
        first = HTTPProxyEndpoint(self.reactor, self.tcp(), "inner", 1080)
        second = SOCKSProxyEndpoint(self.reactor, first, "example.com", 80)
        outcome = Outcome(second.connect(self.users))
        server = self.reactor.accept()
        server.turn()
        self.assertTrue(server.received().startswith(b"CONNECT inner:1080 "))
        server.send(ESTABLISHED)
        self.assertEqual(server.received(), b"\x05\x01\x00")
        server.send(b"\x05\x00")
        server.received()
        server.send(b"\x05\x00\x00\x01" + bytes(6) + b"hello")
        self.assertEqual(outcome.results[0].data, b"hello")

    def test_chainRefused(self) -> None:
        """
        If the first refuses, it is the one that is told of.
        """
        first = HTTPProxyEndpoint(self.reactor, self.tcp(), "inner", 1080, name="first")
        second = SOCKSProxyEndpoint(self.reactor, first, "h", 80, name="second")
        outcome = Outcome(second.connect(self.users))
        server = self.reactor.accept()
        server.send(FORBIDDEN)
        error = self.failed(outcome, ProxyRejected)
        self.assertEqual(str(error), "first refused: 403 Forbidden")
        self.assertGone(server)

    def test_TLS(self) -> None:
        """
        TLS to the proxy, with its own name verified.
        """
        for name, isGood in (("proxy.example", True), ("example.com", False)):
            identity = certify(name)
            root = Certificate(X509.from_cryptography(identity.certificate))
            creator = optionsForClientTLS("proxy.example", trustRoot=root)
            toProxy = TLSEndpoint(self.reactor, creator, self.tcp())
            endpoint = HTTPProxyEndpoint(self.reactor, toProxy, "example.com", 80)
            outcome = Outcome(endpoint.connect(self.users))
            tls = TLSServer(self.reactor.accept(), identity.context())
            self.assertEqual(tls.serverName, "proxy.example")
            if isGood:
                self.assertEqual(tls.plain, CONNECT)
                tls.send(ESTABLISHED + b"hello")
                self.assertEqual(outcome.results[0].data, b"hello")
            else:
                self.assertEqual(tls.plain, b"")
                self.failed(outcome, ProxyFailed)
                self.assertFalse(tls.server.transport.isConnected)
        self.reactor.advance(60)
        self.assertTrue(self.reactor.isIdle)


class FailureTests(ProxyTestCase):
    """
    Tests of what can go wrong.
    """

    def test_rejected(self) -> None:
        """
        An HTTP proxy's refusal is told with its status, headers and body.
        """
        outcome, server = self.begin(username="ada", password="hunter2", name="mine")
        server.send(FORBIDDEN)
        error = self.failed(outcome, ProxyRejected)
        self.assertIsInstance(error, ProxyFailed)
        self.assertEqual(str(error), "mine refused: 403 Forbidden")
        self.assertEqual(error.code, 403)
        self.assertEqual(error.response.code, 403)
        self.assertEqual(error.response.headers.getRawHeaders("x-why"), ["rules"])
        self.assertEqual(error.response.body, b"no!")
        self.assertGone(server)

    def test_cutShort(self) -> None:
        """
        Of a refusal that does not arrive whole, what did arrive is told.
        """
        outcome, server = self.begin()
        server.send(FORBIDDEN[:-1])
        self.assertEqual(outcome.results, [])
        server.vanish()
        error = self.failed(outcome, ProxyRejected)
        self.assertEqual(error.response.body, b"no")
        self.assertTrue(self.reactor.isIdle)

    def test_rejectedBySOCKS(self) -> None:
        """
        A SOCKS proxy's refusal has a number, or none if it is about who we are.
        """
        outcome, server = self.begin(SOCKSProxyEndpoint)
        server.send(b"\x05\x00\x05\x05")
        error = self.failed(outcome, ProxyRejected)
        self.assertEqual(str(error), "the proxy refused: 5 connection refused")
        self.assertEqual((error.code, error.response), (5, None))
        self.assertGone(server)
        outcome, server = self.begin(SOCKSProxyEndpoint)
        server.send(b"\x05\xff")
        error = self.failed(outcome, ProxyRejected)
        self.assertIsNone(error.code)
        self.assertIn("password", str(error))
        self.assertGone(server)

    def test_garbage(self) -> None:
        """
        What is no proxy's answer.
        """
        for kind, said in (
            (HTTPProxyEndpoint, b"\x05\x00"),
            (HTTPProxyEndpoint, b"220 mail.example ESMTP\r\n"),
            (SOCKSProxyEndpoint, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ):
            outcome, server = self.begin(kind)
            server.send(said)
            error = self.failed(outcome, ProxyFailed)
            self.assertIsInstance(error.cause, BadResponse)
            self.assertIs(error.cause, error.__cause__)
            self.assertGone(server)

    def test_otherScheme(self) -> None:
        """
        A proxy that speaks otherwise than the scheme of its URL says is told at once,
        and in words: one with TLS, and one that ends lines with LF alone.
        """
        for said, told in (
            (b"\x15\x03\x01\x00\x02\x02\x46", "but TLS: the URL must start with"),
            (ESTABLISHED.replace(b"\r\n", b"\n"), "must end in CR LF, not in LF alone"),
        ):
            outcome, server = self.begin()
            server.send(said)
            error = self.failed(outcome, ProxyFailed)
            self.assertIsInstance(error.cause, BadResponse)
            self.assertIn(told, str(error))
            self.assertGone(server)

    def test_leaves(self) -> None:
        """
        So is one that closes the connection without a word.
        """
        for kind in (HTTPProxyEndpoint, SOCKSProxyEndpoint):
            for leave in (Server.end, Server.vanish):
                outcome, server = self.begin(kind)
                leave(server)
                error = self.failed(outcome, ProxyFailed)
                self.assertIn("the scheme of its URL may be wrong", str(error))

    def test_noTLS(self) -> None:
        """
        And one without TLS, if TLS is spoken to it.
        """
        creator = TLSPolicy().creatorForNetloc(b"proxy.example", 443)
        toProxy = TLSEndpoint(self.reactor, creator, self.tcp())
        endpoint = HTTPProxyEndpoint(self.reactor, toProxy, "example.com", 80)
        outcome = Outcome(endpoint.connect(self.users))
        server = self.reactor.accept()
        server.turn()
        server.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        error = self.failed(outcome, ProxyFailed)
        self.assertIsInstance(error.cause, SSL.Error)
        told = "the proxy: the peer does not speak TLS on this port"
        self.assertEqual(str(error), told)

    def test_brokenBody(self) -> None:
        """
        A refusal counts, though its body breaks the rules.
        """
        outcome, server = self.begin()
        server.send(b"HTTP/1.1 403 No\r\nContent-Length: x\r\n\r\n")
        self.assertEqual(self.failed(outcome, ProxyRejected).response.code, 403)
        self.assertGone(server)

    def test_lostAtEachByte(self) -> None:
        """
        A proxy that goes away, wherever.
        """
        for end in range(len(ESTABLISHED)):
            outcome, server = self.begin()
            server.send(ESTABLISHED[:end])
            server.vanish()
            error = self.failed(outcome, ProxyFailed)
            self.assertIsInstance(error.cause, ConnectionLost)
            self.assertTrue(self.reactor.isIdle)

    def test_refused(self) -> None:
        """
        No proxy is there.
        """
        outcome = Outcome(self.endpoint().connect(self.users))
        self.reactor.refuse(ConnectionRefusedError())
        error = self.failed(outcome, ProxyFailed)
        self.assertIsInstance(error.cause, ConnectionRefusedError)
        self.assertTrue(self.reactor.isIdle)

    def test_silent(self) -> None:
        """
        A proxy that does not answer is waited for until the timeout.
        """
        for kind in (HTTPProxyEndpoint, SOCKSProxyEndpoint):
            outcome, server = self.begin(kind)
            self.reactor.advance(29.9)
            self.assertEqual(outcome.results, [])
            self.reactor.advance(0.1)
            error = self.failed(outcome, ProxyFailed)
            self.assertIsInstance(error.cause, TimeoutError)
            self.assertIn("30", str(error))
            self.assertGone(server)

    def test_halfRefused(self) -> None:
        """
        At the timeout, part of a refusal is better than nothing.
        """
        outcome, server = self.begin(timeout=2)
        server.send(FORBIDDEN[:-1])
        self.reactor.advance(2)
        self.assertEqual(self.failed(outcome, ProxyRejected).code, 403)
        self.assertGone(server)

    def test_noTimeout(self) -> None:
        """
        Without one nothing is planned.
        """
        outcome, _ = self.begin(timeout=None)
        self.assertTrue(self.reactor.isIdle)
        self.assertEqual(outcome.results, [])


class CancelTests(ProxyTestCase):
    """
    Tests of cancelling.
    """

    def test_connecting(self) -> None:
        """
        While connecting to the proxy.
        """
        connecting: Deferred[Any] = self.endpoint().connect(self.users)
        outcome = Outcome(connecting)
        connecting.cancel()
        error = self.failed(outcome, ProxyFailed)
        self.assertIsInstance(error.cause, CancelledError | ConnectingCancelledError)
        self.assertTrue(self.reactor.attempts[0].isOver)
        self.assertTrue(self.reactor.isIdle)

    def test_waiting(self) -> None:
        """
        While waiting for its answer, whatever came so far.
        """
        for kind, said in (
            (HTTPProxyEndpoint, ESTABLISHED),
            (SOCKSProxyEndpoint, b"\x05\x00\x05\x00\x00\x01" + bytes(6)),
        ):
            for end in range(len(said)):
                connecting = self.endpoint(kind).connect(self.users)
                outcome = Outcome(connecting)
                server = self.reactor.accept()
                server.send(said[:end])
                protocol = server.transport.protocol
                connecting.cancel()
                self.failed(outcome, ProxyFailed)
                self.assertGone(server)
                # TLS may have some more in store.
                protocol.dataReceived(said[end:])
        self.assertEqual(self.users.made, [])

    def test_late(self) -> None:
        """
        An endpoint that connects although it was cancelled finds nobody.
        """
        late: list[Any] = []

        class Late:
            def connect(self, factory: Any) -> Deferred[Any]:
                late.append(factory)
                return Deferred()

        endpoint = HTTPProxyEndpoint(self.reactor, Late(), "h", 80)  # type: ignore[arg-type]
        connecting = endpoint.connect(self.users)
        outcome = Outcome(connecting)
        connecting.cancel()
        self.failed(outcome, ProxyFailed)
        TCP4ClientEndpoint(self.reactor, PROXY, 3128).connect(late[0])
        server = self.reactor.accept()
        self.assertGone(server)
        self.assertEqual(server.received(), b"")
