# Part of txwebsocket. See LICENSE for details.
"""
How much faster the native twin is, frame size by frame size.

Both twins do the same work in turns, and the best turn of each counts, so that the
ratios mean something on a busy machine as well.
"""

import argparse
import sys
import time
from collections.abc import Callable
from types import ModuleType

from txwebsocket.wire import _speedups, frames
from txwebsocket.wire.codes import Opcode

READ_SIZE = 65536
MASK = b"\x37\xfa\x21\x3d"
SIZES = {"32 B": 32, "128 B": 128, "64 KiB": 2**16, "1 MiB": 2**20}
KINDS = {
    "ASCII text": (Opcode.TEXT, b"Hello, how are you? "),
    "other text": (Opcode.TEXT, "Grüße, 世界 😀, как дела? ".encode()),
    "binary": (Opcode.BINARY, bytes(range(256))),
}


def payloadOf(kind: str, size: int) -> tuple[Opcode, bytes]:
    """
    As many bytes as asked for; in place of half a character at their end, spaces.
    """
    opcode, sample = KINDS[kind]
    data = (sample * (size // len(sample) + 1))[:size]
    if opcode is Opcode.TEXT:
        data = data.decode("utf-8", "ignore").encode().ljust(size)
    return opcode, data


def reading(twin: ModuleType, data: bytes, masked: bool) -> Callable[[], None]:
    """
    Read a stream, in pieces as large as what a transport reads at once.
    """
    pieces = [data[at : at + READ_SIZE] for at in range(0, len(data), READ_SIZE)]
    reader = twin.FrameReader(masked=masked, maxFrameSize=None, maxMessageSize=2**20)

    def run() -> None:
        for piece in pieces:
            reader.feed(piece)

    return run


def framing(
    twin: ModuleType, opcode: int, payload: bytes, mask: bytes, count: int
) -> Callable[[], None]:
    """
    Make as many frames.
    """

    def run() -> None:
        encodeFrame = twin.encodeFrame
        for _ in range(count):
            encodeFrame(opcode, payload, mask)

    return run


def best(works: list[Callable[[], None]], seconds: float) -> list[float]:
    """
    The shortest time that each piece of work takes.
    """
    times = [float("inf")] * len(works)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            times[place] = min(times[place], time.perf_counter() - start)
    return times


def show(name: str, works: list[Callable[[], None]], count: int, lasts: float) -> None:
    """
    Print one line of the table: nanoseconds of each twin for a frame, and the ratio.
    """
    python, native = (elapsed / count * 1e9 for elapsed in best(works, lasts))
    ratio = python / native
    sys.stdout.write(f"{name:40} {python:12,.0f} {native:12,.0f} {ratio:8.1f}\n")
    sys.stdout.flush()


def main() -> None:
    """
    Print a table.
    """
    parser = argparse.ArgumentParser(description="Compare the speed of the twins.")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each line")
    seconds = parser.parse_args().seconds
    sys.stdout.write(f"{'':40} {'Python ns':>12} {'native ns':>12} {'ratio':>8}\n")
    for sizeName, size in SIZES.items():
        count = max(1, READ_SIZE // size)
        for kind in KINDS:
            opcode, payload = payloadOf(kind, size)
            for what, mask in (("masked", MASK), ("plain", b"")):
                data = frames.encodeFrame(opcode, payload, mask) * count
                name = f"{sizeName} {kind}, {what}"
                twins = (frames, _speedups)
                show(
                    f"read {name}",
                    [reading(twin, data, bool(mask)) for twin in twins],
                    count,
                    seconds,
                )
                if kind == "binary":
                    works = [framing(t, opcode, payload, mask, count) for t in twins]
                    show(f"make {name}", works, count, seconds)


if __name__ == "__main__":
    main()
