# Part of txwebsocket. See LICENSE for details.
"""
An echo at ``/`` and a broadcast at ``/fanout``, with autobahn on Twisted.

    autobahn_twisted.py PORT
"""

import sys

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
)
from twisted.internet import reactor

clients = set()


class Server(WebSocketServerProtocol):
    def onConnect(self, request):
        self.isFanout = request.path == "/fanout"

    def onOpen(self):
        if self.isFanout:
            clients.add(self)

    def onMessage(self, payload, isBinary):
        if not self.isFanout:
            self.sendMessage(payload, isBinary)
            return
        prepared = self.factory.prepareMessage(payload, isBinary)
        for client in clients:
            client.sendPreparedMessage(prepared)

    def onClose(self, wasClean, code, reason):
        clients.discard(self)


def accept(offers):
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None


factory = WebSocketServerFactory()
factory.protocol = Server
factory.setProtocolOptions(
    perMessageCompressionAccept=accept, autoPingInterval=0, tcpNoDelay=True
)
reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1", backlog=4096)
reactor.run()
