# Part of txwebsocket. See LICENSE for details.
"""
Tests of how speed is measured and told, but for the measuring itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

_BENCH = Path(__file__).parents[1] / "tools" / "bench"
_MANUAL = _BENCH.parents[2] / "docs" / "design" / "figures" / "speed.json"
_SVG = "{http://www.w3.org/2000/svg}"

# They are programs, which import each other as such.
sys.path.insert(0, str(_BENCH))
try:
    about, figures, report, run, scenarios, servers, where = map(
        import_module,
        ("about", "figures", "report", "run", "scenarios", "servers", "where"),
    )
finally:
    sys.path.remove(str(_BENCH))

_LINE = (
    "mode=echo conns=10 size=128 depth=4 msgs=1772 seconds=0.296 rate=5977 "
    "mbytes_s=0.8 p50_us=12 p99_us=34"
)
_MEMORY = " rss_before_kb=1000 rss_after_kb=1125"


def rated(server: str, *rates: float) -> list[dict[str, Any]]:
    """
    What a server did in as many rounds.
    """
    return [
        {"scenario": "latency", "server": server, "round": turn, "rate": rate}
        for turn, rate in enumerate(rates)
    ]


class FiguresTests(SynchronousTestCase):
    def test_parse(self) -> None:
        """
        What wsload prints is read as numbers.
        """
        found = figures.parse(f"{_LINE}\n")
        self.assertEqual(found["mode"], "echo")
        self.assertEqual([found["rate"], found["p99_us"]], [5977, 34])

    def test_lastLine(self) -> None:
        """
        What stands above the line of figures is of no account.
        """
        self.assertEqual(figures.parse(f"a warning\n{_LINE}\n"), figures.parse(_LINE))

    def test_noFigures(self) -> None:
        """
        Whatever else is printed is shown, and never taken for a figure.
        """
        for output in ("", "usage: wsload", "rate=", _LINE.replace("rate", "rat")):
            with self.assertRaises(ValueError) as raised:
                figures.parse(output)
            self.assertIn(repr(output), str(raised.exception))

    def test_memory(self) -> None:
        """
        Memory is told for each connection, and counts where it was measured.
        """
        found = figures.parse(_LINE + _MEMORY)
        self.assertEqual(figures.kibibytes(found), 12.5)
        self.assertEqual(figures.figure(found), 12.5)
        self.assertEqual(figures.figure(figures.parse(_LINE)), 5977)

    def test_times(self) -> None:
        """
        Above 1 is better for us: more messages, or less memory.
        """
        fast, slow = rated("any", 300, 100)
        self.assertEqual(figures.times(fast, slow), 3)
        slim = figures.parse(f"{_LINE} rss_before_kb=0 rss_after_kb=100")
        fat = figures.parse(f"{_LINE} rss_before_kb=0 rss_after_kb=400")
        self.assertEqual(figures.times(slim, fat), 4)

    def test_timesOfNothing(self) -> None:
        """
        There is no ratio to a server that did nothing.
        """
        some, none = rated("any", 300, 0)
        self.assertIsNone(figures.times(some, none))
        self.assertIsNone(figures.times(none, some))

    def test_ratios(self) -> None:
        """
        Each round is compared with itself, so that a machine that slows down midway
        changes nothing.
        """
        results = rated("ours", 1000, 100) + rated("theirs", 500, 50)
        self.assertEqual(figures.ratios(results, "latency", "ours", "theirs"), [2, 2])
        self.assertEqual(figures.ratios(results, "idle", "ours", "theirs"), [])

    def test_ratiosOfRoundsInCommon(self) -> None:
        """
        A round that one of the two failed in does not count.
        """
        results = rated("ours", 4000, 100) + rated("theirs", 1000)
        self.assertEqual(figures.ratios(results, "latency", "ours", "theirs"), [4])
        self.assertEqual(figures.ratios(results, "latency", "theirs", "ours"), [0.25])

    def test_summary(self) -> None:
        """
        It is the median, which one bad round does not move, and the extremes.
        """
        self.assertEqual(figures.summary([2, 90, 1]), (2, 1, 90))
        self.assertIsNone(figures.summary([]))


class ServersTests(SynchronousTestCase):
    installed = servers.Installed(Path(sys.executable), Path("nowhere"))

    def test_programs(self) -> None:
        """
        Each server is there, and takes part in something.
        """
        for server in servers.SERVERS.values():
            program = Path(self.installed.command(server, 1)[1])
            self.assertTrue(program.is_file(), program)
            self.assertTrue(server.can)
            self.assertLessEqual(server.can, scenarios.SCENARIOS.keys())

    def test_command(self) -> None:
        """
        A server gets its port before its other arguments, whatever runs it.
        """
        python = self.installed.command(servers.SERVERS["websockets-uvloop"], 8080)
        self.assertEqual(python[0], sys.executable)
        self.assertEqual(python[2:], ["8080", "uvloop"])
        node = self.installed.command(servers.SERVERS["ws-node"], 8080)
        self.assertEqual([node[0], *node[2:]], ["node", "8080"])

    def test_environment(self) -> None:
        """
        Ours is measured with its native part, or an error; and once without.
        """
        self.patch(os, "environ", {"PYTHONPATH": "elsewhere", "HOME": "here"})
        for name, wish in (("txwebsocket", "yes"), ("txwebsocket-pure", "no")):
            self.assertEqual(
                self.installed.environment(servers.SERVERS[name]),
                {
                    "HOME": "here",
                    "NODE_PATH": "nowhere",
                    "TXWEBSOCKET_SPEEDUPS": wish,
                },
            )

    def test_missingPackage(self) -> None:
        """
        Whoever lacks Node or a package of it is told which.
        """
        self.patch(shutil, "which", lambda name: name)
        why = self.installed.missing(servers.SERVERS["websocket-node"])
        self.assertEqual(why, "npm's websocket is not installed")
        self.patch(shutil, "which", lambda name: None)
        why = self.installed.missing(servers.SERVERS["websocket-node"])
        self.assertEqual(why, "node is not installed")

    def test_missingModule(self) -> None:
        """
        The same for modules of Python.
        """
        self.patch(servers.Installed, "_imports", lambda self, name: name != "uvloop")
        why = self.installed.missing(servers.SERVERS["picows-uvloop"])
        self.assertEqual(why, "uvloop can't be imported")
        self.assertEqual(self.installed.missing(servers.SERVERS["websockets"]), "")


class AboutTests(SynchronousTestCase):
    def test_processor(self) -> None:
        """
        The processor's model is told where the kernel knows it.
        """
        cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU @ 3\n\nmodel name\t: Other\n"
        self.assertEqual(about.processor(cpuinfo), "Fast CPU @ 3")
        self.assertTrue(about.processor(""))


class RunTests(SynchronousTestCase):
    def compare(self, rounds: int, failing: str = "") -> tuple[Any, list[str]]:
        """
        A comparison of two servers, one of which may fail, and who had a turn.
        """
        turns = []

        def once(self: Any, server: Any, scenario: Any) -> dict[str, Any]:
            turns.append(server.name)
            if server.name == failing:
                raise run.ProtocolFailure("no answer")
            return figures.parse(_LINE)

        self.patch(run.Comparison, "_once", once)
        both = [servers.SERVERS[name] for name in ("txwebsocket", "floor-twisted")]
        comparison = run.Comparison(None, None, rounds, 1, both)
        comparison.measure(scenarios.SCENARIOS["latency"])
        return comparison, turns

    def test_turns(self) -> None:
        """
        All have their turn in each round.
        """
        comparison, turns = self.compare(2)
        self.assertEqual(turns, ["txwebsocket", "floor-twisted"] * 2)
        self.assertEqual(
            [result["round"] for result in comparison.results], [0, 0, 1, 1]
        )

    def test_failure(self) -> None:
        """
        A server that fails is named, and not tried again.
        """
        comparison, turns = self.compare(3, failing="floor-twisted")
        self.assertEqual(turns, ["txwebsocket", "floor-twisted", *["txwebsocket"] * 2])
        self.assertEqual(
            comparison.failed,
            [{"scenario": "latency", "server": "floor-twisted", "why": "no answer"}],
        )
        lines = list(run.tell(comparison, scenarios.SCENARIOS["latency"]))
        self.assertIn("floor-twisted          failed: no answer", lines[-1])

    def test_cannot(self) -> None:
        """
        Nobody takes part in what it can't do.
        """
        comparison, turns = self.compare(1)
        del turns[:]
        comparison.measure(scenarios.SCENARIOS["fanout"])
        self.assertEqual(turns, ["txwebsocket"])

    def test_tell(self) -> None:
        """
        The figures of each server are printed, with its ratio.
        """
        comparison, _ = self.compare(2)
        _, ours, floor = run.tell(comparison, scenarios.SCENARIOS["latency"])
        for words in ("txwebsocket ", "5977/s", "0.8 MB/s", "12 µs", "34 µs"):
            self.assertIn(words, ours)
        self.assertTrue(floor.endswith("   1.00  (1.00–1.00)"), floor)

    def test_tellMemory(self) -> None:
        """
        Of idle connections, the memory is.
        """
        rows = [figures.parse(_LINE + _MEMORY)]
        told = run.absolute(rows, scenarios.SCENARIOS["idle"])
        self.assertEqual(told.strip(), "12.50 KiB")

    def test_asText(self) -> None:
        """
        The file has a line for each result, and all that was known.
        """
        facts = {"date": "today", "results": rated("ours", 1, 2)}
        text = run.asText(facts)
        self.assertEqual(json.loads(text), facts)
        self.assertEqual(text.count('{"scenario"'), 2)
        self.assertEqual(len(text.splitlines()), 7)

    def test_pinned(self) -> None:
        """
        Server and load have a processor each, of those that may be used.
        """
        self.patch(os, "sched_getaffinity", lambda pid: {7, 3})
        self.patch(shutil, "which", lambda name: name)
        self.assertEqual(run.pinned(0, ["a"]), ["taskset", "-c", "3", "a"])
        self.assertEqual(run.pinned(1, ["b"]), ["taskset", "-c", "7", "b"])

    def test_notPinned(self) -> None:
        """
        Where that can't be had, they run anywhere.
        """
        self.patch(os, "sched_getaffinity", lambda pid: {7})
        self.patch(shutil, "which", lambda name: name)
        self.assertEqual(run.pinned(1, ["b"]), ["b"])
        self.patch(os, "sched_getaffinity", lambda pid: {3, 7})
        self.patch(shutil, "which", lambda name: None)
        self.assertEqual(run.pinned(1, ["b"]), ["b"])

    def test_ended(self) -> None:
        """
        Nobody waits for a server that has ended.
        """
        ended = SimpleNamespace(poll=lambda: 1)
        self.assertFalse(run.listens(ended, 0))


_TABLE = """\
.. list-table:: How many times as good as others txwebsocket is
   :header-rows: 1
   :stub-columns: 1

   * - compared with
     - latency
     - idle
   * - slow
     - 3.00
     - –
   * - slim
     - 0.30
     - 0.50

