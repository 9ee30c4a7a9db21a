# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.client`.
"""

from __future__ import annotations

import gc
import weakref
from base64 import b64decode
from typing import Any

import twisted.internet.reactor
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from tests.support.memory import Recorder, close, ping, pong, text
from tests.support.raw import rawFrame, xor
from tests.support.remote import (
    URL,
    ClientTestCase,
    Identity,
    Outcome,
    Request,
    Server,
    TLSServer,
    certify,
    upgrade,
)
from txwebsocket import (
    ClientConfig,
    CloseCause,
    CloseReport,
    Deflate,
    OpeningFailed,
    OpeningStep,
    State,
    WebSocketClient,
    WebSocketConnection,
    __version__,
)
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Opcode

TLS_URL = "wss://example.com/"


class RequestTests(ClientTestCase):
    """
    Tests of the request that a client sends.
    """

    def request(self, *args: Any, **more: Any) -> Request:
        """
        Connect, and return what the server reads.
        """
        self.connect(*args, **more)
        return self.reactor.accept().request()

    def test_request(self) -> None:
        """
        The whole of it, as RFC 6455, 4.1 wants it.
        """
        request = self.request("ws://example.com:8080/chat?room=1")
        [key] = request.header("Sec-WebSocket-Key")
        self.assertEqual(request.line, "GET /chat?room=1 HTTP/1.1")
        self.assertEqual(
            request.headers,
            [
                ("Host", "example.com:8080"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", key),
                ("Sec-WebSocket-Version", "13"),
                ("User-Agent", f"txwebsocket/{__version__}"),
            ],
        )

    def test_key(self) -> None:
        """
        The key is 16 bytes, other ones each time.
        """
        keys = {self.request().header("Sec-WebSocket-Key")[0] for _ in range(50)}
        self.assertEqual(len(keys), 50)
        self.assertEqual({len(b64decode(key)) for key in keys}, {16})

    def test_everything(self) -> None:
        """
        Subprotocols in their order, the origin and more headers are sent as given.
        """
        request = self.request(
            "ws://h/",
            ["v2", "v1"],
            origin="https://example.com",
            headers={"Cookie": "sid=1", "X-Latin": "\xe9\t!"},
        )
        self.assertEqual(request.header("Sec-WebSocket-Protocol"), ["v2, v1"])
        self.assertEqual(request.header("Origin"), ["https://example.com"])
        self.assertEqual(request.header("Cookie"), ["sid=1"])
        self.assertEqual(request.header("X-Latin"), ["\xe9\t!"])

    def test_headerForms(self) -> None:
        """
        Headers can be of any form, also those of twisted.web, in text or in Latin-1.
        """
        for headers in (
            {"X-A": "1", "X-B": "caf\xe9"},
            {b"X-A": b"1", b"X-B": b"caf\xe9"},
            Headers({"X-A": ["1"], b"X-B": [b"caf\xe9"]}),
        ):
            request = self.request(headers=headers)
            self.assertEqual(request.header("X-A"), ["1"])
            self.assertEqual(request.header("X-B"), ["caf\xe9"])

    def test_repeatedHeaders(self) -> None:
        """
        Headers can be pairs, so that a name can be there twice.
        """
        for headers in (
            [("X-A", "1"), ("X-B", "2"), ("x-a", "3")],
            iter([("X-A", "1"), ("X-B", "2"), ("x-a", "3")]),
        ):
            request = self.request(headers=headers)
            self.assertEqual(request.header("X-A"), ["1", "3"])

    def test_protocolsOnce(self) -> None:
        """
        Subprotocols can come from any iterable, one that can be read once as well.
        """
        request = self.request("ws://h/", (name for name in ("a", "b")))
        self.assertEqual(request.header("Sec-WebSocket-Protocol"), ["a, b"])

    def test_host(self) -> None:
        """
        ``Host`` is the URL's, unless the caller gives another: then it is there once,
        and the connection still goes to the URL's.
        """
        self.assertEqual(self.request().header("Host"), ["example.com"])
        request = self.request(headers={"host": "virtual.example:81", "X-A": "1"})
        self.assertEqual(request.header("Host"), ["virtual.example:81"])
        self.assertEqual(request.header("X-A"), ["1"])
        self.assertEqual(self.reactor.nameResolver.asked, ["example.com"] * 2)

    def test_userAgent(self) -> None:
        """
        The client says what it is, unless the caller does.
        """
        request = self.request(headers={"user-agent": "mine/1"})
        self.assertEqual(request.header("User-Agent"), ["mine/1"])

    def test_userinfo(self) -> None:
        """
        User and password of the URL are sent as Basic authentication.
        """
        request = self.request("ws://ada:p%40ss@h/")
        [value] = request.header("Authorization")
        self.assertEqual(b64decode(value.removeprefix("Basic ")), b"ada:p@ss")
        self.assertEqual(request.header("Host"), ["h"])
        self.assertEqual(request.line, "GET / HTTP/1.1")

    def test_authorization(self) -> None:
        """
        The caller's own authorization is the one that counts.
        """
        request = self.request("ws://ada:pw@h/", headers={"authorization": "Bearer x"})
        self.assertEqual(request.header("Authorization"), ["Bearer x"])

    def test_oldVersion(self) -> None:
        """
        Version 8 tells the origin under its own name (draft 8, 4.1).
        """
        request = self.request(
            origin="https://example.com", options={"webSocketVersion": 8}
        )
        self.assertEqual(request.header("Sec-WebSocket-Version"), ["8"])
        self.assertEqual(
            request.header("Sec-WebSocket-Origin"), ["https://example.com"]
        )
        self.assertEqual(request.header("Origin"), [])

    def test_extensions(self) -> None:
        """
        Extensions are offered if the options name them, and not otherwise.
        """
        name = "Sec-WebSocket-Extensions"
        self.assertEqual(self.request().header(name), [])
        request = self.request(options={"extensions": (Deflate(),)})
        [offer] = request.header(name)
        self.assertTrue(offer.startswith("permessage-deflate"), offer)

    def test_oneSegment(self) -> None:
        """
        Nothing is sent behind the request before the server has answered.
        """
        self.connect()
        server = self.reactor.accept()
        server.request()
        server.wait(5)
        self.assertEqual(server.received(), b"")


class CheckTests(ClientTestCase):
    """
    Tests of arguments that can't be part of a request.
    """

    def assertOtherType(self, told: str, **more: Any) -> None:
        """
        The same for what is of another type.
        """
        self.assertRefused(told, kind=TypeError, **more)

    def assertRefused(
        self,
        told: str,
        url: str = URL,
        protocols: Any = (),
        kind: type[Exception] = ValueError,
        **more: Any,
    ) -> None:
        """
        This raises, at once, tells what is wrong, and nothing is connected.
        """
        client = self.makeClient()
        error = self.assertRaises(kind, client.connect, url, protocols, **more)
        self.assertIn(told, str(error))
        self.assertEqual(self.reactor.nameResolver.asked, [])
        self.assertEqual(self.reactor.attempts, [])
        self.assertTrue(self.reactor.isIdle)

    def test_url(self) -> None:
        """
        A URL that is none of a WebSocket.
        """
        self.assertRefused("ws://", url="https://example.com/")
        self.assertRefused("fragment", url="ws://example.com/#a")

    def test_TLSName(self) -> None:
        """
        A host that no certificate could name.
        """
        self.assertRefused("", url="wss://a b/")

    def test_protocols(self) -> None:
        """
        A subprotocol that is no token, or is there twice.
        """
        for name in ("", "a b", "a,b", "é", "a\r\nX: y", "a/b", "\x00"):
            self.assertRefused(repr(name), protocols=["ok", name])
        self.assertRefused("twice", protocols=["a", "b", "a"])

    def test_oneProtocol(self) -> None:
        """
        One name in place of a list, whose letters would be offered one by one.
        """
        self.assertRefused("list", protocols="chat")

    def test_types(self) -> None:
        """
        What is of a type that no argument has; the error names those it has.
        """
        self.assertOtherType("str", url=b"ws://h/")
        self.assertOtherType("list of names", protocols=5)
        self.assertOtherType("list of names", protocols=None)
        self.assertRefused("name of a subprotocol", protocols=b"chat")
        self.assertOtherType("Headers", headers="X-A: 1")
        self.assertOtherType("str or bytes", headers={"X-A": 1})
        self.assertOtherType("str or bytes", origin=1)
        self.assertRefused("5", protocols=["chat", 5])

    def test_headerNames(self) -> None:
        """
        A header whose name is no token.
        """
        for name in ("", "a b", "a:", "é", "a\r\nX", "a\n", " a"):
            self.assertRefused(repr(name), headers={name: "x"})

    def test_headerValues(self) -> None:
        """
        A header that would end early, or that no header can hold.
        """
        for value in ("a\r\nX: y", "a\n", "\x00", "\x0b", "\x7f", "日本", "\ud800"):
            self.assertRefused("X-A", headers={"X-A": value})
            self.assertRefused("X-A", headers=[("X-B", "ok"), ("X-A", value)])
            self.assertRefused("Host", headers={"Host": value})

    def test_ownHeaders(self) -> None:
        """
        A header that belongs to the handshake, in any case.
        """
        for name in (
            "Connection",
            "UPGRADE",
            "content-length",
            "Transfer-Encoding",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Accept",
            "sec-websocket-version",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
        ):
            self.assertRefused(name, headers={name: "x"})

    def test_origin(self) -> None:
        """
        An origin that is no header's value.
        """
        for origin in ("https://a\r\nX: y", "\x00", "日本"):
            self.assertRefused("Origin", origin=origin)

    def test_badHost(self) -> None:
        """
        A host that no server would take.
        """
        for host in ("", "a b", "h,g", "[", "h/admin#", "u@h", "h:99999", "::1"):
            self.assertRefused(f"not {host!r}", headers={"Host": host})

    def test_twoHosts(self) -> None:
        """
        Two hosts, of which a server would have to choose one.
        """
        self.assertRefused("Host", headers=[("Host", "a"), ("host", "b")])

    def test_twoOrigins(self) -> None:
        """
        Two origins, which a server refuses.
        """
        self.assertRefused(
            "Origin", origin="https://a", headers={"origin": "https://b"}
        )
        for headers in (
            {"sec-websocket-origin": "https://b"},
            {"Sec-WebSocket-Origin": "https://a"},
        ):
            client = self.makeClient(webSocketVersion=8)
            error = self.assertRaises(
                ValueError, client.connect, URL, origin="https://a", headers=headers
            )
            self.assertIn("Sec-WebSocket-Origin", str(error))

    def test_notLogged(self) -> None:
        """
        User and password of a URL are in no error, whatever fails.
        """
        for userinfo in ("hunter2", "hunter2:", "ada:hunter2", ":hunter2"):
            outcome = self.connect(f"ws://{userinfo}@example.com/")
            self.reactor.refuse(OSError("odd"))
            self.assertNotIn("hunter2", str(self.failed(outcome, OpeningFailed)))
        connection, _ = self.open("ws://ada:hunter2@example.com/")
        self.assertEqual(connection.url, "ws://example.com/")
        self.assertNotIn("hunter2", repr(connection))


class ManyTests(ClientTestCase):
    """
    Tests of one client with several connections.
    """

    def test_many(self) -> None:
        """
        A client connects any number of times, at the same time too; the connections
        know nothing of each other.
        """
        client = self.makeClient()
        first = Outcome(client.connect("ws://a/"))
        second = Outcome(client.connect("ws://b/"))
        for attempt, message in zip(self.reactor.attempts, "ab", strict=True):
            server = attempt.succeed(MemoryTransport(self.reactor))
            server.upgrade()
            server.sendText(message)
        for outcome, message in ((first, "a"), (second, "b")):
            received = self.opened(outcome).receive()
            self.assertEqual(self.successResultOf(received), message)

    def test_abort(self) -> None:
        """
        ``abort`` gives up all openings in progress, at whatever stage, and leaves open
        connections alone.
        """
        client = self.makeClient()
        done = Outcome(client.connect("ws://a/"))
        self.reactor.accept().upgrade()
        answering = Outcome(client.connect("ws://b/"))
        server = self.reactor.accept()
        connecting = Outcome(client.connect("ws://c/"))
        client.abort()
        for outcome in (answering, connecting):
            self.failed(outcome, CancelledError)
        self.assertTrue(self.reactor.attempts[2].isOver)
        server.turn()
        self.assertTrue(server.transport.wasAborted)
        self.assertTrue(self.opened(done).connected)

    def test_abortNothing(self) -> None:
        """
        It can be called at any time, and the client connects again afterwards.
        """
        client = self.makeClient()
        client.abort()
        outcome = Outcome(client.connect(URL))
        self.reactor.refuse(OSError("odd"))
        self.failed(outcome, OpeningFailed)
        client.abort()
        again = Outcome(client.connect(URL))
        self.reactor.accept().upgrade()
        client.abort()
        self.assertTrue(self.opened(again).connected)

    def test_abortFromErrback(self) -> None:
        """
        Who learns that one opening failed may give up the others, or try again.
        """
        client = self.makeClient()
        others: list[Outcome] = []

        def giveUp(_: object) -> None:
            client.abort()
            others.append(Outcome(client.connect("ws://c/")))

        client.connect("ws://a/").addErrback(giveUp)
        second = Outcome(client.connect("ws://b/"))
        self.reactor.attempts[0].fail(OSError("odd"))
        self.reactor.advance(1)
        self.failed(second, CancelledError)
        self.assertEqual(others[0].results, [])

    def test_keepsNothing(self) -> None:
        """
        A client that connects again and again keeps nothing of what is over.
        """
        client = self.makeClient()
        opened = client.connect(URL)
        server = self.reactor.accept()
        server.upgrade()
        server.vanish()
        left = weakref.ref(opened)
        del opened, server
        self.reactor.attempts.clear()
        gc.collect()
        self.assertIsNone(left())

    def test_config(self) -> None:
        """
        A client without options has the defaults, and shows them.
        """
        self.assertEqual(WebSocketClient(self.reactor).config, ClientConfig())
        config = ClientConfig(openTimeout=1)
        self.assertIs(WebSocketClient(self.reactor, config).config, config)


class TCPTests(ClientTestCase):
    """
    Tests of where a client connects to.
    """

    def test_name(self) -> None:
        """
        To the first address of the URL's host, at its port.
        """
        self.connect("ws://bücher.example:8080/")
        self.assertEqual(self.reactor.nameResolver.asked, ["xn--bcher-kva.example"])
        [attempt] = self.reactor.attempts
        self.assertEqual((attempt.host, attempt.port), ("192.0.2.1", 8080))

    def test_address(self) -> None:
        """
        Or to the address that the URL has.
        """
        self.reactor.nameResolver.addresses["2001:db8::5"] = ["2001:db8::5"]
        self.connect("ws://[2001:db8::5]/")
        [attempt] = self.reactor.attempts
        self.assertEqual((attempt.host, attempt.port), ("2001:db8::5", 80))
        request = self.reactor.accept().request()
        self.assertEqual(request.header("Host"), ["[2001:db8::5]"])

    def test_options(self) -> None:
        """
        Where TCP comes from can be chosen.
        """
        WebSocketClient(self.reactor, bindAddress="192.0.2.9").connect(URL)
        [attempt] = self.reactor.attempts
        self.assertEqual(attempt.bindAddress, ("192.0.2.9", 0))


def trusting(authority: Identity) -> IPolicyForHTTPS:
    """
    A policy for which one authority is the only one.
    """
    root = Certificate(X509.from_cryptography(authority.certificate))
    policy: IPolicyForHTTPS = BrowserLikePolicyForHTTPS(root)
    return policy


@implementer(IPolicyForHTTPS)
class RecordingPolicy:
    """
    A policy that writes down what it is asked for.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int]] = []

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """
        Verify as Twisted does.
        """
        self.asked.append((hostname, port))
        return optionsForClientTLS(hostname.decode("ascii"))


