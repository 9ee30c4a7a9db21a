# Part of txwebsocket. See LICENSE for details.
"""Compress in both roles."""

from txwebsocket import (
    ClientConfig,
    Deflate,
    ServerConfig,
    WebSocketClient,
    WebSocketResource,
)


def makeResource(application):
    return WebSocketResource(application, ServerConfig(extensions=[Deflate()]))


def makeClient(reactor):
    deflate = Deflate(level=1, serverMaxWindowBits=15)
    return WebSocketClient(reactor, ClientConfig(extensions=[deflate]))
