# Part of txwebsocket. See LICENSE for details.
"""
Targets that read frames: the reader alone, and connections in both roles.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple
from zlib import crc32

from tests.support.conversation import Conversation
from tests.support.raw import MASK, rawFrame, rawHead, xor
from tests.support.twins import TWINS, details, using
from tests.tools.fuzz.compression import CONTEXTS
from tests.tools.fuzz.source import (
    SMALL,
    Source,
    check,
    checkRoom,
    checkSame,
    inSteps,
    isWeighed,
    outcome,
    pieces,
)
from tests.wire.test_deflate import Deflater
from txwebsocket.wire.codes import CloseCause, Opcode, Role
from txwebsocket.wire.control import CloseReceived, PingReceived, checkClose
from txwebsocket.wire.deflate import Deflate, DeflateTransform
from txwebsocket.wire.errors import ConnectionClosed, InvalidState
from txwebsocket.wire.frames import Frame, FrameReader, ProtocolFailure
from txwebsocket.wire.states import State

LIMIT = 1000
"""
Bytes of a message that is taken.
"""

_PLACES = (1002, 1007, 1009)
_OPCODES = (*Opcode, 0, 1, 2, 1, 2, 3, 7, 11, 15, 0)
_CODES = (1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999, 0, 999, 1004, 1005)
_CODES += (1006, 1015, 2999, 5000, 65535)
_LONG = (128, 500, 997, 998, 999, 1000, 1001, 2000, 2148, 2149, 2150, 4096, 65536)
_TEXTS = ("", "a", "é", "€", "\ud7ff", "😀", "Hello, world! " * 8, "ä" * 70)
_TOO_LATE = (ConnectionClosed, InvalidState)


# -- the reader ------------------------------------------------------------------------


def readFrames(data: bytes) -> None:
    """
    A stream of any bytes: both readers find the same in it, however it is cut, and
    never raise.
    """
    source = Source(data)
    choices, seed = source.number(), source.number()
    options = {
        "masked": bool(choices & 1),
        "whole": bool(choices & 2),
        "rsv": (choices & 4) << 4,
        "slack": 40 * bool(choices & 8),
        "maxFrameSize": (None, None, 150, 2**63)[choices >> 4 & 3],
        "maxMessageSize": (LIMIT, LIMIT, 2**20, 2**63)[choices >> 6],
    }
    stream = source.rest()
    cut = pieces(stream, seed)
    expected = _read(TWINS[0], options, [stream])
    failures = [item for item in expected if isinstance(item, ProtocolFailure)]
    check(failures in ([], expected[-1:]), "something follows a failure", expected)
    check(all(failure.code in _PLACES for failure in failures), failures)
    for twin in TWINS:
        for form in ([stream], cut):
            checkSame(details(expected), details(_read(twin, options, form)))
    checkSame(*(_wanted(twin, options, cut) for twin in TWINS))


def _read(twin: ModuleType, options: dict[str, Any], chunks: list[bytes]) -> list[Any]:
    reader = twin.FrameReader(**options)
    return [item for chunk in chunks for item in reader.feed(chunk)]


def _wanted(twin: ModuleType, options: dict[str, Any], chunks: list[bytes]) -> object:
    reader = twin.FrameReader(**options)
    return [(len(reader.feed(chunk)), reader.bytesNeeded()) for chunk in chunks]


# -- a connection ----------------------------------------------------------------------

Transition = bytes | tuple[Any, ...]
"""
Bytes of the peer's; or the name of something that the application does, and what with.
"""


class Script(NamedTuple):
    """
    What happens to a connection.

    :ivar bits: the window in which messages are compressed; 0 if they are not.
    :ivar isFresh: whether each message is compressed by itself.
    :ivar isLate: whether pings are answered when nothing can be sent.
    """

    role: Role
    options: dict[str, Any]
    bits: int
    isFresh: bool
    isLate: bool
    steps: list[Transition]

    def start(self) -> Conversation:
        """
        A new connection.
        """
        agreed = [peerTransform(self.bits, self.isFresh)] if self.bits else []
        return Conversation(self.role, agreed, **self.options)


def peerTransform(bits: int, isFresh: bool) -> DeflateTransform:
    """
    Ours of a connection on which the peer compresses with this window. Our own
    compressor is small, so as not to hide what the peer makes us hold.
    """
    return DeflateTransform(
        Deflate(minSize=0, memLevel=1),
        ownBits=9,
        isOwnFresh=isFresh,
        peerBits=bits,
        isPeerFresh=isFresh,
    )


def converse(data: bytes) -> None:
    """
    A peer that sends frames of all kinds, and an application that does what it may:
    the same happens with both twins and however the stream is cut, nothing is raised
    but what is documented, and what is sent keeps to the rules.
    """
    source = Source(data)
    seed, script = source.number(), _write(source)
    expected = _play(script, TWINS[0], lambda stream: [stream])
    for twin in TWINS:
        checkSame(expected, _play(script, twin, lambda stream: pieces(stream, seed)))
        if isWeighed(data):
            with using(twin):
                room = LIMIT + CONTEXTS * bool(script.bits)
                checkRoom(lambda: _Forgetful(script).run(inSteps), room)


def _write(source: Source) -> Script:
    choices = source.number()
    role = Role.CLIENT if choices & 1 else Role.SERVER
    options = {
        "maxReceivedMessageSize": LIMIT,
        "maxReceivedFrameSize": 150 if choices & 2 else None,
        "assembleFragments": not choices & 4,
        "fragmentOutgoingMessages": bool(choices & 8),
        "fragmentationThreshold": 100,
        "maxBufferedBytes": 20000,
    }
    bits = (0, 9, 12, 15)[choices >> 4 & 3]
    isFresh, isLate = bool(choices & 64), bool(choices & 128)
    mask = MASK if role is Role.SERVER else b""
    deflater = Deflater(bits or 15, isFresh)
    steps: list[Transition] = []
    while source and len(steps) < 60:
        kind = source.number() % 16
        step = arrival(source, kind, mask, deflater) if kind < 10 else _act(source)
        if isinstance(step, bytes) and steps and isinstance(steps[-1], bytes):
            step = steps.pop() + step
        steps.append(step)
    return Script(role, options, bits, isFresh, isLate, steps)


def arrival(source: Source, kind: int, mask: bytes, deflater: Deflater) -> bytes:
    """
    Something that the peer sends.
    """
    if kind == 0:
        return source.octets(source.number() % 32)
    choices = source.number()
    opcode, fin = _OPCODES[choices & 15], not choices & 16
    rsv = (choices & 32) << 1 | (choices & 192 == 192) << 5
    payload = somePayload(source)
    if kind == 1:
        width = source.choice(2, 8)
        length = source.choice(len(payload), 2**63 - 1, 2**63, LIMIT + 1)
        length %= 2 ** (8 * width)
        head = rawHead(opcode, length, fin=fin, rsv=rsv, mask=mask, width=width)
        return head + xor(payload, mask or bytes(4))
    if kind in (2, 3):
        payload, rsv = deflater(payload), 0x40
    elif kind == 4:
        payload = source.choice(*_CODES).to_bytes(2, "big") + payload
        opcode, fin, rsv = Opcode.CLOSE, True, 0
    return rawFrame(opcode, payload, fin=fin, rsv=rsv, mask=mask)


def somePayload(source: Source) -> bytes:
    """
    What a frame or a message carries: short or long, text or not.
    """
    kind = source.number()
    size = SMALL[kind & 15]
    if kind < 96:
        return source.octets(size)
    if kind < 160:
        return source.choice(*_TEXTS).encode()
    if kind < 224:
        return bytes([source.number()]) * size
    return source.choice(b"a", b"\xc3", b"\0") * source.choice(*_LONG)


def _act(source: Source) -> Transition:
    """
    Something that the application does.
    """
    kind = source.choice("send", "ping", "pong", "close", "frame", "take", "end")
    if kind == "take":
        return kind, source.number()
    if kind == "end":
        return kind, source.choice("drop", "lose", "fail")
    if kind == "close":
        return kind, source.choice(None, *_CODES), source.choice(*_TEXTS)
    # Not so large that it would hide what the peer makes us hold.
    payload = somePayload(source)[:5000]
    if kind == "frame":
        choices = source.number()
        rsv = (choices & 32) << 1
        # Whether the text in such a frame is UTF-8 is the application's own business.
        opcode = _OPCODES[choices & 15]
        opcode = Opcode.BINARY if opcode == Opcode.TEXT else opcode
        return kind, Frame(opcode, payload, not choices & 16, rsv)
    if kind == "send" and source.number() & 1:
        # It may have what UTF-8 has not.
        return kind, payload.decode("utf-8", "surrogateescape")
    return kind, payload


def _play(
    script: Script, twin: ModuleType, cut: Callable[[bytes], Iterable[bytes]]
) -> list[object]:
    with using(twin):
        return Play(script).run(cut)


class Play:
    """
    One performance of a script, which is told in words.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._connection = script.start().connection
        self._told: list[object] = []
        self._hasEnded = False
        self._sent = bytearray()

    def run(self, cut: Callable[[bytes], Iterable[bytes]]) -> list[object]:
        """
        Do it all; return what has happened.
        """
        for step in self._script.steps:
            if isinstance(step, bytes):
                for chunk in cut(step):
                    self._connection.receive(chunk)
                    self._listen()
                self._tell(self._connection.state)
            else:
                self._tell(self._do(*step))
        self._end()
        return self._told

    def _listen(self) -> None:
        connection = self._connection
        while (event := connection.nextEvent()) is not None:
            check(not self._hasEnded, "something follows the end", event)
            self._hasEnded = isinstance(event, ProtocolFailure | CloseReceived)
            if isinstance(event, str | bytes):
                check(len(event) <= LIMIT, "a message is too large", len(event))
            elif isinstance(event, PingReceived):
                connection.pong(event.payload, isLate=self._script.isLate)
            self._tell(_word(event))

    def _do(self, kind: str, *what: Any) -> object:
        connection = self._connection
        if kind == "take":
            return self._take(what[0])
        if kind == "end":
            return self._giveUp(what[0])
        calls: dict[str, tuple[Callable[..., None], type[Exception]]] = {
            "send": (connection.send, UnicodeEncodeError),
            "ping": (connection.ping, ValueError),
            "pong": (connection.pong, ValueError),
            "close": (self._close, ValueError),
            "frame": (connection.sendFrame, ValueError),
        }
        call, error = calls[kind]
        return outcome(lambda: call(*what), *_TOO_LATE, error)

    def _close(self, code: int | None, reason: str) -> None:
        checkClose(code, reason)
        self._connection.close(code, reason, CloseCause.LOCAL_CLOSE)

    def _giveUp(self, how: str) -> None:
        connection = self._connection
        self._hasEnded = True
        if how == "drop":
            connection.abort(CloseCause.DROPPED)
        elif how == "fail":
            connection.fail(1011, "it can't go on", CloseCause.APPLICATION_ERROR)
        elif connection.state is not State.CLOSED:
            connection.transportLost("it is gone")

    def _tell(self, fact: object) -> None:
        self._told.append(fact)

    def _take(self, size: int) -> bytes:
        taken = b"".join(self._connection.outbox.take(size))
        self._keep(taken)
        return taken

    def _keep(self, taken: bytes) -> None:
        self._sent += taken

    def _end(self) -> None:
        connection = self._connection
        while self._take(2**16):
            pass
        sent = self._peerReads()
        self._tell(sent)
        closes = [frame for frame in sent if frame.opcode == Opcode.CLOSE]
        check(closes in ([], sent[-1:]), "something follows a close frame", sent)
        if connection.state is not State.CLOSED:
            connection.transportLost()
        check(connection.nextEvent() is None, "something happens after the loss")
        self._tell(repr(connection.report()))

    def _peerReads(self) -> list[Any]:
        """
        The frames that were sent.
        """
        reader = FrameReader(
            masked=self._script.role is Role.CLIENT,
            maxFrameSize=None,
            maxMessageSize=2**30,
            rsv=0x40,
            whole=False,
        )
        found = reader.feed(bytes(self._sent))
        check(
            ProtocolFailure not in map(type, found), "what is sent breaks a rule", found
        )
        return found


class _Forgetful(Play):
    """
    The same, but that nothing is kept.
    """

    def _tell(self, fact: object) -> None:
        pass

    def _keep(self, taken: bytes) -> None:
        pass


def _word(event: object) -> object:
    """
    An event in short, so that a long story takes little room.
    """
    word = repr(event)
    if len(word) < 100:
        return type(event).__name__, word
    return type(event).__name__, len(word), crc32(word.encode())
