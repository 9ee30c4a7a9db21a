# Part of txwebsocket. See LICENSE for details.
"""
Our client stays connected to servers that are killed and started again.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from hashlib import sha256
from urllib.parse import urlsplit

from checking import note
from children import Child
from conversations import Different
from matrix import PEERS
from results import Place, Results
from setting import Setting

_CLIENT = "staying.py"
# Seconds without a server: several attempts fail meanwhile.
_OUTAGE = 1.0

_StartServer = Callable[..., AbstractAsyncContextManager[Child]]


async def tryStaying(setting: Setting, results: Results) -> None:
    """
    Our client stays connected to servers that are killed and started again.
    """
    for name in ("ws", "websockets"):
        start = partial(setting.driver, PEERS[name].driver, "server")
        async with start() as first:
            url = await first.listening()
            async with setting.driver(_CLIENT, "client", url=url) as client:
                place = Place("staying", name, "ws")
                step = _outlive(start, first, client, url)
                await note(results, place, "is connected again after an outage", step)


async def _outlive(start: _StartServer, first: Child, client: Child, url: str) -> None:
    failures = await _talk(client, first)
    if failures:
        raise Different(f"{failures} attempts failed while the server was there")
    first.kill()
    await client.expect("lost")
    await asyncio.sleep(_OUTAGE)
    async with start(port=urlsplit(url).port) as second:
        await second.listening()
        failures = await _talk(client, second)
        if failures < 2:
            raise Different(f"{failures} attempts failed while there was no server")
        client.terminate()
        facts = await second.expect("closed")
        if facts["code"] != 1001:
            raise Different(f"the client went away with {facts}")


async def _talk(client: Child, server: Child) -> int:
    """
    See that both are connected.

    :return: how many of the client's attempts have failed so far.
    """
    facts = await client.expect("failures")
    await client.expect("open")
    await server.expect("open")
    client.tell("say", text="hello")
    for end in (server, client):
        message = await end.expect("message")
        if message["sha256"] != sha256(b"hello").hexdigest():
            raise Different(f"'hello' arrived as {message}")
    return facts["count"]
