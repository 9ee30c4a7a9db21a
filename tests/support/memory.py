# Part of txwebsocket. See LICENSE for details.
"""
Both ends of a connection in memory: a transport that behaves as Twisted's own do, the
peer at its other end, and a real site, with a clock in place of a reactor.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.http import combinedLogFormatter
from twisted.web.server import Request, Site

from txwebsocket import (
    ClientConfig,
    ServerConfig,
    WebSocketConnection,
    WebSocketFrame,
    WebSocketProtocol,
    WebSocketResource,
)
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.websocket import makeChannel
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.control import closePayload
from txwebsocket.wire.extensions import NegotiatedExtension
from txwebsocket.wire.frames import FIN, Frame, FrameReader, encodeFrame

MASK = b"\x5a\x01\xf0\x7e"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

_ENDLESS = 10_000


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
        agreed: Sequence[NegotiatedExtension] = (),
        **options: Any,
    ) -> None:
        self.transport = MemoryTransport(Clock()) if transport is None else transport
        self.clock = self.transport.clock
        config = (ServerConfig if role is Role.SERVER else ClientConfig)(**options)
        self.link: WebSocketChannel = makeChannel(role, config, self.clock)
        self.connection: WebSocketConnection = self.link.connection
        if application is not None:
            self.link.attachApplication(application)
        self.transport.connect(self.link)
        self.peer = Peer(self.link, self.transport, masks=role is Role.SERVER)
        if openIt:
            self.link.opened(early, agreed)


def oneTurn(clock: Clock) -> None:
    """
    Do what a reactor does in one turn: what is asked for meanwhile is for the next one.
    """
    now = clock.seconds()
    for call in clock.getDelayedCalls():
        if call.getTime() <= now:
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


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
