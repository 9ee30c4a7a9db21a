# Part of txwebsocket. See LICENSE for details.
"""
A server whose process stands still, and peers that do all in time. Run as a program::

    python -m tests.support.stalled epoll sleep

:mod:`tests.integration.test_stalled` does. It writes a line of JSON: by option, the
    causes of the
ends of all connections whose deadline by this option passes meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.support.memory import MASK, handshake
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.control import closePayload
from txwebsocket.wire.frames import encodeFrame

NUMBER = 5
"""
Connections for each option.
"""

# When the process is to stand still, and for how long, counted from the last handshake.
_STALL_AT = 0.8
_STALL_FOR = 3.0

# Within that time fall the peers' answers, and later the deadlines.
_DEADLINE = 2.5
_ANSWER_AT = 1.1
_END_AT = 8.0

# More than the system takes for a peer that does not read.
_MUCH = b"x" * 16_000_000


class Peers:
    """
    The peers of one server, in a process of their own.

    :param answer: has one of them do what is wanted of it, in time.
    """

    def __init__(self, port: int, answer: Callable[[socket.socket], object]) -> None:
        self._answer = answer
        self._sockets = [_open(port) for _ in range(NUMBER)]

    def answer(self) -> None:
        """
        Have each do what is wanted of it.
        """
        for each in self._sockets:
            self._answer(each)


def _open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 5)
    connection.sendall(handshake())
    if not connection.recv(1):
        raise ConnectionError("the server has ended it")
    return connection


def _pong(connection: socket.socket) -> None:
    # Not the payload of the ping: any byte is life.
    connection.sendall(encodeFrame(Opcode.PONG, b"", MASK))


def _read(connection: socket.socket) -> None:
    connection.setblocking(False)
    left, end = len(_MUCH) // 8, time.monotonic() + 0.2
    while left > 0 and time.monotonic() < end:
        try:
            left -= len(connection.recv(2**20))
        except BlockingIOError:
            time.sleep(0.001)


def _close(connection: socket.socket) -> None:
    connection.sendall(encodeFrame(Opcode.CLOSE, closePayload(1000, ""), MASK))


_ANSWERS = {"keepaliveInterval": _pong, "writeTimeout": _read, "closeTimeout": _close}


def _runPeers(ports: dict[str, int], isStopping: bool, server: int) -> None:
    peers = [Peers(port, _ANSWERS[name]) for name, port in ports.items()]
    begin = time.monotonic()
    time.sleep(_STALL_AT)
    if isStopping:
        os.kill(server, signal.SIGSTOP)
    try:
        time.sleep(_ANSWER_AT - _STALL_AT)
        for each in peers:
            each.answer()
        time.sleep(max(0.0, _STALL_AT + _STALL_FOR - (time.monotonic() - begin)))
    finally:
        os.kill(server, signal.SIGCONT)
    time.sleep(_END_AT)


def main(name: str, how: str) -> None:
    """
    Serve with this reactor, stand still, and tell what has become of all connections.
    """
    listening = {option: socket.create_server(("127.0.0.1", 0)) for option in _ANSWERS}
    ports = {option: each.getsockname()[1] for option, each in listening.items()}
    server = os.getpid()
    child = os.fork()
    if not child:
        try:
            _runPeers(ports, how == "stop", server)
        finally:
            os._exit(0)
    import_module(f"twisted.internet.{name}reactor").install()
    causes = _serve(listening, how == "sleep")
    sys.stdout.write(json.dumps(causes) + "\n")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _serve(
    listening: dict[str, socket.socket], isSleeping: bool
) -> dict[str, list[str]]:
    # Only now there is the reactor that was chosen.
    site = import_module("twisted.web.server")
    reactor: Any = import_module("twisted.internet.reactor")
    facade = import_module("txwebsocket")
    causes: dict[str, list[str]] = defaultdict(list)
    opened: list[Any] = []

    def begin(option: str, request: Any) -> None:
        connection = request.accept()
        opened.append(connection)
        ended = connection.whenClosed()
        ended.addCallback(lambda report: causes[option].append(report.cause.name))
        if option == "writeTimeout":
            connection.send(_MUCH)
        elif option == "closeTimeout":
            connection.close()
        if len(opened) == NUMBER * len(listening) and isSleeping:
            reactor.callLater(_STALL_AT, time.sleep, _STALL_FOR)
        if len(opened) == NUMBER * len(listening):
            reactor.callLater(_STALL_AT + _STALL_FOR + 0.5, stop, 50)

    def stop(patience: int) -> None:
        # All that close come to an end, in whatever way.
        if len(causes["closeTimeout"]) < NUMBER and patience:
            reactor.callLater(0.1, stop, patience - 1)
        else:
            reactor.stop()

    options: dict[str, dict[str, float]] = {
        "keepaliveInterval": {
            "keepaliveInterval": _STALL_AT - 0.3,
            "keepaliveGracePeriod": _DEADLINE - (_STALL_AT - 0.3),
        },
        "writeTimeout": {"writeTimeout": _DEADLINE},
        "closeTimeout": {"closeTimeout": _DEADLINE},
    }
    for option, each in listening.items():
        resource = facade.WebSocketResource(
            lambda request, option=option: begin(option, request),
            facade.ServerConfig(**options[option]),
        )
        factory = site.Site(resource)
        each.setblocking(False)
        reactor.adoptStreamPort(each.fileno(), socket.AF_INET, factory)
    reactor.run()
    return causes


if __name__ == "__main__":
    main(*sys.argv[1:])
