# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.upgraded`.
"""

from __future__ import annotations

import gc
import socket
from typing import Any
from weakref import ref

import twisted.internet.reactor
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tests.support.memory import Peer, Recorder, close, ping, text
from tests.support.remote import Server, TLSServer, certify
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionClosed,
    Deflate,
    InvalidState,
    ServerConfig,
    UpgradedProtocol,
    WebSocketConnection,
    adoptConnection,
)
from txwebsocket.testing import MemoryTransport

CONFIGS = (ServerConfig, ClientConfig)


class HandshakeByHand(Protocol):
    """
    Takes a line for a handshake.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Write it down.
        """
        self.told.append(data)

    def connectionLost(self, reason: Any = None) -> None:
        """
        Write it down.
        """
        self.told.append("lost")


class UpgradedTestCase(SynchronousTestCase):
    """
    What tests of upgraded connections need.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = MemoryTransport(self.clock)

    def upgrade(self, config: Any = None, **more: Any) -> WebSocketConnection:
        """
        Connect a protocol that has nothing to negotiate; ``self.peer`` is at the other
        end.
        """
        config = ServerConfig() if config is None else config
        protocol = UpgradedProtocol(self.clock, config, **more)
        self.transport.connect(protocol)
        isServer = isinstance(config, ServerConfig)
        self.peer = Peer(protocol, self.transport, masks=isServer)
        return protocol.connection


