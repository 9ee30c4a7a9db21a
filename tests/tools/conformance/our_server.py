# Part of txwebsocket. See LICENSE for details.
"""
An echo, the server that the testsuite judges: our_server.py ENDPOINT

It prints its port, and serves until a signal comes.
"""

import sys
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.python import log
from twisted.web.server import Site

from txwebsocket import Deflate, ServerConfig, WebSocketProtocol, WebSocketResource

# The largest message of section 9 has 16 MiB, the smallest of 12 and 13 has 16 bytes.
CONFIG = ServerConfig(maxReceivedMessageSize=2**24, extensions=[Deflate(minSize=1)])


class Echo(WebSocketProtocol):
    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)


async def main(reactor: Any, endpoint: str) -> None:
    log.startLogging(sys.stderr, setStdout=False)
    site = Site(WebSocketResource(Echo, CONFIG))
    port = await serverFromString(reactor, endpoint).listen(site)
    print(port.getHost().port, flush=True)
    await Deferred()  # until a signal comes


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
