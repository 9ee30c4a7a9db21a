# Part of txwebsocket. See LICENSE for details.
"""
Compressed messages, exchanged with others, with every parameter of permessage-deflate,
asked for by them and by us.
"""

import json
import random
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from children import STEP, Child, OutOfStep
from results import Place, Results
from setting import Setting

OURS = "deflate_ours.py"

# Seconds for one driver with all of its cases.
_DRIVER = 90.0
# What is left of all messages together is less, if they are compressed.
_SMALLER = 0.7
_BOTH_FRESH = {"serverFresh": True, "clientFresh": True}
_PARAMETER = re.compile(r"; ?([a-z_]+)(?:=(\d+))?")


@dataclass(frozen=True)
class Peer:
    """
    A library that others wrote.

    :ivar driver: the file of its driver.
    :ivar roles: what it can be.
    :ivar hasWishes: whether it can be told what to ask for.
    :ivar eight: the windows of 256 bytes that it can ask for, as a client and a server.
    """

    driver: str
    roles: tuple[str, ...] = ("client", "server")
    hasWishes: bool = True
    eight: tuple[tuple[str, str], ...] = ()


PEERS = {
    "websockets": Peer(
        "deflate_websockets.py",
        eight=(("client", "serverBits"), ("server", "clientBits")),
    ),
    "autobahn": Peer("deflate_autobahn.py"),
    "ws": Peer(
        "deflate_ws.mjs",
        eight=(
            ("client", "serverBits"),
            ("client", "clientBits"),
            ("server", "clientBits"),
        ),
    ),
    "chromium": Peer(
        "deflate_chromium.mjs",
        roles=("client",),
        hasWishes=False,
    ),
}

WISHES: dict[str, dict[str, Any]] = {
    "server_no_context_takeover": {"serverFresh": True},
    "client_no_context_takeover": {"clientFresh": True},
    "both without context": _BOTH_FRESH,
    "server_max_window_bits=9": {"serverBits": 9},
    "client_max_window_bits=9": {"clientBits": 9},
    "windows of 11 and 13": {"serverBits": 11, "clientBits": 13},
    "windows of 15": {"serverBits": 15, "clientBits": 15},
    "small and without context": {"serverBits": 10, "clientBits": 10, **_BOTH_FRESH},
}
"""
What an end may ask for.
"""


@dataclass
class Case:
    """
    What both ends ask for, and what came of it.

    :ivar wrong: what was wrong, if anything was.
    """

    name: str
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    agreed: str = ""
    wrong: str = "not tried"

    def check(self, weServe: bool) -> str:
        """
        What is wrong with what was agreed on.
        """
        if self.theirs.get("serverBits") == 8:
            return "a window of 256 bytes was agreed on" if self.agreed else ""
        if not self.agreed.startswith("permessage-deflate"):
            return "nothing was agreed on"
        found = dict(_PARAMETER.findall(self.agreed))
        wishes = {**self.ours, **self.theirs} if weServe else self.ours
        if wishes.get("serverFresh") and "server_no_context_takeover" not in found:
            return f"the server may use its context: {self.agreed}"
        if weServe and int(found.get("server_max_window_bits") or 15) > min(
            self.ours.get("serverBits", 12), self.theirs.get("serverBits", 15)
        ):
            return f"the server's window is too large: {self.agreed}"
        return ""


def makeCases(peer: Peer, role: str) -> list[Case]:
    """
    All that a peer in one role and we can ask each other for.
    """
    cases = [Case("nothing asked for")]
    for name, wishes in WISHES.items():
        cases.append(Case(f"we ask: {name}", ours=wishes))
        if peer.hasWishes:
            cases.append(Case(f"they ask: {name}", theirs=wishes))
            cases.append(Case(f"both ask: {name}", ours=wishes, theirs=wishes))
    for theirRole, wish in peer.eight:
        if theirRole == role:
            cases.append(Case(f"they ask: 8 {wish}", theirs={wish: 8}))
    cases += [
        Case("level 1", ours={"level": 1, "minSize": 0}),
        Case("level 9", ours={"level": 9, "minSize": 1000}),
        Case("memLevel 9", ours={"memLevel": 9, "serverBits": 15}),
    ]
    if find_spec("zlib_ng"):
        for wishes in ({}, _BOTH_FRESH, {"level": 1, "serverBits": 9, "clientBits": 9}):
            ours = {**wishes, "engine": "zlib-ng"}
            cases.append(Case(f"zlib-ng {wishes or ''}".strip(), ours=ours))
    return cases


