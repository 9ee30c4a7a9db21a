# -*- test-case-name: tests.streams.test_strings -*-
# Part of txwebsocket. See LICENSE for details.
"""
The endpoint strings ``ws:`` and ``wss:``, in the words of ``clientFromString`` and
``serverFromString``. Twisted has split them at their colons and taken out what has a
``=`` when they come here.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import serverFromString

from txwebsocket.client.url import parseURL
from txwebsocket.config import ClientConfig, ServerConfig
from txwebsocket.streams.endpoints import (
    WebSocketStreamClientEndpoint,
    WebSocketStreamServerEndpoint,
    clientFromURL,
)

_CLIENT_OPTIONS = ("url", "protocol", "origin", "timeout")
_CLIENT_FORMS = (
    "A client's endpoint string is a URL without '=', such as wss:example.com/amp or "
    "ws://example.com:8080/amp, or {prefix}:url=... with each colon in the URL escaped "
    "as '\\:'. Options may follow: :protocol=NAME[,NAME...], :origin=ORIGIN with its "
    "colons escaped, :timeout=SECONDS. In code, clientFromURL takes any URL as it is."
)
_SERVER_OPTIONS = ("path", "protocol", "origin", "allowedHost")
_SERVER_FORMS = (
    "A server's endpoint string is another one with each ':' and '=' in it escaped by "
    "a backslash, such as ws:tcp\\:8080. Options may follow: :path=/PATH, "
    ":protocol=NAME, :origin=ORIGIN with its colons escaped, :allowedHost=HOST."
)


def parseClient(
    reactor: Any, prefix: str, *args: str, **options: str
) -> WebSocketStreamClientEndpoint:
    """
    Make the endpoint that a client's string describes.

    :param prefix: ``ws`` or ``wss``.
    :raises ValueError: naming what is wrong, and what is accepted.
    """
    forms = _CLIENT_FORMS.format(prefix=prefix)
    _checkOptions(prefix, args, options, _CLIENT_OPTIONS, forms)
    url = _url(prefix, args, options.get("url"), forms)
    protocols = options.get("protocol")
    return clientFromURL(
        reactor,
        url,
        () if protocols is None else protocols.split(","),
        config=_clientConfig(prefix, options.get("timeout")),
        origin=options.get("origin"),
    )


def parseServer(
    reactor: Any, prefix: str, *args: str, **options: str
) -> WebSocketStreamServerEndpoint:
    """
    Make the endpoint that a server's string describes.

    :raises ValueError: naming what is wrong, and what is accepted.
    """
    _checkOptions(prefix, args, options, _SERVER_OPTIONS, _SERVER_FORMS)
    if len(args) != 1 or ":" not in args[0]:
        raise ValueError(f"{prefix}: wraps one endpoint, not {args}. {_SERVER_FORMS}")
    origin, host = options.get("origin"), options.get("allowedHost")
    return WebSocketStreamServerEndpoint(
        reactor,
        serverFromString(reactor, args[0]),
        options.get("path", "/"),
        options.get("protocol"),
        config=ServerConfig(
            origins=() if origin is None else (origin,),
            allowedHosts=None if host is None else (host,),
        ),
    )


def _checkOptions(
    prefix: str,
    args: tuple[str, ...],
    options: dict[str, str],
    known: tuple[str, ...],
    forms: str,
) -> None:
    hasSecret = any("@" in text for text in (*args, *options, *options.values()))
    for name in options:
        if name not in known:
            # It may be a part of a URL's password.
            shown = "..." if hasSecret else name
            raise ValueError(f"{prefix}: has no option {shown!r}. {forms}")


def _url(prefix: str, args: tuple[str, ...], url: str | None, forms: str) -> str:
    if (url is None) is not bool(args):
        raise ValueError(f"{prefix}: has one URL, no more. {forms}")
    if url is None:
        # As it was before it was split.
        rest = ":".join(args).removeprefix("//")
        return f"{prefix}://{rest}"
    if prefix == "wss" and not parseURL(url).isSecure:
        raise ValueError(f"wss: is for URLs that start with wss://. {forms}")
    return url


def _clientConfig(prefix: str, timeout: str | None) -> ClientConfig:
    if timeout is None:
        return ClientConfig()
    try:
        return ClientConfig(openTimeout=float(timeout))
    except ValueError:
        raise ValueError(
            f"{prefix}: timeout is a number of seconds above 0, not {timeout!r}"
        ) from None
