# Part of txwebsocket. See LICENSE for details.
"""
Tells where the processor's time of our server goes under load. It needs Linux.

    where.py [--seconds S] [--csv FILE] [--scenario NAME...]

The kernel's part is what the system says of the process. The rest is told apart by
samples, a thousand for each second of it: each counts for the package whose function
runs, or has called what runs. Shares mean something elsewhere, too.
"""

import argparse
import csv
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from run import compileLoad, end, freePort, listens, pinned
from scenarios import SCENARIOS, Scenario

HERE = Path(__file__).parent
_HOST = "127.0.0.1"
_INTERVAL = 0.001  # seconds of the process's own time between samples

OWNERS = {
    "txwebsocket": "txwebsocket",
    "twisted": "Twisted",
    "bench": "application",
}
"""
Whose time it is, by a folder in the path of the source.
"""

# What is the same wherever it is, and too little to be told apart.
_REST = "rest"
COLUMNS = ("kernel", *OWNERS.values(), _REST)

Shares = dict[str, float]


# In the server's process


class Sampler:
    """
    Counts who is at work, from one signal to another.
    """

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()
        self._before = resource.getrusage(resource.RUSAGE_SELF)

    def listen(self) -> None:
        """
        Begin at SIGUSR1; print what was found, as JSON, at SIGUSR2.
        """
        signal.signal(signal.SIGVTALRM, self._sample)
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)

    def _begin(self, *_: object) -> None:
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        signal.setitimer(signal.ITIMER_VIRTUAL, _INTERVAL, _INTERVAL)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        self._found[ownerOf(frame)] += 1

    def _end(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        now = resource.getrusage(resource.RUSAGE_SELF)
        kernel = now.ru_stime - self._before.ru_stime
        own = now.ru_utime - self._before.ru_utime
        shares = {"kernel": kernel / (kernel + own)}
        for owner, count in self._found.items():
            share = count / self._found.total()
            shares[owner] = share * own / (kernel + own)
        sys.stdout.write(json.dumps(shares) + "\n")
        sys.stdout.flush()


def ownerOf(frame: FrameType | None) -> str:
    """
    Whose function is at work.
    """
    while frame is not None:
        folders = Path(frame.f_code.co_filename).parts[:-1]
        for folder in reversed(folders):
            if folder in OWNERS:
                return OWNERS[folder]
        frame = frame.f_back
    return _REST


def serve(port: int) -> None:
    """
    Be the server that is measured.
    """
    Sampler().listen()
    sys.argv = ["server.py", str(port)]
    runpy.run_path(str(HERE / "server.py"), run_name="__main__")


# In the process that measures


def measure(wsload: Path, scenario: Scenario, seconds: float) -> Shares:
    """
    The shares of the processor's time in a scenario.
    """
    port = freePort()
    server = subprocess.Popen(
        pinned(0, [sys.executable, __file__, "--serve", str(port)]),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if not listens(server, port):  # type: ignore[arg-type]
            raise SystemExit("the server does not start")
        words = [*scenario.load.split(), "-t", f"{seconds:g}"]
        command = [str(wsload), *words, _HOST, str(port), scenario.path]
        load = subprocess.Popen(pinned(1, command), stdout=subprocess.DEVNULL)
        # What begins and ends a run is left out.
        _sleep(seconds / 2)
        os.kill(server.pid, signal.SIGUSR1)
        _sleep(seconds / 3)
        os.kill(server.pid, signal.SIGUSR2)
        found: Shares = json.loads(server.stdout.readline())  # type: ignore[union-attr]
        if load.wait(seconds + 60):
            raise SystemExit(f"wsload failed in {scenario.name}")
        return found
    finally:
        end(server)  # type: ignore[arg-type]


def _sleep(seconds: float) -> None:
    signal.sigtimedwait([], seconds)


def rows(found: dict[str, Shares]) -> Iterator[list[str]]:
    """
    A table of what was found, with its head.
    """
    yield ["", *COLUMNS]
    for name, shares in found.items():
        yield [name, *(f"{shares.get(column, 0):.0%}" for column in COLUMNS)]


def main() -> None:
    measured = [name for name in SCENARIOS if not SCENARIOS[name].isIdle]
    parser = argparse.ArgumentParser(description="Tell where our server's time goes.")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=6, help="for each scenario")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="what to write to")
    parser.add_argument(
        "--scenario", nargs="+", metavar="NAME", default=measured, choices=measured
    )
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    found: dict[str, Any] = {}
    with TemporaryDirectory(prefix="txwebsocket-") as folder:
        wsload = compileLoad(Path(folder))
        for name in options.scenario:
            found[name] = measure(wsload, SCENARIOS[name], options.seconds)
    for row in rows(found):
        sys.stdout.write("".join(f"{cell:>14}" for cell in row) + "\n")
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows(found))


if __name__ == "__main__":
    main()
