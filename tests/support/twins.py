# Part of txwebsocket. See LICENSE for details.
"""
The twins of the fast path: the pure one, and the native one where it was built.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from txwebsocket.wire import closing, connection, frames, messages, speedups
from txwebsocket.wire.frames import Frame, ProtocolFailure

native: ModuleType | None
try:
    native = import_module("txwebsocket.wire._speedups")
except ImportError:
    native = None

TWINS = [frames] if native is None else [frames, native]

_NAMES = ("FrameReader", "encodeFrame", "encodeHeader")


def details(items: list[Any]) -> list[Any]:
    """
    The items with the types of all that is in them.
    """
    return [
        (type(item), item, *map(type, item))
        if type(item) in (Frame, ProtocolFailure)
        else item
        for item in items
    ]


@contextmanager
def using(twin: ModuleType) -> Iterator[None]:
    """
    Have all connections use this twin, for as long as this lasts, but for its writer:
    that is what an outbox is made of.
    """
    holders = _holders()
    for module, name in holders:
        setattr(module, name, getattr(twin, name))
    try:
        yield
    finally:
        for module, name in holders:
            setattr(module, name, getattr(speedups, name))


@cache
def _holders() -> list[tuple[ModuleType, str]]:
    """
    The modules that have taken members of the chosen twin, and the members' names.
    """
    return [
        (module, name)
        for module in (connection, closing, messages)
        for name in _NAMES
        if hasattr(module, name)
    ]
