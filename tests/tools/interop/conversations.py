# Part of txwebsocket. See LICENSE for details.
"""
A client and a server that try everything with each other.
"""

import json
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from typing import Any

from children import Child, OutOfStep
from messages import Message
from peers.driver import PROTOCOL
from results import Place, Results

_OFFERED = ["chat.v9", PROTOCOL]
_REASON = "genug für heute, 再见"
_PAYLOAD = "are you there? да"
# The largest message in a burst.
_SMALL = 65536
# When as many conversations have broken, the rest is not worth the time.
_ATTEMPTS = 3

Start = Callable[[], AbstractAsyncContextManager[Child]]


class Different(Exception):
    """
    What arrived is not what was sent.
    """


@dataclass(frozen=True)
class Pairing:
    """
    Who talks to whom.

    :ivar place: where the results belong.
    :ivar client: starts the client's driver.
    :ivar server: starts the server.
    :ivar weServe: whether the server is ours.
    :ivar isObserved: whether the server is a driver: it reports what it sees, and does
        what it is told. Otherwise it only echoes.
    :ivar isCompressed: whether we are willing to compress messages, as the peer is.
    :ivar peerReplies: the code with which the peer answers any close; None if it
        repeats the one it was sent.
    """

    place: Place
    client: Start
    server: Start
    weServe: bool
    isObserved: bool
    isCompressed: bool = False
    peerReplies: int | None = None


class Conversation:
    """
    One client and one server, and a connection between them when there has to be one.
    """

    def __init__(
        self, pairing: Pairing, client: Child, server: Child, url: str
    ) -> None:
        self._pairing = pairing
        self._client = client
        self._server = server
        self._url = url
        self._isOpen = False

    async def open(self) -> None:
        """
        Connect, and see what both ends have agreed on.
        """
        isObserved = self._pairing.isObserved
        self._client.tell(
            "connect", url=self._url, protocols=_OFFERED if isObserved else []
        )
        self._isOpen = True
        agreed = {
            "protocol": PROTOCOL if isObserved else None,
            "isCompressed": self._pairing.isCompressed,
        }
        await self._see("open", agreed, agreed)

    async def message(self, message: Message) -> None:
        """
        Have a message sent and echoed; a fragmented one is echoed in fragments too.
        """
        await self._ensureOpen()
        self._client.tell(**message.command)
        await self._see("message", message.facts, message.facts)
        if message.command["piece"] and self._pairing.isObserved:
            self._tellServer(**message.command)
            await self._see("message", message.facts, None)

    async def burst(self, messages: Sequence[Message]) -> None:
        """
        Have messages sent at once, and see them come in this order.
        """
        await self._ensureOpen()
        for message in messages:
            self._client.tell(**message.command)
        differences = []
        for message in messages:
            try:
                await self._see("message", message.facts, message.facts)
            except Different as error:
                differences.append(str(error))
        if differences:
            raise Different(f"{len(differences)} of them, first {differences[0]}")

    async def clientPings(self) -> None:
        await self._ensureOpen()
        self._client.tell("ping", payload=_PAYLOAD)
        await self._see("pong", {"payload": _PAYLOAD}, None)

    async def serverPings(self) -> None:
        await self._ensureOpen()
        self._tellServer("ping", payload=_PAYLOAD)
        await self._see("pong", None, {"payload": _PAYLOAD})

    async def clientCloses(self) -> None:
        """
        The server is told code and reason, and the client gets its consent.
        """
        await self._ensureOpen()
        close = {"code": 3001, "reason": _REASON}
        self._client.tell("close", **close)
        await self._seeEnd({"code": self._reply(3001, self._pairing.weServe)}, close)

    async def serverCloses(self) -> None:
        """
        The client is told code and reason, and the server gets its consent.
        """
        await self._ensureOpen()
        close = {"code": 4002, "reason": _REASON}
        self._tellServer("close", **close)
        reply = self._reply(4002, not self._pairing.weServe)
        await self._seeEnd(close, {"code": reply})

    async def tooBig(self, message: Message) -> None:
        """
        The peer sends us more than we take, and is told so.
        """
        await self._ensureOpen()
        refusal = {"code": 1009}
        if self._pairing.weServe:
            self._client.tell(**message.command)
            await self._seeEnd(refusal, {})
        else:
            self._tellServer(**message.command)
            await self._seeEnd({}, refusal)

    def _reply(self, code: int, weReply: bool) -> int:
        return code if weReply else self._pairing.peerReplies or code

    def _tellServer(self, do: str, **details: object) -> None:
        self._client.tell("say", text=json.dumps({"do": do, **details}))

    async def _ensureOpen(self) -> None:
        if not self._isOpen:
            await self.open()

    async def _seeEnd(self, atClient: dict[str, Any], atServer: dict[str, Any]) -> None:
        self._isOpen = False
        await self._see("closed", atClient, atServer)

    async def _see(
        self,
        event: str,
        atClient: dict[str, Any] | None,
        atServer: dict[str, Any] | None,
    ) -> None:
        """
        Wait for an event at both ends, or at one, and compare its facts.
        """
        differences = []
        for end, child, wanted in (
            ("client", self._client, atClient),
            ("server", self._server, atServer if self._pairing.isObserved else None),
        ):
            if wanted is not None:
                facts = await child.expect(event)
                differences += [
                    f"at the {end} {name} is {facts.get(name)!r}, not {value!r}"
                    for name, value in wanted.items()
                    if facts.get(name) != value
                ]
        if differences:
            raise Different("; ".join(differences))


