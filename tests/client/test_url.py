# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.url`.
"""

import re
from base64 import b64decode

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.client.url import (
    WebSocketURL,
    asWebSocketURL,
    parseProxy,
    parseURL,
    withoutZone,
)

# Everything that may stand in a request's target without being encoded (RFC 3986, 3.3).
ORIGIN_FORM = re.compile(r"/[!#-;=?-Z\[\]_a-z|~]*")
SECRET = "hunter2"


def credentials(target: WebSocketURL) -> str:
    """
    What a server reads in the ``Authorization`` header.
    """
    scheme, _, coded = (target.authorization or "").partition(" ")
    return f"{scheme} {b64decode(coded).decode('utf-8')}"


class URLTestCase(SynchronousTestCase):
    """
    What tests of URLs need.
    """

    def assertRefused(self, url: str, told: str) -> None:
        """
        This is no URL of a WebSocket, and the error tells why.
        """
        try:
            target = parseURL(url)
        except ValueError as error:
            self.assertIn(told, str(error), url)
        else:
            self.fail(f"{url!r} was taken: {target}")


class SchemeTests(URLTestCase):
    """
    Tests of which URLs are taken.
    """

    def test_schemes(self) -> None:
        """
        ``ws:`` is plain and ``wss:`` is TLS, in whatever case they are written.
        """
        for scheme, isSecure in {
            "ws": False,
            "WS": False,
            "Ws": False,
            "wss": True,
            "WSS": True,
            "wSs": True,
        }.items():
            target = parseURL(f"{scheme}://example.com/")
            self.assertIs(target.isSecure, isSecure, scheme)

    def test_otherSchemes(self) -> None:
        """
        The URL of a page or of anything else is refused, and so is one without a host.
        """
        for url in (
            "http://example.com/",
            "https://example.com/",
            "ftp://example.com/",
            "wsss://example.com/",
            "mailto:ws@example.com",
            "//example.com/chat",
            "/chat",
            "chat",
            "example.com",
            "",
            "ws:",
            "ws:example.com",
            "ws:/example.com",
            "ws://",
            "ws:///chat",
            "wss://:443/",
        ):
            self.assertRefused(url, "")

    def test_pages(self) -> None:
        """
        The URL of a page can be written as that of a WebSocket; others stay.
        """
        for page, expected in (
            ("http://h/http://x", "ws://h/http://x"),
            ("HTTPS://h:1/?https://", "wss://h:1/?https://"),
            ("ws://h/", "ws://h/"),
            ("httpx://h/", "httpx://h/"),
            ("http:/h", "http:/h"),
            ("//http://h", "//http://h"),
            ("", ""),
        ):
            written = asWebSocketURL(page)
            self.assertEqual(written.lower(), expected.lower())

    def test_schemeIsTold(self) -> None:
        """
        Whoever passes the address of the page is told what to pass instead.
        """
        self.assertRefused("https://example.com/", "ws://, wss:// or ws+unix:/")

    def test_otherTypes(self) -> None:
        """
        What is not text is refused, saying what is.
        """
        for url in (b"ws://h/", None, 1):
            error = self.assertRaises(TypeError, parseURL, url)
            self.assertIn("str", str(error))

    def test_fragment(self) -> None:
        """
        A fragment is refused, an empty one as well (RFC 6455, 3).
        """
        for url in ("ws://h/#top", "ws://h#top", "ws://h/#", "ws://h/?a=b#", "ws://h#"):
            self.assertRefused(url, "fragment")

    def test_encodedHash(self) -> None:
        """
        A ``#`` that belongs to the path or query is written ``%23``, and stays so.
        """
        self.assertEqual(parseURL("ws://h/%23a?b=%23").resource, "/%23a?b=%23")


class HostTests(URLTestCase):
    """
    Tests of where a URL leads.
    """

    def test_defaultPorts(self) -> None:
        """
        Without a port it is 80, or 443 with TLS, and ``Host`` does not name it.
        """
        for url, port in {
            "ws://example.com/": 80,
            "ws://example.com:80/": 80,
            "wss://example.com/": 443,
            "wss://example.com:443/": 443,
        }.items():
            target = parseURL(url)
            self.assertEqual((target.host, target.port), ("example.com", port))
            self.assertEqual(target.netloc, "example.com")

    def test_otherPorts(self) -> None:
        """
        Any other port is used, and named in ``Host``.
        """
        for url, port in {
            "ws://example.com:8080/": 8080,
            "ws://example.com:443/": 443,
            "wss://example.com:80/": 80,
            "ws://example.com:1/": 1,
            "ws://example.com:65535/": 65535,
        }.items():
            target = parseURL(url)
            self.assertEqual((target.host, target.port), ("example.com", port))
            self.assertEqual(target.netloc, f"example.com:{port}")

    def test_emptyPort(self) -> None:
        """
        An empty port is the default one (RFC 3986, 3.2.3); where there is no port,
        nothing is taken for one.
        """
        for url, port, netloc, resource in (
            ("ws://example.com:/", 80, "example.com", "/"),
            ("wss://example.com:/chat", 443, "example.com", "/chat"),
            ("ws://example.com:", 80, "example.com", "/"),
            ("ws://example.com:?a=b:/", 80, "example.com", "/?a=b:/"),
            ("ws://ada:pw@example.com:/", 80, "example.com", "/"),
            ("ws://[::1]:/", 80, "[::1]", "/"),
            ("ws://example.com:81/a:/b", 81, "example.com:81", "/a:/b"),
            ("ws://example.com/a:", 80, "example.com", "/a:"),
        ):
            target = parseURL(url)
            self.assertEqual((target.port, target.netloc), (port, netloc), url)
            self.assertEqual(target.resource, resource, url)
        for url in ("ws://:/", "ws://h::/", "ws://h:#", "ws://[::1:/", "ws://h:81:/"):
            self.assertRefused(url, "")

    def test_noPorts(self) -> None:
        """
        What can't be the number of a port is refused here, before anything connects.
        """
        for port in ("0", "-1", "65536", "99999", "port", "8o", "1e3"):
            self.assertRefused(f"ws://example.com:{port}/", "")

    def test_portDigits(self) -> None:
        """
        A port has ASCII digits and nothing else, though Python would take them for
        numbers.
        """
        for port in ("+80", "8_0", " 80", "80 ", "\u0663", "\uff18\uff10", "\u00b2"):
            self.assertRefused(f"ws://example.com:{port}/", "")
            self.assertRefused(f"ws://[::1]:{port}/", "")
            self.assertRaises(ValueError, parseProxy, f"http://example.com:{port}")

    def test_addresses(self) -> None:
        """
        The host can be an address; an IPv6 address has brackets in ``Host`` and none
        where it is connected to.
        """
        for url, host, netloc in (
            ("ws://127.0.0.1/", "127.0.0.1", "127.0.0.1"),
            ("ws://127.0.0.1:81/", "127.0.0.1", "127.0.0.1:81"),
            ("ws://[::1]/", "::1", "[::1]"),
            ("ws://[::1]:8080/", "::1", "[::1]:8080"),
            ("wss://[2001:db8::2]:443/x", "2001:db8::2", "[2001:db8::2]"),
            ("ws://[::ffff:1.2.3.4]/", "::ffff:1.2.3.4", "[::ffff:1.2.3.4]"),
        ):
            target = parseURL(url)
            self.assertEqual((target.host, target.netloc), (host, netloc))

    def test_noAddresses(self) -> None:
        """
        Broken IPv6 addresses are refused.
        """
        for host in ("[::1", "::1", "::1]", "[::zz]", "[1:2]", "[::1]x", "x[::1]"):
            self.assertRefused(f"ws://{host}/", "")

    def test_brackets(self) -> None:
        """
        Brackets hold an IPv6 address: a name or an IPv4 address in them is an error
        that says so, and not a host to connect to.
        """
        for host in (
            "[example.com]",
            "[g]",
            "[]",
            "[1.2.3.4]",
            "[v1.x]",
            "[[::1]]",
            "[a]:80",
            "ada:pw@[g]:80",
        ):
            self.assertRefused(f"ws://{host}/", "brackets hold an IPv6 address")
        for host in ("[example.com]", "[g]:3128", "[1.2.3.4]", "ada:pw@[g]"):
            for scheme in ("http://", "socks5://", ""):
                error = self.assertRaises(ValueError, parseProxy, scheme + host)
                self.assertIn("brackets hold an IPv6 address", str(error))

    def test_bracketsElsewhere(self) -> None:
        """
        Outside the host they mean nothing.
        """
        self.assertEqual(parseURL("ws://ada:[pw]@h/[x]?[y]").host, "h")

    def test_zone(self) -> None:
        """
        The zone of an address (RFC 6874) is part of the way to the server, and of the
        URL to show. The server would make nothing of it: ``Host`` goes without.
        """
        for host, zone in (
            ("[fe80::1%25eth0]", "eth0"),
            ("[fe80::1%25eth0]:80", "eth0"),
            ("[fe80::1%251]", "1"),
            ("[fe80::1%25br-lan.7~x_y]", "br-lan.7~x_y"),
            ("[fe80::1%25a%2Fb%25]", "a/b%"),
        ):
            target = parseURL(f"ws://ada:pw@{host}/x")
            self.assertEqual(target.host, f"fe80::1%{zone}")
            self.assertEqual(target.netloc, "[fe80::1]")
            shown = host.removesuffix(":80")
            self.assertEqual(target.url, f"ws://{shown}/x")
            self.assertEqual(target.authority, shown)
            self.assertEqual(withoutZone(target.host), "fe80::1")
            again = parseURL(target.url)
            self.assertEqual((again.host, again.netloc), (target.host, target.netloc))
        target = parseURL("wss://[fe80::1%25lo]:81/")
        self.assertEqual(target.netloc, "[fe80::1]:81")
        self.assertEqual(target.authority, "[fe80::1%25lo]:81")

    def test_withoutZone(self) -> None:
        """
        Other hosts are the same for the URL and for the server.
        """
        for url, host in {"ws://h:81/": "h", "ws://[::1]:81/": "::1"}.items():
            target = parseURL(url)
            self.assertEqual((target.host, withoutZone(target.host)), (host, host))
            self.assertEqual(target.authority, target.netloc)

    def test_noZone(self) -> None:
        """
        A zone is not empty, is behind ``%25``, belongs to an IPv6 address, and is
        printable.
        """
        for host in (
            "[fe80::1%eth0]",
            "[fe80::1%25]",
            "[fe80::1%]",
            "[fe80::1%25a%2]",
            "[fe80::1%25%0A]",
            "[fe80::1%25%00]",
            "[fe80::1%25%20]",
            "[fe80::1%25%FF]",
            "[fe80::1%25%C3%A9]",
            "[fe80::1%25\xe9]",
            "[fe80::1%25a b]",
            "[127.0.0.1%25lo]",
            "[g%25lo]",
        ):
            self.assertRefused(f"ws://{host}/", "behind %25")
        self.assertRefused("ws://127.0.0.1%25lo/", "")

    def test_proxyZone(self) -> None:
        """
        The address of a proxy can have a zone as well.
        """
        proxy = parseProxy("socks5://[fe80::1%25eth0]:9050")
        self.assertEqual((proxy.host, proxy.port), ("fe80::1%eth0", 9050))
        self.assertEqual(proxy.url, "socks5://[fe80::1%25eth0]:9050")

    def test_numbers(self) -> None:
        """
        A host that ends in a number is an IPv4 address in its usual form. Others would
        be addresses to one reader and names to another, and are refused by that name.
        """
        for host in (
            "127.1",
            "256.1.1.1",
            "1.2.3.4.5",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0X7F.0.0.0x1",
            "010.0.0.1",
            "1.2.3.04",
            "127.0.0.1.",
            "example.1",
            "example.0x",
        ):
            self.assertRefused(f"ws://{host}/", "ends in a number")
            self.assertRaises(ValueError, parseProxy, f"http://{host}:3128")
        for host in ("1.example", "0x7g", "1.2.3.4a", "x1", "0xg", "1x"):
            self.assertEqual(parseURL(f"ws://{host}/").host, host)

    def test_backslash(self) -> None:
        """
        A backslash is a slash to browsers and a part of the user to others: what leads
        to two hosts is refused.
        """
        for url in ("ws://h\\@evil/", "ws://h\\x", "ws:\\\\h\\x", "ws://u:\\@h/"):
            self.assertRefused(url, "")
        self.assertRaises(ValueError, parseProxy, "http://h\\@evil:3128")

    def test_names(self) -> None:
        """
        Names in other scripts go over the wire in ASCII (RFC 5891).
        """
        for url, host in {
            "ws://bücher.example/": "xn--bcher-kva.example",
            "ws://BÜCHER.example/": "xn--bcher-kva.example",
            "ws://例え.jp/": "xn--r8jz45g.jp",
            "ws://xn--bcher-kva.example/": "xn--bcher-kva.example",
        }.items():
            target = parseURL(url)
            self.assertEqual((target.host, target.netloc), (host, host))

    def test_localNames(self) -> None:
        """
        Names that only a resolver nearby knows are taken as they are.
        """
        for host in ("localhost", "db-1", "1.2.3.example", "example.com."):
            target = parseURL(f"ws://{host}:8080/")
            self.assertEqual((target.host, target.netloc), (host, f"{host}:8080"))

    def test_noNames(self) -> None:
        """
        What can't be a name is refused; nothing of it could reach a header.
        """
        for host in (
            "a b",
            "a\r\nX-Injected: yes",
            "a\nb",
            "a\tb",
            "a\x00b",
            "a\x7fb",
            "a<b>",
            "exa%6dple.com",
            "exa%0d%0ample.com",
            "a" * 64,
            "a..b",
            "a\ud800b",
        ):
            self.assertRefused(f"ws://{host}/", "")


class ResourceTests(SynchronousTestCase):
    """
    Tests of the path and query that the request asks for.
    """

    def test_root(self) -> None:
        """
        Without a path it is a slash, also before a query.
        """
        self.assertEqual(parseURL("ws://h").resource, "/")
        self.assertEqual(parseURL("ws://h/").resource, "/")
        self.assertEqual(parseURL("ws://h?a=b").resource, "/?a=b")

    def test_kept(self) -> None:
        """
        Path and query arrive as they were written, in every detail that a server may
        care for.
        """
        for resource in (
            "/chat",
            "/chat/",
            "/a/b/../c/./d",
            "//a//b",
            "/a;b=c,d/(e)!*'$",
            "/a:b@c",
            "/a%2Fb%2f",
            "/%C3%A9",
            "/?a=1&b=2",
            "/?a=1=2&&b&c=",
            "/?a+b=%20%26",
            "/?redirect=http://h/?x=y",
            "/chat?token=a.b-c_d~e",
        ):
            self.assertEqual(parseURL(f"ws://h{resource}").resource, resource)

    def test_encoded(self) -> None:
        """
        Characters that a request line can't have are percent-encoded, in UTF-8.
        """
        for written, sent in {
            "/a b": "/a%20b",
            "/é": "/%C3%A9",
            "/💩": "/%F0%9F%92%A9",
            "/ü?ö=ä": "/%C3%BC?%C3%B6=%C3%A4",
            "/a?b=c d": "/a?b=c%20d",
            "/a\tb?\x00": "/a%09b?%00",
        }.items():
            self.assertEqual(parseURL(f"ws://h{written}").resource, sent)

    def test_noInjection(self) -> None:
        """
        No character in a path or query can end the request line or split it.
        """
        for code in [*range(0x21), 0x7F, 0x85, 0xA0, 0x2028, 0xFEFF, 0x10FFFF]:
            for place in ("/{}", "/a{}HTTP/1.1", "/?{}", "/?a={}b"):
                written = place.format(chr(code))
                resource = parseURL(f"ws://h{written}").resource
                self.assertTrue(ORIGIN_FORM.fullmatch(resource), ascii(written))

    def test_loneSurrogates(self) -> None:
        """
        What no UTF-8 has is refused, wherever in the URL it is.
        """
        for url in ("ws://h/\ud800", "ws://h/?\udfff", "ws://u:\ud800@h/"):
            self.assertRaises(ValueError, parseURL, url)

    def test_addressNotASCII(self) -> None:
        """
        Nor is there an address, in brackets, in other characters than ASCII.
        """
        for host in ("[::é]", "[::2\udcc8]", "[::١]"):
            self.assertRaises(ValueError, parseURL, f"ws://{host}/")
            self.assertRaises(ValueError, parseProxy, f"http://{host}:80")


class UserTests(SynchronousTestCase):
    """
    Tests of user and password in a URL.
    """

    def test_none(self) -> None:
        """
        Without them there is nothing to authorize with.
        """
        self.assertIsNone(parseURL("ws://example.com/").authorization)
        self.assertIsNone(parseURL("ws://@example.com/").authorization)

    def test_basic(self) -> None:
        """
        They make Basic authentication: decoded, in UTF-8, and with an empty password if
        there is none (RFC 7617, 2).
        """
        for userinfo, expected in {
            "ada:pw": "Basic ada:pw",
            "ada": "Basic ada:",
            "ada:": "Basic ada:",
            ":pw": "Basic :pw",
            "a%40b:p%2Fw%3A%25": "Basic a@b:p/w:%",
            "ada:a:b": "Basic ada:a:b",
            "ada:%C3%A9%20%0A": "Basic ada:é \n",
            "jürgen:ß": "Basic jürgen:ß",
        }.items():
            target = parseURL(f"ws://{userinfo}@example.com/")
            self.assertEqual(credentials(target), expected, userinfo)
            self.assertEqual((target.host, target.resource), ("example.com", "/"))

    def test_headerIsPlain(self) -> None:
        """
        Whatever they are, the header is one line of ASCII.
        """
        for userinfo in ("a:b\r\nX: y", "ä:ö", "a%0D%0AX:%00", "a" * 100 + ":b"):
            value = parseURL(f"ws://{userinfo}@h/").authorization or ""
            self.assertTrue(re.fullmatch(r"Basic [A-Za-z0-9+/]+=*", value), value)


class ShownTests(URLTestCase):
    """
    Tests of what may stand in a log.
    """

    def test_withoutUser(self) -> None:
        """
        The URL to show has neither password nor user: a token is often given as a user
        without a password.
        """
        for url, shown in {
            f"ws://ada:{SECRET}@h/chat?a=b": "ws://h/chat?a=b",
            f"wss://ada:{SECRET}@[::1]:81/": "wss://[::1]:81/",
            f"ws://:{SECRET}@h/": "ws://h/",
            f"ws://ada:{SECRET}:{SECRET}@h/": "ws://h/",
            f"ws://{SECRET}@h/": "ws://h/",
            f"ws://{SECRET}:@h/": "ws://h/",
            "ws://h/": "ws://h/",
        }.items():
            self.assertEqual(parseURL(url).url, shown)

    def test_oneLine(self) -> None:
        """
        The URL to show is one line, whatever the one given has in it: it could not
        forge a second one in a log.
        """
        for url in ("ws://h/a\r\nb", "ws://h/?a\nb", "ws://h/\x1b[0m", "ws://h/\x00"):
            shown = parseURL(url).url
            self.assertTrue(shown.isprintable(), ascii(shown))

    def test_errorsWithoutPassword(self) -> None:
        """
        However broken a URL is, the error does not quote a password from it: nor part
        of one that has characters which should have been encoded.
        """
        for url in (
            f"http://ada:{SECRET}@h/",
            f"ada:{SECRET}@h/",
            f"ws://ada:{SECRET}@",
            f"ws://ada:{SECRET}@/",
            f"ws://ada:{SECRET}@h:port/",
            f"ws://ada:{SECRET}@h:99999/",
            f"ws://ada:{SECRET}@h/#x",
            f"ws://ada:{SECRET}@a b/",
            f"ws://ada:{SECRET}@[::zz]/",
            f"ws://ada:{SECRET}@[::1",
            f"ws://{SECRET}@h:port/",
            f"ws://{SECRET}:@h:0/",
            f"ws://ada:{SECRET}/x@h/",
            f"ws://ada:{SECRET}?x@h/",
            f"ws://ada:{SECRET}#x@h/",
            f"ws://ada:x@{SECRET}@h/",
            f"ws://ada:{SECRET}@x@h/",
            f"ws://ada:x/{SECRET}@h/",
            f"ws:/ada:{SECRET}@h/",
            f" ws://ada:{SECRET}@h/",
        ):
            error = self.assertRaises(ValueError, parseURL, url)
            self.assertNotIn(SECRET, str(error), url)

    def test_errorsShowTheRest(self) -> None:
        """
        An error shows the URL, so that its mistake can be found.
        """
        for url, shown in {
            "https://example.com/chat": "https://example.com/chat",
            "ws://example.com:port/chat": "example.com:port/chat",
            f"http://ada:{SECRET}@example.com/": "example.com",
            "ws://example.com/chat#top": "/chat#top",
        }.items():
            self.assertRefused(url, shown)

    def test_reprWithoutPassword(self) -> None:
        """
        The traceback of an error that shows variables shows no password, not in base64
        either.
        """
        target = parseURL(f"ws://ada:{SECRET}@h/")
        header = target.authorization or "?"
        self.assertNotIn(SECRET, repr(target))
        self.assertNotIn(header.removeprefix("Basic "), repr(target))


class UnderscoreTests(URLTestCase):
    """
    Tests of names that IDNA does not know.
    """

    def test_names(self) -> None:
        """
        A name with an underscore is taken, in lower case, if it is a name but for that.
        """
        target = parseURL("ws://My_Host.Example:81/")
        self.assertEqual(target.host, "my_host.example")
        self.assertEqual(target.netloc, "my_host.example:81")
        self.assertEqual(parseURL("ws://_srv._tcp.a/").host, "_srv._tcp.a")

    def test_encodedNames(self) -> None:
        """
        So is a name that is encoded already, and means something that IDNA 2008 does
        not allow, such as a picture: browsers connect there.
        """
        for host in ("xn--ls8h.example", "XN--LS8H.EXAMPLE", "a.xn--i-7iq", "xn--a"):
            target = parseURL(f"ws://{host}:81/")
            self.assertEqual(target.host, host.lower())
            self.assertEqual(target.netloc, f"{host.lower()}:81")
        for host in ("xn--", "xn--a-", "xn--" + "a" * 60, "xn--a b", "xn--a..b"):
            self.assertRefused(f"ws://{host}/", "")

    def test_others(self) -> None:
        """
        It excuses nothing else.
        """
        for host in ("-a_b", "a_ b", "a_b!", "a_b..c", "b\xfc_cher", "a_" + "b" * 63):
            self.assertRefused(f"ws://{host}/", "")


class UnixTests(URLTestCase):
    """
    Tests of ``ws+unix:`` URLs.
    """

    def test_parts(self) -> None:
        """
        The first colon ends the path of the socket; what follows is asked for there.
        """
        for url, path, resource in (
            ("ws+unix:/run/app.sock:/chat?room=1", "/run/app.sock", "/chat?room=1"),
            ("WS+UNIX:/run/app.sock:/", "/run/app.sock", "/"),
            ("ws+unix:///run/app.sock:/chat", "/run/app.sock", "/chat"),
            ("ws+unix:/run/app.sock", "/run/app.sock", "/"),
            ("ws+unix:/run/app.sock:?q", "/run/app.sock", "/?q"),
            ("ws+unix:/a:/b:c?d:e", "/a", "/b:c?d:e"),
            ("ws+unix:/a%20b%3Ac%3Fd:/%20", "/a b:c?d", "/%20"),
            ("ws+unix:/\xf6:/\xfc", "/\xf6", "/%C3%BC"),
        ):
            target = parseURL(url)
            self.assertEqual((target.socketPath, target.resource), (path, resource))
            self.assertEqual((target.host, target.netloc), ("localhost", "localhost"))
            self.assertFalse(target.isSecure)
            self.assertIsNone(target.authorization)

    def test_url(self) -> None:
        """
        Its URL to show is one that leads to the same place.
        """
        for url in ("ws+unix:/a%20b%3A:/c?d=\xe9", "ws+unix:///a", "ws+unix:/a:b"):
            target = parseURL(url)
            self.assertTrue(target.url.isascii())
            self.assertEqual(parseURL(target.url), target)

    def test_others(self) -> None:
        """
        Others have no path of a socket, or more than can be meant.
        """
        for url in (
            "ws+unix:",
            "ws+unix:/",
            "ws+unix:/:/chat",
            "ws+unix:app.sock:/chat",
            "ws+unix://host/app.sock:/chat",
            "ws+unix:////app.sock",
            "ws+unix:/a:/b#c",
            "ws+unix:/a#:/b",
            "ws+unix:/a?b:/c",
            "ws+unix:/a b:/",
            "ws+unix:/a:/b\r\nX: y",
            "ws+unix:/a%00:/",
            "wss+unix:/a:/",
        ):
            self.assertRefused(url, "unix")

    def test_othersWithPassword(self) -> None:
        """
        Errors do not quote what may be a password.
        """
        for rest in ("host/", "host/a:/b#c", "host%00:/"):
            for start in ("ws+unix://ada:hunter2@", "ws+unix:/ada%00:hunter2@"):
                with self.assertRaises(ValueError) as raised:
                    parseURL(start + rest)
                self.assertNotIn("hunter2", str(raised.exception))

    def test_network(self) -> None:
        """
        Other URLs have no socket.
        """
        self.assertIsNone(parseURL("ws://example.com/").socketPath)


class ProxyTests(SynchronousTestCase):
    """
    Tests of :func:`parseProxy`.
    """

    def test_parts(self) -> None:
        """
        A proxy has a scheme, a host, a port, and perhaps a user with a password.
        """
        for url, scheme, host, port, user, password in (
            ("http://p", "http", "p", 80, None, ""),
            ("p:3128", "http", "p", 3128, None, ""),
            ("ada:x@p:3128", "http", "p", 3128, "ada", "x"),
            ("HTTPS://P.Example/", "https", "p.example", 443, None, ""),
            ("socks5://[::1]:9050", "socks5", "::1", 9050, None, ""),
            ("socks5h://127.0.0.1", "socks5h", "127.0.0.1", 1080, None, ""),
            ("http://ada@p", "http", "p", 80, "ada", ""),
            ("http://a%40b:c%3Ad%2F%25@p", "http", "p", 80, "a@b", "c:d/%"),
            ("http://a_b", "http", "a_b", 80, None, ""),
        ):
            proxy = parseProxy(url)
            self.assertEqual(
                (proxy.scheme, proxy.host, proxy.port), (scheme, host, port)
            )
            self.assertEqual((proxy.username, proxy.password), (user, password))

    def test_shown(self) -> None:
        """
        What is shown of it has neither user nor password.
        """
        proxy = parseProxy(f"http://ada:{SECRET}@[::1]:3128")
        self.assertEqual(proxy.url, "http://[::1]:3128")
        self.assertNotIn(SECRET, repr(proxy))

    def test_others(self) -> None:
        """
        All else is refused, without showing what may be a password.
        """
        for url in (
            "",
            "http://",
            "ftp://p",
            "socks://p",
            "socks4://p",
            "http://p/x",
            "http://p?x",
            "http://p#x",
            "http://p:0",
            "http://p:65536",
            "http://p:x",
            "http://a b",
            f"ftp://ada:{SECRET}@p",
            f"http://ada:{SECRET}/x@p",
            f"http://ada:1/{SECRET}@p",
            f"http://ada:{SECRET}#x@p",
        ):
            error = self.assertRaises(ValueError, parseProxy, url)
            self.assertNotIn(SECRET, str(error))
