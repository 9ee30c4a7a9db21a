# Part of txwebsocket. See LICENSE for details.
"""
How a network may cut what it delivers.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from random import Random


def everySplit(data: bytes, most: int | None = None) -> Iterator[list[bytes]]:
    """
    The ways a network might deliver ``data``: whole, cut once at each place, and byte
    by byte.

    :param most: for long data, about how many of them to try: it is then cut near both
        ends and at places spread between, and small pieces stand in for single bytes.
    """
    yield [data]
    for place in _places(len(data), most):
        yield [data[:place], data[place:]]
    step = 1 if most is None else len(data) // most | 1
    yield [data[start : start + step] for start in range(0, len(data), step)]


def _places(size: int, most: int | None) -> list[int]:
    if most is None or size <= most:
        return list(range(1, size))
    third = max(1, most // 3)
    spread = range(third, size, size // third)
    return sorted({*range(1, third), *spread, *range(size - third, size)})


def someSplit(random: Random, data: bytes) -> Iterable[bytes]:
    """
    Some way in which a network might deliver ``data``.
    """
    most = random.choice((0, 1, 3, 10, 40))
    if len(data) < 400 and random.random() < 0.1:
        places = list(range(len(data)))
    else:
        places = random.choices(range(len(data) + 1), k=most)
        # Heads are what can be cut in most ways, and there is one at the start.
        first = range(min(len(data), 20))
        places += random.choice(((), (), random.choices([0, *first]), first))
        places.sort()
    return (data[start:end] for start, end in pairwise((0, *places, len(data))))
