# Part of txwebsocket. See LICENSE for details.
"""
Wires that something happens to after each byte of a whole conversation.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.support.memory import Recorder
from txwebsocket import (
    ClientConfig,
    CloseReport,
    Deflate,
    Opcode,
    ServerConfig,
    WebSocketConnection,
    WebSocketFrame,
    WebSocketRequest,
)
from txwebsocket.testing import MemorySite, MemoryTransport, MemoryWire

CLIENT = "client"
SERVER = "server"
SPEAKERS = (CLIENT, SERVER)

PATIENCE = 130.0
"""
Seconds: more than whatever waits for a silent peer does, twisted.web included.
"""


class CutWire:
    """
    A wire between a client and a server that something happens to when so many bytes of
    one of them have arrived.

    :param speaker: whose bytes are counted.
    :param place: how many; beyond all of them nothing happens.
    :param fault: is given the wire when it is time.
    :ivar speaker: the end whose bytes were counted.
    :ivar listener: the other end.
    :ivar isSilent: whether nothing passes any more.
    :ivar carried: how many bytes the speaker has got across.
    """

    def __init__(
        self,
        wire: MemoryWire,
        speaker: str,
        place: int,
        fault: Callable[[CutWire], object],
    ) -> None:
        ends = [wire.client, wire.server]
        self.speaker, self.listener = ends if speaker == CLIENT else ends[::-1]
        self.isSilent = False
        self.carried = 0
        self._place = place
        self._fault: Callable[[CutWire], object] | None = fault

    def turn(self) -> bool:
        """
        Let both ends read and write once.

        :return: whether anything happened.
        """
        moved = self._speak()
        moved = self._carry(self.listener, self.speaker, None) > 0 or moved
        moved = self.listener.turn() or moved
        return self.speaker.turn() or moved

    def standing(self) -> tuple[object, ...]:
        """
        What changes when anything happens at either end.
        """
        return (*self.speaker.standing(), *self.listener.standing())

    def _speak(self) -> bool:
        left = self._place - self.carried
        if self._fault is not None and left == 0 and not self.listener.arrived:
            fault, self._fault = self._fault, None
            fault(self)
            return True
        count = self._carry(self.speaker, self.listener, left if left > 0 else None)
        self.carried += count
        return count > 0

    def _carry(
        self, sender: MemoryTransport, receiver: MemoryTransport, most: int | None
    ) -> int:
        if receiver.arrived or self.isSilent:
            return 0
        data = bytes(sender.sent[:most])
        del sender.sent[: len(data)]
        receiver.arrived += data
        if not data and (sender.hasEndedWriting or not sender.isConnected):
            receiver.peerEnds()
        return len(data)


def replaceWire(
    site: MemorySite,
    speaker: str,
    place: int,
    fault: Callable[[CutWire], object],
) -> CutWire:
    """
    Replace the wire of the client that has begun to connect last; see :class:`CutWire`.
    """
    cut: Any = CutWire(site.wires[-1], speaker, place, fault)
    site.wires[:] = [cut]
    wire: CutWire = cut
    return wire


# What may happen


def reset(wire: CutWire) -> None:
    """
    Both ends are told at once that the connection is broken.
    """
    for end in (wire.listener, wire.speaker):
        end.lose(ConnectionLost("the wire was cut"))


def leave(wire: CutWire) -> None:
    """
    The speaker's process ends: the system closes its side.
    """
    wire.isSilent = True
    wire.speaker.lose(ConnectionDone())
    wire.listener.peerEnds()


def fallSilent(wire: CutWire) -> None:
    """
    Nothing passes any more, in either direction, and nobody is told.
    """
    wire.isSilent = True


def goOn(wire: CutWire) -> None:
    """
    Nothing happens, but that the bytes come in two pieces.
    """


# The conversation

MESSAGE = "once upon a time " * 8


class Talker(Recorder):
    """
    A client that says some of everything, and closes when it has heard enough.

    :ivar pinged: the Deferred of a pong.
    :ivar flushed: a Deferred that all has left.
    """

    pinged: Deferred[float] | None = None
    flushed: Deferred[None] | None = None

    def textMessageReceived(self, message: str) -> None:
        """
        Go on.
        """
        super().textMessageReceived(message)
        if message == "welcome":
            self.connection.send(MESSAGE)
            self._sendParts()
        elif message == "parts":
            self.connection.send(bytes(300))
            self.flushed = self.connection.flushed()

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        That was enough.
        """
        super().bytesMessageReceived(data)
        self.connection.close(4000, "enough")

    def _sendParts(self) -> None:
        for opcode, part, isLast in (
            (Opcode.TEXT, b"pa", False),
            (Opcode.CONTINUATION, b"rt", False),
            (Opcode.CONTINUATION, b"s", True),
        ):
            frame = WebSocketFrame(opcode=opcode, binaryPayload=part, fin=isLast)
            self.connection.sendFrame(frame)
            if opcode == Opcode.TEXT:
                self.pinged = self.connection.ping(b"there?")
                self.pinged.addErrback(lambda _: None)


class Answerer(Recorder):
    """
    A server's application that says hello, and repeats what it hears.
    """

    def negotiationFinished(self) -> None:
        """
        Say hello.
        """
        super().negotiationFinished()
        self.connection.send("welcome")

    def textMessageReceived(self, message: str) -> None:
        """
        Repeat it.
        """
        super().textMessageReceived(message)
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        Repeat it.
        """
        super().bytesMessageReceived(data)
        self.connection.send(data)


class Conversations:
    """
    One site, and a client for each time that it is tried.

    :ivar site: the site.
    :ivar answerers: the applications of the site's connections.
    :ivar kept: what must not be there when all is over.
    """

    def __init__(self) -> None:
        self.site = MemorySite(self._accept, ServerConfig(extensions=[Deflate()]))
        self.answerers: list[Answerer] = []
        self.kept: list[weakref.ref[Any]] = []

    def _accept(self, request: WebSocketRequest) -> None:
        answerer = Answerer()
        connection = request.accept(application=answerer)
        self.answerers.append(answerer)
        self._keep(connection, connection._channel, request.httpRequest.channel)

    def _keep(self, *things: Any) -> None:
        self.kept += map(weakref.ref, things)

    def try_(
        self,
        speaker: str,
        place: int,
        fault: Callable[[CutWire], object],
        talker: Talker | None = None,
    ) -> Outcome:
        """
        Let a client connect and say its piece; see :class:`CutWire`.
        """
        self.answerers.clear()
        talker = Talker() if talker is None else talker
        client = self.site.client(ClientConfig(extensions=[Deflate()]))
        opened = client.connect("ws://example.com/", application=talker)
        cut = replaceWire(self.site, speaker, place, fault)
        outcome = Outcome(opened, talker, self.answerers, cut)
        self.site.flush()
        self.site.advance(PATIENCE, 26)
        self._keep(talker, cut, cut.speaker, cut.listener)
        return outcome


class Outcome:
    """
    What came of a conversation.

    :ivar results: what the Deferred of ``connect`` has fired with.
    :ivar reports: what ``whenClosed`` has fired with.
    """

    def __init__(
        self,
        opened: Deferred[WebSocketConnection],
        talker: Talker,
        answerers: list[Answerer],
        wire: CutWire,
    ) -> None:
        self.results: list[Any] = []
        self.reports: list[CloseReport] = []
        self.talker = talker
        self.answerers = answerers
        self.core = wire
        opened.addCallback(self._open).addBoth(self.results.append)

    def _open(self, connection: WebSocketConnection) -> WebSocketConnection:
        connection.whenClosed().addCallback(self.reports.append)
        return connection
