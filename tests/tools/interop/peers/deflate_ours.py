# Part of txwebsocket. See LICENSE for details.
"""
The driver of the library that is tested.
"""

from functools import partial
from typing import Any

import deflating
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from txwebsocket import (
    ClientConfig,
    ConnectionClosed,
    Deflate,
    ServerConfig,
    WebSocketClient,
    WebSocketConnection,
    WebSocketError,
    WebSocketRequest,
    WebSocketResource,
)

_LIMIT = 2**22


def chosen(deflate: dict[str, Any], isFragmenting: bool) -> dict[str, Any]:
    """
    The options for these wishes.
    """
    names = {
        "serverFresh": "serverNoContextTakeover",
        "clientFresh": "clientNoContextTakeover",
        "serverBits": "serverMaxWindowBits",
        "clientBits": "clientMaxWindowBits",
    }
    wishes = {
        names.get(name, name): value
        for name, value in deflate.items()
        if value is not None
    }
    return {
        "extensions": [Deflate(**wishes)],
        "maxReceivedMessageSize": _LIMIT,
        "fragmentOutgoingMessages": isFragmenting,
        "fragmentationThreshold": deflating.PIECE,
    }


def tell(connection: WebSocketConnection, count: int) -> None:
    """
    Say what has passed.

    :param count: how many messages there are, which may have passed several times.
    """
    traffic = connection.traffic
    deflating.report(
        "closed",
        extensions=connection.extensions,
        received=traffic.bytesReceived,
        sent=traffic.bytesSent,
        times=round(traffic.messagesReceived / count),
    )


async def echo(count: int, request: WebSocketRequest) -> None:
    connection = request.accept()
    try:
        async for message in connection:
            connection.send(message)
    except ConnectionClosed as closed:
        deflating.report("failed", why=str(closed))
    tell(connection, count)


async def serve(reactor: Any, folder: str, cases: list[dict[str, Any]]) -> None:
    """
    Serve each case below a path of its own, besides a page for browsers.
    """
    root = Resource()
    root.putChild(b"", Data(b"<!DOCTYPE html><title>echo</title>", "text/html"))
    handler = partial(echo, len(deflating.messages(folder)))
    for number, case in enumerate(cases):
        config = ServerConfig(**chosen(case["deflate"], bool(number % 2)))
        root.putChild(str(number).encode(), WebSocketResource(handler, config))
    endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    port = await endpoint.listen(Site(root))
    url = f"ws://127.0.0.1:{port.getHost().port}/"
    for number in range(len(cases)):
        deflating.report("listening", url=f"{url}{number}")
    await Deferred()


async def connect(reactor: Any, folder: str, cases: list[dict[str, Any]]) -> None:
    messages = deflating.messages(folder)
    for case in cases:
        deflating.report("case", **await talk(reactor, messages, case))


async def talk(
    reactor: Any, messages: list[str | bytes], case: dict[str, Any]
) -> dict[str, Any]:
    """
    Have each message echoed, first whole, then in fragments.
    """
    extensions, received, sent = "", 0, 0
    for isFragmenting in (False, True):
        config = ClientConfig(**chosen(case["deflate"], isFragmenting))
        client = WebSocketClient(reactor, config)
        try:
            async with await client.connect(case["url"]) as connection:
                extensions = connection.extensions
                for message in messages:
                    connection.send(message)
                    wrong = deflating.difference(message, await connection.receive())
                    if wrong:
                        return {"extensions": extensions, "wrong": wrong}
        except WebSocketError as error:
            return {"extensions": extensions, "wrong": str(error)}
        received, sent, *_ = connection.traffic[2:]
    return {
        "extensions": extensions,
        "wrong": "",
        "received": received,
        "sent": sent,
    }


def main(reactor: Any, role: str, **chosen: Any) -> Deferred[None]:
    call = serve if role == "server" else connect
    return ensureDeferred(call(reactor, **chosen))


if __name__ == "__main__":
    react(partial(main, **deflating.options()))
