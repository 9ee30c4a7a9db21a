# Part of txwebsocket. See LICENSE for details.
"""Send each message until the server has confirmed it."""

from collections import deque
from contextlib import suppress

from txwebsocket import ConnectionClosed, WebSocketClientService


class Sender:
    def __init__(self, reactor, connect):
        self.unconfirmed = deque()
        self.connection = None
        self.service = WebSocketClientService(reactor, connect, self.talk)

    def send(self, message):
        self.unconfirmed.append(message)
        if self.connection is not None:
            with suppress(ConnectionClosed):
                self.connection.send(message)

    async def talk(self, connection):
        for message in self.unconfirmed:
            connection.send(message)
        # Before this, what is sent would be sent twice.
        self.connection = connection
        async for _ in connection:
            # This server answers each message, in order.
            self.unconfirmed.popleft()
