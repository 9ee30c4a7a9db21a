# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.socks5`.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from txwebsocket.handshake.httpconnect import ProxyRefusal
from txwebsocket.handshake.socks5 import SOCKS_REPLIES, SocksDialogue
from txwebsocket.wire.errors import BadResponse

BOUND = b"\x01\xc0\x00\x02\x01\x1f\x90"
GRANTED = b"\x05\x00\x00" + BOUND
REQUEST = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb"
USER = ("ada", "pw")


def dialogue(credentials: tuple[str, str] | None = None) -> SocksDialogue:
    """
    One that has begun.
    """
    socks = SocksDialogue("example.com", 443, credentials)
    socks.initialRequest()
    return socks


class SocksDialogueTests(SynchronousTestCase):
    """
    Tests of :class:`SocksDialogue`.
    """

    def assertRefused(
        self, data: bytes, refusal: ProxyRefusal, user: bool = False
    ) -> None:
        """
        A proxy that says this has refused, at any split.
        """
        for pieces in everySplit(data):
            socks = dialogue(USER if user else None)
            for piece in pieces:
                socks.feed(piece)
            self.assertTrue(socks.isComplete)
            self.assertEqual(socks.refusal, refusal)

    def test_granted(self) -> None:
        """
        A greeting, the request, and what follows the reply is the tunnel's; at any
        split.
        """
        for pieces in everySplit(b"\x05\x00" + GRANTED + b"\x05first"):
            socks = SocksDialogue("example.com", 443)
            said = [socks.initialRequest()]
            rest = b""
            for piece in pieces:
                if socks.isComplete:
                    rest += piece
                    continue
                said.append(socks.feed(piece))
                rest += socks.takeRemaining() if socks.isComplete else b""
            self.assertEqual(b"".join(said), b"\x05\x01\x00" + REQUEST)
            self.assertIsNone(socks.refusal)
            self.assertEqual(rest, b"\x05first")

    def test_boundTo(self) -> None:
        """
        Whatever kind of address the reply has, it ends where it ends.
        """
        for address in (
            b"\x01" + bytes(4),
            b"\x04" + bytes(16),
            b"\x03\x00",
            b"\x03\xff" + bytes(255),
        ):
            reply = b"\x05\x00\x00" + address + b"\x00\x50"
            for pieces in everySplit(reply, 20):
                socks = dialogue()
                socks.feed(b"\x05\x00")
                for piece in pieces:
                    self.assertFalse(socks.isComplete)
                    socks.feed(piece)
                self.assertTrue(socks.isComplete)
                self.assertEqual(socks.takeRemaining(), b"")

    def test_addresses(self) -> None:
        """
        An address is sent as one, a name as a name, which the proxy looks up.
        """
        for host, coded in (
            ("192.0.2.1", b"\x01\xc0\x00\x02\x01"),
            ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
            ("a_b.example", b"\x03\x0ba_b.example"),
        ):
            socks = SocksDialogue(host, 8080)
            socks.initialRequest()
            said = socks.feed(b"\x05\x00")
            self.assertEqual(said, b"\x05\x01\x00" + coded + b"\x1f\x90")

    def test_user(self) -> None:
        """
        User and password are said to a proxy that asks, and to no other.
        """
        socks = SocksDialogue("example.com", 443, ("ada", "pä"))
        self.assertEqual(socks.initialRequest(), b"\x05\x02\x00\x02")
        self.assertEqual(socks.feed(b"\x05\x02"), b"\x01\x03ada\x03p\xc3\xa4")
        self.assertEqual(socks.feed(b"\x01\x00"), REQUEST)
        socks.feed(GRANTED)
        self.assertTrue(socks.isComplete)
        self.assertIsNone(socks.refusal)
        self.assertEqual(dialogue(USER).feed(b"\x05\x00"), REQUEST)

    def test_credentialsTooLong(self) -> None:
        """
        What does not fit into SOCKS is refused, and not shown.
        """
        for user in (("", "hunter2"), ("a", "hunter2" * 37), ("hunter2" * 37, "")):
            error = self.assertRaises(ValueError, SocksDialogue, "h", 1, user)
            self.assertIn("255", str(error))
            self.assertNotIn("hunter2", str(error))
        self.assertEqual(len(dialogue(("ä" * 127, "x" * 255)).feed(b"\x05\x02")), 512)

    def test_badHost(self) -> None:
        """
        A host that can't be said.
        """
        for host in ("", "x" * 256, "ä", "a b"):
            self.assertRaises(ValueError, SocksDialogue, host, 80)
        self.assertRaises(ValueError, SocksDialogue, "h", 65536)

    def test_refused(self) -> None:
        """
        Each reply that means no is told with its number and what it means.
        """
        self.assertEqual(sorted(SOCKS_REPLIES), [1, 2, 3, 4, 5, 6, 7, 8])
        for code, phrase in {**SOCKS_REPLIES, 9: "an unknown reply"}.items():
            reply = b"\x05\x00\x05" + bytes([code]) + b"\x00" + BOUND
            self.assertRefused(reply[:4], ProxyRefusal(code, phrase))
            socks = dialogue()
            socks.feed(reply)
            self.assertEqual(socks.refusal, ProxyRefusal(code, phrase))

    def test_nobodyWanted(self) -> None:
        """
        A proxy that wants to know who we are, and is not told.
        """
        phrase = "a user and a password are wanted"
        self.assertRefused(b"\x05\xff", ProxyRefusal(None, phrase))

    def test_noMethod(self) -> None:
        """
        A proxy that wants to know in a way we have not.
        """
        phrase = "neither a user nor going without one will do"
        self.assertRefused(b"\x05\xff", ProxyRefusal(None, phrase), user=True)

    def test_wrongPassword(self) -> None:
        """
        A proxy that does not accept who we are.
        """
        phrase = "the user or the password is wrong"
        self.assertRefused(b"\x05\x02\x01\x01", ProxyRefusal(None, phrase), user=True)

    def test_garbage(self) -> None:
        """
        What is no SOCKS 5 is noticed at its first wrong byte.
        """
        for data in (
            b"H",
            b"\x04",
            b"\x05\x02",
            b"\x05\x01",
            b"\x05\x00\x04",
            b"\x05\x00\x04\x00\x00\x01",
            b"\x05\x00\x05\x00\x00\x02\x00",
        ):
            with self.assertRaises(BadResponse):
                dialogue().feed(data)
        with self.assertRaises(BadResponse):
            dialogue(USER).feed(b"\x05\x02\x05")
