# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.w3c`, and of what it has in common with a browser's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError

from tests.support.memory import close, text
from tests.support.remote import URL, ClientTestCase, Server, upgrade
from txwebsocket import (
    CloseEvent,
    ConnectionClosed,
    ConnectionRejected,
    Deflate,
    ErrorEvent,
    Event,
    InvalidAccess,
    InvalidState,
    InvalidSyntax,
    MessageEvent,
    OpeningFailed,
    OpeningTimedOut,
    W3CWebSocket,
    WebSocketError,
)
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Opcode

EVENTS = ("open", "message", "error", "close")
KIB = 1024


class Diary:
    """
    What happens to a socket.

    :ivar events: its events.
    :ivar states: the ``readyState`` at each of them.
    """

    def __init__(self, socket: W3CWebSocket) -> None:
        self.socket = socket
        self.events: list[Any] = []
        self.states: list[int] = []
        for name in EVENTS:
            socket.addEventListener(name, self)

    def handleEvent(self, event: Event) -> None:
        """
        Something happens.
        """
        self.events.append(event)
        self.states.append(self.socket.readyState)

    @property
    def types(self) -> list[str]:
        """
        What has happened, by name.
        """
        return [event.type for event in self.events]

    @property
    def data(self) -> list[str | bytes]:
        """
        The messages that have come.
        """
        return [event.data for event in self.events if event.type == "message"]

    @property
    def end(self) -> tuple[int, str, bool]:
        """
        Code, reason and ``wasClean`` of the last event.
        """
        event = self.events[-1]
        return event.code, event.reason, event.wasClean


class SocketTestCase(ClientTestCase):
    """
    What tests of sockets need.
    """

    def make(
        self, url: str = URL, *args: Any, options: Any = None, **more: Any
    ) -> W3CWebSocket:
        """
        Begin to connect.

        :param options: those of the client.
        """
        client = self.makeClient(**(options or {}))
        return W3CWebSocket(url, *args, client=client, **more)

    def started(self, *args: Any, **more: Any) -> tuple[W3CWebSocket, Server, Diary]:
        """
        A socket that is open, the server, and what has happened so far.
        """
        socket = self.make(*args, **more)
        diary = Diary(socket)
        server = self.reactor.accept()
        server.upgrade()
        self.assertEqual(socket.readyState, socket.OPEN)
        return socket, server, diary

    def assertFailed(self, diary: Diary, kind: type[Exception]) -> Any:
        """
        The last that has happened is an error of this kind, and a close to match.
        """
        error, closed = diary.events[-2:]
        self.assertIsInstance(error, ErrorEvent)
        self.assertIsInstance(closed, CloseEvent)
        self.assertIsInstance(error.error, kind)
        self.assertEqual(diary.states[-2:], [diary.socket.CLOSED] * 2)
        self.assertEqual(diary.end, (1006, "", False))
        return error


