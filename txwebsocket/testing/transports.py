# -*- test-case-name: tests.testing.test_site -*-
# Part of txwebsocket. See LICENSE for details.
"""
Transports without sockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

READ_SIZE = 65536
"""
Bytes that are read at a time.
"""


@implementer(ITCPTransport, IConsumer, IPushProducer)
class MemoryTransport:
    """
    A TCP transport without a socket. What it was given leaves in :meth:`turn`, as it
    does in the next turn of a reactor, unless the peer does not read.

    :ivar protocol: who is told what arrives.
    :ivar sent: what has reached the peer and was not looked at.
    :ivar unsent: what waits here for the peer.
    :ivar arrived: what the peer has sent and was not read.
    :ivar isStalled: whether the peer has stopped reading.
    :ivar window: the most bytes that are on their way; None sets no limit.
    :ivar isReading: whether we read.
    :ivar isConnected: whether there is a connection still.
    :ivar disconnecting: whether ``loseConnection`` was called.
    :ivar wasAborted: whether ``abortConnection`` was called.
    :ivar isEndingWriting: whether ``loseWriteConnection`` was called.
    :ivar hasEndedWriting: whether the peer has seen the end of our direction.
    :ivar noDelay: what ``setTcpNoDelay`` was given.
    :ivar producer: who is registered as producer.
    :ivar isStreaming: whether it is a push producer.
    """

    bufferSize = 65536
    window: int | None = None
    protocol: Any
    producer: Any = None
    isStreaming = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent = bytearray()
        self.unsent = bytearray()
        self.arrived = bytearray()
        self.isStalled = self.isEndingWriting = self.hasEndedWriting = False
        self.isReading = self.isConnected = True
        self.disconnecting = self.wasAborted = False
        self.noDelay: bool | None = None
        self._hasPausedProducer = self._peerHasEnded = self._isTelling = False

    # What the tests do

    def connect(self, protocol: Any) -> None:
        """
        Give the transport to its protocol.
        """
        self.protocol = protocol
        protocol.makeConnection(self)

    def turn(self) -> bool:
        """
        Do what a reactor does in one turn.

        :return: whether there was anything to do.
        """
        before = self.standing()
        self._read()
        self._write()
        self.clock.advance(0)
        return before != self.standing()

    def lose(self, error: Exception) -> None:
        """
        The connection has ended.
        """
        if self.isConnected:
            self.isConnected = self.isReading = False
            producer, self.producer = self.producer, None
            if producer is not None:
                producer.stopProducing()
            # As a socket's transport does, or both would wait for the cyclic collector.
            protocol, self.protocol = self.protocol, None
            protocol.connectionLost(Failure(error))

    def peerEnds(self) -> None:
        """
        The peer has closed its side, which is noticed by whoever reads.
        """
        self._peerHasEnded = True

    def standing(self) -> tuple[object, ...]:
        """
        What changes when anything happens here.
        """
        return (
            len(self.sent),
            len(self.unsent),
            len(self.arrived),
            self.isConnected,
            self.isReading,
            self.hasEndedWriting,
        )

    def _read(self) -> None:
        if not (self.isConnected and self.isReading) or self._isTelling:
            return
        if self.arrived:
            chunk = bytes(self.arrived[:READ_SIZE])
            del self.arrived[:READ_SIZE]
            # Who is told may have everything flushed, but no reactor reads meanwhile.
            self._isTelling = True
            try:
                self.protocol.dataReceived(chunk)
            finally:
                self._isTelling = False
        elif self._peerHasEnded:
            self.lose(ConnectionDone())

    def _write(self) -> None:
        if not self.isConnected or self.isStalled or self.wasAborted:
            return
        room = len(self.unsent) if self.window is None else self.window - len(self.sent)
        self.sent += self.unsent[:room]
        del self.unsent[:room]
        if self.unsent:
            return
        if self.producer is not None and self._hasPausedProducer:
            self._hasPausedProducer = False
            self.producer.resumeProducing()
        elif self._mayGo():
            self.lose(ConnectionDone())
        elif self.isEndingWriting:
            self.hasEndedWriting = True

    def _mayGo(self) -> bool:
        return self.disconnecting

    # ITransport

    def write(self, data: bytes) -> None:
        """
        Take one piece.
        """
        self.writeSequence([data])

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Take some pieces, and pause the producer if that is too much.
        """
        pieces = list(data)
        for piece in pieces:
            if not isinstance(piece, bytes):
                raise TypeError(f"only bytes can be written, not {type(piece)}")
        if not self.isConnected or self.hasEndedWriting:
            return
        self.unsent += b"".join(pieces)
        if self.producer is not None and len(self.unsent) > self.bufferSize:
            self._hasPausedProducer = True
            self.producer.pauseProducing()

    def loseConnection(self) -> None:
        """
        Read no more; end when all is written.
        """
        if self.isConnected and not self.disconnecting:
            self.disconnecting = True
            self.isReading = False
            if self.hasEndedWriting:
                self.lose(ConnectionDone())

    def loseWriteConnection(self) -> None:
        """
        End our direction when all is written.
        """
        self.isEndingWriting = True

    def abortConnection(self) -> None:
        """
        End in the next turn.
        """
        if self.isConnected and not self.wasAborted:
            self.wasAborted = True
            self.isReading = False
            self.clock.callLater(0, self.lose, ConnectionAborted())

    def getPeer(self) -> IPv4Address:
        """
        The peer's address.
        """
        return IPv4Address("TCP", "192.0.2.1", 50000)

    def getHost(self) -> IPv4Address:
        """
        Our address.
        """
        return IPv4Address("TCP", "192.0.2.2", 80)

    def getTcpNoDelay(self) -> bool:
        """
        Is Nagle's algorithm off?
        """
        return bool(self.noDelay)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Switch Nagle's algorithm off, or on.
        """
        self.noDelay = enabled

    def getTcpKeepAlive(self) -> bool:
        """
        TCP's own keepalive is off.
        """
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        There is no TCP here.
        """

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        There can be one.
        """
        if self.producer is not None:
            raise RuntimeError(f"{self.producer} is registered already")
        if self.isConnected:
            self.producer, self.isStreaming = producer, streaming
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """
        Pause nobody any more.
        """
        self.producer = None
        self._hasPausedProducer = False

    # IPushProducer

    def pauseProducing(self) -> None:
        """
        Stop reading.
        """
        self.isReading = False

    def resumeProducing(self) -> None:
        """
        Read again, unless it is too late.
        """
        if self.isConnected and not self.disconnecting and not self.wasAborted:
            self.isReading = True

    def stopProducing(self) -> None:
        """
        What a producer that is a transport does with this.
        """
        self.loseConnection()


@implementer(ISSLTransport)
class MemoryTLSTransport(MemoryTransport):
    """
    As TLS does, this one stays while it has a producer, delivers what arrives while it
    is closing, and has no end of one direction.
    """

    def loseConnection(self) -> None:
        """
        End when all is written and no producer is left.
        """
        self.disconnecting = True

    def resumeProducing(self) -> None:
        """
        Read again.
        """
        self.isReading = self.isConnected and not self.wasAborted

    def getPeerCertificate(self) -> None:
        """
        There is none.
        """

    def _mayGo(self) -> bool:
        return self.disconnecting and self.producer is None
