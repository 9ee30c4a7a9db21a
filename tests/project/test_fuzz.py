# Part of txwebsocket. See LICENSE for details.
"""
What a fuzzer has found, given to all that reads from peers again.

Both twins of the fast path are put to it where the native one was built.
"""

from collections.abc import Iterator
from random import Random
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from tests.support.raw import rawFrame
from tests.tools.fuzz import connections
from tests.tools.fuzz.seeds import SEEDS
from tests.tools.fuzz.targets import CORPUS, REGRESSIONS, TARGETS
from txwebsocket.connection import incoming
from txwebsocket.wire import connection, deflate, frames
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import FrameReader
from txwebsocket.wire.streaming import StreamingEncoder


def inputs(name: str) -> Iterator[tuple[str, bytes]]:
    """
    What is kept for a target, with where it is.
    """
    for folder in (CORPUS, REGRESSIONS):
        for path in sorted((folder / name).glob("*")):
            yield f"{folder.name}/{name}/{path.name}", path.read_bytes()


class ForgetfulReader(FrameReader):
    """
    A reader with a fault: what is cut behind the first byte of a frame is lost.
    """

    def feed(self, chunk: bytes) -> list[frames.ReaderItem]:
        """
        Read all but that.
        """
        return super().feed(chunk) if len(chunk) > 1 else []


class GreedyReader(FrameReader):
    """
    A reader with a fault: it sets memory aside for what is announced.
    """

    def feed(self, chunk: bytes) -> list[frames.ReaderItem]:
        """
        Read it, with much room.
        """
        room = bytearray(2**20)
        return super().feed(chunk) if room else []


class StutteringEncoder(StreamingEncoder):
    """
    An encoder with a fault: a piece that is not the last one is there twice.
    """

    def encode(self, piece: bytes, isLast: bool) -> tuple[int, bytes, int]:
        """
        Make the next frame.
        """
        return super().encode(piece if isLast else piece * 2, isLast)


class FuzzTests(SynchronousTestCase):
    """
    Tests of what is kept, and of the targets.
    """

    def checkNotices(self, name: str, *streams: bytes) -> None:
        """
        This target finds something wrong with one of these.
        """
        found = []
        for stream in streams:
            try:
                TARGETS[name](stream)
            except AssertionError as error:
                found.append(str(error))
                break
        self.assertNotEqual(found, [])

    def test_kept(self) -> None:
        """
        Whatever once broke something, or reaches a line that nothing else reaches,
        breaks nothing now.
        """
        for name, target in TARGETS.items():
            kept = list(inputs(name))
            self.assertNotEqual(kept, [], name)
            for place, data in kept:
                try:
                    target(data)
                except Exception as error:
                    raise AssertionError(f"{place} breaks something") from error

    def test_seeds(self) -> None:
        """
        There is something to start from for each target, and it breaks nothing.
        """
        self.assertEqual(SEEDS.keys(), TARGETS.keys())
        for name, make in SEEDS.items():
            seeds = list(make())
            self.assertGreater(len(seeds), 9, name)
            for data in seeds:
                self.assertIsNone(TARGETS[name](data))

    def test_garbage(self) -> None:
        """
        A target takes anything.
        """
        random = Random(1)
        for target in TARGETS.values():
            for size in (0, 1, 2, 3, 10, 40, 200):
                self.assertIsNone(target(random.randbytes(size)))

    def test_known(self) -> None:
        """
        Nothing is kept for a target that there is not.
        """
        for folder in (CORPUS, REGRESSIONS):
            names = {each.name for each in folder.iterdir()}
            self.assertLessEqual(names, TARGETS.keys())

    def test_noticesCuts(self) -> None:
        """
        A reader to which it matters how its input is cut would be found.
        """
        twin = SimpleNamespace(**vars(frames) | {"FrameReader": ForgetfulReader})
        self.patch(connections, "TWINS", [twin])
        stream = rawFrame(Opcode.TEXT, b"hello") * 3
        self.checkNotices("frames", *(bytes([2, seed]) + stream for seed in range(20)))

    def test_noticesMemory(self) -> None:
        """
        A reader that takes more memory than a limit allows would be found.
        """
        twin = SimpleNamespace(**vars(frames) | {"FrameReader": GreedyReader})
        self.patch(connections, "TWINS", [twin])
        self.patch(connections, "isWeighed", lambda data: True)
        self.checkNotices("connection", b"\x00\x01\x05\x01\x03abc")

    def test_noticesErrors(self) -> None:
        """
        An error that is not documented would be found.
        """
        self.patch(deflate, "TAIL", b"\x00\x00\xff")
        self.checkNotices("inflate", *SEEDS["inflate"]())

    def test_noticesHolding(self) -> None:
        """
        Pieces of which too many wait would be found.
        """
        self.patch(incoming, "MAX_WAITING", 2**30)
        self.checkNotices("incoming", *SEEDS["incoming"]())

    def test_noticesPieces(self) -> None:
        """
        A piece that is sent in another way than it was written would be found.
        """
        self.patch(connection, "StreamingEncoder", StutteringEncoder)
        self.checkNotices("outgoing", *SEEDS["outgoing"]())
