# Part of txwebsocket. See LICENSE for details.
"""
Standard input, standard output and a terminal, in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue, succeed


class Source:
    """
    What is read from.

    :ivar asked: who waits for something to read.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.asked: Deferred[bytes] | None = None
        self._pieces = list(pieces)

    def read(self) -> Deferred[bytes]:
        if self._pieces:
            return succeed(self._pieces.pop(0))
        self.asked = Deferred()
        return self.asked

    def give(self, data: bytes) -> None:
        """
        Let something be read, by who asks for it now or later.
        """
        asked, self.asked = self.asked, None
        if asked is None:
            self._pieces.append(data)
        else:
            asked.callback(data)

    def end(self) -> None:
        self.give(b"")


class Sink:
    """
    What is written to.

    :ivar written: all that was.
    :ivar isSlow: whether it takes its time.
    """

    def __init__(self) -> None:
        self.written = b""
        self.isSlow = False
        self._waiting: list[Deferred[None]] = []

    def write(self, data: bytes) -> Deferred[None] | None:
        self.written += data
        return self._wait() if self.isSlow else None

    def flushed(self) -> Deferred[None]:
        return self._wait() if self.isSlow else succeed(None)

    def _wait(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def take(self) -> None:
        """
        Take what was written so far.
        """
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)


class Editing:
    """
    A terminal's settings.

    :ivar calls: what was done to them.
    :ivar width: its columns.
    """

    def __init__(self, width: int = 40) -> None:
        self.calls: list[str] = []
        self.width = width

    def enter(self) -> None:
        self.calls.append("enter")

    def leave(self) -> None:
        self.calls.append("leave")

    def columns(self) -> int:
        return self.width


class Screen:
    """
    As much of a terminal as is needed to see what was written to it.

    :ivar rows: what stands in it, without what is left of blanks.
    """

    def __init__(self, written: bytes) -> None:
        self._rows = [""]
        self._column = 0
        text = written.decode("utf-8")
        while text:
            text = self._take(text)

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self._rows]

    @property
    def cursor(self) -> int:
        """
        The cell in the last row that the cursor stands in.
        """
        return self._column

    def _take(self, text: str) -> str:
        for sequence, action in self._ACTIONS.items():
            if text.startswith(sequence):
                action(self)
                return text[len(sequence) :]
        if text.startswith("\x1b["):
            digits, _, rest = text[2:].partition("C")
            self._column += int(digits)
            return rest
        row = self._rows[-1].ljust(self._column)
        self._rows[-1] = row[: self._column] + text[0] + row[self._column + 1 :]
        self._column += 1
        return text[1:]

    def _home(self) -> None:
        self._column = 0

    def _feed(self) -> None:
        self._rows.append("")
        self._column = 0

    def _eraseToEnd(self) -> None:
        self._rows[-1] = self._rows[-1][: self._column]

    def _clear(self) -> None:
        self._rows = [""]

    def _nothing(self) -> None:
        return

    _ACTIONS: dict[str, Any] = {
        "\r": _home,
        "\n": _feed,
        "\x1b[K": _eraseToEnd,
        "\x1b[2J": _clear,
        "\x1b[H": _home,
        "\x1b[?2004h": _nothing,
        "\x1b[?2004l": _nothing,
    }


class Console:
    """
    What a session talks through.

    :ivar shown: the messages it was to show.
    :ivar notes: what else it was to say.
    :ivar calls: what it was told of the beginning and the end.
    :ivar isSlow: whether showing takes its time.
    """

    def __init__(self, *, isInteractive: bool = False, isTyped: bool = False) -> None:
        self.isInteractive = isInteractive
        self.isTyped = isTyped
        self.shown: list[str | bytes] = []
        self.notes: list[str] = []
        self.calls: list[str] = []
        self.isSlow = False
        self.lines: DeferredQueue[Any] = DeferredQueue()
        self._waiting: list[Deferred[None]] = []

    def start(self) -> None:
        self.calls.append("start")

    def nextInput(self) -> Deferred[Any]:
        return self.lines.get()

    def give(self, *lines: str | bytes | None) -> None:
        """
        Have these lines, or the end, as input.
        """
        for line in lines:
            self.lines.put(line)

    def fail(self, error: Exception) -> None:
        """
        Have an input that can't be read.
        """
        waiting = self.lines.waiting.pop(0)
        waiting.errback(error)

    def show(self, message: str | bytes) -> Deferred[None] | None:
        self.shown.append(message)
        return self._wait() if self.isSlow else None

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finish(self) -> Deferred[None]:
        self.calls.append("finish")
        return self._wait() if self.isSlow else succeed(None)

    def take(self) -> None:
        """
        Have shown what was to be shown.
        """
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def _wait(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting
