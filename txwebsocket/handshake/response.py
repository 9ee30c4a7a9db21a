# -*- test-case-name: tests.handshake.test_response -*-
# Part of txwebsocket. See LICENSE for details.
"""
The HTTP/1.1 that a client's opening handshake reads: one response, within bounds.

On a server twisted.web has read the request before we see it.
"""

import re
from typing import NamedTuple

from txwebsocket.wire.errors import BadResponse, shown
from txwebsocket.wire.grammar import isHeaderValue, isToken

MAX_HEAD_SIZE = 16 * 1024
"""
Bytes of status line and headers that are taken from a server.
"""

MAX_HEADERS = 128
"""
Header lines that are taken from a server.
"""

MAX_BODY_SIZE = 64 * 1024
"""
Bytes of a refusal's body that are kept; the rest is not waited for.
"""

MAX_INTERIM = 20
"""
Interim responses that are passed over before a server has to answer.
"""

_STATUS_LINE = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?"
)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_LINE_END = b"\r\n"
# Half an end of a line; a CR at the end of the data may become a whole one.
_HALF_END = re.compile(rb"\r(?=[^\n])|(?<!\r)\n")
# An alert or a handshake: how a server begins that speaks TLS.
_TLS_RECORDS = (b"\x15", b"\x16")
_END = _LINE_END * 2
_MAX_CHUNK_LINE = 255


class ResponseHead(NamedTuple):
    """
    The status line and headers of a response.

    :ivar version: the HTTP version, ``1.0`` or ``1.1``.
    :ivar status: the status code.
    :ivar phrase: the reason phrase, perhaps empty.
    :ivar headers: names and values in their order.
    """

    version: str
    status: int
    phrase: str
    headers: tuple[tuple[bytes, bytes], ...]

    def values(self, name: str) -> list[bytes]:
        """
        The values of one header, a line each; its name in any case.
        """
        wanted = name.lower().encode("ascii")
        return [value for key, value in self.headers if key.lower() == wanted]


