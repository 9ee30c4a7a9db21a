# Part of txwebsocket. See LICENSE for details.
"""
The driver of :class:`txwebsocket.W3CWebSocket`, as a client. It can neither ping nor
send fragments, as no browser can.
"""

from functools import partial
from typing import Any

import driver
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from txwebsocket import ClientConfig, Deflate, W3CWebSocket, WebSocketClient


class Connection:
    def __init__(self, socket: W3CWebSocket) -> None:
        self._socket = socket
        socket.onopen = self._opened
        socket.onmessage = lambda event: driver.received(event.data)
        socket.onerror = lambda event: driver.report("refused", why=event.message)
        socket.onclose = lambda event: driver.closed(event.code, event.reason)

    def _opened(self, event: object) -> None:
        socket = self._socket
        driver.opened(self, socket.protocol or None, bool(socket.extensions))

    def send(self, octets: bytes, isText: bool, piece: None) -> None:
        self._socket.send(octets.decode() if isText else octets)

    def close(self, code: int, reason: str) -> None:
        self._socket.close(code, reason)


def main(reactor: Any, role: str, limit: int, compress: bool) -> Deferred[None]:
    extensions = [Deflate()] if compress else []
    config = ClientConfig(maxReceivedMessageSize=limit, extensions=extensions)
    client = WebSocketClient(reactor, config)

    def connect(url: str, protocols: list[str]) -> None:
        Connection(W3CWebSocket(url, protocols, client=client))

    driver.follow(reactor.callFromThread, connect)
    return Deferred()


if __name__ == "__main__":
    react(partial(main, **driver.options()))
