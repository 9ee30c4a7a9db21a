# -*- test-case-name: tests.test_refusal -*-
# Part of txwebsocket. See LICENSE for details.
"""
Ordinary HTTP responses to those who don't get a WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from twisted.web.resource import IResource
from twisted.web.server import Request

from txwebsocket.upgrade import canTakeOver


def refuse(
    request: Request,
    status: int,
    content: str | bytes | IResource,
    headers: Iterable[tuple[str, str]] = (),
) -> None:
    """
    Answer with an ordinary response, and read no more requests from this connection:
    what follows a refused handshake may be anything but HTTP.

    :param content: a sentence to explain it, or the whole body, or a resource to render
        with this status.
    """
    phrase = _phrase(status)
    request.setResponseCode(status, phrase.encode("ascii"))
    for name, value in headers:
        request.responseHeaders.addRawHeader(name, value)
    _endConnection(request)
    if isinstance(content, str):
        content = f"{status} {phrase}\n\n{content or phrase}\n".encode()
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
    if isinstance(content, bytes):
        _write(request, content)
    else:
        request.render(content)


def _endConnection(request: Request) -> None:
    if canTakeOver(request):
        channel: Any = request.channel
        channel.persistent = False
        # RFC 9110, 7.8: who sends Upgrade names it in Connection as well.
        isOffered = request.responseHeaders.hasHeader("Upgrade")
        request.setHeader("Connection", "Upgrade, close" if isOffered else "close")


def _write(request: Request, body: bytes) -> None:
    request.setHeader("Content-Length", str(len(body)))
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()


def _phrase(status: int) -> str:
    # twisted.web knows no phrase for 426, among others.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
