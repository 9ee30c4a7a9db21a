# -*- test-case-name: tests.server.test_responses -*-
# Part of txwebsocket. See LICENSE for details.
"""
Ordinary HTTP responses to those who don't get a WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, TypeAlias

from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request

from txwebsocket.server.upgrade import canTakeOver, replaceHeaders

Body: TypeAlias = str | bytes | IResource | None


def sendRefusal(
    request: Request,
    status: int,
    explanation: str,
    headers: Iterable[tuple[str, str]] = (),
    body: Body = None,
) -> None:
    """
    Answer with an ordinary response, and read no more requests from this connection:
    what follows a refused handshake may be anything but HTTP.

    :param explanation: a sentence for the body.
    :param body: the body itself, if it is to be another; a resource is rendered.
    """
    phrase = _phrase(status)
    request.setResponseCode(status, phrase.encode("ascii"))
    given = list(headers)
    replaceHeaders(request, given)
    for name, value in given:
        request.responseHeaders.addRawHeader(name, value)
    _endConnection(request)
    if body is None:
        body = f"{status} {phrase}\n\n{explanation or phrase}\n"
        request.responseHeaders.removeHeader("Content-Type")
    if isinstance(body, str):
        _write(request, body.encode("utf-8", "replace"), "text/plain; charset=utf-8")
    elif isinstance(body, bytes):
        _write(request, body, "application/octet-stream")
    else:
        _render(request, body)


def checkBody(body: object) -> None:
    """
    Can this be the body of a response?

    :raises TypeError: if not, saying what can.
    """
    if not (body is None or isinstance(body, str | bytes) or hasattr(body, "render")):
        raise TypeError(
            f"body must be text, bytes or a resource, not {type(body).__name__}"
        )


def _endConnection(request: Request) -> None:
    if canTakeOver(request):
        channel: Any = request.channel
        channel.persistent = False
        # RFC 9110, 7.8: who sends Upgrade names it in Connection as well.
        isOffered = request.responseHeaders.hasHeader("Upgrade")
        request.setHeader("Connection", "Upgrade, close" if isOffered else "close")


def _render(request: Request, resource: IResource) -> None:
    try:
        request.render(resource)
    except BaseException:  # noqa: BLE001 - a resource may raise anything
        request.processingFailed(Failure())


def _write(request: Request, body: bytes, contentType: str) -> None:
    if not request.responseHeaders.hasHeader("Content-Type"):
        request.setHeader("Content-Type", contentType)
    request.setHeader("Content-Length", str(len(body)))
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()


def _phrase(status: int) -> str:
    # twisted.web knows no phrase for 426, among others.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
