# Part of txwebsocket. See LICENSE for details.
"""
Puts ten million frames through the native twin, in all the ways it has, and looks at
what is left: neither memory nor its blocks nor references may become more.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from txwebsocket.wire import frames
from txwebsocket.wire._speedups import (
    FrameQueue,
    FrameReader,
    encodeFrame,
    encodeHeader,
)
from txwebsocket.wire.codes import CloseCode, Opcode

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
MASK = b"\x37\xfa\x21\x3d"
ALLOWED_KIB = 512
ALLOWED_BLOCKS = 50
ALLOWED_REFERENCES = 20


def makeReader(masked: bool = True, **options: Any) -> FrameReader:
    """
    A reader with common limits.
    """
    limits = {"maxFrameSize": None, "maxMessageSize": 2**20}
    return FrameReader(masked=masked, **{**limits, **options})


def stream(masked: bool, text: bytes, size: int) -> bytes:
    """
    Frames of all kinds.
    """
    mask = MASK if masked else b""
    parts = [
        (TEXT, text * size, 0x80),
        (BINARY, b"b" * size, 0x80),
        (TEXT, b"\xe2", 0),
        (PING, b"p" * 125, 0x80),
        (CONTINUATION, b"\x82", 0),
        (CONTINUATION, b"\xac" + text * size, 0x80),
        (TEXT, b"\xff" * size, 0xC0),
        (CLOSE, b"", 0x80),
        (PONG, b"", 0x80),
        (BINARY, b"", 0x80),
    ]
    return b"".join(
        encodeFrame(opcode, payload, mask, flags) for opcode, payload, flags in parts
    )


def readWhole() -> int:
    """
    Many frames in one chunk.
    """
    for masked in (True, False):
        for whole in (True, False):
            reader = makeReader(masked, rsv=0x40, whole=whole)
            for data in STREAMS[masked]:
                reader.feed(data)
    return 4 * SMALL * 6 * FRAMES


def readPieces() -> int:
    """
    Frames that arrive in parts, and readers that go while one is arriving.
    """
    for data in PIECES:
        reader = makeReader(rsv=0x40)
        for piece in data:
            reader.feed(piece)
            reader.bytesNeeded()
        reader.feed(data[0][:-1])
    return FRAMES * len(PIECES)


def readBroken() -> int:
    """
    Frames that break each rule.
    """
    for masked, data in BROKEN:
        reader = makeReader(masked, rsv=0x40, maxFrameSize=500, maxMessageSize=400)
        reader.feed(data)
        reader.feed(data)
        reader = makeReader(masked, rsv=0x40, maxFrameSize=500, maxMessageSize=400)
        for place in range(len(data)):
            reader.feed(data[place : place + 1])
    return 2 * len(BROKEN)


def makeFrames() -> int:
    """
    Frames made of text and of all that is like bytes.
    """
    texts = "p" * 20, "ß" * 200
    for payload in (b"", b"p" * 20, bytearray(200), memoryview(bytes(70000)), *texts):
        for mask in (b"", MASK, bytearray(MASK)):
            encodeFrame(BINARY, payload, mask)
            encodeHeader(BINARY, len(payload), mask=mask, flags=0)
    return 36


def putMessages() -> int:
    """
    Messages put into writers, some of which know themselves.
    """
    for masks in (None, partial(bytes, 4), partial(bytearray, MASK)):
        writer = FrameQueue(masks)
        writer.fastPathLimit = 2**20
        for message in ("", "t" * 200, b"", b"b" * 4096, "é€😀" * 50, "€" * 4096):
            writer.putMessage(message)
        for other in (None, 5, bytearray(5), "t" * 5000):
            writer.putMessage(other)
        writer.frames = []
    knot = Knot()
    knot.fastPathLimit = 100
    knot.__init__(knot.putMessage)  # type: ignore[misc]
    with suppress(TypeError, RecursionError):
        knot.putMessage("x")
    return 18


class Knot(FrameQueue):
    """
    A writer that can have attributes, as a class of Python has them.
    """


def misuse() -> int:
    """
    Calls that are refused.
    """
    reader, writer = makeReader(), FrameQueue(lambda: b"key")
    writer.fastPathLimit = 100
    calls: list[tuple[Callable[..., object], list[object], dict[str, object]]] = [
        (reader.feed, ["text"], {}),
        (reader.feed, [memoryview(b"abcd")[::2]], {}),
        (encodeFrame, [], {}),
        (encodeFrame, [1, "\ud800"], {}),
        (encodeFrame, [1, 1], {}),
        (encodeFrame, [1, b"", b"key"], {}),
        (encodeFrame, [1, b"", None], {}),
        (encodeFrame, [256, b""], {}),
        (encodeFrame, [1, b"", b"", "flags"], {}),
        (encodeFrame, [1, b"", b"", 0, 0], {}),
        (encodeFrame, [1, b""], {"payload": b""}),
        (encodeFrame, [1, b""], {"colour": b""}),
        (encodeHeader, [1, -1], {}),
        (encodeHeader, [1, 2**64], {}),
        (encodeHeader, ["opcode", 1], {}),
        (makeReader, [], {"maxFrameSize": "many"}),
        (makeReader, [], {"slack": -1}),
        (FrameReader, [], {}),
        (FrameQueue, [None, None], {}),
        (FrameQueue, [], {"mask": None}),
        (writer.putMessage, [], {}),
        (writer.putMessage, ["\ud800"], {}),
        (writer.putMessage, ["x"], {}),
        (setattr, [writer, "size", 2**64], {}),
        (setattr, [writer, "fastPathLimit", "much"], {}),
    ]
    for call, args, options in calls:
        with suppress(TypeError, ValueError, OverflowError, BufferError):
            call(*args, **options)
            raise AssertionError(f"{call} took {args}, {options}")
    return 0


FRAMES = 10
SMALL = 10
STREAMS = {
    masked: [
        stream(masked, text, size) * (1 if size > 100 else SMALL)
        for text in (b"t", "é€😀".encode())
        for size in (0, 1, 40, 5000)
    ]
    for masked in (True, False)
}
PIECES = [
    [data[at : at + step] for at in range(0, len(data), step)]
    for data, step in (
        (stream(True, b"t", 30), 1),
        (stream(True, "é€😀".encode(), 30), 7),
        (stream(True, "é€😀".encode(), 5000), 1400),
    )
]
BROKEN = [
    (False, b"\x91\x00"),
    (False, b"\x83\x00"),
    (False, b"\x09\x00"),
    (False, b"\xc9\x00"),
    (False, b"\x80\x00"),
    (False, b"\x01\x00\xc0\x00"),
    (False, b"\x01\x00\x01\x00"),
    (True, b"\x81\x00"),
    (False, b"\x81\x80"),
    (False, b"\x89\x7e"),
    (False, b"\x82\x7e\x00\x7d"),
    (False, b"\x82\x7f" + b"\xff" * 8),
    (False, b"\x82\x7e\x02\x00"),
    (False, b"\x82\x7e\x01\x95"),
    (False, b"\x81\x03a\xffa"),
    (False, b"\x01\x02\xe2\x82\x80\x01a"),
    (False, b"\x01\x02\xe2\x82\x80\x00"),
]
WORKS = (readWhole, readPieces, readBroken, makeFrames, putMessages, misuse)


def residentKib() -> int:
    """
    Memory of this process that is in use.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


