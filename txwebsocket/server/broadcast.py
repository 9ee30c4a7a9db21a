# -*- test-case-name: tests.server.test_broadcast -*-
# Part of txwebsocket. See LICENSE for details.
"""
One message for many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.python.failure import Failure

from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.errors import BufferFull, ConnectionClosed, InvalidState
from txwebsocket.wire.speedups import encodeFrame
from txwebsocket.wire.states import State


def sendToMany(
    opcode: Opcode,
    payload: bytes,
    links: Iterable[WebSocketChannel],
    skipAbove: int | None,
) -> list[WebSocketConnection]:
    """
    Send a message to connections of one server, framed once.

    :param skipAbove: leave out who has more than this many bytes waiting.
    :return: who was left out, for this or because too much waits, or closed because of
        that; also who is being sent another message frame by frame.
    """
    ready: list[WebSocketChannel] = []
    others: list[WebSocketChannel] = []
    for link in links:
        outbox = link.outbox
        isReady = outbox.socket is not None and outbox.fastPathLimit and not outbox.size
        (ready if isReady else others).append(link)
    if ready:
        _sendAtOnce(encodeFrame(opcode, payload), ready)
    shared: dict[Any, Any] = {}
    return [
        link.connection
        for link in others
        if not _sendTo(link, opcode, payload, shared, skipAbove)
    ]


def _sendAtOnce(frame: bytes, links: Iterable[WebSocketChannel]) -> None:
    """
    Send a frame to those for whom nothing waits and whose sockets can be written to.
    """
    size = len(frame)
    outlets = []
    for link in links:
        outbox = link.outbox
        outbox.messages += 1
        outbox.bytesTaken += size
        outlets.append(outbox.socket)
    behind = []
    # What is done between two calls of the system costs more than elsewhere.
    for outlet, link in zip(outlets, links, strict=True):
        try:
            sent = outlet.send(frame)
        except OSError:
            # The transport of a lost connection will notice by itself.
            sent = 0
        if sent < size:
            link.outbox.putBack([memoryview(frame)[sent:]])
            behind.append(link)
    for link in behind:
        link.syncTransport()


def _sendTo(
    link: WebSocketChannel,
    opcode: Opcode,
    payload: bytes,
    shared: dict[Any, Any],
    skipAbove: int | None,
) -> bool:
    """
    Send the message to one of them; tell whether it was not left out.
    """
    core = link.core
    if core.state is not State.OPEN:
        return True
    if core.isSendingFragments or (
        skipAbove is not None and core.outbox.size > skipAbove
    ):
        return False
    try:
        return core.sendBroadcast(opcode, payload, shared)
    except (BufferFull, ConnectionClosed, InvalidState):
        # Whoever was paused to make room may have begun a message.
        return False
    except BaseException:  # noqa: BLE001 - an extension may raise anything
        link.applicationFailed(Failure())
        return False
    finally:
        link.syncTransport()
