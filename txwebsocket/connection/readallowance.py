# -*- test-case-name: tests.connection.test_readallowance -*-
# Part of txwebsocket. See LICENSE for details.
"""
Extra time for a peer whose system has received more than its program has read.

A system with ordinary buffers acknowledges megabytes at once. Its program reads a ping
or a close frame only after them. Nothing shows meanwhile that it goes on reading: the
number of bytes in the peer's receive buffer can only be estimated.
"""

from __future__ import annotations

from collections.abc import Sequence

from txwebsocket.wire.outbox import Outbox

SLOWEST_READ = 32 * 1024
"""
Bytes a second that a program is expected to read at least: half of what a program reads
whose slow downloads were measured, 60 kB a second.
"""

MAX_UNREAD = 8 * 1024 * 1024
"""
Unread bytes that are counted at most, so that a hung program is noticed after 256
seconds more, however much it was sent. Linux buffers up to 6 MiB of a TCP connection by
default.
"""

# Unanswered pings that are remembered. When there are more, the newest takes the place
# of the last: a peer may answer each, or only the newest (RFC 6455, 5.5.3).
_MAX_PINGS = 8


class ReadAllowance:
    """
    Estimate how long a peer may need to read what was sent.

    Only a pong proves that the peer's program has read something: all bytes that were
    sent before the ping. Positions are counts of the bytes that have left the outbox.
    """

    __slots__ = ("_askedAt", "_confirmed", "_outbox", "_pings")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        # Where the program has read to, as far as is known.
        self._confirmed = 0
        # Where the frame is that the peer has to answer.
        self._askedAt = 0
        self._pings: Sequence[tuple[bytes, int]] = ()

    def noteKeepalive(self, payload: bytes) -> None:
        """
        A ping of the keep-alive leaves ahead of all that is queued.
        """
        self._askedAt = self._outbox.bytesTaken
        self._remember(payload, self._askedAt)

    def notePing(self, payload: bytes) -> None:
        """
        A ping of the application was queued.
        """
        self._remember(payload, self._queuedTo())

    def noteClose(self) -> None:
        """
        Our last frame was queued.
        """
        self._askedAt = self._queuedTo()

    def notePong(self, payload: bytes) -> None:
        """
        A pong arrived: the program has read all up to its ping.
        """
        payloads = [ping for ping, _ in self._pings]
        if payload in payloads:
            index = payloads.index(payload)
            self._confirmed = self._pings[index][1]
            self._pings = self._pings[index + 1 :]

    def seconds(self) -> int:
        """
        Seconds in which a slow program reads up to the frame that it has to answer; 0
        if less than 32 KiB are unread.
        """
        unread = max(0, self._askedAt - self._confirmed)
        return min(unread, MAX_UNREAD) // SLOWEST_READ

    def _queuedTo(self) -> int:
        return self._outbox.bytesTaken + self._outbox.size

    def _remember(self, payload: bytes, position: int) -> None:
        earlier = self._pings[: _MAX_PINGS - 1]
        self._pings = (*earlier, (payload, position))
