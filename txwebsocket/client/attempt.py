# -*- test-case-name: tests.client.test_attempt -*-
# Part of txwebsocket. See LICENSE for details.
"""
One attempt of a client to open a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from http.cookiejar import CookieJar
from typing import Any, TypeAlias

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.interfaces import (
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure

from txwebsocket.client.cookiejar import cookieHeader, storeCookies
from txwebsocket.client.handshakeprotocol import HandshakeProtocol
from txwebsocket.client.redirects import REDIRECTS, Nowhere, RedirectableRequest
from txwebsocket.client.rejection import StreamedResponse
from txwebsocket.client.url import WebSocketURL
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.errors import (
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    ProxyFailed,
    ProxyRejected,
    RefusalResponse,
    twistedHeaders,
)
from txwebsocket.connection.protocolfactory import SingleProtocolFactory
from txwebsocket.connection.sockets import configureSocket
from txwebsocket.connection.timerqueue import Timer
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.handshake.response import ResponseHead
from txwebsocket.wire.codes import CloseCause
from txwebsocket.wire.errors import BadResponse, shown
from txwebsocket.wire.states import State

EndpointFor: TypeAlias = Callable[[WebSocketURL], IStreamClientEndpoint]
"""
Finds the way to a URL's host.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOptions:
    """
    How an opening gets to where it is open.
    """

    endpointFor: EndpointFor
    """
    The way to each host.
    """

    jar: CookieJar | None = field(default=None, repr=False)
    """
    Where cookies come from and go to, if anywhere.
    """

    maxRedirects: int = 0
    """
    Redirects to follow.
    """

    isRejectionStreamed: bool = False
    """
    Whether a rejection is told at its head, while its body is still arriving.
    """


