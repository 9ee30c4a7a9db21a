# -*- test-case-name: tests.command.test_keys -*-
# Part of txwebsocket. See LICENSE for details.
"""
What a terminal sends when keys are pressed.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from enum import Enum, auto
from typing import TypeAlias


class Key(Enum):
    """
    What a key, or a combination of keys, asks for.
    """

    ENTER = auto()
    INTERRUPT = auto()
    END_OF_INPUT = auto()
    CLEAR_SCREEN = auto()
    LEFT = auto()
    RIGHT = auto()
    WORD_LEFT = auto()
    WORD_RIGHT = auto()
    HOME = auto()
    END = auto()
    UP = auto()
    DOWN = auto()
    BACKSPACE = auto()
    DELETE = auto()
    CUT_WORD = auto()
    CUT_NEXT_WORD = auto()
    CUT_TO_START = auto()
    CUT_TO_END = auto()
    PASTE = auto()


Typed: TypeAlias = str | Key
"""
Text that was typed or pasted, or a key that asks for something.
"""

_KEYS = {
    "\r": Key.ENTER,
    "\n": Key.ENTER,
    "\x01": Key.HOME,
    "\x02": Key.LEFT,
    "\x03": Key.INTERRUPT,
    "\x04": Key.END_OF_INPUT,
    "\x05": Key.END,
    "\x06": Key.RIGHT,
    "\x08": Key.BACKSPACE,
    "\x0b": Key.CUT_TO_END,
    "\x0c": Key.CLEAR_SCREEN,
    "\x0e": Key.DOWN,
    "\x10": Key.UP,
    "\x15": Key.CUT_TO_START,
    "\x17": Key.CUT_WORD,
    "\x19": Key.PASTE,
    "\x7f": Key.BACKSPACE,
    "\x1b\x7f": Key.CUT_WORD,
    "\x1bb": Key.WORD_LEFT,
    "\x1bd": Key.CUT_NEXT_WORD,
    "\x1bf": Key.WORD_RIGHT,
    "\x1b[1~": Key.HOME,
    "\x1b[3~": Key.DELETE,
    "\x1b[4~": Key.END,
    "\x1b[7~": Key.HOME,
    "\x1b[8~": Key.END,
    "\x1b[1;3C": Key.WORD_RIGHT,
    "\x1b[1;3D": Key.WORD_LEFT,
    "\x1b[1;5C": Key.WORD_RIGHT,
    "\x1b[1;5D": Key.WORD_LEFT,
    **{
        introducer + final: key
        # Which of the two depends on a mode of the terminal that others may have set.
        for introducer in ("\x1b[", "\x1bO")
        for final, key in {
            "A": Key.UP,
            "B": Key.DOWN,
            "C": Key.RIGHT,
            "D": Key.LEFT,
            "F": Key.END,
            "H": Key.HOME,
        }.items()
    },
}

_PASTE_BEGINS = "\x1b[200~"
_PASTE_ENDS = "\x1b[201~"

_PIECES = re.compile(
    r"""
    (?P<text> [^\x00-\x1f\x7f]+ )
    | (?P<sequence> \x1b (?: \[ [0-?]* [ -/]* [@-~] | O [@-~] | [^\[O\x1b] ) )
    # A sequence that has only begun, and what has to follow is not there yet.
    | (?P<begun> \x1b (?: \[ [0-?]{0,16} [ -/]{0,16} | O )? \Z )
    | (?P<control> . )
    """,
    re.VERBOSE | re.DOTALL,
)


class KeyReader:
    """
    Cut what a terminal sends into text and keys, however it arrives.

    Text between the marks of a bracketed paste is text, line ends included.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self._decoder = getincrementaldecoder(encoding)(errors="replace")
        self._begun = ""
        self._isPasting = False

    def feed(self, data: bytes) -> list[Typed]:
        """
        Take what the terminal sent; return what it means, in order.
        """
        text = self._begun + self._decoder.decode(data)
        self._begun = ""
        return list(self._read(text))

    def _read(self, text: str) -> Iterator[Typed]:
        for found in _PIECES.finditer(text):
            piece = found[0]
            if found.lastgroup == "begun":
                self._begun = piece
            elif piece in (_PASTE_BEGINS, _PASTE_ENDS):
                self._isPasting = piece == _PASTE_BEGINS
            elif found.lastgroup == "text" or piece == "\t":
                yield piece
            elif self._isPasting:
                if piece in "\r\n":
                    yield "\n"
            elif piece in _KEYS:
                yield _KEYS[piece]
