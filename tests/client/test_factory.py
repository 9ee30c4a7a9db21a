# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.factory`.
"""

from __future__ import annotations

import gc
from http.cookiejar import CookieJar
from typing import Any
from weakref import ref

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    ISSLTransport,
)
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from tests.support.memory import Recorder, text
from tests.support.remote import Server, upgrade
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionRejected,
    OpeningFailed,
    OpeningProtocol,
    OpeningStep,
    OpeningTimedOut,
    WebSocketClientProtocolFactory,
    WebSocketConnection,
)
from txwebsocket.testing import MemoryTransport

URL = "ws://example.com:81/chat?a=b"


class ClientFactoryTests(SynchronousTestCase):
    """
    Tests of :class:`WebSocketClientProtocolFactory`.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = MemoryTransport(self.clock)

    def make(self, url: str = URL, *args: Any, **more: Any) -> OpeningProtocol:
        """
        Make a protocol.
        """
        factory = WebSocketClientProtocolFactory(self.clock, url, *args, **more)
        return factory.buildProtocol(None)

    def connect(self, protocol: OpeningProtocol) -> Server:
        """
        Connect it to a bare transport.
        """
        self.transport.connect(protocol)
        return Server(protocol, self.transport)

    def assertCut(self) -> None:
        """
        The transport is gone, and nothing is planned for later.
        """
        self.transport.turn()
        self.assertTrue(self.transport.wasAborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_interfaces(self) -> None:
        """
        Factory and protocol are as Twisted has them.
        """
        factory = WebSocketClientProtocolFactory(self.clock, URL)
        self.assertTrue(verifyObject(IProtocolFactory, factory))
        protocol = factory.buildProtocol(None)
        self.assertTrue(verifyObject(IProtocol, protocol))
        self.assertTrue(verifyObject(IHandshakeListener, protocol))
        self.assertIs(protocol.factory, factory)

    def test_opened(self) -> None:
        """
        On a transport that is there, the handshake is performed, as the arguments say.
        """
        protocol = self.make(
            URL, ["v2", "v1"], origin="https://o.example", headers={"X-Token": "t"}
        )
        self.assertNoResult(protocol.opened)
        server = self.connect(protocol)
        request = server.request()
        self.assertEqual(request.line, "GET /chat?a=b HTTP/1.1")
        for name, value in {
            "Host": "example.com:81",
            "Origin": "https://o.example",
            "X-Token": "t",
            "Sec-WebSocket-Protocol": "v2, v1",
        }.items():
            self.assertEqual(request.header(name), [value])
        server.send(upgrade(request, "Sec-WebSocket-Protocol: v1"))
        connection = self.successResultOf(protocol.opened)
        self.assertIsInstance(connection, WebSocketConnection)
        self.assertEqual((connection.protocol, connection.url), ("v1", URL))
        connection.send("hello")
        self.assertEqual(server.frames(), [text("hello")])
        server.sendText("answer")
        self.assertEqual(self.successResultOf(connection.receive()), "answer")

    def test_applications(self) -> None:
        """
        Each protocol has an application of its own, which is told all there is.
        """
        made: list[Recorder] = []

        def make() -> Recorder:
            made.append(Recorder())
            return made[-1]

        factory = WebSocketClientProtocolFactory(self.clock, URL, makeApplication=make)
        keys = set()
        for count in (1, 2):
            self.transport = MemoryTransport(self.clock)
            server = self.connect(factory.buildProtocol(None))
            request = server.request()
            keys.update(request.header("Sec-WebSocket-Key"))
            server.send(upgrade(request) + server.text("early"))
            server.end()
            self.assertEqual(len(made), count)
            self.assertEqual(
                made[-1].told, ["started", "finished", ("text", "early"), "lost"]
            )
        self.assertEqual(len(keys), 2)

    def test_rejected(self) -> None:
        """
        A refusal is told as by every client, and redirects are not followed.
        """
        for status in (403, 302):
            self.setUp()
            protocol = self.make(config=ClientConfig(maxRedirects=5))
            server = self.connect(protocol)
            server.request()
            head = f"HTTP/1.1 {status} X\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nno"
            server.send(head.encode())
            error = self.failureResultOf(protocol.opened, ConnectionRejected).value
            self.assertEqual(
                (error.response.code, error.response.body), (status, b"no")
            )
            self.assertCut()

    def test_timedOut(self) -> None:
        """
        The time runs from when there is a transport.
        """
        protocol = self.make(config=ClientConfig(openTimeout=2))
        self.clock.advance(100)
        self.connect(protocol)
        self.clock.advance(1.9)
        self.assertNoResult(protocol.opened)
        self.clock.advance(0.1)
        error = self.failureResultOf(protocol.opened, OpeningTimedOut).value
        self.assertIs(error.step, OpeningStep.HANDSHAKE)
        self.assertCut()

    def test_lost(self) -> None:
        """
        A transport that breaks during the handshake fails it.
        """
        protocol = self.make()
        server = self.connect(protocol)
        server.end()
        error = self.failureResultOf(protocol.opened, OpeningFailed).value
        self.assertIsInstance(error.cause, ConnectionDone)

    def test_cancelled(self) -> None:
        """
        Cancelling ``opened`` cuts the transport, or the one that comes after that.
        """
        protocol = self.make()
        self.connect(protocol)
        protocol.opened.cancel()
        self.failureResultOf(protocol.opened, CancelledError)
        self.assertCut()
        self.setUp()
        protocol = self.make()
        protocol.opened.cancel()
        self.failureResultOf(protocol.opened, CancelledError)
        server = self.connect(protocol)
        server.send(b"HTTP/1.1 ")
        self.assertCut()
        self.assertEqual(server.received(), b"")

    def test_raising(self) -> None:
        """
        What makes the application may raise: that is told, and the transport cut.
        """

        def make() -> object:
            raise LookupError("no such thing")

        protocol = self.make(makeApplication=make)
        self.connect(protocol)
        self.failureResultOf(protocol.opened, LookupError)
        self.assertCut()

    def test_closed(self) -> None:
        """
        The end of the connection is the connection's to tell.
        """
        protocol = self.make()
        server = self.connect(protocol)
        server.upgrade()
        closed = self.successResultOf(protocol.opened).whenClosed()
        server.vanish()
        self.assertIs(self.successResultOf(closed).cause, CloseCause.PEER_LOST)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_TLS(self) -> None:
        """
        Over TLS that is being established, the step tells so, until it is.
        """
        for isEstablished, step in (
            (False, OpeningStep.TLS),
            (True, OpeningStep.HANDSHAKE),
        ):
            self.setUp()
            directlyProvides(self.transport, ISSLTransport)
            protocol = self.make("wss://example.com/")
            self.connect(protocol)
            if isEstablished:
                protocol.handshakeCompleted()
            self.clock.advance(10)
            error = self.failureResultOf(protocol.opened, OpeningTimedOut).value
            self.assertIs(error.step, step)

    def test_cookies(self) -> None:
        """
        A cookie jar is filled, and taken from.
        """
        factory = WebSocketClientProtocolFactory(self.clock, URL, cookieJar=CookieJar())
        for expected in ([], ["a=1"]):
            self.transport = MemoryTransport(self.clock)
            server = self.connect(factory.buildProtocol(None))
            request = server.request()
            self.assertEqual(request.header("Cookie"), expected)
            server.send(upgrade(request, "Set-Cookie: a=1"))

    def test_wrong(self) -> None:
        """
        What can't be part of a request is refused before there is a transport.
        """
        for args, more in (
            (["ftp://example.com/"], {}),
            ([URL, ["a", "a"]], {}),
            ([URL, "chat"], {}),
            ([URL], {"origin": "a\r\nb"}),
            ([URL], {"headers": {"Upgrade": "x"}}),
        ):
            with self.assertRaises(ValueError):
                self.make(*args, **more)
        error = self.assertRaises(TypeError, self.make, URL, 5)
        self.assertEqual(str(error), "protocols must be a list of names, not int")

    def test_nothingLeft(self) -> None:
        """
        When the connection has ended, nothing of it is left.
        """
        protocol = self.make(makeApplication=Recorder)
        server = self.connect(protocol)
        server.upgrade()
        gone = ref(self.successResultOf(protocol.opened))
        server.end()
        self.transport = MemoryTransport(self.clock)
        del protocol, server
        gc.collect()
        self.assertIsNone(gone())
