# -*- test-case-name: tests.test_errors -*-
# Part of txwebsocket. See LICENSE for details.
"""
The errors that know Twisted. The tree they belong to is in
:mod:`txwebsocket.wire.errors`.
"""

from __future__ import annotations

from enum import Enum

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse
from zope.interface import implementer

from txwebsocket.wire.errors import ConnectionClosed, HandshakeError, shown
from txwebsocket.wire.http import ResponseHead
from txwebsocket.wire.report import CloseReport


class _ClosedCleanly(ConnectionClosed, ConnectionDone):
    """
    The connection ended with a closing handshake.
    """


class _ClosedUncleanly(ConnectionClosed, ConnectionLost):
    """
    The connection ended without a closing handshake.
    """


def closedError(report: CloseReport) -> ConnectionClosed:
    """
    The error that tells of an ended connection, in Twisted's terms as well.
    """
    return (_ClosedCleanly if report.wasClean else _ClosedUncleanly)(report)


class OpeningStep(Enum):
    """
    What a client was doing when its opening failed.
    """

    LOOKUP = "looking up the name of the host"
    CONNECT = "connecting to the host"
    TLS = "starting TLS"
    HANDSHAKE = "waiting for the answer to the opening handshake"


class OpeningFailed(HandshakeError):
    """
    A client's connection could not be opened.

    :ivar step: what the client was doing.
    :ivar url: where it was to connect to, without a password.
    :ivar cause: what went wrong there; also the ``__cause__`` of this exception.
    """

    def __init__(self, url: str, step: OpeningStep, cause: BaseException) -> None:
        super().__init__(f"{url}: {step.value}: {shown(str(cause))}")
        self.url = url
        self.step = step
        self.cause = self.__cause__ = cause


class OpeningTimedOut(OpeningFailed):
    """
    A client's connection was not open within ``openTimeout``.

    :ivar step: what the client was waiting for.
    :ivar url: where it was to connect to, without a password.
    """


@implementer(IResponse)
class RefusalResponse:
    """
    The HTTP response with which a server refused a WebSocket.

    It works as every twisted.web response does, with ``readBody`` and treq.

    :ivar code: the status.
    :ivar phrase: the reason phrase.
    :ivar headers: the response's headers.
    :ivar body: the first 64 KiB of its body, all there already.
    """

    request = None
    previousResponse: IResponse | None = None

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        self.version = (b"HTTP", 1, int(head.version[-1]))
        self.code = head.status
        self.phrase = head.phrase.encode("latin-1")
        self.headers = Headers()
        for name, value in head.headers:
            self.headers.addRawHeader(name, value)
        self.body = body
        self.length = len(body)

    def deliverBody(self, protocol: IProtocol) -> None:
        """
        Give the body to a protocol, at once.
        """
        if self.body:
            protocol.dataReceived(self.body)
        protocol.connectionLost(Failure(ResponseDone()))

    def setPreviousResponse(self, response: IResponse) -> None:
        """
        Note the response that redirected to this one.
        """
        self.previousResponse = response


class ConnectionRejected(HandshakeError):
    """
    The server answered with an ordinary HTTP response.

    :ivar response: that response, with ``code``, ``headers`` and ``body``.
    """

    def __init__(self, response: RefusalResponse) -> None:
        phrase = shown(response.phrase.decode("latin-1"))
        super().__init__(f"the server answered {response.code} {phrase}".rstrip())
        self.response = response
