# Part of txwebsocket. See LICENSE for details.
"""
Runs in a browser's Python: has a conversation, and its last line tells what was wrong
with each part of it, if anything was.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

from js import location

from txwebsocket import InvalidAccess, InvalidState, InvalidSyntax, __version__
from txwebsocket.browser import version, w3cwebsocket

HOST = f"ws://{location.host}"
EVENTS = ("open", "message", "error", "close")
STEP = 5.0

found: list[dict[str, str]] = []


class Wrong(Exception):
    """
    Something is not as it should be.
    """


def same(given: object, expected: object) -> None:
    if given != expected or type(given) is not type(expected):
        raise Wrong(f"{given!r:.200}, not {expected!r:.200}")


def refused(kind: type[Exception], call: Any, *args: object) -> None:
    try:
        call(*args)
    except kind:
        return
    raise Wrong(f"{args!r:.200} should be {kind.__name__}")


class Socket:
    """
    A WebSocket, and its events one by one.
    """

    def __init__(self, path: str, *protocols: str) -> None:
        self.socket = w3cwebsocket(HOST + path, protocols)
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        for name in EVENTS:
            self.socket.addEventListener(name, self._events.put_nowait)

    async def next(self, type: str) -> Any:
        event = await asyncio.wait_for(self._events.get(), STEP)
        same(event.type, type)
        return event

    async def echoed(self, message: str | bytes) -> None:
        self.socket.send(message)
        event = await self.next("message")
        same(event.data, message)
        same(event.origin, HOST)

    async def closed(self, code: int, reason: str, wasClean: bool) -> None:
        event = await self.next("close")
        same((event.code, event.reason, event.wasClean), (code, reason, wasClean))
        same(self.socket.readyState, self.socket.CLOSED)


async def check(what: str, step: Awaitable[None]) -> None:
    try:
        await step
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        found.append({"what": what, "why": f"{type(error).__name__}: {error}"})
    else:
        found.append({"what": what, "why": ""})


async def imports() -> None:
    same(version, __version__)
    same([name for name in sys.modules if name.startswith("twisted")], [])


async def opens(chat: Socket) -> None:
    same((chat.socket.protocol, chat.socket.readyState), ("", chat.socket.CONNECTING))
    same(chat.socket.url, f"{HOST}/chat")
    refused(InvalidState, chat.socket.send, "too early")
    event = await chat.next("open")
    same(event.target is chat.socket, True)
    same((chat.socket.protocol, chat.socket.readyState), ("chat.v1", chat.socket.OPEN))


async def echoes(chat: Socket, *messages: str | bytes) -> None:
    for message in messages:
        await chat.echoed(message)


async def buffers(chat: Socket) -> None:
    same(chat.socket.bufferedAmount, 0)
    chat.socket.send("Grüße")
    same(chat.socket.bufferedAmount, 7)
    chat.socket.send(bytearray(5))
    same(chat.socket.bufferedAmount, 12)
    same((await chat.next("message")).data, "Grüße")
    same((await chat.next("message")).data, bytes(5))
    same(chat.socket.bufferedAmount, 0)


async def refuses(chat: Socket) -> None:
    refused(TypeError, chat.socket.send, 5)
    refused(InvalidAccess, chat.socket.close, 1001)
    refused(InvalidSyntax, chat.socket.close, 1000, "x" * 124)
    refused(InvalidSyntax, w3cwebsocket, f"{HOST}/#fragment")
    refused(InvalidSyntax, w3cwebsocket, "ftp://127.0.0.1/")
    refused(InvalidSyntax, w3cwebsocket, f"{HOST}/", ["a", "a"])
    refused(InvalidSyntax, w3cwebsocket, f"{HOST}/", "")
    same(chat.socket.readyState, chat.socket.OPEN)


async def weClose(chat: Socket) -> None:
    chat.socket.close(3001, "genug für heute")
    same(chat.socket.readyState, chat.socket.CLOSING)
    await chat.closed(3001, "genug für heute", True)
    chat.socket.send("late")
    same(chat.socket.bufferedAmount, 4)


async def theyClose() -> None:
    socket = Socket("/chat")
    await socket.next("open")
    same(socket.socket.protocol, "")
    socket.socket.send("bye")
    await socket.closed(4002, "see you, 再见", True)


async def noServer() -> None:
    socket = Socket("/nothing")
    error = await socket.next("error")
    same((error.error, error.message), (None, ""))
    await socket.closed(1006, "", False)


async def givenUp() -> None:
    socket = Socket("/chat")
    socket.socket.close()
    same(socket.socket.readyState, socket.socket.CLOSING)
    await socket.next("error")
    await socket.closed(1006, "", False)


async def listeners() -> None:
    reported: list[object] = []
    hook, sys.excepthook = sys.excepthook, lambda *args: reported.append(args[1])
    error = ValueError("no")

    async def fail(event: object) -> None:
        await asyncio.sleep(0)
        raise error

    def failAtOnce(event: object) -> None:
        raise error

    socket = Socket("/chat")
    socket.socket.onopen = failAtOnce
    socket.socket.onmessage = fail
    await socket.next("open")
    await socket.echoed("x")
    await asyncio.sleep(0.01)
    socket.socket.close()
    await socket.closed(1005, "", True)
    sys.excepthook = hook
    same(reported, [error] * 2)


async def converse() -> str:
    await check("the library imports without Twisted", imports())
    chat = Socket("/chat", "chat.v9", "chat.v1")
    await check("opens with a subprotocol", opens(chat))
    await check("text", echoes(chat, "Grüße, 再见", "x" * 70_000))
    await check("binary", echoes(chat, bytes(range(256)), bytes(1_000_000)))
    await check("empty messages", echoes(chat, "", b""))
    await check("bufferedAmount", buffers(chat))
    await check("wrong arguments", refuses(chat))
    await check("our close", weClose(chat))
    await check("their close", theyClose())
    await check("no WebSocket there", noServer())
    await check("given up", givenUp())
    await check("listeners that fail", listeners())
    return json.dumps(found)


await converse()  # noqa: F704, PLE1142 - Pyodide runs it so
