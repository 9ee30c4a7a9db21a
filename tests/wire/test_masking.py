# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.masking`.
"""

from twisted.trial.unittest import SynchronousTestCase

from tests.support.raw import MASK, xor
from tests.support.splits import everySplit
from txwebsocket.wire.masking import applyMask


class ApplyMaskTests(SynchronousTestCase):
    """
    Tests of :func:`applyMask`.
    """

    def test_example(self) -> None:
        """
        The example of RFC 6455, 5.7 comes out.
        """
        self.assertEqual(applyMask(b"Hello", MASK), b"\x7f\x9f\x4d\x51\x58")

    def test_everyLength(self) -> None:
        """
        Octet i is masked with octet i modulo 4, for payloads of all lengths.
        """
        data = bytes(range(256)) * 5
        for size in (*range(70), 1000, 1279):
            masked = applyMask(data[:size], MASK)
            self.assertEqual(masked, xor(data[:size], MASK))

    def test_undone(self) -> None:
        """
        Masking twice gives back what was there.
        """
        data = "über den Wolken".encode()
        self.assertEqual(applyMask(applyMask(data, MASK), MASK), data)

    def test_zeros(self) -> None:
        """
        Leading and trailing zeros keep their place.
        """
        self.assertEqual(applyMask(MASK * 2, MASK), bytes(8))
        self.assertEqual(applyMask(bytes(6), b"\0\0\0\0"), bytes(6))

    def test_offset(self) -> None:
        """
        A payload can be masked piece by piece, wherever it is cut.
        """
        data = bytes(range(100, 123))
        for pieces in everySplit(data):
            masked, done = b"", 0
            for piece in pieces:
                masked += applyMask(piece, MASK, done)
                done += len(piece)
            self.assertEqual(masked, xor(data, MASK))

    def test_memoryview(self) -> None:
        """
        A view on bytes is masked without being copied first.
        """
        view = memoryview(b"Hello, world")[:5]
        self.assertEqual(applyMask(view, MASK), b"\x7f\x9f\x4d\x51\x58")
