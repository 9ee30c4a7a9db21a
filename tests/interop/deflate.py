# Part of txwebsocket. See LICENSE for details.
"""
Lets other implementations exchange compressed messages with ours, over real sockets on
loopback, with every parameter of permessage-deflate, asked for by them and by us.

    deflate.py [--require-all] [--peers DIR] [--only NAME...]

``setup.sh DIR`` installs the others. What is not installed is skipped.
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from children import STEP, Child, OutOfStep, output, running

HERE = Path(__file__).resolve().parent
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
    :ivar needs: what has to be installed.
    :ivar roles: what it can be.
    :ivar hasWishes: whether it can be told what to ask for.
    :ivar eight: the windows of 256 bytes that it can ask for, as a client and a server.
    """

    driver: str
    needs: str
    roles: tuple[str, ...] = ("client", "server")
    hasWishes: bool = True
    eight: tuple[tuple[str, str], ...] = ()


PEERS = {
    "websockets": Peer(
        "deflate_websockets.py",
        "python websockets",
        eight=(("client", "serverBits"), ("server", "clientBits")),
    ),
    "autobahn": Peer("deflate_autobahn.py", "python autobahn.twisted"),
    "ws": Peer(
        "deflate_ws.mjs",
        "node ws",
        eight=(
            ("client", "serverBits"),
            ("client", "clientBits"),
            ("server", "clientBits"),
        ),
    ),
    "chromium": Peer(
        "deflate_chromium.mjs",
        "node playwright-core",
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


@dataclass(frozen=True)
class Setting:
    """
    Where everything is that takes part.
    """

    python: Path
    nodeModules: Path
    folder: Path
    size: int

    async def has(self, kind: str, name: str) -> bool:
        """
        Is this installed?
        """
        if kind == "python":
            status, _ = await output(
                self.python, "-c", f"import {name}", cwd=self.folder
            )
            return status == 0
        return (self.nodeModules / name).is_dir() and shutil.which("node") is not None

    def driver(self, name: str, role: str, cases: list[dict[str, Any]]) -> Any:
        """
        A driver in one of its roles.
        """
        return running(
            self.python if name.endswith(".py") else "node",
            HERE / "peers" / name,
            json.dumps({"role": role, "folder": str(self.folder), "cases": cases}),
            cwd=self.folder,
            INTEROP_NODE_MODULES=str(self.nodeModules),
        )


async def converse(setting: Setting, peer: Peer, role: str, cases: list[Case]) -> None:
    """
    Try all cases with a peer in one role.
    """
    weServe = role == "client"
    servers = [{"deflate": case.ours if weServe else case.theirs} for case in cases]
    serving = (OURS, "server") if weServe else (peer.driver, "server")
    async with setting.driver(*serving, servers) as server:
        urls = [await server.listening() for _ in cases]
        clients = [
            {"deflate": case.theirs if weServe else case.ours, "url": url}
            for case, url in zip(cases, urls, strict=True)
        ]
        asking = (peer.driver, "client") if weServe else (OURS, "client")
        async with setting.driver(*asking, clients) as client:
            for case in cases:
                found = await client.expect("case", _DRIVER)
                case.agreed = found["extensions"]
                case.wrong = found["wrong"] or case.check(weServe)
                if not case.wrong:
                    case.wrong = await _passed(setting, case, found, server, weServe)


async def _passed(
    setting: Setting, case: Case, found: dict[str, Any], server: Child, weServe: bool
) -> str:
    """
    What is wrong with how many bytes have passed: less, if they were compressed.
    """
    whole = setting.size
    if weServe:
        found = await server.expect("closed", STEP)
        if found["extensions"] != case.agreed:
            return f"we say {found['extensions']!r}, they say {case.agreed!r}"
        whole = setting.size * found["times"]
    isPlain = {"received": not case.agreed, "sent": not case.agreed}
    if not weServe and case.theirs.get("clientBits") == 8:
        isPlain["sent"] = True
    for direction, plain in isPlain.items():
        if plain is (found[direction] < whole * _SMALLER):
            what = "but" if plain else "and not"
            return f"{found[direction]} bytes {direction} of {whole}, {what} compressed"
    return ""


async def run(setting: Setting, names: list[str]) -> tuple[dict[str, list[Case]], dict]:
    """
    Try what was asked for, as far as it is installed.
    """
    results: dict[str, list[Case]] = {}
    skipped: dict[str, str] = {}
    for name in names:
        peer = PEERS[name]
        if not await setting.has(*peer.needs.split()):
            skipped[name] = f"not installed: {peer.needs}"
            continue
        for role in peer.roles:
            ours = "server" if role == "client" else "client"
            cases = results[f"{name}, we are the {ours}"] = makeCases(peer, role)
            try:
                await converse(setting, peer, role, cases)
            except OutOfStep as error:
                for case in cases:
                    if case.wrong == "not tried":
                        case.wrong = str(error)
    return results, skipped


def tell(results: dict[str, list[Case]], skipped: dict[str, str], took: float) -> int:
    """
    Print the report, and last the line that counts; return how many failed.
    """
    for place, cases in results.items():
        print(place)
        for case in cases:
            mark = "FAIL" if case.wrong else "ok  "
            print(f"  {mark}  {case.name:45} {case.agreed or '-'}")
            if case.wrong:
                print(f"        {case.wrong}")
    for name, why in skipped.items():
        print(f"{name}: skipped, {why}")
    failures = [bool(case.wrong) for cases in results.values() for case in cases]
    print(f"\nIt took {took:.0f} s.")
    counts = f"{failures.count(False)} passed, {failures.count(True)} failed"
    print(counts + (f", {len(skipped)} skipped" if skipped else ""))
    return failures.count(True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compress with other implementations.")
    parser.add_argument(
        "--require-all", action="store_true", help="fail if something is not installed"
    )
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", help="where setup.sh installed them"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        default=[*PEERS],
        choices=PEERS,
        help=", ".join(PEERS),
    )
    options = parser.parse_args()
    python, nodeModules = Path(sys.executable), HERE / "node_modules"
    if options.peers:
        python = options.peers.absolute() / "venv" / "bin" / "python"
        nodeModules = options.peers.absolute() / "node_modules"
    began = time.monotonic()
    with TemporaryDirectory(prefix="txwebsocket-") as name:
        folder = Path(name)
        setting = Setting(python, nodeModules, folder, makeMessages(folder))
        results, skipped = asyncio.run(run(setting, options.only))
    failed = tell(results, skipped, time.monotonic() - began)
    return 1 if failed or (options.require_all and skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
