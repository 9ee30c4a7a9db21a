# Part of txwebsocket. See LICENSE for details.
"""
The attacker's end of a connection: sockets, and nothing that minds its manners.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from tests.tools.attacks.wire import BINARY, CLOSE, FIN, KIB, answer, ask, frame

HOST = "127.0.0.1"

PATIENCE = 15.0
"""
Seconds that anything may take that has no bar of its own.
"""

_READ = 256 * KIB


class Ended(Exception):
    """
    The other side has closed, or reset, the connection.
    """


class Head(NamedTuple):
    """
    A request's or response's first line, and its headers in lower case.
    """

    start: str
    headers: dict[str, str]

    @property
    def status(self) -> int:
        """
        The status of a response.
        """
        return int(self.start.split()[1])


class Peer:
    """
    One connection, and what has arrived on it.

    :ivar received: bytes that were read from it so far.
    """

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.received = 0
        self._buffer = bytearray()
        connected.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        """
        Send all of it.

        :raises Ended: if the other side wants no more.
        """
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended(str(error)) from None

    def pour(self, data: bytes, patience: float = PATIENCE) -> int:
        """
        Send as much of it as is taken, without reading anything.

        :param patience: seconds in which nothing was taken, after which it is enough.
        :return: how many bytes were taken.
        """
        view, sent = memoryview(data), 0
        self.socket.settimeout(patience)
        with suppress(OSError):
            while sent < len(view):
                sent += self.socket.send(view[sent : sent + _READ])
        self.socket.settimeout(PATIENCE)
        return sent

    def head(self) -> Head:
        """
        Read a head.
        """
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        raw, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer[:] = rest
        start, *lines = raw.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return Head(start, {name.lower(): value.strip() for name, _, value in pairs})

    def frame(self) -> tuple[int, bytes]:
        """
        Read a frame: its first byte and its payload, unmasked.
        """
        first, second = self.take(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self.take(2 if length == 126 else 8), "big")
        key = self.take(4) if second & 0x80 else b""
        payload = self.take(length)
        return first, _unmasked(payload, key) if key else payload

    def take(self, size: int) -> bytes:
        """
        Read so many bytes.
        """
        while len(self._buffer) < size:
            self._fill()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def code(self) -> int | None:
        """
        Read on to a close frame, and return its code; None if the connection ends
        without one.
        """
        with suppress(Ended):
            while True:
                first, payload = self.frame()
                if first == FIN | CLOSE:
                    return int.from_bytes(payload[:2], "big")
        return None

    def verdict(self) -> str:
        """
        What the other side makes of what was sent: ``echo``, or its close code, or
        that it is ``gone`` without one.
        """
        try:
            first, payload = self.frame()
        except Ended:
            return "gone"
        if first & 0xF == CLOSE:
            return str(int.from_bytes(payload[:2], "big"))
        return "echo"

    def drain(self, seconds: float = PATIENCE) -> None:
        """
        Read to the end, and forget it.

        :raises TimeoutError: if that does not come within so many seconds.
        """
        end = time.monotonic() + seconds
        with suppress(Ended):
            while True:
                self.socket.settimeout(max(end - time.monotonic(), 0.001))
                self._fill()
                self._buffer.clear()

    def endsIn(self) -> float:
        """
        Seconds from now to the end of the connection.
        """
        began = time.monotonic()
        self.drain(3 * PATIENCE)
        return time.monotonic() - began

    def close(self) -> None:
        self.socket.close()

    def _fill(self) -> None:
        try:
            data = self.socket.recv(_READ)
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended(str(error)) from None
        if not data:
            raise Ended("closed")
        self.received += len(data)
        self._buffer += data


def _unmasked(payload: bytes, key: bytes) -> bytes:
    stream = key * (len(payload) // 4 + 1)
    return bytes(a ^ b for a, b in zip(payload, stream, strict=False))


def connect(port: int, isSecure: bool = False) -> Peer:
    """
    Connect, and say nothing.
    """
    plain = socket.create_connection((HOST, port), PATIENCE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not isSecure:
        return Peer(plain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is us who are not to be trusted.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Peer(context.wrap_socket(plain))


def shakeHands(peer: Peer, request: bytes = b"") -> Head:
    """
    Open a WebSocket.
    """
    peer.send(request or ask())
    response = peer.head()
    if response.status != 101:
        raise Ended(response.start)
    return response


def echoes(peer: Peer, payload: bytes = b"hello") -> float:
    """
    Have a message echoed; return the seconds it takes.
    """
    began = time.monotonic()
    peer.send(frame(FIN | BINARY, payload))
    found = peer.frame()
    if found != (FIN | BINARY, payload):
        raise Ended(f"the echo is {found!r:.80}")
    return time.monotonic() - began


class Trap:
    """
    A hostile server: a port of ours that victims connect to.
    """

    def __init__(
        self, listening: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        self._listening = listening
        self._context = context
        self.port: int = listening.getsockname()[1]

    def catch(self) -> Peer:
        """
        Take the next connection.
        """
        caught, _ = self._listening.accept()
        if self._context is not None:
            caught = self._context.wrap_socket(caught, server_side=True)
        return Peer(caught)

    def accept(self, *lines: str, behind: bytes = b"") -> Peer:
        """
        Take the next connection, and accept its WebSocket.

        :param lines: more headers.
        :param behind: what comes in the same segment.
        """
        peer = self.catch()
        key = peer.head().headers["sec-websocket-key"]
        peer.send(answer(key.encode("ascii"), *lines) + behind)
        return peer


@contextmanager
def trap(context: ssl.SSLContext | None = None) -> Iterator[Trap]:
    """
    A hostile server for as long as the block lasts.
    """
    with socket.create_server((HOST, 0), backlog=64) as listening:
        listening.settimeout(PATIENCE)
        yield Trap(listening, context)
