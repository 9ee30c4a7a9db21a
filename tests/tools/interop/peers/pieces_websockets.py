# Part of txwebsocket. See LICENSE for details.
"""
Messages in pieces, by ``websockets``; see ``pieces.py``.
"""

import asyncio
from contextlib import suppress
from typing import Any

import driver
from pieces import Echoed
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection as Socket
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket: Socket) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.send(socket.recv_streaming())


async def take(socket: Socket, echoed: Echoed) -> None:
    async for piece in socket.recv_streaming():
        echoed.take(piece)


async def runServer(options: dict[str, Any]) -> None:
    server = await serve(echo, "127.0.0.1", 0, **options)
    driver.listening(server.sockets[0].getsockname()[1], False)
    await server.serve_forever()


async def runClient(
    options: dict[str, Any], url: str, kinds: list[str], count: int
) -> None:
    async with connect(url, **options) as socket:
        for kind in kinds:
            echoed = Echoed(kind, count)
            await asyncio.gather(socket.send(echoed.pieces()), take(socket, echoed))
            echoed.report()


def main(role: str, limit: int, compress: bool, **chosen: Any) -> None:
    driver.follow(lambda function: None)
    options = {"max_size": None, "compression": "deflate" if compress else None}
    run = runServer if role == "server" else runClient
    asyncio.run(run(options, **chosen))


if __name__ == "__main__":
    main(**driver.options())
