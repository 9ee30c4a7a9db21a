# Part of txwebsocket. See LICENSE for details.
"""
Applications for ``twistd websocket --app``.
"""

from typing import Any

from twisted.internet.defer import Deferred

from txwebsocket import WebSocketProtocol, WebSocketRequest


class Sink(WebSocketProtocol):
    """
    Say how long each message is.
    """

    def textMessageReceived(self, message: str) -> None:
        self.connection.send(str(len(message)))

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(str(len(data)))


class Silent(WebSocketProtocol):
    """
    Answer to those only who ask for an echo.
    """

    def bytesMessageReceived(self, data: bytes) -> None:
        if data == b"echo":
            self.connection.send(data)


class Slow(WebSocketProtocol):
    """
    Never be done with the first message.
    """

    def textMessageReceived(self, message: str) -> Any:
        return Deferred()

    def bytesMessageReceived(self, data: bytes) -> Any:
        return Deferred()


class Closing(WebSocketProtocol):
    """
    Close at the first message.
    """

    def textMessageReceived(self, message: str) -> None:
        self.connection.close(1000, "")

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.close(1000, "")


class Failing(WebSocketProtocol):
    """
    Raise something that the peer must not be told.
    """

    def bytesMessageReceived(self, data: bytes) -> None:
        raise RuntimeError("the password is swordfish")


async def idle(request: WebSocketRequest) -> None:
    """
    Accept in pull style, and take nothing.
    """
    request.accept()
    await Deferred()


def undecided(request: WebSocketRequest) -> None:
    """
    Never decide.
    """


def address(request: WebSocketRequest) -> None:
    """
    Say whom we believe to talk with.
    """
    request.accept().send(str(request.remoteAddress))
