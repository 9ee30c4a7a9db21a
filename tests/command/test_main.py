# Part of txwebsocket. See LICENSE for details.
"""
Tests of the program as a whole: real pipes, pseudo-terminals and signals, and a network
in memory.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from io import StringIO, TextIOWrapper
from queue import SimpleQueue
from select import select
from threading import Semaphore
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase

from tests.support.fakes import Screen
from tests.support.memory import binary, close, text
from tests.support.remote import ClientReactor, Outcome, Server, upgrade
from txwebsocket import __version__
from txwebsocket.command.arguments import Options
from txwebsocket.command.main import Program, main
from txwebsocket.command.session import QUIET
from txwebsocket.command.stdio import InputStream

SECONDS = 10
URL = "ws://example.com/"


class ThreadedReactor(ClientReactor):
    """
    A reactor that threads can call.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[tuple[Callable[..., Any], Any]] = SimpleQueue()

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        self._calls.put((function, args))

    def turn(self) -> None:
        """
        Wait until a thread, or a signal, calls something, and do it.
        """
        function, args = self._calls.get(timeout=SECONDS)
        function(*args)


class WatchedInput(InputStream):
    """
    An input whose thread can be waited for, lest it reads from a file that a later test
    opens under the same number.
    """

    def __init__(self, reactor: Any, descriptor: int) -> None:
        super().__init__(reactor, descriptor)
        self._count = 0
        self._answered = Semaphore(0)

    def read(self) -> Deferred[bytes]:
        self._count += 1
        return super().read()

    def _readSome(self) -> bytes:
        try:
            return super()._readSome()
        finally:
            self._answered.release()

    def wait(self) -> None:
        """
        Wait until all that was asked for is read.
        """
        for _ in range(self._count):
            self._answered.acquire(timeout=SECONDS)


class ProgramTestCase(SynchronousTestCase):
    """
    What tests of the program need.

    :ivar said: what is said on standard error.
    """

    def setUp(self) -> None:
        self.reactor = ThreadedReactor()
        self.said = StringIO()
        self.patch(sys, "stderr", self.said)
        self.inputs: list[WatchedInput] = []
        self.patch(sys.modules[main.__module__], "InputStream", self.makeInput)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT, signal.SIGWINCH):
            self.addCleanup(signal.signal, each, signal.getsignal(each))

    def makeInput(self, reactor: Any, descriptor: int) -> WatchedInput:
        """
        Keep an input, to wait for it in the end.
        """
        self.inputs.append(WatchedInput(reactor, descriptor))
        return self.inputs[-1]

    def waitForInputs(self) -> None:
        """
        Wait until nobody reads any more.
        """
        for each in self.inputs:
            each.wait()

    def begin(self, *arguments: str) -> None:
        """
        Start it.
        """
        options = Options()
        options.parseOptions([*arguments, URL])
        self.program = Program(options)
        self.outcome = Outcome(self.program.run(self.reactor))
        for function, args, more in self.reactor.whenRunningHooks:
            function(*args, **more)

    def accept(self) -> Server:
        """
        Be the server, and accept.
        """
        server = self.reactor.accept()
        server.upgrade()
        return server

    def until(self, condition: Callable[[], object]) -> None:
        """
        Go on until something is so.
        """
        while not condition():
            self.reactor.turn()

    def isQuiet(self) -> bool:
        """
        Is nothing waited for any more but that time passes?
        """
        due = self.reactor.seconds() + QUIET
        return due in [call.getTime() for call in self.reactor.getDelayedCalls()]

    def assertStatus(self, status: int) -> None:
        """
        It ends with this status.
        """
        self.until(lambda: self.outcome.results)
        [failure] = self.outcome.results
        failure.trap(SystemExit)
        self.assertEqual(failure.value.code, status)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def assertCloses(self, server: Server, code: int) -> None:
        """
        It closes, and the server agrees.
        """
        self.assertEqual(server.frames(), [close(code)])
        server.sendClose(code)
        server.end()