Measured on 2026-01-02 03:04 UTC, in 3 rounds of 2 s, server and load each on a \
processor of its own: Sample CPU (2 processors, load average 0.2 at the end), Linux 6.1.

Versions: python 3.11.0, twisted 25.5.0.

Left out is other: ``it can't be 'imported'``.

absent failed in latency: ``wsload: refused``.
"""


class ReportTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.facts = json.loads((_BENCH / "sample.json").read_text(encoding="utf-8"))

    def draw(self) -> ElementTree.Element:
        """
        The plot, parsed.
        """
        return ElementTree.fromstring(report.makePlot(self.facts))

    def test_table(self) -> None:
        """
        The table has the medians of the ratios, and what they were measured with; who
        was left out or failed is named.
        """
        self.assertEqual(report.makeTable(self.facts), _TABLE)

    def test_busy(self) -> None:
        """
        Figures of a machine that was busy with other things say so.
        """
        self.assertNotIn("mean little", report.makeTable(self.facts))
        self.facts["load"] = 5.0
        self.assertIn("mean little", report.makeTable(self.facts))

    def test_written(self) -> None:
        """
        A ratio has no more places than mean something.
        """
        found = [report.written(ratio) for ratio in (0.123, 9.994, 9.996, 31.42, 314.2)]
        self.assertEqual(found, ["0.12", "9.99", "10.0", "31.4", "314"])

    def test_plot(self) -> None:
        """
        The plot says to screen readers what it is, and has a panel for each scenario.
        """
        svg = self.draw()
        self.assertEqual(svg.get("role"), "img")
        labels = svg.get("aria-labelledby").split()
        named = [svg.find(f"{_SVG}{tag}") for tag in ("title", "desc")]
        self.assertEqual([element.get("id") for element in named], labels)
        self.assertIn("latency, idle", named[1].text)
        self.assertEqual(len(svg.findall(f"{_SVG}g")), 2)

    def test_bars(self) -> None:
        """
        A bar is right of the line at 1 where we are better, and left where we are not.
        """
        one = report._LABELS + report.Scale.of(self.facts).at(1)
        slow, slim = self.draw().find(f"{_SVG}g").findall(f"{_SVG}rect")
        self.assertApproximates(float(slow.get("x")), one, 0.1)
        end = float(slim.get("x")) + float(slim.get("width"))
        self.assertApproximates(end, one, 0.2)
        self.assertNotEqual(slow.get("fill"), slim.get("fill"))

    def test_words(self) -> None:
        """
        All ratios stand in the plot as numbers, too, and text is taken literally.
        """
        text = "".join(self.draw().itertext())
        for words in ("3.00", "0.30", "0.50", "1 connection, < 2 messages", "slow"):
            self.assertIn(words, text)

    def test_scale(self) -> None:
        """
        Twice as fast is as far from 1 as half as fast; what lies beyond is at the end.
        """
        scale = report.Scale(0.25, 4)
        self.assertAlmostEqual(scale.at(2) - scale.at(1), scale.at(1) - scale.at(0.5))
        self.assertEqual(scale.at(100), scale.at(4))
        self.assertEqual(scale.at(0.001), 0)

    def test_ticks(self) -> None:
        """
        An axis has round numbers, and fewer of them if it is long.
        """
        self.assertEqual(report.Scale(0.4, 3).ticks(), [0.5, 1, 2])
        self.assertEqual(report.Scale(0.01, 200).ticks(), [0.01, 0.1, 1, 10, 100])

    def test_manual(self) -> None:
        """
        What the manual shows was made of the figures beside it.
        """
        facts = json.loads(_MANUAL.read_text(encoding="utf-8"))
        for suffix, make in ((".rst", report.makeTable), (".svg", report.makePlot)):
            shown = _MANUAL.with_suffix(suffix).read_text(encoding="utf-8")
            self.assertEqual(shown, make(facts), suffix)


class WhereTests(SynchronousTestCase):
    """
    Tests of who the processor's time is counted for.
    """

    def test_owners(self) -> None:
        """
        A function counts for its package, and what stands elsewhere for who called it.
        """

        def frame(path: str, caller: Any = None) -> Any:
            code = SimpleNamespace(co_filename=path)
            return SimpleNamespace(f_code=code, f_back=caller)

        ours = frame("/site-packages/txwebsocket/wire/frames.py")
        owners = [
            where.ownerOf(each)
            for each in (
                ours,
                frame("/usr/lib/python3/socket.py", ours),
                frame("/site-packages/twisted/web/http.py", ours),
                frame("/checkout/tests/tools/bench/server.py", ours),
                frame("<string>"),
            )
        ]
        expected = ["txwebsocket", "txwebsocket", "Twisted", "application", "rest"]
        self.assertEqual(owners, expected)

    def test_table(self) -> None:
        """
        The table has a row for each scenario, and a column for each owner.
        """
        found = {"latency": {"kernel": 0.25, "txwebsocket": 0.75}}
        self.assertEqual(
            list(where.rows(found)),
            [
                ["", "kernel", "txwebsocket", "Twisted", "application", "rest"],
                ["latency", "25%", "75%", "0%", "0%", "0%"],
            ],
        )
