# Part of txwebsocket. See LICENSE for details.
"""
A program: a server and a client on the reactor that is named, over each of some kinds
of sockets. Both have hooks that raise every kind of exception, and await a task of
asyncio where that is the reactor. It prints the close codes.

Usage::

    python -m tests.support.on_reactor REACTOR DIRECTORY
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from twisted.application.reactors import installReactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXServerEndpoint, serverFromString
from twisted.internet.task import react
from twisted.web.server import Site

from txwebsocket import WebSocketClient, WebSocketProtocol, WebSocketResource

KINDS: dict[str, type[BaseException]] = {
    "Exception": Exception,
    "CancelledError": CancelledError,
    "asyncio.CancelledError": asyncio.CancelledError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
}


class Odd(WebSocketProtocol):
    """
    Raise what it is told to.
    """

    def textMessageReceived(self, message: str) -> Any:
        """
        Raise it, or wait a moment and answer.
        """
        if message in KINDS:
            raise KINDS[message]
        return asyncio.get_event_loop().create_task(self.answer(message))

    async def answer(self, message: str) -> None:
        """
        Answer after some turns of asyncio's loop.
        """
        for _ in range(3):
            await asyncio.sleep(0)
        self.connection.send(message.upper())

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        Have the peer raise it.
        """
        self.connection.send(data.decode())


async def converse(client: WebSocketClient, url: str, waits: bool) -> None:
    """
    Have both ends raise each kind.
    """
    for name in KINDS:
        connection = await client.connect(url)
        connection.send(name)
        report = await connection.whenClosed()
        served = report.receivedCode
        ended = await client.connect(url, application=Odd())
        ended.send(name.encode())
        report = await ended.whenClosed()
        sys.stdout.write(f"{name} {served} {report.sentCode}\n")
    if waits:
        connection = await client.connect(url)
        connection.send("a")
        connection.send("b")
        sys.stdout.write(f"{await connection.receive()}{await connection.receive()}\n")
        await connection.close()


async def main(reactor: Any, name: str, directory: str) -> None:
    """
    Listen, and connect.
    """
    client = WebSocketClient(reactor)
    site = Site(WebSocketResource(Odd))
    path = str(Path(directory) / "socket")
    tcp = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    unix = UNIXServerEndpoint(reactor, path)
    port = await tcp.listen(site)
    await unix.listen(site)
    waits = name == "asyncio"
    await converse(client, f"ws://127.0.0.1:{port.getHost().port}/", waits)
    await converse(client, f"ws+unix:{path}:/", waits)


def run(name: str, directory: str) -> None:
    """
    Run on this reactor.
    """
    installReactor(name)
    react(
        lambda reactor: Deferred.fromCoroutine(main(reactor, name, directory)),
    )


if __name__ == "__main__":
    run(*sys.argv[1:])
