# Part of txwebsocket. See LICENSE for details.
"""
Lets one peer flood a server with what it may send, and measures how long others wait.

    fairness.py [--seconds S]

The flood is as fast as the server takes it. The exit status is 1 if more than one in
100 of the others' echoes takes longer than 50 ms. It needs Linux.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from judging import percentile
from peer import BINARY, FIN, PING, TEXT, Peer, frame
from watched import HERE, serving

FLOODS = {
    "nothing": b"",
    "text of 1 byte": frame(TEXT, b"x") * 4000,
    "empty messages": frame(BINARY, b"") * 4000,
    "pings of 125 bytes": frame(PING, b"p" * 125) * 400,
    "fragments of 1 byte": frame(TEXT, b"x", 0)
    + frame(0, b"y", 0) * 4000
    + frame(0, b"z", FIN),
    "messages of 128 KiB": frame(BINARY, bytes(2**17)),
}
"""
What is sent again and again.
"""

_OTHERS = 10
_PAUSE = 0.02
_ALLOWED = 0.05
_START = 1.0


async def flood(port: int, name: str) -> None:
    """
    Send as fast as the server reads, and read as fast as it sends.
    """
    peer = await (await Peer.connect(port)).open()
    reading = asyncio.create_task(peer.gone())
    with suppress(ConnectionError, TimeoutError):
        while True:
            await peer.send(FLOODS[name])
    reading.cancel()


async def wait(port: int, seconds: float) -> list[float]:
    """
    How long some others wait for their echoes.
    """
    found: list[float] = []
    deadline = time.monotonic() + seconds

    async def ask() -> None:
        peer = await (await Peer.connect(port)).open()
        while time.monotonic() < deadline:
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE))
            began = time.monotonic()
            await peer.send(frame(TEXT, b"hello"))
            await peer.expect(b"hello")
            found.append(time.monotonic() - began)
        await peer.close()

    await asyncio.gather(*(ask() for _ in range(_OTHERS)))
    return found


def measure(name: str, seconds: float) -> list[float]:
    """
    The same while somebody floods the server.
    """
    command = [sys.executable, str(HERE / "fairness.py"), "--flood", name]
    with TemporaryDirectory(prefix="txwebsocket-") as folder, ExitStack() as stack:
        server = stack.enter_context(serving(Path(folder)))
        if FLOODS[name]:
            flooding = subprocess.Popen([*command, str(server.port)])
            stack.callback(flooding.wait)
            stack.callback(flooding.kill)
        time.sleep(_START)
        return asyncio.run(wait(server.port, seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description="Flood a server, and let others wait.")
    parser.add_argument("--seconds", type=float, default=5, help="default: 5")
    parser.add_argument("--flood", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        name, port = options.flood
        asyncio.run(flood(int(port), name))
        return 0
    isFair = True
    for name in FLOODS:
        found = measure(name, min(options.seconds, 60))
        half, most = (percentile(found, share) for share in (0.5, 0.99))
        isFair = isFair and most <= _ALLOWED
        sys.stdout.write(
            f"{name:20}  half {1e3 * half:6.2f} ms  99 of 100 {1e3 * most:6.2f} ms\n"
        )
        sys.stdout.flush()
    return 0 if isFair else 1


if __name__ == "__main__":
    sys.exit(main())
