# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.errors`.
"""

from twisted.internet.error import ConnectionDone, ConnectionLost, DNSLookupError
from twisted.internet.testing import AccumulatingProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, readBody
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface.verify import verifyObject

from txwebsocket.connection.errors import (
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    ProxyFailed,
    ProxyRejected,
    RefusalResponse,
    closedError,
)
from txwebsocket.handshake.httpconnect import ProxyRefusal
from txwebsocket.handshake.response import ResponseHead
from txwebsocket.wire.codes import CloseCause
from txwebsocket.wire.errors import ConnectionClosed, HandshakeError, WebSocketError
from txwebsocket.wire.report import CloseReport

CLEAN = CloseReport(cause=CloseCause.PEER_CLOSE, wasClean=True, receivedCode=1000)
UNCLEAN = CloseReport(cause=CloseCause.PEER_LOST, wasClean=False, detail="no route")
HEAD = ResponseHead(
    "1.1",
    403,
    "Forbidden",
    (
        (b"Content-Type", b"text/plain"),
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"!#$%&'*+-.^_`|~09azAZ", b"\xff"),
    ),
)


class ClosedErrorTests(SynchronousTestCase):
    """
    Tests of :func:`closedError`.
    """

    def test_clean(self) -> None:
        """
        Code that checks for Twisted's ConnectionDone sees a clean end as such.
        """
        error = closedError(CLEAN)
        self.assertIsInstance(error, ConnectionClosed)
        self.assertIs(Failure(error).check(ConnectionDone), ConnectionDone)
        self.assertIsNone(Failure(error).check(ConnectionLost))

    def test_unclean(self) -> None:
        """
        Code that checks for Twisted's ConnectionLost sees all other ends as such.
        """
        error = closedError(UNCLEAN)
        self.assertIsInstance(error, ConnectionClosed)
        self.assertIs(Failure(error).check(ConnectionLost), ConnectionLost)
        self.assertIsNone(Failure(error).check(ConnectionDone))

    def test_report(self) -> None:
        """
        It carries the report, and its text is the report's in either case.
        """
        for report in (CLEAN, UNCLEAN):
            error = closedError(report)
            self.assertIs(error.report, report)
            self.assertEqual(str(error), str(report))
            self.assertEqual(Failure(error).getErrorMessage(), str(report))


class OpeningFailedTests(SynchronousTestCase):
    """
    Tests of :class:`OpeningFailed` and :class:`OpeningTimedOut`.
    """

    cause = DNSLookupError("no such host")

    def test_fields(self) -> None:
        """
        It says where to, what the client was doing, and what went wrong, for programs
        and for readers.
        """
        error = OpeningFailed("ws://h/", OpeningStep.LOOKUP, self.cause)
        self.assertEqual(error.url, "ws://h/")
        self.assertIs(error.step, OpeningStep.LOOKUP)
        self.assertIs(error.cause, self.cause)
        self.assertEqual(
            str(error), f"ws://h/: {OpeningStep.LOOKUP.value}: {self.cause}"
        )

    def test_chain(self) -> None:
        """
        A traceback shows the cause as well.
        """
        error = OpeningFailed("ws://h/", OpeningStep.CONNECT, self.cause)
        self.assertIs(error.__cause__, self.cause)
        self.assertIn("no such host", Failure(error).getErrorMessage())

    def test_steps(self) -> None:
        """
        Each step has words of its own.
        """
        words = {step.value for step in OpeningStep}
        self.assertEqual(len(words), len(OpeningStep))
        self.assertEqual(
            [step.name for step in OpeningStep],
            ["LOOKUP", "CONNECT", "PROXY", "TLS", "HANDSHAKE"],
        )

    def test_tree(self) -> None:
        """
        Whoever catches OpeningFailed catches the timeout as well, and whoever catches
        HandshakeError catches all that a client's opening fails with.
        """
        self.assertTrue(issubclass(OpeningTimedOut, OpeningFailed))
        self.assertTrue(issubclass(OpeningFailed, HandshakeError))
        self.assertTrue(issubclass(ConnectionRejected, HandshakeError))
        self.assertTrue(issubclass(ProxyFailed, HandshakeError))
        self.assertTrue(issubclass(ProxyRejected, ProxyFailed))
        self.assertTrue(issubclass(HandshakeError, WebSocketError))


class RefusalResponseTests(SynchronousTestCase):
    """
    Tests of :class:`RefusalResponse` and :class:`ConnectionRejected`.
    """

    def test_interface(self) -> None:
        """
        It is a response as twisted.web has them.
        """
        self.assertTrue(verifyObject(IResponse, RefusalResponse(HEAD, b"no")))

    def test_head(self) -> None:
        """
        Status, phrase, version and headers are there in twisted.web's own form.
        """
        response = RefusalResponse(HEAD, b"no")
        self.assertEqual(response.code, 403)
        self.assertEqual(response.phrase, b"Forbidden")
        self.assertEqual(response.version, (b"HTTP", 1, 1))
        headers = response.headers
        self.assertEqual(headers.getRawHeaders("set-cookie"), ["a=1", "b=2"])
        self.assertEqual(headers.getRawHeaders(HEAD.headers[-1][0]), [b"\xff"])

    def test_oldVersion(self) -> None:
        """
        The version is the server's own.
        """
        response = RefusalResponse(HEAD._replace(version="1.0"), b"")
        self.assertEqual(response.version, (b"HTTP", 1, 0))

    def test_oddPhrase(self) -> None:
        """
        A phrase that is not ASCII comes back as the bytes it was.
        """
        response = RefusalResponse(HEAD._replace(phrase="Verbot\xe9n"), b"")
        self.assertEqual(response.phrase, b"Verbot\xe9n")

    def test_readBody(self) -> None:
        """
        ``readBody`` gives the body at once, as often as it is called.
        """
        response = RefusalResponse(HEAD, b"log in first")
        self.assertEqual(response.length, 12)
        for _ in range(2):
            body = self.successResultOf(readBody(response))
            self.assertEqual(body, b"log in first")

    def test_noBody(self) -> None:
        """
        An empty body is an empty one, and not one of which nothing is known.
        """
        response = RefusalResponse(HEAD, b"")
        self.assertEqual(self.successResultOf(readBody(response)), b"")
        self.assertEqual(response.length, 0)
        self.assertNotEqual(response.length, UNKNOWN_LENGTH)

    def test_deliverBody(self) -> None:
        """
        A protocol that takes the body is told that it is complete.
        """
        for body in (b"no", b""):
            protocol = AccumulatingProtocol()
            RefusalResponse(HEAD, body).deliverBody(protocol)
            self.assertEqual(protocol.data, body)
            self.assertTrue(protocol.closedReason.check(ResponseDone))

    def test_previousResponse(self) -> None:
        """
        A client that follows redirects can note where it came from.
        """
        first = RefusalResponse(HEAD._replace(status=301), b"")
        second = RefusalResponse(HEAD, b"")
        self.assertIsNone(second.previousResponse)
        second.setPreviousResponse(first)
        self.assertIs(second.previousResponse, first)

    def test_rejected(self) -> None:
        """
        The error shows the status, and has the response with all the rest.
        """
        response = RefusalResponse(HEAD, b"no")
        error = ConnectionRejected(response)
        self.assertIs(error.response, response)
        self.assertEqual(str(error), "the server answered 403 Forbidden")

    def test_rejectedWithoutPhrase(self) -> None:
        """
        A server need not say more than the number.
        """
        error = ConnectionRejected(RefusalResponse(HEAD._replace(phrase=""), b""))
        self.assertEqual(str(error), "the server answered 403")

    def test_rejectedInOneLine(self) -> None:
        """
        Whatever the server calls it, the error is one line that fits into a log.
        """
        for phrase in ("x" * 10_000, "\x9b31m", "\x85", "a\tb", "\xa0"):
            head = HEAD._replace(phrase=phrase)
            words = str(ConnectionRejected(RefusalResponse(head, b"")))
            self.assertTrue(words.isprintable(), ascii(phrase[:10]))
            self.assertLess(len(words), 300)


class QueryTests(SynchronousTestCase):
    """
    Tests of what errors tell of a URL's query.
    """

    def test_notInText(self) -> None:
        """
        A token in the query stands in no text that might be logged, but is known to who
        asks.
        """
        url = "wss://h/feed?token=s3cret"
        for error in (
            OpeningFailed(url, OpeningStep.TLS, ValueError("no")),
            OpeningTimedOut(url, OpeningStep.TLS, TimeoutError("no")),
            ConnectionRejected(RefusalResponse(HEAD, b""), url),
        ):
            self.assertTrue(str(error).startswith("wss://h/feed: "), error)
            self.assertNotIn("s3cret", repr(error))
            self.assertEqual(error.url, url)


class ProxyFailedTests(SynchronousTestCase):
    """
    Tests of :class:`ProxyFailed` and :class:`ProxyRejected`.
    """

    def test_failed(self) -> None:
        """
        The text names the proxy and what went wrong, which is also the error's cause.
        """
        cause = DNSLookupError("no such name")
        error = ProxyFailed("http://p:80", cause)
        self.assertTrue(str(error).startswith("http://p:80: "))
        self.assertIn("no such name", str(error))
        self.assertIs(error.cause, cause)
        self.assertIs(error.__cause__, cause)

    def test_silentCause(self) -> None:
        """
        What says nothing is named.
        """
        self.assertEqual(str(ProxyFailed("p", LookupError())), "p: LookupError")

    def test_rejected(self) -> None:
        """
        A refusal's text is one line with its number and words; the response is kept.
        """
        error = ProxyRejected(
            "http://p:80", ProxyRefusal(403, "Forbidden", HEAD, b"no")
        )
        self.assertEqual(str(error), "http://p:80 refused: 403 Forbidden")
        self.assertEqual(error.code, 403)
        self.assertIsNone(error.cause)
        assert error.response is not None
        self.assertEqual(
            error.response.headers.getRawHeaders("Set-Cookie"), ["a=1", "b=2"]
        )
        self.assertEqual(error.response.body, b"no")
        self.assertTrue(
            str(ProxyRejected("p", ProxyRefusal(403, "\x85"))).isprintable()
        )

    def test_rejectedWithoutResponse(self) -> None:
        """
        SOCKS has no response, and a number for some refusals only.
        """
        error = ProxyRejected("p", ProxyRefusal(None, "wrong password"))
        self.assertEqual(str(error), "p refused: wrong password")
        self.assertEqual((error.code, error.response), (None, None))
        self.assertEqual(
            str(ProxyRejected("p", ProxyRefusal(502, ""))), "p refused: 502"
        )
