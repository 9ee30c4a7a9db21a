# Part of txwebsocket. See LICENSE for details.
"""Leave news out for whoever reads too slowly, and send what holds by then instead."""

import json

from txwebsocket import BufferPolicy, ServerConfig, WebSocketProtocol, WebSocketServer

latest = {}


class Prices(WebSocketProtocol):
    def negotiationFinished(self):
        self.connection.send(json.dumps(latest))

    def messagesDropped(self, count):
        self.connection.send(json.dumps(latest))


config = ServerConfig(maxBufferedBytes=64 * 1024, whenBufferFull=BufferPolicy.DROP)
server = WebSocketServer(Prices, config)


def publish(name, price):
    latest[name] = price
    server.broadcast(json.dumps({name: price}))
