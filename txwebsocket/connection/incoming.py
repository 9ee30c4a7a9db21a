# -*- test-case-name: tests.connection.test_incoming -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages that are received in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure

from txwebsocket.connection.collecting import Collector
from txwebsocket.connection.pausing import PauseReason
from txwebsocket.connection.pieceproducer import PieceProducer, octetsOf
from txwebsocket.connection.receivequeue import MAX_MESSAGES
from txwebsocket.connection.receiver import Receives
from txwebsocket.connection.turns import TurnLimit, WorkLimit
from txwebsocket.deferreds import asDeferred
from txwebsocket.wire.codes import CloseCode, Opcode
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.streaming import StreamingDecoder

MAX_WAITING = 64 * 1024
"""
Bytes of pieces that may wait before the peer's data is read no further.
"""

MAX_WHOLE = 1024 * 1024
"""
Bytes, or characters, of a collected message if ``maxReceivedMessageSize`` is None.
"""

MAX_PIECES = 1024
"""
Pieces that may wait likewise: tiny ones take more than their bytes.
"""


_LEFT = "the message is over for its hook, or the next one was asked for"


class MessageReader:
    """
    A message that is received in pieces, while it arrives.

    Take the pieces with ``async for piece in message``, one by one with :meth:`read`,
    all at once with :meth:`whole`, or have them go to a consumer with
    :meth:`deliverTo`. The peer is not read from while 64 KiB wait to be taken.

    The pieces are as the network brings them, neither those that the peer sent nor of
    any particular size; those of a text are ``str``, and never end inside a character.
    If the connection ends before the message does, what takes them fails with
    :exc:`ConnectionClosed`: a message never ends too early without an error.
    """

    def __init__(self, decoder: StreamingDecoder, incoming: IncomingMessages) -> None:
        self._decoder = decoder
        self._clock = incoming.clock
        self._wire = incoming.core
        self._isUnlimited = incoming.isUnlimited
        # Not the other way round, too: both would wait for the cyclic collector.
        self._incoming = incoming.ref
        self._waiting: Deferred[str | bytes] | None = None
        self._pump: PieceProducer | None = None
        self._makeError: Callable[[], BaseException] | None = None
        self._isRead = self._isLeft = self._isHeld = False
        self._limit = TurnLimit(incoming.clock)
        self._workLimit = incoming.workLimit

    def __repr__(self) -> str:
        kind = "text" if self.isText else "binary"
        return f"<IncomingMessage {kind}>"

    @property
    def isText(self) -> bool:
        """
        Whether it is a text message, and its pieces ``str``; else they are ``bytes``.
        """
        return self._decoder.isText

    def read(self) -> Deferred[str | bytes]:
        """
        The next piece.

        :return: a Deferred of a piece, or of an empty one when the message is over. It
            fails with :exc:`ConnectionClosed` if the connection has ended before, or
            ends because of what comes next. Cancelling it loses nothing.
        :raises InvalidState: if somebody takes the pieces already, or the message was
            left.
        """
        self._checkFree()
        if self._limit.allows(self._resume):
            return self._next()
        self._waiting = Deferred(self._giveUp)
        return self._waiting

    def _next(self) -> Deferred[str | bytes]:
        if not self._isTurnOver():
            try:
                piece = self._take()
            except ConnectionClosed as error:
                return fail(error)
            if piece is not None:
                return succeed(piece)
        self._waiting = Deferred(self._giveUp)
        return self._waiting

    def __aiter__(self) -> MessageReader:
        return self

    async def __anext__(self) -> str | bytes:
        self._checkFree()
        # A coroutine goes no deeper for a result that is there.
        piece = await self._next()
        if not piece:
            raise StopAsyncIteration
        return piece

    def whole(self, maxSize: int | None = None) -> Deferred[str | bytes]:
        """
        All that is left of the message, in one.

        :param maxSize: bytes, or characters, that it may have; None for as many as
            ``maxReceivedMessageSize`` allows, and for 1 MiB where that is None. A peer
            that sends more is closed with 1009.
        :return: a Deferred that fails with :exc:`ConnectionClosed` as :meth:`read`
            does, and if there are more.
        """
        if maxSize is None and self._isUnlimited:
            maxSize = MAX_WHOLE
        return Deferred.fromCoroutine(self._collect(maxSize))

    async def _collect(self, maxSize: int | None) -> Any:
        pieces: list[Any] = []
        size = 0
        async for piece in self:
            size += len(piece)
            if maxSize is not None and size > maxSize:
                reason = f"message larger than {maxSize}"
                raise self._fail(ProtocolFailure(CloseCode.MESSAGE_TOO_BIG, reason))
            pieces.append(piece)
        return ("" if self.isText else b"").join(pieces)

    def deliverTo(self, consumer: IConsumer) -> Deferred[None]:
        """
        Pass the pieces on to a consumer as they arrive, as fast as it takes them. Text
        is passed on in UTF-8. The consumer is unregistered at the end.

        :return: a Deferred that fires when all has been passed on. It fails with
            :exc:`ConnectionClosed` if the connection ends before, and with
            ``CancelledError`` if the consumer wants no more. Cancelling it leaves the
            message.
        :raises InvalidState: if somebody takes the pieces already, or the message was
            left.
        """
        self._checkFree()
        done: Deferred[None] = Deferred(lambda _: pump.stopProducing())
        # Those who wait for other messages are kept until this one is over.
        kept = self._incoming()
        pump = self._pump = PieceProducer(
            self._clock,
            self._take,
            lambda piece: consumer.write(octetsOf(piece)),
            lambda failure: self._delivered(consumer, done, kept, failure),
            self._isTurnOver,
        )
        try:
            consumer.registerProducer(pump, True)
        except BaseException:
            self._pump = None
            raise
        pump.run()
        return done

    def _delivered(
        self,
        consumer: IConsumer,
        done: Deferred[None],
        kept: object,
        failure: Failure | None,
    ) -> None:
        self._pump = None
        try:
            consumer.unregisterProducer()
        except BaseException:  # noqa: BLE001 - a consumer may raise anything
            failure = failure or Failure()
        if not self._isRead:
            self._discard()
        self._changed()
        if not done.called:
            done.callback(failure)

    def _checkFree(self) -> None:
        if self._isLeft:
            raise InvalidState(_LEFT)
        if self._waiting is not None or self._pump is not None:
            raise InvalidState("the pieces of this message are being taken already")

    def _giveUp(self, waiting: Deferred[str | bytes]) -> None:
        self._waiting = None

    def _take(self) -> str | bytes | None:
        """
        The next piece, an empty one at the end; None if there is none yet.

        :raises ConnectionClosed: if there will be none.
        """
        piece = self._takeOne()
        while piece is None and self._decoder.hasPendingInput:
            # What gave no piece made room, and more came into it, of which nobody is
            # told while somebody takes.
            piece = self._takeOne()
        return piece

    def _takeOne(self) -> str | bytes | None:
        piece = self._decoder.take()
        if isinstance(piece, ProtocolFailure):
            self._isRead = True
            error: BaseException = self._fail(piece)
        elif piece is None and self._makeError is not None:
            self._isRead = True
            error = self._makeError()
        else:
            if piece is not None and not piece:
                self._isRead = True
            self._changed()
            return piece
        # Who waits for the next message has to hear of it, too.
        self._changed()
        raise error

    def _fail(self, failure: ProtocolFailure) -> BaseException:
        """
        End the connection for what the peer has sent, if it is there.
        """
        incoming = self._incoming()
        if incoming is not None:
            return incoming.fail(failure)
        return ConnectionClosed(self._wire.report())

    def _changed(self) -> None:
        incoming = self._incoming()
        if incoming is not None:
            incoming.changed()

    # What its connection does

    def _add(self, fragment: Frame) -> None:
        """
        More of it has arrived.
        """
        self._decoder.add(fragment)
        self._resume()

    def _end(self, errorFactory: Callable[[], BaseException]) -> None:
        """
        The connection has ended; what has arrived can still be read.
        """
        self._makeError = errorFactory
        self._resume()

    def _resume(self) -> None:
        if self._pump is not None:
            self._pump.run()
        elif not (self._waiting is None or self._limit.isResting or self._isTurnOver()):
            try:
                piece = self._take()
            except ConnectionClosed:
                self._answer(Failure())
            else:
                if piece is not None:
                    self._answer(piece)

    def _isTurnOver(self) -> bool:
        return self._workLimit is not None and self._workLimit.isReached(self._resume)

    def _answer(self, result: Any) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(result)

    def _leave(self) -> None:
        """
        Whoever had the message is done with it; what a consumer takes, it still gets.
        """
        self._isHeld = False
        if not self._isRead and self._pump is None:
            self._discard()
        self._changed()

    def _discard(self) -> None:
        """
        Read the rest, which what comes later may refer to, and keep nothing of it.
        """
        self._isLeft = True
        self._answer(Failure(InvalidState(_LEFT)))
        lost: list[bool] = []
        # Those who wait for other messages are kept until this one is over.
        ended = partial(self._discarded, self._incoming(), lost)
        self._pump = PieceProducer(
            *(self._clock, self._take, lambda _: lost.append(True), ended),
            self._isTurnOver,
        )
        self._pump.run()

    def _discarded(
        self, kept: object, lost: list[bool], failure: Failure | None
    ) -> None:
        if lost and failure is None:
            self._wire.noteDiscarded()

    @property
    def _isOver(self) -> bool:
        return self._isRead and not self._isHeld


