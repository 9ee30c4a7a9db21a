# Part of txwebsocket. See LICENSE for details.
"""
Twisted's own tests of ``twisted.web.websocket``, with the import replaced.
"""

import json

from children import output
from results import Place, Results
from setting import DRIVERS, Setting

# Of each test that fails on purpose: what its error says, and why.
_DIFFERENCES = {
    "test_backpressure": (
        "+ ['paused', 'resumed', 'stopped']",
        (
            "it stops the transport's producer by hand, and expects the application's "
            "there; ours is stopped when nothing can be sent any more"
        ),
    ),
    "test_bad": (
        "426 != 400",
        "426 is the status for a request without an upgrade (RFC 9110, 15.5.22)",
    ),
    "test_connectionRefusedWeird": (
        "found no result instead",
        "102 is an interim response: the final one is awaited (RFC 9110, 15.2)",
    ),
    "test_connectionRefusedSlow": (
        "ResponseDone'> != <class 'twisted.internet.error.ConnectionDone'>",
        "a complete body ends as in twisted.web's other responses, for readBody",
    ),
}
# So that an empty or skipped module is noticed.
_FEWEST = 14


async def tryTwistedTests(setting: Setting, results: Results) -> None:
    """
    Each test passes, or fails in the way that is listed here.
    """
    place = Place("twisted-tests")
    script = DRIVERS / "twisted_tests.py"
    _, text = await output(setting.python, script, cwd=setting.folder)
    last = text.splitlines()[-1] if text else ""
    if not last.startswith("{"):
        results.check(place, "can be run", text[-500:] or "no output")
        return
    outcomes = json.loads(last)
    missing = _DIFFERENCES.keys() - outcomes.keys()
    why = f"{len(outcomes)} tests, without {sorted(missing)}"
    isWhole = len(outcomes) >= _FEWEST and not missing
    results.check(place, "the tests are all there", "" if isWhole else why)
    for name, error in outcomes.items():
        told, reason = _DIFFERENCES.get(name, ("", ""))
        isExpected = told in error if told else not error
        what = f"{name} differs: {reason}" if told else name
        why = error or "it passes: the list of differences is out of date"
        results.check(place, what, "" if isExpected else why)
