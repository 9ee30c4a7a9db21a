# -*- test-case-name: tests.handshake.test_origins -*-
# Part of txwebsocket. See LICENSE for details.
"""
Which web pages may connect.

A browser lets any page open a WebSocket to any server, cookies included, and says in
``Origin`` where the page came from (RFC 6454; RFC 6455, 10.2). Unless the server looks
at it, every site its users visit can act in their name.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from txwebsocket.handshake.hosts import asVerdict, parseAuthority
from txwebsocket.handshake.targets import DEFAULT_PORTS

_SCHEME = r"([a-z][a-z0-9+.-]*)://"
_ORIGIN = re.compile(rf"{_SCHEME}(.*[^:])")
_PATTERN = re.compile(rf"{_SCHEME}\*\.[^\[].*")
# Printable, without a space, and without a star, which would be a pattern gone wrong.
_TEXT = re.compile(r"[!-)+-~]+")


class Origin(NamedTuple):
    """
    Where a page came from, in comparable form: lower case, the port always there, but
    zero where there is none, as in ``chrome-extension://name``.
    """

    scheme: str
    host: str
    port: int


OriginChooser: TypeAlias = Callable[[str], bool]
"""
Told an ``Origin`` header as it came, says whether that page may connect.
"""

INSECURE_ANY_ORIGIN = "*"
"""
Lets every page on the web connect in its visitor's name. Only for servers that give
nobody anything because of a cookie, a login or the network they are in.
"""


def parseOrigin(text: str) -> Origin | None:
    """
    Read an ``Origin`` header; None if it is ``null`` or not an origin at all.
    """
    found = _ORIGIN.fullmatch(text.lower())
    place = found and parseAuthority(found[2])
    if found is None or place is None:
        return None
    default = DEFAULT_PORTS.get(found[1], 0)
    return Origin(found[1], place.host, place.port or default)


def isSameHost(origin: Origin, host: str) -> bool:
    """
    Does a ``Host`` header name the host and port of this origin?

    The scheme is not compared, because a proxy in front may be the one that speaks TLS;
    a Host without a port means the default one of the origin's scheme. A browser's
    extension, or what else has no port, is on no host, whatever it is called.
    """
    asked = parseAuthority(host)
    if asked is None or not origin.port:
        return False
    port = asked.port or DEFAULT_PORTS.get(origin.scheme, 0)
    return (origin.host, origin.port) == (asked.host, port)


class OriginPolicy:
    """
    Who may connect besides pages of the server's own host and port.

    :param allowed: exact origins (``https://example.com``,
        ``chrome-extension://name``), patterns for all hosts below one
        (``https://*.example.com``), other texts that programs send as their origin
        (``file://``, ``null``), :data:`INSECURE_ANY_ORIGIN`; or one callable that
        decides alone.
    :raises ValueError: if one of them is none of these.
    """

    def __init__(self, allowed: Iterable[str] | OriginChooser) -> None:
        self._chooser = allowed if callable(allowed) else None
        self._exact: set[Origin] = set()
        self._texts: set[str] = set()
        self._below: set[Origin] = set()
        self._takesAny = False
        if not callable(allowed):
            for text in allowed:
                self._add(text)

    def _add(self, text: str) -> None:
        if text == INSECURE_ANY_ORIGIN:
            self._takesAny = True
            return
        pattern = _PATTERN.fullmatch(text.lower())
        origin = parseOrigin(text.replace("//*.", "//", 1) if pattern else text)
        if origin is not None and pattern is None:
            self._exact.add(origin)
        elif origin is not None and origin.port:
            self._below.add(origin)
        elif _TEXT.fullmatch(text):
            self._texts.add(text)
        else:
            raise ValueError(
                f"{text!r} is not an origin such as https://example.com, "
                "https://example.com:8443, https://*.example.com, "
                "chrome-extension://name or file://"
            )

    def permits(self, text: str, host: str) -> bool:
        """
        May a page with this ``Origin`` connect to a server that was asked for as
        ``host``?

        :raises TypeError: if the callable would answer later.
        """
        if self._chooser is not None:
            return asVerdict("origins", self._chooser(text))
        if self._takesAny or text in self._texts:
            return True
        origin = parseOrigin(text)
        return origin is not None and (
            isSameHost(origin, host)
            or origin in self._exact
            or any(_isBelow(origin, base) for base in self._below)
        )


def _isBelow(origin: Origin, base: Origin) -> bool:
    return (
        origin.host.endswith("." + base.host)
        and origin.scheme == base.scheme
        and origin.port == base.port
    )
