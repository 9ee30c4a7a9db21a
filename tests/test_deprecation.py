# Part of txwebsocket. See LICENSE for details.
"""
Tests of names that have been replaced.
"""

from __future__ import annotations

import warnings
from typing import Any

from incremental import Version
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Served
from txwebsocket import Deprecation, WebSocketRequest
from txwebsocket.deprecation import ReplacedProperty


class ReplacedPropertyTests(SynchronousTestCase):
    """
    Tests of :class:`ReplacedProperty`.
    """

    def setUp(self) -> None:
        self.patch(Deprecation, "deprecationWarningMap", {})

        class Thing:
            """
            Has a new name for what it is.
            """

            size = 5
            extent = ReplacedProperty("size", Version("txwebsocket", 1, 2, 3))

        self.thing: Any = Thing()
        self.kind = Thing

    def test_same(self) -> None:
        """
        The old name leads to what the new one does, now and later.
        """
        self.assertEqual(self.thing.extent, 5)
        self.thing.size = 6
        self.assertEqual(self.thing.extent, 6)
        self.flushWarnings()

    def test_warning(self) -> None:
        """
        Whoever uses an old name is told since when it is old, and what to write
        instead.
        """
        self.assertEqual(self.thing.extent, 5)
        [warning] = self.flushWarnings()
        self.assertIs(warning["category"], DeprecationWarning)
        self.assertIn("extent was deprecated in txwebsocket 1.2.3", warning["message"])
        self.assertIn("use size instead", warning["message"])

    def test_whose(self) -> None:
        """
        The warning says whose name it is.
        """
        self.assertEqual(self.thing.extent, 5)
        [warning] = self.flushWarnings()
        self.assertTrue(warning["message"].startswith("Thing.extent was"), warning)

    def test_where(self) -> None:
        """
        The warning names the line that uses the old name.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.assertEqual(self.thing.extent, 5)
        [warning] = caught
        self.assertEqual(warning.filename, __file__)

    def test_quiet(self) -> None:
        """
        Whoever knows can switch the warnings off, and on again.
        """
        self.patch(Deprecation, "disableWarnings", True)
        self.assertEqual(self.thing.extent, 5)
        self.assertEqual(self.flushWarnings(), [])
        self.patch(Deprecation, "disableWarnings", False)
        self.assertEqual(self.thing.extent, 5)
        self.assertEqual(len(self.flushWarnings()), 1)

    def test_map(self) -> None:
        """
        What is said can be looked up by the old name, before anybody uses it.
        """
        [(name, said)] = Deprecation.deprecationWarningMap.items()
        self.assertEqual(name, "extent")
        self.assertEqual(self.thing.extent, 5)
        [warning] = self.flushWarnings()
        self.assertEqual(warning["message"], said)

    def test_documented(self) -> None:
        """
        The manual, which looks at the class, is told the new name and not warned.
        """
        self.assertIn("``size``", str(self.kind.extent.__doc__))
        self.assertEqual(self.flushWarnings(), [])


class DeprecationTests(SynchronousTestCase):
    """
    Tests of :class:`Deprecation`.
    """

    def setUp(self) -> None:
        self.patch(Deprecation, "deprecationWarningMap", {"old": "old is now new"})

    def test_warn(self) -> None:
        """
        The use of a name that is replaced can be told by anybody.
        """
        Deprecation.warn("old")
        [warning] = self.flushWarnings()
        self.assertEqual(warning["message"], "old is now new")
        self.assertIs(warning["category"], DeprecationWarning)

    def test_otherName(self) -> None:
        """
        There is nothing to say about a name that is not replaced.
        """
        Deprecation.warn("new")
        self.assertEqual(self.flushWarnings(), [])

    def test_quiet(self) -> None:
        """
        Nothing is said while warnings are disabled.
        """
        self.patch(Deprecation, "disableWarnings", True)
        Deprecation.warn("old")
        self.assertEqual(self.flushWarnings(), [])


class RequestTests(SynchronousTestCase):
    """
    Tests of the old names of a request.
    """

    def test_websocketVersion(self) -> None:
        """
        The old spelling of a request's version still works.
        """
        versions = []

        def handler(request: WebSocketRequest) -> None:
            versions.append(request.websocketVersion)
            request.reject()

        Served(handler).request()
        self.assertEqual(versions, [13])
        [warning] = self.flushWarnings([handler])
        self.assertIn("please use webSocketVersion instead", warning["message"])
        self.assertIn("websocketVersion", Deprecation.deprecationWarningMap)
