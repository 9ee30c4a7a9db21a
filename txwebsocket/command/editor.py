# -*- test-case-name: tests.command.test_editor -*-
# Part of txwebsocket. See LICENSE for details.
"""
The line that is being typed, and those typed before.
"""

from __future__ import annotations

import re
from unicodedata import combining

from txwebsocket.command.escaping import escapeControls, widthOf
from txwebsocket.command.keys import Key, Typed

_REMEMBERED = 500
_WORD = re.compile(r"\w+")


class LineEditor:
    """
    A line, a cursor and a history, moved by keys as in other line editors.

    :ivar text: the line as it stands.
    :ivar cursor: how many of its characters stand left of the cursor.
    """

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self._cut = ""
        # The last one is the line that is being typed.
        self._history = [""]
        self._position = 0
        self._actions = {
            Key.LEFT: lambda: self._moveTo(self._clientDisconnected()),
            Key.RIGHT: lambda: self._moveTo(self._right()),
            Key.WORD_LEFT: lambda: self._moveTo(self._wordLeft()),
            Key.WORD_RIGHT: lambda: self._moveTo(self._wordRight()),
            Key.HOME: lambda: self._moveTo(0),
            Key.END: lambda: self._moveTo(len(self.text)),
            Key.UP: lambda: self._recall(-1),
            Key.DOWN: lambda: self._recall(+1),
            Key.BACKSPACE: lambda: self._remove(
                self._clientDisconnected(), self.cursor
            ),
            Key.DELETE: lambda: self._remove(self.cursor, self._right()),
            Key.END_OF_INPUT: lambda: self._remove(self.cursor, self._right()),
            Key.CUT_WORD: lambda: self._cutOut(self._wordLeft(), self.cursor),
            Key.CUT_NEXT_WORD: lambda: self._cutOut(self.cursor, self._wordRight()),
            Key.CUT_TO_START: lambda: self._cutOut(0, self.cursor),
            Key.CUT_TO_END: lambda: self._cutOut(self.cursor, len(self.text)),
            Key.PASTE: lambda: self._insert(self._cut),
        }

    def press(self, typed: Typed) -> str | None:
        """
        Do what a key asks for.

        :return: the line, when it is finished; a new one has begun then.
        """
        if typed is Key.ENTER:
            return self._finish()
        if isinstance(typed, str):
            self._insert(typed)
        elif typed in self._actions:
            self._actions[typed]()
        return None

    def view(self, width: int) -> tuple[str, int]:
        """
        The part of the line around the cursor, as it fits on one row.

        :param width: the cells that there are.
        :return: what to show, and in which of its cells the cursor stands.
        """
        # The cursor needs a cell of its own.
        before = _fitting(self.text[: self.cursor][-width:][::-1], width - 1)
        column = sum(cells for _, cells in before)
        after = _fitting(self.text[self.cursor :][:width], width - column)
        return "".join(shown for shown, _ in before[::-1] + after), column

    def _finish(self) -> str:
        text = self.text
        if text and self._history[-2:-1] != [text]:
            self._history[-1:] = [text, ""]
            del self._history[:-_REMEMBERED]
        self._history[-1] = ""
        self._position = len(self._history) - 1
        self.text = ""
        self.cursor = 0
        return text

    def _insert(self, text: str) -> None:
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)

    def _remove(self, start: int, end: int) -> str:
        removed = self.text[start:end]
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start
        return removed

    def _cutOut(self, start: int, end: int) -> None:
        self._cut = self._remove(start, end) or self._cut

    def _recall(self, step: int) -> None:
        position = self._position + step
        if not 0 <= position < len(self._history):
            return
        if self._position == len(self._history) - 1:
            self._history[-1] = self.text
        self._position = position
        self.text = self._history[position]
        self.cursor = len(self.text)

    def _moveTo(self, cursor: int) -> None:
        self.cursor = cursor

    def _clientDisconnected(self) -> int:
        """
        The end of what is left of the cursor without its last letter, accents included.
        """
        position = max(self.cursor - 1, 0)
        while position and combining(self.text[position]):
            position -= 1
        return position

    def _right(self) -> int:
        position = min(self.cursor + 1, len(self.text))
        while position < len(self.text) and combining(self.text[position]):
            position += 1
        return position

    def _wordLeft(self) -> int:
        words = list(_WORD.finditer(self.text, 0, self.cursor))
        return words[-1].start() if words else 0

    def _wordRight(self) -> int:
        word = _WORD.search(self.text, self.cursor)
        return word.end() if word else len(self.text)


def _fitting(text: str, width: int) -> list[tuple[str, int]]:
    """
    The first characters of a text, as far as they fit, with the cells of each.
    """
    cells = []
    for character in text:
        shown = " " if character in "\n\t" else escapeControls(character)
        size = widthOf(shown) if len(shown) == 1 else len(shown)
        width -= size
        if width < 0:
            break
        cells.append((shown, size))
    return cells