class UpgradedProtocolTests(UpgradedTestCase):
    """
    Tests of :class:`UpgradedProtocol`.
    """

    def test_interface(self) -> None:
        """
        It is a protocol as Twisted has them.
        """
        protocol = UpgradedProtocol(self.clock, ServerConfig())
        self.assertTrue(verifyObject(IProtocol, protocol))

    def test_open(self) -> None:
        """
        The connection is open as soon as there is a transport, in both roles, and has
        the subprotocol.
        """
        for kind in CONFIGS:
            self.setUp()
            connection = self.upgrade(kind(), subprotocol="v1")
            self.assertTrue(connection.connected)
            self.assertEqual(connection.protocol, "v1")
            self.assertIsNone(connection.request)
            self.assertEqual(connection.remoteAddress, self.transport.getPeer().host)
            connection.send("hello")
            self.assertEqual(self.peer.frames(), [text("hello")])
            self.peer.sendText("answer")
            self.assertEqual(self.successResultOf(connection.receive()), "answer")

    def test_masks(self) -> None:
        """
        The class of the options chooses the role: only a client masks.
        """
        for kind, isMasked in ((ServerConfig, False), (ClientConfig, True)):
            self.setUp()
            self.upgrade(kind()).send("hello")
            self.transport.turn()
            self.assertIs(bool(self.transport.sent[1] & 0x80), isMasked)

    def test_application(self) -> None:
        """
        An application is told of the beginning, of messages and of the end.
        """
        application = Recorder()
        connection = self.upgrade(application=application)
        self.peer.sendText("a")
        self.peer.sendClose(1000)
        self.assertEqual(
            application.told, ["started", "finished", ("text", "a"), "lost"]
        )
        self.assertIs(application.connection, connection)
        self.assertTrue(application.report.wasClean)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_before(self) -> None:
        """
        Before there is a transport, nothing can be sent.
        """
        protocol = UpgradedProtocol(self.clock, ServerConfig())
        self.assertRaises(InvalidState, protocol.connection.send, "early")
        self.assertFalse(protocol.connection.connected)
        self.assertIsNone(protocol.connection.getPeer())

    def test_early(self) -> None:
        """
        Frames that were read together with the handshake are delivered, before others.
        """
        application = Recorder()
        sample = Peer(Protocol(), MemoryTransport(Clock())).text("early")
        self.upgrade(application=application, early=sample[:3])
        self.peer.send(sample[3:])
        self.peer.sendText("late")
        self.assertEqual(application.messages, ["early", "late"])

    def test_options(self) -> None:
        """
        The options hold: sizes, the keep-alive, TCP's own.
        """
        connection = self.upgrade(ServerConfig(maxReceivedMessageSize=5))
        self.clock.advance(20)
        [frame] = self.peer.frames()
        self.assertEqual(frame, ping(frame.payload))
        self.assertTrue(self.transport.noDelay)
        self.peer.sendText("123456")
        self.assertEqual(self.peer.frames()[-1].payload[:2], b"\x03\xf1")
        self.assertFalse(connection.connected)

    def test_lost(self) -> None:
        """
        A transport that breaks ends the connection, with a report.
        """
        connection = self.upgrade(ClientConfig())
        receiving = connection.receive()
        self.peer.vanish()
        error = self.failureResultOf(receiving, ConnectionClosed).value
        self.assertIs(error.report.cause, CloseCause.PEER_LOST)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_raising(self) -> None:
        """
        An application that raises at the beginning is logged, and the connection cut.
        """

        class Broken(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                raise LookupError("no such thing")

        connection = self.upgrade(application=Broken())
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        self.peer.turn()
        self.assertTrue(self.transport.wasAborted)
        assert connection.closeReport is not None
        self.assertIs(connection.closeReport.cause, CloseCause.APPLICATION_ERROR)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_dropping(self) -> None:
        """
        One that wants no connection, after all, is not told that it is open.
        """

        class Unwilling(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                self.connection.drop()

        application = Unwilling()
        self.upgrade(application=application)
        self.peer.turn()
        self.assertEqual(application.told, ["started", "lost"])
        self.assertEqual(self.peer.received(), b"")

    def test_extensions(self) -> None:
        """
        Extensions that were agreed on elsewhere are used, in both roles, with the
        parameters of the response.
        """
        deflate = Deflate(serverMaxWindowBits=15, clientMaxWindowBits=15)
        for kind in CONFIGS:
            for answer in (
                "permessage-deflate",
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; client_max_window_bits=10",
                "permessage-deflate; server_max_window_bits=9",
            ):
                self.setUp()
                connection = self.upgrade(kind(extensions=[deflate]), extensions=answer)
                self.assertEqual(connection.extensions, answer)
                connection.send("a" * 1000)
                self.transport.turn()
                self.assertLess(len(self.transport.sent), 100)

    def test_impossibleExtensions(self) -> None:
        """
        A server that would have answered otherwise says how.
        """
        config = ServerConfig(extensions=[Deflate()])
        with self.assertRaises(ValueError) as raised:
            UpgradedProtocol(self.clock, config, extensions="permessage-deflate")
        self.assertIn("server_max_window_bits=12", str(raised.exception))

    def test_anyForm(self) -> None:
        """
        A server takes parameters in any order, and a window that is the default one.
        """
        wide = Deflate(serverMaxWindowBits=15, clientMaxWindowBits=15)
        config = ServerConfig(extensions=[wide])
        for header in (
            "permessage-deflate; client_max_window_bits=9; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
            "permessage-deflate; client_max_window_bits=15",
        ):
            self.setUp()
            connection = self.upgrade(config, extensions=header)
            self.assertEqual(connection.extensions, header)

    def test_otherExtensions(self) -> None:
        """
        Extensions that the options don't have are refused, in both roles, before there
        is a transport.
        """
        for config in (
            ServerConfig(),
            ClientConfig(),
            ServerConfig(extensions=[Deflate()]),
            ClientConfig(extensions=[Deflate()]),
        ):
            for header in ("x-other", "permessage-deflate; x=1", ";"):
                with self.assertRaises(ValueError):
                    UpgradedProtocol(self.clock, config, extensions=header)

    def test_otherConfig(self) -> None:
        """
        Options of neither role are refused.
        """
        for wrong in (None, object(), "client"):
            with self.assertRaises(TypeError) as raised:
                UpgradedProtocol(self.clock, wrong)  # type: ignore[arg-type]
            self.assertIn("ServerConfig or a ClientConfig", str(raised.exception))

    def test_nothingLeft(self) -> None:
        """
        When the connection has ended, nothing of it is left.
        """
        connection = self.upgrade(application=Recorder())
        gone = ref(connection)
        connection.close()
        self.peer.sendClose()
        self.transport = MemoryTransport(self.clock)
        del connection, self.peer
        gc.collect()
        self.assertIsNone(gone())


class AdoptConnectionTests(UpgradedTestCase):
    """
    Tests of :func:`adoptConnection`.
    """

    def adopt(
        self, config: Any = None, isPaused: bool = False, **more: Any
    ) -> WebSocketConnection:
        """
        Adopt the connection of another protocol, after its handshake.
        """
        self.other = HandshakeByHand()
        self.transport.connect(self.other)
        self.peer = Peer(self.other, self.transport)
        self.peer.send(b"upgrade, please")
        if isPaused:
            self.transport.pauseProducing()
        return adoptConnection(self.other, self.clock, config or ServerConfig(), **more)

    def test_adopted(self) -> None:
        """
        What its transport receives from then on is the WebSocket's.
        """
        connection = self.adopt(subprotocol="v1")
        self.assertTrue(connection.connected)
        self.assertEqual(connection.protocol, "v1")
        self.peer.sendText("a")
        self.assertEqual(self.successResultOf(connection.receive()), "a")
        connection.send("b")
        self.assertEqual(self.peer.frames(), [text("b")])
        self.assertEqual(self.other.told, [b"upgrade, please"])

    def test_lost(self) -> None:
        """
        When the connection is lost both are told, the WebSocket first; nothing hides
        the other protocol's methods any more.
        """
        application = Recorder()
        self.adopt(application=application)
        self.peer.sendClose()
        self.assertEqual(self.peer.frames(), [close()])
        self.assertEqual(application.told, ["started", "finished", "lost"])
        self.assertEqual(self.other.told, [b"upgrade, please", "lost"])
        self.assertNotIn("dataReceived", vars(self.other))
        self.assertNotIn("connectionLost", vars(self.other))

    def test_paused(self) -> None:
        """
        A transport that was paused during the handshake is read from again; one that
        the application pauses is not.
        """

        class Pausing(Recorder):
            def negotiationFinished(self) -> None:
                self.connection.pause()

        for application, count in ((Recorder(), 1), (Pausing(), 0)):
            self.setUp()
            self.adopt(application=application, isPaused=True)
            self.peer.sendText("a")
            self.assertEqual(len(application.messages), count)

    def test_early(self) -> None:
        """
        Frames behind the handshake that were read already are not lost.
        """
        sample = Peer(Protocol(), MemoryTransport(Clock())).text("early")
        connection = self.adopt(early=sample)
        self.peer.turn()
        self.assertEqual(self.successResultOf(connection.receive()), "early")

    def test_TLS(self) -> None:
        """
        It is the same over TLS, which the other protocol has established.
        """
        authority = certify()
        trusted = Certificate(X509.from_cryptography(authority.certificate))
        options = optionsForClientTLS("example.com", trusted)
        self.other = HandshakeByHand()
        made = Factory.forProtocol(lambda: self.other)
        wrapper = TLSMemoryBIOFactory(options, True, made, self.clock)
        protocol = wrapper.buildProtocol(self.transport.getPeer())
        self.transport.connect(protocol)
        identity = certify("example.com", issuer=authority)
        tls = TLSServer(Server(protocol, self.transport), identity.context())
        tls.send(b"welcome")
        connection = adoptConnection(self.other, self.clock, ClientConfig())
        tls.send(b"\x81\x02hi")
        self.assertEqual(self.successResultOf(connection.receive()), "hi")
        connection.send(bytes(100))
        tls.turn()
        self.assertEqual(tls.plain[:2], b"\x82\xe4")
        self.assertEqual(self.other.told, [b"welcome"])
        tls.server.vanish()
        self.assertEqual(self.other.told, [b"welcome", "lost"])
        self.assertFalse(connection.connected)

    def test_noTransport(self) -> None:
        """
        A protocol that is not connected has no connection to adopt.
        """
        self.assertRaises(
            InvalidState, adoptConnection, Protocol(), self.clock, ServerConfig()
        )

    def test_wrong(self) -> None:
        """
        Where an argument is wrong, nothing has changed for the other protocol.
        """
        with self.assertRaises(ValueError):
            self.adopt(extensions="x-other")
        self.peer.send(b"more")
        self.assertEqual(self.other.told, [b"upgrade, please", b"more"])


class SocketTests(TestCase):
    """
    Tests with sockets that exist.
    """

    def test_pair(self) -> None:
        """
        Both roles talk over a pair of UNIX sockets, without a handshake.
        """
        reactor: Any = twisted.internet.reactor
        made: list[UpgradedProtocol] = []
        connected: list[Deferred[None]] = []

        class Announcing(UpgradedProtocol):
            def connectionMade(self) -> None:
                super().connectionMade()
                made.append(self)
                connected[len(made) - 1].callback(None)

        for end, kind in zip(socket.socketpair(), CONFIGS, strict=True):
            connected.append(Deferred())
            with end:
                factory = Factory.forProtocol(
                    lambda kind=kind: Announcing(reactor, kind())
                )
                reactor.adoptStreamConnection(end.fileno(), end.family, factory)

        async def talk() -> None:
            for each in connected:
                await each
            server, client = (each.connection for each in made)
            client.send("question")
            self.assertEqual(await server.receive(), "question")
            server.send(b"answer")
            self.assertEqual(await client.receive(), b"answer")
            report = await client.close(1000, "bye")
            self.assertTrue(report.wasClean)
            self.assertEqual((await server.whenClosed()).receivedReason, "bye")

        return Deferred.fromCoroutine(talk()).addTimeout(10, reactor)  # type: ignore[return-value]
