# Part of txwebsocket. See LICENSE for details.
"""
Very many connections on which nothing happens but keepalive.
"""

from __future__ import annotations

from typing import Any

from tests.support.heap import HeapClock
from txwebsocket import ServerConfig, WebSocketProtocol
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.websocket import makeChannel
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.frames import FIN, encodeFrame

IDLE_SECONDS = 60
_MASK = b"\x5a\x01\xf0\x7e"


class QuietTransport:
    """
    A transport whose peer answers pings, and says nothing else.

    :ivar pings: how many there were.
    """

    __slots__ = ("link", "pings")

    def __init__(self, link: WebSocketChannel) -> None:
        self.link = link
        self.pings = 0

    def write(self, data: bytes) -> None:
        """
        Answer a ping.
        """
        if data[0] == FIN | Opcode.PING:
            self.pings += 1
            pong = encodeFrame(Opcode.PONG, data[2:], _MASK)
            self.link.dataReceived(pong)

    def writeSequence(self, parts: list[bytes]) -> None:
        """
        The same.
        """
        self.write(b"".join(parts))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        There is always room.
        """


class Crowd:
    """
    So many open connections of a server.

    :ivar clock: their time.
    :ivar links: their machinery.
    """

    def __init__(self, number: int, **options: Any) -> None:
        self.clock = HeapClock()
        config = ServerConfig(**options)
        self.links = [self._connect(config) for _ in range(number)]

    def _connect(self, config: ServerConfig) -> WebSocketChannel:
        link = makeChannel(Role.SERVER, config, self.clock)
        link.attachApplication(WebSocketProtocol())
        link.makeConnection(QuietTransport(link))
        link.opened()
        return link

    def say(self, message: str) -> None:
        """
        Send to each of them, and let each send back.
        """
        frame = encodeFrame(Opcode.TEXT, message.encode(), _MASK)
        for link in self.links:
            link.dataReceived(frame)
            link.connection.send(message)

    def idle(self) -> None:
        """
        Let a minute pass.
        """
        self.clock.advance(IDLE_SECONDS)
