# -*- test-case-name: tests.test_site -*-
# Part of txwebsocket. See LICENSE for details.
"""
A site for WebSockets alone, stricter than twisted.web's own.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Site

HEAD_TIMEOUT = 10.0
"""
Seconds for a request's line and headers, all of them.
"""


_REFUSAL = (
    b"HTTP/1.1 %s\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n"
    b"Connection: close\r\n\r\n"
    b"%s\n"
)


class _StrictChannel(HTTPChannel):
    """
    Give each request's head an absolute deadline, and take neither bodies nor folded
    lines; say so where a line is too long.

    twisted.web's own timeout starts anew with every byte, so that a client that sends
    one a minute keeps its connection for hours. And it reads a body, however long, into
    a file before a resource is asked.
    """

    # How long a connection may take to go once it has been told to.
    abortTimeout = 1

    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._expectHead()

    def lineReceived(self, line: bytes) -> None:
        if line.startswith((b" ", b"\t")):
            # RFC 9112, 5.2: a folded line may be refused, and who reads it otherwise
            # than we do can't be deceived then.
            self._refuse(b"400 Bad Request")
        else:
            super().lineReceived(line)

    def allHeadersReceived(self) -> None:
        self._stopExpecting()
        if self.length == 0:
            super().allHeadersReceived()
        else:
            self._refuse(b"400 Bad Request")

    def lineLengthExceeded(self, line: bytes) -> None:
        # twisted.web would leave without a word.
        self._refuse(b"431 Request Header Fields Too Large")

    def requestDone(self, request: Any) -> None:
        if self.persistent:
            # Before what has arrived already is read, which may hold a head, or part of
            # one.
            self._expectHead()
        super().requestDone(request)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._stopExpecting()
        super().connectionLost(reason)

    def _expectHead(self) -> None:
        self._deadline = self.callLater(HEAD_TIMEOUT, self._tooLate)

    def _stopExpecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _tooLate(self) -> None:
        self._deadline = None
        self._refuse(b"408 Request Timeout")
        self.timeoutConnection()

    def _refuse(self, status: bytes) -> None:
        self._stopExpecting()
        transport: Any = self.transport
        transport.write(_REFUSAL % (status, len(status) + 1, status))
        self.loseConnection()
        # TLS delivers what it has, and there may be more of what was refused.
        vars(self).update(
            lineReceived=_ignore, lineLengthExceeded=_ignore, rawDataReceived=_ignore
        )


def _ignore(data: bytes) -> None:
    return None


class WebSocketSite(Site):
    """
    A ``Site`` that speaks HTTP/1.1, waits ten seconds for the head of a request,
    whatever trickles in, and takes no requests with a body or with folded headers.

    :param resource: the root of the tree.
    :param reactor: keeps the time; the installed one if None.
    """

    def __init__(
        self, resource: IResource, *, reactor: IReactorTime | None = None
    ) -> None:
        super().__init__(resource, reactor=reactor)
        self.protocol = _StrictChannel  # type: ignore[assignment, method-assign]

    def acceptableProtocols(self) -> list[bytes]:
        """
        What TLS may agree on: no HTTP/2, which could not be upgraded.
        """
        return [b"http/1.1"]
