# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.browser`, with a browser that is made up here; the suite in
``tests/tools/interop`` has a real one.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import txwebsocket
from tests.project.test_facade import IN_BROWSER, run
from tests.support.raising import KINDS, failingCoroutine, raising
from txwebsocket import (
    CloseEvent,
    ErrorEvent,
    Event,
    InvalidAccess,
    InvalidState,
    InvalidSyntax,
    MessageEvent,
    W3CWebSocket,
)
from txwebsocket.browser import native as browser

URL = "ws://example.com/chat"


class JsException(Exception):
    """
    What JavaScript throws, as Pyodide shows it.
    """


class Buffer:
    """
    An ``ArrayBuffer``, as Pyodide shows it.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def to_bytes(self) -> bytes:
        return self._octets


class Given:
    """
    What was made fit for JavaScript.
    """

    def __init__(self, value: object) -> None:
        self.value = value


class Proxy:
    """
    What JavaScript calls Python through.
    """

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function
        self.isDestroyed = False

    def __call__(self, event: Any) -> None:
        if self.isDestroyed:
            raise JsException("Object has already been destroyed")
        self._function(event)

    def destroy(self) -> None:
        self.isDestroyed = True


class NativeEvent:
    """
    An event of the browser.
    """

    def __init__(self, **facts: object) -> None:
        vars(self).update(facts)


class NativeWebSocket:
    """
    The browser's WebSocket.

    :cvar made: those there are.
    :ivar calls: what it was asked to do.
    """

    made: list[NativeWebSocket] = []

    def __init__(self, url: str, protocols: list[str]) -> None:
        self.url = f"{url}/" if url.count("/") == 2 else url
        self.protocols = protocols
        self.readyState = 0
        self.protocol = self.extensions = ""
        self.bufferedAmount = 0
        self.binaryType = "blob"
        self.calls: list[tuple[Any, ...]] = []
        self.listeners: dict[str, Proxy] = {}

    @classmethod
    def new(cls, url: str, protocols: Given) -> NativeWebSocket:
        """
        Pyodide's word for JavaScript's ``new``.
        """
        if not url.startswith("ws"):
            raise JsException("SyntaxError: the URL is invalid")
        names: Any = protocols.value
        cls.made.append(cls(url, names))
        return cls.made[-1]

    def addEventListener(self, type: str, listener: Proxy) -> None:
        self.listeners[type] = listener

    def send(self, data: Given) -> None:
        self.calls.append(("send", data.value))

    def close(self, *args: object) -> None:
        self.calls.append(("close", *args))
        self.readyState = 2

    # What the tests do

    def happen(self, type: str, state: int, **facts: object) -> None:
        """
        Something happens.
        """
        self.readyState = state
        self.listeners[type](NativeEvent(**facts))

    def open(self) -> None:
        """
        The server has agreed.
        """
        self.happen("open", 1)

    def end(self) -> None:
        """
        The connection has ended.
        """
        self.happen("close", 3, code=1000, reason="", wasClean=True)


def load(native: object = NativeWebSocket) -> Any:
    """
    Import the module as a browser's Python does.

    :param native: the browser's WebSocket, None if it has none.
    """
    js, pyodide = ModuleType("js"), ModuleType("pyodide")
    if native is not None:
        vars(js)["WebSocket"] = native
    vars(pyodide)["ffi"] = NativeEvent(
        JsException=JsException, create_proxy=Proxy, to_js=Given
    )
    before, platform = dict(sys.modules), sys.platform
    sys.modules.update(js=js, pyodide=pyodide)
    sys.platform = "emscripten"
    try:
        spec: Any = spec_from_file_location("in_browser", browser.__file__)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.platform = platform
        for name in ("js", "pyodide"):
            del sys.modules[name]
            if name in before:
                sys.modules[name] = before[name]
    return module


def members(kind: type) -> dict[str, object]:
    """
    What a class has for its users, and how it is called.
    """
    found: dict[str, object] = {}
    for name, value in inspect.getmembers(kind):
        if not name.startswith("_"):
            isMethod = inspect.isfunction(value)
            found[name] = inspect.signature(value) if isMethod else type(value)
    return found


class ElsewhereTests(SynchronousTestCase):
    """
    Tests of the module where there is no browser.
    """

    def test_none(self) -> None:
        """
        There it has no WebSocket, and the library's version.
        """
        self.assertIs(browser.w3cwebsocket, None)
        self.assertEqual(browser.version, txwebsocket.version)

    def test_otherJavaScript(self) -> None:
        """
        JavaScript that has no WebSocket has none in Python either.
        """
        self.assertIs(load(native=None).w3cwebsocket, None)

    def test_noTwisted(self) -> None:
        """
        In a browser's Python the module can be imported and used, without Twisted.
        """
        told = run(
            IN_BROWSER + "from types import ModuleType, SimpleNamespace\n"
            "class WebSocket:\n"
            "    new = lambda url, protocols: SimpleNamespace(\n"
            "        url=url, readyState=0, addEventListener=print)\n"
            "sys.modules['js'] = SimpleNamespace(WebSocket=WebSocket)\n"
            "sys.modules['pyodide'] = SimpleNamespace(ffi=SimpleNamespace(\n"
            "    to_js=list, create_proxy=lambda call: '', JsException=Exception))\n"
            "import txwebsocket.wire\n"
            "from txwebsocket import InvalidState\n"
            "from txwebsocket.browser import version, w3cwebsocket\n"
            "print(w3cwebsocket('ws://h/'))"
        )
        self.assertEqual(
            told.splitlines()[-1], "<BrowserWebSocket CONNECTING ws://h/>", told
        )


class LikenessTests(SynchronousTestCase):
    """
    Tests of what the browser's and the reactor's have in common.
    """

    def test_members(self) -> None:
        """
        Both have the same members, called in the same way, so that what is written for
        one works with the other.
        """
        self.assertEqual(members(load().w3cwebsocket), members(W3CWebSocket))

    def test_standard(self) -> None:
        """
        They are those of the standards, and no others.
        """
        own = "CONNECTING OPEN CLOSING CLOSED url readyState bufferedAmount extensions"
        more = "protocol binaryType send close onopen onmessage onerror onclose"
        target = "addEventListener removeEventListener dispatchEvent"
        names = f"{own} {more} {target}".split()
        self.assertEqual(sorted(members(W3CWebSocket)), sorted(names))


class BrowserTestCase(SynchronousTestCase):
    """
    What tests in a browser need.

    :ivar module: the module, as it is there.
    """

    def setUp(self) -> None:
        self.patch(NativeWebSocket, "made", [])
        self.module = load()

    def make(self, *args: Any) -> tuple[Any, NativeWebSocket, list[Any]]:
        """
        A socket, the browser's behind it, and the events it has had so far.
        """
        socket = self.module.w3cwebsocket(*(args or (URL,)))
        events: list[Any] = []
        for name in ("open", "message", "error", "close"):
            socket.addEventListener(name, events.append)
        [native] = NativeWebSocket.made
        return socket, native, events

    def started(self) -> tuple[Any, NativeWebSocket, list[Any]]:
        """
        The same, when it is open.
        """
        socket, native, events = self.make()
        native.open()
        return socket, native, events


class MakingTests(BrowserTestCase):
    """
    Tests of making one.
    """

    def test_arguments(self) -> None:
        """
        URL and subprotocols are the browser's to use; one alone need be in no list.
        """
        for given, expected in (
            ((), []),
            (("v1",), ["v1"]),
            ((["v2", "v1"],), ["v2", "v1"]),
            ((iter(["v1"]),), ["v1"]),
        ):
            NativeWebSocket.made.clear()
            _, native, _ = self.make(URL, *given)
            self.assertEqual((native.url, native.protocols), (URL, expected))

    def test_refused(self) -> None:
        """
        What the browser refuses is the same error as elsewhere.
        """
        error = self.assertRaises(InvalidSyntax, self.module.w3cwebsocket, "ftp://h/")
        self.assertIn("the URL is invalid", str(error))
        for protocols in (["echo", "eCho"], ["a", "a"]):
            error = self.assertRaises(
                InvalidSyntax, self.module.w3cwebsocket, URL, protocols
            )
            self.assertIn("duplicate", str(error))
        self.assertEqual(NativeWebSocket.made, [])

    def test_binary(self) -> None:
        """
        The browser gives binary messages at once, whatever Python thinks of them.
        """
        socket, native, _ = self.make()
        self.assertEqual(
            (socket.binaryType, native.binaryType), ("blob", "arraybuffer")
        )
        socket.binaryType = "arraybuffer"
        self.assertEqual(socket.binaryType, "arraybuffer")
        with self.assertRaises(InvalidSyntax):
            socket.binaryType = "list"

    def test_properties(self) -> None:
        """
        What it says of itself is what the browser says.
        """
        socket, native, _ = self.make("ws://example.com")
        self.assertEqual(socket.url, "ws://example.com/")
        native.protocol, native.extensions = "v1", "permessage-deflate"
        native.bufferedAmount = 5
        for native.readyState in (0, 1, 2, 3):
            self.assertEqual(socket.readyState, native.readyState)
        self.assertEqual(socket.protocol, "v1")
        self.assertEqual(socket.extensions, "permessage-deflate")
        self.assertEqual(socket.bufferedAmount, 5)


class TalkingTests(BrowserTestCase):
    """
    Tests of one that is open, and of its end.
    """

    def test_open(self) -> None:
        """
        It opens with an event of ours.
        """
        socket, _, events = self.started()
        [event] = events
        self.assertIs(type(event), Event)
        self.assertEqual((event.type, event.target), ("open", socket))

    def test_messages(self) -> None:
        """
        Messages arrive as text and bytes.
        """
        _, native, events = self.started()
        native.happen("message", 1, data="Grüße", origin="ws://example.com")
        native.happen("message", 1, data=Buffer(b"\x00"), origin="ws://example.com")
        told = [(type(e), e.data, e.origin) for e in events[1:]]
        self.assertEqual(
            told,
            [
                (MessageEvent, "Grüße", "ws://example.com"),
                (MessageEvent, b"\x00", "ws://example.com"),
            ],
        )

    def test_send(self) -> None:
        """
        Text and bytes are given to the browser in its own types.
        """
        socket, native, _ = self.started()
        for data in ("a\ud83d", b"b", bytearray(b"c"), memoryview(b"d")):
            socket.send(data)
        sent = [("send", data) for data in ("a\ufffd", b"b", b"c", b"d")]
        self.assertEqual(native.calls, sent)
        self.assertRaises(TypeError, socket.send, 5)

    def test_sendTooEarly(self) -> None:
        """
        Sending too early is the same error as elsewhere; sending too late is the
        browser's to count.
        """
        socket, native, _ = self.make()
        self.assertRaises(InvalidState, socket.send, "x")
        native.end()
        socket.send("x")
        self.assertEqual(native.calls, [("send", "x")])

    def test_close(self) -> None:
        """
        Code and reason are given on, and nothing in their place.
        """
        for given, call in (
            ((), ("close",)),
            ((3000,), ("close", 3000, "")),
            ((1000, "bye"), ("close", 1000, "bye")),
            ((None, "why"), ("close", 1000, "why")),
        ):
            NativeWebSocket.made.clear()
            socket, native, _ = self.started()
            socket.close(*given)
            self.assertEqual(native.calls, [call])
            socket.close()
            self.assertEqual(native.calls, [call])

    def test_closeWrong(self) -> None:
        """
        Wrong arguments are the same errors as elsewhere.
        """
        socket, native, _ = self.started()
        self.assertRaises(InvalidAccess, socket.close, 1001)
        self.assertRaises(InvalidSyntax, socket.close, 1000, "x" * 124)
        self.assertEqual(native.calls, [])

    def test_error(self) -> None:
        """
        An error tells nothing, since the browser tells nothing.
        """
        _, native, events = self.make()
        native.happen("error", 3)
        [event] = events
        self.assertIs(type(event), ErrorEvent)
        self.assertEqual((event.error, event.message), (None, ""))

    def test_end(self) -> None:
        """
        The end has the browser's facts, and leaves nothing behind in JavaScript.
        """
        _, native, events = self.started()
        native.happen("close", 3, code=4000, reason="bye", wasClean=True)
        event = events[-1]
        self.assertIs(type(event), CloseEvent)
        told = (event.code, event.reason, event.wasClean)
        self.assertEqual(told, (4000, "bye", True))
        self.assertEqual(
            sorted(native.listeners), ["close", "error", "message", "open"]
        )
        self.assertTrue(all(each.isDestroyed for each in native.listeners.values()))


class ListenerTests(BrowserTestCase):
    """
    Tests of listeners that fail, or take their time.
    """

    def setUp(self) -> None:
        super().setUp()
        self.reported: list[Any] = []
        self.patch(
            sys, "excepthook", lambda kind, error, trace: self.reported.append(error)
        )

    def test_errors(self) -> None:
        """
        What a listener raises is reported as what nobody catches is, and concerns
        nobody else.
        """
        socket, native, events = self.make()
        error = ValueError("no")

        def fail(event: Event) -> None:
            raise error

        socket.onopen = fail
        socket.addEventListener("open", fail)
        socket.addEventListener("open", lambda event: events.append("after"))
        native.open()
        self.assertEqual(self.reported, [error] * 2)
        self.assertEqual(events[1:], ["after"])

    def test_kinds(self) -> None:
        """
        That holds for every kind of exception, be it raised at once or by a coroutine.
        """
        socket, native, events = self.make()
        for make in (raising, failingCoroutine):
            for kind in KINDS:
                socket.addEventListener("open", make(kind))
        socket.addEventListener("open", lambda event: events.append("after"))

        async def main() -> None:
            native.open()
            self.assertEqual(events[-1], "after")
            while socket._running:
                await asyncio.sleep(0)

        asyncio.run(main())
        reported = [type(error) for error in self.reported]
        self.assertEqual(reported, [*KINDS, *KINDS])

    def test_trusted(self) -> None:
        """
        What happens in the browser is trusted, and what Python dispatches is not.
        """
        socket, native, events = self.make()
        native.open()
        self.assertTrue(events[0].isTrusted)
        socket.dispatchEvent(events[0])
        self.assertFalse(events[0].isTrusted)

    def test_coroutine(self) -> None:
        """
        A listener can be a coroutine function, whose errors are reported, too.
        """
        socket, native, _ = self.make()
        said: list[str] = []

        async def listen(event: Event) -> None:
            await asyncio.sleep(0)
            said.append(event.type)
            raise ValueError("no")

        async def main() -> None:
            socket.onopen = listen
            native.open()
            self.assertEqual(said, [])
            while socket._running:
                await asyncio.sleep(0)

        asyncio.run(main())
        self.assertEqual(said, ["open"])
        [error] = self.reported
        self.assertIsInstance(error, ValueError)
