# Part of txwebsocket. See LICENSE for details.
"""
Targets that negotiate compression and inflate messages (RFC 7692).
"""

import zlib
from typing import Any

from tests.tools.fuzz.source import (
    Source,
    check,
    checkRoom,
    checkSame,
    isWeighed,
    outcome,
)
from tests.wire.test_deflate import TAIL
from txwebsocket.wire.deflate import Deflate, DeflateTransform
from txwebsocket.wire.errors import BadResponse
from txwebsocket.wire.extensions import (
    MessageTooBig,
    MessageTransform,
    acceptOffers,
    checkAnswers,
)
from txwebsocket.wire.grammar import ExtensionHeader, formatExtensions, parseExtensions

CONTEXTS = 2**16
"""
Bytes that zlib needs for a window, and for the next one while the last is not gone.
"""

_MIB = 2**20
_LIMITS = (0, 1, 100, 1000, 70000, _MIB - 1, _MIB + 70000)
# How often one message may say that it ends.
_MAX_ENDS = 16

_BITS: list[str | None] = [str(bits) for bits in range(8, 16)]

_MESSAGES = (
    b"",
    b"a",
    b"Hello, world! " * 50,
    bytes(range(256)) * 3,
    b"0123456789abcdef" * 40 + bytes(range(200)) * 5,
)


# -- inflating -------------------------------------------------------------------------


def inflate(data: bytes) -> None:
    """
    Compressed messages of any bytes: they become what zlib makes of them in one go, or
    are refused, at the limit or because they are corrupt; nothing else is raised.
    """
    source = Source(data)
    choices = source.number()
    bits, isFresh = 8 + (choices & 7), bool(choices & 8)
    limit = _LIMITS[(choices >> 4) % len(_LIMITS)]
    payloads = []
    while source and len(payloads) < 5:
        size = source.number()
        payloads.append(source.rest() if size > 250 else source.octets(size))
    if isWeighed(data):
        room = 2 * limit + CONTEXTS
        checkRoom(lambda: _inflateAll(bits, isFresh, payloads, limit), room)
    transform = _transform(bits, isFresh)
    reference = Reference(bits, isFresh)
    for payload in payloads:
        found = _inflate(transform, payload, limit)
        expected = reference.inflate(payload, limit)
        if bits < 15 and found is None != expected is None:
            # zlib lets a reference reach beyond the window into what the same call has
            # made, so that it depends on the calls whether it is found.
            return
        check(found == expected, "not the same", found, expected, payload)
        if not isinstance(found, bytes):
            return


def _transform(bits: int, isFresh: bool) -> DeflateTransform:
    return DeflateTransform(
        Deflate(minSize=0),
        ownBits=bits,
        isOwnFresh=isFresh,
        peerBits=bits,
        isPeerFresh=isFresh,
    )


def _inflateAll(bits: int, isFresh: bool, payloads: list[bytes], limit: int) -> None:
    transform = _transform(bits, isFresh)
    for payload in payloads:
        if not isinstance(_inflate(transform, payload, limit), bytes):
            return


def _inflate(transform: MessageTransform, payload: bytes, limit: int) -> bytes | str:
    """
    The message; or in a word why there is none.
    """
    try:
        message = transform.decode(payload, limit)
    except MessageTooBig:
        return "too big"
    except ValueError as error:
        check(str(error), "an error without a word")
        return "corrupt"
    check(len(message) <= limit, "larger than the limit", len(message), limit)
    return message


class Reference:
    """
    Inflates in the plainest way, with no care for what that costs.
    """

    def __init__(self, bits: int, isFresh: bool) -> None:
        self._bits = bits
        self._isFresh = isFresh
        self._context: Any = None

    def inflate(self, payload: bytes, limit: int) -> bytes | str:
        """
        The message; or in a word why there is none.
        """
        context = self._context
        if context is None or self._isFresh:
            context = zlib.decompressobj(-self._bits)
        found, ends, data = bytearray(), 0, payload + TAIL
        try:
            while True:
                found += context.decompress(data, limit + 1 - len(found))
                if len(found) > limit:
                    return "too big"
                if not context.eof:
                    break
                ends += 1
                if ends > _MAX_ENDS:
                    return "corrupt"
                data = context.unused_data
                window = bytes(found[-(1 << self._bits) :])
                context = zlib.decompressobj(-self._bits, zdict=window)
                if len(data) <= len(TAIL):
                    break
        except zlib.error:
            return "corrupt"
        self._context = context
        return bytes(found)


# -- negotiating -----------------------------------------------------------------------


def negotiate(data: bytes) -> None:
    """
    Any offers and any answers: what a server answers is lawful, and a client of ours
    takes it for what it is; both then understand each other.
    """
    source = Source(data)
    server, client = _deflate(source), _deflate(source)
    header = source.rest()
    extensions = outcome(lambda: parseExtensions([header]), ValueError)
    if isinstance(extensions, str):
        return
    for agreement in acceptOffers([server], extensions):
        offered = [each for each in extensions if each.name == server.name]
        _checkAnswer(agreement.extension, offered)
        _checkAlike(agreement.transform, agreement.transform)
    for answer in extensions:
        outcome(lambda: checkAnswers([client], [answer]), BadResponse)  # noqa: B023
    _meet(server, client)


def _deflate(source: Source) -> Deflate:
    choices, bits = source.number(), source.number()
    return Deflate(
        serverNoContextTakeover=bool(choices & 1),
        clientNoContextTakeover=bool(choices & 2),
        serverMaxWindowBits=9 + (bits & 7) % 7,
        clientMaxWindowBits=9 + (bits >> 3 & 7) % 7,
        minSize=0,
    )


def _checkAnswer(answer: ExtensionHeader, offers: list[ExtensionHeader]) -> None:
    """
    Is this a lawful answer to one of these? (RFC 7692, 7.1)
    """
    given = dict(answer.parameters)
    check(len(given) == len(answer.parameters), "a parameter is there twice", answer)
    lawful = [offer for offer in map(_parameters, offers) if offer is not None]
    check(any(_fits(given, offer) for offer in lawful), answer, offers)


def _parameters(offer: ExtensionHeader) -> dict[str, str | None] | None:
    """
    What is offered; None if there is a window of no size.
    """
    given = dict(offer.parameters)
    return given if given.get("server_max_window_bits", "15") in _BITS else None


def _fits(given: dict[str, str | None], offer: dict[str, str | None]) -> bool:
    client, server = "client_max_window_bits", "server_max_window_bits"
    mayBe = _BITS[: _BITS.index(offer[server]) + 1] if server in offer else _BITS
    return (
        (client not in given or (client in offer and given[client] in _BITS))
        and given.get(server, "15") in mayBe
        and not {"server_no_context_takeover"} & offer.keys() - given.keys()
    )


def _meet(server: Deflate, client: Deflate) -> None:
    """
    A server and a client of ours agree, and understand each other.
    """
    offers = parseExtensions([formatExtensions(client.offers()).encode()])
    [accepted] = acceptOffers([server], offers)
    _checkAnswer(accepted.extension, offers)
    answers = parseExtensions([formatExtensions([accepted.extension]).encode()])
    [agreed] = checkAnswers([client], answers)
    _checkAlike(accepted.transform, agreed.transform)
    _checkAlike(agreed.transform, accepted.transform)


def _checkAlike(sender: MessageTransform, receiver: MessageTransform) -> None:
    for message in _MESSAGES:
        payload = sender.encode(message)
        if payload is not None and sender is not receiver:
            checkSame(message, receiver.decode(payload, len(message)))
