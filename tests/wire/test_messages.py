# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.messages`.
"""

import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from tests.splits import everySplit
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import FIN, Frame
from txwebsocket.wire.messages import MessageAssembler, fragment

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
