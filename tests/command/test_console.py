# Part of txwebsocket. See LICENSE for details.
"""
Tests of terminals and pipes, in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from tests.support.fakes import Editing, Screen, Sink, Source
from tests.support.splits import everySplit
from txwebsocket.command.console import BadInput, Pipes, Terminal


class TerminalTests(SynchronousTestCase):
    """
    Tests of :class:`Terminal`.
    """

    def setUp(self) -> None:
        self.source = Source()
        self.sink = Sink()
        self.editing = Editing()
        self.terminal: Any = Terminal(self.source, self.sink, self.editing)

    def assertScreen(self, *rows: str) -> None:
        """
        Check what stands on the screen.
        """
        self.assertEqual(Screen(self.sink.written).rows, list(rows))

    def test_line(self) -> None:
        """
        A line that is typed can be seen, and is there when it is finished.
        """
        self.terminal.start()
        line = self.terminal.nextInput()
        self.source.give(b"hel")
        self.source.give(b"lo")
        self.assertScreen("> hello")
        self.assertNoResult(line)
        self.source.give(b"\r")
        self.assertEqual(self.successResultOf(line), "hello")
        self.assertScreen("> hello", ">")

    def test_ahead(self) -> None:
        """
        Lines typed ahead wait.
        """
        self.terminal.start()
        self.source.give(b"one\rtwo\rth")
        self.assertEqual(self.successResultOf(self.terminal.nextInput()), "one")
        self.assertEqual(self.successResultOf(self.terminal.nextInput()), "two")
        self.assertScreen("> one", "> two", "> th")

    def test_message(self) -> None:
        """
        A message that arrives stands above the line that is being typed, which stays
        as it is, with the cursor in its place.
        """
        self.terminal.start()
        self.source.give(b"half a li\x02\x02")
        self.terminal.show("news")
        self.assertScreen("< news", "> half a li")
        self.assertEqual(Screen(self.sink.written).cursor, len("> half a "))
        self.source.give(b"\x05ne")
        self.assertScreen("< news", "> half a line")

    def test_harmless(self) -> None:
        """
        No message can drive the terminal, or look like two.
        """
        self.terminal.start()
        self.terminal.show("\x1b[2Jone\n< two\r")
        self.assertScreen("< \\x1b[2Jone", "  < two\\r", ">")

    def test_binary(self) -> None:
        """
        Bytes are shown as such.
        """
        self.terminal.start()
        self.terminal.show(b"\x00A")
        self.terminal.show(b"\xff")
        self.terminal.show(b"")
        self.assertScreen(
            "< 2 bytes of binary",
            f"  0000  00 41{' ' * 44}.A",
            "< 1 byte of binary",
            f"  0000  ff{' ' * 47}.",
            "< 0 bytes of binary",
            ">",
        )

    def test_note(self) -> None:
        """
        What is no message looks different, also before and after the line can be typed.
        """
        self.terminal.note("before")
        self.terminal.start()
        self.terminal.note("meanwhile\nand on")
        self.terminal.finish()
        self.terminal.note("after")
        self.assertScreen("* before", "* meanwhile", "  and on", "* after", "")

    def test_long(self) -> None:
        """
        A line longer than the screen is wide keeps to its row while it is typed, and is
        printed whole in the end.
        """
        self.editing.width = 13
        self.terminal.start()
        self.source.give(b"abcdefghijklmnop")
        self.assertScreen("> hijklmnop")
        self.source.give(b"\r")
        self.assertScreen("> abcdefghijklmnop", ">")

    def test_narrow(self) -> None:
        """
        Even where there is no room there is some.
        """
        self.editing.width = 0
        self.terminal.start()
        self.source.give(b"abcdef")
        self.assertScreen("> def")

    def test_endOfInput(self) -> None:
        """
        Ctrl-D ends the input if nothing is typed, and else removes a letter.
        """
        self.terminal.start()
        self.source.give(b"ab\x01\x04")
        self.assertScreen("> b")
        line = self.terminal.nextInput()
        self.assertNoResult(line)
        self.source.give(b"\x04\x04")
        self.assertIsNone(self.successResultOf(line))

    def test_hangUp(self) -> None:
        """
        So does the end of the terminal.
        """
        self.terminal.start()
        self.source.give(b"abc")
        self.source.end()
        self.assertIsNone(self.successResultOf(self.terminal.nextInput()))

    def test_interrupt(self) -> None:
        """
        Ctrl-C is told of, whatever is typed.
        """
        interrupts: list[None] = []
        self.terminal.onInterrupt = lambda: interrupts.append(None)
        self.terminal.start()
        self.source.give(b"ab\x03")
        self.assertEqual(len(interrupts), 1)

    def test_clear(self) -> None:
        """
        Ctrl-L clears the screen, and leaves the line.
        """
        self.terminal.start()
        self.terminal.show("old")
        self.source.give(b"line\x0c")
        self.assertScreen("> line")

    def test_settings(self) -> None:
        """
        The terminal's settings are changed from the start to the end only.
        """
        self.terminal.redraw()
        self.terminal.resume()
        self.assertEqual(self.editing.calls, [])
        self.assertEqual(self.sink.written, b"")
        self.terminal.start()
        self.assertEqual(self.editing.calls, ["enter"])
        self.source.give(b"line")
        self.successResultOf(self.terminal.finish())
        self.terminal.finish()
        self.terminal.resume()
        self.assertEqual(self.editing.calls, ["enter", "leave"])
        self.assertScreen("")

    def test_resume(self) -> None:
        """
        After a suspension the settings are changed anew, and the line is back.
        """
        self.terminal.start()
        self.source.give(b"line")
        self.sink.written = b"$ fg\n"
        self.terminal.resume()
        self.assertEqual(self.editing.calls, ["enter", "enter"])
        self.assertScreen("$ fg", "> line")

    def test_pasteMarks(self) -> None:
        """
        The terminal is asked to mark what is pasted, for as long as we run; lines
        pasted together are one message.
        """
        self.terminal.start()
        self.assertIn(b"\x1b[?2004h", self.sink.written)
        self.source.give(b"\x1b[200~{\r}\x1b[201~\r")
        self.assertEqual(self.successResultOf(self.terminal.nextInput()), "{\n}")
        self.assertScreen("> {", "  }", ">")
        self.terminal.finish()
        self.assertIn(b"\x1b[?2004l", self.sink.written)

    def test_slow(self) -> None:
        """
        A terminal that is stopped makes the messages wait.
        """
        self.sink.isSlow = True
        shown = self.terminal.show("news")
        self.assertNoResult(shown)
        self.sink.take()
        self.successResultOf(shown)

    def test_encoding(self) -> None:
        """
        What a terminal has no letter for is shown as an escape.
        """
        terminal: Any = Terminal(self.source, self.sink, self.editing, "latin-1")
        terminal.note("ä\u65e5")
        self.assertEqual(self.sink.written, b"* \xe4\\u65e5\n")


class PipesTests(SynchronousTestCase):
    """
    Tests of :class:`Pipes`.
    """

    def setUp(self) -> None:
        self.source = Source()
        self.sink = Sink()
        self.notes: list[str] = []

    def pipes(self, **options: Any) -> Any:
        """
        The console of some options.
        """
        return Pipes(self.source, self.sink, self.notes.append, **options)

    def assertInput(
        self, data: bytes, expected: list[str | bytes], **options: Any
    ) -> None:
        """
        Check which messages standard input has, however it arrives.
        """
        for pieces in everySplit(data):
            self.source = Source(*pieces, b"")
            pipes = self.pipes(**options)
            found = []
            while (message := self.successResultOf(pipes.nextInput())) is not None:
                found.append(message)
            self.assertEqual(found, expected, pieces)
            self.assertIsNone(self.successResultOf(pipes.nextInput()))

    def test_lines(self) -> None:
        """
        Each line is a message, an empty one too, and the last one needs no end.
        """
        self.assertInput(
            "one\nzw\u00f6lf\n\nlast".encode(), ["one", "zwölf", "", "last"]
        )
        self.assertInput(b"one\n", ["one"])
        self.assertInput(b"\n", [""])
        self.assertInput(b"one\r\n", ["one\r"])

    def test_nothing(self) -> None:
        """
        Nothing at all is no message.
        """
        self.source = Source(b"")
        self.assertIsNone(self.successResultOf(self.pipes().nextInput()))
        self.source = Source(b"")
        self.assertIsNone(self.successResultOf(self.pipes(isWhole=True).nextInput()))

    def test_delimiter(self) -> None:
        """
        With null bytes between them, messages may have several lines.
        """
        self.assertInput(b"a\nb\0c", ["a\nb", "c"], delimiter=b"\0")

    def test_binary(self) -> None:
        """
        Bytes are taken as they are.
        """
        self.assertInput(b"\xff\x00\n\r\n", [b"\xff\x00", b"\r"], isBinary=True)

    def test_whole(self) -> None:
        """
        All of it can be one message, to the last line end.
        """
        self.assertInput(b"a\n\nb\n", ["a\n\nb\n"], isWhole=True)
        self.assertInput(b"\x00\n\xff", [b"\x00\n\xff"], isWhole=True, isBinary=True)

    def test_invalid(self) -> None:
        """
        What is no text is not sent: which message it is, and what would help, is told.
        """
        self.source = Source(b"one\n\xff\nthree\n", b"")
        pipes = self.pipes()
        self.assertEqual(self.successResultOf(pipes.nextInput()), "one")
        failure = self.failureResultOf(pipes.nextInput(), BadInput)
        self.assertIn("message 2", str(failure.value))
        self.assertIn("--binary", str(failure.value))

    def test_typed(self) -> None:
        """
        What a person types is text, since commands are.
        """
        self.assertInput(b"/ping\n", ["/ping"], isTyped=True, isBinary=True)

    def test_onDemand(self) -> None:
        """
        Nothing is read before it is wanted, so that whoever writes to us waits.
        """
        pipes = self.pipes()
        pipes.start()
        self.assertIsNone(self.source.asked)
        self.source.give(b"one\ntwo\n")
        self.assertEqual(self.successResultOf(pipes.nextInput()), "one")
        self.assertEqual(self.successResultOf(pipes.nextInput()), "two")
        self.assertIsNone(self.source.asked)

    def test_cancelled(self) -> None:
        """
        Who waits for input can stop waiting.
        """
        waiting = self.pipes().nextInput()
        self.assertNoResult(waiting)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)

    def test_show(self) -> None:
        """
        Messages are lines as they are; bytes are lines of hexadecimal digits.
        """
        pipes = self.pipes()
        self.assertIsNone(pipes.show("zwölf\x1b"))
        pipes.show(b"\x00\xffA")
        pipes.show("")
        self.assertEqual(self.sink.written, "zwölf\x1b\n00ff41\n\n".encode())

    def test_showBinary(self) -> None:
        """
        Where bytes are expected, they are written as they are, and nothing with them.
        """
        pipes = self.pipes(isBinary=True)
        pipes.show(b"\x00\xff")
        pipes.show(b"A")
        pipes.show("text")
        self.assertEqual(self.sink.written, b"\x00\xffAtext\n")

    def test_showDelimited(self) -> None:
        """
        The delimiter is the same both ways.
        """
        pipes = self.pipes(delimiter=b"\0")
        pipes.show("a\nb")
        pipes.show(b"\1")
        self.assertEqual(self.sink.written, b"a\nb\x0001\0")

    def test_shown(self) -> None:
        """
        If a terminal shows it, it is made harmless, and bytes are never written raw.
        """
        pipes = self.pipes(isShown=True, isBinary=True)
        pipes.show("\x1b]0;x\x07")
        pipes.show(b"\x1b")
        self.assertEqual(self.sink.written, b"\\x1b]0;x\\x07\n1b\n")

    def test_note(self) -> None:
        """
        What is no message does not go among them.
        """
        self.pipes().note("hello")
        self.assertEqual(self.notes, ["hello"])
        self.assertEqual(self.sink.written, b"")

    def test_slow(self) -> None:
        """
        Whoever reads us slowly is waited for, in the end as well.
        """
        self.sink.isSlow = True
        pipes = self.pipes()
        shown = pipes.show("news")
        finished = pipes.finish()
        self.assertNoResult(shown)
        self.assertNoResult(finished)
        self.sink.take()
        self.successResultOf(shown)
        self.successResultOf(finished)
