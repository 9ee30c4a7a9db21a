# Part of txwebsocket. See LICENSE for details.
"""
Has the Autobahn WebSocket Testsuite judge our server and our client.

    run.py --suite DIR [--cases CASES...] [--role ...] [--twin ...] [--over ...]

``setup.sh DIR`` installs the testsuite. CASES are ``all``, ``quick``, ``performance``,
``deflate``, or patterns such as ``6.4.*``. Without arguments, all cases are run in all
eight settings. What does not come out as ``expected.txt`` has it is told in full.
"""

import argparse
import platform
import signal
import sys
import time
from collections import Counter
from importlib.metadata import version
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cases import Outcome, pick
from certificate import certify
from pairs import Broken, Pairs, Setting
from reports import Reports

_SETTINGS = {
    "role": ("server", "client"),
    "twin": ("native", "pure"),
    "over": ("tcp", "tls"),
}


def judge(
    pairs: Pairs, setting: Setting, wanted: dict[str, Outcome], folder: Path
) -> int:
    """
    Run the cases in one setting, and tell what came of them.

    :return: how many came out wrong.
    """
    began = time.monotonic()
    wrong = 0
    try:
        pairs.run(setting, list(wanted), folder)
    except Broken as error:
        wrong += 1
        print(f"FAILED  {setting}: {error}")
    seconds = time.monotonic() - began
    reports = Reports(folder)
    missing = wanted.keys() - reports.outcomes
    if missing:
        print(f"FAILED  {setting}: no result of {', '.join(sorted(missing))}")
    others = {case for case, it in reports.outcomes.items() if it != wanted[case]}
    for case in sorted(others):
        print(f"FAILED  {setting}: {case}")
        print(*reports.explain(case, wanted[case]), sep="\n")
    wrong += len(missing) + len(others)
    counts = Counter(found.behaviour for found in reports.outcomes.values())
    told = ", ".join(f"{count} {behaviour}" for behaviour, count in counts.items())
    print(
        f"{setting}: {told or 'no result'}; {wrong} wrong; {seconds:.0f} s", flush=True
    )
    return wrong


def judgeAll(options: Any, folder: Path) -> tuple[int, int]:
    """
    Run the cases in one setting after the other.

    :return: how many passed and failed. That a run went to its end counts, too.
    """
    pairs = Pairs(options.suite.absolute(), certify(folder))
    passed = failed = 0
    for over, twin, role in product(options.over, options.twin, options.role):
        place = (options.reports or folder).absolute() / f"{role}-{twin}-{over}"
        place.mkdir(parents=True)
        wrong = judge(pairs, Setting(role, twin, over), options.bytesNeeded, place)
        failed += wrong
        passed += len(options.bytesNeeded) + 1 - wrong
    return passed, failed


def tellVersions(suite: Path) -> None:
    made = (suite / "packages" / "abts" / "__init__.py").read_text(encoding="utf-8")
    _, suiteVersion, _ = made.split("'")
    told = [f"autobahntestsuite {suiteVersion}"]
    told += [f"{name} {version(name)}" for name in ("txwebsocket", "Twisted")]
    told += [f"{platform.python_implementation()} {platform.python_version()}"]
    print(", ".join(told))


def parse() -> Any:
    parser = argparse.ArgumentParser(
        description="Run the Autobahn WebSocket Testsuite."
    )
    parser.add_argument(
        "--suite", type=Path, metavar="DIR", required=True, help="where setup.sh put it"
    )
    parser.add_argument(
        "--reports", type=Path, metavar="DIR", help="keep reports and logs in there"
    )
    parser.add_argument(
        "--cases",
        nargs="+",
        metavar="CASES",
        default=["all"],
        help="all, if none are given",
    )
    for name, choices in _SETTINGS.items():
        parser.add_argument(
            f"--{name}",
            nargs="+",
            choices=choices,
            default=choices,
            help="both, if none is given",
        )
    options = parser.parse_args()
    if not (options.suite / "ready").exists():
        parser.error(f"no testsuite is in {options.suite}: run setup.sh")
    if options.reports and options.reports.exists():
        parser.error(f"{options.reports} exists: give a new folder for the reports")
    try:
        options.bytesNeeded = pick(options.cases)
    except ValueError as error:
        parser.error(str(error))
    return options


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    tellVersions(options.suite)
    began = time.monotonic()
    with TemporaryDirectory(prefix="txwebsocket-") as folder:
        passed, failed = judgeAll(options, Path(folder))
    print(f"\nIt took {time.monotonic() - began:.0f} s.")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
