# -*- test-case-name: tests.client.test_cookiejar -*-
# Part of txwebsocket. See LICENSE for details.
"""
A client's cookies, in a jar of the standard library.

The jar sees an ``http:`` or ``https:`` URL in place of ours, so that cookies can be
shared with the pages of the same server.
"""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import Request

from txwebsocket.client.url import WebSocketURL
from txwebsocket.handshake.opening import checkHeaders
from txwebsocket.handshake.response import ResponseHead


def cookieHeader(jar: CookieJar, target: WebSocketURL) -> str | None:
    """
    The ``Cookie`` header for a request, or None if the jar has none for it.

    :raises ValueError: if a cookie in the jar can't be sent.
    """
    request = _asPage(target)
    jar.add_cookie_header(request)
    cookies = request.get_header("Cookie")
    if cookies is not None:
        checkHeaders([("Cookie", cookies)])
    return cookies


def storeCookies(jar: CookieJar, target: WebSocketURL, head: ResponseHead) -> None:
    """
    Put into the jar what a response sets, as far as the jar's policy lets it.
    """
    response: Any = _Response(head)
    jar.extract_cookies(response, _asPage(target))


def _asPage(target: WebSocketURL) -> Request:
    scheme = "https" if target.isSecure else "http"
    return Request(f"{scheme}://{target.authority}{target.resource}")


class _Response:
    """
    What a jar asks of a response.
    """

    def __init__(self, head: ResponseHead) -> None:
        self._headers = Message()
        for name, value in head.headers:
            self._headers[name.decode("latin-1")] = value.decode("latin-1")

    def info(self) -> Message:
        """
        The headers.
        """
        return self._headers
