# Part of txwebsocket. See LICENSE for details.
"""
What the drivers of the section "deflate" in Python share; those on Node do the same.

A driver is a process around one WebSocket library. Its argument is a JSON object:
``role`` (``server`` or ``client``), ``folder``, where the messages are, and ``cases``.
A case has ``deflate``, what this end wishes for, and for a client the ``url``. It tells
what happens on standard output, an object a line:

    {"event": "listening", "url": …}                    for each case, of a server
    {"event": "case", "extensions": …, "wrong": …}      for each case, of a client
    {"event": "closed", "received": …, "sent": …}       bytes, of our own

A server sends back what it receives. A client sends each message, once whole and once
in fragments if it can, and compares what comes back.

The wishes are ``serverFresh`` and ``clientFresh``, and ``serverBits`` and
``clientBits``, a number or null.
"""

import json
import sys
from pathlib import Path
from typing import Any

PIECE = 1000
"""
Bytes in each fragment.
"""


def options() -> dict[str, Any]:
    given = json.loads(sys.argv[1])
    # All that is sent is well below it.
    del given["limit"]
    return given


def report(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, **facts}), file=sys.__stdout__, flush=True)


def listening(port: int) -> None:
    report("listening", url=f"ws://127.0.0.1:{port}/")


def messages(folder: str) -> list[str | bytes]:
    """
    What is to be sent, in this order.
    """
    return [
        path.read_bytes() if path.suffix == ".bytes" else path.read_text("utf-8")
        for path in sorted(Path(folder).iterdir())
    ]


def pieces(message: str | bytes) -> list[str | bytes]:
    return [message[at : at + PIECE] for at in range(0, len(message), PIECE)]


def difference(sent: str | bytes, received: object) -> str:
    """
    What is wrong with an echo, if anything is.
    """
    if received == sent and type(received) is type(sent):
        return ""
    size = len(received) if isinstance(received, str | bytes) else "no"
    return f"{len(sent)} of {type(sent).__name__} came back as {size} of " + (
        type(received).__name__
    )
