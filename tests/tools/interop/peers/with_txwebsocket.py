# Part of txwebsocket. See LICENSE for details.
"""
The driver of the library that is tested. As a program it is its client; ``serve`` and
``pull`` are for ``twistd websocket --app``.
"""

import sys
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import driver
from twisted.internet.defer import Deferred
from twisted.internet.ssl import Certificate
from twisted.internet.task import react
from twisted.python import log
from twisted.python.failure import Failure

from txwebsocket import (
    ClientConfig,
    CloseCode,
    Deflate,
    Opcode,
    OpeningFailed,
    TLSPolicy,
    WebSocketClient,
    WebSocketFrame,
    WebSocketProtocol,
    WebSocketRequest,
)


class Connection(WebSocketProtocol):
    isOpen = False

    def negotiationFinished(self) -> None:
        self.isOpen = True
        isCompressed = bool(self.connection.extensions)
        driver.opened(self, self.connection.protocol, isCompressed)

    def textMessageReceived(self, message: str) -> None:
        driver.received(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        driver.received(data)

    def pongReceived(self, payload: bytes) -> None:
        driver.report("pong", payload=payload.decode())

    def connectionLost(self, reason: Failure) -> None:
        # An opening that fails has this too, for negotiationStarted.
        if self.isOpen:
            ended = reason.value.report
            code = ended.code if ended.wasClean else CloseCode.ABNORMAL
            driver.closed(code, ended.reason)

    def send(self, octets: bytes, isText: bool, piece: int | None) -> None:
        if piece is None:
            self.connection.send(octets.decode() if isText else octets)
            return
        opcode = Opcode.TEXT if isText else Opcode.BINARY
        *first, last = driver.pieces(octets, piece)
        for part in first:
            self.connection.sendFrame(WebSocketFrame(opcode, part, fin=False))
            opcode = Opcode.CONTINUATION
        self.connection.sendFrame(WebSocketFrame(opcode, last))

    def ping(self, payload: bytes) -> None:
        self.connection.ping(payload)

    def close(self, code: int, reason: str) -> None:
        self.connection.close(code, reason)


class ServerConnection(Connection):
    def textMessageReceived(self, message: str) -> None:
        driver.answer(self, message)

    def bytesMessageReceived(self, data: bytes) -> None:
        driver.answer(self, data)


def serve(request: WebSocketRequest) -> None:
    isKnown = driver.PROTOCOL in request.requestedProtocols
    request.accept(driver.PROTOCOL if isKnown else None, application=ServerConnection())


async def pull(request: WebSocketRequest) -> None:
    """
    A plain echo, in pull style.
    """
    connection = request.accept()
    async for message in connection:
        connection.send(message)
        await connection.flushed()


def main(
    reactor: Any,
    role: str,
    limit: int,
    authority: str = "",
    compress: bool = False,
    proxy: str | None = None,
    redirects: int = 0,
) -> Deferred[None]:
    log.startLogging(sys.__stderr__, setStdout=False)
    extensions = [Deflate()] if compress else []
    config = ClientConfig(
        maxReceivedMessageSize=limit, extensions=extensions, maxRedirects=redirects
    )
    policy = None
    if authority:
        root = Certificate.loadPEM(Path(authority).read_bytes())
        policy = TLSPolicy(trustRoot=root)
    client = WebSocketClient(
        reactor, config, tlsPolicy=policy, proxy=proxy, cookieJar=CookieJar()
    )

    def refused(failure: Failure) -> None:
        step = failure.value.step.name if failure.check(OpeningFailed) else "ANSWER"
        driver.report("refused", step=step, why=failure.getErrorMessage())

    def connect(url: str, protocols: list[str]) -> None:
        opening = client.connect(url, protocols, application=Connection())
        opening.addErrback(refused)

    driver.follow(reactor.callFromThread, connect)
    return Deferred()


if __name__ == "__main__":
    react(partial(main, **driver.options()))
