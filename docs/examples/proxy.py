# Part of txwebsocket. See LICENSE for details.
"""Go through the proxy that the environment names, and tell what it says."""

import sys

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from txwebsocket import (
    PROXY_FROM_ENVIRONMENT,
    OpeningFailed,
    ProxyRejected,
    WebSocketClient,
)


async def talk(reactor, url, words):
    client = WebSocketClient(reactor, proxy=PROXY_FROM_ENVIRONMENT)
    try:
        connection = await client.connect(url)
    except OpeningFailed as error:
        print(error)
        if isinstance(error.cause, ProxyRejected) and error.cause.response:
            print(error.cause.response.body.decode("utf-8", "replace"))
        return
    async with connection:
        connection.send(words)
        print(await connection.receive())


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(talk(reactor, *sys.argv[1:])))
