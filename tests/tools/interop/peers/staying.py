# Part of txwebsocket. See LICENSE for details.
"""
A client of ours that stays connected to ``url``. Besides what other drivers tell, it
tells of each connection that has ended:

    {"event": "lost", "why": …}

and before each that is open, how many attempts have failed so far:

    {"event": "failures", "count": …}

When it is terminated, it stops as a service does.
"""

import sys
from functools import partial
from typing import Any

import driver
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python import log

from txwebsocket import (
    ConnectionClosed,
    ReconnectConfig,
    WebSocketClient,
    WebSocketClientService,
    WebSocketConnection,
)


class Talker:
    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection

    def send(self, octets: bytes, isText: bool, piece: int | None) -> None:
        self._connection.send(octets.decode() if isText else octets)


def main(reactor: Any, role: str, limit: int, url: str) -> Deferred[None]:
    log.startLogging(sys.__stderr__, setStdout=False)
    client = WebSocketClient(reactor)

    async def talk(connection: WebSocketConnection) -> None:
        driver.report("failures", count=service.failures)
        driver.opened(Talker(connection), connection.protocol, False)
        async for message in connection:
            driver.received(message)

    def failed(error: Exception, delay: float | None) -> None:
        if isinstance(error, ConnectionClosed):
            driver.report("lost", why=str(error))

    service = WebSocketClientService(
        reactor,
        lambda: client.connect(url, [driver.PROTOCOL]),
        talk,
        ReconnectConfig(initialDelay=0.1, maxDelay=0.5),
        onFailure=failed,
    )
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    service.startService()
    driver.follow(reactor.callFromThread)
    return Deferred()


if __name__ == "__main__":
    react(partial(main, **driver.options()))
