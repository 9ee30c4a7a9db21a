# -*- test-case-name: tests.handshake.test_paths -*-
# Part of txwebsocket. See LICENSE for details.
"""
Which paths a route is for.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

MountPath: TypeAlias = str | re.Pattern[str]
"""
A literal path, one with ``{name}`` for whole segments, ``*`` for any, or a compiled
regular expression for all of the path.
"""

WILDCARD = "*"

# Stands for a slash inside a segment while an expression looks at the path. UTF-8 has
# no such character.
_INNER_SLASH = "\udc2f"

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def splitPath(path: bytes) -> list[str] | None:
    """
    The segments of a request's path, split before they are decoded, and decoded once.

    :return: None if one of them is not UTF-8.
    """
    return decodeSegments([unquote_to_bytes(s) for s in path[1:].split(b"/")])


def decodeSegments(segments: Sequence[bytes]) -> list[str] | None:
    """
    Segments that were percent-decoded before, as text; None if one is not UTF-8.
    """
    try:
        return [segment.decode("utf-8") for segment in segments]
    except UnicodeDecodeError:
        return None


class PathPattern:
    """
    A pattern for paths.

    :raises ValueError: if it is a string that is no path, names a parameter twice, or
        has braces around anything but a name and all of a segment.
    :raises TypeError: if it is neither a string nor a compiled expression of strings.
    """

    def __init__(self, pattern: MountPath) -> None:
        self._expression: re.Pattern[str] | None = None
        self._segments: list[str] = []
        if isinstance(pattern, str):
            self._readPath(pattern)
        elif isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
            self._expression = pattern
        else:
            raise TypeError(
                "a path must be a string or a compiled expression of strings, "
                f"not {pattern!r}"
            )
        self._isAny = pattern == WILDCARD

    def _readPath(self, path: str) -> None:
        if path == WILDCARD:
            return
        if not path.startswith("/"):
            raise ValueError(f"a path must start with a slash, or be '*': {path!r}")
        self._segments = path[1:].split("/")
        for segment in self._segments:
            if not _PARAMETER.fullmatch(segment) and set(segment) & set("{}"):
                raise ValueError(
                    f"{segment!r} in {path!r}: a parameter is a whole segment such as "
                    "{room}, named with letters, digits and underscores, and no digit "
                    "first; for all else use a compiled expression"
                )
        names = [name[1] for name in map(_PARAMETER.fullmatch, self._segments) if name]
        if len(set(names)) < len(names):
            raise ValueError(f"a parameter is there twice: {path!r}")

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """
        What the path's parameters are, by their names, if the path fits at all.

        The groups of an expression without a name have their number for one. Groups
        that took no part are not there.
        """
        if self._isAny:
            return {}
        if self._expression is not None:
            return self._matchExpression(segments)
        if len(segments) != len(self._segments):
            return None
        found = {}
        for wanted, segment in zip(self._segments, segments, strict=True):
            name = _PARAMETER.fullmatch(wanted)
            if name is not None and segment:
                found[name[1]] = segment
            elif wanted != segment:
                return None
        return found

    def _matchExpression(self, segments: Sequence[str]) -> dict[str, str] | None:
        expression = self._expression
        inside = [segment.replace("/", _INNER_SLASH) for segment in segments]
        path = "/" + "/".join(inside)
        matched = None if expression is None else expression.fullmatch(path)
        if expression is None or matched is None:
            return None
        names = {number: name for name, number in expression.groupindex.items()}
        return {
            names.get(number, str(number)): text.replace(_INNER_SLASH, "/")
            for number, text in enumerate(matched.groups(), 1)
            if text is not None
        }
