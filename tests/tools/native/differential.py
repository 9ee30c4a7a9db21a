# Part of txwebsocket. See LICENSE for details.
"""
Feeds both twins the same, lawful or not, cut anyhow, and ends at the first difference.

What is fed depends on the seed alone; a run that fails says how to repeat it.
"""

import argparse
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from tests.support.splits import someSplit
from tests.support.twins import details
from txwebsocket.wire import _speedups, frames
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import FrameReader, ProtocolFailure

CONTINUATION, TEXT, BINARY, *CONTROL = Opcode
LENGTHS = (0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 124, 125, 126, 127, 128)
LONG_LENGTHS = (1023, 1024, 1025, 4095, 4096, 4097, 20000, 65535, 65536, 70000)
CHARACTERS = "aZ\0\x7f\x80éß\u07ff\u0800€世\ud7ff\ue000\uffff\U00010000😀\U0010ffff"
# What begins like a character, and other bytes at which the table has its borders.
EDGES = bytes.fromhex("7f80 8f90 9fa0 bfc0 c1c2 dfe0 e1ec edee eff0 f1f3 f4f5 ff")

# The copy of an array has no byte to spare, so that a sanitizer sees who reads beyond.
FORMS: Sequence[Callable[[bytes], Any]] = (
    bytes,
    bytearray,
    lambda data: memoryview(b"<" + data + b">")[1:-1],
    lambda data: array("B", data)[:],
)


