# Part of txwebsocket. See LICENSE for details.
"""
What a connection costs beside its own state, over real sockets on loopback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import twisted.internet.reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from txwebsocket import (
    WebSocketClient,
    WebSocketProtocol,
    WebSocketResource,
    WebSocketSite,
)
from txwebsocket.connection.sockets import USUAL_READ

reactor: Any = twisted.internet.reactor

NUMBER = 40
LARGE = bytes(4 * USUAL_READ)


class Echo(WebSocketProtocol):
    """
    Say what was said.
    """

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        A message.
        """
        self.connection.send(data)


def namesOfItsOwn(thing: object) -> set[str]:
    """
    The attributes of an object, if it keeps their names by itself.
    """
    names = vars(thing)
    return set(names) if sys.getsizeof(names) >= sys.getsizeof(dict(names)) else set()


class BurstTests(TestCase):
    """
    Tests of connections that arrive all at once.

    The first objects of a class would teach CPython the names of their attributes, but
    all are there before one of them has been used.
    """

    timeout = 30

    async def arrive(self, makeSite: Callable[[Resource], Site]) -> list[Any]:
        """
        Have many connect, and say something large and something small.

        :return: the transports of the clients, and the server's with their channels.
        """
        resource = WebSocketResource(Echo)
        port = reactor.listenTCP(0, makeSite(resource), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(resource.server.shutDown)
        url = f"ws://127.0.0.1:{port.getHost().port}/"
        client = WebSocketClient(reactor)
        arrived = await gatherResults(client.connect(url) for _ in range(NUMBER))
        for connection in arrived:
            for message in (LARGE, b"small"):
                connection.send(message)
                self.assertEqual(await connection.receive(), message)
        served = resource.server.connections
        channels = [each.request.httpRequest.channel for each in served]
        transports = [each.transport for each in channels]
        return [each._channel.transport for each in arrived] + transports + channels

    async def check(self, makeSite: Callable[[Resource], Site]) -> None:
        """
        None of what belongs to a connection keeps a table of names.
        """
        things = await self.arrive(makeSite)
        self.assertEqual(len(things), 3 * NUMBER)
        for thing in things:
            self.assertEqual(namesOfItsOwn(thing), set(), type(thing).__name__)

    async def test_site(self) -> None:
        """
        On a site of our own each keeps the values only: 1.4 KiB less.
        """
        await self.check(WebSocketSite)

    async def test_otherSite(self) -> None:
        """
        And so on a site of twisted.web.
        """
        await self.check(Site)
