# Part of txwebsocket. See LICENSE for details.
"""
Tests of whom a server lets in, whom it tells, and how it sends all away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import twisted.internet.reactor
from OpenSSL.crypto import X509, PKey
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint
from twisted.internet.ssl import Certificate, CertificateOptions
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.support.memory import (
    Peer,
    Recorder,
    Response,
    Served,
    close,
    handshake,
    text,
)
from tests.support.remote import certify
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    ServerConfig,
    TLSPolicy,
    WebSocketClient,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
    WebSocketServer,
)
from txwebsocket.testing import MemoryTransport

PROTOCOL = "Sec-WebSocket-Protocol"


class TransportFrom(MemoryTransport):
    """
    A connection from a certain address.
    """

    def __init__(self, clock: Clock, host: str | None) -> None:
        super().__init__(clock)
        self.host = host

    def getPeer(self) -> Any:
        if self.host is None:
            return UNIXAddress(None)
        return IPv4Address("TCP", self.host, 50000)


class AdmissionTestCase(SynchronousTestCase):
    """
    What tests of servers need.

    :ivar server: a server that is mounted on a site without pages.
    :ivar served: the site.
    """

    def serve(self, application: Any = Recorder, **options: Any) -> None:
        """
        Serve; ``onConnect`` and the like go to the server, all else are options.
        """
        listeners = {
            name: options.pop(name) for name in list(options) if name.startswith("on")
        }
        self.served = Served(Resource())
        self.server = WebSocketServer(application, ServerConfig(**options), **listeners)
        self.server.mount(self.served.site)

    def come(self, host: str | None, *lines: str) -> Peer:
        """
        Ask for a WebSocket from this address; None comes over a UNIX socket.
        """
        peer = self.served.connect(TransportFrom(self.served.clock, host))
        peer.send(handshake(*lines))
        return peer

    def status(self, *lines: str) -> int:
        """
        The status of the answer to a request.
        """
        return self.served.request(*lines).response().status

    def assertFull(self, response: Response, option: str) -> None:
        """
        There is no room, and this option says so.
        """
        self.assertEqual(response.status, 503)
        self.assertIn(option.encode(), response.body)


class LimitTests(AdmissionTestCase):
    """
    Tests of how many are let in.
    """

    def test_unlimited(self) -> None:
        """
        Without limits all are let in.
        """
        self.serve()
        for _ in range(50):
            self.served.upgrade()
        self.assertEqual(len(self.server.connections), 50)

    def test_connections(self) -> None:
        """
        When there are ``maxConnections``, the next is told to try later, and which
        option it was.
        """
        self.serve(maxConnections=2)
        peers = [self.served.upgrade() for _ in range(2)]
        self.assertFull(self.served.request().response(), "maxConnections")
        self.assertEqual(len(self.server.connections), 2)
        for peer in peers:
            peer.sendText("still there")
            self.assertTrue(peer.transport.isConnected)

    def test_room(self) -> None:
        """
        However a connection ends, there is room for another then.
        """
        self.serve(maxConnections=1)
        ends: list[Callable[[Peer, WebSocketConnection], object]] = [
            lambda peer, connection: peer.sendClose(),
            lambda peer, connection: peer.vanish(),
            lambda peer, connection: peer.end(),
            lambda peer, connection: connection.drop(skipCloseFrame=True),
        ]
        for end in ends:
            peer = self.served.upgrade()
            [connection] = self.server.connections
            self.assertEqual(self.status(), 503)
            end(peer, connection)
            peer.turn()
        self.served.upgrade()

    def test_closing(self) -> None:
        """
        A connection that is closing still takes its place, until it is gone.
        """
        self.serve(maxConnections=1)
        peer = self.served.upgrade()
        [connection] = self.server.connections
        connection.close()
        self.assertEqual(self.status(), 503)
        peer.sendClose()
        self.served.upgrade()

    def test_requestsCount(self) -> None:
        """
        Who waits for a decision takes a place as well, until it is refused or has left.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append, maxConnections=2)
        first = self.served.request()
        second = self.served.request()
        self.assertFull(self.served.request().response(), "maxConnections")
        requests[0].accept()
        self.assertEqual(first.response().status, 101)
        self.assertEqual(self.status(), 503)
        requests[1].reject()
        self.assertEqual(second.response().status, 403)
        third = self.served.request()
        self.assertEqual(self.status(), 503)
        third.vanish()
        self.served.request()
        self.assertEqual(len(requests), 4)

    def test_perAddress(self) -> None:
        """
        When an address has ``maxConnectionsPerAddress``, another one still gets in.
        """
        self.serve(maxConnectionsPerAddress=2)
        first = self.come("192.0.2.1")
        self.come("192.0.2.1")
        self.assertFull(self.come("192.0.2.1").response(), "maxConnectionsPerAddress")
        self.assertEqual(self.come("192.0.2.2").response().status, 101)
        self.assertEqual(first.response().status, 101)
        first.sendClose()
        self.assertEqual(self.come("192.0.2.1").response().status, 101)
        self.assertEqual(self.come("192.0.2.1").response().status, 503)

    def test_perAddressRequests(self) -> None:
        """
        An address's undecided requests count, until they are refused or it has left.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append, maxConnectionsPerAddress=1)
        for leave in (
            lambda peer: requests[-1].reject(),
            lambda peer: peer.vanish(),
            lambda peer: peer.wait(10),
        ):
            peer = self.come("192.0.2.1")
            self.assertEqual(self.come("192.0.2.1").response().status, 503)
            leave(peer)
        self.come("192.0.2.1")
        self.assertEqual(len(requests), 4)

    def test_acceptedTooLate(self) -> None:
        """
        Who is accepted when it has left already gives its place back once.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append, maxConnectionsPerAddress=1)
        self.come("192.0.2.1").vanish()
        requests[0].accept()
        self.come("192.0.2.1")
        self.assertEqual(self.come("192.0.2.1").response().status, 503)
        requests[1].accept()
        self.assertEqual(self.come("192.0.2.1").response().status, 503)
        self.assertEqual(len(requests), 2)

    def test_prefix6(self) -> None:
        """
        An IPv6 client has a /64 of addresses at least, and is one client with all of
        them. The option ``ipv6PrefixLength`` says otherwise.
        """
        self.serve(maxConnectionsPerAddress=1)
        statuses = [
            self.come(host).response().status
            for host in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
        ]
        self.assertEqual(statuses, [101, 503, 101])
        self.serve(maxConnectionsPerAddress=1, ipv6PrefixLength=128)
        for host in ("2001:db8::1", "2001:db8::ffff:2"):
            self.assertEqual(self.come(host).response().status, 101)

    def test_mapped(self) -> None:
        """
        An IPv4 client is the same client on an IPv6 socket.
        """
        self.serve(maxConnectionsPerAddress=1)
        self.assertEqual(self.come("192.0.2.1").response().status, 101)
        self.assertEqual(self.come("::ffff:192.0.2.1").response().status, 503)
        self.assertEqual(self.come("::ffff:192.0.2.2").response().status, 101)

    def test_noAddress(self) -> None:
        """
        Clients of a UNIX socket have no address that could have too many. That the
        limit does nothing for them is logged, once, with what to do.
        """
        self.serve(maxConnectionsPerAddress=1)
        with capturedLogs() as logged:
            for _ in range(3):
                self.assertEqual(self.come(None).response().status, 101)
        warnings = [formatEvent(e) for e in logged if e["log_level"] is LogLevel.warn]
        self.assertEqual(len(warnings), 1)
        self.assertIn("trustedProxies", warnings[0])

    def test_pending(self) -> None:
        """
        When ``maxPendingRequests`` wait for a decision, the next is told to try later.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append, maxPendingRequests=2)
        self.served.request()
        waiting = self.served.request()
        self.assertFull(self.served.request().response(), "maxPendingRequests")
        requests[0].accept()
        self.served.request()
        self.assertEqual(self.status(), 503)
        waiting.vanish()
        self.served.request()
        self.assertEqual(len(requests), 4)

    def test_leftHandlers(self) -> None:
        """
        A client that leaves makes no room while its handler still runs, or one client
        could have any number of them run.
        """
        decisions: list[Deferred[Any]] = []

        def handler(request: WebSocketRequest) -> Deferred[Any]:
            decisions.append(Deferred())
            return decisions[-1]

        self.serve(handler, maxPendingRequests=2)
        for _ in range(2):
            self.served.request().vanish()
        self.assertFull(self.served.request().response(), "maxPendingRequests")
        self.assertEqual(len(decisions), 2)
        for decision in decisions:
            decision.callback(None)
        self.flushLoggedErrors(RuntimeError)
        self.assertEqual(self.served.request().received(), b"")
        self.assertEqual(len(decisions), 3)

    def test_pendingDefault(self) -> None:
        """
        A thousand may wait unless one says otherwise.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append)
        for _ in range(1000):
            self.served.request()
        self.assertEqual(len(self.server.pendingRequests), 1000)
        self.assertEqual(self.status(), 503)
        self.assertEqual(len(requests), 1000)

    def test_decidedAtOnce(self) -> None:
        """
        Who is decided at once never waits.
        """
        self.serve(maxPendingRequests=1)
        for _ in range(3):
            self.served.upgrade()
        self.assertEqual(len(self.server.pendingRequests), 0)

    def test_notAsked(self) -> None:
        """
        An application is not asked about those for whom there is no room.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append, maxConnections=1)
        self.served.request()
        self.served.request()
        self.assertEqual(len(requests), 1)


class ForwardedTests(AdmissionTestCase):
    """
    Tests of addresses behind proxies.
    """

    PROXY = "10.0.0.1"

    def setUp(self) -> None:
        self.seen: list[tuple[str | None, tuple[str, ...]]] = []

    def note(self, request: WebSocketRequest) -> None:
        """
        Write down where a request came from, and accept it.
        """
        self.seen.append((request.remoteAddress, request.remoteAddresses))
        request.accept()

    def test_trusted(self) -> None:
        """
        What a trusted proxy tells is believed: the client is who asked it.
        """
        self.serve(self.note, trustedProxies=["10.0.0.0/8"])
        self.come(self.PROXY, "X-Forwarded-For: 192.0.2.7")
        self.come(self.PROXY, "X-Forwarded-For: 192.0.2.7, 10.0.0.2")
        self.come(self.PROXY, "X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 10.0.0.2")
        way = ("192.0.2.7", "10.0.0.2", self.PROXY)
        self.assertEqual(
            self.seen,
            [("192.0.2.7", ("192.0.2.7", self.PROXY)), (way[0], way), (way[0], way)],
        )

    def test_forged(self) -> None:
        """
        What a client has written there itself is not believed.
        """
        self.serve(self.note, trustedProxies=["10.0.0.0/8"])
        self.come(self.PROXY, "X-Forwarded-For: 127.0.0.1, 192.0.2.7")
        self.come("192.0.2.7", "X-Forwarded-For: 127.0.0.1")
        self.assertEqual([client for client, _ in self.seen], ["192.0.2.7"] * 2)

    def test_nobodyTrusted(self) -> None:
        """
        By default nobody is believed.
        """
        self.serve(self.note)
        self.come(self.PROXY, "X-Forwarded-For: 192.0.2.7")
        self.assertEqual(self.seen, [(self.PROXY, (self.PROXY,))])

    def test_noHeader(self) -> None:
        """
        A trusted proxy that tells nothing is itself the client.
        """
        self.serve(self.note, trustedProxies=[self.PROXY])
        self.come(self.PROXY)
        self.assertEqual(self.seen, [(self.PROXY, (self.PROXY,))])

    def test_unix(self) -> None:
        """
        Who comes over a UNIX socket has no address, and is not believed.
        """
        self.serve(self.note, trustedProxies=[self.PROXY])
        peer = self.come(None, "X-Forwarded-For: 192.0.2.7")
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(self.seen, [(None, ())])

    def test_unixTrusted(self) -> None:
        """
        A proxy at the other end of a UNIX socket is named ``unix``. Its clients have
        the addresses that it tells, and are counted by them.
        """
        self.serve(self.note, trustedProxies=["unix"], maxConnectionsPerAddress=1)
        statuses = [
            self.come(None, f"X-Forwarded-For: {client}").response().status
            for client in ("192.0.2.7", "10.0.0.1, 192.0.2.7", "192.0.2.8")
        ]
        self.assertEqual(statuses, [101, 503, 101])
        self.assertEqual(self.seen[0], ("192.0.2.7", ("192.0.2.7", "unix")))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_unixSilent(self) -> None:
        """
        If the proxy there tells no address, it has none, and the limit that does
        nothing then is logged.
        """
        self.serve(self.note, trustedProxies=["unix"], maxConnectionsPerAddress=1)
        with capturedLogs() as logged:
            self.come(None)
        self.assertEqual(self.seen, [(None, ())])
        self.assertIn("X-Forwarded-For", "".join(map(str, map(formatEvent, logged))))

    def test_mapped(self) -> None:
        """
        IPv4 addresses are told as such, whatever socket they come over.
        """
        self.serve(self.note, trustedProxies=[self.PROXY])
        self.come(f"::ffff:{self.PROXY}", "X-Forwarded-For: ::ffff:192.0.2.7")
        self.come("::ffff:192.0.2.8")
        ways = [("192.0.2.7", self.PROXY), ("192.0.2.8",)]
        self.assertEqual(self.seen, [(way[0], way) for way in ways])

    def test_gateways(self) -> None:
        """
        Ports, brackets and quotes around addresses are no part of them.
        """
        self.serve(self.note, trustedProxies=[self.PROXY])
        for hop in ("192.0.2.7:51008", "[::ffff:192.0.2.7]:443", '"192.0.2.7"'):
            self.come(self.PROXY, f"X-Forwarded-For: {hop}")
        self.assertEqual([client for client, _ in self.seen], ["192.0.2.7"] * 3)

    def test_unreadable(self) -> None:
        """
        An address that can't be read ends the way at the proxy before it, and is
        logged in one harmless line.
        """
        self.serve(self.note, trustedProxies=["10.0.0.0/8"])
        with capturedLogs() as logged:
            self.come(self.PROXY, "X-Forwarded-For: 192.0.2.7, un\x9bknown, 10.0.0.2")
        self.assertEqual(self.seen, [("10.0.0.2", ("10.0.0.2", self.PROXY))])
        [warning] = [formatEvent(e) for e in logged if e["log_level"] is LogLevel.warn]
        self.assertTrue(warning.isprintable())
        for words in ("X-Forwarded-For", "10.0.0.2", "un\\x9bknown"):
            self.assertIn(words, warning)

    def test_forwarded(self) -> None:
        """
        With the option ``forwardedHeader`` it is that header that is believed, and no
        other, which the proxy may have passed on as its client wrote it.
        """
        both = "Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.8"
        for header, client in (
            ("X-Forwarded-For", "192.0.2.8"),
            ("Forwarded", "192.0.2.7"),
            ("forwarded", "192.0.2.7"),
            ("X-Real-IP", self.PROXY),
        ):
            self.serve(self.note, trustedProxies=[self.PROXY], forwardedHeader=header)
            self.come(self.PROXY, *both)
            self.assertEqual(self.seen.pop()[0], client, header)

    def test_perAddress(self) -> None:
        """
        Clients behind a proxy are counted by their own addresses.
        """
        self.serve(trustedProxies=[self.PROXY], maxConnectionsPerAddress=1)
        for client, status in (
            ("192.0.2.7", 101),
            ("192.0.2.8", 101),
            ("192.0.2.7", 503),
            ("127.0.0.1, 192.0.2.8", 503),
        ):
            peer = self.come(self.PROXY, f"X-Forwarded-For: {client}")
            self.assertEqual(peer.response().status, status, client)


class SocketTests(TestCase):
    """
    Tests of what a client's address is over real sockets.
    """

    def setUp(self) -> None:
        """
        Serve, and have a place for sockets: the path of one has to be short.
        """
        self.seen: list[tuple[str, ...]] = []
        config = ServerConfig(trustedProxies=["unix", "127.0.0.1"])
        resource = WebSocketResource(self.note, config)
        self.site = Site(resource, reactor=twisted.internet.reactor)
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.path = f"{directory}/ws"

    def note(self, request: WebSocketRequest) -> None:
        """
        Write down where a request came from.
        """
        self.seen.append(request.remoteAddresses)
        request.reject()

    async def ask(self, url: str, **options: Any) -> None:
        """
        Ask as a proxy does.
        """
        reactor: Any = twisted.internet.reactor
        port = await UNIXServerEndpoint(reactor, self.path).listen(self.site)
        self.addCleanup(port.stopListening)
        client = WebSocketClient(reactor, **options)
        with self.assertRaises(ConnectionRejected):
            await client.connect(url, headers={"X-Forwarded-For": "192.0.2.7:51008"})

    async def test_unix(self) -> None:
        """
        Over a UNIX socket the proxy is ``unix``.
        """
        await self.ask(f"ws+unix:{self.path}:/")
        self.assertEqual(self.seen, [("192.0.2.7", "unix")])

    async def test_unixTLS(self) -> None:
        """
        So it is with TLS over one.
        """
        identity = certify("localhost")
        certificate = X509.from_cryptography(identity.certificate)
        options = CertificateOptions(
            privateKey=PKey.from_cryptography_key(identity.key), certificate=certificate
        )
        self.site = TLSMemoryBIOFactory(options, False, self.site)
        await self.ask(
            "wss://localhost/",
            proxy=UNIXClientEndpoint(twisted.internet.reactor, self.path),
            tlsPolicy=TLSPolicy(Certificate(certificate)),
        )
        self.assertEqual(self.seen, [("192.0.2.7", "unix")])


class OriginTests(AdmissionTestCase):
    """
    Tests of a callable as ``origins``.
    """

    def test_decides(self) -> None:
        """
        A callable decides alone, from the header as it came.
        """
        asked = []

        def choose(origin: str) -> bool:
            asked.append(origin)
            return origin == "https://A.example"

        self.serve(origins=choose)
        self.assertEqual(self.status("Origin: https://A.example"), 101)
        self.assertEqual(self.status("Origin: http://example.com"), 403)
        self.assertEqual(self.status("Origin: null"), 403)
        self.assertEqual(asked, ["https://A.example", "http://example.com", "null"])

    def test_noOrigin(self) -> None:
        """
        It is not asked about a request without an origin.
        """
        asked: list[str] = []
        self.serve(origins=asked.append)
        self.assertEqual(self.status(), 101)
        self.assertEqual(asked, [])

    def test_raises(self) -> None:
        """
        If it raises, nobody is let in: the client is answered 500 and told nothing
        more, and the error is logged.
        """

        def broken(origin: str) -> bool:
            raise ZeroDivisionError("secret")

        self.serve(origins=broken)
        response = self.served.request("Origin: http://example.com").response()
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.server.pendingRequests), 0)
        self.assertEqual(self.status(), 101)

    def test_raisesAndEnds(self) -> None:
        """
        That ends the connection as every refusal does: what a client sends next may be
        no HTTP.
        """

        def broken(origin: str) -> bool:
            raise ZeroDivisionError("secret")

        self.serve(origins=broken)
        peer = self.served.request("Origin: http://example.com")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(peer.response().header("Connection"), ["close"])
        self.assertFalse(peer.transport.isConnected)

    def test_refused(self) -> None:
        """
        Who is refused is told what the server compared, and the option.
        """
        self.serve()
        response = self.served.request("Origin: https://a.example").response()
        self.assertEqual(response.status, 403)
        for part in (b"https://a.example", b"example.com", b"origins"):
            self.assertIn(part, response.body)

    def test_logged(self) -> None:
        """
        Whoever runs the server finds each refusal in the log, with the client and the
        option.
        """
        events: list[str] = []

        def note(event: Any) -> None:
            events.append(str(formatEvent(event)))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.serve()
        peer = self.served.connect(TransportFrom(self.served.clock, "192.0.2.9"))
        peer.send(handshake("Origin: https://a.example", path="/chat"))
        self.assertEqual(peer.response().status, 403)
        [line] = [event for event in events if "gets no WebSocket" in event]
        for part in ("192.0.2.9", "https://a.example", "example.com", "origins"):
            self.assertIn(part, line)
        self.assertIn("/chat", line)


class ListenerTests(AdmissionTestCase):
    """
    Tests of who is told that somebody comes or goes.
    """

    def setUp(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def listen(self, application: Any = Recorder, **options: Any) -> None:
        """
        Serve, and write down what is told.
        """

        def note(what: str) -> Callable[[Any], object]:
            return lambda value: self.told.append((what, value))

        self.serve(
            application,
            onConnect=note("connect"),
            onClose=note("close"),
            onUpgradeError=note("error"),
            **options,
        )

    def test_connect(self) -> None:
        """
        The server tells of each connection when it is open, and when it has ended.
        """
        self.listen()
        peer = self.served.upgrade()
        [connection] = self.server.connections
        self.assertEqual(self.told, [("connect", connection)])
        self.assertTrue(connection.connected)
        other = self.served.upgrade()
        self.assertEqual(len(self.told), 2)
        peer.sendClose(4000, "bye")
        self.assertEqual(self.told[2:], [("close", connection)])
        report: Any = connection.closeReport
        self.assertEqual((report.code, report.receivedReason), (4000, "bye"))
        other.vanish()
        self.assertEqual(len(self.told), 4)

    def test_whileTold(self) -> None:
        """
        Who is told can send; when it is told of the end, the connection is no longer
        among the server's.
        """
        counts = []

        def onConnect(connection: WebSocketConnection) -> None:
            counts.append((connection.connected, len(self.server.connections)))
            connection.send("welcome")

        def onClose(connection: WebSocketConnection) -> None:
            counts.append((connection.connected, len(self.server.connections)))

        self.serve(onConnect=onConnect, onClose=onClose)
        peer = self.served.upgrade()
        self.assertEqual(peer.frames(), [text("welcome")])
        peer.vanish()
        self.assertEqual(counts, [(True, 1), (False, 0)])

    def test_order(self) -> None:
        """
        The application is told first, of the beginning and of the end.
        """
        told = self.told

        class Application(WebSocketProtocol):
            def negotiationFinished(self) -> None:
                told.append(("application", "finished"))

            def connectionLost(self, reason: Any) -> None:
                told.append(("application", "lost"))

        self.listen(Application)
        self.served.upgrade().sendClose()
        self.assertEqual(
            [what for what, _ in told],
            ["application", "connect", "application", "close"],
        )

    def test_everyEnd(self) -> None:
        """
        Each end is told once, whatever it was.
        """
        self.listen()
        ends: list[tuple[CloseCause, Callable[[Peer, WebSocketConnection], object]]] = [
            (CloseCause.PEER_CLOSE, lambda peer, _: peer.sendClose()),
            (CloseCause.PEER_LOST, lambda peer, _: peer.vanish()),
            (CloseCause.DROPPED, lambda _, connection: connection.drop(1002, "", True)),
            (CloseCause.KEEPALIVE_TIMEOUT, lambda peer, _: peer.waitLong(31)),
        ]
        for cause, end in ends:
            peer = self.served.upgrade()
            [connection] = self.server.connections
            end(peer, connection)
            peer.turn()
            peer.vanish()
            self.assertEqual(
                self.told, [("connect", connection), ("close", connection)]
            )
            report: Any = connection.closeReport
            self.assertIs(report.cause, cause)
            self.told.clear()

    def test_acceptedTooLate(self) -> None:
        """
        A connection that was accepted too late, after its client had left or was
        answered 503, has never been open: nothing is told of it.
        """
        requests: list[WebSocketRequest] = []
        self.listen(requests.append, openTimeout=3)
        self.served.request().vanish()
        self.served.request().wait(3)
        for request in requests:
            self.assertIsNotNone(request.accept().closeReport)
        self.assertEqual(self.told, [])

    def test_endedWhileTold(self) -> None:
        """
        Nor is one that its application drops while it is told of the beginning.
        """

        class Application(WebSocketProtocol):
            def negotiationFinished(self) -> None:
                self.connection.drop(1000, "", True)
                peer.turn()

        self.listen(Application)
        peer = self.served.connect()
        peer.send(handshake())
        self.assertEqual(len(self.server.connections), 0)
        self.assertEqual(self.told, [])

    def test_endedByListener(self) -> None:
        """
        Whoever is told of the beginning is told of the end, also if it ends the
        connection at once.
        """

        def end(connection: WebSocketConnection) -> None:
            connection.drop(1000, "", True)

        self.serve(onConnect=end, onClose=lambda _: self.told.append(("close", _)))
        self.served.request()
        self.assertEqual(len(self.told), 1)

    def test_coroutines(self) -> None:
        """
        Listeners may be coroutines or return Deferreds. They are run to their end.
        """
        may: Deferred[None] = Deferred()

        async def note(what: Any) -> None:
            await may
            self.told.append(("note", what))

        self.serve(onConnect=note, onClose=lambda _: may, onUpgradeError=note)
        peer = self.served.upgrade()
        self.status("Sec-WebSocket-Key: 1")
        peer.sendClose()
        self.assertEqual(self.told, [])
        may.callback(None)
        self.assertEqual(len(self.told), 2)

    def test_coroutinesRaise(self) -> None:
        """
        What they raise then is logged, and harms nobody.
        """
        may: Deferred[None] = Deferred()

        async def broken(what: Any) -> None:
            await may
            raise ZeroDivisionError("secret")

        def failing(what: Any) -> Deferred[None]:
            failed: Deferred[None] = Deferred()
            failed.errback(OSError())
            return failed

        self.serve(onConnect=broken, onClose=failing)
        peer = self.served.upgrade()
        may.callback(None)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        peer.sendText("hello")
        peer.sendClose()
        self.assertEqual(peer.frames(), [close(1000)])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_upgradeErrors(self) -> None:
        """
        The server tells of each request that it refuses by itself, with the status and
        the sentence that the client is told.
        """
        self.listen(maxConnections=1)
        for status, lines in (
            (426, ["Sec-WebSocket-Version: 7"]),
            (400, ["Sec-WebSocket-Key: 1"]),
            (403, ["Origin: https://a.example"]),
        ):
            response = self.served.request(*lines).response()
            [(what, error)] = self.told
            self.told.clear()
            self.assertEqual((what, error.status), ("error", status))
            self.assertIsInstance(error, HandshakeError)
            self.assertEqual(response.status, status)
            self.assertIn(error.explanation.encode(), response.body)
        self.served.upgrade()
        self.told.clear()
        self.served.request()
        [(what, error)] = self.told
        self.assertEqual((what, error.status), ("error", 503))

    def test_upgradeErrorsSayWhose(self) -> None:
        """
        It tells whose request that was: the client's address as the application would
        see it, what was asked for, the page's origin, and the whole request.
        """
        self.listen(trustedProxies=["192.0.2.1"])
        self.served.request(
            "Origin: https://a.example",
            "X-Forwarded-For: 203.0.113.7",
            "User-Agent: odd",
            path="/chat?room=1",
        )
        self.served.request(
            "Sec-WebSocket-Version: 8", "Sec-WebSocket-Origin: https://b.example"
        )
        self.served.request("Sec-WebSocket-Key: 1")
        found = [error for _, error in self.told]
        self.assertEqual(
            [(error.remoteAddress, error.resource, error.origin) for error in found],
            [
                ("203.0.113.7", "/chat?room=1", "https://a.example"),
                ("192.0.2.1", "/", "https://b.example"),
                ("192.0.2.1", "/", None),
            ],
        )
        self.assertEqual(found[0].httpRequest.getHeader("User-Agent"), "odd")

    def test_rejected(self) -> None:
        """
        It does not tell of those that the application rejects.
        """
        self.listen(lambda request: request.reject())
        self.assertEqual(self.status(), 403)
        self.assertEqual(self.told, [])

    def test_page(self) -> None:
        """
        Nor of those who ask for a page.
        """
        self.listen()
        self.served.request(without=("Upgrade", "Connection", "Sec-WebSocket-Key"))
        self.assertEqual(self.told, [])

    def test_raise(self) -> None:
        """
        What a listener raises is logged and harms nobody.
        """

        def broken(what: object) -> None:
            raise ZeroDivisionError("secret")

        self.serve(onConnect=broken, onClose=broken, onUpgradeError=broken)
        peer = self.served.upgrade()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        [connection] = self.server.connections
        connection.send("hello")
        self.assertEqual(peer.frames(), [text("hello")])
        self.assertEqual(self.status("Sec-WebSocket-Key: 1"), 400)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        gone = connection.whenClosed()
        peer.sendClose()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.successResultOf(gone).wasClean)
        self.assertEqual(len(self.server.connections), 0)

    def test_race(self) -> None:
        """
        A listener that is left by the end of the connection it was told of is no fault,
        now or later; one that is left by the end of another is.
        """
        may: Deferred[None] = Deferred()
        gone: list[WebSocketConnection] = []

        async def greet(connection: WebSocketConnection) -> None:
            gone.append(connection)
            await may
            connection.send("hello")

        self.serve(onConnect=greet, onClose=lambda connection: connection.send("bye"))
        self.served.upgrade().vanish()
        may.callback(None)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.serve(onConnect=lambda _: gone[0].send("hello"))
        self.served.upgrade()
        self.assertEqual(len(self.flushLoggedErrors(ConnectionClosed)), 1)

    def test_nobody(self) -> None:
        """
        Nobody need listen.
        """
        self.serve()
        self.served.upgrade().sendClose()
        self.assertEqual(self.status("Sec-WebSocket-Key: 1"), 400)


class NoApplicationTests(AdmissionTestCase):
    """
    Tests of servers without an application.
    """

    def test_nothing(self) -> None:
        """
        A server without an application has nothing to serve.
        """
        self.serve(None)
        self.assertEqual(self.status(), 404)
        self.assertEqual(len(self.server.pendingRequests), 0)

    def test_later(self) -> None:
        """
        It can be given one later, or another one, or none again; connections keep
        theirs.
        """
        made: list[Recorder] = []

        class Application(Recorder):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        self.serve(None)
        self.server.application = Application
        self.assertIs(self.server.application, Application)
        peer = self.served.upgrade()
        self.server.application = lambda request: request.reject(402)
        self.assertEqual(self.status(), 402)
        self.server.application = None
        self.assertEqual(self.status(), 404)
        peer.sendText("hello")
        self.assertEqual(made[0].messages, ["hello"])

    def test_mistake(self) -> None:
        """
        What can't be served is refused, and the application before it stays.
        """
        self.assertRaises(TypeError, WebSocketServer, 5)
        self.serve()
        self.assertRaises(TypeError, setattr, self.server, "application", 5)
        self.assertIs(self.server.application, Recorder)
        self.assertEqual(self.status(), 101)

    def test_autoAccept(self) -> None:
        """
        With ``autoAcceptConnections`` all are let in, with the first subprotocol they
        offer, and belong to who is told of them.
        """
        connections: list[WebSocketConnection] = []
        self.serve(None, autoAcceptConnections=True, onConnect=connections.append)
        peer = self.served.request(f"{PROTOCOL}: Chat, other")
        self.assertEqual(peer.response().header(PROTOCOL), ["Chat"])
        [connection] = connections
        self.assertEqual(connection.protocol, "Chat")
        peer.sendText("hello")
        self.assertEqual(self.successResultOf(connection.receive()), "hello")
        connection.send("hi")
        self.assertEqual(peer.frames(), [text("hi")])

    def test_autoAcceptNone(self) -> None:
        """
        Who offers no subprotocol gets none then.
        """
        self.serve(None, autoAcceptConnections=True)
        response = self.served.request().response()
        self.assertEqual(response.status, 101)
        self.assertEqual(response.header(PROTOCOL), [])

    def test_autoAcceptChecks(self) -> None:
        """
        All checks are made all the same.
        """
        self.serve(None, autoAcceptConnections=True, maxConnections=1)
        self.assertEqual(self.status("Origin: https://a.example"), 403)
        self.assertEqual(self.status("Sec-WebSocket-Key: 1"), 400)
        self.assertEqual(self.status(), 101)
        self.assertEqual(self.status(), 503)

    def test_autoAcceptApplication(self) -> None:
        """
        Where there is an application, it decides.
        """
        self.serve(lambda request: request.reject(), autoAcceptConnections=True)
        self.assertEqual(self.status(), 403)
        self.server.application = None
        self.assertEqual(self.status(), 101)


class CloseAllTests(AdmissionTestCase):
    """
    Tests of closeAllConnections().
    """

    def test_all(self) -> None:
        """
        All connections are closed with 1001; the Deferred fires when they are gone.
        """
        self.serve()
        peers = [self.served.upgrade() for _ in range(3)]
        gone = self.server.closeAllConnections()
        for peer in peers:
            self.assertNoResult(gone)
            self.assertEqual(peer.frames(), [close(1001)])
            peer.sendClose(1001)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(len(self.server.connections), 0)

    def test_code(self) -> None:
        """
        The code and the reason can be chosen.
        """
        self.serve()
        peer = self.served.upgrade()
        [connection] = self.server.connections
        self.server.closeAllConnections(4000, "closing time")
        self.assertEqual(peer.frames(), [close(4000, "closing time")])
        peer.sendClose(4000)
        report: Any = connection.closeReport
        self.assertIs(report.cause, CloseCause.SHUTDOWN)

    def test_mistake(self) -> None:
        """
        A code that can't be sent is refused, and touches nobody.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append)
        waiting = self.served.request()
        open_ = self.served.request()
        requests[1].accept()
        self.assertEqual(open_.response().status, 101)
        for code, reason in ((1005, ""), (999, ""), (1000, "x" * 124)):
            self.assertRaises(ValueError, self.server.closeAllConnections, code, reason)
        self.assertEqual(open_.frames(), [])
        self.assertEqual(waiting.received(), b"")

    def test_nobody(self) -> None:
        """
        Where nobody is, nobody is waited for.
        """
        self.serve()
        self.assertIsNone(self.successResultOf(self.server.closeAllConnections()))

    def test_requests(self) -> None:
        """
        Who waits for a decision is answered 503.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append)
        peers = [self.served.request() for _ in range(2)]
        gone = self.server.closeAllConnections()
        self.assertIsNone(self.successResultOf(gone))
        for peer, request in zip(peers, requests, strict=True):
            self.assertEqual(peer.response().status, 503)
            self.assertTrue(request.isDecided)
            connection = request.accept()
            self.assertIs(connection.closeReport.cause, CloseCause.SHUTDOWN)
        self.assertEqual(len(self.server.pendingRequests), 0)

    def test_requestsTogether(self) -> None:
        """
        It does no harm if the end of one request has the application reject another.
        """
        requests: list[WebSocketRequest] = []

        def handler(request: WebSocketRequest) -> None:
            requests.append(request)
            finished = request.httpRequest.notifyFinish()
            finished.addCallback(lambda _: rejectOthers())

        def rejectOthers() -> None:
            for request in requests:
                if not request.isDecided:
                    request.reject(502)

        self.serve(handler)
        peers = [self.served.request() for _ in range(3)]
        gone = self.server.closeAllConnections()
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(
            sorted(peer.response().status for peer in peers), [502, 502, 503]
        )

    def test_goesOn(self) -> None:
        """
        The server goes on: who comes then is let in, and not waited for.
        """
        self.serve()
        old = self.served.upgrade()
        gone = self.server.closeAllConnections()
        self.assertEqual(old.frames(), [close(1001)])
        new = self.served.upgrade()
        old.sendClose(1001)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(new.frames(), [])
        self.assertEqual(len(self.server.connections), 1)

    def test_closing(self) -> None:
        """
        Who is closing already is waited for, and told nothing more.
        """
        self.serve()
        peer = self.served.upgrade()
        [connection] = self.server.connections
        connection.close(4000)
        gone = self.server.closeAllConnections()
        self.assertNoResult(gone)
        self.assertEqual(peer.frames(), [close(4000)])
        peer.sendClose(4000)
        self.assertIsNone(self.successResultOf(gone))

    def test_deaf(self) -> None:
        """
        Who does not answer is dropped after ``closeTimeout``.
        """
        self.serve(closeTimeout=3)
        peer = self.served.upgrade()
        gone = self.server.closeAllConnections()
        peer.wait(2.9)
        self.assertNoResult(gone)
        peer.wait(0.1)
        self.assertIsNone(self.successResultOf(gone))

    def test_again(self) -> None:
        """
        It can be called again, and each Deferred fires.
        """
        self.serve()
        peer = self.served.upgrade()
        both = [self.server.closeAllConnections() for _ in range(2)]
        peer.sendClose(1001)
        for gone in both:
            self.assertIsNone(self.successResultOf(gone))

    def test_applicationRaises(self) -> None:
        """
        An application that raises at its end keeps no other connection from closing.
        """

        class Broken(WebSocketProtocol):
            def connectionLost(self, reason: Any) -> None:
                raise ZeroDivisionError("secret")

        self.serve(Broken)
        peers = [self.served.upgrade() for _ in range(2)]
        gone = self.server.closeAllConnections()
        for peer in peers:
            peer.sendClose(1001)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class GhostTests(AdmissionTestCase):
    """
    Tests of what goes wrong between a decision and an open connection.
    """

    def assertNobody(self) -> None:
        """
        Nobody is there, so that the server can shut down at once.
        """
        self.assertEqual(len(self.server.connections), 0)
        self.assertEqual(len(self.server.pendingRequests), 0)
        self.assertIsNone(self.successResultOf(self.server.shutDown()))

    def test_decidedMeanwhile(self) -> None:
        """
        A request that is refused while its application is introduced stays refused, and
        leaves no connection behind. That is no fault.
        """
        test = self
        made: list[Recorder] = []

        class Application(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                made.append(self)
                test.server.closeAllConnections()

        self.serve(Application)
        self.assertEqual(self.status(), 503)
        self.assertEqual(made[0].told, ["started", "lost"])
        self.assertIs(made[0].report.cause, CloseCause.SHUTDOWN)
        self.assertNobody()

    def test_chosenMeanwhile(self) -> None:
        """
        So does one that is refused while a subprotocol is chosen.
        """

        def choose(offered: Sequence[str]) -> None:
            self.server.closeAllConnections()

        self.serve(subprotocols=choose)
        self.assertEqual(self.status(), 503)
        self.assertNobody()

    def breakTransport(self) -> Peer:
        """
        Let a transport fail during the upgrade.
        """
        self.made: list[Recorder] = []
        made = self.made

        class Application(Recorder):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        class Broken(MemoryTransport):
            def setTcpNoDelay(self, enabled: bool) -> None:
                if not enabled:
                    raise ZeroDivisionError("the cable is too short")

        self.serve(Application, disableNagleAlgorithm=False, closeTimeout=3)
        peer = self.served.connect(Broken(self.served.clock))
        peer.send(handshake())
        self.flushLoggedErrors(ZeroDivisionError)
        return peer

    def test_brokenTransport(self) -> None:
        """
        A transport that fails during the upgrade leaves no connection behind, and the
        application is told that it has lost it.
        """
        self.breakTransport().vanish()
        self.assertNobody()
        self.assertEqual(self.made[0].told, ["started", "lost"])

    def test_brokenTransportShutDown(self) -> None:
        """
        Nobody has to wait for such a client to leave: a shutdown is as bounded as ever.
        """
        peer = self.breakTransport()
        gone = self.server.shutDown()
        peer.wait(3)
        self.assertIsNone(self.successResultOf(gone))


class RequestOptionTests(AdmissionTestCase):
    """
    Tests of options for what requests tell.
    """

    def ask(self, *lines: str, **options: Any) -> WebSocketRequest:
        """
        A request to a server with these options.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append, **options)
        self.served.request(*lines)
        return requests[0]

    def test_cookies(self) -> None:
        """
        Cookies are told unless one does not want them.
        """
        line = "Cookie: sid=1; seen=2"
        self.assertEqual(self.ask(line).cookies, {"sid": "1", "seen": "2"})
        self.assertEqual(self.ask(line, parseCookies=False).cookies, {})

    def test_extensions(self) -> None:
        """
        So are extensions.
        """
        line = "Sec-WebSocket-Extensions: x-one; a=1, x-two"
        extensions = self.ask(line).requestedExtensions
        self.assertEqual([each.name for each in extensions], ["x-one", "x-two"])
        request = self.ask(line, parseExtensions=False)
        self.assertEqual(request.requestedExtensions, ())


