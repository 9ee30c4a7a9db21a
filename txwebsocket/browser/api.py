# -*- test-case-name: tests.client.test_w3c -*-
# Part of txwebsocket. See LICENSE for details.
"""
The WebSocket of browsers (WHATWG WebSockets Standard), as far as it is the same whoever
makes the connection. Without Twisted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TypeAlias

from txwebsocket.browser.dom import EventHandler, EventTarget
from txwebsocket.wire.control import MAX_REASON
from txwebsocket.wire.errors import InvalidState, WebSocketError
from txwebsocket.wire.messages import asBytes

Data: TypeAlias = str | bytes | bytearray | memoryview
"""
What can be sent.
"""

_BINARY_TYPES = ("blob", "arraybuffer")


class InvalidSyntax(WebSocketError, ValueError):
    """
    An argument is not of the form it should have: a browser's ``SyntaxError``.
    """


class InvalidAccess(WebSocketError, ValueError):
    """
    A close code that is not for applications: a browser's ``InvalidAccessError``.
    """


class WebSocketAPI(EventTarget):
    """
    What every WebSocket has that is like a browser's.
    """

    #: It is not open yet.
    CONNECTING = 0
    #: Messages travel both ways.
    OPEN = 1
    #: One end has asked to close, or the opening was given up.
    CLOSING = 2
    #: The connection has gone, or there never was one.
    CLOSED = 3

    onopen = EventHandler("open")
    onmessage = EventHandler("message")
    onerror = EventHandler("error")
    onclose = EventHandler("close")

    def __init__(self) -> None:
        super().__init__()
        self._binaryType = "blob"

    def __repr__(self) -> str:
        state = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")[self.readyState]
        return f"<{type(self).__name__} {state} {self.url}>"

    @property
    @abstractmethod
    def url(self) -> str:
        """
        Where it leads.
        """

    @property
    @abstractmethod
    def readyState(self) -> int:
        """
        Where it stands: ``CONNECTING``, ``OPEN``, ``CLOSING`` or ``CLOSED``.
        """

    @property
    @abstractmethod
    def protocol(self) -> str:
        """
        The subprotocol agreed on; empty before it is open, and if there is none.
        """

    @property
    @abstractmethod
    def extensions(self) -> str:
        """
        The extensions agreed on, in the header's own form; empty before it is open.
        """

    @property
    @abstractmethod
    def bufferedAmount(self) -> int:
        """
        Bytes that were given to :meth:`send` and have not left us, heads of frames not
        counted. What is sent stays in it until the turn of the event loop is over, and
        what can't be sent any more for ever.
        """

    @property
    def binaryType(self) -> str:
        """
        ``"blob"`` or ``"arraybuffer"``. It is kept and changes nothing: binary messages
        are ``bytes``, which need no such choice.

        :raises InvalidSyntax: if it is set to something else.
        """
        return self._binaryType

    @binaryType.setter
    def binaryType(self, value: str) -> None:
        if value not in _BINARY_TYPES:
            names = " or ".join(map(repr, _BINARY_TYPES))
            raise InvalidSyntax(f"binaryType is {names}, not {value!r}")
        self._binaryType = value

    def send(self, data: Data) -> None:
        """
        Send a message: text for ``str``, binary for what is like ``bytes``.

        Once the connection is ending nothing is sent any more, and nothing raised;
        :attr:`bufferedAmount` tells. A lone surrogate in a text, which UTF-8 has not,
        is sent as U+FFFD.

        :raises InvalidState: if it is not open yet.
        :raises TypeError: if the message is something else.
        """
        message = scalars(data) if isinstance(data, str) else asBytes(data)
        if self.readyState == self.CONNECTING:
            raise InvalidState(f"{self!r} can't send before it is open")
        self._send(message)

    def close(self, code: int | None = None, reason: str = "") -> None:
        """
        Close the connection, or give up opening it. Messages that still arrive are
        discarded. Nothing is done if it is closing or closed already.

        :param code: 1000 or 3000 to 4999. If it is left out the peer is told none, but
            1000 along with a reason.
        :param reason: at most 123 bytes in UTF-8.
        :raises InvalidAccess: if the code is another one.
        :raises InvalidSyntax: if the reason is too long.
        """
        if not (code is None or _isApplications(code)):
            raise InvalidAccess(
                f"an application's close code is 1000 or 3000 to 4999, not {code!r}"
            )
        reason = scalars(reason)
        size = len(reason.encode("utf-8"))
        if size > MAX_REASON:
            raise InvalidSyntax(
                f"a close reason has at most {MAX_REASON} bytes in UTF-8, not {size}"
            )
        if self.readyState in (self.CONNECTING, self.OPEN):
            self._close(1000 if reason and code is None else code, reason)

    @abstractmethod
    def _send(self, message: str | bytes) -> None:
        """
        Send if that is possible, and count.
        """

    @abstractmethod
    def _close(self, code: int | None, reason: str) -> None:
        """
        Start to close, for the first time.
        """


def scalars(text: str) -> str:
    """
    A text as UTF-8 can have it: what surrogates in it make together, and U+FFFD for
    each that stands alone (Infra Standard, "scalar value string").
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def offered(protocols: str | Iterable[str]) -> list[str]:
    """
    The subprotocols of a constructor's argument, which may be one alone.

    :raises InvalidSyntax: if two differ in their case alone.
    :raises TypeError: if it is neither text nor an iterable.
    """
    if not isinstance(protocols, Iterable):
        raise TypeError(
            "protocols must be a subprotocol or a list of them, not "
            f"{type(protocols).__name__}"
        )
    names = [protocols] if isinstance(protocols, str) else list(protocols)
    seen = set()
    for name in names:
        folded = str(name).lower()
        if folded in seen:
            raise InvalidSyntax(f"protocols must be distinct: {name!r} is a duplicate")
        seen.add(folded)
    return names


def _isApplications(code: object) -> bool:
    return isinstance(code, int) and (code == 1000 or 3000 <= code <= 4999)
