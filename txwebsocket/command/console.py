# -*- test-case-name: tests.command.test_console -*-
# Part of txwebsocket. See LICENSE for details.
"""
Where messages to send come from, and where those received go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredQueue

from txwebsocket.command.editor import LineEditor
from txwebsocket.command.escaping import escapeControls, hexDump, indented
from txwebsocket.command.keys import Key, KeyReader
from txwebsocket.command.stdio import InputStream, OutputStream

_PROMPT = "> "
_RECEIVED = "< "
_NOTE = "* "
_ERASE_ROW = "\r\x1b[K"
_CLEAR_SCREEN = "\x1b[H\x1b[2J"
_PASTE_MARKS_ON = "\x1b[?2004h"
_PASTE_MARKS_OFF = "\x1b[?2004l"


class BadInput(Exception):
    """
    Something can't be sent.
    """


class Console(Protocol):
    """
    What a session talks to a person or a program through.

    :ivar isInteractive: whether a person is at both ends of it.
    :ivar isTyped: whether what comes in are lines that a person typed, with commands
        among them. If not, they are messages.
    """

    isInteractive: bool
    isTyped: bool

    def start(self) -> None:
        """
        The connection is open.
        """

    def nextInput(self) -> Deferred[str | bytes | None]:
        """
        The next line or message; None at the end.

        :raises BadInput: through the Deferred, if it can't be sent.
        """

    def show(self, message: str | bytes) -> Deferred[None] | None:
        """
        Show what was received.

        :return: None, or something to wait for before showing more.
        """

    def note(self, text: str) -> None:
        """
        Say something that is no message.
        """

    def finish(self) -> Deferred[None]:
        """
        There will be no more; wait until all is written.
        """


class Editing(Protocol):
    """
    A terminal's settings; see :class:`~txwebsocket.command.ttymode.TerminalMode`.
    """

    def enter(self) -> None:
        """
        Begin to edit.
        """

    def leave(self) -> None:
        """
        Put all back as it was.
        """

    def columns(self) -> int:
        """
        The width, in cells.
        """


class Terminal:
    """
    A person at a terminal, whose line stays whole while messages arrive above it.

    :ivar onInterrupt: called when Ctrl-C is pressed.
    """

    isInteractive = True
    isTyped = True

    def __init__(
        self,
        source: InputStream,
        sink: OutputStream,
        editing: Editing,
        encoding: str = "utf-8",
    ) -> None:
        self.onInterrupt: Callable[[], object] = lambda: None
        self._source = source
        self._sink = sink
        self._editing = editing
        self._encoding = encoding
        self._keys = KeyReader(encoding)
        self._editor = LineEditor()
        self._lines: DeferredQueue[str | None] = DeferredQueue()
        self._isActive = False

    def start(self) -> None:
        """
        Begin to edit.
        """
        self._editing.enter()
        self._isActive = True
        self._write(_PASTE_MARKS_ON)
        self.redraw()
        self._readOn()

    def nextInput(self) -> Deferred[Any]:
        """
        The next line that was typed.
        """
        return self._lines.get()

    def show(self, message: str | bytes) -> Deferred[None] | None:
        """
        Show a message above the line that is being typed.
        """
        if isinstance(message, str):
            return self._printAbove(_RECEIVED, message)
        size = len(message)
        head = f"{size} byte{'s' * (size != 1)} of binary"
        return self._printAbove(
            _RECEIVED, "\n".join(filter(None, [head, hexDump(message)]))
        )

    def note(self, text: str) -> None:
        """
        Say something above the line that is being typed.
        """
        self._printAbove(_NOTE, text)

    def redraw(self) -> None:
        """
        Show the line that is being typed.
        """
        if self._isActive:
            self._write(self._row())

    def resume(self) -> None:
        """
        The terminal was somebody else's for a while.
        """
        if self._isActive:
            self._editing.enter()
            self.redraw()

    def finish(self) -> Deferred[None]:
        """
        Leave the terminal as it was.
        """
        if self._isActive:
            self._isActive = False
            self._write(_ERASE_ROW + _PASTE_MARKS_OFF)
            self._editing.leave()
        return self._sink.flushed()

    def _readOn(self) -> None:
        self._source.read().addCallback(self._typed)

    def _typed(self, data: bytes) -> None:
        if not data:
            self._lines.put(None)
            return
        for typed in self._keys.feed(data):
            if typed is Key.INTERRUPT:
                self.onInterrupt()
            elif typed is Key.CLEAR_SCREEN:
                self._write(_CLEAR_SCREEN)
            elif typed is Key.END_OF_INPUT and not self._editor.text:
                self._lines.put(None)
            else:
                line = self._editor.press(typed)
                if line is not None:
                    self._printAbove(_PROMPT, line)
                    self._lines.put(line)
        self.redraw()
        self._readOn()

    def _printAbove(self, prefix: str, text: str) -> Deferred[None] | None:
        """
        Print, and show the line that is being typed again, in one write.
        """
        shown = indented(escapeControls(text), prefix) + "\n"
        if self._isActive:
            shown = f"{_ERASE_ROW}{shown}{self._row()}"
        return self._write(shown)

    def _row(self) -> str:
        # A cell is kept free: behind the last one, terminals differ.
        width = max(self._editing.columns() - len(_PROMPT) - 1, 4)
        text, column = self._editor.view(width)
        return f"{_ERASE_ROW}{_PROMPT}{text}\r\x1b[{len(_PROMPT) + column}C"

    def _write(self, text: str) -> Deferred[None] | None:
        return self._sink.write(text.encode(self._encoding, "backslashreplace"))


class Pipes:
    """
    Programs, or files, at one end or both.

    :param sayNote: called with each diagnostic.
    :param delimiter: what ends a message, in and out.
    :param isBinary: whether bytes are sent, and written as they are; else text is, and
        bytes are written in hexadecimal digits.
    :param isWhole: whether all that comes in is one message.
    :param isTyped: whether a person types what comes in.
    :param isShown: whether a terminal shows what goes out.
    """

    isInteractive = False

    def __init__(
        self,
        source: InputStream | None,
        sink: OutputStream,
        sayNote: Callable[[str], object],
        *,
        delimiter: bytes = b"\n",
        isBinary: bool = False,
        isWhole: bool = False,
        isTyped: bool = False,
        isShown: bool = False,
    ) -> None:
        self.isTyped = isTyped
        self._sayNote = sayNote
        self._source = source
        self._sink = sink
        self._delimiter = delimiter
        self._isBinary = isBinary
        self._isWhole = isWhole
        self._isShown = isShown
        self._parts: list[bytes] = []
        self._messages: list[bytes] = []
        self._count = 0

    def start(self) -> None:
        """
        Nothing is read before it is asked for.
        """

    async def _next(self) -> str | bytes | None:
        while not self._messages and self._source is not None:
            self._take(await self._source.read())
        if not self._messages:
            return None
        self._count += 1
        return self._decoded(self._messages.pop())

    def nextInput(self) -> Deferred[Any]:
        """
        The next line or message.
        """
        return Deferred.fromCoroutine(self._next())

    def show(self, message: str | bytes) -> Deferred[None] | None:
        """
        Write a message, and what ends it.
        """
        if isinstance(message, str):
            text = escapeControls(message) if self._isShown else message
            return self._sink.write(text.encode("utf-8") + self._delimiter)
        if self._isBinary and not self._isShown:
            return self._sink.write(message)
        return self._sink.write(message.hex().encode("ascii") + self._delimiter)

    def note(self, text: str) -> None:
        """
        Say it, not among the messages.
        """
        self._sayNote(text)

    def finish(self) -> Deferred[None]:
        """
        Wait until all is written.
        """
        return self._sink.flushed()

    def _take(self, data: bytes) -> None:
        """
        Cut what has come in, the first message last.
        """
        isOver = not data
        if isOver:
            self._source = None
        if self._isWhole or (self._delimiter not in data and not isOver):
            self._parts.append(data)
            pieces = [b"".join(self._parts)] if isOver else []
        else:
            pieces = b"".join([*self._parts, data]).split(self._delimiter)
            rest = [] if isOver else [pieces.pop()]
            self._parts = rest
        if isOver and not pieces[-1]:
            # What ends the last message, or nothing at all, begins no other.
            pieces.pop()
        self._messages = pieces[::-1]

    def _decoded(self, message: bytes) -> str | bytes:
        if self._isBinary and not self.isTyped:
            return message
        try:
            return message.decode("utf-8")
        except UnicodeDecodeError:
            raise BadInput(
                f"message {self._count} of the input is not UTF-8; "
                "--binary sends bytes as they are"
            ) from None
