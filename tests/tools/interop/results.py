# Part of txwebsocket. See LICENSE for details.
"""
What came of it all, and how it is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from messages import KINDS, SIZES, Message

BEHAVIOURS = (
    "subprotocol",
    "burst",
    "their ping",
    "our ping",
    "their close",
    "our close",
    "too big",
)
"""
What both ends of a conversation can do besides sending messages.
"""


@dataclass(frozen=True)
class Place:
    """
    Where something was tried.

    :ivar section: the peer, or the part of the suite, that it counts for.
    :ivar ours: what we are in it.
    :ivar over: what carries it.
    """

    section: str
    ours: str = ""
    over: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.section, self.ours, self.over)))


class Results:
    """
    All that was tried, and what was wrong with it; an empty text if nothing was.

    :ivar skipped: sections that could not be tried, and why.
    """

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}
        self._cells: dict[tuple[Place, str, int], str] = {}
        self._behaviours: dict[tuple[Place, str], str] = {}
        self._checks: list[tuple[Place, str, str]] = []

    def message(self, place: Place, message: Message, why: str = "") -> None:
        self.cell(place, message.kind, message.size, why)

    def cell(self, place: Place, kind: str, size: int, why: str = "") -> None:
        self._cells[place, kind, size] = why

    def behaviour(self, place: Place, name: str, why: str = "") -> None:
        self._behaviours[place, name] = why

    def check(self, place: Place, what: str, why: str = "") -> None:
        self._checks.append((place, what, why))

    def everything(self) -> Iterator[tuple[Place, str, str]]:
        """
        Where, what, and what was wrong.
        """
        for (place, kind, size), why in self._cells.items():
            yield place, f"{kind} of {size} bytes", why
        for (place, name), why in self._behaviours.items():
            yield place, name, why
        yield from self._checks

    def count(self, section: str | None = None) -> tuple[int, int]:
        """
        How many passed and how many failed, of one section or of all.
        """
        failures = [
            bool(why)
            for place, _, why in self.everything()
            if section in (None, place.section)
        ]
        return failures.count(False), failures.count(True)

    # The report

    def lines(self) -> Iterator[str]:
        """
        The tables, the other checks, and what failed in full.
        """
        yield from self._messageTable()
        yield from self._behaviourTable()
        for place, what, why in self._checks:
            yield f"{'FAIL' if why else 'ok  '}  {place}: {what}"
        yield ""
        yield from self._failures()

    def _failures(self) -> Iterator[str]:
        """
        A line for each, but one only for those that have the same reason.
        """
        alike: dict[tuple[Place, str], list[str]] = {}
        for place, what, why in self.everything():
            if why:
                alike.setdefault((place, why), []).append(what)
        for (place, why), (first, *others) in alike.items():
            more = f" and {len(others)} more" if others else ""
            yield f"FAILED  {place}: {first}{more}: {why}"

    def _messageTable(self) -> Iterator[str]:
        cells = [
            [*_words(place), kind]
            + [_mark(self._cells.get((place, kind, size))) for size in SIZES]
            for place in _rows(place for place, _, _ in self._cells)
            for kind in KINDS
            if any((place, kind, size) in self._cells for size in SIZES)
        ]
        yield from _table(["peer", "we are", "over", "kind", *map(str, SIZES)], cells)

    def _behaviourTable(self) -> Iterator[str]:
        cells = [
            [
                *_words(place),
                *(_mark(self._behaviours.get((place, name))) for name in BEHAVIOURS),
            ]
            for place in _rows(place for place, _ in self._behaviours)
        ]
        yield from _table(["peer", "we are", "over", *BEHAVIOURS], cells)


def _rows(places: Iterable[Place]) -> list[Place]:
    """
    Each place once; those of a section together, in the order that sections came in.
    """
    rows = dict.fromkeys(places)
    sections = list(dict.fromkeys(place.section for place in rows))
    return sorted(
        rows, key=lambda place: (sections.index(place.section), _words(place))
    )


def _words(place: Place) -> list[str]:
    return [place.section, place.ours, place.over]


def _mark(why: str | None) -> str:
    if why is None:
        return "."
    return "FAIL" if why else "ok"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [head, *rows]
    if len(lines) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
    yield ""
