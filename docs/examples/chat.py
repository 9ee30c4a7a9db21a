# Part of txwebsocket. See LICENSE for details.
"""Everybody hears what anybody says."""

from txwebsocket import WebSocketProtocol


class Chat(WebSocketProtocol):
    everybody = set()

    def negotiationFinished(self):
        self.everybody.add(self.connection)

    def textMessageReceived(self, message):
        for connection in self.everybody:
            if connection.connected:
                connection.send(message)

    def connectionLost(self, reason):
        self.everybody.discard(self.connection)
