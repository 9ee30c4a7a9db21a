# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.weburl`.

The tables have the verdicts of Node.js 20 and Chromium 150 on ``new URL(given)``. Where
these two differ, they have that of the URL Standard, which one of them shares.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.browser.api import scalars
from txwebsocket.client.weburl import WebURL, endsInNumber, parseWebURL

SLASHES = {
    "ws:h/x": "ws://h/x",
    "ws:/h/x": "ws://h/x",
    "ws:///h/x": "ws://h/x",
    "ws:////h/x": "ws://h/x",
    "ws:\\\\h\\x": "ws://h/x",
    "ws:/\\h/x": "ws://h/x",
    "ws:\\/h": "ws://h/",
    "ws://h\\x\\y": "ws://h/x/y",
    "ws://h\\@evil/": "ws://h/@evil/",
    "ws://h/\\x": "ws://h//x",
    "ws:h": "ws://h/",
    "WS:H": "ws://h/",
    "ws://h?x\\y": "ws://h/?x\\y",
    "ws://\\h": "ws://h/",
    "ws:h:81": "ws://h:81/",
    "ws:80": "ws://0.0.0.80/",
    "ws:@h": "ws://h/",
    "ws:?": None,
    "ws:#": None,
    "ws:/": None,
    "ws:": None,
    "ws": None,
    "://h": None,
    "//h": None,
    "h": None,
    "/x": None,
    "?x": None,
    "#x": None,
    "": None,
    "ws//h": None,
    "w s://h": None,
    "1ws://h": None,
    "ws ://h": None,
    "wss:h": "wss://h/",
    "http:h": "ws://h/",
    "https:/h": "wss://h/",
    "httpx://h": None,
    "ftp://h/": None,
    "file:///h": None,
    "mailto:a@h": None,
    "about:blank": None,
    "javascript:0": None,
    "blob:ws://h/": None,
    "data:,x": None,
}

DOTS = {
    "ws://h/a/../b": "ws://h/b",
    "ws://h/a/./b": "ws://h/a/b",
    "ws://h/a/..": "ws://h/",
    "ws://h/a/.": "ws://h/a/",
    "ws://h/..": "ws://h/",
    "ws://h/../../x": "ws://h/x",
    "ws://h/a/b/../../c": "ws://h/c",
    "ws://h/%2e%2E/x": "ws://h/x",
    "ws://h/a/%2e": "ws://h/a/",
    "ws://h/a/.%2e/": "ws://h/",
    "ws://h/a/%2e./b": "ws://h/b",
    "ws://h/...": "ws://h/...",
    "ws://h/a..b/": "ws://h/a..b/",
    "ws://h/a/..\\b": "ws://h/b",
    "ws://h//..//x": "ws://h//x",
    "ws://h/a//../b": "ws://h/a/b",
    "ws://h/.a/..a": "ws://h/.a/..a",
    "ws://h?../x": "ws://h/?../x",
    "ws://h/%2f..": "ws://h/%2f..",
    "ws://h/a%5c..%5cb": "ws://h/a%5c..%5cb",
}

