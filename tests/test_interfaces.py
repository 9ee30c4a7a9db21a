# Part of txwebsocket. See LICENSE for details.
"""
Tests of the contracts with applications, which are those of ``twisted.web.websocket``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest

import txwebsocket
from tests.support.memory import Ends, Peer, Served, binary, close, ping, text
from tests.support.remote import ClientReactor, upgrade
from txwebsocket import (
    WebSocketClientEndpoint,
    WebSocketClientFactory,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketServerFactory,
    WebSocketTransport,
)
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Opcode

APPLICATION = Path(__file__).parent / "support" / "applications" / "twistedweb.py"
THEIRS = "from twisted.web.websocket import "
OURS = "from txwebsocket import "


def moved() -> dict[str, Any]:
    """
    The application that was written for ``twisted.web.websocket``, with its import
    changed and nothing else.
    """
    source = APPLICATION.read_text(encoding="utf-8")
    if source.count(THEIRS) != 1:
        raise ValueError(f"{APPLICATION} has not one import")
    namespace: dict[str, Any] = {"__name__": "tests.support.applications.moved"}
    code = compile(source.replace(THEIRS, OURS), str(APPLICATION), "exec")
    exec(code, namespace)
    return namespace


class MovedServerTests(SynchronousTestCase):
    """
    Tests of a server that moved here.
    """

    def setUp(self) -> None:
        """
        A client connects.
        """
        self.namespace = moved()
        self.peer: Peer = Served(self.namespace["site"]()).upgrade(path="/?a=b")
        [self.application] = self.namespace["Answering"].made
        self.assertEqual(self.peer.frames(), [text("welcome")])

    def test_negotiation(self) -> None:
        """
        It is given the request, then the transport, and may send when that is finished.
        """
        self.assertEqual(self.application.path, b"/")
        self.assertEqual(self.application.log, ["started", "finished"])

    def test_messages(self) -> None:
        """
        It gets and sends text and bytes.
        """
        self.peer.sendText("hello", "")
        self.peer.sendBytes(b"abc")
        self.assertEqual(self.peer.frames(), [text("HELLO"), text(""), binary(b"cba")])

    def test_ping(self) -> None:
        """
        It pings, and hears of pongs.
        """
        self.peer.sendText("ping there?")
        self.assertEqual(self.peer.frames(), [ping(b"there?")])
        self.peer.pong(b"there?")
        self.assertEqual(self.application.log[-1], ("pong", b"there?"))

    def test_leaving(self) -> None:
        """
        It closes with a code, and is told of a clean end in Twisted's terms.
        """
        self.peer.sendText("leave 4000")
        self.assertEqual(self.peer.frames(), [close(4000)])
        self.peer.sendClose(4000)
        name, kinds = self.application.log[-1]
        self.assertEqual(name, "lost")
        self.assertIn(ConnectionDone, kinds)

    def test_lost(self) -> None:
        """
        It is told of a loss in Twisted's terms.
        """
        self.peer.vanish()
        name, kinds = self.application.log[-1]
        self.assertEqual(name, "lost")
        self.assertIn(ConnectionLost, kinds)

    def test_producer(self) -> None:
        """
        Its producer is paused and resumed as the client reads, which with
        ``twisted.web.websocket`` never worked on a server.
        """
        self.peer.stall()
        self.peer.sendText("count 100")
        self.assertLess(len(self.peer.transport.unsent), 200_000)
        self.peer.goOn()
        *numbers, last = self.peer.frames()
        counted = [int.from_bytes(frame.payload, "big") for frame in numbers]
        self.assertEqual(counted, list(range(99, -1, -1)))
        self.assertEqual(last, close())


class MovedClientTests(SynchronousTestCase):
    """
    Tests of a client that moved here.
    """

    def setUp(self) -> None:
        """
        It connects.
        """
        self.reactor = ClientReactor()
        self.namespace = moved()
        asking = self.namespace["ask"](self.reactor, "ws://example.com:8080/a?b=c")
        self.asking = Deferred.fromCoroutine(asking)

    def test_conversation(self) -> None:
        """
        It is made for the URL, talks when the negotiation is finished, and is the
        result of connecting.
        """
        server = self.reactor.accept()
        request = server.request()
        self.assertEqual(request.line, "GET /a?b=c HTTP/1.1")
        self.assertEqual(request.header("Host"), ["example.com:8080"])
        server.send(upgrade(request))
        client = self.successResultOf(self.asking)
        self.assertEqual(client.url, "ws://example.com:8080/a?b=c")
        self.assertEqual(
            server.frames(), [text("hello"), ping(b"are you there?"), binary(b"abc")]
        )
        server.send(
            server.text("answer")
            + server.frame(Opcode.PONG, b"are you there?")
            + server.binary(b"answer")
        )
        server.sendClose()
        self.assertEqual(server.frames(), [close()])
        server.end()
        *log, (name, kinds) = client.log
        pong = ("pong", b"are you there?")
        self.assertEqual(log, ["started", "finished", "answer", pong, b"answer"])
        self.assertEqual(name, "lost")
        self.assertIn(ConnectionDone, kinds)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """
        It is told of a refusal by the error that it knows.
        """
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        failure = self.failureResultOf(self.asking, txwebsocket.ConnectionRejected)
        self.assertEqual(failure.value.response.code, 403)

    def test_withEachOther(self) -> None:
        """
        Client and server, moved both, understand each other.
        """
        asking = self.namespace["ask"](self.reactor, "ws://example.com/")
        connected = Deferred.fromCoroutine(asking)
        served = Served(self.namespace["site"](), clock=self.reactor)
        near = self.reactor.accept().transport
        far = served.connect().transport
        for _ in range(20):
            carry(near, far)
            carry(far, near)
        client = self.successResultOf(connected)
        self.assertEqual(
            client.log[2:],
            ["welcome", "HELLO", ("pong", b"are you there?"), b"cba"],
        )
        near.lose(ConnectionDone())
        far.lose(ConnectionDone())


def carry(source: MemoryTransport, target: MemoryTransport) -> None:
    """
    Be the network, in one direction.
    """
    source.turn()
    target.arrived += source.sent
    source.sent.clear()
    target.turn()


class ContractTests(SynchronousTestCase):
    """
    Tests of the contracts themselves.
    """

    def test_transport(self) -> None:
        """
        A connection has every method that a WebSocketTransport has.
        """
        names = [name for name in vars(WebSocketTransport) if not name.startswith("_")]
        self.assertEqual(len(names), 6)
        for name in names:
            self.assertTrue(callable(getattr(WebSocketConnection, name)), name)

    def test_sameNames(self) -> None:
        """
        There is every name that ``twisted.web.websocket`` has.
        """
        for name in (
            "ConnectionRejected",
            "WebSocketClientEndpoint",
            "WebSocketClientFactory",
            "WebSocketProtocol",
            "WebSocketResource",
            "WebSocketServerFactory",
            "WebSocketTransport",
        ):
            self.assertIn(name, txwebsocket.__all__)

    def test_generic(self) -> None:
        """
        The factories can be inherited from with the class of their applications, as
        those of ``twisted.web.websocket``.
        """

        class Servers(WebSocketServerFactory[WebSocketProtocol]):
            def buildProtocol(self, request: IRequest) -> WebSocketProtocol:
                made.append(WebSocketProtocol())
                return made[-1]

        class Clients(WebSocketClientFactory[WebSocketProtocol]):
            def buildProtocol(self, url: str) -> WebSocketProtocol:
                made.append(WebSocketProtocol())
                return made[-1]

        made: list[WebSocketProtocol] = []
        reactor = ClientReactor()
        endpoint = WebSocketClientEndpoint.new(reactor, "ws://example.com/")
        connecting = Deferred.fromCoroutine(endpoint.connect(Clients()))
        reactor.accept().upgrade()
        Served(Servers()).upgrade()
        self.assertIs(self.successResultOf(connecting), made[0])
        self.assertTrue(made[1].connection.connected)

    def test_base(self) -> None:
        """
        An application that overrides nothing can be served: it takes everything and
        does nothing.
        """
        application = WebSocketProtocol()
        ends = Ends(application)
        peer = ends.peer
        peer.send(peer.text("a") + peer.binary(b"b") + peer.frame(Opcode.PONG, b"c"))
        peer.ping(b"d")
        self.assertEqual([frame.opcode for frame in peer.frames()], [Opcode.PONG])
        self.assertIs(application.connection, ends.connection)
        peer.sendClose()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_baseFrames(self) -> None:
        """
        The same without assembleFragments.
        """
        ends = Ends(WebSocketProtocol(), assembleFragments=False)
        ends.peer.sendText("a")
        self.assertTrue(ends.connection.connected)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_documented(self) -> None:
        """
        Each hook says what it is for.
        """
        for kind in (WebSocketProtocol, WebSocketTransport):
            for name, method in vars(kind).items():
                if not name.startswith("_") and callable(method):
                    self.assertTrue(method.__doc__, f"{kind.__name__}.{name}")
