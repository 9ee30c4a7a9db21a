# -*- test-case-name: tests.handshake.test_addresses -*-
# Part of txwebsocket. See LICENSE for details.
"""
IP addresses: reading, comparing and grouping them.

An IPv4 client on an IPv6 socket has an IPv4-mapped address (RFC 4291, 2.5.5.2). It is
the same client, so that its address is IPv4 here.
"""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def parseAddress(text: str) -> Address | None:
    """
    Read an address; None if it is not one, or has a zone.

    A zone names an interface of one machine, and could be any text.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address


def parseNetwork(text: object) -> Network:
    """
    Read a network, such as ``10.0.0.0/8``, or a single address.

    :raises ValueError: if it is neither.
    """
    if not isinstance(text, str):
        # A number would be taken for the address that it is in binary.
        raise ValueError(f"a network must be text, not {text!r}")
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        first = int(network.network_address) & 0xFFFFFFFF
        return IPv4Network((first, network.prefixlen - 96))
    return network


def formatAddress(text: str) -> str:
    """
    An address of a socket as applications are told it: IPv4-mapped ones as IPv4, all
    else unchanged.
    """
    # Most clients have IPv4, and each connection asks.
    if ":" not in text:
        return text
    address = parseAddress(text)
    return str(address) if isinstance(address, IPv4Address) else text


def addressGroup(text: str, prefixLength: int) -> str:
    """
    Name the client that an address belongs to: the network of an IPv6 address, since
    each site has at least a /64 of them (RFC 6177), else the address.

    Link-local addresses stand for themselves: all of a link share one /64.
    """
    if ":" not in text:
        return text
    address = parseAddress(text)
    if isinstance(address, IPv6Address) and not address.is_link_local:
        return str(IPv6Network((address, prefixLength), strict=False))
    return text
