# -*- test-case-name: tests.test_deprecation -*-
# Part of txwebsocket. See LICENSE for details.
"""
Names that have been replaced.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from incremental import Version
from twisted.python.deprecate import getDeprecationWarningString


class Deprecation:
    """
    Warns of the use of replaced names, through Python's own warnings.

    :cvar disableWarnings: whether to say nothing.
    :cvar deprecationWarningMap: what is said, by the name that is replaced.
    """

    disableWarnings = False
    deprecationWarningMap: dict[str, str] = {}

    @classmethod
    def warn(cls, name: str) -> None:
        """
        Warn that this name is in use, if it is a replaced one.
        """
        text = cls.deprecationWarningMap.get(name)
        if text is not None and not cls.disableWarnings:
            warnings.warn(text, DeprecationWarning, stacklevel=3)


def replacedProperty(old: str, new: str, version: Version) -> Any:
    """
    A property under its old name, which warns and is the same as the new one.
    """

    def get(self: object) -> Any:
        Deprecation.warn(old)
        return getattr(self, new)

    get.__doc__ = f"The old name of ``{new}``."
    get.__qualname__ = old
    Deprecation.deprecationWarningMap[old] = getDeprecationWarningString(
        _named(get, old), version, replacement=new
    )
    return property(get)


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = name
    return function
