# Part of txwebsocket. See LICENSE for details.
"""
The driver of ``websockets`` for the section "deflate".
"""

import asyncio
from typing import Any

import deflating
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import WebSocketException
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)


def parameters(deflate: dict[str, Any]) -> dict[str, Any]:
    return {
        "server_no_context_takeover": bool(deflate.get("serverFresh")),
        "client_no_context_takeover": bool(deflate.get("clientFresh")),
        "server_max_window_bits": deflate.get("serverBits"),
        "client_max_window_bits": deflate.get("clientBits"),
    }


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def runServer(folder: str, cases: list[dict[str, Any]]) -> None:
    for case in cases:
        factory = ServerPerMessageDeflateFactory(**parameters(case["deflate"]))
        server = await serve(
            echo,
            "127.0.0.1",
            0,
            compression=None,
            extensions=[factory],
            max_size=None,
        )
        deflating.listening(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def talk(messages: list[str | bytes], case: dict[str, Any]) -> dict[str, str]:
    wishes = parameters(case["deflate"])
    wishes["client_max_window_bits"] = wishes["client_max_window_bits"] or True
    extensions = ""
    try:
        async with connect(
            case["url"],
            compression=None,
            extensions=[ClientPerMessageDeflateFactory(**wishes)],
            max_size=None,
        ) as socket:
            headers = socket.response.headers if socket.response else {}
            extensions = headers.get("Sec-WebSocket-Extensions", "")
            for isFragmented in (False, True):
                for message in messages:
                    isWhole = not (isFragmented and message)
                    await socket.send(message if isWhole else deflating.pieces(message))
                    wrong = deflating.difference(message, await socket.recv())
                    if wrong:
                        return {"extensions": extensions, "wrong": wrong}
    except (OSError, WebSocketException) as error:
        return {"extensions": extensions, "wrong": f"{type(error).__name__}: {error}"}
    return {"extensions": extensions, "wrong": ""}


async def runClient(folder: str, cases: list[dict[str, Any]]) -> None:
    messages = deflating.messages(folder)
    for case in cases:
        deflating.report("case", **await talk(messages, case))


def main(role: str, **chosen: Any) -> None:
    asyncio.run((runServer if role == "server" else runClient)(**chosen))


if __name__ == "__main__":
    main(**deflating.options())
