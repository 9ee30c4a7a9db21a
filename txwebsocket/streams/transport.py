# -*- test-case-name: tests.streams.test_transport -*-
# Part of txwebsocket. See LICENSE for details.
"""
A stream of bytes for an ordinary protocol, in the binary messages of a connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IProducer,
    IProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.errors import streamEnd
from txwebsocket.connection.pausing import PauseReason
from txwebsocket.connection.websocket import WebSocketConnection, channelOf
from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.errors import ConnectionClosed
from txwebsocket.wire.messages import BytesLike, asBytes
from txwebsocket.wire.states import State

MESSAGE_SIZE = 64 * 1024
"""
The most bytes in one message of ours: what every implementation takes by default.
"""


class StreamApplication:
    """
    The application of a connection whose messages are a stream of bytes.

    :param protocol: the protocol that the stream is for, which begins when the
        connection is open. Without one, a subclass has to make it then.
    :param acceptText: take text messages, too, as their UTF-8.
    :ivar connection: the connection.
    """

    def __init__(
        self, protocol: IProtocol | None = None, *, acceptText: bool = False
    ) -> None:
        self._protocol: Any = protocol
        self._acceptText = acceptText
        self.connection: Any = None
        self._channel: Any = None
        self._transport: Any = None

    def negotiationStarted(self, connection: WebSocketConnection) -> None:
        """
        Find out what the connection is made of.

        :raises ValueError: if it has no messages.
        """
        self.connection = connection
        self._channel = channelOf(connection)
        if not self._channel.config.assembleFragments:
            raise ValueError("a stream of bytes needs assembleFragments to be True")

    def negotiationFinished(self) -> None:
        """
        The connection is open.
        """
        self.begin(self._protocol)

    def begin(self, protocol: IProtocol) -> None:
        """
        Give the protocol its transport.
        """
        isSecure = ISSLTransport.providedBy(self._channel.transport)
        make = SecureTunnelTransport if isSecure else StreamTransport
        self._protocol, self._transport = protocol, make(self._channel)
        protocol.makeConnection(self._transport)
        self._transport.flush()

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        A part of the stream.
        """
        if data and not self._transport.disconnecting:
            self._protocol.dataReceived(data)
            self._transport.flush()

    def textMessageReceived(self, message: str) -> None:
        """
        A part of the stream, if that may be; else the end of it.
        """
        if self._acceptText or self._transport.disconnecting:
            self.bytesMessageReceived(message.encode("utf-8"))
        else:
            self._channel.fail(
                CloseCode.UNPROCESSABLE_INPUT,
                "only binary messages are taken",
                CloseCause.DROPPED,
            )

    def connectionLost(self, reason: Failure) -> None:
        """
        The end of the stream, if it has begun.
        """
        if self._transport is not None:
            self._transport.ended()
            self._protocol.connectionLost(streamEnd(reason))


