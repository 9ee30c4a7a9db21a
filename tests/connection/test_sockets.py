# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.sockets`.
"""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    IPushProducer,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer_only

from tests.support.memory import Recorder, Served, handshake
from txwebsocket import ServerConfig, WebSocketProtocol
from txwebsocket.connection import sockets
from txwebsocket.connection.sockets import (
    FLOOD_READ,
    USUAL_READ,
    configureSocket,
    endTransport,
    tuneReadSize,
)
from txwebsocket.connection.websocket import makeChannel
from txwebsocket.testing import MemoryTLSTransport, MemoryTransport
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.frames import encodeFrame

IDLE = getattr(socket, "TCP_KEEPIDLE", None)


class Handle:
    """
    A socket that writes down what is set.
    """

    def __init__(self) -> None:
        self.options: list[tuple[int, int, int]] = []

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)  # type: ignore[arg-type]


class SocketTransport(MemoryTransport):
    """
    A transport with a socket below.

    :ivar keepAlive: what ``setTcpKeepAlive`` was given.
    """

    keepAlive: bool | None = None

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.handle: Any = Handle()

    def getHandle(self) -> Any:
        return self.handle

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.keepAlive = enabled


@implementer_only(IConsumer, IPushProducer, IHalfCloseableDescriptor)
class UnixTransport(SocketTransport):
    """
    A transport over a UNIX socket, which has no TCP; Twisted 24.7 tells this to whoever
    asks for it by an ``OSError``.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.handle = SimpleNamespace(setsockopt=self._notSupported)

    def _notSupported(self, *_: int) -> None:
        raise OSError(95, "Operation not supported")

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._notSupported()


class ConfigureSocketTests(SynchronousTestCase):
    """
    Tests of :func:`configureSocket`.
    """

    def configured(self, **options: Any) -> SocketTransport:
        """
        A transport with these options.
        """
        transport = SocketTransport(Clock())
        configureSocket(transport, ServerConfig(**options))
        return transport

    def test_noDelay(self) -> None:
        """
        Small messages are sent at once.
        """
        self.assertIs(self.configured().noDelay, True)

    def test_delay(self) -> None:
        """
        Whoever wants Nagle's algorithm has it, also where the system's default is none.
        """
        self.assertIs(self.configured(disableNagleAlgorithm=False).noDelay, False)

    def test_noNativeKeepalive(self) -> None:
        """
        TCP's own keepalive is left as it is unless one asks for it.
        """
        transport = self.configured(keepaliveInterval=5)
        self.assertIsNone(transport.keepAlive)
        self.assertEqual(transport.handle.options, [])

    def test_nativeKeepalive(self) -> None:
        """
        TCP's own keepalive begins after ``keepaliveInterval``, in whole seconds, which
        is as exact as it can be.
        """
        for interval, seconds in ((20, 20), (19.6, 20), (0.1, 1)):
            transport = self.configured(
                useNativeKeepalive=True, keepaliveInterval=interval
            )
            self.assertIs(transport.keepAlive, True)
            self.assertEqual(
                transport.handle.options, [(socket.IPPROTO_TCP, IDLE, seconds)]
            )

    def test_noIdleTime(self) -> None:
        """
        Where the system can't be told how long to wait, it waits as long as it does.
        """
        self.patch(sockets, "socket", SimpleNamespace(IPPROTO_TCP=socket.IPPROTO_TCP))
        transport = self.configured(useNativeKeepalive=True)
        self.assertIs(transport.keepAlive, True)
        self.assertEqual(transport.handle.options, [])

    def test_noSocket(self) -> None:
        """
        A transport that tells nothing of a socket is told what it understands.
        """
        transport = MemoryTransport(Clock())
        configureSocket(transport, ServerConfig(useNativeKeepalive=True))
        self.assertIs(transport.noDelay, True)

    def test_noTCP(self) -> None:
        """
        A transport that is no TCP at all is left alone.
        """
        transport = StringTransport()
        before = dict(vars(transport))
        configureSocket(transport, ServerConfig(useNativeKeepalive=True))
        self.assertEqual(vars(transport), before)

    def test_notSupported(self) -> None:
        """
        A socket that refuses what is asked, as a UNIX socket does, serves without it.
        """
        transport = UnixTransport(Clock())
        configureSocket(transport, ServerConfig())
        self.assertIsNone(transport.noDelay)
        configureSocket(transport, ServerConfig(useNativeKeepalive=True))
        self.assertIs(transport.keepAlive, True)

    def test_TLS(self) -> None:
        """
        Below TLS it is the TCP connection that is told.
        """
        factory = TLSMemoryBIOFactory(
            CertificateOptions(), True, Factory.forProtocol(Protocol)
        )
        transport = SocketTransport(Clock())
        protocol = factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        configureSocket(
            protocol, ServerConfig(useNativeKeepalive=True, keepaliveInterval=20)
        )
        self.assertIs(transport.noDelay, True)
        self.assertIs(transport.keepAlive, True)
        self.assertEqual(transport.handle.options, [(socket.IPPROTO_TCP, IDLE, 20)])