class TLSTests(ClientTestCase):
    """
    Tests of ``wss:``.
    """

    authority = certify()
    others = certify()

    def connectTLS(
        self, identity: Identity, url: str = TLS_URL, policy: Any = None
    ) -> tuple[Outcome, TLSServer]:
        """
        Connect to a server with this identity.
        """
        client = WebSocketClient(self.reactor, tlsPolicy=policy)
        outcome = Outcome(client.connect(url))
        return outcome, TLSServer(self.reactor.accept(), identity.context())

    def assertUntrusted(self, identity: Identity, url: str = TLS_URL) -> None:
        """
        The opening fails while TLS starts, and the server never sees a request.
        """
        outcome, tls = self.connectTLS(identity, url, trusting(self.authority))
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.TLS)
        self.assertEqual(tls.plain, b"")
        self.assertFalse(tls.server.transport.isConnected)
        self.assertTrue(self.reactor.isIdle)

    def test_open(self) -> None:
        """
        A server that proves to be the URL's host is talked to through TLS alone.
        """
        identity = certify("example.com", issuer=self.authority)
        policy = trusting(self.authority)
        outcome, tls = self.connectTLS(identity, policy=policy)
        self.assertEqual(self.reactor.attempts[0].port, 443)
        tls.upgrade()
        connection = self.opened(outcome)
        connection.send("secret")
        tls.send(rawFrame(Opcode.TEXT, b"hello"))
        self.assertEqual(self.successResultOf(connection.receive()), "hello")
        second = tls.plain[1]
        self.assertEqual(second, 0x80 | 6)
        self.assertEqual(xor(tls.plain[6:], tls.plain[2:6]), b"secret")

    def test_close(self) -> None:
        """
        The closing handshake is the same over TLS.
        """
        identity = certify("example.com", issuer=self.authority)
        policy = trusting(self.authority)
        outcome, tls = self.connectTLS(identity, policy=policy)
        tls.upgrade()
        closed = self.opened(outcome).close()
        tls.turn()
        tls.send(rawFrame(Opcode.CLOSE, b"\x03\xe8"))
        tls.server.end()
        self.assertTrue(self.successResultOf(closed).wasClean)
        self.assertTrue(self.reactor.isIdle)

    def test_ownReactor(self) -> None:
        """
        TLS keeps to the client's own reactor, and plans nothing on the installed one.
        """
        installed: Any = twisted.internet.reactor
        planned = set(installed.getDelayedCalls())
        self.connect(TLS_URL)
        server = self.reactor.accept()
        server.turn()
        found = set(installed.getDelayedCalls()) - planned
        for call in found:
            call.cancel()
        self.assertEqual(found, set())

    def test_nativeKeepalive(self) -> None:
        """
        TCP's own keepalive can be had below TLS.
        """
        client = WebSocketClient(
            self.reactor,
            ClientConfig(useNativeKeepalive=True),
            tlsPolicy=trusting(self.authority),
        )
        outcome = Outcome(client.connect(TLS_URL))
        identity = certify("example.com", issuer=self.authority)
        TLSServer(self.reactor.accept(), identity.context()).upgrade()
        self.assertTrue(self.opened(outcome).connected)

    def test_serverName(self) -> None:
        """
        A server with many names is told which one is wanted, in ASCII.
        """
        for url, name in {
            TLS_URL: "example.com",
            "wss://BÜCHER.example:8443/": "xn--bcher-kva.example",
        }.items():
            identity = certify(name, issuer=self.authority)
            _, tls = self.connectTLS(identity, url, trusting(self.authority))
            self.assertEqual(tls.serverName, name)
            self.assertIsNone(tls.error)

    def test_addresses(self) -> None:
        """
        A server can prove to be at an address, which it is not told as its name.
        """
        for address, netloc in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "[2001:db8::7]"),
        ):
            self.reactor.nameResolver.addresses[address] = [address]
            identity = certify(address, issuer=self.authority)
            policy = trusting(self.authority)
            outcome, tls = self.connectTLS(identity, f"wss://{netloc}/", policy)
            self.assertIsNone(tls.serverName)
            tls.upgrade()
            self.assertTrue(self.opened(outcome).connected)

    def test_otherName(self) -> None:
        """
        A certificate for another host is refused.
        """
        for name in ("example.org", "www.example.com", "*.example.com", "com"):
            self.assertUntrusted(certify(name, issuer=self.authority))

    def test_otherAddress(self) -> None:
        """
        So is one for another address, or for a name where an address is wanted.
        """
        for name in ("192.0.2.8", "example.com"):
            identity = certify(name, issuer=self.authority)
            self.assertUntrusted(identity, "wss://192.0.2.7/")

    def test_expired(self) -> None:
        """
        One that was valid once is refused.
        """
        self.assertUntrusted(
            certify("example.com", issuer=self.authority, isExpired=True)
        )

    def test_selfSigned(self) -> None:
        """
        One that nobody has signed is refused.
        """
        self.assertUntrusted(certify("example.com"))

    def test_otherAuthority(self) -> None:
        """
        One that somebody else has signed is refused.
        """
        self.assertUntrusted(certify("example.com", issuer=self.others))

    def test_default(self) -> None:
        """
        All this is so without any policy: whoever the platform does not trust is not
        trusted.
        """
        outcome, tls = self.connectTLS(certify("example.com", issuer=self.authority))
        self.assertIs(self.failed(outcome, OpeningFailed).step, OpeningStep.TLS)
        self.assertEqual(tls.plain, b"")

    def test_cause(self) -> None:
        """
        The error says what is wrong with the certificate.
        """
        outcome, _ = self.connectTLS(certify("example.com"))
        error = self.failed(outcome, OpeningFailed)
        self.assertIsInstance(error.cause, SSL.Error)
        self.assertIn("certificate", str(error))

    def test_policy(self) -> None:
        """
        A policy is asked for the URL's host and port, and for ``wss:`` only.
        """
        policy = RecordingPolicy()
        client = WebSocketClient(self.reactor, tlsPolicy=policy)
        for url in (TLS_URL, "wss://bücher.example:8443/", "wss://[::1]/", URL):
            client.connect(url).addErrback(lambda _: None)
        client.abort()
        self.assertEqual(
            policy.asked,
            [(b"example.com", 443), (b"xn--bcher-kva.example", 8443), (b"::1", 443)],
        )

    def test_notTLS(self) -> None:
        """
        A server that speaks no TLS is told from one that is no WebSocket.
        """
        outcome = self.connect(TLS_URL)
        server = self.reactor.accept()
        server.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.TLS)


