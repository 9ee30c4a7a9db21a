# Part of txwebsocket. See LICENSE for details.
"""
Compares servers of WebSockets under the same load, on this machine. It needs Linux.

    run.py [--peers DIR] [--rounds N] [--seconds S] [--json FILE]
           [--scenario NAME...] [--only NAME...]

``setup.sh DIR`` installs ours and the others; what is not installed is left out, and
named. Each server runs alone on one processor, wsload on another, and in each round all
servers have their turn. What is quoted is the median of the ratios round by round:
other machines have other figures, but much the same ratios.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from about import about
from figures import Result, kibibytes, parse, ratios, select, summary
from scenarios import SCENARIOS, Scenario
from servers import HERE, OURS, SERVERS, Installed, Server

_HOST = "127.0.0.1"
_START = 15.0  # seconds a server may take to listen
_STOP = 5.0
_SPARE = 60.0  # seconds wsload may take longer than it measures
_LAST_WORDS = 160


class ProtocolFailure(Exception):
    """
    A server did not do what was asked of it, and why.
    """


@dataclass
class Comparison:
    """
    What is compared, and what has been found.

    :ivar failed: of servers that failed, the scenario and why.
    """

    installed: Installed
    wsload: Path
    rounds: int
    seconds: float
    servers: Sequence[Server]
    results: list[Result] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def measure(self, scenario: Scenario) -> None:
        """
        Measure all servers that can take part, in turns. One that fails is out.
        """
        taking = [server for server in self.servers if scenario.name in server.can]
        for turn in range(self.rounds):
            for server in tuple(taking):
                place = {"scenario": scenario.name, "server": server.name}
                try:
                    found = self._once(server, scenario)
                except ProtocolFailure as error:
                    self.failed.append({**place, "why": str(error)})
                    taking.remove(server)
                else:
                    self.results.append({**place, "round": turn, **found})

    def _once(self, server: Server, scenario: Scenario) -> Result:
        with self._serving(server) as (process, port):
            words = [*scenario.load.split(), "-t", f"{self.seconds:g}"]
            if scenario.isIdle:
                words += ["-t", "1", "-P", str(process)]
            command = [str(self.wsload), *words, _HOST, str(port), scenario.path]
            try:
                ran = subprocess.run(
                    pinned(1, command),
                    capture_output=True,
                    text=True,
                    timeout=self.seconds + _SPARE,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise ProtocolFailure("it does not answer") from None
        if ran.returncode:
            raise ProtocolFailure(
                ran.stderr.strip() or f"wsload ended with {ran.returncode}"
            )
        return parse(ran.stdout)

    @contextmanager
    def _serving(self, server: Server) -> Iterator[tuple[int, int]]:
        """
        A server's process, and the port that it listens on.
        """
        port = freePort()
        with TemporaryFile() as log:
            process = subprocess.Popen(
                pinned(0, self.installed.command(server, port)),
                cwd=HERE,
                env=self.installed.environment(server),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                if not listens(process, port):
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip()
                    raise ProtocolFailure(f"does not start: {said[-_LAST_WORDS:]}")
                yield process.pid, port
            finally:
                end(process)

    def facts(self, leftOut: dict[str, str]) -> dict[str, Any]:
        """
        All of it, for a file.
        """
        return {
            **about(self.installed),
            "rounds": self.rounds,
            "seconds": self.seconds,
            "pinned": bool(pinned(0, [])),
            "scenarios": {
                name: {"title": scenario.title, "load": scenario.load}
                for name, scenario in SCENARIOS.items()
                if any(result["scenario"] == name for result in self.results)
            },
            "servers": [server.name for server in self.servers],
            "leftOut": leftOut,
            "failed": self.failed,
            "results": self.results,
        }


# Processes


def pinned(number: int, command: Sequence[str]) -> list[str]:
    """
    A command that runs on one processor only: the first or the second that we may use.
    Without ``taskset``, or with one processor, it runs anywhere.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2 or shutil.which("taskset") is None:
        return [*command]
    return ["taskset", "-c", str(allowed[number]), *command]


