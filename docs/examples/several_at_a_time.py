# Part of txwebsocket. See LICENSE for details.
"""Up to ten questions of each peer are dealt with at a time."""

from twisted.internet.task import deferLater

from txwebsocket import ServerConfig, WebSocketProtocol

config = ServerConfig(concurrentMessages=10)


class Lookup(WebSocketProtocol):
    def __init__(self, reactor):
        self.reactor = reactor

    async def textMessageReceived(self, question):
        await deferLater(self.reactor, len(question))
        self.connection.send(f"{question}: who knows?")