class MaskTests(ClientTestCase):
    """
    Tests of the masks on what a client sends (RFC 6455, 5.3).
    """

    def sent(self, server: Server) -> list[tuple[int, bytes, bytes]]:
        """
        Opcode, mask and payload of each small frame that has arrived.
        """
        server.turn()
        data = server.received()
        found = []
        while data:
            self.assertTrue(data[1] & 0x80, "it is masked")
            size = data[1] & 0x7F
            key, payload = data[2:6], data[6 : 6 + size]
            found.append((data[0] & 0xF, key, xor(payload, key)))
            data = data[6 + size :]
        return found

    def test_everyFrame(self) -> None:
        """
        Every frame is masked: messages, pings, pongs and the close frame.
        """
        connection, server = self.open()
        connection.send("a")
        connection.send(b"b")
        connection.send("")
        connection.ping(b"c")
        connection.pong(b"d")
        server.ping(b"e")
        connection.close(1000, "f")
        self.assertEqual(
            [(opcode, payload) for opcode, _, payload in self.sent(server)],
            [
                (Opcode.TEXT, b"a"),
                (Opcode.BINARY, b"b"),
                (Opcode.TEXT, b""),
                (Opcode.PING, b"c"),
                (Opcode.PONG, b"d"),
                (Opcode.PONG, b"e"),
                (Opcode.CLOSE, b"\x03\xe8f"),
            ],
        )
        server.sendClose(1000)
        server.end()

    def test_fresh(self) -> None:
        """
        Each mask is new, also between connections: none can be told from those before.
        """
        masks = []
        for _ in range(4):
            connection, server = self.open()
            for _ in range(500):
                connection.send("a")
            masks += [mask for _, mask, _ in self.sent(server)]
        # By chance, one of 2000 runs has a mask twice.
        self.assertGreaterEqual(len(set(masks)), 1999)
        for place in range(4):
            self.assertGreater(len({mask[place] for mask in masks}), 200)

    def test_fragments(self) -> None:
        """
        The fragments of one message have a mask each.
        """
        connection, server = self.open(
            options={"fragmentOutgoingMessages": True, "fragmentationThreshold": 10}
        )
        connection.send(b"x" * 95)
        frames = self.sent(server)
        self.assertEqual(len(frames), 10)
        self.assertEqual(len({mask for _, mask, _ in frames}), 10)

    def test_large(self) -> None:
        """
        A large message is masked as well, and arrives as it was.
        """
        connection, server = self.open()
        message = bytes(range(256)) * 1000
        connection.send(message)
        server.turn()
        data = bytes(server.transport.sent)
        self.assertNotIn(message[:256], data)
        [frame] = server.frames()
        self.assertEqual(frame.payload, message)

    def test_maskedServer(self) -> None:
        """
        A server must not mask: one that does is told 1002, and nothing of it is
        delivered.
        """
        recorder = Recorder()
        _, server = self.open(application=recorder)
        server.send(rawFrame(Opcode.TEXT, b"a", mask=b"abcd") + server.text("b"))
        [frame] = server.frames()
        self.assertEqual(frame.payload[:2], b"\x03\xea")
        server.end()
        self.assertEqual(recorder.messages, [])
        self.assertIs(recorder.report.cause, CloseCause.PEER_FAULT)


