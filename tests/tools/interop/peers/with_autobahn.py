# Part of txwebsocket. See LICENSE for details.
"""
The driver of ``autobahn``, on Twisted.
"""

import sys
from pathlib import Path
from typing import Any

import driver
from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
    connectWS,
)
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
    PerMessageDeflateResponseAccept,
)
from endpoint import listen
from twisted.internet import reactor
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.python import log


class Connection:
    """
    What ``driver`` expects, in the words of autobahn's protocols.
    """

    def onOpen(self) -> None:
        isCompressed = bool(self.websocket_extensions_in_use)
        driver.opened(self, self.websocket_protocol_in_use, isCompressed)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.take(payload if isBinary else payload.decode())

    def onPong(self, payload: bytes) -> None:
        driver.report("pong", payload=payload.decode())

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        driver.closed(code if wasClean else 1006, reason)

    def take(self, message: str | bytes) -> None:
        driver.received(message)

    def send(self, octets: bytes, isText: bool, piece: int | None) -> None:
        self.sendMessage(octets, not isText, fragmentSize=piece)

    def ping(self, payload: bytes) -> None:
        self.sendPing(payload)

    def close(self, code: int, reason: str) -> None:
        self.sendClose(code, reason)


class Client(Connection, WebSocketClientProtocol):
    pass


class Server(Connection, WebSocketServerProtocol):
    def onConnect(self, request: Any) -> str | None:
        return driver.PROTOCOL if driver.PROTOCOL in request.protocols else None

    def take(self, message: str | bytes) -> None:
        driver.answer(self, message)


def prepare(factory: Any, protocol: type, limit: int, **compression: Any) -> None:
    factory.protocol = protocol
    # These hold for what it sends as well, and it is to send us more than we take.
    room = 2 * limit
    factory.setProtocolOptions(
        maxFramePayloadSize=room,
        maxMessagePayloadSize=room,
        echoCloseCodeReason=True,
        **compression,
    )


def runServer(limit: int, **tls: str) -> None:
    def agree(offers: list[Any]) -> Any:
        return PerMessageDeflateOfferAccept(offers[0]) if offers else None

    factory = WebSocketServerFactory()
    prepare(factory, Server, limit, perMessageCompressionAccept=agree)
    listen(reactor, factory, **tls)


def runClient(limit: int, authority: str = "") -> None:
    def connect(url: str, protocols: list[str]) -> None:
        factory = WebSocketClientFactory(url, protocols=protocols)
        context = None
        if authority:
            root = Certificate.loadPEM(Path(authority).read_bytes())
            context = optionsForClientTLS("127.0.0.1", trustRoot=root)
        prepare(
            factory,
            Client,
            limit,
            perMessageCompressionOffers=[PerMessageDeflateOffer()],
            perMessageCompressionAccept=PerMessageDeflateResponseAccept,
        )
        connectWS(factory, context)

    driver.follow(reactor.callFromThread, connect)


def main(role: str, **chosen: Any) -> None:
    log.startLogging(sys.__stderr__, setStdout=False)
    (runClient if role == "client" else runServer)(**chosen)
    reactor.run()


if __name__ == "__main__":
    main(**driver.options())
