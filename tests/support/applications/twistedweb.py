# Part of txwebsocket. See LICENSE for details.
"""
An application that was written for ``twisted.web.websocket``: it inherits from nothing,
is its own factory, and talks to its transport.

``tests.test_interfaces`` runs it with nothing changed but the following import.
"""

from __future__ import annotations

from typing import Any

from twisted.web.websocket import WebSocketClientEndpoint, WebSocketResource


class Countdown:
    """
    Counts down as fast as the peer reads, as a push producer.
    """

    def __init__(self, transport: Any, start: int) -> None:
        self.transport = transport
        self.number = start
        self.isPaused = False

    def resumeProducing(self) -> None:
        self.isPaused = False
        while self.number and not self.isPaused:
            self.number -= 1
            self.transport.sendBytesMessage(self.number.to_bytes(10_000, "big"))
        if not self.number:
            self.transport.detachProducer()
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.isPaused = True

    def stopProducing(self) -> None:
        self.number = 0


class Answering:
    """
    The server: does what it is told.
    """

    made: list[Answering] = []

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.log: list[Any] = []

    @classmethod
    def buildProtocol(cls, request: Any) -> Answering:
        built = cls(request.path)
        cls.made.append(built)
        return built

    def negotiationStarted(self, transport: Any) -> None:
        self.transport = transport
        self.log.append("started")

    def negotiationFinished(self) -> None:
        self.log.append("finished")
        self.transport.sendTextMessage("welcome")

    def textMessageReceived(self, message: str) -> None:
        verb, _, argument = message.partition(" ")
        if verb == "count":
            countdown = Countdown(self.transport, int(argument))
            self.transport.attachProducer(countdown)
            countdown.resumeProducing()
        elif verb == "ping":
            self.transport.ping(argument.encode())
        elif verb == "leave":
            self.transport.loseConnection(int(argument))
        else:
            self.transport.sendTextMessage(message.upper())

    def bytesMessageReceived(self, data: bytes) -> None:
        self.transport.sendBytesMessage(data[::-1])

    def pongReceived(self, payload: bytes) -> None:
        self.log.append(("pong", payload))

    def connectionLost(self, reason: Any) -> None:
        self.log.append(("lost", reason.type.__mro__))


class Asking:
    """
    The client: asks, and writes down the answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.log: list[Any] = []

    @classmethod
    def buildProtocol(cls, url: str) -> Asking:
        return cls(url)

    def negotiationStarted(self, transport: Any) -> None:
        self.transport = transport
        self.log.append("started")

    def negotiationFinished(self) -> None:
        self.log.append("finished")
        self.transport.sendTextMessage("hello")
        self.transport.ping(b"are you there?")
        self.transport.sendBytesMessage(b"abc")

    def textMessageReceived(self, message: str) -> None:
        self.log.append(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.log.append(data)

    def pongReceived(self, payload: bytes) -> None:
        self.log.append(("pong", payload))

    def connectionLost(self, reason: Any) -> None:
        self.log.append(("lost", reason.type.__mro__))


def site() -> WebSocketResource:
    return WebSocketResource(Answering)


async def ask(reactor: Any, url: str) -> Asking:
    endpoint = WebSocketClientEndpoint.new(reactor, url, connectTimeout=5)
    return await endpoint.connect(Asking)
