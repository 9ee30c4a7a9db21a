# -*- test-case-name: tests.wire.test_errors -*-
# Part of txwebsocket. See LICENSE for details.
"""
The errors of this package, as one small tree::

    WebSocketError
    ├─ HandshakeError          the opening handshake failed
    │   ├─ UpgradeRefused      server: this request can't become a WebSocket
    │   └─ BadResponse         client: the server's answer isn't a handshake
    ├─ InvalidState            a call came too early, or a second time
    ├─ BufferFull              too much waits for the peer already
    └─ ConnectionClosed        a call came too late: the close report says why

What a peer does wrong on an open connection is no exception: it ends the connection
with a close code, and the close report names it.
"""

from collections.abc import Sequence
from typing import Any

from txwebsocket.wire.report import CloseReport

_SHOWN_SIZE = 200


def shown(text: str) -> str:
    """
    Somebody else's text as a part of an error or a log: one line, not too long, and
    nothing that a terminal would obey.
    """
    cut = text[:_SHOWN_SIZE] + ("..." if len(text) > _SHOWN_SIZE else "")
    return cut if cut.isprintable() else ascii(cut)


class WebSocketError(Exception):
    """
    What all errors of this package have in common.
    """


class HandshakeError(WebSocketError):
    """
    The opening handshake failed.
    """


class UpgradeRefused(HandshakeError):
    """
    A request asked for a WebSocket and can't have one (RFC 6455, 4.2.2).

    :ivar status: the HTTP status to answer with.
    :ivar explanation: one readable sentence for the body of that answer.
    :ivar headers: names and values to add to it.
    :ivar httpRequest: the twisted.web request, as soon as a server has refused it.
    :ivar remoteAddress: whom it came from, as ``WebSocketRequest.remoteAddress``.
    :ivar resource: what it asked for, as the request line has it.
    :ivar origin: what it gave as its origin, if anything.
    """

    httpRequest: Any = None
    remoteAddress: str | None = None
    resource: str = ""
    origin: str | None = None

    def __init__(
        self,
        status: int,
        explanation: str,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(f"{status}: {explanation}")
        self.status = status
        self.explanation = explanation
        self.headers = tuple(headers)


class BadResponse(HandshakeError):
    """
    The server's answer to an opening handshake breaks a rule (RFC 6455, 4.1).
    """


class InvalidState(WebSocketError):
    """
    The call makes no sense yet, or makes none a second time.
    """


class BufferFull(WebSocketError):
    """
    Too much waits for a peer that does not read. Nothing was sent, and the connection
    stays open; ``drained()`` tells when there is room.

    :ivar size: bytes of what was to be sent.
    :ivar waiting: bytes that wait already.
    :ivar limit: bytes that may wait: the option ``maxBufferedBytes``.
    """

    def __init__(self, size: int, waiting: int, limit: int) -> None:
        super().__init__(
            f"{size} bytes more than the {waiting} that wait for the peer are above "
            f"maxBufferedBytes, {limit}"
        )
        self.size = size
        self.waiting = waiting
        self.limit = limit


class ConnectionClosed(WebSocketError):
    """
    The connection has ended, or is ending.

    :ivar report: how it ended; while it is still ending, what is known so far.
    """

    def __init__(self, report: CloseReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)
