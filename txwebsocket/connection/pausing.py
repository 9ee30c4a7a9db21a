# -*- test-case-name: tests.integration.test_flow -*-
# Part of txwebsocket. See LICENSE for details.
"""
Why messages are not delivered for now.
"""

from enum import IntFlag, auto


class PauseReason(IntFlag):
    """
    The reasons not to deliver messages for now. All but :attr:`HOOK` are reasons not to
    read from the peer, either.
    """

    NONE = 0
    #: The application asked for a pause.
    PAUSED = auto()
    #: As many hooks as may run at a time have not finished.
    HOOK = auto()
    #: The queue of received messages is full.
    INBOX = auto()
    #: The peer does not read what we send.
    WRITER = auto()
    #: Whoever accepted the connection shall have it before the first message.
    START = auto()
    #: Pieces of messages wait that nobody takes.
    PIECES = auto()
    #: A ping or pong has arrived, and the hook of an earlier one has not finished.
    CONTROL = auto()
    #: Decoding has taken a turn's work; the connections of others come first.
    TURN = auto()
    #: The protocol of a stream of bytes asked its transport for a pause.
    STREAM = auto()


ASKED = PauseReason.PAUSED | PauseReason.STREAM
"""
The reasons that an application, or the protocol of a stream, asks for.
"""


NOT_DISPATCHING = (
    ASKED | PauseReason.HOOK | PauseReason.WRITER | PauseReason.START | PauseReason.TURN
)
"""
The reasons for which no message is given to the application.
"""
