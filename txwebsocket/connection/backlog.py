# -*- test-case-name: tests.connection.test_backlog -*-
# Part of txwebsocket. See LICENSE for details.
"""
The queue of received messages in callback style.
"""

from __future__ import annotations

from txwebsocket.connection.receivequeue import MAX_MESSAGES, sizeOf
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.messages import MessageDecoder, decodeMessage, endsMessage

_CONTROL = 0x8


class Backlog:
    """
    Received messages in their order, bounded as those in pull style are.

    Messages are queued as they were received. A compressed message is inflated when it
    is taken, since it may become much larger.

    :param decoder: decodes what the extensions agreed on have encoded; None if there
        are none.
    """

    __slots__ = ("_config", "_decoder", "_messages", "_size")

    def __init__(
        self, config: ConnectionConfig, decoder: MessageDecoder | None
    ) -> None:
        self._config = config
        self._decoder = decoder
        self._messages: list[str | bytes | Frame | MessageDecoder] = []
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

    def put(self, message: str | bytes | Frame | MessageDecoder) -> None:
        """
        Keep a message, all of it in one frame, or the rest of one that is being
        decoded; or a frame that is to be delivered itself, since ``assembleFragments``
        is off.
        """
        self._messages.append(message)
        self._size += _sizeOf(message)

    def take(self) -> str | bytes | Frame | ProtocolFailure | None:
        """
        Remove and return the oldest message, or the reason why it can't be decoded.
        None if decoding it takes more than this turn.
        """
        message = self._messages.pop(0)
        self._size -= _sizeOf(message)
        if isinstance(message, MessageDecoder):
            found = message.proceed()
        elif not isinstance(message, Frame) or not self._config.assembleFragments:
            return message
        elif self._decoder is None or not message.rsv:
            return decodeMessage(message.opcode, message.payload)
        else:
            found = self._decoder.start(message)
        if found is None and self._decoder is not None:
            self._messages.insert(0, self._decoder)
        return found

    def clear(self) -> int:
        """
        Remove everything; return how many messages that was.
        """
        messages, self._messages, self._size = self._messages, [], 0
        return sum(map(endsMessage, messages))


def _sizeOf(message: str | bytes | Frame | MessageDecoder) -> int:
    if isinstance(message, MessageDecoder):
        return 0
    return sizeOf(message.payload if isinstance(message, Frame) else message)


def isData(item: object) -> bool:
    """
    Is this item a message, or a fragment of one?
    """
    if type(item) is Frame:
        return item.opcode < _CONTROL
    return type(item) is not ProtocolFailure


def isEnd(item: object) -> bool:
    """
    Are items after this one ignored?
    """
    return type(item) is ProtocolFailure or (
        type(item) is Frame and item.opcode == Opcode.CLOSE
    )
