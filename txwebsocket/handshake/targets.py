# -*- test-case-name: tests.handshake.test_targets -*-
# Part of txwebsocket. See LICENSE for details.
"""
The request target of a handshake (RFC 9112, 3.2).
"""

import re
from urllib.parse import SplitResult

from txwebsocket.handshake.hosts import parseAuthority

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_ABSOLUTE = re.compile(r"(https?|wss?)://([^/?]*)(.*)", re.IGNORECASE)
_TARGET = re.compile(r"[!\"$-~\x80-\xff]+")


def parseTarget(text: str) -> SplitResult:
    """
    Split a request target into path and query, and for an absolute URL into scheme and
    host, which are empty otherwise.

    Characters that a URL may not have are taken, since browsers send some of them. A
    ``#`` is not: what is behind it would be no part of the path for some readers.

    :raises ValueError: if it is neither a path that starts with a slash nor an absolute
        URL with a valid host.
    """
    if _TARGET.fullmatch(text) is None:
        raise ValueError("the request target must be printable and have no fragment")
    scheme, authority, rest = "", "", text
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute is not None:
        scheme, authority, rest = absolute[1].lower(), absolute[2], absolute[3]
        if parseAuthority(authority) is None:
            raise ValueError("the request target must be a URL with a valid host")
        # RFC 9110, 4.2.3: an empty path is the same as the root.
        rest = rest if rest.startswith("/") else f"/{rest}"
    if not rest.startswith("/"):
        raise ValueError("the request target must be a path that starts with a slash")
    path, _, query = rest.partition("?")
    return SplitResult(scheme, authority, path, query, "")


def isOfHost(target: SplitResult, host: str) -> bool:
    """
    Does ``Host`` name what an absolute URL does? (RFC 6455, 4.1) A path names no other.
    """
    if not target.netloc:
        return True
    port = DEFAULT_PORTS[target.scheme]
    named, asked = parseAuthority(target.netloc), parseAuthority(host)
    return (
        named is not None
        and asked is not None
        and (named.host, named.port or port) == (asked.host, asked.port or port)
    )
