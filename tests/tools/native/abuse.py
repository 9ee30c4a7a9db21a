# Part of txwebsocket. See LICENSE for details.
"""
Uses the native twin as no program should: attributes that are deleted or of a wrong
type, subclasses that skip ``__init__``, callbacks that change what they are called by.

Each case ends in an exception or in a correct result, and never in a crash. A crash
ends the process, so the name of each case is printed before it runs.
"""

import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from txwebsocket.wire._speedups import FrameQueue, FrameReader
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame

MASK = b"\x37\xfa\x21\x3d"
DEEP = 150_000
HELLO = b"\x81\x05hello"


def raises(expected: type[BaseException], call: Callable[..., object], *given: Any):
    """
    Check that a call is refused.
    """
    try:
        found = call(*given)
    except expected:
        return
    raise AssertionError(f"{expected.__name__} was expected, not {found!r}")


def works(writer: FrameQueue) -> None:
    """
    Check that a writer does what it is for.
    """
    writer.fastPathLimit, writer.size, writer.messages = 1000, 0, 0
    writer.frames = []
    if not writer.putMessage("hello") or len(writer.frames) != 1:
        raise AssertionError(f"{writer.frames}")
    if (writer.size, writer.messages) != (len(writer.frames[0]), 1):
        raise AssertionError(f"{writer.size}, {writer.messages}")


def withRoom(*given: Any) -> FrameQueue:
    """
    A writer that takes messages.
    """
    writer = FrameQueue(*given)
    writer.fastPathLimit = 1000
    return writer


def deletesAttributes() -> None:
    writer = withRoom()
    for name in (
        "frames",
        "size",
        "messages",
        "fastPathLimit",
        "putMessage",
        "nextMask",
    ):
        raises((AttributeError, TypeError), delattr, writer, name)
        writer.putMessage("hello")
    works(writer)


def assignsWrongTypes() -> None:
    writer = withRoom()
    for value in (None, 5, "frames", (), {}, withRoom(), object(), iter([])):
        raises(TypeError, setattr, writer, "frames", value)
        writer.putMessage("hello")
    for name in ("size", "messages", "fastPathLimit"):
        for value in (None, "5", 1.5, []):
            raises(TypeError, setattr, writer, name, value)
        raises(OverflowError, setattr, writer, name, 2**64)
    for value in (5, "mask", withRoom(), object()):
        raises(TypeError, FrameQueue, value)
        raises(TypeError, writer.__init__, value)
    works(writer)


def setsExtremes() -> None:
    for size in (sys.maxsize - 1, -sys.maxsize - 1, -1):
        writer = withRoom()
        writer.fastPathLimit, writer.size = sys.maxsize, size
        if size < 0:
            writer.putMessage("hello")
        else:
            raises(OverflowError, writer.putMessage, "hello")
            if writer.frames:
                raise AssertionError("a message was put that was not counted")
    writer = withRoom()
    writer.messages = sys.maxsize
    raises(OverflowError, writer.putMessage, "hello")
    works(writer)


def skipsInit() -> None:
    class Careless(FrameQueue):
        def __init__(self) -> None:
            pass

    for writer in (Careless(), FrameQueue.__new__(FrameQueue)):
        writer.fastPathLimit = 1000
        if not writer.putMessage("hello") or writer.frames != [HELLO]:
            raise AssertionError(f"{writer.frames}")
        works(writer)


def initsAgain() -> None:
    writer = withRoom()
    for given in ((), (partial(bytes, 4),), (None,)):
        writer.putMessage("before")
        writer.__init__(*given)  # type: ignore[misc]
        if writer.frames:
            raise AssertionError(f"{writer.frames}")
    raises(TypeError, writer.__init__, 1, 2)
    works(writer)


def initsWhileFreed() -> None:
    class Again(list):  # type: ignore[type-arg]
        def __del__(self) -> None:
            writer.__init__()  # type: ignore[misc]
            writer.putMessage("again")

    writer = withRoom()
    writer.frames = Again()
    writer.__init__()  # type: ignore[misc]
    writer.frames = Again()
    writer.frames = []
    works(writer)


