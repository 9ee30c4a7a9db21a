# Part of txwebsocket. See LICENSE for details.
"""
Peers that read slowly, but all the time, over real sockets.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any

from tests.support.memory import MASK, handshake
from txwebsocket.handshake.opening import acceptFor
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame, FrameReader, encodeFrame

# Bytes that are read at a time.
_STEP = 8 * 1024

SMALL_WINDOW = 16 * 1024
"""
Bytes of a peer whose system takes little more than its program has read.
"""

# No test lasts longer.
_LONGEST = 20


class SlowPeer(threading.Thread):
    """
    A peer that reads so many bytes a second, and answers the pings and the close frame
    that it comes to.

    :param rate: bytes a second; with 0 it reads nothing until :meth:`leave`.
    :param masks: whether it is a client.
    :param answers: whether it answers at all.
    :param window: bytes that its system takes at most; None for what it takes usually.
    :ivar size: the bytes of the messages' payloads that it has read.
    :ivar pings: how many pings it has read.
    :ivar end: how it has ended: ``close`` if a close frame came, ``end`` or ``reset``.
    """

    def __init__(
        self,
        rate: int,
        masks: bool = True,
        answers: bool = True,
        window: int | None = SMALL_WINDOW,
    ) -> None:
        super().__init__(daemon=True)
        self._window = window
        self.size = self.pings = 0
        self.end = ""
        self._rate = rate
        self._answers = answers
        self._mask = MASK if masks else b""
        self._reader = FrameReader(
            masked=not masks, maxFrameSize=None, maxMessageSize=2**40, whole=False
        )
        self._socket: Any = None
        self._listening: socket.socket | None = None
        self._leaving = threading.Event()

    # How it comes to a connection

    def connectTCP(self, port: int) -> SlowPeer:
        """
        Connect as a client.
        """
        self._socket = self._makeSocket(socket.AF_INET)
        self._socket.connect(("127.0.0.1", port))
        return self._begin()

    def connectTLS(self, port: int) -> SlowPeer:
        """
        Connect as a client, through TLS.
        """
        plain = self._makeSocket(socket.AF_INET)
        plain.connect(("127.0.0.1", port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # The other end is served by the thread that has called this.
        self._socket = context.wrap_socket(plain, do_handshake_on_connect=False)
        return self._begin()

    def connectUNIX(self, path: str) -> SlowPeer:
        """
        Connect as a client, to a UNIX socket.
        """
        self._socket = self._makeSocket(socket.AF_UNIX)
        self._socket.connect(path)
        return self._begin()

    def listen(self) -> int:
        """
        Wait for a client; return the port.
        """
        self._listening = self._makeSocket(socket.AF_INET)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self.start()
        port: int = self._listening.getsockname()[1]
        return port

    def leave(self) -> None:
        """
        Leave, having read nothing.
        """
        self._leaving.set()
        self.join(_LONGEST)

    def _begin(self) -> SlowPeer:
        self.start()
        return self

    # What it does

    def run(self) -> None:
        """
        Shake hands, and read to the end.
        """
        try:
            self._shakeHands()
            if self._rate:
                self._readAll()
            else:
                self._leaving.wait(_LONGEST)
        except OSError:
            self.end = self.end or "reset"
        finally:
            self._socket.close()

    def _shakeHands(self) -> None:
        if self._listening is None:
            self._socket.sendall(handshake())
            self._readHead()
            return
        self._socket, _ = self._listening.accept()
        self._listening.close()
        self._socket.settimeout(_LONGEST)
        head = self._readHead().decode("latin-1").lower()
        # Header names in any case; keys are case-sensitive, so cut the original.
        start = head.index("sec-websocket-key: ") + len("sec-websocket-key: ")
        key = self._head[start : head.index("\r", start)].decode("latin-1")
        self._socket.sendall(
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n" % acceptFor(key).encode("latin-1")
        )

    def _readHead(self) -> bytes:
        self._head = b""
        while not self._head.endswith(b"\r\n\r\n"):
            self._head += self._socket.recv(1) or self._fail()
        return self._head

    def _fail(self) -> bytes:
        raise ConnectionError("the other end has left")

    def _readAll(self) -> None:
        begin, count = time.monotonic(), 0
        while data := self._socket.recv(_STEP):
            count += len(data)
            for frame in self._reader.feed(data):
                self._take(frame)
            time.sleep(max(0.0, begin + count / self._rate - time.monotonic()))
        self.end = self.end or "end"

    def _take(self, frame: Frame) -> None:
        if frame.opcode == Opcode.CLOSE:
            self.end = "close"
            self._send(Opcode.CLOSE, frame.payload)
        elif frame.opcode == Opcode.PING:
            self.pings += 1
            self._send(Opcode.PONG, frame.payload)
        else:
            self.size += len(frame.payload)

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._answers:
            self._socket.sendall(encodeFrame(opcode, payload, self._mask))

    def _makeSocket(self, family: int) -> socket.socket:
        made = socket.socket(family)
        if self._window is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
        made.settimeout(_LONGEST)
        return made
