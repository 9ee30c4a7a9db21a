# -*- test-case-name: tests.connection.test_outgoing -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages that are sent in pieces.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProducer
from twisted.internet.task import deferLater
from zope.interface import implementer

from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.errors import BufferFull, ConnectionClosed, InvalidState
from txwebsocket.wire.messages import BytesLike, asBytes, textBytes
from txwebsocket.wire.states import State
from txwebsocket.wire.utf8 import unfinishedCharacter

Pieces: TypeAlias = Iterable[str | BytesLike] | AsyncIterable[str | BytesLike]
"""
What a message can be made of.
"""

# Bytes or characters that are sent before others have their turn.
_AT_ONCE = 256 * 1024

_BROKEN_OFF = "a message was broken off"


@implementer(IConsumer)
class MessageWriter:
    """
    A message that is sent in pieces, as
    :meth:`~txwebsocket.WebSocketConnection.sendStream` begins it.

    Each piece leaves as a frame of its own, so that the message need not be there
    whole, nor its length be known. Until it has ended nothing else can be sent but
    pings, pongs and a close; broadcasts leave its connection out.

    ``with`` and ``async with`` end the message; ``async with`` waits until there is
    room for more, too. Where they are left with an exception, what was sent can't be
    taken back, so that the connection is closed with 1011.

    This is an ``IConsumer``: a producer writes a message as fast as the peer reads it.
    """

    def __init__(self, channel: WebSocketChannel, isText: bool, verbatim: bool) -> None:
        channel.core.startMessage(isText, verbatim)
        self._channel = channel
        self._isText = isText
        self._hasEnded = False
        self._hasProducer = False
        # The bytes of a character that a piece of text has cut.
        self._cut = b""

    def write(self, piece: str | BytesLike) -> None:
        """
        Send a piece: ``str`` or its UTF-8 in a text message, what is like ``bytes`` in
        a binary one. Pieces of UTF-8 may be cut inside a character.

        This never waits; what the transport has no room for is queued, up to
        ``maxBufferedBytes``. Wait for :meth:`drained` to send no faster than the peer
        reads. What a producer writes too late, when it was told to stop or is about to
        be, is dropped, as by every transport.

        :raises ConnectionClosed: if the connection has ended, is ending, or ends
            because too much is queued.
        :raises BufferFull: if too much is queued and ``whenBufferFull`` is not to
            close; the piece can be written again later.
        :raises InvalidState: if the message has ended.
        :raises TypeError: if the piece is of another kind.
        :raises ValueError: if bytes in a text message are not valid UTF-8, or a ``str``
            follows ones that end inside a character.
        """
        if self._hasEnded:
            raise InvalidState("the message has ended")
        octets, cut = self._octets(piece)
        try:
            self._put(octets, isLast=False)
        except ConnectionClosed:
            if not self._hasProducer:
                raise
        self._cut = cut

    def end(self) -> None:
        """
        The message is complete. Does nothing if it is already. What has begun can be
        ended however much is queued.

        :raises ConnectionClosed: as :meth:`write` does.
        :raises BufferFull: likewise, if nothing was written. Then the message is as if
            it had not been started.
        :raises ValueError: if a text ends inside a character. The connection is closed
            with 1011 then, since the peer can't be given the rest.
        """
        if self._cut:
            self._cut = b""
            self.breakOff()
            raise ValueError("the text ends inside a character")
        if not self._hasEnded:
            self._hasEnded = True
            try:
                self._put(b"", isLast=True)
            except BufferFull:
                self._channel.core.cancelMessage()
                raise

    def drained(self) -> Deferred[None]:
        """
        Wait until there is room for more, as
        :meth:`~txwebsocket.WebSocketConnection.drained` does.
        """
        return self._channel.writer.drained()

    def _octets(self, piece: Any) -> tuple[bytes, bytes]:
        """
        The bytes of a piece, and those of the character that it cuts.
        """
        if not self._isText:
            return asBytes(piece), b""
        if not isinstance(piece, str):
            octets = textBytes(piece)
            return octets, unfinishedCharacter(self._cut + octets)
        if self._cut:
            raise ValueError("a str can't follow bytes that end inside a character")
        return piece.encode("utf-8"), b""

    def _put(self, octets: bytes, isLast: bool) -> None:
        try:
            self._channel.core.sendFragment(octets, isLast)
        finally:
            self._channel.syncTransport()

    # IConsumer: who writes it as fast as the peer reads

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Have the message written by a producer, as
        :meth:`~txwebsocket.WebSocketConnection.registerProducer` has messages made.

        :raises RuntimeError: if the connection has one already.
        """
        self._channel.registerProducer(producer, streaming)
        self._hasProducer = True

    def unregisterProducer(self) -> None:
        """
        The producer has written all it has. This does not end the message.
        """
        if self._hasProducer:
            self._hasProducer = False
            self._channel.unregisterProducer()

    # As a block

    def __enter__(self) -> MessageWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.end()
            return
        channel, wasProduced = self._channel, self._hasProducer
        hasEnded = channel.core.state is not State.OPEN
        self.breakOff()
        if wasProduced and hasEnded:
            # What a producer says that was stopped is not what has happened.
            raise ConnectionClosed(channel.core.report()) from error

    async def __aenter__(self) -> MessageWriter:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
        if error is None:
            await self.drained()

    def breakOff(self) -> None:
        """
        The message will not be complete. If nothing of it was sent, nothing has
        happened.
        """
        channel = self._channel
        if self._hasEnded:
            return
        self._hasEnded = True
        self.unregisterProducer()
        if channel.core.state is State.OPEN and not channel.core.cancelMessage():
            code = CloseCode.INTERNAL_SERVER_ERROR
            channel.fail(code, _BROKEN_OFF, CloseCause.APPLICATION_ERROR)


async def sendPieces(
    channel: WebSocketChannel, pieces: Pieces, isText: bool | None, verbatim: bool
) -> None:
    """
    Send a message in pieces, each when there is room for it.
    """
    if isinstance(pieces, str | bytes | bytearray | memoryview):
        raise TypeError(f"pieces are needed, not one {type(pieces).__name__}")
    message: MessageWriter | None = None
    if isText is not None:
        message = MessageWriter(channel, isText, verbatim)
    size = 0
    try:
        async for piece in _each(pieces):
            if message is None:
                message = MessageWriter(channel, isinstance(piece, str), verbatim)
            message.write(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                # A peer that reads fast shall not keep the others waiting.
                size = 0
                await deferLater(channel.clock, 0)
            await message.drained()
    except BaseException:
        if message is not None:
            message.breakOff()
        raise
    (message or MessageWriter(channel, False, verbatim)).end()


async def _each(pieces: Any) -> AsyncIterator[Any]:
    if isinstance(pieces, AsyncIterable):
        async for piece in pieces:
            yield piece
    else:
        for piece in pieces:
            yield piece
