# -*- test-case-name: tests.test_sockets -*-
# Part of txwebsocket. See LICENSE for details.
"""
What is chosen for a connection and done by its socket.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import ISSLTransport

from txwebsocket.wire.options import ConnectionConfig


def configureSocket(transport: Any, config: ConnectionConfig) -> None:
    """
    Switch Nagle's algorithm and TCP's own keepalive as the options say, on a transport
    that has them.
    """
    _tell(transport, "setTcpNoDelay", config.disableNagleAlgorithm)
    if config.useNativeKeepalive:
        _tell(transport, "setTcpKeepAlive", True)
        _setIdleTime(transport, config.keepaliveInterval)


def _tell(transport: Any, name: str, *args: object) -> None:
    method = getattr(transport, name, None)
    if method is not None:
        # A UNIX socket has the methods of TCP in some versions, and can do nothing.
        with suppress(OSError):
            method(*args)


def endTransport(transport: Any) -> None:
    """
    Let a transport go when all is written, though its peer may be sending still.

    Closing it would have the peer's data answered with a reset, which could overtake
    what we wrote last. So only our direction is ended, where that can be done.
    """
    endWriting = getattr(transport, "loseWriteConnection", None)
    if endWriting is None or ISSLTransport.providedBy(transport):
        transport.loseConnection()
    else:
        endWriting()


def _setIdleTime(transport: Any, seconds: float) -> None:
    # Twisted can't say how long TCP shall wait, and not all platforms can.
    option = getattr(socket, "TCP_KEEPIDLE", None)
    handle = _handle(transport)
    if option is not None and handle is not None:
        level, value = socket.IPPROTO_TCP, max(1, round(seconds))
        _tell(handle, "setsockopt", level, option, value)


def _handle(transport: Any) -> Any:
    """
    The socket of a transport, perhaps below TLS.
    """
    while transport is not None:
        getHandle = getattr(transport, "getHandle", None)
        if getHandle is not None and hasattr(handle := getHandle(), "setsockopt"):
            return handle
        transport = getattr(transport, "transport", None)
    return None
