# Part of txwebsocket. See LICENSE for details.
"""
Tests of editing a line.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.command.editor import LineEditor
from txwebsocket.command.keys import Key, Typed


class EditingTests(SynchronousTestCase):
    """
    Tests of what keys do to a line.
    """

    def edited(self, *typed: Typed) -> str:
        """
        Type; return the line with a bar where the cursor is.
        """
        editor = LineEditor()
        for each in typed:
            self.assertIsNone(editor.press(each))
        return f"{editor.text[: editor.cursor]}|{editor.text[editor.cursor :]}"

    def test_insert(self) -> None:
        """
        Text is put where the cursor is.
        """
        self.assertEqual(self.edited("ac", Key.LEFT, "b"), "ab|c")
        self.assertEqual(self.edited("bc", Key.HOME, "a", Key.END, "d"), "abcd|")

    def test_move(self) -> None:
        """
        The cursor stays within the line.
        """
        self.assertEqual(self.edited("a", Key.RIGHT), "a|")
        self.assertEqual(self.edited("a", Key.LEFT, Key.LEFT), "|a")
        self.assertEqual(self.edited("ab", Key.HOME, Key.RIGHT), "a|b")

    def test_words(self) -> None:
        """
        It moves by words, too.
        """
        line = "one, two-three"
        self.assertEqual(self.edited(line, Key.WORD_LEFT), "one, two-|three")
        self.assertEqual(self.edited(line, *[Key.WORD_LEFT] * 3), "|one, two-three")
        self.assertEqual(self.edited(line, *[Key.WORD_LEFT] * 4), "|one, two-three")
        self.assertEqual(self.edited(line, Key.HOME, Key.WORD_RIGHT), "one|, two-three")
        self.assertEqual(
            self.edited(line, Key.HOME, *[Key.WORD_RIGHT] * 4), "one, two-three|"
        )

    def test_remove(self) -> None:
        """
        A letter goes on either side; Ctrl-D takes the one to the right.
        """
        self.assertEqual(self.edited("abc", Key.BACKSPACE), "ab|")
        self.assertEqual(self.edited("abc", Key.HOME, Key.BACKSPACE), "|abc")
        self.assertEqual(self.edited("abc", Key.HOME, Key.DELETE), "|bc")
        self.assertEqual(self.edited("abc", Key.HOME, Key.END_OF_INPUT), "|bc")
        self.assertEqual(self.edited("abc", Key.DELETE), "abc|")

    def test_accents(self) -> None:
        """
        A letter and its accents are one.
        """
        self.assertEqual(self.edited("xe\u0301", Key.BACKSPACE), "x|")
        self.assertEqual(
            self.edited("xe\u0301\u0323", Key.LEFT, "-"), "x-|e\u0301\u0323"
        )
        self.assertEqual(self.edited("e\u0301x", Key.HOME, Key.RIGHT), "e\u0301|x")

    def test_cut(self) -> None:
        """
        More can be cut out, and put back elsewhere.
        """
        line = "one two"
        self.assertEqual(self.edited(line, Key.CUT_WORD), "one |")
        self.assertEqual(self.edited(line, Key.HOME, Key.CUT_NEXT_WORD), "| two")
        self.assertEqual(self.edited(line, Key.WORD_LEFT, Key.CUT_TO_START), "|two")
        self.assertEqual(self.edited(line, Key.WORD_LEFT, Key.CUT_TO_END), "one |")
        self.assertEqual(
            self.edited(line, Key.CUT_WORD, Key.HOME, Key.PASTE), "two|one "
        )
        self.assertEqual(
            self.edited("a", Key.CUT_WORD, Key.CUT_WORD, Key.PASTE, Key.PASTE), "aa|"
        )

    def test_elsewhere(self) -> None:
        """
        Keys that concern no line do nothing to it.
        """
        self.assertEqual(self.edited("ab", Key.CLEAR_SCREEN, Key.INTERRUPT), "ab|")


class HistoryTests(SynchronousTestCase):
    """
    Tests of the lines typed before.
    """

    def setUp(self) -> None:
        self.editor = LineEditor()

    def type(self, *lines: str) -> None:
        """
        Type whole lines.
        """
        for line in lines:
            self.editor.press(line)
            self.assertEqual(self.editor.press(Key.ENTER), line)
            self.assertEqual((self.editor.text, self.editor.cursor), ("", 0))

    def press(self, *keys: Key) -> str:
        """
        Press keys; return the line, with the cursor behind it.
        """
        for key in keys:
            self.editor.press(key)
        self.assertEqual(self.editor.cursor, len(self.editor.text))
        return self.editor.text

    def test_recall(self) -> None:
        """
        They come back, the last one first.
        """
        self.type("one", "two")
        self.assertEqual(self.press(Key.UP), "two")
        self.assertEqual(self.press(Key.UP), "one")
        self.assertEqual(self.press(Key.UP), "one")
        self.assertEqual(self.press(Key.DOWN), "two")
        self.assertEqual(self.press(Key.DOWN), "")
        self.assertEqual(self.press(Key.DOWN), "")

    def test_draft(self) -> None:
        """
        The line that was being typed is not lost meanwhile.
        """
        self.type("one")
        self.editor.press("draft")
        self.assertEqual(self.press(Key.UP, Key.DOWN), "draft")

    def test_again(self) -> None:
        """
        What is sent again, or empty, is not remembered again.
        """
        self.type("one", "one", "", "two", "one")
        self.assertEqual(self.press(Key.UP, Key.UP), "two")
        self.assertEqual(self.press(Key.UP, Key.UP), "one")

    def test_change(self) -> None:
        """
        An old line can be changed and sent; the next one starts afresh.
        """
        self.type("one", "two")
        self.press(Key.UP, Key.UP)
        self.editor.press("!")
        self.assertEqual(self.editor.press(Key.ENTER), "one!")
        self.assertEqual(self.press(Key.UP), "one!")
        self.assertEqual(self.press(Key.UP, Key.UP), "one")

    def test_bound(self) -> None:
        """
        Five hundred are remembered.
        """
        self.type(*map(str, range(600)))
        self.assertEqual(self.press(*[Key.UP] * 1000), "101")


class ViewTests(SynchronousTestCase):
    """
    Tests of what is shown of a line.
    """

    def view(self, text: str, cursor: int, width: int) -> tuple[str, int]:
        """
        What is shown of a line with the cursor somewhere.
        """
        editor = LineEditor()
        editor.press(text)
        editor.cursor = cursor
        return editor.view(width)

    def test_short(self) -> None:
        """
        A line that fits is shown whole.
        """
        self.assertEqual(self.view("abc", 1, 10), ("abc", 1))
        self.assertEqual(self.view("", 0, 10), ("", 0))

    def test_long(self) -> None:
        """
        Of a longer one the part around the cursor is shown, which has a cell for
        itself.
        """
        self.assertEqual(self.view("abcdef", 6, 4), ("def", 3))
        self.assertEqual(self.view("abcdef", 5, 4), ("cdef", 3))
        self.assertEqual(self.view("abcdef", 0, 4), ("abcd", 0))

    def test_fits(self) -> None:
        """
        Whatever is typed, it never takes more cells than there are.
        """
        for text in (
            "abcdef",
            "日本語日本語",
            "a日b本c語",
            "\x1b[A\x1b[B",
            "e\u0301" * 6,
        ):
            for cursor in range(len(text) + 1):
                for width in range(4, 9):
                    shown, column = self.view(text, cursor, width)
                    cells = sum(2 if each in "日本語" else 1 for each in shown)
                    cells -= shown.count("\u0301")
                    self.assertLessEqual(cells, width)
                    self.assertLess(column, width)

    def test_wide(self) -> None:
        """
        The cursor stands behind the cells that characters really take.
        """
        self.assertEqual(self.view("日本x", 2, 10), ("日本x", 4))

    def test_harmless(self) -> None:
        """
        One row stays one row, and what was pasted can't drive the terminal.
        """
        self.assertEqual(self.view("a\nb\tc", 5, 10), ("a b c", 5))
        self.assertEqual(self.view("\x9b", 1, 10), ("\\x9b", 4))
