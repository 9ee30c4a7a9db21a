# Part of txwebsocket. See LICENSE for details.

from collections.abc import Callable
from typing import final

from typing_extensions import Buffer

from txwebsocket.wire.frames import ReaderItem

@final
class FrameReader:
    def __new__(
        cls,
        *,
        masked: bool,
        maxFrameSize: int | None,
        maxMessageSize: int,
        rsv: int = 0,
        slack: int = 0,
        whole: bool = True,
        pieces: bool = False,
    ) -> FrameReader: ...
    def feed(self, chunk: Buffer, /) -> list[ReaderItem]: ...
    def bytesNeeded(self) -> int: ...

class FrameQueue:
    frames: list[bytes | tuple[bytes, ...]]
    messages: int
    fastPathLimit: int
    size: int
    def __init__(self, nextMask: Callable[[], Buffer] | None = None) -> None: ...
    def putMessage(self, message: object, /) -> bool: ...

def encodeHeader(
    opcode: int, length: int, mask: Buffer = b"", flags: int = 0x80
) -> bytes: ...
def encodeFrame(
    opcode: int, payload: Buffer | str, mask: Buffer = b"", flags: int = 0x80
) -> bytes: ...