class ConstructorTests(SocketTestCase):
    """
    Tests of making one.
    """

    def assertInvalid(self, *args: Any) -> str:
        """
        No socket is made of these.

        :return: what is wrong, in words.
        """
        error = self.assertRaises(InvalidSyntax, self.make, *args)
        self.assertIsInstance(error, ValueError)
        self.assertIsInstance(error, WebSocketError)
        self.assertEqual(self.reactor.attempts, [])
        self.assertTrue(self.reactor.isIdle)
        return str(error)

    def test_constants(self) -> None:
        """
        The names of the states are those of the class and of its objects.
        """
        names = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
        for owner in (W3CWebSocket, self.make()):
            values = [getattr(owner, name) for name in names]
            self.assertEqual(values, [0, 1, 2, 3])

    def test_beginning(self) -> None:
        """
        Before it is open, everything has a value of its type.
        """
        socket = self.make("ws://example.com/chat", "v1")
        self.assertEqual(socket.url, "ws://example.com/chat")
        self.assertEqual(socket.readyState, socket.CONNECTING)
        self.assertEqual((socket.protocol, socket.extensions), ("", ""))
        self.assertEqual(socket.bufferedAmount, 0)
        self.assertEqual(socket.binaryType, "blob")
        handlers = [socket.onopen, socket.onmessage, socket.onerror, socket.onclose]
        self.assertEqual(handlers, [None] * 4)

    def test_url(self) -> None:
        """
        The address is what the URL Standard makes of it; that of an HTTP server will
        do.
        """
        for given, expected in (
            ("ws://example.com", "ws://example.com/"),
            ("wss://example.com:443/x", "wss://example.com/x"),
            ("http://example.com/x?y", "ws://example.com/x?y"),
            ("HTTPS://EXAMPLE.com:8443/", "wss://example.com:8443/"),
            (" ws://example.com/a b\n", "ws://example.com/a%20b"),
            ("ws://exam\tple.com/", "ws://example.com/"),
            ("ws://user:secret@example.com/", "ws://example.com/"),
            (" ws+unix:/run/chat.sock:/chat", "ws+unix:/run/chat.sock:/chat"),
            ("WS+Unix:/run/chat.sock:/chat", "ws+unix:/run/chat.sock:/chat"),
            ("ws://example.com/a/../b", "ws://example.com/b"),
            ("ws://127.1/", "ws://127.0.0.1/"),
            ("ws://%61/", "ws://a/"),
            ("ws:\\\\h\\x", "ws://h/x"),
            ("ws:h/x", "ws://h/x"),
            ("ws:///h/x", "ws://h/x"),
            ("ws://h/[|]?'\\", "ws://h/[|]?%27\\"),
            ("ws://h/\ud800", "ws://h/%EF%BF%BD"),
            ("http://h:443/", "ws://h:443/"),
            ("https://h:443/", "wss://h/"),
            ("ws://[::FFFF:1.2.3.4]:81/", "ws://[::ffff:102:304]:81/"),
        ):
            self.assertEqual(self.make(given).url, expected)

    def test_noURL(self) -> None:
        """
        What is no URL, no absolute one, or leads elsewhere, is a syntax error at once.
        """
        for url in (
            "",
            "#test",
            "/chat",
            "//example.com/",
            "ftp://example.com/",
            "mailto:example@example.org",
            "about:blank",
            "ws://foo bar.com/",
            "wss://foo bar.com/",
            "ws://[::1/",
            "ws://example.com:99999/",
            "ws://256.1.1.1/",
            "ws://[example.com]/",
            "ws://[g]/",
            "ws://[fe80::1%25eth0]/",
            "ws://",
            "ws+unix:",
        ):
            self.assertInvalid(url)

    def test_noText(self) -> None:
        """
        What is not even text is a :exc:`TypeError` that says so.
        """
        for url in (b"ws://h/", None, 1):
            error = self.assertRaises(TypeError, self.make, url)
            self.assertIn("url must be str", str(error))

    def test_noSecrets(self) -> None:
        """
        An error shows the URL without what may be a password.
        """
        for url in (
            "ftp://ada:hunter2@h/",
            "ws://ada:hunter2@h/#x",
            "ws://ada:hunter2@256.1.1.1/",
            "ws://ada:hunter2@/",
            "ws://ada:hunter2/x@h/",
            "ws://ada:x/hunter2@[g]/#@h",
        ):
            told = self.assertInvalid(url)
            self.assertNotIn("hunter2", told)

    def test_asked(self) -> None:
        """
        The server is asked for what the URL Standard makes of path and query, with the
        host that it makes of the name.
        """
        self.make("ws://u%20:p:q@EX%41mple.com:81\\a/./[|]?'\"")
        server = self.reactor.accept()
        request = server.request()
        self.assertEqual(request.line, "GET /a/[|]?%27%22 HTTP/1.1")
        self.assertEqual(request.header("Host"), ["example.com:81"])
        self.assertEqual(request.header("Authorization"), ["Basic dSA6cDpx"])
        self.make("ws://:@[::1]/")
        self.assertEqual(self.reactor.attempts[-1].host, "::1")
        request = self.reactor.accept().request()
        self.assertEqual(request.header("Host"), ["[::1]"])
        self.assertEqual(request.header("Authorization"), [])

    def test_pictures(self) -> None:
        """
        A name that browsers encode is one to connect to.
        """
        socket, server, diary = self.started("ws://\U0001f4a9.example/")
        self.assertEqual(self.reactor.nameResolver.asked, ["xn--ls8h.example"])
        self.assertEqual(server.asked.header("Host"), ["xn--ls8h.example"])
        self.assertEqual(socket.url, "ws://xn--ls8h.example/")
        self.assertEqual(diary.types, ["open"])

    def test_noWay(self) -> None:
        """
        A URL that browsers take, with a host or port that nothing can be connected to,
        is no mistake: the connection fails, and says why.
        """
        for url in ("ws://a..b/", f"ws://{'a' * 64}/", "ws://a!b/", "ws://h:0/"):
            socket = self.make(url)
            diary = Diary(socket)
            self.assertEqual(socket.url, url)
            self.assertEqual(socket.readyState, socket.CONNECTING)
            self.assertEqual(diary.types, [])
            self.reactor.advance(0)
            self.assertEqual(diary.types, ["error", "close"])
            error = self.assertFailed(diary, OpeningFailed)
            self.assertIn(url.removesuffix("/"), error.message)
        self.assertEqual(self.reactor.attempts, [])
        self.assertTrue(self.reactor.isIdle)

    def test_noWayAndNoHeader(self) -> None:
        """
        Another argument that can't be right raises all the same.
        """
        for more in ({"headers": {"a b": "c"}}, {"origin": "\n"}):
            self.assertRaises(ValueError, self.make, "ws://a..b/", **more)

    def test_fragment(self) -> None:
        """
        A URL has no fragment, not even an empty one.
        """
        for url in ("ws://example.com/#", "wss://example.com/x#test", "http://h/#"):
            self.assertIn("fragment", self.assertInvalid(url))

    def test_protocols(self) -> None:
        """
        Subprotocols are offered in their order, also a single one that is not in a
        list.
        """
        for given, expected in (
            ((), []),
            ("v1", ["v1"]),
            (["v2", "v1"], ["v2, v1"]),
            (("v1",), ["v1"]),
            (iter(["v2", "v1"]), ["v2, v1"]),
        ):
            self.make(URL, given)
            request = self.reactor.accept().request()
            self.assertEqual(request.header("Sec-WebSocket-Protocol"), expected)

    def test_noProtocols(self) -> None:
        """
        One that is no token, or is there twice, in whatever case, is a syntax error at
        once.
        """
        for protocols in ("", "a b", "a,b", "\x80echo", ["a", "a"], ["a", ""]):
            self.assertInvalid(URL, protocols)
        for protocols in (["echo", "eCho"], ["a", "V1", "b", "v1"]):
            self.assertIn("duplicate", self.assertInvalid(URL, protocols))
        for wrong in ([b"a"], [None], [1]):
            self.assertInvalid(URL, wrong)
        for noList in (5, None):
            error = self.assertRaises(TypeError, self.make, protocols=noList)
            self.assertIn("protocols must be a subprotocol or a list", str(error))

    def test_request(self) -> None:
        """
        Origin and headers are sent as given; without one there is no origin.
        """
        self.make(origin="https://example.org", headers={"Cookie": "sid=1"})
        request = self.reactor.accept().request()
        self.assertEqual(request.header("Origin"), ["https://example.org"])
        self.assertEqual(request.header("Cookie"), ["sid=1"])
        self.make()
        self.assertEqual(self.reactor.accept().request().header("Origin"), [])

    def test_noHeader(self) -> None:
        """
        A header that can't be one raises at once.
        """
        self.assertRaises(ValueError, self.make, headers={"A": "x\r\nB: y"})
        self.assertEqual(self.reactor.attempts, [])

    def test_config(self) -> None:
        """
        The options are those of the client.
        """
        socket = self.make(options={"openTimeout": 3})
        diary = Diary(socket)
        self.reactor.advance(3)
        self.reactor.advance(0)
        self.assertFailed(diary, OpeningTimedOut)

    def test_repr(self) -> None:
        """
        A socket says where it stands and where it leads, and neither user nor password.
        """
        socket = self.make("ws://user:secret@example.com/")
        self.assertEqual(repr(socket), "<W3CWebSocket CONNECTING ws://example.com/>")


