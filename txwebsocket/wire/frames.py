# -*- test-case-name: tests.wire.test_frames -*-
# Part of txwebsocket. See LICENSE for details.
"""
Frames: from the bytes of one connection to what they carry, and back (RFC 6455, 5.2).

This is the pure Python twin of the fast path. Whoever needs a reader takes it from
:mod:`txwebsocket.wire.speedups`, which decides between the twins.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from txwebsocket.wire.codes import CloseCode, Opcode
from txwebsocket.wire.masking import applyMask
from txwebsocket.wire.utf8 import Utf8Validator

FIN = 0x80
"""
The bit of the first byte that ends a message.
"""

COPY_LIMIT = 4096
"""
Characters or bytes of a small message. Its payload is joined with its head; that of a
larger one is not copied.
"""

RSV = 0x70
"""
The three bits of the first byte that belong to extensions.
"""

_CONTROL = 0x8
_KNOWN_OPCODES = frozenset(Opcode)
_CONTINUATION, _TEXT, _BINARY = Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY


class Frame(NamedTuple):
    """
    One frame, unmasked.

    :ivar opcode: what it carries, an :class:`Opcode`.
    :ivar payload: the application data.
    :ivar fin: whether it ends its message.
    :ivar rsv: the extension bits, where they stand in the first byte: RSV1 is 0x40.
    """

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0


class ProtocolFailure(NamedTuple):
    """
    The peer broke a rule; nothing after this is read.

    :ivar code: the close code that says so.
    :ivar reason: the rule, in a sentence that may be told to the peer.
    """

    code: int
    reason: str


ReaderItem: TypeAlias = str | bytes | Frame | ProtocolFailure
"""
What a reader finds: a whole message, a frame of another kind, or a failure.
"""


class _ProtocolViolation(Exception):
    """
    The way from where a rule is checked to where reading ends.
    """

    def __init__(self, reason: str, code: int = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(reason)
        self.failure = ProtocolFailure(code, reason)


class FrameReader:
    """
    Cut the bytes of one connection into messages and frames.

    A text or binary message in a single plain frame comes out as ``str`` or ``bytes``,
    ready to deliver; all else, be it a control frame, a fragment or a frame with an
    extension's bit set, as a :class:`Frame`. The rules that need no more than a frame's
    head are checked when the head is there: masking, extension bits, opcodes, control
    frames, the order of fragments, the shortest form of a length, and both size limits.
    Text is refused at its first bad byte.

    :param masked: whether the peer must mask: true on a server. It must not otherwise.
    :param maxFrameSize: bytes of payload in one frame; None sets no limit of its own.
    :param maxMessageSize: bytes of payload in all frames of one message.
    :param rsv: the extension bits that were negotiated. Text in a message that starts
        with one of them is not checked: it isn't UTF-8 yet.
    :param slack: bytes that a message with an extension's bit may have beyond
        ``maxMessageSize``, since what is incompressible grows a little.
    :param whole: whether to deliver plain messages as ``str`` and ``bytes``. If false,
        each frame comes out as a :class:`Frame`.
    :param pieces: whether to keep nothing of a payload that is arriving: what a chunk
        has of it comes out at the end of the chunk, as a fragment of its own. Messages
        are not delivered whole then.
    """

    __slots__ = (
        "_fin",
        "_hasRSV",
        "_isFailed",
        "_isInPieces",
        "_isMasked",
        "_isPlainText",
        "_isWhole",
        "_key",
        "_maxEncodedSize",
        "_maxFrameSize",
        "_maxMessageSize",
        "_messageOpcode",
        "_messageSize",
        "_missing",
        "_opcode",
        "_payload",
        "_rest",
        "_rsv",
        "_rsvAllowed",
        "_utf8",
    )

    def __init__(
        self,
        *,
        masked: bool,
        maxFrameSize: int | None,
        maxMessageSize: int,
        rsv: int = 0,
        slack: int = 0,
        whole: bool = True,
        pieces: bool = False,
    ) -> None:
        self._isMasked = masked
        self._maxEncodedSize = maxMessageSize + slack
        self._maxFrameSize = maxFrameSize
        self._maxMessageSize = maxMessageSize
        self._rsvAllowed = rsv
        self._isWhole = whole and not pieces
        self._isInPieces = pieces
        self._isFailed = False
        # What is left of a chunk that ended inside a frame's head: 13 bytes at most.
        self._rest = b""
        # The frame whose payload is arriving; _missing is None between frames.
        self._missing: int | None = None
        self._opcode = self._rsv = 0
        self._fin = True
        self._key = b""
        self._payload = bytearray()
        # The fragmented message that is arriving; its opcode is 0 between messages.
        self._messageOpcode = 0
        self._messageSize = 0
        self._hasRSV = False
        self._isPlainText = False
        self._utf8 = Utf8Validator()

    def feed(self, chunk: bytes) -> list[ReaderItem]:
        """
        Take what the network gave; return, in order, what it completes.

        Input never makes this raise: a :class:`ProtocolFailure` is then the last item,
        and later calls return nothing.
        """
        if self._isFailed:
            return []
        items: list[ReaderItem] = []
        try:
            self._read(chunk, items)
        except _ProtocolViolation as broken:
            self._isFailed = True
            self._payload = bytearray()
            items.append(broken.failure)
        return items

    def bytesNeeded(self) -> int:
        """
        How many bytes can be fed without going beyond the frame that is arriving.
        """
        return self._missing or 1

    def _read(self, chunk: bytes, items: list[ReaderItem]) -> None:
        position = 0
        if self._missing is not None:
            position = self._takePart(chunk, 0, items)
        elif self._rest:
            chunk = self._rest + chunk
            self._rest = b""
        size = len(chunk)
        while position < size:
            end = self._takeFrame(chunk, position, items)
            if end is None:
                self._rest = chunk[position:]
                return
            position = end

    def _takeFrame(
        self, chunk: bytes, position: int, items: list[ReaderItem]
    ) -> int | None:
        """
        Read the frame at ``position``, or the part of it that is there; return where
        the next one starts, or None while its head is not whole.
        """
        first = chunk[position]
        opcode = first & 0xF
        self._checkFirst(first, opcode)
        if len(chunk) < position + 2:
            return None
        second = chunk[position + 1]
        length = second & 0x7F
        self._checkSecond(second, opcode, length)
        position += 2
        if length > 125:
            width = 2 if length == 126 else 8
            if len(chunk) < position + width:
                return None
            length = _longLength(chunk[position : position + width])
            position += width
        if opcode < _CONTROL:
            self._checkSize(first, length)
        key = b""
        if self._isMasked:
            key = chunk[position : position + 4]
            if len(key) < 4:
                return None
            position += 4
        self._begin(first, opcode, length)
        end = position + length
        if end <= len(chunk):
            payload = chunk[position:end]
            self._finish(applyMask(payload, key) if key else payload, items)
            return end
        self._missing = length
        self._key = key
        return self._takePart(chunk, position, items)

    def _checkFirst(self, first: int, opcode: int) -> None:
        if first & RSV & ~self._rsvAllowed:
            raise _ProtocolViolation("an extension bit is set that was not agreed on")
        if opcode not in _KNOWN_OPCODES:
            raise _ProtocolViolation(f"opcode {opcode} is unknown")
        if opcode >= _CONTROL:
            if not first & FIN:
                raise _ProtocolViolation("a control frame is fragmented")
            if first & RSV:
                raise _ProtocolViolation("an extension bit is set on a control frame")
        elif opcode == _CONTINUATION:
            if not self._messageOpcode:
                raise _ProtocolViolation("a continuation frame has nothing to continue")
            if first & RSV:
                raise _ProtocolViolation(
                    "an extension bit is set on a continuation frame"
                )
        elif self._messageOpcode:
            raise _ProtocolViolation("a message starts inside a fragmented one")

    def _checkSecond(self, second: int, opcode: int, length: int) -> None:
        if bool(second & 0x80) is not self._isMasked:
            raise _ProtocolViolation(
                "a frame from a client is not masked"
                if self._isMasked
                else "a frame from a server is masked"
            )
        if opcode >= _CONTROL and length > 125:
            raise _ProtocolViolation("a control frame is longer than 125 bytes")

    def _checkSize(self, first: int, length: int) -> None:
        if self._maxFrameSize is not None and length > self._maxFrameSize:
            raise _ProtocolViolation(
                f"frame larger than {self._maxFrameSize} bytes (maxReceivedFrameSize)",
                CloseCode.MESSAGE_TOO_BIG,
            )
        isMarked, before = bool(first & RSV), 0
        if first & 0xF == _CONTINUATION:
            isMarked, before = self._hasRSV, self._messageSize
        most = self._maxEncodedSize if isMarked else self._maxMessageSize
        if before + length > most:
            raise _ProtocolViolation(
                f"message larger than {self._maxMessageSize} bytes"
                " (maxReceivedMessageSize)",
                CloseCode.MESSAGE_TOO_BIG,
            )

    def _begin(self, first: int, opcode: int, length: int) -> None:
        """
        Note the frame whose payload comes next.
        """
        self._opcode = opcode
        self._fin = first >= FIN
        self._rsv = first & RSV
        if opcode >= _CONTROL:
            return
        if opcode == _CONTINUATION:
            self._messageSize += length
        else:
            self._messageOpcode = opcode
            self._messageSize = length
            self._hasRSV = bool(self._rsv)
            self._isPlainText = opcode == _TEXT and not self._rsv

    def _takePart(self, chunk: bytes, position: int, items: list[ReaderItem]) -> int:
        """
        Take what ``chunk`` has of the payload that is arriving; return where it ends.
        """
        missing = self._missing or 0
        part = chunk[position : position + missing]
        if self._key:
            part = applyMask(part, self._key, len(self._payload))
        if self._isPlainText and self._opcode < _CONTROL:
            self._checkText(part)
        self._payload += part
        if len(part) < missing:
            self._missing = missing - len(part)
            if self._isInPieces and self._opcode < _CONTROL:
                self._emitPartial(items)
            return len(chunk)
        payload, self._payload = self._payload, bytearray()
        self._missing = None
        self._finish(payload, items, isChecked=True)
        return position + missing

    def _emitPartial(self, items: list[ReaderItem]) -> None:
        """
        Deliver what there is of a payload as a fragment; another one continues it.
        """
        part = bytes(self._payload)
        if part:
            items.append(Frame(self._opcode, part, False, self._rsv))
            self._opcode, self._rsv = int(_CONTINUATION), 0
            turn = len(part) & 3
            self._key = self._key[turn:] + self._key[:turn]
            self._payload.clear()

    def _finish(
        self,
        payload: bytes | bytearray,
        items: list[ReaderItem],
        isChecked: bool = False,
    ) -> None:
        """
        Deliver the frame that :meth:`_begin` noted; its payload is whole now.
        """
        opcode = self._opcode
        if opcode >= _CONTROL:
            items.append(Frame(opcode, bytes(payload)))
            return
        fin, isText = self._fin, self._isPlainText
        isLone = fin and opcode != _CONTINUATION
        if isLone and self._isWhole and not self._rsv:
            self._messageOpcode = 0
            items.append(self._decode(payload) if isText else bytes(payload))
            return
        if isText and not isChecked:
            self._checkText(payload)
        if fin:
            self._messageOpcode = 0
            if isText:
                self._endText()
        items.append(Frame(opcode, bytes(payload), fin, self._rsv))

    @staticmethod
    def _decode(payload: bytes | bytearray) -> str:
        try:
            return payload.decode("utf-8")
        except UnicodeDecodeError:
            raise _badText() from None

    def _checkText(self, part: bytes | bytearray) -> None:
        if not self._utf8.feed(part):
            raise _badText()

    def _endText(self) -> None:
        if not self._utf8.isComplete():
            raise _badText()


def _badText() -> _ProtocolViolation:
    return _ProtocolViolation("a text message is not UTF-8", CloseCode.INVALID_DATA)


def _longLength(octets: bytes) -> int:
    """
    Read an extended length; it must need its form (RFC 6455, 5.2).
    """
    length = int.from_bytes(octets, "big")
    if length >> 63:
        raise _ProtocolViolation("a length has its highest bit set")
    if length < 126 or (len(octets) == 8 and length < 0x10000):
        raise _ProtocolViolation("a length is not in its shortest form")
    return length


def encodeHeader(
    opcode: int, length: int, mask: bytes = b"", flags: int = FIN
) -> bytes:
    """
    Make the head of a frame, for a payload that is sent beside it.

    :param length: bytes of payload.
    :param mask: the four bytes the payload is masked with; empty on a server.
    :param flags: :data:`FIN`, or 0 for a fragment that others follow, and any extension
        bits.
    """
    first = flags | opcode
    masked = 0x80 if mask else 0
    if length < 126:
        return bytes((first, masked | length)) + mask
    if length < 0x10000:
        return bytes((first, masked | 126)) + length.to_bytes(2, "big") + mask
    return bytes((first, masked | 127)) + length.to_bytes(8, "big") + mask


def encodeFrame(
    opcode: int, payload: bytes | str, mask: bytes = b"", flags: int = FIN
) -> bytes:
    """
    Make a whole frame; the other parameters are those of :func:`encodeHeader`.

    :param payload: what it carries; text is sent as UTF-8.
    :raises UnicodeEncodeError: if text has a lone surrogate, which UTF-8 has not.
    """
    if isinstance(payload, str):
        payload = payload.encode("utf-8")
    head = encodeHeader(opcode, len(payload), mask, flags)
    return head + (applyMask(payload, mask) if mask else payload)


class FrameQueue:
    """
    Frames that wait to be sent, and the short way for small messages to come to them.

    :param nextMask: gives four fresh random bytes for each frame of a client; None on a
        server.
    :raises TypeError: if ``nextMask`` is anything else.
    :ivar frames: a list of what waits, in order: a frame, or the tuple of its parts.
    :ivar size: how many bytes wait.
    :ivar messages: how many messages were put.
    :ivar fastPathLimit: up to how many bytes that wait a small message can be put,
        whatever it is, in one frame and with nothing done to it; 0 at first.
    """

    __slots__ = ("_nextMask", "fastPathLimit", "frames", "messages", "size")

    def __init__(self, nextMask: Callable[[], bytes] | None = None) -> None:
        if nextMask is not None and not callable(nextMask):
            raise TypeError(f"nextMask must be callable or None, not {nextMask!r}")
        self._nextMask = nextMask
        self.frames: list[bytes | tuple[bytes, ...]] = []
        self.size = self.messages = self.fastPathLimit = 0

    def putMessage(self, message: object) -> bool:
        """
        Frame a small message: text for ``str``, binary for ``bytes``.

        :return: whether that was done. It is not if the message is something else, or
            not small, or if there is no room.
        :raises UnicodeEncodeError: if text has a lone surrogate, which UTF-8 has not.
        """
        if isinstance(message, str):
            opcode = _TEXT
        elif isinstance(message, bytes):
            opcode = _BINARY
        else:
            return False
        if self.size >= self.fastPathLimit or len(message) > COPY_LIMIT:
            return False
        mask = b"" if self._nextMask is None else self._nextMask()
        frame = encodeFrame(opcode, message, mask)
        self.frames.append(frame)
        self.size += len(frame)
        self.messages += 1
        return True
