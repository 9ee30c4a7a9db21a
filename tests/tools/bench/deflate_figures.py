# Part of txwebsocket. See LICENSE for details.
"""
Measures what compression costs, as the manual tells it: memory of each connection, time
of each message, and of a message to all.

    python tests/tools/bench/deflate_figures.py [memory|speed|broadcast ...]

What it prints are tables for ``docs/howto/compression.rst``. Memory is what a process
of its own has resident, on Linux; times are the processor's.
"""

import ctypes
import gc
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from txwebsocket import Deflate, ExtensionHeader, MessageTransform
from txwebsocket.config import ServerConfig
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.connection import Connection

_ENGINES = ("zlib", "zlib-ng") if find_spec("zlib_ng") else ("zlib",)
_STATUS = Path("/proc/self/status")
_NAME = "permessage-deflate"
_FRESH = ("server_no_context_takeover", "client_no_context_takeover")
_KIB, _MIB = 2**10, 2**20
_LIMIT = 16 * _MIB

_CONNECTIONS = 500
_SETTINGS = ((9, 1), (10, 3), (11, 4), (12, 5), (13, 6), (14, 7), (15, 8), (15, 9))
_WAYS = ((1, False), (6, False), (9, False), (6, True))
_REPEATS = 15
_SIZES = (200, 4 * _KIB, 64 * _KIB)
_RECEIVERS = 1000


def makeMessages(size: int, count: int) -> list[bytes]:
    """
    Messages of about this size as an application might send them, each another one.
    """
    chance = random.Random(size)
    names = [f"{chance.choice('bcdfghklmnprst')}{n}" for n in range(50)]
    made = []
    for number in range(count):
        items: list[dict[str, Any]] = []
        while len(json.dumps(items)) < size - 60:
            items.append(
                {
                    "id": chance.randrange(10**6),
                    "name": chance.choice(names),
                    "price": round(chance.random() * 1000, 2),
                    "isNew": chance.random() < 0.3,
                }
            )
        made.append(json.dumps({"number": number, "items": items}).encode())
    return made


