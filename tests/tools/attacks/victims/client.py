# Part of txwebsocket. See LICENSE for details.
"""
A client that connects where it is told to, and prints what happens.

    client.py JSON

``url`` is where to; ``connections`` how often at a time; ``config`` are options of
``ClientConfig``; ``headers``, ``protocols`` and ``compress`` are part of the request;
``authority`` is a certificate to trust; with ``sends`` it sends so many messages, with
``closes`` it closes as soon as it is open. With ``reads`` it connects once, as
``twisted.web.websocket`` does, and reads the body of a rejection as it arrives.
"""

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.ssl import Certificate
from twisted.internet.task import react
from twisted.web.client import readBody

from txwebsocket import (
    ClientConfig,
    ConnectionClosed,
    ConnectionRejected,
    Deflate,
    TLSPolicy,
    WebSocketClient,
    WebSocketClientEndpoint,
    WebSocketProtocol,
)


def say(event: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Telling(WebSocketProtocol):
    def textMessageReceived(self, message: str) -> None:
        say("message", size=len(message))

    def bytesMessageReceived(self, data: bytes) -> None:
        say("message", size=len(data))

    def connectionLost(self, reason: Any) -> None:
        if reason.check(ConnectionClosed):
            report = reason.value.report
            say("closed", cause=report.cause.name, code=report.sentCode)


async def once(client: WebSocketClient, asked: dict[str, Any]) -> None:
    try:
        connection = await client.connect(
            asked["url"],
            asked.get("protocols", ()),
            headers=asked.get("headers"),
            application=Telling(),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        response = getattr(error, "response", None)
        body = len(response.body) if response is not None else None
        say("failed", error=type(error).__name__, text=str(error), body=body)
        return
    say("open")
    for _ in range(asked.get("sends", 0)):
        connection.send(b"hello")
    if asked.get("closes"):
        connection.close(1000, "")


class Factory:
    def buildProtocol(self, url: str) -> Telling:
        return Telling()


async def readRejection(endpoint: WebSocketClientEndpoint) -> None:
    try:
        await endpoint.connect(Factory())
    except ConnectionRejected as rejected:
        response = rejected.response
        say("failed", error=type(rejected).__name__, body=len(response.body))
        try:
            await readBody(response)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            say("read", error=type(error).__name__, body=len(response.body))


async def main(reactor: Any, asked: dict[str, Any]) -> None:
    extensions = [Deflate()] if asked.get("compress") else []
    config = ClientConfig(extensions=extensions, **asked.get("config", {}))
    authority = asked.get("authority")
    trusted = Certificate.loadPEM(Path(authority).read_text()) if authority else None
    policy = TLSPolicy(trusted) if authority else None
    if asked.get("reads"):
        url = asked["url"]
        endpoint = WebSocketClientEndpoint.new(reactor, url, policy, config=config)
        say("ready")
        await readRejection(endpoint)
        await Deferred()  # until a signal comes
    client = WebSocketClient(reactor, config, tlsPolicy=policy)
    say("ready")
    count = asked.get("connections", 1)
    await gatherResults([ensureDeferred(once(client, asked)) for _ in range(count)])
    await Deferred()  # until a signal comes


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(main(reactor, json.loads(sys.argv[1]))))
