# Part of txwebsocket. See LICENSE for details.
"""
Tests of what the log and the errors show of a peer: a part of it, in one harmless line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Recorder, Served
from tests.support.remote import ClientReactor, Outcome, upgrade
from txwebsocket import (
    ClientConfig,
    Deflate,
    ServerConfig,
    WebSocketClient,
    WebSocketRequest,
)
from txwebsocket.connection.errors import OpeningFailed, OpeningStep, ProxyRejected
from txwebsocket.handshake.httpconnect import ProxyRefusal
from txwebsocket.wire.errors import BadResponse, shown

# A sequence that clears a terminal, as Latin-1 has it, and much behind it.
ODD = "\x9b2J" + "A" * 4000
PLAIN = "A" * 4000
MOST = 200
AGREED = "Sec-WebSocket-Protocol: a"
EXTENSIONS = "Sec-WebSocket-Extensions"


class LogTestCase(SynchronousTestCase):
    """
    What tests of the log need.
    """

    def assertShown(self, text: str) -> None:
        """
        Nothing in this text is obeyed by a terminal, or goes on and on.
        """
        self.assertTrue(text.isprintable(), text[:500])
        self.assertNotIn("A" * (MOST + 1), text)

    def logged(self, act: Callable[[], object]) -> list[str]:
        """
        The lines that our modules log while something is done.
        """
        with capturedLogs() as events:
            act()
        ours = [e for e in events if e["log_namespace"].startswith("txwebsocket")]
        lines = [str(formatEvent(event)) for event in ours]
        for line in lines:
            self.assertShown(line)
        return lines


class ServerTests(LogTestCase):
    """
    Tests of what a server logs of its clients.
    """

    def serve(self, application: Any = None, **options: Any) -> Served:
        """
        A site that lets everybody in, unless an option says otherwise.
        """
        return Served(application or Recorder, ServerConfig(**options))

    def test_refused(self) -> None:
        """
        Whatever a request is refused for, its log line tells what it asked for and why,
        with a part of what it has sent.
        """
        long = f"/?{PLAIN}"
        for lines, path, why in (
            (["Host: a b"], long, "must be a name or an address"),
            ([f"Host: {PLAIN} b"], "/", "must be a name or an address"),
            ([f"Origin: {ODD}"], long, "name the site's own origin there."),
            (
                [f"Origin: {PLAIN}"],
                "/",
                "that changes the header Host, name the site's",
            ),
            ([f"Sec-WebSocket-Protocol: {PLAIN},{PLAIN}"], "/", "Protocol: "),
            ([f"Sec-WebSocket-Protocol: {ODD}"], long, "Protocol: "),
            ([f'Sec-WebSocket-Extensions: a; b="{ODD}"'], long, "Extensions: "),
            ([f'Sec-WebSocket-Extensions: {PLAIN}; b=" {PLAIN}"'], "/", "Extensions: "),
            ([f"Sec-WebSocket-Version: {PLAIN}"], long, "Version"),
            ([f"Sec-WebSocket-Key: {ODD}"], long, "Key"),
            ([f"Upgrade: {ODD}"], long, "A proxy on the way may have removed it."),
            ([f"Connection: {ODD}"], long, "lacks"),
            ([f"{PLAIN}: \x01"], long, "control character in it"),
        ):
            site = self.serve()
            [line] = self.logged(lambda s=site, h=lines, p=path: s.request(*h, path=p))
            self.assertIn("gets no WebSocket at /", line)
            self.assertIn(why, line)

    def test_ownWords(self) -> None:
        """
        What we say about it is not cut, however long it is.
        """
        line, *_ = self.logged(
            lambda: self.serve().request(f"Origin: http://{PLAIN[:300]}")
        )
        self.assertTrue(line.endswith("name the site's own origin there."), line)

    def test_body(self) -> None:
        """
        The answer quotes no more of it, either.
        """
        peer = self.serve().request(f"Origin: {ODD}")
        self.assertNotIn(b"A" * (MOST + 1), peer.received())

    def test_undecided(self) -> None:
        """
        A request that is not decided in time, or whose handler raises, is logged with a
        part of what it has asked for.
        """

        def fail(request: WebSocketRequest) -> None:
            raise ZeroDivisionError

        def wait(request: WebSocketRequest) -> None:
            """
            Never decide.
            """

        for handler, why in ((fail, "was handled"), (wait, "was not decided")):
            site = self.serve(handler)

            def come(site: Served = site) -> None:
                site.request(path=f"/?{PLAIN}").wait(60)

            [line] = self.logged(come)
            self.assertIn(why, line)
            self.flushLoggedErrors(ZeroDivisionError)

    def test_address(self) -> None:
        """
        So is a client whose address a proxy has written, with a zone.
        """
        site = self.serve(Recorder, trustedProxies=["127.0.0.0/8", "192.168.0.0/16"])
        zone = f"fe80::1%{PLAIN}"

        def come() -> None:
            peer = site.request(f"X-Forwarded-For: {zone}", "Origin: http://other")
            peer.end()

        self.logged(come)

    def test_ended(self) -> None:
        """
        A connection that ends is logged with its reason in one line.
        """
        reason = "\x1b[2J\n\u202e" + "é" * 50
        application = Recorder()
        site = self.serve(lambda request: request.accept(application=application))

        def end() -> None:
            peer = site.upgrade()
            peer.send(peer.frame(8, (4000).to_bytes(2, "big") + reason.encode()))
            peer.transport.lose(ConnectionLost("\x1b[2J" + PLAIN))

        self.logged(end)
        self.assertShown(str(application.report))


class ClientTests(LogTestCase):
    """
    Tests of what errors of a client, which are logged, tell of servers and proxies.
    """

    def fail(self, *lines: str, **more: Any) -> str:
        """
        What an opening fails with that is answered like this.
        """
        reactor = ClientReactor()
        config = ClientConfig(maxRedirects=3, extensions=[Deflate()])
        outcome = Outcome(
            WebSocketClient(reactor, config).connect("ws://example.com/", ["a", "b"])
        )
        server = reactor.accept()
        server.request()
        server.send(upgrade(server.asked, *lines, **more))
        server.end()
        return str(outcome.results[0].value)

    def test_answers(self) -> None:
        """
        Whatever a server answers, the error has a part of it, and all of our own words.
        """
        moved = "HTTP/1.1 302 Found"
        refused = f"HTTP/1.1 403 {ODD}"
        for lines, status, why in (
            ([], refused, "the server answered 403"),
            ([f"Upgrade: {ODD}"], "", "Upgrade must be websocket"),
            ([f"Connection: {PLAIN}"], "", "Connection must name Upgrade"),
            ([f"Sec-WebSocket-Accept: {ODD}"], "", "doesn't match our key"),
            ([f"Sec-WebSocket-Protocol: {PLAIN}"], "", "must be one of a, b"),
            ([f"Sec-WebSocket-Protocol: {ODD}"], "", "must be one of a, b"),
            ([AGREED, f"Sec-WebSocket-Extensions: {PLAIN}"], "", "was not offered"),
            ([AGREED, f"Sec-WebSocket-Extensions: {ODD}"], "", "Extensions"),
            ([AGREED, f"{EXTENSIONS}: permessage-deflate; {PLAIN}"], "", "unknown"),
            ([f"Location: {PLAIN}://example.com/"], moved, "this redirect is not"),
            ([f"Location: ws://example.com:{PLAIN}/"], moved, "this redirect is not"),
            ([f"Location: ws://{PLAIN}.example/"], moved, "this redirect is not"),
            ([f"Content-Length: {ODD}"], "HTTP/1.1 403 No", "answered 403"),
        ):
            more = {"status": status} if status else {}
            told = self.fail(*lines, **more)
            self.assertShown(told)
            self.assertIn(why, told)

    def test_redirected(self) -> None:
        """
        Of a URL that a redirect led to, errors have a part.
        """
        reactor = ClientReactor()
        config = ClientConfig(maxRedirects=3)
        outcome = Outcome(WebSocketClient(reactor, config).connect("ws://example.com/"))
        server = reactor.accept()
        server.request()
        location = f"Location: ws://example.com/{PLAIN}"
        server.send(upgrade(server.asked, location, status="HTTP/1.1 302 Found"))
        reactor.advance(0)
        following = reactor.accept()
        following.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        following.end()
        self.assertShown(str(outcome.results[0].value))

    def test_proxies(self) -> None:
        """
        So it is with what a proxy says.
        """
        self.assertShown(str(ProxyRejected("proxy", ProxyRefusal(None, ODD))))

    def test_causes(self) -> None:
        """
        Errors of others are cut where they are a cause, and ours are not: they have cut
        what they quote.
        """
        own = f"{shown(ODD)} and what we say about it: {'word ' * 50}"
        for cause, told in (
            (BadResponse(own), own.rstrip()),
            (ValueError(ODD), "handshake"),
        ):
            error = OpeningFailed("ws://h/", OpeningStep.HANDSHAKE, cause)
            self.assertShown(str(error))
            self.assertIn(told, str(error))
