# -*- test-case-name: tests.wire.test_deflate -*-
# Part of txwebsocket. See LICENSE for details.
"""
permessage-deflate, the compression of messages (RFC 7692).
"""

import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

from txwebsocket.wire.errors import shown
from txwebsocket.wire.extensions import NegotiatedExtension, finishDecoding
from txwebsocket.wire.grammar import ExtensionHeader
from txwebsocket.wire.inflate import (
    END_WORK,
    STEP,
    STEP_IN,
    STEP_OUT,
    TAIL,
    Inflation,
)

_NAME = "permessage-deflate"
_SERVER_BITS = "server_max_window_bits"
_CLIENT_BITS = "client_max_window_bits"
_SERVER_FRESH = "server_no_context_takeover"
_CLIENT_FRESH = "client_no_context_takeover"

_MAX_BITS = 15
# zlib can read a window of 256 bytes, but makes none below 512.
_MIN_OWN_BITS = 9
_ENGINES = {"zlib": "zlib", "zlib-ng": "zlib_ng.zlib_ng"}
# Characters of an unknown parameter's name that are quoted.
_NAME_SHOWN = 60
_VALUES = {str(bits): bits for bits in range(8, _MAX_BITS + 1)}


class _Parameters(NamedTuple):
    """
    What both sides keep to.
    """

    serverBits: int
    clientBits: int
    isServerFresh: bool
    isClientFresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """
    Compress messages, if the peer agrees (RFC 7692).

    Compression costs memory for each connection and time for each message, and can give
    secrets away where an attacker's text is compressed together with them. It is off
    unless one of these is among the ``extensions`` of the options.

    :raises ValueError: when it is made, naming the parameter and what it accepts.
    """

    serverMaxWindowBits: int = 12
    """
    The window of the server's compressor: two to this power, in bytes; 9 to 15.
    """

    clientMaxWindowBits: int | None = 12
    """
    The window of the client's compressor; 9 to 15. A server can ask for it only if the
    client offers to be asked. None leaves the parameter out of a client's offers, for
    servers that fail at it; the window has 15 bits then.
    """

    serverNoContextTakeover: bool = False
    """
    Have the server compress each message by itself.
    """

    clientNoContextTakeover: bool = False
    """
    Have the client compress each message by itself.
    """

    level: int = 6
    """
    How hard our compressor tries: 1, quick, to 9, small.
    """

    memLevel: int = 5
    """
    The memory of our compressor beside its window: 1 to 9.
    """

    minSize: int = 64
    """
    Bytes from which on a message is compressed.
    """

    releaseAfter: float | None = None
    """
    Seconds without a message, in either direction, after which our compressor is let go
    until the next one. It may take twice as long. None keeps it.
    """

    engine: str = "zlib"
    """
    Who compresses: ``zlib``, or ``zlib-ng``, which is faster and takes more memory. It
    needs the package of that name.
    """

    @property
    def name(self) -> str:
        """
        The name of the extension.
        """
        return _NAME

    def __post_init__(self) -> None:
        self._check("serverMaxWindowBits", 9, _MAX_BITS)
        if self.clientMaxWindowBits is not None:
            self._check("clientMaxWindowBits", 9, _MAX_BITS, " or None")
        self._check("level", 1, 9)
        self._check("memLevel", 1, 9)
        self._check("minSize", 0, 2**63)
        if not _isDuration(self.releaseAfter):
            raise ValueError(
                "releaseAfter must be a number of seconds above 0, or None, not "
                f"{self.releaseAfter!r}"
            )
        for flag in ("serverNoContextTakeover", "clientNoContextTakeover"):
            if not isinstance(getattr(self, flag), bool):
                raise ValueError(f"{flag} must be True or False")
        if not isinstance(self.engine, str) or self.engine not in _ENGINES:
            raise ValueError(
                f"engine must be one of {', '.join(_ENGINES)}, not {self.engine!r}"
            )
        try:
            _load(self.engine)
        except ImportError as error:
            raise ValueError(f"engine {self.engine!r} is not installed") from error

    def _check(self, option: str, least: int, most: int, other: str = "") -> None:
        value = getattr(self, option)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(
                f"{option} must be a whole number from {least} to {most}{other}, "
                f"not {value!r}"
            )

    # The client

    def offers(self) -> Sequence[ExtensionHeader]:
        """
        Our wishes; and then, for servers that can't limit their window, or want to hear
        nothing of ours, without that.
        """
        fresh: list[tuple[str, str | None]] = []
        if self.serverNoContextTakeover:
            fresh.append((_SERVER_FRESH, None))
        if self.clientNoContextTakeover:
            fresh.append((_CLIENT_FRESH, None))
        limited = self.serverMaxWindowBits
        preferred, fallback = [*fresh], [*fresh]
        if self.clientMaxWindowBits is not None:
            preferred.insert(0, (_CLIENT_BITS, str(self.clientMaxWindowBits)))
            fallback.insert(0, (_CLIENT_BITS, None))
        if limited < _MAX_BITS:
            preferred.append((_SERVER_BITS, str(limited)))
        forms = [ExtensionHeader(_NAME, tuple(preferred))]
        if min(self._clientBits, limited) < _MAX_BITS:
            forms.append(ExtensionHeader(_NAME, tuple(fallback)))
        return forms

    @property
    def _clientBits(self) -> int:
        bits = self.clientMaxWindowBits
        return _MAX_BITS if bits is None else bits

    def agree(self, answer: ExtensionHeader) -> "DeflateTransform":
        """
        Check what the server has chosen.

        :raises ValueError: if it is none of our offers (RFC 7692, 7.1).
        """
        given = _parameters(answer)
        serverBits = _bits(given, _SERVER_BITS, _MAX_BITS)
        if self.clientMaxWindowBits is None and _CLIENT_BITS in given:
            raise ValueError(f"{_CLIENT_BITS} was not offered")
        # What we offered is a promise, and to the server a hint that it may pass over
        # (RFC 7692, 7.1.2.2).
        clientBits = min(_bits(given, _CLIENT_BITS, _MAX_BITS), self._clientBits)
        if self.serverNoContextTakeover and _SERVER_FRESH not in given:
            raise ValueError(f"{_SERVER_FRESH} was asked for")
        isFresh = self.clientNoContextTakeover or _CLIENT_FRESH in given
        terms = _Parameters(serverBits, clientBits, _SERVER_FRESH in given, isFresh)
        return DeflateTransform(
            self,
            ownBits=terms.clientBits,
            isOwnFresh=terms.isClientFresh,
            peerBits=terms.serverBits,
            isPeerFresh=terms.isServerFresh,
        )

    # The server

    def accept(self, offer: ExtensionHeader) -> NegotiatedExtension | None:
        """
        Agree to an offer, with our own limits; None if it breaks a rule or asks for a
        window that zlib can't make.
        """
        try:
            given = _parameters(offer)
            serverBits = _bits(given, _SERVER_BITS, _MAX_BITS)
            clientBits = _bits(given, _CLIENT_BITS, _MAX_BITS, mayLackValue=True)
        except ValueError:
            return None
        terms = _Parameters(
            min(serverBits, self.serverMaxWindowBits),
            min(clientBits, self._clientBits) if _CLIENT_BITS in given else _MAX_BITS,
            self.serverNoContextTakeover or _SERVER_FRESH in given,
            self.clientNoContextTakeover or _CLIENT_FRESH in given,
        )
        if terms.serverBits < _MIN_OWN_BITS:
            return None
        transform = DeflateTransform(
            self,
            ownBits=terms.serverBits,
            isOwnFresh=terms.isServerFresh,
            peerBits=terms.clientBits,
            isPeerFresh=terms.isClientFresh,
        )
        return NegotiatedExtension(_answer(terms, given), transform)


