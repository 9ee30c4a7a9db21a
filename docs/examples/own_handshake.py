# Part of txwebsocket. See LICENSE for details.
"""A protocol of one's own, whose connection becomes a WebSocket after a login."""

from twisted.protocols.basic import LineReceiver

from txwebsocket import ServerConfig, WebSocketProtocol, adoptConnection


class Chat(WebSocketProtocol):
    def negotiationFinished(self):
        self.connection.send("welcome")

    def textMessageReceived(self, message):
        self.connection.send(f"you said {message}")


class Login(LineReceiver):
    config = ServerConfig(maxReceivedMessageSize=64 * 1024)

    def __init__(self, reactor, isAllowed):
        self.reactor = reactor
        self.isAllowed = isAllowed

    def lineReceived(self, line):
        if not self.isAllowed(line):
            self.sendLine(b"no")
            self.transport.loseConnection()
            return
        self.sendLine(b"yes")
        # What came with the line is the beginning of the frames.
        early = self.clearLineBuffer()
        adoptConnection(
            self, self.reactor, self.config, application=Chat(), early=early
        )
