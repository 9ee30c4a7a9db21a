# -*- test-case-name: tests.wire.test_outbox -*-
# Part of txwebsocket. See LICENSE for details.
"""
Frames that wait to be sent.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, TypeAlias

Octets: TypeAlias = bytes | memoryview


class Outbox:
    """
    The frames of one connection that its transport has not been given yet, in order.

    The pong we owe to a peer that does not read stands apart: only its newest ping is
    answered (RFC 6455, 5.5.3 allows it), so that pings can't grow our memory. It goes
    out at the next boundary between frames, ahead of what waits.
    """

    __slots__ = ("_divided", "_frames", "_isClosed", "_owed", "_parts", "size", "taken")

    def __init__(self) -> None:
        # A frame is its bytes, or a tuple of its parts.
        self._frames: deque[bytes | tuple[bytes, ...]] = deque()
        # How many of them are tuples.
        self._divided = 0
        # What is left of a frame of which something was taken already.
        self._parts: deque[Octets] = deque()
        self._owed = b""
        self._isClosed = False
        self.size = 0
        """
        Bytes that wait, the owed pong left out.
        """
        self.taken = 0
        """
        Bytes that were taken, all in all.
        """

    def put(self, frame: bytes) -> None:
        """
        Add one frame.
        """
        self._frames.append(frame)
        self.size += len(frame)

    def putParts(self, parts: tuple[bytes, ...]) -> None:
        """
        Add one frame, given as its parts in order, so that none is copied.
        """
        if len(parts) == 1:
            self.put(parts[0])
        else:
            self._frames.append(parts)
            self._divided += 1
            self.size += sum(map(len, parts))

    def putLast(self, frame: bytes) -> None:
        """
        Add the close frame. Nothing follows it, and no pong is owed any more.
        """
        self.put(frame)
        self._owed = b""
        self._isClosed = True

    def owe(self, pong: bytes) -> None:
        """
        Owe this frame, instead of the one owed before.
        """
        if not self._isClosed:
            self._owed = pong

    def hasSome(self) -> bool:
        """
        Is anything left to take?
        """
        return bool(self.size or self._owed)

    def take(self, limit: int) -> list[Octets]:
        """
        Remove and return about ``limit`` bytes, at most: a small frame is not cut, so
        the last one may go beyond.
        """
        if self.size > limit or self._divided or self._parts or self._owed:
            return self._takeSome(limit)
        taken: list[Any] = [*self._frames]
        self._frames.clear()
        self.taken += self.size
        self.size = 0
        return taken

    def putBack(self, parts: Iterable[Octets]) -> None:
        """
        Take back what was taken last, or the end of it.
        """
        size = 0
        for part in reversed([*parts]):
            self._parts.appendleft(part)
            size += len(part)
        self.size += size
        self.taken -= size

    def clear(self) -> int:
        """
        Drop everything; return how many bytes that was.
        """
        size, self.size = self.size, 0
        self._frames.clear()
        self._divided = 0
        self._parts.clear()
        self._owed = b""
        return size

    def _takeSome(self, limit: int) -> list[Octets]:
        taken: list[Octets] = []
        room = limit
        while room > 0 and self._fillParts():
            part = self._parts.popleft()
            if len(part) > limit:
                # A view, so that what is left is not copied each time.
                view = memoryview(part)
                self._parts.appendleft(view[room:])
                part = view[:room]
            taken.append(part)
            room -= len(part)
        self.size -= limit - room
        self.taken += limit - room
        return taken

    def _fillParts(self) -> bool:
        """
        Make sure there is a part to take, if there can be.
        """
        if self._parts:
            return True
        if self._owed:
            owed, self._owed = self._owed, b""
            self.size += len(owed)
            self._parts.append(owed)
            return True
        if self._frames:
            frame = self._frames.popleft()
            if isinstance(frame, tuple):
                self._divided -= 1
                self._parts.extend(frame)
            else:
                self._parts.append(frame)
            return True
        return False