class OpeningTests(SocketTestCase):
    """
    Tests of opening one, successfully or not.
    """

    def test_open(self) -> None:
        """
        When the server agrees there is an event, with everything in its place.
        """
        socket = self.make(URL, ["v2", "v1"], options={"extensions": [Deflate()]})
        seen: list[Any] = []
        socket.onopen = lambda event: seen.append(
            (event.target, socket.readyState, socket.protocol, socket.extensions)
        )
        server = self.reactor.accept()
        server.upgrade(
            "Sec-WebSocket-Protocol: v1", "Sec-WebSocket-Extensions: permessage-deflate"
        )
        self.assertEqual(seen, [(socket, socket.OPEN, "v1", "permessage-deflate")])

    def test_trusted(self) -> None:
        """
        What happens by itself is trusted, at its target, and has a time; what somebody
        dispatches is not trusted.
        """
        socket, server, diary = self.started()
        server.send(server.text("a"))
        server.send(server.close(4000, "bye"))
        server.end()
        self.assertEqual(diary.types, ["open", "message", "close"])
        for event in diary.events:
            self.assertTrue(event.isTrusted)
            self.assertFalse(event.bubbles or event.cancelable or event.composed)
            self.assertIs(event.target, socket)
        times = [event.timeStamp for event in diary.events]
        self.assertEqual(times, sorted(times))
        event = MessageEvent("message", data="mine")
        socket.dispatchEvent(event)
        self.assertIs(diary.events[-1], event)
        self.assertFalse(event.isTrusted)

    def test_captures(self) -> None:
        """
        A third argument for ``addEventListener`` is taken as browsers take it.
        """
        socket, server, diary = self.started()
        heard: list[str] = []
        socket.addEventListener("message", lambda event: heard.append("one"), False)
        socket.addEventListener("message", lambda event: heard.append("first"), True)
        server.send(server.text("a"))
        self.assertEqual(heard, ["first", "one"])
        self.assertEqual(diary.data, ["a"])

    def test_plain(self) -> None:
        """
        Where nothing is agreed on, protocol and extensions stay empty texts.
        """
        socket, _, diary = self.started()
        self.assertEqual(diary.types, ["open"])
        self.assertIs(type(diary.events[0]), Event)
        self.assertEqual((socket.protocol, socket.extensions), ("", ""))

    def test_early(self) -> None:
        """
        What comes along with the server's answer, even the end, is told after the
        opening, and in its order.
        """
        socket = self.make()
        diary = Diary(socket)
        server = self.reactor.accept()
        early = server.text("one") + server.binary(b"two") + server.close(4000, "bye")
        server.upgrade(early=early)
        server.end()
        self.assertEqual(diary.types, ["open", "message", "message", "close"])
        self.assertEqual(diary.data, ["one", b"two"])
        self.assertEqual(diary.end, (4000, "bye", True))
        self.assertEqual(diary.states[1:3], [socket.OPEN] * 2)

    def test_refused(self) -> None:
        """
        Where nobody listens there is an error, which says why, and a close, and both
        only after the constructor has returned.
        """
        socket = self.make("ws://192.0.2.1/")
        diary = Diary(socket)
        self.reactor.attempts[-1].fail(ConnectionRefusedError("nobody there"))
        self.assertEqual(diary.types, [])
        self.reactor.advance(1)
        self.reactor.advance(0)
        self.assertEqual(diary.types, ["error", "close"])
        error = self.assertFailed(diary, OpeningFailed)
        self.assertIn("nobody there", error.message)
        self.assertTrue(self.reactor.isIdle)

    def test_atOnce(self) -> None:
        """
        What fails before the constructor has returned is told after that.
        """
        self.reactor.nameResolver.addresses["example.com"] = []
        diary = Diary(self.make())
        self.assertEqual(diary.types, [])
        self.reactor.advance(0)
        self.assertEqual(diary.types, ["error", "close"])

    def test_rejected(self) -> None:
        """
        Where the server answers with something else, the error has that.
        """
        diary = Diary(self.make())
        server = self.reactor.accept()
        server.request()
        server.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        error = self.assertFailed(diary, ConnectionRejected)
        self.assertEqual(error.error.response.code, 401)
        self.assertGone(server)

    def test_otherProtocol(self) -> None:
        """
        A server that chooses none of the subprotocols, or another, has failed.
        """
        for lines in ((), ("Sec-WebSocket-Protocol: v9",)):
            diary = Diary(self.make(URL, ["v1"]))
            server = self.reactor.accept()
            server.upgrade(*lines)
            self.assertFailed(diary, OpeningFailed)
            self.assertGone(server)

    def test_abort(self) -> None:
        """
        When the client gives up its openings, this one has failed.
        """
        client = self.makeClient()
        diary = Diary(W3CWebSocket(URL, client=client))
        client.abort()
        self.assertEqual(diary.types, [])
        self.reactor.advance(0)
        error = self.assertFailed(diary, CancelledError)
        self.assertEqual(error.message, "CancelledError")

    def test_closeAtOnce(self) -> None:
        """
        Closing before it is open gives up: it is closing at once, and an error and a
        close follow in a later turn.
        """
        socket = self.make()
        diary = Diary(socket)
        socket.close()
        self.assertEqual(socket.readyState, socket.CLOSING)
        self.assertEqual(diary.types, [])
        self.reactor.advance(0)
        self.assertEqual(diary.types, ["error", "close"])
        self.assertFailed(diary, CancelledError)
        self.assertTrue(self.reactor.attempts[0].isOver)
        self.assertTrue(self.reactor.isIdle)

    def test_closeMeanwhile(self) -> None:
        """
        The same goes for one whose request has been sent.
        """
        socket = self.make()
        diary = Diary(socket)
        server = self.reactor.accept()
        server.request()
        socket.close(1000, "never mind")
        self.assertEqual(socket.readyState, socket.CLOSING)
        self.assertGone(server)
        self.assertEqual(diary.types, ["error", "close"])

    def test_closeBeforeTold(self) -> None:
        """
        And for one that was opened, which nobody has been told yet.
        """
        socket = self.make()
        diary = Diary(socket)
        server = self.reactor.accept()
        server.arrive(upgrade(server.request()))
        self.assertEqual(socket.readyState, socket.CONNECTING)
        socket.close()
        self.assertEqual(socket.readyState, socket.CLOSING)
        self.assertGone(server)
        self.assertEqual(diary.types, ["error", "close"])
        self.assertEqual(diary.end, (1006, "", False))

    def test_lostBeforeTold(self) -> None:
        """
        A connection that breaks before anybody has been told of it is told of first.
        """
        socket = self.make()
        diary = Diary(socket)
        server = self.reactor.accept()
        server.arrive(upgrade(server.request()))
        server.vanish()
        self.assertEqual(diary.types, ["open", "error", "close"])


