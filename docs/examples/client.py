# Part of txwebsocket. See LICENSE for details.
"""Say something, and print what comes back."""

import sys

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from txwebsocket import WebSocketClient


async def talk(reactor, url, words):
    connection = await WebSocketClient(reactor).connect(url)
    async with connection:
        connection.send(words)
        print(await connection.receive())
    print(connection.closeReport)


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(talk(reactor, *sys.argv[1:])))
