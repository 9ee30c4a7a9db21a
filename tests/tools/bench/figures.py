# Part of txwebsocket. See LICENSE for details.
"""
From what wsload prints to ratios.

A result is what one server did in one round of one scenario: its ``scenario``,
``server`` and ``round``, and all that wsload told.
"""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

Result = dict[str, Any]

_NEEDED = {"rate", "conns", "mbytes_s", "p50_us", "p99_us"}


def parse(output: str) -> Result:
    """
    The figures in the last line of what wsload printed.

    :raises ValueError: if it is not a line of wsload's.
    """
    last = (output.splitlines() or [""])[-1]
    found: Result = {}
    for word in last.split():
        name, _, value = word.partition("=")
        found[name] = value if name == "mode" else float(value or "nan")
    if _NEEDED - found.keys():
        raise ValueError(f"this is no result of wsload: {last!r}")
    return found


def kibibytes(result: Result) -> float:
    """
    The memory that each connection took.
    """
    return (result["rss_after_kb"] - result["rss_before_kb"]) / result["conns"]


def figure(result: Result) -> float:
    """
    What counts: KiB of memory for each connection where it was measured, else messages
    (or connections) in a second.
    """
    return kibibytes(result) if "rss_after_kb" in result else result["rate"]


def times(ours: Result, theirs: Result) -> float | None:
    """
    How many times as good ours is: above 1 it is faster, or takes less memory. None if
    one of them did nothing, or too little to be seen.
    """
    mine, others = figure(ours), figure(theirs)
    if mine <= 0 or others <= 0:
        return None
    return others / mine if "rss_after_kb" in ours else mine / others


def select(results: Iterable[Result], scenario: str, server: str) -> list[Result]:
    """
    What a server did in a scenario, round by round.
    """
    wanted = [r for r in results if (r["scenario"], r["server"]) == (scenario, server)]
    return sorted(wanted, key=lambda result: result["round"])


def ratios(
    results: Sequence[Result], scenario: str, ours: str, theirs: str
) -> list[float]:
    """
    How many times as good ours was in each round that both took part in, sorted.

    The speed of a machine drifts; within a round it hits all alike.
    """
    mine = {result["round"]: result for result in select(results, scenario, ours)}
    found = [
        times(mine[result["round"]], result)
        for result in select(results, scenario, theirs)
        if result["round"] in mine
    ]
    return sorted(ratio for ratio in found if ratio is not None)


def summary(values: Iterable[float]) -> tuple[float, float, float] | None:
    """
    The median, the smallest and the largest; None of nothing.
    """
    sortedValues = sorted(values)
    if not sortedValues:
        return None
    return median(sortedValues), sortedValues[0], sortedValues[-1]