def _isDuration(value: object) -> bool:
    if value is None:
        return True
    return type(value) in (int, float) and 0 < value < float("inf")  # type: ignore[operator]


def _answer(terms: _Parameters, given: dict[str, str | None]) -> ExtensionHeader:
    parameters: list[tuple[str, str | None]] = []
    if terms.isServerFresh:
        parameters.append((_SERVER_FRESH, None))
    if terms.isClientFresh:
        parameters.append((_CLIENT_FRESH, None))
    if terms.serverBits < _MAX_BITS or _SERVER_BITS in given:
        parameters.append((_SERVER_BITS, str(terms.serverBits)))
    if terms.clientBits < _MAX_BITS or given.get(_CLIENT_BITS) is not None:
        parameters.append((_CLIENT_BITS, str(terms.clientBits)))
    return ExtensionHeader(_NAME, tuple(parameters))


def _parameters(extension: ExtensionHeader) -> dict[str, str | None]:
    given = dict(extension.parameters)
    if len(given) < len(extension.parameters):
        raise ValueError("a parameter is there twice")
    for name, value in given.items():
        if name in (_SERVER_FRESH, _CLIENT_FRESH):
            if value is not None:
                raise ValueError(f"{name} has no value")
        elif name not in (_SERVER_BITS, _CLIENT_BITS):
            raise ValueError(f"the parameter {shown(name[:_NAME_SHOWN])} is unknown")
    return given


def _bits(
    given: dict[str, str | None], name: str, default: int, mayLackValue: bool = False
) -> int:
    if name not in given:
        return default
    value = given[name]
    if value is None and mayLackValue:
        return default
    if value not in _VALUES:
        raise ValueError(f"{name} must be a number from 8 to 15")
    return _VALUES[value]