ENCODED = {
    "ws://h/a b": "ws://h/a%20b",
    "ws://h/\x7f": "ws://h/%7F",
    "ws://h/é": "ws://h/%C3%A9",
    "ws://h/💩?💩": "ws://h/%F0%9F%92%A9?%F0%9F%92%A9",
    'ws://h/"<>`{}': "ws://h/%22%3C%3E%60%7B%7D",
    "ws://h/[]|\\^'": "ws://h/[]|/%5E'",  # neither in full
    "ws://h/!$&()*+,-.;=@_~:": "ws://h/!$&()*+,-.;=@_~:",
    "ws://h/%zz%4": "ws://h/%zz%4",
    "ws://h/%41%C3%A9": "ws://h/%41%C3%A9",
    "ws://h/?\"<>'": "ws://h/?%22%3C%3E%27",
    "ws://h/?`{}|\\^[]": "ws://h/?`{}|\\^[]",
    "ws://h/?%zz&a=b+c": "ws://h/?%zz&a=b+c",
    "ws://h/? x": "ws://h/?%20x",
    "ws://h/??": "ws://h/??",
    "ws://h?": "ws://h/?",
    "ws://h/?é=ü": "ws://h/?%C3%A9=%C3%BC",
    "ws://h/\x00": "ws://h/",
    "ws://h/a\tb\nc\rd": "ws://h/abcd",
    " ws://h/ ": "ws://h/",
    "\x00\x1fws://h/x\x1f ": "ws://h/x",
    "ws://h/\xa0": "ws://h/%C2%A0",
    "\xa0ws://h/": None,
    "ws://h/\u2028": "ws://h/%E2%80%A8",
    "w\ts:\n//h\r/": "ws://h/",
    "ws:/\t/h": "ws://h/",
}

PORTS = {
    "ws://h:80/": "ws://h/",
    "wss://h:443/": "wss://h/",
    "ws://h:443/": "ws://h:443/",
    "ws://h:/": "ws://h/",
    "ws://h:0/": "ws://h:0/",
    "ws://h:00080/": "ws://h/",
    "ws://h:65535/": "ws://h:65535/",
    "ws://h:65536/": None,
    "ws://h:+80/": None,
    "ws://h:-1/": None,
    "ws://h:8_0/": None,
    "ws://h: 80/": None,
    "ws://h:80 /": None,
    "ws://h:٣/": None,
    "ws://h:1e1/": None,
    "ws://h:80:80/": None,
    "ws://:80/": None,
    "ws://h:00000000000000000001/": "ws://h:1/",
    "ws://[::1]:/": "ws://[::1]/",
    "http://h:80/": "ws://h/",
    "https://h:80/": "wss://h:80/",
    "http://h:443/": "ws://h:443/",
    "https://h:443/": "wss://h/",
    "ws://h:\t81/": "ws://h:81/",
    "ws://h:99999999999999999999/": None,
    "ws://h:80x/": None,
    "ws://h:80\\x": "ws://h/x",
}

IPV4 = {
    "ws://127.1/": "ws://127.0.0.1/",
    "ws://127.0.1/": "ws://127.0.0.1/",
    "ws://0/": "ws://0.0.0.0/",
    "ws://2130706433/": "ws://127.0.0.1/",
    "ws://0x7f.1/": "ws://127.0.0.1/",
    "ws://0x7f000001/": "ws://127.0.0.1/",
    "ws://0X7F.0x0.0X0.0x1/": "ws://127.0.0.1/",
    "ws://0177.0.0.1/": "ws://127.0.0.1/",
    "ws://0.0.0.256/": None,
    "ws://256.1.1.1/": None,
    "ws://1.2.3.256/": None,
    "ws://1.2.65535/": "ws://1.2.255.255/",
    "ws://1.2.65536/": None,
    "ws://1.16777215/": "ws://1.255.255.255/",
    "ws://1.16777216/": None,
    "ws://4294967295/": "ws://255.255.255.255/",
    "ws://4294967296/": None,
    "ws://1.2.3.4./": "ws://1.2.3.4/",
    "ws://1.2.3.4../": "ws://1.2.3.4../",
    "ws://1.2.3.4.5/": None,
    "ws://1..2/": None,
    "ws://.1/": None,
    "ws://09/": None,
    "ws://1.2.3.08/": None,
    "ws://0x/": "ws://0.0.0.0/",
    "ws://0x.0x.0x.0x/": "ws://0.0.0.0/",
    "ws://0xg/": "ws://0xg/",
    "ws://a.1/": None,
    "ws://a.0x/": None,
    "ws://a.0xg/": "ws://a.0xg/",
    "ws://1.a/": "ws://1.a/",
    "ws://1.2.3.4a/": "ws://1.2.3.4a/",
    "ws://１２７.0.0.1/": "ws://127.0.0.1/",
    "ws://1。2。3。4/": "ws://1.2.3.4/",
    "ws://%31%2e2.3.4/": "ws://1.2.3.4/",
    "ws://-1/": "ws://-1/",
    "ws://1.2.3.-4/": "ws://1.2.3.-4/",
    "ws://0x1g.1/": None,
    "ws://00/": "ws://0.0.0.0/",
}

