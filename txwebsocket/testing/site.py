# -*- test-case-name: tests.testing.test_site -*-
# Part of txwebsocket. See LICENSE for details.
"""
A site in memory, and the wires to its clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.task import Clock
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from txwebsocket.client.client import WebSocketClient
from txwebsocket.config import ClientConfig, ServerConfig
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.headers import HeaderPairs
from txwebsocket.server.resource import WebSocketResource
from txwebsocket.server.server import WebSocketServer
from txwebsocket.streams.endpoints import WebSocketStreamClientEndpoint
from txwebsocket.testing.transports import READ_SIZE, MemoryTransport

_WINDOW = 2 * READ_SIZE
_ENDLESS = 1_000_000


class MemoryWire:
    """
    The wire between one client and the site.

    :ivar client: the client's end.
    :ivar server: the server's end.
    :ivar pieceSize: the most bytes that arrive at a time, at either end; None sets no
        limit but that of a socket.
    """

    def __init__(self, client: MemoryTransport, server: MemoryTransport) -> None:
        self.client = client
        self.server = server
        # Who does not read keeps the other from writing, before long.
        client.window = server.window = _WINDOW
        self.pieceSize: int | None = None

    def cut(self) -> None:
        """
        Break the connection. Both ends learn of it, and what was under way is lost.
        """
        for end in (self.client, self.server):
            end.lose(ConnectionLost("the wire was cut"))

    def turn(self) -> bool:
        """
        Let both ends read and write once.

        :return: whether anything happened.
        """
        before = self.standing()
        moved = self._carry(self.client, self.server)
        moved = self._carry(self.server, self.client) or moved
        moved = self.client.turn() or moved
        moved = self.server.turn() or moved
        # One end has the time pass for both, and the clock may change the other.
        return moved or before != self.standing()

    def standing(self) -> tuple[object, ...]:
        """
        What changes when anything happens at either end.
        """
        return (*self.client.standing(), *self.server.standing())

    def _carry(self, sender: MemoryTransport, receiver: MemoryTransport) -> bool:
        if receiver.arrived or not (sender.sent or self._hasEnded(sender)):
            return False
        size = self.pieceSize or READ_SIZE
        data = bytes(sender.sent[:size])
        del sender.sent[:size]
        receiver.arrived += data
        if not data:
            receiver.peerEnds()
        return bool(data)

    @staticmethod
    def _hasEnded(end: MemoryTransport) -> bool:
        return end.hasEndedWriting or not end.isConnected


class MemorySite:
    """
    A twisted.web site in memory, and as many clients as wanted.

    :param application: a resource for the root of the site, or what a
        :class:`~txwebsocket.WebSocketResource` there is to serve.
    :param config: the options of that resource.
    :ivar clock: the time, for the site and its clients.
    :ivar site: the ``Site``.
    :ivar server: the :class:`~txwebsocket.WebSocketServer`, if the application was no
        resource.
    :ivar wires: the wires to the clients, in the order of their connecting.
    """

    def __init__(self, application: Any, config: ServerConfig | None = None) -> None:
        self.clock = Clock()
        self.wires: list[MemoryWire] = []
        self.server: WebSocketServer | None = None
        if IResource.providedBy(application):
            root = application
        else:
            root = WebSocketResource(application, config)
            self.server = root.server
        self.site = Site(root, reactor=self.clock)

    def connect(
        self,
        path: str = "/",
        protocols: Iterable[str] = (),
        *,
        origin: str | None = None,
        headers: HeaderPairs | None = None,
        application: object | None = None,
        config: ClientConfig | None = None,
    ) -> Deferred[WebSocketConnection]:
        """
        Connect a client; the arguments are those of
        :meth:`~txwebsocket.WebSocketClient.connect`.

        :param path: the path and query of the URL; the host is ``example.com``.
        :return: a Deferred that has fired already unless the server takes its time.
        """
        return _MemoryClient(self, config).connect(
            f"ws://example.com{path}",
            protocols,
            origin=origin,
            headers=headers,
            application=application,
        )

    def client(self, config: ClientConfig | None = None) -> WebSocketClient:
        """
        A client whose URLs all lead here. What it begins goes on in :meth:`flush`.
        """
        return WebSocketClient(self.clock, config, proxy=_MemoryEndpoint(self))

    def streamEndpoint(
        self,
        path: str = "/",
        protocols: Iterable[str] = (),
        *,
        config: ClientConfig | None = None,
    ) -> WebSocketStreamClientEndpoint:
        """
        An endpoint that connects ordinary protocols to the site, as those of
        :func:`~txwebsocket.clientFromURL` do.
        """
        client = _MemoryClient(self, config)
        url = f"ws://example.com{path}"
        return WebSocketStreamClientEndpoint(client, url, protocols)

    def flush(self) -> None:
        """
        Let everything happen that needs no time.
        """
        for _ in range(_ENDLESS):
            if not self._turn():
                return
        raise RuntimeError("this goes on for ever")

    def _turn(self) -> bool:
        """
        Let each wire have a turn; tell whether anything happened on any.
        """
        before = self._standing()
        moved = [wire.turn() for wire in self.wires]
        self.clock.advance(0)
        # What one wire's turn does may change others whose turn is over.
        return any(moved) or before != self._standing()

    def _standing(self) -> list[object]:
        return [wire.standing() for wire in self.wires]

    def advance(self, seconds: float, step: float = 1.0) -> None:
        """
        Let time pass, in steps, and everything happen that happens meanwhile.
        """
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            self.flush()
            seconds -= step

    def channel(self, factory: IProtocolFactory) -> IProtocol:
        """
        Lay a wire from the site to what a client's factory makes.
        """
        wire = MemoryWire(MemoryTransport(self.clock), MemoryTransport(self.clock))
        self.wires.append(wire)
        wire.server.connect(self.site.buildProtocol(wire.server.getPeer()))
        protocol = factory.buildProtocol(wire.client.getPeer())
        if protocol is None:
            raise ConnectionAborted("the client's factory made no protocol")
        wire.client.connect(protocol)
        return protocol


class _MemoryClient(WebSocketClient):
    def __init__(self, site: MemorySite, config: ClientConfig | None) -> None:
        super().__init__(site.clock, config, proxy=_MemoryEndpoint(site))
        self._site = site

    def connect(self, *args: Any, **options: Any) -> Deferred[WebSocketConnection]:
        opened = super().connect(*args, **options)
        self._site.flush()
        return opened


@implementer(IStreamClientEndpoint)
class _MemoryEndpoint:
    def __init__(self, site: MemorySite) -> None:
        self._site = site

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return succeed(self._site.channel(protocolFactory))
