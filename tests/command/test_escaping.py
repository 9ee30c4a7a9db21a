# Part of txwebsocket. See LICENSE for details.
"""
Tests of how messages look on a terminal.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.command.escaping import escapeControls, hexDump, indented, widthOf


class HarmlessTests(SynchronousTestCase):
    """
    Tests of what a terminal is not made to do.
    """

    def test_controls(self) -> None:
        """
        No server can drive the terminal: what it would obey is shown as an escape.
        """
        for code in [*range(32), *range(127, 160)]:
            character = chr(code)
            if character in "\n\t":
                continue
            self.assertEqual(
                escapeControls(f"a{character}b"),
                f"a\\x{code:02x}b".replace("\\x0d", "\\r"),
            )

    def test_directions(self) -> None:
        """
        No text can turn around what stands beside it, or hide.
        """
        for character in "\u202e\u2066\u200f\u2028\u2029\ufeff\ud800\u00ad":
            shown = escapeControls(character)
            self.assertTrue(shown.startswith("\\"), ascii(character))
            self.assertTrue(shown.isascii(), ascii(character))

    def test_letters(self) -> None:
        """
        All else stays as it is: letters of every script, emoji with their joiners,
        spaces, line ends and tabs.
        """
        for text in (
            "plain",
            "wörld \u65e5\u672c",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "a\u00a0b\u3000c",
            "one\n\ttwo",
            "e\u0301",
            "back\\slash",
            "",
        ):
            self.assertEqual(escapeControls(text), text)

    def test_indented(self) -> None:
        """
        Further lines stand below the first, so that a message can't look like two.
        """
        self.assertEqual(indented("a\n< b\n", "< "), "< a\n  < b\n  ")


class HexDumpTests(SynchronousTestCase):
    """
    Tests of bytes for people.
    """

    def test_row(self) -> None:
        """
        Bytes are shown as numbers and, where they are some, as letters.
        """
        self.assertEqual(
            hexDump(b"AZ \x00\x7f\xff~"),
            "0000  41 5a 20 00 7f ff 7e" + " " * 29 + "AZ ...~",
        )

    def test_rows(self) -> None:
        """
        There are sixteen in a row, and the rows say where they begin.
        """
        rows = hexDump(b"x" * 33).splitlines()
        self.assertEqual([row[:4] for row in rows], ["0000", "0010", "0020"])
        self.assertEqual([row[55:] for row in rows], ["x" * 16, "x" * 16, "x"])

    def test_many(self) -> None:
        """
        A large message does not flood the screen: how much is left is told.
        """
        self.assertEqual(len(hexDump(bytes(256)).splitlines()), 16)
        rows = hexDump(bytes(300)).splitlines()
        self.assertEqual(len(rows), 17)
        self.assertEqual(rows[-1], "and 44 more")

    def test_none(self) -> None:
        """
        An empty message has no rows.
        """
        self.assertEqual(hexDump(b""), "")


class WidthTests(SynchronousTestCase):
    """
    Tests of the cells that characters take.
    """

    def test_widths(self) -> None:
        """
        Most take one, those of East Asia and emoji two, accents and joiners none.
        """
        for character, width in (
            ("a", 1),
            ("ä", 1),
            ("\u65e5", 2),
            ("\U0001f600", 2),
            ("\u0301", 0),
            ("\u200d", 0),
        ):
            self.assertEqual(widthOf(character), width, ascii(character))
