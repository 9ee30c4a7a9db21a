# Part of txwebsocket. See LICENSE for details.
"""
What is fuzzed, by name.
"""

from collections.abc import Callable
from pathlib import Path

from tests.tools.fuzz import (
    compression,
    connections,
    grammars,
    incoming,
    openings,
    outgoing,
)

WebSocketURL = Callable[[bytes], None]
"""
Takes any bytes; raises an :exc:`AssertionError`, or what should never be raised, if a
promise is broken.
"""

TARGETS: dict[str, WebSocketURL] = {
    "frames": connections.readFrames,
    "connection": connections.converse,
    "incoming": incoming.receive,
    "outgoing": outgoing.send,
    "inflate": compression.inflate,
    "negotiate": compression.negotiate,
    "offer": openings.readOffer,
    "server": openings.serve,
    "answer": openings.readAnswer,
    "proxy": openings.askProxy,
    "value": grammars.readValue,
    "url": grammars.readURL,
}

_HERE = Path(__file__).parent
CORPUS = _HERE / "corpus"
REGRESSIONS = _HERE / "regressions"
