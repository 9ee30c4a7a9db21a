# -*- test-case-name: tests.connection.test_frame -*-
# Part of txwebsocket. See LICENSE for details.
"""
A frame as a thing to look at, to make and to send.
"""

from __future__ import annotations

from txwebsocket.wire.codes import CloseCode, Opcode
from txwebsocket.wire.control import closePayload, parseClosePayload
from txwebsocket.wire.frames import (
    FIN,
    Frame,
    FrameReader,
    ProtocolFailure,
    encodeFrame,
)

_NO_LIMIT = 2**63
_RSV1, _RSV2, _RSV3 = 0x40, 0x20, 0x10


class WebSocketFrame:
    """
    One frame of RFC 6455, section 5.2.

    A frame is either made here and written with :meth:`toBuffer`, or read from bytes
    with :meth:`addData`.

    :ivar fin: whether it ends its message.
    :ivar rsv1: the first extension bit.
    :ivar rsv2: the second.
    :ivar rsv3: the third.
    :ivar maxReceivedFrameSize: the most bytes of payload to read; None sets no limit.
    :ivar opcode: what it carries.
    :ivar mask: whether it is masked on the wire.
    :ivar binaryPayload: the payload, never masked. Of a close frame, the reason.
    :ivar closeStatus: the code of a close frame; None if it has none or half a one, or
        is another frame.
    :ivar protocolError: whether reading failed because a rule was broken.
    :ivar frameTooLarge: whether it failed because of ``maxReceivedFrameSize``.
    :ivar invalidCloseFrameLength: whether it failed because of half a close code.
    :ivar dropReason: why it failed, in a sentence.
    """

    def __init__(
        self,
        opcode: int = Opcode.TEXT,
        binaryPayload: bytes = b"",
        *,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
        mask: bool = False,
        closeStatus: int | None = None,
        maxReceivedFrameSize: int | None = None,
    ) -> None:
        self.opcode = opcode
        self.binaryPayload = bytes(binaryPayload)
        self.fin = fin
        self.rsv1 = rsv1
        self.rsv2 = rsv2
        self.rsv3 = rsv3
        self.mask = mask
        self.closeStatus = closeStatus
        self.maxReceivedFrameSize = maxReceivedFrameSize
        self.protocolError = False
        self.frameTooLarge = False
        self.invalidCloseFrameLength = False
        self.dropReason: str | None = None
        self._head = bytearray()
        self._reader: _LoneFrameReader | None = None
        self._isWhole = False

    @classmethod
    def fromFrame(cls, frame: Frame) -> WebSocketFrame:
        """
        Show a frame that a connection has read.
        """
        made = cls()
        made._show(frame)
        return made

    @property
    def length(self) -> int:
        """
        Bytes of payload on the wire; those of the close code included.
        """
        return len(self._payload())

    def toBuffer(self, nullMask: bool = False, maskKey: bytes = b"") -> bytes:
        """
        The frame as it goes over the wire.

        :param nullMask: mask with four zero bytes, so that the payload stays legible.
        :param maskKey: the four bytes to mask with.
        :raises ValueError: if it is to be masked and there is neither.
        """
        key = b""
        if self.mask:
            key = bytes(4) if nullMask else bytes(maskKey)
            if len(key) != 4:
                raise ValueError(f"a mask key has four bytes, not {len(key)}")
        return encodeFrame(self.opcode, self._payload(), key, self._flags())

    def toFrame(self) -> Frame:
        """
        The frame as the wire core has it.
        """
        return Frame(self.opcode, self._payload(), self.fin, self._flags() & ~FIN)

    def addData(self, data: bytearray) -> bool:
        """
        Read from ``data`` what belongs to this frame, and remove it there.

        :return: True when the frame is whole, or can't be: then one of
            ``protocolError``, ``frameTooLarge`` and
            ``invalidCloseFrameLength`` is true. False if bytes are missing.
        """
        while data and not self._isWhole:
            size = self._reader.bytesNeeded() if self._reader else 1
            part = bytes(data[:size])
            del data[:size]
            if self._reader is None:
                # The second byte says whether a mask is to be expected.
                self._head += part
                if len(self._head) < 2:
                    continue
                part = bytes(self._head)
                self.mask = part[1] >= 0x80
                self._reader = _LoneFrameReader(self.mask, self.maxReceivedFrameSize)
            for item in self._reader.feed(part):
                if isinstance(item, Frame):
                    self._show(item)
                elif isinstance(item, ProtocolFailure):
                    self._fail(item)
                self._isWhole = True
        return self._isWhole

    def __str__(self) -> str:
        return (
            f"Opcode: {int(self.opcode)}, fin: {self.fin}, length: {self.length}, "
            f"hasPayload: {bool(self.length)}, masked: {self.mask}"
        )

    def _payload(self) -> bytes:
        if self.opcode == Opcode.CLOSE and self.closeStatus is not None:
            return closePayload(self.closeStatus, "") + self.binaryPayload
        return self.binaryPayload

    def _flags(self) -> int:
        return (
            FIN * self.fin + _RSV1 * self.rsv1 + _RSV2 * self.rsv2 + _RSV3 * self.rsv3
        )

    def _show(self, frame: Frame) -> None:
        self.opcode = frame.opcode
        self.fin = frame.fin
        self.rsv1 = bool(frame.rsv & _RSV1)
        self.rsv2 = bool(frame.rsv & _RSV2)
        self.rsv3 = bool(frame.rsv & _RSV3)
        self.binaryPayload = frame.payload
        if frame.opcode == Opcode.CLOSE and frame.payload:
            self._splitClose(frame.payload)

    def _splitClose(self, payload: bytes) -> None:
        if len(payload) > 1:
            self.closeStatus = int.from_bytes(payload[:2], "big")
            self.binaryPayload = payload[2:]
        try:
            parseClosePayload(payload)
        except ValueError as error:
            self.invalidCloseFrameLength = len(payload) == 1
            self._fail(ProtocolFailure(CloseCode.PROTOCOL_ERROR, str(error)))

    def _fail(self, failure: ProtocolFailure) -> None:
        self.dropReason = failure.reason
        self.frameTooLarge = failure.code == CloseCode.MESSAGE_TOO_BIG
        self.protocolError = not self.frameTooLarge


class _LoneFrameReader(FrameReader):
    """
    The reader, for one frame outside a connection: it may continue anything, carry any
    extension bit and any bytes.
    """

    def __init__(self, masked: bool, maxFrameSize: int | None) -> None:
        super().__init__(
            masked=masked,
            maxFrameSize=maxFrameSize,
            maxMessageSize=_NO_LIMIT,
            rsv=0x70,
            whole=False,
        )

    def _checkFirst(self, first: int, opcode: int) -> None:
        self._messageOpcode = Opcode.BINARY if opcode == Opcode.CONTINUATION else 0
        super()._checkFirst(first, opcode)

    def _checkText(self, part: bytes | bytearray) -> None:
        """
        Text may be cut anywhere by the frame's own ends.
        """

    def _endText(self) -> None:
        """
        As above.
        """
