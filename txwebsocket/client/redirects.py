# -*- test-case-name: tests.client.test_redirects -*-
# Part of txwebsocket. See LICENSE for details.
"""
One request of an opening, and the one that a redirect leads to.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit, urlunsplit

from twisted.internet.error import ConnectionAborted
from twisted.python.failure import Failure

from txwebsocket.client.url import WebSocketURL, parseURL, withoutZone
from txwebsocket.handshake.opening import ClientHandshake
from txwebsocket.handshake.response import ResponseHead
from txwebsocket.wire.errors import shown

REDIRECTS = frozenset((301, 302, 303, 307, 308))
"""
The statuses that a server redirects with (RFC 9110, 15.4). A handshake is a GET, so
that they all mean the same.
"""

_KEY_SIZE = 16
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}

# What says nothing that only the first server should know.
_HARMLESS = frozenset(("user-agent",))


def makeKey() -> str:
    """
    A new ``Sec-WebSocket-Key`` (RFC 6455, 4.1).
    """
    return b64encode(os.urandom(_KEY_SIZE)).decode("ascii")


class RedirectableRequest(NamedTuple):
    """
    Whom a client asks, and what for.

    :ivar target: the server and the resource.
    :ivar handshake: the request.
    """

    target: WebSocketURL
    handshake: ClientHandshake

    def after(self, head: ResponseHead) -> RedirectableRequest:
        """
        The request to send where a redirect leads.

        To another scheme, host or port go neither the caller's headers, but for
        ``User-Agent``, nor another ``Host`` than its own.

        :raises ValueError: saying why the redirect can't be followed.
        """
        target = _redirected(self.target, head)
        fresh = replace(self.handshake, target=target.resource, key=makeKey())
        if _origin(target) == _origin(self.target):
            return RedirectableRequest(target, fresh)
        headers = (each for each in fresh.headers if each[0].lower() in _HARMLESS)
        return RedirectableRequest(
            target, replace(fresh, host=target.netloc, headers=tuple(headers))
        )


class Nowhere:
    """
    What a connection has for a transport from one hop to the next.

    :param broken: called if the application wants to go nowhere.
    """

    def __init__(self, broken: Callable[[Failure], None]) -> None:
        self._broken = broken

    def getPeer(self) -> None:
        """
        Nobody.
        """

    getHost = getPeer

    def abortConnection(self) -> None:
        """
        The application gives the opening up.
        """
        self._broken(Failure(ConnectionAborted()))


def _origin(target: WebSocketURL) -> tuple[bool, str, int]:
    return target.isSecure, withoutZone(target.host).lower(), target.port


def _redirected(target: WebSocketURL, head: ResponseHead) -> WebSocketURL:
    parts = _resolve(target, _location(head))
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"no WebSocket is at {shown(parts.scheme)}:")
    if "@" in parts.netloc:
        # RFC 9110, 4.2.4: it is there to deceive.
        raise ValueError("the Location has a user or password")
    there = parseURL(urlunsplit(parts._replace(scheme=_SCHEMES[parts.scheme])))
    if "%" in there.host:
        # RFC 4007, 6: it is one of our machine, which the server can't know.
        raise ValueError("the Location has an address with a zone")
    if target.isSecure and not there.isSecure:
        raise ValueError(f"{there.url} is not secure")
    if _origin(there) != _origin(target):
        return there
    # What else belongs to the target, the way to it perhaps, is kept.
    start = target.url.removesuffix(target.resource)
    return replace(target, url=start + there.resource, resource=there.resource)


def _location(head: ResponseHead) -> str:
    values = head.values("Location")
    if len(values) != 1:
        raise ValueError(f"there are {len(values)} headers Location")
    try:
        return values[0].decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the Location is not UTF-8") from None


def _resolve(target: WebSocketURL, location: str) -> SplitResult:
    scheme = "wss" if target.isSecure else "ws"
    here = f"{scheme}://{target.netloc}{target.resource}"
    try:
        # A fragment is for who shows a page (RFC 9110, 10.2.2).
        return urlsplit(urldefrag(urljoin(here, location)).url)
    except ValueError:
        raise ValueError("the Location is not a URL") from None
