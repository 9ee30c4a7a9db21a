# -*- test-case-name: tests.test_backlog -*-
# Part of txwebsocket. See LICENSE for details.
"""
The queue of received messages in callback style.
"""

from __future__ import annotations

from collections.abc import Sequence

from txwebsocket.inbox import MAX_MESSAGES, sizeOf
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.extensions import Transform
from txwebsocket.wire.frames import Failed, Frame
from txwebsocket.wire.messages import endsMessage, openMessage


class Backlog:
    """
    Received messages in their order, bounded as those in pull style are.

    Messages are queued as they were received. A compressed message is inflated when it
    is taken, since it may become much larger.

    :param transforms: the transforms of the extensions agreed on.
    """

    __slots__ = ("_config", "_messages", "_size", "_transforms")

    def __init__(
        self, config: ConnectionConfig, transforms: Sequence[Transform]
    ) -> None:
        self._config = config
        self._transforms = transforms
        self._messages: list[str | bytes | Frame] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def isFull(self) -> bool:
        """
        Should nothing more be read for now?
        """
        isMany = len(self._messages) >= MAX_MESSAGES
        return isMany or self._size >= messageLimit(self._config)

    def put(self, message: str | bytes | Frame) -> None:
        """
        Keep a message, all of it in one frame; or a frame that is to be delivered
        itself, since ``assembleFragments`` is off.
        """
        self._messages.append(message)
        self._size += _sizeOf(message)

    def take(self) -> str | bytes | Frame | Failed:
        """
        Remove and return the oldest message, or the reason why it can't be decoded.
        """
        message = self._messages.pop(0)
        self._size -= _sizeOf(message)
        if isinstance(message, Frame) and self._config.assembleFragments:
            return openMessage(message, self._transforms, messageLimit(self._config))
        return message

    def clear(self) -> int:
        """
        Remove everything; return how many messages that was.
        """
        messages, self._messages, self._size = self._messages, [], 0
        return sum(map(endsMessage, messages))


def _sizeOf(message: str | bytes | Frame) -> int:
    return sizeOf(message.payload if isinstance(message, Frame) else message)
