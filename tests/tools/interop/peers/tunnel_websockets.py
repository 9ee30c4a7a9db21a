# Part of txwebsocket. See LICENSE for details.
"""
A bridge between TCP and WebSockets, made of ``websockets``: a server whose connections
lead to a port, or a port whose connections lead to a server.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import driver
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def bridge(
    socket: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    async def inward() -> None:
        while data := await reader.read(65536):
            await socket.send(data)
        await socket.close()

    async def outward() -> None:
        async for message in socket:
            writer.write(message)
            await writer.drain()

    sending = asyncio.create_task(inward())
    with suppress(ConnectionClosed):
        await outward()
    sending.cancel()
    writer.close()


async def runServer(
    target: int, protocol: str, certificate: str = "", key: str = ""
) -> None:
    async def lead(socket: Any) -> None:
        await bridge(socket, *await asyncio.open_connection("127.0.0.1", target))

    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    server = await serve(lead, "127.0.0.1", 0, ssl=context, subprotocols=[protocol])
    driver.listening(server.sockets[0].getsockname()[1], bool(certificate))
    await server.serve_forever()


async def runClient(url: str, protocol: str, authority: str = "") -> None:
    context = ssl.create_default_context(cafile=authority) if authority else None

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with connect(url, subprotocols=[protocol], ssl=context) as socket:
            await bridge(socket, reader, writer)

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    driver.report("serving", port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main(role: str, limit: int, **chosen: Any) -> None:
    driver.follow(lambda function: None)
    run = runClient if role == "client" else runServer
    asyncio.run(run(**chosen))


if __name__ == "__main__":
    main(**driver.options())
