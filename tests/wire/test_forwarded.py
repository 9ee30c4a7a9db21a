# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.forwarded`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.forwarded import TrustedProxies

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
        self.assertEqual(self.proxies.addresses(peer, forwarded), way)

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
            b"192.0.2.7:80",
            b"[2001:db8::1]",
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
        peer = "::ffff:10.0.0.1"
        self.assertWay([CLIENT, peer], peer, b"192.0.2.7")
        self.assertWay([CLIENT, OTHER, PROXY], PROXY, b"192.0.2.7, ::ffff:10.9.9.9")
        self.assertWay([CLIENT, PROXY], PROXY, b"::ffff:192.0.2.7")

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
