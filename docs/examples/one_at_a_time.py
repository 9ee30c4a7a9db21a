# Part of txwebsocket. See LICENSE for details.
"""The next message waits until this one is dealt with."""

from twisted.internet.task import deferLater

from txwebsocket import WebSocketProtocol


class Worker(WebSocketProtocol):
    def __init__(self, reactor):
        self.reactor = reactor

    async def textMessageReceived(self, message):
        await deferLater(self.reactor, 0.5)
        self.connection.send(f"done: {message}")