class MessageTests(SocketTestCase):
    """
    Tests of messages.
    """

    def test_received(self) -> None:
        """
        Text is text and binary is bytes, empty ones as well, and each says where it
        came from.
        """
        socket, server, diary = self.started("ws://example.com:8080/chat")
        for message in ("Grüße", ""):
            server.sendText(message)
        for data in (b"\x00\xff", b""):
            server.sendBytes(data)
        self.assertEqual(diary.data, ["Grüße", "", b"\x00\xff", b""])
        for event in diary.events[1:]:
            self.assertIs(type(event), MessageEvent)
            self.assertEqual(event.origin, "ws://example.com:8080")
            self.assertIs(event.target, socket)

    def test_binaryType(self) -> None:
        """
        Binary messages are bytes, whichever of the two types is wanted; there is no
        third.
        """
        socket, server, diary = self.started()
        for kind in ("arraybuffer", "blob"):
            socket.binaryType = kind
            self.assertEqual(socket.binaryType, kind)
            server.sendBytes(b"x")
        self.assertEqual(diary.data, [b"x", b"x"])
        with self.assertRaises(InvalidSyntax) as caught:
            socket.binaryType = "list"
        self.assertIn("'list'", str(caught.exception))
        self.assertEqual(socket.binaryType, "blob")

    def test_send(self) -> None:
        """
        Text is sent as text, and what is like bytes as binary, empty ones as well.
        """
        socket, server, _ = self.started()
        for message in ("Grüße", "", b"a", bytearray(b"b"), memoryview(b"xcx")[1:2]):
            socket.send(message)
        self.assertEqual(
            [(frame.opcode, frame.payload) for frame in server.frames()],
            [
                (Opcode.TEXT, "Grüße".encode()),
                (Opcode.TEXT, b""),
                (Opcode.BINARY, b"a"),
                (Opcode.BINARY, b"b"),
                (Opcode.BINARY, b"c"),
            ],
        )

    def test_surrogates(self) -> None:
        """
        Half a character is sent as the sign for something unknown, and two halves as
        what they make.
        """
        socket, server, _ = self.started()
        socket.send("a\ud83db")
        socket.send("\ud83d\ude00")
        self.assertEqual(server.frames(), [text("a\ufffdb"), text("\U0001f600")])

    def test_sendTooEarly(self) -> None:
        """
        Nothing can be sent before it is open, and nothing is counted then.
        """
        socket = self.make()
        self.assertRaises(InvalidState, socket.send, "too early")
        self.assertEqual(socket.bufferedAmount, 0)

    def test_sendOther(self) -> None:
        """
        What is neither text nor like bytes is a mistake, at any time.
        """
        wrong: Any
        for wrong in (None, 5, ["text"]):
            self.assertRaises(TypeError, self.make().send, wrong)
            self.assertRaises(TypeError, self.started()[0].send, wrong)

    def test_answer(self) -> None:
        """
        A listener can answer.
        """
        socket, server, _ = self.started()
        socket.onmessage = lambda event: socket.send(event.data)
        server.sendText("one", "two")
        self.assertEqual(server.frames(), [text("one"), text("two")])

    def test_pings(self) -> None:
        """
        Pings are answered, and nobody is told.
        """
        _, server, diary = self.started()
        server.ping(b"?")
        self.assertEqual([f.opcode for f in server.frames()], [Opcode.PONG])
        self.assertEqual(diary.types, ["open"])


