# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.origins`.
"""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.origins import (
    INSECURE_ANY_ORIGIN,
    Origin,
    OriginPolicy,
    isSameHost,
    parseOrigin,
)

LOOKALIKES = (
    # Other names that contain, precede or follow the right one.
    "https://evil-example.com",
    "https://evilexample.com",
    "https://example.com.evil.net",
    "https://example.comevil.net",
    "https://evil.net.example.com",
    "https://www.example.com",
    "https://example.co",
    "https://com",
    "https://example.com.",
    "https://example_com",
    # Parts that an origin doesn't have.
    "https://example.com@evil.net",
    "https://evil.net@example.com",
    "https://example.com:443@evil.net",
    "https://evil.net/example.com",
    "https://evil.net#example.com",
    "https://evil.net?https://example.com",
    "https://evil.net\\example.com",
    "https://example.com/",
    "https://example.com https://evil.net",
    "https://example.com,https://evil.net",
    # Another port, or none that there is.
    "https://example.com:8443",
    "https://example.com:80",
    "https://example.com:0",
    "https://example.com:65979",
    "https://example.com:443443",
    "https://example.com:",
    "https://example.com:４４３",
    # Letters that look alike.
    "https://еxample.com",
    "https://examp1e.com",
    "https://example。com",
    "https://xn--xample-2of.com",
    "https://example%2ecom",
    # No origin at all.
    "",
    "null",
    "*",
    "example.com",
    "//example.com",
    "https:example.com",
    "https://",
    "://example.com",
    "https://example.com\n",
    "\nhttps://example.com",
    " https://example.com",
    "https://example.com\x00.evil.net",
    "file://",
    "data:text/html,https://example.com",
)
"""
What is not https://example.com, though a careless look might take it for that.
"""


class ParseOriginTests(SynchronousTestCase):
    """
    Tests of :func:`parseOrigin`.
    """

    def test_parts(self) -> None:
        """
        An origin is a scheme, a host and a port, where the default port may be unsaid.
        """
        for text, expected in {
            "https://example.com": ("https", "example.com", 443),
            "http://example.com": ("http", "example.com", 80),
            "wss://example.com": ("wss", "example.com", 443),
            "ws://example.com": ("ws", "example.com", 80),
            "http://localhost:8080": ("http", "localhost", 8080),
            "http://10.0.0.1:65535": ("http", "10.0.0.1", 65535),
            "https://[2001:db8::1]": ("https", "[2001:db8::1]", 443),
            "https://[::1]:8443": ("https", "[::1]", 8443),
            "https://xn--bcher-kva.example": ("https", "xn--bcher-kva.example", 443),
            "app+x-1.0://some_host:1": ("app+x-1.0", "some_host", 1),
            "moz-extension://1b2c-3d": ("moz-extension", "1b2c-3d", 0),
        }.items():
            self.assertEqual(parseOrigin(text), Origin(*expected))

    def test_case(self) -> None:
        """
        Case makes no difference, nor does a default port that is said.
        """
        for text in ("HTTPS://Example.COM", "https://example.com:443"):
            self.assertEqual(parseOrigin(text), Origin("https", "example.com", 443))

    def test_none(self) -> None:
        """
        What is no origin isn't taken for one.
        """
        for text in (
            "null",
            "",
            "https://",
            "https://bücher.example",
            "https://user@example.com",
            "https://example.com/path",
            "https://example.com:",
            "https://example.com:0",
            "https://example.com:65536",
            "https://::1",
            "https://[example.com]",
            "app://host:0",
            "app://",
            "1http://example.com",
        ):
            self.assertIsNone(parseOrigin(text), text)


class IsSameHostTests(SynchronousTestCase):
    """
    Tests of :func:`isSameHost`.
    """

    def assertSame(self, origin: str, host: str) -> None:
        """
        A page from ``origin`` is on the server that was asked for as ``host``.
        """
        parsed = parseOrigin(origin)
        self.assertIsNotNone(parsed)
        self.assertTrue(isSameHost(parsed, host), f"{origin} {host}")

    def assertNotSame(self, origin: str, host: str) -> None:
        """
        It is not.
        """
        parsed = parseOrigin(origin)
        self.assertIsNotNone(parsed)
        self.assertFalse(isSameHost(parsed, host), f"{origin} {host}")

    def test_same(self) -> None:
        """
        Host and port have to be the same; a default port need not be said.
        """
        self.assertSame("https://example.com", "example.com")
        self.assertSame("https://example.com", "EXAMPLE.com:443")
        self.assertSame("https://example.com:443", "example.com")
        self.assertSame("http://example.com", "example.com:80")
        self.assertSame("http://localhost:8080", "localhost:8080")
        self.assertSame("http://[::1]:8080", "[::1]:8080")
        self.assertSame("https://example.com", "example.com:")

    def test_behindProxy(self) -> None:
        """
        A proxy may have spoken TLS for us: a Host without a port means the default one
        of the page's scheme.
        """
        self.assertSame("http://example.com", "example.com")
        self.assertSame("https://example.com", "example.com")

    def test_otherPort(self) -> None:
        """
        Another port of the same host is another site.
        """
        self.assertNotSame("http://localhost:3000", "localhost:8080")
        self.assertNotSame("https://example.com", "example.com:80")
        self.assertNotSame("https://example.com:8443", "example.com")
        self.assertNotSame("http://example.com", "example.com:443")

    def test_otherHost(self) -> None:
        """
        Another host is another site, be it a parent or a child.
        """
        self.assertNotSame("https://example.com", "www.example.com")
        self.assertNotSame("https://www.example.com", "example.com")
        self.assertNotSame("https://example.com.", "example.com")
        self.assertNotSame("https://example.com", "example.com.")

    def test_badHost(self) -> None:
        """
        With a Host that is none, no page is on the same host.
        """
        for host in (
            "",
            "exa mple.com",
            "user@example.com",
            "a/b",
            "::1",
        ):
            self.assertNotSame("https://example.com", host)

    def test_unknownScheme(self) -> None:
        """
        A scheme without a default port is compared by the port it says. One that says
        none is on no host, even if it is called the same.
        """
        self.assertSame("app://example.com:80", "example.com:80")
        self.assertNotSame("app://example.com:80", "example.com")
        for host in ("example.com", "example.com:0", "example.com:80"):
            self.assertNotSame("chrome-extension://example.com", host)


class OriginPolicyTests(SynchronousTestCase):
    """
    Tests of :class:`OriginPolicy`.
    """

    def assertPermits(self, allowed: list[str], origin: str, host: str = "h") -> None:
        """
        With these allowed, a page from ``origin`` may connect.
        """
        self.assertIs(OriginPolicy(allowed).permits(origin, host), True, origin)

    def assertRefuses(self, allowed: list[str], origin: str, host: str = "h") -> None:
        """
        It may not.
        """
        self.assertIs(OriginPolicy(allowed).permits(origin, host), False, origin)

    def test_sameHost(self) -> None:
        """
        Pages of the server's own host and port may always connect.
        """
        self.assertPermits([], "https://example.com", "example.com")
        self.assertPermits(["https://other.net"], "http://h", "h")

    def test_lookalikes(self) -> None:
        """
        Nothing that merely resembles the server's own origin may connect, nor what
        resembles an origin that was allowed.
        """
        for origin in LOOKALIKES:
            self.assertRefuses([], origin, "example.com")
            self.assertRefuses(["https://example.com"], origin, "h")

    def test_exact(self) -> None:
        """
        An allowed origin may connect in each of its spellings; another scheme or port
        of it may not.
        """
        allowed = ["https://example.com", "http://localhost:3000"]
        self.assertPermits(allowed, "https://example.com")
        self.assertPermits(allowed, "HTTPS://EXAMPLE.COM:443")
        self.assertPermits(allowed, "http://localhost:3000")
        self.assertRefuses(allowed, "http://example.com")
        self.assertRefuses(allowed, "http://localhost:3001")
        self.assertRefuses(allowed, "http://localhost")

    def test_extensions(self) -> None:
        """
        A browser's extension may connect if it is named, and so may an app with a
        scheme of its own; no other, and no page of the same name.
        """
        allowed = ["chrome-extension://aeblfdkhhhdcdjpi", "capacitor://localhost"]
        self.assertPermits(allowed, "chrome-extension://aeblfdkhhhdcdjpi")
        self.assertPermits(allowed, "capacitor://localhost")
        for origin in (
            "chrome-extension://aeblfdkhhhdcdjpj",
            "moz-extension://aeblfdkhhhdcdjpi",
            "https://aeblfdkhhhdcdjpi",
            "http://localhost",
            "capacitor://localhost:80",
        ):
            self.assertRefuses(allowed, origin)
        self.assertRefuses([], "chrome-extension://h", "h")

    def test_texts(self) -> None:
        """
        What programs send that is no origin can be allowed by exactly that text, and
        lets in nothing else.
        """
        for text in (
            "file://",
            "null",
            "MyDevice",
            "http://192.0.2.7/chat",
            "https://example.com/",
            "app:///index.html",
            "example.com",
        ):
            self.assertPermits([text], text, "example.com")
            self.assertPermits(["https://a.b", text], text)
            self.assertRefuses([], text, "example.com")
            for other in (
                text[:-1],
                text + "/",
                f"{text}.",
                f" {text}",
                text.swapcase(),
            ):
                self.assertRefuses([text], other)
            self.assertRefuses([text], "https://example.com")

    def test_below(self) -> None:
        """
        A pattern allows all hosts below one, by whole labels.
        """
        allowed = ["https://*.Example.com"]
        self.assertPermits(allowed, "https://www.example.com")
        self.assertPermits(allowed, "https://a.b.example.com:443")
        for origin in (
            "https://example.com",
            "https://evilexample.com",
            "https://www.example.com.evil.net",
            "https://www.example.com.",
            "http://www.example.com",
            "https://www.example.com:8443",
            "https://www.example.com@evil.net",
            "https://*.example.com",
        ):
            self.assertRefuses(allowed, origin)

    def test_belowPort(self) -> None:
        """
        A pattern may have a port.
        """
        allowed = ["http://*.test.example:8080"]
        self.assertPermits(allowed, "http://a.test.example:8080")
        self.assertRefuses(allowed, "http://a.test.example")
        self.assertRefuses(allowed, "https://a.test.example:8080")

    def test_any(self) -> None:
        """
        Only who says so lets everybody in, even pages of no origin.
        """
        for origin in ("https://evil.net", "null", "", "file://"):
            self.assertPermits([INSECURE_ANY_ORIGIN], origin)
            self.assertPermits(["https://example.com", INSECURE_ANY_ORIGIN], origin)

    def test_callable(self) -> None:
        """
        A callable is told the header as it came, and decides alone.
        """
        told = []

        def choose(origin: str) -> bool:
            told.append(origin)
            return origin == "null"

        policy = OriginPolicy(choose)
        self.assertIs(policy.permits("null", "example.com"), True)
        self.assertIs(policy.permits("https://Example.com", "example.com"), False)
        self.assertEqual(told, ["null", "https://Example.com"])

    def test_callableAnswer(self) -> None:
        """
        What a callable answers counts as yes or no.
        """
        self.assertIs(OriginPolicy(lambda origin: "yes").permits("null", "h"), True)
        self.assertIs(OriginPolicy(lambda origin: None).permits("null", "h"), False)

    def test_callableLater(self) -> None:
        """
        One that would answer later lets nobody in.
        """

        async def choose(origin: str) -> bool:
            return False

        asked = choose("https://example.com")
        self.addCleanup(asked.close)
        for answer in (asked, Deferred()):
            policy = OriginPolicy(lambda _, answer=answer: answer)
            self.assertRaises(TypeError, policy.permits, "https://example.com", "h")

    def test_mistakes(self) -> None:
        """
        What is no origin and no pattern is refused at once, shown, and explained.
        """
        for text in (
            "*.example.com",
            "https://*.example.com/",
            "https://example.com, https://*.example.net",
            "https://*",
            "https://*.",
            "https://*example.com",
            "https://www.*.example.com",
            "https://*.*.example.com",
            "https://*.example.com:0",
            "*://example.com",
            "https://bücher.example",
            "chrome-extension://*.name",
            "https://example.com ",
            "a b",
            "a\n",
            "",
        ):
            error = self.assertRaises(ValueError, OriginPolicy, ["http://ok", text])
            self.assertIn(f"{text!r} is not an origin such as", str(error))
