# -*- test-case-name: tests.wire.test_report -*-
# Part of txwebsocket. See LICENSE for details.
"""
How a connection ended.
"""

from dataclasses import dataclass
from typing import NamedTuple

from txwebsocket.wire.codes import CloseCause, CloseCode


class TrafficStats(NamedTuple):
    """
    What has passed over a connection.

    :ivar messagesReceived: messages that were delivered. A hook finds those among them
        that were read together with its own.
    :ivar messagesSent: messages that were sent, or wait to be.
    :ivar bytesReceived: bytes of frames, their heads included.
    :ivar bytesSent: the same for what has left our queue.
    :ivar messagesDropped: messages that were left out, because too much waited.
    """

    messagesReceived: int
    messagesSent: int
    bytesReceived: int
    bytesSent: int
    messagesDropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseReport:
    """
    How a connection ended: both sides' words, and what really happened.
    """

    cause: CloseCause
    """
    What ended the connection.
    """

    wasClean: bool
    """
    Both close frames were exchanged before the transport went away (RFC 6455, 7.1.4).
    """

    closeSent: bool = False
    """
    A close frame of ours was sent, or waited to be.
    """

    sentCode: int | None = None
    """
    The code of our close frame; None if we sent none, or one without a code.
    """

    sentReason: str = ""
    """
    The reason in our close frame.
    """

    receivedCode: int | None = None
    """
    The code of the peer's close frame; None if none came, or one without a code.
    """

    receivedReason: str = ""
    """
    The reason in the peer's close frame.
    """

    closeReceived: bool = False
    """
    A close frame of the peer has arrived.
    """

    dropCode: int | None = None
    """
    The code given to ``drop()``, which a close frame need not have told the peer; None
    if it was not called.
    """

    dropReason: str = ""
    """
    The reason given to ``drop()``.
    """

    detail: str = ""
    """
    What was wrong, in a sentence, where the cause alone does not tell.
    """

    messagesDiscarded: int = 0
    """
    Messages that arrived whole and were not delivered, because we were closing or the
    connection was gone before the application wanted them, or that came in pieces which
    it did not read to the end.
    """

    messagesDropped: int = 0
    """
    Messages of ours that were left out, because too much waited; see
    :attr:`BufferPolicy.DROP`.
    """

    bytesUnsent: int = 0
    """
    Bytes of frames that had not been delivered when the connection was lost or cut: of
    our queue, and of what the transport and the operating system held, as far as that
    tells (on Linux, and most systems with sockets like its). What the peer's system had
    taken counts as delivered, though its program may not have read it.
    """

    @property
    def code(self) -> int:
        """
        The close code as browsers report it (RFC 6455, 7.1.5): the peer's, else 1005
        if its close frame had none, or 1006 if no close frame came.
        """
        if self.receivedCode is not None:
            return self.receivedCode
        return CloseCode.NOT_PROVIDED if self.closeReceived else CloseCode.ABNORMAL

    @property
    def reason(self) -> str:
        """
        The peer's reason (RFC 6455, 7.1.6).
        """
        return self.receivedReason

    def __str__(self) -> str:
        words = [f"{self.cause.value}" + (f": {self.detail}" if self.detail else "")]
        if self.closeSent:
            words.append(f"sent {_told(self.sentCode, self.sentReason)}")
        if self.closeReceived:
            words.append(f"received {_told(self.receivedCode, self.receivedReason)}")
        if self._isDropUntold:
            words.append(f"dropped with {_told(self.dropCode, self.dropReason)}")
        if self.messagesDropped:
            words.append(f"{self.messagesDropped} messages were dropped")
        if self.bytesUnsent:
            words.append(f"{self.bytesUnsent} bytes had not been sent")
        return "; ".join(words)

    @property
    def _isDropUntold(self) -> bool:
        given = (self.dropCode, self.dropReason)
        sent = (self.sentCode, self.sentReason)
        return self.dropCode is not None and given != sent


def _told(code: int | None, reason: str) -> str:
    number = int(CloseCode.NOT_PROVIDED if code is None else code)
    return f"{number} {reason!r}" if reason else str(number)
