# Part of txwebsocket. See LICENSE for details.
"""
``W3CWebSocket`` against servers of others.
"""

from functools import partial

from checking import note
from conversations import Conversation, Pairing
from matrix import PEERS
from messages import LARGEST
from results import Place, Results
from setting import Setting

_CLIENT = "with_w3c.py"
_SERVERS = ("websockets", "ws")
_WAYS = {"ws": False, "ws, deflate": True}


async def tryW3C(setting: Setting, results: Results) -> None:
    """
    All that a browser can do, with each server, plain and compressed.
    """
    for server in _SERVERS:
        for over, isCompressed in _WAYS.items():
            await _trySocket(setting, results, server, over, isCompressed)
    await _tryRefusal(setting, results)


async def _trySocket(
    setting: Setting, results: Results, server: str, over: str, isCompressed: bool
) -> None:
    place = Place("w3c", f"W3CWebSocket to {server}", over)
    pairing = Pairing(
        place=place,
        client=partial(setting.driver, _CLIENT, "client", compress=isCompressed),
        server=partial(setting.driver, PEERS[server].driver, "server"),
        weServe=False,
        isObserved=True,
        isCompressed=isCompressed,
    )
    messages = [
        message
        for message in setting.messages
        if not message.command["piece"] and message.size < LARGEST
    ]
    async with pairing.server() as theirs, pairing.client() as ours:
        url = await theirs.listening()
        conversation = Conversation(pairing, ours, theirs, url)
        await note(results, place, "subprotocol", conversation.open())
        burst = conversation.burst(messages)
        await note(results, place, f"{len(messages)} messages at once", burst)
        await note(results, place, "our pong", conversation.serverPings())
        await note(results, place, "their close", conversation.serverCloses())
        await note(results, place, "our close", conversation.clientCloses())


async def _tryRefusal(setting: Setting, results: Results) -> None:
    place = Place("w3c", "W3CWebSocket to nobody")
    async with setting.driver(_CLIENT, "client", compress=False) as ours:

        async def refused() -> str:
            # Nobody listens on the port of TCP's own multiplexer.
            ours.tell("connect", url="ws://127.0.0.1:1/", protocols=[])
            why = (await ours.expect("refused"))["why"]
            code = (await ours.expect("closed"))["code"]
            return "" if "refused" in why and code == 1006 else f"{code}: {why}"

        await note(results, place, "an error that says why, and a close", refused())
