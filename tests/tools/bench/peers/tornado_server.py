# Part of txwebsocket. See LICENSE for details.
"""
An echo at ``/`` and a broadcast at ``/fanout``, with Tornado.

    tornado_server.py PORT
"""

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketHandler

clients = set()


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def open(self):
        self.set_nodelay(True)

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


class Fanout(WebSocketHandler):
    def open(self):
        self.set_nodelay(True)
        clients.add(self)

    def on_message(self, message):
        for client in clients:
            client.write_message(message)

    def on_close(self):
        clients.discard(self)


async def main():
    application = Application(
        [("/", Echo), ("/fanout", Fanout)], websocket_max_message_size=2**30
    )
    application.listen(int(sys.argv[1]), "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


asyncio.run(main())
