# -*- test-case-name: tests.handshake.test_forwarded -*-
# Part of txwebsocket. See LICENSE for details.
"""
The clients of trusted proxies, as ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239) tells
them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from txwebsocket.handshake.addresses import (
    Address,
    Network,
    formatAddress,
    parseAddress,
    parseNetwork,
)

UNIX = "unix"
"""
The peer at the other end of a UNIX socket, which has no address.
"""

FORWARDED = "forwarded"
"""
The header of RFC 7239, whose elements have names and values. All others are lists of
addresses.
"""

# What nginx writes for the address of a peer on a UNIX socket.
_UNIX_HOP = "unix:"

# RFC 7239, 6, and the address alone; a port may be a number or hidden behind a name.
_HOP = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))"
    r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
    r"|(?P<v6>[0-9A-Fa-f:.]+)"
)
_ESCAPE = re.compile(r"\\(.)")
# A separator, or a quotation mark with the backslashes before it. Backslashes alone are
# matched as well, so that each is looked at once.
_MARKS = {",": re.compile(r'\\+"?|"|,'), ";": re.compile(r'\\+"?|"|;')}


class ForwardedPath(NamedTuple):
    """
    The way a request came, as far as it can be believed.

    :ivar addresses: the client first, then the proxies, the peer last. Empty if the
        transport tells no address, and no trusted proxy behind it tells one.
    :ivar unreadable: the first hop that ought to have been an address and is not.
    """

    addresses: list[str]
    unreadable: str | None = None


class TrustedProxies:
    """
    Read the addresses that proxies tell, as far as they can be believed.

    Each proxy adds the address it was asked from at the end. So what is written there
    can be believed from the right, as long as it was written by a proxy one trusts.

    :param networks: addresses or networks of those proxies (``127.0.0.1``,
        ``10.0.0.0/8``), and :data:`UNIX`.
    :param header: the one header that all of them write.
    :raises ValueError: if one of them is neither.
    """

    def __init__(
        self, networks: Iterable[str], header: str = "X-Forwarded-For"
    ) -> None:
        given = list(networks)
        self._trustsUnix = UNIX in given
        self._networks: list[Network] = [
            parseNetwork(network) for network in given if network != UNIX
        ]
        self._read = _readNode if header.lower() == FORWARDED else parseHop

    def path(self, peer: str | None, values: Sequence[bytes]) -> ForwardedPath:
        """
        The way a request came.

        :param peer: the address that the transport tells, :data:`UNIX` or None.
        :param values: the values of the header, a line each.
        """
        if peer is None:
            return ForwardedPath([])
        way, unreadable = [formatAddress(peer)], None
        hops = (hop for line in reversed(values) for hop in _splitLast(line))
        while self._trusts(way[0]) and (hop := next(hops, None)) is not None:
            # Only a proxy of this machine can speak for a socket of this machine.
            isSocket = hop == _UNIX_HOP and way[0] == UNIX
            address = UNIX if isSocket else self._read(hop)
            if address is None:
                unreadable = hop
                break
            way.insert(0, str(address))
        # There is no address to tell of sockets alone.
        return ForwardedPath([] if way[0] == UNIX else way, unreadable)

    def _trusts(self, address: str) -> bool:
        if address == UNIX:
            return self._trustsUnix
        if not self._networks:
            return False
        parsed = parseAddress(address.partition("%")[0])
        return parsed is not None and any(parsed in each for each in self._networks)


def _splitLast(line: bytes) -> Iterator[str]:
    """
    The elements of a list, the last one first.
    """
    return _split(line.decode("latin-1"), ",")


def _split(text: str, separator: str) -> Iterator[str]:
    """
    Split at a separator that is not within quotes, from the end.

    What proxies have written is at the end, and is well-formed. A client's quotation
    mark before it must not be able to quote it.
    """
    end, isQuoted = len(text), False
    for mark in reversed(list(_MARKS[separator].finditer(text))):
        if mark[0] == separator:
            if not isQuoted:
                yield text[mark.end() : end].strip(" \t")
                end = mark.start()
        elif mark[0].endswith('"') and len(mark[0]) % 2:
            # No backslash escapes it.
            isQuoted = not isQuoted
    yield text[:end].strip(" \t")


def parseHop(text: str) -> Address | None:
    """
    Read an address as gateways write it: alone, with a port, in brackets, in quotes.

    :return: None if it is anything else, such as a name, ``unknown`` or nothing.
    """
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPE.sub(r"\1", text[1:-1]).strip(" \t")
    found = _HOP.fullmatch(text)
    return parseAddress(found[found.lastgroup or 0]) if found is not None else None


def _readNode(element: str) -> Address | None:
    """
    Read the address in an element of ``Forwarded``: its one parameter ``for``.
    """
    pairs = [pair.partition("=") for pair in _split(element, ";")]
    nodes = [value for name, _, value in pairs if name.strip(" \t").lower() == "for"]
    return parseHop(nodes[0].strip(" \t")) if len(nodes) == 1 else None
