# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.frames`, and of its native twin where there is one.

The twins keep the same promises, so that the tests are written once and run for each.
"""

import contextlib
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from tests.support.raw import MASK, rawFrame, rawHead, xor
from tests.support.splits import everySplit
from tests.support.twins import native
from txwebsocket.wire import frames
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import FIN, Frame, ProtocolFailure, ReaderItem

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
CONTROL = (CLOSE, PING, PONG)
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10

LENGTHS = (0, 1, 125, 126, 127, 65535, 65536)
"""
Both sides of each border between the forms of a length.
"""


def typed(items: Iterable[ReaderItem]) -> list[tuple[type, ReaderItem]]:
    """
    The items with their types, as tuples of different types may be equal.
    """
    return [(type(item), item) for item in items]


def joined(items: Iterable[Any]) -> list[ReaderItem]:
    """
    The items with the fragments joined that follow one another.
    """
    found: list[Any] = [None]
    for item in items:
        last = found[-1]
        if isinstance(last, Frame) and item[:1] == (CONTINUATION,) and not last.fin:
            payload, fin = last.payload + item[1], item[2]
            found[-1] = last._replace(payload=payload, fin=fin)
        else:
            found.append(item)
    return found[1:]


class FrameReaderTestsMixin:
    """
    What both readers and both framers promise.
    """

    reader: type[frames.FrameReader]
    encodeHeader: Callable[..., bytes]
    encodeFrame: Callable[..., bytes]

    def makeReader(
        self,
        masked: bool = False,
        maxFrameSize: int | None = None,
        maxMessageSize: int = 2**20,
        **options: int,
    ) -> frames.FrameReader:
        """
        A reader; unless told otherwise a client's, with the default limits.
        """
        return self.reader(
            masked=masked,
            maxFrameSize=maxFrameSize,
            maxMessageSize=maxMessageSize,
            **options,
        )

    def read(self, pieces: Iterable[bytes], /, **options: int) -> list[ReaderItem]:
        """
        All that a new reader finds in these pieces.
        """
        reader = self.makeReader(**options)
        return [item for piece in pieces for item in reader.feed(piece)]

    def assertReads(
        self,
        data: bytes,
        expected: list[ReaderItem],
        most: int | None = None,
        **options: int,
    ) -> None:
        """
        However ``data`` is cut, just this is found in it.
        """
        for pieces in everySplit(data, most):
            found = self.read(pieces, **options)
            shown = [piece[:20] for piece in pieces[:20]]
            self.assertEqual(typed(found), typed(expected), f"cut as {shown}")
            payloads = [item.payload for item in found if isinstance(item, Frame)]
            self.assertEqual({type(payload) for payload in payloads} - {bytes}, set())

    def assertFails(
        self,
        data: bytes,
        code: int = 1002,
        before: Iterable[ReaderItem] = (),
        **options: int,
    ) -> None:
        """
        The last byte of ``data`` breaks a rule, none before does; and however ``data``
        is cut, what came before the broken frame is delivered first.
        """
        found = self.read([data[:-1]], **options)
        self.assertEqual(typed(found), typed(before), "before the last byte")
        for pieces in everySplit(data):
            *good, failure = self.read(pieces, **options)
            self.assertEqual(typed(good), typed(before))
            self.assertIs(type(failure), ProtocolFailure)
            self.assertEqual(failure.code, code, failure.reason)
            self.assertIn(" ", failure.reason)
            self.assertLessEqual(len(failure.reason.encode()), 123)

    # Lengths, masks and opcodes

    def test_lengths(self) -> None:
        """
        A payload of any size arrives, masked or not, however the network cuts it.
        """
        for length in LENGTHS:
            payload = (b"0123456789abcde" * 4370)[:length]
            for mask in (b"", MASK):
                data = rawFrame(BINARY, payload, mask=mask)
                self.assertReads(data, [payload], most=40, masked=bool(mask))

    def test_nothing(self) -> None:
        """
        An empty chunk brings nothing, between frames, in a head and in a payload.
        """
        reader = self.makeReader()
        for piece in (b"\x81", b"\x02", b"h"):
            self.assertEqual(reader.feed(b""), [])
            self.assertEqual(reader.feed(piece), [])
        self.assertEqual(reader.feed(b""), [])
        self.assertEqual(reader.feed(b"i"), ["hi"])

    def test_emptyMessages(self) -> None:
        """
        Empty messages are messages; there may be many.
        """
        self.assertReads(
            rawFrame(TEXT) + rawFrame(BINARY) + rawFrame(TEXT), ["", b"", ""]
        )
        self.assertReads(rawFrame(TEXT, mask=MASK), [""], masked=True)

    def test_text(self) -> None:
        """
        A text message arrives as a string.
        """
        text = "Grüße, 世界 😀"
        for mask in (b"", MASK):
            data = rawFrame(TEXT, text.encode(), mask=mask)
            self.assertReads(data, [text], masked=bool(mask))

    def test_examples(self) -> None:
        """
        The examples of RFC 6455, 5.7 are understood.
        """
        self.assertReads(bytes.fromhex("810548656c6c6f"), ["Hello"])
        self.assertReads(
            bytes.fromhex("818537fa213d7f9f4d5158"), ["Hello"], masked=True
        )
        self.assertReads(
            bytes.fromhex("010348656c80026c6f"),
            [Frame(TEXT, b"Hel", fin=False), Frame(CONTINUATION, b"lo")],
        )
        self.assertReads(bytes.fromhex("890548656c6c6f"), [Frame(PING, b"Hello")])
        self.assertReads(
            bytes.fromhex("8a8537fa213d7f9f4d5158"),
            [Frame(PONG, b"Hello")],
            masked=True,
        )

    def test_controlFrames(self) -> None:
        """
        Control frames of up to 125 bytes come out as frames, and messages follow.
        """
        for opcode in CONTROL:
            for size in (0, 1, 125):
                payload = b"\xff" * size
                for mask in (b"", MASK):
                    data = rawFrame(opcode, payload, mask=mask)
                    data += rawFrame(TEXT, b"next", mask=mask)
                    self.assertReads(
                        data, [Frame(opcode, payload), "next"], masked=bool(mask)
                    )

    def test_unknownOpcodes(self) -> None:
        """
        A reserved opcode breaks the protocol, and its first byte shows it.
        """
        for opcode in (*range(3, 8), *range(11, 16)):
            self.assertFails(bytes([FIN | opcode]))
            self.assertFails(bytes([opcode]))

    def test_unmaskedToServer(self) -> None:
        """
        A server takes no frame that isn't masked, not even an empty one.
        """
        for opcode in Opcode:
            if opcode is not CONTINUATION:
                self.assertFails(rawHead(opcode, 0), masked=True)
                self.assertFails(rawHead(opcode, 5), masked=True)

    def test_maskedToClient(self) -> None:
        """
        A client takes no frame that is masked, not even with zeros.
        """
        for opcode in Opcode:
            if opcode is not CONTINUATION:
                self.assertFails(rawHead(opcode, 0, mask=bytes(4))[:2])
                self.assertFails(rawHead(opcode, 5, mask=MASK)[:2])

    def test_wrongSideNamed(self) -> None:
        """
        The failure says whose frame was wrong, and how.
        """
        [failure] = self.read([rawFrame(TEXT)], masked=True)
        self.assertEqual(failure.reason, "a frame from a client is not masked")
        [failure] = self.read([rawFrame(TEXT, mask=MASK)])
        self.assertEqual(failure.reason, "a frame from a server is masked")

    def test_everyMask(self) -> None:
        """
        Each frame is unmasked with its own key.
        """
        keys = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\0\0\0", b"\0\0\0\x80", MASK)
        data = b"".join(rawFrame(BINARY, b"0123456789", mask=key) for key in keys)
        self.assertReads(data, [b"0123456789"] * len(keys), masked=True)

    def test_longLengths(self) -> None:
        """
        A length in more bytes than it needs breaks the protocol.
        """
        for length, width in ((0, 2), (125, 2), (0, 8), (126, 8), (65535, 8)):
            for opcode in (TEXT, BINARY):
                self.assertFails(rawHead(opcode, length, width=width))
                masked = rawHead(opcode, length, width=width, mask=MASK)
                self.assertFails(masked[:-4], masked=True)

    def test_highestBit(self) -> None:
        """
        A length with its highest bit set breaks the protocol before there is a mask or
        a payload.
        """
        for length in (2**63, 2**64 - 1):
            self.assertFails(rawHead(BINARY, length))
            self.assertFails(rawHead(BINARY, length, mask=MASK)[:-4], masked=True)

    # Extension bits

    def test_bitsNotAgreed(self) -> None:
        """
        An extension bit that nobody agreed on breaks the protocol, in the first byte.
        """
        for rsv in range(RSV3, FIN, RSV3):
            for opcode in (TEXT, BINARY, *CONTROL):
                self.assertFails(rawHead(opcode, 0, rsv=rsv)[:1])
        self.assertFails(rawHead(TEXT, 0, rsv=RSV2)[:1], rsv=RSV1)
        self.assertFails(rawHead(TEXT, 0, rsv=RSV1 | RSV3)[:1], rsv=RSV1)

    def test_bitsAgreed(self) -> None:
        """
        A frame with an extension's bit comes out as a frame that says so. Its text is
        not looked at, because it isn't text yet.
        """
        self.assertReads(
            rawFrame(TEXT, b"\xff\xfe", rsv=RSV1) + rawFrame(BINARY, b"b", rsv=RSV1),
            [Frame(TEXT, b"\xff\xfe", rsv=RSV1), Frame(BINARY, b"b", rsv=RSV1)],
            rsv=RSV1,
        )
        self.assertReads(
            rawFrame(TEXT, b"\xff", fin=False, rsv=RSV1) + rawFrame(0, b"\xff"),
            [Frame(TEXT, b"\xff", fin=False, rsv=RSV1), Frame(CONTINUATION, b"\xff")],
            rsv=RSV1 | RSV2,
        )

    def test_bitsLeftOut(self) -> None:
        """
        Where an extension was agreed on, a message without its bit is a plain one, and
        its text is looked at.
        """
        self.assertReads(rawFrame(TEXT, b"plain"), ["plain"], rsv=RSV1)
        self.assertFails(rawFrame(TEXT, b"\xff"), 1007, rsv=RSV1)
        # The first frame of a message decides for all of it, and no longer.
        compressed = rawFrame(TEXT, b"\xff", rsv=RSV1)
        before = [Frame(TEXT, b"\xff", rsv=RSV1)]
        self.assertFails(compressed + rawFrame(TEXT, b"\xff"), 1007, before, rsv=RSV1)

    def test_bitsOnControlFrames(self) -> None:
        """
        A control frame never has an extension's bit.
        """
        for opcode in CONTROL:
            self.assertFails(rawHead(opcode, 0, rsv=RSV1)[:1], rsv=RSV1)

    def test_bitsOnContinuations(self) -> None:
        """
        The bit stands on the first frame of a message only.
        """
        for fin in (True, False):
            self.assertFails(
                rawFrame(TEXT, b"a", fin=False, rsv=RSV1)
                + rawHead(CONTINUATION, 0, fin=fin, rsv=RSV1)[:1],
                before=[Frame(TEXT, b"a", fin=False, rsv=RSV1)],
                rsv=RSV1,
            )

    # Control frames and fragments

    def test_controlFragmented(self) -> None:
        """
        A control frame can't be fragmented.
        """
        for opcode in CONTROL:
            self.assertFails(rawHead(opcode, 0, fin=False)[:1])

    def test_controlTooLong(self) -> None:
        """
        A control frame of more than 125 bytes breaks the protocol before its length is
        known.
        """
        for opcode in CONTROL:
            for length in (126, 65536):
                self.assertFails(rawHead(opcode, length)[:2])
                self.assertFails(rawHead(opcode, length, mask=MASK)[:2], masked=True)

    def test_fragments(self) -> None:
        """
        The frames of a fragmented message come one by one, empty ones included, and
        another message may follow.
        """
        expected = [
            Frame(TEXT, b"one", fin=False),
            Frame(CONTINUATION, b"", fin=False),
            Frame(CONTINUATION, b"two", fin=False),
            Frame(CONTINUATION, b""),
            Frame(BINARY, b"", fin=False),
            Frame(CONTINUATION, b"\xff"),
        ]
        for mask in (b"", MASK):
            data = b"".join(
                rawFrame(frame.opcode, frame.payload, fin=frame.fin, mask=mask)
                for frame in expected
            )
            self.assertReads(
                data + rawFrame(TEXT, b"x", mask=mask),
                [*expected, "x"],
                masked=bool(mask),
            )

    def test_controlBetweenFragments(self) -> None:
        """
        Control frames may stand between the fragments of a message, and are no part of
        its text.
        """
        self.assertReads(
            rawFrame(TEXT, b"\xe2", fin=False)
            + rawFrame(PING, b"\xff")
            + rawFrame(CONTINUATION, b"\x82", fin=False)
            + rawFrame(PONG)
            + rawFrame(CLOSE, b"\x03\xe8")
            + rawFrame(CONTINUATION, b"\xac"),
            [
                Frame(TEXT, b"\xe2", fin=False),
                Frame(PING, b"\xff"),
                Frame(CONTINUATION, b"\x82", fin=False),
                Frame(PONG),
                Frame(CLOSE, b"\x03\xe8"),
                Frame(CONTINUATION, b"\xac"),
            ],
        )

    def test_nothingToContinue(self) -> None:
        """
        A continuation needs a message that was begun and not ended.
        """
        for fin in (True, False):
            head = rawHead(CONTINUATION, 0, fin=fin)[:1]
            self.assertFails(head)
            self.assertFails(rawFrame(TEXT, b"a") + head, before=["a"])
            self.assertFails(rawFrame(PING) + head, before=[Frame(PING)])
            self.assertFails(
                rawFrame(BINARY, fin=False) + rawFrame(CONTINUATION) + head,
                before=[Frame(BINARY, fin=False), Frame(CONTINUATION)],
            )

    def test_interleaved(self) -> None:
        """
        A message can't start inside another.
        """
        for opcode in (TEXT, BINARY):
            for fin in (True, False):
                self.assertFails(
                    rawFrame(opcode, b"a", fin=False)
                    + rawFrame(PING)
                    + rawHead(opcode, 0, fin=fin)[:1],
                    before=[Frame(opcode, b"a", fin=False), Frame(PING)],
                )

    def test_notWhole(self) -> None:
        """
        Where fragments aren't to be assembled, lone frames come out as frames as well.
        """
        self.assertReads(
            rawFrame(TEXT, "é".encode()) + rawFrame(BINARY, b"\xff") + rawFrame(TEXT),
            [Frame(TEXT, "é".encode()), Frame(BINARY, b"\xff"), Frame(TEXT)],
            whole=False,
        )
        self.assertReads(
            rawFrame(TEXT, b"a", fin=False) + rawFrame(CONTINUATION, b"b"),
            [Frame(TEXT, b"a", fin=False), Frame(CONTINUATION, b"b")],
            whole=False,
        )

    def test_notWholeChecked(self) -> None:
        """
        The rules are the same then.
        """
        self.assertFails(rawFrame(TEXT, b"a\xff"), 1007, whole=False)
        self.assertFails(rawFrame(TEXT, b"a\xc3"), 1007, whole=False)
        self.assertFails(b"\x80", whole=False)
        self.assertFails(rawHead(BINARY, 11), 1009, whole=False, maxMessageSize=10)

    # Payloads in pieces

    def assertReadsPieces(
        self,
        data: bytes,
        expected: list[ReaderItem],
        most: int | None = None,
        **options: int,
    ) -> None:
        """
        However ``data`` is cut, this is found in it when fragments are joined again.
        """
        for pieces in everySplit(data, most):
            found = self.read(pieces, pieces=True, **options)
            self.assertEqual(joined(found), expected)

    def test_pieces(self) -> None:
        """
        In pieces a payload comes out as it arrives, as fragments of its message: the
        first has its opcode and bits, the last its end.
        """
        for mask in (b"", MASK):
            head = rawHead(BINARY, 10, rsv=RSV1, mask=mask)
            payload = xor(b"0123456789", mask) if mask else b"0123456789"
            reader = self.makeReader(masked=bool(mask), rsv=RSV1, pieces=True)
            self.assertEqual(reader.feed(head), [])
            found = [reader.feed(payload[:3])]
            found += [reader.feed(payload[3:4]), reader.feed(payload[4:])]
            expected: list[list[ReaderItem]] = [
                [Frame(BINARY, b"012", False, RSV1)],
                [Frame(CONTINUATION, b"3", False)],
                [Frame(CONTINUATION, b"456789")],
            ]
            self.assertEqual(found, expected)
            types = {type(item.payload) for [item] in found if isinstance(item, Frame)}
            self.assertEqual(types, {bytes})

    def test_piecesAnySplit(self) -> None:
        """
        However the network cuts them, messages in pieces carry the same, and control
        frames come out between them as they are.
        """
        for mask in (b"", MASK):
            data = (
                rawFrame(TEXT, "aé€😀".encode() * 3, mask=mask)
                + rawFrame(PING, b"ping", mask=mask)
                + rawFrame(BINARY, b"", mask=mask)
                + rawFrame(BINARY, b"one", fin=False, mask=mask)
                + rawFrame(PONG, b"pong", mask=mask)
                + rawFrame(CONTINUATION, b"", fin=False, mask=mask)
                + rawFrame(CONTINUATION, b"two" * 50, mask=mask)
                + rawFrame(TEXT, b"end", mask=mask)
            )
            expected: list[ReaderItem] = [
                Frame(TEXT, "aé€😀".encode() * 3),
                Frame(PING, b"ping"),
                Frame(BINARY),
                Frame(BINARY, b"one", False),
                Frame(PONG, b"pong"),
                Frame(CONTINUATION, b"two" * 50),
                Frame(TEXT, b"end"),
            ]
            self.assertReadsPieces(data, expected, masked=bool(mask))

    def test_piecesChecked(self) -> None:
        """
        The rules are the same for messages in pieces, and text is refused at its first
        bad byte.
        """
        cases = [
            (rawHead(TEXT, 500) + b"a\xff", 1007),
            (rawHead(TEXT, 500) + b"a\xed\xa0", 1007),
            (rawFrame(TEXT, b"a\xc3"), 1007),
            (rawFrame(TEXT, b"\xc3", fin=False) + rawFrame(CONTINUATION), 1007),
            (rawFrame(TEXT, b"a") + b"\x80", 1002),
            (rawFrame(BINARY, b"a", fin=False) + b"\x82", 1002),
            (rawHead(BINARY, 1025), 1009),
            (rawFrame(BINARY, b"a" * 1000, fin=False) + rawHead(0, 25), 1009),
        ]
        for data, code in cases:
            for pieces in everySplit(data, 60):
                failure = self.read(pieces, pieces=True, maxMessageSize=1024)[-1]
                self.assertIsInstance(failure, ProtocolFailure)
                self.assertEqual(failure[0], code)

    def test_piecesWanted(self) -> None:
        """
        What is missing of a frame is wanted, whatever came out of it already.
        """
        reader = self.makeReader(pieces=True)
        reader.feed(rawHead(BINARY, 1000) + b"1234")
        self.assertEqual(reader.bytesNeeded(), 996)

    def test_piecesNotKept(self) -> None:
        """
        In pieces nothing of a payload is kept, however large its message is.
        """
        reader = self.makeReader(pieces=True, masked=True, maxMessageSize=2**40)
        piece = b"x" * 2**16
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        reader.feed(rawHead(BINARY, 2**40, mask=MASK))
        for _ in range(64):
            [part] = reader.feed(piece)
            self.assertEqual(len(part[1]), 2**16)
        del part
        self.assertLess(tracemalloc.get_traced_memory()[0], 16 * 1024)
        self.assertLess(tracemalloc.get_traced_memory()[1], 1024 * 1024)

    # Sizes

    def test_frameLimit(self) -> None:
        """
        A frame may be as large as its limit. One more byte is refused with 1009 when it
        is announced, before any of the payload comes.
        """
        for limit in (1, 125, 126, 65535, 65536):
            for opcode in (TEXT, BINARY):
                data = rawFrame(opcode, b"x" * limit)
                expected = "x" * limit if opcode is TEXT else b"x" * limit
                self.assertReads(data, [expected], most=6, maxFrameSize=limit)
                for fin in (True, False):
                    head = rawHead(opcode, limit + 1, fin=fin)
                    self.assertFails(head, 1009, maxFrameSize=limit)

    def test_messageLimit(self) -> None:
        """
        The same goes for a message.
        """
        for limit in (1, 125, 126, 65535, 65536):
            data = rawFrame(BINARY, b"x" * limit, mask=MASK)
            self.assertReads(
                data, [b"x" * limit], most=6, masked=True, maxMessageSize=limit
            )
            head = rawHead(BINARY, limit + 1, mask=MASK)[:-4]
            self.assertFails(head, 1009, masked=True, maxMessageSize=limit)

    def test_hugeLengths(self) -> None:
        """
        Lengths at which arithmetic goes wrong elsewhere are just too big.
        """
        for length in (2**31, 2**32, 2**40, 2**53 + 1, 2**63 - 1):
            self.assertFails(rawHead(BINARY, length), 1009)

    def test_limitNamed(self) -> None:
        """
        The failure says which option the limit comes from, and what it is.
        """
        for option in ("maxFrameSize", "maxMessageSize"):
            [failure] = self.read([rawHead(BINARY, 11)], **{option: 10})
            self.assertIn(option.replace("max", "maxReceived"), failure.reason)
            self.assertIn("10 bytes", failure.reason)

    def test_noFrameLimit(self) -> None:
        """
        Without a limit of its own a frame may be as large as a message.
        """
        data = rawFrame(BINARY, b"x" * 70000)
        self.assertReads(data, [b"x" * 70000], most=6, maxMessageSize=70000)

    def test_fragmentsLimit(self) -> None:
        """
        The fragments of a message count together, and its limit is kept with the head
        of the first one too many.
        """
        start = rawFrame(BINARY, b"1234", fin=False)
        middle = rawFrame(CONTINUATION, b"5678", fin=False)
        before = [
            Frame(BINARY, b"1234", fin=False),
            Frame(CONTINUATION, b"5678", fin=False),
        ]
        self.assertReads(
            start + middle + rawFrame(CONTINUATION, b"90"),
            [*before, Frame(CONTINUATION, b"90")],
            maxMessageSize=10,
        )
        for fin in (True, False):
            head = rawHead(CONTINUATION, 3, fin=fin)
            self.assertFails(start + middle + head, 1009, before, maxMessageSize=10)

    def test_fragmentLimit(self) -> None:
        """
        The limit for frames goes for each fragment alone.
        """
        data = rawFrame(BINARY, b"1234", fin=False)
        before = [Frame(BINARY, b"1234", fin=False)]
        self.assertReads(
            data + rawFrame(CONTINUATION, b"5678"),
            [*before, Frame(CONTINUATION, b"5678")],
            maxFrameSize=4,
        )
        head = rawHead(CONTINUATION, 5)
        self.assertFails(data + head, 1009, before, maxFrameSize=4)

    def test_limitPerMessage(self) -> None:
        """
        Every message has the limit to itself, however many came before.
        """
        fragmented = rawFrame(BINARY, b"12", fin=False) + rawFrame(CONTINUATION, b"34")
        frames = [Frame(BINARY, b"12", fin=False), Frame(CONTINUATION, b"34")]
        self.assertReads(
            (fragmented + rawFrame(BINARY, b"1234")) * 3,
            [*frames, b"1234"] * 3,
            maxMessageSize=4,
        )

    def test_slack(self) -> None:
        """
        A message with an extension's bit may have a little more, in one frame or in
        several; a plain one may not.
        """
        options = {"maxMessageSize": 10, "slack": 3, "rsv": RSV1}
        whole = Frame(BINARY, b"x" * 13, rsv=RSV1)
        first = Frame(BINARY, b"x" * 10, fin=False, rsv=RSV1)
        plain = Frame(BINARY, b"x" * 10, fin=False)
        start = rawFrame(BINARY, b"x" * 10, fin=False, rsv=RSV1)
        self.assertReads(
            rawFrame(BINARY, b"x" * 13, rsv=RSV1)
            + start
            + rawFrame(CONTINUATION, b"abc")
            + rawFrame(BINARY, b"x" * 10),
            [whole, first, Frame(CONTINUATION, b"abc"), b"x" * 10],
            **options,
        )
        self.assertFails(rawHead(BINARY, 14, rsv=RSV1), 1009, **options)
        self.assertFails(rawHead(BINARY, 11), 1009, **options)
        self.assertFails(start + rawHead(CONTINUATION, 4), 1009, [first], **options)
        self.assertFails(
            rawFrame(BINARY, b"x" * 13, rsv=RSV1)
            + rawFrame(BINARY, b"x" * 10, fin=False)
            + rawHead(CONTINUATION, 1),
            1009,
            [whole, plain],
            **options,
        )

    def test_controlNotLimited(self) -> None:
        """
        Control frames have their own limit and don't count towards a message's.
        """
        for opcode in CONTROL:
            self.assertReads(
                rawFrame(BINARY, b"1", fin=False)
                + rawFrame(opcode, b"p" * 125)
                + rawFrame(CONTINUATION, b"2"),
                [
                    Frame(BINARY, b"1", fin=False),
                    Frame(opcode, b"p" * 125),
                    Frame(CONTINUATION, b"2"),
                ],
                maxMessageSize=2,
                maxFrameSize=1,
            )

    def test_nothingSetAside(self) -> None:
        """
        An announced length costs nothing until its bytes come.
        """
        head = rawHead(BINARY, 2**30)
        reader = self.makeReader(maxMessageSize=2**30)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(reader.feed(head + b"0123456789"), [])
        self.assertEqual(reader.feed(b"0123456789" * 100), [])
        self.assertLess(tracemalloc.get_traced_memory()[1], 64 * 1024)

    def test_nothingKept(self) -> None:
        """
        After a failure nothing of what had arrived is kept.
        """
        reader = self.makeReader(maxMessageSize=2**30)
        piece = b"x" * 2**20
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(reader.feed(rawHead(TEXT, 2**29) + piece), [])
        [failure] = reader.feed(b"\xff")
        self.assertEqual(failure.code, 1007)
        del piece
        self.assertLess(tracemalloc.get_traced_memory()[0], 64 * 1024)

    # Text

    def test_badByte(self) -> None:
        """
        Text is refused at its first bad byte, deep inside a large unfinished frame.
        """
        for text in (b"", b"a", "aé€😀".encode() * 5):
            for bad in (b"\xff", b"\x80", b"\xed\xa0", b"\xf4\x90", b"\xe0\x80"):
                payload = text + bad
                for fin in (True, False):
                    head = rawHead(TEXT, 500, fin=fin)
                    self.assertFails(head + payload, 1007)
                    head = rawHead(TEXT, 500, fin=fin, mask=MASK)
                    self.assertFails(head + xor(payload, MASK), 1007, masked=True)

    def test_badByteWhole(self) -> None:
        """
        Where a text message is there at once, it is refused just the same.
        """
        for bad in ("80", "c0af", "eda080", "f4908080", "e08080", "f0808080", "ff"):
            for text in (b"", b"good "):
                data = rawFrame(TEXT, text + bytes.fromhex(bad) + b" end")
                [ping, failure] = self.read([rawFrame(PING) + data])
                self.assertEqual(ping, Frame(PING))
                self.assertEqual((type(failure), failure.code), (ProtocolFailure, 1007))

    def test_cutCharacter(self) -> None:
        """
        A text message can't end inside a character.
        """
        for cut in (b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"):
            self.assertFails(rawFrame(TEXT, b"a" + cut), 1007)
            self.assertFails(rawFrame(TEXT, b"a" + cut, mask=MASK), 1007, masked=True)

    def test_textAcrossFragments(self) -> None:
        """
        A character may be cut between fragments.
        """
        text = "é€😀".encode()
        for cut in range(len(text) + 1):
            self.assertReads(
                rawFrame(TEXT, text[:cut], fin=False)
                + rawFrame(CONTINUATION, b"", fin=False)
                + rawFrame(CONTINUATION, text[cut:]),
                [
                    Frame(TEXT, text[:cut], fin=False),
                    Frame(CONTINUATION, b"", fin=False),
                    Frame(CONTINUATION, text[cut:]),
                ],
            )

    def test_badByteAcrossFragments(self) -> None:
        """
        What a fragment left open has to be made good by the next, from its first byte.
        """
        for start, bad in ((b"\xe2\x82", b"a"), (b"\xed", b"\xa0"), (b"\xf4", b"\x90")):
            self.assertFails(
                rawFrame(TEXT, start, fin=False) + rawHead(CONTINUATION, 200) + bad,
                1007,
                [Frame(TEXT, start, fin=False)],
            )

    def test_cutCharacterAcrossFragments(self) -> None:
        """
        Nor can a fragmented text message end inside a character, even if its last
        fragment is empty.
        """
        before = [Frame(TEXT, b"\xe2", fin=False)]
        for last in (b"\x82", b""):
            data = rawFrame(TEXT, b"\xe2", fin=False) + rawFrame(CONTINUATION, last)
            self.assertFails(data, 1007, before)

    def test_binaryNotChecked(self) -> None:
        """
        Binary messages may have any bytes, also after text and in fragments.
        """
        self.assertReads(
            rawFrame(TEXT, b"a", fin=False)
            + rawFrame(CONTINUATION, b"b")
            + rawFrame(BINARY, b"\xff", fin=False)
            + rawFrame(CONTINUATION, b"\xff")
            + rawFrame(BINARY, b"\xff"),
            [
                Frame(TEXT, b"a", fin=False),
                Frame(CONTINUATION, b"b"),
                Frame(BINARY, b"\xff", fin=False),
                Frame(CONTINUATION, b"\xff"),
                b"\xff",
            ],
        )

    def test_textAfterBinary(self) -> None:
        """
        Text is looked at again after a binary message.
        """
        self.assertFails(
            rawFrame(BINARY, b"\xff", fin=False)
            + rawFrame(CONTINUATION, b"\xff")
            + rawHead(TEXT, 9)
            + b"\xff",
            1007,
            [Frame(BINARY, b"\xff", fin=False), Frame(CONTINUATION, b"\xff")],
        )

    # Streams

    def test_manyFrames(self) -> None:
        """
        All frames of a chunk are found, whatever is among them.
        """
        texts = [str(n) for n in range(1000)]
        data = b"".join(rawFrame(TEXT, text.encode(), mask=MASK) for text in texts)
        self.assertReads(data, texts, most=60, masked=True)

    def test_mixedStream(self) -> None:
        """
        Frames of all kinds, cut anywhere, come out the same.
        """
        for mask in (b"", MASK):
            data = (
                rawFrame(TEXT, "é".encode(), mask=mask)
                + rawFrame(BINARY, b"b" * 130, fin=False, mask=mask)
                + rawFrame(PING, b"p", mask=mask)
                + rawFrame(CONTINUATION, b"c", mask=mask)
                + rawFrame(TEXT, b"", mask=mask)
                + rawFrame(CLOSE, b"\x03\xe8bye", mask=mask)
            )
            expected = [
                "é",
                Frame(BINARY, b"b" * 130, fin=False),
                Frame(PING, b"p"),
                Frame(CONTINUATION, b"c"),
                "",
                Frame(CLOSE, b"\x03\xe8bye"),
            ]
            self.assertReads(data, expected, masked=bool(mask))

    def test_deaf(self) -> None:
        """
        After a failure nothing is read any more, neither in the same chunk nor later.
        """
        good = rawFrame(TEXT, b"good")
        for bad in (b"\x83", rawHead(BINARY, 2**21), rawFrame(TEXT, b"\xff")):
            reader = self.makeReader()
            first, failure = reader.feed(good + bad + good)
            self.assertEqual((first, type(failure)), ("good", ProtocolFailure))
            self.assertEqual(reader.feed(good), [])
            self.assertEqual(reader.feed(bad), [])

    def test_deafInside(self) -> None:
        """
        That holds as well if the failure came in the middle of a frame.
        """
        reader = self.makeReader()
        [failure] = reader.feed(rawHead(TEXT, 9) + b"\xff")
        self.assertEqual(failure.code, 1007)
        self.assertEqual(reader.feed(b"12345678" + rawFrame(TEXT, b"good")), [])

    def test_independent(self) -> None:
        """
        What one reader saw is nothing to another.
        """
        broken, reader = self.makeReader(), self.makeReader()
        broken.feed(rawFrame(TEXT, b"\xe2", fin=False))
        broken.feed(b"\x83")
        self.assertEqual(reader.feed(rawFrame(TEXT, b"fine")), ["fine"])

    def test_wanted(self) -> None:
        """
        Whoever feeds no more than is wanted never goes beyond a frame, so that each
        chunk completes one at most.
        """
        for mask in (b"", MASK):
            data = (
                rawFrame(BINARY, b"b" * 300, mask=mask)
                + rawFrame(TEXT, mask=mask)
                + rawFrame(TEXT, b"text", mask=mask)
            )
            reader = self.makeReader(masked=bool(mask))
            found = []
            while data:
                wanted = reader.bytesNeeded()
                self.assertGreater(wanted, 0)
                items = reader.feed(data[:wanted])
                self.assertLessEqual(len(items), 1)
                found += items
                data = data[wanted:]
            self.assertEqual(found, [b"b" * 300, "", "text"])

    def test_wantedPayload(self) -> None:
        """
        Inside a frame all that is missing of its payload is wanted at once.
        """
        reader = self.makeReader()
        reader.feed(rawHead(BINARY, 1000) + b"1234")
        self.assertEqual(reader.bytesNeeded(), 996)
        reader.feed(b"x" * 900)
        self.assertEqual(reader.bytesNeeded(), 96)
        self.assertEqual(reader.feed(b"x" * 96), [b"1234" + b"x" * 996])
        self.assertEqual(reader.bytesNeeded(), 1)

    # Framing

    def test_heads(self) -> None:
        """
        A head has the shortest form of its length, and the mask at its end.
        """
        for length in (*LENGTHS, 2**32, 2**63 - 1):
            for opcode in Opcode:
                for mask in (b"", MASK):
                    self.assertEqual(
                        self.encodeHeader(opcode, length, mask),
                        rawHead(opcode, length, mask=mask),
                    )

    def test_flags(self) -> None:
        """
        The flags tell a fragment from a last frame, and carry extension bits.
        """
        self.assertEqual(self.encodeHeader(TEXT, 1, flags=0), b"\x01\x01")
        self.assertEqual(self.encodeHeader(TEXT, 1, b"", FIN | RSV1), b"\xc1\x01")
        self.assertEqual(self.encodeFrame(TEXT, b"a", flags=0), b"\x01\x01a")
        self.assertEqual(self.encodeFrame(TEXT, b"a", b"", FIN | RSV1), b"\xc1\x01a")

    def test_frames(self) -> None:
        """
        A frame is its head and its payload, masked if there is a mask.
        """
        for length in LENGTHS:
            payload = (b"0123456789abcde" * 4370)[:length]
            for mask in (b"", MASK):
                self.assertEqual(
                    self.encodeFrame(BINARY, payload, mask),
                    rawFrame(BINARY, payload, mask=mask),
                )

    def test_textFrames(self) -> None:
        """
        Text is framed as UTF-8, and not at all if it has none.
        """
        for text in ("", "a", "ü€👩", "x" * 5000, "€" * 30_000):
            for mask in (b"", MASK):
                self.assertEqual(
                    self.encodeFrame(TEXT, text, mask),
                    rawFrame(TEXT, text.encode(), mask=mask),
                )
        self.assertRaises(UnicodeEncodeError, self.encodeFrame, TEXT, "\ud800")

    def test_exampleFrames(self) -> None:
        """
        The examples of RFC 6455, 5.7 come out.
        """
        self.assertEqual(
            self.encodeFrame(TEXT, b"Hello"), bytes.fromhex("810548656c6c6f")
        )
        self.assertEqual(
            self.encodeFrame(TEXT, b"Hello", MASK),
            bytes.fromhex("818537fa213d7f9f4d5158"),
        )

    def test_roundTrip(self) -> None:
        """
        What the one side frames the other side reads, in both directions.
        """
        for length in LENGTHS:
            for mask in (b"", MASK):
                data = self.encodeFrame(TEXT, b"t" * length, mask)
                self.assertReads(data, ["t" * length], most=6, masked=bool(mask))


class PythonFrameReaderTests(FrameReaderTestsMixin, SynchronousTestCase):
    """
    Tests of the twin in Python.
    """

    reader = frames.FrameReader
    encodeHeader = staticmethod(frames.encodeHeader)
    encodeFrame = staticmethod(frames.encodeFrame)


if native is not None:

    class NativeFrameReaderTests(FrameReaderTestsMixin, SynchronousTestCase):
        """
        Tests of the native twin.
        """

        reader = native.FrameReader
        encodeHeader = staticmethod(native.encodeHeader)
        encodeFrame = staticmethod(native.encodeFrame)


class FrameWriterTestsMixin:
    """
    What both writers promise.
    """

    writer: type[frames.FrameQueue]

    def makeWriter(self, *masks: bytes, room: int = 2**20) -> frames.FrameQueue:
        """
        A writer with room; a client's if there are masks, which it takes in turn.
        """
        writer = self.writer(iter(masks).__next__) if masks else self.writer()
        writer.fastPathLimit = room
        return writer

    def test_new(self) -> None:
        """
        At first nothing waits, and there is no room.
        """
        writer = self.writer()
        state = (writer.frames, writer.size, writer.messages, writer.fastPathLimit)
        self.assertEqual(state, ([], 0, 0, 0))
        self.assertIs(writer.putMessage("x"), False)
        self.assertRaises(TypeError, self.writer, None, None)

    def test_uncallable(self) -> None:
        """
        What can't give masks is refused at once, and told what would do.
        """
        error = self.assertRaises(TypeError, self.writer, b"abcd")
        reason = "nextMask must be callable or None, not b'abcd'"
        self.assertEqual(str(error), reason)

    def test_counts(self) -> None:
        """
        The messages of a writer whose counts were set to extremes are put or refused,
        and none is put without being counted.
        """
        writer = self.makeWriter(room=sys.maxsize)
        writer.size = sys.maxsize - 1
        with contextlib.suppress(OverflowError):
            writer.putMessage("x")
        self.assertEqual(len(writer.frames), writer.messages)
        writer.size = -sys.maxsize
        self.assertIs(writer.putMessage("x"), True)

    def test_put(self) -> None:
        """
        A small message is framed, and waits behind what waited before.
        """
        messages: tuple[str | bytes, ...] = ("", b"", "ü", b"\xff", "€" * 4096)
        for masks in ((), (b"abcd", b"efgh")):
            for message in (*messages, "x" * 125, b"x" * 126, b"x" * 4096):
                writer = self.makeWriter(*masks)
                self.assertIs(writer.putMessage(b"before"), True)
                self.assertIs(writer.putMessage(message), True)
                opcode = TEXT if isinstance(message, str) else BINARY
                octets = message.encode() if isinstance(message, str) else message
                first, second = masks or (b"", b"")
                expected = [
                    rawFrame(BINARY, b"before", mask=first),
                    rawFrame(opcode, octets, mask=second),
                ]
                self.assertEqual(writer.frames, expected)
                self.assertEqual(writer.size, sum(map(len, expected)))
                self.assertEqual(writer.messages, 2)

    def test_leave(self) -> None:
        """
        What is large, or no message, is left to others; what can't be sent raises.
        """
        writer = self.makeWriter()
        for other in ("x" * 4097, b"x" * 4097, bytearray(b"x"), None, 5, ["x"]):
            self.assertIs(writer.putMessage(other), False)
        self.assertRaises(UnicodeEncodeError, writer.putMessage, "\ud800")
        self.assertEqual((writer.frames, writer.size, writer.messages), ([], 0, 0))

    def test_room(self) -> None:
        """
        A message is put as long as less waits than there is room for.
        """
        writer = self.makeWriter(room=10)
        put = [writer.putMessage("12345678") for _ in range(2)]
        self.assertEqual((put, writer.size), ([True, False], 10))
        writer.fastPathLimit = 11
        self.assertEqual((writer.putMessage(""), writer.size), (True, 12))

    def test_mask(self) -> None:
        """
        If there is no mask to be had, nothing is put, and what is wrong is told.
        """
        writer = self.makeWriter(MASK)
        writer.putMessage("x")
        self.assertRaises(StopIteration, writer.putMessage, "x")
        self.assertEqual((len(writer.frames), writer.size, writer.messages), (1, 7, 1))

    def test_taken(self) -> None:
        """
        Whoever takes what waits, or adds to it, says so; what comes then is counted on.
        """
        writer = self.makeWriter()
        writer.putMessage("a")
        taken, writer.frames, writer.size = writer.frames, [], 5
        writer.messages += 3
        writer.putMessage("b")
        self.assertEqual((len(taken), len(writer.frames)), (1, 1))
        self.assertEqual((writer.size, writer.messages), (8, 5))

    def test_cycle(self) -> None:
        """
        A writer that what it knows leads back to is let go of.
        """

        class Derived(self.writer):  # type: ignore[misc, name-defined]
            def nextMask(self) -> bytes:
                return b"abcd"

        writer = Derived()
        writer.__init__(writer.nextMask)  # type: ignore[misc]
        writer.fastPathLimit = 100
        writer.putMessage("x")
        gone = ref(writer)
        del writer
        gc.collect()
        self.assertIsNone(gone())


class PythonFrameWriterTests(FrameWriterTestsMixin, SynchronousTestCase):
    """
    Tests of the twin in Python.
    """

    writer = frames.FrameQueue


if native is not None:

    class NativeFrameWriterTests(FrameWriterTestsMixin, SynchronousTestCase):
        """
        Tests of the native twin.
        """

        writer = native.FrameQueue

        def test_otherVersion(self) -> None:
            """
            A native twin that was built for another version of the package says which
            name is missing.
            """
            program = (
                "import sys\n"
                "from txwebsocket.wire import frames\n"
                "del frames.ProtocolFailure\n"
                "sys.modules.pop('txwebsocket.wire._speedups', None)\n"
                "import txwebsocket.wire._speedups\n"
            )
            ran = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True,
                text=True,
                check=False,
            )
            [*_, last] = ran.stderr.splitlines()
            self.assertIn("no attribute 'ProtocolFailure'", last)

        def test_abuse(self) -> None:
            """
            No deleted attribute, no value of a wrong type, no subclass that skips
            ``__init__`` and no callback that changes its writer crashes the process.
            """
            abuse = Path(__file__).parents[1] / "tools" / "native" / "abuse.py"
            ran = subprocess.run(
                [sys.executable, abuse], capture_output=True, text=True, check=False
            )
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout)


class FrameTests(SynchronousTestCase):
    """
    Tests of :class:`Frame`.
    """

    def test_defaults(self) -> None:
        """
        A frame is empty, whole and plain unless it says otherwise.
        """
        frame = Frame(PING)
        self.assertEqual((frame.payload, frame.fin, frame.rsv), (b"", True, 0))
