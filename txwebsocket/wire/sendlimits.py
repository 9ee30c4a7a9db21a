# -*- test-case-name: tests.wire.test_sendlimits -*-
# Part of txwebsocket. See LICENSE for details.
"""
How much may wait for a peer that does not read, and what becomes of more.
"""

import sys
from collections.abc import Callable
from typing import NoReturn, Protocol

from txwebsocket.wire.closing import ClosingHandshake
from txwebsocket.wire.codes import CloseCause, CloseCode, Opcode
from txwebsocket.wire.config import BufferPolicy, ConnectionConfig
from txwebsocket.wire.errors import BufferFull, ConnectionClosed
from txwebsocket.wire.frames import COPY_LIMIT
from txwebsocket.wire.speedups import encodeFrame
from txwebsocket.wire.states import State

_CLOSE_CODES = {
    BufferPolicy.CLOSE: CloseCode.POLICY_VIOLATION,
    BufferPolicy.CLOSE_TRY_AGAIN_LATER: CloseCode.TRY_AGAIN_LATER,
}


# Bytes of a frame with a payload that is joined with its head: characters have up to
# four, and the head fourteen.
_MOST_SMALL = 4 * COPY_LIMIT + 14


def roomForSmall(config: ConnectionConfig) -> int:
    """
    Up to how many queued bytes a small message may be put without a further look.
    """
    most = min(config.maxBufferedBytes - _MOST_SMALL, config.highWaterMark)
    return min(most, sys.maxsize)


class Owner(Protocol):
    """
    Whose connection it is.
    """

    def makeRoom(self, isNeeded: bool) -> None:
        """
        Much waits: take from the outbox what can be taken.

        :param isNeeded: whether more would be refused otherwise.
        """

    def messageDropped(self) -> None:
        """
        A message was left out.
        """


class SendLimits(ClosingHandshake):
    """
    A connection's bound for what waits to be sent.

    :param owner: who is told of it, if anybody.
    """

    __slots__ = ("_config", "_owner")

    def __init__(
        self,
        config: ConnectionConfig,
        nextMask: Callable[[], bytes] | None,
        owner: Owner | None,
    ) -> None:
        super().__init__(nextMask)
        self._config = config
        self._owner = owner

    @property
    def isReceiving(self) -> bool:
        """
        Are messages that arrive to be delivered?
        """
        return self.state is State.OPEN or (
            self.state is State.AWAITING_CLOSE and self._config.deliverAfterClose
        )

    def forgetOwner(self) -> None:
        """
        Let the owner go: the connection has ended.
        """
        self._owner = None

    def pingAhead(self, payload: bytes) -> None:
        """
        Send a ping ahead of what waits, as soon as no frame is in the middle. It needs
        no room.
        """
        if self.state is State.OPEN:
            ping = encodeFrame(Opcode.PING, payload, self.nextMask())
            self.outbox.putPingAhead(ping)

    def _makeRoom(self, size: int) -> None:
        """
        If much waits, or will, have some of it taken. Whoever does that may do anything
        else as well, so nothing that was found out before this holds afterwards.
        """
        isNeeded = not self._fits(size)
        isMuch = self.outbox.size >= self._config.highWaterMark
        if self._owner is not None and (isNeeded or isMuch):
            self._owner.makeRoom(isNeeded)

    def _hasRoom(self, size: int) -> bool:
        """
        May a message of this size wait for the peer?

        :return: if not, it is left out, and counted.
        :raises BufferFull: if the policy is to raise.
        :raises ConnectionClosed: if the policy is to close.
        """
        if self._fits(size):
            return True
        if self._config.whenBufferFull is not BufferPolicy.DROP:
            self._refuse(size)
        self._dropped += 1
        if self._owner is not None:
            self._owner.messageDropped()
        return False

    def _checkRoom(self, size: int) -> None:
        """
        May something of this size, which is no message of its own, wait for the peer?

        :raises BufferFull: if not, and the policy is not to close.
        :raises ConnectionClosed: if not, and the policy is to close.
        """
        if not self._fits(size):
            self._refuse(size)

    def _checkStreamRoom(self, size: int) -> None:
        """
        May so much of a stream, from which nothing can be missing, wait for the peer?

        :raises ConnectionClosed: if not.
        """
        if not self._fits(size):
            self._closeFull()

    def _fits(self, size: int) -> bool:
        waiting = self.outbox.size
        return not waiting or waiting + size <= self._config.maxBufferedBytes

    def _refuse(self, size: int) -> NoReturn:
        if self._config.whenBufferFull in _CLOSE_CODES:
            self._closeFull()
        raise BufferFull(size, self.outbox.size, self._config.maxBufferedBytes)

    def _closeFull(self) -> NoReturn:
        policy = self._config.whenBufferFull
        code = _CLOSE_CODES.get(policy, CloseCode.POLICY_VIOLATION)
        self.fail(code, "reads too slowly", CloseCause.BUFFER_FULL)
        raise ConnectionClosed(self.report())
