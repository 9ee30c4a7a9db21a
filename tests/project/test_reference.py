# Part of txwebsocket. See LICENSE for details.
"""
The reference describes the public names, all of them.
"""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import txwebsocket

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
ENTRY = re.compile(r"^\.\. (?:auto|py:)\w+:: (?:txwebsocket\.)?(\w+)", re.MULTILINE)


class ReferenceTests(SynchronousTestCase):
    """
    Tests of the pages in ``docs/reference``.
    """

    def test_publicNames(self) -> None:
        """
        Each public name has an entry, just one, and nothing else has.
        """
        entries = [
            name
            for page in REFERENCE.glob("*.rst")
            for name in ENTRY.findall(page.read_text(encoding="utf-8"))
        ]
        self.assertEqual(sorted(entries), sorted(txwebsocket.__all__))
