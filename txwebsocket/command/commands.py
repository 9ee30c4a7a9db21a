# -*- test-case-name: tests.command.test_commands -*-
# Part of txwebsocket. See LICENSE for details.
"""
What can be typed besides messages.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure

from txwebsocket.command.console import BadInput
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.wire.errors import ConnectionClosed

_HELP = """\
/text TEXT            send text: /text alone sends an empty message
//...                 send text that begins with one slash
/binary 00ff...       send these bytes
/ping [TEXT]          ask for a pong, and measure how long it takes
/pong [TEXT]          send a pong
/close [CODE [WHY]]   close; without a code with 1000
/help                 show this
Ctrl-D closes as well, Ctrl-C twice at once."""


class Commands:
    """
    Do what a person has typed.

    :param connection: what it is done to.
    :param note: called with what there is to say about it.
    """

    def __init__(
        self, connection: WebSocketConnection, note: Callable[[str], object]
    ) -> None:
        self._connection = connection
        self._note = note
        self._actions: dict[str, Callable[[str], object]] = {
            "text": connection.sendUTF,
            "binary": self._binary,
            "ping": self._ping,
            "pong": self._pong,
            "close": self._close,
            "help": lambda _: note(_HELP),
        }

    def execute(self, line: str) -> None:
        """
        Send a message, or do what a command says.

        :raises BadInput: if it makes no sense; the connection is not touched then.
        :raises ConnectionClosed: if it is too late.
        """
        if not line:
            return
        if not line.startswith("/") or line.startswith("//"):
            self._connection.sendUTF(line.removeprefix("/"))
            return
        name, _, argument = line[1:].partition(" ")
        action = self._actions.get(name)
        if action is None:
            raise BadInput(
                f"there is no command /{name}; /help lists those there are, and "
                "a message that begins with a slash is typed with two"
            )
        try:
            action(argument)
        except ValueError as error:
            raise BadInput(f"/{name}: {error}") from None

    def _binary(self, digits: str) -> None:
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            raise ValueError(
                f"pairs of hexadecimal digits, and not {digits!r}"
            ) from None
        self._connection.sendBytes(data)

    def _ping(self, text: str) -> None:
        answered = self._connection.ping(text.encode("utf-8") or None)
        answered.addCallbacks(self._answered, _closedBefore)

    def _answered(self, seconds: float) -> None:
        self._note(f"pong after {seconds * 1000:.1f} ms")

    def _pong(self, text: str) -> None:
        self._connection.pong(text.encode("utf-8"))

    def _close(self, argument: str) -> None:
        code, _, reason = argument.partition(" ")
        if code and not (code.isascii() and code.isdecimal()):
            raise ValueError(f"a code is a number, and not {code!r}")
        self._connection.close(int(code) if code else 1000, reason)


def _closedBefore(failure: Failure) -> None:
    failure.trap(ConnectionClosed)
