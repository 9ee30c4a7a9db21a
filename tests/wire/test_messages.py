# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.messages`.
"""

import gc
import tracemalloc
import zlib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from tests.wire.test_extensions import Changer
from txwebsocket import Deflate
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.extensions import READ_WORK, acceptOffers
from txwebsocket.wire.frames import FIN, Frame
from txwebsocket.wire.grammar import ExtensionHeader
from txwebsocket.wire.inflate import END_WORK, MAX_ENDS, TAIL
from txwebsocket.wire.messages import (
    WORK_PER_TURN,
    MessageAssembler,
    MessageDecoder,
    fragment,
)

CONTINUATION, TEXT, BINARY = Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY


def fragments(opcode: int, pieces: list[bytes]) -> list[Frame]:
    """
    The frames of a message in these pieces.
    """
    last = len(pieces) - 1
    return [
        Frame(CONTINUATION if n else opcode, piece, fin=n == last)
        for n, piece in enumerate(pieces)
    ]


def compressed(data: bytes, level: int = 9) -> bytes:
    """
    What travels of a message.
    """
    deflater = zlib.compressobj(level, wbits=-15)
    flushed = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return flushed.removesuffix(TAIL)


class MessageAssemblerTests(SynchronousTestCase):
    """
    Tests of :class:`MessageAssembler`.
    """

    def setUp(self) -> None:
        self.assembler = MessageAssembler()

    def test_joined(self) -> None:
        """
        The fragments of a message make one frame, wherever they were cut, whose payload
        nobody else holds.
        """
        for opcode in (TEXT, BINARY):
            for pieces in everySplit(b"\xff\x00\x01"):
                *early, last = map(self.assembler.add, fragments(opcode, pieces))
                self.assertEqual(early, [None] * len(early))
                self.assertEqual(last, Frame(opcode, b"\xff\x00\x01"))
                self.assertIs(type(last.payload), bytes)

    def test_lone(self) -> None:
        """
        A frame that is a whole message comes back as it is.
        """
        frame = Frame(BINARY, b"a", rsv=0x40)
        self.assertIs(self.assembler.add(frame), frame)

    def test_extensionBits(self) -> None:
        """
        The bits of a message are those of its first frame.
        """
        self.assertIsNone(self.assembler.add(Frame(TEXT, b"a", fin=False, rsv=0x40)))
        message = self.assembler.add(Frame(CONTINUATION, b"b"))
        self.assertEqual(message, Frame(TEXT, b"ab", rsv=0x40))

    def test_empty(self) -> None:
        """
        A message of nothing but empty fragments is an empty message, not none.
        """
        for opcode in (TEXT, BINARY):
            found = list(map(self.assembler.add, fragments(opcode, [b"", b"", b""])))
            self.assertEqual(found, [None, None, Frame(opcode)])

    def test_oneByOne(self) -> None:
        """
        A message starts with nothing of the one before it.
        """
        frames = [
            Frame(TEXT, b"a", fin=False, rsv=0x40),
            Frame(CONTINUATION, b"b"),
            *fragments(BINARY, [b"c", b"d"]),
            *fragments(TEXT, [b"e"]),
        ]
        found = [m for m in map(self.assembler.add, frames) if m is not None]
        self.assertEqual(
            found,
            [Frame(TEXT, b"ab", rsv=0x40), Frame(BINARY, b"cd"), Frame(TEXT, b"e")],
        )

    def test_tinyFragments(self) -> None:
        """
        A fragment costs its bytes and nothing else, however small it is.
        """
        self.assembler.add(Frame(BINARY, b"x", fin=False))
        piece = Frame(CONTINUATION, b"x", fin=False)
        nothing = Frame(CONTINUATION, b"", fin=False)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(20000):
            self.assembler.add(piece)
            self.assembler.add(nothing)
        self.assertLess(tracemalloc.get_traced_memory()[0], 40000)
        message = self.assembler.add(Frame(CONTINUATION))
        self.assertEqual(message, Frame(BINARY, b"x" * 20001))

    def test_joining(self) -> None:
        """
        What has been joined is not copied for each fragment that follows.
        """
        size = 2**20
        self.assembler.add(Frame(BINARY, b"x" * size, fin=False))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        # The buffer may have to move once, to a place with more room.
        self.assembler.add(Frame(CONTINUATION, b"x" * 64, fin=False))
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(64):
            self.assembler.add(Frame(CONTINUATION, b"x" * 64, fin=False))
        _, most = tracemalloc.get_traced_memory()
        self.assertLess(most - before, size // 2)


class MessageDecoderTests(SynchronousTestCase):
    """
    Tests of :class:`MessageDecoder`.
    """

    def makeDecoder(self, limit: int = 2**30) -> MessageDecoder:
        """
        One of a server whose client compresses.
        """
        [agreed] = acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])
        self.transform = agreed.transform
        return MessageDecoder([agreed.transform], limit)

    def finish(self, decoder: MessageDecoder) -> tuple[object, int]:
        """
        What becomes of a message, and how many turns that takes beyond the first.
        """
        turns, found = 0, None
        while found is None:
            self.assertTrue(decoder.isSendingFragments)
            decoder.beginTurn()
            found = decoder.proceed()
            turns += 1
        self.assertFalse(decoder.isSendingFragments)
        return found, turns

    def test_small(self) -> None:
        """
        A message that takes one step is there at once, and the turn is not over.
        """
        decoder = self.makeDecoder()
        for opcode, found in ((TEXT, "a" * 999), (BINARY, b"a" * 999)):
            message = Frame(opcode, compressed(b"a" * 999), rsv=0x40)
            self.assertEqual(decoder.start(message), found)
            self.assertFalse(decoder.isSendingFragments)
            self.assertFalse(decoder.isTurnOver())

    def test_large(self) -> None:
        """
        A message that becomes larger than a turn allows is there after several of them.
        """
        data = bytes(10 * WORK_PER_TURN)
        # What looks like a bomb is measured before it is kept; of what is as large on
        # the wire, each byte that is read counts.
        for level, most in ((6, 21), (0, 10 * (READ_WORK + 1))):
            payload = compressed(data, level)
            decoder = self.makeDecoder()
            self.assertIsNone(decoder.start(Frame(BINARY, payload, rsv=0x40)))
            self.assertTrue(decoder.isTurnOver())
            found, turns = self.finish(decoder)
            self.assertEqual(found, data)
            self.assertIn(turns, range(8, most))

    def test_many(self) -> None:
        """
        What several messages cost is added up, until the next turn begins.
        """
        decoder = self.makeDecoder()
        message = Frame(BINARY, compressed(bytes(WORK_PER_TURN // 4)), rsv=0x40)
        for _ in range(3):
            found = []
            while not decoder.isTurnOver():
                found.append(decoder.start(message))
            self.assertEqual(len(found), 4)
            decoder.beginTurn()

    def test_ends(self) -> None:
        """
        Each block that is marked as the last one counts, though nothing comes of it.
        """
        decoder = self.makeDecoder()
        message = Frame(BINARY, b"\x03\x00" * MAX_ENDS, rsv=0x40)
        for _ in range(3):
            number = 0
            while not decoder.isTurnOver():
                found = decoder.start(message)
                number += 1
            self.assertEqual(number, WORK_PER_TURN // (MAX_ENDS * END_WORK))
            decoder.beginTurn()
            self.assertEqual(decoder.proceed() if found is None else found, b"")

    def test_elsewhere(self) -> None:
        """
        What was made elsewhere counts, too.
        """
        decoder = self.makeDecoder()
        decoder.note(WORK_PER_TURN)
        self.assertFalse(decoder.isTurnOver())
        decoder.note(1)
        self.assertTrue(decoder.isTurnOver())

    def test_unaware(self) -> None:
        """
        What an extension does that knows no steps is done at once, and counts; around
        it, another one does its steps.
        """
        data = b"ab" * WORK_PER_TURN
        [deflated] = acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])
        reversal = Changer().accept(ExtensionHeader("x-reversal"))
        assert reversal is not None
        for transforms, payload in (
            ([reversal.transform], data[::-1]),
            ([reversal.transform, deflated.transform], compressed(data[::-1])),
            ([deflated.transform, reversal.transform], compressed(data)[::-1]),
        ):
            decoder = MessageDecoder(transforms, 2**30)
            found = decoder.start(Frame(BINARY, payload, rsv=0x60))
            self.assertTrue(decoder.isTurnOver())
            if found is None:
                found, _ = self.finish(decoder)
            self.assertEqual(found, data)

    def test_failures(self) -> None:
        """
        What is wrong with a message is told, in the turn that finds it.
        """
        large = bytes(3 * WORK_PER_TURN)
        for data, limit, opcode, code in (
            (b"\xff" * 9, 2**30, BINARY, 1007),
            (compressed(b"\xff"), 2**30, TEXT, 1007),
            (compressed(large + b"\xff"), 2**30, TEXT, 1007),
            (compressed(large) + TAIL + b"\xff" * 9, 2**30, BINARY, 1007),
            (compressed(large), 10, BINARY, 1009),
            (compressed(large), len(large) - 1, BINARY, 1009),
        ):
            decoder = self.makeDecoder(limit)
            found: Any = decoder.start(Frame(opcode, data, rsv=0x40))
            if found is None:
                found, _ = self.finish(decoder)
            self.assertEqual(found.code, code)
            self.assertFalse(decoder.isSendingFragments)

    def test_end(self) -> None:
        """
        When the connection is over nothing is kept of what extensions need.
        """
        decoder = self.makeDecoder()
        decoder.start(Frame(BINARY, compressed(bytes(9 * WORK_PER_TURN)), rsv=0x40))
        decoder.end()
        self.assertFalse(decoder.isSendingFragments)
        self.assertIsNone(decoder.proceed())
        kept = gc.get_referents(decoder)
        self.assertFalse([each for each in kept if each == [self.transform]])
        self.assertNotIn((self.transform,), kept)


class FragmentTests(SynchronousTestCase):
    """
    Tests of :func:`fragment`.
    """

    def test_cut(self) -> None:
        """
        Every frame is full but the last, which alone ends the message.
        """
        self.assertEqual(
            list(fragment(TEXT, b"abcde", 2)),
            [(TEXT, b"ab", 0), (CONTINUATION, b"cd", 0), (CONTINUATION, b"e", FIN)],
        )

    def test_even(self) -> None:
        """
        Where the size divides the message, no empty frame follows.
        """
        self.assertEqual(
            list(fragment(BINARY, b"abcd", 2)),
            [(BINARY, b"ab", 0), (CONTINUATION, b"cd", FIN)],
        )

    def test_one(self) -> None:
        """
        What fits into one frame, be it nothing, is one frame.
        """
        for payload in (b"", b"a", b"ab"):
            for size in range(max(len(payload), 1), 4):
                frames = list(fragment(TEXT, payload, size))
                self.assertEqual(frames, [(TEXT, payload, FIN)])

    def test_joined(self) -> None:
        """
        What was cut can be joined again, for any size.
        """
        payload = bytes(range(50))
        for size in range(1, 60):
            assembler = MessageAssembler()
            frames = [
                Frame(opcode, part, fin=flags == FIN)
                for opcode, part, flags in fragment(BINARY, payload, size)
            ]
            message = [assembler.add(frame) for frame in frames][-1]
            self.assertEqual(message, Frame(BINARY, payload))
