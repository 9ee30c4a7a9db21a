# Part of txwebsocket. See LICENSE for details.
"""
What the drivers in Python share; ``driver.mjs`` is the same for those on Node.

A driver is a process around one WebSocket library. Its argument is a JSON object:
``role`` (``server`` or ``client``), ``limit`` (how many bytes a message may have), and
for TLS a server's ``certificate`` and ``key`` and a client's ``authority``, which are
paths. A server can be given a ``port``, if it has that option. It ends with its
standard input, and tells what happens on standard output, an object a line:

    {"event": "listening", "url": …}
    {"event": "open", "protocol": …, "isCompressed": whether messages can be}
    {"event": "message", "kind": "text" or "binary", "size": …, "sha256": …}
    {"event": "pong", "payload": …}
    {"event": "closed", "code": …, "reason": …}
    {"event": "refused", "why": …}

A client is told what to do on standard input, an object a line. A server is told in
text messages, and sends all others back. Peers that know permessage-deflate offer it,
and agree to it.

    {"do": "connect", "url": …, "protocols": […]}
    {"do": "send", "kind": …, "path": …, "piece": bytes in each fragment, or null}
    {"do": "say", "text": …}
    {"do": "ping", "payload": …}
    {"do": "close", "code": …, "reason": …}

A connection, as it is meant here, has ``send(octets, isText, piece)``,
``ping(payload)`` and ``close(code, reason)``.
"""

import json
import os
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

PROTOCOL = "chat.v1"
"""
The subprotocol that every server knows.
"""

_connections: list[Any] = []


def options() -> dict[str, Any]:
    return json.loads(sys.argv[1])


def report(event: str, **facts: object) -> None:
    # Not sys.stdout, which twistd takes for its log.
    print(json.dumps({"event": event, **facts}), file=sys.__stdout__, flush=True)


def listening(port: int, isSecure: bool) -> None:
    report("listening", url=f"{'wss' if isSecure else 'ws'}://127.0.0.1:{port}/")


def opened(connection: Any, protocol: str | None, isCompressed: bool) -> None:
    """
    A connection is open; commands are for the one that was opened last.
    """
    _connections[:] = [connection]
    report("open", protocol=protocol, isCompressed=isCompressed)


def received(message: str | bytes) -> None:
    octets = message.encode() if isinstance(message, str) else message
    kind = "text" if isinstance(message, str) else "binary"
    report("message", kind=kind, size=len(octets), sha256=sha256(octets).hexdigest())


def closed(code: int | None, reason: str | None) -> None:
    report("closed", code=code, reason=reason or "")


def answer(connection: Any, message: str | bytes) -> Any:
    """
    Do what a server does with a message.
    """
    if isinstance(message, str) and message.startswith('{"do"'):
        return _perform(connection, **json.loads(message))
    received(message)
    isText = isinstance(message, str)
    return connection.send(message.encode() if isText else message, isText, None)


def pieces(octets: bytes, size: int | None) -> list[bytes]:
    """
    Cut a message; without a size it is one piece.
    """
    step = size or len(octets) or 1
    return [octets[at : at + step] for at in range(0, len(octets) or 1, step)]


def follow(
    call: Callable[..., object], connect: Callable[..., object] | None = None
) -> None:
    """
    Do what standard input says until it ends.

    :param call: calls a function with arguments in the thread of the connections.
    :param connect: opens a client's connection.
    """

    def execute(do: str, **details: Any) -> Any:
        if do == "connect" and connect is not None:
            return connect(**details)
        return _perform(_connections[0], do, **details)

    def read() -> None:
        for line in sys.stdin:
            command = json.loads(line)
            call(lambda command=command: execute(**command))
        os._exit(0)

    Thread(target=read, daemon=True).start()


def _perform(connection: Any, do: str, **details: Any) -> Any:
    match do:
        case "say":
            return connection.send(details["text"].encode(), True, None)
        case "send":
            octets = Path(details["path"]).read_bytes()
            return connection.send(octets, details["kind"] == "text", details["piece"])
        case "ping":
            return connection.ping(details["payload"].encode())
        case "close":
            return connection.close(**details)
        case _:
            raise ValueError(f"no command is called {do!r}")
