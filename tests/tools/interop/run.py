# Part of txwebsocket. See LICENSE for details.
"""
Lets other WebSocket implementations talk with ours, over real sockets on loopback.

    run.py [--require-all] [--peers DIR] [--only NAME...]

``setup.sh DIR`` installs the others. What is not installed is skipped.
"""

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from children import OutOfStep
from matrix import PEERS, tryPeers
from results import Place, Results
from sections.chromium import tryChromium
from sections.command import tryCommand
from sections.curl import tryCurl
from sections.deflate import tryDeflate
from sections.embedding import tryEmbedding
from sections.faults import tryFaults
from sections.leading import tryLeading
from sections.pieces import tryPieces
from sections.proxies import tryProxies
from sections.pyodide import tryPyodide
from sections.staying import tryStaying
from sections.trust import tryTrust
from sections.tunnel import tryTunnel
from sections.twistd import tryTwistd
from sections.twisted_tests import tryTwistedTests
from sections.w3c import tryW3C
from setting import CHROMIUM, HERE, Setting

# Seconds for all of it.
_WHOLE = 600.0

# Besides the peers: what to run, and what has to be installed for it.
_SECTIONS = {
    "chromium": (tryChromium, (f"program {CHROMIUM}", "node playwright-core")),
    "w3c": (tryW3C, ("python websockets", "node ws")),
    "pyodide": (
        tryPyodide,
        (f"program {CHROMIUM}", "node playwright-core", "node pyodide"),
    ),
    "command": (tryCommand, ("python websockets", "node ws")),
    "curl": (tryCurl, ("program curl",)),
    "twistd": (tryTwistd, ("python websockets", "program curl")),
    "faults": (tryFaults, ("python OpenSSL",)),
    "leading": (tryLeading, ("node ws",)),
    "trust": (tryTrust, ("python websockets",)),
    "staying": (tryStaying, ("python websockets", "node ws")),
    "proxies": (
        tryProxies,
        (
            "python websockets",
            "program tinyproxy",
            "program stunnel4",
            "program microsocks",
        ),
    ),
    "twisted-tests": (tryTwistedTests, ("python wsproto",)),
    "pieces": (tryPieces, ("python websockets", "node ws")),
    "tunnel": (tryTunnel, ("python websockets", "node ws")),
    "deflate": (
        tryDeflate,
        (
            "python websockets",
            "python autobahn.twisted",
            "node ws",
            f"program {CHROMIUM}",
            "node playwright-core",
        ),
    ),
    "embedding": (
        tryEmbedding,
        ("python websockets", "python h2", "program curl"),
    ),
}
_NEEDS = {
    **{name: peer.needs for name, peer in PEERS.items()},
    **{name: needs for name, (_, needs) in _SECTIONS.items()},
}


async def run(setting: Setting, results: Results, names: list[str]) -> None:
    """
    Try what was asked for, as far as it is installed.
    """
    for name in names:
        missing = await setting.missing(_NEEDS[name])
        if missing:
            results.skipped[name] = f"not installed: {', '.join(missing)}"
    left = [name for name in names if name not in results.skipped]
    await tryPeers(setting, results, [name for name in left if name in PEERS])
    for name in left:
        if name in _SECTIONS:
            try:
                await _SECTIONS[name][0](setting, results)
            except OutOfStep as error:
                results.check(Place(name), "can be tried", str(error))


async def runInTime(setting: Setting, results: Results, names: list[str]) -> None:
    """
    The same, and what is not done in time has failed.
    """
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with asyncio.timeout(_WHOLE):
            await run(setting, results, names)
    except TimeoutError:
        place = Place("everything")
        results.check(place, f"done in {_WHOLE:g} s", "no time was left for the rest")


def tell(results: Results, names: list[str], seconds: float) -> None:
    """
    Print the report, and last the line that counts.
    """
    for line in results.lines():
        print(line)
    for name in names:
        if name in results.skipped:
            print(f"{name}: skipped, {results.skipped[name]}")
        else:
            print("{}: {} passed, {} failed".format(name, *results.count(name)))
    print(f"\nIt took {seconds:.0f} s.")
    counts = "{} passed, {} failed".format(*results.count())
    print(counts + (f", {len(results.skipped)} skipped" if results.skipped else ""))


def main() -> int:
    parser = argparse.ArgumentParser(description="Talk with other implementations.")
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
        default=[*_NEEDS],
        choices=_NEEDS,
        help=", ".join(_NEEDS),
    )
    options = parser.parse_args()
    python, nodeModules = Path(sys.executable), HERE / "node_modules"
    if options.peers:
        python = options.peers.absolute() / "venv" / "bin" / "python"
        nodeModules = options.peers.absolute() / "node_modules"
    began = time.monotonic()
    results = Results()
    with TemporaryDirectory(prefix="txwebsocket-") as folder:
        setting = Setting.prepare(python, nodeModules, Path(folder))
        try:
            asyncio.run(runInTime(setting, results, options.only))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("interrupted", file=sys.stderr)
            return 1
    tell(results, options.only, time.monotonic() - began)
    isShort = options.require_all and results.skipped
    return 1 if results.count()[1] or isShort else 0


if __name__ == "__main__":
    sys.exit(main())
