# Part of txwebsocket. See LICENSE for details.
"""
Peers that know of WebSockets just what it takes to leave in the middle of one.
"""

import asyncio
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha1
from urllib.parse import urlsplit

from conversations import Different

# Seconds for what is written to be read at the other end.
_ON_THE_WAY = 0.02
# Seconds that an end may stay when its peer has ended its direction.
_AT_ONCE = 1.0
_AT_ONCE_AND_RUDE = struct.pack("ii", 1, 0)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masks: bool = True
) -> bytes:
    """
    A frame; its mask, if it has one, changes nothing.
    """
    size = len(payload)
    length = bytes([size]) if size < 126 else struct.pack("!BH", 126, size)
    mask = bytes(4) if masks else b""
    head = bytes([opcode | 0x80 * fin, length[0] | 0x80 * masks])
    return head + length[1:] + mask + payload


def frames(masks: bool) -> bytes:
    """
    Something of everything, and a close frame.
    """
    return b"".join(
        frame(opcode, payload, fin=fin, masks=masks)
        for opcode, payload, fin in (
            (1, b"hello", True),
            (1, b"in", False),
            (9, b"ping", True),
            (0, b" parts", True),
            (2, bytes(130), True),
            (10, b"unasked", True),
            (8, b"\x0f\xa0enough", True),
        )
    )


REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def response(request: bytes) -> bytes:
    """
    What accepts a request.
    """
    key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = b64encode(sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


class Raw:
    """
    One end of a connection.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, url: str, context: ssl.SSLContext | None = None, **options: int
    ) -> "Raw":
        """
        Connect, and ask for nothing yet.
        """
        parts = urlsplit(url)
        options["limit"] = options.get("limit", 2**16)
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port, ssl=context, **options
        )
        return cls(reader, writer)

    @classmethod
    async def upgrade(cls, url: str, context: ssl.SSLContext | None = None) -> "Raw":
        """
        Connect, and have a WebSocket.
        """
        raw = await cls.connect(url, context)
        await raw.say(REQUEST)
        await raw.reader.readuntil(b"\r\n\r\n")
        return raw

    async def say(self, data: bytes) -> None:
        """
        Send bytes, and let them arrive.
        """
        self.writer.write(data)
        await self.writer.drain()
        await asyncio.sleep(_ON_THE_WAY)

    async def echo(self) -> None:
        """
        See that the server is there.
        """
        await self.say(frame(1, b"hello"))
        echoed = await asyncio.wait_for(self.reader.readexactly(7), 5)
        if echoed != frame(1, b"hello", masks=False):
            raise Different(f"the echo of 'hello' is {echoed!r}")

    async def reset(self) -> None:
        """
        Break the connection, so that the other end's system says so.
        """
        handle = self.writer.get_extra_info("socket")
        # Behind TLS there is none any more if the other end has gone.
        if handle is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE_AND_RUDE)
        self.writer.transport.abort()

    async def leave(self) -> None:
        """
        Close the socket, without a word, whoever writes to it still.
        """
        self.writer.transport.abort()

    async def endWriting(self) -> None:
        """
        End one direction, and read until the other end is there, which must be at once.
        """
        with suppress(OSError):
            self.writer.write_eof()
        await self.seesEnd(_AT_ONCE)
        self.writer.transport.abort()

    async def seesEnd(self, seconds: float) -> None:
        """
        Read until the other end has gone, in time.
        """
        try:
            async with asyncio.timeout(seconds):
                with suppress(ConnectionError):
                    while await self.reader.read(2**16):
                        pass
        except TimeoutError:
            raise Different(f"it stays for more than {seconds:g} s") from None


Leaving = Callable[[Raw], Awaitable[None]]
WAYS: dict[str, Leaving] = {
    "reset": Raw.reset,
    "closed": Raw.leave,
    "half closed": Raw.endWriting,
}


async def everywhere(
    url: str, context: ssl.SSLContext | None, leave: Leaving, places: range
) -> None:
    """
    Connect, and leave behind each of these bytes.
    """
    speech = REQUEST + frames(True)
    atOnce = asyncio.Semaphore(20)

    async def one(place: int) -> None:
        async with atOnce:
            raw = await Raw.connect(url, context)
            if place:
                await raw.say(speech[:place])
            await leave(raw)

    await asyncio.gather(*map(one, places))


SPEECH_SIZE = len(REQUEST + frames(True))


@asynccontextmanager
async def leaving(
    leave: Leaving, context: ssl.SSLContext | None, step: int
) -> AsyncIterator[tuple[str, int]]:
    """
    A server that leaves some bytes later each time that somebody connects.

    :return: its URL, and how many times it takes.
    """
    place = 0

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal place
        raw = Raw(reader, writer)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write((response(request) + frames(False))[:place])
            place += step
            await writer.drain()
            await asyncio.sleep(_ON_THE_WAY / 10)
            await leave(raw)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()

    size = len(response(REQUEST) + frames(False))
    async with _listening(answer, context) as url:
        yield url, size // step + 1


@asynccontextmanager
async def staying(isAccepting: bool) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """
    A server that stays, whether it has accepted or says nothing.

    :return: its URL, and what is set when somebody has asked.
    """
    asked = asyncio.Event()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if isAccepting:
            await Raw(reader, writer).say(response(request))
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        writer.transport.abort()

    async with _listening(answer, None) as url:
        yield url, asked


@asynccontextmanager
async def _listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None,
) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws{'s' if context else ''}://127.0.0.1:{port}/"
