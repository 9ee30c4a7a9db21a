# Part of txwebsocket. See LICENSE for details.
"""
Decisions made from the bytes of a fuzzer, and what all targets promise.

A decision takes the next byte or two, so that a fuzzer which changes one byte changes
one decision. Where the bytes have ended, all that follows is zero.
"""

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar
from zlib import crc32

from twisted.logger import LogEvent, globalLogPublisher

from tests.support.splits import someSplit

_T = TypeVar("_T")

SMALL = (0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 64, 120, 124, 125, 126, 127)
"""
Sizes of which a byte's lower half chooses one.
"""


_ROOM = 64 * 1024


class Source:
    """
    Bytes that decide.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, width: int = 1) -> int:
        """
        A number of this many bytes.
        """
        return int.from_bytes(self.octets(width).ljust(width, b"\0"), "big")

    def choice(self, *options: _T) -> _T:
        """
        One of these.
        """
        return options[self.number() % len(options)]

    def octets(self, size: int) -> bytes:
        """
        The next bytes, as many of them as there are.
        """
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """
        All that is left.
        """
        return self.octets(len(self._data))


def pieces(data: bytes, seed: int) -> list[bytes]:
    """
    The same bytes as a network might deliver them, for each seed in another way.
    """
    return list(someSplit(Random(seed), data))


def inSteps(data: bytes, size: int = 200) -> Iterator[bytes]:
    """
    The same bytes in small reads, none of which brings much.
    """
    return (data[at : at + size] for at in range(0, len(data), size))


def outcome(call: Callable[[], _T], *errors: type[Exception]) -> _T | str:
    """
    What a call returns, or the error in words if it is one that it may raise.
    """
    try:
        return call()
    except errors as error:
        check(str(error), "an error without a word")
        return f"{type(error).__name__}: {error}"


def check(isGood: object, *facts: object) -> None:
    """
    :raises AssertionError: with these facts, if it is not good.
    """
    if not isGood:
        raise AssertionError("; ".join(map(_shown, facts)))


def checkSame(expected: object, *others: object, about: Sequence[Any] = ()) -> None:
    """
    :raises AssertionError: if one of the others is not what is expected.
    """
    for other in others:
        check(other == expected, "not the same", expected, other, *about)


@contextmanager
def uncomplaining() -> Iterator[None]:
    """
    :raises AssertionError: if a failure is logged meanwhile.
    """
    found: list[str] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            found.append(event["log_failure"].getTraceback())

    globalLogPublisher.addObserver(observe)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observe)
    check(not found, "a failure was logged", *found)


def isWeighed(data: bytes) -> bool:
    """
    Is the memory to be measured that this takes? To do it always would be slow.
    """
    return crc32(data) % 16 == 0


def checkRoom(call: Callable[[], object], limit: int) -> None:
    """
    :raises AssertionError: if a call takes more memory meanwhile than a message of
        this limit, and 64 KiB.
    """
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    check(most - before <= limit + _ROOM, "too much memory", most - before)


def _shown(fact: object) -> str:
    return fact if isinstance(fact, str) else repr(fact)[:2000]
