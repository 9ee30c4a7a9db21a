# Part of txwebsocket. See LICENSE for details.
"""Follow a feed, whatever happens to the connection."""

import sys
from contextlib import suppress

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from txwebsocket import ConnectionClosed, ReconnectingWebSocket, WebSocketClient


async def follow(reactor, url):
    client = WebSocketClient(reactor)
    async for connection in ReconnectingWebSocket(reactor, lambda: client.connect(url)):
        with suppress(ConnectionClosed):
            async for message in connection:
                print(message)


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(follow(reactor, *sys.argv[1:])))
