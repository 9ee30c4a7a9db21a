# Part of txwebsocket. See LICENSE for details.
"""
Tests of reading what a terminal sends.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from txwebsocket.command.keys import Key, KeyReader, Typed


def joined(typed: list[Typed]) -> list[Typed]:
    """
    The same, with texts that follow each other as one.
    """
    result: list[Typed] = []
    for each in typed:
        if isinstance(each, str) and result and isinstance(result[-1], str):
            result[-1] += each
        else:
            result.append(each)
    return result


class KeyReaderTests(SynchronousTestCase):
    """
    Tests of :class:`KeyReader`.
    """

    def assertReads(self, data: bytes, expected: list[Typed]) -> None:
        """
        Check what some bytes mean, however they arrive.
        """
        for each in everySplit(data):
            reader = KeyReader()
            read = [typed for piece in each for typed in reader.feed(piece)]
            self.assertEqual(joined(read), expected, each)

    def test_text(self) -> None:
        """
        Letters are text, whatever their bytes, and so is a tab.
        """
        self.assertReads(
            "wörld\t\U0001f600 \u65e5".encode(), ["wörld\t\U0001f600 \u65e5"]
        )

    def test_invalid(self) -> None:
        """
        What is no UTF-8 stops nothing.
        """
        self.assertReads(b"a\xffb\r", ["a\N{REPLACEMENT CHARACTER}b", Key.ENTER])

    def test_encoding(self) -> None:
        """
        A terminal may use another encoding.
        """
        self.assertEqual(KeyReader("latin-1").feed(b"\xe4"), ["ä"])

    def test_keys(self) -> None:
        """
        Keys are known by what xterm, the Linux console and others send for them, and by
        the combinations that people know from their shell.
        """
        for key, sequences in {
            Key.ENTER: (b"\r", b"\n"),
            Key.INTERRUPT: (b"\x03",),
            Key.END_OF_INPUT: (b"\x04",),
            Key.CLEAR_SCREEN: (b"\x0c",),
            Key.UP: (b"\x1b[A", b"\x1bOA", b"\x10"),
            Key.DOWN: (b"\x1b[B", b"\x1bOB", b"\x0e"),
            Key.RIGHT: (b"\x1b[C", b"\x1bOC", b"\x06"),
            Key.LEFT: (b"\x1b[D", b"\x1bOD", b"\x02"),
            Key.HOME: (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~", b"\x01"),
            Key.END: (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~", b"\x05"),
            Key.WORD_LEFT: (b"\x1bb", b"\x1b[1;5D", b"\x1b[1;3D"),
            Key.WORD_RIGHT: (b"\x1bf", b"\x1b[1;5C", b"\x1b[1;3C"),
            Key.BACKSPACE: (b"\x7f", b"\x08"),
            Key.DELETE: (b"\x1b[3~",),
            Key.CUT_WORD: (b"\x17", b"\x1b\x7f"),
            Key.CUT_NEXT_WORD: (b"\x1bd",),
            Key.CUT_TO_START: (b"\x15",),
            Key.CUT_TO_END: (b"\x0b",),
            Key.PASTE: (b"\x19",),
        }.items():
            for sequence in sequences:
                self.assertReads(b"a" + sequence + b"b", ["a", key, "b"])

    def test_unknown(self) -> None:
        """
        Keys without a meaning here do nothing, and leave no trace in the line.
        """
        for sequence in (b"\x1b[15~", b"\x1bx", b"\x1b[1;2P", b"\x00", b"\x1bOP"):
            self.assertReads(b"a" + sequence + b"b", ["ab"])

    def test_escape(self) -> None:
        """
        The escape key alone takes nothing away from the key after it.
        """
        self.assertReads(b"\x1b\x1b[A", [Key.UP])

    def test_endless(self) -> None:
        """
        A sequence that never ends is not waited for.
        """
        reader = KeyReader()
        reader.feed(b"\x1b[" + b"0" * 100)
        self.assertEqual(reader.feed(b"\r"), [Key.ENTER])

    def test_paste(self) -> None:
        """
        What is pasted is text with all its lines; keys count again after it.
        """
        self.assertReads(
            b"\x1b[200~{\r\n\t1\x03\n}\x1b[201~\r", ["{\n\n\t1\n}", Key.ENTER]
        )
