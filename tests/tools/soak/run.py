# Part of txwebsocket. See LICENSE for details.
"""
Lets the server of ``twistd websocket`` run for long under a load of all kinds, and
looks at what is left. It needs Linux.

    run.py [--seconds S] [--connections N] [--seed N] [--figures DIR]

The server is one process, the load another; both are on this machine and end by
themselves. A first load, a quarter as long, brings memory to where it has to return to.
The exit status is 1 if a bar is broken. ``--figures docs/design/figures`` puts what was
found into the manual.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from judging import Bar, Sample, Steady, afterwards, growth, latency, left, percentile
from telling import asText, writeFigures
from watched import HERE, ProtocolFailure, Server, sampling, serving

_MOST_SECONDS = 2 * 60 * 60
_MOST_CONNECTIONS = 20_000
_LEAST_WARM_UP = 5.0
_SPARE = 180.0  # seconds a load may take longer than it is asked to
_OTHER_DESCRIPTORS = 100
_SAMPLES = 300
_FEW = 20

Facts = dict[str, Any]


@dataclass
class Seen:
    """
    What was seen of a server under load.

    :ivar told: the load's own account, by the names of its events.
    :ivar before: the server when a first load was over, and ``after`` the second.
    :ivar had: what was in it then, and ``has`` at last.
    """

    connections: int
    told: Facts
    samples: list[Sample]
    before: Sample
    after: Sample
    had: dict[str, int]
    has: dict[str, int]
    cpu: float
    errors: list[str]
    status: int

    def latencies(self) -> tuple[list[float], list[float]]:
        """
        At the start and at the end.
        """
        return self._steady().latencies(self.told["over"]["latencies"])

    def lateness(self) -> float:
        """
        By how much the load's own timers were late at the end, but for one of 100.
        """
        _, last = self._steady().latencies(self.told["over"]["lateness"])
        return percentile(last, 0.99)

    def _steady(self) -> Steady:
        return Steady.of(self.told["open"]["at"], self.told["closing"]["at"])

    def bars(self) -> list[Bar]:
        """
        All that has to hold.
        """
        over, steady = self.told["over"], self._steady()
        return [
            growth(self.samples, steady, self.connections),
            afterwards(self.before, self.after, steady, self.connections),
            latency(*self.latencies(), self.lateness()),
            *left(self.had, self.has, self.connections, over["did"]["connections"]),
            Bar("errors in the log", len(self.errors), 0),
            Bar("conversations that went wrong", sum(over["wrong"].values()), 0),
            Bar("connections missing at the end", self.told["closing"]["missing"], 0),
            Bar("exit status of the server", self.status, 0),
        ]

    def facts(self) -> Facts:
        """
        All of it, for a file.
        """
        began, over = self.before.at, self.told["over"]
        lasted = self.after.at - began
        samples = [self.before, *self.samples, self.after]
        return {
            "did": over["did"],
            "wrong": over["wrong"],
            "errors": self.errors[:_FEW],
            "cpu": {"server": self.cpu / lasted, "load": over["cpu"] / lasted},
            "lateness": self.lateness(),
            "latencies": {
                when: {str(share): percentile(values, share) for share in (0.5, 0.99)}
                for when, values in zip(("start", "end"), self.latencies(), strict=True)
            },
            "samples": [(each.at - began, *each[1:]) for each in samples],
            "bars": [bar.facts() for bar in self.bars()],
        }


def soak(connections: int, seconds: float, seed: int, folder: Path) -> Seen:
    """
    Put a server under load, twice.
    """
    with serving(folder) as server:
        idle = server.sample().descriptors
        load(server, connections, max(seconds / 4, _LEAST_WARM_UP), seed)
        had, before = {**server.leftovers(idle), "descriptors": idle}, server.sample()
        used = server.cpu()
        with sampling(server, seconds / _SAMPLES) as samples:
            told = load(server, connections, seconds, seed + 1)
        used = server.cpu() - used
        has, after = server.leftovers(idle), server.sample()
        has["descriptors"] = after.descriptors
        status = server.stop()
        errors = server.errors()
    states = (before, after, had, has)
    return Seen(connections, told, samples, *states, used, errors, status)


def load(server: Server, connections: int, seconds: float, seed: int) -> Facts:
    """
    Put a load on a server; what it tells, by the names of its events.

    :raises Failed: if it does not end well, or in time.
    """
    command = [sys.executable, str(HERE / "load.py"), str(server.port)]
    command += ["--connections", str(connections)]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    try:
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=seconds + _SPARE, check=True
        )
    except subprocess.SubprocessError as problem:
        raise ProtocolFailure(f"the load: {problem}") from None
    return {facts["event"]: facts for facts in map(json.loads, ran.stdout.splitlines())}


def raiseLimit(needed: int) -> None:
    """
    Let this process and its children have so many descriptors.

    :raises Failed: if the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ProtocolFailure(
            f"{needed} descriptors are needed, and the hard limit is {hard}"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def between(least: int, most: int) -> Callable[[str], int]:
    """
    What reads a number within bounds.
    """

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: {least} to {most} is meant")
        return int(text)

    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a server under load for long.")
    seconds, connections = between(10, _MOST_SECONDS), between(20, _MOST_CONNECTIONS)
    parser.add_argument("--seconds", type=seconds, default=60, help="default: 60")
    parser.add_argument(
        "--connections", type=connections, default=300, help="default: 300"
    )
    parser.add_argument("--seed", type=between(0, 2**31), default=1)
    parser.add_argument("--figures", type=Path, metavar="DIR", help="what to write to")
    return parser.parse_args()


def main() -> int:
    options = _arguments()
    asked = {name: vars(options)[name] for name in ("connections", "seconds", "seed")}
    try:
        raiseLimit(options.connections + _OTHER_DESCRIPTORS)
        with TemporaryDirectory(prefix="txwebsocket-") as folder:
            seen = soak(**asked, folder=Path(folder))
    except ProtocolFailure as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    versions = f"Twisted {version('twisted')}, Python {platform.python_version()}"
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    facts = {"date": date, "with": versions, **asked, **seen.facts()}
    sys.stdout.write(asText(facts))
    summary = {name: facts[name] for name in facts if name != "samples"}
    sys.stdout.write(json.dumps(summary) + "\n")
    if options.figures:
        writeFigures(options.figures, facts)
    return 0 if all(bar["kept"] for bar in facts["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
