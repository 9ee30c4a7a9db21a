# Part of txwebsocket. See LICENSE for details.
"""
A program: a server and clients on the named reactor, over TCP, TLS and UNIX sockets.
Their hooks run for longer than the peer waits for a pong. It prints the answers, and
how each connection ended.

Usage::

    python -m tests.support.busy_on_reactor REACTOR DIRECTORY
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.application.reactors import installReactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import UNIXServerEndpoint, serverFromString
from twisted.internet.task import deferLater, react
from twisted.web.server import Site

from txwebsocket import (
    ClientConfig,
    InsecureTLSPolicy,
    ServerConfig,
    WebSocketClient,
    WebSocketProtocol,
    WebSocketResource,
)

HOOK = 1.5
OPTIONS: dict[str, Any] = {"keepaliveInterval": 0.1, "keepaliveGracePeriod": 0.8}


class Slow(WebSocketProtocol):
    """
    Takes its time for text, and passes binary messages on as text to be answered.

    :ivar lost: fires after ``connectionLost``, with the texts received before.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._texts: list[str] = []
        self.answers: list[str] = []
        self.lost: Deferred[list[str]] = Deferred()

    async def textMessageReceived(self, message: str) -> None:
        """
        Answer late.
        """
        if message.isupper():
            self.answers.append(message)
            return
        self._texts.append(message)
        await deferLater(self._reactor, HOOK)
        if self.connection.connected:
            self.connection.send(message.upper())

    def connectionLost(self, reason: Any) -> None:
        """
        Tell the texts.
        """
        self.lost.callback(self._texts)


class TLS:
    """
    Makes contexts of a certificate.
    """

    def __init__(self) -> None:
        # That module imports the reactor, which had to be chosen first.
        self._identity = import_module("tests.support.remote").certify("127.0.0.1")

    def getContext(self) -> SSL.Context:
        """
        Make one.
        """
        context: SSL.Context = self._identity.context()
        return context


async def converse(reactor: Any, kind: str, url: str, served: list[Slow]) -> None:
    """
    Have both ends answer late, and then the server receive two messages and a close.
    """
    client = WebSocketClient(
        reactor, ClientConfig(**OPTIONS), tlsPolicy=InsecureTLSPolicy()
    )
    application = Slow(reactor)
    connection = await client.connect(url, application=application)
    [server] = (each for each in served if each.connection.request.resource == kind)
    # One after the other, since an end that is busy itself may wait for no pong.
    for sender, message in ((connection, "a"), (server.connection, "b")):
        sender.send(message)
        await deferLater(reactor, HOOK + 0.5)
    connection.send("c")
    connection.send("d")
    report = await connection.close()
    texts = await server.lost
    answers = [*application.answers, *server.answers]
    sys.stdout.write(f"{kind} {answers} {texts} {report.wasClean}\n")


async def main(reactor: Any, directory: str) -> None:
    """
    Listen, and connect.
    """
    served: list[Slow] = []

    def accept(request: Any) -> None:
        served.append(Slow(reactor))
        request.accept(application=served[-1])

    site = Site(WebSocketResource(accept, ServerConfig(**OPTIONS)))
    path = str(Path(directory) / "socket")
    tcp = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(site)
    tls = reactor.listenSSL(0, site, TLS(), interface="127.0.0.1")
    await UNIXServerEndpoint(reactor, path).listen(site)
    urls = {
        "/?tcp": f"ws://127.0.0.1:{tcp.getHost().port}/?tcp",
        "/?tls": f"wss://127.0.0.1:{tls.getHost().port}/?tls",
        "/?unix": f"ws+unix:{path}:/?unix",
    }
    await gatherResults(
        Deferred.fromCoroutine(converse(reactor, kind, url, served))
        for kind, url in urls.items()
    )


def run(name: str, directory: str) -> None:
    """
    Run on this reactor.
    """
    installReactor(name)
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, directory)))


if __name__ == "__main__":
    run(*sys.argv[1:])
