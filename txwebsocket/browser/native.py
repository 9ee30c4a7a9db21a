# -*- test-case-name: tests.browser.test_native -*-
# Part of txwebsocket. See LICENSE for details.
"""
For Python in a browser (Pyodide), where there is no Twisted: the browser's own
WebSocket, with the members that :class:`txwebsocket.W3CWebSocket` has elsewhere.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import Any

from txwebsocket._version import __version__ as version
from txwebsocket.browser.api import InvalidSyntax, WebSocketAPI, offered
from txwebsocket.browser.dom import (
    Callback,
    CloseEvent,
    ErrorEvent,
    Event,
    MessageEvent,
)

_native: Any = None
_ffi: Any = None
if sys.platform == "emscripten":
    import js
    from pyodide import ffi

    # JavaScript outside browsers may have none.
    _native = getattr(js, "WebSocket", None)
    _ffi = ffi

__all__ = ["version", "w3cwebsocket"]


class BrowserWebSocket(WebSocketAPI):
    """
    A WebSocket of the browser that Python runs in.

    It does what :class:`txwebsocket.W3CWebSocket` does, with the same names and types.
    What a listener raises goes to ``sys.excepthook``.

    :param url: a ``ws:``, ``wss:``, ``http:`` or ``https:`` URL without a fragment, or
        one relative to the page's.
    :param protocols: a subprotocol, or several, the preferred one first.
    :raises InvalidSyntax: if it is no such URL, or a subprotocol can't be one or is
        there twice.
    """

    def __init__(self, url: str, protocols: str | Iterable[str] = ()) -> None:
        super().__init__()
        try:
            self._socket = _native.new(url, _ffi.to_js(offered(protocols)))
        except _ffi.JsException as error:
            raise InvalidSyntax(str(error)) from None
        # A Blob could only be read later.
        self._socket.binaryType = "arraybuffer"
        self._proxies: list[Any] = []
        self._running: set[asyncio.Future[None]] = set()
        self._listen("open", lambda _: Event("open"))
        self._listen("message", _message)
        self._listen("error", lambda _: ErrorEvent("error"))
        self._listen("close", _close)

    @property
    def url(self) -> str:
        """
        Where it leads.
        """
        return str(self._socket.url)

    @property
    def readyState(self) -> int:
        """
        Where it stands: ``CONNECTING``, ``OPEN``, ``CLOSING`` or ``CLOSED``.
        """
        return int(self._socket.readyState)

    @property
    def protocol(self) -> str:
        """
        The subprotocol agreed on; empty before it is open, and if there is none.
        """
        return str(self._socket.protocol)

    @property
    def extensions(self) -> str:
        """
        The extensions agreed on, in the header's own form; empty before it is open.
        """
        return str(self._socket.extensions)

    @property
    def bufferedAmount(self) -> int:
        """
        Bytes that were given to :meth:`send` and have not left the browser, heads of
        frames not counted.
        """
        return int(self._socket.bufferedAmount)

    def _send(self, message: str | bytes) -> None:
        self._socket.send(_ffi.to_js(message))

    def _close(self, code: int | None, reason: str) -> None:
        if code is None:
            self._socket.close()
        else:
            self._socket.close(code, reason)

    def _listen(self, type: str, translate: Callable[[Any], Event]) -> None:
        proxy = _ffi.create_proxy(lambda event: self._happened(translate(event)))
        self._proxies.append(proxy)
        self._socket.addEventListener(type, proxy)

    def _happened(self, event: Event) -> None:
        self._fire(event)
        if event.type == "close":
            # Nothing follows. What JavaScript refers to is never collected by itself.
            for proxy in self._proxies:
                proxy.destroy()

    def _tell(self, listener: Callback, event: Event) -> None:
        try:
            running = listener(event)
        except BaseException:  # noqa: BLE001 - a listener may raise anything
            sys.excepthook(*sys.exc_info())
        else:
            if isawaitable(running):
                self._follow(running)

    def _follow(self, running: Awaitable[object]) -> None:
        async def follow() -> None:
            try:
                await running
            except BaseException:  # noqa: BLE001 - a listener may raise anything
                sys.excepthook(*sys.exc_info())

        # The loop itself does not keep it.
        task = asyncio.ensure_future(follow())
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def _message(event: Any) -> MessageEvent:
    data = event.data
    if not isinstance(data, str):
        data = data.to_bytes()
    return MessageEvent("message", data=data, origin=event.origin)


def _close(event: Any) -> CloseEvent:
    return CloseEvent(
        "close", wasClean=event.wasClean, code=event.code, reason=event.reason
    )


w3cwebsocket = None if _native is None else BrowserWebSocket
"""
The class; None where there is no browser.
"""
