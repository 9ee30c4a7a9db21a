# -*- test-case-name: tests.wire.test_inflating -*-
# Part of txwebsocket. See LICENSE for details.
"""
Inflating a message as its pieces arrive, a bounded step at a time (RFC 7692, 7.2.2).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from txwebsocket.wire.extensions import MessageTooBig

TAIL = b"\x00\x00\xff\xff"
"""
What ends a flush, and is not sent (RFC 7692, 7.2.1).
"""

MAX_ENDS = 256
"""
Compressed data may say so often in one message that it ends, and go on.
"""

STEP = 2**16
"""
Bytes that one step makes, at most.
"""

# Pieces that are joined when there are more of them.
_MANY = 64


class Inflation:
    """
    The inflating of one message.

    :param zlib: the module that inflates.
    :param bits: the window, two to this power.
    :param limit: bytes that the message may become.
    :ivar inflater: zlib's object, with what the messages before have left in it; when
        the message is over, the one for the next.
    """

    __slots__ = (
        "_bits",
        "_ends",
        "_isAtEnd",
        "_kept",
        "_last",
        "_limit",
        "_size",
        "_zlib",
        "inflater",
    )

    def __init__(self, zlib: Any, inflater: Any, bits: int, limit: int) -> None:
        self.inflater = inflater
        self._zlib = zlib
        self._bits = bits
        self._limit = limit
        self._size = self._ends = self._kept = 0
        self._isAtEnd = False
        # What made the window last.
        self._last: list[bytes] = []

    def run(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """
        Inflate these; an empty one, which says that more has to arrive first, is passed
        on.

        :raises MessageTooBig: if more than the limit comes of them.
        :raises ValueError: if they are not compressed data.
        """
        for piece in pieces:
            if piece:
                yield from self._inflate(piece)
            else:
                yield b""
        # Where nothing follows an end, the tail is no part of a block.
        if not self._isAtEnd:
            yield from self._inflate(TAIL, isTail=True)

    def _inflate(self, data: bytes, isTail: bool = False) -> Iterator[bytes]:
        isFull = False
        while data or isFull:
            try:
                piece: bytes = self.inflater.decompress(data, STEP)
            except self._zlib.error:
                raise ValueError("the compressed data is corrupt") from None
            self._note(piece)
            self._isAtEnd = self.inflater.eof
            if self._isAtEnd:
                data = b"" if isTail else self.inflater.unused_data
                self._beginAnew()
            else:
                data = self.inflater.unconsumed_tail
            isFull = len(piece) == STEP and not self._isAtEnd
            if piece:
                yield piece

    def _note(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise MessageTooBig
        self._last.append(piece)
        self._kept += len(piece)
        if self._kept > 2 * STEP or len(self._last) > _MANY:
            self._last = [lastBytes(self._last, 1 << self._bits)]
            self._kept = len(self._last[0])

    def _beginAnew(self) -> None:
        """
        A block may say that it is the last, and others follow it all the same
        (RFC 7692, 7.2.3.4). Those may refer to what came before.
        """
        self._ends += 1
        if self._ends > MAX_ENDS:
            raise ValueError("the compressed data ends too often")
        window = lastBytes(self._last, 1 << self._bits)
        self.inflater = self._zlib.decompressobj(-self._bits, zdict=window)


def lastBytes(pieces: Sequence[bytes], size: int) -> bytes:
    """
    The last bytes of what these are together.

    :param size: how many there are to be, at most.
    """
    last: list[bytes] = []
    for piece in reversed(pieces):
        if size <= 0:
            break
        last.append(piece[-size:])
        size -= len(piece)
    return b"".join(reversed(last))
