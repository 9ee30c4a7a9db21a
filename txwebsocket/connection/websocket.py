# -*- test-case-name: tests.connection.test_websocket -*-
# Part of txwebsocket. See LICENSE for details.
"""
An open WebSocket, as its users see it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConsumer,
    IProducer,
    IPushProducer,
    IReactorTime,
)
from twisted.web.http_headers import Headers
from zope.interface import implementer

from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.frame import WebSocketFrame
from txwebsocket.connection.incoming import MessageReader
from txwebsocket.connection.outgoing import MessageWriter, Pieces, sendPieces
from txwebsocket.connection.pausing import PauseReason
from txwebsocket.connection.sockets import peerCertificate
from txwebsocket.handshake.addresses import formatAddress
from txwebsocket.wire.codes import CloseCause, CloseCode, Opcode, Role
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.control import checkClose
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.messages import BytesLike, asBytes, asUTF8
from txwebsocket.wire.report import CloseReport, TrafficStats
from txwebsocket.wire.states import State


@implementer(IConsumer)
class WebSocketConnection:
    """
    An open WebSocket, seen from either end.

    An application in callback style is told what arrives, see
    :class:`WebSocketProtocol`. In pull style, without one, take messages with
    :meth:`receive` or ``async for message in connection``. The loop ends when the
    connection has closed cleanly, and raises :exc:`ConnectionClosed` otherwise. The
    peer is not read from while 16 messages, or as many bytes as one message may have,
    wait to be taken.

    ``async with connection:`` closes it at the end.

    :ivar protocol: the subprotocol agreed on, or None.
    :ivar extensions: the extensions agreed on, in the header's own form.
    :ivar request: on a server, the :class:`WebSocketRequest` that was accepted.
    :ivar url: on a client, where it leads, without user and password.
    :ivar responseHeaders: on a client, the headers of the server's response, once it
        has accepted: what it says of itself, a rate limit, a cookie.
    """

    responseHeaders: Headers | None = None

    def __init__(self, channel: WebSocketChannel) -> None:
        self.protocol: str | None = None
        self.extensions: str = ""
        self.request: Any = None
        self.url: str | None = None
        self._channel = channel
        channel.connection = self

    def __repr__(self) -> str:
        return f"<WebSocketConnection {self.state.name} {self.remoteAddress}>"

    @property
    def state(self) -> State:
        """
        Where the connection stands.
        """
        return self._channel.core.state

    @property
    def connected(self) -> bool:
        """
        Can messages be sent?
        """
        return self._channel.core.state is State.OPEN

    @property
    def bufferedAmount(self) -> int:
        """
        Bytes of frames that wait in our queue, because the transport has no room.
        """
        return self._channel.outbox.size

    @property
    def traffic(self) -> TrafficStats:
        """
        How many messages and bytes have passed so far.
        """
        return self._channel.core.traffic()

    @property
    def closeReport(self) -> CloseReport | None:
        """
        How the connection ended; None until it has.
        """
        return self._channel.report

    @property
    def remoteAddress(self) -> str | None:
        """
        The peer's address, or None if it has none. On a server it is the request's:
        behind ``trustedProxies`` the one they tell, while :meth:`getPeer` is the proxy.
        """
        if self.request is not None:
            address: str | None = self.request.remoteAddress
            return address
        host = getattr(self.getPeer(), "host", None)
        return None if host is None else formatAddress(host)

    def getPeer(self) -> Any:
        """
        The peer's address, an ``IAddress``; None before there is a transport.
        """
        transport = self._channel.transport
        return None if transport is None else transport.getPeer()

    def getHost(self) -> Any:
        """
        Our own address, an ``IAddress``; None before there is a transport.
        """
        transport = self._channel.transport
        return None if transport is None else transport.getHost()

    def getPeerCertificate(self) -> Any:
        """
        The certificate with which the peer has proved who it is, as ``ISSLTransport``
        gives it; None without TLS, or if it showed none.
        """
        return peerCertificate(self._channel.transport)

    # Sending

    def send(self, message: str | BytesLike, *, compress: bool = True) -> None:
        """
        Send a message: text for ``str``, binary for what is like ``bytes``.

        This never waits. What the transport has no room for is queued, up to
        ``maxBufferedBytes``; wait for :meth:`drained` to send no faster than the peer
        reads.

        :param compress: whether extensions may compress it; secrets next to a
            stranger's text should not be (RFC 7692, 8).
        :raises ConnectionClosed: if the connection has ended, is ending, or ends
            because too much is queued.
        :raises BufferFull: if too much is queued and ``whenBufferFull`` is to raise.
        :raises InvalidState: if it is not open yet, or in the middle of a message that
            is sent with :meth:`sendFrame`.
        :raises TypeError: if the message is something else.
        """
        channel = self._channel
        try:
            # With few calls, since this is the way of most messages.
            if not channel.outbox.putMessage(message):
                channel.core.send(message, not compress)
        finally:
            if not channel.isDispatching:
                channel.syncTransport()

    def sendUTF(self, text: str | BytesLike, *, compress: bool = True) -> None:
        """
        Send a text message; see :meth:`send`.

        :param text: ``str``, or its UTF-8, as serializers make it, for example.
        :raises ValueError: if bytes are not valid UTF-8, or a ``str`` can't be encoded.
        """
        if isinstance(text, str):
            self.send(text, compress=compress)
            return
        try:
            self._channel.core.sendText(asUTF8(text), not compress)
        finally:
            if not self._channel.isDispatching:
                self._channel.syncTransport()

    def sendBytes(self, data: BytesLike, *, compress: bool = True) -> None:
        """
        Send a binary message; see :meth:`send`.

        :param data: ``bytes``, or what gives its bytes through the buffer protocol.
        """
        self.send(asBytes(data), compress=compress)

    def sendFrame(self, frame: WebSocketFrame) -> None:
        """
        Send one frame as it is, but for its mask, which follows from our role.

        This is for those who fragment by themselves. Until the last frame of a message,
        one with ``fin``, other messages can't be sent: ``send`` raises, and broadcasts
        leave this connection out. What the frames of a text message carry must be UTF-8
        when put together, which is not checked.

        :raises ValueError: if the frame may not be sent now, saying why: a close frame,
            for which there is :meth:`close`; an unknown opcode; an extension bit that
            was not agreed on; a ping or pong that is fragmented or has more than 125
            bytes; a message within another; a continuation of none.
        """
        try:
            self._channel.core.sendFrame(frame.toFrame())
        finally:
            self._channel.syncTransport()

    def sendStream(
        self, *, isText: bool = False, compress: bool = True
    ) -> MessageWriter:
        """
        Begin a message that is sent in pieces, whose length need not be known.

        :param isText: whether the pieces are ``str`` or its UTF-8; else they are like
            ``bytes``.
        :param compress: whether extensions may compress it.
        :raises ConnectionClosed: as :meth:`send` does.
        :raises InvalidState: likewise.
        """
        return MessageWriter(self._channel, isText, not compress)

    def sendPieces(
        self, pieces: Pieces, *, isText: bool | None = None, compress: bool = True
    ) -> Deferred[None]:
        """
        Send a message in pieces, no faster than the peer reads: the next piece is asked
        for when there is room for it (:meth:`drained`).

        :param pieces: an iterable, or an asynchronous one, such as an
            :class:`MessageReader`; all of them ``str``, or all like ``bytes``.
        :param isText: which of the two; None goes by the first, and by binary if there
            are none.
        :param compress: whether extensions may compress it.
        :return: a Deferred that fires when the last piece has been taken. It fails with
            what :meth:`sendStream` and :meth:`MessageWriter.write` raise, and with
            what the pieces raise. If some have been sent by then, or it is cancelled,
            the connection is closed with 1011.
        """
        sending = sendPieces(self._channel, pieces, isText, not compress)
        return Deferred.fromCoroutine(sending)

    def fragmentAndSend(self, frame: WebSocketFrame) -> None:
        """
        Send the payload of a text or binary frame as a message, in as many frames as
        ``fragmentOutgoingMessages`` and ``fragmentationThreshold`` say.

        :raises ValueError: if it is a frame of another kind, or its text is not UTF-8.
        """
        if frame.opcode == Opcode.TEXT:
            self.sendUTF(frame.binaryPayload.decode("utf-8"))
        elif frame.opcode == Opcode.BINARY:
            self.sendBytes(frame.binaryPayload)
        else:
            raise ValueError(f"only messages can be fragmented: {frame}")

    def flushed(self) -> Deferred[None]:
        """
        Wait until nothing is queued here and the transport is below its mark.

        :return: a Deferred that fails with :exc:`ConnectionClosed` if the connection
            ends before; its report's ``bytesUnsent`` counts what had not left our
            queue.
        """
        return self._channel.writer.flushed()

    def drained(self) -> Deferred[None]:
        """
        Wait until there is room for more: not at all while fewer than ``highWaterMark``
        bytes wait for the peer, else until no more than ``lowWaterMark`` do.

        :return: a Deferred that fails with :exc:`ConnectionClosed` if the connection
            ends before.
        """
        return self._channel.writer.drained()

    def ping(self, payload: BytesLike | None = None) -> Deferred[float]:
        """
        Ask the peer for a pong.

        :param payload: at most 125 bytes, which the pong repeats. None chooses eight
            random ones, or none at all if ``emptyPings`` is on. Pongs of equal payloads
            are taken for those of the oldest pings.
        :return: a Deferred of the seconds it took. It fails with
            :exc:`ConnectionClosed` if the connection ends before, and of more than 1000
            that wait the oldest with ``CancelledError``.
        :raises BufferFull: if too much is queued and ``whenBufferFull`` doesn't close.
        :raises ValueError: if the payload is too long.
        """
        octets = self._channel.newPing() if payload is None else asBytes(payload)
        try:
            self._channel.core.ping(octets)
            return self._channel.pings.sent(octets)
        finally:
            self._channel.syncTransport()

    def pong(self, payload: BytesLike = b"") -> None:
        """
        Send a pong, asked for or not. Of several unsent pongs only the last is sent.

        :raises ValueError: if the payload is too long.
        """
        self._channel.core.checkOpen()
        self._channel.core.pong(asBytes(payload), self._channel.writer.isTransportFull)
        self._channel.syncTransport()

    # IConsumer: who sends as fast as the peer reads

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Have messages made by a producer, as fast as the peer takes them.

        It is paused while more waits than the water marks say, and before the
        connection is open. It is told to stop, once, when nothing can be sent any more:
        when the connection begins to close, or is lost, or has been before. If it
        raises, that is logged, and the connection closed with 1011.

        :param streaming: whether it is an ``IPushProducer``; else it is an
            ``IPullProducer``, asked for a message in every turn of the reactor while
            there is room.
        :raises RuntimeError: if there is one already.
        """
        self._channel.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """
        Leave the producer alone again.
        """
        self._channel.unregisterProducer()

    def write(self, data: str | BytesLike) -> None:
        """
        Send a message, as :meth:`send` does; but what a producer writes too late, when
        it was told to stop or is about to be, is dropped, as by every transport.

        :raises BufferFull: if too much is queued and ``whenBufferFull`` is to raise.
        :raises InvalidState: as by :meth:`send`.
        """
        with suppress(ConnectionClosed):
            self.send(data)

    # Receiving

    def receive(self) -> Deferred[str | bytes]:
        """
        The next message, in pull style.

        :return: a Deferred that fails with :exc:`ConnectionClosed` when there are no
            more. Cancelling it loses no message.
        """
        return self._channel.receive()

    def receiveStream(self) -> Deferred[MessageReader]:
        """
        The next message, in pull style and in pieces: as soon as it begins. What is
        left of the one before is discarded.

        :return: a Deferred that fails with :exc:`ConnectionClosed` when there are no
            more. Cancelling it loses no message.
        :raises InvalidState: if the option ``streamMessages`` is off.
        """
        if self._channel.incoming is None:
            raise InvalidState("messages come in pieces if streamMessages is True")
        return self._channel.incoming.receiveStream()

    async def streams(self) -> AsyncIterator[MessageReader]:
        """
        All messages from now on, as :meth:`receiveStream` gives them. This ends at a
        clean close, and raises :exc:`ConnectionClosed` otherwise.
        """
        try:
            while True:
                yield await self.receiveStream()
        except ConnectionClosed as closed:
            if not closed.report.wasClean:
                raise

    def __aiter__(self) -> WebSocketConnection:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self._channel.receive()
        except ConnectionClosed as closed:
            if closed.report.wasClean:
                raise StopAsyncIteration from None
            raise

    def pause(self) -> None:
        """
        Deliver nothing more and stop reading from the peer, until :meth:`resume`. Its
        pings can't be answered meanwhile.
        """
        self._channel.pauseFor(PauseReason.PAUSED)

    def resume(self) -> None:
        """
        Take :meth:`pause` back.
        """
        self._channel.resumeFrom(PauseReason.PAUSED)

    # Closing

    def close(self, code: int | None = 1000, reason: str = "") -> Deferred[CloseReport]:
        """
        Close the connection. Messages that still arrive are counted in the report and
        not delivered, unless the option ``deliverAfterClose`` is on. What is queued
        leaves first. A peer that takes nothing of it for ``closeTimeout``, or then does
        not answer, is dropped.

        :param code: 1000 to 1003, 1007 to 1014 or 3000 to 4999; None to give none.
        :param reason: at most 123 bytes in UTF-8.
        :return: a Deferred that never fails, of how it ended.
        :raises ValueError: if the code or the reason can't be sent.
        """
        checkClose(code, reason)
        self._channel.close(CloseCause.LOCAL_CLOSE, code, reason)
        return self._channel.whenClosed()

    def drop(
        self,
        code: int = CloseCode.PROTOCOL_ERROR,
        reason: str = "",
        skipCloseFrame: bool = False,
    ) -> None:
        """
        End the connection without waiting for the peer's consent.

        :param code: for the peer, and for the report.
        :param reason: at most 123 bytes in UTF-8.
        :param skipCloseFrame: say nothing and cut the transport at once. The report has
            code and reason all the same.
        :raises ValueError: if the code or the reason can't be sent.
        """
        checkClose(code, reason)
        self._channel.drop(code, reason, skipCloseFrame)

    def closeWithoutFrame(self) -> Deferred[CloseReport]:
        """
        Send what is queued, then close the transport without a close frame. Like
        :meth:`close`, which is what to use otherwise, this returns the report.
        """
        self._channel.finish(CloseCause.DROPPED)
        return self._channel.whenClosed()

    def whenClosed(self) -> Deferred[CloseReport]:
        """
        Wait until the connection has ended.

        :return: a Deferred that never fails, of how it ended.
        """
        return self._channel.whenClosed()

    async def __aenter__(self) -> WebSocketConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # The names of twisted.web.websocket for the same things

    sendTextMessage = sendUTF
    sendBytesMessage = sendBytes

    def loseConnection(self, code: int = 1000, reason: str = "") -> None:
        """
        Close the connection; see :meth:`close`.
        """
        self.close(code, reason)

    def attachProducer(self, producer: IPushProducer) -> None:
        """
        Pause and resume this producer as the peer takes what is sent; see
        :meth:`registerProducer`.
        """
        self.registerProducer(producer, True)

    detachProducer = unregisterProducer


def makeChannel(
    role: Role, config: ConnectionConfig, clock: IReactorTime
) -> WebSocketChannel:
    """
    Make the machinery of a connection, and its face.
    """
    channel = WebSocketChannel(role, config, clock)
    WebSocketConnection(channel)
    return channel


def channelOf(connection: WebSocketConnection) -> WebSocketChannel:
    """
    The machinery that a connection is the face of.
    """
    return connection._channel
