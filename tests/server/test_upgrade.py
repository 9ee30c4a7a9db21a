# Part of txwebsocket. See LICENSE for details.
"""
Tests of taking a connection over from twisted.web: of each thing that can go wrong
there.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Request, Site
from twisted.web.test.requesthelper import DummyChannel

from tests.support.memory import (
    ACCEPT,
    LoggedSite,
    Peer,
    Recorder,
    Response,
    Served,
    binary,
    close,
    handshake,
    text,
)
from tests.support.splits import everySplit
from txwebsocket import (
    CloseCause,
    ServerConfig,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
)
from txwebsocket.server.upgrade import canTakeOver, responseHeaders
from txwebsocket.testing import MemoryTLSTransport, MemoryTransport

KIB = 1024
QUIET = ServerConfig(keepalive=False)


class OddError(Exception):
    """
    What applications raise here.
    """


class Made:
    """
    A factory that keeps what it makes, and the requests it was asked by.
    """

    def __init__(self, make: type[Recorder] = Recorder) -> None:
        self.make = make
        self.applications: list[Recorder] = []
        self.requests: list[Request] = []

    def buildProtocol(self, request: Request) -> Recorder:
        """
        Make one.
        """
        self.requests.append(request)
        self.applications.append(self.make())
        return self.applications[-1]


class Later:
    """
    A handler that decides when it is told to.
    """

    def __init__(self) -> None:
        self.requests: list[WebSocketRequest] = []
        self.application = Recorder()

    def __call__(self, request: WebSocketRequest) -> None:
        """
        Keep the request for later.
        """
        self.requests.append(request)

    def accept(self) -> WebSocketConnection:
        """
        Accept the oldest.
        """
        return self.requests.pop(0).accept(application=self.application)


class ResponseTests(SynchronousTestCase):
    """
    Tests of the response that opens a WebSocket.
    """

    def answered(self, *lines: str, resource: Any = Recorder) -> Response:
        """
        What a handshake is answered.
        """
        response = Served(resource).request(*lines).response()
        self.assertEqual(response.status, 101)
        return response

    def test_handshake(self) -> None:
        """
        The response is what RFC 6455 demands.
        """
        response = self.answered()
        self.assertEqual(response.phrase, "Switching Protocols")
        self.assertEqual(response.header("Upgrade"), ["websocket"])
        self.assertEqual(response.header("Connection"), ["Upgrade"])
        self.assertEqual(response.header("Sec-WebSocket-Accept"), [ACCEPT])
        self.assertEqual(response.header("Sec-WebSocket-Protocol"), [])
        self.assertEqual(response.header("Sec-WebSocket-Extensions"), [])

    def test_noBody(self) -> None:
        """
        Trap 9: nothing in the response speaks of a body, which twisted.web would add
        on its own.
        """
        response = self.answered()
        for name in ("Transfer-Encoding", "Content-Type", "Content-Length"):
            self.assertEqual(response.header(name), [])

    def test_session(self) -> None:
        """
        Trap 9: the cookie of a session that the handler makes reaches the client.
        """

        def handler(request: WebSocketRequest) -> None:
            request.httpRequest.getSession().expire()
            request.httpRequest.addCookie("seen", "1", httpOnly=True)
            request.accept(application=Recorder())

        cookies = self.answered(resource=handler).header("Set-Cookie")
        self.assertTrue(cookies[0].startswith("TWISTED_SESSION="))
        self.assertEqual(cookies[1], "seen=1; HttpOnly")

    def test_headersOfTree(self) -> None:
        """
        Trap 9: headers that resources on the way have set are carried, unless they
        describe a body or the connection.
        """

        class Root(Resource):
            def getChild(self, path: bytes, request: Request) -> Any:
                headers = request.responseHeaders
                headers.addRawHeader("X-Frame-Options", "DENY")
                headers.addRawHeader("Vary", "a")
                headers.addRawHeader("Vary", "b")
                for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
                    headers.addRawHeader(name, "7")
                headers.addRawHeader("Content-Encoding", "gzip")
                headers.addRawHeader("Connection", "close")
                headers.addRawHeader("Upgrade", "h2c")
                for name in ("Accept", "Protocol", "Extensions", "Version"):
                    headers.addRawHeader(f"Sec-WebSocket-{name}", "x")
                return WebSocketResource(Recorder)

        response = self.answered(resource=Root())
        self.assertEqual(response.header("X-Frame-Options"), ["DENY"])
        self.assertEqual(response.header("Vary"), ["a", "b"])
        self.assertEqual(response.header("Connection"), ["Upgrade"])
        self.assertEqual(response.header("Upgrade"), ["websocket"])
        for name in ("Content-Type", "Content-Length", "Content-Encoding"):
            self.assertEqual(response.header(name), [])
        self.assertEqual(response.header("Transfer-Encoding"), [])
        self.assertEqual(response.header("Sec-WebSocket-Accept"), [ACCEPT])
        for name in ("Protocol", "Extensions", "Version"):
            self.assertEqual(response.header(f"Sec-WebSocket-{name}"), [])

    def test_encodingWrapper(self) -> None:
        """
        Trap 9: below an EncodingResourceWrapper nothing is compressed, and nothing
        claims to be.
        """
        made = Made()
        resource = EncodingResourceWrapper(
            WebSocketResource(made), [GzipEncoderFactory()]
        )
        peer = Served(resource).request("Accept-Encoding: gzip")
        self.assertEqual(peer.response().header("Content-Encoding"), [])
        made.applications[0].connection.send("plain")
        self.assertEqual(peer.frames(), [text("plain")])

    def test_connectionTokens(self) -> None:
        """
        Trap 11: ``Connection`` is a list in any case and over several lines.
        """
        for lines in (
            ["Connection: keep-alive, Upgrade"],
            ["Connection: UPGRADE ,keep-alive"],
            ["Connection: keep-alive", "Connection: upgrade"],
        ):
            self.answered(*lines)
        self.answered("Upgrade: WebSocket")
        self.answered("Upgrade: h2c, websocket")

    def test_version8(self) -> None:
        """
        The last draft of the protocol is answered as the standard is.
        """
        response = self.answered("Sec-WebSocket-Version: 8")
        self.assertEqual(response.header("Sec-WebSocket-Accept"), [ACCEPT])

    def test_expectContinue(self) -> None:
        """
        Trap 11: ``Expect: 100-continue`` does no harm to the frames that follow.
        """
        made = Made()
        peer = Served(made).request("Expect: 100-continue")
        self.assertEqual(peer.response().status, 100)
        self.assertEqual(peer.response().status, 101)
        peer.sendText("a")
        self.assertEqual(made.applications[0].messages, ["a"])

    def test_accessLog(self) -> None:
        """
        Trap 12: an upgrade has its line in the access log, with status 101, when it is
        answered.
        """
        served = Served(Recorder)
        peer = served.upgrade(path="/?room=1")
        line = '"192.0.2.1" - - [now] "GET /?room=1 HTTP/1.1" 101 - "-" "-"'
        self.assertEqual(served.site.lines, [line])
        peer.sendClose()
        self.assertEqual(served.site.lines, [line])

    def test_factoryWithoutLog(self) -> None:
        """
        Trap 12: a factory that keeps no access log is served as well.
        """
        served = Served(Recorder)
        served.site.log = None  # type: ignore[assignment]
        served.upgrade()
        self.assertEqual(len(served.resource.server.connections), 1)

    def test_nagle(self) -> None:
        """
        Trap 13: Nagle's algorithm is off, or on, as ``disableNagleAlgorithm`` says.
        """
        for choice in (True, False):
            config = ServerConfig(disableNagleAlgorithm=choice)
            peer = Served(Recorder, config).upgrade()
            self.assertIs(peer.transport.noDelay, choice)


class EarlyTests(SynchronousTestCase):
    """
    Tests of bytes that come with the handshake, or before it is answered.
    """

    def test_everyCut(self) -> None:
        """
        Trap 1: frames behind the handshake are the first messages, wherever the
        network cuts: no byte is lost.
        """
        peer = Served(Recorder).connect()
        stream = handshake() + peer.text("hello") + peer.binary(b"world")
        for pieces in everySplit(stream):
            made = Made()
            peer = Served(made).connect()
            for piece in pieces:
                peer.send(piece)
            self.assertEqual(peer.response().status, 101, pieces)
            self.assertEqual(made.applications[0].messages, ["hello", b"world"], pieces)

    def test_everyCutOfSegment(self) -> None:
        """
        Trap 1: nor is one if a frame is cut by the segment that has the handshake.
        """
        peer = Served(Recorder).connect()
        frames = peer.text("hello") + peer.binary(b"world")
        for cut in range(len(frames) + 1):
            made = Made()
            peer = Served(made).connect()
            peer.arrive(handshake() + frames[:cut])
            peer.send(frames[cut:])
            peer.turn()
            self.assertEqual(made.applications[0].messages, ["hello", b"world"], cut)

    def test_everyCutWhileUndecided(self) -> None:
        """
        Trap 1: nor is one if the decision comes later, between any two segments.
        """
        peer = Served(Recorder).connect()
        frames = peer.text("hello") + peer.binary(b"world")
        for cut in range(len(frames) + 1):
            later = Later()
            peer = Served(later).connect()
            peer.send(handshake() + frames[:cut])
            later.accept()
            self.assertEqual(later.application.messages, [], cut)
            peer.send(frames[cut:])
            self.assertEqual(later.application.messages, ["hello", b"world"], cut)

    def test_everyCutBeforeDecision(self) -> None:
        """
        Trap 1: nor is one if all segments come before the decision.
        """
        peer = Served(Recorder).connect()
        for pieces in everySplit(peer.text("hello") + peer.binary(b"world")):
            later = Later()
            peer = Served(later).connect()
            peer.send(handshake())
            for piece in pieces:
                peer.send(piece)
            later.accept()
            peer.turn()
            self.assertEqual(later.application.messages, ["hello", b"world"], pieces)

    def test_orderOfWrites(self) -> None:
        """
        Trap 1: the response leaves before the answers to early frames.
        """

        class Echo(Recorder):
            def negotiationFinished(self) -> None:
                self.connection.send("welcome")

            def textMessageReceived(self, message: str) -> None:
                self.connection.send(message)

        peer = Served(Echo).connect()
        peer.send(handshake() + peer.text("a"))
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frames(), [text("welcome"), text("a")])

    def test_muchWhileUndecided(self) -> None:
        """
        Trap 5: 40 kB that come while nobody has decided make twisted.web stop reading;
        after the decision they are delivered, and reading goes on.
        """
        later = Later()
        peer = Served(later).connect()
        data = bytes(range(250)) * 160
        frame = peer.binary(data)
        for start in range(0, len(frame), 1000):
            peer.send(handshake() if not start else b"")
            peer.send(frame[start : start + 1000])
        self.assertFalse(peer.transport.isReading)
        self.assertTrue(peer.transport.arrived)
        later.accept()
        peer.turn()
        self.assertEqual(later.application.messages, [data])
        self.assertTrue(peer.transport.isReading)
        peer.sendText("more")
        self.assertEqual(later.application.messages[1:], ["more"])

    def test_muchThenPause(self) -> None:
        """
        Trap 5: who pauses the connection right after accepting it is not overrun by
        what came before.
        """
        later = Later()
        peer = Served(later).connect()
        peer.send(handshake() + peer.text("a") * 10_000)
        connection = later.accept()
        connection.pause()
        peer.turn()
        self.assertEqual(later.application.messages, [])
        self.assertFalse(peer.transport.isReading)
        connection.resume()
        peer.turn()
        self.assertEqual(len(later.application.messages), 10_000)

    def test_afterPages(self) -> None:
        """
        A connection that has asked for pages first can become a WebSocket, also if all
        of that comes in one segment.
        """

        class Page(Resource):
            def render_GET(self, request: Request) -> bytes:
                return b"page"

        made = Made()
        root = Resource()
        root.putChild(b"page", Page())
        root.putChild(b"ws", WebSocketResource(made))
        page = b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"
        peer = Served(root).connect()
        peer.send(page + page + handshake(path="/ws") + peer.text("a"))
        self.assertEqual(peer.response().body, b"page")
        self.assertEqual(peer.response().body, b"page")
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(made.applications[0].messages, ["a"])

    def test_afterUnfinishedPage(self) -> None:
        """
        A handshake that is pipelined behind a page waits for that page.
        """
        waiting: list[Request] = []

        class Slow(Resource):
            def render_GET(self, request: Request) -> int:
                waiting.append(request)
                return NOT_DONE_YET

        made = Made()
        root = Resource()
        root.putChild(b"page", Slow())
        root.putChild(b"ws", WebSocketResource(made))
        peer = Served(root).connect()
        peer.send(b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n")
        peer.send(handshake(path="/ws") + peer.text("a"))
        self.assertEqual(made.applications, [])
        waiting[0].setHeader("Content-Length", "0")
        waiting[0].finish()
        self.assertEqual(peer.response().status, 200)
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(made.applications[0].messages, ["a"])


class TransportTests(SynchronousTestCase):
    """
    Tests of what becomes of the transport and its former user.
    """

    def test_producer(self) -> None:
        """
        Trap 2: twisted.web is no longer its transport's producer; an application can
        attach one of its own.
        """
        told: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                told.append("pause")

            def resumeProducing(self) -> None:
                told.append("resume")

            def stopProducing(self) -> None:
                told.append("stop")

        made = Made()
        peer = Served(made).upgrade()
        self.assertNotIsInstance(peer.transport.producer, HTTPChannel)
        connection = made.applications[0].connection
        connection.attachProducer(Producer())
        peer.stall()
        connection.send(bytes(100 * KIB))
        self.assertEqual(told, ["pause"])
        peer.goOn()
        self.assertEqual(told, ["pause", "resume"])

    def test_closingTLS(self) -> None:
        """
        Trap 3: over TLS, where a registered producer would hold it up, the transport
        closes, whoever closes first.
        """
        for serverCloses in (True, False):
            made = Made()
            served = Served(made)
            peer = served.connect(MemoryTLSTransport(served.clock))
            peer.send(handshake())
            self.assertEqual(peer.response().status, 101)
            if serverCloses:
                made.applications[0].connection.close()
            peer.sendClose()
            self.assertEqual(peer.frames(), [close()])
            self.assertFalse(peer.transport.isConnected)
            self.assertTrue(made.applications[0].report.wasClean)

    def test_closingTCP(self) -> None:
        """
        Trap 4: the transport is kept open until the peer's close frame was read, and
        dropped if none comes.
        """
        made = Made()
        peer = Served(made).upgrade()
        made.applications[0].connection.close()
        peer.turn()
        self.assertFalse(peer.transport.disconnecting)
        self.assertTrue(peer.transport.isReading)
        peer.wait(5)
        self.assertTrue(peer.transport.wasAborted)

    def test_timeouts(self) -> None:
        """
        Trap 6: the timeouts of the site are over, however long the connection lasts;
        also if it had been kept for a page before.
        """
        for earlier in (b"", b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"):
            made = Made()
            root = WebSocketResource(made, QUIET)
            root.putChild(b"page", Resource())
            served = Served(root)
            served.site.timeOut = 1
            peer = served.connect()
            peer.send(earlier)
            if earlier:
                self.assertEqual(peer.response().status, 405)
            peer.send(handshake())
            self.assertEqual(peer.response().status, 101)
            self.assertEqual(served.clock.getDelayedCalls(), [])
            peer.waitLong(3600, step=30)
            peer.sendText("still here")
            self.assertEqual(made.applications[0].messages, ["still here"])

    def test_timeoutWhileUndecided(self) -> None:
        """
        Trap 6: while nobody has decided, openTimeout holds and not the site's own.
        """
        later = Later()
        served = Served(later, QUIET)
        served.site.timeOut = 1
        peer = served.request()
        peer.waitLong(9)
        later.accept()
        peer.waitLong(60)
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(later.application.lost, [])

    def test_pausedBefore(self) -> None:
        """
        Trap 5: a client that has sent many requests at once, and read none of the
        responses so far, is read from once it has its WebSocket.
        """
        requests: list[Request] = []

        class Slow(Resource):
            def render_GET(self, request: Request) -> int:
                requests.append(request)
                return NOT_DONE_YET

        made = Made()
        root = WebSocketResource(made, QUIET)
        root.putChild(b"slow", Slow())
        peer = Served(root).connect()
        peer.send(b"GET /slow HTTP/1.1\r\nHost: example.com\r\n\r\n")
        page = b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"
        peer.send(page * 500 + handshake())
        self.assertFalse(peer.transport.isReading)
        peer.stall()
        requests[0].write(bytes(1024 * 1024))
        requests[0].finish()
        peer.goOn()
        peer.sendText("hello")
        self.assertEqual(made.applications[0].messages, ["hello"])

    def test_earlyBytesAreFreed(self) -> None:
        """
        Trap 5: what came before the decision is not kept once it was delivered.
        """
        later = Later()
        peer = Served(later).connect()
        peer.send(handshake() + peer.binary(bytes(10_000)))
        self.assertNotEqual(peer.protocol._channel._dataBuffer, [])
        later.accept()
        peer.turn()
        self.assertEqual(peer.protocol._channel._dataBuffer, [])
        self.assertEqual(later.application.messages, [bytes(10_000)])

    def test_notifyFinish(self) -> None:
        """
        Trap 7: when the connection ends, twisted.web hears of it: notifyFinish fires,
        after the application was told.
        """
        made = Made()
        peer = Served(made).upgrade()
        [request] = made.requests
        [application] = made.applications
        finished = request.notifyFinish()
        finished.addErrback(lambda _: application.told.append("finished request"))
        self.assertNoResult(finished)
        peer.vanish()
        self.successResultOf(finished)
        self.assertEqual(application.told[-2:], ["lost", "finished request"])

    def test_brokenApplicationAtEnd(self) -> None:
        """
        Trap 7: it hears of it also if the application fails at that moment.
        """

        class Broken(Recorder):
            def connectionLost(self, reason: Any) -> None:
                raise OddError

        made = Made(Broken)
        peer = Served(made).upgrade()
        finished = made.requests[0].notifyFinish()
        peer.vanish()
        self.failureResultOf(finished, ConnectionLost)
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_noCycles(self) -> None:
        """
        Trap 7: the channel has its own methods again when the connection has ended, and
        no timer of either is left.
        """
        served = Served(Recorder)
        peer = served.upgrade()
        channel = peer.protocol._channel
        self.assertIn("dataReceived", vars(channel))
        peer.vanish()
        for name in ("dataReceived", "rawDataReceived", "connectionLost"):
            self.assertNotIn(name, vars(channel))
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_freed(self) -> None:
        """
        Trap 7: nothing of twisted.web is kept alive by a connection that has ended.
        """
        served = Served(Recorder)
        peer = served.upgrade()
        seen = weakref.ref(peer.protocol._channel)
        peer.sendClose()
        del peer
        gc.collect()
        self.assertIsNone(seen())

    def test_requestBody(self) -> None:
        """
        Trap 16: the file for the request's body is closed while the connection lasts.
        """
        made = Made()
        Served(made).upgrade()
        content: Any = made.requests[0].content
        self.assertTrue(content.closed)

    def test_request(self) -> None:
        """
        Trap 16: the request stays with the connection, with its headers and addresses.
        """
        made = Made()
        Served(made).upgrade("X-Token: secret", "Cookie: a=b", path="/?y=z")
        request = made.applications[0].connection.request
        self.assertEqual(request.httpRequest.getHeader("x-token"), "secret")
        self.assertEqual(request.cookies, {"a": "b"})
        self.assertEqual(request.resource, "/?y=z")
        self.assertEqual(request.httpRequest.getClientAddress().host, "192.0.2.1")

    def test_halfClose(self) -> None:
        """
        Trap 15: a client that just ends its direction is noticed at once.
        """
        made = Made()
        peer = Served(made).upgrade()
        peer.end()
        self.assertIs(made.applications[0].report.cause, CloseCause.PEER_LOST)

    def test_wrapped(self) -> None:
        """
        What else is wrapped around the transport does not matter.
        """
        made = Made()
        clock = Clock()
        site = WrappingFactory(LoggedSite(WebSocketResource(made), clock))
        transport = MemoryTransport(clock)
        protocol = site.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        peer = Peer(protocol, transport)
        peer.send(handshake() + peer.text("a"))
        self.assertEqual(peer.response().status, 101)
        made.applications[0].connection.send("b")
        peer.sendClose()
        self.assertEqual(peer.frames(), [text("b"), close()])
        self.assertEqual(made.applications[0].messages, ["a"])
        self.assertTrue(made.applications[0].report.wasClean)

    def test_flowControl(self) -> None:
        """
        Trap 2: a transport with no room pauses us, not twisted.web.
        """
        made = Made()
        peer = Served(made).upgrade()
        peer.stall()
        connection = made.applications[0].connection
        connection.send(bytes(300 * KIB))
        self.assertFalse(peer.transport.isReading)
        self.assertGreater(connection.bufferedAmount, 100 * KIB)
        peer.goOn()
        self.assertEqual(peer.frames(), [binary(bytes(300 * KIB))])
        self.assertTrue(peer.transport.isReading)

    def test_unsentPage(self) -> None:
        """
        Trap 2: an upgrade behind a large page that the client has not read yet works,
        and everything comes in order.
        """

        class Large(Resource):
            def render_GET(self, request: Request) -> bytes:
                return bytes(200 * KIB)

        made = Made()
        root = Resource()
        root.putChild(b"page", Large())
        root.putChild(b"ws", WebSocketResource(made))
        peer = Served(root).connect()
        peer.stall()
        peer.send(b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n")
        peer.goOn()
        peer.stall()
        peer.send(handshake(path="/ws"))
        made.applications[0].connection.send("a")
        peer.goOn()
        self.assertEqual(len(peer.response().body), 200 * KIB)
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frames(), [text("a")])
        peer.sendText("b")
        self.assertEqual(made.applications[0].messages, ["b"])


class FaultTests(SynchronousTestCase):
    """
    Tests of applications that fail after the upgrade.
    """

    def assertWebSocket(self, peer: Peer) -> None:
        """
        Check that the peer got a WebSocket that was closed with 1011, and no HTTP.
        """
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_hooks(self) -> None:
        """
        Trap 10: an exception after the 101 never writes HTTP into the WebSocket.
        """

        class AtFinish(WebSocketProtocol):
            def negotiationFinished(self) -> None:
                raise OddError

        class AtMessage(WebSocketProtocol):
            def textMessageReceived(self, message: str) -> None:
                raise OddError

        for application in (AtFinish, AtMessage):
            peer = Served(application).connect()
            peer.send(handshake() + peer.text("a"))
            self.assertWebSocket(peer)

    def test_handlers(self) -> None:
        """
        Trap 10: nor does one in a handler, of whatever kind, after it has accepted.
        """

        def plain(request: WebSocketRequest) -> None:
            request.accept()
            raise OddError

        async def coroutine(request: WebSocketRequest) -> None:
            request.accept()
            raise OddError

        def deferred(request: WebSocketRequest) -> Deferred[None]:
            request.accept()
            waiting: Deferred[None] = Deferred()
            waiting.errback(OddError())
            return waiting

        for handler in (plain, coroutine, deferred):
            peer = Served(handler).request()
            self.assertWebSocket(peer)

    def test_closedWhileIntroduced(self) -> None:
        """
        An application that closes the connection while it is introduced loses it, once
        and without an error.
        """

        class Unwilling(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                transport.loseConnection()

        made = Made(Unwilling)
        served = Served(made)
        peer = served.request()
        peer.wait(10)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(made.applications[0].told, ["lost"])
        self.assertEqual(list(served.resource.server.connections), [])
        self.assertFalse(peer.transport.isConnected)

    def test_droppedWhileIntroduced(self) -> None:
        """
        The same if it drops the connection.
        """

        class Unwilling(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                transport.drop(skipCloseFrame=True)

        made = Made(Unwilling)
        served = Served(made)
        peer = served.request()
        peer.wait(10)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(made.applications[0].told, ["lost"])
        self.assertFalse(peer.transport.isConnected)


class ChannelTests(SynchronousTestCase):
    """
    Tests of connections that can't be taken over.
    """

    def test_canTakeOver(self) -> None:
        """
        Trap 17: only a channel of HTTP/1 can be taken over.
        """
        seen: list[bool] = []

        class Asking(Resource):
            isLeaf = True

            def render(self, request: Request) -> bytes:
                seen.append(canTakeOver(request))
                return b""

        Served(Asking()).request()
        seen.append(canTakeOver(Request(DummyChannel())))
        self.assertEqual(seen, [True, False])

    def test_otherChannel(self) -> None:
        """
        Trap 17: a request over another channel, such as HTTP/2's, is refused with a
        readable answer, and its channel is left alone.
        """
        channel = DummyChannel()
        channel.site = Site(WebSocketResource(Recorder), reactor=Clock())
        request = Request(channel)
        request.gotLength(0)
        headers = [
            line.split(": ") for line in handshake().decode().split("\r\n")[1:-2]
        ]
        for name, value in headers:
            request.requestHeaders.addRawHeader(name, value)
        request.site = channel.site
        request.requestReceived(b"GET", b"/", b"HTTP/1.1")
        response = channel.transport.written.getvalue()
        self.assertIn(b" 426 ", response.partition(b"\r\n")[0])
        self.assertIn(b"not over HTTP/2", response)
        self.assertNotIn(b"Connection:", response)

    def test_methodsAndVersions(self) -> None:
        """
        Trap 8: HEAD, POST and HTTP/1.0 get no WebSocket.
        """
        for options, status in (
            ({"method": "HEAD"}, 405),
            ({"method": "POST"}, 405),
            ({"method": "OPTIONS"}, 405),
            ({"version": "HTTP/1.0"}, 400),
        ):
            made = Made()
            peer = Served(made).request(**options)
            response = peer.response()
            self.assertEqual(response.status, status, options)
            self.assertEqual(made.applications, [])
            self.assertFalse(peer.transport.isConnected)

    def test_head(self) -> None:
        """
        Trap 8: what HEAD is answered has no body.
        """
        peer = Served(Recorder).request(method="HEAD")
        self.assertEqual(peer.response().body, b"")
        self.assertEqual(peer.received(), b"")

    def test_bodies(self) -> None:
        """
        Trap 11: a request with a body, of known length or chunked, is refused, and what
        the body pretends to be is not looked at.
        """
        client = Served(Recorder).connect()
        frames = client.text("smuggled")
        for line, body in (
            (f"Content-Length: {len(frames)}", frames),
            (
                "Transfer-Encoding: chunked",
                b"%x\r\n%s\r\n0\r\n\r\n" % (len(frames), frames),
            ),
        ):
            made = Made()
            peer = Served(made).connect()
            peer.send(handshake(line) + body + client.text("behind"))
            self.assertEqual(peer.response().status, 400)
            self.assertEqual(peer.received(), b"")
            self.assertEqual(made.applications, [])
            self.assertFalse(peer.transport.isConnected)

    def test_emptyBody(self) -> None:
        """
        Trap 11: ``Content-Length: 0`` is no body.
        """
        made = Made()
        peer = Served(made).connect()
        peer.send(handshake("Content-Length: 0") + peer.text("a"))
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(made.applications[0].messages, ["a"])


class HeadersTests(SynchronousTestCase):
    def test_responseHeaders(self) -> None:
        """
        Headers are carried in their order and their own case; bytes are Latin-1.
        """
        request = Request(DummyChannel())
        request.setHeader("X-Name", b"caf\xe9")
        request.addCookie("a", "b")
        request.setHeader("Content-Type", "text/plain")
        carried = list(responseHeaders(request))
        self.assertEqual(carried, [("X-Name", "caf\u00e9"), ("Set-Cookie", "a=b")])
