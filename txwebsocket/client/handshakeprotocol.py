# -*- test-case-name: tests.client.test_attempt -*-
# Part of txwebsocket. See LICENSE for details.
"""
A client's transport until the server has answered the opening handshake.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.client.rejection import StreamedResponse
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.handshake.response import BodyReader, ResponseHead, ResponseReader
from txwebsocket.wire.errors import BadResponse

_SWITCHING_PROTOCOLS = 101


class HandshakeCallbacks(typing.Protocol):
    """
    Callbacks for the steps of an opening handshake.
    """

    @property
    def channel(self) -> WebSocketChannel:
        """
        The protocol of the connection, once it is open.
        """

    def connected(self, transport: Any) -> None:
        """
        There is a transport to send the request on.
        """

    def tlsEstablished(self) -> None:
        """
        TLS is established.
        """

    def responseReceived(self, head: ResponseHead) -> bool:
        """
        The server has answered.

        :return: whether nothing more is wanted of this server.
        """

    def streamed(self, head: ResponseHead) -> StreamedResponse | None:
        """
        The response that takes the body of a rejection, if one does.
        """

    def accepted(self, head: ResponseHead, rest: bytes) -> None:
        """
        The server accepts, it says, and has sent more behind that.
        """

    def rejected(self, head: ResponseHead, body: bytes) -> None:
        """
        The server rejects, with so much of a body.
        """

    def rejectedWith(self, response: StreamedResponse) -> None:
        """
        The server rejects, and its response has the transport now.
        """

    def handshakeFailed(self, failure: Failure) -> None:
        """
        What the server says is no handshake, or it says no more.
        """


def _ignore(*_: object) -> None:
    return None


@implementer(IHandshakeListener)
class HandshakeProtocol(Protocol):
    """
    Read the server's answer, then step aside for the link.

    :param opening: told what becomes of the handshake.
    """

    def __init__(self, opening: HandshakeCallbacks) -> None:
        self._opening = opening
        self._response = ResponseReader()
        self._head: ResponseHead | None = None
        self._body: BodyReader | None = None
        # What has the transport after the handshake.
        self._receiver: WebSocketChannel | StreamedResponse | None = None
        # Called when the transport is gone, once nothing more is to be heard.
        self._then: Callable[[], object] | None = None

    @property
    def isUnanswered(self) -> bool:
        """
        Whether nothing has arrived since the request was sent.
        """
        return self.transport is not None and not self._response.hasBegun

    def connectionMade(self) -> None:
        """
        Send the request.
        """
        if self._then is None:
            self._opening.connected(self.transport)
        else:
            self._cut()

    def handshakeCompleted(self) -> None:
        """
        TLS is established.
        """
        if self._then is None and self._receiver is None:
            self._opening.tlsEstablished()

    def dataReceived(self, data: bytes) -> None:
        """
        Read a part of the answer.
        """
        if self._then is not None:
            return
        try:
            self._read(data)
        except BadResponse as error:
            if not self.finishRejection():
                self._opening.handshakeFailed(Failure(error))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        There is no more of it.
        """
        then, receiver = self._then, self._receiver
        self._hearNothing()
        # Twisted's TLS gives one that refers to itself by its traceback.
        reason.cleanFailure()
        if then is not None:
            then()
        elif receiver is not None:
            receiver.connectionLost(reason)
        elif not self.finishRejection():
            self._opening.handshakeFailed(reason)

    def abandon(self, then: Callable[[], object] = _ignore) -> None:
        """
        Hear nothing more, and cut the transport, once there is one.

        :param then: called when it is gone.
        """
        self._hearNothing()
        self._then = then
        self._forget()
        if self.transport is not None:
            self._cut()

    def _hearNothing(self) -> None:
        # With the instance's method go the cycles that it is part of.
        vars(self).pop("dataReceived", None)
        self._receiver = None
        self._then = _ignore

    def _cut(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def _forget(self) -> None:
        # We live as long as the transport, and the request may have secrets in it.
        vars(self).pop("_opening", None)

    def finishRejection(self) -> bool:
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
            data = self._response.takeRemaining()
            if self._opening.responseReceived(head):
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
            self.finishRejection()

    def _handOver(self, response: StreamedResponse, rest: bytes) -> None:
        opening = self._opening
        # The transport is the response's from now on, and is not cut with the opening.
        self._receiver = response
        vars(self).update(abandon=_ignore, dataReceived=response.dataReceived)
        self._forget()
        response.dataReceived(rest)
        opening.rejectedWith(response)

    def _stepAside(self, head: ResponseHead, rest: bytes) -> None:
        self._receiver = channel = self._opening.channel
        # The instance's own method hides the class's: nothing stands between any more.
        vars(self).update(dataReceived=channel.dataReceived)
        self._opening.accepted(head, rest)
        self._forget()