def references() -> dict[str, int]:
    """
    How often the objects are referred to that the native twin shares.
    """
    shared = [
        None,
        True,
        False,
        b"",
        "",
        frames.Frame,
        frames.ProtocolFailure,
        FrameReader,
    ]
    shared += [CloseCode, *CloseCode, *range(16), 0x40]
    return {repr(item): sys.getrefcount(item) for item in shared}


def doAll(wanted: int, seconds: float) -> int:
    """
    Do all kinds of work in turns; return how many frames that were.
    """
    done, end = 0, time.monotonic() + seconds
    while done < wanted and time.monotonic() < end:
        done += sum(work() for work in WORKS)
    gc.collect()
    return done


def main() -> int:
    """
    Do what the command line says.
    """
    parser = argparse.ArgumentParser(description="Look for leaks.")
    parser.add_argument("--frames", type=int, default=10_000_000, help="at least")
    parser.add_argument("--seconds", type=float, default=600, help="at most")
    options = parser.parse_args()
    # The first tenth is there for all that is kept on purpose.
    doAll(options.frames // 10, options.seconds / 10)
    memory, blocks, counts = residentKib(), sys.getallocatedblocks(), references()
    done = doAll(options.frames, options.seconds)
    newBlocks = sys.getallocatedblocks() - blocks
    growth = residentKib() - memory
    moved = {
        name: count - counts[name]
        for name, count in references().items()
        if abs(count - counts[name]) > ALLOWED_REFERENCES
    }
    sys.stdout.write(
        f"{done} frames: {growth} KiB and {newBlocks} blocks more, "
        f"references {moved or 'kept'}\n"
    )
    hasLeak = moved or growth > ALLOWED_KIB or newBlocks > ALLOWED_BLOCKS
    return 1 if hasLeak else 0


if __name__ == "__main__":
    sys.exit(main())