class PipeTests(ProgramTestCase):
    """
    Tests of the program between pipes.
    """

    def setUp(self) -> None:
        super().setUp()
        source, self.input = os.pipe()
        self.output, sink = os.pipe()
        self.open = {self.input, self.output}
        files = (os.fdopen(source, "rb"), os.fdopen(sink, "wb"))
        for name, file in zip(("stdin", "stdout"), files, strict=True):
            self.addCleanup(file.close)
            self.patch(sys, name, file)
        self.addCleanup(self.waitForInputs)
        self.addCleanup(lambda: [self.end(each) for each in set(self.open)])

    def end(self, descriptor: int) -> None:
        """
        Close our end of a pipe.
        """
        self.open.discard(descriptor)
        os.close(descriptor)

    def test_pipe(self) -> None:
        """
        Lines become messages and messages lines, and the status is 0 in the end.
        """
        self.begin()
        server = self.accept()
        os.write(self.input, "one\nzw\u00f6lf".encode())
        self.end(self.input)
        self.until(self.isQuiet)
        self.assertEqual(server.frames(), [text("one"), text("zw\u00f6lf")])
        server.sendText("answer")
        server.sendBytes(b"\xff")
        self.reactor.advance(1)
        self.assertCloses(server, 1000)
        self.assertStatus(0)
        self.assertEqual(os.read(self.output, 100), b"answer\nff\n")
        self.assertEqual(self.said.getvalue(), "")

    def test_options(self) -> None:
        """
        What the command line says reaches the server.
        """
        self.begin(
            *("--subprotocol=a", "--origin=https://a.example", "--auth=us:them"),
            *("--header=X-One: 1", "--compress", "--null", "--binary"),
        )
        server = self.reactor.accept()
        request = server.request()
        for name, value in (
            ("Sec-WebSocket-Protocol", "a"),
            ("Origin", "https://a.example"),
            ("Authorization", "Basic dXM6dGhlbQ=="),
            ("X-One", "1"),
        ):
            self.assertEqual(request.header(name), [value])
        [offer] = request.header("Sec-WebSocket-Extensions")
        self.assertIn("permessage-deflate", offer)
        server.send(upgrade(request, "Sec-WebSocket-Protocol: a"))
        os.write(self.input, b"\xff\n\0")
        self.until(lambda: server.transport.sent or server.transport.unsent)
        self.assertEqual(server.frames(), [binary(b"\xff\n")])
        self.program.session.interrupt()
        self.assertCloses(server, 1000)
        self.assertStatus(0)

    def test_proxy(self) -> None:
        """
        It goes through a proxy if it is told to.
        """
        self.begin("--proxy=http://proxy.example:3128")
        server = self.reactor.accept()
        self.assertEqual(self.reactor.attempts[-1].port, 3128)
        server.turn()
        self.assertIn(b"CONNECT example.com:80 HTTP/1.1", server.received())
        self.program.session.interrupt()
        server.turn()
        self.assertStatus(1)

    def test_refused(self) -> None:
        """
        What keeps it from connecting is told on standard error, and the status is 1.
        """
        self.begin()
        self.reactor.refuse(ConnectionRefusedError("nobody there"))
        self.assertStatus(1)
        self.assertIn("txwebsocket: ws://example.com/: ", self.said.getvalue())
        self.assertIn("nobody there", self.said.getvalue())

    def test_brokenPipe(self) -> None:
        """
        If whoever reads us has enough, it closes without a word.
        """
        self.begin()
        server = self.accept()
        self.end(self.output)
        server.sendText("for nobody")
        self.until(lambda: server.transport.sent or server.transport.unsent)
        self.assertCloses(server, 1000)
        self.assertStatus(0)
        self.assertEqual(self.said.getvalue(), "")

    def assertEndedBy(self, number: int) -> None:
        """
        A signal closes politely, and whoever waits for the process is told of it.
        """
        received: list[int] = []
        self.begin()
        server = self.accept()
        os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertCloses(server, 1000)
        self.assertStatus(0)
        self.patch(os, "kill", lambda process, number: received.append(number))
        self.program.endAsToldTo()
        self.assertEqual(received, [number])
        self.assertIs(signal.getsignal(number), signal.SIG_DFL)

    def test_interrupt(self) -> None:
        """
        Ctrl-C ends it, and the script that it is part of.
        """
        self.assertEndedBy(signal.SIGINT)

    def test_terminate(self) -> None:
        """
        So does whoever ends processes.
        """
        self.assertEndedBy(signal.SIGTERM)

    def test_closedFiles(self) -> None:
        """
        Without standard input there is none, and without output nothing is shown; what
        has their numbers instead is left alone.
        """
        for name in ("stdin", "stdout", "stderr"):
            self.patch(sys, name, None)
        self.begin("--verbose")
        server = self.accept()
        server.sendText("for nobody")
        self.until(self.isQuiet)
        self.reactor.advance(1)
        self.assertCloses(server, 1000)
        self.assertStatus(0)


