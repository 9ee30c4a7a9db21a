# Part of txwebsocket. See LICENSE for details.
"""
An echo with options of its own, which tells what it has left behind.

    server.py ENDPOINT [OPTION=VALUE...]

At each line on its standard input it prints how many protocols, links and connections
there are.
"""

import ast
import gc
import sys
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python import log

from txwebsocket import Deflate, ServerConfig, WebSocketResource
from txwebsocket.server.site import WebSocketSite
from txwebsocket.standalone.tap import Echo

_WATCHED = (
    "WebSocketConnection",
    "WebSocketChannel",
    "Echo",
    "_StrictChannel",
    "Request",
    "Server",
)


class Teller(LineOnlyReceiver):
    """
    Count what is left.
    """

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        gc.collect()
        kinds = Counter(type(each).__name__ for each in gc.get_objects())
        left = [f"{kinds[name]} {name}" for name in _WATCHED if kinds[name]]
        sys.stdout.write(f"{line.decode()} left {', '.join(left) or 'none'}\n")
        sys.stdout.flush()


async def main(reactor: Any, endpoint: str, *words: str) -> None:
    log.startLogging(sys.stdout, setStdout=False)
    options = dict(word.split("=", 1) for word in words)
    values = {name: ast.literal_eval(value) for name, value in options.items()}
    if values.pop("compress", False):
        values["extensions"] = [Deflate()]
    site = WebSocketSite(WebSocketResource(Echo, ServerConfig(**values)))
    port = await serverFromString(reactor, endpoint).listen(site)
    StandardIO(Teller())
    scheme = "wss" if endpoint.startswith("ssl") else "ws"
    host = port.getHost()
    log.msg(f"Listening on {scheme}://{host.host}:{host.port}/")
    await Deferred()  # until a signal comes


if __name__ == "__main__":
    react(lambda reactor, *words: ensureDeferred(main(reactor, *words)), sys.argv[1:])
