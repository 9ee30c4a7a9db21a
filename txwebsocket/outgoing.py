# -*- test-case-name: tests.test_outgoing -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages that are sent in pieces.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.task import deferLater
from zope.interface import implementer

from txwebsocket.link import Link
from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.messages import BytesLike, asBytes
from txwebsocket.wire.states import State

Pieces: TypeAlias = Iterable[str | BytesLike] | AsyncIterable[str | BytesLike]
"""
What a message can be made of.
"""

# Bytes or characters that are sent before others have their turn.
_AT_ONCE = 256 * 1024

_BROKEN_OFF = "a message was broken off"


@implementer(IConsumer)
class OutgoingMessage:
    """
    A message that is sent in pieces, as
    :meth:`~txwebsocket.WebSocketConnection.startMessage` begins it.

    Each piece leaves as a frame of its own, so that the message need not be there
    whole, nor its length be known. Until it has ended nothing else can be sent but
    pings, pongs and a close; broadcasts leave its connection out.

    ``with`` and ``async with`` end the message; ``async with`` waits until it is
    flushed, too. Where they are left with an exception, what was sent can't be taken
    back, so that the connection is closed with 1011.

    This is an ``IConsumer``: a producer writes a message as fast as the peer reads it.
    """

    def __init__(self, link: Link, isText: bool, isPlain: bool) -> None:
        link.wire.startMessage(isText, isPlain)
        self._link = link
        self._isText = isText
        self._hasEnded = False
        self._producing: _Producing | None = None

    def write(self, piece: str | BytesLike) -> None:
        """
        Send a piece: ``str`` in a text message, what is like ``bytes`` in a binary one.

        This never waits; what the transport has no room for is queued, up to
        ``maxBufferedBytes``. Wait for :meth:`flushed` to send no faster than the peer
        reads. A producer that writes too late is stopped.

        :raises ConnectionClosed: if the connection has ended, is ending, or ends
            because too much is queued.
        :raises InvalidState: if the message has ended.
        :raises TypeError: if the piece is of the other kind.
        """
        if self._hasEnded:
            raise InvalidState("the message has ended")
        octets = self._octets(piece)
        try:
            self._put(octets, isLast=False)
        except ConnectionClosed:
            if self._producing is None:
                raise
            self._producing.stopProducing()

    def end(self) -> None:
        """
        The message is complete. Does nothing if it is already.

        :raises ConnectionClosed: as :meth:`write` does.
        """
        if not self._hasEnded:
            self._hasEnded = True
            self._put(b"", isLast=True)

    def flushed(self) -> Deferred[None]:
        """
        Wait until nothing is queued and the transport is below its mark, as
        :meth:`~txwebsocket.WebSocketConnection.flushed` does.
        """
        return self._link.writer.flushed()

    def _octets(self, piece: object) -> bytes:
        if not self._isText:
            return asBytes(piece)
        if not isinstance(piece, str):
            raise TypeError(
                f"a piece of a text must be str, not {type(piece).__name__}"
            )
        return piece.encode("utf-8")

    def _put(self, octets: bytes, isLast: bool) -> None:
        try:
            self._link.wire.sendPiece(octets, isLast)
        finally:
            self._link.settle()

    # What writes it

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Have a producer write the message: it is paused while the peer does not read,
        and stopped if the connection ends before it has unregistered.

        :raises RuntimeError: if the connection has one already.
        """
        producing = _Producing(self._link, producer, streaming)
        self._link.attachProducer(producing)
        self._producing = producing
        producing.start()

    def unregisterProducer(self) -> None:
        """
        The producer has written all it has. This does not end the message.
        """
        if self._producing is not None and not self._producing.isOver:
            self._producing.leave()
            self._producing = None

    # As a block

    def __enter__(self) -> OutgoingMessage:
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
        self.breakOff()
        if self._producing is not None and self._producing.wasStopped:
            # What a producer says that was stopped is not what has happened.
            raise ConnectionClosed(self._link.wire.report()) from error

    async def __aenter__(self) -> OutgoingMessage:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
        if error is None:
            await self.flushed()

    def breakOff(self) -> None:
        """
        The message will not be complete. If nothing of it was sent, nothing has
        happened.
        """
        link = self._link
        if self._hasEnded:
            return
        self._hasEnded = True
        self.unregisterProducer()
        if link.wire.state is State.OPEN and not link.wire.takeMessageBack():
            code = CloseCode.INTERNAL_SERVER_ERROR
            link.fail(code, _BROKEN_OFF, CloseCause.APPLICATION_ERROR)


@implementer(IPushProducer)
class _Producing:
    """
    A producer of a message. One that has to be asked for each piece is asked in each
    turn of the reactor while there is room.

    :ivar isOver: whether it is left alone.
    :ivar wasStopped: whether it was told to stop, because the connection has ended.
    """

    def __init__(self, link: Link, producer: Any, isPush: bool) -> None:
        self._link = link
        self._producer = producer
        self._isPush = isPush
        self._isPaused = self._isAsking = False
        self.isOver = self.wasStopped = False

    def start(self) -> None:
        """
        Ask for a piece, soon.
        """
        if not (self._isPush or self._isAsking):
            self._isAsking = True
            self._link.clock.callLater(0, self._ask)

    def _ask(self) -> None:
        self._isAsking = False
        if self._isPaused or self.isOver:
            return
        self._link.run(self._producer.resumeProducing)
        if self._link.wire.state is State.OPEN:
            self.start()
        else:
            self.stopProducing()

    def leave(self) -> None:
        """
        Leave it alone.
        """
        self.isOver = True
        self._link.detachProducer()

    def pauseProducing(self) -> None:
        """
        There is no room.
        """
        self._isPaused = True
        if self._isPush:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """
        There is room again.
        """
        self._isPaused = False
        if self._isPush:
            self._producer.resumeProducing()
        else:
            self.start()

    def stopProducing(self) -> None:
        """
        The connection has ended, or is ending.
        """
        if not self.isOver:
            self.leave()
            self.wasStopped = True
            self._producer.stopProducing()


async def sendPieces(
    link: Link, pieces: Pieces, isText: bool | None, isPlain: bool
) -> None:
    """
    Send a message in pieces, each when there is room for it.
    """
    if isinstance(pieces, str | bytes | bytearray | memoryview):
        raise TypeError(f"pieces are needed, not one {type(pieces).__name__}")
    message: OutgoingMessage | None = None
    if isText is not None:
        message = OutgoingMessage(link, isText, isPlain)
    size = 0
    try:
        async for piece in _each(pieces):
            if message is None:
                message = OutgoingMessage(link, isinstance(piece, str), isPlain)
            message.write(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                # A peer that reads fast shall not keep the others waiting.
                size = 0
                await deferLater(link.clock, 0)
            await message.flushed()
    except BaseException:
        if message is not None:
            message.breakOff()
        raise
    (message or OutgoingMessage(link, False, isPlain)).end()


async def _each(pieces: Any) -> AsyncIterator[Any]:
    if isinstance(pieces, AsyncIterable):
        async for piece in pieces:
            yield piece
    else:
        for piece in pieces:
            yield piece
