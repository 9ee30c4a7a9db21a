# Part of txwebsocket. See LICENSE for details.
"""
Ordinary protocols on whatever endpoint a string describes, over a WebSocket or not.
"""

import os
from hashlib import sha256
from typing import Any

import driver
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import (
    clientFromString,
    connectProtocol,
    serverFromString,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import react
from twisted.protocols import amp
from twisted.python.failure import Failure


class Twice(amp.Command):
    arguments = [(b"number", amp.Integer())]
    response = [(b"twice", amp.Integer())]


class TwiceTheSum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class AskingBack(amp.AMP):
    """
    Adds, and has the asker double the sum.
    """

    @TwiceTheSum.responder
    @inlineCallbacks
    def add(self, a: int, b: int) -> Any:
        answer = yield self.callRemote(Twice, number=a + b)
        return {"total": answer["twice"]}


class Doubling(amp.AMP):
    @Twice.responder
    def double(self, number: int) -> dict[str, int]:
        return {"twice": number * 2}


class Echo(Protocol):
    def connectionMade(self) -> None:
        # Who does not read the echo shall not send either.
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        driver.report("ended", isDone=bool(reason.check(type(connectionDone.value))))


class Comparing(Protocol):
    """
    Sends so many bytes, and reports those that come back.
    """

    def __init__(self, size: int) -> None:
        self.ended: Deferred[None] = Deferred()
        self._octets = os.urandom(size)
        self._sent = self._received = 0
        self._hash = sha256()

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        piece = self._octets[self._sent : self._sent + 10_000]
        self._sent += len(piece)
        self.transport.write(piece)
        if self._sent == len(self._octets):
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        self._sent = len(self._octets)

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        self._hash.update(data)
        if self._received == len(self._octets):
            isSame = self._hash.digest() == sha256(self._octets).digest()
            driver.report("echoed", size=self._received, isSame=isSame)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        driver.report("ended", isDone=bool(reason.check(type(connectionDone.value))))
        self.ended.callback(None)


@inlineCallbacks
def serve(reactor: Any, description: str) -> Any:
    for protocol in (AskingBack, Echo):
        endpoint = serverFromString(reactor, description)
        port = yield endpoint.listen(Factory.forProtocol(protocol))
        driver.report("serving", port=port.getHost().port)
    yield Deferred()


@inlineCallbacks
def ask(reactor: Any, description: str, authority: str) -> Any:
    # Where TLS looks for whom the platform trusts.
    os.environ["SSL_CERT_FILE"] = authority
    endpoint = clientFromString(reactor, description)
    protocol = yield connectProtocol(endpoint, Doubling())
    answer = yield protocol.callRemote(TwiceTheSum, a=20, b=1)
    driver.report("answer", **answer)
    protocol.transport.loseConnection()


@inlineCallbacks
def compare(reactor: Any, description: str, authority: str, size: int) -> Any:
    os.environ["SSL_CERT_FILE"] = authority
    endpoint = clientFromString(reactor, description)
    protocol = yield connectProtocol(endpoint, Comparing(size))
    yield protocol.ended


def main(role: str, limit: int, **chosen: Any) -> None:
    driver.follow(lambda function: None)
    do = {"serve": serve, "ask": ask, "compare": compare}[role]
    react(lambda reactor: do(reactor, **chosen))


if __name__ == "__main__":
    main(**driver.options())
