# Part of txwebsocket. See LICENSE for details.
"""
Measures what connections cost on which nothing happens.

    python -m tests.tools.bench.idle

For several numbers of connections to one server it lets a minute pass, in which every
peer answers its pings and says nothing else, and prints the processor time that this
took. It should grow as the number does. It ends by itself within a minute.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from time import process_time

from tests.support.idle import IDLE_SECONDS, Crowd

COUNTS = (2_500, 5_000, 10_000)


def figures() -> Iterator[str]:
    """
    A line for each number of connections.
    """
    base = 0.0
    for number in COUNTS:
        crowd = Crowd(number)
        gc.collect()
        before = process_time()
        crowd.idle()
        taken = process_time() - before
        base = base or taken
        yield (
            f"{number:6} connections: {taken:5.2f} s of {IDLE_SECONDS} s, "
            f"{taken / number * 1e6:5.1f} us each, {taken / base:4.1f} times the first"
        )


if __name__ == "__main__":
    for line in figures():
        sys.stdout.write(line + "\n")