class ChooserTests(AdmissionTestCase):
    """
    Tests of a callable as ``subprotocols``.
    """

    def setUp(self) -> None:
        self.asked: list[Sequence[str]] = []

    def last(self, offered: Sequence[str]) -> str | None:
        """
        Choose the last that is offered.
        """
        self.asked.append(offered)
        return offered[-1] if offered else None

    def agreed(self, *lines: str) -> list[str]:
        """
        What is agreed on.
        """
        response = self.served.request(*lines).response()
        self.assertEqual(response.status, 101)
        return response.header(PROTOCOL)

    def test_chooses(self) -> None:
        """
        A callable is given what the client offers, in its order and spelling, and
        chooses.
        """
        self.serve(subprotocols=self.last)
        self.assertEqual(self.agreed(f"{PROTOCOL}: One, two"), ["two"])
        self.assertEqual(self.agreed(f"{PROTOCOL}: two, One"), ["One"])
        self.assertEqual(list(map(list, self.asked)), [["One", "two"], ["two", "One"]])

    def test_none(self) -> None:
        """
        It may choose none; and where none is offered, none is chosen.
        """
        self.serve(subprotocols=lambda offered: None)
        self.assertEqual(self.agreed(f"{PROTOCOL}: one"), [])
        self.serve(subprotocols=self.last)
        self.assertEqual(self.agreed(), [])

    def test_notOffered(self) -> None:
        """
        What the client does not offer can't be chosen: the client is answered 500, and
        it is logged.
        """
        self.serve(subprotocols=lambda offered: "other")
        for lines in ([f"{PROTOCOL}: one"], []):
            self.assertEqual(self.status(*lines), 500)
            [error] = self.flushLoggedErrors(ValueError)
            self.assertIn("'other'", error.getErrorMessage())

    def test_raises(self) -> None:
        """
        So it is if it raises.
        """

        def broken(offered: Sequence[str]) -> str:
            raise ZeroDivisionError("secret")

        self.serve(subprotocols=broken)
        response = self.served.request(f"{PROTOCOL}: one").response()
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_handlersChoice(self) -> None:
        """
        It is not asked where the application has chosen.
        """
        self.serve(lambda request: request.accept("one"), subprotocols=self.last)
        self.assertEqual(self.agreed(f"{PROTOCOL}: one, two"), ["one"])
        self.assertEqual(self.asked, [])
