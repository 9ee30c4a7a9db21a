# -*- test-case-name: tests.client.test_proxyenv -*-
# Part of txwebsocket. See LICENSE for details.
"""
What the environment's variables say of proxies.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, TypeAlias

from txwebsocket.client.url import ProxyURL, WebSocketURL, parseProxy, withoutZone


class _Source(Enum):
    ENVIRONMENT = "PROXY_FROM_ENVIRONMENT"


ProxySource: TypeAlias = Literal[_Source.ENVIRONMENT]
"""
Where else a proxy's URL can come from.
"""

PROXY_FROM_ENVIRONMENT: ProxySource = _Source.ENVIRONMENT
"""
Has a client go through the proxy that the environment's variables name, if they name
one for the URL.
"""

# In the order in which they are asked, as curl does.
_VARIABLES = {
    False: ("ws_proxy", "http_proxy", "all_proxy"),
    True: ("wss_proxy", "https_proxy", "all_proxy"),
}


def proxyFor(target: WebSocketURL, environment: Mapping[str, str]) -> ProxyURL | None:
    """
    The proxy that these variables name for a URL; None if it is to be reached directly.

    :raises ValueError: if what they name is none.
    """
    found = _firstSet(_VARIABLES[target.isSecure], environment)
    if found is None:
        return None
    exceptions = _firstSet(("no_proxy",), environment)
    if exceptions is not None and _isExcepted(target, exceptions[1]):
        return None
    name, value = found
    try:
        return parseProxy(value)
    except ValueError as error:
        raise ValueError(f"{name} in the environment: {error}") from None


def _firstSet(
    names: tuple[str, ...], environment: Mapping[str, str]
) -> tuple[str, str] | None:
    """
    The first of these variables that says something, in lower or in upper case.
    """
    for lower in names:
        for name in (lower, lower.upper()):
            # To a CGI script this is a header of the request (CVE-2016-5385).
            isForeign = name == "HTTP_PROXY" and "REQUEST_METHOD" in environment
            value = environment.get(name, "").strip()
            if value and not isForeign:
                return name, value
    return None


def _isExcepted(target: WebSocketURL, exceptions: str) -> bool:
    """
    Does ``no_proxy`` have a host in its list?
    """
    host = target.host.lower().rstrip(".")
    return any(
        entry == "*" or _matches(entry, host, target.port)
        for entry in exceptions.lower().replace(",", " ").split()
    )


def _matches(entry: str, host: str, port: int) -> bool:
    """
    Is this host, in lower case, meant by this entry: a name and those below it, an
    address or a network, perhaps with a port?
    """
    address = _addressOf(host)
    if address is not None and "/" in entry:
        try:
            return address in ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    isPort = colon and number.isdecimal() and (":" not in name or name.endswith("]"))
    if isPort and int(number) != port:
        return False
    name = (name if isPort else entry).strip("[]")
    if address is not None:
        return _addressOf(name) in (address, _addressOf(withoutZone(host)))
    name = name.removeprefix("*").removeprefix(".").rstrip(".")
    return host == name or host.endswith(f".{name}")


def _addressOf(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
