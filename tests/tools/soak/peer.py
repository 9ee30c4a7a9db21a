# Part of txwebsocket. See LICENSE for details.
"""
A WebSocket client of our own making, which knows nothing of the library: it costs
little, can check what it is sent, and can break every rule.
"""

import asyncio
import os
import random
import socket
import struct
import zlib
from itertools import pairwise

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
FIN, RSV1, MASKED = 0x80, 0x40, 0x80

HOST = "127.0.0.1"
PATIENCE = 30.0
"""
Seconds that anything may take which a server has to do.
"""

_TAIL = b"\x00\x00\xff\xff"
_OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
_REQUEST = (
    "GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n{offer}\r\n"
)


class Wrong(Exception):
    """
    The server did something else than it has to do.
    """


def request(port: int, compressed: bool = False) -> bytes:
    """
    What a client opens with.
    """
    offer = _OFFER if compressed else ""
    return _REQUEST.format(host=HOST, port=port, offer=offer).encode()


def frame(opcode: int, payload: bytes, flags: int = FIN) -> bytes:
    """
    A frame as a client sends it.
    """
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", flags | opcode, MASKED | size)
    elif size < 2**16:
        head = struct.pack("!BBH", flags | opcode, MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", flags | opcode, MASKED | 127, size)
    key = os.urandom(4)
    return head + key + masked(payload, key)


def masked(payload: bytes, key: bytes) -> bytes:
    """
    A payload behind its mask.
    """
    size = len(payload)
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def fragments(opcode: int, payload: bytes, dice: random.Random) -> list[bytes]:
    """
    A message in two to twenty frames, with pings between them.
    """
    cuts = sorted(dice.randrange(len(payload) + 1) for _ in range(dice.randint(1, 19)))
    edges = [0, *cuts, len(payload)]
    pieces = [payload[a:b] for a, b in pairwise(edges)]
    frames = []
    for number, piece in enumerate(pieces):
        flags = FIN if number == len(pieces) - 1 else 0
        frames.append(frame(CONTINUATION if number else opcode, piece, flags))
        if dice.random() < 0.1:
            frames.append(frame(PING, b"between"))
    return frames


class Peer:
    """
    One connection.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._port = port
        self._deflater = zlib.compressobj(wbits=-15)
        self._inflater = zlib.decompressobj(wbits=-15)

    @classmethod
    async def connect(cls, port: int) -> "Peer":
        """
        A connection on which nothing was said.
        """
        async with asyncio.timeout(PATIENCE):
            return cls(*await asyncio.open_connection(HOST, port), port)

    async def open(self, compressed: bool = False) -> "Peer":
        """
        Do the opening handshake.
        """
        self._writer.write(request(self._port, compressed))
        head = await self.answer()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Wrong(f"no WebSocket but {head[:80]!r}")
        if compressed is not (b"permessage-deflate" in head):
            raise Wrong(f"another extension than was asked for: {head!r}")
        return self

    async def answer(self) -> bytes:
        """
        The head of an HTTP response.
        """
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(b"\r\n\r\n")

    # Sending

    async def send(self, octets: bytes) -> None:
        """
        Send these bytes, and wait while there is no room for more.
        """
        self._writer.write(octets)
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()

    def write(self, octets: bytes) -> None:
        """
        Send these bytes without waiting.
        """
        self._writer.write(octets)

    async def dribble(self, octets: bytes, dice: random.Random) -> None:
        """
        Send these bytes in a few pieces, cut anywhere.
        """
        cut = dice.randrange(len(octets) + 1)
        await self.send(octets[:cut])
        await asyncio.sleep(0)
        await self.send(octets[cut:])

    async def sendCompressed(self, payload: bytes) -> None:
        """
        Send a text message as permessage-deflate has it.
        """
        octets = self._deflater.compress(payload)
        octets += self._deflater.flush(zlib.Z_SYNC_FLUSH)
        await self.send(frame(TEXT, octets.removesuffix(_TAIL), FIN | RSV1))

    # Receiving

    async def receiveFrame(self) -> tuple[int, bytes]:
        """
        The next frame's first octet and payload.
        """
        first, size = await self._reader.readexactly(2)
        if size & MASKED:
            raise Wrong("a server has masked a frame")
        if size > 125:
            octets = await self._reader.readexactly(2 if size == 126 else 8)
            size = int.from_bytes(octets, "big")
        return first, await self._reader.readexactly(size)

    async def receive(self) -> bytes:
        """
        The next message; pongs and pings before it are passed over.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                first, payload = await self.receiveFrame()
                if first & 0xF in (TEXT, BINARY):
                    break
                if first & 0xF == PING:
                    self._writer.write(frame(PONG, payload))
                elif first & 0xF != PONG:
                    raise Wrong(f"a frame {first:#x} {payload[:80]!r}")
        if first & RSV1:
            return self._inflater.decompress(payload + _TAIL)
        return payload

    async def expect(self, payload: bytes) -> None:
        """
        Wait for just this message.
        """
        received = await self.receive()
        if received != payload:
            raise Wrong(f"no echo of {len(payload)} bytes, but {received[:80]!r}")

    # The end

    async def close(self) -> None:
        """
        Close as one should, and wait until the server has gone.
        """
        await self.send(frame(CLOSE, struct.pack("!H", 1000)))
        if await self.closeCode() != 1000:
            raise Wrong("a close with 1000 has to be answered with 1000")
        if await self._reader.read():
            raise Wrong("something came behind the server's close")
        self.leave()

    async def closeCode(self) -> int | None:
        """
        Wait for the server's close frame; None if it leaves without one.
        """
        async with asyncio.timeout(PATIENCE):
            try:
                while True:
                    first, payload = await self.receiveFrame()
                    if first & 0xF == CLOSE:
                        return int.from_bytes(payload[:2], "big")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def gone(self) -> None:
        """
        Wait until the server has let go, whatever it says before.
        """
        async with asyncio.timeout(PATIENCE):
            try:
                while await self._reader.read(2**16):
                    pass
            except ConnectionError:
                pass

    def halfClose(self) -> None:
        """
        End our direction alone.
        """
        self._writer.write_eof()

    def leave(self) -> None:
        """
        End the connection of TCP, without a word.
        """
        self._writer.close()

    def reset(self) -> None:
        """
        End it with a reset.
        """
        connected = self._writer.get_extra_info("socket")
        connected.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._writer.transport.abort()
