# Part of txwebsocket. See LICENSE for details.
"""
Runs Twisted's own tests of ``twisted.web.websocket`` with txwebsocket in its place.

The last line is a JSON object: of each test the error in one line, or an empty text.
"""

import json
import sys
from types import TracebackType
from unittest import TestCase, TestResult

import txwebsocket

# The change of import that an application makes, too.
sys.modules["twisted.web.websocket"] = txwebsocket

from twisted.trial.runner import TestLoader  # noqa: E402
from twisted.web.test import test_websocket  # noqa: E402


class Outcomes(TestResult):
    """
    Keeps a line for each test.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, str] = {}

    def startTest(self, test: TestCase) -> None:
        self.lines[_name(test)] = ""

    def addError(
        self,
        test: TestCase,
        error: tuple[type[BaseException], BaseException, TracebackType],
    ) -> None:
        self.lines[_name(test)] = repr(error[1])

    addFailure = addError

    def addSkip(self, test: TestCase, reason: str) -> None:
        self.lines[_name(test)] = f"skipped: {reason}"


def _name(test: TestCase) -> str:
    return test.id().rpartition(".")[2]


outcomes = Outcomes()
TestLoader().loadModule(test_websocket).run(outcomes)
print("\n" + json.dumps(outcomes.lines))
