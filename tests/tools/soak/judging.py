# Part of txwebsocket. See LICENSE for details.
"""
What a soak is measured by, and whether that is enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

MIB = 2**20
WARM_UP = 0.2
"""
The share of a run, from when all are there, in which memory may grow to what it takes.
"""

_PART = 0.25  # of the rest, at its start and at its end, whose latencies are compared
_TEN_MINUTES = 600.0
_ALLOWED_MIB = 1.0  # in ten minutes
_ALLOWED_AFTERWARDS_MIB = 2.0
# A connection that has ended is part of some cycles. How much of that may pile up until
# all of it is collected follows from how much there is besides, and it takes minutes
# before memory has seen the most.
_ALLOWED_SHORT_MIB = 8.0
_CONNECTIONS_PER_SHORT_MIB = 500
# What may be left behind, where there are no things to be counted. It is less than one
# of anything would be for all that have come and gone.
_BLOCKS, _KIB = "blocks of Python", "KiB of the C library"
_ALLOWED_BLOCKS = 300
_COMERS_PER_BLOCK = 4
_ALLOWED_KIB = 256
_CONNECTIONS_PER_KIB = 8  # for tables that are as large as they once had to be
_ALLOWED_TIMES = 3.0
# Within so many seconds an echo is at once, however much faster others were.
_AT_ONCE = 0.01


class Sample(NamedTuple):
    """
    How a process was at some time.

    :ivar memory: resident, in bytes.
    """

    at: float
    memory: int
    descriptors: int


@dataclass(frozen=True)
class Bar:
    """
    Something that has to hold.

    :ivar found: what was measured.
    :ivar allowed: what it may be at most.
    """

    name: str
    found: float
    allowed: float
    unit: str = ""

    @property
    def isKept(self) -> bool:
        return self.found <= self.allowed

    def facts(self) -> dict[str, Any]:
        """
        All of it, for a file.
        """
        return {**asdict(self), "kept": self.isKept}


def slope(samples: Sequence[Sample]) -> float:
    """
    By how many bytes memory grows in a second, by the line with the least squares.
    """
    number = len(samples)
    if number < 2:
        return 0.0
    middle = sum(each.at for each in samples) / number
    mean = sum(each.memory for each in samples) / number
    spread = sum((each.at - middle) ** 2 for each in samples)
    together = sum((each.at - middle) * (each.memory - mean) for each in samples)
    return together / spread if spread else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """
    The value that this share of all is not above; 0 if there are none.
    """
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


@dataclass(frozen=True)
class Steady:
    """
    The part of a run that is judged: from the end of its warm-up until all leave.
    """

    start: float
    end: float

    @classmethod
    def of(cls, opened: float, closing: float) -> "Steady":
        """
        That of a run in which all were there at one time, and left from another on.
        """
        return cls(opened + WARM_UP * (closing - opened), closing)

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        """
        Those within it.
        """
        return [each for each in samples if self.start <= each.at <= self.end]

    def latencies(self, pairs: Sequence[float]) -> tuple[list[float], list[float]]:
        """
        Those at its start and those at its end, of times and latencies in turns.
        """
        length = _PART * self.seconds
        first, last = [], []
        for at, latency in zip(pairs[::2], pairs[1::2], strict=True):
            if self.start <= at <= self.start + length:
                first.append(latency)
            elif self.end - length <= at <= self.end:
                last.append(latency)
        return first, last


def growth(samples: Sequence[Sample], steady: Steady, connections: int) -> Bar:
    """
    Memory, while things go on as they are: a MiB in ten minutes is allowed. What can be
    said of a run that is shorter is that it does not grow without an end.
    """
    rise = slope(steady.samples(samples)) * steady.seconds / MIB
    allowed = _ALLOWED_MIB * steady.seconds / _TEN_MINUTES
    if steady.seconds < _TEN_MINUTES:
        allowed = _inShort(connections)
    return Bar("memory while it lasts grows by", rise, allowed, "MiB")


def afterwards(before: Sample, after: Sample, steady: Steady, connections: int) -> Bar:
    """
    Memory, when all have gone, beside what it was when all had gone before.
    """
    more = (after.memory - before.memory) / MIB
    allowed = _ALLOWED_AFTERWARDS_MIB
    if steady.seconds < _TEN_MINUTES:
        allowed = _inShort(connections)
    return Bar("memory afterwards is more by", more, allowed, "MiB")


def _inShort(connections: int) -> float:
    return _ALLOWED_SHORT_MIB + connections / _CONNECTIONS_PER_SHORT_MIB


def latency(first: Sequence[float], last: Sequence[float], late: float) -> Bar:
    """
    How long an echo takes at the end, beside how long it took at the start.

    :param late: by how much the load's own timers are late at the end, which tells how
        busy the machine is with other things.
    """
    began, ended = percentile(first, 0.99), percentile(last, 0.99)
    allowed = _ALLOWED_TIMES * max(began, late, _AT_ONCE)
    return Bar("99 of 100 echoes at the end take", 1e3 * ended, 1e3 * allowed, "ms")


def left(
    before: Mapping[str, int], after: Mapping[str, int], connections: int, comers: int
) -> list[Bar]:
    """
    What there is more of than there was before.

    :param connections: how many there were at a time.
    :param comers: how many there were, one after the other.
    """
    blocks = _ALLOWED_BLOCKS + comers // _COMERS_PER_BLOCK
    kib = _ALLOWED_KIB + connections // _CONNECTIONS_PER_KIB
    allowed = {_BLOCKS: blocks, _KIB: kib}
    return [
        Bar(f"{name} left behind", after[name] - number, allowed.get(name, 0))
        for name, number in before.items()
    ]
