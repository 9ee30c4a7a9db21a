# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.deflate`.
"""

import os
import sys
import tracemalloc
import zlib
from dataclasses import FrozenInstanceError
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.deflate import Deflate, DeflateTransform
from txwebsocket.wire.extensions import MessageTooBig
from txwebsocket.wire.grammar import Extension, formatExtensions, parseExtensions

TAIL = b"\x00\x00\xff\xff"
TEXT = b"the quick brown fox jumps over the lazy dog, " * 20


def extension(parameters: str = "") -> Extension:
    """
    The extension with these parameters, as a header has them.
    """
    [found] = parseExtensions([b"permessage-deflate" + parameters.encode("ascii")])
    return found


def compress(data: bytes, bits: int = 15, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    """
    What a peer makes of a message, alone.
    """
    deflater = zlib.compressobj(9, zlib.DEFLATED, -bits)
    return (deflater.compress(data) + deflater.flush(flush)).removesuffix(TAIL)


def makePair(server: Deflate, client: Deflate) -> list[DeflateTransform]:
    """
    Both ends of a connection whose handshake offered and answered in full.
    """
    for offer in client.offers():
        agreement = server.accept(offer)
        if agreement is not None:
            return [agreement.transform, client.agree(agreement.extension)]
    raise AssertionError("nothing was agreed on")


class DeflateTests(SynchronousTestCase):
    """
    Tests of what can be chosen for :class:`Deflate`.
    """

    def assertRefuses(self, name: str, *values: Any) -> None:
        """
        The parameter takes none of these, and the error names it.
        """
        for value in values:
            error = self.assertRaises(ValueError, Deflate, **{name: value})
            self.assertIn(name, str(error))

    def test_numbers(self) -> None:
        """
        Windows, levels and sizes are whole numbers within zlib's bounds.
        """
        for name, least, most in (
            ("serverMaxWindowBits", 9, 15),
            ("clientMaxWindowBits", 9, 15),
            ("level", 1, 9),
            ("memLevel", 1, 9),
            ("minSize", 0, 2**40),
        ):
            for value in (least, most):
                self.assertEqual(getattr(Deflate(**{name: value}), name), value)
            self.assertRefuses(name, least - 1, float(most), str(most), None, True)
            if name != "minSize":
                self.assertRefuses(name, most + 1)

    def test_flags(self) -> None:
        """
        The flags are true or false, nothing that merely looks so.
        """
        for name in ("serverNoContextTakeover", "clientNoContextTakeover"):
            self.assertTrue(getattr(Deflate(**{name: True}), name))
            self.assertRefuses(name, 0, 1, None, "no")

    def test_engines(self) -> None:
        """
        The engine is one that is known and installed.
        """
        self.assertEqual(Deflate().engine, "zlib")
        self.assertRefuses("engine", "gzip", "", None, "os")

    def test_notInstalled(self) -> None:
        """
        An engine that isn't installed is refused when it is chosen, not later.
        """
        self.install("zlib_ng", None)
        self.install("zlib_ng.zlib_ng", None)
        error = self.assertRaises(ValueError, Deflate, engine="zlib-ng")
        self.assertEqual(str(error), "engine 'zlib-ng' is not installed")

    def test_installed(self) -> None:
        """
        The engine that was chosen does the work.
        """
        engine = countingEngine()
        self.install("zlib_ng.zlib_ng", engine)
        for transform in makePair(Deflate(engine="zlib-ng"), Deflate(engine="zlib-ng")):
            transform.decode(transform.encode(TEXT), len(TEXT))
        self.assertEqual((engine.deflaters, engine.inflaters), (2, 2))

    def install(self, name: str, module: ModuleType | None) -> None:
        """
        Let an import find this, for one test; None: it isn't there.
        """
        install(self, name, module)

    def test_value(self) -> None:
        """
        It is a value, and can't be changed.
        """
        self.assertEqual(Deflate(level=9), Deflate(level=9))
        self.assertRaises(FrozenInstanceError, setattr, Deflate(), "level", 1)
        self.assertRaises(TypeError, Deflate, 12)

    def test_defaults(self) -> None:
        """
        The defaults are those the manual promises: small windows, little memory.
        """
        deflate = Deflate()
        self.assertEqual(deflate.serverMaxWindowBits, 12)
        self.assertEqual(deflate.clientMaxWindowBits, 12)
        self.assertFalse(deflate.serverNoContextTakeover)
        self.assertFalse(deflate.clientNoContextTakeover)
        self.assertEqual((deflate.level, deflate.memLevel), (6, 5))
        self.assertEqual(deflate.minSize, 64)

    def test_name(self) -> None:
        """
        It goes by its registered name.
        """
        self.assertEqual(Deflate().name, "permessage-deflate")


def install(case: SynchronousTestCase, name: str, module: ModuleType | None) -> None:
    """
    Let an import find this until the test is over; None: it isn't there.
    """
    if name in sys.modules:
        case.addCleanup(sys.modules.__setitem__, name, sys.modules[name])
    else:
        case.addCleanup(sys.modules.pop, name, None)
    sys.modules[name] = module  # type: ignore[assignment]


def countingEngine() -> Any:
    """
    zlib, but it counts the contexts that are made.
    """
    engine: Any = ModuleType("counting")
    engine.deflaters = engine.inflaters = 0
    engine.error = zlib.error

    def compressobj(*args: Any, **options: Any) -> Any:
        engine.deflaters += 1
        return zlib.compressobj(*args, **options)

    def decompressobj(*args: Any, **options: Any) -> Any:
        engine.inflaters += 1
        return zlib.decompressobj(*args, **options)

    engine.compressobj, engine.decompressobj = compressobj, decompressobj
    return engine


class OfferTests(SynchronousTestCase):
    """
    Tests of what a client offers.
    """

    def assertOffers(self, deflate: Deflate, *headers: str) -> None:
        """
        These are the offers, as the header has them.
        """
        name = "permessage-deflate; "
        found = [formatExtensions([offer]) for offer in deflate.offers()]
        self.assertEqual(found, [name + header for header in headers])

    def test_default(self) -> None:
        """
        Small windows are wished for; servers that can't have theirs small may still
        agree.
        """
        self.assertOffers(
            Deflate(),
            "client_max_window_bits=12; server_max_window_bits=12",
            "client_max_window_bits=12",
        )

    def test_fullWindow(self) -> None:
        """
        For a full window of the server there is nothing to wish.
        """
        self.assertOffers(
            Deflate(serverMaxWindowBits=15, clientMaxWindowBits=15),
            "client_max_window_bits=15",
        )

    def test_fresh(self) -> None:
        """
        Both sides may be wished to forget each message.
        """
        self.assertOffers(
            Deflate(
                serverMaxWindowBits=15,
                serverNoContextTakeover=True,
                clientNoContextTakeover=True,
            ),
            "client_max_window_bits=12; server_no_context_takeover; "
            "client_no_context_takeover",
        )


class AgreeTests(SynchronousTestCase):
    """
    Tests of what a client makes of the answer.
    """

    def assertRefused(self, deflate: Deflate, answer: str, told: str) -> None:
        """
        The server can't answer like this, and the error says why.
        """
        error = self.assertRaises(ValueError, deflate.agree, extension(answer))
        self.assertIn(told, str(error))

    def test_agreed(self) -> None:
        """
        A server may accept as offered, or with smaller windows and less memory.
        """
        for answer in (
            "",
            "; server_max_window_bits=12",
            "; server_max_window_bits=8",
            "; client_max_window_bits=12",
            "; client_max_window_bits=8",
            "; client_max_window_bits=9; server_max_window_bits=9",
            "; server_no_context_takeover",
            "; client_no_context_takeover",
            '; server_max_window_bits="10"',
        ):
            transform = Deflate().agree(extension(answer))
            self.assertEqual(transform.rsv, 0x40)

    def test_otherAnswers(self) -> None:
        """
        What wasn't offered, is unknown, is there twice or out of bounds is refused.
        """
        for answer, told in {
            "; server_max_window_bits=13": "more than was offered",
            "; client_max_window_bits=13": "more than was offered",
            "; server_max_window_bits": "must be a number from 8 to 15",
            "; client_max_window_bits": "must be a number from 8 to 15",
            "; server_max_window_bits=7": "must be a number from 8 to 15",
            "; server_max_window_bits=16": "must be a number from 8 to 15",
            "; server_max_window_bits=010": "must be a number from 8 to 15",
            "; server_max_window_bits=+10": "must be a number from 8 to 15",
            "; server_max_window_bits=1e1": "must be a number from 8 to 15",
            "; server_max_window_bits=x": "must be a number from 8 to 15",
            "; server_no_context_takeover=1": "has no value",
            "; client_no_context_takeover=true": "has no value",
            "; server_max_window_bits=9; server_max_window_bits=9": "twice",
            "; window_bits=9": "window_bits is unknown",
            "; Server_Max_Window_Bits=9": "is unknown",
        }.items():
            self.assertRefused(Deflate(), answer, told)

    def test_freshWanted(self) -> None:
        """
        A server that was told to forget each message has to say that it does.
        """
        deflate = Deflate(serverNoContextTakeover=True)
        self.assertRefused(deflate, "", "server_no_context_takeover was asked for")
        self.assertIsNotNone(deflate.agree(extension("; server_no_context_takeover")))


class AcceptTests(SynchronousTestCase):
    """
    Tests of what a server makes of an offer.
    """

    def answer(self, offer: str, **options: Any) -> str | None:
        """
        The parameters of the answer to these; None if the offer is declined.
        """
        agreement = Deflate(**options).accept(extension(offer))
        if agreement is None:
            return None
        header = formatExtensions([agreement.extension])
        return header.removeprefix("permessage-deflate")

    def test_answers(self) -> None:
        """
        An answer names what limits either side: the smaller of what both wish.
        """
        server, client = "; server_max_window_bits=", "; client_max_window_bits="
        for offer, expected in {
            "": f"{server}12",
            "; client_max_window_bits": f"{server}12{client}12",
            f"{client}15": f"{server}12{client}12",
            f"{client}10": f"{server}12{client}10",
            f"{client}8": f"{server}12{client}8",
            f"{server}15": f"{server}12",
            f"{server}10": f"{server}10",
            f"{server}9{client}9": f"{server}9{client}9",
            "; server_no_context_takeover": f"; server_no_context_takeover{server}12",
            "; client_no_context_takeover": f"; client_no_context_takeover{server}12",
        }.items():
            self.assertEqual(self.answer(offer), expected, offer)

    def test_fullWindows(self) -> None:
        """
        With full windows there is little to say.
        """
        options = {"serverMaxWindowBits": 15, "clientMaxWindowBits": 15}
        self.assertEqual(self.answer("", **options), "")
        self.assertEqual(self.answer("; client_max_window_bits", **options), "")
        offer = "; server_max_window_bits=15"
        self.assertEqual(self.answer(offer, **options), offer)

    def test_unasked(self) -> None:
        """
        A client that doesn't offer to limit its window isn't asked to.
        """
        self.assertNotIn("client_max", self.answer("", clientMaxWindowBits=9))

    def test_fresh(self) -> None:
        """
        A server may wish that messages are forgotten, on either side.
        """
        self.assertEqual(
            self.answer("", serverNoContextTakeover=True, clientNoContextTakeover=True),
            "; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=12",
        )

    def test_declined(self) -> None:
        """
        An offer that breaks a rule is declined; so is a window that zlib can't make.
        """
        for offer in (
            "; server_max_window_bits=8",
            "; server_max_window_bits",
            "; server_max_window_bits=7",
            "; server_max_window_bits=16",
            "; server_max_window_bits=010",
            "; server_max_window_bits=1e1",
            "; client_max_window_bits=7",
            "; client_max_window_bits=+9",
            "; server_no_context_takeover=1",
            "; client_no_context_takeover=0",
            "; client_max_window_bits; client_max_window_bits",
            "; unknown",
            "; unknown=1",
        ):
            self.assertIsNone(self.answer(offer), offer)


class TransformTests(SynchronousTestCase):
    """
    Tests of :class:`DeflateTransform`.
    """

    def setUp(self) -> None:
        self.server, self.client = makePair(Deflate(), Deflate())

    def test_bothWays(self) -> None:
        """
        What one side compresses the other inflates, message after message.
        """
        messages = [TEXT, os.urandom(3000), TEXT[5:], b"x" * 100000, TEXT]
        for fresh in (True, False):
            options = {
                "serverNoContextTakeover": fresh,
                "clientNoContextTakeover": fresh,
            }
            for sender, receiver in (
                makePair(Deflate(**options), Deflate(**options)),
                makePair(Deflate(**options), Deflate(**options))[::-1],
            ):
                for message in messages:
                    data = sender.encode(message)
                    if data is not None:
                        self.assertEqual(receiver.decode(data, 10**6), message)

    def test_smaller(self) -> None:
        """
        It is smaller, and what was sent before makes it smaller still.
        """
        first, second = self.server.encode(TEXT), self.server.encode(TEXT)
        self.assertLess(len(first), len(TEXT) // 4)
        self.assertLess(len(second), len(first))

    def test_fresh(self) -> None:
        """
        Without takeover each message can be read by itself.
        """
        server, client = makePair(
            Deflate(serverNoContextTakeover=True), Deflate(clientNoContextTakeover=True)
        )
        for sender in (server, client):
            self.assertEqual(sender.encode(TEXT), sender.encode(TEXT))
            data = sender.encode(TEXT)
            self.assertEqual(zlib.decompressobj(-12).decompress(data + TAIL), TEXT)

    def test_freshClient(self) -> None:
        """
        A client forgets each message if it wishes to, or if the server wishes it.
        """
        for deflate, answer in (
            (Deflate(clientNoContextTakeover=True), ""),
            (Deflate(), "; client_no_context_takeover"),
        ):
            client = deflate.agree(extension(answer))
            self.assertEqual(client.encode(TEXT), client.encode(TEXT))
        client = Deflate().agree(extension())
        self.assertNotEqual(client.encode(TEXT), client.encode(TEXT))

    def test_small(self) -> None:
        """
        A small message isn't worth it.
        """
        self.assertIsNone(self.server.encode(b"x" * 63))
        self.assertIsNotNone(self.server.encode(b"x" * 64))
        server, _ = makePair(Deflate(minSize=10), Deflate())
        self.assertIsNone(server.encode(b"x" * 9))
        self.assertIsNotNone(server.encode(b"x" * 10))

    def test_incompressible(self) -> None:
        """
        What wouldn't become smaller is left alone, unless later messages may refer to
        it.
        """
        noise = os.urandom(1000)
        server, client = makePair(Deflate(serverNoContextTakeover=True), Deflate())
        self.assertIsNone(server.encode(noise))
        self.assertEqual(server.decode(client.encode(noise), 1000), noise)

    def test_empty(self) -> None:
        """
        Empty messages can be compressed, again and again, and read.
        """
        server, client = makePair(Deflate(minSize=0), Deflate(minSize=0))
        for _ in range(3):
            self.assertEqual(client.decode(server.encode(b""), 1), b"")
        self.assertEqual(client.decode(b"\x00", 1), b"")
        self.assertEqual(client.decode(b"", 1), b"")

    def test_windows(self) -> None:
        """
        Our compressor keeps to the window that was agreed on, so that a peer with no
        more memory can read it.
        """
        block = os.urandom(700)
        for bits in range(9, 16):
            for sender in (
                makePair(
                    Deflate(serverMaxWindowBits=bits), Deflate(serverMaxWindowBits=15)
                )[0],
                Deflate(clientMaxWindowBits=15).agree(
                    extension(f"; client_max_window_bits={bits}")
                ),
            ):
                reference = zlib.decompressobj(-bits)
                for _ in range(80):
                    data = sender.encode(block)
                    self.assertEqual(reference.decompress(data + TAIL), block)

    def test_tinyWindow(self) -> None:
        """
        A client that is told to keep to 256 bytes, which zlib can't, sends its messages
        as they are; a server reads what keeps to that.
        """
        client = Deflate().agree(extension("; client_max_window_bits=8"))
        self.assertIsNone(client.encode(TEXT))
        server = Deflate().accept(extension("; client_max_window_bits=8")).transform
        self.assertEqual(server.decode(compress(b"x" * 200, 9), 200), b"x" * 200)

    def test_limit(self) -> None:
        """
        Inflating stops at the limit: as many bytes pass, one more doesn't.
        """
        for size in (1, 1000, 100000):
            message = b"x" * size
            self.assertEqual(self.server.decode(compress(message), size), message)
            for more in (size + 1, size * 50):
                server, _ = makePair(Deflate(), Deflate())
                data = compress(b"x" * more)
                self.assertRaises(MessageTooBig, server.decode, data, size)

    def test_long(self) -> None:
        """
        Messages of any length arrive, and the next ones may refer to them.
        """
        noise = os.urandom(5000)
        for size in (2**16 - 5, 2**16, 2**16 + 5, 2**18 - 1, 2**18, 2**18 + 1, 2**21):
            for message in (b"\0" * size, os.urandom(size), (noise * 420)[:size]):
                server, client = makePair(Deflate(), Deflate())
                for part in (message, noise, message[:1000]):
                    self.assertEqual(server.decode(client.encode(part), size), part)

    def test_longLimit(self) -> None:
        """
        The limit is as exact for them.
        """
        for size in (2**16, 2**18, 2**20 + 1, 2**21):
            for message in (b"\0" * size, os.urandom(2**10) * (size // 2**10)):
                data = compress(message)
                server, _ = makePair(Deflate(), Deflate())
                size = len(message)
                self.assertEqual(server.decode(data, size), message)
                server, _ = makePair(Deflate(), Deflate())
                self.assertRaises(MessageTooBig, server.decode, data, size - 1)

    def test_longLastBlocks(self) -> None:
        """
        Long messages may have last blocks, too.
        """
        noise = os.urandom(2**17)
        final = compress(noise, flush=zlib.Z_FINISH)
        for data, expected in (
            (final + b"\x00", noise),
            (final + final + compress(noise), noise * 3),
            (compress(b"\0" * 2**19, flush=zlib.Z_FINISH) + final + b"\x00", None),
        ):
            expected = b"\0" * 2**19 + noise if expected is None else expected
            server, _ = makePair(Deflate(), Deflate())
            self.assertEqual(server.decode(data, 2**20), expected)
            self.assertEqual(server.decode(compress(b"next"), 2**20), b"next")

    def test_bomb(self) -> None:
        """
        However much there would be, no more memory is taken than the limit.
        """
        bomb = compress(b"\0" * 2**26)
        self.assertLess(len(bomb), 2**17)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertRaises(MessageTooBig, self.server.decode, bomb, 2**20)
        self.assertLess(tracemalloc.get_traced_memory()[1], 2**22)

    def test_corrupt(self) -> None:
        """
        What isn't compressed data is refused as such.
        """
        for data in (b"\xff\xff\xff", b"\x06", compress(TEXT)[5:], b"\x01\x05\x00"):
            server, _ = makePair(Deflate(), Deflate())
            error = self.assertRaises(ValueError, server.decode, data * 3, 10**6)
            self.assertEqual(str(error), "the compressed data is corrupt")

    def test_unknownContext(self) -> None:
        """
        A message that refers to what there was not is refused, for instance where the
        peer said it would not refer to earlier messages.
        """
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        first, second = (
            (deflater.compress(TEXT) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
            for _ in range(2)
        )
        self.assertEqual(self.server.decode(first, 10**6), TEXT)
        self.assertEqual(self.server.decode(second, 10**6), TEXT)
        fresh, _ = makePair(Deflate(), Deflate(clientNoContextTakeover=True))
        self.assertEqual(fresh.decode(first, 10**6), TEXT)
        self.assertRaises(ValueError, fresh.decode, second, 10**6)

    def test_lastBlock(self) -> None:
        """
        A block may say that it is the last, and more may follow it in the same message
        and in others (RFC 7692, 7.2.3.4).
        """
        final = compress(TEXT, flush=zlib.Z_FINISH)
        self.assertEqual(self.server.decode(final + b"\x00", 10**6), TEXT)
        self.assertEqual(self.server.decode(compress(b"next"), 10**6), b"next")
        both = final + compress(b"more")
        self.assertEqual(self.server.decode(both, 10**6), TEXT + b"more")
        self.assertRaises(MessageTooBig, self.server.decode, both, len(TEXT) + 3)

    def test_manyLastBlocks(self) -> None:
        """
        Thousands of last blocks don't make a message costly: they are refused, or
        inflated without starting anew for each.
        """
        engine = countingEngine()
        install(self, "zlib_ng.zlib_ng", engine)
        server, _ = makePair(Deflate(engine="zlib-ng"), Deflate(engine="zlib-ng"))
        try:
            self.assertEqual(server.decode(b"\x03\x00" * 3000, 10**6), b"")
        except ValueError:
            pass
        self.assertLess(engine.inflaters, 1000)

    def test_made(self) -> None:
        """
        Contexts are made when they are first used, and kept only if they have to be.
        """
        engine = countingEngine()
        install(self, "zlib_ng.zlib_ng", engine)
        server, client = makePair(Deflate(engine="zlib-ng"), Deflate(engine="zlib-ng"))
        self.assertEqual((engine.deflaters, engine.inflaters), (0, 0))
        for _ in range(3):
            client.decode(server.encode(TEXT), 10**6)
        self.assertEqual((engine.deflaters, engine.inflaters), (1, 1))

    def test_release(self) -> None:
        """
        An idle connection can let go of its compressor, and both sides go on.
        """
        first = self.server.encode(TEXT)
        self.server.release()
        second = self.server.encode(TEXT)
        self.assertEqual(first, second)
        for data in (first, second, self.server.encode(TEXT)):
            self.assertEqual(self.client.decode(data, 10**6), TEXT)
            self.client.release()

    def test_sharingKey(self) -> None:
        """
        Messages are alike for all connections with the same settings if each is
        compressed by itself, and only then.
        """
        self.assertIsNone(self.server.sharingKey())
        options = {"serverNoContextTakeover": True}
        first, _ = makePair(Deflate(**options), Deflate())
        second, _ = makePair(Deflate(**options), Deflate())
        other, _ = makePair(Deflate(**options), Deflate(serverMaxWindowBits=10))
        self.assertEqual(first.sharingKey(), second.sharingKey())
        self.assertNotEqual(first.sharingKey(), other.sharingKey())
        self.assertEqual(hash(first.sharingKey()), hash(second.sharingKey()))
