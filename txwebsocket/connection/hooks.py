# -*- test-case-name: tests.connection.test_hooks -*-
# Part of txwebsocket. See LICENSE for details.
"""
The methods of an application, looked up once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from txwebsocket.interfaces import WebSocketProtocol

_NAMES = (
    "bytesMessageReceived",
    "connectionLost",
    "frameReceived",
    "messageStarted",
    "messagesDropped",
    "negotiationFinished",
    "negotiationStarted",
    "pingReceived",
    "pongReceived",
    "textMessageReceived",
)

_ALL = frozenset(_NAMES)

# The sets of names that applications have: there are few of them.
_found: dict[frozenset[str], frozenset[str]] = {}


class Hooks:
    """
    What a connection calls of its application. What the application lacks when it is
    introduced does nothing.
    """

    __slots__ = ("_application", "_names")

    bytesMessageReceived: Callable[[bytes], Any]
    connectionLost: Callable[[Any], Any]
    frameReceived: Callable[[Any], Any]
    messagesDropped: Callable[[int], Any]
    negotiationFinished: Callable[[], Any]
    negotiationStarted: Callable[[Any], Any]
    pingReceived: Callable[[bytes], Any]
    pongReceived: Callable[[bytes], Any]
    textMessageReceived: Callable[[str], Any]

    def __init__(self, application: object) -> None:
        if isinstance(application, WebSocketProtocol):
            names = _ALL
        else:
            names = frozenset(name for name in _NAMES if hasattr(application, name))
        self._application = application
        self._names = _found.setdefault(names, names)

    def messageStarted(self, message: Any) -> Any:
        """
        Tell it of a message in pieces; if it takes none, of the whole one.
        """
        if "messageStarted" in self._names:
            return self._application.messageStarted(message)  # type: ignore[attr-defined]
        return WebSocketProtocol.messageStarted(self, message)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        # Bound when it is needed: eight bound methods take more than all else here.
        return getattr(self._application, name) if name in self._names else _doNothing


def _doNothing(*_: object) -> None:
    return None


NO_HOOKS = Hooks(None)
"""
The hooks of a connection in pull style.
"""


def introduce(application: object, connection: object) -> Hooks:
    """
    Tell an application its connection, where it has a place for it.
    """
    if isinstance(application, WebSocketProtocol):
        application.connection = connection
    return Hooks(application)
