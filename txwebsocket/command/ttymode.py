# -*- test-case-name: tests.command.test_ttymode -*-
# Part of txwebsocket. See LICENSE for details.
"""
A terminal's own settings, which line editing changes for a while.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

try:
    import termios
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_LOCAL_MODES = 3
_CHARACTERS = 6
_DISABLED = b"\0"
_FALLBACK = 80


class TerminalMode:
    """
    Have each key at once and unseen, in place of whole lines.

    :param descriptor: the terminal.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None

    @staticmethod
    def isPossible(environment: Mapping[str, str]) -> bool:
        """
        Can lines be edited on a terminal like this?
        """
        isDumb = environment.get("TERM", "dumb") in ("dumb", "")
        return termios is not None and not isDumb

    def enter(self) -> None:
        """
        Change the settings; again, if somebody has changed them back meanwhile.
        """
        if self._before is None:
            self._before = termios.tcgetattr(self._descriptor)
        mode = termios.tcgetattr(self._descriptor)
        mode[_LOCAL_MODES] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
        # Ctrl-C and Ctrl-\ are keys like others. Ctrl-Z goes on to suspend us.
        for index in (termios.VINTR, termios.VQUIT):
            mode[_CHARACTERS][index] = _DISABLED
        self._set(mode)

    def leave(self) -> None:
        """
        Put all back as it was at first.
        """
        before, self._before = self._before, None
        if before is not None:
            self._set(before)

    def columns(self) -> int:
        """
        The width, in cells.
        """
        try:
            return os.get_terminal_size(self._descriptor).columns or _FALLBACK
        except OSError:
            return _FALLBACK

    def _set(self, mode: list[Any]) -> None:
        try:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)
        except termios.error:
            # The terminal is gone.
            return
