# -*- test-case-name: tests.test_opening -*-
# Part of txwebsocket. See LICENSE for details.
"""
One attempt of a client to open a connection.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
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
)
from txwebsocket.link import Link
from txwebsocket.sockets import configureSocket
from txwebsocket.url import Target
from txwebsocket.wire.codes import CloseCause
from txwebsocket.wire.errors import BadResponse
from txwebsocket.wire.handshake import ClientHandshake
from txwebsocket.wire.http import BodyReader, ResponseHead, ResponseReader
from txwebsocket.wire.states import State

_SWITCHING_PROTOCOLS = 101


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
        target: Target,
        handshake: ClientHandshake,
        link: Link,
        application: object | None,
    ) -> None:
        self.opened: Deferred[WebSocketConnection] = Deferred(self._cancelled)
        self._clock = clock
        self._target = target
        self._handshake = handshake
        self.link = link
        self._application = application
        self._step = OpeningStep.CONNECT
        self._isOver = False
        self._isLate = False
        self._timer: IDelayedCall | None = None
        self._connecting: Deferred[Any] | None = None
        self._protocol: _OpeningProtocol | None = None

    def start(self, endpoint: IStreamClientEndpoint) -> Deferred[WebSocketConnection]:
        """
        Begin; the time that ``openTimeout`` gives for all of it runs from here.
        """
        self._timer = self._clock.callLater(
            self.link.config.openTimeout, self._timedOut
        )
        self._connecting = endpoint.connect(Factory.forProtocol(self._makeProtocol))
        self._connecting.addErrback(self._notConnected)
        return self.opened

    def _makeProtocol(self) -> _OpeningProtocol:
        return _OpeningProtocol(self)

    # What the protocol calls

    def connected(self, protocol: _OpeningProtocol) -> None:
        """
        There is a transport: introduce the application and send the request.
        """
        self._protocol = protocol
        transport: Any = protocol.transport
        if self._isOver:
            transport.abortConnection()
            return
        self._step = OpeningStep.TLS if self._target.isSecure else OpeningStep.HANDSHAKE
        configureSocket(transport, self.link.config)
        self.link.makeConnection(transport)
        if self._application is not None:
            self._introduce(self._application)
        if not self._isOver:
            transport.write(self._handshake.request())

    def _introduce(self, application: object) -> None:
        try:
            self.link.attachApplication(application)
        except Exception:  # noqa: BLE001 - an application may raise anything
            self._end(Failure())

    def secured(self) -> None:
        """
        TLS is established.
        """
        transport: Any = self.link.transport
        # Twisted before 26.4 says this of a bad certificate, too, and then ends it.
        if not getattr(transport, "disconnecting", False):
            self._step = OpeningStep.HANDSHAKE

    def answered(self, head: ResponseHead, rest: bytes) -> None:
        """
        The server accepts, it says. See whether it does.
        """
        protocol, agreed = self._handshake.agree(head)
        if self.link.wire.state is not State.CONNECTING:
            # The application has given up meanwhile.
            self.broken(Failure(ConnectionAborted()))
            return
        self._stop()
        connection = self.link.connection
        connection.protocol = protocol
        self.link.opened(rest, agreed)
        if not self.opened.called:
            self.opened.callback(connection)

    def rejected(self, head: ResponseHead, body: bytes) -> None:
        """
        The server answered with an ordinary response.
        """
        self._end(Failure(ConnectionRejected(RefusalResponse(head, body))))

    def broken(self, failure: Failure) -> None:
        """
        What the server says is no handshake, or it says no more.
        """
        cause = failure.value or ConnectionDone()
        self._end(Failure(OpeningFailed(self._target.url, self._step, cause)))

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
        if self._protocol is None and self._connecting is not None:
            # What it fails with tells how far it was.
            self._isLate = True
            self._connecting.cancel()
        seconds = self.link.config.openTimeout
        cause = TimeoutError(f"openTimeout is {seconds} seconds")
        self._end(Failure(OpeningTimedOut(self._target.url, self._step, cause)))

    def _cancelled(self, opened: Deferred[WebSocketConnection]) -> None:
        if self._isOver:
            # By the application, while it is told that the connection is open.
            self.link.abort(CloseCause.DROPPED)
        self._end(Failure(CancelledError()))

    def _end(self, failure: Failure) -> None:
        """
        Fail, once; let go of all that was taken.
        """
        if self._isOver:
            return
        self._stop()
        if self._protocol is not None:
            self._protocol.abandon()
            self.link.connectionLost(failure)
        elif self._connecting is not None:
            self._connecting.cancel()
        self.opened.errback(failure)

    def _stop(self) -> None:
        self._isOver = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


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
        self._opening.connected(self)

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

    def abandon(self) -> None:
        """
        Hear nothing more, and cut the transport.
        """
        vars(self).update(dataReceived=_ignore, connectionLost=_ignore)
        transport: Any = self.transport
        transport.abortConnection()

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
            if head.status == _SWITCHING_PROTOCOLS:
                self._stepAside(head, data)
                return
            self._head = head
            self._body = BodyReader(head)
        self._body.feed(data)
        if self._body.isComplete:
            self.rejectedSoFar()

    def _stepAside(self, head: ResponseHead, rest: bytes) -> None:
        link = self._opening.link
        # The instance's own methods hide the class's: nothing stands between any more.
        vars(self).update(
            dataReceived=link.dataReceived, connectionLost=link.connectionLost
        )
        self._opening.answered(head, rest)


def _ignore(*_: object) -> None:
    return None
