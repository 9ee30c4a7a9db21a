# Part of txwebsocket. See LICENSE for details.
"""
An echo at ``/`` and a broadcast at ``/fanout``, with Twisted's own WebSockets.

    twisted_web.py PORT
"""

import sys

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.websocket import WebSocketResource

clients = set()


class Echo:
    @classmethod
    def buildProtocol(cls, request):
        return cls()

    def negotiationStarted(self, transport):
        self.transport = transport

    def negotiationFinished(self):
        pass

    def textMessageReceived(self, message):
        self.transport.sendTextMessage(message)

    def bytesMessageReceived(self, data):
        self.transport.sendBytesMessage(data)

    def pongReceived(self, payload):
        pass

    def connectionLost(self, reason):
        clients.discard(self)


class Fanout(Echo):
    def negotiationFinished(self):
        clients.add(self)

    def textMessageReceived(self, message):
        for client in clients:
            client.transport.sendTextMessage(message)


root = Resource()
root.putChild(b"", WebSocketResource(Echo))
root.putChild(b"fanout", WebSocketResource(Fanout))
reactor.listenTCP(int(sys.argv[1]), Site(root), interface="127.0.0.1", backlog=4096)
reactor.run()
