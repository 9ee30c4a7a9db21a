# -*- test-case-name: tests.wire.test_connection -*-
# Part of txwebsocket. See LICENSE for details.
"""
How a connection ends: its states, and the close frames (RFC 6455, 7).
"""

from collections.abc import Callable

from txwebsocket.wire.codes import CloseCause, Opcode
from txwebsocket.wire.control import closePayload, parseClosePayload
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.masking import noMask
from txwebsocket.wire.outbox import Outbox
from txwebsocket.wire.report import CloseReport
from txwebsocket.wire.speedups import encodeFrame
from txwebsocket.wire.states import TRANSITIONS, State, Transition, advance


class ClosingHandshake:
    """
    Where a connection stands, and how it comes to its end.

    :ivar state: where it stands.
    :ivar outbox: what is to be sent.
    :ivar undelivered: bytes that were taken from it and have not reached the peer,
        known at the end.
    """

    __slots__ = (
        "_cause",
        "_closeReceived",
        "_closeSize",
        "_detail",
        "_discarded",
        "_dropGiven",
        "_dropped",
        "_received",
        "_sent",
        "nextMask",
        "outbox",
        "state",
        "undelivered",
    )

    def __init__(self, nextMask: Callable[[], bytes] | None) -> None:
        self.outbox = Outbox(nextMask)
        self.state = State.CONNECTING
        self.nextMask = nextMask or noMask
        self._cause: CloseCause | None = None
        self._detail = ""
        self._sent: tuple[int | None, str] | None = None
        self._received: tuple[int | None, str] = (None, "")
        self._dropGiven: tuple[int | None, str] = (None, "")
        self._closeReceived = False
        self._closeSize = 0
        self._discarded = self._dropped = self.undelivered = 0

    def close(self, code: int | None, reason: str, cause: CloseCause) -> None:
        """
        Start the closing handshake; does nothing if it has started already.

        :param code: None sends a close frame without a code.
        """
        if self.state is State.OPEN:
            self._putClose(code, reason)
            self._cause = cause
            self._transition(Transition.CLOSE_SENT)

    def fail(self, code: int, reason: str, cause: CloseCause) -> None:
        """
        End the connection because of a fault (RFC 6455, 7.1.7): our close frame is the
        last thing sent, unless one was before, and nothing more is delivered.
        """
        if self.state not in (State.OPEN, State.AWAITING_CLOSE):
            return
        self._cause, self._detail = cause, reason
        if self.state is State.OPEN:
            self._putClose(code, reason)
        self._transition(Transition.FAILED)

    def abort(self, cause: CloseCause, detail: str = "") -> None:
        """
        Give the connection up without a closing handshake.
        """
        if (self.state, Transition.DROPPED) in TRANSITIONS:
            self._cause, self._detail = cause, detail
            self._transition(Transition.DROPPED)

    def transportLost(self, detail: str = "") -> None:
        """
        The transport is gone.

        :param detail: what the transport said, for a loss that nobody asked for.
        """
        if self._cause is None:
            self._cause, self._detail = CloseCause.PEER_LOST, detail
        self._transition(Transition.LOST)

    def report(self) -> CloseReport:
        """
        How the connection ended; while it is ending, what is known so far.

        :raises InvalidState: if nothing has ended it.
        """
        if self._cause is None:
            raise InvalidState("nothing has ended the connection")
        sentCode, sentReason = self._sent or (None, "")
        unsent = self.outbox.size + self.undelivered
        isSent = self._closeReceived and not self.outbox.size
        if isSent and self.undelivered <= self._closeSize:
            # RFC 6455, 7.1.4: both close frames are sent. A peer that ends TCP
            # as soon as it has ours need not acknowledge it.
            unsent = 0
        return CloseReport(
            cause=self._cause,
            wasClean=self._closeReceived and not unsent,
            closeSent=self._sent is not None,
            sentCode=sentCode,
            sentReason=sentReason,
            receivedCode=self._received[0],
            receivedReason=self._received[1],
            closeReceived=self._closeReceived,
            dropCode=self._dropGiven[0],
            dropReason=self._dropGiven[1],
            detail=self._detail,
            messagesDiscarded=self._discarded,
            messagesDropped=self._dropped,
            bytesUnsent=unsent,
        )

    def noteDrop(self, code: int, reason: str) -> None:
        """
        Keep for the report what the application gives up the connection with, the first
        time it does.
        """
        if self._dropGiven[0] is None:
            self._dropGiven = (code, reason)

    @property
    def hasPeerClosed(self) -> bool:
        """
        Has the peer's close frame arrived?
        """
        return self._closeReceived

    def noteDiscarded(self, count: int = 1) -> None:
        """
        Messages that have arrived whole will not be delivered, or not to their end.
        """
        self._discarded += count

    def checkOpen(self) -> None:
        """
        May anything be sent now?

        :raises InvalidState: not yet.
        :raises ConnectionClosed: not any more.
        """
        if self.state is not State.OPEN:
            if self.state is State.CONNECTING:
                raise InvalidState("the opening handshake is not over yet")
            raise ConnectionClosed(self.report())

    def _peerClosed(self, code: int | None, reason: str) -> None:
        """
        The peer's close frame is there.
        """
        self._received = (code, reason)
        self._closeReceived = True
        self._cause = self._cause or CloseCause.PEER_CLOSE
        if self.state is State.OPEN:
            # RFC 6455, 5.5.1: the answer usually echoes what it answers.
            self._putClose(code, reason)
        self._transition(Transition.CLOSE_RECEIVED)

    def _putClose(self, code: int | None, reason: str) -> None:
        payload = closePayload(code, reason)
        self._sent = parseClosePayload(payload)
        frame = encodeFrame(Opcode.CLOSE, payload, self.nextMask())
        self._closeSize = len(frame)
        self.outbox.putClose(frame)

    def _transition(self, step: Transition) -> None:
        self.state = advance(self.state, step)
