# Part of txwebsocket. See LICENSE for details.
"""
Tests of what can be typed.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Recorder
from txwebsocket import ConnectionClosed
from txwebsocket.command.commands import Commands
from txwebsocket.command.console import BadInput
from txwebsocket.testing import MemorySite


class CommandsTests(SynchronousTestCase):
    """
    Tests of :class:`Commands`.
    """

    def setUp(self) -> None:
        self.server = Recorder()
        self.site = MemorySite(lambda request: request.accept(application=self.server))
        self.connection = self.successResultOf(self.site.connect())
        self.notes: list[str] = []
        self.commands = Commands(self.connection, self.notes.append)

    def type(self, line: str) -> list[object]:
        """
        Type a line; return what the server gets.
        """
        self.server.told.clear()
        self.commands.execute(line)
        self.site.flush()
        return self.server.told

    def assertWrong(self, line: str, *words: str) -> None:
        """
        Check that a line makes no sense, and what is said of it.
        """
        with self.assertRaises(BadInput) as raised:
            self.commands.execute(line)
        for word in words:
            self.assertIn(word, str(raised.exception))
        self.site.flush()
        self.assertTrue(self.connection.connected)

    def test_message(self) -> None:
        """
        A line is a text message; an empty one is none, as it is typed by mistake.
        """
        self.assertEqual(self.type("hello  wörld "), [("text", "hello  wörld ")])
        self.assertEqual(self.type(""), [])

    def test_slash(self) -> None:
        """
        A message can begin with a slash, too.
        """
        self.assertEqual(self.type("//etc"), [("text", "/etc")])
        self.assertEqual(self.type("///"), [("text", "//")])
        self.assertEqual(self.type(" /etc"), [("text", " /etc")])

    def test_text(self) -> None:
        """
        ``/text`` sends text, whatever it is, and nothing as an empty message.
        """
        self.assertEqual(self.type("/text /etc"), [("text", "/etc")])
        self.assertEqual(self.type("/text"), [("text", "")])

    def test_binary(self) -> None:
        """
        ``/binary`` sends bytes, in digits with or without spaces.
        """
        self.assertEqual(self.type("/binary 00fF 41"), [("bytes", b"\x00\xffA")])
        self.assertEqual(self.type("/binary"), [("bytes", b"")])
        self.assertWrong("/binary 0", "/binary", "'0'", "hexadecimal")
        self.assertWrong("/binary xy", "'xy'")

    def test_ping(self) -> None:
        """
        ``/ping`` sends a ping, and tells how long the answer took.
        """
        self.commands.execute("/ping are you there")
        self.site.clock.advance(0.25)
        self.site.flush()
        self.assertIn(("ping", b"are you there"), self.server.told)
        self.assertEqual(self.notes, ["pong after 250.0 ms"])
        self.assertWrong("/ping " + "x" * 126, "/ping", "125")

    def test_pingUnanswered(self) -> None:
        """
        A ping that is not answered any more is no error of ours.
        """
        self.commands.execute("/ping")
        self.connection.drop(skipCloseFrame=True)
        self.site.flush()
        self.assertEqual(self.notes, [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_pong(self) -> None:
        """
        ``/pong`` sends a pong.
        """
        self.assertEqual(self.type("/pong hi"), [("pong", b"hi")])

    def test_close(self) -> None:
        """
        ``/close`` closes, with a code and a reason if there are some.
        """
        for line, code, reason in (
            ("/close", 1000, ""),
            ("/close 4001", 4001, ""),
            ("/close 3000 see you  later", 3000, "see you  later"),
        ):
            self.setUp()
            self.commands.execute(line)
            self.site.flush()
            report = self.connection.closeReport
            self.assertEqual((report.sentCode, report.sentReason), (code, reason))
            self.assertTrue(report.wasClean)

    def test_badClose(self) -> None:
        """
        What no close frame can have is told, and nothing is closed.
        """
        self.assertWrong("/close 999", "/close", "999", "1000")
        self.assertWrong("/close now", "'now'")
        self.assertWrong("/close \N{SUPERSCRIPT TWO}", "/close")
        self.assertWrong("/close 1000 " + "x" * 124, "123")

    def test_help(self) -> None:
        """
        ``/help`` names all commands.
        """
        self.assertEqual(self.type("/help"), [])
        for command in ("text", "binary", "ping", "pong", "close", "help", "/..."):
            self.assertIn(f"/{command}", self.notes[0])

    def test_unknown(self) -> None:
        """
        A command that there is not is no message: it says how to send it as one.
        """
        self.assertWrong("/pings", "/pings", "/help", "two")
        self.assertWrong("/", "/help")
        self.assertEqual(self.server.messages, [])

    def test_late(self) -> None:
        """
        After the end nothing can be sent, and that is the session's to tell.
        """
        self.commands.execute("/close")
        for line in ("hello", "/ping", "/pong", "/binary"):
            self.assertRaises(ConnectionClosed, self.commands.execute, line)
