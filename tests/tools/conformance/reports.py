# Part of txwebsocket. See LICENSE for details.
"""
What the testsuite reports, and how it is told where it is not what was expected.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cases import Outcome

_LAST = 12
_WIDTH = 100
# What else the suite takes down besides octets and frames.
_STEPS = {
    "CT": "will go on in {} s",
    "CTE": "goes on",
    "KL": "will fail the connection in {} s",
    "KLE": "fails the connection",
    "TI": "will close in {} s",
    "TIE": "closes",
    "WLM": "logs from here on: {}",
}


class Reports:
    """
    The reports of one run.

    :ivar outcomes: what came of each case that was run to its end.
    """

    def __init__(self, folder: Path) -> None:
        files = folder.glob("*_case_*.json")
        reports = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        self._reports = {report["id"]: report for report in reports}
        self.outcomes = {case: _outcome(it) for case, it in self._reports.items()}

    def explain(self, case: str, wanted: Outcome) -> Iterator[str]:
        """
        All that helps to understand what came of a case.
        """
        report, found = self._reports[case], self.outcomes[case]
        log = report["wirelog"]
        yield f"    case      {_plain(report['description'])}"
        yield f"    aim       {_plain(report['expectation'])}"
        yield f"    verdict   {report['result']} / {report['resultClose']}"
        yield f"    expected  {wanted}"
        yield f"    found     {found}"
        yield f"    wire log, the last {min(_LAST, len(log))} of {len(log)} entries:"
        for kind, *facts in log[-_LAST:]:
            yield f"        {_entry(kind, facts)[:_WIDTH]}"


def _outcome(report: dict[str, Any]) -> Outcome:
    code, size = str(report["remoteCloseCode"]), _size(report["trafficStats"])
    return Outcome(report["behavior"], report["behaviorClose"], code, size)


def _size(traffic: dict[str, int] | None) -> str:
    if traffic is None:
        return "-"
    arrived, became = "incomingOctetsWebSocketLevel", "incomingOctetsAppLevel"
    return "smaller" if traffic[arrived] < traffic[became] else "full"


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def _entry(kind: str, facts: list[Any]) -> str:
    """
    A line for an entry of the wire log.
    """
    if kind in _STEPS:
        return "suite  " + _STEPS[kind].format(*facts)
    who = "suite" if kind.startswith("T") else "ours "
    (size, shown), *more = facts
    if kind.endswith("O"):
        return f"{who}  {size} octets: {shown}"
    opcode, fin, rsv, *_ = more
    return (
        f"{who}  frame opcode={opcode} fin={fin:d} rsv={rsv} of {size} bytes: {shown}"
    )
