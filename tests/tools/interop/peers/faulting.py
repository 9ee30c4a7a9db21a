# Part of txwebsocket. See LICENSE for details.
"""
A server and a client of ours that tell what is left of their connections.

As a server it echoes what it is sent, on a free port; given a certificate and a key,
over TLS. A text ``much`` is answered with more than any socket takes. As a client it
connects as often as it is told. On standard input both take, besides, an object a line:

    {"do": "count"}
    {"do": "clock"}
    {"do": "connect", "url": …, "times": …}
    {"do": "send", "after": seconds in which nothing else happens, "size": …}
    {"do": "starve", "left": how many files may be opened still}; {"do": "feed"}
    {"do": "stop"}: stop the reactor

They tell:

    {"event": "counts", "descriptors": …, "calls": what the reactor is to call,
     "applications": how many there are, "left": and how many objects of other kinds,
     when the garbage was collected, "opened": …, "lost": …, "lostAgain": …, "errors":
     logged ones}
    {"event": "clock", "cpu": seconds of computing so far}
    {"event": "connected", "outcomes": how often each came out}
    {"event": "stopped", "opened": …, "lost": …, …}
"""

import gc
import json
import os
import resource
import sys
import time
from collections import Counter
from functools import partial
from threading import Thread
from typing import Any

import driver
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.logger import globalLogPublisher
from twisted.python import log
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from txwebsocket import (
    ClientConfig,
    ConnectionClosed,
    HandshakeError,
    WebSocketClient,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketServer,
)
from txwebsocket.connection.channel import WebSocketChannel

MUCH = 12_000_000


class Application(WebSocketProtocol):
    """
    Counts what happens, and echoes.
    """

    tally: Counter[str] = Counter()
    open: dict[WebSocketConnection, None] = {}
    _hasEnded = False

    def negotiationFinished(self) -> None:
        self.tally["opened"] += 1
        self.open[self.connection] = None

    def textMessageReceived(self, message: str) -> None:
        self.connection.send(bytes(MUCH) if message == "much" else message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)

    def connectionLost(self, reason: Any) -> None:
        self.tally["lostAgain" if self._hasEnded else "lost"] += 1
        self._hasEnded = True
        self.open.pop(self.connection, None)


class Told(Application):
    """
    The same for a client, which may be told of the end without a beginning.
    """

    def negotiationStarted(self, transport: Any) -> None:
        self.tally["opened"] += 1

    def negotiationFinished(self) -> None:
        self.open[self.connection] = None


_KINDS = (
    HTTPChannel,
    WebSocketChannel,
    Request,
    WebSocketConnection,
    WebSocketRequest,
)


def alive(kinds: tuple[type, ...]) -> dict[str, int]:
    found = [each for each in gc.get_objects() if isinstance(each, kinds)]
    return dict(Counter(type(each).__name__ for each in found))


def tally() -> dict[str, int]:
    names = ("opened", "lost", "lostAgain", "errors")
    return {name: Application.tally[name] for name in names}


def count(reactor: Any) -> None:
    applications = sum(alive((Application,)).values())
    gc.collect()
    calls = [call.func.__qualname__ for call in reactor.getDelayedCalls()]
    driver.report(
        "counts",
        descriptors=len(os.listdir("/proc/self/fd")),
        calls=sorted(calls),
        applications=applications,
        left=alive(_KINDS),
        **tally(),
    )


async def connect(reactor: Any, url: str, times: int) -> None:
    """
    One after the other, and each until its end.
    """
    client = WebSocketClient(reactor, ClientConfig(openTimeout=2, closeTimeout=1))
    outcomes: Counter[str] = Counter()
    for _ in range(times):
        try:
            connection = await client.connect(url, application=Told())
            connection.send("hello")
            outcome = await connection.whenClosed()
            outcomes[f"{outcome.cause.name} {outcome.code}"] += 1
        except (HandshakeError, ConnectionClosed) as error:
            outcomes[type(error).__name__] += 1
    driver.report("connected", outcomes=dict(outcomes))


def send(after: float, size: int) -> None:
    """
    Whatever happens meanwhile, this process does not notice before it has sent.
    """
    time.sleep(after)
    for connection in list(Application.open):
        connection.send(bytes(size))


def limitFiles(limit: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, most), most))


def execute(reactor: Any, do: str, **details: Any) -> None:
    match do:
        case "count":
            count(reactor)
        case "clock":
            driver.report("clock", cpu=time.process_time())
        case "connect":
            Deferred.fromCoroutine(connect(reactor, **details)).addErrback(log.err)
        case "send":
            send(**details)
        case "starve":
            limitFiles(max(map(int, os.listdir("/proc/self/fd"))) + details["left"])
        case "feed":
            limitFiles(1024)
        case "stop":
            reactor.stop()


def follow(reactor: Any) -> None:
    def read() -> None:
        for line in sys.stdin:
            command = json.loads(line)
            reactor.callFromThread(partial(execute, reactor, **command))
        os._exit(0)

    Thread(target=read, daemon=True).start()


async def serve(reactor: Any, site: Site, certificate: str = "", key: str = "") -> None:
    description = "tcp:0:interface=127.0.0.1"
    if certificate:
        description = (
            f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
        )
    port = await serverFromString(reactor, description).listen(site)
    driver.listening(port.getHost().port, bool(certificate))
    await Deferred()


def main(
    reactor: Any, role: str, limit: int, authority: str = "", **options: str
) -> Deferred[None]:
    if authority:
        # Where TLS looks for whom the platform trusts.
        os.environ["SSL_CERT_FILE"] = authority
    log.startLogging(sys.__stderr__, setStdout=False)
    globalLogPublisher.addObserver(
        lambda event: Application.tally.update(errors="log_failure" in event)
    )
    reactor.addSystemEventTrigger(
        "after", "shutdown", lambda: driver.report("stopped", **tally())
    )
    follow(reactor)
    if role == "server":
        site = Site(Resource())
        WebSocketServer(Application).mount(site)
        return Deferred.fromCoroutine(serve(reactor, site, **options))
    driver.report("ready")
    return Deferred()


if __name__ == "__main__":
    react(partial(main, **driver.options()))