class IncomingMessages:
    """
    The messages of one connection that are received in pieces.

    They are read one after the other: the next one is there for whoever asks when the
    one before has been read to its end, or left.

    :ivar isUnlimited: whether messages may have any size.
    """

    def __init__(self, owner: Receives) -> None:
        self.clock = owner.clock
        self.isUnlimited = owner.config.maxReceivedMessageSize is None
        self.core = owner.core
        self.ref = ref(self)
        self._config = owner.config
        # It refers to us, and is there as long as the connection.
        self._owner: ref[Receives] = ref(owner)
        # Those that have begun and are not over; the last one may be arriving still.
        self._messages: list[MessageReader] = []
        self._makeError: Callable[[], BaseException] | None = None
        # In pull style: those that nobody has, who waits, and who has got one last.
        self._ready: list[MessageReader] = []
        self._waiting: list[Deferred[MessageReader]] = []
        self._given: MessageReader | None = None
        self._limit = TurnLimit(self.clock)
        self.workLimit: WorkLimit | None = None
        self._collector = Collector(self.clock)

    def take(self, fragment: Frame) -> None:
        """
        Give a fragment to its message; tell the application of a new one.
        """
        if fragment.opcode == Opcode.CONTINUATION:
            self._messages[-1]._add(fragment)
        else:
            message = MessageReader(self.core.makeStreamingDecoder(fragment), self)
            message._add(fragment)
            self._messages.append(message)
            self._ready.append(message)
        self.changed()

    @property
    def hasUntold(self) -> bool:
        """
        In callback style: are there messages that the application was not told of?
        """
        return not self._isPulled and bool(self._ready)

    @property
    def _isPulled(self) -> bool:
        owner = self._owner()
        return owner is None or owner.isPullMode

    @property
    def mayTell(self) -> bool:
        """
        In callback style: may the hook of the next message be called? Several hooks may
        run at a time, but only one message is read.
        """
        if not self.hasUntold:
            return False
        told = self._messages[: len(self._messages) - len(self._ready)]
        most = self._config.concurrentMessages
        return len(told) < most and all(each._isRead for each in told)

    def tell(self) -> None:
        """
        Tell the application of the next message.
        """
        message = self._ready.pop(0)
        owner: Any = self._owner()
        message._isHeld = True
        done = asDeferred(owner.messageStarted(message))
        if done is None:
            message._leave()
        else:
            done.addErrback(owner.applicationFailed)
            done.addBoth(lambda _: message._leave())

    def discardUntold(self) -> int:
        """
        Give up the messages that the application was not told of.

        :return: how many of them were complete.
        """
        untold, self._ready = self._ready, []
        self._messages = [each for each in self._messages if each not in untold]
        return sum(each._decoder.isComplete for each in untold)

    def receiveStream(self) -> Deferred[MessageReader]:
        """
        The next message; what is left of the last one is discarded.
        """
        waiting: Deferred[MessageReader] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        if self._given is not None:
            self._given._leave()
        if self._limit.allows(self._serve):
            self._serve()
        return waiting

    def _serve(self) -> None:
        while self._waiting and not self._limit.isResting:
            given = self._given
            if self._ready and (given is None or given._isOver):
                self._given = self._ready.pop(0)
                self._waiting.pop(0).callback(self._given)
            elif self._makeError is not None and not self._isReadOn():
                self._waiting.pop(0).errback(self._makeError())
            else:
                return

    def _isReadOn(self) -> bool:
        """
        Is the message that was given last read to its end by itself? What comes then
        may be the next one, or a better reason.
        """
        given = self._given
        if given is None or given._isOver or given._pump is None:
            return False
        return given._isLeft or bool(self._ready)

    def receive(self) -> Deferred[str | bytes]:
        """
        The next message, when all of it is there. Cancelling the Deferred loses none.
        """
        return self._collector.receive(self.receiveStream)

    def end(self, errorFactory: Callable[[], BaseException]) -> None:
        """
        There will be no more; who waits in vain is told so.

        :param errorFactory: makes the error, anew for each Deferred.
        """
        self._makeError = errorFactory
        for message in self._messages[:]:
            message._end(errorFactory)
        self._serve()

    def changed(self) -> None:
        """
        A message was read from, or has grown: see who can go on.
        """
        self._messages = [each for each in self._messages if not each._isOver]
        self._serve()
        owner = self._owner()
        if owner is not None:
            (owner.pauseFor if self._isFull() else owner.resumeFrom)(PauseReason.PIECES)
            if self.mayTell:
                owner.deliver()

    def _isFull(self) -> bool:
        decoders = [each._decoder for each in self._messages]
        if (
            sum(decoder.size for decoder in decoders) >= MAX_WAITING
            or sum(decoder.count for decoder in decoders) >= MAX_PIECES
        ):
            return True
        # In callback style, messages whose hooks run have a bound of their own.
        messages = self._messages if self._isPulled else self._ready
        return sum(each._decoder.isComplete for each in messages) >= MAX_MESSAGES

    def fail(self, failure: ProtocolFailure) -> ConnectionClosed:
        """
        End the connection for what the peer has sent.

        :return: the error that says so.
        """
        self.core.failConnection(failure)
        # The connection has ended with this; what has arrived behind it is not given.
        behind, self._ready = self._ready, []
        self._messages = [each for each in self._messages if each not in behind]
        owner = self._owner()
        if owner is not None:
            owner.syncTransport()
        return ConnectionClosed(self.core.report())
