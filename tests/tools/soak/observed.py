# Part of txwebsocket. See LICENSE for details.
"""
``twistd``, in a process that tells what is left in it when it is asked to.

    observed.py FILE [what twistd takes]...

At SIGUSR2 the garbage is collected and what is free is given back to the system. Then a
line of JSON is added to FILE: how many delayed calls the reactor has, how many objects
there are of each kind that a connection is made of, and how much memory is in use.
"""

import ctypes
import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from twisted.scripts.twistd import run

KINDS = (
    "HTTPChannel",
    "WebSocketChannel",
    "Server",
    "WebSocketConnection",
    "WebSocketRequest",
    "_GenericHTTPChannelProtocol",
)
"""
Classes of which each connection has one.
"""


class _Mallinfo(ctypes.Structure):
    """
    What the C library tells of its memory.
    """

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks"
    _fields_ = [(name, ctypes.c_size_t) for name in [*_names.split(), "keepcost"]]


def allocated() -> int:
    """
    KiB that the C library has given out, to zlib and OpenSSL among others; 0 if it is
    one that does not tell. What it has free is given back.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return 0
    library.mallinfo2.restype = _Mallinfo
    library.malloc_trim(0)
    told = library.mallinfo2()
    return (told.uordblks + told.hblkhd) // 1024


def leftovers() -> dict[str, int]:
    """
    What is there now.
    """
    gc.collect()
    kinds = Counter(type(each).__name__ for each in gc.get_objects())
    calls = sys.modules["twisted.internet.reactor"].getDelayedCalls()
    return {
        "delayed calls": len(calls),
        **{kind: kinds[kind] for kind in KINDS},
        "blocks of Python": sys.getallocatedblocks(),
        "KiB of the C library": allocated(),
    }


def main() -> None:
    path = Path(sys.argv.pop(1))

    def tell(*_: object) -> None:
        # Whole, since somebody waits for it.
        line = json.dumps(leftovers()) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    signal.signal(signal.SIGUSR2, tell)
    run()


if __name__ == "__main__":
    main()
