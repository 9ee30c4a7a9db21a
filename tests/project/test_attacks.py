# Part of txwebsocket. See LICENSE for details.
"""
Tests of the tables behind the attacks, but for the attacks themselves.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import txwebsocket
from tests.tools.attacks import report
from tests.tools.attacks.findings import (
    MEMORY,
    MILLISECONDS,
    NUMBER,
    atLeast,
    atMost,
    rows,
)
from tests.tools.attacks.removals import REMOVALS, UNDEFENDED

_FIGURES = Path(__file__).resolve().parents[2] / "docs" / "design" / "figures"
# Where the package is, which may be installed elsewhere.
_INSTALLED = Path(txwebsocket.__file__).parents[1]
_KINDS = {"A": 11, "B": 5, "C": 8, "D": 9}


def _allKinds() -> set[str]:
    return {f"{k}{n}" for k, last in _KINDS.items() for n in range(1, last + 1)}


class RemovalTests(SynchronousTestCase):
    def test_there(self) -> None:
        """
        Each defence is where the table says, and nowhere else; and what is there
        without it is still Python.
        """
        for removal in REMOVALS:
            source = (_INSTALLED / removal.file).read_text(encoding="utf-8")
            edited = removal.edit(source)
            self.assertNotEqual(edited, source)
            compile(edited, removal.file, "exec")

    def test_notThere(self) -> None:
        """
        One that is not there, or is there twice, is told.
        """
        removal = REMOVALS[0]
        for source in ("", removal.old * 2):
            with self.assertRaises(ValueError) as raised:
                removal.edit(source)
            self.assertIn(removal.file, str(raised.exception))

    def test_tests(self) -> None:
        """
        The tests that are to fail exist.
        """
        for removal in REMOVALS:
            module, case, name = removal.test.rsplit(".", 2)
            found = getattr(import_module(module), case)
            self.assertTrue(callable(getattr(found, name)), removal.test)

    def test_once(self) -> None:
        """
        No removal is there twice.
        """
        for values in (
            [(each.file, each.old) for each in REMOVALS],
            [(each.kind, each.what) for each in REMOVALS],
        ):
            self.assertEqual(max(Counter(values).values()), 1)

    def test_kinds(self) -> None:
        """
        Each class of attacks has a removal, or a reason to have none.
        """
        held = {each.kind for each in REMOVALS}
        self.assertEqual(held | UNDEFENDED.keys(), _allKinds())
        self.assertEqual(held & UNDEFENDED.keys(), set())


class FindingTests(SynchronousTestCase):
    def test_bars(self) -> None:
        """
        What is at its bar meets it; what is beyond does not.
        """
        for make, good, bad in ((atMost, (1, 2), (3,)), (atLeast, (2, 3), (1,))):
            for value in good:
                self.assertTrue(make("x", value, 2, NUMBER).isMet)
            for value in bad:
                self.assertFalse(make("x", value, 2, NUMBER).isMet)

    def test_units(self) -> None:
        """
        Numbers are told in their unit, and no memory is ever less than none.
        """
        found = atMost("memory", 1.25 * 2**20, 8 * 2**20, MEMORY)
        self.assertEqual((found.measured, found.bar), ("1.2 MiB", "≤ 8 MiB"))
        self.assertEqual(atMost("memory", -1.0, 1, MEMORY).measured, "0 MiB")
        self.assertEqual(MILLISECONDS.show(0.0215), "21.5 ms")
        self.assertEqual([NUMBER.show(n) for n in (0.95, 10, 0)], ["0.95", "10", "0"])

    def test_rows(self) -> None:
        """
        A table is met if all of its rows are, and names those that are not.
        """
        self.assertTrue(rows("x", [], 3).isMet)
        found = rows("x", ["b: 200"], 3)
        self.assertFalse(found.isMet)
        self.assertEqual(found.measured, "2 of 3: b: 200")


class AttackTests(SynchronousTestCase):
    def test_titles(self) -> None:
        """
        No attack is there twice, and all are of classes that there are.
        """
        if sys.platform != "linux":
            # The attacker asks for what other systems have not.
            self.assertFalse(Path("/proc/self/status").exists())
            return
        attacks = import_module("tests.tools.attacks.run").ATTACKS
        names = Counter((each.kind, each.victim, each.title) for each in attacks)
        self.assertEqual(max(names.values()), 1)
        self.assertEqual({each.kind for each in attacks} - _allKinds(), set())


class ReportTests(SynchronousTestCase):
    def test_manual(self) -> None:
        """
        What the manual shows was made of the figures beside it, and of the removals
        that there are.
        """
        text = (_FIGURES / "attacks.json").read_text(encoding="utf-8")
        for name, made in (
            ("attacks", report.makeTable(json.loads(text))),
            ("defences", report.makeDefences()),
        ):
            shown = (_FIGURES / f"{name}.rst").read_text(encoding="utf-8")
            self.assertEqual(shown, made, f"{name}.rst has to be made anew")

    def test_allMet(self) -> None:
        """
        The figures in the manual are of a full run in which all bars were met.
        """
        facts = json.loads((_FIGURES / "attacks.json").read_text(encoding="utf-8"))
        self.assertFalse(facts["isQuick"])
        self.assertEqual([e["title"] for e in facts["outcomes"] if not e["isMet"]], [])

    def test_table(self) -> None:
        """
        An attack has a row for each thing measured, its name in the first; what is not
        met is marked, and marks of reStructuredText are escaped.
        """
        one = {"kind": "A2", "title": "a_b", "victim": "server", "over": "tcp"}
        outcomes = [
            {
                **one,
                "kind": "A10",
                "what": "w",
                "bar": "≤ 1",
                "measured": "1",
                "isMet": 1,
            },
            {**one, "what": "x", "bar": "≤ 1", "measured": "2", "isMet": False},
            {**one, "what": "y", "bar": "≤ 1", "measured": "0", "isMet": True},
        ]
        facts = dict.fromkeys(("date", "processors", "load", "kernel"), "?")
        table = report.makeTable(
            {**facts, "versions": {}, "isQuick": True, "outcomes": outcomes}
        )
        cells = re.findall(r"^   [* ] - (.*)$", table, re.MULTILINE)[7:]
        self.assertEqual(
            [cells[at : at + 7] for at in range(0, len(cells), 7)],
            [
                ["A2", r"a\_b", "server", "x", "≤ 1", "2 **not met**", "–"],
                ["\\ ", "\\ ", "\\ ", "y", "≤ 1", "0", "–"],
                ["A10", r"a\_b", "server", "w", "≤ 1", "1", "–"],
            ],
        )
        self.assertIn("quick", table)
