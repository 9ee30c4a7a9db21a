# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.attempt`.
"""

from __future__ import annotations

import gc
from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate
from twisted.web.client import BrowserLikePolicyForHTTPS, readBody
from zope.interface import implementer

from tests.support.memory import Recorder, close, text
from tests.support.remote import (
    ADDRESS,
    URL,
    ClientTestCase,
    Outcome,
    Server,
    TLSServer,
    certify,
    readRequest,
    upgrade,
)
from tests.support.splits import everySplit
from txwebsocket import (
    CloseCause,
    ConnectionRejected,
    Deflate,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    State,
    WebSocketClient,
    WebSocketConnection,
)
from txwebsocket.client.attempt import AttemptOptions, ConnectionAttempt
from txwebsocket.client.client import makeHandshake, openConnection
from txwebsocket.client.redirects import RedirectableRequest
from txwebsocket.client.url import WebSocketURL, parseURL
from txwebsocket.config import ClientConfig
from txwebsocket.handshake.opening import ClientHandshake
from txwebsocket.handshake.response import MAX_BODY_SIZE, MAX_HEAD_SIZE, MAX_HEADERS
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.errors import BadResponse

REFUSAL = (
    b"HTTP/1.1 403 Forbidden\r\n"
    b"Content-Type: text/plain\r\n"
    b"Set-Cookie: a=1\r\n"
    b"Set-Cookie: b=2\r\n"
)


class OpeningTestCase(ClientTestCase):
    """
    What tests of openings need.
    """

    def begin(self, **more: Any) -> tuple[Outcome, Server]:
        """
        Connect, and read the request.
        """
        outcome = self.connect(**more)
        server = self.reactor.accept()
        server.request()
        return outcome, server

    def connectTLS(self) -> tuple[Outcome, TLSServer]:
        """
        Connect to a server behind TLS that is trusted.
        """
        authority = certify()
        trusted = Certificate(X509.from_cryptography(authority.certificate))
        policy = BrowserLikePolicyForHTTPS(trusted)
        client = WebSocketClient(self.reactor, tlsPolicy=policy)
        outcome = Outcome(client.connect("wss://example.com/"))
        identity = certify("example.com", issuer=authority)
        return outcome, TLSServer(self.reactor.accept(), identity.context())

    def assertFailed(
        self, outcome: Outcome, step: OpeningStep, cause: type[BaseException]
    ) -> OpeningFailed:
        """
        The opening has failed in this step, for this reason.
        """
        error: OpeningFailed = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, step)
        self.assertIsInstance(error.cause, cause)
        self.assertIs(error.cause, error.__cause__)
        self.assertEqual(error.url, URL)
        return error


class AcceptedTests(OpeningTestCase):
    """
    Tests of openings that succeed.
    """

    def test_open(self) -> None:
        """
        When the server has accepted, the connection is there and open.
        """
        outcome, server = self.begin()
        self.assertEqual(outcome.results, [])
        server.send(upgrade(server.asked))
        connection = self.opened(outcome)
        self.assertIs(connection.state, State.OPEN)
        self.assertTrue(connection.connected)
        self.assertEqual(connection.url, URL)
        self.assertIsNone(connection.protocol)
        self.assertEqual(connection.remoteAddress, server.transport.getPeer().host)

    def test_responseHeaders(self) -> None:
        """
        What the server says in its response is known when the application is told that
        the connection is open, and before that nothing is.
        """
        seen: list[Any] = []

        class Curious(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                seen.append(self.connection.responseHeaders)

            def negotiationFinished(self) -> None:
                seen.append(self.connection.responseHeaders)

        outcome, server = self.begin(application=Curious())
        server.send(upgrade(server.asked, "X-Limit: 5", "x-limit: 6", "Server: s"))
        headers = self.opened(outcome).responseHeaders
        self.assertEqual(seen, [None, headers])
        assert headers is not None
        self.assertEqual(headers.getRawHeaders("X-Limit"), ["5", "6"])
        self.assertEqual(headers.getRawHeaders("server"), ["s"])

    def test_everySplit(self) -> None:
        """
        However the response and the frames behind it arrive, the connection opens and
        no byte is lost.
        """
        sample = upgrade(self.begin()[1].asked) + b"\x81\x05Hello\x82\x00"
        for pieces in everySplit(sample):
            recorder = Recorder()
            outcome, server = self.begin(application=recorder)
            rest = upgrade(server.asked) + b"\x81\x05Hello\x82\x00"
            for piece in pieces:
                server.send(rest[: len(piece)])
                rest = rest[len(piece) :]
            self.opened(outcome)
            self.assertEqual(recorder.messages, ["Hello", b""])

    def test_looseHeaders(self) -> None:
        """
        Names, ``websocket`` and ``upgrade`` are taken in any case, and ``Connection``
        may name more (RFC 6455, 4.1).
        """
        for lines in (
            ("Upgrade: WebSocket", "Connection: upgrade"),
            ("Upgrade:websocket", "Connection: keep-alive, Upgrade"),
            ("Upgrade: websocket \t", "Connection: keep-alive,UPGRADE,,"),
            ("Connection: keep-alive", "Connection: Upgrade"),
            ("Server: a", "Set-Cookie: a=1", "X-Empty:"),
        ):
            outcome, server = self.begin()
            server.send(upgrade(server.asked, *lines))
            self.assertTrue(self.opened(outcome).connected, lines)

    def test_interim(self) -> None:
        """
        Interim responses before the answer are passed over (RFC 9110, 15.2).
        """
        outcome, server = self.begin()
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        server.send(b"HTTP/1.1 100 Continue\r\n\r\n" + hints + upgrade(server.asked))
        self.assertTrue(self.opened(outcome).connected)

    def test_extensions(self) -> None:
        """
        The connection has the extensions that were agreed on, and uses them.
        """
        for extensions, answer in (
            ((), ""),
            ((Deflate(),), ""),
            ((Deflate(),), "permessage-deflate"),
        ):
            outcome, server = self.begin(options={"extensions": extensions})
            lines = [f"Sec-WebSocket-Extensions: {answer}"] if answer else []
            server.send(upgrade(server.asked, *lines))
            connection = self.opened(outcome)
            self.assertEqual(connection.extensions, answer)
            connection.send("a" * 1000)
            server.turn()
            self.assertEqual(len(server.received()) < 100, bool(answer))

    def test_noTimer(self) -> None:
        """
        An open connection is not closed when ``openTimeout`` is over.
        """
        connection, server = self.open(options={"keepalive": False})
        self.assertTrue(self.reactor.isIdle)
        server.wait(11)
        self.assertTrue(connection.connected)

    def test_early(self) -> None:
        """
        Messages that come together with the answer are delivered once whoever waits for
        the connection has had a turn to attach something.
        """
        recorder = Recorder()
        outcome, server = self.begin(application=recorder)
        server.arrive(upgrade(server.asked) + server.text("early"))
        self.opened(outcome)
        self.assertEqual(recorder.messages, [])
        server.turn()
        self.assertEqual(recorder.messages, ["early"])

    def test_earlyOrder(self) -> None:
        """
        What comes later is delivered later.
        """
        recorder = Recorder()
        _, server = self.begin(application=recorder)
        server.arrive(upgrade(server.asked) + server.text("a") + server.text("b")[:2])
        server.arrive(server.text("b")[2:])
        self.assertEqual(recorder.messages, [])
        server.send(server.text("c"))
        self.assertEqual(recorder.messages, ["a", "b", "c"])

    def test_earlyPull(self) -> None:
        """
        In pull style they wait to be received.
        """
        outcome, server = self.begin()
        server.send(upgrade(server.asked) + server.text("a") + server.binary(b"b"))
        connection = self.opened(outcome)
        for message in ("a", b"b"):
            self.assertEqual(self.successResultOf(connection.receive()), message)

    def test_earlyPaused(self) -> None:
        """
        Whoever pauses in that first turn is told nothing until it goes on.
        """
        recorder = Recorder()
        opened = self.makeClient().connect(URL, application=recorder)
        opened.addCallback(lambda connection: connection.pause())
        server = self.reactor.accept()
        server.upgrade(early=server.text("early"))
        self.assertEqual(recorder.messages, [])
        recorder.connection.resume()
        self.assertEqual(recorder.messages, ["early"])

    def test_earlyDropped(self) -> None:
        """
        Whoever drops the connection in it is told nothing more but that.
        """
        recorder = Recorder()
        opened = self.makeClient().connect(URL, application=recorder)
        opened.addCallback(lambda connection: connection.drop(skipCloseFrame=True))
        server = self.reactor.accept()
        server.upgrade(early=server.text("early"))
        self.assertGone(server)
        self.assertEqual(recorder.told, ["started", "finished", "lost"])

    def test_earlyFault(self) -> None:
        """
        A fault behind the answer is one of the connection, not of the opening.
        """
        outcome, server = self.begin()
        server.send(upgrade(server.asked) + b"\x83\x00")
        closed = self.opened(outcome).whenClosed()
        [frame] = server.frames()
        self.assertEqual(frame.payload[:2], b"\x03\xea")
        server.end()
        self.assertIs(self.successResultOf(closed).cause, CloseCause.PEER_FAULT)
        self.assertTrue(self.reactor.isIdle)

    def test_earlyClose(self) -> None:
        """
        A server that accepts and closes at once is seen to do both.
        """
        outcome, server = self.begin()
        server.send(upgrade(server.asked) + server.close(1008, "not you"))
        connection = self.opened(outcome)
        closed = connection.whenClosed()
        server.end()
        report = self.successResultOf(closed)
        self.assertTrue(report.wasClean)
        self.assertEqual((report.code, report.reason), (1008, "not you"))
        self.assertTrue(self.reactor.isIdle)

    def test_closedByApplication(self) -> None:
        """
        An application that closes as soon as it may, while the server does the same,
        sees a clean end, and not a timeout.
        """

        class Brief(Recorder):
            def negotiationFinished(self) -> None:
                super().negotiationFinished()
                self.connection.close(1000)

        brief = Brief()
        _, server = self.begin(application=brief)
        server.send(upgrade(server.asked) + server.close(1000))
        self.assertEqual(server.frames(), [close(1000)])
        server.end()
        self.assertEqual(brief.told, ["started", "finished", "lost"])
        self.assertTrue(brief.report.wasClean)
        self.assertTrue(self.reactor.isIdle)

    def test_TLS(self) -> None:
        """
        Over TLS it is the same, once that is established.
        """
        outcome, tls = self.connectTLS()
        tls.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_noDelay(self) -> None:
        """
        Nagle's algorithm is off, or on for who wants it.
        """
        for value in (True, False):
            _, server = self.open(options={"disableNagleAlgorithm": value})
            self.assertIs(server.transport.noDelay, value)


class FaultTests(OpeningTestCase):
    """
    Tests of answers that are no handshake.
    """

    def assertFault(self, told: str, *lines: str, **more: Any) -> None:
        """
        A response with these headers is refused, and the error tells why.
        """
        without = more.pop("without", ())
        status = more.pop("status", "HTTP/1.1 101 Switching Protocols")
        outcome, server = self.begin(**more)
        server.send(upgrade(server.asked, *lines, status=status, without=without))
        error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
        self.assertIn(told, str(error))
        self.assertIn(URL, str(error))
        self.assertGone(server)
        self.assertEqual(server.received(), b"")

    def test_status(self) -> None:
        """
        Anything but HTTP/1.1 is refused.
        """
        for status in (
            "HTTP/1.0 101 Switching Protocols",
            "HTTP/2 101 Switching Protocols",
            "HTTP/1.1 0101 Switching Protocols",
            "HTTP/1.1  101 Switching Protocols",
            "http/1.1 101 Switching Protocols",
            "HTTP/1.1 101\x0bSwitching",
        ):
            self.assertFault("", status=status)

    def test_notHTTP(self) -> None:
        """
        A server that speaks something else is noticed by its first bytes, without
        waiting for more.
        """
        for banner in (
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"220 smtp\r\n",
            b"\x15\x03\x01\x00",
        ):
            outcome, server = self.begin()
            server.send(banner)
            error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
            self.assertIn("not an HTTP response", str(error))
            self.assertGone(server)

    def test_upgrade(self) -> None:
        """
        ``Upgrade`` has to be websocket, and nothing else.
        """
        self.assertFault("Upgrade", without=["Upgrade"])
        for value in ("h2c", "websocket2", "notwebsocket", "", "websocket, h2c"):
            self.assertFault("Upgrade", f"Upgrade: {value}")
        self.assertFault("Upgrade", "Upgrade: websocket", "Upgrade: h2c")

    def test_connection(self) -> None:
        """
        ``Connection`` has to name Upgrade, as a whole word.
        """
        self.assertFault("Connection", without=["Connection"])
        for value in ("keep-alive", "close", "notupgrade", "Upgrade-Later", "", "a b"):
            self.assertFault("Connection", f"Connection: {value}")

    def test_accept(self) -> None:
        """
        The answer has to be one to our very request (RFC 6455, 4.1).
        """
        name = "Sec-WebSocket-Accept"
        self.assertFault(name, without=[name])
        for value in ("", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "x" * 28):
            self.assertFault(name, f"{name}: {value}")
        self.assertFault(name, f"{name}: a", f"{name}: b")

    def test_extensions(self) -> None:
        """
        An extension that was not offered is refused, whatever it is.
        """
        for value in ("permessage-deflate", "x; y=1", "a, b"):
            self.assertFault("not offered", f"Sec-WebSocket-Extensions: {value}")

    def test_headers(self) -> None:
        """
        Malformed headers are refused rather than guessed at.
        """
        for line in (
            "X : y",
            " folded",
            "X",
            ": y",
            "X: \x00",
            "X: a\x0bY: b",
            "X y: z",
        ):
            self.assertFault("not a header", line)

    def test_tooManyHeaders(self) -> None:
        """
        A server can't make us keep headers without end.
        """
        self.assertFault(str(MAX_HEADERS), *["X: y"] * MAX_HEADERS)

    def test_tooLarge(self) -> None:
        """
        Nor one without end, even if it trickles in.
        """
        outcome, server = self.begin()
        server.send(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
        sent = 0
        while not outcome.results and sent < 2 * MAX_HEAD_SIZE:
            server.send(b"x" * 1000)
            sent += 1000
        self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
        self.assertLess(sent, MAX_HEAD_SIZE + 1000)
        self.assertGone(server)

    def test_readable(self) -> None:
        """
        Whatever a server says, the error is one line that fits into a log.
        """
        long = "x" * 5000
        for lines in (
            [f"Upgrade: {long}"],
            [f"Connection: {long}"],
            ["Upgrade: \x9b31m\xa0"],
            [f"Sec-WebSocket-Accept: {long}"],
            [f"Sec-WebSocket-Protocol: {long}"],
            ["Sec-WebSocket-Protocol: \x9b31m\x85"],
            [f"Sec-WebSocket-Extensions: {long}"],
            [f"Sec-WebSocket-Extensions: x; y={long}, ("],
            [f"{long}("],
        ):
            outcome, server = self.begin(protocols=["v1"])
            server.send(upgrade(server.asked, *lines))
            error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
            self.assertTrue(str(error).isprintable(), ascii(str(error)))
            self.assertLess(len(str(error)), 500, lines[0][:20])

    def test_nothingAfter(self) -> None:
        """
        What a server sends after its fault changes nothing.
        """
        outcome, server = self.begin()
        server.arrive(upgrade(server.asked, without=["Upgrade"]) + server.text("a"))
        server.arrive(upgrade(server.asked) + server.text("b"))
        server.vanish()
        self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)


class SubprotocolTests(OpeningTestCase):
    """
    Tests of the subprotocol that client and server agree on.
    """

    def answer(self, *lines: str, **more: Any) -> Outcome:
        """
        Offer subprotocols to a server that answers with these headers.
        """
        outcome, server = self.begin(**more)
        server.send(upgrade(server.asked, *lines))
        return outcome

    def test_agreed(self) -> None:
        """
        The connection has the one that the server chose, in our spelling.
        """
        for chosen in ("v1", "v2"):
            header = f"Sec-WebSocket-Protocol: {chosen}"
            outcome = self.answer(header, protocols=["v2", "v1"])
            self.assertEqual(self.opened(outcome).protocol, chosen)

    def test_fault(self) -> None:
        """
        One that was not offered, none at all, or several are refused.
        """
        name = "Sec-WebSocket-Protocol"
        for protocols, lines in (
            ([], [f"{name}: v1"]),
            (["v1"], []),
            (["v1"], [f"{name}: v2"]),
            (["v1"], [f"{name}: V1"]),
            (["v1"], [f"{name}:"]),
            (["v1", "v2"], [f"{name}: v1, v2"]),
            (["v1", "v2"], [f"{name}: v1", f"{name}: v2"]),
        ):
            outcome = self.answer(*lines, protocols=protocols)
            error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
            self.assertIn("subprotocol", str(error))

    def test_notRequired(self) -> None:
        """
        A server need not choose one if the client says so; but if it does, it has to be
        one that was offered.
        """
        name = "Sec-WebSocket-Protocol"
        more = {"protocols": ["v1"], "options": {"requireSubprotocol": False}}
        self.assertIsNone(self.opened(self.answer(**more)).protocol)
        outcome = self.answer(f"{name}: v1", **more)
        self.assertEqual(self.opened(outcome).protocol, "v1")
        for line in (f"{name}: v2", f"{name}:"):
            outcome = self.answer(line, **more)
            self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)


class RejectedTests(OpeningTestCase):
    """
    Tests of ordinary responses in place of the handshake.
    """

    def reject(self, *pieces: bytes, end: bool = False) -> ConnectionRejected:
        """
        Answer with this response.
        """
        outcome, server = self.begin()
        for piece in pieces:
            server.arrive(piece)
        if end:
            server.end()
        self.assertGoneOrEnded(server)
        error: ConnectionRejected = self.failed(outcome, ConnectionRejected)
        return error

    def assertGoneOrEnded(self, server: Server) -> None:
        """
        The socket is closed, and nothing is planned.
        """
        server.turn()
        self.assertFalse(server.transport.isConnected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def assertBody(self, error: ConnectionRejected, body: bytes) -> None:
        """
        The response has this body, for Twisted's ``readBody`` too.
        """
        self.assertEqual(error.response.body, body)
        self.assertEqual(self.successResultOf(readBody(error.response)), body)

    def test_head(self) -> None:
        """
        The error has all that the server said: status, phrase, headers and body.
        """
        error = self.reject(REFUSAL + b"Content-Length: 2\r\n\r\nno")
        response = error.response
        self.assertEqual((response.code, response.phrase), (403, b"Forbidden"))
        cookies = response.headers.getRawHeaders("Set-Cookie")
        self.assertEqual(cookies, ["a=1", "b=2"])
        self.assertBody(error, b"no")
        self.assertIn("403 Forbidden", str(error))

    def test_contentLength(self) -> None:
        """
        A body of known length is complete with its last byte, at every split; what
        follows is not part of it.
        """
        response = REFUSAL + b"Content-Length: 5\r\n\r\nabcde"
        for pieces in everySplit(response):
            self.assertBody(self.reject(*pieces), b"abcde")
        self.assertBody(self.reject(response + b"HTTP/1.1 200 OK"), b"abcde")

    def test_chunked(self) -> None:
        """
        A body in chunks is put together, at every split.
        """
        chunks = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
        response = REFUSAL + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        for pieces in everySplit(response):
            self.assertBody(self.reject(*pieces), b"abc0123456789")

    def test_untilClose(self) -> None:
        """
        A body without a length ends with the connection.
        """
        for pieces in everySplit(REFUSAL + b"\r\nabc"):
            self.assertBody(self.reject(*pieces, end=True), b"abc")

    def test_noBody(self) -> None:
        """
        An empty body is not waited for.
        """
        for head in (
            REFUSAL + b"Content-Length: 0\r\n\r\n",
            REFUSAL + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
        ):
            self.assertBody(self.reject(head), b"")

    def test_emptyUntilClose(self) -> None:
        """
        A server can say nothing but its status.
        """
        error = self.reject(b"HTTP/1.0 500 Oops\r\n\r\n", end=True)
        self.assertBody(error, b"")
        self.assertEqual(error.response.code, 500)

    def test_told(self) -> None:
        """
        The error says who answered what, and has the URL, without what is secret in it.
        """
        outcome = self.connect("ws://hunter2@example.com/chat")
        server = self.reactor.accept()
        server.request()
        server.send(REFUSAL + b"Content-Length: 0\r\n\r\n")
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual(str(error), f"{URL}: the server answered 403 Forbidden")
        self.assertEqual(error.url, URL)

    def test_cutShort(self) -> None:
        """
        A server that leaves in the middle of a body has refused all the same; the error
        has what there is.
        """
        for head in (
            b"Content-Length: 100\r\n\r\nabc",
            b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc",
        ):
            self.assertBody(self.reject(REFUSAL + head, end=True), b"abc")

    def test_anyStatus(self) -> None:
        """
        Whatever the status, it is told: a redirect is not followed, a page is no
        WebSocket.
        """
        for status in (200, 204, 301, 302, 307, 400, 401, 404, 426, 429, 500, 503, 599):
            head = f"HTTP/1.1 {status} X\r\nLocation: ws://other/\r\n"
            error = self.reject(head.encode("ascii") + b"Content-Length: 0\r\n\r\n")
            self.assertEqual(error.response.code, status)
        self.assertEqual(len(self.reactor.attempts), 13)

    def test_bounded(self) -> None:
        """
        Of a body without end 64 KiB are kept, and the rest is not waited for.
        """
        page = bytes(range(256)) * 300
        for head, body in (
            (b"\r\n", page),
            (b"Content-Length: 1000000000\r\n\r\n", page),
            (b"Transfer-Encoding: chunked\r\n\r\n", b"fffff\r\n" + page),
        ):
            error = self.reject(REFUSAL + head, body)
            self.assertBody(error, page[:MAX_BODY_SIZE])

    def test_trickling(self) -> None:
        """
        A body that trickles in does not prolong the opening: at the timeout the error
        has what there is of it.
        """
        outcome, server = self.begin()
        server.send(REFUSAL + b"Content-Length: 100\r\n\r\n")
        for _ in range(9):
            server.wait(1)
            server.send(b"x")
        self.assertEqual(outcome.results, [])
        server.wait(1)
        self.assertBody(self.failed(outcome, ConnectionRejected), b"x" * 9)
        self.assertGone(server)

    def test_brokenBody(self) -> None:
        """
        A server that refuses is heard, even if the body is malformed: status and
        headers matter more.
        """
        for head, body, kept in (
            (b"Transfer-Encoding: chunked", b"2\r\nab\r\nzz\r\n", b"ab"),
            (b"Content-Length: five", b"ab", b""),
            (b"Content-Length: 2\r\nContent-Length: 3", b"ab", b""),
        ):
            response = REFUSAL + head + b"\r\n\r\n"
            error = self.reject(response, body[:5], body[5:])
            self.assertEqual(error.response.code, 403)
            self.assertBody(error, kept)


class TimeTests(OpeningTestCase):
    """
    Tests of ``openTimeout``, which is for the whole of the opening.
    """

    def assertTimedOut(self, outcome: Outcome, step: OpeningStep) -> None:
        """
        The opening takes until the timeout, and no longer.
        """
        left = 10.0 - self.reactor.seconds()
        self.reactor.advance(left - 0.01)
        self.assertEqual(outcome.results, [])
        self.reactor.advance(0.01)
        error = self.failed(outcome, OpeningTimedOut)
        self.assertIs(error.step, step)
        self.assertIsInstance(error.cause, TimeoutError)
        self.assertIn("openTimeout", str(error))
        self.assertIn("10", str(error))
        self.reactor.advance(0)
        self.assertTrue(self.reactor.isIdle)

    def test_lookup(self) -> None:
        """
        A name server that does not answer is not waited for.
        """
        self.reactor.nameResolver.isSilent = True
        self.assertTimedOut(self.connect(), OpeningStep.LOOKUP)
        self.assertEqual(self.reactor.attempts, [])

    def test_connecting(self) -> None:
        """
        A host that does not answer is not waited for.
        """
        outcome = self.connect()
        self.assertTimedOut(outcome, OpeningStep.CONNECT)
        self.assertTrue(self.reactor.attempts[0].isOver)

    def test_TLS(self) -> None:
        """
        A server that accepts and does not speak TLS is not waited for.
        """
        outcome = self.connect("wss://example.com/chat")
        server = self.reactor.accept()
        server.turn()
        self.assertTimedOut(outcome, OpeningStep.TLS)
        self.assertGone(server)

    def test_answer(self) -> None:
        """
        A server that does not answer is not waited for.
        """
        outcome, server = self.begin()
        self.assertTimedOut(outcome, OpeningStep.HANDSHAKE)
        self.assertGone(server)

    def test_answerOverTLS(self) -> None:
        """
        Over TLS it is the same, and told from TLS that does not start.
        """
        outcome, tls = self.connectTLS()
        self.assertNotEqual(tls.plain, b"")
        self.assertTimedOut(outcome, OpeningStep.HANDSHAKE)
        self.assertGone(tls.server)

    def test_halfAnswer(self) -> None:
        """
        An answer that trickles in gets no more time.
        """
        outcome, server = self.begin()
        for octet in upgrade(server.asked)[:9]:
            server.send(bytes([octet]))
            server.wait(1)
        self.assertTimedOut(outcome, OpeningStep.HANDSHAKE)
        self.assertGone(server)

    def test_interim(self) -> None:
        """
        Interim responses give no more time either.
        """
        outcome, server = self.begin()
        for _ in range(9):
            server.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            server.wait(1)
        self.assertTimedOut(outcome, OpeningStep.HANDSHAKE)
        self.assertGone(server)

    def test_sum(self) -> None:
        """
        The time that connecting took is missing afterwards.
        """
        outcome = self.connect()
        self.reactor.advance(9)
        server = self.reactor.accept()
        server.request()
        self.assertTimedOut(outcome, OpeningStep.HANDSHAKE)

    def test_option(self) -> None:
        """
        How long it may take can be chosen.
        """
        outcome = self.connect(options={"openTimeout": 0.5})
        self.reactor.advance(0.5)
        error = self.failed(outcome, OpeningTimedOut)
        self.assertIn("0.5", str(error))


class UnreachableTests(OpeningTestCase):
    """
    Tests of servers that can't be reached.
    """

    def test_refused(self) -> None:
        """
        A refused port is told as such.
        """
        for cause in (ConnectionRefusedError(), NoRouteError(), ConnectError("odd")):
            outcome = self.connect()
            self.reactor.refuse(cause)
            self.assertFailed(outcome, OpeningStep.CONNECT, type(cause))
            self.assertTrue(self.reactor.isIdle)

    def test_otherAddress(self) -> None:
        """
        If a host has several addresses, the next is tried.
        """
        self.reactor.nameResolver.addresses["example.com"] = ["2001:db8::1", ADDRESS]
        outcome = self.connect()
        self.reactor.refuse(ConnectionRefusedError())
        hosts = [attempt.host for attempt in self.reactor.attempts]
        self.assertEqual(hosts, ["2001:db8::1", ADDRESS])
        self.reactor.accept().upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_fasterAddress(self) -> None:
        """
        The one that answers first is used, and only that one.
        """
        self.reactor.nameResolver.addresses["example.com"] = ["2001:db8::1", ADDRESS]
        outcome = self.connect()
        self.reactor.advance(1)
        self.reactor.accept().upgrade()
        self.assertTrue(self.opened(outcome).connected)
        self.assertTrue(self.reactor.attempts[0].isOver)

    def test_unknownName(self) -> None:
        """
        A name that nobody knows is told from a server that does not answer.
        """
        self.reactor.nameResolver.addresses["example.com"] = []
        outcome = self.connect()
        error = self.assertFailed(outcome, OpeningStep.LOOKUP, DNSLookupError)
        self.assertIn("example.com", str(error))
        self.assertTrue(self.reactor.isIdle)

    def test_leaves(self) -> None:
        """
        A server that closes without a word has not opened a WebSocket.
        """
        outcome, server = self.begin()
        server.end()
        self.assertFailed(outcome, OpeningStep.HANDSHAKE, ConnectionDone)
        self.assertTrue(self.reactor.isIdle)

    def test_lostAtEachByte(self) -> None:
        """
        Wherever in the response the connection breaks, the opening fails once, and
        nothing is left of it.
        """
        size = len(upgrade(self.begin()[1].asked))
        self.reactor.advance(10)
        for count in range(size):
            recorder = Recorder()
            outcome, server = self.begin(application=recorder)
            server.send(upgrade(server.asked)[:count])
            server.vanish()
            self.assertFailed(outcome, OpeningStep.HANDSHAKE, ConnectionLost)
            self.assertEqual(recorder.told, ["started", "lost"])
            self.assertTrue(self.reactor.isIdle)


class WrongPortTests(OpeningTestCase):
    """
    Tests of servers that speak otherwise than the URL says: this is told at once, and
    in words.
    """

    def test_bareLineFeeds(self) -> None:
        """
        A server that ends its lines with LF alone, or with CR alone, over TCP and TLS.
        """
        told = "must end in CR LF, not in {} alone"
        for end, name in ((b"\n", "LF"), (b"\r", "CR")):
            outcome, server = self.begin()
            server.send(upgrade(server.asked).replace(b"\r\n", end))
            error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
            self.assertIn(told.format(name), str(error))
            self.assertGone(server)
            outcome, tls = self.connectTLS()
            tls.send(upgrade(readRequest(tls.plain)).replace(b"\r\n", end))
            secure = self.failed(outcome, OpeningFailed)
            self.assertIsInstance(secure.cause, BadResponse)
            self.assertIn(told.format(name), str(secure))
            self.assertGone(tls.server)

    def test_bareLineFeedsInBody(self) -> None:
        """
        A refusal whose body has such ends is told at once, too.
        """
        outcome, server = self.begin()
        server.send(REFUSAL + b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")
        server.send(b"0\n\n")
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual((error.response.code, error.response.body), (403, b"no"))
        self.assertGone(server)

    def test_plainServer(self) -> None:
        """
        A ``wss:`` URL and a server without TLS, which answers in plain text.
        """
        for said in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"220 mail.example ESMTP\r\n",
        ):
            outcome = self.connect("wss://example.com/chat")
            server = self.reactor.accept()
            server.turn()
            server.send(said)
            error = self.failed(outcome, OpeningFailed)
            self.assertIs(error.step, OpeningStep.TLS)
            self.assertIsInstance(error.cause, SSL.Error)
            self.assertIn("the peer does not speak TLS on this port", str(error))
            self.assertTrue(self.reactor.isIdle)

    def test_plainServerLeaves(self) -> None:
        """
        One that closes the connection, and one that waits until the timeout.
        """
        told = "the server may not speak TLS on this port"
        for leave in (Server.end, Server.vanish):
            outcome = self.connect("wss://example.com/chat")
            server = self.reactor.accept()
            server.turn()
            leave(server)
            error = self.failed(outcome, OpeningFailed)
            self.assertIs(error.step, OpeningStep.TLS)
            self.assertIsInstance(error.cause, ConnectionDone | ConnectionLost)
            self.assertIn(told, str(error))
        outcome = self.connect("wss://example.com/chat")
        self.reactor.accept()
        self.reactor.advance(10)
        self.assertIn(told, str(self.failed(outcome, OpeningTimedOut)))

    def test_TLSServer(self) -> None:
        """
        A ``ws:`` URL and a server with TLS, which answers with an alert.
        """
        outcome, server = self.begin()
        server.send(b"\x15\x03\x01\x00\x02\x02\x46")
        error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, BadResponse)
        self.assertIn("but TLS: the URL must start with wss://", str(error))
        self.assertGone(server)

    def test_TLSServerLeaves(self) -> None:
        """
        One that closes the connection without a word, as most do.
        """
        told = "the server may speak TLS on this port, for wss: URLs"
        for leave in (Server.end, Server.vanish):
            outcome, server = self.begin()
            leave(server)
            kind = (ConnectionDone, ConnectionLost)[leave is Server.vanish]
            error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, kind)
            self.assertIn(told, str(error))
            # That is not it if the server has begun to answer.
            outcome, server = self.begin()
            server.send(upgrade(server.asked)[:20])
            leave(server)
            self.assertNotIn("TLS", str(self.failed(outcome, OpeningFailed)))

    def test_answeredOverTLS(self) -> None:
        """
        Nothing is guessed about a server that speaks TLS, and leaves then.
        """
        outcome, tls = self.connectTLS()
        tls.server.vanish()
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.HANDSHAKE)
        self.assertNotIn("TLS", str(error))

    def test_alert(self) -> None:
        """
        What else TLS fails with is told by OpenSSL's reason.
        """
        outcome = self.connect("wss://example.com/chat")
        server = self.reactor.accept()
        server.turn()
        server.send(b"\x15\x03\x03\x00\x02\x02\x28")
        error = self.failed(outcome, OpeningFailed)
        self.assertIsInstance(error.cause, SSL.Error)
        self.assertRegex(str(error), r"starting TLS: [^\[(]*alert handshake failure$")


class CancelTests(OpeningTestCase):
    """
    Tests of openings that are given up.
    """

    def begin_(self, url: str = URL, **more: Any) -> tuple[Deferred[Any], Outcome]:
        """
        Begin to connect; return the Deferred as well.
        """
        opened = self.makeClient().connect(url, **more)
        return opened, Outcome(opened)

    def assertCancelled(self, outcome: Outcome) -> None:
        """
        The Deferred failed as all do that are cancelled, and nothing is planned.
        """
        self.failed(outcome, CancelledError)
        self.reactor.advance(0)
        self.assertTrue(self.reactor.isIdle)

    def test_lookup(self) -> None:
        """
        While the name is looked up: nothing is connected afterwards.
        """
        self.reactor.nameResolver.isSilent = True
        opened, outcome = self.begin_()
        opened.cancel()
        self.assertCancelled(outcome)
        self.assertEqual(self.reactor.attempts, [])

    def test_connecting(self) -> None:
        """
        While connecting: that ends, too.
        """
        opened, outcome = self.begin_()
        opened.cancel()
        self.assertCancelled(outcome)
        self.assertTrue(self.reactor.attempts[0].isOver)

    def test_TLS(self) -> None:
        """
        While TLS starts: the socket is closed.
        """
        opened, outcome = self.begin_("wss://example.com/")
        server = self.reactor.accept()
        server.turn()
        opened.cancel()
        self.assertGone(server)
        self.assertCancelled(outcome)

    def test_twoAddresses(self) -> None:
        """
        While several addresses are tried: all that ends.
        """
        self.reactor.nameResolver.addresses["example.com"] = ["2001:db8::1", ADDRESS]
        opened, outcome = self.begin_()
        self.reactor.advance(1)
        self.assertEqual(len(self.reactor.attempts), 2)
        opened.cancel()
        self.assertCancelled(outcome)
        self.assertTrue(all(attempt.isOver for attempt in self.reactor.attempts))

    def test_answer(self) -> None:
        """
        While waiting for the answer: the socket is closed, at each byte of it.
        """
        _, server = self.begin()
        response = upgrade(server.asked)
        self.reactor.advance(10)
        for count in range(len(response)):
            recorder = Recorder()
            opened, outcome = self.begin_(application=recorder)
            server = self.reactor.accept()
            server.request()
            server.send(response[:count])
            opened.cancel()
            self.assertGone(server)
            self.assertCancelled(outcome)
            self.assertEqual(recorder.told, ["started", "lost"])

    def test_refusal(self) -> None:
        """
        While the body of a refusal arrives: the socket is closed.
        """
        opened, outcome = self.begin_()
        server = self.reactor.accept()
        server.request()
        server.send(REFUSAL + b"Content-Length: 100\r\n\r\nabc")
        opened.cancel()
        self.assertGone(server)
        self.assertCancelled(outcome)

    def test_started(self) -> None:
        """
        From the application's first event on: no request is sent.
        """

        class Hasty(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                opened.cancel()

        hasty = Hasty()
        opened, outcome = self.begin_(application=hasty)
        server = self.reactor.accept()
        self.assertGone(server)
        self.assertEqual(server.received(), b"")
        self.assertCancelled(outcome)
        self.assertEqual(hasty.told, ["started", "lost"])

    def test_finished(self) -> None:
        """
        From its second: the opening can be cancelled as long as its Deferred has not
        fired, and the connection does not stay.
        """

        class Hasty(Recorder):
            def negotiationFinished(self) -> None:
                super().negotiationFinished()
                opened.cancel()

        hasty = Hasty()
        opened, outcome = self.begin_(application=hasty)
        server = self.reactor.accept()
        server.upgrade(early=server.text("early"))
        self.assertGone(server)
        self.assertCancelled(outcome)
        self.assertEqual(hasty.told, ["started", "finished", "lost"])

    def test_open(self) -> None:
        """
        When the connection is open there is nothing left to cancel.
        """
        opened, outcome = self.begin_()
        server = self.reactor.accept()
        server.upgrade()
        opened.cancel()
        server.turn()
        self.assertTrue(self.opened(outcome).connected)


class ApplicationTests(OpeningTestCase):
    """
    Tests of what an application in callback style is told.
    """

    def test_order(self) -> None:
        """
        First that there is a transport, then that the connection is open, then what
        arrives, then that it is gone.
        """
        recorder = Recorder()
        outcome = self.connect(application=recorder)
        self.assertEqual(recorder.told, [])
        server = self.reactor.accept()
        self.assertEqual(recorder.told, ["started"])
        server.upgrade()
        self.assertEqual(recorder.told, ["started", "finished"])
        server.sendText("a")
        server.vanish()
        self.assertEqual(recorder.told, ["started", "finished", ("text", "a"), "lost"])
        self.assertIs(recorder.connection, self.opened(outcome))

    def test_beforeTheDeferred(self) -> None:
        """
        When the Deferred fires the application knows already.
        """
        recorder = Recorder()
        opened = self.makeClient().connect(URL, application=recorder)
        opened.addCallback(lambda _: recorder.told.append("fired"))
        self.reactor.accept().upgrade()
        self.assertEqual(recorder.told, ["started", "finished", "fired"])

    def test_sendFirst(self) -> None:
        """
        It can send as soon as the connection is open, and not before.
        """

        class Greeting(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                self.told.append(transport.state)

            def negotiationFinished(self) -> None:
                self.told.append(self.connection.state)
                self.connection.send("hello")

        greeting = Greeting()
        self.connect(application=greeting)
        server = self.reactor.accept()
        server.upgrade()
        self.assertEqual(greeting.told, [State.CONNECTING, State.OPEN])
        self.assertEqual(server.frames(), [text("hello")])

    def test_neverConnected(self) -> None:
        """
        If there was no transport it is told nothing; the Deferred tells all.
        """
        recorder = Recorder()
        outcome = self.connect(application=recorder)
        self.reactor.refuse(ConnectionRefusedError())
        self.assertFailed(outcome, OpeningStep.CONNECT, ConnectionRefusedError)
        self.assertEqual(recorder.told, [])

    def test_rejected(self) -> None:
        """
        If the server refuses, its connection is lost before it was open, and the reason
        says why.
        """
        recorder = Recorder()
        outcome, server = self.begin(application=recorder)
        server.send(REFUSAL + b"Content-Length: 0\r\n\r\n")
        self.failed(outcome, ConnectionRejected)
        self.assertEqual(recorder.told, ["started", "lost"])
        self.assertFalse(recorder.report.wasClean)
        self.assertIn("403", str(recorder.report))

    def test_lostBeforeTheDeferred(self) -> None:
        """
        It is told once, and before the Deferred fails.
        """
        recorder = Recorder()
        opened = self.makeClient().connect(URL, application=recorder)
        opened.addErrback(lambda _: recorder.told.append("failed"))
        server = self.reactor.accept()
        server.end()
        self.assertEqual(recorder.told, ["started", "lost", "failed"])

    def test_raisesWhenStarted(self) -> None:
        """
        If it raises at the start the opening fails with that, and nothing is sent.
        """

        class Broken(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                raise LookupError("no such thing")

        broken = Broken()
        outcome = self.connect(application=broken)
        server = self.reactor.accept()
        error = self.failed(outcome, LookupError)
        self.assertEqual(str(error), "no such thing")
        self.assertGone(server)
        self.assertEqual(server.received(), b"")
        self.assertEqual(broken.told, ["started", "lost"])

    def test_raisesWhenFinished(self) -> None:
        """
        If it raises later, that is logged, the server is told 1011, and whoever waits
        has a connection that is ending.
        """

        class Broken(Recorder):
            def negotiationFinished(self) -> None:
                raise LookupError("no such thing")

        outcome = self.connect(application=Broken())
        server = self.reactor.accept()
        server.upgrade()
        connection = self.opened(outcome)
        self.assertFalse(connection.connected)
        self.assertEqual(server.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        server.end()
        self.assertTrue(self.reactor.isIdle)

    def test_raisesWhenLost(self) -> None:
        """
        If it raises at the end, that is logged, and the Deferred still fails with what
        was wrong before.
        """

        class Broken(Recorder):
            def connectionLost(self, reason: Any) -> None:
                raise LookupError("no such thing")

        outcome, server = self.begin(application=Broken())
        server.end()
        self.assertFailed(outcome, OpeningStep.HANDSHAKE, ConnectionDone)
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_closesWhenStarted(self) -> None:
        """
        If it closes before the answer is there, the opening fails and the socket is
        closed; a late answer changes nothing.
        """
        recorder = Recorder()
        outcome, server = self.begin(application=recorder)
        closed = recorder.connection.close(1000)
        server.arrive(upgrade(server.asked))
        server.turn()
        self.assertGone(server)
        self.assertFailed(outcome, OpeningStep.HANDSHAKE, ConnectionAborted)
        self.assertEqual(recorder.told, ["started", "lost"])
        self.assertIs(self.successResultOf(closed).cause, CloseCause.LOCAL_CLOSE)

    def causeOf(self, url: str = URL, sent: bytes | None = None) -> CloseCause:
        """
        The cause that it is told when the server answers this, or leaves.
        """
        recorder = Recorder()
        outcome, server = self.begin(url=url, application=recorder)
        if sent is None:
            server.end()
        else:
            server.send(sent)
        self.failed(outcome, type(outcome.results[0].value))
        self.assertEqual(recorder.told, ["started", "lost"])
        cause: CloseCause = recorder.report.cause
        return cause

    def test_causes(self) -> None:
        """
        The report says what ended the opening: a refusal, an answer that breaks the
        rules, or a server that left.
        """
        rejected = REFUSAL + b"Content-Length: 0\r\n\r\n"
        self.assertIs(self.causeOf(sent=rejected), CloseCause.REJECTED)
        self.assertIs(self.causeOf(sent=b"SSH-2.0"), CloseCause.PEER_FAULT)
        wrong = b"HTTP/1.1 101 OK\r\n\r\n"
        self.assertIs(self.causeOf(sent=wrong), CloseCause.PEER_FAULT)
        self.assertIs(self.causeOf(), CloseCause.PEER_LOST)

    def test_causeTLS(self) -> None:
        """
        Or TLS that could not be established.
        """
        recorder = Recorder()
        outcome = self.connect("wss://example.com/", application=recorder)
        self.reactor.accept().send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.failed(outcome, OpeningFailed)
        self.assertIs(recorder.report.cause, CloseCause.OPENING_FAILED)

    def test_causeTimeout(self) -> None:
        """
        Or the time that was over.
        """
        recorder = Recorder()
        outcome, _ = self.begin(application=recorder)
        self.reactor.advance(10)
        self.failed(outcome, OpeningTimedOut)
        self.assertIs(recorder.report.cause, CloseCause.OPEN_TIMEOUT)
        self.assertIn("openTimeout is 10", str(recorder.report))

    def test_causeCancelled(self) -> None:
        """
        Or whoever cancelled it.
        """
        recorder = Recorder()
        opened = self.makeClient().connect(URL, application=recorder)
        self.reactor.accept()
        opened.cancel()
        self.failureResultOf(opened, CancelledError)
        self.assertIs(recorder.report.cause, CloseCause.DROPPED)

    def test_causeOwn(self) -> None:
        """
        Or the application itself.
        """

        class Broken(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                raise LookupError("no such thing")

        broken = Broken()
        outcome = self.connect(application=broken)
        self.reactor.accept()
        self.failed(outcome, LookupError)
        self.assertIs(broken.report.cause, CloseCause.APPLICATION_ERROR)
        self.assertIn("no such thing", str(broken.report))

    def test_closesAtOnce(self) -> None:
        """
        If it closes when it is started no request is sent.
        """

        class Hasty(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                super().negotiationStarted(transport)
                self.connection.close()

        hasty = Hasty()
        outcome = self.connect(application=hasty)
        server = self.reactor.accept()
        self.assertGone(server)
        self.assertEqual(server.received(), b"")
        error = self.assertFailed(outcome, OpeningStep.HANDSHAKE, ConnectionAborted)
        # The server was not asked: nothing is guessed about it.
        self.assertNotIn("the server", str(error))
        self.assertEqual(hasty.told, ["started", "lost"])
        self.assertIs(hasty.report.cause, CloseCause.LOCAL_CLOSE)

    def test_strange(self) -> None:
        """
        It need not have any of the methods.
        """
        outcome = self.connect(application=object())
        server = self.reactor.accept()
        server.upgrade()
        server.sendText("a")
        self.assertTrue(self.opened(outcome).connected)


def requests() -> list[object]:
    """
    All that knows a request, or who sends it.
    """
    gc.collect()
    kinds = (ConnectionAttempt, RedirectableRequest, ClientHandshake, WebSocketURL)
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


class SecretsTests(OpeningTestCase):
    """
    Tests of what is kept of an opening when it is over.
    """

    def setUp(self) -> None:
        super().setUp()
        # What other tests have left half open.
        self.before = {id(each): each for each in requests()}

    def assertForgotten(self) -> None:
        """
        Nothing is left of the request, nor of who sent it.
        """
        left = [each for each in requests() if id(each) not in self.before]
        self.assertEqual(left, [])

    def test_open(self) -> None:
        """
        An open connection does not keep the request with its secrets, though it may
        last for days.
        """
        for application in (None, Recorder()):
            opened = self.makeClient().connect(
                "ws://ada:hunter2@example.com/", application=application
            )
            outcome = Outcome(opened)
            server = self.reactor.accept()
            server.upgrade()
            self.assertTrue(self.opened(outcome).connected)
            self.assertForgotten()
            self.assertTrue(server.transport.isConnected)

    def test_redirected(self) -> None:
        """
        Nor does one behind a redirect.
        """
        outcome = self.connect(options={"maxRedirects": 1})
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
        server = self.reactor.accept()
        server.upgrade()
        self.assertTrue(self.opened(outcome).connected)
        self.assertForgotten()

    def test_failed(self) -> None:
        """
        Nor does an application whose connection was never open, at whatever stage it
        failed.
        """
        for answer, locations in (
            (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", 0),
            (b"SSH-2.0", 0),
            (b"HTTP/1.1 302 Found\r\nLocation: //x/\r\n\r\n", 1),
        ):
            recorder = Recorder()
            outcome = self.connect(application=recorder, options={"maxRedirects": 1})
            server = self.reactor.accept()
            server.request()
            server.send(answer)
            if locations:
                self.reactor.refuse(ConnectionRefusedError())
            self.assertEqual(recorder.told, ["started", "lost"])
            # A failure may keep the frames it has passed.
            outcome.results.clear()
            self.assertForgotten()
            self.assertIsNotNone(recorder.connection)


@implementer(IStreamClientEndpoint)
class SyncEndpoint:
    """
    An endpoint that has connected, or failed, when ``connect`` returns.
    """

    def __init__(self, transport: MemoryTransport | Exception) -> None:
        self.transport = transport

    def connect(self, factory: Any) -> Deferred[Any]:
        """
        Connect at once.
        """
        if isinstance(self.transport, Exception):
            return fail(self.transport)
        result: Deferred[Any] = Deferred()
        protocol = factory.buildProtocol(self.transport.getPeer())
        self.transport.connect(protocol)
        result.callback(protocol)
        return result


@implementer(IStreamClientEndpoint)
class LateEndpoint:
    """
    An endpoint that connects even if that was cancelled.
    """

    def connect(self, factory: Any) -> Deferred[Any]:
        """
        Connect some time.
        """
        self.factory = factory
        self.connecting: Deferred[Any] = Deferred()
        return self.connecting

    def succeed(self, transport: MemoryTransport) -> None:
        """
        Connect now.
        """
        protocol = self.factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        self.connecting.callback(protocol)


class EndpointTests(OpeningTestCase):
    """
    Tests of openings through other ways than TCP.
    """

    def openThrough(
        self, endpoint: Any, application: Any = None, url: str = URL
    ) -> Outcome:
        """
        Begin to connect through this endpoint.
        """
        target = parseURL(url)
        config = ClientConfig()
        hop = RedirectableRequest(target, makeHandshake(target, config))
        journey = AttemptOptions(endpointFor=lambda _: endpoint)
        return Outcome(openConnection(self.reactor, config, hop, journey, application))

    def test_immediate(self) -> None:
        """
        An endpoint may have connected before it returns.
        """
        transport = MemoryTransport(self.reactor)
        outcome = self.openThrough(SyncEndpoint(transport))
        server = Server(transport.protocol, transport)
        server.upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_immediateFailure(self) -> None:
        """
        Or have failed, whatever with.
        """
        outcome = self.openThrough(SyncEndpoint(OSError("no such tunnel")))
        self.assertFailed(outcome, OpeningStep.CONNECT, OSError)
        self.assertTrue(self.reactor.isIdle)

    def test_late(self) -> None:
        """
        It need not be able to stop: a connection that comes when nobody wants it any
        more is closed without a word.
        """
        endpoint = LateEndpoint()
        opened = self.openThrough(endpoint)
        self.reactor.advance(10)
        self.failed(opened, OpeningTimedOut)
        transport = MemoryTransport(self.reactor)
        endpoint.succeed(transport)
        server = Server(transport.protocol, transport)
        self.assertGone(server)
        self.assertEqual(server.received(), b"")

    def test_immediateEnd(self) -> None:
        """
        Or the application may want no more before it returns.
        """

        class Broken(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                raise LookupError("no such thing")

        transport = MemoryTransport(self.reactor)
        outcome = self.openThrough(SyncEndpoint(transport), Broken())
        self.failed(outcome, LookupError)
        self.assertGone(Server(transport.protocol, transport))

    def test_otherCertificate(self) -> None:
        """
        TLS that is given up as soon as it is there has failed: that is how older
        Twisteds tell of the certificate of another host.
        """
        transport = MemoryTransport(self.reactor)
        outcome = self.openThrough(SyncEndpoint(transport), url="wss://example.com/")
        transport.loseConnection()
        transport.protocol.handshakeCompleted()
        transport.lose(SSL.Error("another's"))
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.TLS)
        self.assertIn("another's", str(error))

    def test_bareTransport(self) -> None:
        """
        The transport need not be TCP: what it can't do is not asked for.
        """

        class Pipe(MemoryTransport):
            setTcpNoDelay = None  # type: ignore[assignment]
            setTcpKeepAlive = None  # type: ignore[assignment]

        transport = Pipe(self.reactor)
        outcome = self.openThrough(SyncEndpoint(transport))
        server = Server(transport.protocol, transport)
        server.upgrade()
        connection: WebSocketConnection = self.opened(outcome)
        connection.send("a")
        self.assertEqual(server.frames(), [text("a")])
