# -*- test-case-name: tests.wire.test_outgoing -*-
# Part of txwebsocket. See LICENSE for details.
"""
Which frames an application may send by itself.
"""

from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.control import checkControlPayload
from txwebsocket.wire.frames import Frame

_CONTROL = 0x8
_DATA = (Opcode.TEXT, Opcode.BINARY)
_ALLOWED = (*_DATA, Opcode.CONTINUATION, Opcode.PING, Opcode.PONG)


def checkSendableFrame(frame: Frame, isSendingFragments: bool, agreedBits: int) -> None:
    """
    May this frame be sent now? (RFC 6455, 5.2, 5.4 and 5.5)

    :param isSendingFragments: whether the last data frame did not end its message.
    :param agreedBits: the extension bits that were agreed on.
    :raises ValueError: if not, saying why.
    """
    if frame.opcode == Opcode.CLOSE:
        raise ValueError("a close frame is sent with close()")
    if frame.opcode not in _ALLOWED:
        raise ValueError(f"{frame.opcode} is no opcode of a frame")
    if frame.rsv & ~agreedBits:
        raise ValueError("an extension bit (rsv1 to rsv3) was not agreed on")
    if frame.rsv and frame.opcode not in _DATA:
        raise ValueError("only a message's first frame may have an extension bit")
    if frame.opcode >= _CONTROL:
        _checkControl(frame)
    elif frame.opcode == Opcode.CONTINUATION:
        if not isSendingFragments:
            raise ValueError("a continuation frame has no message to continue")
    elif isSendingFragments:
        raise ValueError("another message has not ended: a continuation must follow")


def _checkControl(frame: Frame) -> None:
    if not frame.fin:
        raise ValueError("a ping or pong can't be fragmented")
    checkControlPayload(frame.payload)
