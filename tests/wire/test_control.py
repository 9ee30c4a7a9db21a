# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.control`.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.test_codes import BORDERS, SENDABLE
from txwebsocket.wire.control import (
    checkClose,
    checkControlPayload,
    closePayload,
    parseClosePayload,
)

EURO = "€".encode()


class PayloadTests(SynchronousTestCase):
    """
    Tests of the payloads of control frames.
    """

    def test_controlPayload(self) -> None:
        """
        Up to 125 bytes are taken, and kept as bytes.
        """
        for size in (0, 125):
            payload = checkControlPayload(bytearray(size))
            self.assertEqual((payload, type(payload)), (bytes(size), bytes))
        self.assertRaises(ValueError, checkControlPayload, bytes(126))

    def test_closePayload(self) -> None:
        """
        A close frame has its code in two bytes and its reason in UTF-8, or is empty.
        """
        self.assertEqual(closePayload(None, ""), b"")
        self.assertEqual(closePayload(1000, ""), b"\x03\xe8")
        self.assertEqual(closePayload(4999, "€"), b"\x13\x87" + EURO)

    def test_cutReason(self) -> None:
        """
        However long a reason is, its payload fits, and is never cut in a character.
        """
        for character in ("a", "é", "€", "😀"):
            for start in ("", "1", "12", "123"):
                payload = closePayload(1000, start + character * 130)
                kept = (123 - len(start)) // len(character.encode())
                self.assertEqual(payload[2:].decode(), start + character * kept)

    def test_parsed(self) -> None:
        """
        What was written can be read.
        """
        self.assertEqual(parseClosePayload(b""), (None, ""))
        self.assertEqual(parseClosePayload(b"\x03\xe8"), (1000, ""))
        self.assertEqual(parseClosePayload(b"\x13\x87" + EURO), (4999, "€"))

    def test_parsedCodes(self) -> None:
        """
        Just the codes that may travel are read.
        """
        found = set()
        for code in range(65536):
            try:
                found.add(parseClosePayload(code.to_bytes(2, "big"))[0])
            except ValueError:
                pass
        self.assertEqual(found, SENDABLE)

    def test_notParsed(self) -> None:
        """
        Half a code and a reason that isn't UTF-8 are told apart.
        """
        error = self.assertRaises(ValueError, parseClosePayload, b"\x03")
        self.assertFalse(isinstance(error, UnicodeError))
        self.assertIn("half a code", str(error))
        self.assertRaises(UnicodeError, parseClosePayload, b"\x03\xe8\xff")


class CheckCloseTests(SynchronousTestCase):
    """
    Tests of :func:`checkClose`.
    """

    def assertRefused(self, code: Any, reason: str, told: str) -> None:
        """
        No close frame is sent with these, and the error says why.
        """
        error = self.assertRaises(ValueError, checkClose, code, reason)
        self.assertIn(told, str(error))

    def test_accepted(self) -> None:
        """
        A code that may travel with a reason that fits, or neither, can be sent.
        """
        self.assertIsNone(checkClose(None, ""))
        for code in SENDABLE:
            self.assertIsNone(checkClose(code, "x" * 123))
        self.assertIsNone(checkClose(1000, "€" * 41))

    def test_codes(self) -> None:
        """
        Other codes can't, and those that can are listed.
        """
        for code in {*BORDERS, -1, 65536} - SENDABLE:
            self.assertRefused(code, "", f"1007 to 1014 or 3000 to 4999, not {code}")

    def test_reasons(self) -> None:
        """
        A reason has at most 123 bytes in UTF-8, no lone surrogate, and needs a code.
        """
        self.assertRefused(1000, "x" * 124, "at most 123 bytes in UTF-8, not 124")
        self.assertRefused(1000, "€" * 42, "not 126")
        self.assertRefused(1000, "\ud800", "surrogates not allowed")
        self.assertRefused(None, "bye", "a reason needs a close code: 'bye'")

    def test_otherTypes(self) -> None:
        """
        A code is a whole number and a reason is text, nothing that merely looks so.
        """
        for code in ("1000", 1000.0, 3000.5, b"\x03\xe8", True):
            self.assertRefused(code, "", f"not {code!r}")
        for reason in (b"bye", None, 1):
            error = self.assertRaises(TypeError, checkClose, 1000, reason)
            self.assertIn(f"must be str, not {type(reason).__name__}", str(error))