class DeflateTransform:
    """
    The compression of one connection. Its contexts are made when they are first used.

    :ivar extraWork: what the blocks that ended have cost, as :class:`StepTransform` has
        it.
    """

    __slots__ = (
        "_deflate",
        "_deflater",
        "_inflater",
        "_isOwnFresh",
        "_isPeerFresh",
        "_ownBits",
        "_peerBits",
        "_saved",
        "_zlib",
        "extraWork",
    )

    rsv = 0x40

    def __init__(
        self,
        deflate: Deflate,
        *,
        ownBits: int,
        isOwnFresh: bool,
        peerBits: int,
        isPeerFresh: bool,
    ) -> None:
        self._deflate = deflate
        self._zlib = _load(deflate.engine)
        self._ownBits = ownBits
        self._isOwnFresh = isOwnFresh
        self._peerBits = peerBits
        self._isPeerFresh = isPeerFresh
        self._deflater: Any = None
        self._inflater: Any = None
        self._saved = 0
        self.extraWork = 0

    @property
    def releaseAfter(self) -> float | None:
        """
        When to let go of our compressor.
        """
        return self._deflate.releaseAfter

    def encode(self, payload: bytes) -> bytes | None:
        """
        Compress a message; None if it is too small for that, or not worth it.
        """
        if len(payload) < self._deflate.minSize or self._ownBits < _MIN_OWN_BITS:
            return None
        deflater = self._deflater or self._makeDeflater()
        data = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
        small = _withoutTail(data)
        saved = len(payload) - len(small)
        isFollowed = not self._isOwnFresh and len(payload) < 1 << self._ownBits
        # One may grow if what follows can refer to what was before it then; but all
        # together are never to become longer.
        if payload and saved <= 0 and not (isFollowed and -saved < self._saved):
            # The peer won't see what this compressor has seen, so it has to go.
            self._deflater = None
            return None
        self._saved += saved
        if not self._isOwnFresh:
            self._deflater = deflater
        return small

    def encodePieces(self) -> Callable[[bytes, bool], bytes] | None:
        """
        Compress a message whose pieces come one by one, each of them as far as it goes.
        """
        if self._ownBits < _MIN_OWN_BITS:
            return None
        deflater = self._deflater or self._makeDeflater()

        def encode(piece: bytes, isLast: bool) -> bytes:
            data: bytes = deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH)
            if not isLast:
                return data
            self._deflater = None if self._isOwnFresh else deflater
            return _withoutTail(data)

        return encode

    def decodePieces(self, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
        """
        Inflate a message as it arrives, and never more than 64 KiB of it at a time.
        """
        inflation = self._makeInflation(self._takeInflater(), limit, STEP)
        yield from inflation.run(pieces)
        self._keepInflater(inflation.inflater)

    def _makeDeflater(self) -> Any:
        return self._zlib.compressobj(
            self._deflate.level, zlib.DEFLATED, -self._ownBits, self._deflate.memLevel
        )

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Inflate a message, and stop at the limit while doing so.

        :raises MessageTooBig: if there is more.
        :raises ValueError: if it is not compressed data.
        """
        return finishDecoding(self.startDecoding(payload, limit))

    def startDecoding(
        self, payload: bytes, limit: int
    ) -> bytes | Generator[int, None, bytes]:
        """
        Inflate a message if that takes one step only; else return what does the steps.

        :raises MessageTooBig: as :meth:`decode` does.
        :raises ValueError: likewise.
        """
        inflater = self._takeInflater()
        if len(payload) >= STEP_IN:
            inflation = self._makeInflation(inflater, limit, STEP_OUT)
            return self._finish(inflation, inflation.whole(payload))
        most = min(limit + 1, STEP_OUT)
        data = payload + TAIL
        try:
            message: bytes = inflater.decompress(data, most)
        except self._zlib.error:
            raise ValueError("the compressed data is corrupt") from None
        if len(message) < most and not inflater.eof:
            if not self._isPeerFresh:
                self._inflater = inflater
            return message
        inflation = self._makeInflation(inflater, limit, STEP_OUT)
        return self._finish(inflation, inflation.rest(message, data))

    def _finish(
        self, inflation: Inflation, steps: Generator[int, None, bytes]
    ) -> Generator[int, None, bytes]:
        message = yield from steps
        self._keepInflater(inflation.inflater)
        return message

    def _makeInflation(self, inflater: Any, limit: int, step: int) -> Inflation:
        return Inflation(
            self._zlib, inflater, self._peerBits, limit, self._blockEnded, step
        )

    def _blockEnded(self) -> None:
        self.extraWork += END_WORK

    def _takeInflater(self) -> Any:
        # A failure ends the connection, which needs no context then.
        inflater, self._inflater = self._inflater, None
        return inflater or self._zlib.decompressobj(-self._peerBits)

    def _keepInflater(self, inflater: Any) -> None:
        if not self._isPeerFresh:
            self._inflater = inflater

    def sharingKey(self) -> Any:
        """
        Messages that are compressed by themselves are so alike for all with the same
        settings.
        """
        return (self._deflate, self._ownBits) if self._isOwnFresh else None

    def release(self) -> None:
        """
        Let go of our compressor, which may start anew at any time. What the peer's will
        refer to has to stay.
        """
        self._deflater = None


def _withoutTail(data: bytes) -> bytes:
    # RFC 7692, 7.2.3.6: of an empty message one byte is left.
    return data.removesuffix(TAIL) or b"\x00"


def _load(engine: str) -> Any:
    return import_module(_ENGINES[engine])
