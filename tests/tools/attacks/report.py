# Part of txwebsocket. See LICENSE for details.
"""
Makes of what ``run.py --json FILE`` wrote, and of the removals, two tables for the
manual.

    python -m tests.tools.attacks.report docs/design/figures/attacks.json

They are ``attacks.rst`` and ``defences.rst`` beside it.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.tools.attacks.removals import REMOVALS, UNDEFENDED

Facts = dict[str, Any]


def makeTable(facts: Facts) -> str:
    """
    What was measured in reStructuredText, and under it what with.
    """
    head = ("Class", "A peer sends", "to a", "Measured", "Bar", "TCP", "TLS")
    table = _listTable("What peers did, and what it cost", head, _measured(facts))
    return "\n\n".join([table, *_conditions(facts)]) + "\n"


def _measured(facts: Facts) -> Iterator[Sequence[str]]:
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for each in facts["outcomes"]:
        row = (each["kind"], each["title"], each["victim"], each["what"], each["bar"])
        found = each["measured"] + ("" if each["isMet"] else " **not met**")
        cells.setdefault(row, {})[each["over"]] = found
    before: tuple[str, ...] = ()
    for row in sorted(cells, key=lambda row: (order(row[0]), row[2] != "server")):
        start = ("",) * 3 if row[:3] == before else row[:3]
        before = row[:3]
        found = cells[row]
        yield (*start, *row[3:], found.get("tcp", "–"), found.get("tls", "–"))


def _conditions(facts: Facts) -> Iterator[str]:
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    yield (
        f"Measured on {facts['date']}, with {facts['processors']} processors and a "
        f"load average of {facts['load']} at the end, on {facts['kernel']}: {versions}."
    )
    if "note" in facts:
        yield facts["note"]
    if facts["isQuick"]:
        yield "**This was a quick run, which is no full one.**"


def makeDefences() -> str:
    """
    Each defence, and the test that fails without it.
    """
    removals = (
        (each.kind, each.what, f"``{each.file}``", f"``{each.test}``")
        for each in sorted(REMOVALS, key=lambda each: order(each.kind))
    )
    head = ("Class", "Defence", "In", "Without it fails")
    table = _listTable("What holds them", head, removals)
    others = "; ".join(f"{kind}: {why}" for kind, why in UNDEFENDED.items())
    return f"{table}\n\nOf other classes, {others}.\n"


def order(kind: str) -> tuple[str, int]:
    """
    Sorts A2 before A10.
    """
    return kind[0], int(kind[1:])


def _listTable(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in (head, *rows):
        first, *rest = (_plain(cell) for cell in row)
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
    return "\n".join(lines)


def _plain(cell: str) -> str:
    """
    Text that reStructuredText leaves as it is.
    """
    if cell.startswith("``"):
        return cell
    marked = re.sub(r"([\\`|_])", r"\\\1", cell) or "\\ "
    return marked.removesuffix(":") if marked != ":" else marked


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the tables of the manual.")
    parser.add_argument("file", type=Path, metavar="FILE.json", help="from run.py")
    file = parser.parse_args().file
    facts = json.loads(file.read_text(encoding="utf-8"))
    tables = {"attacks": makeTable(facts), "defences": makeDefences()}
    for name, text in tables.items():
        (file.parent / f"{name}.rst").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
