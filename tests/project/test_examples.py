# Part of txwebsocket. See LICENSE for details.
"""
Tests of the examples in the manual: each does what it says.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import TestResult, defaultTestLoader

import twisted.internet.reactor
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols import amp
from twisted.protocols.portforward import ProxyServer
from twisted.python import log
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.static import Data

import txwebsocket.browser
from tests.support.memory import Peer, Recorder, Served, binary, close, handshake, text
from tests.support.remote import ClientReactor, Outcome, TLSServer, certify
from txwebsocket import (
    CloseEvent,
    ConnectionRejected,
    MessageEvent,
    OpeningFailed,
    OpeningStep,
    ServerConfig,
    WebSocketConnection,
)
from txwebsocket.testing import MemorySite, MemoryTransport

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

ORDINARY = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
KIB = 1024


def load(example: str, name: str = "example") -> Any:
    """
    Run an example; return it as a module.
    """
    path = EXAMPLES / example
    module = ModuleType(name)
    exec(compile(path.read_text("utf-8"), str(path), "exec"), vars(module))
    return module


class ExampleTestCase(SynchronousTestCase):
    """
    What tests of examples need.

    :cvar example: the name of its file.
    :ivar module: the example.
    """

    example: str

    def setUp(self) -> None:
        self.module = load(self.example)

    def runScript(self, *arguments: str) -> Callable[[Any], Deferred[Any]]:
        """
        Run the example as a script.

        :return: what it does with a reactor.
        """
        started: list[Callable[[Any], Deferred[Any]]] = []
        self.patch(task, "react", started.append)
        self.patch(sys, "argv", [self.example, *arguments])
        load(self.example, "__main__")
        [start] = started
        return start

    def capture(self) -> StringIO:
        """
        What is printed from now on.
        """
        printed = StringIO()
        self.patch(sys, "stdout", printed)
        return printed

    def assertSays(self, peers: list[Peer], said: list[list[str]]) -> None:
        """
        Each of these peers has just heard this.
        """
        expected = [list(map(text, each)) for each in said]
        self.assertEqual([peer.frames() for peer in peers], expected)

    def assertHear(self, peers: list[Peer], message: str, count: int) -> None:
        """
        All these peers have just heard this long message so often, and nothing else.
        """
        for peer in peers:
            payloads = [
                frame.payload.decode("utf-8", "replace") for frame in peer.frames()
            ]
            self.assertEqual(len(payloads), count)
            self.assertTrue(all(payload == message for payload in payloads))


class AllTests(SynchronousTestCase):
    """
    Tests of the examples as a whole.
    """

    def test_each(self) -> None:
        """
        Each example has tests.
        """
        tested = {
            case.example
            for case in ExampleTestCase.__subclasses__()
            if defaultTestLoader.getTestCaseNames(case)
        }
        self.assertEqual(tested, {path.name for path in EXAMPLES.glob("*.py")})

    def test_shown(self) -> None:
        """
        Each example is shown in the manual, without its licence.
        """
        pages = [path.read_text("utf-8") for path in EXAMPLES.parent.rglob("*.rst")]
        for path in EXAMPLES.glob("*.py"):
            shown = f"examples/{path.name}\n   :lines: 4-\n"
            self.assertTrue(any(shown in page for page in pages), path.name)
            lines = path.read_text("utf-8").splitlines()
            self.assertTrue(lines[0].startswith("# Part of"), path.name)
            self.assertEqual(lines[2], "", path.name)


class ChatTests(ExampleTestCase):
    """
    Tests of the chat.
    """

    example = "chat.py"

    def test_everybody(self) -> None:
        """
        Everybody hears what anybody says, who says it included.
        """
        served = Served(self.module.Chat)
        peers = [served.upgrade() for _ in range(3)]
        peers[0].sendText("hello")
        peers[2].sendText("hi")
        self.assertSays(peers, [["hello", "hi"]] * 3)

    def test_leaving(self) -> None:
        """
        Who leaves, or is about to, hears no more, and disturbs nobody.
        """
        served = Served(self.module.Chat)
        peers = [served.upgrade() for _ in range(4)]
        closing = list(served.resource.server.connections)[1]
        closing.close()
        self.assertEqual(peers[1].frames(), [close()])
        peers[2].vanish()
        peers[0].sendText("hello")
        self.assertSays(peers, [["hello"], [], [], ["hello"]])
        peers[1].sendClose()
        self.assertEqual(len(self.module.Chat.everybody), 2)

    def test_slow(self) -> None:
        """
        Who does not read keeps nobody from talking and hearing.
        """
        served = Served(self.module.Chat, ServerConfig(maxBufferedBytes=64 * KIB))
        slow, *peers = [served.upgrade() for _ in range(3)]
        slow.stall()
        message = "x" * 30 * KIB
        for _ in range(10):
            peers[0].sendText(message)
            peers[1].turn()
        self.assertHear(peers, message, 10)


class ClientTests(ExampleTestCase):
    """
    Tests of the client.
    """

    example = "client.py"

    def test_talk(self) -> None:
        """
        It says something, prints what comes back, and how it ended.
        """
        start = self.runScript("ws://example.com/", "hello")
        printed = self.capture()
        reactor = ClientReactor()
        done = start(reactor)
        server = reactor.accept()
        server.upgrade()
        self.assertEqual(server.frames(), [text("hello")])
        server.sendText("good morning")
        self.assertEqual(server.frames(), [close()])
        server.sendClose()
        server.end()
        self.assertIsNone(self.successResultOf(done))
        answer, report = printed.getvalue().splitlines()
        self.assertEqual(answer, "good morning")
        self.assertIn("1000", report)

    def test_fails(self) -> None:
        """
        A server that can't be reached ends it with an error.
        """
        start = self.runScript("ws://example.com/", "hello")
        reactor = ClientReactor()
        done = start(reactor)
        reactor.refuse(ConnectionRefusedError())
        self.failureResultOf(done, OpeningFailed)


class W3CTests(ExampleTestCase):
    """
    Tests of the client in the words of a browser.
    """

    example = "w3c.py"

    def test_talk(self) -> None:
        """
        It says something, prints what comes back, and closes.
        """
        start = self.runScript("ws://example.com/", "hello")
        printed = self.capture()
        reactor = ClientReactor()
        done = start(reactor)
        server = reactor.accept()
        server.upgrade()
        self.assertEqual(server.frames(), [text("hello")])
        server.sendText("good morning")
        self.assertEqual(server.frames(), [close(1000, "thanks")])
        server.sendClose(1000)
        server.end()
        self.assertEqual(self.successResultOf(done).code, 1000)
        self.assertEqual(printed.getvalue(), "good morning\n")

    def test_fails(self) -> None:
        """
        A server that can't be reached is told of.
        """
        start = self.runScript("ws://example.com/", "hello")
        printed = self.capture()
        reactor = ClientReactor()
        done = start(reactor)
        reactor.refuse(ConnectionRefusedError("nobody there"))
        reactor.advance(0)
        self.assertEqual(self.successResultOf(done).code, 1006)
        self.assertIn("nobody there", printed.getvalue())


class PageTests(ExampleTestCase):
    """
    Tests of the program in a page.
    """

    example = "page.py"

    def setUp(self) -> None:
        """
        Nothing of a browser is here.
        """

    def test_page(self) -> None:
        """
        It shows each message, and the end.
        """
        js = ModuleType("js")
        page = SimpleNamespace(body=SimpleNamespace(innerText=""))
        vars(js)["document"] = page
        self.patch(
            txwebsocket.browser,
            "w3cwebsocket",
            lambda *args: SimpleNamespace(args=args),
        )
        sys.modules["js"] = js
        self.addCleanup(sys.modules.pop, "js")
        socket = load(self.example).socket
        self.assertEqual(socket.args, ("wss://example.com/news", "news.v1"))
        socket.onmessage(MessageEvent("message", data="snow"))
        self.assertEqual(page.body.innerText, "snow")
        socket.onclose(CloseEvent("close", code=1001, reason="bye"))
        self.assertEqual(page.body.innerText, "no more news: 1001 bye")


class MemberTests(ExampleTestCase):
    """
    Tests of a client that logs in first.
    """

    example = "member.py"

    def test_enter(self) -> None:
        """
        The cookie of the page goes to the WebSocket, and that of a redirect to where it
        leads.
        """
        start = self.runScript("http://example.com/login", "ws://example.com/chat")
        printed = self.capture()
        reactor = ClientReactor()
        done = start(reactor)
        for head, cookies in (
            ("200 OK", []),
            ("302 Found\r\nLocation: //chat.example.com/new", ["sid=1"]),
        ):
            server = reactor.accept()
            self.assertEqual(server.request().header("Cookie"), cookies)
            cookie = "Set-Cookie: sid=1; Domain=example.com\r\nContent-Length: 0"
            server.send(f"HTTP/1.1 {head}\r\n{cookie}\r\n\r\n".encode("ascii"))
        server = reactor.accept()
        server.upgrade(early=server.text("welcome"))
        self.assertEqual(server.asked.header("Cookie"), ["sid=1"])
        server.sendClose()
        server.end()
        self.assertIsNone(self.successResultOf(done))
        there, said = printed.getvalue().splitlines()
        self.assertEqual(there, "connected to ws://chat.example.com/new")
        self.assertEqual(said, "welcome")


class ProxyTests(ExampleTestCase):
    """
    Tests of the proxy that the environment names.
    """

    example = "proxy.py"

    def talk(self, *answers: bytes) -> tuple[str, list[str]]:
        """
        Run it behind a proxy that answers this; return what the proxy was asked, and
        what is printed.
        """
        self.patch(os, "environ", {"http_proxy": "http://proxy.example:3128"})
        start = self.runScript("ws://example.com/", "hello")
        printed = self.capture()
        reactor = ClientReactor()
        done = start(reactor)
        server = reactor.accept()
        server.turn()
        asked = server.received().decode("ascii")
        for answer in answers:
            server.send(answer)
        if not self.isOver(done):
            server.upgrade()
            server.sendText("good morning")
            server.sendClose()
            server.end()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(reactor.nameResolver.asked, ["proxy.example"])
        return asked, printed.getvalue().splitlines()

    def isOver(self, done: Deferred[Any]) -> bool:
        """
        Has the script ended?
        """
        return bool(done.called)

    def test_through(self) -> None:
        """
        The proxy is asked for the server.
        """
        asked, printed = self.talk(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertTrue(asked.startswith("CONNECT example.com:80 "))
        self.assertEqual(printed, ["good morning"])

    def test_refused(self) -> None:
        """
        If it refuses, what it says is printed.
        """
        _, printed = self.talk(
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nnot this"
        )
        self.assertIn("http://proxy.example:3128 refused: 403", printed[0])
        self.assertEqual(printed[1:], ["not this"])


class ChainTests(ExampleTestCase):
    """
    Tests of two proxies, one behind the other.
    """

    example = "chain.py"

    def test_chain(self) -> None:
        """
        The first is asked for the second, the second for the server.
        """
        reactor = ClientReactor()
        outcome = Outcome(self.module.makeClient(reactor).connect("ws://h.example/"))
        server = reactor.accept()
        server.turn()
        self.assertTrue(server.received().startswith(b"CONNECT inner.example:1080 "))
        server.send(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(server.received(), b"\x05\x01\x00")
        server.send(b"\x05\x00")
        self.assertIn(b"\x09h.example\x00\x50", server.received())
        server.send(b"\x05\x00\x00\x01" + bytes(6))
        server.upgrade()
        self.assertTrue(outcome.results[0].connected)


class CompressionTests(ExampleTestCase):
    """
    Tests of compression.
    """

    example = "compression.py"

    def test_bothRoles(self) -> None:
        """
        Both roles compress: a long message is short on its way there and back.
        """

        class Echo(Recorder):
            def textMessageReceived(self, message: str) -> None:
                self.connection.send(message)

        site = MemorySite(self.module.makeResource(Echo))
        config = self.module.makeClient(ClientReactor()).config
        connection = self.successResultOf(site.connect(config=config))
        self.assertIn("permessage-deflate", connection.extensions)
        message = "again and " * 10 * KIB
        connection.send(message)
        site.flush()
        self.assertEqual(self.successResultOf(connection.receive()), message)
        self.assertLess(connection.traffic.bytesSent, KIB)
        self.assertLess(connection.traffic.bytesReceived, KIB)

    def test_notAgreed(self) -> None:
        """
        Who does not offer it is served without.
        """
        site = MemorySite(self.module.makeResource(Recorder))
        connection = self.successResultOf(site.connect())
        self.assertEqual(connection.extensions, "")


class EmbeddedTests(ExampleTestCase):
    """
    Tests of a WebSocket beside pages.
    """

    example = "embedded.py"

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.logged: list[Any] = []
        self.patch(log, "startLogging", self.logged.append)
        start = self.runScript()
        self.done = start(self.reactor)
        [(self.port, site, _, self.interface)] = self.reactor.tcpServers
        self.served = Served(site.resource, site=site, clock=self.reactor)

    def test_listens(self) -> None:
        """
        It listens on port 8080 of this machine, and goes on until it is told to stop.
        """
        self.assertEqual((self.port, self.interface), (8080, "127.0.0.1"))
        self.assertNoResult(self.done)
        self.assertEqual(self.logged, [sys.stdout])

    def test_subprotocol(self) -> None:
        """
        It agrees to the first subprotocol that a client offers.
        """
        header = "Sec-WebSocket-Protocol: chat, superchat"
        response = self.served.request(header, path="/echo").response()
        self.assertEqual(response.header("Sec-WebSocket-Protocol"), ["chat"])

    def test_port(self) -> None:
        """
        It can be told where to listen.
        """
        self.runScript("tcp:9000")(self.reactor)
        self.assertEqual(self.reactor.tcpServers[1][0], 9000)

    def test_page(self) -> None:
        """
        There is an ordinary page.
        """
        response = self.served.request(path="/", without=ORDINARY).response()
        self.assertEqual(response.status, 200)
        self.assertIn(b"An ordinary page", response.body)

    def test_echo(self) -> None:
        """
        There is a WebSocket, which sends back what it is sent, text and bytes.
        """
        peer = self.served.upgrade(path="/echo")
        peer.sendText("hello")
        peer.sendBytes(b"\x00")
        self.assertEqual([frame.payload for frame in peer.frames()], [b"hello", b"\0"])

    def test_limit(self) -> None:
        """
        It takes messages up to 64 KiB.
        """
        peer = self.served.upgrade(path="/echo")
        peer.sendBytes(bytes(64 * KIB))
        self.assertEqual(len(peer.frames()[0].payload), 64 * KIB)
        peer.sendBytes(bytes(64 * KIB + 1))
        [frame] = peer.frames()
        self.assertEqual(frame.payload[:2], (1009).to_bytes(2, "big"))

    def test_origins(self) -> None:
        """
        Pages of one other origin may connect.
        """
        for origin, status in (
            ("https://www.example.com", 101),
            ("http://example.com", 101),
            ("https://www.example.org", 403),
        ):
            peer = self.served.request(f"Origin: {origin}", path="/echo")
            self.assertEqual(peer.response().status, status)

    def test_stops(self) -> None:
        """
        When the process ends, connections are closed with 1001.
        """
        peer = self.served.upgrade(path="/echo")
        [(shutDown, args, options)] = self.reactor.triggers["before"]["shutdown"]
        gone = shutDown(*args, **options)
        self.assertEqual(peer.frames(), [close(1001)])
        self.assertNoResult(gone)
        peer.sendClose(1001)
        self.assertIsNone(self.successResultOf(gone))


class UploadTests(ExampleTestCase):
    """
    Tests of messages that are written into files as they arrive.
    """

    example = "upload.py"

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.module.Upload.folder = folder
        self.served = Served(self.module.Upload, self.module.config)
        self.peer = self.served.upgrade()

    def file(self, number: int) -> bytes:
        """
        What has been written of an upload.
        """
        path: Path = self.module.Upload.folder / f"upload-{number}"
        return path.read_bytes()

    def test_uploads(self) -> None:
        """
        Each message becomes a file, and its sender is told its size.
        """
        for number, size in enumerate((3, 3000 * KIB), 1):
            self.peer.sendBytes(bytes(size))
            self.assertSays([self.peer], [[f"{size} bytes are here"]])
            self.assertEqual(len(self.file(number)), size)

    def test_whileItArrives(self) -> None:
        """
        What has arrived is in the file, though the message has no end yet.
        """
        size = 128 * KIB
        self.peer.send(self.peer.frame(2, bytes(size), fin=False))
        self.assertGreater(len(self.file(1)), size // 2)
        self.assertEqual(self.peer.frames(), [])

    def test_text(self) -> None:
        """
        Text comes whole, wherever it was cut.
        """
        data = self.peer.text("world")
        self.peer.send(data[:8])
        self.peer.send(data[8:])
        self.assertSays([self.peer], [["hello, world"]])


class OneMessageTests(ExampleTestCase):
    """
    Tests of sending a file as one message.
    """

    example = "one_message.py"

    def download(self, content: bytes) -> Peer:
        """
        Download this.
        """
        path = Path(self.mktemp())
        path.write_bytes(content)
        served = Served(lambda request: self.module.download(request, path))
        return served.upgrade()

    def test_whole(self) -> None:
        """
        The file arrives in one message, and then the connection is closed.
        """
        for content in (b"", bytes(range(256)) * 4 * KIB):
            *frames, last = self.download(content).frames()
            self.assertEqual(b"".join(frame.payload for frame in frames), content)
            self.assertEqual(
                [frame.fin for frame in frames].index(True) + 1, len(frames)
            )
            self.assertEqual(last, close())

    def test_noFaster(self) -> None:
        """
        However large the file is, little of it waits for a peer that does not read.
        """
        path = Path(self.mktemp())
        path.write_bytes(bytes(4096 * KIB))
        served = Served(lambda request: self.module.download(request, path))
        peer = served.connect()
        peer.stall()
        peer.send(handshake())
        [connection] = served.resource.server.connections
        waiting = connection.bufferedAmount + len(peer.transport.unsent)
        self.assertLess(waiting, 256 * KIB)
        peer.goOn()
        self.assertEqual(peer.response().status, 101)
        size = sum(len(frame.payload) for frame in peer.frames()[:-1])
        self.assertEqual(size, 4096 * KIB)


class RelayTests(ExampleTestCase):
    """
    Tests of passing messages on.
    """

    example = "relay.py"

    def test_relay(self) -> None:
        """
        Each message goes on as it is, while it arrives.
        """
        heard = Recorder()
        host = MemorySite(lambda request: request.accept(application=heard))
        client, url = host.client(), "ws://example.com/"
        served = Served(
            lambda request: self.module.relay(request, client, url),
            ServerConfig(streamMessages=True),
        )
        peer = served.upgrade()
        peer.send(peer.frame(1, b"half", fin=False))
        host.flush()
        peer.send(peer.frame(0, b" and half") + peer.binary(b"") + peer.binary(b"x"))
        for _ in range(4):
            host.flush()
            peer.turn()
        self.assertEqual(heard.messages, ["half and half", b"", b"x"])
        peer.sendClose()
        host.flush()
        self.assertIn("lost", heard.told)


class DownloadTests(ExampleTestCase):
    """
    Tests of sending no faster than a peer reads.
    """

    example = "download.py"

    def download(self, content: bytes) -> Peer:
        """
        Download this.
        """
        path = self.mktemp()
        Path(path).write_bytes(content)
        self.served = Served(lambda request: self.module.download(request, path))
        return self.served.upgrade()

    def test_whole(self) -> None:
        """
        The file arrives whole, in messages, and then the connection is closed.
        """
        content = bytes(range(256)) * KIB
        *frames, last = self.download(content).frames()
        self.assertEqual(b"".join(frame.payload for frame in frames), content)
        self.assertLessEqual(max(len(frame.payload) for frame in frames), 64 * KIB)
        self.assertEqual(last, close())

    def test_empty(self) -> None:
        """
        Of an empty file there is nothing to send.
        """
        self.assertEqual(self.download(b"").frames(), [close()])

    def test_noFaster(self) -> None:
        """
        However large the file is, little of it waits for a peer that does not read.
        """
        content = bytes(4096 * KIB)
        path = self.mktemp()
        Path(path).write_bytes(content)
        served = Served(lambda request: self.module.download(request, path))
        peer = served.connect()
        peer.stall()
        peer.send(handshake())
        [connection] = served.resource.server.connections
        waiting = connection.bufferedAmount + len(peer.transport.unsent)
        self.assertLess(waiting, 256 * KIB)
        peer.goOn()
        self.assertEqual(peer.response().status, 101)
        frames = peer.frames()
        size = sum(len(frame.payload) for frame in frames[:-1])
        self.assertEqual(size, len(content))


class LoginTests(ExampleTestCase):
    """
    Tests of looking at a request first.
    """

    example = "login.py"

    def test_known(self) -> None:
        """
        Who is known is greeted, is given a cookie, and hears what it says.
        """
        peer = Served(self.module.login).request("Cookie: sid=s3cret")
        response = peer.response()
        self.assertEqual(response.status, 101)
        self.assertEqual(response.header("Set-Cookie"), ["seen=1; Max-Age=3600"])
        peer.sendText("good morning")
        self.assertSays([peer], [["hello Ada", "good morning"]])
        peer.sendClose(1001)
        self.assertEqual(peer.frames(), [close(1001)])

    def test_unknown(self) -> None:
        """
        Who is not is told to log in.
        """
        for lines in ((), ("Cookie: sid=guess",), ("Cookie: other=s3cret",)):
            response = Served(self.module.login).request(*lines).response()
            self.assertEqual(response.status, 401)
            self.assertIn(b"log in first", response.body)


class MountedTests(ExampleTestCase):
    """
    Tests of a router on a whole site.
    """

    example = "mounted.py"

    def setUp(self) -> None:
        super().setUp()
        root = Resource()
        root.putChild(b"", Data(b"a page", "text/plain"))
        self.served = Served(root)
        self.topics: list[str] = []
        self.server = self.module.mount(self.served.site, Recorder, self.feed)

    def feed(self, request: Any) -> None:
        """
        Feed news of a topic.
        """
        self.topics.append(request.parameters["topic"])
        request.accept()

    def status(self, path: str, *protocols: str) -> int:
        """
        The status of the answer to whoever offers these subprotocols.
        """
        lines = [f"Sec-WebSocket-Protocol: {each}" for each in protocols]
        return self.served.request(*lines, path=path).response().status

    def test_routes(self) -> None:
        """
        Its paths are for those who offer the right subprotocol.
        """
        self.assertEqual(self.status("/chat", "chat.v1"), 101)
        self.assertEqual(self.status("/chat"), 404)
        self.assertEqual(self.status("/feed/cats"), 101)
        self.assertEqual(self.status("/feed/dogs"), 101)
        self.assertEqual(self.status("/feed"), 404)
        self.assertEqual(self.topics, ["cats", "dogs"])
        self.assertEqual(len(self.server.connections), 3)

    def test_pages(self) -> None:
        """
        The site's pages stay.
        """
        response = self.served.request(path="/", without=ORDINARY).response()
        self.assertEqual(response.body, b"a page")


class OneAtATimeTests(ExampleTestCase):
    """
    Tests of messages that wait for each other.
    """

    example = "one_at_a_time.py"

    def test_wait(self) -> None:
        """
        The next message waits until this one is dealt with; the peer is read from
        meanwhile.
        """

        def handler(request: Any) -> None:
            request.accept(application=self.module.Worker(served.clock))

        served = Served(handler)
        peer = served.upgrade()
        peer.sendText("one", "two")
        peer.wait(0.4)
        self.assertSays([peer], [[]])
        peer.wait(0.1)
        self.assertSays([peer], [["done: one"]])
        peer.wait(0.5)
        self.assertSays([peer], [["done: two"]])
        self.assertTrue(peer.transport.isReading)


class SeveralAtATimeTests(ExampleTestCase):
    """
    Tests of messages that are dealt with several at a time.
    """

    example = "several_at_a_time.py"

    def test_order(self) -> None:
        """
        Who asks ten questions gets each answer when it is known; the eleventh has to
        wait for one.
        """

        def handler(request: Any) -> None:
            request.accept(application=self.module.Lookup(served.clock))

        served = Served(handler, self.module.config)
        peer = served.upgrade()
        peer.sendText("slow", *["at once"] * 8)
        peer.sendText("me", "last")
        peer.wait(2)
        self.assertSays([peer], [["me: who knows?"]])
        peer.wait(2)
        self.assertSays([peer], [["slow: who knows?"]])
        peer.wait(3)
        answers = [f"{each}: who knows?" for each in (["last"] + ["at once"] * 8)]
        said = [frame.payload.decode() for frame in peer.frames()]
        self.assertEqual(sorted(said), sorted(answers))


class FileSenderTests(ExampleTestCase):
    """
    Tests of a file that a pull producer sends.
    """

    example = "file_sender.py"

    def serve(self, content: bytes) -> Served:
        """
        Serve this.
        """
        self.module.Movie.path = FilePath(self.mktemp())
        self.module.Movie.path.setContent(content)
        return Served(self.module.Movie)

    def test_whole(self) -> None:
        """
        The file arrives whole, in messages, and then the connection is closed.
        """
        content = bytes(range(256)) * KIB
        *frames, last = self.serve(content).upgrade().frames()
        self.assertEqual(b"".join(frame.payload for frame in frames), content)
        self.assertEqual(last, close())

    def test_noFaster(self) -> None:
        """
        Little of it waits for a peer that does not read, and nothing is said when that
        leaves.
        """
        served = self.serve(bytes(4096 * KIB))
        peer = served.connect()
        peer.stall()
        peer.send(handshake())
        [connection] = served.resource.server.connections
        held = connection.bufferedAmount + len(peer.transport.unsent)
        self.assertTrue(64 * KIB < held < 200 * KIB, held)
        peer.vanish()
        self.assertFalse(connection.closeReport.wasClean)
        self.assertEqual(self.flushLoggedErrors(), [])


class PricesTests(ExampleTestCase):
    """
    Tests of leaving out what is stale.
    """

    example = "prices.py"

    def test_slow(self) -> None:
        """
        Everybody hears of each price, but for those who read too slowly: these get the
        latest ones when they read again.
        """
        served = Served(Resource())
        self.module.server.mount(served.site)
        quick, slow = served.upgrade(), served.upgrade()
        self.assertSays([quick, slow], [["{}"], ["{}"]])
        slow.stall()
        for number in range(1000):
            self.module.publish("x" * 200, number)
            self.assertEqual(len(quick.frames()), 1)
        slow.goOn()
        heard = [json.loads(frame.payload)["x" * 200] for frame in slow.frames()]
        self.assertTrue(100 < len(heard) < 900, len(heard))
        self.assertEqual(heard, [*range(len(heard) - 1), 999])


class ReportTests(ExampleTestCase):
    """
    Tests of explaining an end.
    """

    example = "report.py"

    def explained(self, end: Callable[[Peer], object]) -> str:
        """
        What is printed when a connection ends like this.
        """
        printed = self.capture()
        peer = Served(self.module.Explaining).upgrade()
        end(peer)
        self.assertFalse(peer.transport.isConnected)
        return printed.getvalue()

    def test_silent(self) -> None:
        """
        Who answers no ping is gone without a word.
        """
        said = self.explained(lambda peer: peer.waitLong(40))
        self.assertEqual(said, "The peer is gone without a word.\n")

    def test_lost(self) -> None:
        """
        Who is lost has ended badly.
        """
        said = self.explained(lambda peer: peer.vanish())
        self.assertTrue(said.startswith("It ended badly: "), said)
        self.assertIn("the cable was cut", said)

    def test_clean(self) -> None:
        """
        Of a good end there is nothing to say.
        """
        self.assertEqual(self.explained(lambda peer: peer.sendClose()), "")


class ResendingTests(ExampleTestCase):
    """
    Tests of messages that are confirmed.
    """

    example = "resending.py"

    def setUp(self) -> None:
        super().setUp()
        self.heard: list[list[Any]] = []
        self.confirms = True
        self.site = MemorySite(self.hear)
        self.sender = self.module.Sender(self.site.clock, self.site.connect)

    async def hear(self, request: Any) -> None:
        """
        Answer each message, unless the test won't.
        """
        heard: list[Any] = []
        self.heard.append(heard)
        connection = request.accept()
        async for message in connection:
            heard.append(message)
            if self.confirms:
                connection.send("got it")

    def send(self, *messages: str) -> None:
        """
        Send messages.
        """
        for message in messages:
            self.sender.send(message)
        self.site.flush()

    def test_confirmed(self) -> None:
        """
        What is confirmed is sent once.
        """
        self.sender.service.startService()
        self.send("one", "two")
        self.site.wires[-1].cut()
        self.site.advance(1)
        self.assertEqual(self.heard, [["one", "two"], []])
        self.assertFalse(self.sender.unconfirmed)

    def test_atOnce(self) -> None:
        """
        So is what is said by who has waited for the connection.
        """
        self.send("one")
        connected = self.sender.service.whenConnected()
        connected.addCallback(lambda _: self.sender.send("two"))
        self.sender.service.startService()
        self.site.flush()
        self.assertEqual(self.heard, [["one", "two"]])
        self.assertFalse(self.sender.unconfirmed)

    def test_unconfirmed(self) -> None:
        """
        What is not is sent again, in order, with what was said meanwhile.
        """
        self.send("before")
        self.sender.service.startService()
        self.send("one")
        self.confirms = False
        self.send("two", "three")
        self.site.wires[-1].cut()
        self.confirms = True
        self.send("four")
        self.site.advance(1)
        self.assertEqual(
            self.heard, [["before", "one", "two", "three"], ["two", "three", "four"]]
        )
        self.assertFalse(self.sender.unconfirmed)


class StayingTests(ExampleTestCase):
    """
    Tests of following a feed.
    """

    example = "staying.py"

    def test_follow(self) -> None:
        """
        What each connection brings is printed, until it is of no use to go on.
        """
        reactor = ClientReactor()
        printed = self.capture()
        following = self.runScript("ws://example.com/feed")(reactor)
        for message in ("one", "two"):
            server = reactor.accept()
            server.upgrade()
            server.sendText(message)
            server.vanish()
            reactor.advance(2)
        self.assertEqual(printed.getvalue(), "one\ntwo\n")
        server = reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        self.failureResultOf(following, ConnectionRejected)


class StayingServiceTests(ExampleTestCase):
    """
    Tests of a service that stays connected.
    """

    example = "staying_service.py"

    def setUp(self) -> None:
        super().setUp()
        self.reactor = ClientReactor()
        self.tokens: list[Deferred[str]] = []
        self.printed = self.capture()
        self.service = self.module.makeService(
            self.reactor, "ws://example.com/feed", self.fetchToken
        )
        self.service.startService()

    def fetchToken(self) -> Deferred[str]:
        """
        Wait for the test to tell a token.
        """
        self.tokens.append(Deferred())
        return self.tokens[-1]

    def test_tokens(self) -> None:
        """
        Each attempt has a token of its own, and each connection prints what it hears.
        """
        for token in ("a", "b"):
            self.tokens[-1].callback(token)
            server = self.reactor.accept()
            server.upgrade()
            self.assertEqual(server.asked.header("Authorization"), [f"Bearer {token}"])
            server.sendText(token)
            server.vanish()
            self.reactor.advance(2)
        self.assertEqual(self.printed.getvalue(), "a\nb\n")

    def test_noToken(self) -> None:
        """
        Without a token it is tried again.
        """
        self.tokens[-1].errback(OSError("odd"))
        self.reactor.advance(1)
        self.assertEqual(len(self.tokens), 2)

    def test_refused(self) -> None:
        """
        Who is refused is told, and nothing more happens.
        """
        self.tokens[-1].callback("a")
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        self.assertIn("the server answered 403", self.printed.getvalue())
        self.assertTrue(self.reactor.isIdle)


class RoomsTests(ExampleTestCase):
    """
    Tests of a room for each path.
    """

    example = "rooms.py"

    def setUp(self) -> None:
        super().setUp()
        self.served = Served(self.module.router)

    def enter(self, room: str) -> Peer:
        """
        Enter a room.
        """
        return self.served.upgrade(
            "Sec-WebSocket-Protocol: chat.v1", path=f"/rooms/{room}"
        )

    def test_rooms(self) -> None:
        """
        Everybody in a room hears what is said there, and nobody elsewhere.
        """
        peers = [self.enter(room) for room in ("lobby", "lobby", "attic")]
        peers[0].sendText("hello")
        peers[2].sendText("boo")
        self.assertSays(peers, [["hello"], ["hello"], ["boo"]])

    def test_leaving(self) -> None:
        """
        Who leaves hears no more, and disturbs nobody.
        """
        peers = [self.enter("lobby") for _ in range(4)]
        peers[1].sendClose()
        peers[2].vanish()
        self.assertEqual(peers[1].frames(), [close()])
        peers[0].sendText("hello")
        self.assertSays(peers, [["hello"], [], [], ["hello"]])

    def test_closing(self) -> None:
        """
        Nor does somebody who is about to leave.
        """
        peers = [self.enter("lobby") for _ in range(3)]
        connections: list[WebSocketConnection] = list(
            self.served.resource.server.connections
        )
        connections[1].close()
        self.assertEqual(peers[1].frames(), [close()])
        peers[0].sendText("one", "two")
        self.assertSays([peers[0], peers[2]], [["one", "two"]] * 2)

    def test_slow(self) -> None:
        """
        Nor does somebody who does not read.
        """
        self.served = Served(self.module.router, clock=self.served.clock)
        slow, *peers = [self.enter("lobby") for _ in range(3)]
        slow.stall()
        message = "x" * 900 * KIB
        for _ in range(25):
            peers[0].sendText(message)
            peers[1].turn()
        self.assertHear(peers, message, 25)

    def test_emptyRooms(self) -> None:
        """
        Nothing is kept of rooms that are empty, of which clients can make up many.
        """
        for number in range(3):
            self.enter(str(number)).sendClose()
        self.assertEqual(self.module.rooms, {})

    def test_elsewhere(self) -> None:
        """
        There are no other paths, and nobody is let in who does not speak the
        subprotocol.
        """
        for lines, path in (
            (["Sec-WebSocket-Protocol: chat.v1"], "/rooms/"),
            (["Sec-WebSocket-Protocol: chat.v1"], "/"),
            (["Sec-WebSocket-Protocol: chat.v2"], "/rooms/lobby"),
            ([], "/rooms/lobby"),
        ):
            response = self.served.request(*lines, path=path).response()
            self.assertEqual(response.status, 404)


class AmpServerTests(ExampleTestCase):
    """
    Tests of AMP calls to a server.
    """

    example = "amp_server.py"

    def test_answers(self) -> None:
        """
        Whoever calls over a WebSocket is answered.
        """
        reactor = MemoryReactorClock()
        self.runScript()(reactor)
        [(port, site, _, _)] = reactor.tcpServers
        self.assertEqual(port, 8080)
        memory = MemorySite(site.resource)
        endpoint = memory.streamEndpoint("/amp", ["sums.v1"])
        connected = endpoint.connect(Factory.forProtocol(amp.AMP))
        caller: Any = self.successResultOf(connected)
        answer = caller.callRemote(self.module.Sum, a=1, b=2)
        memory.flush()
        self.assertEqual(self.successResultOf(answer), {"total": 3})


class AmpClientTests(ExampleTestCase):
    """
    Tests of AMP calls of a client.
    """

    example = "amp_client.py"

    def test_asks(self) -> None:
        """
        It connects, again if need be, calls, and prints the answer.
        """
        printed = self.capture()
        reactor = ClientReactor()
        done = self.runScript("ws://example.com/amp", "1", "2")(reactor)
        reactor.refuse(ConnectionRefusedError())
        reactor.advance(60)
        server = reactor.accept()
        server.upgrade("Sec-WebSocket-Protocol: sums.v1")
        [call] = amp.parseString(server.frames()[0].payload)
        self.assertEqual((call[b"a"], call[b"b"]), (b"1", b"2"))
        answer = amp.AmpBox(_answer=call[b"_ask"], total=b"3")
        server.sendBytes(answer.serialize())
        self.assertEqual(printed.getvalue(), "3\n")
        self.assertEqual(server.frames(), [close()])
        server.sendClose()
        server.end()
        self.successResultOf(done)


class BridgeTests(ExampleTestCase):
    """
    Tests of the bridge to TCP.
    """

    example = "bridge.py"

    def setUp(self) -> None:
        super().setUp()
        self.reactor = ClientReactor()
        self.patch(ProxyServer, "reactor", self.reactor)
        site = self.module.makeSite("192.0.2.9", 7)
        self.served = Served(site.resource, site=site, clock=self.reactor)
        site.reactor = self.reactor
        self.peer = self.served.upgrade(path="/bridge")

    def test_bothWays(self) -> None:
        """
        Bytes go both ways, those that came before TCP was there as well.
        """
        self.peer.sendBytes(b"early")
        [attempt] = self.reactor.attempts
        self.assertEqual((attempt.host, attempt.port), ("192.0.2.9", 7))
        tcp = self.reactor.accept()
        self.peer.sendBytes(b" bird")
        tcp.turn()
        self.assertEqual(tcp.received(), b"early bird")
        tcp.send(b"worm")
        self.assertEqual(self.peer.frames(), [binary(b"worm")])

    def test_ends(self) -> None:
        """
        The end of one side ends the other.
        """
        tcp = self.reactor.accept()
        tcp.send(b"bye")
        tcp.end()
        self.assertEqual(self.peer.frames(), [binary(b"bye"), close()])
        peer = self.served.upgrade(path="/bridge")
        tcp = self.reactor.accept()
        peer.sendClose()
        tcp.turn()
        self.assertFalse(tcp.transport.isConnected)

    def test_stalls(self) -> None:
        """
        Who does not read on one side is not read from on the other.
        """
        tcp = self.reactor.accept()
        self.peer.stall()
        for _ in range(64):
            tcp.send(bytes(16 * KIB))
        self.assertFalse(tcp.transport.isReading)
        self.assertGreater(len(tcp.transport.arrived), 512 * KIB)
        self.peer.goOn()
        received = 0
        for _ in range(16):
            received += sum(len(frame.payload) for frame in self.peer.frames())
            tcp.turn()
        self.assertEqual(received, 1024 * KIB)

    def test_script(self) -> None:
        """
        As a script it listens on this machine alone.
        """
        reactor = MemoryReactorClock()
        self.runScript("192.0.2.9", "7")(reactor)
        [(port, _, _, interface)] = reactor.tcpServers
        self.assertEqual((port, interface), (8080, "127.0.0.1"))


class AnyTransportTests(ExampleTestCase, TestCase):
    """
    Tests of a server and a client on a socket of their own.
    """

    example = "any_transport.py"

    def test_talk(self) -> Deferred[Any]:
        """
        They talk, and leave nothing behind.
        """
        reactor: Any = twisted.internet.reactor
        printed = self.capture()
        talk = self.module.talk(reactor, self.mktemp())
        talking = Deferred.fromCoroutine(talk).addTimeout(10, reactor)
        return talking.addCallback(
            lambda _: self.assertEqual(printed.getvalue(), "HELLO\n")
        )


class OwnHandshakeTests(ExampleTestCase):
    """
    Tests of a protocol whose connection becomes a WebSocket.
    """

    example = "own_handshake.py"

    def connect(self) -> Peer:
        """
        Connect to it.
        """
        clock = task.Clock()
        transport = MemoryTransport(clock)
        protocol = self.module.Login(clock, b"secret".__eq__)
        transport.connect(protocol)
        return Peer(protocol, transport)

    def test_login(self) -> None:
        """
        After the right line, frames follow, which may have come with it.
        """
        peer = self.connect()
        peer.send(b"secret\r\n" + peer.text("early"))
        self.assertEqual(
            peer.received(), b"yes\r\n\x81\x07welcome\x81\x0eyou said early"
        )
        peer.sendText("late")
        self.assertSays([peer], [["you said late"]])

    def test_noLogin(self) -> None:
        """
        After another, the connection is over.
        """
        peer = self.connect()
        peer.send(b"open sesame\r\n")
        self.assertEqual(peer.received(), b"no\r\n")
        self.assertTrue(peer.transport.disconnecting)


class TestingChatTests(ExampleTestCase):
    """
    Tests of the tests of a chat.
    """

    example = "testing_chat.py"

    def runTests(self) -> TestResult:
        """
        Run the tests of the example.
        """
        result = TestResult()
        case = self.module.GreeterTests
        defaultTestLoader.loadTestsFromTestCase(case).run(result)
        self.assertEqual(result.testsRun, 2)
        return result

    def test_pass(self) -> None:
        """
        They pass.
        """
        result = self.runTests()
        self.assertTrue(result.wasSuccessful(), result.failures + result.errors)

    def test_fail(self) -> None:
        """
        If the chat is broken, they say so.
        """
        self.module.Greeter = Recorder
        self.assertFalse(self.runTests().wasSuccessful())


class TrustTests(ExampleTestCase):
    """
    Tests of trusting one authority.
    """

    example = "trust.py"

    def connect(self, isTrusted: bool) -> tuple[Outcome, TLSServer]:
        """
        Connect to a server that this authority has certified, or another one.
        """
        authority, other = certify(), certify()
        path = self.mktemp()
        Path(path).write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        reactor = ClientReactor()
        client = self.module.makeClient(reactor, path)
        outcome = Outcome(client.connect("wss://example.com/"))
        issuer = authority if isTrusted else other
        identity = certify("example.com", issuer=issuer)
        return outcome, TLSServer(reactor.accept(), identity.context())

    def test_trusted(self) -> None:
        """
        A server that the authority has certified is trusted.
        """
        outcome, server = self.connect(True)
        server.upgrade()
        [connection] = outcome.results
        self.assertTrue(connection.connected)

    def test_other(self) -> None:
        """
        A server that another one has certified is not.
        """
        outcome, _ = self.connect(False)
        [failure] = outcome.results
        self.assertIs(failure.check(OpeningFailed), OpeningFailed)
        self.assertIs(failure.value.step, OpeningStep.TLS)
