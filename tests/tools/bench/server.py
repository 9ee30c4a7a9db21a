# Part of txwebsocket. See LICENSE for details.
"""
The server whose speed is measured: an echo at ``/`` and a broadcast at ``/fanout``.

    server.py PORT [--reactor NAME] [--engine NAME]

It listens on 127.0.0.1, and is written as a user would write it.
"""

import argparse
from typing import Any

from twisted.application.reactors import installReactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.logger import globalLogBeginner
from twisted.web.server import Site

from txwebsocket import (
    Deflate,
    ServerConfig,
    WebSocketProtocol,
    WebSocketResource,
    WebSocketServer,
)


class Echo(WebSocketProtocol):
    """
    Send back what arrives.
    """

    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)


class Fanout(WebSocketProtocol):
    """
    Send what arrives to all.
    """

    server: WebSocketServer

    def textMessageReceived(self, message: str) -> None:
        self.server.broadcast(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.server.broadcast(data)


async def serve(reactor: Any, port: int, engine: str) -> None:
    # With the window and the memory that the others have.
    deflate = Deflate(engine=engine, serverMaxWindowBits=15, memLevel=8)
    config = ServerConfig(maxReceivedMessageSize=64 * 2**20, extensions=[deflate])
    fanout = WebSocketResource(Fanout, config)
    Fanout.server = fanout.server
    root = WebSocketResource(Echo, config)
    root.putChild(b"fanout", fanout)
    endpoint = f"tcp:{port}:interface=127.0.0.1:backlog=4096"
    await serverFromString(reactor, endpoint).listen(Site(root))
    await Deferred()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve an echo and a broadcast.")
    parser.add_argument("port", type=int)
    parser.add_argument("--reactor", help="one that twistd --help-reactors lists")
    parser.add_argument("--engine", default="zlib", help="what compresses")
    options = parser.parse_args()
    # Until logging begins, what is logged is kept.
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    if options.reactor:
        installReactor(options.reactor)

    def main(reactor: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(serve(reactor, options.port, options.engine))

    react(main)


if __name__ == "__main__":
    main()