@dataclass(frozen=True)
class _Step:
    """
    Something to try.

    :ivar note: takes what was wrong.
    """

    note: Callable[[str], None]
    run: Callable[[Conversation], Coroutine[Any, Any, None]]


def _steps(
    pairing: Pairing, messages: Sequence[Message], tooBig: Message, results: Results
) -> Iterator[_Step]:
    def behaviour(name: str, run: Callable[..., Any]) -> _Step:
        return _Step(partial(results.behaviour, pairing.place, name), run)

    client, server = ("their", "our") if pairing.weServe else ("our", "their")
    if pairing.isObserved:
        yield behaviour("subprotocol", Conversation.open)
    for message in messages:
        yield _Step(
            partial(results.message, pairing.place, message),
            methodcaller("message", message),
        )
    small = [message for message in messages if message.size <= _SMALL]
    yield behaviour("burst", methodcaller("burst", small))
    yield behaviour(f"{client} ping", Conversation.clientPings)
    if pairing.isObserved:
        yield behaviour(f"{server} ping", Conversation.serverPings)
        yield behaviour(f"{server} close", Conversation.serverCloses)
    yield behaviour(f"{client} close", Conversation.clientCloses)
    yield behaviour("too big", methodcaller("tooBig", tooBig))


async def converse(
    pairing: Pairing, messages: Sequence[Message], tooBig: Message, results: Results
) -> None:
    """
    Try all that the two can do. After a step that breaks the conversation another one
    is begun.
    """
    steps = deque(_steps(pairing, messages, tooBig, results))
    why = ""
    for _ in range(_ATTEMPTS):
        try:
            async with AsyncExitStack() as stack:
                server = await stack.enter_async_context(pairing.server())
                client = await stack.enter_async_context(pairing.client())
                url = await server.listening()
                conversation = Conversation(pairing, client, server, url)
                while steps:
                    step = steps.popleft()
                    try:
                        await step.run(conversation)
                    except Different as error:
                        step.note(str(error))
                    except OutOfStep as error:
                        step.note(str(error))
                        raise
                    else:
                        step.note("")
            return
        except OutOfStep as error:
            why = str(error)
    for step in steps:
        step.note(f"not tried, since the conversation breaks: {why}")
