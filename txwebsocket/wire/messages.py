# -*- test-case-name: tests.wire.test_messages -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages from fragments, and fragments from messages (RFC 6455, 5.4).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeAlias

from txwebsocket.wire.codes import CloseCode, Opcode, Role
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.control import CloseReceived, PingReceived, PongReceived
from txwebsocket.wire.extensions import (
    MESSAGE_WORK,
    READ_WORK,
    MessageTooBig,
    MessageTransform,
    startDecoding,
)
from txwebsocket.wire.frames import COPY_LIMIT, FIN, Frame, ProtocolFailure, ReaderItem
from txwebsocket.wire.masking import noMask
from txwebsocket.wire.speedups import FrameReader, encodeFrame, encodeHeader

_CONTROL = 0x8

WORK_PER_TURN = 2**20
"""
Bytes that decoding may make before the connections of other peers have their turn. A
compressed message of 1 KiB can become so many, which takes about a millisecond.
"""

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""
What gives its bytes.
"""

Waiting: TypeAlias = "ReaderItem | MessageDecoder"
"""
What was read: an item, or the rest of a message that is being decoded.
"""

Event: TypeAlias = (
    str | bytes | Frame | PingReceived | PongReceived | CloseReceived | ProtocolFailure
)
"""
What happens on a connection. A message is itself: ``str`` or ``bytes``. A
:class:`Frame` stands for itself where fragments are not assembled.
"""


def endsMessage(event: Event | MessageDecoder) -> bool:
    """
    Is this a message, or the last frame of one?
    """
    if type(event) is Frame:
        return event.fin and event.opcode < _CONTROL
    return type(event) in _WHOLE


class MessageAssembler:
    """
    Join the fragments of one message.

    The reader has checked their order, size and text. They go into one growing buffer,
    so that a fragment costs its bytes and nothing else, however small it is.
    """

    __slots__ = ("_buffer", "_opcode", "_rsv")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._opcode = self._rsv = 0

    def add(self, frame: Frame) -> Frame | None:
        """
        Take the next data frame; if it ends the message, return that as one frame.
        """
        if frame.opcode != Opcode.CONTINUATION:
            if frame.fin:
                return frame
            self._opcode, self._rsv = frame.opcode, frame.rsv
        self._buffer += frame.payload
        if not frame.fin:
            return None
        buffer, self._buffer = self._buffer, bytearray()
        return Frame(self._opcode, bytes(buffer), True, self._rsv)


def decodeMessage(opcode: int, payload: bytes) -> str | bytes | ProtocolFailure:
    """
    Read the text of a message if it is one.
    """
    try:
        return payload.decode() if opcode == Opcode.TEXT else payload
    except UnicodeError as error:
        return failureOf(error, 0)


class MessageDecoder:
    """
    Decode the messages that a peer's extensions have encoded, and count the work.

    A message that takes more work than is left in a turn is decoded in several. In the
    meantime this object takes its place among the items.

    :param transforms: what the extensions do.
    :param limit: bytes that a message may become.
    :ivar work: what this turn has cost, in bytes that could be made in this time.
    """

    __slots__ = (
        "_counted",
        "_limit",
        "_lone",
        "_measured",
        "_opcode",
        "_steps",
        "_transforms",
        "work",
    )

    def __init__(self, transforms: Sequence[MessageTransform], limit: int) -> None:
        self._transforms = transforms
        self._limit = limit
        self._measured: list[Any] = [
            each for each in transforms if hasattr(each, "extraWork")
        ]
        # On the way of every message, what is asked each time is known beforehand.
        isLone = len(transforms) == len(self._measured) == 1
        self._lone = self._measured[0].startDecoding if isLone else None
        self._opcode = 0
        self._steps: Generator[int, None, bytes] | None = None
        self.work = self._counted = 0

    def start(self, message: Frame) -> str | bytes | ProtocolFailure | None:
        """
        Decode a message.

        :return: the message, or what is wrong with it; None if this turn's work is done
            before. Then :meth:`proceed` is next.
        """
        payload, limit = message.payload, self._limit
        try:
            if self._lone is None:
                started = startDecoding(self._transforms, payload, message.rsv, limit)
            else:
                started = self._lone(payload, limit)
        except (MessageTooBig, ValueError) as error:
            return failureOf(error, limit)
        if isinstance(started, bytes):
            self.work += len(started) + READ_WORK * len(payload) + MESSAGE_WORK
            return decodeMessage(message.opcode, started)
        self._opcode = message.opcode
        self._steps = started
        return self.proceed()

    def proceed(self) -> str | bytes | ProtocolFailure | None:
        """
        Do another step at least, and more if this turn's work is not done; see
        :meth:`start`.
        """
        steps, self._steps = self._steps, None
        if steps is None:
            return None
        try:
            while True:
                self.work += next(steps)
                if self.isTurnOver():
                    self._steps = steps
                    return None
        except StopIteration as stopped:
            self._countExtra()
            return decodeMessage(self._opcode, stopped.value)
        except (MessageTooBig, ValueError) as error:
            return failureOf(error, self._limit)

    @property
    def isSendingFragments(self) -> bool:
        """
        Whether a message has been started and is not decoded yet.
        """
        return self._steps is not None

    def end(self) -> None:
        """
        The connection is over: keep nothing of the extensions.
        """
        self._transforms, self._measured = (), []
        self._lone = self._steps = None
        self.work = self._counted = 0

    def note(self, work: int) -> None:
        """
        Count work that was done elsewhere.
        """
        self.work += work

    def isTurnOver(self) -> bool:
        """
        Is more work done than one turn should take?
        """
        self._countExtra()
        return self.work > WORK_PER_TURN

    def _countExtra(self) -> None:
        before = self._counted
        self._counted = sum(each.extraWork for each in self._measured)
        self.work += self._counted - before

    def beginTurn(self) -> None:
        """
        The connections of others have had their turn.
        """
        self._countExtra()
        self.work = 0


_WHOLE = (str, bytes, MessageDecoder)


def failureOf(error: Exception, limit: int) -> ProtocolFailure:
    """
    What is wrong with a message that could not be opened.

    :param limit: bytes that it might have become.
    """
    if isinstance(error, MessageTooBig):
        reason = f"message larger than {limit} bytes (maxReceivedMessageSize)"
        return ProtocolFailure(CloseCode.MESSAGE_TOO_BIG, reason)
    if isinstance(error, UnicodeError):
        return ProtocolFailure(CloseCode.INVALID_DATA, "a text message is not UTF-8")
    return ProtocolFailure(CloseCode.INVALID_DATA, str(error))


def makeReader(role: Role, config: ConnectionConfig, rsv: int) -> FrameReader:
    """
    What reads the frames of the peer.

    :param role: ours.
    :param rsv: the extension bits that were agreed on.
    """
    limit = messageLimit(config)
    return FrameReader(
        masked=role is Role.SERVER,
        maxFrameSize=config.maxReceivedFrameSize,
        maxMessageSize=limit,
        rsv=rsv,
        slack=limit // 8 + 1024 if rsv else 0,
        whole=config.assembleFragments,
        pieces=config.streamMessages,
    )


def fragment(
    opcode: int, payload: bytes, size: int
) -> Iterator[tuple[int, bytes, int]]:
    """
    Split a message into frames with ``size`` bytes of payload, the last one less.

    :return: opcode, payload and flags of each frame, as the framer takes them.
    """
    for start in range(0, max(len(payload), 1), size):
        end = start + size
        yield (
            Opcode.CONTINUATION if start else opcode,
            payload[start:end],
            FIN if end >= len(payload) else 0,
        )


def frameMessage(
    opcode: int,
    payload: bytes,
    config: ConnectionConfig,
    nextMask: Callable[[], bytes] = noMask,
    rsv: int = 0,
) -> list[tuple[bytes, ...]]:
    """
    Make the frames of a message: one, or several as the options say. Each comes in its
    parts, so that a large payload is not copied.

    :param rsv: the extension bits that mark the message, in its first frame.
    """
    size = config.fragmentationThreshold
    if not config.fragmentOutgoingMessages or len(payload) <= size:
        return [frameParts(opcode, payload, nextMask(), FIN | rsv)]
    frames = []
    for piece, part, flags in fragment(opcode, payload, size):
        frames.append(frameParts(piece, part, nextMask(), flags | rsv))
        rsv = 0
    return frames


def frameParts(
    opcode: int, payload: bytes, mask: bytes, flags: int
) -> tuple[bytes, ...]:
    """
    Make one frame; a large payload that is not masked comes as it is behind its head.
    """
    if mask or len(payload) <= COPY_LIMIT:
        return (encodeFrame(opcode, payload, mask, flags),)
    return encodeHeader(opcode, len(payload), mask, flags), payload


def asBytes(data: object) -> bytes:
    """
    The bytes of what is like ``bytes``.

    :raises TypeError: if it is not.
    """
    if isinstance(data, bytes):
        return data
    try:
        return bytes(memoryview(data))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"binary data must be like bytes, not {type(data).__name__}"
        ) from None


def asUTF8(text: str | BytesLike) -> bytes:
    """
    A text in UTF-8, which it may be already.

    :raises ValueError: if it is not valid UTF-8, or can't be encoded.
    :raises TypeError: if it is neither ``str`` nor like ``bytes``.
    """
    if isinstance(text, str):
        return text.encode("utf-8")
    octets = textBytes(text)
    # Compared with other checks, CPython's decoder is the fastest.
    octets.decode("utf-8")
    return octets


def textBytes(text: object) -> bytes:
    """
    The bytes of a text that is like ``bytes``, which are not checked.

    :raises TypeError: if it is not.
    """
    try:
        return asBytes(text)
    except TypeError:
        kind = type(text).__name__
        raise TypeError(f"text must be str, or its UTF-8, not {kind}") from None