class ResponseReader:
    """
    Read the head of a response, at any split of its bytes.

    Interim responses (100, 102, 103) are passed over, up to :data:`MAX_INTERIM`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._interim = 0

    @property
    def hasBegun(self) -> bool:
        """
        Whether the server has sent anything.
        """
        return bool(self._buffer or self._interim)

    def feed(self, data: bytes) -> ResponseHead | None:
        """
        Take what the network gave; return the head when it is whole.

        :raises BadResponse: if this is not HTTP/1.x, or is over a limit.
        """
        self._buffer += data
        while True:
            end = self._buffer.find(_END, self._searched)
            if (self._sizeSoFar() if end < 0 else end) > MAX_HEAD_SIZE:
                raise BadResponse(f"the head is larger than {MAX_HEAD_SIZE} bytes")
            self._checkStart()
            self._checkLineEnds(len(self._buffer) if end < 0 else end)
            if end < 0:
                self._searched = max(0, len(self._buffer) - 3)
                return None
            head = parseHead(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self._searched = 0
            if head.status >= 200 or head.status == 101:
                return head
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise BadResponse(f"more than {MAX_INTERIM} interim responses")

    def takeRemaining(self) -> bytes:
        """
        Remove and return the bytes that came behind the head.
        """
        rest, self._buffer = bytes(self._buffer), bytearray()
        return rest

    def _sizeSoFar(self) -> int:
        # What may be the beginning of the empty line is no part of the head.
        ends = (size for size in (3, 2, 1) if self._buffer.endswith(_END[:size]))
        return len(self._buffer) - next(ends, 0)

    def _checkStart(self) -> None:
        # A server that speaks something else may never send an empty line.
        start = bytes(self._buffer[:5])
        if start.startswith(_TLS_RECORDS):
            raise BadResponse(
                "not an HTTP response, but TLS: the URL must start with wss:// there, "
                "and that of a proxy with https://"
            )
        if not b"HTTP/".startswith(start):
            raise BadResponse(f"not an HTTP response: {start!r}")

    def _checkLineEnds(self, size: int) -> None:
        # A server that ends its lines otherwise may never send an empty line of ours.
        half = _HALF_END.search(self._buffer, self._searched, size)
        if half is not None:
            name = "LF" if half[0] == b"\n" else "CR"
            raise BadResponse(
                f"a line of the head must end in CR LF, not in {name} alone"
            )


def parseHead(octets: bytes) -> ResponseHead:
    """
    Read a head without its closing empty line (RFC 9112, 4 and 5).

    :raises BadResponse: if it breaks the grammar; neither line folding nor space before
        a colon is taken.
    """
    line, *lines = octets.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(line)
    if status is None:
        raise BadResponse(f"not an HTTP/1.1 status line: {line[:80]!r}")
    if len(lines) > MAX_HEADERS:
        raise BadResponse(f"more than {MAX_HEADERS} headers")
    return ResponseHead(
        version=f"1.{status[1].decode()}",
        status=int(status[2]),
        phrase=(status[3] or b"").decode("latin-1"),
        headers=tuple(map(_parseHeader, lines)),
    )


def _parseHeader(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t")
    if not colon or not isToken(name.decode("latin-1")) or not isHeaderValue(value):
        raise BadResponse(f"not a header: {line[:80]!r}")
    return name, value


class BodyReader:
    """
    Read the body of a refusal, up to :data:`MAX_BODY_SIZE` (RFC 9112, 6.3).

    :ivar isComplete: whether nothing more is wanted.
    :ivar isCut: whether that is because of the limit.
    :ivar length: the number of bytes in the body, if the head tells it.
    """

    def __init__(self, head: ResponseHead) -> None:
        self.isComplete = head.status in (204, 304)
        self.isCut = False
        self.length = 0 if self.isComplete else None
        self._body = bytearray()
        self._chunks: _ChunkReader | None = None
        self._missing = MAX_BODY_SIZE
        if head.values("transfer-encoding"):
            self._chunks = _ChunkReader()
            return
        lengths = set(head.values("content-length"))
        if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
            raise BadResponse(f"not a length of a body: {shown(repr(sorted(lengths)))}")
        if lengths and not self.isComplete:
            self.length = _lengthOf(lengths.pop())
            self._missing = min(self.length, MAX_BODY_SIZE)
            self.isComplete = not self._missing

    @property
    def body(self) -> bytes:
        """
        What has arrived so far.
        """
        return bytes(self._body)

    @property
    def isDelimited(self) -> bool:
        """
        Does the body tell its own end, or does it end with the connection?
        """
        return self.length is not None or self._chunks is not None

    def feed(self, data: bytes) -> bytes:
        """
        Take what the network gave.

        :return: the bytes of the body in it.
        :raises BadResponse: if the body's chunks are malformed.
        """
        if self.isComplete:
            return b""
        if self._chunks is not None:
            data = self._chunks.feed(data)
        part = data[: self._missing]
        self._body += part
        self._missing -= len(part)
        hasEnded = self._chunks is not None and self._chunks.isComplete
        self.isComplete = hasEnded or not self._missing
        isShort = self.length is not None and self.length <= MAX_BODY_SIZE
        self.isCut = self.isComplete and not (hasEnded or isShort)
        return part


class _ChunkReader:
    """
    Undo the chunked transfer coding (RFC 9112, 7.1); trailers are not read.
    """

    def __init__(self) -> None:
        self.isComplete = False
        self._line = b""
        # Bytes of the chunk still to come.
        self._missing = 0
        # What is left of the line break behind a chunk.
        self._ending = b""

    def feed(self, data: bytes) -> bytes:
        """
        Take coded bytes, return plain ones.
        """
        plain = []
        at = 0
        while at < len(data) and not self.isComplete:
            if self._missing:
                part = data[at : at + self._missing]
                plain.append(part)
                self._missing -= len(part)
                at += len(part)
            elif self._ending:
                at = self._takeEnding(data, at)
            else:
                at = self._takeLine(data, at)
        return b"".join(plain)

    def _takeEnding(self, data: bytes, at: int) -> int:
        part = data[at : at + len(self._ending)]
        if not self._ending.startswith(part):
            raise BadResponse("a chunk is not as long as it says")
        self._ending = self._ending[len(part) :]
        return at + len(part)

    def _takeLine(self, data: bytes, at: int) -> int:
        before = len(self._line)
        # What is longer than this is refused, however it goes on.
        self._line += data[at : at + _MAX_CHUNK_LINE + len(_LINE_END)]
        line, end, _ = self._line.partition(_LINE_END)
        if len(line.removesuffix(b"\r")) > _MAX_CHUNK_LINE:
            raise BadResponse("the size of a chunk is too long")
        if not end and _HALF_END.search(self._line):
            raise BadResponse(f"not the size of a chunk: {self._line[:20]!r}")
        if not end:
            return at + len(self._line) - before
        self._line = b""
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise BadResponse(f"not the size of a chunk: {line[:20]!r}")
        self._missing = int(size[1], 16)
        self._ending = _LINE_END
        self.isComplete = not self._missing
        return at + len(line) + len(end) - before


def _lengthOf(digits: bytes) -> int:
    # However many digits there are, a few tell that it is over the limit.
    return int(digits.lstrip(b"0")[:10] or b"0")
