# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.speedups`.

They decide themselves whether there is a native twin, so that they say the same where
it was built and where it was not.
"""

import os
import sys
from collections.abc import MutableMapping
from runpy import run_path
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire import frames, speedups
from txwebsocket.wire.speedups import choose

NATIVE = "txwebsocket.wire._speedups"
VARIABLE = "TXWEBSOCKET_SPEEDUPS"


def makeNative() -> ModuleType:
    """
    A module with the names that the native twin has.
    """
    native = ModuleType(NATIVE)
    native.FrameReader = type("FrameReader", (), {})
    native.FrameQueue = type("FrameQueue", (), {})
    native.encodeHeader = lambda *args: b"head"
    native.encodeFrame = lambda *args: b"frame"
    return native


class TwinTestCase(SynchronousTestCase):
    """
    What tests of the choice need.
    """

    def setUp(self) -> None:
        self.keep(sys.modules, NATIVE)
        self.keep(os.environ, VARIABLE)

    def keep(self, mapping: MutableMapping[str, Any], key: str) -> None:
        """
        Whatever a test does to this entry, put it back afterwards.
        """
        if key in mapping:
            self.addCleanup(mapping.__setitem__, key, mapping[key])
        else:
            self.addCleanup(mapping.pop, key, None)

    def build(self) -> ModuleType:
        """
        Let there be a native twin.
        """
        sys.modules[NATIVE] = makeNative()
        return sys.modules[NATIVE]

    def unbuild(self) -> None:
        """
        Let there be none.
        """
        sys.modules[NATIVE] = None  # type: ignore[assignment]


class ChooseTests(TwinTestCase):
    """
    Tests of :func:`choose`.
    """

    def test_auto(self) -> None:
        """
        The native twin is taken where it was built; elsewhere Python does.
        """
        native = self.build()
        self.assertIs(choose("auto"), native)
        self.unbuild()
        self.assertIs(choose("auto"), frames)

    def test_yes(self) -> None:
        """
        Whoever insists on the native twin gets it, or is told that it isn't there.
        """
        native = self.build()
        self.assertIs(choose("yes"), native)
        self.unbuild()
        error = self.assertRaises(ImportError, choose, "yes")
        self.assertIn(NATIVE, str(error))

    def test_no(self) -> None:
        """
        The native twin can be left alone although it is there.
        """
        self.build()
        self.assertIs(choose("no"), frames)

    def test_unknown(self) -> None:
        """
        Any other wish is refused, by the name of the variable that has it.
        """
        for wish in ("", "YES", "1", "maybe"):
            error = self.assertRaises(ImportError, choose, wish)
            self.assertEqual(
                str(error), f"{VARIABLE} must be one of auto, yes, no, not {wish!r}"
            )


class ImportTests(TwinTestCase):
    """
    Tests of what is chosen when the module is imported.
    """

    def imported(self) -> dict[str, Any]:
        """
        What a fresh import of the module defines.
        """
        return run_path(speedups.__file__)

    def test_python(self) -> None:
        """
        Without the native twin everything comes from Python, and the module says so.
        """
        self.unbuild()
        os.environ[VARIABLE] = "auto"
        names = self.imported()
        self.assertIs(names["SPEEDUPS"], False)
        self.assertIs(names["FrameReader"], frames.FrameReader)
        self.assertIs(names["FrameQueue"], frames.FrameQueue)
        self.assertIs(names["encodeHeader"], frames.encodeHeader)
        self.assertIs(names["encodeFrame"], frames.encodeFrame)

    def test_native(self) -> None:
        """
        With it everything comes from there, unless the environment says something.
        """
        native = self.build()
        os.environ.pop(VARIABLE, None)
        names = self.imported()
        self.assertIs(names["SPEEDUPS"], True)
        self.assertIs(names["FrameReader"], native.FrameReader)
        self.assertIs(names["FrameQueue"], native.FrameQueue)
        self.assertIs(names["encodeHeader"], native.encodeHeader)
        self.assertIs(names["encodeFrame"], native.encodeFrame)

    def test_environment(self) -> None:
        """
        The environment can do without the native twin, or insist on it.
        """
        self.build()
        os.environ[VARIABLE] = "no"
        self.assertIs(self.imported()["SPEEDUPS"], False)
        self.unbuild()
        os.environ[VARIABLE] = "yes"
        self.assertRaises(ImportError, self.imported)
