# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.server.factory`.
"""

from __future__ import annotations

import socket
from typing import Any

import twisted.internet.reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
)
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.static import Data
from zope.interface.verify import verifyObject

from tests.support.memory import Peer, Recorder, close, handshake, text
from txwebsocket import (
    ServerConfig,
    WebSocketClientProtocolFactory,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketServerProtocolFactory,
    firstOffered,
)
from txwebsocket.testing import MemoryTransport


class Echo(WebSocketProtocol):
    """
    Sends text back.
    """

    def textMessageReceived(self, message: str) -> None:
        """
        Send it back.
        """
        self.connection.send(message)


class FactoryTests(SynchronousTestCase):
    """
    Tests of :class:`WebSocketServerProtocolFactory` in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    def make(
        self, application: Any, config: ServerConfig | None = None, **more: Any
    ) -> WebSocketServerProtocolFactory:
        """
        Make a factory.
        """
        return WebSocketServerProtocolFactory(
            application, config, reactor=self.clock, **more
        )

    def connect(self, factory: WebSocketServerProtocolFactory) -> Peer:
        """
        Connect a protocol of it to a bare transport.
        """
        transport = MemoryTransport(self.clock)
        protocol = factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        return Peer(protocol, transport)

    def test_interface(self) -> None:
        """
        It is a factory as Twisted has them.
        """
        self.assertTrue(verifyObject(IProtocolFactory, self.make(Recorder)))

    def test_everyPath(self) -> None:
        """
        It serves at every path, on a transport that it is given.
        """
        factory = self.make(Echo)
        for path in ("/", "/a", "/a/b?c=d", "//"):
            peer = self.connect(factory)
            peer.send(handshake(path=path))
            self.assertEqual(peer.response().status, 101, path)
            peer.sendText("hello")
            self.assertEqual(peer.frames(), [text("hello")])
        self.assertEqual(len(factory.server.connections), 4)

    def test_handler(self) -> None:
        """
        A handler is given each request, with its resource, and the options hold.
        """

        def handle(request: WebSocketRequest) -> None:
            resources.append(request.resource)
            request.accept()

        resources: list[str] = []
        factory = self.make(handle, ServerConfig(subprotocols=firstOffered))
        peer = self.connect(factory)
        peer.send(handshake("Sec-WebSocket-Protocol: b, a", path="/x?y"))
        self.assertEqual(peer.response().header("Sec-WebSocket-Protocol"), ["b"])
        self.assertEqual(resources, ["/x?y"])

    def test_noUpgrade(self) -> None:
        """
        A request for a page is answered 426, or with the page that was given.
        """
        page = Data(b"a page", "text/plain")
        for options, status in (({}, 426), ({"page": page}, 200)):
            peer = self.connect(self.make(Recorder, **options))
            peer.send(b"GET /a/b HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual(peer.response().status, status)

    def test_slow(self) -> None:
        """
        A client that takes its time for the handshake is cut after ten seconds,
        whatever trickles in.
        """
        peer = self.connect(self.make(Recorder))
        for octet in handshake()[:9]:
            peer.send(bytes([octet]))
            peer.wait(1)
        peer.wait(1)
        self.assertEqual(peer.response().status, 408)

    def test_shutDown(self) -> None:
        """
        Its server closes the connections, and refuses further clients.
        """
        factory = self.make(Recorder)
        peer = self.connect(factory)
        peer.send(handshake())
        peer.response()
        done = factory.server.shutDown()
        self.assertEqual(peer.frames(), [close(1001)])
        peer.sendClose(1001)
        self.successResultOf(done)
        peer = self.connect(factory)
        peer.send(handshake())
        self.assertEqual(peer.response().status, 503)

    def test_nothingServed(self) -> None:
        """
        What can't be served is refused at once.
        """
        self.assertRaises(TypeError, self.make, 5)


class EndpointTests(TestCase):
    """
    Tests with sockets: both factories, and what Twisted connects them with.
    """

    def setUp(self) -> None:
        self.reactor: Any = twisted.internet.reactor
        self.servers = WebSocketServerProtocolFactory(Echo, reactor=self.reactor)
        self.clients = WebSocketClientProtocolFactory(
            self.reactor, "ws://localhost/chat"
        )

    async def converse(self, client: Any) -> None:
        """
        Talk, and close.
        """
        connection = await client.opened
        connection.send("hello")
        self.assertEqual(await connection.receive(), "hello")
        [served] = self.servers.server.connections
        self.assertEqual(served.request.resource, "/chat")
        report = await connection.close()
        self.assertTrue(report.wasClean)
        await served.whenClosed()
        await self.servers.server.shutDown()

    def run_(self, talk: Any) -> Any:
        """
        Run a coroutine, for as long as that may take.
        """
        return Deferred.fromCoroutine(talk).addTimeout(10, self.reactor)

    def test_TCP(self) -> Any:
        """
        They work with endpoints for TCP.
        """

        async def talk() -> None:
            server = TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1")
            port = await server.listen(self.servers)
            number = port.getHost().port
            endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", number)
            await self.converse(await endpoint.connect(self.clients))
            await port.stopListening()

        return self.run_(talk())

    def test_UNIX(self) -> Any:
        """
        They work with endpoints for UNIX sockets.
        """

        async def talk() -> None:
            path = self.mktemp()
            server = UNIXServerEndpoint(self.reactor, path)
            port = await server.listen(self.servers)
            endpoint = UNIXClientEndpoint(self.reactor, path)
            await self.converse(await endpoint.connect(self.clients))
            await port.stopListening()

        return self.run_(talk())

    def test_existing(self) -> Any:
        """
        They work with sockets that are connected already.
        """
        connected: Deferred[Any] = Deferred()

        class Adopting(Factory):
            def buildProtocol(self, address: Any) -> Any:
                protocol = clients.buildProtocol(address)
                self.reactor.callLater(0, connected.callback, protocol)
                return protocol

        clients = self.clients
        adopting: Any = Adopting()
        adopting.reactor = self.reactor
        for end, factory in zip(
            socket.socketpair(), (self.servers, adopting), strict=True
        ):
            with end:
                self.reactor.adoptStreamConnection(end.fileno(), end.family, factory)

        async def talk() -> None:
            await self.converse(await connected)

        return self.run_(talk())
