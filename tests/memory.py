# Part of txwebsocket. See LICENSE for details.
"""
Both ends of a connection in memory: a transport that behaves as Twisted's own do, the
peer at its other end, and a real site, with a clock in place of a reactor.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.http import combinedLogFormatter
from twisted.web.server import Request, Site
from zope.interface import implementer

from txwebsocket import (
    ClientConfig,
    ServerConfig,
    WebSocketConnection,
    WebSocketFrame,
    WebSocketProtocol,
    WebSocketResource,
)
from txwebsocket.connection import makeLink
from txwebsocket.link import Link
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.control import closePayload
from txwebsocket.wire.extensions import Agreement
from txwebsocket.wire.frames import FIN, Frame, FrameReader, encodeFrame

MASK = b"\x5a\x01\xf0\x7e"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

_READ_SIZE = 65536
_ENDLESS = 10_000


@implementer(ITCPTransport, IConsumer, IPushProducer, IHalfCloseableDescriptor)
class MemoryTransport:
    """
    A TCP transport without a socket. What it was given leaves in :meth:`turn`, as it
    does in the next turn of a reactor, unless the peer does not read.

    :ivar protocol: who is told what arrives.
    :ivar sent: what has reached the peer and was not looked at.
    :ivar unsent: what waits here for the peer.
    :ivar arrived: what the peer has sent and was not read.
    :ivar isStalled: whether the peer has stopped reading.
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
    protocol: Any
    producer: Any = None
    isStreaming = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent = bytearray()
        self.unsent = bytearray()
        self.arrived = bytearray()
        self.isStalled = False
        self.isReading = True
        self.isConnected = True
        self.disconnecting = False
        self.wasAborted = False
        self.hasEndedWriting = False
        self.noDelay: bool | None = None
        self.isEndingWriting = False
        self._hasPausedProducer = False
        self._peerHasEnded = False

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
        before = self._standing()
        self._read()
        self._write()
        self.clock.advance(0)
        return before != self._standing()

    def lose(self, error: Exception) -> None:
        """
        The connection has ended.
        """
        if self.isConnected:
            self.isConnected = self.isReading = False
            producer, self.producer = self.producer, None
            if producer is not None:
                producer.stopProducing()
            self.protocol.connectionLost(Failure(error))

    def peerEnds(self) -> None:
        """
        The peer has closed its side, which is noticed by whoever reads.
        """
        self._peerHasEnded = True

    def _standing(self) -> tuple[object, ...]:
        return (
            len(self.sent),
            len(self.unsent),
            len(self.arrived),
            self.isConnected,
            self.isReading,
            self.hasEndedWriting,
        )

    def _read(self) -> None:
        if not (self.isConnected and self.isReading):
            return
        if self.arrived:
            chunk = bytes(self.arrived[:_READ_SIZE])
            del self.arrived[:_READ_SIZE]
            self.protocol.dataReceived(chunk)
        elif self._peerHasEnded:
            self.lose(ConnectionDone())

    def _write(self) -> None:
        if not self.isConnected or self.isStalled or self.wasAborted:
            return
        self.sent += self.unsent
        self.unsent.clear()
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

    def writeSequence(self, data: Collection[bytes]) -> None:
        """
        Take some pieces, and pause the producer if that is too much.
        """
        for piece in data:
            if not isinstance(piece, bytes):
                raise TypeError(f"only bytes can be written, not {type(piece)}")
        if not self.isConnected or self.hasEndedWriting:
            return
        self.unsent += b"".join(data)
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


