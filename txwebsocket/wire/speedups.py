# -*- test-case-name: tests.wire.test_speedups -*-
# Part of txwebsocket. See LICENSE for details.
"""
The one place that chooses between the twins of the fast path.

The native twin, ``txwebsocket.wire._speedups``, is optional. ``TXWEBSOCKET_SPEEDUPS``
in the environment decides: ``auto``, the default, takes it where it was built, ``yes``
insists on it, ``no`` leaves it alone.
"""

import os
from importlib import import_module
from types import ModuleType

from txwebsocket.wire import frames
from txwebsocket.wire.frames import FrameQueue, FrameReader, encodeFrame, encodeHeader

__all__ = [
    "SPEEDUPS",
    "FrameQueue",
    "FrameReader",
    "choose",
    "encodeFrame",
    "encodeHeader",
]

_NATIVE = "txwebsocket.wire._speedups"
_CHOICES = ("auto", "yes", "no")


def choose(wish: str) -> ModuleType:
    """
    The module to take the fast path from.

    :raises ImportError: if the wish is unknown, or is ``yes`` and there is no native
        twin.
    """
    if wish not in _CHOICES:
        raise ImportError(
            f"TXWEBSOCKET_SPEEDUPS must be one of {', '.join(_CHOICES)}, not {wish!r}"
        )
    if wish == "no":
        return frames
    try:
        return import_module(_NATIVE)
    except ImportError:
        if wish == "yes":
            raise
        return frames


_chosen = choose(os.environ.get("TXWEBSOCKET_SPEEDUPS", "auto"))

SPEEDUPS: bool = _chosen is not frames
"""
Whether the native twin is in use.
"""

if SPEEDUPS:
    FrameReader = _chosen.FrameReader  # type: ignore[misc]
    FrameQueue = _chosen.FrameQueue  # type: ignore[misc]
    encodeFrame, encodeHeader = _chosen.encodeFrame, _chosen.encodeHeader
