# -*- test-case-name: tests.test_refusal -*-
# Part of txwebsocket. See LICENSE for details.
"""
Ordinary HTTP responses to those who don't get a WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from twisted.web.server import Request

from txwebsocket.upgrade import canTakeOver


def refuse(
    request: Request,
    status: int,
    explanation: str,
    headers: Iterable[tuple[str, str]] = (),
) -> None:
    """
    Answer with a status and a readable sentence, and read no more requests from this
    connection: what follows a refused handshake may be anything but HTTP.
    """
    phrase = _phrase(status)
    body = f"{status} {phrase}\n\n{explanation or phrase}\n".encode()
    request.setResponseCode(status, phrase.encode("ascii"))
    response = request.responseHeaders
    for name, value in headers:
        response.addRawHeader(name, value)
    response.setRawHeaders("Content-Type", ["text/plain; charset=utf-8"])
    response.setRawHeaders("Content-Length", [str(len(body))])
    if canTakeOver(request):
        channel: Any = request.channel
        channel.persistent = False
        # RFC 9110, 7.8: who sends Upgrade names it in Connection as well.
        options = "Upgrade, close" if response.hasHeader("Upgrade") else "close"
        response.setRawHeaders("Connection", [options])
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()


def _phrase(status: int) -> str:
    # twisted.web knows no phrase for 426, among others.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