class Peer:
    """
    Whoever sends: now and then it breaks a rule.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.isMasking = random.random() < 0.5
        self.rsv = random.choice((0, 0, 0x40, 0x60, 0x70))
        self.isInMessage = self.isText = False
        self.owed = b""
        self.malice = random.choice((0, 0, 0.005, 0.05))

    def errs(self) -> bool:
        """
        Is a rule to be broken here?
        """
        return self.random.random() < self.malice

    def options(self) -> dict[str, Any]:
        """
        What its peer may have been told to expect, or not quite.
        """
        choice = self.random.choice
        return {
            "masked": self.isMasking is not self.errs(),
            "maxFrameSize": choice((None, None, None, 2**20, 2**64, 20000, 150)),
            "maxMessageSize": choice((500, 30000, 2**20, 2**20, 2**63, 2**80)),
            "rsv": self.rsv,
            "slack": choice((0, 0, 1, 40, 2**70)),
            "whole": self.random.random() < 0.8,
            "pieces": self.random.random() < 0.3,
        }

    def stream(self) -> bytes:
        """
        Some frames.
        """
        count = self.random.choice((2, 5, 10, 20, 40))
        data = bytearray().join(self.frame() for _ in range(count))
        if self.errs() or self.errs():
            self._damage(data)
        return bytes(data)

    def frame(self) -> bytes:
        """
        One that may come next.
        """
        random = self.random
        fin, rsv = True, 0
        if random.random() < 0.2:
            opcode: int = random.choice(CONTROL)
            payload = self._octets(random.randrange(126))
        else:
            opcode, fin = CONTINUATION, random.random() < 0.7
            if not self.isInMessage:
                opcode = random.choice((TEXT, TEXT, BINARY))
                rsv = self.rsv & 0x40 if random.random() < 0.3 else 0
                self.isText = opcode == TEXT and not rsv
            payload = self._fragment(fin)
            self.isInMessage = not fin
        if self.errs():
            opcode, fin = random.randrange(16), random.random() < 0.5
        if self.errs():
            rsv = random.choice((0x10, 0x20, 0x40, 0x70))
        return self._put(opcode, payload, rsv | (0x80 if fin else 0))

    def _put(self, opcode: int, payload: bytes, flags: int) -> bytes:
        random = self.random
        isMasking = self.isMasking is not self.errs()
        mask = random.choice((random.randbytes(4), bytes(4))) if isMasking else b""
        frame = frames.encodeFrame(opcode, payload, mask, flags)
        if self.errs():
            # A length that is larger, or not in its shortest form.
            width = random.choice((2, 8))
            number = random.choice((len(payload), random.getrandbits(width * 8)))
            extended = (number % 2 ** (width * 8)).to_bytes(width, "big")
            second = (0x80 if mask else 0) | (126 if width == 2 else 127)
            return bytes((frame[0], second)) + extended + mask + payload
        return frame

    def _fragment(self, fin: bool) -> bytes:
        """
        Fragments end anywhere, also inside a character.
        """
        payload = self.owed + self._payload()
        end = len(payload)
        if self.isText and not fin:
            end = max(0, end - self.random.randrange(5))
        self.owed = payload[end:]
        return payload[:end]

    def _payload(self) -> bytes:
        random = self.random
        size = random.choice(LENGTHS)
        if random.random() < 0.03:
            size = random.choice(LONG_LENGTHS)
        kind = random.random()
        if self.errs() if self.isText else kind < 0.7:
            return self._octets(size)
        if kind < 0.5:
            return random.choice((b"a", b"Hello, ", b"\x7f")) * size
        text = "".join(random.choices(CHARACTERS, k=min(size, 200)))
        data = (text * (size // 200 + 1)).encode()
        return data[: random.randrange(len(data) + 1)] if self.errs() else data

    def _octets(self, size: int) -> bytes:
        if self.random.random() < 0.5:
            return self.random.randbytes(size)
        return bytes(self.random.choices(EDGES, k=size))

    def _damage(self, data: bytearray) -> None:
        random = self.random
        for _ in range(random.choice((1, 1, 2, 5))):
            place = random.randrange(len(data) + 1)
            end = place + random.choice((0, 1, 1, 4))
            data[place:end] = self._octets(random.choice((0, 1, 1, 3)))


def differences(random: Random) -> Iterable[tuple[object, object]]:
    """
    Feed a new reader of each kind; yield what they say, call by call.
    """
    peer = Peer(random)
    options = peer.options()
    python, native = FrameReader(**options), _speedups.FrameReader(**options)
    form = random.choice(FORMS)
    hasFailed = False
    for piece in someSplit(random, peer.stream()):
        expected, found = python.feed(piece), native.feed(form(piece))
        yield (
            (*map(type, expected), details(expected), python.bytesNeeded()),
            (*map(type, found), details(found), native.bytesNeeded()),
        )
        if hasFailed:
            return
        hasFailed = ProtocolFailure in map(type, expected)


def frameBoth(random: Random) -> tuple[object, object]:
    """
    Let both twins make a frame.
    """
    opcode = random.choice((*Opcode, 0, 7, 15))
    payload = random.randbytes(random.choice((*LENGTHS, *LONG_LENGTHS[:4], 65536)))
    flags = random.choice((0, 0x80, 0xC0, 0x70))
    mask = random.choice((b"", random.randbytes(4)))
    size = random.choice((len(payload), random.getrandbits(random.randrange(1, 64))))
    form = random.choice(FORMS)
    return (
        (
            frames.encodeFrame(opcode, payload, mask, flags),
            frames.encodeHeader(opcode, size, mask=mask, flags=flags),
        ),
        (
            _speedups.encodeFrame(opcode, form(payload), form(mask), flags),
            _speedups.encodeHeader(opcode, size, flags=flags, mask=form(mask)),
        ),
    )


def putBoth(random: Random) -> list[object]:
    """
    Let a writer of each kind put the same messages; return what came of it.
    """
    key = random.choice((b"", random.randbytes(4)))
    room = random.choice((0, 1, 200, 10_000))
    messages = [_anyMessage(random) for _ in range(4)]
    found: list[object] = []
    for twin in (frames, _speedups):
        writer = twin.FrameQueue((lambda: key) if key else None)
        writer.fastPathLimit = room
        put = [_attempt(writer.putMessage, message) for message in messages]
        found.append(
            (put, writer.frames, writer.size, writer.messages, writer.fastPathLimit)
        )
    return found


def _anyMessage(random: Random) -> object:
    letters = "a", "é", "€", "😀", "\ud800"
    size = random.choice((0, 1, 5, 125, 126, 4095, 4096, 4097))
    text = random.choice(letters) * size
    return random.choice((text, random.randbytes(size), bytearray(size), None, size))


def _attempt(call: Callable[[object], object], argument: object) -> object:
    try:
        return call(argument)
    except ValueError as error:
        return type(error), str(error)


def compare(seed: int) -> int:
    """
    One round; return how many times the readers were fed.

    :raises AssertionError: if the twins differ.
    """
    random = Random(seed)
    fed = 0
    for python, native in differences(random):
        fed += 1
        if python != native:
            raise AssertionError(
                f"seed {seed}, chunk {fed}:\nPython {python!r}\nnative {native!r}"
            )
    for python, native in (frameBoth(random), putBoth(random)):
        if python != native:
            raise AssertionError(f"seed {seed}:\nPython {python!r}\nnative {native!r}")
    return fed


def main() -> int:
    """
    Do what the command line says.
    """
    parser = argparse.ArgumentParser(description="Compare the twins.")
    parser.add_argument("--feeds", type=int, default=1_000_000, help="at least")
    parser.add_argument("--seconds", type=float, default=600, help="at most")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    fed, seed = 0, options.seed
    while fed < options.feeds and time.monotonic() < end:
        fed += compare(seed)
        seed += 1
    sys.stdout.write(f"{fed} feeds, {seed - options.seed} streams: no difference\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