class EndTransportTests(SynchronousTestCase):
    """
    Tests of :func:`endTransport`.
    """

    def test_half(self) -> None:
        """
        Over TCP our direction ends when all is written, and the peer may go on sending.
        """
        transport = MemoryTransport(Clock())
        transport.write(b"the last")
        endTransport(transport)
        transport.turn()
        self.assertEqual(bytes(transport.sent), b"the last")
        self.assertTrue(transport.hasEndedWriting)
        self.assertTrue(transport.isConnected)
        self.assertTrue(transport.isReading)

    def test_TLS(self) -> None:
        """
        Over TLS, which has no end of one direction, both end.
        """
        transport = MemoryTLSTransport(Clock())
        endTransport(transport)
        self.assertTrue(transport.disconnecting)

    def test_noHalf(self) -> None:
        """
        So they do over what can end both only.
        """
        transport = StringTransport()
        endTransport(transport)
        self.assertTrue(transport.disconnecting)


class ReadForTests(SynchronousTestCase):
    """
    Tests of how much is read at a time.
    """

    def setUp(self) -> None:
        self.start()

    def start(self) -> None:
        """
        Make a new transport.
        """
        self.transport = Connection(socket.socket(), Protocol(), None)
        self.addCleanup(self.transport.socket.close)

    def test_sizes(self) -> None:
        """
        From who sends large frames 256 KiB are read at a time; in a flood of tiny ones,
        be they messages or fragments, 8 KiB; else as much as by any transport. What is
        less than was asked for changes nothing, unless it is a flood.
        """
        most, usual, least = 256 * 1024, 64 * 1024, 8 * 1024
        for size, items, expected in (
            (usual, 0, most),
            (most, 8, most),
            (most, 9, usual),
            (usual, 8, most),
            (usual, 9, usual),
            (usual, 1024, usual),
            (usual, 1025, least),
            (least, 120, usual),
            (least, 129, least),
            (least, 0, most),
            (30_000, 9, most),
            (30_000, 5000, least),
            (20_000, 100, usual),
            (30_000, 1, usual),
        ):
            tuneReadSize(self.transport, size, items)
            self.assertEqual(self.transport.bufferSize, expected, (size, items))
        tuneReadSize(self.transport, most, 1, usual)
        self.assertEqual(self.transport.bufferSize, usual)
        self.assertEqual((USUAL_READ, FLOOD_READ), (Connection.bufferSize, least))

    def test_others(self) -> None:
        """
        Another kind of transport reads as it will.
        """
        transport = MemoryTransport(Clock())
        tuneReadSize(transport, USUAL_READ, 0)
        self.assertEqual(transport.bufferSize, 65536)

    def test_below(self) -> None:
        """
        Where TLS is a transport upon another, that other one reads less in a flood.
        """
        tuneReadSize(SimpleNamespace(transport=self.transport), USUAL_READ, 60_000)
        self.assertEqual(self.transport.bufferSize, FLOOD_READ)

    def sizes(self, data: bytes, **options: bool) -> list[int]:
        """
        How much is read each time, if all of this is there to be read.
        """
        self.start()
        link = makeChannel(Role.SERVER, ServerConfig(**options), Clock())
        link.attachApplication(WebSocketProtocol())
        link.makeConnection(self.transport)
        link.opened()
        sizes = []
        while data:
            size = self.transport.bufferSize
            link.dataReceived(data[:size])
            sizes.append(len(data[:size]))
            data = data[size:]
        return sizes

    def test_inPieces(self) -> None:
        """
        While large messages arrive in pieces no more than usual is read at a time, and
        less in a flood of tiny ones.
        """
        large = encodeFrame(Opcode.BINARY, bytes(200_000), b"mask")
        sizes = self.sizes(large, streamMessages=True)
        self.assertEqual(sizes[:3], [USUAL_READ] * 3)
        tiny = encodeFrame(Opcode.BINARY, b"", b"mask") * 20_000
        sizes = self.sizes(tiny, streamMessages=True)
        self.assertEqual(sizes[:2], [USUAL_READ, FLOOD_READ])

    def test_arriving(self) -> None:
        """
        While large messages arrive more is read at a time.
        """
        large = encodeFrame(Opcode.BINARY, bytes(300_000), b"mask")
        self.assertEqual(self.sizes(large * 2)[:3], [65536, 262144, 262144])

    def test_flood(self) -> None:
        """
        A flood of tiny messages comes in small reads, but for the one in which it
        begins, so that others have their turn; and large frames after it in large ones.
        """
        flood = encodeFrame(Opcode.TEXT, b"", b"mask") * 100_000
        large = encodeFrame(Opcode.BINARY, bytes(600_000), b"mask")
        self.assertEqual({*self.sizes(flood)[1:-1]}, {FLOOD_READ})
        self.assertEqual(self.sizes(large + flood)[4:7], [FLOOD_READ] * 3)
        self.assertEqual(self.sizes(flood[:66_000] + large * 3)[3:5], [262144] * 2)

    def test_fragments(self) -> None:
        """
        So does a flood of tiny fragments, of which no message is the end.
        """
        flood = encodeFrame(Opcode.TEXT, b"", b"mask", 0)
        flood += encodeFrame(Opcode.CONTINUATION, b"x", b"mask", 0) * 30_000
        self.assertEqual({*self.sizes(flood)[1:-1]}, {FLOOD_READ})


