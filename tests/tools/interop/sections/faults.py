# Part of txwebsocket. See LICENSE for details.
"""
What becomes of our ends when peers, networks and systems fail.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from breaking import (
    REQUEST,
    SPEECH_SIZE,
    WAYS,
    Raw,
    everywhere,
    frame,
    leaving,
    staying,
)
from checking import note
from children import Child, OutOfStep
from conversations import Different
from OpenSSL import SSL
from results import Place, Results
from setting import Setting

_OURS = "faulting.py"
# Seconds until whatever has a deadline has met it: closeTimeout, and some.
_SOON = 8.0
_POLL = 0.1
# Seconds of waiting, and of computing meanwhile, with peers that do nothing.
_IDLE = 1.0
_BUSY = 0.05
_STOP = 10.0
_CONNECTIONS = 20
_FEW_FILES = 6
_TLS_STEP = 9


async def tryFaults(setting: Setting, results: Results) -> None:
    """
    Each fault; after it each connection has ended once, nothing is left, and the server
    serves.
    """
    for over in ("ws", "wss"):
        await _tryServer(setting, results, over)
    for over in ("ws", "wss"):
        await _tryClient(setting, results, over)
    await _tryStop(setting, results)


class _Server:
    """
    Our server, and what it has when nobody is there.
    """

    def __init__(self, child: Child, url: str, context: ssl.SSLContext | None) -> None:
        self.child = child
        self.url = url
        self.context = context
        self.before: dict[str, Any] = {}

    async def start(self) -> None:
        """
        Have it do everything once that it does only once.
        """
        await self.serves()
        await asyncio.sleep(_POLL)
        self.before = await _count(self.child)

    async def serves(self) -> None:
        """
        See that it does.
        """
        raw = await Raw.upgrade(self.url, self.context)
        await raw.echo()
        await raw.say(frame(8, b"\x03\xe8"))
        await raw.seesEnd(1)
        await raw.leave()

    async def after(self, fault: Awaitable[object]) -> None:
        """
        See that nothing is left after a fault.
        """
        try:
            await fault
            await _settled(self.child, self.before)
            await self.serves()
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Different(repr(error)) from None


@asynccontextmanager
async def _server(setting: Setting, over: str) -> AsyncIterator[_Server]:
    """
    Our server, over TCP or TLS.
    """
    context, certified = None, {}
    if over == "wss":
        context = ssl.create_default_context(cafile=setting.authority.path)
        certified = setting.certified
    async with setting.driver(_OURS, "server", **certified) as child:
        yield _Server(child, await child.listening(), context)


async def _count(child: Child) -> dict[str, Any]:
    child.tell("count")
    return await child.expect("counts")


async def _settled(child: Child, before: dict[str, Any]) -> None:
    """
    Wait until nothing is left.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + _SOON
    while wrong := _leftOver(facts := await _count(child), before):
        if clock() > deadline:
            raise Different(f"{wrong} are left: {facts}, before {before}")
        await asyncio.sleep(_POLL)


def _leftOver(facts: dict[str, Any], before: dict[str, Any]) -> list[str]:
    wrong = [name for name in ("descriptors", "calls") if facts[name] != before[name]]
    wrong += [name for name in ("left", "lostAgain", "errors") if facts[name]]
    isOver = facts["opened"] == facts["lost"]
    if isOver and facts["applications"]:
        # It has no more tries: an application does not wait to be collected.
        raise Different(f"applications are left: {facts}")
    return wrong if isOver else [*wrong, "connections"]


# A server


async def _tryServer(setting: Setting, results: Results, over: str) -> None:
    place = Place("faults", "server", over)
    async with _server(setting, over) as server:
        await server.start()
        faults = _FAULTS | (_TLS_FAULTS if server.context else _TCP_FAULTS)
        for what, fault in faults.items():
            await note(results, place, what, server.after(fault(server)))


def _cut(way: str) -> Callable[[_Server], Awaitable[None]]:
    async def cut(server: _Server) -> None:
        # TLS has its price, and cuts the bytes in records of its own.
        step = 1 if server.context is None else _TLS_STEP
        places = range(0, SPEECH_SIZE + 1, step)
        await everywhere(server.url, server.context, WAYS[way], places)

    return cut


async def _muchUnread(server: _Server) -> None:
    """
    Peers leave while they are sent what they have asked for, and have not read.
    """
    for number, way in enumerate(("reset", "closed") * 3):
        raw = await Raw.upgrade(server.url, server.context)
        await raw.say(frame(1, b"much"))
        if number >= 2:
            await raw.reader.readexactly(100_000 * number)
        await WAYS[way](raw)


