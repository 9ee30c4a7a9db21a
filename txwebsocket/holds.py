# -*- test-case-name: tests.test_flow -*-
# Part of txwebsocket. See LICENSE for details.
"""
Why a peer is not read from, or not listened to, for now.
"""

from enum import IntFlag, auto


class Hold(IntFlag):
    """
    The reasons not to deliver messages for now. All but :attr:`HOOK` are reasons not to
    read from the peer, either.
    """

    NONE = 0
    #: The application asked for a pause.
    PAUSED = auto()
    #: The application deals with as many messages as it may at a time.
    HOOK = auto()
    #: As many messages wait as may.
    INBOX = auto()
    #: The peer does not read what we send.
    WRITER = auto()
    #: Whoever accepted the connection shall have it before the first message.
    START = auto()
    #: Pieces of messages wait that nobody takes.
    PIECES = auto()
    #: A ping or pong has arrived, and the application still deals with the one before.
    CONTROL = auto()
