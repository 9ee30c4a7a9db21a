# Part of txwebsocket. See LICENSE for details.
"""
A4 and C5 to C8: frames that a peer must not send.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.tools.attacks.findings import Arena, Attack, Finding, rows
from tests.tools.attacks.peers import Ended, Peer
from tests.tools.attacks.processes import Server
from tests.tools.attacks.wire import (
    BINARY,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    deflated,
    frame,
    head,
)


class Row(NamedTuple):
    """
    What is sent, and the close code that answers it, or ``echo``.
    """

    name: str
    stream: bytes
    verdict: str = "1002"


def _long(first: int, length: int) -> bytes:
    """
    A head with a length in eight bytes.
    """
    return struct.pack("!BBQ", first, 0xFF, length)


def _close(payload: bytes) -> bytes:
    return frame(FIN | CLOSE, payload)


LENGTHS = (
    Row("2^64 - 1", _long(FIN | BINARY, 2**64 - 1)),
    Row("2^63", _long(FIN | BINARY, 2**63)),
    Row("2^63 + 1", _long(FIN | BINARY, 2**63 + 1)),
    Row("2^63 - 1", _long(FIN | BINARY, 2**63 - 1), "1009"),
    Row("2^53 + 1", _long(FIN | BINARY, 2**53 + 1), "1009"),
    Row("2^40", _long(FIN | BINARY, 2**40), "1009"),
    Row("2^32", _long(FIN | BINARY, 2**32), "1009"),
    Row("2^31", _long(FIN | BINARY, 2**31), "1009"),
    Row(
        "2^63 - 1 more, in a fragment",
        frame(BINARY, b"a") + _long(CONTINUATION, 2**63 - 1),
        "1009",
    ),
)

RULES = (
    Row("not masked", frame(FIN | TEXT, b"a", isMasked=False)),
    Row("a ping not masked", frame(FIN | PING, b"a", isMasked=False)),
    *(Row(f"opcode {n}", head(FIN | n, 0)) for n in (3, 4, 5, 6, 7)),
    *(Row(f"opcode {n}", head(FIN | n, 0)) for n in (11, 12, 13, 14, 15)),
    *(
        Row(f"reserved bits {n:#x}", head(FIN | n | TEXT, 1))
        for n in range(16, 128, 16)
    ),
    Row("a ping of 126 bytes", head(FIN | PING, 126)),
    Row("a pong of 126 bytes", head(FIN | PONG, 126)),
    Row("a close of 126 bytes", head(FIN | CLOSE, 126)),
    Row("a ping in fragments", head(PING, 1)),
    Row("a close in fragments", head(CLOSE, 2)),
    Row("a continuation of nothing", head(FIN | CONTINUATION, 1)),
    Row("one that goes on", head(CONTINUATION, 1)),
    Row("a message in a message", frame(TEXT, b"a") + head(FIN | TEXT, 1)),
    Row("after an empty fragment", frame(TEXT) + head(FIN | BINARY, 1)),
    Row("2 bytes for 125", struct.pack("!BBH", FIN | BINARY, 0xFE, 125)),
    Row("8 bytes for 125", _long(FIN | BINARY, 125)),
    Row("8 bytes for 65535", _long(FIN | BINARY, 65535)),
    Row("an old draft's end", b"\xff\x00"),
    Row("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
)

_FORBIDDEN = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)

CODES = (
    Row("half a code", _close(b"\x03")),
    *(Row(f"code {code}", _close(struct.pack("!H", code))) for code in _FORBIDDEN),
    *(
        Row(f"code {code}", _close(struct.pack("!H", code)), str(code))
        for code in (*range(1000, 1004), *range(1007, 1015), 3000, 4000, 4999)
    ),
    Row("a reason that is not UTF-8", _close(b"\x03\xe8\xff"), "1007"),
    Row("a reason cut in a character", _close(b"\x03\xe8\xe2\x82"), "1007"),
    Row("a ping behind a close", _close(b"\x03\xe8") + frame(FIN | PING), "1000"),
    Row("two closes", _close(b"\x03\xe8") + _close(b"\x03\xe9"), "1000"),
)

ILL_FORMED = (
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc2\x41",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x82\x41",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x92\x41",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe",
    b"\xff",
)

_HELLO = b"h\xc3\xa9llo"


def _textRows() -> Iterator[Row]:
    """
    Each kind at the start, behind other text, across fragments and in a frame of which
    more is to come.
    """
    for bad in ILL_FORMED:
        name = bad.hex()
        yield Row(name, frame(FIN | TEXT, bad), "1007")
        yield Row(f"{name} behind text", frame(FIN | TEXT, _HELLO + bad + b"a"), "1007")
        split = frame(TEXT, _HELLO + bad[:1]) + frame(
            FIN | CONTINUATION, bad[1:] + b"a"
        )
        yield Row(f"{name} in fragments", split, "1007")
        unfinished = head(FIN | TEXT, 1000) + _HELLO + bad + b"a"
        yield Row(f"{name} in half a frame", unfinished, "1007")
    for cut in (b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92"):
        yield Row(f"{cut.hex()} and no more", frame(FIN | TEXT, cut), "1007")


def _compressedRows() -> Iterator[Row]:
    for bad in ILL_FORMED:
        payload = deflated(_HELLO + bad)
        yield Row(bad.hex(), frame(FIN | RSV1 | TEXT, payload), "1007")
    good = deflated(b"hello" * 100)
    first = FIN | RSV1 | BINARY
    yield Row("a good one", frame(first, good), "echo")
    yield Row("an empty one", frame(first, b"\x00"), "echo")
    yield Row("no block", frame(first, b"\xff" * 20), "1007")
    yield Row("a zlib header", frame(first, zlib.compress(b"hello")), "1007")
    yield Row("a block that refers to nothing", frame(first, b"\x02\x13\x00"), "1007")
    yield Row(
        "a stored block that lies", frame(first, b"\x00\x05\x00\x05\x00abc"), "1007"
    )
    yield Row("a ping with RSV1", frame(FIN | RSV1 | PING, good[:100]))
    again = frame(RSV1 | BINARY, good[:5]) + frame(FIN | RSV1 | CONTINUATION, good[5:])
    yield Row("RSV1 on a continuation", again)
    ends = zlib.compressobj(wbits=-15)
    last = ends.compress(b"hello") + ends.flush(zlib.Z_FINISH)
    yield Row("a last block", frame(first, last), "echo")
    yield Row("1000 last blocks", frame(first, last * 1000), "1007")


def _tried(server: Server, table: Sequence[Row], request: bytes = b"") -> Finding:
    wrong = []
    for row in table:
        peer = server.open(request)
        peer.socket.settimeout(3)
        try:
            peer.send(row.stream)
            found = peer.verdict()
            if found not in ("echo", "gone"):
                peer.socket.settimeout(0.05)
                more = _more(peer)
                found += f" and {more}" if more else ""
        except (Ended, TimeoutError) as error:
            found = f"{type(error).__name__}: {error}"
        peer.close()
        if found != row.verdict:
            wrong.append(f"{row.name}: {found}, not {row.verdict}")
    return rows("answered as they should be, and then nothing", wrong, len(table))


def _more(peer: Peer) -> str:
    """
    What comes behind a close frame, if anything does.
    """
    try:
        return repr(peer.take(1))
    except (Ended, TimeoutError):
        return ""


def lengths(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _tried(server, LENGTHS)


def rules(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _tried(server, RULES)


def texts(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _tried(server, [*_textRows()])


def codes(arena: Arena) -> Iterator[Finding]:
    with arena.server() as server:
        yield _tried(server, CODES)


def streams(arena: Arena) -> Iterator[Finding]:
    with arena.server("--compress") as server:
        yield _tried(server, [*_compressedRows()], COMPRESSED)


ATTACKS = (
    Attack("A4", "lengths that overflow something", lengths, isQuick=False),
    Attack(
        "C5", "frames that break a rule, by their heads alone", rules, isQuick=False
    ),
    Attack(
        "C6",
        "text that is not UTF-8, of every kind, in every place",
        texts,
        isQuick=False,
    ),
    Attack("C7", "close codes and reasons", codes, isQuick=False),
    Attack(
        "C8",
        "compressed data that is none, or text that is none",
        streams,
        isQuick=False,
    ),
)
