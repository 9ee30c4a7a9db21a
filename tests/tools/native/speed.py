# Part of txwebsocket. See LICENSE for details.
"""
How much faster the native twin is, frame size by frame size.

Both twins do the same work in turns, and the best turn of each counts, so that the
ratios mean something on a busy machine as well. The run fails if one of them is far
below what it was when this was written.
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


def leastRatio(kind: str, size: int, masked: bool) -> float:
    """
    What the native twin has to reach, which is a third of what it does, or less.

    Of large messages without a mask, both twins leave most to the same functions of C.
    """
    if size < 1024:
        return 3 if masked else 2
    return 5 if masked and kind == "binary" else 0.5


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


def show(name: str, works: list[Callable[[], None]], count: int, lasts: float) -> float:
    """
    Print one line of the table: nanoseconds of each twin for a frame, and the ratio,
    which is returned.
    """
    python, native = (elapsed / count * 1e9 for elapsed in best(works, lasts))
    ratio = python / native
    sys.stdout.write(f"{name:40} {python:12,.0f} {native:12,.0f} {ratio:8.1f}\n")
    sys.stdout.flush()
    return ratio


def main() -> int:
    """
    Print a table, and what in it is too little.
    """
    parser = argparse.ArgumentParser(description="Compare the speed of the twins.")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each line")
    seconds = parser.parse_args().seconds
    sys.stdout.write(f"{'':40} {'Python ns':>12} {'native ns':>12} {'ratio':>8}\n")
    slow = []
    lines = 0
    for sizeName, size in SIZES.items():
        count = max(1, READ_SIZE // size)
        for kind in KINDS:
            opcode, payload = payloadOf(kind, size)
            for what, mask in (("masked", MASK), ("plain", b"")):
                data = frames.encodeFrame(opcode, payload, mask) * count
                twins = (frames, _speedups)
                works = {"read": [reading(t, data, bool(mask)) for t in twins]}
                if kind == "binary":
                    works["make"] = [
                        framing(t, opcode, payload, mask, count) for t in twins
                    ]
                least = leastRatio(kind, size, bool(mask))
                for way, work in works.items():
                    name = f"{way} {sizeName} {kind}, {what}"
                    lines += 1
                    if show(name, work, count, seconds) < least:
                        slow.append(f"{name}: less than {least:g} times as fast")
    sys.stdout.write("\n".join([*slow, f"{lines - len(slow)} of {lines} are enough\n"]))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
