# -*- test-case-name: tests.wire.test_connection -*-
# Part of txwebsocket. See LICENSE for details.
"""
A WebSocket connection without its transport: bytes and calls in, events and bytes out.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from txwebsocket.wire.codes import Opcode, Role, causeOfFailure
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.control import (
    CloseReceived,
    PingReceived,
    PongReceived,
    checkControlPayload,
    readClose,
)
from txwebsocket.wire.errors import InvalidState
from txwebsocket.wire.extensions import MessageTransform, applyTransforms, rsvBits
from txwebsocket.wire.frames import FIN, Frame, ProtocolFailure
from txwebsocket.wire.messages import (
    BytesLike,
    Event,
    MessageAssembler,
    MessageDecoder,
    Waiting,
    asBytes,
    decodeMessage,
    endsMessage,
    frameMessage,
    frameParts,
    makeReader,
)
from txwebsocket.wire.outgoing import checkSendableFrame
from txwebsocket.wire.report import TrafficStats
from txwebsocket.wire.sendlimits import Owner, SendLimits, roomForSmall
from txwebsocket.wire.speedups import FrameReader, encodeFrame
from txwebsocket.wire.states import NOT_RECEIVING, State, Transition
from txwebsocket.wire.streaming import StreamingDecoder, StreamingEncoder

_CONTROL = 0x8
_ALWAYS_TOLD = frozenset((CloseReceived, ProtocolFailure, PongReceived))

# On the way of every message names are cheaper than members.
_OPEN = State.OPEN
_WHOLE = _TEXT, _BINARY = Opcode.TEXT, Opcode.BINARY


class Connection(SendLimits):
    """
    The protocol of one connection, from the end of the opening handshake on.

    Feed it with :meth:`receive`, then call :meth:`nextEvent` until it has no more; what
    is to be sent is in :attr:`outbox` after any call.

    :param nextMask: gives four fresh random bytes for each frame of a client.
    :param owner: who makes room when much waits, and is told if there is none.
    :ivar decoder: decodes what extensions have encoded, while there is anything.
    """

    __slots__ = (
        "_assembler",
        "_encoder",
        "_reader",
        "_suspended",
        "_transforms",
        "bytesReceived",
        "decoder",
        "isMasking",
        "isSendingFragments",
        "messagesReceived",
        "pendingItems",
    )

    def __init__(
        self,
        role: Role,
        config: ConnectionConfig,
        nextMask: Callable[[], bytes],
        owner: Owner | None = None,
    ) -> None:
        self.isMasking = role is Role.CLIENT
        super().__init__(config, nextMask if self.isMasking else None, owner)
        self._transforms: tuple[MessageTransform, ...] = ()
        self.isSendingFragments = False
        self._reader = self._makeReader()
        self._assembler: MessageAssembler | None = None
        self.decoder: MessageDecoder | None = None
        self._suspended: MessageDecoder | None = None
        self._encoder: StreamingEncoder | None = None
        self.pendingItems: list[Waiting] = []
        self.messagesReceived = self.bytesReceived = 0

    @property
    def role(self) -> Role:
        """
        Which end of the connection this is.
        """
        return Role.CLIENT if self.isMasking else Role.SERVER

    def open(self, transforms: Iterable[MessageTransform] = ()) -> None:
        """
        The opening handshake succeeded.

        :param transforms: what the extensions agreed on do, in their order.
        """
        self._transforms = tuple(transforms)
        if self._transforms:
            self._reader = self._makeReader()
            self.decoder = MessageDecoder(self._transforms, messageLimit(self._config))
        self._transition(Transition.OPENED)

    def _noteRoom(self) -> None:
        isSimple = self.state is _OPEN and not (
            self._transforms
            or self.isSendingFragments
            or self._config.fragmentOutgoingMessages
        )
        self.outbox.fastPathLimit = roomForSmall(self._config) if isSimple else 0

    def _makeReader(self) -> FrameReader:
        return makeReader(self.role, self._config, rsvBits(self._transforms))

    # Receiving

    def receive(self, chunk: bytes) -> None:
        """
        Take what the network gave, for :meth:`nextEvent`.
        """
        self.putBack(self.read(chunk))

    def read(self, chunk: bytes) -> Sequence[Waiting]:
        """
        Take what the network gave, and do what :meth:`takeWaiting` does.
        """
        self.bytesReceived += len(chunk)
        if self.state is not _OPEN and self.state in NOT_RECEIVING:
            return []
        items = self._reader.feed(chunk)
        if self.pendingItems:
            self.pendingItems += items
            return self.takeWaiting()
        self.messagesReceived += len(items)
        return items

    def takeWaiting(self) -> list[Waiting]:
        """
        Remove and return all that was read. While the connection is open a message
        among it needs no call; the rest is for :meth:`eventOf`. What is not dealt with
        is to be put back.

        All of it counts as messages, since most is, until it turns out otherwise.
        """
        items, self.pendingItems = self.pendingItems, []
        self.messagesReceived += len(items)
        return items

    def putBack(self, items: Iterable[Waiting]) -> None:
        """
        Take back what was not dealt with. A message that is being decoded comes first.
        """
        rest = list(items)
        self.messagesReceived -= len(rest)
        if self._suspended is not None:
            self.pendingItems.insert(0, self._suspended)
            self._suspended = None
        at = bool(self.pendingItems) and self.pendingItems[0] is self.decoder
        self.pendingItems[at:at] = rest

    def eventOf(self, item: Waiting) -> Event | None:
        """
        What happens with an item that was taken, if anything does.

        Messages that arrive after our close frame are counted and not returned. After
        a failure, or the peer's close frame, nothing is.
        """
        self.messagesReceived -= 1
        return self._eventOf(item)

    def _eventOf(self, item: Waiting) -> Event | None:
        if self.state is not _OPEN and self.state in NOT_RECEIVING:
            return None
        if type(item) is Frame:
            event: Event | None = self._takeFrame(item)
        elif type(item) is ProtocolFailure:
            event = self.failConnection(item)
        elif type(item) is MessageDecoder:
            event = self._opened(item.proceed()) if self.isReceiving else b""
        else:
            event = item  # type: ignore[assignment]
        if event is None:
            return None
        if self.state is _OPEN or self.isReceiving:
            self.messagesReceived += endsMessage(event)
            return event
        if type(event) in _ALWAYS_TOLD:
            return event
        self._discarded += endsMessage(event)
        return None

    def assemble(self, fragment: Frame) -> Frame | None:
        """
        Add a frame to the message it belongs to, and return that as one frame when it
        is whole. It is not decoded by extensions.
        """
        if self._assembler is None:
            self._assembler = MessageAssembler()
        return self._assembler.add(fragment)

    def makeStreamingDecoder(self, first: Frame) -> StreamingDecoder:
        """
        What makes pieces of a message that is received in fragments.

        :param first: the first of them. What went wrong is for :meth:`failConnection`.
        """
        note = None if self.decoder is None else self.decoder.note
        return StreamingDecoder(
            first, self._transforms, messageLimit(self._config), note
        )

    def failConnection(self, failure: ProtocolFailure) -> ProtocolFailure:
        """
        End the connection because of what the peer has sent. What follows is not read.
        """
        self.pendingItems.clear()
        self.fail(failure.code, failure.reason, causeOfFailure(failure.code))
        return failure

    def nextEvent(self) -> Event | None:
        """
        Remove and return the next thing that happened, or None.
        """
        while self.pendingItems:
            event = self._eventOf(self.pendingItems.pop(0))
            if event is not None:
                return event
            self.putBack(())
        return None

    def _takeFrame(self, frame: Frame) -> Event | None:
        opcode = frame.opcode
        if opcode < _CONTROL:
            if self._config.streamMessages or not self._config.assembleFragments:
                return frame
            message = self.assemble(frame)
            return None if message is None else self._takeMessage(message)
        if opcode == Opcode.PING:
            return PingReceived(frame.payload)
        if opcode == Opcode.PONG:
            return PongReceived(frame.payload)
        return self._takeClose(frame.payload)

    def _takeMessage(self, message: Frame) -> Event | None:
        if not self.isReceiving:
            # It will be discarded, which needs no decoding.
            return message
        if self.decoder is None or not message.rsv:
            return self._opened(decodeMessage(message.opcode, message.payload))
        # Only when it is asked for: a read may bring dozens that become large.
        return self._opened(self.decoder.start(message))

    def _opened(self, event: str | bytes | ProtocolFailure | None) -> Event | None:
        if event is None:
            self._suspended = self.decoder
        return (
            self.failConnection(event) if isinstance(event, ProtocolFailure) else event
        )

    def _takeClose(self, payload: bytes) -> CloseReceived | ProtocolFailure | None:
        close = readClose(payload)
        if isinstance(close, ProtocolFailure):
            return self.failConnection(close)
        self._peerClosed(*close)
        return close

    # Sending

    def send(self, message: str | BytesLike, verbatim: bool = False) -> None:
        """
        Send a message: text for ``str``, binary for what is like ``bytes``.

        :param verbatim: send it without what extensions would do to it.
        :raises TypeError: if it is neither.
        :raises UnicodeEncodeError: if it has a lone surrogate, which UTF-8 has not.
        :raises InvalidState: if the connection is not open yet, or in the middle of a
            message that is sent frame by frame.
        :raises ConnectionClosed: if it is not open any more, or ends because more waits
            than ``maxBufferedBytes``.
        :raises BufferFull: if more waits, and that is what ``whenBufferFull`` says.
        """
        if isinstance(message, str):
            self._sendMessage(_TEXT, message.encode("utf-8"), verbatim)
        else:
            self._sendMessage(_BINARY, asBytes(message), verbatim)

    def sendText(self, payload: bytes, verbatim: bool = False) -> None:
        """
        Send a text message that is valid UTF-8; see :meth:`send`.
        """
        self._sendMessage(_TEXT, payload, verbatim)

    def sendStreamBytes(self, data: bytes, size: int) -> None:
        """
        Send a part of a stream, as binary messages of this size at most. There has to
        be room for all of them, or the connection ends; see :meth:`send`.
        """
        self._makeRoom(len(data))
        self._checkMessage()
        self._checkStreamRoom(len(data))
        for start in range(0, len(data), size):
            self._put(self._frameMessage(_BINARY, data[start : start + size]))

    def sendFrame(self, frame: Frame) -> None:
        """
        Send one frame as it is.

        :raises ValueError: if it may not be sent now, saying why.
        """
        size = len(frame.payload)
        self._makeRoom(size)
        self.checkOpen()
        if self._encoder is not None and frame.opcode < _CONTROL:
            raise ValueError("a message that is sent in pieces has not ended")
        checkSendableFrame(frame, self.isSendingFragments, rsvBits(self._transforms))
        if frame.opcode not in _WHOLE or not frame.fin:
            self._checkRoom(size)
        elif not self._hasRoom(size):
            return
        if frame.opcode < _CONTROL:
            self.isSendingFragments = not frame.fin
            self._noteRoom()
        self.outbox.messages += endsMessage(frame)
        self._putFrame(frame.opcode, frame.payload, frame.rsv | (FIN * frame.fin))

    def startMessage(self, isText: bool, verbatim: bool = False) -> None:
        """
        Begin to send a message in pieces; see :meth:`sendFragment`.

        :param verbatim: send it without what extensions would do to it.
        :raises InvalidState: as :meth:`send` does.
        :raises ConnectionClosed: likewise.
        """
        self._checkMessage()
        transforms = () if verbatim else self._transforms
        self._encoder = StreamingEncoder(_TEXT if isText else _BINARY, transforms)
        self.isSendingFragments = True
        self._noteRoom()

    def sendFragment(self, piece: bytes, isLast: bool) -> None:
        """
        Send a piece of the message that was started, as a frame of its own.

        :raises InvalidState: if none was.
        :raises ConnectionClosed: as :meth:`send` does.
        :raises BufferFull: if more waits than ``maxBufferedBytes``, and the policy is
            not to close. Nothing of the piece is sent then. An empty one that ends what
            has begun is always taken.
        """
        self._makeRoom(len(piece))
        self.checkOpen()
        if self._encoder is None:
            raise InvalidState("no message was started")
        # Without its end, what has begun would have been sent in vain.
        if piece or not (isLast and self._encoder.hasBegun):
            self._checkRoom(len(piece))
        self._putFrame(*self._encoder.encode(piece, isLast))
        if isLast:
            self.outbox.messages += 1
            self._leaveMessage()

    def cancelMessage(self) -> bool:
        """
        Give up the message that is sent in pieces; tell whether nothing of it was sent.
        """
        if self._encoder is None or self._encoder.hasBegun:
            return False
        self._leaveMessage()
        return True

    def _leaveMessage(self) -> None:
        self._encoder = None
        self.isSendingFragments = False
        self._noteRoom()

    def sendBroadcast(
        self, opcode: int, payload: bytes, shared: dict[Any, list[tuple[bytes, ...]]]
    ) -> bool:
        """
        Send a message to one of several connections of a server.

        :param shared: what was made of it for the others so far, by what it depends on;
            empty at first. All of them have the same options.
        :return: whether it is sent, and not left out because too much waits.
        """
        self._makeRoom(len(payload))
        self._checkMessage()
        keys = tuple(transform.sharingKey() for transform in self._transforms)
        if None in keys:
            return self._sendMessage(opcode, payload)
        if not self._hasRoom(len(payload)):
            return False
        frames = shared.get(keys)
        if frames is None:
            frames = shared[keys] = self._frameMessage(opcode, payload)
        self._put(frames)
        return True

    def ping(self, payload: bytes) -> None:
        """
        Send a ping.
        """
        self._makeRoom(len(payload))
        self.checkOpen()
        self._checkRoom(len(payload))
        self._putFrame(Opcode.PING, checkControlPayload(payload), FIN)

    def pong(self, payload: bytes, isLate: bool = False) -> None:
        """
        Answer a ping.

        :param isLate: nothing can be sent for now. Then of several answers only the
            last will be.
        """
        if self.state is State.OPEN:
            payload = checkControlPayload(payload)
            pong = encodeFrame(Opcode.PONG, payload, self.nextMask())
            if isLate:
                self.outbox.setPong(pong)
            else:
                self.outbox.put(pong)

    def transportLost(self, detail: str = "") -> None:
        """
        The transport is gone. Of what was read and not asked for, the peer's close
        frame counts still.
        """
        waiting, self.pendingItems = self.pendingItems, []
        for item in waiting:
            if self.state in NOT_RECEIVING:
                break
            self._discarded += endsMessage(item)
            if type(item) is Frame and item.opcode == Opcode.CLOSE:
                self._takeClose(item.payload)
        super().transportLost(detail)

    def _transition(self, step: Transition) -> None:
        wasReceiving = self.state not in NOT_RECEIVING
        super()._transition(step)
        self._noteRoom()
        if wasReceiving and self.state in NOT_RECEIVING:
            # Whoever keeps an ended connection need not keep what it has not finished.
            if step is not Transition.CLOSE_RECEIVED:
                self._discarded += sum(map(endsMessage, self.pendingItems))
            self.pendingItems.clear()
            self._transforms = ()
            self._reader = self._makeReader()
            self._assembler = self._encoder = None
            self.decoder = self._suspended = None

    def traffic(self) -> TrafficStats:
        """
        What has passed so far.
        """
        return TrafficStats(
            self.messagesReceived,
            self.outbox.messages,
            self.bytesReceived,
            self.outbox.bytesTaken,
            self._dropped,
        )

    def _checkMessage(self) -> None:
        self.checkOpen()
        if self.isSendingFragments:
            raise InvalidState("a message sent in frames or pieces has not ended")

    def _sendMessage(self, opcode: int, payload: bytes, verbatim: bool = False) -> bool:
        self._makeRoom(len(payload))
        self._checkMessage()
        if not self._hasRoom(len(payload)):
            return False
        self._put(self._frameMessage(opcode, payload, verbatim))
        return True

    def _frameMessage(
        self, opcode: int, payload: bytes, verbatim: bool = False
    ) -> list[tuple[bytes, ...]]:
        rsv = 0
        if not verbatim:
            payload, rsv = applyTransforms(self._transforms, payload)
        return frameMessage(opcode, payload, self._config, self.nextMask, rsv)

    def _put(self, frames: Iterable[tuple[bytes, ...]]) -> None:
        self.outbox.messages += 1
        for parts in frames:
            self.outbox.putParts(parts)

    def _putFrame(self, opcode: int, payload: bytes, flags: int) -> None:
        self.outbox.putParts(frameParts(opcode, payload, self.nextMask(), flags))