class BufferedTests(SocketTestCase):
    """
    Tests of ``bufferedAmount``.
    """

    def test_turn(self) -> None:
        """
        What is sent counts until the turn is over, in bytes of UTF-8, whether or not
        the network was faster; heads of frames do not count.
        """
        socket, server, _ = self.started()
        socket.send("Grüße")
        self.assertEqual(socket.bufferedAmount, 7)
        socket.send(b"abc")
        socket.send("")
        self.assertEqual(socket.bufferedAmount, 10)
        server.turn()
        self.assertEqual(socket.bufferedAmount, 0)

    def test_slow(self) -> None:
        """
        What the peer has not taken goes on to count, and less of it as it leaves.
        """
        socket, server, _ = self.started()
        server.stall()
        # The transport takes about two marks' worth; the rest waits with us.
        socket.send(b"x" * 300 * KIB)
        socket.send("y" * 1000)
        self.assertEqual(socket.bufferedAmount, 300 * KIB + 1000)
        server.turn()
        waiting = socket.bufferedAmount
        self.assertTrue(100 * KIB < waiting < 300 * KIB, waiting)
        socket.send(b"z" * 10)
        self.assertEqual(socket.bufferedAmount, waiting + 10)
        server.goOn()
        self.assertEqual(socket.bufferedAmount, 0)

    def test_bounded(self) -> None:
        """
        Nothing is kept of messages that have left, even if nobody ever asks.
        """
        socket, server, _ = self.started()
        for _ in range(100):
            socket.send("x")
            server.turn()
        self.assertEqual(len(socket._backlog._messages), 0)

    def test_tooMuch(self) -> None:
        """
        More than may wait ends the connection with an error; nothing is raised.
        """
        socket, server, diary = self.started(options={"maxBufferedBytes": 100 * KIB})
        server.stall()
        socket.send(b"x" * 150 * KIB)
        socket.send(b"y" * 50 * KIB)
        socket.send(b"z" * 50 * KIB)
        self.assertEqual(socket.bufferedAmount, 250 * KIB)
        self.assertEqual(diary.types, ["open"])
        server.wait(5)
        self.assertEqual(diary.types, ["open", "error", "close"])
        self.assertFailed(diary, ConnectionClosed)
        self.assertGone(server)

    def test_afterwards(self) -> None:
        """
        What is sent while it is closing, or later, only counts, and goes on to do so.
        """
        socket, server, diary = self.started()
        socket.close()
        socket.send("12345")
        self.assertEqual(socket.bufferedAmount, 5)
        self.assertEqual(server.frames(), [close(None)])
        server.sendClose(None)
        server.end()
        self.assertEqual(diary.types[-1], "close")
        self.assertEqual(socket.bufferedAmount, 5)
        socket.send(b"678")
        self.reactor.advance(0)
        self.assertEqual(socket.bufferedAmount, 8)
        self.assertTrue(self.reactor.isIdle)

    def test_lost(self) -> None:
        """
        What had not left when the connection broke goes on to count.
        """
        socket, server, _ = self.started()
        server.stall()
        socket.send(b"x" * 300 * KIB)
        server.turn()
        waiting = socket.bufferedAmount
        self.assertTrue(waiting)
        server.vanish()
        self.assertEqual(socket.bufferedAmount, waiting)

    def test_neverOpen(self) -> None:
        """
        What is sent to one that never opened counts as well.
        """
        socket = self.make()
        socket.close()
        socket.send("12")
        self.reactor.advance(0)
        socket.send(b"3")
        self.assertEqual(socket.bufferedAmount, 3)


