# Part of txwebsocket. See LICENSE for details.
"""
Measures what hostile compressed messages cost, in memory, in processes of their own.

    python -m tests.support.bombs bombs|dozens

What it prints is an object of JSON: for each case by how many bytes the memory in use
has grown at its highest, and what became of the connection.
"""

import ctypes
import gc
import json
import re
import sys
import tracemalloc
import zlib
from itertools import product
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any, NamedTuple

from tests.integration.test_compression import RSV1, Terms, start
from tests.support.memory import Peer
from txwebsocket import WebSocketProtocol
from txwebsocket.wire.codes import Opcode, Role

_MIB = 2**20
_READ = 65536
_TURNS = 100
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Case(NamedTuple):
    """
    A message, and who gets it.

    :ivar parts: the frames it comes in.
    :ivar options: of our configuration.
    """

    role: Role
    isFresh: bool
    parts: int = 1
    opcode: int = Opcode.BINARY
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        frames = "1 frame" if self.parts == 1 else f"{self.parts} frames"
        contexts = "no context takeover" if self.isFresh else "context takeover"
        words = [self.role.name.lower(), frames, contexts]
        words += [f"{name}={value}" for name, value in self.options]
        return ", ".join([*words, Opcode(self.opcode).name.lower()])


def _unit() -> bytes:
    """
    What becomes 1 MiB of zeros, and needs nothing that was before it.
    """
    deflater = zlib.compressobj(9, wbits=-15)
    return deflater.compress(bytes(_MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)


UNIT = _unit()
"""
1 MiB of zeros.
"""

BOMB = UNIT * 1024
"""
1 GiB of zeros.
"""


class Ignoring(WebSocketProtocol):
    """
    Counts messages.
    """

    count = 0

    def textMessageReceived(self, message: str) -> None:
        """
        Count it.
        """
        self.count += 1

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        Count it.
        """
        self.count += 1


def _memory(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"there is no {field}")
    return int(found[1]) * 1024


def _growth(peer: Peer, chunks: list[bytes]) -> int:
    """
    How much more memory is taken at most while these arrive: what is resident, where
    the system tells its peak; elsewhere what Python has allocated.
    """
    gc.collect()
    return (_residentGrowth if _CLEAR.exists() else _tracedGrowth)(peer, chunks)


def _tracedGrowth(peer: Peer, chunks: list[bytes]) -> int:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    _arrive(peer, chunks)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most - before


def _residentGrowth(peer: Peer, chunks: list[bytes]) -> int:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        # What was used before, and is free now, would hide what is used now.
        trim(0)
    before = _memory("VmRSS")
    _CLEAR.write_text("5")
    _arrive(peer, chunks)
    return _memory("VmHWM") - before


def _arrive(peer: Peer, chunks: list[bytes]) -> None:
    """
    Have these read, with as many turns of the reactor as messages can take.
    """
    for chunk in chunks:
        peer.arrive(chunk)
        for _ in range(_TURNS):
            peer.wait(0)


def _framed(peer: Peer, payload: bytes, parts: int, opcode: int) -> list[bytes]:
    """
    A message as it arrives, in as many frames, one read after the other.
    """
    step = -(-len(payload) // parts)
    stream = bytearray()
    for at in range(0, len(payload), step):
        isLast = at + step >= len(payload)
        kind, rsv = (Opcode.CONTINUATION, 0) if at else (opcode, RSV1)
        stream += peer.frame(kind, payload[at : at + step], isLast, rsv)
    return [bytes(stream[at : at + _READ]) for at in range(0, len(stream), _READ)]


def _warmUp(case: Case) -> None:
    """
    Have the code in memory, as it is in a server that runs.
    """
    both = start(case.role, Ignoring(), Terms(isPeerFresh=case.isFresh))
    for parts in (1, 3):
        both.peer.send(both.fragments(case.opcode, b"a" * 1000, parts))


def bomb(case: Case) -> dict[str, Any]:
    """
    What it costs to refuse 1 GiB.
    """
    _warmUp(case)
    both = start(
        case.role, Ignoring(), Terms(isPeerFresh=case.isFresh), **dict(case.options)
    )
    growth = _growth(both.peer, _framed(both.peer, BOMB, case.parts, case.opcode))
    [close] = both.peer.frames()
    return {"growth": growth, "code": int.from_bytes(close.payload[:2], "big")}


def dozens(case: Case) -> dict[str, Any]:
    """
    What it costs to receive a read that is full of messages of 1 MiB.
    """
    _warmUp(case)
    application = Ignoring()
    both = start(case.role, application, Terms(isPeerFresh=case.isFresh))
    [one] = _framed(both.peer, UNIT.removesuffix(b"\0\0\xff\xff"), 1, case.opcode)
    read = one * (_READ // len(one)) if case.parts > 1 else one
    return {"growth": _growth(both.peer, [read]), "messages": application.count}


def measure(what: str) -> dict[str, dict[str, Any]]:
    """
    Measure all cases, each in a process of its own.
    """
    ends = list(product((Role.SERVER, Role.CLIENT), (False, True)))
    if what == "bombs":
        small = (("maxReceivedMessageSize", _MIB),)
        cases = [Case(*end, parts, options=small) for end in ends for parts in (1, 64)]
        # With its own limit, which is as high as what may be used.
        larger = [(Role.CLIENT, isFresh) for isFresh in (False, True)]
        cases += [Case(*end, parts) for end in larger for parts in (1, 64)]
        return dict(zip(map(str, cases), _inChildren(bomb, cases), strict=True))
    alone = [Case(*end) for end in ends]
    alone += [Case(role, False, opcode=Opcode.TEXT) for role in Role]
    many = [case._replace(parts=2) for case in alone]
    found = _inChildren(dozens, [*alone, *many])
    return {
        str(case): {**several, "one": one["growth"]}
        for case, one, several in zip(
            alone, found[: len(alone)], found[len(alone) :], strict=True
        )
    }


def _inChildren(call: Any, cases: list[Case]) -> list[dict[str, Any]]:
    # Where there is no fork, the children import everything anew.
    method = "fork" if "fork" in get_all_start_methods() else None
    with get_context(method).Pool(1, maxtasksperchild=1) as pool:
        return pool.map(call, cases, chunksize=1)


if __name__ == "__main__":
    json.dump(measure(sys.argv[1]), sys.stdout, indent=1)
