# Part of txwebsocket. See LICENSE for details.
"""A server and a client over whatever an endpoint connects; here a UNIX socket."""

import sys

from twisted.internet.defer import ensureDeferred
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.task import react

from txwebsocket import (
    WebSocketClientProtocolFactory,
    WebSocketProtocol,
    WebSocketServerProtocolFactory,
)


class Shout(WebSocketProtocol):
    def textMessageReceived(self, message):
        self.connection.send(message.upper())


async def talk(reactor, path="shout.sock"):
    servers = WebSocketServerProtocolFactory(Shout, reactor=reactor)
    port = await serverFromString(reactor, f"unix:{path}").listen(servers)
    # The URL is for the request alone: the endpoint knows the way.
    clients = WebSocketClientProtocolFactory(reactor, "ws://localhost/")
    protocol = await clientFromString(reactor, f"unix:{path}").connect(clients)
    async with await protocol.opened as connection:
        connection.send("hello")
        print(await connection.receive())
    await port.stopListening()
    await servers.server.shutDown()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(talk(reactor, *sys.argv[1:])))
