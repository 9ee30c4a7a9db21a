# Part of txwebsocket. See LICENSE for details.
"""
Attempts to connect whose outcome a test decides.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import ReconnectConfig, WebSocketConnection
from txwebsocket.testing import MemorySite

# Delays of 1, 2, 4 and 8 seconds.
DELAYS = ReconnectConfig(maxDelay=8.0, jitter=lambda: 1.0)


# A power of two, so that sums with it are exact.
_MOMENT = 2**-10


class Trying:
    """
    Makes attempts that last until a test decides about them.

    :ivar made: the Deferreds of the attempts, all of them.
    :ivar cancelled: those that were given up.
    :ivar site: the site that those who succeed are connected to.
    """

    def __init__(self) -> None:
        self.made: list[Deferred[WebSocketConnection]] = []
        self.cancelled: list[Deferred[WebSocketConnection]] = []
        self._served: list[WebSocketConnection] = []
        self.site = MemorySite(lambda request: self._served.append(request.accept()))
        self.clock = self.site.clock

    def __call__(self) -> Deferred[WebSocketConnection]:
        """
        Begin an attempt.
        """
        attempt: Deferred[WebSocketConnection] = Deferred(self.cancelled.append)
        self.made.append(attempt)
        return attempt

    @property
    def served(self) -> WebSocketConnection:
        """
        The server's end of the newest connection.
        """
        return self._served[-1]

    def makeConnection(self) -> WebSocketConnection:
        """
        An open connection in pull style.
        """
        opened: list[WebSocketConnection] = []
        self.site.connect().addCallback(opened.append)
        return opened[0]

    def succeed(self) -> WebSocketConnection:
        """
        The newest attempt succeeds.
        """
        connection = self.makeConnection()
        self.made[-1].callback(connection)
        return connection

    def fail(self, error: Exception | None = None) -> None:
        """
        The newest attempt fails.
        """
        self.made[-1].errback(error or ConnectionRefusedError("odd"))

    def cut(self) -> None:
        """
        The newest connection breaks.
        """
        self.site.wires[-1].cut()
        self.site.flush()

    def wait(self, seconds: float) -> None:
        """
        Let time pass, all at once.
        """
        self.clock.advance(seconds)
        self.site.flush()


class TryingTestCase(SynchronousTestCase):
    """
    What tests of connecting again need.

    :ivar trying: makes the attempts.
    :ivar told: what the listeners were told, in order.
    """

    def setUp(self) -> None:
        self.trying = Trying()
        self.told: list[Any] = []

    def listeners(self) -> dict[str, Any]:
        """
        Listeners that write down what they are told.
        """
        return {
            "onAttempt": lambda number: self.told.append(("attempt", number)),
            "onFailure": lambda error, delay: self.told.append((error, delay)),
        }

    def begin(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """
        Let a coroutine run.
        """
        return Deferred.fromCoroutine(coroutine)

    def assertNextAfter(self, seconds: float) -> None:
        """
        The next attempt is made after so many seconds, and no sooner.
        """
        count = len(self.trying.made)
        self.trying.wait(seconds - _MOMENT)
        self.assertEqual(len(self.trying.made), count, "too early")
        self.trying.wait(_MOMENT)
        self.assertEqual(len(self.trying.made), count + 1, "too late")

    def assertIdle(self) -> None:
        """
        Nothing is planned for later.
        """
        self.trying.site.flush()
        self.assertEqual(self.trying.clock.getDelayedCalls(), [])
