# Part of txwebsocket. See LICENSE for details.
"""
Fuzzes all targets, or some, one after the other, in the native and the pure form.

    python -m tests.tools.fuzz.run [TARGET...] [--seconds N] [--executions N]

It needs atheris, and a C compiler unless ``--pure`` leaves the native form out. The
first input that breaks a promise ends the run, and is kept; ``--repeat FILE TARGET``
gives it to its target again, for which atheris is not needed.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.tools.fuzz import seeds
from tests.tools.fuzz.targets import CORPUS, REGRESSIONS, TARGETS

_CHECKOUT = Path(__file__).resolve().parents[3]
_SOURCES = ("txwebsocket/wire/_speedups.c", "tests/tools/fuzz/counters.c")
_WATCHED = "-fsanitize-coverage=trace-pc,trace-cmp"
_SANITIZED = "-fsanitize=address,undefined -fsanitize-undefined-trap-on-error"
_EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s+(\d+)$", re.MULTILINE)
# What takes longer is a defect; so is what takes more memory.
_SLOWEST = 10
_LARGEST = 2048


class FuzzFailed(Exception):
    """
    Something is not as it should be.
    """


class Budget(NamedTuple):
    """
    How much of it to do with one target.
    """

    seconds: int
    executions: int


def build(folder: Path, isSanitized: bool) -> str:
    """
    Build the native twin in such a way that it tells where it has been.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    common = shlex.split("-O1 -g -fPIC -DPy_LIMITED_API=0x030B0000")
    common += [f"-I{sysconfig.get_path('include')}"]
    flags = shlex.split(f"{_WATCHED} {_SANITIZED if isSanitized else ''}")
    objects = []
    for source, more in zip(_SOURCES, (flags, []), strict=True):
        made = str(folder / f"{Path(source).stem}.o")
        path = str(_CHECKOUT / source)
        subprocess.run([*compiler, *common, *more, "-c", path, "-o", made], check=True)
        objects.append(made)
    library = str(folder / "_speedups.abi3.so")
    subprocess.run([*compiler, "-shared", *objects, "-o", library], check=True)
    return library


def environment(isSanitized: bool) -> dict[str, str]:
    """
    What a process that fuzzes needs.
    """
    more = {"PYTHONPATH": str(_CHECKOUT), "TXWEBSOCKET_SPEEDUPS": "auto"}
    if isSanitized:
        asked = [sys.executable, "-c", "import atheris; print(atheris.path())"]
        found = subprocess.run(asked, capture_output=True, text=True, check=True)
        more["LD_PRELOAD"] = f"{found.stdout.strip()}/asan_with_fuzzer.so"
        # Python itself leaks; and to keep where each piece was allocated takes long.
        more["ASAN_OPTIONS"] = "detect_leaks=0:malloc_context_size=0"
        more["PYTHONMALLOC"] = "malloc"
    return {**os.environ, **more}


class Fuzzer:
    """
    Fuzzes one target after the other.

    :param kept: the folder for what is found.
    """

    def __init__(self, native: str, kept: Path, isSanitized: bool) -> None:
        self._native = native
        self._kept = kept
        self._environment = environment(isSanitized)

    def fuzz(self, name: str, budget: Budget) -> int:
        """
        Fuzz this target; return how often it was called.

        :raises FuzzFailed: if it has broken a promise.
        """
        found = self._kept / name
        found.mkdir(parents=True, exist_ok=True)
        seeds.write(name, found)
        known = [
            each / name for each in (CORPUS, REGRESSIONS) if (each / name).is_dir()
        ]
        ran = self._start(
            name,
            f"-max_total_time={budget.seconds}",
            f"-runs={budget.executions}",
            f"-artifact_prefix={self._kept}/{name}-",
            *map(str, (found, *known)),
        )
        executed = _EXECUTIONS.search(ran.stdout)
        if ran.returncode or executed is None:
            lines = [each for each in ran.stdout.splitlines() if each[:1] != "#"]
            shown = "\n".join(lines[-60:])
            raise FuzzFailed(f"{name}: what has broken it is in {self._kept}\n{shown}")
        return int(executed[1])

    def merge(self, name: str) -> None:
        """
        Make the corpus of a target as small as can be while it reaches all that is
        reached with what was found.
        """
        corpus = CORPUS / name
        corpus.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as merged:
            ran = self._start(
                name,
                "-set_cover_merge=1",
                # How often a place is reached counts for nothing: few are enough.
                "-use_counters=0",
                *(merged, str(corpus), str(self._kept / name)),
            )
            if ran.returncode:
                raise FuzzFailed(f"{name}: merging failed\n{ran.stdout[-2000:]}")
            for old in corpus.iterdir():
                old.unlink()
            for new in Path(merged).iterdir():
                (corpus / new.name[:12]).write_bytes(new.read_bytes())

    def _start(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "tests.tools.fuzz.guided", name, self._native]
        common = ["-seed=1", "-print_final_stats=1", "-max_len=2000"]
        common += [f"-timeout={_SLOWEST}", f"-rss_limit_mb={_LARGEST}"]
        return subprocess.run(
            [*program, *common, *options],
            cwd=_CHECKOUT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )


def say(line: str) -> None:
    """
    Print a line at once.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz what reads from peers.")
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="at most, in all")
    parser.add_argument("--executions", type=int, default=-1, help="at most, in all")
    parser.add_argument("--pure", action="store_true", help="without the native form")
    parser.add_argument("--sanitize", action="store_true", help="with ASan and UBSan")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--merge", action="store_true", help="add it to the corpus")
    parser.add_argument("--repeat", type=Path, help="an input, for one target")
    options = parser.parse_args()
    options.targets = options.targets or list(TARGETS)
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """
    Do what the command line says.
    """
    options = _options()
    if options.repeat is not None:
        for name in options.targets:
            TARGETS[name](options.repeat.read_bytes())
        return 0
    with TemporaryDirectory(prefix="txwebsocket-") as scratch:
        native = "" if options.pure else build(Path(scratch), options.sanitize)
        fuzzer = Fuzzer(native, options.keep.resolve(), options.sanitize)
        try:
            total = _fuzzAll(fuzzer, options)
        except FuzzFailed as error:
            say(f"FAIL {error}")
            return 1
    say(f"{total} executions: nothing is broken")
    return 0


def _fuzzAll(fuzzer: Fuzzer, options: argparse.Namespace) -> int:
    """
    Fuzz the targets one after the other; return how often they were called.
    """
    end = time.monotonic() + options.seconds
    most, total, starting = options.executions, 0, 0.0
    for left in range(len(options.targets), 0, -1):
        name = options.targets[-left]
        began = time.monotonic()
        # What it takes to start counts, too.
        seconds = max(1, int((end - began) / left - starting))
        executions = most if most < 0 else max(1, (most - total) // left)
        executed = fuzzer.fuzz(name, Budget(seconds, executions))
        starting = max(0.0, time.monotonic() - began - seconds)
        say(f"{name}: {executed} executions")
        total += executed
        if options.merge:
            fuzzer.merge(name)
    return total


if __name__ == "__main__":
    sys.exit(main())
