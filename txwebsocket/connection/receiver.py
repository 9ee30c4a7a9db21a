# -*- test-case-name: tests.connection.test_incoming -*-
# Part of txwebsocket. See LICENSE for details.
"""
The interface of a connection that messages in pieces rely on.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from txwebsocket.connection.pausing import PauseReason
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.connection import Connection


class Receives(Protocol):
    """
    Whose messages they are.
    """

    @property
    def clock(self) -> IReactorTime:
        """
        The reactor, for what is to happen in its next turn.
        """

    config: ConnectionConfig
    core: Connection
    isPullMode: bool

    def pauseFor(self, why: PauseReason) -> None:
        """
        Deliver nothing more and stop reading, for one more reason.
        """

    def resumeFrom(self, why: PauseReason) -> None:
        """
        Take one of the reasons back.
        """

    def syncTransport(self) -> None:
        """
        Do what follows from how things stand.
        """

    def deliver(self) -> None:
        """
        Tell the application of messages, as far as it can be told now.
        """

    def messageStarted(self, message: Any) -> Any:
        """
        Tell the application of a message.
        """

    def applicationFailed(self, failure: Failure) -> None:
        """
        The application raised.
        """
