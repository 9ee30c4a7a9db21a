# Part of txwebsocket. See LICENSE for details.
"""
How a network may cut what it delivers.
"""

from collections.abc import Iterator


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
