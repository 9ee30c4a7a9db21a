# Part of txwebsocket. See LICENSE for details.
"""A WebSocket beside ordinary pages, on one port."""

import sys

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from txwebsocket import (
    ServerConfig,
    WebSocketProtocol,
    WebSocketResource,
    firstOffered,
)


class Echo(WebSocketProtocol):
    def textMessageReceived(self, message):
        self.connection.send(message)

    def bytesMessageReceived(self, data):
        self.connection.send(data)


def makeSite(reactor):
    root = Resource()
    root.putChild(b"", Data(b"<h1>An ordinary page</h1>", "text/html"))
    config = ServerConfig(
        maxReceivedMessageSize=64 * 1024,
        origins=["https://www.example.com"],
        subprotocols=firstOffered,
    )
    echo = WebSocketResource(Echo, config)
    root.putChild(b"echo", echo)
    # Close the connections with 1001 when the process ends.
    reactor.addSystemEventTrigger("before", "shutdown", echo.server.shutDown)
    return Site(root, reactor=reactor)


async def main(reactor, description="tcp:8080:interface=127.0.0.1"):
    log.startLogging(sys.stdout)
    await serverFromString(reactor, description).listen(makeSite(reactor))
    await Deferred()  # until a signal comes


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
