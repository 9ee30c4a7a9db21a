# -*- test-case-name: tests.connection.test_channel -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whoever is told what becomes of requests and connections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class ConnectionCallbacks(NamedTuple):
    """
    What is called for each request and connection of a server: one object for all of
    them, since each of them has to hold it.

    :ivar decided: a request is accepted, with the machinery of its connection, or
        rejected, with None.
    :ivar left: the client of a request has left before it was decided.
    :ivar opened: a connection is open.
    :ivar ended: a connection has ended.
    """

    decided: Callable[[Any, Any], object]
    left: Callable[[Any], object]
    opened: Callable[[Any], object]
    ended: Callable[[Any], object]
