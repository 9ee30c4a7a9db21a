# Part of txwebsocket. See LICENSE for details.
"""Everybody hears what anybody says."""

from txwebsocket import ConnectionClosed, WebSocketProtocol


class Chat(WebSocketProtocol):
    everybody = set()

    def negotiationFinished(self):
        self.everybody.add(self.connection)

    def textMessageReceived(self, message):
        for connection in list(self.everybody):
            try:
                connection.send(message)
            except ConnectionClosed:
                pass  # it is about to leave

    def connectionLost(self, reason):
        self.everybody.discard(self.connection)
