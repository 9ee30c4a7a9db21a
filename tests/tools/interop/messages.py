# Part of txwebsocket. See LICENSE for details.
"""
The messages that are sent, in files.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

LARGEST = 10 * 2**20
SIZES = (0, 1, 125, 126, 65535, 65536, 1_000_000, LARGEST)

_FRAGMENTS = 64
# Contents repeat after so many characters, which is a prime number: no library's
# chunks are a multiple of it.
_PERIOD = 65521
_ASCII = "".join(map(chr, range(0x20, 0x7F))) + "\n"
# One to four bytes in UTF-8, the ends of each range among them.
_ALL_SCRIPTS = (
    "a\x00\x7f\u0080ü\u07ff\u0800世界\ud7ff\ue000\uffff\U00010000👩🏽\u200d🚀\U0010ffff"
)


@dataclass(frozen=True)
class Message:
    """
    A message to send, and how to recognise it.

    :ivar kind: as the table names it.
    :ivar size: how many bytes it has.
    :ivar facts: what a driver reports who receives it.
    :ivar command: what makes a driver send it.
    """

    kind: str
    size: int
    facts: dict[str, Any]
    command: dict[str, Any]


def _text(alphabet: str) -> Callable[[random.Random, int], bytes]:
    def make(chance: random.Random, size: int) -> bytes:
        period = "".join(chance.choices(alphabet, k=min(size, _PERIOD))).encode()
        octets = period * (size // max(len(period), 1)) + period
        whole = octets[:size].decode("utf-8", "ignore").encode()
        return whole + b"." * (size - len(whole))

    return make


_KINDS = {
    "text": ("text", _text(_ASCII), 0, False),
    "non-ASCII text": ("text", _text(_ALL_SCRIPTS), 125, False),
    "binary": ("binary", random.Random.randbytes, 0, False),
    "fragmented text": ("text", _text(_ALL_SCRIPTS), 126, True),
    "fragmented binary": ("binary", random.Random.randbytes, 126, True),
}
KINDS = tuple(_KINDS)


def makeMessage(folder: Path, kind: str, size: int) -> Message:
    """
    A message of a kind that the table names; the same one in each run.
    """
    onWire, make, _, isFragmented = _KINDS[kind]
    octets = make(random.Random(size), size)
    path = folder / f"{kind} {size}"
    path.write_bytes(octets)
    # Odd, for the cuts to go through characters.
    piece = max(7, size // _FRAGMENTS | 1) if isFragmented else None
    return Message(
        kind,
        size,
        {"kind": onWire, "size": size, "sha256": sha256(octets).hexdigest()},
        {"do": "send", "kind": onWire, "path": str(path), "piece": piece},
    )


def makeMessages(folder: Path) -> list[Message]:
    """
    Messages of every kind, in the sizes that make sense for it.
    """
    return [
        makeMessage(folder, kind, size)
        for kind, (_, _, smallest, _) in _KINDS.items()
        for size in SIZES
        if size >= smallest
    ]
