# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.addresses`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.addresses import (
    addressGroup,
    formatAddress,
    parseAddress,
    parseNetwork,
)


class ParseTests(SynchronousTestCase):
    """
    Tests of :func:`parseAddress` and :func:`parseNetwork`.
    """

    def test_mapped(self) -> None:
        """
        An IPv4-mapped address is the IPv4 address in it, in all spellings.
        """
        for text in ("::ffff:192.0.2.7", "::FFFF:c000:207", "192.0.2.7"):
            self.assertEqual(str(parseAddress(text)), "192.0.2.7")

    def test_none(self) -> None:
        """
        Text that is not an address is None, and so is an address with a zone.
        """
        for text in ("", "192.0.2", "192.0.2.007", "h", "::1%eth0", "[::1]", "1", "١"):
            self.assertIsNone(parseAddress(text), text)

    def test_networks(self) -> None:
        """
        A network of IPv4-mapped addresses is the IPv4 network in it; one that has more
        than those is left as it is.
        """
        for text, network in (
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
        ):
            self.assertEqual(str(parseNetwork(text)), network)

    def test_mistakes(self) -> None:
        """
        All else is refused, numbers and bytes too.
        """
        for text in (
            "h",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "",
            None,
            1,
            b"\x7f\x00\x00\x01",
        ):
            self.assertRaises(ValueError, parseNetwork, text)


class FormatAddressTests(SynchronousTestCase):
    """
    Tests of :func:`formatAddress`.
    """

    def test_formats(self) -> None:
        """
        Only IPv4-mapped addresses are told otherwise than the socket has them.
        """
        self.assertEqual(formatAddress("::ffff:192.0.2.7"), "192.0.2.7")
        for text in ("192.0.2.7", "2001:db8::1", "fe80::1%eth0", "/run/ws.sock", ""):
            self.assertEqual(formatAddress(text), text)


class AddressGroupTests(SynchronousTestCase):
    """
    Tests of :func:`addressGroup`.
    """

    def test_version6(self) -> None:
        """
        All addresses of a prefix are one client, and those of another are not.
        """
        one = addressGroup("2001:db8:0:1::1", 64)
        self.assertEqual(addressGroup("2001:db8:0:1:ffff::2", 64), one)
        self.assertNotEqual(addressGroup("2001:db8:0:2::1", 64), one)
        self.assertEqual(
            addressGroup("2001:db8:0:2::1", 48), addressGroup("2001:db8:0:3::1", 48)
        )
        self.assertNotEqual(
            addressGroup("2001:db8::1", 128), addressGroup("2001:db8::2", 128)
        )

    def test_itself(self) -> None:
        """
        An IPv4 address stands for itself, and so does a link-local one: neighbours
        share its prefix.
        """
        for text in ("192.0.2.7", "fe80::1", "fe80::1%eth0", "unknown"):
            self.assertEqual(addressGroup(text, 64), text)
