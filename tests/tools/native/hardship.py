# Part of txwebsocket. See LICENSE for details.
"""
Puts the native twin where C code likes to break: no memory, at each single allocation;
foreign code that feeds a reader which is being fed; readers that outlive their module.

What matters most is that the process survives, best of all under a sanitizer.
"""

import gc
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from txwebsocket.wire import _speedups
from txwebsocket.wire._speedups import (
    FrameQueue,
    FrameReader,
    encodeFrame,
    encodeHeader,
)
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame, ProtocolFailure

try:
    testing: ModuleType | None = import_module("_testcapi")
except ImportError:
    testing = None

NAME = _speedups.__name__
MASK = b"\x37\xfa\x21\x3d"
TEXT = encodeFrame(Opcode.TEXT, "é".encode() * 50, MASK)
LONG_TEXT = encodeFrame(Opcode.TEXT, "é".encode() * 5000, MASK)
BYTES = encodeFrame(Opcode.BINARY, bytes(5000), MASK)
PING = encodeFrame(Opcode.PING, b"ping" * 20, MASK)
BAD_TEXT = encodeFrame(Opcode.TEXT, b"\xff", MASK)


def makeReader(**options: Any) -> FrameReader:
    """
    A server's reader.
    """
    return FrameReader(masked=True, maxFrameSize=None, maxMessageSize=2**20, **options)


def inParts(data: bytes) -> list[bytes]:
    """
    The bytes in several pieces.
    """
    return [data[at : at + 900] for at in range(0, len(data), 900)]


def feedAll(*pieces: bytes) -> Callable[[], object]:
    """
    Something that feeds a new reader.
    """

    def work() -> object:
        reader = makeReader()
        items: object = None
        isFeeding = False
        try:
            for piece in pieces:
                isFeeding = True
                items = reader.feed(piece)
        except MemoryError:
            # Some of what was fed is lost, so that nothing after it means anything.
            if isFeeding and reader.feed(PING):
                raise AssertionError("a reader went on after an error") from None
            raise
        return items

    return work


def putMessage() -> object:
    """
    Put a message into a client's writer. No message is put by halves.
    """
    writer = FrameQueue(partial(bytes, 4))
    writer.fastPathLimit = 1000
    try:
        writer.putMessage(b"b" * 500)
    except MemoryError:
        if writer.frames or writer.size or writer.messages:
            raise AssertionError("half a message was put") from None
        raise
    return writer.frames


WORKS: dict[str, Callable[[], object]] = {
    "a reader": lambda: type(makeReader()),
    "a text": feedAll(TEXT),
    "a long text": feedAll(LONG_TEXT),
    "a text in parts": feedAll(*inParts(LONG_TEXT)),
    "bytes": feedAll(BYTES),
    "bytes in parts": feedAll(*inParts(BYTES)),
    "a ping": feedAll(PING),
    "a failure": feedAll(TEXT, b"\x83\x00"),
    "bad text": feedAll(PING, BAD_TEXT),
    "a large frame": feedAll(b"\x82\xff" + (2**40).to_bytes(8, "big")),
    "a frame made": lambda: encodeFrame(Opcode.BINARY, bytes(100), MASK),
    "a message put": putMessage,
    "a head made": lambda: encodeHeader(Opcode.BINARY, 100, MASK),
}


def withoutMemory(work: Callable[[], object]) -> int:
    """
    Let each of the allocations fail that this work needs; return how many there are.
    """
    if testing is None:
        return 0
    for count in range(1, 1000):
        testing.set_nomemory(count, count + 1)
        try:
            work()
        except MemoryError:
            continue
        finally:
            testing.remove_mem_hooks()
        if count > 3:
            return count
    raise AssertionError("it never succeeds")


def checkMemory() -> None:
    """
    Whatever there is no memory for raises MemoryError, leaves nothing behind, and works
    the next time.
    """
    for name, work in WORKS.items():
        expected = work()
        failures = withoutMemory(work)
        blocks = sys.getallocatedblocks()
        for _ in range(20):
            withoutMemory(work)
        left = sys.getallocatedblocks() - blocks
        if left >= 20:
            raise AssertionError(f"{name}: {left} blocks are left")
        if work() != expected:
            raise AssertionError(f"{name} is another one now")
        say(f"{name}: {failures} allocations failed one by one")


class Meddler:
    """
    Garbage that feeds a reader when it is found.
    """

    def __init__(self, reader: FrameReader, told: list[object]) -> None:
        self.reader = reader
        self.told = told
        self.itself = self

    def __del__(self) -> None:
        try:
            self.told.extend(self.reader.feed(PING))
        except RuntimeError as error:
            self.told.append(error)