class ClosingTests(SocketTestCase):
    """
    Tests of the end.
    """

    def test_close(self) -> None:
        """
        Closing is a state of its own until the server agrees and goes; a browser's end
        has no error.
        """
        socket, server, diary = self.started()
        socket.close(1000, "bye")
        self.assertEqual(socket.readyState, socket.CLOSING)
        self.assertEqual(server.frames(), [close(1000, "bye")])
        server.sendClose(1000, "bye")
        self.assertEqual(socket.readyState, socket.CLOSING)
        server.end()
        self.assertEqual(diary.types, ["open", "close"])
        self.assertEqual(diary.states[-1], socket.CLOSED)
        self.assertIs(type(diary.events[-1]), CloseEvent)
        self.assertEqual(diary.end, (1000, "bye", True))
        self.assertTrue(self.reactor.isIdle)

    def test_codes(self) -> None:
        """
        What is sent is what was given: no code if there was none, and 1000 for a reason
        alone.
        """
        for given, frame in (
            ((), close(None)),
            ((None, ""), close(None)),
            ((1000,), close(1000)),
            ((3000, "x"), close(3000, "x")),
            ((4999, "é" * 61 + "x"), close(4999, "é" * 61 + "x")),
            ((None, "why"), close(1000, "why")),
            ((4000, "\ud83d"), close(4000, "\ufffd")),
        ):
            socket, server, _ = self.started()
            socket.close(*given)
            self.assertEqual(server.frames(), [frame], given)

    def test_noCode(self) -> None:
        """
        A close without a code, to which the server has no other answer, was clean.
        """
        socket, server, diary = self.started()
        socket.close()
        server.sendClose(None)
        server.end()
        self.assertEqual(diary.end, (1005, "", True))

    def test_wrongCode(self) -> None:
        """
        Other codes are refused, in any state, and nothing changes.
        """
        for make in (self.make, lambda: self.started()[0]):
            socket = make()
            state = socket.readyState
            codes = (0, 999, 1001, 1005, 1006, 1011, 2999, 5000, -1, 66000)
            others: Any = (*codes, 3000.5, "1000", True)
            for code in others:
                error = self.assertRaises(InvalidAccess, socket.close, code)
                self.assertIn(str(code), str(error))
                self.assertIsInstance(error, ValueError)
            self.assertEqual(socket.readyState, state)

    def test_longReason(self) -> None:
        """
        A reason of more than 123 bytes is refused, and nothing changes.
        """
        socket, _, _ = self.started()
        for reason in ("x" * 124, "é" * 62):
            error = self.assertRaises(InvalidSyntax, socket.close, 1000, reason)
            self.assertIn("124", str(error))
        self.assertEqual(socket.readyState, socket.OPEN)

    def test_again(self) -> None:
        """
        Closing again does nothing, but arguments are looked at.
        """
        socket, server, diary = self.started()
        socket.close(4000, "first")
        socket.close(4001, "second")
        self.assertRaises(InvalidAccess, socket.close, 1)
        self.assertEqual(server.frames(), [close(4000, "first")])
        server.sendClose(4000)
        server.end()
        socket.close()
        self.assertEqual(diary.types, ["open", "close"])
        self.assertEqual(socket.readyState, socket.CLOSED)

    def test_lateMessages(self) -> None:
        """
        Messages that come after closing are not told.
        """
        socket, server, diary = self.started()
        socket.close()
        server.sendText("late")
        self.assertEqual(diary.types, ["open"])

    def test_closeInMessage(self) -> None:
        """
        Nor are those that came in the same segment, once a listener has closed.
        """
        socket, server, diary = self.started()
        socket.onmessage = lambda event: socket.close()
        server.sendText("one", "two")
        self.assertEqual(diary.data, ["one"])

    def test_ofPeer(self) -> None:
        """
        When the server closes it is closing, and then has the server's code and reason,
        as clean as can be.
        """
        socket, server, diary = self.started()
        server.sendClose(4000, "Grüße")
        self.assertEqual(socket.readyState, socket.CLOSING)
        socket.send("too late")
        socket.close(4001)
        self.assertEqual(server.frames(), [close(4000, "Grüße")])
        server.end()
        self.assertEqual(diary.types, ["open", "close"])
        self.assertEqual(diary.end, (4000, "Grüße", True))

    def test_openUntilThen(self) -> None:
        """
        A message that came along with the server's close is told while it is open.
        """
        socket, server, diary = self.started()
        server.send(server.text("last") + server.close(1001))
        self.assertEqual(diary.data, ["last"])
        self.assertEqual(diary.states[-1], socket.OPEN)
        self.assertEqual(socket.readyState, socket.CLOSING)

    def test_lost(self) -> None:
        """
        A connection that breaks has failed (RFC 6455, 7.2.1).
        """
        _, server, diary = self.started()
        server.vanish()
        self.assertEqual(diary.types, ["open", "error", "close"])
        self.assertFailed(diary, ConnectionLost)

    def test_unclean(self) -> None:
        """
        So has one that the server ends without a word.
        """
        _, server, diary = self.started()
        server.end()
        self.assertEqual(diary.types, ["open", "error", "close"])
        self.assertFailed(diary, ConnectionClosed)

    def test_fault(self) -> None:
        """
        So has one whose server breaks a rule, and the error says which.
        """
        _, server, diary = self.started()
        server.send(server.frame(0x3))
        self.reactor.advance(5)
        server.turn()
        error = self.assertFailed(diary, ConnectionClosed)
        self.assertIn("opcode", error.message)

    def test_silent(self) -> None:
        """
        A server that never answers a close is not waited for.
        """
        socket, server, diary = self.started(options={"closeTimeout": 2})
        socket.close()
        server.wait(2)
        server.turn()
        self.assertEqual(diary.end, (1006, "", False))
        self.assertGone(server)

    def test_inOpen(self) -> None:
        """
        A listener may close as soon as it is open.
        """
        socket = self.make()
        diary = Diary(socket)
        socket.onopen = lambda event: socket.close(3000)
        server = self.reactor.accept()
        server.upgrade()
        self.assertEqual(server.frames(), [close(3000)])
        server.sendClose(3000)
        server.end()
        self.assertEqual(diary.types, ["open", "close"])