def meddlesInMasks() -> None:
    def delete(writer: FrameQueue) -> None:
        raises(AttributeError, delattr, writer, "frames")

    def replace(writer: FrameQueue) -> None:
        writer.frames = []
        gc.collect()

    def begin(writer: FrameQueue) -> None:
        writer.__init__()  # type: ignore[misc]
        gc.collect()

    def extreme(writer: FrameQueue) -> None:
        writer.size = writer.messages = writer.fastPathLimit = -5

    def nextMask() -> bytes:
        meddle(writer)
        return MASK

    for meddle in (delete, replace, begin, extreme):
        writer = withRoom(nextMask)
        writer.putMessage(b"hello")
        if len(writer.frames) != 1:
            raise AssertionError(f"{meddle.__name__}: {writer.frames}")


def givesWrongMasks() -> None:
    for mask in (None, 5, "mask", b"abc", b"abcde", bytearray(3), object()):
        writer = withRoom(lambda mask=mask: mask)
        raises((TypeError, ValueError), writer.putMessage, "hello")
        if writer.frames or writer.size or writer.messages:
            raise AssertionError("half a message was put")


def recursesInMasks() -> None:
    def nextMask() -> bytes:
        writer.putMessage("deeper")
        return MASK

    writer = withRoom(nextMask)
    raises(RecursionError, writer.putMessage, "hello")
    works(FrameQueue())


def freesChains() -> None:
    class Calling(FrameQueue):
        def __call__(self) -> bytes:
            return MASK

    makers: list[Callable[[Any], FrameQueue]] = [
        Calling,
        lambda last: FrameQueue(last.putMessage),
        lambda last: FrameQueue(partial(last.putMessage)),
    ]
    for make in makers:
        writer = FrameQueue()
        if make is Calling:
            writer = Calling()
        for _ in range(DEEP):
            writer = make(writer)
        del writer
        gc.collect()
    writer = FrameQueue()
    for _ in range(DEEP):
        outer = FrameQueue()
        outer.frames.append(writer)  # type: ignore[arg-type]
        writer = outer
    del writer, outer
    gc.collect()


def collectsCycles() -> None:
    class Late(FrameQueue):
        def nextMask(self) -> bytes:
            return MASK

        def __del__(self) -> None:
            self.fastPathLimit = 1000
            self.putMessage("late")
            kept.append(self)

    kept: list[FrameQueue] = []
    for _ in range(20):
        writer = Late()
        writer.frames.append(writer)  # type: ignore[arg-type]
        writer.__init__(writer.nextMask)  # type: ignore[misc]
        writer.frames.append(writer)  # type: ignore[arg-type]
        del writer
        gc.collect()
    for writer in kept:
        writer.__init__()  # type: ignore[misc]
        works(writer)
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(200):
            works(FrameQueue(partial(bytes, 4)))
    finally:
        gc.set_threshold(*thresholds)


def abusesReaders() -> None:
    limits = {"masked": False, "maxFrameSize": None, "maxMessageSize": 100}
    raises(TypeError, FrameReader.__new__, FrameReader)
    raises(TypeError, type, "Derived", (FrameReader,), {})
    reader = FrameReader(**limits)  # type: ignore[arg-type]
    for name in ("feed", "wanted", "module", "__class__"):
        raises((AttributeError, TypeError), delattr, reader, name)
        raises((AttributeError, TypeError), setattr, reader, name, Frame)
    raises(TypeError, setattr, FrameReader, "feed", None)
    for chunk in (None, 5, "text", [], memoryview(bytes(8))[::2]):
        raises((TypeError, BufferError), reader.feed, chunk)
    reader.__init__()  # type: ignore[misc]
    for split in range(len(HELLO)):
        found = reader.feed(HELLO[:split]) + reader.feed(HELLO[split:])
        if found != ["hello"]:
            raise AssertionError(f"{found}")
    ping = bytearray(b"\x89\x05hello")
    if reader.feed(ping) != [Frame(Opcode.PING, b"hello")]:
        raise AssertionError("a bytearray is not read")


CASES = (
    deletesAttributes,
    assignsWrongTypes,
    setsExtremes,
    skipsInit,
    initsAgain,
    initsWhileFreed,
    meddlesInMasks,
    givesWrongMasks,
    recursesInMasks,
    freesChains,
    collectsCycles,
    abusesReaders,
)


def main() -> None:
    """
    Run all of them.
    """
    for case in CASES:
        sys.stdout.write(f"{case.__name__}\n")
        sys.stdout.flush()
        case()
    sys.stdout.write(f"{len(CASES)} kinds of abuse were survived\n")


if __name__ == "__main__":
    main()