IPV6 = {
    "ws://[::]/": "ws://[::]/",
    "ws://[::1]/": "ws://[::1]/",
    "ws://[1:2:3:4:5:6:7:8]/": "ws://[1:2:3:4:5:6:7:8]/",
    "ws://[2001:DB8::A]/": "ws://[2001:db8::a]/",
    "ws://[1:0:0:2:0:0:0:3]/": "ws://[1:0:0:2::3]/",
    "ws://[0:0:1:0:0:0:0:0]/": "ws://[0:0:1::]/",
    "ws://[1:0:0:2:0:0:3:4]/": "ws://[1::2:0:0:3:4]/",
    "ws://[1:0:2:3:4:5:6:7]/": "ws://[1:0:2:3:4:5:6:7]/",
    "ws://[::1.2.3.4]/": "ws://[::102:304]/",
    "ws://[::ffff:127.0.0.1]/": "ws://[::ffff:7f00:1]/",
    "ws://[1:2:3:4:5:6:1.2.3.4]/": "ws://[1:2:3:4:5:6:102:304]/",
    "ws://[0001:00:0::]/": "ws://[1::]/",
    "ws://[1:2:3:4:5:6:7::]/": "ws://[1:2:3:4:5:6:7:0]/",
    "ws://[::2:3:4:5:6:7:8]/": "ws://[0:2:3:4:5:6:7:8]/",
    "ws://[1::2:3:4:5:6:7:8]/": None,
    "ws://[1:2:3:4:5:6:7]/": None,
    "ws://[1:2:3:4:5:6:7:8:9]/": None,
    "ws://[00001::]/": None,
    "ws://[::1::]/": None,
    "ws://[:::]/": None,
    "ws://[:1]/": None,
    "ws://[1:]/": None,
    "ws://[g]/": None,
    "ws://[example.com]/": None,
    "ws://[1.2.3.4]/": None,
    "ws://[]/": None,
    "ws://[::1/": None,
    "ws://::1/": None,
    "ws://[::1]x/": None,
    "ws://x[::1]/": None,
    "ws://[::1]]/": None,
    "ws://[[::1]]/": None,
    "ws://[fe80::1%25eth0]/": None,
    "ws://[fe80::1%eth0]/": None,
    "ws://[::1.2.3]/": None,
    "ws://[::1.2.3.04]/": None,  # not Chromium
    "ws://[::1.2.3.256]/": None,
    "ws://[::0x1]/": None,
    "ws://[v1.x]/": None,
    "ws://[%3a%3a1]/": None,  # not Chromium
    "ws://[::１]/": None,  # not Chromium
    "ws://[::1]:81/x": "ws://[::1]:81/x",
}

