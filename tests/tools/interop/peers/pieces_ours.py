# Part of txwebsocket. See LICENSE for details.
"""
Messages in pieces, by our server and our client; see ``pieces.py``.
"""

import sys
from functools import partial
from typing import Any

import driver
from pieces import Echoed
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.python import log
from twisted.web.server import Site

from txwebsocket import (
    ClientConfig,
    Deflate,
    ServerConfig,
    WebSocketClient,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketResource,
)


async def echo(request: WebSocketRequest) -> None:
    connection = request.accept()
    async for message in connection.streams():
        await connection.sendPieces(message, isText=message.isText)


async def take(connection: WebSocketConnection, echoed: Echoed) -> None:
    async for piece in await connection.receiveStream():
        echoed.take(piece)


async def runServer(reactor: Any, config: dict[str, Any]) -> None:
    endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    site = Site(WebSocketResource(echo, ServerConfig(**config)))
    port = await endpoint.listen(site)
    driver.listening(port.getHost().port, False)
    await Deferred()


async def runClient(
    reactor: Any, config: dict[str, Any], url: str, kinds: list[str], count: int
) -> None:
    client = WebSocketClient(reactor, ClientConfig(**config))
    async with await client.connect(url) as connection:
        for kind in kinds:
            echoed = Echoed(kind, count)
            sending = connection.sendPieces(echoed.pieces())
            taking = Deferred.fromCoroutine(take(connection, echoed))
            await gatherResults([sending, taking], consumeErrors=True)
            echoed.report()


def main(
    reactor: Any, role: str, limit: int, compress: bool, **chosen: Any
) -> Deferred[None]:
    log.startLogging(sys.__stderr__, setStdout=False)
    driver.follow(reactor.callFromThread)
    config = {
        "streamMessages": True,
        "maxReceivedMessageSize": 2**40,
        "extensions": [Deflate()] if compress else [],
    }
    run = runServer if role == "server" else runClient
    return Deferred.fromCoroutine(run(reactor, config, **chosen))


if __name__ == "__main__":
    react(partial(main, **driver.options()))
