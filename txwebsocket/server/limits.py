# -*- test-case-name: tests.server.test_limits -*-
# Part of txwebsocket. See LICENSE for details.
"""
The number of connections that each client address has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from twisted.logger import Logger

from txwebsocket.config import ServerConfig
from txwebsocket.handshake.addresses import addressGroup


class AddressCounter:
    """
    Counts the requests and connections of each client address, as
    ``maxConnectionsPerAddress`` needs it.

    :param config: has the limit, and tells which IPv6 addresses are one client's.
    """

    _log = Logger()

    def __init__(self, config: ServerConfig) -> None:
        self._isLimited = config.maxConnectionsPerAddress is not None
        self._prefixLength = config.ipv6PrefixLength
        self._header = config.forwardedHeader
        self._counts: Counter[str] = Counter()
        self._groups: dict[Hashable, str] = {}
        self._hasWarned = False

    def count(self, address: str | None) -> int:
        """
        How many are counted for the client with this address; 0 if it is not known.
        """
        return self._counts[self._group(address)] if address and self._counts else 0

    def add(self, request: Hashable, address: str | None) -> None:
        """
        Count a request from this address, until it is removed.
        """
        if not self._isLimited:
            return
        if not address:
            self._warn()
            return
        group = self._groups[request] = self._group(address)
        self._counts[group] += 1

    def remove(self, request: Hashable) -> None:
        """
        Count a request no longer, nor its connection.
        """
        group = self._groups.pop(request, None)
        if group is not None:
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]

    def _group(self, address: str) -> str:
        return addressGroup(address, self._prefixLength)

    def _warn(self) -> None:
        if not self._hasWarned:
            self._hasWarned = True
            self._log.warn(
                "maxConnectionsPerAddress does not limit clients whose address is not "
                "known, such as those of a UNIX socket. If a proxy is at its other "
                "end, name 'unix' in trustedProxies, and have the proxy write the "
                "address into {header}.",
                header=self._header,
            )