async def _sendingTooLate(server: _Server) -> None:
    """
    The server writes to those who have left, before it notices.
    """
    for size in (10, 100_000, 3_000_000):
        raws = [await Raw.upgrade(server.url, server.context) for _ in range(4)]
        server.child.tell("send", after=0.3, size=size)
        await asyncio.sleep(0.1)
        for raw, way in zip(raws, ("reset", "closed") * 2, strict=True):
            await WAYS[way](raw)


async def _halfOfEverything(server: _Server) -> None:
    """
    Peers stop in the middle of a frame, a message, a close, or of reading; and the
    server, which waits for them, sleeps.
    """
    raws = [await Raw.upgrade(server.url, server.context) for _ in range(5)]
    for raw, data in zip(
        raws,
        (
            frame(2, bytes(1000))[:500],
            frame(1, b"begun", fin=False),
            # Faults: the server says so, and waits for the peer to go.
            frame(3, b""),
            frame(1, b"\xff"),
            frame(1, b"much"),
        ),
        strict=True,
    ):
        # It reads no further by itself.
        raw.reader._limit = 1
        await raw.say(data)
    before = await _spent(server.child)
    await asyncio.sleep(_IDLE)
    spent = await _spent(server.child) - before
    for raw in raws:
        await raw.reset()
    if spent > _BUSY:
        raise Different(f"{spent:.2f} s of computing in {_IDLE:g} s")


async def _spent(child: Child) -> float:
    child.tell("clock")
    return (await child.expect("clock"))["cpu"]


async def _fewFiles(server: _Server) -> None:
    """
    There are no descriptors left: those who are connected are served, and so are those
    who come later, when others have gone.
    """
    old = await Raw.upgrade(server.url, server.context)
    server.child.tell("starve", left=_FEW_FILES)
    await old.echo()
    waiting = [
        asyncio.create_task(Raw.connect(server.url)) for _ in range(_CONNECTIONS)
    ]
    await asyncio.wait(waiting, timeout=1)
    await old.echo()
    for each in waiting:
        each.cancel()
    for each in await asyncio.gather(*waiting, return_exceptions=True):
        if isinstance(each, Raw):
            await each.leave()
    await asyncio.sleep(_POLL)
    late = await Raw.upgrade(server.url, server.context)
    await late.echo()
    server.child.tell("feed")
    for raw in (old, late):
        await raw.reset()
    if "EMFILE" not in "".join(server.child.log):
        raise Different("there were enough descriptors")


async def _cutTLS(server: _Server) -> None:
    """
    TLS is cut without its goodbye, wherever in the conversation.
    """
    for what in (b"", frame(1, b"hello"), frame(1, b"begun", fin=False)):
        for way in ("reset", "closed"):
            raw = await Raw.upgrade(server.url, server.context)
            await raw.say(what)
            await WAYS[way](raw)


async def _cutClientHello(server: _Server) -> None:
    """
    TLS is cut before it has begun.
    """
    hello = _clientHello()
    for size in range(0, len(hello) + 1, 16):
        for way in (Raw.reset, Raw.endWriting):
            raw = await Raw.connect(server.url)
            await raw.say(hello[:size])
            await way(raw)


def _clientHello() -> bytes:
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    end = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise OutOfStep("there is no hello of a TLS client")


async def _renegotiate(server: _Server) -> None:
    """
    A client wants to begin TLS 1.2 anew, again and again.
    """
    await asyncio.to_thread(_beginAnew, server.url)


def _beginAnew(url: str) -> None:
    host, port = url.split("/")[2].split(":")
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_timeout(5)
    for _ in range(3):
        handle = _plain(host, int(port))
        connection = SSL.Connection(context, handle)
        connection.set_connect_state()
        connection.do_handshake()
        connection.sendall(REQUEST)
        connection.recv(1000)
        for _ in range(10):
            try:
                connection.renegotiate()
                connection.do_handshake()
                connection.sendall(frame(1, b"hello"))
                connection.recv(100)
            except SSL.Error:
                break
        handle.close()


def _plain(host: str, port: int) -> Any:
    handle = socket.create_connection((host, port), timeout=5)
    # As a number of seconds it would make the socket one that never blocks.
    handle.settimeout(None)
    return handle


