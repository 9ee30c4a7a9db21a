# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.forwarded`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.forwarded import TrustedProxies

PROXY, OTHER, CLIENT = "10.0.0.1", "10.9.9.9", "192.0.2.7"


class TrustedProxiesTests(SynchronousTestCase):
    """
    Tests of :class:`TrustedProxies`.
    """

    def setUp(self) -> None:
        self.proxies = TrustedProxies(["10.0.0.0/8", "::1"])

    def assertWay(self, way: list[str], peer: str | None, *forwarded: bytes) -> None:
        """
        A request from ``peer`` with this header is believed to have come this way.
        """
        self.assertEqual(self.proxies.path(peer, forwarded).addresses, way)

    def assertUnreadable(self, hop: str | None, peer: str, *forwarded: bytes) -> None:
        """
        Of this header, this hop can't be read.
        """
        self.assertEqual(self.proxies.path(peer, forwarded).unreadable, hop)

    def test_noProxy(self) -> None:
        """
        Without the header a request comes from its peer.
        """
        self.assertWay([CLIENT], CLIENT)
        self.assertWay([PROXY], PROXY)

    def test_nobodyTrusted(self) -> None:
        """
        Where no proxy is trusted, the header counts for nothing.
        """
        self.proxies = TrustedProxies([])
        self.assertWay([PROXY], PROXY, b"192.0.2.7")

    def test_noAddress(self) -> None:
        """
        Where the transport knows no address, there is nobody to trust.
        """
        self.assertWay([], None, b"192.0.2.7")

    def test_proxy(self) -> None:
        """
        A proxy one trusts says who asked it.
        """
        self.assertWay([CLIENT, PROXY], PROXY, b"192.0.2.7")

    def test_chain(self) -> None:
        """
        So do the proxies before it, over one line or several.
        """
        way = [CLIENT, OTHER, PROXY]
        self.assertWay(way, PROXY, b"192.0.2.7, 10.9.9.9")
        self.assertWay(way, PROXY, b"192.0.2.7 ,\t10.9.9.9 ")
        self.assertWay(way, PROXY, b"192.0.2.7", b"10.9.9.9")

    def test_forged(self) -> None:
        """
        What a client wrote there itself is not believed.
        """
        self.assertWay([CLIENT], CLIENT, b"127.0.0.1")
        self.assertWay([CLIENT, PROXY], PROXY, b"127.0.0.1, 192.0.2.7")
        self.assertWay([CLIENT, PROXY], PROXY, b"10.0.0.5, 192.0.2.7")
        self.assertWay([CLIENT, PROXY], PROXY, b"10.0.0.5", b"192.0.2.7")

    def test_onlyProxies(self) -> None:
        """
        A request may come from a proxy itself.
        """
        self.assertWay([OTHER, PROXY], PROXY, b"10.9.9.9")

    def test_malformed(self) -> None:
        """
        What is no address ends what can be believed.
        """
        for hop in (
            b"",
            b"unknown",
            b"192.0.2.7:",
            b"192.0.2.7:100000",
            b"192.0.2.7:x",
            b"[2001:db8::1",
            b"[2001:db8::1]x",
            b"[]",
            b"192.0.2",
            b"192.0.2.256",
            b"192.0.2.007",
            b"3221225991",
            b"example.com",
            b"192.0.2.7 192.0.2.8",
            b"\xff",
            b"192.0.2.7\x00",
        ):
            self.assertWay([PROXY], PROXY, hop)
            self.assertWay([PROXY], PROXY, b"192.0.2.7, " + hop)
            self.assertWay([OTHER, PROXY], PROXY, hop + b", 10.9.9.9")
            self.assertWay([CLIENT, PROXY], PROXY, hop + b", 192.0.2.7")
            told = hop.decode("latin-1")
            self.assertUnreadable(told, PROXY, b"192.0.2.7, " + hop + b", 10.9.9.9")
            self.assertUnreadable(None, PROXY, hop + b", 192.0.2.7")
            self.assertUnreadable(None, CLIENT, hop)

    def test_version6(self) -> None:
        """
        IPv6 addresses are as good, and come out in their shortest form.
        """
        self.assertWay(["2001:db8::1", "::1"], "::1", b"2001:DB8:0:0::1")
        self.assertWay(["2001:db8::1", PROXY], PROXY, b"2001:db8::1")

    def test_mapped(self) -> None:
        """
        An IPv4 address on an IPv6 socket is the same address.
        """
        self.assertWay([CLIENT, PROXY], "::ffff:10.0.0.1", b"192.0.2.7")
        self.assertWay([CLIENT], "::ffff:192.0.2.7")
        self.proxies = TrustedProxies(["::ffff:10.0.0.0/104", "unix"])
        self.assertWay([CLIENT, OTHER, PROXY], PROXY, b"192.0.2.7, ::ffff:10.9.9.9")
        self.assertWay([CLIENT, PROXY], PROXY, b"::ffff:192.0.2.7")

    def test_gateways(self) -> None:
        """
        Gateways write a port behind the address, brackets or quotes around it, and
        blanks.
        """
        for hop in (
            b"192.0.2.7:51008",
            b"::ffff:192.0.2.7",
            b"[::ffff:192.0.2.7]",
            b"[::ffff:192.0.2.7]:443",
            b'"192.0.2.7"',
            b'"192.0.2.7:51008"',
            b'"[::ffff:192.0.2.7]:443"',
            b' \t"192.0.2.7" \t',
            b'" 192.0.2.7 "',
        ):
            self.assertWay([CLIENT, PROXY], PROXY, hop)
            self.assertWay([CLIENT, OTHER, PROXY], PROXY, hop + b" , 10.9.9.9:80")
        for hop in (b"[2001:db8::1]", b"[2001:DB8::1]:443", b'"[2001:db8::1]:443"'):
            self.assertWay(["2001:db8::1", PROXY], PROXY, hop)

    def test_quotationMarks(self) -> None:
        """
        A quotation mark that a client has written quotes nothing of what a proxy has.
        """
        for forged in (b'"', b'"\\', b'","', b'"a', b'a"b"c"'):
            self.assertWay([CLIENT, PROXY], PROXY, forged + b", 192.0.2.7")
            self.assertWay([CLIENT, PROXY], PROXY, forged + b', "192.0.2.7"')
            self.assertWay([CLIENT, PROXY], PROXY, forged, b"192.0.2.7")

    def test_unix(self) -> None:
        """
        A proxy at the other end of a UNIX socket is trusted by the name ``unix``, and
        only so. It is a part of the way to a client, and alone no address.
        """
        self.assertWay([], "unix", b"192.0.2.7")
        for networks in (["unix"], ["10.0.0.0/8", "unix"]):
            self.proxies = TrustedProxies(networks)
            self.assertWay([CLIENT, "unix"], "unix", b"192.0.2.7")
            self.assertWay([], "unix")
            self.assertWay([], "unix", b"unknown")
            self.assertUnreadable("unknown", "unix", b"unknown")
            self.assertWay([], None, b"192.0.2.7")
        self.assertWay([CLIENT, OTHER, "unix"], "unix", b"192.0.2.7, 10.9.9.9")

    def test_unixChain(self) -> None:
        """
        Proxies of one machine that are chained over UNIX sockets lead to the client:
        nginx writes ``unix:`` for the address of such a peer. A proxy elsewhere can't
        speak for the sockets of this machine.
        """
        self.proxies = TrustedProxies(["10.0.0.0/8", "unix"])
        self.assertWay([CLIENT, "unix", "unix"], "unix", b"192.0.2.7, unix:")
        self.assertWay([], "unix", b"unix:, unix:")
        self.assertUnreadable(None, "unix", b"unix:, unix:")
        self.assertWay([PROXY], PROXY, b"192.0.2.7, unix:")
        self.assertUnreadable("unix:", PROXY, b"192.0.2.7, unix:")
        self.assertWay([PROXY, "unix"], "unix", b"192.0.2.7, unix:, 10.0.0.1")
        self.proxies = TrustedProxies([PROXY])
        self.assertWay([], "unix", b"192.0.2.7, unix:")

    def test_otherHeader(self) -> None:
        """
        Another header with one address is read as a list of one.
        """
        self.proxies = TrustedProxies([PROXY], "X-Real-IP")
        self.assertWay([CLIENT, PROXY], PROXY, b"192.0.2.7")

    def test_zones(self) -> None:
        """
        An address from the header has no zone, since that could be any text.
        """
        for hop in (b"fe80::1%<script>", b"::1%eth0"):
            self.assertWay([PROXY], PROXY, hop)

    def test_peerZone(self) -> None:
        """
        A peer's address may have one.
        """
        self.assertWay(["fe80::1%eth0"], "fe80::1%eth0", b"192.0.2.7")
        self.proxies = TrustedProxies(["fe80::/10"])
        self.assertWay([CLIENT, "fe80::1%eth0"], "fe80::1%eth0", b"192.0.2.7")

    def test_otherPeers(self) -> None:
        """
        What a transport tells need not be an address of the internet.
        """
        for peer in ("/run/socket", "", "wörk"):
            self.assertWay([peer], peer, b"192.0.2.7")

    def test_mistakes(self) -> None:
        """
        What is no address and no network is refused.
        """
        names = ("localhost", "10.0.0.0/33", "10.0.0.1/8", "", "10.0.0.*")
        for network in (*names, None, 1, b"\x7f\x00\x00\x01"):
            self.assertRaises(ValueError, TrustedProxies, ["127.0.0.1", network])


