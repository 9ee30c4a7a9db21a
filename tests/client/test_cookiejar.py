# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.cookiejar`.
"""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from urllib.request import Request

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.client.cookiejar import cookieHeader, storeCookies
from txwebsocket.client.url import parseURL
from txwebsocket.handshake.response import ResponseHead

URL = "ws://example.com/a/b"


def response(
    *cookies: str, name: str = "Set-Cookie", status: int = 101
) -> ResponseHead:
    """
    A response that sets cookies.
    """
    octets = name.encode("ascii")
    headers = tuple((octets, each.encode("latin-1")) for each in cookies)
    return ResponseHead("1.1", status, "", ((b"Server", b"x"), *headers))


class JarTestCase(SynchronousTestCase):
    """
    What tests of jars need.

    :ivar jar: a jar.
    """

    def setUp(self) -> None:
        self.jar = CookieJar()

    def store(self, *cookies: str, url: str = URL) -> None:
        """
        A response from there sets cookies.
        """
        storeCookies(self.jar, parseURL(url), response(*cookies))

    def header(self, url: str = URL) -> str | None:
        """
        What is sent there.
        """
        return cookieHeader(self.jar, parseURL(url))


class RuleTests(JarTestCase):
    """
    Tests of which cookies are stored and sent; the rules are the standard library's.
    """

    def test_none(self) -> None:
        """
        With an empty jar, or a response without cookies, there is no header.
        """
        self.assertIsNone(self.header())
        self.store()
        self.assertIsNone(self.header())

    def test_some(self) -> None:
        """
        All cookies of a response are kept, each in a header of its own, and sent in
        one.
        """
        self.store("a=1", "b=2; HttpOnly", 'c="x y"', "d=\xe9")
        self.assertEqual(self.header(), 'a=1; b=2; c="x y"; d=\xe9')

    def test_zone(self) -> None:
        """
        The same address in another zone is another server.
        """
        self.store("a=1", url="ws://[fe80::1%25eth0]/")
        self.assertEqual(self.header("ws://[fe80::1%25eth0]/x"), "a=1")
        for url in ("ws://[fe80::1%25eth1]/", "ws://[fe80::1]/"):
            self.assertIsNone(self.header(url))

    def test_anyCase(self) -> None:
        """
        The header is found by its name in any case.
        """
        for name in ("set-cookie", "SET-COOKIE"):
            storeCookies(self.jar, parseURL(URL), response(f"{name}=1", name=name))
        self.assertEqual(self.header(), "set-cookie=1; SET-COOKIE=1")

    def test_replaced(self) -> None:
        """
        A cookie that is set again has its new value, and one that is over is gone.
        """
        self.store("a=1", "b=1")
        self.store("a=2", "b=; Max-Age=0")
        self.assertEqual(self.header(), "a=2")

    def test_otherHosts(self) -> None:
        """
        A cookie goes to the host that set it alone, at any port, unless it names the
        domain; it can't name another's. Hosts below are told too, unless the jar's
        policy is as strict as a browser.
        """
        self.store("a=1")
        self.assertEqual(self.header("ws://www.example.com/a/"), "a=1")
        strict = DefaultCookiePolicy.DomainStrictNonDomain
        self.jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=strict))
        self.store("a=1", "b=2; Domain=example.com", "c=3; Domain=other.example")
        self.assertEqual(self.header("ws://example.com:81/a/"), "a=1; b=2")
        self.assertEqual(self.header("ws://www.example.com/a/"), "b=2")
        self.assertIsNone(self.header("ws://other.example/a/"))
        self.assertIsNone(self.header("ws://notexample.com/a/"))

    def test_paths(self) -> None:
        """
        Nor to other paths than the one it is for: that of the request, by itself.
        """
        self.store("a=1; Path=/", "b=2; Path=/a", "c=3; Path=/x", "d=4")
        self.assertEqual(self.header("ws://example.com/a/c?d"), "b=2; d=4; a=1")
        self.assertEqual(self.header("ws://example.com/x"), "c=3; a=1")
        self.assertEqual(self.header("ws://example.com/"), "a=1")

    def test_secure(self) -> None:
        """
        A cookie that is ``Secure`` goes over TLS only, as ``wss:`` does.
        """
        self.store("a=1", "b=2; Secure", url="wss://example.com/a/b")
        self.assertEqual(self.header("wss://example.com/a/b"), "a=1; b=2")
        self.assertEqual(self.header("ws://example.com/a/b"), "a=1")

    def test_addresses(self) -> None:
        """
        Hosts can be addresses, or names without a dot.
        """
        for netloc in ("192.0.2.1", "[::1]:81", "localhost:8080"):
            self.store("a=1", url=f"ws://{netloc}/")
            self.assertEqual(self.header(f"ws://{netloc}/"), "a=1")
            self.jar.clear()

    def test_pages(self) -> None:
        """
        Cookies are shared with the pages of the same server, whoever fetches them.
        """
        page = Request("https://example.com/login")
        storeCookies(self.jar, parseURL("wss://example.com/"), response("a=1; Secure"))
        self.jar.add_cookie_header(page)
        self.assertEqual(page.get_header("Cookie"), "a=1")

    def test_policy(self) -> None:
        """
        A jar's policy decides.
        """
        policy = DefaultCookiePolicy(blocked_domains=["example.com"])
        self.jar = CookieJar(policy)
        self.store("a=1")
        self.store("b=1", url="ws://other.example/")
        self.assertEqual([cookie.name for cookie in self.jar], ["b"])

    def test_odd(self) -> None:
        """
        Whatever a server sets, nothing breaks, and what is good of it is kept.
        """
        self.store("", "=", ";", "a", "=x", "a=1; Expires=never", "b=1; Max-Age=x")
        self.store("a=1; Path", "a=1; Domain=", "a" * 5000, "," * 5000, '"' * 99)
        self.store("good=1", "\x80\xff", "=" * 5000)
        self.assertIn("good=1", self.header() or "")


class InjectionTests(JarTestCase):
    """
    Tests of cookies that were put into a jar by hand.
    """

    def test_noInjection(self) -> None:
        """
        One that would end the header is refused, and not shown.
        """
        for value in ("hunter2\r\nX: y", "hunter2\x00", "hunter2\u20ac"):
            self.jar.set_cookie(makeCookie(value))
            error = self.assertRaises(ValueError, self.header)
            self.assertIn("Cookie", str(error))
            self.assertNotIn("hunter2", str(error))


def makeCookie(value: str) -> Cookie:
    """
    A cookie for the whole of example.com.
    """
    return Cookie(
        version=0,
        name="sid",
        value=value,
        port=None,
        port_specified=False,
        domain="example.com",
        domain_specified=False,
        domain_initial_dot=False,
        path="/",
        path_specified=True,
        secure=False,
        expires=None,
        discard=True,
        comment=None,
        comment_url=None,
        rest={},
    )
