# -*- test-case-name: tests.connection.test_sockets -*-
# Part of txwebsocket. See LICENSE for details.
"""
What is chosen for a connection and done by its socket.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import ISSLTransport

from txwebsocket.connection.keysharing import presetTransportKeys
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.outbox import Octets

# Pieces that a socket is given as they are. If there are more, they are small, and
# joining them costs less.
_FEW = 8

USUAL_READ = 64 * 1024
"""
Bytes that are read at a time, at most, as Twisted does by itself.
"""

FLOOD_READ = 8 * 1024
"""
The same from who floods us with tiny messages or pings: a few thousand of them take so
long that others notice, who have their turn between two reads.
"""

FLOOD_PART = 2 * 1024
"""
Bytes of a flood of frames that are dealt with at a time, so that few of them exist at
once.
"""

MOST_READ = 256 * 1024
"""
The same from who sends large frames; others have their turn, too.
"""

_FEW_ITEMS = 8
_TINY = 64

_CAN_SEND_PIECES = hasattr(socket.socket, "sendmsg")

presetTransportKeys()


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


def heedClosing(transport: Any, told: Callable[[], object]) -> None:
    """
    Have something called when anything else asks a TLS transport to close.

    It would wait for its producer, and never ask it to finish. Plain TCP has nothing
    left to ask its producer for, and so asks it for more.
    """
    if not ISSLTransport.providedBy(transport):
        return
    close = transport.loseConnection

    def loseConnection() -> None:
        close()
        told()

    transport.loseConnection = loseConnection  # type: ignore[method-assign]


def ignoreClosing(transport: Any) -> None:
    """
    Take :func:`heedClosing` back.
    """
    if ISSLTransport.providedBy(transport):
        vars(transport).pop("loseConnection", None)


def plainSocket(transport: Any) -> socket.socket | None:
    """
    The socket of a plain TCP connection, to write to past its transport; None if it is
    more than that.

    This is for when the transport holds nothing: the reactor would have to wake up for
    what it is given, and ask the system twice.
    """
    if isinstance(transport, tcp.Connection) and not transport.TLS:
        handle: socket.socket = transport.getHandle()
        return handle
    return None


def sendBy(outlet: socket.socket, pieces: Sequence[Octets]) -> int:
    """
    Give the system as much as it takes now.

    :return: how many bytes it took. If the connection is lost these are none: its
        transport will notice by itself.
    """
    try:
        if len(pieces) == 1:
            return outlet.send(pieces[0])
        if len(pieces) <= _FEW and _CAN_SEND_PIECES:
            return outlet.sendmsg(pieces)
        return outlet.send(b"".join(pieces))
    except OSError:
        return 0


def tuneReadSize(transport: Any, size: int, items: int, most: int = MOST_READ) -> bool:
    """
    Have a transport read more at a time if what it read last, all that it asked for,
    was large frames; and less in a flood of tiny ones, of which each takes memory and
    time.

    :param size: how much it has read last.
    :param items: how many messages and frames there were in it.
    :param most: how much may be read at a time.
    :return: whether it is such a flood.
    """
    connection = bottomOf(transport)
    isFlood = items * _TINY > size
    if connection is None:
        return isFlood
    if isFlood:
        connection.bufferSize = FLOOD_READ
    elif size >= min(connection.bufferSize, USUAL_READ):
        connection.bufferSize = most if items <= _FEW_ITEMS else USUAL_READ
    return isFlood


def bottomOf(transport: Any) -> Any:
    """
    The TCP or UNIX connection that a transport is, or lies upon; None if there is none.
    """
    while transport is not None and not isinstance(transport, tcp.Connection):
        # TLS is a transport upon another.
        transport = getattr(transport, "transport", None)
    return transport


def peerCertificate(transport: Any) -> Any:
    """
    The certificate with which the peer has proved who it is; None without TLS, or if it
    showed none.
    """
    if ISSLTransport.providedBy(transport):
        return transport.getPeerCertificate()
    return None


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