def makeTransform(isFresh: bool = False, **options: Any) -> MessageTransform:
    """
    What a server does for one connection with these settings.
    """
    parameters = [(name, None) for name in _FRESH if isFresh]
    bits = options.get("clientMaxWindowBits", 12)
    parameters.append(("client_max_window_bits", str(bits)))
    agreement = Deflate(minSize=0, **options).accept(
        ExtensionHeader(_NAME, tuple(parameters))
    )
    if agreement is None:
        raise ValueError("this can't be agreed on")
    return agreement.transform


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    A table of reStructuredText.
    """
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in (head, *rows):
        lines.append(f"   * - {row[0]}")
        lines += [f"     - {cell}" for cell in row[1:]]
    return "\n".join([*lines, ""])


# Memory


def _resident() -> int:
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    found = re.search(r"^VmRSS:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("the kernel does not tell how much memory is resident")
    return int(found[1]) * _KIB


def _memoryOf(
    use: Callable[[MessageTransform], object], options: dict[str, Any]
) -> float:
    """
    KiB for each connection that was used like this.
    """
    use(makeTransform(**options))
    transforms = [makeTransform(**options) for _ in range(_CONNECTIONS)]
    before = _resident()
    for transform in transforms:
        use(transform)
    return (_resident() - before) / _CONNECTIONS / _KIB


def _compressor(options: dict[str, Any]) -> float:
    [message] = makeMessages(_SIZES[-1], 1)
    return _memoryOf(lambda transform: transform.encode(message), options)


def _decompressor(options: dict[str, Any]) -> float:
    payload = makeTransform(**options).encode(makeMessages(_SIZES[-1], 1)[0]) or b""
    return _memoryOf(lambda transform: transform.decode(payload, _LIMIT), options)


def _inChildren(call: Any, cases: Sequence[Any]) -> list[Any]:
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        return pool.map(call, cases, chunksize=1)


def memory() -> str:
    """
    The memory of contexts that have been used.
    """
    cases = [
        {"serverMaxWindowBits": bits, "memLevel": memLevel, "engine": engine}
        for engine in _ENGINES
        for bits, memLevel in _SETTINGS
    ]
    found = iter(_inChildren(_compressor, cases))
    columns = [[next(found) for _ in _SETTINGS] for _ in _ENGINES]
    compressors = table(
        "KiB for each compressor",
        ["window bits", "``memLevel``", *_ENGINES],
        [
            [str(bits), str(memLevel), *(f"{column[row]:.0f}" for column in columns)]
            for row, (bits, memLevel) in enumerate(_SETTINGS)
        ],
    )
    windows = sorted({bits for bits, _ in _SETTINGS})
    cases = [
        {
            "serverMaxWindowBits": bits,
            "clientMaxWindowBits": bits,
            "engine": engine,
        }
        for engine in _ENGINES
        for bits in windows
    ]
    found = iter(_inChildren(_decompressor, cases))
    columns = [[next(found) for _ in windows] for _ in _ENGINES]
    decompressors = table(
        "KiB for each decompressor",
        ["window bits", *_ENGINES],
        [
            [str(bits), *(f"{column[row]:.0f}" for column in columns)]
            for row, bits in enumerate(windows)
        ],
    )
    return f"{compressors}\n{decompressors}"


# Speed


def _timed(
    call: Callable[[bytes], Any], messages: Sequence[bytes]
) -> tuple[float, list[Any]]:
    """
    Seconds to do this to all of these messages, and what comes of it.
    """
    began = time.process_time()
    found = [call(message) for message in messages]
    return time.process_time() - began, found


def _speedOf(options: dict[str, Any]) -> list[tuple[float, float, float]]:
    """
    For each size: microseconds to compress and to inflate a message, and what is left
    of it.
    """
    found = []
    for size in _SIZES:
        messages = makeMessages(size, max(8, 400 * _KIB // size))
        compressing = inflating = float("inf")
        small = 0
        for _ in range(_REPEATS):
            own, peer = makeTransform(**options), makeTransform(**options)
            seconds, payloads = _timed(own.encode, messages)
            compressing = min(compressing, seconds)
            small = sum(map(len, payloads))
            seconds, _ = _timed(partial(peer.decode, limit=_LIMIT), payloads)
            inflating = min(inflating, seconds)
        each = 1e6 / len(messages)
        ratio = small / sum(map(len, messages))
        found.append((compressing * each, inflating * each, ratio))
    return found


def speed() -> str:
    """
    The time for a message of each size, with the default window and memory.
    """
    cases = [
        {"level": level, "isFresh": isFresh, "engine": engine}
        for level, isFresh in _WAYS
        for engine in _ENGINES
    ]
    rows = [
        [
            str(case["level"]),
            "each by itself" if case["isFresh"] else "taken over",
            str(case["engine"]),
            *(
                f"{compressing:.0f} / {inflating:.0f} µs, {ratio:.0%}"
                for compressing, inflating, ratio in measured
            ),
        ]
        for case, measured in zip(cases, _inChildren(_speedOf, cases), strict=True)
    ]
    sizes = [f"{size // _KIB} KiB" if size >= _KIB else f"{size} B" for size in _SIZES]
    title = "Time to compress / inflate a message of JSON, and what is left of it"
    return table(title, ["``level``", "context", "engine", *sizes], rows)


# To all


def _noMask() -> bytes:
    return b""


def _broadcast(isFresh: bool | None) -> tuple[float, int]:
    """
    Milliseconds for a message to all, and bytes sent.

    :param isFresh: None for no compression.
    """
    config = ServerConfig()
    connections = []
    deflate = Deflate()
    offer = ExtensionHeader(_NAME, ((_FRESH[0], None),) if isFresh else ())
    for _ in range(_RECEIVERS):
        connection = Connection(Role.SERVER, config, _noMask)
        agreement = None if isFresh is None else deflate.accept(offer)
        connection.open([] if agreement is None else [agreement.transform])
        connections.append(connection)
    messages = makeMessages(4 * _KIB, 12)

    def send(message: bytes) -> None:
        shared: dict[Any, Any] = {}
        for connection in connections:
            connection.sendBroadcast(Opcode.TEXT, message, shared)

    # The first makes the contexts.
    seconds = [_timed(send, [message])[0] for message in messages]
    size = connections[0].outbox.size
    return min(seconds[1:]) * 1000, size // len(messages)


def broadcast() -> str:
    """
    What a message of 4 KiB to a thousand connections costs.
    """
    cases = {
        "not compressed": None,
        "each message by itself": True,
        "context taken over": False,
    }
    measured = _inChildren(_broadcast, list(cases.values()))
    return table(
        f"A message of 4 KiB to {_RECEIVERS} connections",
        ["compression", "time", "bytes to each"],
        [
            [name, f"{milliseconds:.1f} ms", str(size)]
            for name, (milliseconds, size) in zip(cases, measured, strict=True)
        ],
    )


_TABLES = {"memory": memory, "speed": speed, "broadcast": broadcast}

if __name__ == "__main__":
    for name in sys.argv[1:] or _TABLES:
        sys.stdout.write(_TABLES[name]() + "\n")
        sys.stdout.flush()
