# -*- test-case-name: tests.test_broadcast -*-
# Part of txwebsocket. See LICENSE for details.
"""
One message for many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from txwebsocket.connection import WebSocketConnection
from txwebsocket.link import Link
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.errors import ConnectionClosed


def sendToMany(
    opcode: Opcode,
    payload: bytes,
    recipients: Iterable[tuple[WebSocketConnection, Link]],
    skipAbove: int | None,
) -> list[WebSocketConnection]:
    """
    Send a message to connections of one server, framed once.

    :param skipAbove: leave out who has more than this many bytes waiting.
    :return: who was left out, or closed because of this; also who is being sent another
        message frame by frame.
    """
    shared: dict[Any, Any] = {}
    left = []
    for connection, link in recipients:
        if not connection.connected:
            continue
        isSlow = skipAbove is not None and connection.bufferedAmount > skipAbove
        if not isSlow and not link.wire.isWithinMessage:
            try:
                link.wire.sendShared(opcode, payload, shared)
            except ConnectionClosed:
                left.append(connection)
            link.settle()
        else:
            left.append(connection)
    return left