class Response(NamedTuple):
    """
    What a server answered to a request.
    """

    status: int
    phrase: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """
        The values of one header.
        """
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Peer:
    """
    The other end of a connection in memory.

    :param protocol: our end's protocol, connected already.
    :param masks: whether the peer is a client, which masks.
    """

    def __init__(
        self, protocol: Any, transport: MemoryTransport, masks: bool = True
    ) -> None:
        self.protocol = protocol
        self.transport = transport
        self.clock = transport.clock
        self._mask = MASK if masks else b""
        self._reader = FrameReader(
            masked=not masks,
            maxFrameSize=None,
            maxMessageSize=2**62,
            rsv=0x70,
            whole=False,
        )

    def turn(self) -> None:
        """
        Let everything happen that needs no time.
        """
        for _ in range(_ENDLESS):
            if not self.transport.turn():
                return
        raise RuntimeError("this goes on and on")

    def wait(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.advance(seconds)
        self.turn()

    def waitLong(self, seconds: float, step: float = 1.0) -> None:
        """
        Let time pass in steps, as it does when there is other work.
        """
        for _ in range(round(seconds / step)):
            self.wait(step)

    # Sending

    def arrive(self, data: bytes) -> None:
        """
        Let the transport deliver ``data`` in one piece, and nothing else happen.
        """
        self.protocol.dataReceived(data)

    def send(self, data: bytes) -> None:
        """
        Send bytes; they arrive if they are read.
        """
        self.transport.arrived += data
        self.turn()

    def frame(
        self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0
    ) -> bytes:
        """
        Make a frame as this end does.
        """
        return encodeFrame(opcode, payload, self._mask, FIN * fin | rsv)

    def text(self, message: str) -> bytes:
        """
        Make a text message.
        """
        return self.frame(Opcode.TEXT, message.encode("utf-8"))

    def binary(self, message: bytes) -> bytes:
        """
        Make a binary message.
        """
        return self.frame(Opcode.BINARY, message)

    def close(self, code: int | None = 1000, reason: str = "") -> bytes:
        """
        Make a close frame.
        """
        return self.frame(Opcode.CLOSE, closePayload(code, reason))

    def sendText(self, *messages: str) -> None:
        """
        Send text messages, all in one segment.
        """
        self.send(b"".join(map(self.text, messages)))

    def sendBytes(self, message: bytes) -> None:
        """
        Send a binary message.
        """
        self.send(self.binary(message))

    def sendClose(self, code: int | None = 1000, reason: str = "") -> None:
        """
        Send a close frame.
        """
        self.send(self.close(code, reason))

    def ping(self, payload: bytes = b"") -> None:
        """
        Send a ping.
        """
        self.send(self.frame(Opcode.PING, payload))

    def pong(self, payload: bytes = b"") -> None:
        """
        Send a pong.
        """
        self.send(self.frame(Opcode.PONG, payload))

    def end(self) -> None:
        """
        Close the connection, without a close frame.
        """
        self.transport.peerEnds()
        self.turn()

    def vanish(self) -> None:
        """
        The connection breaks.
        """
        self.transport.lose(ConnectionLost("the cable was cut"))
        self.turn()

    # Receiving

    def stall(self) -> None:
        """
        Read nothing from now on.
        """
        self.transport.isStalled = True

    def goOn(self) -> None:
        """
        Read again.
        """
        self.transport.isStalled = False
        self.turn()

    def received(self) -> bytes:
        """
        Remove and return the bytes that have arrived here.
        """
        data = bytes(self.transport.sent)
        self.transport.sent.clear()
        return data

    def frames(self) -> list[Frame]:
        """
        The frames that have arrived here since the last time.
        """
        self.turn()
        found = self._reader.feed(self.received())
        if not all(isinstance(item, Frame) for item in found):
            raise ValueError(f"what came is no sequence of frames: {found}")
        return found

    def response(self) -> Response:
        """
        The response that has arrived here; what follows one with 101 is left.
        """
        self.turn()
        head, _, rest = bytes(self.transport.sent).partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        _, status, phrase = start.split(" ", 2)
        headers = [tuple(line.split(": ", 1)) for line in lines]
        response = Response(int(status), phrase, headers, b"")  # type: ignore[arg-type]
        lengths = response.header("Content-Length")
        size = int(lengths[0]) if lengths else 0
        if response.status >= 200 and not lengths:
            size = len(rest)
        del self.transport.sent[: len(head) + 4 + size]
        return response._replace(body=rest[:size])


class LoggedSite(Site):
    """
    A site that keeps its access log.
    """

    def __init__(self, resource: Any, clock: Clock) -> None:
        super().__init__(resource, reactor=clock)
        self.lines: list[str] = []

    def log(self, request: Request) -> None:
        """
        Keep one line.
        """
        self.lines.append(combinedLogFormatter("[now]", request))


class Served:
    """
    A site of twisted.web, and who connects to it.

    :param resource: the root of its tree; or what a WebSocketResource is made of.
    """

    def __init__(
        self,
        resource: Any,
        config: ServerConfig | None = None,
        *,
        site: Site | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = Clock() if clock is None else clock
        if not hasattr(resource, "getChildWithDefault"):
            resource = WebSocketResource(resource, config)
        self.resource = resource
        self.site = LoggedSite(resource, self.clock) if site is None else site

    def connect(self, transport: MemoryTransport | None = None) -> Peer:
        """
        A client connects, and has sent nothing yet.
        """
        if transport is None:
            transport = MemoryTransport(self.clock)
        protocol = self.site.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        return Peer(protocol, transport)

    def request(self, *lines: str, **options: Any) -> Peer:
        """
        A client connects and sends a handshake; see :func:`handshake`.
        """
        peer = self.connect()
        peer.send(handshake(*lines, **options))
        return peer

    def upgrade(self, *lines: str, **options: Any) -> Peer:
        """
        A client connects and is given a WebSocket.
        """
        peer = self.request(*lines, **options)
        response = peer.response()
        if response.status != 101:
            raise ValueError(f"there is no WebSocket: {response}")
        return peer


def handshake(
    *lines: str,
    path: str = "/",
    method: str = "GET",
    version: str = "HTTP/1.1",
    without: Collection[str] = (),
) -> bytes:
    """
    A client's handshake.

    :param lines: headers, which replace the usual ones of the same name.
    :param without: the names of usual headers to leave out.
    """
    usual = {
        "Host": "example.com",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    given = {line.partition(":")[0] for line in lines}
    kept = [
        f"{name}: {value}"
        for name, value in usual.items()
        if name not in given and name not in without
    ]
    head = [f"{method} {path} {version}", *kept, *lines, "", ""]
    return "\r\n".join(head).encode("latin-1")


class Ends:
    """
    One end of an open WebSocket without a handshake, and its peer.

    :param early: what came in the same segment as the handshake.
    :param openIt: whether the handshake is over.
    :param agreed: the extensions that were agreed on.
    :param options: of the configuration.
    :ivar link: the machinery.
    :ivar connection: its face.
    :ivar transport: what it is connected to.
    :ivar peer: the other end.
    """

    def __init__(
        self,
        application: object | None = None,
        *,
        role: Role = Role.SERVER,
        transport: MemoryTransport | None = None,
        early: bytes = b"",
        openIt: bool = True,
        agreed: Sequence[Agreement] = (),
        **options: Any,
    ) -> None:
        self.transport = MemoryTransport(Clock()) if transport is None else transport
        self.clock = self.transport.clock
        config = (ServerConfig if role is Role.SERVER else ClientConfig)(**options)
        self.link: Link = makeLink(role, config, self.clock)
        self.connection: WebSocketConnection = self.link.connection
        if application is not None:
            self.link.attachApplication(application)
        self.transport.connect(self.link)
        self.peer = Peer(self.link, self.transport, masks=role is Role.SERVER)
        if openIt:
            self.link.opened(early, agreed)


class Recorder(WebSocketProtocol):
    """
    An application that writes down what it is told.

    :ivar told: names of events, or pairs of name and value.
    :ivar lost: what ``connectionLost`` was given.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.lost: list[Failure] = []

    @property
    def messages(self) -> list[str | bytes]:
        """
        The messages alone.
        """
        return [
            event[1]
            for event in self.told
            if isinstance(event, tuple) and event[0] in ("text", "bytes")
        ]

    @property
    def report(self) -> Any:
        """
        How the connection ended, which it did once.
        """
        [reason] = self.lost
        error: Any = reason.value
        return error.report

    def negotiationStarted(self, transport: Any) -> None:
        """
        Write it down.
        """
        self.told.append("started")

    def negotiationFinished(self) -> None:
        """
        Write it down.
        """
        self.told.append("finished")

    def textMessageReceived(self, message: str) -> Any:
        """
        Write it down.
        """
        self.told.append(("text", message))

    def bytesMessageReceived(self, data: bytes) -> Any:
        """
        Write it down.
        """
        self.told.append(("bytes", data))

    def frameReceived(self, frame: WebSocketFrame) -> Any:
        """
        Write it down.
        """
        self.told.append(("frame", frame.toFrame()))

    def pingReceived(self, payload: bytes) -> bool | None:
        """
        Write it down.
        """
        self.told.append(("ping", payload))
        return None

    def pongReceived(self, payload: bytes) -> Any:
        """
        Write it down.
        """
        self.told.append(("pong", payload))

    def connectionLost(self, reason: Failure) -> None:
        """
        Write it down.
        """
        self.told.append("lost")
        self.lost.append(reason)


def text(message: str) -> Frame:
    """
    A text frame, to compare with.
    """
    return Frame(Opcode.TEXT, message.encode("utf-8"))


def binary(data: bytes) -> Frame:
    """
    A binary frame, to compare with.
    """
    return Frame(Opcode.BINARY, data)


def ping(payload: bytes = b"") -> Frame:
    """
    A ping, to compare with.
    """
    return Frame(Opcode.PING, payload)


def pong(payload: bytes = b"") -> Frame:
    """
    A pong, to compare with.
    """
    return Frame(Opcode.PONG, payload)


def close(code: int | None = 1000, reason: str = "") -> Frame:
    """
    A close frame, to compare with.
    """
    return Frame(Opcode.CLOSE, closePayload(code, reason))
