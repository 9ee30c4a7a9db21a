# -*- test-case-name: tests.test_deprecation -*-
# Part of txwebsocket. See LICENSE for details.
"""
Names that have been replaced.
"""

from __future__ import annotations

import warnings
from typing import Any

from incremental import Version, getVersionString


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


class ReplacedProperty:
    """
    A property under its old name, which warns and is the same as the new one.

    :param new: the name that replaces it.
    :param version: since when.
    """

    def __init__(self, new: str, version: Version) -> None:
        self._new = new
        self._version = version
        self._name = ""
        self.__doc__ = f"The old name of ``{new}``."

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        Deprecation.deprecationWarningMap[name] = (
            f"{owner.__name__}.{name} was deprecated in "
            f"{getVersionString(self._version)}; please use {self._new} instead"
        )

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        Deprecation.warn(self._name)
        return getattr(instance, self._new)
