# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.testing`.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.support.memory import Recorder
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionClosed,
    ConnectionRejected,
    Event,
    W3CWebSocket,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
)
from txwebsocket.testing import MemorySite


class Echo(WebSocketProtocol):
    """
    Sends back what it hears.
    """

    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)


class MemorySiteTests(SynchronousTestCase):
    """
    Tests of :class:`MemorySite` and :class:`MemoryWire`.
    """

    def setUp(self) -> None:
        self.site = MemorySite(Echo)

    def connect(self) -> WebSocketConnection:
        """
        A connected client.
        """
        return self.successResultOf(self.site.connect())

    def test_talk(self) -> None:
        """
        A client and the site talk over the wire when it is flushed, and not before.
        """
        connection = self.connect()
        connection.send("hello")
        answer = connection.receive()
        self.assertNoResult(answer)
        self.site.flush()
        self.assertEqual(self.successResultOf(answer), "hello")

    def test_flushedWithin(self) -> None:
        """
        An application may have everything flushed while it is told of something: what
        was sent arrives in its order, also if it is a flood.
        """
        got: list[bytes] = []

        class Flushing(WebSocketProtocol):
            def pingReceived(_, payload: bytes) -> None:
                got.append(payload)
                if len(got) == 10_000:
                    site.flush()

        site = MemorySite(Flushing)
        connection = self.successResultOf(site.connect())
        sent = [b"%d" % number for number in range(20_000)]
        for payload in sent:
            connection.ping(payload)
        site.flush()
        self.assertEqual(got, sent)

    def test_client(self) -> None:
        """
        What takes a client can be given one whose URLs all lead to the site.
        """
        client = self.site.client(ClientConfig(openTimeout=3))
        self.assertEqual(client.config.openTimeout, 3)
        for url in ("ws://example.com/", "ws://elsewhere.example/?x"):
            opening = client.connect(url)
            self.site.flush()
            connection = self.successResultOf(opening)
            connection.send("hello")
            self.site.flush()
            self.assertEqual(self.successResultOf(connection.receive()), "hello")

    def test_socket(self) -> None:
        """
        So can a WebSocket like a browser's, which misses nothing of what happens.
        """
        socket = W3CWebSocket("ws://example.com/", client=self.site.client())
        seen: list[Event] = []
        for name in ("open", "message", "error", "close"):
            socket.addEventListener(name, seen.append)
        socket.addEventListener("open", lambda event: socket.send("hello"))
        socket.addEventListener("message", lambda event: socket.close())
        self.assertEqual(seen, [])
        self.site.flush()
        self.assertEqual([event.type for event in seen], ["open", "message", "close"])
        self.assertEqual(self.site.clock.getDelayedCalls(), [])

    def test_pieces(self) -> None:
        """
        Messages arrive whole, be the wire ever so thin.
        """
        for size in (1, 2, 7, 1000):
            connection = self.connect()
            self.site.wires[-1].pieceSize = size
            connection.send(b"x" * 3000)
            self.site.flush()
            self.assertEqual(self.successResultOf(connection.receive()), b"x" * 3000)

    def test_stalled(self) -> None:
        """
        A peer that is stalled reads nothing until it goes on.
        """
        connection = self.connect()
        wire = self.site.wires[0]
        wire.server.isStalled = True
        connection.send("a")
        self.site.flush()
        answer = connection.receive()
        self.assertNoResult(answer)
        wire.server.isStalled = False
        self.site.flush()
        self.assertEqual(self.successResultOf(answer), "a")

    def test_window(self) -> None:
        """
        Who does not read keeps the other from writing, before long.
        """
        connection = self.successResultOf(self.site.connect())
        connection.pause()
        [served] = self.site.server.connections  # type: ignore[union-attr]
        for _ in range(8):
            served.send(bytes(64 * 1024))
            self.site.flush()
        self.assertGreater(served.bufferedAmount, 100 * 1024)
        connection.resume()
        self.site.flush()
        self.assertEqual(served.bufferedAmount, 0)

    def test_cut(self) -> None:
        """
        Both ends learn at once that their wire was cut.
        """
        recorder = Recorder()
        self.successResultOf(self.site.connect(application=recorder))
        self.site.wires[0].cut()
        self.assertIs(recorder.report.cause, CloseCause.PEER_LOST)

        self.assertEqual(len(self.site.server.connections), 0)

    def test_dropped(self) -> None:
        """
        A flush lets a client learn that the server has dropped its connection, and a
        server that its client has, whatever other clients there are.
        """
        for isServer in (True, False):
            for which in range(3):
                for skip in (True, False):
                    self.checkDrop(isServer, which, skip)

    def checkDrop(self, isServer: bool, which: int, skip: bool) -> None:
        """
        Drop one of three connections, at one of its ends.
        """
        served: list[WebSocketConnection] = []
        site = MemorySite(lambda request: served.append(request.accept()))
        clients = [self.successResultOf(site.connect()) for _ in range(3)]
        (served if isServer else clients)[which].drop(skipCloseFrame=skip)
        site.flush()
        for ends in (served, clients):
            isLeft = [end.closeReport is None for end in ends]
            self.assertEqual(isLeft, [number != which for number in range(3)])

    def test_droppedLater(self) -> None:
        """
        That holds for what a timer does, such as one for the next turn.
        """
        for isServer in (True, False):
            served: list[WebSocketConnection] = []
            site = MemorySite(lambda request, to=served: to.append(request.accept()))
            clients = [self.successResultOf(site.connect()) for _ in range(3)]
            for end in served if isServer else clients:
                site.clock.callLater(0, end.drop, skipCloseFrame=True)
            site.flush()
            for end in (*served, *clients):
                self.assertIsNotNone(end.closeReport)

    def test_nobody(self) -> None:
        """
        Without a client, a flush lets happen what is to be in this turn.
        """
        site = MemorySite(lambda request: request.accept())
        told: list[str] = []
        site.clock.callLater(0, told.append, "now")
        site.clock.callLater(1, told.append, "later")
        site.flush()
        self.assertEqual(told, ["now"])

    def test_time(self) -> None:
        """
        Hours pass in no time, with all that belongs to them.
        """
        connection = self.connect()
        self.site.advance(3600)
        self.assertTrue(connection.connected)
        self.site.wires[0].client.isStalled = True
        self.site.wires[0].server.isStalled = True
        self.site.advance(60)
        failure = self.failureResultOf(connection.receive(), ConnectionClosed)
        self.assertIs(failure.value.report.cause, CloseCause.KEEPALIVE_TIMEOUT)

    def test_close(self) -> None:
        """
        A connection closes cleanly, and nothing waits for later then.
        """
        connection = self.connect()
        closed = connection.close(4000, "bye")
        self.site.flush()
        report = self.successResultOf(closed)
        self.assertTrue(report.wasClean)
        self.assertEqual((report.code, report.reason), (4000, "bye"))
        self.assertEqual(self.site.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """
        A site may refuse, and is asked as a client asks: with path, subprotocols,
        origin and headers.
        """
        requests: list[WebSocketRequest] = []

        def refuse(request: WebSocketRequest) -> None:
            requests.append(request)
            request.reject(401, "log in")

        root = Resource()
        root.putChild(b"chat", WebSocketResource(refuse))
        site = MemorySite(root)
        refused = site.connect(
            "/chat?x=1", ["v1"], origin="http://example.com", headers={"Cookie": "a=b"}
        )
        failure = self.failureResultOf(refused, ConnectionRejected)
        self.assertEqual(failure.value.response.code, 401)
        [request] = requests
        self.assertEqual(request.resource, "/chat?x=1")
        self.assertEqual(request.requestedProtocols, ("v1",))
        self.assertEqual(request.origin, "http://example.com")
        self.assertEqual(request.cookies, {"a": "b"})
        self.assertIsNone(site.server)
