# Part of txwebsocket. See LICENSE for details.
"""
The ways to run our server, its options and its end.
"""

import signal
from contextlib import AsyncExitStack
from functools import partial

from checking import curl, echoed, httpURL, lacking, note
from children import Child
from conversations import Pairing, Start, converse
from matrix import PEERS
from results import Place, Results
from setting import DRIVERS, OURS, TCP, Setting

_WEBSOCKETS = PEERS["websockets"].driver
_PROGRAMS = {
    "twistd": ("twistd", "-n"),
    "twistd --reactor=asyncio": ("twistd", "--reactor=asyncio", "-n"),
    "twist": ("twist", "--log-format=text"),
}
_FEW_SIZES = (0, 126, 65536, 1_000_000)
# More than closeTimeout.
_FAREWELL = 8.0


async def tryTwistd(setting: Setting, results: Results) -> None:
    """
    The ways to run our server, its options and its end.
    """
    for name, program in _PROGRAMS.items():
        if name != "twistd":
            server = partial(setting.twistd, "--port", TCP, program=program)
            await _tryFew(setting, results, name, server)
        await _tryStop(setting, results, Place("twistd", name), program)
    app = ("--app", "with_txwebsocket.pull")
    server = partial(setting.twistd, "--port", TCP, *app, cwd=DRIVERS)
    await _tryFew(setting, results, "twistd --app, pull", server)
    await _trySubprotocols(setting, results)
    await _tryPorts(setting, results)
    await _tryStatic(setting, results)


async def _tryFew(setting: Setting, results: Results, name: str, server: Start) -> None:
    """
    A smaller matrix for what differs from the others in one thing only.
    """
    pairing = Pairing(
        place=Place("websockets", name, "ws"),
        client=partial(setting.driver, _WEBSOCKETS, "client"),
        server=server,
        weServe=True,
        isObserved=False,
    )
    few = [message for message in setting.messages if message.size in _FEW_SIZES]
    await converse(pairing, few, setting.tooBig, results)


async def _tryStop(
    setting: Setting, results: Results, place: Place, program: tuple[str, ...]
) -> None:
    """
    All clients see 1001, and the process ends by itself.
    """
    drivers = {
        name: peer.driver
        for name, peer in PEERS.items()
        if not await setting.missing(peer.needs)
    }
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            setting.twistd("--port", TCP, program=program)
        )
        url = await server.listening()
        clients = {
            name: await stack.enter_async_context(setting.driver(driver, "client"))
            for name, driver in {**drivers, "txwebsocket": OURS}.items()
        }
        for client in clients.values():
            await echoed(client, url=url)
        server.terminate()
        for name, client in clients.items():
            await note(results, place, f"SIGTERM: {name} sees 1001", _seesGoing(client))
        await note(results, place, "SIGTERM: it ends in peace", _endsInPeace(server))


async def _seesGoing(client: Child) -> str:
    code = (await client.expect("closed"))["code"]
    return "" if code == 1001 else f"{code}"


async def _endsInPeace(server: Child) -> str:
    status = await server.ended(_FAREWELL)
    await server.expect("ended")
    # Twisted tells its parent by which signal it was stopped, after all is done.
    if status not in (0, -signal.SIGTERM):
        return f"status {status}"
    log = "\n".join(server.log)
    if "Traceback" in log:
        return log[log.index("Traceback") :]
    return lacking(log, ["Stopping factory"])


async def _trySubprotocols(setting: Setting, results: Results) -> None:
    """
    Clients that offer subprotocols, and fail if none is chosen, get the first.
    """
    place = Place("twistd", "echo")
    async with setting.twistd("--port", TCP) as server:
        url = await server.listening()
        for name, peer in PEERS.items():
            if await setting.missing(peer.needs):
                continue
            async with setting.driver(peer.driver, "client") as client:
                await note(results, place, f"{name} agrees", _agreed(client, url))


async def _agreed(client: Child, url: str) -> str:
    client.tell("connect", url=url, protocols=["chat", "superchat"])
    protocol = (await client.expect("open"))["protocol"]
    return "" if protocol == "chat" else f"{protocol}"


async def _tryPorts(setting: Setting, results: Results) -> None:
    place = Place("twistd", "--port, twice")
    path = setting.folder / "socket"
    async with (
        setting.twistd("--port", TCP, "--port", f"unix:{path}") as server,
        setting.driver(_WEBSOCKETS, "client") as client,
    ):
        urls = [await server.listening(), await server.listening()]
        unix = f"ws+unix:{path}"
        results.check(place, "both are announced", lacking(" ".join(urls), [unix]))
        urls.remove(unix)
        await note(results, place, "tcp", echoed(client, url=urls[0]))
        reached = echoed(client, url="ws://localhost/", path=str(path))
        await note(results, place, "unix", reached)


async def _tryStatic(setting: Setting, results: Results) -> None:
    place = Place("twistd", "--static")
    folder = setting.folder / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<!DOCTYPE html><title>our own</title>")
    (folder / "notes.txt").write_text("a file of ours")
    async with (
        setting.twistd("--port", TCP, "--static", str(folder)) as server,
        setting.driver(_WEBSOCKETS, "client") as client,
    ):
        url = await server.listening()
        for path, kind, words in (
            ("", "text/html", "our own"),
            ("notes.txt", "text/plain", "a file of ours"),
        ):
            text = await curl(setting, httpURL(url) + path)
            why = lacking(text, ["HTTP/1.1 200 ", kind, words])
            results.check(place, f"/{path} is the file", why)
        await note(results, place, "the WebSocket is at /", echoed(client, url=url))
