# Part of txwebsocket. See LICENSE for details.

from typing import Any, final

from typing_extensions import Buffer

from txwebsocket.wire.frames import Item

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
    def feed(self, chunk: Buffer, /) -> list[Item]: ...
    def wanted(self) -> int: ...

def encodeHead(
    opcode: int, length: int, mask: Buffer = b"", flags: int = 0x80
) -> bytes: ...
def encodeFrame(
    opcode: int, payload: Buffer | str, mask: Buffer = b"", flags: int = 0x80
) -> bytes: ...
def putMessage(frames: list[Any], message: object, mask: Buffer = b"") -> int: ...
