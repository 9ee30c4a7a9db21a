# -*- test-case-name: tests.wire.test_outbox -*-
# Part of txwebsocket. See LICENSE for details.
"""
Frames that wait to be sent.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from txwebsocket.wire.speedups import FrameQueue

Octets: TypeAlias = bytes | memoryview

# Bytes of a large frame's start that are copied.
_START = 16


class Outbox(FrameQueue):
    """
    The frames of one connection that its transport has not been given yet, in order.

    The pong we owe to a peer that does not read stands apart: only its newest ping is
    answered (RFC 6455, 5.5.3 allows it), so that pings can't grow our memory. It goes
    out at the next boundary between frames, ahead of what waits; and so does a ping of
    the keep-alive (RFC 6455, 5.4: control frames may be injected).

    A frame, or its first part, is ``bytes``; a view continues the part before it. So a
    boundary is wherever the next part is no view.

    :ivar frames: what was put since the last turn.
    :ivar size: bytes that wait, also from before, the owed pong left out.
    :ivar messages: messages that were put, or have left past the outbox.
    :ivar bytesTaken: bytes that have left, all in all.
    :ivar socket: what bytes can be sent by at once, if nothing waits; None if there is
        nothing, or if something has been given to it that has not left.
    """

    __slots__ = (
        "_isClosed",
        "_isMixed",
        "_queue",
        "bytesTaken",
        "pendingPong",
        "socket",
        "urgentPing",
    )

    def __init__(self, nextMask: Callable[[], bytes] | None = None) -> None:
        super().__init__(nextMask)
        # Whether there is more to take than frames that are whole.
        self._isMixed = False
        # What was put before and could not be taken; a view is the rest of a frame.
        # Most connections have none, and an empty deque takes 700 bytes.
        self._queue: deque[Octets | tuple[bytes, ...]] | None = None
        self.pendingPong = self.urgentPing = b""
        self._isClosed = False
        self.bytesTaken = 0
        self.socket: Any = None

    def put(self, frame: bytes) -> None:
        """
        Add one frame.
        """
        self.frames.append(frame)
        self.size += len(frame)

    def putParts(self, parts: tuple[bytes, ...]) -> None:
        """
        Add one frame, given as its parts in order, so that none is copied.
        """
        if len(parts) == 1:
            self.put(parts[0])
        else:
            self.frames.append(parts)
            self._isMixed = True
            self.size += sum(map(len, parts))

    def putClose(self, frame: bytes) -> None:
        """
        Add the close frame. Nothing follows it, and no pong is owed any more.
        """
        self.put(frame)
        self.seal()

    def seal(self) -> None:
        """
        Let nothing be owed from now on: the queued frames are the last.
        """
        self.pendingPong = self.urgentPing = b""
        self._isClosed = True

    def setPong(self, pong: bytes) -> None:
        """
        Owe this frame, instead of the one owed before.
        """
        if not self._isClosed:
            self.pendingPong = pong
            self._isMixed = True

    def putPingAhead(self, ping: bytes) -> None:
        """
        Send this ping ahead of all queued frames, instead of one that has not left yet.
        """
        if not self._isClosed:
            self.urgentPing = ping
            self._isMixed = True

    def hasPending(self) -> bool:
        """
        Is anything left to take?
        """
        return bool(self.size or self.pendingPong or self.urgentPing)

    def take(self, limit: int) -> list[Octets]:
        """
        Remove and return about ``limit`` bytes, at most: a small frame is not cut, so
        the last one may go beyond.
        """
        if self._isMixed or self.size > limit:
            return self._takeSome(limit)
        taken: list[Any] = self.frames
        self.frames = []
        self.bytesTaken += self.size
        self.size = 0
        return taken

    def putBack(self, parts: Iterable[Octets]) -> None:
        """
        Take back what was taken last, or the end of it.
        """
        rest = list(parts)
        size = sum(map(len, rest))
        self._queue = deque([*rest, *(self._queue or ()), *self.frames])
        self.frames = []
        self._isMixed = True
        self.size += size
        self.bytesTaken -= size

    def clear(self) -> int:
        """
        Drop everything; return how many bytes that was.
        """
        size, self.size = self.size, 0
        self.frames = []
        self._isMixed = False
        self._queue = None
        self.pendingPong = self.urgentPing = b""
        return size

    def _takeSome(self, limit: int) -> list[Octets]:
        queue = self._queue or deque()
        queue.extend(self.frames)
        self.frames = []
        taken: list[Octets] = []
        room = limit
        while room > 0 and (queue or self.pendingPong or self.urgentPing):
            part = self._nextPart(queue)
            if len(part) > limit and isinstance(part, bytes):
                # As bytes, so that what is put back is known to begin a frame.
                start = min(_START, room)
                queue.appendleft(memoryview(part)[start:])
                part = part[:start]
            elif len(part) > limit:
                # A view, so that what is left is not copied each time.
                view = memoryview(part)
                queue.appendleft(view[room:])
                part = view[:room]
            taken.append(part)
            room -= len(part)
        self._queue = queue or None
        self._isMixed = bool(queue or self.pendingPong or self.urgentPing)
        self.size -= limit - room
        self.bytesTaken += limit - room
        return taken

    def _nextPart(self, queue: deque[Octets | tuple[bytes, ...]]) -> Octets:
        if self._isBetweenFrames(queue):
            owed = self.urgentPing + self.pendingPong
            self.pendingPong = self.urgentPing = b""
            self.size += len(owed)
            return owed
        frame = queue.popleft()
        if isinstance(frame, tuple):
            queue.extendleft(memoryview(part) for part in reversed(frame[1:]))
            return frame[0]
        return frame

    def _isBetweenFrames(self, queue: deque[Octets | tuple[bytes, ...]]) -> bool:
        """
        Is anything due ahead of the queue, and may it be sent now?
        """
        isDue = self.pendingPong or self.urgentPing
        return bool(isDue) and not (queue and isinstance(queue[0], memoryview))
