# Part of txwebsocket. See LICENSE for details.
"""
Tests of openings that are redirected, and of the cookies they carry.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from OpenSSL.crypto import X509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.ssl import Certificate
from twisted.web.client import BrowserLikePolicyForHTTPS

from tests.client.test_cookiejar import makeCookie
from tests.client.test_endpoint import Applications
from tests.support.memory import Recorder, text
from tests.support.remote import (
    URL,
    ClientTestCase,
    Outcome,
    Request,
    Server,
    TLSServer,
    certify,
    readRequest,
    upgrade,
)
from tests.support.splits import everySplit
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    State,
    WebSocketClient,
    WebSocketClientEndpoint,
    WebSocketRequest,
)
from txwebsocket.client.redirects import REDIRECTS
from txwebsocket.testing import MemorySite, MemoryTransport

FOLLOW = {"maxRedirects": 5}


def response(*lines: str, status: int = 302, body: bytes = b"") -> bytes:
    """
    An ordinary response with these headers.
    """
    head = [f"HTTP/1.1 {status} Odd", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


class RedirectsTestCase(ClientTestCase):
    """
    What tests of redirects need.
    """

    def begin(self, url: str = URL, **more: Any) -> tuple[Deferred[Any], Outcome]:
        """
        Begin to connect; return the Deferred itself as well.
        """
        client = self.makeClient(**{**FOLLOW, **more.pop("options", {})})
        opened = client.connect(url, **more)
        return opened, Outcome(opened)

    def redirect(self, *locations: str, status: int = 302) -> Server:
        """
        The newest server is asked and redirects, and each one after it.

        :return: the one that redirected last.
        """
        for location in locations:
            server = self.reactor.accept()
            server.request()
            server.send(response(f"Location: {location}", status=status))
        return server

    def assertIsIdle(self) -> None:
        """
        Nothing is connecting, and nothing is planned.
        """
        self.assertTrue(all(attempt.isOver for attempt in self.reactor.attempts))
        self.assertTrue(self.reactor.isIdle)


class FollowedTests(RedirectsTestCase):
    """
    Tests of redirects that are followed.
    """

    def test_statuses(self) -> None:
        """
        Whatever the server redirects with, the connection opens where that leads, and
        says where it is.
        """
        for status in sorted(REDIRECTS):
            _, outcome = self.begin()
            self.redirect("http://other.example:81/x?y", status=status)
            self.assertEqual(self.reactor.nameResolver.asked[-1], "other.example")
            self.assertEqual(self.reactor.attempts[-1].port, 81)
            server = self.reactor.accept()
            server.upgrade()
            self.assertEqual(server.asked.line, "GET /x?y HTTP/1.1")
            connection = self.opened(outcome)
            self.assertEqual(connection.url, "ws://other.example:81/x?y")
            connection.send("a")
            self.assertEqual(server.frames(), [text("a")])

    def test_everySplit(self) -> None:
        """
        A redirect is understood at every split of its bytes, as soon as its head is
        there.
        """
        for pieces in everySplit(response("Location: /x")):
            _, outcome = self.begin()
            server = self.reactor.accept()
            server.request()
            for piece in pieces:
                server.arrive(piece)
            server.turn()
            self.reactor.accept().upgrade()
            self.opened(outcome)

    def test_body(self) -> None:
        """
        The body of a redirect is not waited for.
        """
        _, outcome = self.begin()
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 99\r\n\r\nab")
        self.reactor.accept().upgrade()
        self.opened(outcome)

    def test_oneSocket(self) -> None:
        """
        The first server's socket is closed before there is another.
        """
        self.begin()
        server = self.reactor.accept()
        server.request()
        server.arrive(response("Location: /x"))
        self.assertTrue(server.transport.wasAborted)
        self.assertEqual(len(self.reactor.attempts), 1)
        server.turn()
        self.assertFalse(server.transport.isConnected)
        self.assertEqual(len(self.reactor.attempts), 2)

    def test_several(self) -> None:
        """
        As many redirects are followed as the option says, each relative to the last.
        """
        _, outcome = self.begin()
        self.redirect("/a/b", "c", "http://other.example/", "//third.example/d", "e")
        self.reactor.accept().upgrade()
        self.assertEqual(self.opened(outcome).url, "ws://third.example/e")
        self.assertEqual(
            [attempt.isOver for attempt in self.reactor.attempts], [True] * 6
        )

    def test_application(self) -> None:
        """
        An application is told of one connection: that it starts with the first server,
        and is open with the last.
        """
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        self.redirect("//other/", "/x")
        self.assertEqual(recorder.told, ["started"])
        self.assertIsNone(recorder.connection.getPeer())
        self.assertIsNone(recorder.connection.getHost())
        self.assertIsNone(recorder.connection.remoteAddress)
        server = self.reactor.accept()
        server.upgrade(early=server.text("early"))
        self.assertEqual(recorder.told, ["started", "finished", ("text", "early")])
        self.assertIs(self.opened(outcome), recorder.connection)
        self.assertIsNotNone(recorder.connection.getPeer())
        server.vanish()
        self.assertEqual(recorder.told[3:], ["lost"])

    def test_secure(self) -> None:
        """
        From ``ws:`` to ``wss:`` the next server has to prove who it is.
        """
        authority = certify()
        root = Certificate(X509.from_cryptography(authority.certificate))
        for name in ("example.com", "example.org"):
            client = WebSocketClient(
                self.reactor,
                ClientConfig(maxRedirects=1),
                tlsPolicy=BrowserLikePolicyForHTTPS(root),
            )
            outcome = Outcome(client.connect(URL))
            self.redirect("https://example.com/x")
            identity = certify(name, issuer=authority)
            tls = TLSServer(self.reactor.accept(), identity.context())
            if name == "example.com":
                tls.upgrade()
                self.assertEqual(self.opened(outcome).url, "wss://example.com/x")
            else:
                error = self.failed(outcome, OpeningFailed)
                self.assertIs(error.step, OpeningStep.TLS)
                self.assertEqual(tls.plain, b"")

    def test_credentials(self) -> None:
        """
        What authorizes at the first server is told to no other.
        """
        _, _ = self.begin(
            "ws://ada:pw@example.com/",
            headers={"Cookie": "sid=1", "X-Api-Key": "x", "Host": "virtual"},
        )
        names = ("Authorization", "Cookie", "X-Api-Key")
        for location, isThere in (("/x", True), ("//other/", False), (URL, False)):
            self.redirect(location)
            server = self.reactor.accept()
            asked = server.request()
            for name in names:
                self.assertEqual(bool(asked.header(name)), isThere, (location, name))
            host = "virtual" if isThere else self.reactor.nameResolver.asked[-1]
            self.assertEqual(asked.header("Host"), [host])
            server.send(response(f"Location: {location}"))

    def test_endpoint(self) -> None:
        """
        ``WebSocketClientEndpoint`` follows them too, and asks its factory for the way
        to each.
        """
        endpoint = WebSocketClientEndpoint.new(
            self.reactor, URL, config=ClientConfig(maxRedirects=1)
        )
        applications = Applications()
        outcome = Outcome(Deferred.fromCoroutine(endpoint.connect(applications)))
        self.redirect("//other:81/")
        self.assertEqual(self.reactor.attempts[-1].port, 81)
        self.reactor.accept().upgrade()
        [application] = outcome.results
        self.assertEqual(application.told, ["started", "finished"])

    def test_memory(self) -> None:
        """
        An application that redirects can be tested in memory.
        """

        def decide(request: WebSocketRequest) -> None:
            if request.resource == "/?new":
                request.accept()
            else:
                request.reject(302, headers={"Location": "?new"})

        site = MemorySite(decide)
        opened = site.connect("/", config=ClientConfig(maxRedirects=1))
        connection = self.successResultOf(opened)
        self.assertEqual(connection.url, "ws://example.com/?new")


class RefusedTests(RedirectsTestCase):
    """
    Tests of redirects that are not followed.
    """

    def refused(self, *locations: str, **more: Any) -> ConnectionRejected:
        """
        What the opening fails with when servers redirect to these places.
        """
        _, outcome = self.begin(**more)
        self.redirect(*locations)
        self.assertIsIdle()
        error: ConnectionRejected = self.failed(outcome, ConnectionRejected)
        self.assertEqual(error.response.code, 302)
        return error

    def test_off(self) -> None:
        """
        By default none is followed; nothing is said of an option then.
        """
        error = self.refused("/x", options={"maxRedirects": 0})
        self.assertEqual(str(error), f"{URL}: the server answered 302 Odd")
        self.assertEqual(error.url, URL)

    def test_limit(self) -> None:
        """
        One more than the option allows is not followed. The error has the last response
        and, behind it, all that led there.
        """
        error = self.refused("/a", "/b", "/c", options={"maxRedirects": 2})
        self.assertEqual(error.url, "ws://example.com/b")
        self.assertIn("maxRedirects is 2", str(error))
        locations = []
        found: Any = error.response
        while found is not None:
            locations += found.headers.getRawHeaders("Location")
            found = found.previousResponse
        self.assertEqual(locations, ["/c", "/b", "/a"])

    def test_loop(self) -> None:
        """
        Servers that redirect in a circle are left at the limit.
        """
        error = self.refused(*["//a/", "//b/"] * 3)
        self.assertIn("maxRedirects is 5", str(error))
        self.assertEqual(len(self.reactor.attempts), 6)

    def test_insecure(self) -> None:
        """
        None is followed from ``wss:`` to ``ws:``.
        """
        authority = certify()
        root = Certificate(X509.from_cryptography(authority.certificate))
        for location in ("ws://example.com/", "http://example.com/"):
            client = WebSocketClient(
                self.reactor,
                ClientConfig(maxRedirects=5),
                tlsPolicy=BrowserLikePolicyForHTTPS(root),
            )
            outcome = Outcome(client.connect("wss://example.com/"))
            identity = certify("example.com", issuer=authority)
            tls = TLSServer(self.reactor.accept(), identity.context())
            readRequest(tls.plain)
            attempts = len(self.reactor.attempts)
            tls.send(response(f"Location: {location}"))
            error = self.failed(outcome, ConnectionRejected)
            self.assertIn("not secure", str(error))
            self.assertEqual(len(self.reactor.attempts), attempts)
            self.assertIsIdle()

    def test_why(self) -> None:
        """
        The error says why, in one line that fits into a log.
        """
        for location, told in {
            "ftp://example.com/": "ftp",
            "http://ada:hunter2@example.com/": "user or password",
            "http://example.com:port/": "port",
            "http://[::1": "not a URL",
            "http://" + "x" * 5000: "",
            "http://\x9b31m/": "",
        }.items():
            error = self.refused(location)
            self.assertIn(told, str(error))
            self.assertIn("this redirect is not followed: ", str(error))
            self.assertNotIn("hunter2", str(error))
            self.assertTrue(str(error).isprintable(), ascii(str(error)))
            self.assertLess(len(str(error)), 500)

    def test_nowhere(self) -> None:
        """
        A redirect that leads nowhere is a refusal, with its body.
        """
        _, outcome = self.begin()
        server = self.reactor.accept()
        server.request()
        server.send(response(body=b"moved"))
        error = self.failed(outcome, ConnectionRejected)
        self.assertIn("0 headers Location", str(error))
        self.assertEqual(error.response.body, b"moved")
        self.assertGone(server)

    def test_otherStatus(self) -> None:
        """
        ``Location`` means nothing with any other status.
        """
        for status in (200, 201, 300, 304, 305, 401, 503):
            _, outcome = self.begin()
            server = self.redirect("/x", status=status)
            error = self.failed(outcome, ConnectionRejected)
            self.assertNotIn("redirect", str(error))
            self.assertGone(server)

    def test_101(self) -> None:
        """
        Nor has it any with a 101.
        """
        _, outcome = self.begin()
        self.reactor.accept().upgrade("Location: //other/")
        self.assertEqual(self.opened(outcome).url, URL)

    def test_refusedThere(self) -> None:
        """
        The server at the end may refuse; the error has its response and its URL, and
        the one that led there.
        """
        _, outcome = self.begin()
        self.redirect("//other/x")
        server = self.reactor.accept()
        server.request()
        server.send(response("X-A: 1", status=401, body=b"who?"))
        error = self.failed(outcome, ConnectionRejected)
        self.assertEqual(str(error), "ws://other/x: the server answered 401 Odd")
        self.assertEqual(error.response.body, b"who?")
        self.assertEqual(error.response.previousResponse.code, 302)
        self.assertIsNone(error.response.previousResponse.previousResponse)


class BrokenTests(RedirectsTestCase):
    """
    Tests of what can go wrong on the way.
    """

    def assertFailed(
        self, outcome: Outcome, step: OpeningStep, cause: type[BaseException]
    ) -> None:
        """
        The opening has failed at the second server.
        """
        error = self.failed(outcome, OpeningFailed)
        self.assertEqual(error.url, "ws://other/x")
        self.assertIs(error.step, step)
        self.assertIsInstance(error.cause, cause)
        self.assertIsIdle()

    def test_unknownName(self) -> None:
        """
        The next host may be unknown.
        """
        self.reactor.nameResolver.addresses["other"] = []
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        self.redirect("//other/x")
        self.assertFailed(outcome, OpeningStep.LOOKUP, DNSLookupError)
        self.assertIs(recorder.report.cause, CloseCause.OPENING_FAILED)
        self.assertIsNone(recorder.connection.getPeer())

    def test_refusedPort(self) -> None:
        """
        Or it may not listen. The application is told what really happened.
        """
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        self.redirect("//other/x")
        self.reactor.refuse(ConnectionRefusedError())
        self.assertFailed(outcome, OpeningStep.CONNECT, ConnectionRefusedError)
        self.assertEqual(recorder.told, ["started", "lost"])
        self.assertIs(recorder.report.cause, CloseCause.OPENING_FAILED)
        self.assertIn("refused", str(recorder.report))

    def test_leaves(self) -> None:
        """
        Or leave without a word.
        """
        _, outcome = self.begin()
        self.redirect("//other/x")
        server = self.reactor.accept()
        server.request()
        server.end()
        self.assertFailed(outcome, OpeningStep.HANDSHAKE, ConnectionDone)

    def test_noWay(self) -> None:
        """
        Whoever finds the way may find none.
        """

        class Near:
            def endpointForURI(self, uri: Any) -> Any:
                if uri.host != b"example.com":
                    raise LookupError("too far")
                return factory.endpointForURI(uri)

        config = ClientConfig(maxRedirects=1)
        factory = WebSocketClientEndpoint.new(self.reactor, URL).endpointFactory
        endpoint = WebSocketClientEndpoint(Near(), URL, self.reactor, config)
        connecting = endpoint.connect(Applications())
        outcome = Outcome(Deferred.fromCoroutine(connecting))
        self.redirect("//other/x")
        self.assertFailed(outcome, OpeningStep.CONNECT, LookupError)

    def test_time(self) -> None:
        """
        One ``openTimeout`` is for all of it, wherever it is spent.
        """
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        self.reactor.advance(4)
        self.redirect("//other/x")
        self.reactor.advance(4)
        self.redirect("y")
        server = self.reactor.accept()
        server.request()
        server.wait(1.99)
        self.assertEqual(outcome.results, [])
        server.wait(0.01)
        error = self.failed(outcome, OpeningTimedOut)
        self.assertEqual(error.url, "ws://other/y")
        self.assertIs(error.step, OpeningStep.HANDSHAKE)
        self.assertIs(recorder.report.cause, CloseCause.OPEN_TIMEOUT)
        self.assertGone(server)

    def test_timeWhileConnecting(self) -> None:
        """
        Also while the next server is connected to.
        """
        _, outcome = self.begin()
        self.redirect("//other/x")
        self.reactor.advance(10)
        self.assertIs(self.failed(outcome, OpeningTimedOut).step, OpeningStep.CONNECT)
        self.reactor.advance(1)
        self.assertIsIdle()

    def test_timeWhileLeaving(self) -> None:
        """
        Or while the first one's socket closes.
        """

        class Stuck(MemoryTransport):
            def abortConnection(self) -> None:
                self.wasAborted = True

        _, outcome = self.begin()
        server = self.reactor.accept(Stuck(self.reactor))
        server.request()
        server.send(response("Location: //other/x"))
        self.reactor.advance(10)
        self.failed(outcome, OpeningTimedOut)
        server.vanish()
        self.assertEqual(len(self.reactor.attempts), 1)
        self.assertIsIdle()


class CancelledTests(RedirectsTestCase):
    """
    Tests of openings that are cancelled within a redirect.
    """

    def assertCancelled(self, outcome: Outcome, recorder: Recorder) -> None:
        """
        The Deferred has failed, nothing is left, and the application knows.
        """
        self.failed(outcome, CancelledError)
        self.reactor.advance(0)
        self.assertIsIdle()
        self.assertEqual(recorder.told, ["started", "lost"])
        self.assertIs(recorder.report.cause, CloseCause.DROPPED)

    def test_leaving(self) -> None:
        """
        While the first server's socket closes: no other is opened.
        """
        recorder = Recorder()
        opened, outcome = self.begin(application=recorder)
        server = self.reactor.accept()
        server.request()
        server.arrive(response("Location: /x"))
        opened.cancel()
        server.turn()
        self.assertFalse(server.transport.isConnected)
        self.assertEqual(len(self.reactor.attempts), 1)
        self.assertCancelled(outcome, recorder)

    def test_connecting(self) -> None:
        """
        While the second one is connected to: that ends.
        """
        recorder = Recorder()
        opened, outcome = self.begin(application=recorder)
        self.redirect("/x")
        opened.cancel()
        self.assertCancelled(outcome, recorder)

    def test_answer(self) -> None:
        """
        While its answer is waited for: its socket is closed.
        """
        recorder = Recorder()
        opened, outcome = self.begin(application=recorder)
        self.redirect("/x")
        server = self.reactor.accept()
        server.send(upgrade(server.request())[:50])
        opened.cancel()
        self.assertGone(server)
        self.assertCancelled(outcome, recorder)

    def test_TLS(self) -> None:
        """
        While TLS starts there: likewise.
        """
        recorder = Recorder()
        opened, outcome = self.begin(application=recorder)
        self.redirect("https://example.com/x")
        server = self.reactor.accept()
        server.turn()
        opened.cancel()
        self.assertGone(server)
        self.assertCancelled(outcome, recorder)

    def test_abort(self) -> None:
        """
        ``abort`` does the same.
        """
        client = self.makeClient(**FOLLOW)
        outcome = Outcome(client.connect(URL))
        self.redirect("/x")
        client.abort()
        self.failed(outcome, CancelledError)
        self.assertIsIdle()

    def test_closedBetween(self) -> None:
        """
        An application that closes between two servers ends the opening at once.
        """
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        self.redirect("/x")
        closed = recorder.connection.close()
        error = self.failed(outcome, OpeningFailed)
        self.assertIsInstance(error.cause, ConnectionAborted)
        self.assertIs(self.successResultOf(closed).cause, CloseCause.LOCAL_CLOSE)
        self.assertEqual(recorder.told, ["started", "lost"])
        self.assertIsIdle()

    def test_closedWhileLeaving(self) -> None:
        """
        One that closes while the first server's socket closes, too.
        """
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        server = self.reactor.accept()
        server.request()
        server.arrive(response("Location: /x"))
        closed = recorder.connection.close()
        self.assertIs(recorder.connection.state, State.AWAITING_LOSS)
        server.turn()
        self.failed(outcome, OpeningFailed)
        self.assertIs(self.successResultOf(closed).cause, CloseCause.LOCAL_CLOSE)
        self.assertEqual(len(self.reactor.attempts), 1)
        self.assertIsIdle()


class CookieTests(RedirectsTestCase):
    """
    Tests of a client with a jar.

    :ivar jar: the jar.
    """

    def setUp(self) -> None:
        super().setUp()
        self.jar = CookieJar()

    def begin(self, url: str = URL, **more: Any) -> tuple[Deferred[Any], Outcome]:
        """
        Begin to connect, with the jar.
        """
        config = ClientConfig(maxRedirects=5)
        client = WebSocketClient(self.reactor, config, cookieJar=self.jar)
        self.assertIs(client.cookieJar, self.jar)
        opened = client.connect(url, **more)
        return opened, Outcome(opened)

    def asked(self, url: str = URL, **more: Any) -> Request:
        """
        What a server is asked.
        """
        self.begin(url, **more)
        return self.reactor.accept().request()

    def names(self) -> list[str]:
        """
        The names of the cookies in the jar.
        """
        return sorted(cookie.name for cookie in self.jar)

    def test_accepted(self) -> None:
        """
        Cookies that a server sets when it accepts are sent to it the next time.
        """
        _, outcome = self.begin()
        self.reactor.accept().upgrade("Set-Cookie: a=1", "Set-Cookie: b=2; Secure")
        self.opened(outcome)
        self.assertEqual(self.names(), ["a", "b"])
        self.assertEqual(self.asked().header("Cookie"), ["a=1"])
        self.assertEqual(self.asked("ws://other/").header("Cookie"), [])

    def test_refused(self) -> None:
        """
        So are those that it sets when it refuses.
        """
        _, outcome = self.begin()
        server = self.reactor.accept()
        server.request()
        server.send(response("Set-Cookie: a=1", status=401))
        self.failed(outcome, ConnectionRejected)
        self.assertEqual(self.asked().header("Cookie"), ["a=1"])

    def test_redirected(self) -> None:
        """
        Those that it sets when it redirects are sent where that leads, if they are for
        that place: the jar is asked anew for each.
        """
        self.begin()
        for location, cookie, expected in (
            ("/x", "a=1", []),
            ("//other/", "b=2", ["a=1"]),
            (URL, "c=3", []),
        ):
            server = self.reactor.accept()
            self.assertEqual(server.request().header("Cookie"), expected)
            server.send(response(f"Location: {location}", f"Set-Cookie: {cookie}"))
        asked = self.reactor.accept().request()
        self.assertEqual(asked.header("Cookie"), ["a=1; b=2"])
        self.assertEqual(self.names(), ["a", "b", "c"])

    def test_own(self) -> None:
        """
        With a ``Cookie`` of the caller's own nothing is taken from the jar; to another
        server it does not go, and there the jar counts.
        """
        self.jar.set_cookie(makeCookie("jar"))
        self.begin("ws://other.example/", headers={"cookie": "sid=own"})
        server = self.reactor.accept()
        self.assertEqual(server.request().header("Cookie"), ["sid=own"])
        server.send(response("Location: ws://example.com/"))
        asked = self.reactor.accept().request()
        self.assertEqual(asked.header("Cookie"), ["sid=jar"])
        asked = self.asked(headers={"Cookie": "sid=own"})
        self.assertEqual(asked.header("Cookie"), ["sid=own"])

    def test_withoutJar(self) -> None:
        """
        A client without a jar keeps no cookies.
        """
        for _ in range(2):
            self.connect()
            server = self.reactor.accept()
            self.assertEqual(server.request().header("Cookie"), [])
            server.send(upgrade(server.asked, "Set-Cookie: a=1"))

    def test_badCookie(self) -> None:
        """
        A cookie in the jar that can't be sent fails the opening, and nothing is sent.
        """
        self.jar.set_cookie(makeCookie("hunter2\r\nX: y"))
        recorder = Recorder()
        _, outcome = self.begin(application=recorder)
        server = self.reactor.accept()
        self.assertNotIn("hunter2", str(self.failed(outcome, ValueError)))
        self.assertGone(server)
        self.assertEqual(server.received(), b"")
        self.assertEqual(recorder.told, ["started", "lost"])

    def test_badPolicy(self) -> None:
        """
        So does a jar that raises, whether it is to give or to take.
        """

        class Broken(DefaultCookiePolicy):
            def set_ok(self, cookie: Any, request: Any) -> bool:
                raise LookupError("no such rule")

        self.jar = CookieJar(Broken())
        for answer in (
            response("Set-Cookie: a=1", status=403),
            response("Set-Cookie: a=1", "Location: /x"),
        ):
            recorder = Recorder()
            _, outcome = self.begin(application=recorder)
            server = self.reactor.accept()
            server.request()
            server.send(answer)
            self.failed(outcome, LookupError)
            self.assertGone(server)
            self.assertIs(recorder.report.cause, CloseCause.APPLICATION_ERROR)
            self.assertIsIdle()
