# -*- test-case-name: tests.wire.test_inflate -*-
# Part of txwebsocket. See LICENSE for details.
"""
Inflating a message, whole or as its pieces arrive, a bounded step at a time (RFC 7692,
7.2.2).
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from txwebsocket.wire.extensions import READ_WORK, MessageTooBig

TAIL = b"\x00\x00\xff\xff"
"""
What ends a flush, and is not sent (RFC 7692, 7.2.1).
"""

MAX_ENDS = 16
"""
Blocks of one message that may be marked as the last one. An honest peer needs one in a
message, or in each of its fragments; every one of them needs a context of its own.
"""

END_WORK = 4096
"""
What such a block costs: as much time as inflating so many bytes takes.
"""

STEP = 2**16
"""
Bytes that one step makes of a message that is received in pieces, at most.
"""

STEP_IN = 2**15
"""
Compressed bytes that one step of a whole message reads, at most.
"""

STEP_OUT = 2**18
"""
Bytes that one step of a whole message makes, at most.
"""

# From this size on, what grows in a step as much as only a bomb does is measured to its
# end before any more of it is kept.
_LARGE = 2**20
_BOMB_GROWTH = 64
# Pieces that are joined when there are more of them.
_MANY = 64


class Inflation:
    """
    The inflating of one message.

    :param zlib: the module that inflates.
    :param inflater: zlib's object, with what the messages before have left in it.
    :param bits: the window, two to this power.
    :param limit: bytes that the message may become.
    :param ended: called for each block that is marked as the last one.
    :param step: bytes that one step makes, at most.
    :ivar inflater: when the message is over, the one for the next.
    """

    __slots__ = (
        "_bits",
        "_data",
        "_ended",
        "_ends",
        "_isAtEnd",
        "_kept",
        "_last",
        "_limit",
        "_most",
        "_read",
        "_size",
        "_step",
        "_uncounted",
        "_zlib",
        "inflater",
    )

    def __init__(
        self,
        zlib: Any,
        inflater: Any,
        bits: int,
        limit: int,
        ended: Callable[[], object],
        step: int = STEP,
    ) -> None:
        self.inflater = inflater
        self._zlib = zlib
        self._bits = bits
        self._limit = limit
        self._ended = ended
        self._step = step
        self._size = self._ends = self._kept = self._read = self._uncounted = 0
        # What the next step may make, and the data that no step has read.
        self._most = min(limit + 1, step)
        self._data: bytes | memoryview = b""
        self._isAtEnd = False
        # What made the window last.
        self._last: list[bytes] = []

    def run(self, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
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
            yield from self._inflate(TAIL, len(TAIL))

    def whole(self, payload: bytes) -> Generator[int, None, bytes]:
        """
        Inflate a whole message, and tell after each step what it has cost.

        :raises MessageTooBig: as :meth:`run` does.
        :raises ValueError: likewise.
        """
        view = memoryview(payload)
        ahead = [view[at : at + STEP_IN] for at in range(0, len(view), STEP_IN)]
        ahead.reverse()
        return self._collect(self.run(_spaced(_popAll(ahead))), ahead)

    def rest(self, piece: bytes, data: bytes) -> Generator[int, None, bytes]:
        """
        The same, of a message whose first step was done already.

        :param piece: what that step has made, of the room that the first one has.
        :param data: its data, with the tail behind it.
        """
        self._data = data
        return self._collect(self._follow(piece, len(TAIL)), ())

    def _collect(
        self, steps: Iterator[bytes], ahead: Sequence[bytes | memoryview]
    ) -> Generator[int, None, bytes]:
        pieces: list[bytes] = []
        isMeasured = self._limit <= _LARGE
        for piece in steps:
            pieces.append(piece)
            yield self._costOf(piece)
            isLarge = not isMeasured and self._size > _LARGE
            if isLarge and len(piece) > _BOMB_GROWTH * self._read:
                isMeasured = True
                yield from self._measure(ahead)
        yield self._costOf(b"")
        return b"".join(pieces)

    def _measure(
        self, ahead: Sequence[bytes | memoryview]
    ) -> Generator[int, None, None]:
        """
        Inflate the rest, and keep nothing of it.

        :param ahead: what comes behind the data at hand, in reverse; it ends with the
            tail if nothing does.
        """
        limit = self._limit - self._size
        copy = Inflation(
            *(self._zlib, self.inflater.copy(), self._bits, limit),
            *(self._ended, self._step),
        )
        copy._last, copy._kept = self._last[:], self._kept
        copy._ends = self._ends
        for piece in copy._inflate(self._data, 0 if ahead else len(TAIL)):
            yield copy._costOf(piece)
        if ahead:
            for piece in copy.run(_spaced(reversed(ahead))):
                yield copy._costOf(piece)

    def _costOf(self, piece: bytes) -> int:
        """
        What has been done since the last time, which has made this.
        """
        read, self._uncounted = self._uncounted, 0
        return len(piece) + READ_WORK * read

    def _inflate(self, data: bytes | memoryview, tail: int = 0) -> Iterator[bytes]:
        """
        :param tail: bytes at the end of the data that are the tail.
        """
        self._data = data
        yield from self._follow(self._decompress(), tail)

    def _follow(self, piece: bytes, tail: int) -> Iterator[bytes]:
        """
        Do what has to be done after a step that has made this piece; then do the next.
        """
        while True:
            isFull = len(piece) == self._most
            self._note(piece)
            left = self._leftOver(tail)
            self._read = len(self._data) - len(left)
            self._uncounted += self._read
            self._data = left
            if piece:
                yield piece
            if not (left or (isFull and not self._isAtEnd)):
                return
            piece = self._decompress()

    def _decompress(self) -> bytes:
        self._most = min(self._limit + 1 - self._size, self._step)
        try:
            piece: bytes = self.inflater.decompress(self._data, self._most)
        except self._zlib.error:
            raise ValueError("the compressed data is corrupt") from None
        return piece

    def _note(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise MessageTooBig
        if piece:
            self._last.append(piece)
            self._kept += len(piece)
        if self._kept > 2 * self._step or len(self._last) > _MANY:
            self._last = [lastBytes(self._last, 1 << self._bits)]
            self._kept = len(self._last[0])

    def _leftOver(self, tail: int) -> bytes:
        """
        The data that the last step has not read.
        """
        self._isAtEnd = self.inflater.eof
        if not self._isAtEnd:
            left: bytes = self.inflater.unconsumed_tail
            return left
        left = self.inflater.unused_data
        self._beginAnew()
        return left if len(left) > tail else b""

    def _beginAnew(self) -> None:
        """
        A block may say that it is the last, and others follow it all the same
        (RFC 7692, 7.2.3.4). Those may refer to what came before.
        """
        self._ends += 1
        self._ended()
        if self._ends > MAX_ENDS:
            raise ValueError("the compressed data ends too often")
        window = lastBytes(self._last, 1 << self._bits)
        self.inflater = self._zlib.decompressobj(-self._bits, zdict=window)


def _popAll(ahead: list[memoryview]) -> Iterator[memoryview]:
    while ahead:
        yield ahead.pop()


def _spaced(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """
    Put an empty piece behind each, after which others may have their turn: what a piece
    costs is the same if it makes nothing.
    """
    for piece in pieces:
        yield piece
        yield b""


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
