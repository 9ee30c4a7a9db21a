# Part of txwebsocket. See LICENSE for details.
"""
Our client behind proxies that others wrote.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from checking import echoed, note
from children import STEP, Child, OutOfStep, running
from matrix import PEERS
from peers.driver import PROTOCOL
from results import Place, Results
from setting import OURS, Setting

_USER = "ada:sesame"
_WRONG = "ada:nosesame"


async def tryProxies(setting: Setting, results: Results) -> None:
    """
    Connect to a server of another's through each kind of proxy, and see what is told of
    those that refuse.
    """
    elsewhere = setting.authority.certify("elsewhere.test")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_tinyproxy(setting))
        tls = await stack.enter_async_context(
            _stunnel(setting, http, setting.certified)
        )
        false = await stack.enter_async_context(_stunnel(setting, http, elsewhere))
        socks = await stack.enter_async_context(_microsocks(setting))
        guarded = await stack.enter_async_context(
            _microsocks(setting, "-u", "ada", "-P", "sesame")
        )
        through = {
            "HTTP": f"http://{_USER}@127.0.0.1:{http}",
            "HTTP over TLS": f"https://{_USER}@localhost:{tls}",
            "SOCKS": f"socks5h://127.0.0.1:{socks}",
            "SOCKS, looking names up": f"socks5://127.0.0.1:{socks}",
            "SOCKS with a password": f"socks5h://{_USER}@127.0.0.1:{guarded}",
        }
        refusing = {
            "HTTP without a password": (f"http://127.0.0.1:{http}", " 407 "),
            "HTTP with a wrong one": (
                f"http://{_WRONG}@127.0.0.1:{http}",
                "refused: 4",
            ),
            "another's certificate": (
                f"https://{_USER}@localhost:{false}",
                "it is for 'elsewhere.test'",
            ),
            "SOCKS without a password": (f"socks5h://127.0.0.1:{guarded}", "wanted"),
            "SOCKS with a wrong one": (
                f"socks5h://{_WRONG}@127.0.0.1:{guarded}",
                "wrong",
            ),
            "HTTP where SOCKS is spoken": (f"http://127.0.0.1:{socks}", "not an HTTP"),
        }
        await _tryThrough(setting, results, through)
        await _tryRefusals(setting, results, refusing)


async def _tryThrough(
    setting: Setting, results: Results, proxies: dict[str, str]
) -> None:
    trust = {"authority": setting.authority.path}
    for over, certified in (("ws", {}), ("wss", setting.certified)):
        place = Place("proxies", "client", over)
        peer = PEERS["websockets"].driver
        async with setting.driver(peer, "server", **certified) as server:
            url = (await server.listening()).replace("127.0.0.1", "localhost")
            for what, proxy in proxies.items():
                async with setting.driver(
                    OURS, "client", proxy=proxy, **trust
                ) as client:
                    step = echoed(client, PROTOCOL, url=url)
                    await note(results, place, f"through {what}", step)


async def _tryRefusals(
    setting: Setting, results: Results, proxies: dict[str, tuple[str, str]]
) -> None:
    trust = {"authority": setting.authority.path}
    place = Place("proxies", "client", "ws")
    for what, (proxy, told) in proxies.items():
        async with setting.driver(OURS, "client", proxy=proxy, **trust) as client:
            await note(results, place, f"refused by {what}", _refused(client, told))


async def _refused(client: Child, told: str) -> str:
    """
    See that our client blames the proxy, and does not tell its password.
    """
    client.tell("connect", url="ws://127.0.0.1:9/", protocols=[PROTOCOL])
    facts = await client.expect("refused")
    step, why = facts["step"], facts["why"]
    isGood = step == "PROXY" and told in why and "sesame" not in why
    return "" if isGood else f"{facts}"


# The proxies, each on a port of its own


@asynccontextmanager
async def _tinyproxy(setting: Setting) -> AsyncIterator[int]:
    port = _freePort()
    path = _write(
        setting,
        f"tinyproxy-{port}.conf",
        f"Port {port}",
        "Listen 127.0.0.1",
        "Timeout 60",
        "BasicAuth ada sesame",
    )
    async with running("tinyproxy", "-d", "-c", path, cwd=setting.folder) as child:
        yield await _accepting(child, port)


@asynccontextmanager
async def _stunnel(
    setting: Setting, behind: int, certified: dict[str, str]
) -> AsyncIterator[int]:
    port = _freePort()
    path = _write(
        setting,
        f"stunnel-{port}.conf",
        "foreground = yes",
        "pid =",
        "[proxy]",
        f"accept = 127.0.0.1:{port}",
        f"connect = 127.0.0.1:{behind}",
        f"cert = {certified['certificate']}",
        f"key = {certified['key']}",
    )
    async with running("stunnel4", path, cwd=setting.folder) as child:
        yield await _accepting(child, port)


@asynccontextmanager
async def _microsocks(setting: Setting, *options: str) -> AsyncIterator[int]:
    port = _freePort()
    command = ("microsocks", "-i", "127.0.0.1", "-p", str(port), *options)
    async with running(*command, cwd=setting.folder) as child:
        yield await _accepting(child, port)


def _freePort() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _write(setting: Setting, name: str, *lines: str) -> Path:
    path = setting.folder / name
    path.write_text("\n".join([*lines, ""]))
    return path


async def _accepting(child: Child, port: int) -> int:
    """
    Wait until a proxy takes connections.
    """
    try:
        async with asyncio.timeout(STEP):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return port
    except TimeoutError:
        raise OutOfStep(f"nobody listens on {port}: {child.log[-3:]}") from None
