# -*- test-case-name: tests.wire.test_streaming -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages in pieces: received and sent without ever being there whole.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from txwebsocket.wire.codes import CloseCode, Opcode
from txwebsocket.wire.extensions import (
    MESSAGE_WORK,
    READ_WORK,
    MessageTooBig,
    MessageTransform,
)
from txwebsocket.wire.frames import FIN, Frame, ProtocolFailure
from txwebsocket.wire.messages import failureOf
from txwebsocket.wire.utf8 import Utf8Decoder


class StreamingDecoder:
    """
    The pieces of one message, made from its fragments as they are asked for.

    The fragments wait as they came; an extension undoes a step's worth of what it did
    when the next piece is asked for, so that nothing that is small on the wire becomes
    large here by itself.

    :param first: the first fragment; it is not added yet.
    :param transforms: what the extensions agreed on do.
    :param limit: bytes that the message may become.
    :param note: told what an extension's work costs.
    :ivar isText: whether the pieces are ``str``.
    :ivar isComplete: whether the last fragment is there.
    :ivar size: bytes of the fragments that wait.
    """

    __slots__ = (
        "_failure",
        "_limit",
        "_pieces",
        "_waiting",
        "isComplete",
        "isText",
        "size",
    )

    def __init__(
        self,
        first: Frame,
        transforms: Sequence[MessageTransform],
        limit: int,
        note: Callable[[int], object] | None = None,
    ) -> None:
        self.isText = first.opcode == Opcode.TEXT
        self.isComplete = False
        self.size = 0
        self._waiting: deque[bytes] = deque()
        self._limit = limit
        self._failure: ProtocolFailure | None = None
        octets = self._arriving()
        for transform in reversed(transforms):
            if first.rsv & transform.rsv:
                if note is not None:
                    note(MESSAGE_WORK)
                    octets = _noted(octets, note, READ_WORK)
                octets = _decodePieces(transform, octets, limit)
                if note is not None:
                    octets = _noted(octets, note)
        self._pieces = _decodeText(octets) if self.isText else octets

    @property
    def count(self) -> int:
        """
        Of the fragments that wait, how many there are.
        """
        return len(self._waiting)

    @property
    def hasPendingInput(self) -> bool:
        """
        Whether there is anything that was not looked at, be it the end.
        """
        return self.isComplete or bool(self._waiting)

    def add(self, fragment: Frame) -> None:
        """
        Take the next fragment.
        """
        if fragment.payload:
            self._waiting.append(fragment.payload)
            self.size += len(fragment.payload)
        self.isComplete = fragment.fin

    def take(self) -> str | bytes | ProtocolFailure | None:
        """
        The next piece; an empty one if the message is over, and None if more of it has
        to arrive first.
        """
        if self._failure is not None:
            return self._failure
        try:
            for piece in self._pieces:
                return piece or None
        except (MessageTooBig, ValueError) as error:
            self._failure = failureOf(error, self._limit)
            return self._failure
        except BaseException:
            # Another error ends the pieces as well, but not the message.
            self._failure = ProtocolFailure(CloseCode.INTERNAL_SERVER_ERROR, "")
            raise
        return "" if self.isText else b""

    def _arriving(self) -> Iterator[bytes]:
        while self._waiting or not self.isComplete:
            piece = self._waiting.popleft() if self._waiting else b""
            self.size -= len(piece)
            yield piece


def _decodePieces(
    transform: MessageTransform, pieces: Iterator[bytes], limit: int
) -> Iterator[bytes]:
    own: Callable[[Iterator[bytes], int], Iterator[bytes]] | None
    own = getattr(transform, "decodePieces", None)
    return _decodeWhole(transform, pieces, limit) if own is None else own(pieces, limit)


def _noted(
    pieces: Iterator[bytes], note: Callable[[int], object], cost: int = 1
) -> Iterator[bytes]:
    for piece in pieces:
        note(cost * len(piece))
        yield piece


def _decodeWhole(
    transform: MessageTransform, pieces: Iterator[bytes], limit: int
) -> Iterator[bytes]:
    """
    Undo what an extension did that knows whole messages only.
    """
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if not piece:
            yield b""
    message = transform.decode(bytes(whole), limit)
    if message:
        yield message


def _decodeText(pieces: Iterator[bytes]) -> Iterator[str]:
    """
    Read text; a character that was cut goes with what completes it.
    """
    decoder = Utf8Decoder()
    for piece in pieces:
        text = decoder.feed(piece)
        if text or not piece:
            yield text
    decoder.end()


class StreamingEncoder:
    """
    The frames of a message that is sent in pieces.

    :param opcode: the kind of the message.
    :param transforms: what extensions do to it. Those that know whole messages only are
        left out.
    :ivar hasBegun: whether there is a frame of it already.
    """

    __slots__ = ("_encoders", "_opcode", "_rsv", "hasBegun")

    def __init__(self, opcode: int, transforms: Iterable[MessageTransform]) -> None:
        self.hasBegun = False
        self._opcode = opcode
        self._rsv = 0
        self._encoders: list[Callable[[bytes, bool], bytes]] = []
        for transform in transforms:
            begin = getattr(transform, "encodePieces", None)
            encode = begin and begin()
            if encode is not None:
                self._encoders.append(encode)
                self._rsv |= transform.rsv

    def encode(self, piece: bytes, isLast: bool) -> tuple[int, bytes, int]:
        """
        Make the next frame.

        :return: its opcode, payload and flags, as the framer takes them.
        """
        for encode in self._encoders:
            piece = encode(piece, isLast)
        opcode, flags = self._opcode, self._rsv | (FIN if isLast else 0)
        self._opcode, self._rsv = Opcode.CONTINUATION, 0
        self.hasBegun = True
        return opcode, piece, flags