class ConnectionAttempt:
    """
    Connect, shake hands, and fire a Deferred exactly once, whatever happens.

    :ivar channel: the machinery of the connection.
    :ivar opened: the Deferred of the open connection. It fails with
        :exc:`OpeningFailed`, :exc:`OpeningTimedOut` or :exc:`ConnectionRejected`;
        cancelling it closes the socket.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hop: RedirectableRequest,
        journey: AttemptOptions,
        channel: WebSocketChannel,
        application: object | None,
    ) -> None:
        self.opened: Deferred[WebSocketConnection] = Deferred(self._cancelled)
        self.channel = channel
        self._clock = clock
        self._hop = hop
        self._journey = journey
        self._application = application
        self._step = OpeningStep.CONNECT
        self._isOver = False
        self._isLate = False
        self._timer: Timer | None = None
        self._connecting: Deferred[Any] | None = None
        self._protocol: HandshakeProtocol | None = None
        # What redirected so far, the last one first, by ``previousResponse``.
        self._redirect: RefusalResponse | None = None
        self._redirects = 0
        # Why a redirect was not followed.
        self._detail = ""

    def start(self) -> Deferred[WebSocketConnection]:
        """
        Begin; the time that ``openTimeout`` gives for all of it runs from here.

        :raises ValueError: if no way leads to the host.
        """
        endpoint = self._journey.endpointFor(self._hop.target)
        timeout = self.channel.config.openTimeout
        self._timer = Timer(self._clock, timeout, self._timedOut)
        self._connect(endpoint)
        return self.opened

    def _connect(self, endpoint: IStreamClientEndpoint) -> None:
        self.channel.connection.url = self._hop.target.url
        protocol = self._protocol = HandshakeProtocol(self)
        factory = SingleProtocolFactory(protocol)
        self._connecting = maybeDeferred(endpoint.connect, factory)
        # Twisted may keep the Deferred, and so it must not keep the protocol.
        self._connecting.addCallbacks(_ignore, self._notConnected)

    # What the protocol calls

    def connected(self, transport: Any) -> None:
        """
        There is a transport: introduce the application and send the request.
        """
        isSecure = self._hop.target.isSecure
        self._step = OpeningStep.TLS if isSecure else OpeningStep.HANDSHAKE
        configureSocket(transport, self.channel.config)
        self.channel.makeConnection(transport)
        self._attempt(self._introduce)
        self._attempt(self._sendRequest)

    def _attempt(self, do: Callable[[], object]) -> None:
        """
        Call what is not ours: the application, or a jar with a policy of its own.
        """
        try:
            do()
        except BaseException:  # noqa: BLE001 - it may raise anything
            self._end(Failure(), CloseCause.APPLICATION_ERROR)

    def _introduce(self) -> None:
        application, self._application = self._application, None
        if application is not None:
            self.channel.attachApplication(application)

    def _sendRequest(self) -> None:
        if self.channel.core.state is not State.CONNECTING:
            # The application wants no more.
            return
        target, handshake = self._hop
        jar = self._journey.jar
        names = {name.lower() for name, _ in handshake.headers}
        if jar is not None and "cookie" not in names:
            cookies = cookieHeader(jar, target)
            if cookies is not None:
                headers = (*handshake.headers, ("Cookie", cookies))
                handshake = replace(handshake, headers=headers)
        transport: Any = self.channel.transport
        transport.write(handshake.request())

    def tlsEstablished(self) -> None:
        """
        TLS is established.
        """
        transport: Any = self.channel.transport
        # Twisted before 26.4 says this of a bad certificate, too, and then ends it.
        if not getattr(transport, "disconnecting", False):
            self._step = OpeningStep.HANDSHAKE

    def responseReceived(self, head: ResponseHead) -> bool:
        """
        The server has answered.

        :return: whether nothing more is wanted of this server.
        """
        jar = self._journey.jar
        if jar is not None:
            self._attempt(partial(storeCookies, jar, self._hop.target, head))
        return self._isOver or self._redirected(head)

    def _redirected(self, head: ResponseHead) -> bool:
        limit = self._journey.maxRedirects
        if head.status not in REDIRECTS or not limit:
            return False
        try:
            if self._redirects == limit:
                raise ValueError(f"maxRedirects is {limit}")
            hop = self._hop.after(head)
        except ValueError as error:
            self._detail = f"this redirect is not followed: {shown(str(error))}"
            return False
        self._redirect = self._response(head, b"")
        self._redirects += 1
        self._hop = hop
        # One socket at a time.
        protocol: Any = self._protocol
        protocol.abandon(self._followRedirect)
        return True

    def accepted(self, head: ResponseHead, rest: bytes) -> None:
        """
        The server accepts, it says. See whether it does.
        """
        try:
            protocol, agreed = self._hop.handshake.agree(head)
        except BadResponse:
            raise
        except BaseException:  # noqa: BLE001 - an extension may raise anything
            self._end(Failure(), CloseCause.APPLICATION_ERROR)
            return
        if self.channel.core.state is not State.CONNECTING:
            # The application has given up meanwhile.
            self.handshakeFailed(Failure(ConnectionAborted()))
            return
        self._stop()
        connection = self.channel.connection
        connection.protocol = protocol
        connection.responseHeaders = twistedHeaders(head)
        self.channel.opened(rest, agreed)
        if not self.opened.called:
            self.opened.callback(connection)

    def rejected(self, head: ResponseHead, body: bytes) -> None:
        """
        The server answered with an ordinary response.
        """
        self.rejectedWith(self._response(head, body))

    def streamed(self, head: ResponseHead) -> StreamedResponse | None:
        """
        Make the receiver of a rejection's body, if the opening does not wait for it.
        """
        if not self._journey.isRejectionStreamed:
            return None
        timer: Any = self._timer
        transport = self.channel.transport
        left, tooLate = timer.secondsLeft, self._decisionTimedOut()
        response = StreamedResponse(head, transport, self._clock, left, tooLate)
        response.previousResponse = self._redirect
        return response

    def rejectedWith(self, response: RefusalResponse) -> None:
        """
        The server answers with an ordinary response, whose body may still be arriving.
        """
        error = ConnectionRejected(response, self._hop.target.url, self._detail)
        self._end(Failure(error), CloseCause.REJECTED)

    def _response(self, head: ResponseHead, body: bytes) -> RefusalResponse:
        response = RefusalResponse(head, body)
        response.previousResponse = self._redirect
        return response

    def _followRedirect(self) -> None:
        """
        The server that redirected is gone: ask the next.
        """
        self._protocol = None
        self.channel.makeConnection(Nowhere(self.handshakeFailed))
        self._step = OpeningStep.CONNECT
        try:
            if self.channel.core.state is not State.CONNECTING:
                raise ConnectionAborted
            endpoint = self._journey.endpointFor(self._hop.target)
        except BaseException:  # noqa: BLE001 - whoever finds the way may raise anything
            self.handshakeFailed(Failure())
        else:
            self._connect(endpoint)

    def handshakeFailed(self, failure: Failure) -> None:
        """
        What the server says is no handshake, or it says no more.
        """
        error = failure.value or ConnectionDone()
        # Of their subclasses, ConnectionAborted tells that we have ended it.
        hint = self._hint() if failure.type in (ConnectionDone, ConnectionLost) else ""
        told = OpeningFailed(self._hop.target.url, self._step, error, hint)
        if failure.check(BadResponse):
            cause = CloseCause.PEER_FAULT
        elif self._step is OpeningStep.HANDSHAKE:
            cause = CloseCause.PEER_LOST
        else:
            cause = CloseCause.OPENING_FAILED
        self._end(Failure(told), cause)

    def _hint(self) -> str:
        """
        What the reason may be if the server says nothing.
        """
        target = self._hop.target
        if self._step is OpeningStep.TLS:
            return "the server may not speak TLS on this port"
        verbatim = not target.isSecure and target.socketPath is None
        if verbatim and self._protocol is not None and self._protocol.isUnanswered:
            return "the server may speak TLS on this port, for wss: URLs"
        return ""

    # Ends

    def _notConnected(self, failure: Failure) -> None:
        if failure.check(DNSLookupError):
            self._step = OpeningStep.LOOKUP
        elif failure.check(ProxyFailed):
            self._step = OpeningStep.PROXY
        if not self._isLate or failure.check(ProxyRejected):
            self.handshakeFailed(failure)

    def _timedOut(self) -> None:
        self._timer = None
        if self._protocol is not None and self._protocol.finishRejection():
            return
        if self._connecting is not None and not self._isConnected:
            # What it fails with tells how far it was.
            self._isLate = True
            self._connecting.cancel()
        hint = self._hint() if self._step is OpeningStep.TLS else ""
        error = OpeningTimedOut(
            self._hop.target.url, self._step, self._decisionTimedOut(), hint
        )
        self._end(Failure(error), CloseCause.OPEN_TIMEOUT)

    def _decisionTimedOut(self) -> TimeoutError:
        return TimeoutError(f"openTimeout is {self.channel.config.openTimeout} seconds")

    def _cancelled(self, opened: Deferred[WebSocketConnection]) -> None:
        if self._isOver:
            # By the application, while it is told that the connection is open.
            self.channel.abort(CloseCause.DROPPED)
        self._end(Failure(CancelledError()), CloseCause.DROPPED)

    def _end(self, failure: Failure, cause: CloseCause) -> None:
        """
        Fail, once; let go of all that was taken.
        """
        if self._isOver:
            return
        self._stop()
        if self._protocol is not None:
            self._protocol.abandon()
        if self._connecting is not None and not self._isConnected:
            self._connecting.cancel()
        if self.channel.transport is not None:
            self.channel.core.abort(cause, failure.getErrorMessage())
            self.channel.connectionLost(failure)
        else:
            self.channel.breakCycles()
        if not self._isConnected:
            self.channel.transport = None
        self.opened.errback(failure)

    @property
    def _isConnected(self) -> bool:
        return self._protocol is not None and self._protocol.transport is not None

    def _stop(self) -> None:
        self._isOver = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ignore(_: object) -> None:
    return None
