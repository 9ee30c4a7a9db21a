# -*- test-case-name: tests.client.test_resolver -*-
# Part of txwebsocket. See LICENSE for details.
"""
From the names of hosts to connections.
"""

from __future__ import annotations

from collections.abc import Callable
from socket import gaierror
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
)
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.client.weburl import standIn
from txwebsocket.connection.errors import ProxyRejected


def isAddress(host: str) -> bool:
    """
    Is this no name, but an address?
    """
    return bool(isIPAddress(host) or isIPv6Address(host))


def hostEndpoint(
    reactor: Any, host: str, port: int, **options: Any
) -> IStreamClientEndpoint:
    """
    The way to a host over TCP, by whichever of its addresses is fastest.

    :param options: those of Twisted's ``HostnameEndpoint``.
    """
    if "%" in host:
        return _ZoneEndpoint(reactor, host, port, **options)
    if isAddress(host):
        # There is nothing to look up, and of each attempt Twisted's endpoint for names
        # would leave 7 KiB of objects that refer to each other.
        kind = TCP6ClientEndpoint if isIPv6Address(host) else TCP4ClientEndpoint
        return kind(reactor, host, port, **options)
    if standIn(host) != host.lower():
        return _OddNameEndpoint(reactor, host, port, options)
    return HostnameEndpoint(reactor, host, port, **options)


class _ZoneEndpoint(TCP6ClientEndpoint):
    """
    Connects to an IPv6 address with a zone, such as ``fe80::1%eth0``.

    Twisted's ``HostnameEndpoint`` resolves the address and loses the zone.
    """

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect in the zone.
        """
        connecting: Deferred[IProtocol] = super().connect(protocolFactory)
        return connecting.addErrback(self._explain)

    def _explain(self, failure: Failure) -> Failure:
        if failure.check(gaierror):
            # The reason alone speaks of a name.
            raise ConnectError(string=f"{self._host}: {failure.getErrorMessage()}")
        return failure


@implementer(IStreamClientEndpoint)
class _OddNameEndpoint:
    """
    The way to a host whose name has an underscore, or is encoded.

    Twisted refuses such names, though name servers and the ``hosts`` file may know
    them. So its endpoint is given another, and a reactor that looks up the right one.
    """

    def __init__(
        self, reactor: Any, host: str, port: int, options: dict[str, Any]
    ) -> None:
        self._host = host
        self._endpoint = HostnameEndpoint(
            _Renaming(reactor, host), standIn(host), port, **options
        )

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to one of its addresses.
        """
        connecting = self._endpoint.connect(protocolFactory)
        return connecting.addErrback(self._rename)

    def _rename(self, failure: Failure) -> Failure:
        if failure.check(DNSLookupError):
            raise _unknown(self._host)
        return failure


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _Renaming:
    """
    A reactor that looks up one name, whichever it is asked for.
    """

    def __init__(self, reactor: Any, host: str) -> None:
        self._reactor = reactor
        self._host = host
        self.nameResolver = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def resolveHostName(
        self, resolutionReceiver: Any, hostName: str, *args: Any, **more: Any
    ) -> IHostResolution:
        """
        Look up the name.
        """
        resolver: IHostnameResolver = self._reactor.nameResolver
        return resolver.resolveHostName(resolutionReceiver, self._host, *args, **more)


@implementer(IStreamClientEndpoint)
class LookingUpEndpoint:
    """
    Look up a host's name, and lead to its addresses in some other way than by TCP.

    :param lead: makes the endpoint for an address.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        lead: Callable[[str], IStreamClientEndpoint],
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._lead = lead

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the first address that a proxy leads to.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, protocolFactory: IProtocolFactory) -> IProtocol:
        *others, last = await lookUp(self._reactor, self._host)
        for address in others:
            try:
                return await self._lead(address).connect(protocolFactory)
            except ProxyRejected as error:
                if error.code is None:
                    # Who we are does not depend on the address.
                    raise
        return await self._lead(last).connect(protocolFactory)


def lookUp(reactor: Any, host: str) -> Deferred[list[str]]:
    """
    Find the addresses of a host.

    :return: a Deferred of at least one. It fails with ``DNSLookupError`` if there is
        none, and if it is cancelled.
    """
    lookup = _Lookup(host)
    reactor.nameResolver.resolveHostName(lookup, host)
    return lookup.found


@implementer(IResolutionReceiver)
class _Lookup:
    """
    The look-up of one name.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._addresses: list[str] = []
        self.found: Deferred[list[str]] = Deferred(self._end)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """
        There is no way to stop one in Twisted, so that it is not needed.
        """

    def addressResolved(self, address: Any) -> None:
        """
        One more address.
        """
        self._addresses.append(address.host)

    def resolutionComplete(self) -> None:
        """
        There are no more.
        """
        if self.found.called:
            return
        if self._addresses:
            self.found.callback(self._addresses)
        else:
            self._end(self.found)

    def _end(self, found: Deferred[list[str]]) -> None:
        found.errback(_unknown(self._host))


def _unknown(host: str) -> DNSLookupError:
    return DNSLookupError(f"no address was found for the host {host!r}")
