# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.deflate`.

The other side is :class:`Inflater` and :class:`Deflater`, which know nothing of the
code under test. What both engines promise is in one class, with a subclass for each
that is there.
"""

import gc
import random
import sys
import zlib
from dataclasses import FrozenInstanceError, replace
from importlib.util import find_spec
from itertools import product
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.test_extensions import RSV1, Counted, Talk, extensions
from txwebsocket import Deflate, ExtensionHeader, MessageTooBig, MessageTransform
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.extensions import acceptOffers, checkAnswers
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.grammar import formatExtensions
from txwebsocket.wire.inflate import MAX_ENDS

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
TAIL = b"\x00\x00\xff\xff"
NAME = "permessage-deflate"
SERVER_FRESH, CLIENT_FRESH = "server_no_context_takeover", "client_no_context_takeover"
SERVER_BITS, CLIENT_BITS = "server_max_window_bits", "client_max_window_bits"
ALL_BITS = range(8, 16)
OWN_BITS = range(9, 16)

MIB = 2**20
LIMITS = (1000, 65536, MIB + 1000)

BAD_FLAGS = ("=1", "=true", '="10"', "=none")
BAD_BITS = (
    "=7",
    "=16",
    "=0",
    "=08",
    "=010",
    "=+9",
    "=-9",
    "=9.0",
    "=1e1",
    "=0xa",
    "=x",
)
"""
Values that no parameter of its kind has (RFC 7692, 7.1).
"""

ILLEGAL = (
    *(f"{flag}{value}" for flag in (SERVER_FRESH, CLIENT_FRESH) for value in BAD_FLAGS),
    *(f"{bits}{value}" for bits in (SERVER_BITS, CLIENT_BITS) for value in BAD_BITS),
    SERVER_BITS,
    f"{SERVER_FRESH}; {SERVER_FRESH}",
    f"{CLIENT_FRESH}; {CLIENT_FRESH}",
    f"{SERVER_BITS}=10; {SERVER_BITS}=10",
    f"{CLIENT_BITS}=10; {CLIENT_BITS}=10",
    "no_context_takeover",
    "max_window_bits=10",
    "Server_No_Context_Takeover",
    f"{SERVER_FRESH}; x",
    f"x=1; {CLIENT_BITS}=10",
)
"""
Parameters that are wrong in an offer as well as in an answer.
"""


class Deflater:
    """
    Compresses as RFC 7692, 7.2.1 says, with a window of its own choice.
    """

    def __init__(self, bits: int, isFresh: bool = False, **options: Any) -> None:
        self._options = {"level": 6, "wbits": -bits, **options}
        self._isFresh = isFresh
        self._context: Any = None

    def __call__(self, message: bytes) -> bytes:
        if self._context is None or self._isFresh:
            self._context = zlib.compressobj(**self._options)
        data = self._context.compress(message) + self._context.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL) or b"\x00"


class Inflater:
    """
    Inflates as RFC 7692, 7.2.2 says, with a window of just so many bits. zlib lets a
    reference reach beyond the window, into what a call has made so far, so that this
    one makes a byte at a time.
    """

    def __init__(self, bits: int, isFresh: bool = False) -> None:
        self._bits = bits
        self._isFresh = isFresh
        self._context: Any = None

    def __call__(self, payload: bytes) -> bytes:
        if self._context is None or self._isFresh:
            self._context = zlib.decompressobj(-self._bits)
        found = bytearray()
        data, piece = payload + TAIL, b"."
        while data or piece:
            piece = self._context.decompress(data, 1)
            data = self._context.unconsumed_tail
            found += piece
        return bytes(found)


def farReaching(size: int, seed: int = 1) -> bytes:
    """
    A message that repeats itself, from as far back as it goes.
    """
    chance = random.Random(seed)
    made = bytearray(chance.randbytes(100))
    while len(made) < size:
        if chance.random() < 0.6:
            start = chance.randrange(len(made))
            made += made[start : start + chance.randrange(10, 60)]
        else:
            made += chance.randbytes(20)
    return bytes(made[:size])


def noise(size: int, seed: int = 1) -> bytes:
    """
    A message that can't be compressed.
    """
    return random.Random(seed).randbytes(size)


def digits(size: int, seed: int = 1) -> bytes:
    """
    A message that becomes smaller for its few characters only: it does not repeat
    itself.
    """
    return random.Random(seed).randbytes(size // 2).hex().encode("ascii")


def one(parameters: str = "") -> ExtensionHeader:
    """
    An offer or an answer with these parameters.
    """
    [extension] = extensions(f"{NAME}; {parameters}" if parameters else NAME)
    return extension


def serve(deflate: Deflate, parameters: str = "") -> MessageTransform:
    """
    What a server does that accepts this offer.
    """
    agreement = deflate.accept(one(parameters))
    if agreement is None:
        raise ValueError(f"the offer is declined: {parameters}")
    return agreement.transform


def parametersOf(extension: ExtensionHeader) -> str:
    """
    The parameters, as they stand in a header.
    """
    return formatExtensions([extension]).removeprefix(NAME).removeprefix("; ")


def contexts(transform: MessageTransform) -> list[str]:
    """
    The contexts of zlib that there are for a connection.
    """
    kinds = {"Compress": "compressor", "Decompress": "decompressor"}
    held = [type(each).__name__.strip("_") for each in gc.get_referents(transform)]
    return sorted(kinds[name] for name in held if name in kinds)


class OptionTests(SynchronousTestCase):
    """
    Tests of :class:`Deflate` and what can be chosen with it.
    """

    def assertRefuses(self, option: str, *values: Any) -> None:
        """
        The option takes none of these, and is named.
        """
        for value in values:
            error = self.assertRaises(ValueError, Deflate, **{option: value})
            self.assertTrue(str(error).startswith(f"{option} must be "), str(error))

    def test_defaults(self) -> None:
        """
        The defaults are those the manual promises.
        """
        deflate = Deflate()
        self.assertEqual(deflate.serverMaxWindowBits, 12)
        self.assertEqual(deflate.clientMaxWindowBits, 12)
        self.assertIs(deflate.serverNoContextTakeover, False)
        self.assertIs(deflate.clientNoContextTakeover, False)
        self.assertEqual(deflate.level, 6)
        self.assertEqual(deflate.memLevel, 5)
        self.assertEqual(deflate.minSize, 64)
        self.assertIsNone(deflate.releaseAfter)
        self.assertEqual(deflate.engine, "zlib")
        self.assertEqual(deflate.name, NAME)

    def test_numbers(self) -> None:
        """
        Numbers are whole ones in the range that zlib has; a window of 8 bits is none.
        """
        for option, least, most in (
            ("serverMaxWindowBits", 9, 15),
            ("clientMaxWindowBits", 9, 15),
            ("level", 1, 9),
            ("memLevel", 1, 9),
            ("minSize", 0, 2**63),
        ):
            for value in (least, most):
                self.assertEqual(getattr(Deflate(**{option: value}), option), value)
            wrong = (least - 1, most + 1, 10.0, "10", True, -1)
            self.assertRefuses(option, *wrong)
            if option != "clientMaxWindowBits":
                self.assertRefuses(option, None)
        error = self.assertRaises(ValueError, Deflate, clientMaxWindowBits=8)
        self.assertIn("from 9 to 15 or None, not 8", str(error))

    def test_flags(self) -> None:
        """
        A flag is true or false, nothing that merely looks so.
        """
        for option in ("serverNoContextTakeover", "clientNoContextTakeover"):
            self.assertRefuses(option, 0, 1, None, "no")

    def test_releaseAfter(self) -> None:
        """
        The time until a context is let go is a number of seconds, or None for never.
        """
        for seconds in (None, 1, 0.5, 3600):
            deflate = Deflate(releaseAfter=seconds)
            self.assertEqual(deflate.releaseAfter, seconds)
            self.assertEqual(serve(deflate).releaseAfter, seconds)
        wrong = (0, -1, 0.0, float("inf"), float("nan"), "1", True, b"")
        self.assertRefuses("releaseAfter", *wrong)

    def test_engines(self) -> None:
        """
        There are two engines, and no others.
        """
        self.assertRefuses("engine", "isal", "zlib_ng", "", None, 1, [])

    def test_frozen(self) -> None:
        """
        Settings can't be changed under a connection that uses them; a variant is made
        with dataclasses.replace, and checked as the first was.
        """
        deflate = Deflate()
        self.assertRaises(FrozenInstanceError, setattr, deflate, "level", 1)
        self.assertEqual(replace(deflate, level=1), Deflate(level=1))
        self.assertRaises(ValueError, replace, deflate, level=0)
        self.assertRaises(TypeError, Deflate, 12)


class EngineTests(SynchronousTestCase):
    """
    Tests of which engine is used.
    """

    def install(self, module: ModuleType | None) -> None:
        """
        Let this be what there is of zlib-ng.
        """
        name = "zlib_ng.zlib_ng"
        if name in sys.modules:
            self.addCleanup(sys.modules.__setitem__, name, sys.modules[name])
        else:
            self.addCleanup(sys.modules.pop, name, None)
        sys.modules[name] = module  # type: ignore[assignment]

    def test_missing(self) -> None:
        """
        Whoever asks for zlib-ng where it is not installed is told so, at once.
        """
        self.install(None)
        error = self.assertRaises(ValueError, Deflate, engine="zlib-ng")
        self.assertIn("zlib-ng", str(error))
        self.assertIn("not installed", str(error))
        self.assertEqual(Deflate().engine, "zlib")

    def test_chosen(self) -> None:
        """
        zlib-ng is used where it is configured, and not for being installed.
        """
        calls: list[str] = []
        module = ModuleType("zlib_ng.zlib_ng")
        module.error = zlib.error
        for name in ("compressobj", "decompressobj"):

            def make(*args: Any, name: str = name, **options: Any) -> Any:
                calls.append(name)
                return getattr(zlib, name)(*args, **options)

            setattr(module, name, make)
        self.install(module)
        for engine, wanted in (
            ("zlib", []),
            ("zlib-ng", ["compressobj", "decompressobj"]),
        ):
            transform = serve(Deflate(engine=engine))
            message = b"a" * 100
            payload = transform.encode(message) or b""
            self.assertEqual(transform.decode(payload, 100), message)
            self.assertEqual(calls, wanted)


class OfferTests(SynchronousTestCase):
    """
    Tests of what a client offers.
    """

    def assertOffers(self, deflate: Deflate, *parameters: str) -> None:
        """
        These are the forms that are offered, the preferred one first.
        """
        offered = tuple(map(parametersOf, deflate.offers()))
        self.assertEqual(offered, parameters)
        self.assertEqual({form.name for form in deflate.offers()}, {NAME})

    def test_defaults(self) -> None:
        """
        Limits are wishes: a server that can't keep to them can still agree to compress.
        """
        limits = f"{CLIENT_BITS}=12; {SERVER_BITS}=12"
        self.assertOffers(Deflate(), limits, CLIENT_BITS)

    def test_windows(self) -> None:
        """
        Each limit alone is a wish as well; without one there is one form.
        """
        for client, server, *offers in (
            (15, 15, f"{CLIENT_BITS}=15"),
            (9, 15, f"{CLIENT_BITS}=9", CLIENT_BITS),
            (15, 9, f"{CLIENT_BITS}=15; {SERVER_BITS}=9", CLIENT_BITS),
            (9, 10, f"{CLIENT_BITS}=9; {SERVER_BITS}=10", CLIENT_BITS),
        ):
            deflate = Deflate(clientMaxWindowBits=client, serverMaxWindowBits=server)
            self.assertOffers(deflate, *offers)

    def test_bare(self) -> None:
        """
        A client can offer nothing but the name, for servers that fail at parameters.
        """
        for server, fresh, *offers in (
            (15, False, ""),
            (12, False, f"{SERVER_BITS}=12", ""),
            (15, True, CLIENT_FRESH),
            (9, True, f"{CLIENT_FRESH}; {SERVER_BITS}=9", CLIENT_FRESH),
        ):
            deflate = Deflate(
                clientMaxWindowBits=None,
                serverMaxWindowBits=server,
                clientNoContextTakeover=fresh,
            )
            self.assertOffers(deflate, *offers)

    def test_fresh(self) -> None:
        """
        That messages are compressed by themselves is part of every form.
        """
        for isServer, isClient in product((False, True), repeat=2):
            deflate = Deflate(
                serverNoContextTakeover=isServer,
                clientNoContextTakeover=isClient,
            )
            for form in deflate.offers():
                names = [name for name, _ in form.parameters]
                self.assertEqual(SERVER_FRESH in names, isServer)
                self.assertEqual(CLIENT_FRESH in names, isClient)

    def test_understood(self) -> None:
        """
        A server of ours takes each form that a client of ours offers, and its answer is
        understood.
        """
        for offering, serving in product(CHOICES, CHOICES):
            for form in offering.offers():
                [agreement] = acceptOffers([serving], [form])
                [agreed] = checkAnswers([offering], [agreement.extension])
                self.assertEqual(agreed.extension, agreement.extension)


CHOICES = [
    Deflate(
        serverMaxWindowBits=serverBits,
        clientMaxWindowBits=clientBits,
        serverNoContextTakeover=isServerFresh,
        clientNoContextTakeover=isClientFresh,
    )
    for serverBits, clientBits in product((9, 12, 15), repeat=2)
    for isServerFresh, isClientFresh in product((False, True), repeat=2)
]
"""
Settings of all kinds.
"""

ACCEPTED = (
    # What is offered, what the server wants, what it answers.
    ("", {}, f"{SERVER_BITS}=12"),
    ("", {"serverMaxWindowBits": 15}, ""),
    (CLIENT_BITS, {}, f"{SERVER_BITS}=12; {CLIENT_BITS}=12"),
    (f"{CLIENT_BITS}=15", {}, f"{SERVER_BITS}=12; {CLIENT_BITS}=12"),
    (f"{CLIENT_BITS}=10", {}, f"{SERVER_BITS}=12; {CLIENT_BITS}=10"),
    (f"{CLIENT_BITS}=8", {}, f"{SERVER_BITS}=12; {CLIENT_BITS}=8"),
    (f'{CLIENT_BITS}="10"', {}, f"{SERVER_BITS}=12; {CLIENT_BITS}=10"),
    (f"{SERVER_BITS}=9", {}, f"{SERVER_BITS}=9"),
    (f"{SERVER_BITS}=15", {}, f"{SERVER_BITS}=12"),
    (f"{SERVER_BITS}=15", {"serverMaxWindowBits": 15}, f"{SERVER_BITS}=15"),
    (f'{SERVER_BITS}="10"', {}, f"{SERVER_BITS}=10"),
    (f'{SERVER_BITS}="1\\0"', {}, f"{SERVER_BITS}=10"),
    (SERVER_FRESH, {}, f"{SERVER_FRESH}; {SERVER_BITS}=12"),
    (CLIENT_FRESH, {}, f"{CLIENT_FRESH}; {SERVER_BITS}=12"),
    (
        "",
        {"serverNoContextTakeover": True, "clientNoContextTakeover": True},
        f"{SERVER_FRESH}; {CLIENT_FRESH}; {SERVER_BITS}=12",
    ),
    (
        # What browsers offer.
        CLIENT_BITS,
        {"serverMaxWindowBits": 15, "clientMaxWindowBits": 15},
        "",
    ),
    (CLIENT_BITS, {"clientMaxWindowBits": None}, f"{SERVER_BITS}=12"),
    (
        f"{CLIENT_BITS}=9",
        {"clientMaxWindowBits": None},
        f"{SERVER_BITS}=12; {CLIENT_BITS}=9",
    ),
    (
        f"{CLIENT_BITS}; {SERVER_BITS}=11; {CLIENT_FRESH}; {SERVER_FRESH}",
        {"clientMaxWindowBits": 9},
        f"{SERVER_FRESH}; {CLIENT_FRESH}; {SERVER_BITS}=11; {CLIENT_BITS}=9",
    ),
)
"""
Offers that a server accepts.
"""

SEVERAL = (
    # What is offered, and what is answered with the defaults.
    (f"{NAME}; {SERVER_BITS}=8, {NAME}", f"{NAME}; {SERVER_BITS}=12"),
    (f"{NAME}; {SERVER_BITS}=10, {NAME}", f"{NAME}; {SERVER_BITS}=10"),
    (f"{NAME}, {NAME}; {SERVER_BITS}=10", f"{NAME}; {SERVER_BITS}=12"),
    (f"{NAME}; x, {NAME}; {SERVER_BITS}=9", f"{NAME}; {SERVER_BITS}=9"),
    (f"x-other, {NAME}; {SERVER_BITS}=16, {NAME}", f"{NAME}; {SERVER_BITS}=12"),
    (f"{NAME}; {SERVER_BITS}, {NAME}; {SERVER_BITS}=08", ""),
    ("PerMessage-Deflate, permessage-bzip2, x-webkit-deflate-frame", ""),
)
"""
Offers of several forms, which a server takes in their order.
"""


class AcceptTests(SynchronousTestCase):
    """
    Tests of what a server accepts.
    """

    def test_accepted(self) -> None:
        """
        A server accepts what is offered, within the limits of its own.
        """
        for offer, options, answer in ACCEPTED:
            agreement = Deflate(**options).accept(one(offer))
            self.assertIsNotNone(agreement, offer)
            if agreement is not None:
                self.assertEqual(parametersOf(agreement.extension), answer, offer)

    def test_declined(self) -> None:
        """
        A server declines what breaks a rule, or asks for a window of 256 bytes, which
        zlib can't make.
        """
        for deflate in CHOICES:
            for offer in (*ILLEGAL, f"{SERVER_BITS}=8"):
                self.assertIsNone(deflate.accept(one(offer)), offer)

    def test_lawful(self) -> None:
        """
        Whatever a client may offer and a server may want: the answer is one that the
        offer allows (RFC 7692, 7.1), and the server's limits are in it where they can
        be.
        """
        windows = [None, *map(str, ALL_BITS)]
        for isServerFresh, isClientFresh, serverBits, clientBits in product(
            (False, True), (False, True), windows, [*windows, ""]
        ):
            parts = []
            if clientBits is not None:
                parts.append(f"{CLIENT_BITS}={clientBits}".removesuffix("="))
            if serverBits is not None:
                parts.append(f"{SERVER_BITS}={serverBits}")
            parts += [CLIENT_FRESH] * isClientFresh + [SERVER_FRESH] * isServerFresh
            offer = one("; ".join(parts))
            for deflate in CHOICES:
                agreement = deflate.accept(offer)
                if serverBits == "8":
                    self.assertIsNone(agreement)
                elif agreement is None:
                    self.fail(f"{offer} is declined")
                else:
                    self.assertLawful(deflate, offer, agreement.extension)

    def assertLawful(
        self, deflate: Deflate, offer: ExtensionHeader, said: ExtensionHeader
    ) -> None:
        """
        This answer is allowed, and what the server wants.
        """
        asked, told = dict(offer.parameters), dict(said.parameters)
        why = f"{offer} {said}"
        self.assertEqual(said.name, NAME)
        self.assertEqual(len(told), len(said.parameters))
        for flag, isWanted in (
            (SERVER_FRESH, deflate.serverNoContextTakeover),
            (CLIENT_FRESH, deflate.clientNoContextTakeover),
        ):
            self.assertEqual(flag in told, isWanted or flag in asked, why)
            self.assertIsNone(told.get(flag), why)
        server = int(told.get(SERVER_BITS) or 15)
        most = int(asked.get(SERVER_BITS) or 15)
        self.assertEqual(server, min(most, deflate.serverMaxWindowBits), why)
        self.assertTrue(SERVER_BITS in told or SERVER_BITS not in asked, why)
        client = int(told.get(CLIENT_BITS) or 15)
        if CLIENT_BITS in asked:
            most = int(asked[CLIENT_BITS] or 15)
            self.assertEqual(client, min(most, deflate.clientMaxWindowBits), why)
        else:
            self.assertNotIn(CLIENT_BITS, told, why)


ANSWERS = (
    # What a client wants, and what it may be answered.
    ({}, ""),
    ({}, SERVER_FRESH),
    ({}, CLIENT_FRESH),
    ({}, f"{SERVER_FRESH}; {CLIENT_FRESH}"),
    ({}, f"{SERVER_BITS}=12"),
    ({}, f"{SERVER_BITS}=8"),
    ({}, f'{SERVER_BITS}="9"'),
    # One form that was offered has no limit, and the server may set one.
    ({}, f"{SERVER_BITS}=13"),
    ({"serverMaxWindowBits": 9}, f"{SERVER_BITS}=15"),
    ({}, f"{CLIENT_BITS}=12"),
    ({}, f"{CLIENT_BITS}=8"),
    ({}, f'{CLIENT_BITS}="11"; {SERVER_BITS}=10; {CLIENT_FRESH}; {SERVER_FRESH}'),
    ({"serverMaxWindowBits": 15}, f"{SERVER_BITS}=15"),
    ({"clientMaxWindowBits": 15}, f"{CLIENT_BITS}=15"),
    ({"clientMaxWindowBits": 9}, f"{CLIENT_BITS}=9"),
    # A server need not heed what the client said of its own window.
    ({}, f"{CLIENT_BITS}=13"),
    ({"clientMaxWindowBits": 9}, f"{CLIENT_BITS}=15"),
    ({"serverNoContextTakeover": True}, SERVER_FRESH),
    ({"clientNoContextTakeover": True}, CLIENT_FRESH),
    # It said that it would do so, and need not be told.
    ({"clientNoContextTakeover": True}, ""),
    ({"clientMaxWindowBits": None}, ""),
    ({"clientMaxWindowBits": None}, f"{CLIENT_FRESH}; {SERVER_BITS}=10"),
)
"""
Answers that fit what was offered.
"""

MISFITS = (
    # What a client wants, and what it can't be answered.
    ({}, CLIENT_BITS),
    ({"serverNoContextTakeover": True}, ""),
    ({"serverNoContextTakeover": True}, CLIENT_FRESH),
    # It did not say that it can be told (RFC 7692, 7.1.2.2).
    ({"clientMaxWindowBits": None}, f"{CLIENT_BITS}=15"),
    ({"clientMaxWindowBits": None}, f"{SERVER_BITS}=12; {CLIENT_BITS}=12"),
    *(({}, parameters) for parameters in ILLEGAL),
)
"""
Answers that don't, and end the opening.
"""


class AgreeTests(SynchronousTestCase):
    """
    Tests of what a client agrees to.
    """

    def test_agreed(self) -> None:
        """
        A client agrees to an answer that fits its offers.
        """
        for options, answer in ANSWERS:
            transform = Deflate(**options).agree(one(answer))
            self.assertEqual(transform.rsv, RSV1, answer)

    def test_refused(self) -> None:
        """
        A client refuses an answer that breaks a rule, or leaves out what was asked for,
        and says what is wrong with it.
        """
        for options, answer in MISFITS:
            with self.assertRaises(ValueError) as raised:
                Deflate(**options).agree(one(answer))
            self.assertTrue(str(raised.exception), answer)

    def test_reason(self) -> None:
        """
        The reason names the parameter.
        """
        for answer, name in (
            (f"{SERVER_BITS}=16", SERVER_BITS),
            (CLIENT_BITS, CLIENT_BITS),
            (f"{SERVER_FRESH}=1", SERVER_FRESH),
            (f"{CLIENT_BITS}=7", CLIENT_BITS),
            ("x_y", "x_y"),
        ):
            error = self.assertRaises(ValueError, Deflate().agree, one(answer))
            self.assertIn(name, str(error))


class ReferenceTests(SynchronousTestCase):
    """
    The other side in these tests would notice.
    """

    def test_window(self) -> None:
        """
        It can't inflate what reaches beyond its window, be it within a message or from
        one to the next.
        """
        for bits in range(9, 15):
            message = farReaching(3 << bits)
            payload = Deflater(bits + 1)(message)
            self.assertEqual(Inflater(bits + 1)(payload), message)
            self.assertRaises(zlib.error, Inflater(bits), payload)
            deflater, inflater = Deflater(bits + 1), Inflater(bits)
            unit = noise(100)
            filler = noise((1 << bits) - 50, 2)
            self.assertEqual(inflater(deflater(unit)), unit)
            self.assertEqual(inflater(deflater(filler)), filler)
            self.assertRaises(zlib.error, inflater, deflater(unit))

    def test_fresh(self) -> None:
        """
        If it has no context, it can't inflate what refers to the message before.
        """
        deflater, inflater = Deflater(15), Inflater(15, isFresh=True)
        message = noise(200)
        self.assertEqual(inflater(deflater(message)), message)
        self.assertRaises(zlib.error, inflater, deflater(message))


class TransformTestsMixin:
    """
    What both engines do to messages.
    """

    engine: str

    def make(self, parameters: str = "", **options: Any) -> MessageTransform:
        """
        What a server does that accepts an offer, for which it has no wishes but these.
        """
        wishes = {"serverMaxWindowBits": 15, "clientMaxWindowBits": 15, "minSize": 0}
        deflate = Deflate(engine=self.engine, **{**wishes, **options})
        return serve(deflate, parameters)

    def makeClient(self, parameters: str = "", **options: Any) -> MessageTransform:
        """
        What a client does that was answered this.
        """
        wishes = {"serverMaxWindowBits": 15, "clientMaxWindowBits": 15, "minSize": 0}
        deflate = Deflate(engine=self.engine, **{**wishes, **options})
        return deflate.agree(one(parameters))

    # What we send

    def assertKept(
        self, transform: MessageTransform, bits: int, isFresh: bool, *messages: bytes
    ) -> None:
        """
        A peer with a window of so many bits reads these messages.
        """
        inflater = Inflater(bits, isFresh)
        for message in messages:
            payload = transform.encode(message)
            if payload is not None:
                self.assertEqual(inflater(payload), message)

    def test_ownWindow(self) -> None:
        """
        What we send never needs a larger window than was agreed on, at any level, in
        both roles; and it uses the window, if there is one to use.
        """
        for bits in OWN_BITS:
            messages = [farReaching(1 << bits, seed) for seed in range(2)]
            messages.append(messages[0][: 1 << bits - 1])
            for level in (1, 3, 6, 9):
                server = self.make(f"{SERVER_BITS}={bits}", level=level)
                self.assertKept(server, bits, False, *messages)
            client = self.makeClient(f"{CLIENT_BITS}={bits}")
            self.assertKept(client, bits, False, *messages)
            if bits > 9:
                # zlib keeps 262 bytes of its window for itself.
                transform = self.make(f"{SERVER_BITS}={bits}")
                inflater = Inflater(bits - 1)
                with self.assertRaises(zlib.error):
                    for message in messages:
                        inflater(transform.encode(message))

    def test_ownLimit(self) -> None:
        """
        Where the peer sets no limit, or a higher one, the window we have chosen is
        kept.
        """
        messages = [farReaching(3 << 10)]
        for parameters in ("", f"{SERVER_BITS}=13"):
            server = self.make(parameters, serverMaxWindowBits=10)
            self.assertKept(server, 10, False, *messages)
        for parameters in ("", f"{CLIENT_BITS}=13"):
            client = self.makeClient(parameters, clientMaxWindowBits=10)
            self.assertKept(client, 10, False, *messages)

    def test_memLevel(self) -> None:
        """
        The memory of the compressor changes what it makes, and not what comes of it.
        """
        message = farReaching(20000)
        sizes = []
        for memLevel in (1, 5, 9):
            transform = self.make(f"{SERVER_BITS}=12", memLevel=memLevel)
            self.assertKept(transform, 12, False, message)
            fresh = self.make(memLevel=memLevel)
            sizes.append(len(fresh.encode(message) or b""))
        self.assertGreater(sizes[0], sizes[2])

    def test_level(self) -> None:
        """
        A higher level makes messages smaller.
        """
        message = "".join(f"{n * n % 971} and {n % 13}, " for n in range(5000)).encode()
        sizes = []
        for level in (1, 9):
            transform = self.make(level=level, memLevel=9)
            sizes.append(len(transform.encode(message) or b""))
        self.assertGreater(sizes[0], sizes[1] * 1.1)

    def test_ownFresh(self) -> None:
        """
        Where it was agreed on, or we said so, each message is compressed by itself.
        """
        message = noise(300)
        text = b"Nothing of this is new. " * 20
        for transform in (
            self.make(SERVER_FRESH),
            self.make(serverNoContextTakeover=True),
            self.makeClient(CLIENT_FRESH),
            self.makeClient(clientNoContextTakeover=True),
        ):
            self.assertKept(transform, 15, True, *[text, message] * 3)
            self.assertEqual(transform.encode(text), transform.encode(text))

    def test_ownTakeover(self) -> None:
        """
        Otherwise what was in an earlier message is not sent again.
        """
        message = digits(300)
        for transform in (
            self.make(),
            self.make(CLIENT_FRESH),
            self.makeClient(),
            self.makeClient(SERVER_FRESH),
        ):
            inflater = Inflater(15)
            sizes = []
            for _ in range(3):
                payload = transform.encode(message)
                sizes.append(len(payload))
                self.assertEqual(inflater(payload), message)
            self.assertGreater(sizes[0], 150)
            self.assertLess(sizes[1], 30)
            self.assertLess(sizes[2], 30)

    def test_minSize(self) -> None:
        """
        Messages below the smallest size are sent as they are.
        """
        transform = self.make(minSize=100)
        self.assertIsNone(transform.encode(b""))
        self.assertIsNone(transform.encode(b"a" * 99))
        self.assertIsNotNone(transform.encode(b"a" * 100))
        self.assertIsNone(transform.encode(b"a" * 99))

    def test_empty(self) -> None:
        """
        An empty message is one byte, however many come in a row (RFC 7692, 7.2.3.6).
        """
        transform = self.make()
        inflater = Inflater(15)
        text = b"something" * 9
        for message in (b"", b"", text, b"", b"", text, b""):
            payload = transform.encode(message)
            self.assertEqual(inflater(payload), message)
            if not message:
                self.assertEqual(payload, b"\x00")
        fresh = self.make(SERVER_FRESH)
        self.assertEqual([fresh.encode(b""), fresh.encode(b"")], [b"\x00", b"\x00"])

    def test_incompressible(self) -> None:
        """
        What does not become smaller is sent as it is, where messages are compressed
        each by itself.
        """
        transform = self.make(SERVER_FRESH)
        self.assertIsNone(transform.encode(noise(500)))
        self.assertIsNone(transform.encode(noise(100_000)))
        self.assertIsNotNone(transform.encode(digits(500)))

    def test_incompressibleInContext(self) -> None:
        """
        Where they share a context it is worth more than the few bytes by which a short
        one grows: what follows can still refer to what was before.
        """
        transform = self.make()
        inflater = Inflater(15)
        text = digits(1000)
        first = transform.encode(text)
        self.assertEqual(inflater(first), text)
        for size in (100, 500, 2000):
            payload = transform.encode(noise(size))
            self.assertEqual(inflater(payload), noise(size))
            self.assertLessEqual(len(payload), size + 20)
            again = transform.encode(text)
            self.assertEqual(inflater(again), text)
            self.assertLess(len(again), len(first) / 10)

    def test_neverLonger(self) -> None:
        """
        Messages that can't be compressed never cost more than others have saved.
        """
        transform = self.make()
        self.assertIsNone(transform.encode(noise(64)))
        saved = 0
        for number in range(300):
            message = noise(16 + number) if number % 30 else digits(100)
            sent = transform.encode(message)
            saved += 0 if sent is None else len(message) - len(sent)
            self.assertGreaterEqual(saved, 0)

    def test_incompressibleWindow(self) -> None:
        """
        One that is as long as the window leaves nothing to refer to: it is sent as it
        is, and what follows does not refer to it.
        """
        transform = self.make(f"{SERVER_BITS}=12")
        message = noise(2**12)
        inflater = Inflater(12)
        for text in (digits(100), digits(100) + message[-50:], digits(100) * 2):
            self.assertEqual(inflater(transform.encode(text)), text)
            self.assertIsNone(transform.encode(message))
        self.assertIsNotNone(transform.encode(message[1:]))

    def test_ownSmallest(self) -> None:
        """
        A client that was given a window of 256 bytes, which zlib can't make, sends its
        messages as they are, and can still read.
        """
        transform = self.makeClient(f"{CLIENT_BITS}=8")
        for message in (b"", b"a" * 1000, noise(10)):
            self.assertIsNone(transform.encode(message))
        self.assertEqual(transform.decode(Deflater(15)(b"a" * 1000), 1000), b"a" * 1000)

    # What we receive

    def test_examples(self) -> None:
        """
        The examples of RFC 7692, 7.2.3 are read.
        """
        for payloads in (
            # One block; the second message refers to the first.
            ("f2 48 cd c9 c9 07 00", "f2 00 11 00 00"),
            # A block without compression.
            ("00 05 00 fa ff 48 65 6c 6c 6f 00",),
            # A block that says that it is the last.
            ("f3 48 cd c9 c9 07 00 00",),
            # Two blocks.
            ("f2 48 05 00 00 00 ff ff ca c9 c9 07 00",),
        ):
            transform = self.make()
            for payload in payloads:
                message = transform.decode(bytes.fromhex(payload), 5)
                self.assertEqual(message, b"Hello")
        self.assertEqual(self.make().decode(b"\x00", 0), b"")

    def test_peerWindow(self) -> None:
        """
        All that a peer may send is read, with any window and at any level, in both
        roles.
        """
        for bits in ALL_BITS:
            messages = [farReaching(1 << bits, seed) for seed in range(2)] * 2
            for transform in (
                self.make(f"{CLIENT_BITS}={bits}"),
                self.makeClient(f"{SERVER_BITS}={bits}"),
            ):
                # With 9 bits zlib looks back as far as 250 bytes: that fits in 8.
                deflater = Deflater(max(bits, 9))
                for message in messages:
                    payload = deflater(message)
                    self.assertEqual(transform.decode(payload, len(message)), message)
        # Who was not asked to use less, or could not be, uses all there is.
        message = farReaching(1 << 15)
        for transform in (
            self.make(clientMaxWindowBits=9),
            self.makeClient(serverMaxWindowBits=9),
        ):
            deflater = Deflater(15)
            for _ in range(2):
                found = transform.decode(deflater(message), len(message))
                self.assertEqual(found, message)
        for level, memLevel, strategy in product((1, 9), (1, 9), range(5)):
            message = farReaching(5000)
            deflater = Deflater(15, level=level, memLevel=memLevel, strategy=strategy)
            transform = self.make()
            for _ in range(2):
                payload = deflater(message)
                self.assertEqual(transform.decode(payload, 5000), message)

    def test_peerBreaksWindow(self) -> None:
        """
        A peer that refers to more than was agreed on is not understood: no more memory
        is kept for it than that.
        """
        for bits in range(8, 15):
            for transform in (
                self.make(f"{CLIENT_BITS}={bits}"),
                self.makeClient(f"{SERVER_BITS}={bits}"),
            ):
                deflater = Deflater(15)
                unit, filler = noise(100), noise(1 << bits, 2)
                for message in (unit, filler):
                    found = transform.decode(deflater(message), len(message))
                    self.assertEqual(found, message)
                with self.assertRaisesRegex(ValueError, "corrupt"):
                    transform.decode(deflater(unit), 100)

    def test_peerFresh(self) -> None:
        """
        Where it was agreed that the peer compresses each message by itself, a message
        that refers to an earlier one is not understood; otherwise it is.
        """
        message = noise(200)
        for transform in (
            self.make(CLIENT_FRESH),
            self.make(clientNoContextTakeover=True),
            self.makeClient(SERVER_FRESH),
        ):
            deflater = Deflater(15, isFresh=True)
            for _ in range(3):
                self.assertEqual(transform.decode(deflater(message), 200), message)
            deflater = Deflater(15)
            self.assertEqual(transform.decode(deflater(message), 200), message)
            with self.assertRaisesRegex(ValueError, "corrupt"):
                transform.decode(deflater(message), 200)
        for transform in (
            self.make(SERVER_FRESH),
            self.makeClient(CLIENT_FRESH),
            self.makeClient(clientNoContextTakeover=True),
        ):
            deflater = Deflater(15)
            for _ in range(3):
                self.assertEqual(transform.decode(deflater(message), 200), message)

    def test_corrupt(self) -> None:
        """
        What is no compressed data is refused, in a way that says so.
        """
        good = Deflater(15)(b"something" * 100)
        for payload in (
            b"\xff",
            b"\x07",
            b"\x00\x01\x00\x00\x00",
            good[:-3] + b"\xff\xff\xff",
            b"\x4b\x04\x00" + b"\xff" * 8,
            noise(70000)[:-1] + b"\xff" * 10,
        ):
            for parameters in ("", CLIENT_FRESH):
                transform = self.make(parameters)
                with self.assertRaisesRegex(ValueError, "corrupt"):
                    transform.decode(payload, MIB)

    def test_lastBlocks(self) -> None:
        """
        Blocks that say that they are the last may be followed by others, in the same
        message and in later ones, which may refer to what came before.
        """
        first, second = noise(300, 1), noise(300, 2)
        ended = []
        for part in (first, second):
            final = zlib.compressobj(wbits=-15)
            ended.append(final.compress(part) + final.flush())
        both = first + second
        again = zlib.compressobj(wbits=-15, zdict=both)
        reference = again.compress(both) + again.flush(zlib.Z_SYNC_FLUSH)
        self.assertLess(len(reference), 30)
        transform = self.make()
        payload = b"".join(ended) + reference.removesuffix(TAIL)
        self.assertEqual(transform.decode(payload, 1200), both * 2)
        self.assertEqual(transform.decode(ended[0] + b"\x00", 300), first)
        self.assertEqual(transform.decode(ended[0], 300), first)
        self.assertEqual(transform.decode(Deflater(15)(second), 300), second)
        payload = ended[0] + b"\x00"
        self.assertRaises(MessageTooBig, transform.decode, payload, 299)

    def test_lastBlocksAnywhere(self) -> None:
        """
        Such blocks may come wherever a message is cut to be read, and be empty.
        """
        for size, empty in product(range(65480, 65540), (0, 1, MAX_ENDS - 3)):
            deflater = zlib.compressobj(0, wbits=-15)
            filler = noise(size)
            start = deflater.compress(filler) + deflater.flush(zlib.Z_SYNC_FLUSH)
            payload = start + b"\x4b\x04\x00" * empty + b"\x03\x00" * 3
            transform = self.make()
            for _ in range(2):
                found = transform.decode(payload, MIB)
                self.assertEqual(found, filler + b"a" * empty)
            self.assertEqual(transform.decode(b"\x00", 0), b"")

    def test_manyLastBlocks(self) -> None:
        """
        A message that ends again and again, which costs more than it is worth, is
        refused before it costs much.
        """
        block = b"\x4b\x04\x00"
        self.assertLess(MAX_ENDS, 32)
        found = self.make().decode(block * MAX_ENDS, MAX_ENDS)
        self.assertEqual(found, b"a" * MAX_ENDS)
        many = MAX_ENDS + 1
        for payload in (block * many, b"\x03\x00" * many, block * 300_000):
            transform = self.make()
            with self.assertRaisesRegex(ValueError, "too often"):
                transform.decode(payload, MIB)

    # Limits

    def test_limits(self) -> None:
        """
        A message may become just as large as the limit, however it was compressed and
        whatever was before it.
        """
        for limit in LIMITS:
            for message in (bytes(limit), noise(limit)):
                for bits, parameters in ((15, ""), (9, f"{CLIENT_BITS}=9")):
                    transform = self.make(parameters)
                    deflater = Deflater(bits)
                    for _ in range(2):
                        payload = deflater(message)
                        self.assertEqual(transform.decode(payload, limit), message)
                    payload = deflater(message + b"a")
                    self.assertRaises(MessageTooBig, transform.decode, payload, limit)

    def test_fullSteps(self) -> None:
        """
        A message is whole whatever its size is, before and after compression.
        """
        for size in (2**16, 2**18, 2**19, 2**20 + 2**18, 2**21):
            for off in (-2, -1, 0, 1, 2):
                message = b"ab" * (size // 2 + 2)
                message = message[: size + off]
                transform = self.make()
                deflater = Deflater(15)
                for _ in range(2):
                    found = transform.decode(deflater(message), 2 * size)
                    self.assertEqual(len(found), len(message))
                    self.assertEqual(found, message)
        for off in range(-9, 10):
            message = noise(2**16 + off)
            payload = Deflater(15, level=0)(message)
            transform = self.make()
            self.assertEqual(transform.decode(payload, MIB), message)
            self.assertEqual(transform.decode(b"\x00", 0), b"")

    def test_bombs(self) -> None:
        """
        What grows without end is refused, also if it begins harmlessly, or says in
        between that it ends.
        """
        unit = Deflater(15, level=9)(bytes(MIB)) + TAIL
        escapeControls = Deflater(15)(noise(MIB)) + TAIL
        ended = zlib.compressobj(wbits=-15)
        last = ended.compress(bytes(MIB)) + ended.flush()
        for payload in (
            unit * 100,
            escapeControls + unit * 100,
            last * 100,
            escapeControls + last * 100,
            unit * 3 + last * 100,
        ):
            for limit in (1, 1000, MIB, 8 * MIB):
                transform = self.make()
                self.assertRaises(MessageTooBig, transform.decode, payload, limit)

    def test_farFromBomb(self) -> None:
        """
        What grows as a bomb does, and remains within the limit, is a message.
        """
        unit = Deflater(15, level=9)(bytes(MIB)) + TAIL
        ended = zlib.compressobj(wbits=-15)
        last = ended.compress(bytes(MIB)) + ended.flush()
        mixed = noise(MIB)
        for payload, message in (
            (unit * 8, bytes(8 * MIB)),
            (last * 8, bytes(8 * MIB)),
            (unit * 3 + last * 2 + unit * 3, bytes(8 * MIB)),
            (Deflater(15)(mixed) + TAIL + unit * 7, mixed + bytes(7 * MIB)),
        ):
            transform = self.make()
            sent = payload.removesuffix(TAIL)
            for _ in range(2):
                self.assertEqual(transform.decode(sent, 8 * MIB), message)
            with self.assertRaises(MessageTooBig):
                transform.decode(sent, 8 * MIB - 1)

    # Contexts

    def test_firstUse(self) -> None:
        """
        A context is made when it is first used, and kept only if the next message needs
        it.
        """
        both = f"{SERVER_FRESH}; {CLIENT_FRESH}"
        for parameters, kept in (
            ("", ["compressor", "decompressor"]),
            (SERVER_FRESH, ["decompressor"]),
            (CLIENT_FRESH, ["compressor"]),
            (both, []),
        ):
            transform = self.make(parameters, minSize=10)
            self.assertEqual(contexts(transform), [])
            transform.encode(b"small")
            self.assertEqual(contexts(transform), [])
            payload = transform.encode(b"large enough" * 10)
            self.assertEqual(
                contexts(transform), [name for name in kept if name == "compressor"]
            )
            transform.decode(payload, MIB)
            self.assertEqual(contexts(transform), kept)

    def test_release(self) -> None:
        """
        A compressor that was let go starts anew; what the peer refers to is kept.
        """
        message = digits(200)
        transform = self.make()
        deflater, inflater = Deflater(15), Inflater(15)
        for _ in range(3):
            payload = transform.encode(message)
            self.assertGreater(len(payload), 100)
            self.assertEqual(Inflater(15)(payload), message)
            self.assertEqual(inflater(payload), message)
            self.assertLess(len(transform.encode(message) or b""), 30)
            self.assertEqual(transform.decode(deflater(message), 200), message)
            transform.release()
            self.assertEqual(contexts(transform), ["decompressor"])
            inflater(b"\x00")
        unused = self.make()
        unused.release()
        self.assertEqual(contexts(unused), [])

    def test_failed(self) -> None:
        """
        After a failure no memory is kept for what the peer sends.
        """
        deflater = Deflater(15)
        for payload in (b"\xff", deflater(bytes(MIB)), b"\x03\x00" * 300):
            transform = self.make()
            transform.decode(Deflater(15)(b"first"), 5)
            self.assertEqual(contexts(transform), ["decompressor"])
            with self.assertRaises((ValueError, MessageTooBig)):
                transform.decode(payload, 1000)
            self.assertEqual(contexts(transform), [])

    # Broadcasts

    def test_sharing(self) -> None:
        """
        Messages are alike for connections that compress each by itself, with the same
        settings and window; they are for no two whose contexts go on.
        """
        settings = {"engine": self.engine, "serverMaxWindowBits": 15}
        deflate = Deflate(**settings)
        fresh = [serve(deflate, SERVER_FRESH) for _ in range(2)]
        smaller = serve(deflate, f"{SERVER_FRESH}; {SERVER_BITS}=9")
        self.assertIsNotNone(fresh[0].sharingKey())
        self.assertEqual(fresh[0].sharingKey(), fresh[1].sharingKey())
        self.assertNotEqual(fresh[0].sharingKey(), smaller.sharingKey())
        other = serve(replace(deflate, level=1), SERVER_FRESH)
        self.assertNotEqual(fresh[0].sharingKey(), other.sharingKey())
        keys = {each.sharingKey() for each in (*fresh, smaller, other)}
        self.assertEqual(len(keys), 3)
        self.assertIsNone(serve(deflate).sharingKey())
        self.assertIsNone(serve(deflate, CLIENT_FRESH).sharingKey())


class ZlibTransformTests(TransformTestsMixin, SynchronousTestCase):
    """
    What is done to messages with the standard library's engine.
    """

    engine = "zlib"


if find_spec("zlib_ng") is not None:

    class ZlibNgTransformTests(TransformTestsMixin, SynchronousTestCase):
        """
        What is done to messages with zlib-ng.
        """

        engine = "zlib-ng"


class ConnectionTestsMixin:
    """
    What compression does to a connection.
    """

    role: Role

    def start(self, parameters: str = "", **options: Any) -> Talk:
        """
        A connection that has agreed on this.
        """
        self.counted = Counted(
            Deflate(serverMaxWindowBits=15, clientMaxWindowBits=15, minSize=0)
        )
        if self.role is Role.SERVER:
            agreement = self.counted.accept(one(parameters))
            transform = None if agreement is None else agreement.transform
        else:
            transform = self.counted.agree(one(parameters))
        return Talk(self.role, transform, **options)

    def assertFailed(self, talk: Talk, frames: bytes, code: int) -> None:
        """
        What the peer sends ends the connection with this code, and nothing is inflated
        any more.
        """
        good = talk.frame(BINARY, Deflater(15)(b"good"), rsv=RSV1)
        events = talk.receive(frames + good)
        self.assertEqual([type(event) for event in events], [ProtocolFailure])
        self.assertEqual(events[0].code, code)
        [close] = talk.sent()
        self.assertEqual(close.opcode, CLOSE)
        self.assertEqual(close.payload[:2], code.to_bytes(2, "big"))
        count = len(self.counted.decoded)
        self.assertEqual(talk.receive(good, good), [])
        self.assertEqual(len(self.counted.decoded), count)

    def test_fragmentedExample(self) -> None:
        """
        The example of RFC 7692, 7.2.3.1 is read, with a ping in between.
        """
        talk = self.start()
        hello = bytes.fromhex("f2 48 cd c9 c9 07 00")
        for cut in range(len(hello) + 1):
            talk = self.start()
            events = talk.receive(
                talk.frame(TEXT, hello[:cut], fin=False, rsv=RSV1),
                talk.frame(PONG, b"here"),
                talk.frame(CONTINUATION, hello[cut:]),
            )
            self.assertEqual(events[1:], ["Hello"])

    def test_mixed(self) -> None:
        """
        Compressed and plain messages come in any order, in both directions.
        """
        talk = self.start()
        deflater, inflater = Deflater(15), Inflater(15)
        for round_ in range(3):
            message = digits(100)
            arriving = [
                talk.frame(BINARY, deflater(message), rsv=RSV1),
                talk.frame(BINARY, message),
                talk.frame(TEXT, deflater("ü€".encode()), rsv=RSV1),
                talk.frame(TEXT, b"plain"),
                talk.frame(BINARY, deflater(b""), rsv=RSV1),
                talk.frame(BINARY),
            ]
            expected = [message, message, "ü€", "plain", b"", b""]
            self.assertEqual(talk.receive(*arriving), expected)
            talk.connection.send(message)
            talk.connection.send(message, verbatim=True)
            talk.connection.send("ü€" * 20)
            talk.connection.send("")
            first, plain, text, empty = talk.sent()
            self.assertEqual(first[0::2], (BINARY, True))
            self.assertEqual(first.rsv, RSV1)
            self.assertEqual(inflater(first.payload), message)
            self.assertEqual(len(first.payload) < 30, bool(round_))
            self.assertEqual(plain, Frame(BINARY, message))
            self.assertEqual(inflater(text.payload).decode(), "ü€" * 20)
            self.assertEqual(empty, Frame(TEXT, b"\x00", rsv=RSV1))

    def test_fragments(self) -> None:
        """
        A message that is sent in fragments has the bit on the first alone; together
        they are what was compressed.
        """
        options = {"fragmentOutgoingMessages": True, "fragmentationThreshold": 100}
        talk = self.start(**options)
        inflater = Inflater(15)
        for size in (150, 170, 3000):
            message = digits(size)
            talk.connection.send(message)
            first, *others = talk.sent()
            self.assertEqual((first.opcode, first.rsv), (BINARY, RSV1))
            for frame in others:
                self.assertEqual((frame.opcode, frame.rsv), (CONTINUATION, 0))
            fins = [frame.fin for frame in (first, *others)]
            self.assertEqual(fins, [False] * len(others) + [True])
            payload = b"".join(frame.payload for frame in (first, *others))
            self.assertEqual(inflater(payload), message)
        talk.connection.send(b"a" * 5000)
        [whole] = talk.sent()
        self.assertEqual(inflater(whole.payload), b"a" * 5000)

    def test_corrupt(self) -> None:
        """
        Compressed data that is none ends the connection with 1007, and so does text
        that is no UTF-8 once it is inflated.
        """
        talk = self.start()
        self.assertFailed(talk, talk.frame(BINARY, b"\xff" * 9, rsv=RSV1), 1007)
        for text in (b"\xff", "€".encode()[:2], b"\xed\xa0\x80"):
            talk = self.start()
            deflater = Deflater(15)
            self.assertEqual(
                talk.receive(talk.frame(BINARY, deflater(text), rsv=RSV1)), [text]
            )
            self.assertFailed(talk, talk.frame(TEXT, deflater(text), rsv=RSV1), 1007)

    def test_limits(self) -> None:
        """
        A message may become as large as the limit, compressible or not, in one frame or
        in many; one byte more ends the connection with 1009.
        """
        for limit in (1000, 65536, 300_000):
            for message in (bytes(limit + 1), noise(limit + 1)):
                for parts in (1, 64):
                    talk = self.start(maxReceivedMessageSize=limit)
                    deflater = Deflater(15)
                    exact = self.frames(talk, deflater(message[:-1]), parts)
                    self.assertEqual(talk.receive(exact), [message[:-1]])
                    larger = self.frames(talk, deflater(message), parts)
                    self.assertFailed(talk, larger, 1009)

    def frames(self, talk: Talk, payload: bytes, parts: int) -> bytes:
        """
        A compressed message in so many frames.
        """
        step = -(-len(payload) // parts)
        cuts = range(0, len(payload), step)
        return b"".join(
            talk.frame(
                CONTINUATION if cut else BINARY,
                payload[cut : cut + step],
                fin=cut + step >= len(payload),
                rsv=0 if cut else RSV1,
            )
            for cut in cuts
        )

    def test_worstCompressor(self) -> None:
        """
        A message at the limit is not refused because the peer's compressor has made it
        larger, as compressors do with what they can't compress.
        """
        for limit in (1000, 65536, 300_000):
            for options in ({"level": 0}, {"level": 1, "memLevel": 1}, {"level": 9}):
                message = noise(limit)
                payload = Deflater(15, **options)(message)
                self.assertGreater(len(payload), limit)
                self.assertTaken(message, payload)
            # The fixed codes have nine bits for half of the bytes; that of 255 is all
            # ones, between the heads of this block and of the last (RFC 1951, 3.2.6).
            bits = (1 << 9 * limit) - 1 << 3 | 2
            payload = bits.to_bytes((9 * limit + 20) // 8, "little")
            self.assertGreater(len(payload), limit * 1.125)
            self.assertTaken(b"\xff" * limit, payload)

    def assertTaken(self, message: bytes, payload: bytes) -> None:
        """
        What is compressed so is a message where that is as large as can be.
        """
        talk = self.start(maxReceivedMessageSize=len(message))
        frame = talk.frame(BINARY, payload, rsv=RSV1)
        self.assertEqual(talk.receive(frame), [message])


class ServerConnectionTests(ConnectionTestsMixin, SynchronousTestCase):
    """
    What compression does to a server's connection.
    """

    role = Role.SERVER


class ClientConnectionTests(ConnectionTestsMixin, SynchronousTestCase):
    """
    What compression does to a client's connection.
    """

    role = Role.CLIENT
