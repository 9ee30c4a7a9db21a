# Part of txwebsocket. See LICENSE for details.
"""
Tests of the site that is stricter than twisted.web's own.
"""

from __future__ import annotations

from OpenSSL.crypto import X509, PKey
from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface.verify import verifyObject

from tests.support.memory import Peer, Recorder, Served, handshake
from tests.support.remote import certify
from tests.support.splits import everySplit
from txwebsocket import ServerConfig, WebSocketRequest, WebSocketResource
from txwebsocket.server.site import HEAD_TIMEOUT, WebSocketSite
from txwebsocket.testing import MemoryTLSTransport, MemoryTransport

GET = b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"


class Page(Resource):
    """
    A page that counts who looks at it.
    """

    isLeaf = True
    asked = 0

    def render_GET(self, request: Request) -> bytes:
        """
        Show it.
        """
        self.asked += 1
        return b"page"

    render_POST = render_GET


class SiteTestCase(SynchronousTestCase):
    """
    Has a site with a page and a WebSocket.
    """

    def setUp(self) -> None:
        """
        Serve.
        """
        self.page = Page()
        self.application = Recorder()
        self.root = Resource()
        self.root.putChild(b"page", self.page)
        config = ServerConfig(keepalive=False)
        self.root.putChild(b"ws", WebSocketResource(self.accept, config))
        clock = Clock()
        site = WebSocketSite(self.root, reactor=clock)
        self.served = Served(self.root, site=site, clock=clock)
        self.clock = clock

    def accept(self, request: WebSocketRequest) -> None:
        """
        Let everybody in.
        """
        request.accept(application=self.application)


