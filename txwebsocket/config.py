# -*- test-case-name: tests.test_config -*-
# Part of txwebsocket. See LICENSE for details.
"""
The options of servers and of clients. Durations are seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from txwebsocket.handshake.forwarded import TrustedProxies
from txwebsocket.handshake.hosts import HostChooser, HostPolicy
from txwebsocket.handshake.opening import VERSIONS
from txwebsocket.handshake.origins import (
    INSECURE_ANY_ORIGIN,
    OriginChooser,
    OriginPolicy,
)
from txwebsocket.wire.checks import (
    countOption,
    countOrNoneOption,
    flagOption,
    isSize,
    option,
    sizeOrNoneOption,
)
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.grammar import isToken

ProtocolChooser: TypeAlias = Callable[[Sequence[str]], str | None]
"""
Given the subprotocols a client offers, returns one of them or None.
"""

_MIB = 2**20


def _isListFor(policy: Callable[[Any], object], value: object) -> bool:
    """
    Check for a list that this policy can be made of.
    """
    if not isinstance(value, tuple):
        return False
    try:
        policy(value)
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def _origins() -> Any:
    return option(
        (),
        "a list of origins such as https://example.com, https://*.example.com or "
        "file://, or a callable",
        _isOrigins,
    )


def _isOrigins(value: object) -> bool:
    isAny = value == INSECURE_ANY_ORIGIN
    return callable(value) or isAny or _isListFor(OriginPolicy, value)


def _hosts() -> Any:
    return option(
        None,
        "a list of hosts such as example.com, *.example.com, 192.0.2.1 or "
        "192.0.2.0/24, a callable, or None for any host",
        _isHosts,
    )


def _isHosts(value: object) -> bool:
    return value is None or callable(value) or _isListFor(HostPolicy, value)


def _protocols() -> Any:
    return option((), "a list of subprotocol names, or a callable", _isProtocols)


def _isProtocols(value: object) -> bool:
    return callable(value) or (
        isinstance(value, tuple)
        and all(isinstance(item, str) and isToken(item) for item in value)
    )


def _networks() -> Any:
    return option(
        (),
        "a list of addresses or networks such as 10.0.0.0/8, and 'unix'",
        _isNetworks,
    )


def _isNetworks(value: object) -> bool:
    return _isListFor(TrustedProxies, value)


def _header() -> Any:
    return option(
        "X-Forwarded-For",
        "the name of a header such as X-Forwarded-For or Forwarded",
        lambda value: isinstance(value, str) and isToken(value),
    )


def _prefixLength() -> Any:
    return option(
        64,
        "a whole number from 1 to 128",
        lambda value: isSize(value) and value <= 128,
    )


def _version() -> Any:
    return option(
        VERSIONS[0],
        f"one of {', '.join(map(str, VERSIONS))}",
        lambda value: type(value) is int and value in VERSIONS,
    )


def firstOffered(offered: Sequence[str]) -> str | None:
    """
    Choose the first subprotocol that a client offers, whatever it is: for the option
    ``subprotocols`` of a server such as an echo, which can speak each of them. Most
    clients fail if they offer some and none is chosen.
    """
    return next(iter(offered), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(ConnectionConfig):
    """
    What can be chosen for a server.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    origins: Iterable[str] | OriginChooser = _origins()
    """
    Origins of web pages that may connect besides the server's own host and port: exact
    ones, all hosts below one (``https://*.example.com``), or
    :data:`INSECURE_ANY_ORIGIN`. Any other text, such as ``file://`` or ``null``, is
    compared exactly with the header. Beware of ``null``: every site can have a page
    send it, from a sandboxed frame for example. A callable is given the ``Origin``
    header and decides alone. Requests without the header, as most programs other than
    browsers send them, are not checked.
    """

    allowedHosts: Iterable[str] | HostChooser | None = _hosts()
    """
    Hosts that the server answers for, as ``Host`` names them, on any port: exact names,
    all names below one (``*.example.com``), addresses, networks (``0.0.0.0/0``). None
    means any. A callable is given the host in lower case, without port and brackets,
    and decides alone. Requests for other hosts are answered 421. Name the hosts if the
    server trusts all clients that can reach it, on ``localhost`` for example: a site
    can point its own name to the server's address (DNS rebinding), and the ``Origin``
    of its pages equals ``Host`` then.
    """

    subprotocols: Sequence[str] | ProtocolChooser = _protocols()
    """
    Subprotocols for applications that don't choose one themselves, the preferred one
    first; or a callable such as :func:`firstOffered`, which is given those the client
    offers, in its order, and returns one of them or None. If the client offers none of
    them, none is used.
    """

    autoAcceptConnections: bool = flagOption(False)
    """
    For a server without an application: accept every request, with the first
    subprotocol the client offers, and leave the connection to ``onConnect``.
    """

    maxConnections: int | None = countOrNoneOption(None)
    """
    Connections and pending requests at a time; the next client is answered 503.
    """

    maxConnectionsPerAddress: int | None = countOrNoneOption(None)
    """
    Connections and pending requests of each client address at a time; the next client
    from there is answered 503. Where a client's address is not known, which is logged
    once, it has no limit: see :attr:`trustedProxies`.
    """

    ipv6PrefixLength: int = _prefixLength()
    """
    Leading bits of an IPv6 address that :attr:`maxConnectionsPerAddress` looks at. All
    addresses that share them count as one client, since each site has at least a /64 of
    them. Link-local addresses count by themselves. 128 counts each address alone.
    """

    maxPendingRequests: int | None = countOrNoneOption(1000)
    """
    Requests that wait for a decision at a time; the next client is answered 503.
    """

    trustedProxies: Iterable[str] = _networks()
    """
    Addresses or networks (``10.0.0.0/8``) of proxies whose :attr:`forwardedHeader` is
    believed; ``"unix"`` for those at the other end of a UNIX socket. The header is
    ignored from all other addresses, because clients can forge it.
    """

    forwardedHeader: str = _header()
    """
    The one header in which :attr:`trustedProxies` tell the addresses of their clients:
    ``X-Forwarded-For``, ``Forwarded`` (RFC 7239), or another that has one address or a
    list of them, such as ``X-Real-IP``. All other headers are ignored, since a proxy
    that does not write a header passes on what its client has written there.
    """

    parseCookies: bool = flagOption(True)
    """
    Give requests their ``cookies``. If false, there are none.
    """

    parseExtensions: bool = flagOption(True)
    """
    Give requests their ``requestedExtensions``. If false, there are none.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig(ConnectionConfig):
    """
    What can be chosen for a client.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    maxReceivedMessageSize: int | None = sizeOrNoneOption(8 * _MIB)
    """
    Bytes in one message; more than a server takes, since we chose whom to talk to.
    None, for no limit, needs ``streamMessages``.
    """

    requireSubprotocol: bool = flagOption(True)
    """
    Fail if subprotocols are offered and the server chooses none of them, as browsers
    do. If false, the connection opens and its ``protocol`` is None, as RFC 6455, 4.1,
    allows. A server that chooses one that was not offered fails in either case.
    """

    webSocketVersion: int = _version()
    """
    The protocol version to speak: 13, the standard, or 8, its last draft.
    """

    maxRedirects: int = countOption(0)
    """
    Redirects to follow, one after the other; 0 follows none, and a server that
    redirects has refused. What is sent to another origin, and where none leads, is in
    the manual.
    """
