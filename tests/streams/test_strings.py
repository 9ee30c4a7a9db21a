# Part of txwebsocket. See LICENSE for details.
"""
Tests of the endpoint strings.
"""

from __future__ import annotations

import sys
from subprocess import run
from typing import Any

from twisted.internet.endpoints import (
    clientFromString,
    quoteStringArgument,
    serverFromString,
)
from twisted.internet.interfaces import (
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpointStringParser,
)
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.streams.test_endpoints import StreamFactory
from tests.support.memory import Served, binary
from tests.support.remote import ClientTestCase, Outcome
from txwebsocket import (
    OpeningTimedOut,
    WebSocketStreamClientEndpoint,
    WebSocketStreamServerEndpoint,
)

PREFIXES = {"ws", "wss"}

# Lists the modules of ours that reading all plugins loads, and the reactor.
LOOK = """
import sys
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins
print([plugin.prefix for plugin in getPlugins(IStreamServerEndpointStringParser)])
print([name for name in sys.modules if name.partition(".")[0] == "txwebsocket"])
"""


class PluginTests(SynchronousTestCase):
    """
    Tests of what Twisted finds.
    """

    def test_client(self) -> None:
        """
        Twisted finds a parser for each prefix of a client's strings.
        """
        interface = IStreamClientEndpointStringParserWithReactor
        found = [each for each in getPlugins(interface) if each.prefix in PREFIXES]
        self.assertEqual({each.prefix for each in found}, PREFIXES)
        for each in found:
            self.assertTrue(verifyObject(interface, each))

    def test_server(self) -> None:
        """
        Twisted finds one parser of a server's strings.
        """
        interface = IStreamServerEndpointStringParser
        found = [each for each in getPlugins(interface) if each.prefix in PREFIXES]
        [parser] = found
        self.assertEqual(parser.prefix, "ws")
        self.assertTrue(verifyObject(interface, parser))

    def test_lazy(self) -> None:
        """
        To look for parsers loads nothing of ours, since every program does so.
        """
        done = run(
            [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True
        )
        prefixes, modules = done.stdout.splitlines()
        self.assertIn("'ws'", prefixes)
        self.assertEqual(modules, "[]")


class ClientStringTests(ClientTestCase):
    """
    Tests of ``clientFromString``.
    """

    def connectTo(self, description: str) -> Outcome:
        """
        Begin to connect.
        """
        endpoint = clientFromString(self.reactor, description)
        self.assertIsInstance(endpoint, WebSocketStreamClientEndpoint)
        return Outcome(endpoint.connect(StreamFactory()))

    def assertLeads(self, description: str, port: int, host: str, path: str) -> None:
        """
        A string leads to this place.
        """
        self.connectTo(description)
        attempt = self.reactor.attempts[-1]
        self.assertEqual(attempt.port, port)
        if port == 443:
            self.assertIn(host, self.reactor.nameResolver.asked)
            return
        request = self.reactor.accept().request()
        self.assertEqual(request.line, f"GET {path} HTTP/1.1")
        self.assertEqual(request.header("Host"), [host])

    def test_plain(self) -> None:
        """
        A URL without ``=`` can stand as it is, with its slashes or without.
        """
        for description, port, host, path in (
            ("ws:example.com", 80, "example.com", "/"),
            ("ws:example.com/amp", 80, "example.com", "/amp"),
            ("ws://example.com/amp", 80, "example.com", "/amp"),
            ("WS://example.com/amp", 80, "example.com", "/amp"),
            ("ws:example.com:8080/a/b?c", 8080, "example.com:8080", "/a/b?c"),
            ("ws://example.com:8080/a:b", 8080, "example.com:8080", "/a:b"),
            ("ws://[2001\\:db8\\:\\:1]:8080/", 8080, "[2001:db8::1]:8080", "/"),
            ("ws://[2001:db8::1]:8080/", 8080, "[2001:db8::1]:8080", "/"),
            ("wss:example.com/amp", 443, "example.com", ""),
            ("wss://example.com/amp", 443, "example.com", ""),
        ):
            self.assertLeads(description, port, host, path)

    def test_quoted(self) -> None:
        """
        Any URL can be given as ``url=``, with its colons escaped.
        """
        for url, port, host, path in (
            ("ws://example.com:8080/a?b=c&d=:", 8080, "example.com:8080", "/a?b=c&d=:"),
            ("wss://example.com/a?b=c", 443, "example.com", ""),
        ):
            self.assertLeads(f"ws:url={quoteStringArgument(url)}", port, host, path)
        self.assertLeads("wss:url=wss\\://example.com/", 443, "example.com", "")

    def test_options(self) -> None:
        """
        Subprotocols, an origin and a timeout can be given behind it.
        """
        outcome = self.connectTo(
            "ws:example.com/amp:protocol=amp,amp.2:origin=https\\://example.org:timeout=2.5"
        )
        server = self.reactor.accept()
        request = server.request()
        self.assertEqual(request.line, "GET /amp HTTP/1.1")
        self.assertEqual(request.header("Sec-WebSocket-Protocol"), ["amp, amp.2"])
        self.assertEqual(request.header("Origin"), ["https://example.org"])
        self.reactor.advance(2.4)
        self.assertEqual(outcome.results, [])
        self.reactor.advance(0.1)
        self.failed(outcome, OpeningTimedOut)

    def assertRefused(self, description: str, *words: str) -> None:
        """
        A string is refused with these words.
        """
        with self.assertRaises(ValueError) as raised:
            clientFromString(self.reactor, description)
        for word in words:
            self.assertIn(word, str(raised.exception))

    def test_wrong(self) -> None:
        """
        A wrong string is refused with what is wrong in it and what is accepted.
        """
        accepted = ("wss:example.com/amp", "url=", "clientFromURL")
        for description, word in (
            ("ws://example.com/chat?room=a", "'//example.com/chat?room'"),
            ("ws:example.com:protokol=amp", "'protokol'"),
            ("ws:example.com:url=ws\\://example.com", "one URL"),
            ("ws:protocol=amp", "one URL"),
            ("wss:url=ws\\://example.com", "wss://"),
        ):
            self.assertRefused(description, word, *accepted)
        self.assertRefused("ws:example.com:timeout=soon", "timeout", "'soon'")
        self.assertRefused("ws:example.com:timeout=0", "timeout", "'0'")
        self.assertRefused("ws:example.com:protocol=a b", "a b")
        self.assertRefused("ws:", "ws://")

    def test_secrets(self) -> None:
        """
        No refusal shows a password, wherever Twisted has split it.
        """
        for url in (
            "ws://me:sec=ret@example.com/",
            "ws://me:sec=r:et@example.com/",
            "ws://me:secret@example.com/?a=b",
            "ws://me:secret@example.com/#part",
        ):
            with self.assertRaises(ValueError) as raised:
                clientFromString(self.reactor, url)
            self.assertNotIn("sec", str(raised.exception))


class ServerStringTests(SynchronousTestCase):
    """
    Tests of ``serverFromString``.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()

    def listen(self, description: str) -> Served:
        """
        Listen, and serve there.
        """
        endpoint = serverFromString(self.reactor, description)
        self.assertIsInstance(endpoint, WebSocketStreamServerEndpoint)
        self.factory = StreamFactory()
        self.successResultOf(endpoint.listen(self.factory))
        listening: Any = [*self.reactor.tcpServers, *self.reactor.unixServers][-1]
        site = next(each for each in listening if hasattr(each, "buildProtocol"))
        self.where = listening[0]
        return Served(site.resource, site=site, clock=self.reactor)

    def test_tcp(self) -> None:
        """
        It wraps any endpoint string, whose colons are escaped.
        """
        served = self.listen("ws:tcp\\:8080\\:interface\\=127.0.0.1")
        self.assertEqual(self.where, 8080)
        self.assertEqual(self.reactor.tcpServers[0][3], "127.0.0.1")
        peer = served.upgrade()
        peer.sendBytes(b"a")
        self.assertEqual(self.factory.made[0].pieces, [b"a"])
        self.factory.made[0].transport.write(b"b")
        self.assertEqual(peer.frames(), [binary(b"b")])

    def test_allowedHost(self) -> None:
        """
        The one host to answer for can be given, against pages that reach this machine
        by a name of their own.
        """
        served = self.listen("ws:tcp\\:8080:path=/x:allowedHost=localhost")
        for host, status in (("localhost:8080", 101), ("evil.example:8080", 421)):
            lines = f"Host: {host}", f"Origin: http://{host}"
            peer = served.request(*lines, path="/x")
            self.assertEqual(peer.response().status, status)

    def test_others(self) -> None:
        """
        So it is with those that are not TCP.
        """
        self.listen("ws:unix\\:stream.sock:path=/x")
        self.assertEqual(self.where, "stream.sock")

    def test_options(self) -> None:
        """
        The path, a subprotocol and an origin can be given behind it.
        """
        served = self.listen(
            "ws:tcp\\:8080:path=/x:protocol=amp:origin=https\\://example.org"
        )
        offer = "Sec-WebSocket-Protocol: amp"
        for path, lines, status in (
            ("/x", (offer,), 101),
            ("/x", (offer, "Origin: https://example.org"), 101),
            ("/x", (offer, "Origin: https://example.net"), 403),
            ("/x", (), 404),
            ("/", (offer,), 404),
        ):
            peer = served.request(*lines, path=path)
            self.assertEqual(peer.response().status, status, (path, lines))

    def test_wrong(self) -> None:
        """
        A wrong string is refused with what is wrong in it and what is accepted.
        """
        for description, word in (
            ("ws:tcp:8080", "'tcp', '8080'"),
            ("ws:8080", "'8080'"),
            ("ws:path=/x", "one endpoint"),
            ("ws:tcp\\:8080:paht=/x", "'paht'"),
            ("ws:ssl\\:8443\\:privateKey=a.pem", "'ssl:8443:privateKey'"),
        ):
            with self.assertRaises(ValueError) as raised:
                serverFromString(self.reactor, description)
            self.assertIn(word, str(raised.exception))
            self.assertIn("ws:tcp\\:8080", str(raised.exception))
        for option in ("path=x", "origin=*.example", "allowedHost=a b"):
            description = f"ws:tcp\\:8080:{option}"
            with self.assertRaises(ValueError):
                serverFromString(self.reactor, description)
