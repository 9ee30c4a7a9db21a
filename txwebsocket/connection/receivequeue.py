# -*- test-case-name: tests.connection.test_receivequeue -*-
# Part of txwebsocket. See LICENSE for details.
"""
Messages that wait for an application in pull style.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from txwebsocket.connection.turns import TurnLimit

MAX_MESSAGES = 16
"""
Messages that may wait before the peer's data is read no further.
"""


class ReceiveQueue:
    """
    A queue between a connection and ``receive()``, bounded in messages and in bytes.

    :param maxBytes: how much may wait before :attr:`isFull`.
    :param onFull: called when it is full.
    :param onRoom: called when it was full and is not any more.
    :param clock: tells turns, so that loops made of callbacks don't go too deep.
    """

    __slots__ = (
        "_limit",
        "_makeError",
        "_maxBytes",
        "_messages",
        "_onFull",
        "_onRoom",
        "_size",
        "_waiting",
    )

    def __init__(
        self,
        maxBytes: int,
        onFull: Callable[[], object],
        onRoom: Callable[[], object],
        clock: IReactorTime | None = None,
    ) -> None:
        self._maxBytes = maxBytes
        self._onFull = onFull
        self._onRoom = onRoom
        # Lists, since they are short, and an empty deque takes 700 bytes.
        self._messages: list[str | bytes] = []
        self._size = 0
        self._waiting: list[Deferred[str | bytes]] = []
        self._makeError: Callable[[], BaseException] | None = None
        self._limit = None if clock is None else TurnLimit(clock)

    @property
    def isFull(self) -> bool:
        """
        Should nothing more be read for now?
        """
        return len(self._messages) >= MAX_MESSAGES or self.isLarge

    @property
    def isLarge(self) -> bool:
        """
        Is that because of their bytes?
        """
        return self._size >= self._maxBytes

    def put(self, message: str | bytes) -> None:
        """
        Give a message to who waits for one, or keep it for who comes.
        """
        if self._waiting and not self._messages:
            self._waiting.pop(0).callback(message)
            return
        self._messages.append(message)
        self._size += sizeOf(message)
        if self.isFull:
            self._onFull()

    def receive(self) -> Deferred[str | bytes]:
        """
        The next message. Cancelling the Deferred loses none.
        """
        if self._messages and not self._waiting and self._mayGive():
            return succeed(self._take())
        if self._makeError is not None and not self._messages:
            return fail(self._makeError())
        waiting: Deferred[str | bytes] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def end(self, errorFactory: Callable[[], BaseException]) -> None:
        """
        There will be no more; who waits in vain is told so.

        :param errorFactory: makes what tells so. One that is raised keeps what it
            passes through, and would for as long as we kept it.
        """
        self._makeError = errorFactory
        # These refer to the connection, which refers to us.
        self._onFull = self._onRoom = _doNothing
        while self._waiting and not self._messages:
            self._waiting.pop(0).errback(errorFactory())

    def _mayGive(self) -> bool:
        return self._limit is None or self._limit.allows(self._serve)

    def _serve(self) -> None:
        """
        Go on with a loop that had gone too deep.
        """
        while self._waiting and self._messages:
            self._waiting.pop(0).callback(self._take())
        if self._makeError is not None:
            self.end(self._makeError)

    def _take(self) -> str | bytes:
        wasFull = self.isFull
        message = self._messages.pop(0)
        self._size -= sizeOf(message)
        if wasFull and not self.isFull:
            self._onRoom()
        return message


def _doNothing() -> None:
    return None


def sizeOf(message: str | bytes) -> int:
    """
    Bytes of a message; of text, in UTF-8.
    """
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode("utf-8"))
