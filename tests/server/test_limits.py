# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.server.limits`.
"""

from typing import Any

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import ServerConfig
from txwebsocket.server.limits import AddressCounter


class AddressCounterTests(SynchronousTestCase):
    """
    Tests of :class:`AddressCounter`.
    """

    def counter(self, *addresses: str | None, **options: Any) -> AddressCounter:
        """
        A counter with one request from each of these addresses, numbered from zero.
        """
        options = {"maxConnectionsPerAddress": 10, **options}
        counter = AddressCounter(ServerConfig(**options))
        for number, address in enumerate(addresses):
            counter.add(number, address)
        return counter

    def test_counts(self) -> None:
        """
        Each address has its own count, until its requests are removed.
        """
        counter = self.counter("192.0.2.1", "192.0.2.2", "192.0.2.1")
        self.assertEqual(counter.count("192.0.2.1"), 2)
        self.assertEqual(counter.count("192.0.2.2"), 1)
        self.assertEqual(counter.count("192.0.2.3"), 0)
        for number in (0, 0, 2, 7):
            counter.remove(number)
        self.assertEqual(counter.count("192.0.2.1"), 0)
        self.assertEqual(counter.count("192.0.2.2"), 1)

    def test_version6(self) -> None:
        """
        All addresses of an IPv6 /64 count as one; those of another have their own.
        """
        counter = self.counter("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
        self.assertEqual(counter.count("2001:db8::3"), 2)
        self.assertEqual(counter.count("2001:db8:0:1::2"), 1)
        counter.remove(0)
        self.assertEqual(counter.count("2001:db8::3"), 1)

    def test_prefix(self) -> None:
        """
        How many bits count is an option.
        """
        addresses = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"
        for length, count in ((48, 3), (64, 2), (128, 1)):
            counter = self.counter(*addresses, ipv6PrefixLength=length)
            self.assertEqual(counter.count("2001:db8::1"), count)

    def test_unknown(self) -> None:
        """
        A client without an address is not limited, which is logged once.
        """
        with capturedLogs() as logged:
            counter = self.counter("192.0.2.1", None, None)
        self.assertEqual(counter.count(None), 0)
        self.assertEqual(len(logged), 1)
        self.assertIn("maxConnectionsPerAddress", logged[0]["log_format"])
        self.assertIn("'unix'", logged[0]["log_format"])
        counter.remove(1)

    def test_noLimit(self) -> None:
        """
        Without a limit nothing is counted, and nothing is logged.
        """
        with capturedLogs() as logged:
            counter = self.counter("192.0.2.1", None, maxConnectionsPerAddress=None)
        self.assertEqual(counter.count("192.0.2.1"), 0)
        self.assertEqual(logged, [])
