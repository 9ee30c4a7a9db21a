# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.utf8`.
"""

from collections.abc import Iterable
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from txwebsocket.wire.utf8 import Utf8Decoder, Utf8Validator

# What may follow a first byte, octet by octet: the table of RFC 3629, 4.
_TAIL = range(0x80, 0xC0)
_FOLLOWERS: dict[int, tuple[range, ...]] = {
    **dict.fromkeys(range(0x80), ()),
    **dict.fromkeys(range(0xC2, 0xE0), (_TAIL,)),
    **dict.fromkeys(range(0xE1, 0xF0), (_TAIL, _TAIL)),
    0xE0: (range(0xA0, 0xC0), _TAIL),
    0xED: (range(0x80, 0xA0), _TAIL),
    **dict.fromkeys(range(0xF1, 0xF4), (_TAIL, _TAIL, _TAIL)),
    0xF0: (range(0x90, 0xC0), _TAIL, _TAIL),
    0xF4: (range(0x80, 0x90), _TAIL, _TAIL),
}

# The bytes at which that table has its borders.
EDGES = bytes.fromhex(
    "00 41 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff"
)


def badByte(data: bytes) -> tuple[int | None, bool]:
    """
    By the table: where the first byte stands that nothing can make good, if there is
    one; and whether the text could end here.
    """
    expected: tuple[range, ...] = ()
    for place, octet in enumerate(data):
        if expected:
            if octet not in expected[0]:
                return place, False
            expected = expected[1:]
        elif octet in _FOLLOWERS:
            expected = _FOLLOWERS[octet]
        else:
            return place, False
    return None, not expected


class Utf8ValidatorTests(SynchronousTestCase):
    """
    Tests of :class:`Utf8Validator`.
    """

    def assertFollowsTable(self, data: bytes) -> None:
        """
        However ``data`` is cut, it is refused with the piece in which the table refuses
        it, or else is complete where the table says so.
        """
        bad, isComplete = badByte(data)
        for pieces in everySplit(data):
            validator = Utf8Validator()
            end = 0
            for piece in pieces:
                end += len(piece)
                isGood = bad is None or bad >= end
                if validator.feed(piece) is not isGood:
                    self.fail(f"{pieces!r} at byte {end}: {not isGood}")
                if not isGood:
                    break
            else:
                self.assertIs(validator.isComplete(), isComplete, pieces)

    def assertAllFollowTable(self, sequences: Iterable[bytes]) -> None:
        """
        The same for many.
        """
        for data in sequences:
            self.assertFollowsTable(data)

    def test_oneByte(self) -> None:
        """
        Each single byte is judged as RFC 3629 has it.
        """
        self.assertAllFollowTable(map(bytes, product(range(256))))

    def test_twoBytes(self) -> None:
        """
        So are all pairs.
        """
        self.assertAllFollowTable(map(bytes, product(range(256), repeat=2)))

    def test_threeBytes(self) -> None:
        """
        So are sequences of three, in all ways to meet the table's borders.
        """
        self.assertAllFollowTable(map(bytes, product(EDGES, repeat=3)))

    def test_fourBytes(self) -> None:
        """
        So are sequences of four that start as such.
        """
        firsts = b"\xef\xf0\xf1\xf3\xf4\xf5"
        tails = b"\x41\x80\x8f\x90\x9f\xa0\xbf\xc2"
        self.assertAllFollowTable(map(bytes, product(firsts, tails, tails, tails)))

    def test_lastCharacters(self) -> None:
        """
        The first and the last character of each length are text.
        """
        for character in "\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff":
            data = f"a{character}b".encode()
            self.assertEqual(badByte(data), (None, True))
            self.assertFollowsTable(data)

    def test_atOnce(self) -> None:
        """
        What can't become text is refused with its first such byte, though more bytes of
        the character are still to come.
        """
        for start in ("eda0", "edbf", "f490", "f4bf", "e080", "e09f", "f080", "f08f"):
            data = bytes.fromhex(start)
            validator = Utf8Validator()
            self.assertTrue(validator.feed(b"text " + data[:1]), start)
            self.assertFalse(validator.feed(data[1:]), start)
        for start in ("80", "bf", "c0", "c1", "f5", "fe", "ff"):
            self.assertFalse(Utf8Validator().feed(b"text " + bytes.fromhex(start)))

    def test_long(self) -> None:
        """
        A bad byte is found wherever it stands in a long text.
        """
        text = "aé€😀".encode() * 20
        self.assertFollowsTable(text)
        for place in range(0, len(text), 7):
            self.assertFollowsTable(text[:place] + b"\xff" + text[place:])

    def test_nothing(self) -> None:
        """
        No text is text, and an empty piece changes nothing.
        """
        validator = Utf8Validator()
        self.assertTrue(validator.isComplete())
        self.assertTrue(validator.feed(b"\xe2\x82"))
        self.assertTrue(validator.feed(b""))
        self.assertFalse(validator.isComplete())
        self.assertTrue(validator.feed(b"\xac"))
        self.assertTrue(validator.isComplete())

    def test_reuse(self) -> None:
        """
        After one text has ended the next one can follow.
        """
        validator = Utf8Validator()
        for _ in range(3):
            self.assertTrue(validator.feed("€".encode()))
            self.assertTrue(validator.isComplete())

    def test_buffers(self) -> None:
        """
        A bytearray does as well as bytes, and may be changed afterwards.
        """
        validator = Utf8Validator()
        piece = bytearray(b"\xe2\x82")
        self.assertTrue(validator.feed(piece))
        piece[:] = b"\xff\xff"
        self.assertTrue(validator.feed(bytearray(b"\xac")))
        self.assertTrue(validator.isComplete())


class Utf8DecoderTests(SynchronousTestCase):
    """
    Tests of :class:`Utf8Decoder`.
    """

    def test_anySplit(self) -> None:
        """
        However a text is cut, its characters come out, each as soon as it is whole.
        """
        text = "aé€😀z"
        for pieces in everySplit(text.encode()):
            decoder = Utf8Decoder()
            found = "".join(map(decoder.feed, pieces))
            decoder.end()
            self.assertEqual(found, text)
        decoder = Utf8Decoder()
        self.assertEqual(decoder.feed("aé€".encode()[:-1]), "aé")
        self.assertEqual(decoder.feed("€".encode()[-1:]), "€")

    def test_badByte(self) -> None:
        """
        Text is refused at its first bad byte.
        """
        for bad in (b"\xff", b"\x80", b"\xed\xa0", b"\xf4\x90", b"\xe0\x80"):
            decoder = Utf8Decoder()
            for octet in b"ok" + bad[:-1]:
                decoder.feed(bytes([octet]))
            self.assertRaises(UnicodeError, decoder.feed, bad[-1:])

    def test_cutCharacter(self) -> None:
        """
        A text can't end inside a character.
        """
        decoder = Utf8Decoder()
        decoder.feed(b"a\xc3")
        self.assertRaises(UnicodeError, decoder.end)
