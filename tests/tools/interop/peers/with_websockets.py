# Part of txwebsocket. See LICENSE for details.
"""
The driver of ``websockets``.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import driver
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.connection import Connection as Socket
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, WebSocketException


class Connection:
    def __init__(self, socket: Socket) -> None:
        self.socket = socket

    async def converse(self, take: Callable[[Any], Any]) -> None:
        isCompressed = bool(self.socket.protocol.extensions)
        driver.opened(self, self.socket.subprotocol, isCompressed)
        with suppress(ConnectionClosed):
            async for message in self.socket:
                await take(message)
        driver.closed(self.socket.close_code, self.socket.close_reason)

    async def send(self, octets: bytes, isText: bool, piece: int | None) -> None:
        message = driver.pieces(octets, piece) if piece else octets
        await self.socket.send(message, text=isText)

    async def ping(self, payload: bytes) -> None:
        await (await self.socket.ping(payload))
        driver.report("pong", payload=payload.decode())

    async def close(self, code: int, reason: str) -> None:
        await self.socket.close(code, reason)


async def takeDown(message: str | bytes) -> None:
    driver.received(message)


async def runServer(
    limit: int, certificate: str = "", key: str = "", port: int = 0
) -> None:
    async def converse(socket: Socket) -> None:
        connection = Connection(socket)
        await connection.converse(partial(driver.answer, connection))

    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    server = await serve(
        converse,
        "127.0.0.1",
        port,
        ssl=context,
        max_size=limit,
        subprotocols=[driver.PROTOCOL],
    )
    driver.listening(server.sockets[0].getsockname()[1], bool(certificate))
    await server.serve_forever()


async def runClient(limit: int, authority: str = "") -> None:
    loop = asyncio.get_running_loop()

    async def open_(url: str, protocols: list[str], path: str = "") -> None:
        call = partial(unix_connect, path) if path else connect
        context = ssl.create_default_context(cafile=authority) if authority else None
        try:
            socket = await call(
                url, subprotocols=protocols or None, max_size=limit, ssl=context
            )
        except (OSError, WebSocketException) as error:
            driver.report("refused", why=f"{type(error).__name__}: {error}")
        else:
            await Connection(socket).converse(takeDown)

    def call(function: Callable[[], Any]) -> None:
        future = asyncio.run_coroutine_threadsafe(function(), loop)
        future.add_done_callback(lambda done: done.result())

    driver.follow(call, open_)
    await asyncio.Event().wait()


def main(role: str, **chosen: Any) -> None:
    if role == "client":
        asyncio.run(runClient(**chosen))
    else:
        driver.follow(lambda function: None)
        asyncio.run(runServer(**chosen))


if __name__ == "__main__":
    main(**driver.options())
