# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.proxyenv`.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.client.proxyenv import proxyFor
from txwebsocket.client.url import parseURL


def found(url: str, **variables: str) -> str | None:
    """
    The URL of the proxy that these variables name.
    """
    proxy = proxyFor(parseURL(url), variables)
    return None if proxy is None else proxy.url


class VariableTests(SynchronousTestCase):
    """
    Tests of which variable counts.
    """

    def test_none(self) -> None:
        """
        Without variables, and with empty ones, there is no proxy.
        """
        self.assertIsNone(found("ws://h/"))
        self.assertIsNone(found("ws://h/", http_proxy="", ALL_PROXY=" "))

    def test_order(self) -> None:
        """
        The URL's own scheme comes first, then that of HTTP, then what is for all.
        """
        for url, names in (
            ("ws://h/", ("ws_proxy", "http_proxy", "all_proxy")),
            ("wss://h/", ("wss_proxy", "https_proxy", "all_proxy")),
        ):
            variables = {name: f"http://{name[:-6]}" for name in names}
            for name in names:
                self.assertEqual(found(url, **variables), f"http://{name[:-6]}:80")
                del variables[name]

    def test_others(self) -> None:
        """
        What is for secure connections is not used for plain ones, nor the other way.
        """
        self.assertIsNone(found("ws://h/", https_proxy="http://p", wss_proxy="p"))
        self.assertIsNone(found("wss://h/", http_proxy="http://p", ws_proxy="p"))

    def test_case(self) -> None:
        """
        Upper case counts, too, after lower case.
        """
        self.assertEqual(found("wss://h/", HTTPS_PROXY="http://p"), "http://p:80")
        self.assertEqual(
            found("wss://h/", HTTPS_PROXY="http://p", https_proxy="http://q"),
            "http://q:80",
        )
        self.assertEqual(
            found("wss://h/", https_proxy="", HTTPS_PROXY="p"), "http://p:80"
        )

    def test_CGI(self) -> None:
        """
        In a CGI script a client could set ``HTTP_PROXY`` with a header.
        """
        self.assertEqual(found("ws://h/", HTTP_PROXY="p"), "http://p:80")
        self.assertIsNone(found("ws://h/", HTTP_PROXY="p", REQUEST_METHOD="GET"))
        self.assertEqual(
            found("ws://h/", http_proxy="p", REQUEST_METHOD="GET"), "http://p:80"
        )

    def test_noScheme(self) -> None:
        """
        A proxy without a scheme speaks HTTP.
        """
        self.assertEqual(found("ws://h/", http_proxy="p:3128"), "http://p:3128")

    def test_broken(self) -> None:
        """
        A variable that is no URL of a proxy is named, and its password is not shown.
        """
        with self.assertRaises(ValueError) as caught:
            found("wss://h/", https_proxy="ftp://ada:hunter2@p")
        self.assertIn("https_proxy", str(caught.exception))
        self.assertIn("socks5://", str(caught.exception))
        self.assertNotIn("hunter2", str(caught.exception))


class ExceptionTests(SynchronousTestCase):
    """
    Tests of ``no_proxy``.
    """

    def assertExcepted(self, entries: str, *urls: str) -> None:
        """
        These are reached without the proxy.
        """
        for url in urls:
            self.assertIsNone(found(url, all_proxy="p", no_proxy=entries), url)

    def assertNotExcepted(self, entries: str, *urls: str) -> None:
        """
        These are not.
        """
        for url in urls:
            self.assertIsNotNone(found(url, all_proxy="p", no_proxy=entries), url)

    def test_names(self) -> None:
        """
        A name means itself and all names below it, in any case, whether or not there is
        a dot in front.
        """
        for entry in ("example.com", ".example.com", "*.example.com", "EXAMPLE.com."):
            self.assertExcepted(
                entry,
                "ws://example.com/",
                "wss://a.b.Example.COM/",
                "ws://example.com./",
            )
            self.assertNotExcepted(
                entry, "ws://notexample.com/", "ws://example.com.org/", "ws://com/"
            )

    def test_zone(self) -> None:
        """
        An address means itself in every zone, unless the entry has one.
        """
        for entry in ("fe80::1", "[fe80::1]", "fe80::/10", "[fe80::1]:80"):
            self.assertExcepted(
                entry, "ws://[fe80::1%25eth0]/", "ws://[fe80::1%25eth1]/"
            )
            self.assertNotExcepted(entry, "ws://[::1%25eth0]/")
        self.assertExcepted("fe80::1%eth0", "ws://[fe80::1%25eth0]/")
        self.assertNotExcepted(
            "fe80::1%eth0", "ws://[fe80::1%25eth1]/", "ws://[fe80::1]/"
        )

    def test_list(self) -> None:
        """
        There can be several, between commas, spaces or both.
        """
        for entries in ("a,b", "a b", " a , b ", ",a,,b,"):
            self.assertExcepted(entries, "ws://a/", "ws://b/")
            self.assertNotExcepted(entries, "ws://c/")

    def test_all(self) -> None:
        """
        A star is everything; nothing is nothing.
        """
        self.assertExcepted("*", "ws://a/", "wss://[::1]/")
        self.assertExcepted("x,*", "ws://a/")
        self.assertNotExcepted("", "ws://a/")
        self.assertNotExcepted(".", "ws://a/", "ws://192.0.2.1/")

    def test_ports(self) -> None:
        """
        An entry with a port means that port, the scheme's own included.
        """
        self.assertExcepted("a:80", "ws://a/", "ws://x.a:80/")
        self.assertNotExcepted("a:80", "wss://a/", "ws://a:81/")
        self.assertExcepted(
            "[::1]:443,192.0.2.1:443", "wss://[::1]/", "wss://192.0.2.1/"
        )
        self.assertNotExcepted("[::1]:443", "ws://[::1]/")
        self.assertNotExcepted("a:²,a:x", "ws://a/")

    def test_addresses(self) -> None:
        """
        An address means itself, however it is written.
        """
        self.assertExcepted("192.0.2.1", "ws://192.0.2.1/")
        self.assertExcepted("2001:db8:0::1", "ws://[2001:db8::1]/")
        self.assertExcepted("[2001:DB8::1]", "ws://[2001:db8::1]/")
        self.assertNotExcepted("192.0.2.1", "ws://192.0.2.11/", "ws://a.192.0.2.1.x/")
        self.assertNotExcepted("0.2.1", "ws://192.0.2.1/")

    def test_networks(self) -> None:
        """
        A network means all addresses in it, and no names.
        """
        self.assertExcepted("192.0.2.0/24", "ws://192.0.2.77/")
        self.assertExcepted("192.0.2.9/24", "ws://192.0.2.77/")
        self.assertExcepted("2001:db8::/32", "ws://[2001:db8:1::7]/")
        self.assertNotExcepted("192.0.2.0/24", "ws://192.0.3.1/", "ws://[::1]/")
        self.assertNotExcepted("192.0.2.0/99,192.0.2.0/24/", "ws://192.0.2.1/")
        self.assertNotExcepted("192.0.2.0/24", "ws://h/")

    def test_upperCase(self) -> None:
        """
        ``NO_PROXY`` counts as well.
        """
        self.assertIsNone(found("ws://a/", all_proxy="p", NO_PROXY="a"))

    def test_localhost(self) -> None:
        """
        This machine is no exception by itself, as with curl.
        """
        self.assertNotExcepted("example.com", "ws://localhost/", "ws://127.0.0.1/")