class ServedTests(SynchronousTestCase):
    """
    Tests of the same for those who are served.
    """

    def assertServed(self, kind: type[SocketTransport], **options: Any) -> Any:
        """
        Who comes over a transport of this kind has a WebSocket and is heard.
        """
        made: list[Recorder] = []

        class Application(Recorder):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        served = Served(Application, ServerConfig(**options))
        transport = kind(served.clock)
        peer = served.connect(transport)
        peer.send(handshake())
        self.assertEqual(peer.response().status, 101)
        peer.sendText("hello")
        self.assertEqual(made[0].messages, ["hello"])
        return transport

    def test_noDelay(self) -> None:
        """
        The option holds for who is served.
        """
        self.assertIs(self.assertServed(SocketTransport).noDelay, True)
        transport = self.assertServed(SocketTransport, disableNagleAlgorithm=False)
        self.assertIs(transport.noDelay, False)

    def test_nativeKeepalive(self) -> None:
        """
        So does the other; then no pings are sent.
        """
        transport = self.assertServed(
            SocketTransport, useNativeKeepalive=True, keepaliveInterval=7
        )
        self.assertEqual(transport.handle.options, [(socket.IPPROTO_TCP, IDLE, 7)])
        transport.clock.advance(100)
        transport.turn()
        self.assertEqual(bytes(transport.sent), b"")
        self.assertTrue(transport.isConnected)

    def test_unix(self) -> None:
        """
        Who comes over a UNIX socket, from a proxy perhaps, is served.
        """
        self.assertServed(UnixTransport)
        self.assertServed(UnixTransport, useNativeKeepalive=True)
