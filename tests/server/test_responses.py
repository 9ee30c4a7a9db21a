# Part of txwebsocket. See LICENSE for details.
"""
Tests of the answers to those who don't get a WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Request
from twisted.web.test.requesthelper import DummyChannel

from tests.support.memory import Peer, Response, Served, handshake
from txwebsocket.handshake.opening import UPGRADE_HEADERS
from txwebsocket.server.responses import sendRefusal
from txwebsocket.testing import MemoryTLSTransport

GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"


class Refusing(Resource):
    """
    Refuses everybody, in the way it is given.
    """

    isLeaf = True

    def __init__(self, act: Callable[[Request], object]) -> None:
        super().__init__()
        self.act = act
        self.asked = 0

    def render(self, request: Request) -> int:
        """
        Refuse.
        """
        self.asked += 1
        self.act(request)
        return NOT_DONE_YET


def refusing(
    status: int, why: str = "", headers: Any = (), body: Any = None
) -> Refusing:
    """
    A resource that refuses with these arguments.
    """
    return Refusing(lambda request: sendRefusal(request, status, why, headers, body))


class RefuseTests(SynchronousTestCase):
    def answered(self, *arguments: Any, request: bytes = GET, **more: Any) -> Response:
        """
        What a client is answered.
        """
        self.peer = Served(refusing(*arguments, **more)).connect()
        self.peer.send(request)
        return self.peer.response()

    def test_explanation(self) -> None:
        """
        A refusal has its status, the phrase for it, and a sentence to read, as text.
        """
        response = self.answered(403, "Not for you.")
        self.assertEqual((response.status, response.phrase), (403, "Forbidden"))
        self.assertEqual(response.body, b"403 Forbidden\n\nNot for you.\n")
        self.assertEqual(response.header("Content-Type"), ["text/plain; charset=utf-8"])
        self.assertEqual(response.header("Content-Length"), [str(len(response.body))])

    def test_noExplanation(self) -> None:
        """
        Without one the phrase stands alone.
        """
        self.assertEqual(
            self.answered(503, "").body,
            b"503 Service Unavailable\n\nService Unavailable\n",
        )

    def test_phrases(self) -> None:
        """
        Each status has its phrase, also those that twisted.web does not know.
        """
        phrases = {
            400: "Bad Request",
            404: "Not Found",
            405: "Method Not Allowed",
            426: "Upgrade Required",
            429: "Too Many Requests",
            431: "Request Header Fields Too Large",
            500: "Internal Server Error",
            599: "Refused",
        }
        for status, phrase in phrases.items():
            self.assertEqual(self.answered(status, "").phrase, phrase)

    def test_scripts(self) -> None:
        """
        The sentence can be in any script.
        """
        response = self.answered(403, "\u0442\u043e\u043b\u044c\u043a\u043e")
        self.assertIn("\u0442\u043e\u043b\u044c\u043a\u043e".encode(), response.body)
        self.assertEqual(response.header("Content-Length"), [str(len(response.body))])

    def test_markup(self) -> None:
        """
        What a client sent and is shown again is text, and not a page.
        """
        response = self.answered(403, "<script>alert(1)</script>")
        self.assertIn(b"<script>", response.body)
        self.assertTrue(response.header("Content-Type")[0].startswith("text/plain"))

    def test_unencodable(self) -> None:
        """
        A sentence with a lone surrogate is no reason to leave a client without answer.
        """
        response = self.answered(403, "not \ud800")
        self.assertEqual(response.status, 403)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_bytes(self) -> None:
        """
        A body in bytes is sent as it is, with the headers that belong to it.
        """
        headers = [("Content-Type", "application/json")]
        response = self.answered(403, "", headers, b"{}")
        self.assertEqual(response.body, b"{}")
        self.assertEqual(response.header("Content-Type"), ["application/json"])
        self.assertEqual(response.header("Content-Length"), ["2"])

    def test_typeOfBody(self) -> None:
        """
        Without a header that tells its type, text is text and bytes are just bytes: a
        browser takes neither for a page.
        """
        for body, kind in (
            ("<b>caf\xe9</b>", "text/plain; charset=utf-8"),
            (b"<b>", "application/octet-stream"),
        ):
            response = self.answered(403, "", (), body)
            self.assertEqual(response.header("Content-Type"), [kind])
        response = self.answered(403, "", [("Content-Type", "text/html")], "<b>")
        self.assertEqual(response.header("Content-Type"), ["text/html"])
        self.assertEqual(response.body, b"<b>")

    def test_typeOfExplanation(self) -> None:
        """
        The sentence is plain text, whatever the headers say.
        """
        response = self.answered(403, "<b>", [("Content-Type", "text/html")])
        self.assertEqual(response.header("Content-Type"), ["text/plain; charset=utf-8"])

    def test_brokenResource(self) -> None:
        """
        A resource that fails is logged, and the client is answered all the same.
        """

        class Broken(Resource):
            def render_GET(self, request: Request) -> bytes:
                raise ZeroDivisionError

        response = self.answered(404, body=Broken())
        self.assertEqual(response.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertFalse(self.peer.transport.isConnected)

    def test_resource(self) -> None:
        """
        A resource can say it in its own way, with the refusal's status.
        """

        class Page(Resource):
            def render_GET(self, request: Request) -> bytes:
                request.setHeader("Content-Type", "text/html")
                return b"<h1>no</h1>"

        response = self.answered(404, "", [("X-Name", "value")], Page())
        self.assertEqual((response.status, response.body), (404, b"<h1>no</h1>"))
        self.assertEqual(response.header("Content-Type"), ["text/html"])
        self.assertEqual(response.header("X-Name"), ["value"])
        self.assertEqual(response.header("Connection"), ["close"])
        self.assertFalse(self.peer.transport.isConnected)

    def test_slowResource(self) -> None:
        """
        It may also take its time.
        """
        waiting: list[Request] = []

        class Slow(Resource):
            def render_GET(self, request: Request) -> int:
                waiting.append(request)
                return NOT_DONE_YET

        peer = Served(refusing(404, body=Slow())).connect()
        peer.send(GET)
        self.assertEqual(peer.received(), b"")
        waiting[0].write(b"late")
        waiting[0].finish()
        response = peer.response()
        self.assertEqual(response.status, 404)
        self.assertIn(b"late", response.body)
        self.assertFalse(peer.transport.isConnected)

    def test_headers(self) -> None:
        """
        Headers can be added, several of the same name, too.
        """
        headers = [("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Bearer")]
        response = self.answered(401, "", headers)
        self.assertEqual(response.header("WWW-Authenticate"), ["Basic", "Bearer"])

    def test_connection(self) -> None:
        """
        The connection is closed after the refusal, which says so.
        """
        response = self.answered(403, "")
        self.assertEqual(response.header("Connection"), ["close"])
        self.assertFalse(self.peer.transport.isConnected)

    def test_upgrade(self) -> None:
        """
        An answer that offers an upgrade names it in ``Connection`` as well.
        """
        response = self.answered(426, "", UPGRADE_HEADERS)
        self.assertEqual(response.header("Upgrade"), ["websocket"])
        self.assertEqual(response.header("Connection"), ["Upgrade, close"])
        self.assertEqual(response.header("Sec-WebSocket-Version"), ["13, 8"])

    def test_head(self) -> None:
        """
        HEAD gets the same head and no body.
        """
        response = self.answered(426, "text", request=GET.replace(b"GET", b"HEAD"))
        self.assertEqual((response.status, response.body), (426, b""))
        self.assertNotEqual(response.header("Content-Length"), ["0"])
        self.assertEqual(self.peer.received(), b"")

    def test_compressed(self) -> None:
        """
        Below an EncodingResourceWrapper a refusal may be compressed, and stays legible:
        its length is not that of the plain text.
        """
        resource = EncodingResourceWrapper(
            refusing(403, "x" * 500), [GzipEncoderFactory()]
        )
        peer = Served(resource).connect()
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n"))
        response = peer.response()
        self.assertEqual(response.header("Content-Encoding"), ["gzip"])
        self.assertEqual(response.header("Content-Length"), [])

    def assertDeaf(self, resource: Refusing, peer: Peer) -> None:
        """
        Check that one request was answered, and nothing else looked at.
        """
        status = peer.response().status
        self.assertEqual((status, resource.asked), (403, 1))
        self.assertEqual(peer.received(), b"")
        self.assertFalse(peer.transport.isConnected)

    def test_nothingBehind(self) -> None:
        """
        Nothing behind a refused handshake is taken for a request, in the same segment
        or a later one.
        """
        for cut in (len(handshake()), len(handshake()) + 5, -1):
            resource = refusing(403, "")
            peer = Served(resource).connect()
            stream = handshake() + GET + GET
            peer.send(stream[:cut])
            peer.send(stream[cut:])
            self.assertDeaf(resource, peer)

    def test_nothingBehindLateRefusal(self) -> None:
        """
        Also if the refusal came later than what is behind.
        """
        waiting: list[Request] = []
        resource = Refusing(waiting.append)
        peer = Served(resource).connect()
        peer.send(handshake() + GET)
        peer.send(GET)
        sendRefusal(waiting[0], 403, "")
        self.assertDeaf(resource, peer)

    def test_nothingBehindOverTLS(self) -> None:
        """
        Also over TLS, where data still arrives while the connection is closing.
        """
        resource = refusing(403, "")
        served = Served(resource)
        peer = served.connect(MemoryTLSTransport(served.clock))
        peer.transport.isStalled = True
        peer.send(handshake())
        peer.send(GET + GET)
        peer.transport.isStalled = False
        self.assertDeaf(resource, peer)

    def test_otherChannel(self) -> None:
        """
        Over a channel that is not HTTP/1's nothing is said about the connection.
        """
        channel = DummyChannel()
        request = Request(channel)
        request.gotLength(0)
        request.method, request.clientproto = b"GET", b"HTTP/2"
        sendRefusal(request, 426, "no")
        response = channel.transport.written.getvalue()
        self.assertIn(b"426 Upgrade Required", response)
        self.assertNotIn(b"Connection", response)
        self.assertTrue(request.finished)
