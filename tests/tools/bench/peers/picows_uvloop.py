# Part of txwebsocket. See LICENSE for details.
"""
An echo at ``/`` and a broadcast at ``/fanout``, with picows on uvloop.

    picows_uvloop.py PORT
"""

import sys

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

clients = set()


class Server(WSListener):
    isFanout = False

    def on_ws_connected(self, transport):
        self.isFanout = b"fanout" in transport.request.path
        if self.isFanout:
            clients.add(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif self.isFanout:
            payload = frame.get_payload_as_bytes()
            for client in clients:
                client.send(frame.msg_type, payload)
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport):
        clients.discard(transport)


async def main():
    port = int(sys.argv[1])
    server = await ws_create_server(
        lambda request: Server(), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


uvloop.run(main())
