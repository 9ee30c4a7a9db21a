# -*- test-case-name: tests.wire.test_states -*-
# Part of txwebsocket. See LICENSE for details.
"""
The life of a connection: one enum, one table, one function that moves.
"""

from enum import Enum

from txwebsocket.wire.errors import InvalidState


class State(Enum):
    """
    Where a connection stands.
    """

    CONNECTING = "the opening handshake is not over"
    OPEN = "messages travel both ways"
    AWAITING_CLOSE = "we sent a close frame and wait for the peer's"
    AWAITING_LOSS = "nothing more is sent or delivered; the transport is to go"
    CLOSED = "the transport is gone"


INACTIVE = frozenset((State.CONNECTING, State.CLOSED))
"""
Where nothing is written or read.
"""

NOT_RECEIVING = frozenset((State.AWAITING_LOSS, State.CLOSED))
"""
Where received data is discarded.
"""

CLOSING = frozenset((State.AWAITING_CLOSE, State.AWAITING_LOSS))
"""
Where a close frame was sent.
"""


class Transition(Enum):
    """
    What moves a connection on.
    """

    OPENED = "the opening handshake succeeded"
    CLOSE_SENT = "we sent the first close frame"
    CLOSE_RECEIVED = "the peer's close frame arrived, and ours was sent"
    FAILED = "the peer broke a rule, or we did"
    DROPPED = "the connection is given up without a closing handshake"
    LOST = "the transport went away"


TRANSITIONS: dict[tuple[State, Transition], State] = {
    (State.CONNECTING, Transition.OPENED): State.OPEN,
    (State.CONNECTING, Transition.DROPPED): State.AWAITING_LOSS,
    (State.CONNECTING, Transition.LOST): State.CLOSED,
    (State.OPEN, Transition.CLOSE_SENT): State.AWAITING_CLOSE,
    (State.OPEN, Transition.CLOSE_RECEIVED): State.AWAITING_LOSS,
    (State.OPEN, Transition.FAILED): State.AWAITING_LOSS,
    (State.OPEN, Transition.DROPPED): State.AWAITING_LOSS,
    (State.OPEN, Transition.LOST): State.CLOSED,
    (State.AWAITING_CLOSE, Transition.CLOSE_RECEIVED): State.AWAITING_LOSS,
    (State.AWAITING_CLOSE, Transition.FAILED): State.AWAITING_LOSS,
    (State.AWAITING_CLOSE, Transition.DROPPED): State.AWAITING_LOSS,
    (State.AWAITING_CLOSE, Transition.LOST): State.CLOSED,
    (State.AWAITING_LOSS, Transition.LOST): State.CLOSED,
}
"""
Where each step leads. What is not here can't happen.
"""


def advance(state: State, step: Transition) -> State:
    """
    The only way from one state to the next.

    :raises InvalidState: if this step can't happen in this state.
    """
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise InvalidState(f"{step.name} can't happen in {state.name}") from None
