# -*- test-case-name: tests.wire.test_forwarded -*-
# Part of txwebsocket. See LICENSE for details.
"""
Where a request came from, behind proxies one trusts.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class TrustedProxies:
    """
    Read ``X-Forwarded-For`` as far as it can be believed.

    Each proxy adds the address it was asked from at the end. So what is written there
    can be believed from the right, as long as it was written by a proxy one trusts.

    :param networks: addresses or networks of those proxies (``127.0.0.1``,
        ``10.0.0.0/8``).
    :raises ValueError: if one of them is neither.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(_checkText(network)) for network in networks]

    def addresses(self, peer: str | None, forwarded: Sequence[bytes]) -> list[str]:
        """
        The way a request came, as far as it can be believed: the client first, then
        the proxies, the peer last.

        :param peer: the address the transport tells, if it tells one.
        :param forwarded: the values of the header, a line each.
        """
        if peer is None:
            return []
        way = [peer]
        hops = [hop.strip() for line in forwarded for hop in line.split(b",")]
        while hops and self._trusts(way[0]):
            hop = _parse(hops.pop())
            if hop is None:
                break
            way.insert(0, str(hop))
        return way

    def _trusts(self, address: str) -> bool:
        parsed = _parse(address.partition("%")[0].encode("utf-8"))
        return parsed is not None and any(parsed in each for each in self._networks)


def _checkText(network: object) -> str:
    # A number would be taken for the address that it is in binary.
    if not isinstance(network, str):
        raise ValueError(f"a network is text, not {network!r}")
    return network


def _parse(hop: bytes) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(hop.decode("ascii"))
    except ValueError:
        return None
    if getattr(address, "scope_id", None) is not None:
        # The name of an interface means nothing on another machine.
        return None
    # An IPv4 client on an IPv6 socket is the same client.
    return getattr(address, "ipv4_mapped", None) or address
