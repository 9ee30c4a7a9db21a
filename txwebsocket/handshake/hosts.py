# -*- test-case-name: tests.handshake.test_hosts -*-
# Part of txwebsocket. See LICENSE for details.
"""
The header ``Host``: its grammar, and the hosts that a server answers for.

A page of an attacker's site can have its own name point to another address once it is
loaded, for example to 127.0.0.1 (DNS rebinding). The browser then takes the server at
that address for the page's own, and sends an ``Origin`` that equals ``Host``. Only the
name in ``Host`` tells that the request was not meant for this server.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from txwebsocket.handshake.addresses import Network, parseAddress, parseNetwork

HostChooser: TypeAlias = Callable[[str], bool]
"""
Told the host of a ``Host`` header, without its port, says whether to answer for it.
"""

ANY_HOST = "*"

_LABEL = r"[A-Za-z0-9_-]+"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_AUTHORITY = re.compile(rf"(\[[0-9A-Fa-f:.]+\]|{_NAME.pattern})(?::([0-9]{{0,5}}))?")


class Authority(NamedTuple):
    """
    A host and a port.

    :ivar host: a name in lower case, or an address; IPv6 in brackets.
    :ivar port: None if there is none, which means the scheme's default.
    """

    host: str
    port: int | None


def parseAuthority(text: str) -> Authority | None:
    """
    Read the value of ``Host`` (RFC 9110, 7.2); None if it is not valid.

    A name has letters, digits, hyphens and underscores between its dots. RFC 3986,
    3.2.2 allows more, such as a comma or ``%2F``. No name in use has them, and readers
    that treat them differently could be deceived.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    host, port = found[1].lower(), int(found[2]) if found[2] else None
    if host.startswith("[") and not _isIPv6(host[1:-1]):
        return None
    return Authority(host, port) if port is None or 0 < port < 65536 else None


def asVerdict(option: str, answer: object) -> bool:
    """
    The answer of an application's callable, as yes or no.

    :raises TypeError: if it would answer later, which would count as a yes.
    """
    if hasattr(answer, "__await__"):
        raise TypeError(f"{option} must answer at once, not with {answer!r}")
    return bool(answer)


class HostPolicy:
    """
    The hosts that a server answers for, whatever the port.

    :param allowed: exact names (``example.com``), patterns for all names below one
        (``*.example.com``), addresses, networks (``0.0.0.0/0``), :data:`ANY_HOST`; a
        callable that decides alone; or None for any.
    :raises ValueError: if one of them is none of these.
    """

    def __init__(self, allowed: Iterable[str] | HostChooser | None) -> None:
        self._chooser = allowed if callable(allowed) else None
        self._takesAny = allowed is None
        self._names: set[str] = set()
        self._suffixes: tuple[str, ...] = ()
        self._networks: list[Network] = []
        if allowed is not None and not callable(allowed):
            for text in allowed:
                self._add(text)

    def _add(self, text: str) -> None:
        name = text.removeprefix("*.")
        if text == ANY_HOST:
            self._takesAny = True
        elif (network := _network(text)) is not None:
            self._networks.append(network)
        elif not _NAME.fullmatch(name):
            raise ValueError(
                f"{text!r} must be a host such as example.com, *.example.com, "
                "192.0.2.1 or 192.0.2.0/24, without a port"
            )
        elif name == text:
            self._names.add(_plain(name))
        else:
            self._suffixes += ("." + _plain(name),)

    def permits(self, text: str) -> bool:
        """
        Does the server answer for this value of ``Host``?

        :raises TypeError: if the callable would answer later.
        """
        if self._takesAny:
            return True
        authority = parseAuthority(text)
        if authority is None:
            return False
        host = authority.host.strip("[]")
        if self._chooser is not None:
            return asVerdict("allowedHosts", self._chooser(host))
        address = parseAddress(host)
        if address is not None:
            return any(address in network for network in self._networks)
        name = _plain(host)
        return name in self._names or name.endswith(self._suffixes)


def _network(text: str) -> Network | None:
    try:
        return parseNetwork(text[1:-1] if text.startswith("[") else text)
    except ValueError:
        return None


def _isIPv6(text: str) -> bool:
    return ":" in text and parseAddress(text) is not None


def _plain(name: str) -> str:
    """
    A name in comparable form, without the dot of the root.
    """
    return name.lower().removesuffix(".")
