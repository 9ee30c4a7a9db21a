# -*- test-case-name: tests.wire.test_messages -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages from fragments, and fragments from messages (RFC 6455, 5.4).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from txwebsocket.wire.codes import CloseCode, Opcode
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.control import CloseReceived, PingReceived, PongReceived
from txwebsocket.wire.extensions import MessageTooBig, Transform, decodeMessage
from txwebsocket.wire.frames import FIN, SMALL_SIZE, Failed, Frame
from txwebsocket.wire.masking import noMask
from txwebsocket.wire.speedups import encodeFrame, encodeHead

_CONTROL = 0x8
_WHOLE = (str, bytes)

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""
What gives its bytes.
"""

Event: TypeAlias = (
    str | bytes | Frame | PingReceived | PongReceived | CloseReceived | Failed
)
"""
What happens on a connection. A message is itself: ``str`` or ``bytes``. A
:class:`Frame` stands for itself where fragments are not assembled.
"""


def endsMessage(event: Event) -> bool:
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


def openMessage(
    message: Frame, transforms: Sequence[Transform], limit: int
) -> str | bytes | Failed:
    """
    Undo what extensions did to a message, and read its text if it is one.

    :param limit: bytes that it may become.
    """
    try:
        payload = decodeMessage(transforms, message.payload, message.rsv, limit)
        return payload.decode() if message.opcode == Opcode.TEXT else payload
    except (MessageTooBig, ValueError) as error:
        return failureOf(error, limit)


def failureOf(error: Exception, limit: int) -> Failed:
    """
    What is wrong with a message that could not be opened.

    :param limit: bytes that it might have become.
    """
    if isinstance(error, MessageTooBig):
        reason = f"message larger than {limit} bytes (maxReceivedMessageSize)"
        return Failed(CloseCode.MESSAGE_TOO_BIG, reason)
    if isinstance(error, UnicodeError):
        return Failed(CloseCode.INVALID_DATA, "a text message is not UTF-8")
    return Failed(CloseCode.INVALID_DATA, str(error))


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
    if mask or len(payload) <= SMALL_SIZE:
        return (encodeFrame(opcode, payload, mask, flags),)
    return encodeHead(opcode, len(payload), mask, flags), payload


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
