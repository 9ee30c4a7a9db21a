# Part of txwebsocket. See LICENSE for details.
"""
Stories of messages that arrive in pieces, and what is wrong with them.
"""

import zlib
from typing import NamedTuple

from tests.support.raw import MASK, rawFrame
from tests.tools.fuzz.compression import Reference
from tests.tools.fuzz.connections import Transition, arrival, peerTransform, somePayload
from tests.tools.fuzz.source import Source
from tests.wire.test_deflate import Deflater, Inflater
from txwebsocket.wire.codes import CloseCode, Opcode, Role
from txwebsocket.wire.extensions import NegotiatedExtension
from txwebsocket.wire.frames import FIN, Frame, FrameReader, encodeFrame
from txwebsocket.wire.grammar import ExtensionHeader
from txwebsocket.wire.inflate import TAIL
from txwebsocket.wire.messages import fragment
from txwebsocket.wire.utf8 import Utf8Validator

_LIMITS = (1000, 100_000, 2**20, 5)
_SIZES = (1, 2, 3, 5, 50, 125, 1000, 70_000)
_TIMES = (1, 1, 1, 2, 3, 17)
# What is masked by our own means, which are quicker than those of the tests.
_LARGE = 2000
_NO_LIMIT = 2**40
# What can be referred to from afar only.
_FAR = bytes(range(256)) + bytes(range(0, 256, 3))
_MOST_BITS = 15
_FAULTS = {
    "too big": CloseCode.MESSAGE_TOO_BIG,
    "corrupt": CloseCode.INVALID_DATA,
}


class Story(NamedTuple):
    """
    What a peer sends, and who takes it.

    :ivar limit: bytes of a message that is taken.
    :ivar bits: the window in which messages are compressed; 0 if they are not.
    :ivar isFresh: whether each message is compressed by itself.
    :ivar isPullMode: whether the messages are asked for.
    :ivar atOnce: messages that are dealt with at a time, if they are not.
    :ivar manners: how they are taken, in their order, and over again.
    :ivar steps: what arrives; between that, how much is taken by who waits for that.
    """

    role: Role
    limit: int
    bits: int
    isFresh: bool
    isPullMode: bool
    atOnce: int
    manners: bytes
    steps: list[Transition]

    @property
    def stream(self) -> bytes:
        """
        All that arrives.
        """
        return b"".join(step for step in self.steps if isinstance(step, bytes))

    def agreed(self) -> list[NegotiatedExtension]:
        """
        The extensions that were agreed on.
        """
        if not self.bits:
            return []
        transform = peerTransform(self.bits, self.isFresh)
        return [
            NegotiatedExtension(ExtensionHeader("permessage-deflate", ()), transform)
        ]

    def _payloads(self) -> list[tuple[Frame, bytes]]:
        """
        The messages as they travel, each with its first frame; the last one may have no
        end.
        """
        reader = FrameReader(
            masked=self.role is Role.SERVER,
            maxFrameSize=None,
            maxMessageSize=self.limit,
            rsv=0x40 if self.bits else 0,
            slack=self.limit // 8 + 1024,
            pieces=True,
        )
        found: list[tuple[Frame, bytes]] = []
        for item in reader.feed(self.stream):
            if isinstance(item, Frame) and item.opcode == Opcode.CONTINUATION:
                first, octets = found.pop()
                found.append((first, octets + item.payload))
            elif isinstance(item, Frame) and item.opcode < Opcode.CLOSE:
                found.append((item, item.payload))
        return found

    def faultsOf(self, number: int) -> set[int]:
        """
        Of a compressed message, for what it may be refused.
        """
        payloads = self._payloads()[: number + 1]
        if number >= len(payloads) or not payloads[number][0].rsv:
            return set()
        faults = {_FAULTS.get(str(self._inflate(payloads, self.limit)))}
        octets = self._inflate(payloads, _NO_LIMIT)
        isText = payloads[number][0].opcode == Opcode.TEXT
        if isinstance(octets, str) or (isText and not _isText(octets)):
            faults.add(CloseCode.INVALID_DATA)
        return {code for code in faults if code is not None}

    def _inflate(self, payloads: list[tuple[Frame, bytes]], limit: int) -> bytes | str:
        """
        What becomes of the last one.
        """
        reference = Reference(self.bits, self.isFresh)
        marked = [octets for first, octets in payloads if first.rsv]
        for octets in marked[:-1]:
            reference.inflate(octets, _NO_LIMIT)
        return reference.inflate(marked[-1], limit)

    def reachesTooFar(self) -> bool:
        """
        Does a compressed message refer to what is not in the window?
        """
        if self.bits == _MOST_BITS:
            return False
        inflater = Inflater(self.bits, self.isFresh)
        try:
            for first, octets in self._payloads():
                if first.rsv:
                    inflater(octets)
        except zlib.error as error:
            return "too far back" in str(error)
        return False


