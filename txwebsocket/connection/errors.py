# -*- test-case-name: tests.connection.test_errors -*-
# Part of txwebsocket. See LICENSE for details.
"""
The errors that know Twisted. The tree they belong to is in
:mod:`txwebsocket.core.errors`.
"""

from __future__ import annotations

from enum import Enum

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse
from zope.interface import implementer

from txwebsocket.handshake.httpconnect import ProxyRefusal
from txwebsocket.handshake.response import ResponseHead
from txwebsocket.wire.codes import ROUTINE_CAUSES, CloseCode
from txwebsocket.wire.errors import (
    ConnectionClosed,
    HandshakeError,
    WebSocketError,
    shown,
)
from txwebsocket.wire.report import CloseReport


class ClosedCleanly(ConnectionClosed, ConnectionDone):
    """
    The connection ended with a closing handshake.
    """


class ClosedUncleanly(ConnectionClosed, ConnectionLost):
    """
    The connection ended without a closing handshake.
    """


def closedError(report: CloseReport) -> ConnectionClosed:
    """
    The error that tells of an ended connection, in Twisted's terms as well.
    """
    return (ClosedCleanly if report.wasClean else ClosedUncleanly)(report)


_ORDINARY_ENDS = (None, CloseCode.NORMAL, CloseCode.GOING_AWAY)


def streamEnd(reason: Failure) -> Failure:
    """
    Why a stream of bytes has ended, if its connection has ended for this reason.

    A closing handshake alone does not make it complete: the codes of both sides must
    not tell of a fault either.
    """
    report: CloseReport = reason.value.report  # type: ignore[union-attr]
    codes = (report.sentCode, report.receivedCode)
    if report.wasClean and not all(code in _ORDINARY_ENDS for code in codes):
        return Failure(ClosedUncleanly(report))
    return reason


def logEnd(log: Logger, connection: object, report: CloseReport) -> None:
    """
    Tell operators of an end that they may want to hear of.
    """
    if report.cause not in ROUTINE_CAUSES:
        log.info(
            "{connection} ended: {report}",
            connection=repr(connection),
            report=str(report),
        )


class OpeningStep(Enum):
    """
    What a client was doing when its opening failed.
    """

    LOOKUP = "looking up the name of the host"
    CONNECT = "connecting to the host"
    PROXY = "going through the proxy"
    TLS = "starting TLS"
    HANDSHAKE = "waiting for the answer to the opening handshake"


class OpeningFailed(HandshakeError):
    """
    A client's connection could not be opened.

    :ivar step: what the client was doing.
    :ivar url: where it was to connect to, without user and password. The error's text
        has no query, either: there may be a token in it.
    :ivar cause: what went wrong there; also the ``__cause__`` of this exception.
    """

    def __init__(
        self, url: str, step: OpeningStep, cause: BaseException, hint: str = ""
    ) -> None:
        super().__init__(f"{_place(url)}: {step.value}: {_describe(cause, hint)}")
        self.url = url
        self.step = step
        self.cause = self.__cause__ = cause


class OpeningTimedOut(OpeningFailed):
    """
    A client's connection was not open within ``openTimeout``.

    :ivar step: what the client was waiting for.
    :ivar url: where it was to connect to, without user and password.
    """


def _place(url: str) -> str:
    # A redirect may have led there.
    return shown(url.partition("?")[0])


def _describe(cause: BaseException, hint: str) -> str:
    """
    Say what went wrong, and what the reason may be.
    """
    told = _tlsFault(cause) or str(cause) or type(cause).__name__
    # Our own errors have cut what they quote, and are not cut themselves.
    told = told if isinstance(cause, WebSocketError) else shown(told)
    return f"{told.rstrip('.')}; {hint}" if hint else told