class PersonTests(ProgramTestCase):
    """
    Tests of the program at a terminal.
    """

    def setUp(self) -> None:
        super().setUp()
        self.person, program = pty.openpty()
        file = os.fdopen(program, "r+b", buffering=0)
        self.addCleanup(file.close)
        self.before = termios.tcgetattr(program)
        terminal = TextIOWrapper(file, encoding="utf-8")
        self.patch(sys, "stdin", terminal)
        self.patch(sys, "stdout", terminal)
        self.patch(os, "environ", {"TERM": "xterm"})
        self.seen = b""
        self.addCleanup(self.waitForInputs)
        self.addCleanup(os.close, self.person)

    def screen(self) -> Screen:
        """
        What the person sees.
        """
        while select([self.person], [], [], 0)[0]:
            self.seen += os.read(self.person, 65536)
        return Screen(self.seen)

    def look(self, *rows: str) -> None:
        """
        Wait until the last rows on the screen are these.
        """
        self.until(lambda: self.screen().rows[-len(rows) :] == list(rows))

    def type(self, keys: bytes) -> None:
        """
        Press keys.
        """
        os.write(self.person, keys)

    def test_conversation(self) -> None:
        """
        A person talks with a server: lines can be edited, and what arrives meanwhile
        does not garble them.
        """
        self.begin()
        server = self.accept()
        self.look("* Type a message, or /help. Ctrl-D closes.", ">")
        self.type(b"helo\x02l")
        self.look("> hello")
        server.sendText("news\x1b[2J")
        self.look("< news\\x1b[2J", "> hello")
        self.assertEqual(self.screen().cursor, len("> hell"))
        self.type(b"\r")
        self.look("> hello", ">")
        self.assertEqual(server.frames(), [text("hello")])
        self.type(b"\x1b[A!\r")
        self.look("> hello!", ">")
        self.assertEqual(server.frames(), [text("hello!")])
        self.type(b"/binary 00ff\r")
        self.look("> /binary 00ff", ">")
        self.assertEqual(server.frames(), [binary(b"\x00\xff")])
        self.type(b"\x04")
        self.until(lambda: server.transport.sent or server.transport.unsent)
        self.assertCloses(server, 1000)
        self.assertStatus(0)
        self.look("* closed: we asked to close; sent 1000; received 1000", "")
        file: Any = sys.stdin
        self.assertEqual(termios.tcgetattr(file.fileno()), self.before)

    def test_interrupt(self) -> None:
        """
        Ctrl-C closes, and is no signal to whoever started us.
        """
        self.begin()
        server = self.accept()
        self.type(b"half\x03")
        self.until(lambda: server.transport.sent or server.transport.unsent)
        self.assertCloses(server, 1000)
        self.assertStatus(0)
        self.patch(os, "kill", self.fail)
        self.program.endAsToldTo()

    def test_suspended(self) -> None:
        """
        After a suspension the line is there again.
        """
        self.begin()
        server = self.accept()
        self.type(b"half")
        self.look("> half")
        self.seen = b""
        os.kill(os.getpid(), signal.SIGCONT)
        self.look("> half")
        self.seen = b""
        os.kill(os.getpid(), signal.SIGWINCH)
        self.look("> half")
        self.program.session.interrupt()
        self.assertCloses(server, 1000)
        self.assertStatus(0)

    def test_plainTerminal(self) -> None:
        """
        At a terminal that can't move its cursor, lines are typed as it has them, and
        commands work all the same.
        """
        self.patch(os, "environ", {"TERM": "dumb"})
        self.begin()
        server = self.accept()
        self.type(b"//etc\n")
        self.until(lambda: server.transport.sent or server.transport.unsent)
        self.assertEqual(server.frames(), [text("/etc")])
        server.sendText("\x1b")
        self.look("//etc", "\\x1b", "")
        self.type(b"/close 4000\n")
        self.until(lambda: server.transport.sent or server.transport.unsent)
        self.assertCloses(server, 4000)
        self.assertStatus(0)

    def test_execute(self) -> None:
        """
        With messages on the command line nobody has to type.
        """
        self.begin("-x", "/one")
        server = self.accept()
        self.assertEqual(server.frames(), [text("/one")])
        server.sendText("two")
        self.look("two", "")
        self.reactor.advance(1)
        self.assertCloses(server, 1000)
        self.assertStatus(0)


class MainTests(SynchronousTestCase):
    """
    Tests of the command itself.
    """

    def test_usage(self) -> None:
        """
        A wrong command line is explained in two lines, with the status 2.
        """
        said = StringIO()
        self.patch(sys, "stderr", said)
        for arguments in ([], ["http://example.com/"], ["--nonsense", URL]):
            error = self.assertRaises(SystemExit, main, arguments)
            self.assertEqual(error.code, 2)
            self.assertIn("Try: python -m txwebsocket --help", said.getvalue())
            self.assertEqual(said.getvalue().count("\n"), 2)
            said.truncate(0)

    def test_module(self) -> None:
        """
        ``python -m txwebsocket`` is this.
        """
        shown = subprocess.run(
            [sys.executable, "-m", "txwebsocket", "--version"],
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
        self.assertEqual(
            shown.stdout.decode(), f"txwebsocket {__version__}{os.linesep}"
        )

    def test_react(self) -> None:
        """
        It runs the reactor, and exits with the status of the conversation.
        """

        def react(run: Any, arguments: Any) -> None:
            raise SystemExit(3)

        self.patch(sys.modules[main.__module__], "react", react)
        error = self.assertRaises(SystemExit, main, [URL])
        self.assertEqual(error.code, 3)
