# Part of txwebsocket. See LICENSE for details.
"""
Each peer against us, in both roles, with everything that both can do.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from conversations import Pairing, converse
from messages import LARGEST
from results import Place, Results
from setting import DRIVERS, OURS, TCP, Setting

# How many conversations go on side by side.
_SIDE_BY_SIDE = 2
_LIMIT = ("--max-size", str(LARGEST))
_APP = ("--app", "with_txwebsocket.serve")


@dataclass(frozen=True)
class Peer:
    """
    A library that others wrote.

    :ivar driver: the file of its driver.
    :ivar needs: what has to be installed.
    :ivar replies: the code with which it answers any close, if it always is the same.
    """

    driver: str
    needs: tuple[str, ...]
    replies: int | None = None


PEERS = {
    "websockets": Peer("with_websockets.py", ("python websockets",)),
    "autobahn": Peer("with_autobahn.py", ("python autobahn.twisted",)),
    "ws": Peer("with_ws.mjs", ("node ws",)),
    "websocket-node": Peer("with_websocket_node.mjs", ("node websocket",), 1000),
}


def _pairings(setting: Setting, name: str, peer: Peer) -> Iterator[Pairing]:
    """
    The plain echo that everybody gets, an application that tells what it sees, and our
    client; the latter two with and without TLS.
    """
    authority = {"authority": setting.authority.path}
    yield Pairing(
        place=Place(name, "twistd", "ws"),
        client=partial(setting.driver, peer.driver, "client"),
        server=partial(setting.twistd, "--port", TCP, *_LIMIT),
        weServe=True,
        isObserved=False,
    )
    for over, port, trust, certified in (
        ("ws", TCP, {}, {}),
        ("wss", setting.tlsPort(), authority, setting.certified),
    ):
        yield Pairing(
            place=Place(name, "twistd --app", over),
            client=partial(setting.driver, peer.driver, "client", **trust),
            server=partial(setting.twistd, "--port", port, *_LIMIT, *_APP, cwd=DRIVERS),
            weServe=True,
            isObserved=True,
            peerReplies=peer.replies,
        )
        yield Pairing(
            place=Place(name, "client", over),
            client=partial(setting.driver, OURS, "client", **trust),
            server=partial(setting.driver, peer.driver, "server", **certified),
            weServe=False,
            isObserved=True,
            peerReplies=peer.replies,
        )


async def tryPeers(setting: Setting, results: Results, names: list[str]) -> None:
    """
    All of these peers with all messages.
    """
    room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def tryPairing(pairing: Pairing) -> None:
        async with room:
            await converse(pairing, setting.messages, setting.tooBig, results)

    async with asyncio.TaskGroup() as group:
        for name in names:
            for pairing in _pairings(setting, name, PEERS[name]):
                group.create_task(tryPairing(pairing))
