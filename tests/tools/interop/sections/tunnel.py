# Part of txwebsocket. See LICENSE for details.
"""
Ordinary protocols through bridges between TCP and WebSockets that others made.
"""

from checking import note
from children import Child
from results import Place, Results
from setting import Setting

_OURS = "tunnel_ours.py"
_BRIDGES = {
    "websockets": ("tunnel_websockets.py", ("ws", "wss")),
    "ws": ("tunnel_ws.mjs", ("ws",)),
}
_PROTOCOL = "stream.v1"
_TCP = "tcp:0:interface=127.0.0.1"
_SIZES = (1, 3_000_000)


async def tryTunnel(setting: Setting, results: Results) -> None:
    """
    AMP calls both ways, and streams of bytes, with us at either end of the WebSocket
    and plain TCP behind the bridge.
    """
    for name, (bridge, ways) in _BRIDGES.items():
        for over in ways:
            place = Place("tunnel", f"client, bridge of {name}", over)
            await _tryClient(setting, results, place, bridge)
            place = Place("tunnel", f"server, bridge of {name}", over)
            await _tryServer(setting, results, place, bridge)


async def _tryClient(
    setting: Setting, results: Results, place: Place, bridge: str
) -> None:
    """
    Our client, their server, and TCP behind it.
    """
    certified = setting.certified if place.over == "wss" else {}
    async with setting.driver(_OURS, "serve", description=_TCP) as servers:
        for what in ("amp", "echo"):
            target = await _port(servers)
            options = {"target": target, "protocol": _PROTOCOL, **certified}
            async with setting.driver(bridge, "server", **options) as server:
                scheme, _, rest = (await server.listening()).partition("://")
                endpoint = f"{scheme}:{_quoted(rest)}:protocol={_PROTOCOL}"
                await _try(setting, results, place, what, endpoint)


async def _tryServer(
    setting: Setting, results: Results, place: Place, bridge: str
) -> None:
    """
    TCP, their client, and our server behind it.
    """
    isSecure = place.over == "wss"
    inner = _quoted(setting.tlsPort() if isSecure else _TCP)
    description = f"ws:{inner}:path=/stream:protocol={_PROTOCOL}"
    trust = {"authority": setting.authority.path} if isSecure else {}
    async with setting.driver(_OURS, "serve", description=description) as servers:
        for what in ("amp", "echo"):
            url = f"{place.over}://127.0.0.1:{await _port(servers)}/stream"
            options = {"url": url, "protocol": _PROTOCOL, **trust}
            async with setting.driver(bridge, "client", **options) as client:
                endpoint = f"tcp:127.0.0.1:{await _port(client)}"
                await _try(setting, results, place, what, endpoint)
                if what == "echo":
                    for size in _SIZES:
                        did = f"our end of {size} echoed bytes is clean"
                        await note(results, place, did, _ended(servers))


async def _try(
    setting: Setting, results: Results, place: Place, what: str, endpoint: str
) -> None:
    """
    Speak with what an endpoint leads to.
    """
    if what == "amp":
        step = _answered(setting, endpoint)
        await note(results, place, "AMP calls both ways", step)
        return
    for size in _SIZES:
        step = _echoed(setting, endpoint, size)
        await note(results, place, f"{size} bytes there and back", step)


async def _answered(setting: Setting, endpoint: str) -> str:
    options = {"description": endpoint, "authority": setting.authority.path}
    async with setting.driver(_OURS, "ask", **options) as client:
        facts = await client.expect("answer")
    return "" if facts == {"total": 42} else f"{facts}"


async def _echoed(setting: Setting, endpoint: str, size: int) -> str:
    options = {"description": endpoint, "authority": setting.authority.path}
    async with setting.driver(_OURS, "compare", size=size, **options) as client:
        facts = await client.expect("echoed")
        if facts != {"size": size, "isSame": True}:
            return f"{facts}"
        return await _ended(client)


async def _ended(child: Child) -> str:
    facts = await child.expect("ended")
    return "" if facts == {"isDone": True} else f"{facts}"


async def _port(child: Child) -> int:
    return (await child.expect("serving"))["port"]


def _quoted(description: str) -> str:
    """
    A part of an endpoint string, for a place in another one.
    """
    return description.replace(":", "\\:").replace("=", "\\=")
