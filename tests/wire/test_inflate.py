# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.inflate`.
"""

import zlib
from collections.abc import Iterable
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from txwebsocket.wire.extensions import MessageTooBig
from txwebsocket.wire.inflate import MAX_ENDS, STEP, TAIL, Inflation, lastBytes

TEXT = b"It was the best of times, it was the worst of times. " * 8


def compressed(data: bytes, mode: int = zlib.Z_SYNC_FLUSH) -> bytes:
    """
    What travels of a message: the flush without its tail.
    """
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (deflater.compress(data) + deflater.flush(mode)).removesuffix(TAIL)


def inflation(limit: int = 2**30) -> Inflation:
    """
    One that begins.
    """
    return resumed(zlib.decompressobj(-15), limit)


def resumed(inflater: Any, limit: int = 2**20) -> Inflation:
    """
    One that begins with what the messages before have left.
    """
    return Inflation(zlib, inflater, 15, limit, lambda: None)


def inflate(pieces: Iterable[bytes], limit: int = 2**30) -> list[bytes]:
    """
    What becomes of these.
    """
    return list(inflation(limit).run(iter(pieces)))


class InflationTests(SynchronousTestCase):
    """
    Tests of inflating in pieces.
    """

    def test_anySplit(self) -> None:
        """
        However a message is cut, it comes out the same.
        """
        for data in (b"", b"a", TEXT, Random(1).randbytes(3000)):
            for pieces in everySplit(compressed(data), 200):
                self.assertEqual(b"".join(inflate(filter(None, pieces))), data)

    def test_steps(self) -> None:
        """
        What is small becomes large in steps of a bounded size.
        """
        sizes = list(map(len, inflate([compressed(bytes(10 * STEP + 7))])))
        self.assertEqual(sum(sizes), 10 * STEP + 7)
        self.assertEqual(max(sizes), STEP)

    def test_onDemand(self) -> None:
        """
        No step is done before it is asked for.
        """
        asked = []

        def pieces() -> Iterable[bytes]:
            for number, piece in enumerate((compressed(bytes(2 * STEP)), b"")):
                asked.append(number)
                yield piece

        steps = inflation().run(iter(pieces()))
        self.assertEqual(asked, [])
        self.assertEqual(len(next(steps)), STEP)
        self.assertEqual(len(next(steps)), STEP)
        self.assertEqual(asked, [0])

    def test_nothingYet(self) -> None:
        """
        That more has to arrive first is passed on; otherwise no piece is empty.
        """
        data = compressed(TEXT)
        found = inflate([data[:1], b"", data[1:9], b"", data[9:]])
        self.assertEqual(found.count(b""), 2)
        self.assertEqual(b"".join(found), TEXT)

    def test_limit(self) -> None:
        """
        A message may have as many bytes as the limit says, and not one more.
        """
        for size in (len(TEXT), len(TEXT) + 1):
            run = inflation(size).run(iter([compressed(TEXT)]))
            self.assertEqual(b"".join(run), TEXT)
        run = inflation(len(TEXT) - 1).run(iter([compressed(TEXT)]))
        self.assertRaises(MessageTooBig, list, run)

    def test_bomb(self) -> None:
        """
        What would become too large is given up after the step that tells.
        """
        steps = inflation(3 * STEP).run(iter([compressed(bytes(2**26))]))
        self.assertEqual([len(next(steps)) for _ in range(3)], [STEP] * 3)
        self.assertRaises(MessageTooBig, next, steps)

    def test_corrupt(self) -> None:
        """
        What is no compressed data raises, wherever the fault is.
        """
        for data in (b"\xff\xff\xff", compressed(TEXT)[:20] + b"\xff" * 50):
            for pieces in everySplit(data):
                error = self.assertRaises(ValueError, inflate, pieces)
                self.assertIn("corrupt", str(error))

    def test_context(self) -> None:
        """
        What comes next may refer to what came before, also in the message before.
        """
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        inflater = zlib.decompressobj(-15)
        for _ in range(3):
            data = deflater.compress(TEXT) + deflater.flush(zlib.Z_SYNC_FLUSH)
            one = resumed(inflater)
            self.assertEqual(b"".join(one.run(iter([data.removesuffix(TAIL)]))), TEXT)
            inflater = one.inflater
        self.assertLess(len(data), 30)

    def test_ends(self) -> None:
        """
        Compressed data may end and go on, and may then refer to what came before the
        end, however it is cut.
        """
        second = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=TEXT)
        again = second.compress(TEXT) + second.flush(zlib.Z_FINISH)
        data = compressed(TEXT, zlib.Z_FINISH) + again
        self.assertLess(len(again), 30)
        for pieces in everySplit(data):
            self.assertEqual(b"".join(inflate(pieces)), TEXT * 2)
        data += compressed(b"end")
        for pieces in everySplit(data):
            self.assertEqual(b"".join(inflate(pieces)), TEXT * 2 + b"end")

    def test_afterEnd(self) -> None:
        """
        A message may follow one whose data ended with it.
        """
        first = inflation()
        data = compressed(TEXT, zlib.Z_FINISH)
        self.assertEqual(b"".join(first.run(iter([data]))), TEXT)
        second = resumed(first.inflater)
        self.assertEqual(b"".join(second.run(iter([compressed(TEXT)]))), TEXT)

    def test_longWindow(self) -> None:
        """
        Of all that was made before an end, what may be referred to is known.
        """
        noise = Random(2).randbytes(5 * STEP)
        second = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=noise[-(2**15) :])
        again = second.compress(noise[-30000:]) + second.flush(zlib.Z_FINISH)
        self.assertLess(len(again), 1000)
        for size in (7, 1000, 10**6):
            data = compressed(noise, zlib.Z_FINISH) + again
            pieces = [data[at : at + size] for at in range(0, len(data), size)]
            self.assertEqual(b"".join(inflate(pieces)), noise + noise[-30000:])

    def test_tooManyEnds(self) -> None:
        """
        Compressed data that ends again and again is refused.
        """
        end = compressed(b"", zlib.Z_FINISH)
        self.assertEqual(inflate([end * MAX_ENDS]), [])
        error = self.assertRaises(ValueError, inflate, [end * (MAX_ENDS + 1)])
        self.assertIn("too often", str(error))


class LastBytesTests(SynchronousTestCase):
    """
    Tests of the end of what came in pieces.
    """

    def test_lastBytes(self) -> None:
        """
        The last bytes come from as many pieces as they stand in.
        """
        pieces = [b"abc", b"", b"de"]
        found = [lastBytes(pieces, size) for size in range(7)]
        self.assertEqual(found, [b"", b"e", b"de", b"cde", b"bcde", b"abcde", b"abcde"])