def _isText(octets: bytes) -> bool:
    utf8 = Utf8Validator()
    return utf8.feed(octets) and utf8.isComplete()


def writeStory(source: Source) -> Story:
    """
    Make a story of what decides.
    """
    choices, more = source.number(), source.number()
    role = Role.CLIENT if choices & 1 else Role.SERVER
    bits = (0, 9, 12, 15)[choices >> 1 & 3]
    isFresh = bool(choices & 8)
    mask = MASK if role is Role.SERVER else b""
    deflater = Deflater(bits or 15, isFresh)
    manners = source.octets(1 + (more & 3))
    steps: list[Transition] = []
    while source and len(steps) < 40:
        kind = source.number() % 16
        if kind < 6:
            step: Transition = _message(source, mask, bits, deflater)
        elif kind < 11:
            step = arrival(source, kind - 6, mask, deflater)
        else:
            step = ("take", source.number())
        steps.append(step)
    return Story(
        role,
        _LIMITS[choices >> 4 & 3],
        bits,
        isFresh,
        bool(choices & 64),
        3 if choices & 128 else 1,
        manners or b"\0",
        steps,
    )


def _message(source: Source, mask: bytes, bits: int, deflater: Deflater) -> bytes:
    """
    A message in fragments, which may lack its end, with pings between them.
    """
    choices, times = source.number(), source.choice(*_TIMES)
    payload = somePayload(source)
    if bits and choices & 34 == 34:
        start = b"" if choices & 1 else _FAR
        octets, rsv = _inBlocks(start + payload, bits), 0x40
    elif bits and choices & 2:
        octets, rsv = deflater(payload * times), 0x40
    else:
        octets, rsv = payload * min(times, 3), 0
    if choices & 4:
        octets = _spoilt(octets, source.number(2))
    size = max(source.choice(*_SIZES), len(octets) // 300)
    opcode = Opcode.TEXT if choices & 1 else Opcode.BINARY
    frames = []
    for kind, part, flags in fragment(opcode, octets, size):
        fin = bool(flags) and not choices & 8
        if len(part) < _LARGE:
            frames.append(rawFrame(kind, part, fin=fin, rsv=rsv, mask=mask))
        else:
            frames.append(encodeFrame(kind, part, mask, FIN * fin | rsv))
        rsv = 0
    between = rawFrame(Opcode.PING, b"?", mask=mask) if choices & 16 else b""
    return between.join(frames)


def _inBlocks(octets: bytes, bits: int) -> bytes:
    """
    Compress this and the same again, which refers to the first although that has ended
    (RFC 7692, 7.2.3.4).
    """
    first = zlib.compressobj(wbits=-bits)
    second = zlib.compressobj(wbits=-bits, zdict=octets[-(1 << bits) :])
    data = first.compress(octets) + first.flush() + second.compress(octets)
    return data + second.flush(zlib.Z_SYNC_FLUSH).removesuffix(TAIL)


def _spoilt(octets: bytes, place: int) -> bytes:
    at = place % (len(octets) or 1)
    return octets[:at] + bytes(each ^ 0x91 for each in octets[at : at + 1])
