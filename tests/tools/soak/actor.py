# Part of txwebsocket. See LICENSE for details.
"""
Who plays a part: with dice of its own, and a share in the pace of all.
"""

import asyncio
import random
import string
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from peer import BINARY, TEXT, Peer

RATE = 1000.0
"""
Messages that all send together in a second, about. What is looked for is what stays
behind, and how long answers take; how fast a server is, is measured elsewhere.
"""

_AT_ONCE = 64  # connections that are being opened at a time
_LONGEST_PAUSE = 15.0
_LETTERS = string.ascii_letters + "äöü€😀"
_SIZES = (0, 1, 16, 125, 126, 700, 4096)
_LARGE = 2**17
_LARGE_SHARE = 0.005


class Scene:
    """
    What all actors share.

    :ivar open: connections that are meant to last, and are there.
    :ivar did: how often what was done.
    :ivar latencies: of each echo when it was asked for, and the seconds it took.
    :ivar lateness: the same for timers of our own.
    :ivar isOver: set when it is time to leave.
    """

    def __init__(self, port: int, connections: int) -> None:
        self.port = port
        self.pause = connections / RATE
        self.open = 0
        self.did: Counter[str] = Counter()
        self.latencies = array("d")
        self.lateness = array("d")
        self.isOver = asyncio.Event()
        self.gate = asyncio.Semaphore(_AT_ONCE)


class Actor:
    """
    One of them, with as many connections, one after the other, as its part asks for.
    """

    def __init__(self, scene: Scene, dice: random.Random) -> None:
        self.scene = scene
        self.dice = dice
        self._peer: Peer | None = None

    async def arrive(self) -> Peer:
        """
        A connection on which nothing was said, when its turn has come.
        """
        async with self.scene.gate:
            self._peer = await Peer.connect(self.scene.port)
        self.scene.did["connections"] += 1
        return self._peer

    async def join(self, compressed: bool = False) -> Peer:
        """
        A connection that is open.
        """
        peer = await self.arrive()
        await peer.open(compressed)
        return peer

    def leave(self) -> None:
        """
        Let go of the connection, whatever has become of it.
        """
        if self._peer is not None:
            self._peer.leave()
            self._peer = None

    @contextmanager
    def staying(self) -> Iterator[None]:
        """
        This connection is meant to last.
        """
        self.scene.open += 1
        try:
            yield
        finally:
            self.scene.open -= 1

    @property
    def hasPendingInput(self) -> bool:
        """
        Is it not over yet?
        """
        return not self.scene.isOver.is_set()

    async def rest(self, times: float = 1.0) -> None:
        """
        Do nothing for a while, as long as the pace of all asks for, or so many times
        that.
        """
        pause = self.dice.expovariate(1 / (times * self.scene.pause))
        # Nobody answers pings meanwhile.
        seconds = min(pause, _LONGEST_PAUSE)
        try:
            async with asyncio.timeout(seconds):
                await self.scene.isOver.wait()
        except TimeoutError:
            pass

    def count(self, what: str) -> None:
        """
        Something was done.
        """
        self.scene.did[what] += 1

    @contextmanager
    def timed(self) -> Iterator[None]:
        """
        Measure an echo.
        """
        began = time.monotonic()
        yield
        self.scene.latencies.extend((began, time.monotonic() - began))

    def message(self) -> tuple[int, bytes]:
        """
        An opcode and a payload for it, small as a rule.
        """
        isLarge = self.dice.random() < _LARGE_SHARE
        size = _LARGE if isLarge else self.dice.choice(_SIZES)
        if self.dice.random() < 0.5:
            return BINARY, self.dice.randbytes(size)
        return TEXT, self.text(size)

    def text(self, size: int) -> bytes:
        """
        So many characters, in UTF-8.
        """
        word = "".join(self.dice.choices(_LETTERS, k=min(size, 100)))
        return (word * (size // 100 + 1))[:size].encode()
