# Part of txwebsocket. See LICENSE for details.
"""
What is served in the tests of the server.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from tests.support.memory import Served
from txwebsocket import (
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketServer,
)


class OddError(Exception):
    """
    What applications raise here.
    """


class ConnectionCallbacks:
    """
    A handler that keeps the requests, and decides nothing.
    """

    def __init__(self) -> None:
        self.requests: list[WebSocketRequest] = []

    def __call__(self, request: WebSocketRequest) -> Any:
        """
        Keep it.
        """
        self.requests.append(request)


class Echo(WebSocketProtocol):
    """
    Sends everything back.
    """

    def textMessageReceived(self, message: str) -> None:
        """
        Send it back.
        """
        self.connection.send(message)


class Serving(Resource):
    """
    Gives everything to a server.
    """

    isLeaf = True

    def __init__(self, server: WebSocketServer) -> None:
        super().__init__()
        self.serving = server

    def render(self, request: Request) -> int:
        """
        Do so.
        """
        return self.serving.serve(request)


def serverOf(served: Served) -> WebSocketServer:
    """
    The server of what is served.
    """
    server: WebSocketServer = served.resource.server
    return server
