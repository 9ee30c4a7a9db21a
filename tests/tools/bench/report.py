# Part of txwebsocket. See LICENSE for details.
"""
Makes of what ``run.py --json FILE`` wrote a table and a plot for the manual.

    report.py FILE.json

They are called ``FILE.rst`` and ``FILE.svg``, and depend on nothing but the file.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from figures import ratios, summary

_OURS = "txwebsocket"

Facts = dict[str, Any]
Summary = tuple[float, float, float]


def spread(facts: Facts, scenario: str, server: str) -> Summary | None:
    """
    How many times as good ours is as another server: median, least and most.
    """
    return summary(ratios(facts["results"], scenario, _OURS, server))


def others(facts: Facts) -> list[str]:
    """
    Who was compared with ours, as far as there is anything to show of them.
    """
    return [
        server
        for server in facts["servers"]
        if server != _OURS
        and any(spread(facts, scenario, server) for scenario in facts["scenarios"])
    ]


def written(ratio: float) -> str:
    """
    A ratio with as many places as mean something.
    """
    places = 2 if ratio < 9.995 else 1 if ratio < 99.95 else 0
    return f"{ratio:.{places}f}"


# The table


def makeTable(facts: Facts) -> str:
    """
    The medians in reStructuredText, and under them what was measured with.
    """
    lines = [".. list-table:: How many times as good as others txwebsocket is"]
    lines += ["   :header-rows: 1", "   :stub-columns: 1", ""]
    lines += _row(["compared with", *facts["scenarios"]])
    for server in others(facts):
        cells = (_cell(facts, scenario, server) for scenario in facts["scenarios"])
        lines += _row([server, *cells])
    paragraphs = ["\n".join(lines), *_conditions(facts)]
    return "\n\n".join(paragraphs) + "\n"


def _row(cells: list[str]) -> list[str]:
    first, *rest = cells
    return [f"   * - {first}", *(f"     - {cell}" for cell in rest)]


def _cell(facts: Facts, scenario: str, server: str) -> str:
    found = spread(facts, scenario, server)
    return "–" if found is None else written(found[0])


def _conditions(facts: Facts) -> Iterator[str]:
    where = "each on a processor of its own" if facts["pinned"] else "on any processor"
    rounds = "1 round" if facts["rounds"] == 1 else f"{facts['rounds']} rounds"
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    yield (
        f"Measured on {facts['date']}, in {rounds} of {facts['seconds']:g} s, server "
        f"and load {where}: {facts['processor']} ({facts['processors']} processors, "
        f"load average {facts['load']:.1f} at the end), {facts['kernel']}."
    )
    # The server and its load keep two processors busy, or less.
    if facts["load"] > 3:
        yield "**The machine had other things to do, so these figures mean little.**"
    yield f"Versions: {versions}."
    for server, why in facts["leftOut"].items():
        yield f"Left out is {server}: {_literal(why)}."
    for place in facts["failed"]:
        server, why = place["server"], place["why"]
        yield f"{server} failed in {place['scenario']}: {_literal(why)}."


def _literal(words: str) -> str:
    plain = " ".join(words.split()).replace("`", "'")
    return f"``{plain or 'nothing was said'}``"


# The plot

_COLUMNS = 2
_PANEL = 380  # pixels wide, of which
_LABELS = 140  # are for names,
_VALUES = 44  # and for numbers.
_BARS = _PANEL - _LABELS - _VALUES - 16
_ROW = 15
_ABOVE = 42  # a panel's rows
_BELOW = 30
_TOP = 20

# Both are told from white and from black.
_BETTER, _WORSE = "#2a87d0", "#cc6a10"
_TICKS = [digit * 10.0**power for power in range(-3, 4) for digit in (1, 2, 5)]


@dataclass(frozen=True)
class Scale:
    """
    Where a ratio is, on an axis on which 2 and a half are as far from 1.
    """

    least: float
    most: float

    @classmethod
    def of(cls, facts: Facts) -> "Scale":
        """
        One that has room for all medians, and a little more.
        """
        names = others(facts)
        found = [spread(facts, s, name) for s in facts["scenarios"] for name in names]
        medians = [summary[0] for summary in found if summary]
        return cls(min([0.5, *medians]) / 1.15, max([2.0, *medians]) * 1.15)

    def at(self, ratio: float) -> float:
        """
        Pixels from the left end of the bars; what lies outside is at an end.
        """
        inside = min(max(ratio, self.least), self.most)
        return _BARS * math.log(inside / self.least) / math.log(self.most / self.least)

    def ticks(self) -> list[float]:
        """
        Round numbers, not too close to each other.
        """
        inside = [tick for tick in _TICKS if self.least <= tick <= self.most]
        if len(inside) * 24 > _BARS:
            inside = [tick for tick in inside if math.log10(tick).is_integer()]
        return inside


def makePlot(facts: Facts) -> str:
    """
    The same as a picture: a panel for each scenario, a bar for each server.

    Its text has the colour of what it stands in.
    """
    scale = Scale.of(facts)
    panels = []
    top, height = _TOP, 0
    for number, scenario in enumerate(facts["scenarios"]):
        column = number % _COLUMNS
        if column == 0:
            top, height = top + height, 0
        lines, size = _panel(facts, scenario, scale)
        panels.append(f'<g transform="translate({column * _PANEL},{top})">')
        panels += [*lines, "</g>"]
        height = max(height, size)
    width = _PANEL * min(_COLUMNS, len(facts["scenarios"]))
    return "\n".join([*_head(facts, width, top + height), *panels, "</svg>"]) + "\n"


def _head(facts: Facts, width: int, height: int) -> Iterator[str]:
    names = ", ".join(facts["scenarios"])
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" style="max-width: 100%; height: auto" role="img" '
        'aria-labelledby="speed-title speed-description" '
        'font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
    )
    yield '<title id="speed-title">How fast txwebsocket is, beside others</title>'
    yield (
        '<desc id="speed-description">Bars in a panel for each of these scenarios: '
        f"{escape(names)}. A bar to the right of the line at 1 says how many times as "
        "fast as the server beside it txwebsocket is, or how many times less memory it "
        "takes; one to the left, that the other is better. A thin line goes from the "
        "least to the most of all rounds. The table has the same numbers.</desc>"
    )


def _panel(facts: Facts, scenario: str, scale: Scale) -> tuple[list[str], int]:
    """
    One scenario, and its height.
    """
    rows = [
        (server, found)
        for server in others(facts)
        if (found := spread(facts, scenario, server))
    ]
    bottom = _ABOVE + _ROW * len(rows)
    title = facts["scenarios"][scenario]["title"]
    lines = [
        f'<text x="4" y="14" font-size="13" font-weight="bold">{scenario}</text>',
        f'<text x="4" y="30">{escape(title)}</text>',
        *_axis(scale, bottom),
    ]
    for number, (server, found) in enumerate(rows):
        lines += _bar(server, found, scale, _ABOVE + _ROW * number)
    return lines, bottom + _BELOW


def _axis(scale: Scale, bottom: int) -> Iterator[str]:
    for tick in scale.ticks():
        x = _LABELS + scale.at(tick)
        opacity = 0.8 if tick == 1 else 0.2
        yield (
            f'<line x1="{x:.1f}" y1="{_ABOVE - 4}" x2="{x:.1f}" y2="{bottom}" '
            f'stroke="currentColor" stroke-opacity="{opacity}"/>'
        )
        yield (
            f'<text x="{x:.1f}" y="{bottom + 12}" text-anchor="middle" font-size="9">'
            f"{tick:g}</text>"
        )


def _bar(server: str, found: Summary, scale: Scale, top: int) -> Iterator[str]:
    ratio, least, most = found
    one, end = scale.at(1), scale.at(ratio)
    left, width = _LABELS + min(one, end), abs(end - one)
    middle, baseline = top + _ROW / 2, top + _ROW - 4
    yield (
        f'<text x="{_LABELS - 6}" y="{baseline}" text-anchor="end">'
        f"{escape(server)}</text>"
    )
    yield (
        f'<rect x="{left:.1f}" y="{top + 2}" width="{width:.1f}" height="{_ROW - 4}" '
        f'fill="{_BETTER if ratio >= 1 else _WORSE}"/>'
    )
    if least < most:
        yield (
            f'<line x1="{_LABELS + scale.at(least):.1f}" y1="{middle:g}" '
            f'x2="{_LABELS + scale.at(most):.1f}" y2="{middle:g}" '
            'stroke="currentColor"/>'
        )
    yield (
        f'<text x="{_PANEL - 16}" y="{baseline}" text-anchor="end">'
        f"{written(ratio)}</text>"
    )


# The command line


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a table and a plot.")
    parser.add_argument("file", type=Path, metavar="FILE.json", help="from run.py")
    file = parser.parse_args().file
    facts = json.loads(file.read_text(encoding="utf-8"))
    file.with_suffix(".rst").write_text(makeTable(facts), encoding="utf-8")
    file.with_suffix(".svg").write_text(makePlot(facts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
