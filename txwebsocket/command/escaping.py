# -*- test-case-name: tests.command.test_escaping -*-
# Part of txwebsocket. See LICENSE for details.
"""
How messages look on a terminal, which must not obey what a stranger sends.
"""

from __future__ import annotations

from unicodedata import category, combining, east_asian_width

_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# They join letters and emoji, and do nothing else.
_JOINERS = "\u200c\u200d"
_NO_WIDTH = {"Mn", "Me", "Cf"}
_BYTES_IN_ROW = 16
_ROWS = 16


class _Harmless(dict[int, str]):
    """
    For ``str.translate``: what stands for each character.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        isObeyed = category(character) in _OBEYED
        shown = character.encode("unicode_escape").decode() if isObeyed else character
        self[code] = shown
        return shown


_TO_HARMLESS = _Harmless({ord(each): each for each in "\n\t" + _JOINERS})


def escapeControls(text: str) -> str:
    """
    A text with all that a terminal would obey made visible: ``ESC`` as its escape
    sequence in Python, for example. Line ends and tabs stay.
    """
    return text if text.isprintable() else text.translate(_TO_HARMLESS)


def indented(text: str, prefix: str) -> str:
    """
    A text behind a prefix, and its further lines below it, so that none of them looks
    like something else.
    """
    return prefix + text.replace("\n", "\n" + " " * len(prefix))


def quoted(text: str) -> str:
    """
    A server's text with a bar before each of its lines, so that none of them looks like
    a note of ours.
    """
    return "\n".join(f"| {line}" for line in text.split("\n"))


def hexDump(data: bytes) -> str:
    """
    The first 256 bytes in rows of 16, as numbers and as ASCII.
    """
    starts = range(0, min(len(data), _BYTES_IN_ROW * _ROWS), _BYTES_IN_ROW)
    rows = [_row(start, data[start : start + _BYTES_IN_ROW]) for start in starts]
    left = len(data) - _BYTES_IN_ROW * _ROWS
    if left > 0:
        rows.append(f"and {left} more")
    return "\n".join(rows)


def _row(start: int, part: bytes) -> str:
    letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
    return f"{start:04x}  {part.hex(' '):<47}  {letters}"


def widthOf(character: str) -> int:
    """
    The cells that a harmless character takes on a terminal.
    """
    if combining(character) or category(character) in _NO_WIDTH:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