class ListenerTests(SocketTestCase):
    """
    Tests of what listeners do to a socket.
    """

    def test_errors(self) -> None:
        """
        What a listener raises is logged with its socket; others are called, and the
        connection goes on.
        """
        socket, server, diary = self.started()

        def fail(event: Event) -> None:
            raise ValueError("a mistake")

        socket.onmessage = fail
        socket.addEventListener("message", fail)
        after = Diary(socket)
        server.sendText("one", "two")
        self.assertEqual((diary.data, after.data), (["one", "two"],) * 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 4)
        self.assertEqual(socket.readyState, socket.OPEN)

    def test_inEach(self) -> None:
        """
        That holds for each kind of event.
        """
        socket = self.make()

        def fail(event: Event) -> None:
            raise ValueError(event.type)

        for name in EVENTS:
            socket.addEventListener(name, fail)
        diary = Diary(socket)
        server = self.reactor.accept()
        server.upgrade()
        server.sendText("one")
        server.vanish()
        self.assertEqual(diary.types, list(EVENTS))
        told = [str(each.value) for each in self.flushLoggedErrors(ValueError)]
        self.assertEqual(told, list(EVENTS))

    def test_coroutine(self) -> None:
        """
        A listener can be a coroutine function. Nothing waits for it, and what it raises
        is logged.
        """
        socket, server, diary = self.started()
        waiting: Deferred[None] = Deferred()
        said: list[str] = []

        async def listen(event: MessageEvent) -> None:
            await waiting
            said.append(event.data)
            raise ValueError("a mistake")

        socket.onmessage = listen
        server.sendText("one", "two")
        self.assertEqual((diary.data, said), (["one", "two"], []))
        waiting.callback(None)
        self.assertEqual(sorted(said), ["one", "two"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_own(self) -> None:
        """
        A program can dispatch events of its own.
        """
        socket = self.make()
        seen: list[Event] = []
        socket.addEventListener("refresh", seen.append)
        event = Event("refresh")
        self.assertTrue(socket.dispatchEvent(event))
        self.assertEqual(seen, [event])
        self.assertIs(event.target, socket)

    def test_notWithin(self) -> None:
        """
        No event comes from within a call, even if the transport is in a hurry.
        """

        class Hasty(MemoryTransport):
            def abortConnection(self) -> None:
                self.lose(ConnectionLost())

        socket = self.make()
        diary = Diary(socket)
        server = self.reactor.accept(Hasty(self.reactor))
        server.request()
        socket.close()
        self.assertEqual(diary.types, [])
        server.turn()
        self.assertEqual(diary.types, ["error", "close"])
