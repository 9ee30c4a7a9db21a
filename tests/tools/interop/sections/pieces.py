# Part of txwebsocket. See LICENSE for details.
"""
Large messages in pieces, to and from others that send and receive them so.
"""

from checking import note
from children import Child
from results import Place, Results
from setting import Setting

_OURS = "pieces_ours.py"
_THEIRS = {"websockets": "pieces_websockets.py", "ws": "pieces_ws.mjs"}
_KINDS = ("text", "binary")
_COUNT = 1000
# Bytes that a message has at least, and those that we hold of it at most.
_LEAST = 2**22
_MOST = 2**21


async def tryPieces(setting: Setting, results: Results) -> None:
    """
    Echoes of messages of several MiB, while they arrive, with us at either end.
    """
    for name, theirs in _THEIRS.items():
        for compress in (False, True):
            over = "compressed" if compress else "plain"
            for ours, server, client in (
                ("client", theirs, _OURS),
                ("server", _OURS, theirs),
            ):
                place = Place("pieces", f"{ours}, {name}", over)
                await _try(setting, results, place, server, client, compress)


async def _try(
    setting: Setting,
    results: Results,
    place: Place,
    server: str,
    client: str,
    compress: bool,
) -> None:
    async with setting.driver(server, "server", compress=compress) as serving:
        options = {"kinds": _KINDS, "count": _COUNT, "compress": compress}
        url = await serving.listening()
        async with setting.driver(client, "client", url=url, **options) as asking:
            for kind in _KINDS:
                step = _echoed(asking, kind, isOurs=client == _OURS)
                await note(results, place, f"{kind} comes back in pieces", step)


async def _echoed(client: Child, kind: str, isOurs: bool) -> str:
    facts = await client.expect("echoed")
    isHere = facts["isSame"] and facts["kind"] == kind and facts["size"] > _LEAST
    isBounded = not isOurs or facts["peak"] < _MOST
    return "" if isHere and isBounded else f"{facts}"