HOSTS = {
    "ws://%61/": "ws://a/",
    "ws://ex%41mple.%63om/": "ws://example.com/",
    "ws://%C3%BC/": "ws://xn--tda/",
    "ws://a%20b/": None,  # not Chromium
    "ws://a%2fb/": None,
    "ws://a%00b/": None,
    "ws://a%40b/": None,
    "ws://a%/": None,
    "ws://a%zz/": None,
    "ws://%/": None,
    "ws://%ff/": None,
    "ws://Example.COM/": "ws://example.com/",
    "ws://bücher.example/": "ws://xn--bcher-kva.example/",
    "ws://BÜCHER.example/": "ws://xn--bcher-kva.example/",
    "ws://faß.example/": "ws://xn--fa-hia.example/",
    "ws://xn--bcher-kva.example/": "ws://xn--bcher-kva.example/",
    "ws://XN--BCHER-KVA.example/": "ws://xn--bcher-kva.example/",
    "ws://例え.jp/": "ws://xn--r8jz45g.jp/",
    "ws://💩.example/": "ws://xn--ls8h.example/",
    "ws://xn--ls8h.example/": "ws://xn--ls8h.example/",
    "ws://a。b/": "ws://a.b/",
    "ws://ａｂ.example/": "ws://ab.example/",
    "ws://a\xadb/": "ws://ab/",
    "ws://\xad/": None,
    "ws://a..b/": "ws://a..b/",
    "ws://./": "ws://./",
    "ws://a./": "ws://a./",
    "ws://a../": "ws://a../",
    f"ws://{'a' * 64}/": f"ws://{'a' * 64}/",
    "ws://-a-/": "ws://-a-/",
    "ws://a--b/": "ws://a--b/",
    "ws://ab--c/": "ws://ab--c/",
    "ws://a_b/": "ws://a_b/",
    "ws://a!$&'()*+,;=~b/": "ws://a!$&'()*+,;=~b/",  # not Chromium
    'ws://a"b/': 'ws://a"b/',
    "ws://a`{}b/": "ws://a`{}b/",
    "ws://a b/": None,  # not Chromium
    "ws://a<b/": None,
    "ws://a>b/": None,
    "ws://a^b/": None,
    "ws://a|b/": None,
    "ws://a]b/": None,
    "ws://a[b/": None,
    "ws://a\x00b/": None,
    "ws://a\x7fb/": None,
    "ws://xn--/": None,  # not Chromium
    "ws://xn--a/": None,  # not Chromium
    "ws://xn--zzzzzz/": None,  # not Chromium
    "ws://xn--é/": None,
    "ws://̀a/": None,
    "ws://à/": "ws://xn--0ca/",
    "ws://a\u200cb/": None,
    "ws://\u0915\u094d\u200d\u0937/": "ws://xn--11b2ezcw70k/",
    "ws://א/": "ws://xn--4db/",
    "ws://א.example/": "ws://xn--4db.example/",
    "ws://1.א/": None,  # not Node.js
    "ws://אa/": None,
    "ws://�/": None,
    "ws://a\ufeff/": "ws://a/",
    "ws://℀/": None,
    "ws://K.example/": "ws://k.example/",
    "ws://a≠b/": "ws://xn--ab-miv/",
    "ws:// h/": None,  # not Chromium
}

USERS = {
    "ws://u@h/": "ws://h/",
    "ws://u:p@h/": "ws://h/",
    "ws://@h/": "ws://h/",
    "ws://:@h/": "ws://h/",
    "ws://a@b@h/": "ws://h/",
    "ws://u:p:q@h/": "ws://h/",
    "ws://u:p@/": None,
    "ws://u@:80/": None,
    "ws://@/": None,
    "ws://u:p@[::1]/": "ws://[::1]/",
    "ws://[a]@h/": "ws://h/",
    "ws://u/@h/": "ws://u/@h/",
    "ws://u?@h/": "ws://u/?@h/",
    "ws://u#@h/": "ws://u/#",
    "ws://u:1/p@h/": "ws://u:1/p@h/",
    "ws://u:p/x@h/": None,
}


def shown(url: WebURL) -> str:
    """
    A URL in one piece, without user and password, and with the scheme of a WebSocket.
    """
    scheme = url.scheme.replace("http", "ws")
    port = "" if url.port is None else f":{url.port}"
    query = "" if url.query is None else f"?{url.query}"
    fragment = "#" if url.hasFragment else ""
    return f"{scheme}://{url.host}{port}{url.path}{query}{fragment}"


