# -*- test-case-name: tests.test_sockets -*-
# Part of txwebsocket. See LICENSE for details.
"""
What is chosen for a connection and done by its socket.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import ISSLTransport

from txwebsocket.wire.options import ConnectionConfig


def configureSocket(transport: Any, config: ConnectionConfig) -> None:
    """
    Switch Nagle's algorithm and TCP's own keepalive as the options say, on a transport
    that has them.
    """
    setNoDelay = getattr(transport, "setTcpNoDelay", None)
    if setNoDelay is not None:
        setNoDelay(config.disableNagleAlgorithm)
    setKeepAlive = getattr(transport, "setTcpKeepAlive", None)
    if config.useNativeKeepalive and setKeepAlive is not None:
        setKeepAlive(True)
        _setIdleTime(transport, config.keepaliveInterval)


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
    getHandle = getattr(transport, "getHandle", None)
    option = getattr(socket, "TCP_KEEPIDLE", None)
    if getHandle is not None and option is not None:
        getHandle().setsockopt(socket.IPPROTO_TCP, option, max(1, round(seconds)))
