# -*- test-case-name: tests.test_testing -*-
# Part of txwebsocket. See LICENSE for details.
"""
For tests of applications: clients and a server in memory, without sockets or waiting.

They are the real ones, with their real handshake, resource and timers. Only the wires
between them and the time are the test's::

    site = MemorySite(Echo)
    connection = self.successResultOf(site.connect())
    connection.send("hello")
    site.flush()
    self.assertEqual(self.successResultOf(connection.receive()), "hello")
    site.advance(60)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    ISSLTransport,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from txwebsocket.client import WebSocketClient
from txwebsocket.config import ClientConfig, ServerConfig
from txwebsocket.connection import WebSocketConnection
from txwebsocket.headers import HeaderPairs
from txwebsocket.resource import WebSocketResource
from txwebsocket.server import WebSocketServer
from txwebsocket.streams import WebSocketStreamClientEndpoint

_READ_SIZE = 65536
_WINDOW = 2 * _READ_SIZE
_ENDLESS = 1_000_000


@implementer(ITCPTransport, IConsumer, IPushProducer)
class MemoryTransport:
    """
    A TCP transport without a socket. What it was given leaves in :meth:`turn`, as it
    does in the next turn of a reactor, unless the peer does not read.

    :ivar protocol: who is told what arrives.
    :ivar sent: what has reached the peer and was not looked at.
    :ivar unsent: what waits here for the peer.
    :ivar arrived: what the peer has sent and was not read.
    :ivar isStalled: whether the peer has stopped reading.
    :ivar window: the most bytes that are on their way; None sets no limit.
    :ivar isReading: whether we read.
    :ivar isConnected: whether there is a connection still.
    :ivar disconnecting: whether ``loseConnection`` was called.
    :ivar wasAborted: whether ``abortConnection`` was called.
    :ivar isEndingWriting: whether ``loseWriteConnection`` was called.
    :ivar hasEndedWriting: whether the peer has seen the end of our direction.
    :ivar noDelay: what ``setTcpNoDelay`` was given.
    :ivar producer: who is registered as producer.
    :ivar isStreaming: whether it is a push producer.
    """

    bufferSize = 65536
    window: int | None = None
    protocol: Any
    producer: Any = None
    isStreaming = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent = bytearray()
        self.unsent = bytearray()
        self.arrived = bytearray()
        self.isStalled = self.isEndingWriting = self.hasEndedWriting = False
        self.isReading = self.isConnected = True
        self.disconnecting = self.wasAborted = False
        self.noDelay: bool | None = None
        self._hasPausedProducer = self._peerHasEnded = self._isTelling = False

    # What the tests do

    def connect(self, protocol: Any) -> None:
        """
        Give the transport to its protocol.
        """
        self.protocol = protocol
        protocol.makeConnection(self)

    def turn(self) -> bool:
        """
        Do what a reactor does in one turn.

        :return: whether there was anything to do.
        """
        before = self._standing()
        self._read()
        self._write()
        self.clock.advance(0)
        return before != self._standing()

    def lose(self, error: Exception) -> None:
        """
        The connection has ended.
        """
        if self.isConnected:
            self.isConnected = self.isReading = False
            producer, self.producer = self.producer, None
            if producer is not None:
                producer.stopProducing()
            self.protocol.connectionLost(Failure(error))

    def peerEnds(self) -> None:
        """
        The peer has closed its side, which is noticed by whoever reads.
        """
        self._peerHasEnded = True

    def _standing(self) -> tuple[object, ...]:
        return (
            len(self.sent),
            len(self.unsent),
            len(self.arrived),
            self.isConnected,
            self.isReading,
            self.hasEndedWriting,
        )

    def _read(self) -> None:
        if not (self.isConnected and self.isReading) or self._isTelling:
            return
        if self.arrived:
            chunk = bytes(self.arrived[:_READ_SIZE])
            del self.arrived[:_READ_SIZE]
            # Who is told may have everything flushed, but no reactor reads meanwhile.
            self._isTelling = True
            try:
                self.protocol.dataReceived(chunk)
            finally:
                self._isTelling = False
        elif self._peerHasEnded:
            self.lose(ConnectionDone())

    def _write(self) -> None:
        if not self.isConnected or self.isStalled or self.wasAborted:
            return
        room = len(self.unsent) if self.window is None else self.window - len(self.sent)
        self.sent += self.unsent[:room]
        del self.unsent[:room]
        if self.unsent:
            return
        if self.producer is not None and self._hasPausedProducer:
            self._hasPausedProducer = False
            self.producer.resumeProducing()
        elif self._mayGo():
            self.lose(ConnectionDone())
        elif self.isEndingWriting:
            self.hasEndedWriting = True

    def _mayGo(self) -> bool:
        return self.disconnecting

    # ITransport

    def write(self, data: bytes) -> None:
        """
        Take one piece.
        """
        self.writeSequence([data])

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Take some pieces, and pause the producer if that is too much.
        """
        pieces = list(data)
        for piece in pieces:
            if not isinstance(piece, bytes):
                raise TypeError(f"only bytes can be written, not {type(piece)}")
        if not self.isConnected or self.hasEndedWriting:
            return
        self.unsent += b"".join(pieces)
        if self.producer is not None and len(self.unsent) > self.bufferSize:
            self._hasPausedProducer = True
            self.producer.pauseProducing()

    def loseConnection(self) -> None:
        """
        Read no more; end when all is written.
        """
        if self.isConnected and not self.disconnecting:
            self.disconnecting = True
            self.isReading = False
            if self.hasEndedWriting:
                self.lose(ConnectionDone())

    def loseWriteConnection(self) -> None:
        """
        End our direction when all is written.
        """
        self.isEndingWriting = True

    def abortConnection(self) -> None:
        """
        End in the next turn.
        """
        if self.isConnected and not self.wasAborted:
            self.wasAborted = True
            self.isReading = False
            self.clock.callLater(0, self.lose, ConnectionAborted())

    def getPeer(self) -> IPv4Address:
        """
        The peer's address.
        """
        return IPv4Address("TCP", "192.0.2.1", 50000)

    def getHost(self) -> IPv4Address:
        """
        Our address.
        """
        return IPv4Address("TCP", "192.0.2.2", 80)

    def getTcpNoDelay(self) -> bool:
        """
        Is Nagle's algorithm off?
        """
        return bool(self.noDelay)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Switch Nagle's algorithm off, or on.
        """
        self.noDelay = enabled

    def getTcpKeepAlive(self) -> bool:
        """
        TCP's own keepalive is off.
        """
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        There is no TCP here.
        """

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        There can be one.
        """
        if self.producer is not None:
            raise RuntimeError(f"{self.producer} is registered already")
        if self.isConnected:
            self.producer, self.isStreaming = producer, streaming
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """
        Pause nobody any more.
        """
        self.producer = None
        self._hasPausedProducer = False

    # IPushProducer

    def pauseProducing(self) -> None:
        """
        Stop reading.
        """
        self.isReading = False

    def resumeProducing(self) -> None:
        """
        Read again, unless it is too late.
        """
        if self.isConnected and not self.disconnecting and not self.wasAborted:
            self.isReading = True

    def stopProducing(self) -> None:
        """
        What a producer that is a transport does with this.
        """
        self.loseConnection()


@implementer(ISSLTransport)
class MemoryTLSTransport(MemoryTransport):
    """
    As TLS does, this one stays while it has a producer, delivers what arrives while it
    is closing, and has no end of one direction.
    """

    def loseConnection(self) -> None:
        """
        End when all is written and no producer is left.
        """
        self.disconnecting = True

    def resumeProducing(self) -> None:
        """
        Read again.
        """
        self.isReading = self.isConnected and not self.wasAborted

    def getPeerCertificate(self) -> None:
        """
        There is none.
        """

    def _mayGo(self) -> bool:
        return self.disconnecting and self.producer is None


class MemoryWire:
    """
    The wire between one client and the site.

    :ivar client: the client's end.
    :ivar server: the server's end.
    :ivar pieceSize: the most bytes that arrive at a time, at either end; None sets no
        limit but that of a socket.
    """

    def __init__(self, client: MemoryTransport, server: MemoryTransport) -> None:
        self.client = client
        self.server = server
        # Who does not read keeps the other from writing, before long.
        client.window = server.window = _WINDOW
        self.pieceSize: int | None = None

    def cut(self) -> None:
        """
        Break the connection. Both ends learn of it, and what was under way is lost.
        """
        for end in (self.client, self.server):
            end.lose(ConnectionLost("the wire was cut"))

    def turn(self) -> bool:
        """
        Let both ends read and write once.

        :return: whether anything happened.
        """
        moved = self._carry(self.client, self.server)
        moved = self._carry(self.server, self.client) or moved
        moved = self.client.turn() or moved
        return self.server.turn() or moved

    def _carry(self, sender: MemoryTransport, receiver: MemoryTransport) -> bool:
        if receiver.arrived or not (sender.sent or self._hasEnded(sender)):
            return False
        size = self.pieceSize or _READ_SIZE
        data = bytes(sender.sent[:size])
        del sender.sent[:size]
        receiver.arrived += data
        if not data:
            receiver.peerEnds()
        return bool(data)

    @staticmethod
    def _hasEnded(end: MemoryTransport) -> bool:
        return end.hasEndedWriting or not end.isConnected


class MemorySite:
    """
    A twisted.web site in memory, and as many clients as wanted.

    :param application: a resource for the root of the site, or what a
        :class:`~txwebsocket.WebSocketResource` there is to serve.
    :param config: the options of that resource.
    :ivar clock: the time, for the site and its clients.
    :ivar site: the ``Site``.
    :ivar server: the :class:`~txwebsocket.WebSocketServer`, if the application was no
        resource.
    :ivar wires: the wires to the clients, in the order of their connecting.
    """

    def __init__(self, application: Any, config: ServerConfig | None = None) -> None:
        self.clock = Clock()
        self.wires: list[MemoryWire] = []
        self.server: WebSocketServer | None = None
        if IResource.providedBy(application):
            root = application
        else:
            root = WebSocketResource(application, config)
            self.server = root.server
        self.site = Site(root, reactor=self.clock)

    def connect(
        self,
        path: str = "/",
        protocols: Iterable[str] = (),
        *,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
        application: object | None = None,
        config: ClientConfig | None = None,
    ) -> Deferred[WebSocketConnection]:
        """
        Connect a client; the arguments are those of
        :meth:`~txwebsocket.WebSocketClient.connect`.

        :param path: the path and query of the URL; the host is ``example.com``.
        :return: a Deferred that has fired already unless the server takes its time.
        """
        return _MemoryClient(self, config).connect(
            f"ws://example.com{path}",
            protocols,
            origin=origin,
            headers=headers,
            application=application,
        )

    def client(self, config: ClientConfig | None = None) -> WebSocketClient:
        """
        A client whose URLs all lead here. What it begins goes on in :meth:`flush`.
        """
        return WebSocketClient(self.clock, config, proxy=_MemoryEndpoint(self))

    def streamEndpoint(
        self,
        path: str = "/",
        protocols: Iterable[str] = (),
        *,
        config: ClientConfig | None = None,
    ) -> WebSocketStreamClientEndpoint:
        """
        An endpoint that connects ordinary protocols to the site, as those of
        :func:`~txwebsocket.clientFromURL` do.
        """
        client = _MemoryClient(self, config)
        url = f"ws://example.com{path}"
        return WebSocketStreamClientEndpoint(client, url, protocols)

    def flush(self) -> None:
        """
        Let everything happen that needs no time.
        """
        for _ in range(_ENDLESS):
            moved = [wire.turn() for wire in self.wires]
            if not any(moved):
                return
        raise RuntimeError("this goes on for ever")

    def advance(self, seconds: float, step: float = 1.0) -> None:
        """
        Let time pass, in steps, and everything happen that happens meanwhile.
        """
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            self.flush()
            seconds -= step

    def link(self, factory: IProtocolFactory) -> IProtocol:
        """
        Lay a wire from the site to what a client's factory makes.
        """
        wire = MemoryWire(MemoryTransport(self.clock), MemoryTransport(self.clock))
        self.wires.append(wire)
        wire.server.connect(self.site.buildProtocol(wire.server.getPeer()))
        protocol = factory.buildProtocol(wire.client.getPeer())
        if protocol is None:
            raise ConnectionAborted("the client's factory made no protocol")
        wire.client.connect(protocol)
        return protocol


class _MemoryClient(WebSocketClient):
    def __init__(self, site: MemorySite, config: ClientConfig | None) -> None:
        super().__init__(site.clock, config, proxy=_MemoryEndpoint(site))
        self._site = site

    def connect(self, *args: Any, **options: Any) -> Deferred[WebSocketConnection]:
        opened = super().connect(*args, **options)
        self._site.flush()
        return opened


@implementer(IStreamClientEndpoint)
class _MemoryEndpoint:
    def __init__(self, site: MemorySite) -> None:
        self._site = site

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return succeed(self._site.link(protocolFactory))
