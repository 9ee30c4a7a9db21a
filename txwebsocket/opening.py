# -*- test-case-name: tests.test_opening -*-
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
from twisted.internet.error import ConnectionAborted, ConnectionDone, DNSLookupError
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.connection import WebSocketConnection
from txwebsocket.errors import (
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    ProxyFailed,
    ProxyRejected,
    RefusalResponse,
    twistedHeaders,
)
from txwebsocket.hop import REDIRECTS, Hop, Nowhere
from txwebsocket.jar import cookieHeader, storeCookies
from txwebsocket.link import Link
from txwebsocket.rejection import StreamedResponse
from txwebsocket.sockets import configureSocket
from txwebsocket.url import Target
from txwebsocket.wire.codes import CloseCause
from txwebsocket.wire.errors import BadResponse
from txwebsocket.wire.http import BodyReader, ResponseHead, ResponseReader
from txwebsocket.wire.states import State

_SWITCHING_PROTOCOLS = 101

EndpointFor: TypeAlias = Callable[[Target], IStreamClientEndpoint]
"""
Finds the way to a URL's host.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
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


class Opening:
    """
    Connect, shake hands, and fire a Deferred exactly once, whatever happens.

    :ivar link: the machinery of the connection.
    :ivar opened: the Deferred of the open connection. It fails with
        :exc:`OpeningFailed`, :exc:`OpeningTimedOut` or :exc:`ConnectionRejected`;
        cancelling it closes the socket.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hop: Hop,
        journey: Journey,
        link: Link,
        application: object | None,
    ) -> None:
        self.opened: Deferred[WebSocketConnection] = Deferred(self._cancelled)
        self.link = link
        self._clock = clock
        self._hop = hop
        self._journey = journey
        self._application = application
        self._step = OpeningStep.CONNECT
        self._isOver = False
        self._isLate = False
        self._timer: IDelayedCall | None = None
        self._connecting: Deferred[Any] | None = None
        self._protocol: _OpeningProtocol | None = None
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
        self._timer = self._clock.callLater(
            self.link.config.openTimeout, self._timedOut
        )
        self._connect(endpoint)
        return self.opened

    def _connect(self, endpoint: IStreamClientEndpoint) -> None:
        self.link.connection.url = self._hop.target.url
        protocol = self._protocol = _OpeningProtocol(self)
        # Transports keep the factory, so that it must not keep us.
        factory = Factory.forProtocol(lambda: protocol)
        self._connecting = maybeDeferred(endpoint.connect, factory)
        self._connecting.addErrback(self._notConnected)

    # What the protocol calls

    def connected(self, transport: Any) -> None:
        """
        There is a transport: introduce the application and send the request.
        """
        isSecure = self._hop.target.isSecure
        self._step = OpeningStep.TLS if isSecure else OpeningStep.HANDSHAKE
        configureSocket(transport, self.link.config)
        self.link.makeConnection(transport)
        self._attempt(self._introduce)
        self._attempt(self._ask)

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
            self.link.attachApplication(application)

    def _ask(self) -> None:
        if self.link.wire.state is not State.CONNECTING:
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
        transport: Any = self.link.transport
        transport.write(handshake.request())

    def secured(self) -> None:
        """
        TLS is established.
        """
        transport: Any = self.link.transport
        # Twisted before 26.4 says this of a bad certificate, too, and then ends it.
        if not getattr(transport, "disconnecting", False):
            self._step = OpeningStep.HANDSHAKE

    def heard(self, head: ResponseHead) -> bool:
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
            self._detail = f"this redirect is not followed: {error}"
            return False
        self._redirect = self._response(head, b"")
        self._redirects += 1
        self._hop = hop
        # One socket at a time.
        protocol: Any = self._protocol
        protocol.abandon(self._goOn)
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
        if self.link.wire.state is not State.CONNECTING:
            # The application has given up meanwhile.
            self.broken(Failure(ConnectionAborted()))
            return
        self._stop()
        connection = self.link.connection
        connection.protocol = protocol
        connection.responseHeaders = twistedHeaders(head)
        self.link.opened(rest, agreed)
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
        left = timer.getTime() - self._clock.seconds()
        transport = self.link.transport
        response = StreamedResponse(head, transport, self._clock, left, self._tooLate())
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

    def _goOn(self) -> None:
        """
        The server that redirected is gone: ask the next.
        """
        self._protocol = None
        self.link.makeConnection(Nowhere(self.broken))
        self._step = OpeningStep.CONNECT
        try:
            if self.link.wire.state is not State.CONNECTING:
                raise ConnectionAborted
            endpoint = self._journey.endpointFor(self._hop.target)
        except BaseException:  # noqa: BLE001 - whoever finds the way may raise anything
            self.broken(Failure())
        else:
            self._connect(endpoint)

    def broken(self, failure: Failure) -> None:
        """
        What the server says is no handshake, or it says no more.
        """
        error = failure.value or ConnectionDone()
        told = OpeningFailed(self._hop.target.url, self._step, error)
        if failure.check(BadResponse):
            cause = CloseCause.PEER_FAULT
        elif self._step is OpeningStep.HANDSHAKE:
            cause = CloseCause.PEER_LOST
        else:
            cause = CloseCause.OPENING_FAILED
        self._end(Failure(told), cause)

    # Ends

    def _notConnected(self, failure: Failure) -> None:
        if failure.check(DNSLookupError):
            self._step = OpeningStep.LOOKUP
        elif failure.check(ProxyFailed):
            self._step = OpeningStep.PROXY
        if not self._isLate or failure.check(ProxyRejected):
            self.broken(failure)

    def _timedOut(self) -> None:
        self._timer = None
        if self._protocol is not None and self._protocol.rejectedSoFar():
            return
        if self._connecting is not None and not self._isConnected:
            # What it fails with tells how far it was.
            self._isLate = True
            self._connecting.cancel()
        error = OpeningTimedOut(self._hop.target.url, self._step, self._tooLate())
        self._end(Failure(error), CloseCause.OPEN_TIMEOUT)

    def _tooLate(self) -> TimeoutError:
        return TimeoutError(f"openTimeout is {self.link.config.openTimeout} seconds")

    def _cancelled(self, opened: Deferred[WebSocketConnection]) -> None:
        if self._isOver:
            # By the application, while it is told that the connection is open.
            self.link.abort(CloseCause.DROPPED)
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
        if self.link.transport is not None:
            self.link.wire.drop(cause, failure.getErrorMessage())
            self.link.connectionLost(failure)
        if not self._isConnected:
            self.link.transport = None
        self.opened.errback(failure)

    @property
    def _isConnected(self) -> bool:
        return self._protocol is not None and self._protocol.transport is not None

    def _stop(self) -> None:
        self._isOver = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ignore(*_: object) -> None:
    return None


