# -*- test-case-name: tests.command.test_main -*-
# Part of txwebsocket. See LICENSE for details.
"""
What ``python -m txwebsocket`` does.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python.usage import UsageError

from txwebsocket.client.client import WebSocketClient
from txwebsocket.command.arguments import Options
from txwebsocket.command.console import Pipes, Terminal
from txwebsocket.command.escaping import escapeControls, indented
from txwebsocket.command.session import ExitStatus, Session
from txwebsocket.command.stdio import InputStream, OutputStream
from txwebsocket.command.ttymode import TerminalMode
from txwebsocket.connection.websocket import WebSocketConnection

_NAME = "python -m txwebsocket"


def main(arguments: Sequence[str]) -> None:
    """
    Do what a command line says, and exit.

    :raises SystemExit: with the :class:`ExitStatus`.
    """
    options = Options()
    try:
        options.parseOptions(arguments)
    except UsageError as error:
        _say(f"{error}\nTry: {_NAME} --help")
        raise SystemExit(ExitStatus.WRONG_USAGE) from None
    program = Program(options)
    try:
        react(program.run, ())
    finally:
        program.endAsToldTo()


class Program:
    """
    A conversation with standard input and output.

    :ivar session: the conversation, once it has begun.
    """

    session: Session

    def __init__(self, options: Options) -> None:
        self._options = options
        self._signal: int | None = None

    def run(self, reactor: Any) -> Deferred[Any]:
        """
        Hold the conversation.

        :return: a Deferred that fails with ``SystemExit``.
        """
        return Deferred.fromCoroutine(self._run(reactor))

    async def _run(self, reactor: Any) -> None:
        options = self._options
        sink = OutputStream(reactor, _descriptor(sys.stdout, os.O_WRONLY))
        console = self._console(reactor, sink)
        self.session = session = Session(reactor, options["plan"], console)
        sink.onLost = session.outputLost
        reactor.callWhenRunning(self._handleSignals, reactor, session, console)
        if isinstance(console, Terminal):
            console.onInterrupt = session.interrupt
        client = WebSocketClient(
            reactor,
            options["config"],
            tlsPolicy=options["tlsPolicy"],
            proxy=options["proxy"],
        )

        def connect(application: Session) -> Deferred[WebSocketConnection]:
            return client.connect(
                options["url"],
                options["subprotocols"],
                origin=options["origin"],
                headers=options["headers"],
                application=application,
            )

        raise SystemExit(int(await session.run(connect)))

    def _console(self, reactor: Any, sink: OutputStream) -> Terminal | Pipes:
        source = InputStream(reactor, _descriptor(sys.stdin, os.O_RDONLY))
        options = self._options
        isTyped = _isTerminal(sys.stdin)
        isShown = _isTerminal(sys.stdout)
        isAsked = not (options["messages"] or options["whole"] or options["null"])
        if isTyped and isShown and isAsked and TerminalMode.isPossible(os.environ):
            mode = TerminalMode(sys.stdin.fileno())
            return Terminal(source, sink, mode, sys.stdout.encoding)
        return Pipes(
            source,
            sink,
            _say,
            delimiter=b"\0" if options["null"] else b"\n",
            isBinary=bool(options["binary"]),
            isWhole=bool(options["whole"]),
            isTyped=isTyped and isAsked,
            isShown=isShown,
        )

    def _handleSignals(
        self, reactor: Any, session: Session, console: Terminal | Pipes
    ) -> None:
        def end(number: int, frame: object) -> None:
            self._signal = number
            reactor.callFromThread(session.interrupt)

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        if isinstance(console, Terminal):
            for name, action in (
                ("SIGCONT", console.resume),
                ("SIGWINCH", console.redraw),
            ):
                _onSignal(reactor, name, action)

    def endAsToldTo(self) -> None:
        """
        If a signal has ended us, let whoever started us know: a shell ends its script
        only then.
        """
        if self._signal is not None:
            signal.signal(self._signal, signal.SIG_DFL)
            os.kill(os.getpid(), self._signal)


def _onSignal(reactor: Any, name: str, action: Callable[[], object]) -> None:
    def received(number: int, frame: object) -> None:
        reactor.callFromThread(action)

    signal.signal(getattr(signal, name), received)


def _isTerminal(file: TextIO | None) -> bool:
    return file is not None and file.isatty()


def _descriptor(file: TextIO | None, mode: int) -> int:
    """
    A standard file's number, which is somebody else's if it was closed.
    """
    return os.open(os.devnull, mode) if file is None else file.fileno()


def _say(text: str) -> None:
    """
    Say something on standard error, if there is one.
    """
    try:
        sys.stderr.write(indented(escapeControls(text), "txwebsocket: ") + "\n")
    except (OSError, AttributeError):
        return