class VerdictTests(SynchronousTestCase):
    """
    Tests of which URLs are taken, and what becomes of them.
    """

    def assertVerdicts(self, table: Mapping[str, str | None]) -> None:
        """
        Each of these is read as browsers do.
        """
        for given, expected in table.items():
            try:
                found: str | None = shown(parseWebURL(scalars(given)))
            except ValueError:
                found = None
            self.assertEqual(found, expected, ascii(given))

    def test_slashes(self) -> None:
        """
        A backslash is a slash, and any number of them, or none, leads to the host.
        """
        self.assertVerdicts(SLASHES)

    def test_dots(self) -> None:
        """
        Dots lead up in the path, also where they are percent-encoded, and nowhere else.
        """
        self.assertVerdicts(DOTS)

    def test_encoding(self) -> None:
        """
        What a path or query can't have is percent-encoded; what is there already stays.
        """
        self.assertVerdicts(ENCODED)

    def test_ports(self) -> None:
        """
        A port is a number up to 65535, and the scheme's own is left out.
        """
        self.assertVerdicts(PORTS)

    def test_IPv4(self) -> None:
        """
        A host that ends in a number is an IPv4 address, of which numbers can be left
        out, or be octal or hexadecimal. If it is none, it is no host.
        """
        self.assertVerdicts(IPV4)

    def test_IPv6(self) -> None:
        """
        Brackets hold an IPv6 address, which is written in its shortest form, without a
        zone.
        """
        self.assertVerdicts(IPV6)

    def test_hosts(self) -> None:
        """
        A name is percent-decoded, and then made ASCII.
        """
        self.assertVerdicts(HOSTS)

    def test_users(self) -> None:
        """
        User and password end at the last at sign before the path.
        """
        self.assertVerdicts(USERS)


class PartTests(SynchronousTestCase):
    """
    Tests of the parts of a URL.
    """

    def test_parts(self) -> None:
        """
        Each part is where it belongs.
        """
        url = parseWebURL("WSS://ada:p%40:w@[::1]:81/a/../b?c#d")
        self.assertEqual(url, WebURL("wss", "ada:p%40:w", "[::1]", 81, "/b", "c", True))
        url = parseWebURL("http:h")
        self.assertEqual(url, WebURL("http", "", "h", None, "/", None, False))

    def test_words(self) -> None:
        """
        An error names the part that is wrong and quotes nothing of it, since it may be
        a password that was not encoded.
        """
        for given, told in {
            "ftp://secret/": "scheme",
            "secret": "scheme",
            "ws://secret:x/": "port",
            "ws://h:99999/": "port",
            "ws://se cret/": "host",
            "ws://": "host",
            "ws://[secret]/": "brackets",
            "ws://[::1]secret/": "brackets",
            "ws://256.1.1.1/": "IPv4",
            "ws://secret.1/": "IPv4",
            "ws://xn--secret-/": "Punycode",
            "ws://\ufffdsecret/": "character",
            "ws://secret\u200c/": "label",
        }.items():
            error = self.assertRaises(ValueError, parseWebURL, given)
            self.assertIn(told, str(error), given)
            self.assertNotIn("secret", str(error))

    def test_longNames(self) -> None:
        """
        A name of any length is read if it is ASCII. Others are read up to a length that
        no name has: Punycode would take too long.
        """
        for name in ("a" * 10000, "a." * 5000, "\xe9" * 1000, "xn--bcher-kva." * 71):
            self.assertTrue(parseWebURL(f"ws://{name}/").host.isascii())
        for name in ("\xe9" * 1001, "xn--bcher-kva." * 72):
            error = self.assertRaises(ValueError, parseWebURL, f"ws://{name}/")
            self.assertIn("at most 1000 characters", str(error))

    def test_endsInNumber(self) -> None:
        """
        What looks like an IPv4 address to a browser is told from a name.
        """
        for host in ("1", "a.1", "127.1", "1.2.3.4.", "0x", "a.0XfF", "09"):
            self.assertTrue(endsInNumber(host), host)
        for host in ("", "a", "1.a", "0xg", "1x", "a.1b", "1.."):
            self.assertFalse(endsInNumber(host), host)
