# -*- test-case-name: tests.server.test_site -*-
# Part of txwebsocket. See LICENSE for details.
"""
A site for WebSockets alone, stricter than twisted.web's own.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from txwebsocket.connection.keysharing import presetChannelKeys
from txwebsocket.server.mount import useOriginForm

HEAD_TIMEOUT = 10.0
"""
Seconds for a request's line and headers, all of them.
"""


# The first byte of a ClientHello, which no request begins with.
_TLS_HANDSHAKE = b"\x16"

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

    def dataReceived(self, data: bytes) -> None:
        if data.startswith(_TLS_HANDSHAKE) and not self.requests:
            # A ClientHello may never end a line, and its client would wait.
            self._refuse(b"400 Bad Request", b"TLS is not spoken on this port")
        else:
            super().dataReceived(data)

    def resetTimeout(self) -> None:
        """
        Let the time go on that began with the connection, or with the answer before.
        """

    def lineReceived(self, line: bytes) -> None:
        if line.startswith((b" ", b"\t")):
            # RFC 9112, 5.2: a folded line may be refused, and who reads it otherwise
            # than we do can't be deceived then.
            self._refuse(b"400 Bad Request")
        else:
            super().lineReceived(line)

    def allHeadersReceived(self) -> None:
        if self.length == 0:
            super().allHeadersReceived()
        else:
            self._refuse(b"400 Bad Request")

    def lineLengthExceeded(self, line: bytes) -> None:
        # twisted.web would leave without a word.
        self._refuse(b"431 Request Header Fields Too Large")

    def timeoutConnection(self) -> None:
        transport: Any = self.transport
        if not transport.disconnecting:
            self._refuse(b"408 Request Timeout")
        super().timeoutConnection()

    def _refuse(self, status: bytes, explanation: bytes = b"") -> None:
        transport: Any = self.transport
        body = explanation or status
        transport.write(_REFUSAL % (status, len(body) + 1, body))
        self.loseConnection()
        # TLS delivers what it has, and there may be more of what was refused.
        vars(self).update(
            dataReceived=_ignore,
            lineReceived=_ignore,
            lineLengthExceeded=_ignore,
            rawDataReceived=_ignore,
        )


presetChannelKeys(_StrictChannel)


def _ignore(data: bytes) -> None:
    return None


class WebSocketSite(Site):
    """
    A ``Site`` that speaks HTTP/1.1, waits ten seconds for the head of a request,
    whatever trickles in, and takes no requests with a body or with folded headers. A
    client that speaks TLS to it without a TLS endpoint is told so.

    :param resource: the root of the tree.
    :param reactor: keeps the time; the installed one if None.
    """

    def __init__(
        self, resource: IResource, *, reactor: IReactorTime | None = None
    ) -> None:
        super().__init__(resource, timeout=HEAD_TIMEOUT, reactor=reactor)
        self.protocol = _StrictChannel  # type: ignore[assignment, method-assign]

    def getResourceFor(self, request: Request) -> Any:
        """
        The resource for a request, also for one with an absolute URL.
        """
        useOriginForm(request)
        return super().getResourceFor(request)

    def acceptableProtocols(self) -> list[bytes]:
        """
        What TLS may agree on: no HTTP/2, which could not be upgraded.
        """
        return [b"http/1.1"]
