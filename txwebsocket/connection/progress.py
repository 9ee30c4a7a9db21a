# -*- test-case-name: tests.connection.test_progress -*-
# Part of txwebsocket. See LICENSE for details.
"""
How far the peer has come with what it was sent, as its operating system tells ours.

The system takes megabytes for a slow peer at once, and then takes nothing more for
minutes. Only what the peer's system has acknowledged shows meanwhile that the peer
reads on. This module asks for that, and notices when nothing happens any more.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any

from txwebsocket.connection.timerqueue import INEXACT, TimerQueue

with suppress(ImportError):
    from fcntl import ioctl
    from termios import TIOCOUTQ

_HAS_TCP_INFO = sys.platform == "linux"

# Where Linux's struct tcp_info has tcpi_last_ack_recv, in milliseconds, and
# tcpi_bytes_acked; and how much of it that needs.
_LAST_ACK, _BYTES_ACKED, _INFO_SIZE = 56, 120, 128

# How often in its time a stalled peer is looked at. Where the system does not tell how
# long ago something has left, a stall is noticed later by such a part.
_LOOKS = 4

# And how soon for the first time: what was under way at the beginning has arrived then,
# and is not taken for something that moves later.
_FIRST_LOOK = 0.01


def acknowledged(handle: Any) -> tuple[int, float]:
    """
    How much the peer's system has taken, and how many seconds ago it did so last.

    :param handle: the socket.
    :return: a number that has grown if the peer has taken something, in whatever unit;
        and a lower bound of the seconds.
    """
    try:
        if _HAS_TCP_INFO and handle.family in (socket.AF_INET, socket.AF_INET6):
            info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
            [milliseconds] = struct.unpack_from("I", info, _LAST_ACK)
            [count] = struct.unpack_from("Q", info, _BYTES_ACKED)
            return count, milliseconds / 1000
    except (OSError, struct.error):
        # It is closed, or the system is too old.
        pass
    return -unacknowledged(handle), 0.0


def unacknowledged(handle: Any) -> int:
    """
    Bytes that the system has and the peer's has not taken; 0 where that can't be known.
    Of a UNIX socket they include the system's own needs.
    """
    count = bytearray(4)
    # A NameError where there is no ioctl.
    with suppress(NameError, OSError, ValueError):
        ioctl(handle.fileno(), TIOCOUTQ, count)
    return int.from_bytes(count, sys.byteorder)


def undelivered(connection: Any) -> int:
    """
    Bytes that a connection of Twisted's holds, or the system, and that the peer's
    system has not taken. Over TLS they are what TLS has made of ours.
    """
    held = len(connection.dataBuffer) - connection.offset + connection._tempDataLen
    return int(held) + unacknowledged(connection.socket)


def _noTime() -> float:
    return 0.0


class StallTimer:
    """
    Tell when nothing has moved for some time.

    :param patience: seconds, since the beginning or since something has moved.
    :param movedAt: returns when something has moved last, by the alarms' time.
    :param stalled: called, once, when nothing has.
    :param longest: seconds after which it is called all the same.
    :param allowance: returns seconds to wait in addition; asked when nothing has moved
        for as long as ``patience``.
    """

    __slots__ = (
        "_alarms",
        "_allowance",
        "_endsAt",
        "_movedAt",
        "_patience",
        "_stalled",
        "_startedAt",
        "deadline",
    )

    def __init__(
        self,
        alarms: TimerQueue,
        patience: float,
        movedAt: Callable[[], float],
        stalled: Callable[[], object],
        longest: float = inf,
        allowance: Callable[[], float] = _noTime,
    ) -> None:
        self._alarms = alarms
        self._allowance = allowance
        self._patience = patience
        self._movedAt = movedAt
        # None when it is over.
        self._stalled: Callable[[], object] | None = stalled
        self._startedAt = self._alarms.seconds()
        self._endsAt = self._startedAt + longest
        self.deadline: float | None = None
        # How far it is now is no progress.
        movedAt()
        self._alarms.set(self, min(patience * _FIRST_LOOK, longest))

    def stop(self) -> None:
        """
        Watch no longer.
        """
        # What was switched off may be kept for a while, and must not keep more.
        self._stalled = None
        del self._movedAt, self._allowance
        self._alarms.cancel(self)

    def restart(self) -> None:
        """
        Count from now; the bound stays as it is.
        """
        self._startedAt = self._alarms.seconds()

    def expired(self) -> None:
        """
        Look whether something has moved.
        """
        if self._stalled is None:
            return
        movedAt = max(self._startedAt, self._movedAt())
        stalledAt = movedAt + self._patience
        left = self._secondsUntil(stalledAt)
        if left <= INEXACT:
            left = self._secondsUntil(stalledAt + self._allowance())
        if left > INEXACT:
            self._sleep(left)
        else:
            stalled, self._stalled = self._stalled, None
            stalled()

    def _secondsUntil(self, moment: float) -> float:
        return min(moment, self._endsAt) - self._alarms.seconds()

    def _sleep(self, seconds: float) -> None:
        self._alarms.set(self, min(seconds, self._patience / _LOOKS))
