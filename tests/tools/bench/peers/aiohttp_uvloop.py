# Part of txwebsocket. See LICENSE for details.
"""
An echo at ``/`` and a broadcast at ``/fanout``, with aiohttp on uvloop.

    aiohttp_uvloop.py PORT
"""

import asyncio
import sys

import uvloop
from aiohttp import WSMsgType, web

clients = set()


async def echo(request):
    connection = web.WebSocketResponse(max_msg_size=0)
    await connection.prepare(request)
    async for message in connection:
        if message.type == WSMsgType.TEXT:
            await connection.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await connection.send_bytes(message.data)
    return connection


async def fanout(request):
    connection = web.WebSocketResponse(max_msg_size=0)
    await connection.prepare(request)
    clients.add(connection)
    async for message in connection:
        await asyncio.gather(*(client.send_str(message.data) for client in clients))
    clients.discard(connection)
    return connection


application = web.Application()
application.router.add_get("/", echo)
application.router.add_get("/fanout", fanout)
web.run_app(
    application,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    print=None,
    loop=uvloop.new_event_loop(),
    backlog=4096,
    access_log=None,
)
