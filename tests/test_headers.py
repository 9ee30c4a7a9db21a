# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.headers`.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from txwebsocket.headers import headerPairs

PAIRS = [("X-A", "1"), ("X-B", "caf\xe9")]


class HeaderPairsTests(SynchronousTestCase):
    """
    Tests of :func:`headerPairs`.
    """

    def test_none(self) -> None:
        """
        Headers can be left out.
        """
        self.assertEqual(headerPairs(None), [])
        self.assertEqual(headerPairs({}), [])

    def test_forms(self) -> None:
        """
        A mapping, pairs and twisted.web's ``Headers`` say the same, in text, in
        Latin-1, or in a mixture.
        """
        asBytes = [(b"X-A", b"1"), (b"X-B", b"caf\xe9")]
        forms: list[Any] = [
            dict(PAIRS),
            PAIRS,
            tuple(PAIRS),
            iter(PAIRS),
            [list(pair) for pair in PAIRS],
            dict(asBytes),
            asBytes,
            [("X-A", b"1"), (b"X-B", "caf\xe9")],
            Headers({b"X-A": [b"1"], b"X-B": [b"caf\xe9"]}),
        ]
        for form in forms:
            self.assertEqual(headerPairs(form), PAIRS)

    def test_repeated(self) -> None:
        """
        A name that is there twice is there twice.
        """
        twice = [("X-A", "1"), ("X-A", "2")]
        self.assertEqual(headerPairs(twice), twice)
        self.assertEqual(headerPairs(Headers({"X-A": ["1", "2"]})), twice)

    def test_otherForms(self) -> None:
        """
        What has no such form is refused, saying what has.
        """
        wrong: list[Any] = [
            "X-A: 1",
            b"X-A: 1",
            1,
            object(),
            ["X-A: 1"],
            ["ab"],
            [("X-A",)],
            [("X-A", "1", "2")],
            [None],
        ]
        for form in wrong:
            error = self.assertRaises(TypeError, headerPairs, form)
            self.assertIn("twisted.web.http_headers.Headers", str(error))

    def test_otherTypes(self) -> None:
        """
        Neither a number nor a list of values is taken for a value, and what is there in
        its place is not shown: it may be secret.
        """
        wrong: list[Any] = [
            {"X-A": 1},
            {"X-A": None},
            {"X-A": ["hunter2"]},
            {1: "hunter2"},
            [("Authorization", bytearray(b"hunter2"))],
        ]
        for form in wrong:
            error = self.assertRaises(TypeError, headerPairs, form)
            self.assertIn("str or bytes", str(error))
            self.assertNotIn("hunter2", str(error))
