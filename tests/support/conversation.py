# Part of txwebsocket. See LICENSE for details.
"""
A connection under test, with a peer at its other end.
"""

from collections.abc import Iterable
from typing import Any

from tests.support.raw import MASK, rawFrame
from txwebsocket.config import ClientConfig, ServerConfig
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.extensions import MessageTransform
from txwebsocket.wire.frames import Frame, FrameReader
from txwebsocket.wire.messages import Event

CONFIGS = {Role.SERVER: ServerConfig, Role.CLIENT: ClientConfig}


class Conversation:
    """
    An open connection in one role, and what a peer in the other sends and reads.

    :ivar connection: the connection.
    :ivar masks: the masks it was given so far, no two in a row the same.
    """

    def __init__(
        self, role: Role, transforms: Iterable[MessageTransform] = (), **options: Any
    ) -> None:
        self.masks: list[bytes] = []
        self.connection = Connection(role, CONFIGS[role](**options), self._nextMask)
        self.connection.open(transforms)
        self._mask = MASK if role is Role.SERVER else b""
        self._reader = FrameReader(
            masked=role is Role.CLIENT,
            maxFrameSize=None,
            maxMessageSize=2**30,
            rsv=0x70,
            whole=False,
        )

    def _nextMask(self) -> bytes:
        self.masks.append(bytes([0xA5, 0x5A, 0xC3, len(self.masks) & 0xFF]))
        return self.masks[-1]

    def frame(self, opcode: int, payload: bytes = b"", **options: Any) -> bytes:
        """
        A frame as the peer would send it.
        """
        return rawFrame(opcode, payload, mask=self._mask, **options)

    def closeFrame(self, code: int, reason: bytes = b"") -> bytes:
        """
        A close frame of the peer's.
        """
        return self.frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason)

    def receive(self, *chunks: bytes) -> list[Event]:
        """
        Let the peer send this; return what happens.
        """
        for chunk in chunks:
            self.connection.receive(chunk)
        return self.events()

    def wait(self) -> None:
        """
        Let the peer send this and that, which nobody asks for yet.
        """
        for opcode in (Opcode.TEXT, Opcode.PING, Opcode.PONG):
            self.connection.receive(self.frame(opcode, b"waiting"))

    def events(self) -> list[Event]:
        """
        What has happened and was not told yet.
        """
        found = []
        while (event := self.connection.nextEvent()) is not None:
            found.append(event)
        return found

    def taken(self) -> bytes:
        """
        What waits to be sent; it is on its way then.
        """
        taken = b""
        while part := b"".join(self.connection.outbox.take(2**16)):
            taken += part
        return taken

    def sent(self) -> list[Frame]:
        """
        The frames that the peer reads of that.
        """
        return self._reader.feed(self.taken())
