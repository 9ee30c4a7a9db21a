# Part of txwebsocket. See LICENSE for details.
"""
The cases of the testsuite, and what has to come of them.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

_EXPECTED = Path(__file__).resolve().with_name("expected.txt")

SECTIONS = {
    "all": ("*",),
    # A second for most of a hundred cases, and none for the others.
    "quick": ("[1-8].*", "10.*", "12.*.3", "12.*.11", "13.*.3", "13.*.11"),
    "performance": ("9.*",),
    "deflate": ("12.*", "13.*"),
}
"""
Names for sets of cases.
"""


class Outcome(NamedTuple):
    """
    What the testsuite makes of a case.

    :ivar behaviour: of all that happened: OK, INFORMATIONAL where the RFC leaves it
        open, NON-STRICT, UNIMPLEMENTED or FAILED.
    :ivar closing: of how the connection ended, in the same words and a few others.
    :ivar code: the close code that we sent, or ``None``.
    :ivar size: of what we sent where compression was agreed on, ``smaller`` than our
        messages or ``full``; or ``-``. The suite does not care.
    """

    behaviour: str
    closing: str
    code: str
    size: str

    def __str__(self) -> str:
        return " ".join(self)


def expected() -> dict[str, Outcome]:
    """
    What has to come of each case, in the suite's order.
    """
    lines = _EXPECTED.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    return {name: Outcome(*outcome) for name, *outcome in rows}


def pick(wishes: Iterable[str]) -> dict[str, Outcome]:
    """
    Those of them that are wished for.

    :param wishes: names of :data:`SECTIONS`, and patterns such as ``6.4.*``.
    :raises ValueError: for a pattern that fits no case.
    """
    known = expected()
    picked: set[str] = set()
    for wish in wishes:
        patterns = SECTIONS.get(wish, (wish,))
        found = {name for name in known for each in patterns if fnmatchcase(name, each)}
        if not found:
            raise ValueError(f"{wish!r} is no case, nor one of {', '.join(SECTIONS)}")
        picked |= found
    return {name: outcome for name, outcome in known.items() if name in picked}