def makeMessages(folder: Path) -> int:
    """
    Write what is to be sent; return how many bytes that are.
    """
    chance = random.Random(7)
    words = "".join(chance.choices("abcdefghij ÜÄ世界👩🚀", k=65521))
    entries = [{"id": number, "name": f"name {number % 7}"} for number in range(900)]
    messages: list[str | bytes] = [
        "",
        b"",
        "a",
        "short text",
        *(json.dumps(entries[at : at + 9]) for at in range(0, 90, 9)),
        json.dumps(entries),
        words,
        words,
        b"\x00" * 300_000,
        chance.randbytes(100),
        chance.randbytes(70_000),
        (words * 3).encode(),
        "",
        b"\xff" * 125,
        *("again and again " * 6 for _ in range(5)),
    ]
    size = 0
    for number, message in enumerate(messages):
        octets = message.encode() if isinstance(message, str) else message
        suffix = "text" if isinstance(message, str) else "bytes"
        (folder / f"{number:02}.{suffix}").write_bytes(octets)
        size += len(octets)
    return size


class Sent(NamedTuple):
    """
    The folder with what is sent, and how many bytes that are.
    """

    folder: Path
    size: int


async def converse(
    setting: Setting, sent: Sent, peer: Peer, role: str, cases: list[Case]
) -> None:
    """
    Try all cases with a peer in one role.
    """
    weServe = role == "client"
    servers = [{"deflate": case.ours if weServe else case.theirs} for case in cases]
    serving = (OURS, "server") if weServe else (peer.driver, "server")
    folder = str(sent.folder)
    async with setting.driver(*serving, folder=folder, cases=servers) as server:
        urls = [await server.listening() for _ in cases]
        clients = [
            {"deflate": case.theirs if weServe else case.ours, "url": url}
            for case, url in zip(cases, urls, strict=True)
        ]
        asking = (peer.driver, "client") if weServe else (OURS, "client")
        async with setting.driver(*asking, folder=folder, cases=clients) as client:
            for case in cases:
                found = await client.expect("case", _DRIVER)
                case.agreed = found["extensions"]
                case.wrong = found["wrong"] or case.check(weServe)
                if not case.wrong:
                    case.wrong = await _passed(sent.size, case, found, server, weServe)


async def _passed(
    size: int, case: Case, found: dict[str, Any], server: Child, weServe: bool
) -> str:
    """
    What is wrong with how many bytes have passed: less, if they were compressed.

    :param size: of all messages together.
    """
    whole = size
    if weServe:
        found = await server.expect("closed", STEP)
        if found["extensions"] != case.agreed:
            return f"we say {found['extensions']!r}, they say {case.agreed!r}"
        whole = size * found["times"]
    verbatim = {"received": not case.agreed, "sent": not case.agreed}
    if not weServe and case.theirs.get("clientBits") == 8:
        verbatim["sent"] = True
    for direction, plain in verbatim.items():
        if plain is (found[direction] < whole * _SMALLER):
            what = "but" if plain else "and not"
            return f"{found[direction]} bytes {direction} of {whole}, {what} compressed"
    return ""


async def tryDeflate(setting: Setting, results: Results) -> None:
    """
    Others exchange compressed messages with us, with every parameter.
    """
    folder = setting.folder / "deflate"
    folder.mkdir()
    sent = Sent(folder, makeMessages(folder))
    for name, peer in PEERS.items():
        for role in peer.roles:
            cases = makeCases(peer, role)
            try:
                await converse(setting, sent, peer, role, cases)
            except OutOfStep as error:
                for case in cases:
                    if case.wrong == "not tried":
                        case.wrong = str(error)
            ours = "server" if role == "client" else "client"
            for case in cases:
                what = f"{case.name}: {case.agreed or 'nothing'} agreed on"
                results.check(Place("deflate", ours, name), what, case.wrong)
