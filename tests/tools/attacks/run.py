# Part of txwebsocket. See LICENSE for details.
"""
Attacks ours over real sockets on loopback, as a peer that nobody wrote for us would.

    python -m tests.tools.attacks.run [--quick] [--only WORD...] [--json FILE]

Each attack has a process of its own. It needs Linux, whose ``/proc`` tells what that
costs. ``--quick`` asks for memory and for ratios only, and no clock.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.tools.attacks.findings import Arena, Attack, Finding, same
from tests.tools.attacks.peers import Ended
from tests.tools.attacks.processes import Unfit
from tests.tools.attacks.sections import (
    clients,
    costs,
    frames,
    handshakes,
    memory,
    stalls,
)
from tests.tools.interop.certificates import Authority
from txwebsocket.wire.speedups import SPEEDUPS

ATTACKS: Sequence[Attack] = (
    *memory.ATTACKS,
    *stalls.ATTACKS,
    *costs.ATTACKS,
    *handshakes.ATTACKS,
    *frames.ATTACKS,
    *clients.ATTACKS,
)


class Outcome(NamedTuple):
    """
    What came of an attack.
    """

    attack: Attack
    over: str
    finding: Finding


def attacked(attack: Attack, arena: Arena) -> list[Outcome]:
    """
    Run an attack; that it can't be run is a failure, too.
    """
    found = []
    try:
        found += attack.run(arena)
    except (Ended, Unfit, TimeoutError) as error:
        why = f"{type(error).__name__}: {error}"
        found.append(same("the attack", why, "runs to its end"))
    return [Outcome(attack, arena.over, each) for each in found]


def run(attacks: Sequence[Attack], folder: Path, isQuick: bool) -> Iterator[Outcome]:
    """
    Run them in turn; those that mostly wait, all at once.
    """
    python = Path(sys.executable)
    arenas = {
        over: Arena(over, isQuick, folder, python.parent / "twistd", python)
        for over in ("tcp", "tls")
    }
    busy = [each for each in attacks if not each.isPatient]
    for attack in busy:
        for over in attack.over:
            yield from attacked(attack, arenas[over])
    patient = [each for each in attacks if each.isPatient]
    with ThreadPoolExecutor(max(len(patient), 1) * 2) as pool:
        running = [
            pool.submit(attacked, attack, arenas[over])
            for attack in patient
            for over in attack.over
        ]
        for each in running:
            yield from each.result()


def chosen(isQuick: bool, words: Sequence[str]) -> list[Attack]:
    """
    The attacks of these classes, or with these words in their titles.
    """
    return [
        attack
        for attack in ATTACKS
        if (attack.isQuick or not isQuick)
        and (not words or any(_isMeant(attack, word) for word in words))
    ]


def _isMeant(attack: Attack, word: str) -> bool:
    return word == attack.kind or word in attack.title


def line(outcome: Outcome) -> str:
    attack, over, finding = outcome
    mark = "ok  " if finding.isMet else "FAIL"
    where = f"{attack.kind:4}{attack.victim}, {over}"
    told = f"{finding.what}: {finding.measured} ({finding.bar})"
    return f"{mark}  {where:17} {attack.title}: {told}"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def facts(outcomes: Sequence[Outcome], isQuick: bool) -> dict[str, Any]:
    """
    All of it, for a file.
    """
    packages = ("txwebsocket", "twisted", "pyopenssl")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "isQuick": isQuick,
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "kernel": f"{platform.system()} {platform.resumeFrom()}",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
            "native part": "with" if SPEEDUPS else "without",
        },
        "outcomes": [
            {
                "kind": attack.kind,
                "title": attack.title,
                "victim": attack.victim,
                "over": over,
                **finding._asdict(),
            }
            for attack, over, finding in outcomes
        ],
    }


def asText(found: dict[str, Any]) -> str:
    """
    JSON, with a line for each outcome.
    """
    head = json.dumps({**found, "outcomes": None}, indent=1, ensure_ascii=False)
    rows = ",\n".join(
        f"  {json.dumps(each, ensure_ascii=False)}" for each in found["outcomes"]
    )
    return head.replace('"outcomes": null', f'"outcomes": [\n{rows}\n ]') + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Attack servers and clients of ours.")
    parser.add_argument("--quick", action="store_true", help="memory and ratios only")
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", default=[], help="classes, or of titles"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="what to write to")
    return parser.parse_args()


def main() -> int:
    options = _arguments()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attacks = chosen(options.quick, options.only)
    outcomes = []
    began = time.monotonic()
    with TemporaryDirectory(prefix="txwebsocket-") as folder:
        Authority(Path(folder), "authority").certify("127.0.0.1")
        for outcome in run(attacks, Path(folder), options.quick):
            outcomes.append(outcome)
            say(line(outcome))
    if options.json:
        text = asText(facts(outcomes, options.quick))
        options.json.write_text(text, encoding="utf-8")
    failed = [each for each in outcomes if not each.finding.isMet]
    say("")
    for outcome in failed:
        say(line(outcome))
    say(f"It took {time.monotonic() - began:.0f} s.")
    say(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
