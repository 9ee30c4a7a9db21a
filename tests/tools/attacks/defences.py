# Part of txwebsocket. See LICENSE for details.
"""
Takes the defences away, one at a time, and demands that a test notices.

    python -m tests.tools.attacks.defences [--only WORD...]

Each removal is made in a copy of the tree, where the test that it names must fail. The
copy has the pure Python twin only, since that is what is edited.
"""

import argparse
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory

from tests.tools.attacks.removals import REMOVALS, Removal

TOP = Path(__file__).resolve().parents[3]

_COPIED = ("docs/examples", "tests", "twisted", "txwebsocket")
_LEFT_OUT = ignore_patterns("*.so", "__pycache__", "_trial_temp*", "node_modules")
_WORKERS = 2
_PATIENCE = 120.0


class Copy:
    """
    A copy of the tree, in which things can be broken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            copytree(TOP / name, folder / name, ignore=_LEFT_OUT)

    def passes(self, *tests: str) -> bool:
        """
        Do these tests pass?

        :raises ValueError: if they can't even be run.
        """
        status, said = self._run(*tests)
        if status not in (0, 1) or re.search(r"SyntaxError|ImportError", said):
            raise ValueError(f"the tests can't be run: {said[-500:]}")
        return status == 0

    def isMissed(self, removal: Removal) -> bool:
        """
        Without this defence, does its test fail?

        :raises ValueError: if it is not where the table says, or can't be removed.
        """
        file = self._folder / removal.file
        source = file.read_text(encoding="utf-8")
        edited = removal.edit(source)
        compile(edited, removal.file, "exec")
        file.write_text(edited, encoding="utf-8")
        try:
            return not self.passes(removal.test)
        finally:
            file.write_text(source, encoding="utf-8")

    def _run(self, *tests: str) -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-m", "twisted.trial", *tests],
            cwd=self._folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self._folder),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TXWEBSOCKET_SPEEDUPS": "no",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
        return ran.returncode, ran.stdout


def verdict(removal: Removal, copies: "queue.Queue[Copy]") -> str:
    """
    What is wrong with a removal, if anything is.
    """
    copy = copies.get()
    try:
        return "" if copy.isMissed(removal) else f"{removal.test} does not notice"
    except (ValueError, SyntaxError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        copies.put(copy)


def tryAll(removals: Sequence[Removal], folder: Path) -> list[str]:
    """
    Try them, and return what is wrong.
    """
    copies: queue.Queue[Copy] = queue.Queue()
    for number in range(_WORKERS):
        copies.put(Copy(folder / str(number)))
    first = copies.get()
    tests = sorted({each.test for each in removals})
    if tests and not first.passes(*tests):
        return ["with all defences in place the tests don't pass, either"]
    copies.put(first)
    wrong = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        verdicts = pool.map(lambda each: verdict(each, copies), removals)
        for removal, why in zip(removals, verdicts, strict=True):
            say(f"{'FAIL' if why else 'ok  '}  {removal.kind:4}{removal.what}")
            if why:
                wrong.append(f"{removal.kind} {removal.what}: {why}")
    return wrong


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the defences away.")
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", default=[], help="classes, or in words"
    )
    words = parser.parse_args().only
    chosen = [
        each
        for each in REMOVALS
        if not words or any(word == each.kind or word in each.what for word in words)
    ]
    began = time.monotonic()
    with TemporaryDirectory(prefix="txwebsocket-") as folder:
        wrong = tryAll(chosen, Path(folder))
    for line in ["", *wrong]:
        say(line)
    say(f"It took {time.monotonic() - began:.0f} s.")
    say(f"{len(chosen) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
