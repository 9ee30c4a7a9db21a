# Part of txwebsocket. See LICENSE for details.
"""
An echo at ``/`` and a broadcast at ``/fanout``, with websockets.

    websockets_asyncio.py PORT [uvloop]
"""

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve

clients = set()


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def fanout(connection):
    clients.add(connection)
    try:
        async for message in connection:
            broadcast(clients, message)
    finally:
        clients.discard(connection)


async def handler(connection):
    isFanout = connection.request.path == "/fanout"
    await (fanout if isFanout else echo)(connection)


async def main():
    port = int(sys.argv[1])
    async with serve(handler, "127.0.0.1", port, max_size=None, backlog=4096):
        await asyncio.get_running_loop().create_future()


if "uvloop" in sys.argv:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