_FAULTS: dict[str, Callable[[_Server], Awaitable[None]]] = {
    **{f"{way} after each byte": _cut(way) for way in ("reset", "closed")},
    "left with much unread": _muchUnread,
    "sends to who has left": _sendingTooLate,
    "sleeps while peers do nothing": _halfOfEverything,
    "out of descriptors": _fewFiles,
}
_TCP_FAULTS: dict[str, Callable[[_Server], Awaitable[None]]] = {
    "half closed after each byte": _cut("half closed"),
}
_TLS_FAULTS: dict[str, Callable[[_Server], Awaitable[None]]] = {
    "TLS cut without its goodbye": _cutTLS,
    "TLS cut at its beginning": _cutClientHello,
    "TLS 1.2 renegotiated": _renegotiate,
}


# A client


async def _tryClient(setting: Setting, results: Results, over: str) -> None:
    context, trust, step = None, {}, 1
    if over == "wss":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*setting.certified.values())
        trust, step = {"authority": setting.authority.path}, _TLS_STEP
    place = Place("faults", "client", over)
    async with setting.driver(_OURS, "client", **trust) as client:
        await client.expect("ready")
        for way in ("reset", "closed") if context else WAYS:
            left = leaving(WAYS[way], context, step)
            what = f"{way} after each byte"
            await note(results, place, what, _clientEverywhere(client, left))
        await note(results, place, "out of descriptors", _noFiles(client))


async def _clientEverywhere(
    client: Child, left: AbstractAsyncContextManager[tuple[str, int]]
) -> None:
    async with left as (url, times):
        client.tell("connect", url=url, times=1)
        await client.expect("connected")
        before = await _count(client)
        client.tell("connect", url=url, times=times)
        facts = await client.expect("connected", 30)
        await _settled(client, before)
    outcomes = facts["outcomes"]
    if sum(outcomes.values()) != times or len(outcomes) != 3:
        raise Different(f"{times} connections ended like this: {outcomes}")


async def _noFiles(client: Child) -> None:
    async with staying(True) as (url, _):
        before = await _count(client)
        client.tell("starve", left=0)
        client.tell("connect", url=url, times=3)
        facts = await client.expect("connected")
        client.tell("feed")
        await _settled(client, before)
    if facts["outcomes"] != {"OpeningFailed": 3}:
        raise Different(f"{facts}")


# A reactor that stops


async def _tryStop(setting: Setting, results: Results) -> None:
    """
    All at once, since they wait for those who don't answer.
    """
    async with asyncio.TaskGroup() as group:
        for over in ("ws", "wss"):
            group.create_task(_tryServerStop(setting, results, over))
        for isAccepting in (True, False):
            group.create_task(_tryClientStop(setting, results, isAccepting))


async def _tryServerStop(setting: Setting, results: Results, over: str) -> None:
    place = Place("faults", "server", over)
    async with _server(setting, over) as server:
        step = _serverStopped(server)
        await note(results, place, "its reactor stops with connections open", step)


async def _serverStopped(server: _Server) -> str:
    raws = [await Raw.upgrade(server.url, server.context) for _ in range(4)]
    for raw, data in zip(
        raws,
        (b"", frame(1, b"begun", fin=False), frame(3, b""), frame(1, b"much")),
        strict=True,
    ):
        await raw.say(data)
    server.child.tell("stop")
    wrong = await _endsWith(server.child, len(raws))
    for raw in raws:
        await raw.seesEnd(_STOP)
        await raw.leave()
    return wrong


async def _tryClientStop(setting: Setting, results: Results, isAccepting: bool) -> None:
    place = Place("faults", "client", "ws")
    what = "with a connection open" if isAccepting else "while it opens one"
    async with setting.driver(_OURS, "client") as client:
        step = _clientStopped(client, isAccepting)
        await note(results, place, f"its reactor stops {what}", step)


async def _clientStopped(client: Child, isAccepting: bool) -> str:
    await client.expect("ready")
    async with staying(isAccepting) as (url, asked):
        client.tell("connect", url=url, times=1)
        await asyncio.wait_for(asked.wait(), _STOP)
        client.tell("stop")
        await client.expect("connected")
        return await _endsWith(client, 1)


async def _endsWith(child: Child, connections: int) -> str:
    """
    See that a process ends by itself, and its connections before that.
    """
    facts = await child.expect("stopped", _STOP)
    status = await child.ended(_STOP)
    wanted = {"opened": connections, "lost": connections, "lostAgain": 0, "errors": 0}
    return "" if (facts, status) == (wanted, 0) else f"{facts}, status {status}"
