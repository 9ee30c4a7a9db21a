# Part of txwebsocket. See LICENSE for details.
"""
Tests of ordinary protocols over WebSockets, from end to end.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import (
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    NoProtocol,
)
from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols import amp
from twisted.protocols.basic import LineReceiver
from twisted.spread import pb
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from tests.integration.test_flow import Producer
from tests.streams.test_transport import KIB, MIB, Stream
from tests.support.memory import Served, binary, close
from tests.support.remote import ClientTestCase, Outcome
from txwebsocket import (
    PROXY_FROM_ENVIRONMENT,
    ClientConfig,
    ConnectionRejected,
    OpeningFailed,
    OpeningTimedOut,
    ServerConfig,
    WebSocketResource,
    WebSocketRouter,
    WebSocketServer,
    WebSocketStreamClientEndpoint,
    WebSocketStreamFactory,
    WebSocketStreamServerEndpoint,
    clientFromURL,
)
from txwebsocket.testing import MemorySite, MemoryWire

URL = "ws://example.com/amp"


class OddError(Exception):
    """
    What factories and protocols raise here.
    """


class StreamFactory(ServerFactory):
    """
    Makes protocols, keeps them, and counts how often it was started and stopped.
    """

    noisy = False

    def __init__(self, protocol: Any = Stream) -> None:
        self.made: list[Any] = []
        self.addresses: list[Any] = []
        self.starts = self.stops = 0
        self._make = protocol

    def buildProtocol(self, addr: Any) -> Any:
        """
        Make one, and keep it.
        """
        self.addresses.append(addr)
        made = self._make()
        self.made.append(made)
        return made

    def startFactory(self) -> None:
        """
        Count.
        """
        self.starts += 1

    def stopFactory(self) -> None:
        """
        Count.
        """
        self.stops += 1


class Pair:
    """
    Two protocols over a WebSocket in memory.

    :param server: makes the server's protocol.
    :param client: makes the client's; the same if None.
    :ivar site: the memory between them.
    :ivar server: the server's protocol.
    :ivar client: the client's protocol.
    """

    def __init__(
        self, server: Any = Stream, client: Any = None, **options: Any
    ) -> None:
        servers, clients = StreamFactory(server), StreamFactory(client or server)
        self.site = MemorySite(WebSocketStreamFactory(servers), **options)
        self.site.streamEndpoint().connect(clients)
        [self.server] = servers.made
        [self.client] = clients.made
        self.site.flush()

    @property
    def core(self) -> MemoryWire:
        """
        What is between them.
        """
        return self.site.wires[0]


class Sum(amp.Command):
    """
    Adds two numbers.
    """

    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]
    errors = {OverflowError: b"OVERFLOW"}


class Adding(amp.AMP):
    """
    Adds for whoever asks.
    """

    @Sum.responder
    def sum(self, a: int, b: int) -> dict[str, int]:
        """
        Add two numbers, if they are not too large.
        """
        if a + b > 1000:
            raise OverflowError("too large")
        return {"total": a + b}


class Answerer(pb.Root):  # type: ignore[misc]
    """
    An object that answers, and keeps who asked.
    """

    def __init__(self) -> None:
        self.friends: list[Any] = []

    def remote_echo(self, *words: str) -> tuple[str, ...]:
        """
        Answer.
        """
        return words

    def remote_meet(self, friend: Any) -> None:
        """
        Keep a reference to the asker's object.
        """
        self.friends.append(friend)

    def remote_fail(self) -> None:
        """
        Fail.
        """
        raise pb.Error("as it should")


class Lines(LineReceiver):
    """
    Answers each line with itself, backwards.
    """

    delimiter = b"\r\n"

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """
        Keep it, and answer.
        """
        self.lines.append(line)
        if line == b"quit":
            self.transport.loseConnection()  # type: ignore[union-attr]
        else:
            self.sendLine(line[::-1])


class ProtocolTests(ClientTestCase):
    """
    Tests of protocols of Twisted's own.
    """

    def test_amp(self) -> None:
        """
        AMP calls go both ways, with their results and their errors.
        """
        pair = Pair(Adding)
        for caller in (pair.client, pair.server):
            result = Outcome(caller.callRemote(Sum, a=1, b=2))
            failure = Outcome(caller.callRemote(Sum, a=999, b=2))
            pair.site.flush()
            self.assertEqual(result.results, [{"total": 3}])
            self.failed(failure, OverflowError)

    def test_ampInPieces(self) -> None:
        """
        So they do if everything arrives byte by byte, and many at a time.
        """
        pair = Pair(Adding)
        pair.core.pieceSize = 1
        results = [
            Outcome(caller.callRemote(Sum, a=number, b=number))
            for number in range(20)
            for caller in (pair.client, pair.server)
        ]
        pair.site.flush()
        totals = [outcome.results[0]["total"] for outcome in results]
        self.assertEqual(totals, [number * 2 for number in range(20) for _ in "ab"])

    def test_ampLosesItsPeer(self) -> None:
        """
        A call in progress fails when the connection breaks.
        """
        pair = Pair(Adding)
        outcome = Outcome(pair.client.callRemote(Sum, a=1, b=2))
        pair.core.cut()
        [failure] = outcome.results
        self.assertTrue(failure.check(ConnectionLost), failure)

    def test_perspectiveBroker(self) -> None:
        """
        Perspective Broker calls remote objects both ways.
        """
        root, mine = Answerer(), Answerer()
        site = MemorySite(WebSocketStreamFactory(pb.PBServerFactory(root)))
        factory = pb.PBClientFactory()
        site.streamEndpoint().connect(factory)
        site.flush()
        remote = self.successResultOf(factory.getRootObject())
        echo = Outcome(remote.callRemote("echo", "a", "b"))
        failure = Outcome(remote.callRemote("fail"))
        Outcome(remote.callRemote("meet", mine))
        site.flush()
        self.assertEqual(echo.results, [("a", "b")])
        self.assertTrue(failure.results[0].check(pb.Error))
        [friend] = root.friends
        back = Outcome(friend.callRemote("echo", "c"))
        site.flush()
        self.assertEqual(back.results, [("c",)])

    def test_lines(self) -> None:
        """
        A line may come in frames of one byte, several lines in one, and a large one in
        many messages.
        """
        factory = StreamFactory(Lines)
        served = Served(WebSocketStreamFactory(factory))
        peer = served.upgrade()
        for octet in b"hello\r\nyou\r\n":
            peer.sendBytes(bytes([octet]))
        self.assertEqual(peer.frames(), [binary(b"olleh\r\n"), binary(b"uoy\r\n")])
        peer.sendBytes(b"a\r\nbc\r\nquit\r\nlate\r\n")
        self.assertEqual(peer.frames(), [binary(b"a\r\ncb\r\n"), close()])
        self.assertEqual(factory.made[0].lines[-1], b"quit")

    def test_quit(self) -> None:
        """
        A server that hangs up has both protocols told of a clean end.
        """
        pair = Pair(Lines, Stream)
        pair.client.transport.write(b"quit\r\n")
        pair.site.flush()
        [reason] = pair.client.lost
        self.assertTrue(reason.check(ConnectionDone), reason)
        self.assertEqual(pair.site.clock.getDelayedCalls(), [])


class BulkTests(ClientTestCase):
    """
    Tests of large transfers.
    """

    def held(self, pair: Pair) -> int:
        """
        The bytes that are on their way from one protocol to the other.
        """
        transports = (pair.client.transport, pair.server.transport)
        ends = (pair.core.client, pair.core.server)
        return sum(each.connection.bufferedAmount for each in transports) + sum(
            len(end.sent) + len(end.unsent) + len(end.arrived) for end in ends
        )

    def transfer(self, sender: Stream, receiver: Stream, pair: Pair) -> None:
        """
        Send 10 MiB to a protocol that stops reading, and see that no more than
        a few marks wait anywhere; then have it read on.
        """
        source = Source(sender.transport, 10 * MIB)
        sender.transport.registerProducer(source, True)
        receiver.transport.pauseProducing()
        source.resumeProducing()
        pair.site.flush()
        self.assertTrue(source.isPaused)
        self.assertLess(self.held(pair), 512 * KIB)
        self.assertLess(source.sent, 512 * KIB)
        most = 0
        while source.sent < source.size:
            receiver.transport.resumeProducing()
            for _ in range(3):
                pair.core.turn()
            most = max(most, self.held(pair))
            receiver.transport.pauseProducing()
        self.assertLess(most, 512 * KIB)
        receiver.transport.resumeProducing()
        pair.site.flush()
        received = b"".join(receiver.pieces)
        self.assertEqual(len(received), 10 * MIB)
        self.assertEqual(received, source.content())

    def test_toServer(self) -> None:
        """
        10 MiB to a server that reads now and then stay bounded on the way.
        """
        pair = Pair()
        self.transfer(pair.client, pair.server, pair)

    def test_toClient(self) -> None:
        """
        So do 10 MiB to a client.
        """
        pair = Pair()
        self.transfer(pair.server, pair.client, pair)


class Source(Producer):
    """
    A push producer of so many bytes, in portions of 100 KiB, which can be told apart.
    """

    def __init__(self, transport: Any, size: int) -> None:
        super().__init__()
        self.size = size
        self.sent = 0
        self.isPaused = True
        self._transport = transport

    def content(self) -> bytes:
        """
        All that it sends.
        """
        return b"".join(map(self._portion, range(0, self.size, 100 * KIB)))

    def _portion(self, start: int) -> bytes:
        size = min(100 * KIB, self.size - start)
        return b"%08d" % start + b"x" * (size - 8)

    def pauseProducing(self) -> None:
        """
        Stop until further notice.
        """
        self.isPaused = True

    def resumeProducing(self) -> None:
        """
        Go on.
        """
        self.isPaused = False
        while not self.isPaused and self.sent < self.size:
            portion = self._portion(self.sent)
            self.sent += len(portion)
            self._transport.write(portion)


class ClientEndpointTests(ClientTestCase):
    """
    Tests of the endpoint that connects.
    """

    def connectStream(self, factory: Any = None, *args: Any, **options: Any) -> Outcome:
        """
        Begin to connect a protocol to the URL.
        """
        self.factory = StreamFactory() if factory is None else factory
        endpoint = clientFromURL(self.reactor, URL, *args, **options)
        return Outcome(endpoint.connect(self.factory))

    def test_interface(self) -> None:
        """
        It is an endpoint like any other.
        """
        endpoint = clientFromURL(self.reactor, URL)
        self.assertTrue(verifyObject(IStreamClientEndpoint, endpoint))
        self.assertIsInstance(endpoint, WebSocketStreamClientEndpoint)

    def test_connect(self) -> None:
        """
        The protocol is made when the connection is open, told its address, and given
        its transport; the Deferred has it then.
        """
        outcome = self.connectStream()
        server = self.reactor.accept()
        self.assertEqual(self.factory.made, [])
        server.upgrade()
        [protocol] = self.factory.made
        self.assertEqual(outcome.results, [protocol])
        self.assertIsInstance(self.factory.addresses[0], IPv4Address)
        protocol.transport.write(b"hello")
        self.assertEqual(server.frames(), [binary(b"hello")])
        server.sendBytes(b"you")
        self.assertEqual(protocol.pieces, [b"you"])

    def test_early(self) -> None:
        """
        What the server sends together with its answer is not lost.
        """
        self.connectStream()
        server = self.reactor.accept()
        server.upgrade(early=server.binary(b"welcome"))
        self.assertEqual(self.factory.made[0].pieces, [b"welcome"])

    def test_request(self) -> None:
        """
        The request is the client's, with the options given.
        """
        self.connectStream(
            None,
            (name for name in ["amp"]),
            origin="https://example.com",
            headers=(pair for pair in [("X-Odd", "1")]),
        )
        server = self.reactor.accept()
        request = server.request()
        self.assertEqual(request.line, "GET /amp HTTP/1.1")
        self.assertEqual(request.header("Sec-WebSocket-Protocol"), ["amp"])
        self.assertEqual(request.header("Origin"), ["https://example.com"])
        self.assertEqual(request.header("X-Odd"), ["1"])

    def test_again(self) -> None:
        """
        One endpoint connects as often as it is asked to, and asks the same each time.
        """
        headers = (pair for pair in [("X-Odd", "1")])
        protocols = (name for name in ["amp"])
        endpoint = clientFromURL(self.reactor, URL, protocols, headers=headers)
        for _ in range(2):
            endpoint.connect(StreamFactory())
            request = self.reactor.accept().request()
            self.assertEqual(request.header("X-Odd"), ["1"])
            self.assertEqual(request.header("Sec-WebSocket-Protocol"), ["amp"])

    def test_wrongArguments(self) -> None:
        """
        What can't be part of a request is refused when the endpoint is made.
        """
        for url, options in (
            ("http://example.com/", {}),
            (URL + "#part", {}),
            (URL, {"protocols": "amp"}),
            (URL, {"protocols": ["a b"]}),
            (URL, {"headers": {"X": "a\r\nb"}}),
            (URL, {"origin": "a\nb"}),
        ):
            with self.assertRaises(ValueError):
                clientFromURL(self.reactor, url, **options)  # type: ignore[arg-type]

    def test_shown(self) -> None:
        """
        It shows where it leads, and no password.
        """
        endpoint = clientFromURL(self.reactor, "ws://me:secret@example.com/amp")
        self.assertIn("example.com/amp", repr(endpoint))
        self.assertNotIn("secret", repr(endpoint))

    def test_refused(self) -> None:
        """
        A server that refuses fails the Deferred with its answer.
        """
        outcome = self.connectStream()
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual((error.response.code, error.response.body), (403, b"no"))
        self.assertEqual(self.factory.made, [])
        self.assertGone(server)

    def test_unreachable(self) -> None:
        """
        So does a host that can't be reached, with what went wrong.
        """
        outcome = self.connectStream()
        self.reactor.refuse(ConnectionRefusedError())
        error = self.failed(outcome, OpeningFailed)
        self.assertIsInstance(error.cause, ConnectionRefusedError)

    def test_wayThere(self) -> None:
        """
        It goes through a proxy if it is to; one that the environment names wrongly
        fails the Deferred when it is to connect.
        """
        self.connectStream(proxy="http://proxy.example:3128")
        request = self.reactor.accept().request()
        self.assertEqual(request.line, "CONNECT example.com:80 HTTP/1.1")
        self.patch(os, "environ", {"http_proxy": "gopher://proxy.example"})
        outcome = self.connectStream(proxy=PROXY_FROM_ENVIRONMENT)
        self.failed(outcome, ValueError)
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 1))

    def test_tooSlow(self) -> None:
        """
        And one that does not answer in time.
        """
        outcome = self.connectStream(config=ClientConfig(openTimeout=3))
        server = self.reactor.accept()
        self.reactor.advance(3)
        self.failed(outcome, OpeningTimedOut)
        self.assertGone(server)

    def test_cancel(self) -> None:
        """
        Cancelling closes the socket.
        """
        endpoint = clientFromURL(self.reactor, URL)
        connecting = endpoint.connect(StreamFactory())
        outcome = Outcome(connecting)
        server = self.reactor.accept()
        connecting.cancel()
        self.failed(outcome, CancelledError)
        self.assertGone(server)

    def test_noProtocol(self) -> None:
        """
        A factory that makes no protocol fails the Deferred, and the connection is
        closed.
        """
        outcome = self.connectStream(StreamFactory(lambda: None))
        server = self.reactor.accept()
        server.upgrade()
        self.failed(outcome, NoProtocol)
        self.assertEqual(server.frames(), [close(1011)])
        server.end()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_brokenFactory(self) -> None:
        """
        One that raises fails it with that, and so does a protocol that raises when it
        is connected.
        """

        class Broken(Stream):
            def connectionMade(self) -> None:
                raise OddError

        def fail() -> None:
            raise OddError

        for make in (Broken, fail):
            outcome = self.connectStream(StreamFactory(make))
            server = self.reactor.accept()
            server.upgrade()
            self.failed(outcome, OddError)
            self.assertEqual(server.frames(), [close(1011)])

    def test_frames(self) -> None:
        """
        A client that has frames in place of messages can't have streams.
        """
        outcome = self.connectStream(config=ClientConfig(assembleFragments=False))
        server = self.reactor.accept()
        error = self.failed(outcome, ValueError)
        self.assertIn("assembleFragments", str(error))
        self.assertGone(server)
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 1))

    def test_startsAndStops(self) -> None:
        """
        A factory is started with each attempt, and stopped when that has failed or its
        connection has ended.
        """
        self.connectStream()
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 0))
        server = self.reactor.accept()
        server.upgrade()
        self.assertEqual(self.factory.stops, 0)
        server.vanish()
        self.assertEqual(self.factory.stops, 1)
        self.connectStream()
        self.reactor.refuse(ConnectionRefusedError())
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 1))
        self.connectStream(StreamFactory(lambda: None))
        server = self.reactor.accept()
        server.upgrade()
        server.end()
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 1))

    def test_startsFirst(self) -> None:
        """
        It is started before it makes a protocol, however fast the connection is there.
        """

        class Strict(StreamFactory):
            def buildProtocol(self, addr: Any) -> Any:
                if not self.starts:
                    raise OddError
                return super().buildProtocol(addr)

        site = MemorySite(WebSocketStreamFactory(StreamFactory()))
        self.successResultOf(site.streamEndpoint().connect(Strict()))

    def test_text(self) -> None:
        """
        A server that sends text is closed with 1003, unless text is accepted.
        """
        self.connectStream()
        server = self.reactor.accept()
        server.upgrade()
        server.sendText("a")
        [frame] = server.frames()
        self.assertEqual(frame.payload[:2], b"\x03\xeb")
        self.connectStream(acceptText=True)
        server = self.reactor.accept()
        server.upgrade()
        server.sendText("a")
        self.assertEqual(self.factory.made[0].pieces, [b"a"])


class ClientServiceTests(ClientTestCase):
    """
    Tests of Twisted's service that keeps a connection.
    """

    def setUp(self) -> None:
        super().setUp()
        self.factory = StreamFactory()
        endpoint = clientFromURL(self.reactor, URL)
        self.service = ClientService(
            endpoint, self.factory, retryPolicy=lambda _: 5.0, clock=self.reactor
        )
        self.service.startService()

    def test_reconnects(self) -> None:
        """
        It connects again when the connection is lost, closed or refused, and never
        gives up.
        """
        server = self.reactor.accept()
        server.upgrade()
        first = self.successResultOf(self.service.whenConnected())
        server.vanish()
        self.reactor.advance(5)
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        self.reactor.advance(5)
        self.reactor.refuse(ConnectionRefusedError())
        self.reactor.advance(5)
        server = self.reactor.accept()
        server.upgrade()
        second = self.successResultOf(self.service.whenConnected())
        self.assertIsNot(second, first)
        server.sendClose(1012)
        server.end()
        self.reactor.advance(5)
        self.reactor.accept().upgrade()
        third = self.successResultOf(self.service.whenConnected())
        self.assertEqual(len(self.factory.made), 3)
        third.transport.write(b"still here")

    def test_stops(self) -> None:
        """
        When it stops, the connection is closed, and nothing is left behind.
        """
        server = self.reactor.accept()
        server.upgrade()
        stopped = self.service.stopService()
        self.assertEqual(server.frames(), [close()])
        self.assertNoResult(stopped)
        server.sendClose()
        server.end()
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopsWhileConnecting(self) -> None:
        """
        So it is while it connects.
        """
        server = self.reactor.accept()
        stopped = self.service.stopService()
        self.successResultOf(stopped)
        self.assertGone(server)


class FactoryTests(ClientTestCase):
    """
    Tests of the factory for servers.
    """

    def serveAll(self, factory: StreamFactory) -> list[Served]:
        """
        Serve the protocols in every way there is.
        """
        application = WebSocketStreamFactory(factory)
        router = WebSocketRouter()
        router.mount("*", None, application)
        site = Site(Resource(), reactor=MemoryReactorClock())
        WebSocketServer(application).mount(site)
        return [
            Served(WebSocketResource(application)),
            Served(router),
            Served(site.resource, site=site, clock=site.reactor),  # type: ignore[arg-type]
        ]

    def test_everywhere(self) -> None:
        """
        It can be served by a resource, a router and a server that is mounted.
        """
        for index in range(3):
            factory = StreamFactory()
            peer = self.serveAll(factory)[index].upgrade()
            peer.sendBytes(b"a")
            [protocol] = factory.made
            self.assertEqual(protocol.pieces, [b"a"])
            self.assertEqual(factory.addresses, [peer.transport.getPeer()])
            protocol.transport.write(b"b")
            self.assertEqual(peer.frames(), [binary(b"b")])

    def test_refuses(self) -> None:
        """
        A factory that makes no protocol refuses the client with 403.
        """
        for served in self.serveAll(StreamFactory(lambda: None)):
            self.assertEqual(served.request().response().status, 403)

    def test_raises(self) -> None:
        """
        One that raises is logged, and the client is answered 500.
        """

        def fail() -> None:
            raise OddError

        served = Served(WebSocketStreamFactory(StreamFactory(fail)))
        self.assertEqual(served.request().response().status, 500)
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_text(self) -> None:
        """
        It takes text if that is asked for.
        """
        for accept in (True, False):
            factory = StreamFactory()
            application = WebSocketStreamFactory(factory, acceptText=accept)
            Served(application).upgrade().sendText("a")
            self.assertEqual(factory.made[0].pieces, [b"a"] * accept)


class ServerEndpointTests(ClientTestCase):
    """
    Tests of the endpoint that listens.
    """

    def listen(self, *args: Any, **options: Any) -> Served:
        """
        Listen on a port, and serve there.
        """
        self.reactor = MemoryReactorClock()  # type: ignore[assignment]
        inner = TCP4ServerEndpoint(self.reactor, 8080, interface="127.0.0.1")
        self.factory = StreamFactory()
        endpoint = WebSocketStreamServerEndpoint(self.reactor, inner, *args, **options)
        self.port = self.successResultOf(endpoint.listen(self.factory))
        [(port, site, _, interface)] = self.reactor.tcpServers
        self.assertEqual((port, interface), (8080, "127.0.0.1"))
        self.site = site
        return Served(site.resource, site=site, clock=self.reactor)

    def test_interface(self) -> None:
        """
        It is an endpoint like any other.
        """
        inner = TCP4ServerEndpoint(self.reactor, 8080)
        endpoint = WebSocketStreamServerEndpoint(self.reactor, inner)
        self.assertTrue(verifyObject(IStreamServerEndpoint, endpoint))

    def test_serves(self) -> None:
        """
        Clients of the path get a protocol, others 404 or a word about what this is.
        """
        served = self.listen("/amp")
        for path in ("/amp", "/amp?a=b"):
            peer = served.upgrade(path=path)
            peer.sendBytes(b"a")
            self.assertEqual(self.factory.made[-1].pieces, [b"a"])
        for path in ("/", "/other", "/amp/below"):
            self.assertEqual(served.request(path=path).response().status, 404)
        page = served.request(without=("Upgrade", "Sec-WebSocket-Key"))
        self.assertEqual(page.response().status, 426)
        self.assertIsInstance(self.port, object)

    def test_root(self) -> None:
        """
        Without a path it is the root's.
        """
        served = self.listen()
        served.upgrade()
        self.assertEqual(served.request(path="/amp").response().status, 404)

    def test_protocol(self) -> None:
        """
        A subprotocol that clients have to offer is agreed on; who does not offer it is
        refused.
        """
        served = self.listen("/", "amp")
        peer = served.request("Sec-WebSocket-Protocol: odd, amp")
        response = peer.response()
        self.assertEqual(response.status, 101)
        self.assertEqual(response.header("Sec-WebSocket-Protocol"), ["amp"])
        for lines in ((), ("Sec-WebSocket-Protocol: odd",)):
            self.assertEqual(served.request(*lines).response().status, 404)

    def test_options(self) -> None:
        """
        The options of a server are its own.
        """
        config = ServerConfig(origins=["https://example.org"])
        served = self.listen(config=config)
        for host, status in (("org", 101), ("net", 403)):
            peer = served.request(f"Origin: https://example.{host}")
            self.assertEqual(peer.response().status, status)

    def test_text(self) -> None:
        """
        It takes text if that is asked for.
        """
        self.listen(acceptText=True).upgrade().sendText("a")
        self.assertEqual(self.factory.made[0].pieces, [b"a"])

    def test_wrongArguments(self) -> None:
        """
        What could not be served is refused when the endpoint is made.
        """
        inner = TCP4ServerEndpoint(self.reactor, 8080)
        for args in (("amp",), ("/{a}/{a}",), ("/", "a b")):
            with self.assertRaises(ValueError):
                WebSocketStreamServerEndpoint(self.reactor, inner, *args)

    def test_startsAndStops(self) -> None:
        """
        The factory is started when the port listens and stopped when it does not any
        more; connections stay.
        """
        served = self.listen()
        self.site.doStart()
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 0))
        peer = served.upgrade()
        self.site.doStop()
        self.assertEqual((self.factory.starts, self.factory.stops), (1, 1))
        peer.sendBytes(b"a")
        self.assertEqual(self.factory.made[0].pieces, [b"a"])

    def test_bothEndpoints(self) -> None:
        """
        Both endpoints understand each other.
        """
        self.listen("/amp", "amp")
        site = MemorySite(self.site.resource)
        clients = StreamFactory(Adding)
        site.streamEndpoint("/amp", ["amp"]).connect(clients)
        clients.made[0].transport.write(b"hello")
        site.flush()
        self.assertEqual(self.factory.made[0].pieces, [b"hello"])
