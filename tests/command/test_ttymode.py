# Part of txwebsocket. See LICENSE for details.
"""
Tests of a terminal's settings, with a pseudo-terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.command.ttymode import TerminalMode


class TerminalModeTests(SynchronousTestCase):
    """
    Tests of :class:`TerminalMode`.
    """

    def setUp(self) -> None:
        self.person, self.program = pty.openpty()
        self.addCleanup(os.close, self.person)
        self.addCleanup(self.closeProgram)
        self.before = termios.tcgetattr(self.program)
        self.mode = TerminalMode(self.program)

    def closeProgram(self) -> None:
        """
        Close our end, unless that is done.
        """
        if self.program >= 0:
            os.close(self.program)
            self.program = -1

    def test_enter(self) -> None:
        """
        Each key comes at once and is not echoed; Ctrl-C and Ctrl-D are keys.
        """
        self.mode.enter()
        os.write(self.person, b"a\x03\x04\x1c\x16")
        self.assertEqual(os.read(self.program, 10), b"a\x03\x04\x1c\x16")
        os.write(self.program, b"shown\n")
        self.assertEqual(os.read(self.person, 20), b"shown\r\n")

    def test_suspend(self) -> None:
        """
        Ctrl-Z suspends as it did before.
        """
        self.mode.enter()
        now = termios.tcgetattr(self.program)
        self.assertTrue(now[3] & termios.ISIG)
        self.assertEqual(now[6][termios.VSUSP], self.before[6][termios.VSUSP])

    def test_leave(self) -> None:
        """
        In the end all is as it was.
        """
        self.mode.enter()
        self.assertNotEqual(termios.tcgetattr(self.program), self.before)
        self.mode.leave()
        self.assertEqual(termios.tcgetattr(self.program), self.before)

    def test_again(self) -> None:
        """
        It may be entered again, after a shell has changed the settings back; what is
        put back is what was there at first.
        """
        self.mode.enter()
        entered = termios.tcgetattr(self.program)
        termios.tcsetattr(self.program, termios.TCSANOW, self.before)
        self.mode.enter()
        self.assertEqual(termios.tcgetattr(self.program), entered)
        self.mode.enter()
        self.mode.leave()
        self.assertEqual(termios.tcgetattr(self.program), self.before)

    def test_never(self) -> None:
        """
        What was never entered is not left.
        """
        self.mode.leave()
        self.assertEqual(termios.tcgetattr(self.program), self.before)

    def test_gone(self) -> None:
        """
        A terminal that is gone needs no settings.
        """
        self.mode.enter()
        self.closeProgram()
        self.mode.leave()
        self.assertEqual(self.mode.columns(), 80)

    def test_columns(self) -> None:
        """
        It knows how wide it is, now; where nobody knows it is 80.
        """
        for given, columns in ((33, 33), (120, 120), (0, 80)):
            size = struct.pack("HHHH", 24, given, 0, 0)
            fcntl.ioctl(self.program, termios.TIOCSWINSZ, size)
            self.assertEqual(self.mode.columns(), columns)

    def test_isPossible(self) -> None:
        """
        Terminals that can't move a cursor get no line editing.
        """
        self.assertTrue(TerminalMode.isPossible({"TERM": "xterm-256color"}))
        for environment in ({"TERM": "dumb"}, {"TERM": ""}, {}):
            self.assertFalse(TerminalMode.isPossible(environment))
