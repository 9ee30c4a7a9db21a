# Part of txwebsocket. See LICENSE for details.
"""
Each peer against us, in both roles, with everything that both can do.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from conversations import Pairing, converse
from messages import LARGEST, Message
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
    :ivar compresses: whether it knows permessage-deflate.
    :ivar replies: the code with which it answers any close, if it always is the same.
    """

    driver: str
    needs: tuple[str, ...]
    compresses: bool = True
    replies: int | None = None


PEERS = {
    "websockets": Peer("with_websockets.py", ("python websockets",)),
    "autobahn": Peer("with_autobahn.py", ("python autobahn.twisted",)),
    "ws": Peer("with_ws.mjs", ("node ws",)),
    "websocket-node": Peer(
        "with_websocket_node.mjs", ("node websocket",), compresses=False, replies=1000
    ),
}


@dataclass(frozen=True)
class _Way:
    """
    A way for a client and a server to talk.

    :ivar options: of ``twistd websocket``.
    :ivar trust: of any client's driver.
    :ivar certified: of any server's driver.
    """

    over: str
    options: tuple[str, ...]
    trust: dict[str, str]
    certified: dict[str, str]
    isCompressed: bool = False


def _ways(setting: Setting, peer: Peer) -> Iterator[_Way]:
    yield _Way("ws", ("--port", TCP), {}, {})
    trust = {"authority": setting.authority.path}
    yield _Way("wss", ("--port", setting.tlsPort()), trust, setting.certified)
    if peer.compresses:
        yield _Way("ws, deflate", ("--port", TCP, "--compress"), {}, {}, True)


def _pairings(setting: Setting, name: str, peer: Peer) -> Iterator[Pairing]:
    """
    The plain echo that everybody gets; and an application that tells what it sees, and
    our client, in every way.
    """
    yield Pairing(
        place=Place(name, "twistd", "ws"),
        client=partial(setting.driver, peer.driver, "client"),
        server=partial(setting.twistd, "--port", TCP, *_LIMIT),
        weServe=True,
        isObserved=False,
    )
    for way in _ways(setting, peer):
        inBoth = {
            "isObserved": True,
            "isCompressed": way.isCompressed,
            "peerReplies": peer.replies,
        }
        app = (*way.options, *_LIMIT, *_APP)
        yield Pairing(
            place=Place(name, "twistd --app", way.over),
            client=partial(setting.driver, peer.driver, "client", **way.trust),
            server=partial(setting.twistd, *app, cwd=DRIVERS),
            weServe=True,
            **inBoth,
        )
        ours = {**way.trust, "compress": way.isCompressed}
        yield Pairing(
            place=Place(name, "client", way.over),
            client=partial(setting.driver, OURS, "client", **ours),
            server=partial(setting.driver, peer.driver, "server", **way.certified),
            weServe=False,
            **inBoth,
        )


def _isWorthCompressing(message: Message) -> bool:
    """
    The largest take seconds: what shrinks well and what does not are enough.
    """
    return message.size < LARGEST or message.kind in ("fragmented text", "binary")


async def tryPeers(setting: Setting, results: Results, names: list[str]) -> None:
    """
    All of these peers with all messages.
    """
    room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def tryPairing(pairing: Pairing) -> None:
        messages = setting.messages
        if pairing.isCompressed:
            messages = [each for each in messages if _isWorthCompressing(each)]
        async with room:
            await converse(pairing, messages, setting.tooBig, results)

    async with asyncio.TaskGroup() as group:
        for name in names:
            for pairing in _pairings(setting, name, PEERS[name]):
                group.create_task(tryPairing(pairing))