@implementer(ITCPTransport, IConsumer, IPushProducer)
class StreamTransport:
    """
    What a protocol sends its bytes with.

    All that is written in one turn of the reactor becomes one message, or several of at
    most 64 KiB. While the connection delivers something, whoever is given it flushes
    what was answered; no other turn is waited for.

    :ivar connection: the connection, with the request, the subprotocol and so on.
    :ivar disconnecting: whether the protocol wants the connection to end.
    """

    def __init__(self, channel: WebSocketChannel) -> None:
        self.connection: WebSocketConnection = channel.connection
        self.disconnecting = False
        self._channel = channel
        self._pending: list[bytes] = []
        self._pendingSize = 0
        self._flushCall: IDelayedCall | None = None
        self._producer: Any = None
        self._isPulling = False
        self._hasEndedWriting = False

    # Writing

    def write(self, data: BytesLike) -> None:
        """
        Send bytes. This never waits or fails; what is written after the end is lost.

        :raises TypeError: if they are none.
        """
        octets = asBytes(data)
        if not octets or not self._isWriting():
            return
        if self._pendingSize + len(octets) > MESSAGE_SIZE:
            self.flush()
        self._pending.append(octets)
        self._pendingSize += len(octets)
        if self._pendingSize >= MESSAGE_SIZE:
            self.flush()
        elif self._flushCall is None and not self._channel.isDispatching:
            self._flushCall = self._channel.clock.callLater(0, self.flush)

    def writeSequence(self, data: Iterable[BytesLike]) -> None:
        """
        Send some pieces, in order.
        """
        for piece in data:
            self.write(piece)

    def flush(self) -> None:
        """
        Send now what is pending.
        """
        if self._flushCall is not None:
            if self._flushCall.active():
                self._flushCall.cancel()
            self._flushCall = None
        if self._pending:
            pending, self._pending, self._pendingSize = self._pending, [], 0
            self._send(b"".join(pending) if len(pending) > 1 else pending[0])

    def _send(self, data: bytes) -> None:
        channel = self._channel
        try:
            channel.core.sendStreamBytes(data, MESSAGE_SIZE)
        except ConnectionClosed:
            # Who writes is told by connectionLost, as with every transport.
            pass
        finally:
            channel.syncTransport()

    def _isWriting(self) -> bool:
        isEnding = self.disconnecting and self._producer is None
        isOpen = self._channel.core.state is State.OPEN
        return isOpen and not isEnding and not self._hasEndedWriting

    # Producers, whom we consume

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Pause and resume a producer as the peer takes what is sent.

        :param streaming: whether it is an ``IPushProducer``; else it is an
            ``IPullProducer``, asked for more as long as there is room.
        :raises RuntimeError: if there is one already.
        """
        self._channel.registerProducer(producer, streaming)
        if self._channel.core.state is State.OPEN:
            self._producer, self._isPulling = producer, not streaming

    def unregisterProducer(self) -> None:
        """
        Leave the producer alone; if the connection was to end, it ends now.
        """
        self._producer = None
        self._isPulling = False
        self._channel.unregisterProducer()
        if self.disconnecting:
            self._end()

    # Reading, as the producer that we are

    def pauseProducing(self) -> None:
        """
        Deliver nothing more and stop reading from the peer. As with TCP, what arrives
        together with the end of the connection is delivered nevertheless.
        """
        if not self.disconnecting:
            self._channel.pauseFor(PauseReason.STREAM)

    def resumeProducing(self) -> None:
        """
        Take that back.
        """
        self._channel.resumeFrom(PauseReason.STREAM)

    def stopProducing(self) -> None:
        """
        The same as :meth:`loseConnection`.
        """
        self.loseConnection()

    # The end

    def loseConnection(self) -> None:
        """
        End the connection when all is written. Nothing more is delivered.

        As with TCP, a pull producer may finish first, and a push producer that is
        paused may go on; but one that has nothing to add is not waited for, even if it
        stays registered.
        """
        if not self.disconnecting:
            self.disconnecting = True
            if not self._isPulling:
                self._end()

    def abortConnection(self) -> None:
        """
        Cut the connection at once.
        """
        self.disconnecting = True
        self._channel.abort(CloseCause.DROPPED)

    def loseWriteConnection(self) -> None:
        """
        Drop what is written from now on. The peer is not told, since a WebSocket can't
        end one direction alone; what it sends is delivered as before.
        """
        self._hasEndedWriting = True

    def ended(self) -> None:
        """
        The connection is gone, and so is what was pending.
        """
        self._pending.clear()
        self._pendingSize = 0
        self.flush()

    def _end(self) -> None:
        """
        Begin the closing handshake when all is written: it has a deadline, and what is
        written has its own.
        """
        self.flush()
        # Nothing is delivered any more, and the peer's close must not be hidden.
        self._channel.resumeFrom(PauseReason.STREAM)
        self._channel.writer.flushed().addCallbacks(self._written, _passOver)

    def _written(self, _: object) -> None:
        if self._producer is None:
            self._close()
        else:
            # It is about to be resumed, if it was paused.
            self._channel.clock.callLater(0, self._closeUnlessMore)

    def _closeUnlessMore(self) -> None:
        channel = self._channel
        if (
            self._pending
            or channel.core.outbox.hasPending()
            or channel.writer.isTransportFull
        ):
            self._end()
        else:
            self._close()

    def _close(self) -> None:
        self._channel.close(CloseCause.LOCAL_CLOSE, CloseCode.NORMAL, "")

    # What the transport below knows

    def getPeer(self) -> Any:
        """
        The peer's address.
        """
        return self._channel.transport.getPeer()

    def getHost(self) -> Any:
        """
        Our address.
        """
        return self._channel.transport.getHost()

    def getTcpNoDelay(self) -> bool:
        """
        Is Nagle's algorithm off?
        """
        return bool(self._channel.transport.getTcpNoDelay())

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Switch Nagle's algorithm off, or on.
        """
        self._channel.transport.setTcpNoDelay(enabled)

    def getTcpKeepAlive(self) -> bool:
        """
        Is TCP's own keepalive on?
        """
        return bool(self._channel.transport.getTcpKeepAlive())

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Switch TCP's own keepalive on, or off.
        """
        self._channel.transport.setTcpKeepAlive(enabled)


@implementer(ISSLTransport)
class SecureTunnelTransport(StreamTransport):
    """
    The same over TLS.
    """

    def getPeerCertificate(self) -> Any:
        """
        The certificate that the peer has shown to TLS, if any.
        """
        return self._channel.transport.getPeerCertificate()


def _passOver(ended: Failure) -> None:
    """
    The connection has ended by itself.
    """
    ended.trap(ConnectionClosed)