class ForwardedTests(SynchronousTestCase):
    """
    Tests of :class:`TrustedProxies` that write ``Forwarded`` (RFC 7239).
    """

    def setUp(self) -> None:
        self.proxies = TrustedProxies(["10.0.0.0/8", "unix"], "Forwarded")

    def assertWay(self, way: list[str], *forwarded: bytes, peer: str = PROXY) -> None:
        """
        A request from a proxy with this header is believed to have come this way.
        """
        self.assertEqual(self.proxies.path(peer, forwarded).addresses, way)

    def test_forms(self) -> None:
        """
        An element's ``for`` is the client, in any case, with a port or without one,
        whatever else the element tells.
        """
        for element in (
            b"for=192.0.2.7",
            b"For=192.0.2.7;proto=http;by=203.0.113.43",
            b"proto=https; FOR = 192.0.2.7",
            b'for="192.0.2.7:47011"',
            b"for=192.0.2.7:47011",
            b'for="192.0.2.7:_gazonk"',
            b'for="[::ffff:192.0.2.7]"',
            b'host="a,b;for=c";for=192.0.2.7',
            b'host="a\\", for=6.6.6.6;x=\\"";for=192.0.2.7',
            b";for=192.0.2.7;",
        ):
            self.assertWay([CLIENT, PROXY], element)
            self.assertWay([CLIENT, "unix"], element, peer="unix")
        for element in (b'for="[2001:db8:cafe::17]:4711"', b"for=2001:db8:cafe::17"):
            self.assertWay(["2001:db8:cafe::17", PROXY], element)

    def test_chain(self) -> None:
        """
        Elements are read from the end, over one line or several, as far as the proxies
        in them are trusted.
        """
        way = [CLIENT, OTHER, PROXY]
        self.assertWay(way, b"for=192.0.2.7, for=10.9.9.9;by=10.0.0.1")
        self.assertWay(way, b"for=192.0.2.7", b"for=10.9.9.9")
        self.assertWay(way, b"for=127.0.0.1, for=192.0.2.7,for=10.9.9.9")

    def test_forged(self) -> None:
        """
        What a client wrote there itself is not believed, and hides nothing.
        """
        for forged in (b"for=10.0.0.5", b'for="', b'x="a, for=6.6.6.6', b'";', b'"\\'):
            self.assertWay([CLIENT, PROXY], forged + b", for=192.0.2.7")
            self.assertWay([CLIENT, PROXY], forged + b', for="192.0.2.7:1";by="_a"')
            self.assertWay([CLIENT, PROXY], forged + b', for=192.0.2.7;host="a\\"b"')
        self.assertWay([CLIENT], b"for=10.0.0.5", peer=CLIENT)

    def test_malformed(self) -> None:
        """
        An element without one address to read ends the way at the proxy that wrote it.
        """
        for element in (
            b"",
            b"for=",
            b"for=unknown",
            b"for=_hidden",
            b"192.0.2.7",
            b"by=192.0.2.7",
            b"for=192.0.2.7;for=192.0.2.8",
            b'for="192.0.2.7',
            b"for=192.0.2.7 192.0.2.8",
            b"xfor=192.0.2.7",
        ):
            self.assertWay([PROXY], b"for=192.0.2.1, " + element)
            self.assertWay([OTHER, PROXY], element + b", for=10.9.9.9")
            path = self.proxies.path(PROXY, [element])
            self.assertEqual(path.unreadable, element.decode())
