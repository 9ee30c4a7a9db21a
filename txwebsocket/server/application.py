# -*- test-case-name: tests.server.test_application -*-
# Part of txwebsocket. See LICENSE for details.
"""
What may be served: a factory, a class or a handler.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import isclass
from typing import Any, TypeAlias

from txwebsocket.config import firstOffered

RequestHandler: TypeAlias = Callable[[Any], object]
"""
Accepts or rejects the request it is given, at once or later. It may return a Deferred,
a coroutine or an asyncio future that does so.
"""


def makeDecider(application: Any) -> RequestHandler:
    """
    How requests for an application are decided, by what kind of thing it is.

    :raises TypeError: if it is nothing that can be served.
    """
    if hasattr(application, "buildProtocol"):
        return partial(_askFactory, application.buildProtocol)
    if isclass(application):
        return partial(_makeFrom, application)
    if callable(application):
        handler: RequestHandler = application
        return handler
    raise TypeError(
        "an application must have buildProtocol, be a class or be callable, "
        f"not {application!r}"
    )


def _askFactory(build: Callable[[Any], object], request: Any) -> None:
    application = build(request.httpRequest)
    if application is None:
        request.reject(403)
    else:
        request.accept(application=application)


def _makeFrom(make: Callable[[], object], request: Any) -> None:
    request.accept(application=make())


def acceptAny(request: Any) -> None:
    """
    Accept with the first subprotocol that the client offers.
    """
    request.accept(firstOffered(request.requestedProtocols))


def rejectAny(request: Any) -> None:
    """
    Say that there is nothing.
    """
    request.reject(404, "Nothing is served here.")