def freePort() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return probe.getsockname()[1]


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """
    Wait until it does; whether it does.
    """
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection((_HOST, port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            # Let it forget the connection that only tried.
            time.sleep(0.2)
            return True
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def compileLoad(folder: Path) -> Path:
    """
    The load generator, made by the C compiler ``cc``, or the one that ``CC`` names.
    """
    made = folder / "wsload"
    compiler = os.environ.get("CC", "cc").split()
    source = HERE / "wsload.c"
    subprocess.run([*compiler, "-O2", "-o", made, source, "-lz"], check=True)
    return made


# What is printed


def tell(comparison: Comparison, scenario: Scenario) -> Iterator[str]:
    """
    A table of a scenario.
    """
    results = comparison.results
    yield f"\n{scenario.name}: {scenario.title} (wsload {scenario.load})"
    for server in comparison.servers:
        rows = select(results, scenario.name, server.name)
        if rows:
            found = summary(ratios(results, scenario.name, OURS, server.name))
            ratio = "" if found is None else "{:7.2f}  ({:.2f}–{:.2f})".format(*found)
            yield f"  {server.name:22} {absolute(rows, scenario)}  {ratio}".rstrip()
    for place in comparison.failed:
        if place["scenario"] == scenario.name:
            yield f"  {place['server']:22} failed: {place['why']}"


def absolute(rows: Sequence[Result], scenario: Scenario) -> str:
    """
    The medians of what was measured, which mean little elsewhere.
    """
    if scenario.isIdle:
        found, _, _ = summary(map(kibibytes, rows))
        return f"{found:10.2f} KiB"
    rate, rapid, half, most = (
        summary(row[name] for row in rows)[0]
        for name in ("rate", "mbytes_s", "p50_us", "p99_us")
    )
    # With several messages in flight, nobody can tell which reply is whose.
    delays = f"{half:8.0f} µs {most:8.0f} µs" if most else " " * 23
    return f"{rate:10.0f}/s {rapid:8.1f} MB/s {delays}"


def asText(facts: dict[str, Any]) -> str:
    """
    JSON, with a line for each result.
    """
    head = json.dumps({**facts, "results": None}, indent=1, ensure_ascii=False)
    rows = ",\n".join(f"  {json.dumps(result)}" for result in facts["results"])
    return head.replace('"results": null', f'"results": [\n{rows}\n ]') + "\n"


def say(lines: Iterator[str] | Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


# The command line


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare servers under load.")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="from setup.sh")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="for each server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="what to write to")
    for option, known in (("scenario", SCENARIOS), ("only", SERVERS)):
        parser.add_argument(
            f"--{option}",
            nargs="+",
            metavar="NAME",
            default=[*known],
            choices=known,
            help=", ".join(known),
        )
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


def _installed(peers: Path | None) -> Installed:
    if peers is None:
        return Installed(Path(sys.executable), HERE / "node_modules")
    folder = peers.absolute()
    return Installed(folder / "venv" / "bin" / "python", folder / "node_modules")


def _checkWaterMarks(options: argparse.Namespace, wsload: Path) -> dict[str, Any]:
    installed = _installed(options.peers)
    # Ratios are to ours, so it takes part whatever is asked for.
    wanted = [s for s in SERVERS.values() if s.name in (OURS, *options.only)]
    leftOut = {s.name: why for s in wanted if (why := installed.missing(s))}
    say(f"{name} is left out: {why}" for name, why in leftOut.items())
    servers = [server for server in wanted if server.name not in leftOut]
    rounds, seconds = options.rounds, options.seconds
    comparison = Comparison(installed, wsload, rounds, seconds, servers)
    for name in options.scenario:
        comparison.measure(SCENARIOS[name])
        say(tell(comparison, SCENARIOS[name]))
    return comparison.facts(leftOut)


def main() -> int:
    options = _arguments()
    with TemporaryDirectory(prefix="txwebsocket-") as folder:
        facts = _checkWaterMarks(options, compileLoad(Path(folder)))
    if options.json:
        options.json.write_text(asText(facts), encoding="utf-8")
    return 0 if facts["results"] and not facts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
