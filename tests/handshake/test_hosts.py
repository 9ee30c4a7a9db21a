# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.hosts`.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.hosts import ANY_HOST, HostPolicy, parseAuthority


class ParseAuthorityTests(SynchronousTestCase):
    """
    Tests of :func:`parseAuthority`.
    """

    def test_parts(self) -> None:
        """
        A host is a name or an address; the port need not be there.
        """
        for text, parts in (
            ("example.com", ("example.com", None)),
            ("Example.COM:8080", ("example.com", 8080)),
            ("example.com:", ("example.com", None)),
            ("my_host-1.", ("my_host-1.", None)),
            ("192.0.2.1:80", ("192.0.2.1", 80)),
            ("[2001:DB8::1]:443", ("[2001:db8::1]", 443)),
            ("[::ffff:192.0.2.1]", ("[::ffff:192.0.2.1]", None)),
        ):
            self.assertEqual(parseAuthority(text), parts, text)

    def test_none(self) -> None:
        """
        Everything else is not valid.
        """
        for text in (
            "",
            ":80",
            "a b",
            " a",
            "a,b",
            "a/b",
            "a#b",
            "a?b",
            "a\\b",
            "a@b",
            "a%2Fb",
            "a..b",
            ".a",
            "é",
            "a:b",
            "a:-1",
            "a:0",
            "a:65536",
            "a:000080",
            "a:80:80",
            "a\n",
            "[",
            "[]",
            "[a]",
            "[::1",
            "::1",
            "[::1]a",
            "[1.2.3.4]",
            "[::1%25lo]",
            "[v1.x]",
            "[:::]",
        ):
            self.assertIsNone(parseAuthority(text), text)


class HostPolicyTests(SynchronousTestCase):
    """
    Tests of :class:`HostPolicy`.
    """

    def assertPermits(self, allowed: Any, *hosts: str) -> None:
        """
        All of these are answered for.
        """
        policy = HostPolicy(allowed)
        self.assertEqual([h for h in hosts if not policy.permits(h)], [])

    def assertRefuses(self, allowed: Any, *hosts: str) -> None:
        """
        None of these is.
        """
        policy = HostPolicy(allowed)
        self.assertEqual([h for h in hosts if policy.permits(h)], [])

    def test_any(self) -> None:
        """
        Without a list every host will do, and with a star in it.
        """
        for allowed in (None, [ANY_HOST], ["example.com", ANY_HOST]):
            self.assertPermits(allowed, "evil.example", "192.0.2.1", "h:80")

    def test_names(self) -> None:
        """
        A name is good in any case, with any port and with the dot of the root.
        """
        allowed = ["Example.com", "localhost."]
        self.assertPermits(allowed, "example.com", "EXAMPLE.com.:81", "localhost:8080")
        self.assertRefuses(
            allowed,
            "www.example.com",
            "example.com.evil.example",
            "notexample.com",
            "com",
            "192.0.2.1",
            "[::1]",
            "",
            "a b",
        )

    def test_below(self) -> None:
        """
        A pattern is for the names below one, by whole labels, and not for the name.
        """
        allowed = ["*.Example.com"]
        self.assertPermits(allowed, "www.example.com", "a.B.example.com:80")
        self.assertRefuses(allowed, "example.com", "evilexample.com", "a.example.com.x")

    def test_addresses(self) -> None:
        """
        An address is good in all its spellings, a network for all addresses in it.
        """
        self.assertPermits(["::1"], "[::1]", "[0:0::1]:80")
        self.assertPermits(["[::1]"], "[::1]")
        self.assertPermits(["192.0.2.1"], "192.0.2.1:80", "[::ffff:192.0.2.1]")
        self.assertPermits(["192.0.2.0/24"], "192.0.2.200")
        self.assertPermits(["0.0.0.0/0", "::/0"], "192.0.2.1", "[2001:db8::1]")
        self.assertRefuses(["192.0.2.1"], "192.0.2.2", "192.0.2.1.nip.io")
        # Names to a browser, which would have to look them up.
        self.assertRefuses(["0.0.0.0/0"], "0x7f000001", "2130706433", "127.1", "h")

    def test_nothing(self) -> None:
        """
        An empty list is for no host at all.
        """
        self.assertRefuses([], "example.com", "localhost", "127.0.0.1")

    def test_callable(self) -> None:
        """
        A callable decides alone. It is told the host in lower case, without the port.
        """
        told: list[str] = []
        policy = HostPolicy(lambda host: told.append(host) or host == "a")
        self.assertTrue(policy.permits("A:80"))
        self.assertFalse(policy.permits("[::1]"))
        self.assertFalse(policy.permits("a b"))
        self.assertEqual(told, ["a", "::1"])

    def test_callableLater(self) -> None:
        """
        It can't take its time, which would let everybody in.
        """

        async def later(host: str) -> bool:
            return False

        coroutines = []
        policy = HostPolicy(
            lambda host: coroutines.append(later(host)) or coroutines[0]
        )
        error = self.assertRaises(TypeError, policy.permits, "h")
        self.assertIn("allowedHosts must answer at once", str(error))
        coroutines[0].close()

    def test_mistakes(self) -> None:
        """
        What is no host is refused.
        """
        for text in ("", "a b", "h:80", "http://h", "*.", "10.0.0.0/33", "a.*", "[a]"):
            self.assertRaises(ValueError, HostPolicy, ["h", text])