@implementer(IHandshakeListener)
class _OpeningProtocol(Protocol):
    """
    Read the server's answer, then step aside for the link.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._response = ResponseReader()
        self._head: ResponseHead | None = None
        self._body: BodyReader | None = None

    def connectionMade(self) -> None:
        self._opening.connected(self.transport)

    def handshakeCompleted(self) -> None:
        self._opening.secured()

    def dataReceived(self, data: bytes) -> None:
        try:
            self._read(data)
        except BadResponse as error:
            if not self.rejectedSoFar():
                self._opening.broken(Failure(error))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.rejectedSoFar():
            self._opening.broken(reason)

    def abandon(self, then: Callable[[], object] = _ignore) -> None:
        """
        Hear nothing more, and cut the transport, once there is one.

        :param then: called when it is gone.
        """

        def lost(_: Failure) -> None:
            vars(self).update(connectionLost=_ignore)
            then()

        vars(self).update(
            connectionMade=self._cut,
            handshakeCompleted=_ignore,
            dataReceived=_ignore,
            connectionLost=lost,
        )
        self._forget()
        if self.transport is not None:
            self._cut()

    def _cut(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def _forget(self) -> None:
        # We live as long as the transport, and the request may have secrets in it.
        vars(self).pop("_opening", None)

    def rejectedSoFar(self) -> bool:
        """
        If a refusal is arriving, be content with what there is of it.
        """
        if self._head is None:
            return False
        self._opening.rejected(self._head, self._body.body if self._body else b"")
        return True

    def _read(self, data: bytes) -> None:
        if self._body is None:
            head = self._response.feed(data)
            if head is None:
                return
            data = self._response.takeRest()
            if self._opening.heard(head):
                return
            if head.status == _SWITCHING_PROTOCOLS:
                self._stepAside(head, data)
                return
            response = self._opening.streamed(head)
            if response is not None:
                self._handOver(response, data)
                return
            self._head = head
            self._body = BodyReader(head)
        self._body.feed(data)
        if self._body.isComplete:
            self.rejectedSoFar()

    def _handOver(self, response: StreamedResponse, rest: bytes) -> None:
        opening = self._opening
        # The transport is the response's from now on, and is not cut with the opening.
        vars(self).update(
            abandon=_ignore,
            handshakeCompleted=_ignore,
            dataReceived=response.dataReceived,
            connectionLost=response.connectionLost,
        )
        self._forget()
        response.dataReceived(rest)
        opening.rejectedWith(response)

    def _stepAside(self, head: ResponseHead, rest: bytes) -> None:
        link = self._opening.link
        # The instance's own methods hide the class's: nothing stands between any more.
        vars(self).update(
            dataReceived=link.dataReceived, connectionLost=link.connectionLost
        )
        self._opening.accepted(head, rest)
        self._forget()