class DeadlineTests(SiteTestCase):
    """
    Tests of how long a request's head may take.
    """

    def test_silence(self) -> None:
        """
        Whoever connects and says nothing is told 408 after ten seconds, and closed.
        """
        peer = self.served.connect()
        peer.wait(9.9)
        self.assertTrue(peer.transport.isConnected)
        peer.wait(0.1)
        self.assertFalse(peer.transport.isConnected)
        response = peer.response()
        self.assertEqual((response.status, response.phrase), (408, "Request Timeout"))
        self.assertEqual(response.body, b"408 Request Timeout\n")
        self.assertEqual(response.header("Content-Length"), [str(len(response.body))])
        self.assertEqual(response.header("Connection"), ["close"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(HEAD_TIMEOUT, 10)

    def test_trickle(self) -> None:
        """
        Whatever trickles in, the deadline does not move.
        """
        peer = self.served.connect()
        peer.send(b"GET /page HTTP/1.1\r\n")
        for number in range(19):
            peer.wait(0.5)
            peer.send(b"X-%d: y\r\n" % number)
        self.assertTrue(peer.transport.isConnected)
        peer.wait(0.5)
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(peer.response().status, 408)
        self.assertEqual(self.page.asked, 0)

    def test_inTime(self) -> None:
        """
        Whoever is slow but in time is served.
        """
        peer = self.served.connect()
        for start in range(0, len(GET), 5):
            peer.wait(0.5)
            peer.send(GET[start : start + 5])
        self.assertEqual(peer.response().body, b"page")

    def test_betweenRequests(self) -> None:
        """
        Between two requests the connection may wait as long, and no longer.
        """
        peer = self.served.connect()
        for _ in range(3):
            peer.wait(9)
            peer.send(GET)
            self.assertEqual(peer.response().body, b"page")
        peer.wait(9.9)
        self.assertTrue(peer.transport.isConnected)
        peer.wait(0.1)
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tricklingSecond(self) -> None:
        """
        The next request's head has a deadline as well.
        """
        peer = self.served.connect()
        peer.send(GET)
        for _ in range(9):
            peer.wait(1)
            peer.send(b"G")
        self.assertTrue(peer.transport.isConnected)
        peer.wait(1)
        self.assertFalse(peer.transport.isConnected)

    def test_pipelinedSecond(self) -> None:
        """
        Also if it began in the same segment as the first.
        """
        line = b"GET /page HTTP/1.1\r\n"
        for begun, more in ((b"G", b"G"), (line, b"X: y\r\n"), (line + b"X", b"X")):
            peer = self.served.connect()
            peer.send(GET + begun)
            self.assertEqual(peer.response().body, b"page")
            for _ in range(9):
                peer.wait(1)
                peer.send(more)
            self.assertTrue(peer.transport.isConnected)
            peer.wait(1)
            self.assertFalse(peer.transport.isConnected, begun)

    def test_pipelined(self) -> None:
        """
        Requests that come together are all answered, and then the time runs again.
        """
        peer = self.served.connect()
        peer.send(GET * 3)
        for _ in range(3):
            self.assertEqual(peer.response().body, b"page")
        peer.wait(10)
        self.assertFalse(peer.transport.isConnected)

    def test_pipelinedBehindSlowPage(self) -> None:
        """
        Also if it had to wait for the answer to the first.
        """
        waiting: list[Request] = []

        class Slow(Resource):
            def render_GET(self, request: Request) -> int:
                waiting.append(request)
                return NOT_DONE_YET

        self.root.putChild(b"page", Slow())
        line = b"GET /page HTTP/1.1\r\n"
        for begun, more in ((b"G", b"G"), (line, b"X: y\r\n"), (line + b"X", b"X")):
            peer = self.served.connect()
            peer.send(GET)
            peer.send(begun)
            peer.waitLong(30)
            waiting.pop().finish()
            for _ in range(9):
                peer.wait(1)
                peer.send(more)
            self.assertTrue(peer.transport.isConnected)
            peer.wait(1)
            self.assertFalse(peer.transport.isConnected, begun)

    def test_slowPage(self) -> None:
        """
        A page may take its time: it is the request that has a deadline.
        """
        waiting: list[Request] = []

        class Slow(Resource):
            def render_GET(self, request: Request) -> int:
                waiting.append(request)
                return NOT_DONE_YET

        self.root.putChild(b"page", Slow())
        peer = self.served.connect()
        peer.send(GET)
        peer.waitLong(600)
        self.assertTrue(peer.transport.isConnected)
        waiting[0].setHeader("Content-Length", "0")
        waiting[0].finish()
        self.assertEqual(peer.response().status, 200)
        peer.wait(10)
        self.assertFalse(peer.transport.isConnected)

    def test_lastPage(self) -> None:
        """
        After a page that is the last one no time runs: the connection is closed.
        """
        peer = self.served.connect()
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        self.assertEqual(peer.response().body, b"page")
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_upgraded(self) -> None:
        """
        A WebSocket has no such deadline, also if a page was asked for before.
        """
        for earlier in (b"", GET):
            peer = self.served.connect()
            peer.send(earlier)
            if earlier:
                self.assertEqual(peer.response().body, b"page")
            peer.send(handshake(path="/ws"))
            self.assertEqual(peer.response().status, 101)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            peer.waitLong(3600, step=10)
            peer.sendText("still here")
            self.assertEqual(self.application.messages.pop(), "still here")
            self.application.told.clear()
            peer.sendClose()
            self.assertFalse(peer.transport.isConnected)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_pipelinedUpgrade(self) -> None:
        """
        Nor has one that was asked for together with a page.
        """
        peer = self.served.connect()
        peer.send(GET + handshake(path="/ws") + peer.text("a"))
        self.assertEqual(peer.response().body, b"page")
        self.assertEqual(peer.response().status, 101)
        peer.waitLong(3600, step=10)
        peer.sendText("b")
        self.assertEqual(self.application.messages, ["a", "b"])

    def test_leaving(self) -> None:
        """
        Whoever leaves in time leaves nothing behind.
        """
        for sent in (b"", GET[:20], GET):
            peer = self.served.connect()
            peer.send(sent)
            peer.end()
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_malformed(self) -> None:
        """
        What is no HTTP is answered 400, and leaves nothing behind.
        """
        for nonsense in (
            b"\x16\x03\x01\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\n:\r\n\r\n",
        ):
            peer = self.served.connect()
            peer.send(nonsense)
            self.assertEqual(peer.response().status, 400)
            self.assertFalse(peer.transport.isConnected)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_TLS(self) -> None:
        """
        A client that speaks TLS to a port without it is told so with its first byte,
        in the plain text that its own TLS will notice.
        """
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) * 15
        for pieces in everySplit(hello, most=30):
            peer = self.served.connect()
            for piece in pieces:
                peer.send(piece)
            response = peer.response()
            self.assertEqual(response.status, 400)
            self.assertEqual(response.body, b"TLS is not spoken on this port\n")
            self.assertEqual(peer.received(), b"")
            self.assertFalse(peer.transport.isConnected)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_TLSLater(self) -> None:
        """
        The same byte behind a request is a part of what the client sends early.
        """
        requests: list[WebSocketRequest] = []
        self.root.putChild(b"slow", WebSocketResource(requests.append))
        peer = self.served.connect()
        # The frame's masking key begins with this byte.
        peer.send(handshake(path="/slow") + b"\x81\x81")
        peer.send(b"\x16\0\0\0" + bytes([0x16 ^ ord("a")]))
        [request] = requests
        self.assertEqual(peer.received(), b"")
        self.accept(request)
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(self.application.messages, ["a"])

    def test_silenceBeforeTLS(self) -> None:
        """
        The time for the head is the time for TLS as well: who does not even begin it,
        or begins and goes no further, is dropped.
        """
        identity = certify("example.com")
        context = CertificateOptions(
            privateKey=PKey.from_cryptography_key(identity.key),
            certificate=X509.from_cryptography(identity.certificate),
        )
        factory = TLSMemoryBIOFactory(context, False, self.served.site, self.clock)
        for begun in (b"", b"\x16\x03\x01\x02\x00\x01"):
            transport = MemoryTransport(self.clock)
            protocol = factory.buildProtocol(transport.getPeer())
            transport.connect(protocol)
            peer = Peer(protocol, transport)
            peer.send(begun)
            peer.waitLong(9)
            self.assertTrue(transport.isConnected)
            peer.waitLong(2)
            self.assertFalse(transport.isConnected)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stalled(self) -> None:
        """
        Whoever does not even read what it is told is dropped a second later.
        """
        peer = self.served.connect()
        peer.stall()
        peer.wait(10)
        self.assertTrue(peer.transport.isConnected)
        peer.wait(1)
        self.assertTrue(peer.transport.wasAborted)
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_toldOnce(self) -> None:
        """
        Whoever was told already what is wrong, and does not read it, is dropped as
        late, with nothing more to read.
        """
        for wrong in (b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n X: y\r\n"):
            peer = self.served.connect()
            peer.stall()
            peer.send(wrong)
            told = bytes(peer.transport.unsent)
            self.assertEqual(told.count(b"HTTP/1.1 400 "), 1)
            peer.wait(10)
            self.assertEqual(peer.transport.unsent, told)
            peer.wait(1)
            self.assertTrue(peer.transport.wasAborted)
            self.assertEqual(self.clock.getDelayedCalls(), [])


class HeadTests(SiteTestCase):
    """
    Tests of how large a request's head may be.
    """

    def ask(self, *headers: bytes) -> int:
        """
        The status that a request with these headers gets, for a WebSocket.
        """
        head = handshake(path="/ws").removesuffix(b"\r\n") + b"".join(headers)
        peer = self.served.connect()
        for start in range(0, len(head), 1000):
            peer.send(head[start : start + 1000])
        peer.send(b"\r\n")
        return peer.response().status

    def test_size(self) -> None:
        """
        A head of 16 KiB is refused while it arrives, be it one header or many: with
        400, or with 431 if a single line is as long.
        """
        self.assertEqual(self.ask(b"X: " + b"y" * 10_000 + b"\r\n"), 101)
        self.assertEqual(self.ask(b"X: " + b"y" * 2**14 + b"\r\n"), 431)
        self.assertEqual(self.ask(*[b"X: " + b"y" * 1000 + b"\r\n"] * 17), 400)

    def test_number(self) -> None:
        """
        More than 500 headers are refused, however short.
        """
        lines = [b"X: %d\r\n" % number for number in range(600)]
        self.assertEqual(self.ask(*lines[:400]), 101)
        self.assertEqual(self.ask(*lines), 400)

    def test_endless(self) -> None:
        """
        A head that never ends is not collected: the connection is gone when it is too
        long, whether it is a line without an end or lines without an empty one.
        """
        for piece, status in ((b"y" * 1000, 431), (b"X: y\r\n" * 200, 400)):
            peer = self.served.connect()
            peer.send(b"GET /ws HTTP/1.1\r\nX: ")
            sent = 0
            while peer.transport.isConnected and sent < 100_000:
                peer.send(piece)
                sent += len(piece)
            self.assertLess(sent, 20_000)
            self.assertEqual(peer.response().status, status)
            self.assertEqual(peer.received(), b"")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_endlessOverTLS(self) -> None:
        """
        Over TLS, where data still arrives while the connection is closing, it is
        answered once, too.
        """
        peer = self.served.connect(MemoryTLSTransport(self.clock))
        peer.stall()
        peer.send(b"GET /ws HTTP/1.1\r\nX: ")
        for _ in range(100):
            peer.send(b"y" * 1000)
        peer.goOn()
        self.assertEqual(peer.response().status, 431)
        self.assertEqual(peer.received(), b"")
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BodyTests(SiteTestCase):
    """
    Tests of requests with a body.
    """

    def assertRefused(
        self, head: bytes, body: bytes, transport: MemoryTransport, cut: int
    ) -> None:
        """
        Check that a request with a body is answered 400, and its body not looked at.
        """
        peer = self.served.connect(transport)
        stream = head + body + GET
        peer.send(stream[:cut])
        peer.send(stream[cut:])
        self.assertEqual(peer.response().status, 400)
        self.assertEqual(peer.received(), b"")
        self.assertEqual(self.page.asked, 0)
        self.assertEqual(self.application.told, [])
        peer.waitLong(20)
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def bodies(self) -> list[tuple[bytes, bytes]]:
        """
        Heads that announce a body, and the bodies.
        """
        return [
            (
                b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
                b"hello",
            ),
            (
                b"POST /page HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"5\r\nhello\r\n0\r\n\r\n",
            ),
            (handshake("Content-Length: 5", path="/ws"), b"hello"),
        ]

    def test_everyCut(self) -> None:
        """
        A request with a body is answered 400 when its head is there, and the body is
        not read, wherever the network cuts.
        """
        for head, body in self.bodies():
            for cut in range(1, len(head + body)):
                self.assertRefused(head, body, MemoryTransport(self.clock), cut)

    def test_everyCutOverTLS(self) -> None:
        """
        The same over TLS, where data still arrives while the connection is closing.
        """
        for head, body in self.bodies():
            for cut in range(len(head), len(head + body)):
                transport = MemoryTLSTransport(self.clock)
                peer = self.served.connect(transport)
                peer.stall()
                peer.send(head + body[: cut - len(head)])
                peer.send(body[cut - len(head) :])
                peer.send(GET)
                peer.goOn()
                self.assertEqual(peer.response().status, 400)
                self.assertEqual(peer.received(), b"")
                self.assertFalse(transport.isConnected)
                self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.page.asked, 0)

    def test_endless(self) -> None:
        """
        An endless body is not waited for, and not kept.
        """
        peer = self.served.connect()
        peer.send(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 9" + b"9" * 15)
        peer.send(b"\r\n\r\n" + bytes(100_000))
        self.assertEqual(peer.response().status, 400)
        self.assertFalse(peer.transport.isConnected)

    def test_emptyBody(self) -> None:
        """
        A body of no bytes is none.
        """
        peer = self.served.connect()
        head = b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        peer.send(head + GET)
        self.assertEqual(peer.response().body, b"page")
        self.assertEqual(peer.response().body, b"page")


class SiteTests(SiteTestCase):
    """
    Tests of the site itself.
    """

    def test_protocols(self) -> None:
        """
        Over TLS it agrees on HTTP/1.1 alone, since HTTP/2 could not be upgraded.
        """
        site = self.served.site
        self.assertTrue(verifyObject(IProtocolNegotiationFactory, site))
        self.assertEqual(site.acceptableProtocols(), [b"http/1.1"])

    def test_pages(self) -> None:
        """
        Pages and WebSockets are served as by any site.
        """
        peer = self.served.connect()
        peer.send(GET)
        self.assertEqual(peer.response().body, b"page")
        peer.send(handshake(path="/ws") + peer.text("a"))
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(self.application.messages, ["a"])


class FoldedTests(SiteTestCase):
    """
    Tests of headers that go on in the next line.
    """

    def test_refused(self) -> None:
        """
        They are answered 400, once, however they are cut: others may read one as two.
        """
        start = b"GET /page HTTP/1.1\r\nHost: x\r\nX: y\r\n"
        for transport in (MemoryTransport, MemoryTLSTransport):
            for space in (b" ", b"\t"):
                head = start + space + b"z\r\n\r\n"
                for cut in range(1, len(head)):
                    peer = self.served.connect(transport(self.clock))
                    peer.send(head[:cut])
                    peer.send(head[cut:] + GET)
                    response = peer.response()
                    self.assertEqual(response.status, 400)
                    self.assertEqual(response.header("Connection"), ["close"])
                    self.assertEqual(peer.received(), b"")
                    peer.waitLong(20)
                    self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.page.asked, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
