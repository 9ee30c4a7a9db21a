# Part of txwebsocket. See LICENSE for details.
"""
Tests of how a soak is judged and told, but for the soak itself.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.project.test_security import TOP
from txwebsocket.wire.frames import encodeFrame

_SOAK = Path(__file__).parents[1] / "tools" / "soak"
_FIGURES = TOP / "docs" / "design" / "figures"

# They are programs, which import each other as such.
sys.path.insert(0, str(_SOAK))
try:
    judging, telling, parts, peer = map(
        import_module, ("judging", "telling", "parts", "peer")
    )
finally:
    sys.path.remove(str(_SOAK))

_MIB = 2**20
_HALF_AN_HOUR = 1800.0


def memory(rate: float, seconds: float = _HALF_AN_HOUR) -> Any:
    """
    How a bar judges memory that grows by so many MiB in ten minutes.
    """
    steady = judging.Steady(0.0, seconds)
    samples = [
        judging.Sample(at, int(_MIB * (50 + rate * at / 600)), 10)
        for at in range(0, int(seconds) + 1, 10)
    ]
    return judging.growth(samples, steady, 300)


class JudgingTests(SynchronousTestCase):
    def test_slope(self) -> None:
        """
        The slope is the line's that fits best, whatever single samples do.
        """
        line = [judging.Sample(at, 1000 + 3 * at, 0) for at in range(100)]
        self.assertAlmostEqual(judging.slope(line), 3)
        uneven = [
            each._replace(memory=each.memory + 50 * (-1) ** n)
            for n, each in enumerate(line)
        ]
        self.assertAlmostEqual(judging.slope(uneven), 3, places=1)
        self.assertEqual(judging.slope(line[:1]), 0)
        self.assertEqual(judging.slope([]), 0)

    def test_growth(self) -> None:
        """
        Half an hour may bring three MiB, and no more.
        """
        self.assertTrue(memory(0.9).isKept)
        self.assertFalse(memory(1.1).isKept)
        self.assertAlmostEqual(memory(1.1).found, 3.3, places=3)

    def test_shortGrowth(self) -> None:
        """
        What is said of a short run is that memory does not grow without an end.
        """
        self.assertTrue(memory(10, seconds=60).isKept)
        self.assertFalse(memory(200, seconds=60).isKept)

    def test_warmUp(self) -> None:
        """
        What happens before a fifth of the time is over, or when all leave, is not
        looked at.
        """
        steady = judging.Steady.of(100.0, 200.0)
        self.assertEqual((steady.start, steady.end), (120, 200))
        samples = [judging.Sample(at, 0, 0) for at in (90, 119, 120, 160, 200, 201)]
        self.assertEqual([each.at for each in steady.samples(samples)], [120, 160, 200])

    def test_latencies(self) -> None:
        """
        The first quarter of what is looked at is compared with the last.
        """
        steady = judging.Steady(100.0, 200.0)
        pairs = [99, 1, 100, 2, 125, 3, 126, 4, 174, 5, 175, 6, 200, 7, 201, 8]
        self.assertEqual(steady.latencies(pairs), ([2, 3], [6, 7]))

    def test_latency(self) -> None:
        """
        Of a hundred echoes 99 may take three times as long as at the start, or longer
        where the machine is that busy; within 30 ms nobody minds.
        """
        for first, last, late, isKept in (
            (0.1, 0.29, 0.0, True),
            (0.1, 0.31, 0.0, False),
            (0.1, 0.31, 0.11, True),
            (0.001, 0.029, 0.0, True),
            (0.001, 0.031, 0.0, False),
        ):
            bar = judging.latency([first] * 200, [0.0] + [last] * 199, late)
            self.assertIs(bar.isKept, isKept, (first, last, late))
        self.assertTrue(judging.latency([0.1] * 200, [9.0] + [0.1] * 199, 0).isKept)

    def test_percentile(self) -> None:
        """
        A percentile is one of the values; of none it is 0.
        """
        values = [*range(100)]
        self.assertEqual(judging.percentile(values, 0.5), 50)
        self.assertEqual(judging.percentile(values, 0.99), 99)
        self.assertEqual(judging.percentile([7], 0.99), 7)
        self.assertEqual(judging.percentile([], 0.99), 0)

    def test_left(self) -> None:
        """
        One descriptor, timer or object more than before is too many; of what can't be
        counted so, a little is allowed.
        """
        before = {"WebSocketChannel": 1, "delayed calls": 2, "blocks of Python": 1000}
        after = {"WebSocketChannel": 1, "delayed calls": 3, "blocks of Python": 1400}
        kept = {bar.name: bar.isKept for bar in judging.left(before, after, 80, 400)}
        self.assertEqual(
            kept,
            {
                "WebSocketChannel left behind": True,
                "delayed calls left behind": False,
                "blocks of Python left behind": True,
            },
        )
        for name, allowed in (
            ("blocks of Python", 1300),
            ("KiB of the C library", 266),
        ):
            for found in (allowed, allowed + 1):
                [bar] = judging.left({name: 0}, {name: found}, 80, 4000)
                self.assertIs(bar.isKept, found == allowed)

    def test_afterwards(self) -> None:
        """
        Memory returns to where it was, but for two MiB after a long run.
        """
        steady = judging.Steady(0.0, _HALF_AN_HOUR)
        for more, isKept in ((-5, True), (1.9, True), (2.1, False)):
            before = judging.Sample(0, 50 * _MIB, 10)
            after = judging.Sample(_HALF_AN_HOUR, int((50 + more) * _MIB), 10)
            bar = judging.afterwards(before, after, steady, 300)
            self.assertIs(bar.isKept, isKept)


class CastTests(SynchronousTestCase):
    def test_shares(self) -> None:
        """
        Of a hundred connections, and of any twenty, some behave and some don't.
        """
        hundred = parts.cast(100)
        shares = {part: hundred.count(part) for part in hundred}
        self.assertEqual(shares, parts.SHARES)
        self.assertEqual(set(parts.cast(20)), set(parts.SHARES))

    def test_frames(self) -> None:
        """
        The peers' own frames are what ours are, of any length.
        """
        for size in (0, 1, 125, 126, 65535, 65536):
            payload = bytes(range(256)) * (size // 256 + 1)
            made = peer.frame(peer.BINARY, payload[:size])
            head = len(made) - size - 4
            mask = made[head : head + 4]
            self.assertEqual(made, encodeFrame(2, payload[:size], mask))


class TellingTests(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Something was found.
        """
        self.facts = {
            "date": "2026-11-23",
            "with": "Twisted 26.10.0, Python 3.11.7",
            "connections": 200,
            "seconds": 30,
            "seed": 1,
            "did": {"connections": 9, "echoes": 1000, "fault garbage": 4},
            "wrong": {"echo: no echo of 5 bytes": 2},
            "errors": ["Traceback (most recent call last):"],
            "cpu": {"server": 0.25, "load": 0.5},
            "lateness": 0.001,
            "latencies": {
                "start": {"0.5": 0.0005, "0.99": 0.002},
                "end": {"0.5": 0.0006, "0.99": 0.003},
            },
            "samples": [[at, 50 * _MIB, 10 + at] for at in range(100)],
            "bars": [
                judging.Bar("memory afterwards is more by", 1.5, 2, "MiB").facts(),
                judging.Bar("blocks of Python left behind", -7, 500).facts(),
                judging.Bar("errors in the log", 1, 0).facts(),
            ],
        }

    def test_text(self) -> None:
        """
        Whoever has run a soak reads what was done, what was found, and which bars are
        broken by what.
        """
        text = telling.asText(self.facts)
        for words in (
            "200 connections, 30 s, seed 1",
            "connections 9, echoes 1000, fault garbage 4",
            "    99 s    50.0 MiB          109",
            "server 25 %, load 50 %",
            "kept    memory afterwards is more by 1.50 MiB, and may 2.00",
            "kept    blocks of Python left behind -7, and may 500",
            "BROKEN  errors in the log 1",
            "2 x echo: no echo of 5 bytes",
            "Traceback (most recent call last):",
        ):
            self.assertIn(f"{words}\n", text)

    def test_thinned(self) -> None:
        """
        Of many samples a few are kept, the first and the last among them.
        """
        self.assertEqual(telling.thinned([*range(100)], 4), [0, 33, 66, 99])
        self.assertEqual(telling.thinned([1, 2], 10), [1, 2])
        self.assertEqual(telling.thinned([1], 10), [1])

    def test_figures(self) -> None:
        """
        What is kept for the manual can be read again, and stands in its table.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        telling.writeFigures(folder, {**self.facts, "connections": 300})
        telling.writeFigures(folder, self.facts)
        small, large = telling.readFigures(folder)
        self.assertEqual((small["connections"], large["connections"]), (200, 300))
        self.assertEqual(len(small["samples"]), 60)
        table = (folder / "soak.rst").read_text(encoding="utf-8")
        self.assertIn("     - 200 connections, 30 s\n     - 300 connections", table)
        for words in (
            "   * - messages\n     - 1,000\n     - 1,000\n",
            "   * - blocks of Python left behind\n     - -7, and may 500\n",
            "   * - anything else left behind, or wrong\n     - 1\n     - 1\n",
        ):
            self.assertIn(words, table)

    def test_manual(self) -> None:
        """
        The manual's table is what the kept figures say, and no bar is broken in them.
        """
        soaks = telling.readFigures(_FIGURES)
        table = (_FIGURES / "soak.rst").read_text(encoding="utf-8")
        self.assertEqual(table, telling.asTable(soaks))
        broken = [bar for soak in soaks for bar in soak["bars"] if not bar["kept"]]
        self.assertEqual(broken, [])
        for path in _FIGURES.glob("soak-*.json"):
            kept = path.read_text(encoding="utf-8")
            self.assertEqual(kept, telling.asJSON(json.loads(kept)))