def _tlsFault(cause: BaseException) -> str:
    """
    The reasons in an error of OpenSSL's, which is a list of triples.
    """
    errors = cause.args[0] if isinstance(cause, SSL.Error) and cause.args else None
    if not isinstance(errors, list):
        return ""
    reasons = [str(reason) for _, _, reason in errors]
    if "wrong version number" in reasons:
        # What it has for the version is text, of an HTTP response perhaps.
        return "the peer does not speak TLS on this port"
    return ", ".join(reasons)


class CertificateRejected(HandshakeError, SSL.Error):
    """
    The certificate of a server or proxy is not trusted, or not for its host.

    It is the ``cause`` of :exc:`OpeningFailed`, or of :exc:`ProxyFailed`. Nothing has
    been sent to the peer then.

    :ivar host: the host that the certificate should be for.
    :ivar reason: what is wrong with the certificate.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"the certificate for {host} is rejected: {reason}")
        self.host = host
        self.reason = reason


class ProxyFailed(HandshakeError):
    """
    A proxy could not be reached, or did not lead on to the host.

    Where a client fails for this, it is the ``cause`` of :exc:`OpeningFailed`.

    :ivar cause: what went wrong, if the proxy has not refused; also the ``__cause__``
        of this exception.
    """

    cause: BaseException | None = None

    def __init__(self, proxy: str, cause: BaseException, hint: str = "") -> None:
        super().__init__(f"{proxy}: {_describe(cause, hint)}")
        self.cause = self.__cause__ = cause


def twistedHeaders(head: ResponseHead) -> Headers:
    """
    The headers of a response in Twisted's form.
    """
    headers = Headers()
    for name, value in head.headers:
        headers.addRawHeader(name, value)
    return headers


@implementer(IResponse)
class RefusalResponse:
    """
    The HTTP response with which a server refused a WebSocket.

    It works as every twisted.web response does, with ``readBody`` and treq.

    :ivar code: the status.
    :ivar phrase: the reason phrase.
    :ivar headers: the response's headers.
    """

    request = None
    previousResponse: IResponse | None = None

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        self.version = (b"HTTP", 1, int(head.version[-1]))
        self.code = head.status
        self.phrase = head.phrase.encode("latin-1")
        self.headers = twistedHeaders(head)
        self._body = body
        self.length: int | object = len(body)

    @property
    def body(self) -> bytes:
        """
        The first 64 KiB of its body. A :class:`WebSocketClient` has waited for them; to
        a :class:`WebSocketClientEndpoint` they may still be arriving.
        """
        return self._body

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

    :ivar response: that response, with ``code``, ``headers`` and ``body``; its
        ``previousResponse`` is the one that redirected there, if one did.
        :class:`WebSocketClient` raises this when the body is there, and
        :class:`WebSocketClientEndpoint` at its head: ``readBody`` waits for the body.
    :ivar url: what was asked for, without user and password.
    """

    def __init__(
        self, response: RefusalResponse, url: str | None = None, detail: str = ""
    ) -> None:
        phrase = shown(response.phrase.decode("latin-1"))
        told = f"the server answered {response.code} {phrase}".rstrip()
        told = told if url is None else f"{_place(url)}: {told}"
        super().__init__(told + (f"; {detail}" if detail else ""))
        self.response = response
        self.url = url


class ProxyRejected(ProxyFailed):
    """
    A proxy says that it does not lead on to the host.

    :ivar code: the HTTP status, or the number of the SOCKS reply (RFC 1928, 6). None if
        a SOCKS proxy does not accept who we are.
    :ivar response: an HTTP proxy's response, with ``code``, ``headers`` and ``body``.
    """

    def __init__(self, proxy: str, refusal: ProxyRefusal) -> None:
        number = "" if refusal.code is None else f"{refusal.code} "
        refused = f"{proxy} refused: {number}{shown(refusal.phrase)}".rstrip()
        HandshakeError.__init__(self, refused)
        self.code = refusal.code
        self.response: RefusalResponse | None = None
        if refusal.head is not None:
            self.response = RefusalResponse(refusal.head, refusal.body)