def checkCollector() -> None:
    """
    The garbage collector, which up to Python 3.11 may run while a reader makes frames,
    finds no way into it.
    """
    reader = makeReader()
    refused = 0
    thresholds = gc.get_threshold()
    gc.collect()
    gc.set_threshold(5)
    try:
        for count in range(200):
            told: list[object] = []
            Meddler(reader, told)
            wasTold = bool(told)
            items = reader.feed(PING * 20)
            if items != [Frame(Opcode.PING, b"ping" * 20)] * 20:
                raise AssertionError(f"round {count}: {items}")
            if told and not wasTold:
                refused += isinstance(told[0], RuntimeError)
    finally:
        gc.set_threshold(*thresholds)
    if sys.version_info < (3, 12) and not refused:
        raise AssertionError("no garbage was refused")
    say(f"the collector: was refused {refused} times")


class Meddling:
    """
    A buffer that feeds the reader which asks for it.
    """

    def __init__(self, reader: FrameReader) -> None:
        self.reader = reader
        self.told: list[str] = []

    def meddle(self) -> None:
        """
        Feed it.
        """
        try:
            self.reader.feed(PING)
        except RuntimeError as error:
            self.told.append(str(error))

    def __buffer__(self, flags: int) -> memoryview:
        self.meddle()
        return memoryview(PING[:7])

    def __release_buffer__(self, view: memoryview) -> None:
        self.meddle()


def checkBuffers() -> None:
    """
    Since Python 3.12 a buffer's own code may be Python.
    """
    if sys.version_info < (3, 12):
        return
    reader = makeReader()
    buffer = Meddling(reader)
    items = reader.feed(buffer) + reader.feed(PING[7:])
    if items != [Frame(Opcode.PING, b"ping" * 20)] or len(buffer.told) != 2:
        raise AssertionError(f"{items}, {buffer.told}")
    say("buffers: can't feed the reader that they are fed to")


class Usurper:
    """
    Gives a mask, and takes the place of itself with another while it is asked.
    """

    def __init__(self, writer: FrameQueue) -> None:
        self.writer = writer

    def __call__(self) -> bytes:
        writer = self.writer
        writer.__init__(bytes)  # type: ignore[misc]
        writer.putMessage("within")
        gc.collect()
        return self.writer.putMessage("again") * MASK


def checkMasks() -> None:
    """
    Whoever is asked for a mask may begin the writer anew, and put messages himself.
    """
    for _ in range(50):
        writer = FrameQueue()
        writer.fastPathLimit = 1000
        writer.__init__(Usurper(writer))  # type: ignore[misc]
        writer.putMessage("after")
        found = [bytes(frame)[-5:] for frame in writer.frames]
        if len(found) != 3 or found[:2] != [b"ithin", b"again"]:
            raise AssertionError(f"{found}")
    say("masks: were made by what changes its writer")


def checkThreads() -> None:
    """
    Threads that feed the same reader do it one after the other, or are told not to.
    """
    reader = makeReader()
    found: list[object] = []

    def work() -> None:
        for _ in range(2000):
            try:
                found.extend(reader.feed(PING * 5))
            except RuntimeError as error:
                found.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    strange = [item for item in found if not isinstance(item, Frame | RuntimeError)]
    if strange or len(found) < 8000:
        raise AssertionError(f"{len(found)} found, {strange[:5]}")
    say(f"threads: {len(found)} items")


def checkModule() -> None:
    """
    A reader works on after its module has gone, and the module can be loaded again.
    """
    kept = sys.modules.pop(NAME)
    try:
        for _ in range(50):
            module = import_module(NAME)
            reader = module.FrameReader(
                masked=True, maxFrameSize=None, maxMessageSize=1000
            )
            del sys.modules[NAME]
            vars(module).clear()
            del module
            gc.collect()
            found = reader.feed(TEXT + PING + BAD_TEXT)
            if list(map(type, found)) != [str, Frame, ProtocolFailure]:
                raise AssertionError(f"{found}")
    finally:
        sys.modules[NAME] = kept
    say("the module: was loaded again and again")


def say(line: str) -> None:
    """
    Print a line at once, for it to be there if the process dies.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """
    Do all of it.
    """
    checkMemory()
    checkCollector()
    checkBuffers()
    checkMasks()
    checkThreads()
    checkModule()


if __name__ == "__main__":
    main()
