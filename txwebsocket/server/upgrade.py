# -*- test-case-name: tests.server.test_upgrade -*-
# Part of txwebsocket. See LICENSE for details.
"""
Taking the connection over from twisted.web, once it has read the request.

Twisted has no public way to do this. The one taken here needs to know nothing of the
stack of transports below: like Twisted's own ``twisted.web.websocket``, it gives the
:class:`HTTPChannel` other methods for what its transport calls. ``docs/design`` lists
what goes wrong without each of the steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.keysharing import presetChannelKeys
from txwebsocket.connection.sockets import configureSocket

# Headers that describe a body, or this hop, of which an upgraded response has none; and
# those of the handshake, which are ours to send.
_NOT_CARRIED = frozenset(
    (
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    )
)

# Headers of a response that have one value, and so one line (RFC 9110, 5.3).
_SINGLE = frozenset(
    (
        "age",
        "content-location",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "location",
        "retry-after",
        "server",
    )
)

presetChannelKeys(HTTPChannel)


def canTakeOver(request: Request) -> bool:
    """
    Is this a request in HTTP/1 whose connection can become something else?
    """
    return isinstance(request.channel, HTTPChannel)


def checkSingle(headers: Iterable[tuple[str, str]]) -> None:
    """
    Is each header there once that has one value?

    :raises ValueError: naming one that is not.
    """
    seen = set()
    for name, _ in headers:
        lower = name.lower()
        if lower in _SINGLE and lower in seen:
            raise ValueError(f"{name} is given more than once")
        seen.add(lower)


def replaceHeaders(request: Request, headers: Iterable[tuple[str, str]]) -> None:
    """
    Take back what twisted.web or a resource on the way has set, where one of these
    headers would be sent besides and only one may be.
    """
    for name, _ in headers:
        if name.lower() in _SINGLE:
            request.responseHeaders.removeHeader(name)


def responseHeaders(request: Request) -> Iterable[tuple[str, str]]:
    """
    What twisted.web and its users want in the response: cookies, of a session for
    example, and headers that resources on the way have set.
    """
    for name, values in request.responseHeaders.getAllRawHeaders():
        if name.lower() not in _NOT_CARRIED:
            for value in values:
                yield name.decode("latin-1"), value.decode("latin-1")
    for cookie in request.cookies:
        yield "Set-Cookie", cookie.decode("latin-1")


def takeOver(request: Request, link: WebSocketChannel, response: bytes) -> bytes:
    """
    Make ``link`` the receiver of all that the request's transport reads from now on,
    and write the response that says so.

    :return: the bytes behind the request that twisted.web has read already.
    """
    channel: Any = request.channel
    transport = channel.transport
    # The channel is its transport's producer, and would keep it from closing.
    producer = channel._networkProducer
    producer.unregisterProducer()
    early: bytes = b"".join(channel._dataBuffer) + channel.clearLineBuffer()
    channel._dataBuffer = []

    channel.dataReceived = channel.rawDataReceived = link.dataReceived
    channel.connectionLost = _Loss(channel, link)
    configureSocket(transport, link.config)
    transport.write(response)
    link.makeConnection(transport)
    # The channel may have paused the transport, and would resume it no more.
    producer.resumeProducing()
    _log(request)
    # There was no body; an open connection need not keep the file for it, nor what the
    # response has said.
    content: Any = request.content
    content.close()
    request.responseHeaders = Headers()
    return early


class _Loss:
    """
    Tell both the link and the channel when the transport is gone.
    """

    __slots__ = ("_channel", "_link")

    def __init__(self, channel: Any, link: WebSocketChannel) -> None:
        self._channel = channel
        self._link = link

    def __call__(self, reason: Failure) -> None:
        channel = self._channel
        # The instance's methods go, and with them the cycles they are part of.
        del channel.dataReceived, channel.rawDataReceived, channel.connectionLost
        try:
            self._link.connectionLost(reason)
        finally:
            channel.connectionLost(reason)


def _log(request: Request) -> None:
    """
    Write the line of the access log, as ``finish()`` would.
    """
    request.setResponseCode(101)
    log = getattr(request.channel.factory, "log", None)
    if log is not None:
        log(request)