class ClosingTests(ClientTestCase):
    """
    Tests of how a client's connection ends.
    """

    def assertEnded(self, closed: Any, isClean: bool = True) -> CloseReport:
        """
        The connection has ended, and nothing is planned.
        """
        report: CloseReport = self.successResultOf(closed)
        self.assertIs(report.wasClean, isClean)
        self.assertTrue(self.reactor.isIdle)
        return report

    def test_waitsForServer(self) -> None:
        """
        After both close frames the server ends the connection, so that it is the client
        that has no port kept by TIME_WAIT (RFC 6455, 7.1.1).
        """
        connection, server = self.open()
        closed = connection.close(1000, "bye")
        self.assertEqual(server.frames(), [close(1000, "bye")])
        server.sendClose(1000)
        self.assertNoResult(closed)
        self.assertIs(connection.state, State.AWAITING_LOSS)
        transport = server.transport
        self.assertFalse(transport.disconnecting or transport.wasAborted)
        server.end()
        report = self.assertEnded(closed)
        self.assertIs(report.cause, CloseCause.LOCAL_CLOSE)

    def test_serverCloses(self) -> None:
        """
        It is the same if the server begins.
        """
        connection, server = self.open()
        server.sendClose(1001, "later")
        self.assertEqual(server.frames(), [close(1001, "later")])
        self.assertFalse(server.transport.disconnecting)
        server.end()
        report = self.assertEnded(connection.whenClosed())
        self.assertIs(report.cause, CloseCause.PEER_CLOSE)
        self.assertEqual((report.code, report.reason), (1001, "later"))

    def test_serverStays(self) -> None:
        """
        A server that does not end it is not waited for longer than ``closeTimeout``;
        the close was clean all the same.
        """
        connection, server = self.open(options={"closeTimeout": 3})
        closed = connection.close(1000)
        server.sendClose(1000)
        server.wait(2.9)
        self.assertNoResult(closed)
        server.wait(0.1)
        self.assertTrue(server.transport.wasAborted)
        self.assertIs(self.assertEnded(closed).cause, CloseCause.LOCAL_CLOSE)

    def test_serverSilent(self) -> None:
        """
        Nor is one that does not answer the close frame.
        """
        connection, server = self.open(options={"closeTimeout": 3})
        closed = connection.close(1000)
        server.wait(2.9)
        self.assertNoResult(closed)
        server.wait(0.1)
        report = self.assertEnded(closed, isClean=False)
        self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)

    def test_lost(self) -> None:
        """
        A connection that breaks is told at once.
        """
        connection, server = self.open()
        server.vanish()
        report = self.assertEnded(connection.whenClosed(), isClean=False)
        self.assertIs(report.cause, CloseCause.PEER_LOST)
        self.assertIn("the cable was cut", str(report))

    def test_keepalive(self) -> None:
        """
        A server that is silent is asked for a sign of life, and given up if there is
        none.
        """
        connection, server = self.open()
        server.waitLong(20)
        [frame] = server.frames()
        self.assertEqual(frame.opcode, Opcode.PING)
        server.pong(frame.payload)
        server.waitLong(20)
        [frame] = server.frames()
        self.assertEqual(frame, ping(frame.payload))
        server.waitLong(9)
        self.assertTrue(connection.connected)
        server.waitLong(1)
        self.assertTrue(server.transport.wasAborted)
        report = self.assertEnded(connection.whenClosed(), isClean=False)
        self.assertIs(report.cause, CloseCause.KEEPALIVE_TIMEOUT)

    def test_answersPings(self) -> None:
        """
        The server's own pings are answered.
        """
        _, server = self.open()
        server.ping(b"?")
        self.assertEqual(server.frames(), [pong(b"?")])

    def test_slowServer(self) -> None:
        """
        A client goes on reading while the server reads nothing: two that wait for each
        other would wait for ever.
        """
        connection, server = self.open()
        server.stall()
        connection.send(bytes(200_000))
        server.sendText("still here")
        self.assertEqual(self.successResultOf(connection.receive()), "still here")

    def test_awaited(self) -> None:
        """
        ``await`` and ``async with`` work on what the client returns.
        """

        async def talk() -> CloseReport:
            connection = await self.makeClient().connect(URL)
            async with connection:
                connection.send("hello")
                told.append(await connection.receive())
            return await connection.whenClosed()

        told: list[str | bytes] = []
        ended = Deferred.fromCoroutine(talk())
        server = self.reactor.accept()
        server.send(upgrade(server.request()) + server.text("early"))
        self.assertEqual(told, ["early"])
        self.assertEqual(server.frames(), [text("hello"), close(1000)])
        server.sendClose(1000)
        server.end()
        self.assertEnded(ended)

    def test_type(self) -> None:
        """
        What the Deferred is fired with is the connection that an application has.
        """
        recorder = Recorder()
        connection, _ = self.open(application=recorder)
        self.assertIsInstance(connection, WebSocketConnection)
        self.assertIs(recorder.connection, connection)
