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

    def test_text(self) -> None:
        """
        The fragments of a text make one string, wherever they were cut.
        """
        assembler = MessageAssembler()
        for pieces in everySplit("aé€😀".encode()):
            *early, last = map(assembler.add, fragments(TEXT, pieces))
            self.assertEqual(early, [None] * len(early))
            self.assertEqual(last, "aé€😀")

    def test_binary(self) -> None:
        """
        The fragments of a binary message make bytes that nobody else holds.
        """
        assembler = MessageAssembler()
        for pieces in everySplit(b"\xff\x00\x01"):
            *early, last = map(assembler.add, fragments(BINARY, pieces))
            self.assertEqual(early, [None] * len(early))
            self.assertEqual(last, b"\xff\x00\x01")
            self.assertIs(type(last), bytes)

    def test_empty(self) -> None:
        """
        A message of nothing but empty fragments is an empty message, not none.
        """
        assembler = MessageAssembler()
        for opcode, expected in ((TEXT, ""), (BINARY, b"")):
            frames = fragments(opcode, [b"", b"", b""])
            self.assertEqual(list(map(assembler.add, frames)), [None, None, expected])

    def test_oneByOne(self) -> None:
        """
        A message starts with nothing of the one before it.
        """
        assembler = MessageAssembler()
        frames = [
            *fragments(TEXT, [b"a", b"b"]),
            *fragments(BINARY, [b"c", b"d"]),
            *fragments(TEXT, [b"e"]),
        ]
        found = [m for m in map(assembler.add, frames) if m is not None]
        self.assertEqual(found, ["ab", b"cd", "e"])

    def test_tinyFragments(self) -> None:
        """
        A fragment costs its bytes and nothing else, however small it is.
        """
        assembler = MessageAssembler()
        assembler.add(Frame(BINARY, b"x", fin=False))
        piece = Frame(CONTINUATION, b"x", fin=False)
        nothing = Frame(CONTINUATION, b"", fin=False)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(20000):
            assembler.add(piece)
            assembler.add(nothing)
        self.assertLess(tracemalloc.get_traced_memory()[0], 40000)
        self.assertEqual(assembler.add(Frame(CONTINUATION)), b"x" * 20001)


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
            self.assertEqual([assembler.add(frame) for frame in frames][-1], payload)
