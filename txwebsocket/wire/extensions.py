# -*- test-case-name: tests.wire.test_extensions -*-
# Part of txwebsocket. See LICENSE for details.
"""
What an extension of the protocol is (RFC 6455, 9).

Whoever writes one gives an :class:`ExtensionNegotiator` to the options. Neither frames
nor connections need to know it.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from types import GeneratorType
from typing import Any, NamedTuple, Protocol

from txwebsocket.wire.errors import BadResponse, shown
from txwebsocket.wire.grammar import ExtensionHeader

READ_WORK = 12
"""
What decoding an encoded byte costs at least, in bytes that could be made in this time.
DEFLATE can describe new codes in 12 bytes, which takes a microsecond, and make nothing.
"""

MESSAGE_WORK = 512
"""
What decoding an encoded message costs beside its bytes, likewise.
"""


class MessageTooBig(Exception):
    """
    A message would become larger than its limit while it is decoded.
    """


class MessageTransform(Protocol):
    """
    What one connection does to the payload of its messages, as was agreed.
    """

    @property
    def rsv(self) -> int:
        """
        The bit that marks a message it has been done to, where it stands in the first
        byte of a frame: 0x40, 0x20 or 0x10.
        """

    @property
    def releaseAfter(self) -> float | None:
        """
        Seconds without a message after which :meth:`release` is called; None for never.
        """

    def encode(self, payload: bytes) -> bytes | None:
        """
        Change a message before it is sent; None leaves it and its bit alone.
        """

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Undo the change to a message that has the bit.

        :raises MessageTooBig: as soon as more than ``limit`` bytes would come of it.
        :raises ValueError: if it is not what the bit says.
        """

    def sharingKey(self) -> Any:
        """
        Connections with equal keys encode every message alike, so that it can be done
        once for all of them. None if what came before makes a difference.
        """

    def release(self) -> None:
        """
        The connection is idle: let go of what can be made again.
        """


class StreamingTransform(MessageTransform, Protocol):
    """
    What a transform has in addition that can do its work on a message piece by piece.
    Without it, messages that are sent in pieces are left alone, and one that is
    received in pieces and has the bit becomes a single large one.
    """

    def encodePieces(self) -> Callable[[bytes, bool], bytes] | None:
        """
        Begin with a message that is sent in pieces; None leaves it and its bit alone.

        :return: what changes each piece, given it and whether it is the last. Nothing
            else is encoded between.
        """

    def decodePieces(self, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
        """
        Undo the change to a message that has the bit, as it arrives.

        :param pieces: what has arrived. An empty one says that more has to arrive
            first, and is passed on; of its own accord this gives no empty ones.
        :return: what becomes of them, in pieces of a bounded size.
        :raises MessageTooBig: as soon as more than ``limit`` bytes have come of them.
        :raises ValueError: if they are not what the bit says.
        """


class StepTransform(MessageTransform, Protocol):
    """
    What a transform has in addition that can decode a message in bounded steps. Other
    connections are served between the steps. Without it, a message is decoded at once.
    """

    @property
    def extraWork(self) -> int:
        """
        What decoding has cost so far beyond the bytes that were made: as many bytes as
        could have been made in that time.
        """

    def startDecoding(
        self, payload: bytes, limit: int
    ) -> bytes | Generator[int, None, bytes]:
        """
        Decode a message at once if that is one step, or return the generator of steps.

        :return: the message; or a generator that gives, after each step, the number of
            bytes that it has made, and returns the message. No other message is decoded
            before it has ended.
        :raises MessageTooBig: as ``decode`` does, also while the steps are done.
        :raises ValueError: likewise.
        """


class NegotiatedExtension(NamedTuple):
    """
    An extension that both sides have agreed on.

    :ivar extension: its name and parameters, as they stand in the header.
    :ivar transform: what it does.
    """

    extension: ExtensionHeader
    transform: MessageTransform


class ExtensionNegotiator(Protocol):
    """
    An extension that can be agreed on.
    """

    @property
    def name(self) -> str:
        """
        Its name in the header.
        """

    def offers(self) -> Sequence[ExtensionHeader]:
        """
        What a client offers, the preferred form first.
        """

    def agree(self, answer: ExtensionHeader) -> MessageTransform:
        """
        What a client does when a server has answered this.

        :raises ValueError: if the answer fits none of the offers.
        """

    def accept(self, offer: ExtensionHeader) -> NegotiatedExtension | None:
        """
        What a server makes of one offer; None to decline it.
        """


def acceptOffers(
    factories: Iterable[ExtensionNegotiator], offers: Sequence[ExtensionHeader]
) -> list[NegotiatedExtension]:
    """
    Choose, as a server, among the offers: for each extension the first form that is
    acceptable, in the server's order of extensions, as long as their bits don't clash.
    """
    agreed: list[NegotiatedExtension] = []
    for factory in factories:
        forms = (
            factory.accept(offer) for offer in offers if offer.name == factory.name
        )
        found = next((form for form in forms if form is not None), None)
        if found is not None and not found.transform.rsv & usedRSVBits(agreed):
            agreed.append(found)
    return agreed


def checkAnswers(
    factories: Iterable[ExtensionNegotiator], answers: Sequence[ExtensionHeader]
) -> list[NegotiatedExtension]:
    """
    Check, as a client, what the server has chosen.

    :raises BadResponse: if it was not offered, or not like that.
    """
    known = list(factories)
    agreed: list[NegotiatedExtension] = []
    for answer in answers:
        name = shown(answer.name)
        if any(answer.name == other.extension.name for other in agreed):
            raise BadResponse(f"the extension {name} is there twice")
        named = [factory for factory in known if factory.name == answer.name]
        agreement = NegotiatedExtension(answer, _agree(named, answer))
        if agreement.transform.rsv & usedRSVBits(agreed):
            raise BadResponse(f"the extension {name} needs a bit that is taken")
        agreed.append(agreement)
    return agreed


def _agree(
    factories: Sequence[ExtensionNegotiator], answer: ExtensionHeader
) -> MessageTransform:
    """
    Ask those of one name; each has made offers of its own.
    """
    name = shown(answer.name)
    reasons = []
    for factory in factories:
        try:
            return factory.agree(answer)
        except ValueError as error:
            reasons.append(str(error))
    if not reasons:
        raise BadResponse(f"the extension {name} was not offered")
    raise BadResponse(f"the extension {name}: {shown(reasons[0])}")


def usedRSVBits(agreed: Iterable[NegotiatedExtension]) -> int:
    """
    The bits that are in use.
    """
    taken = 0
    for agreement in agreed:
        taken |= agreement.transform.rsv
    return taken


def rsvBits(transforms: Iterable[MessageTransform]) -> int:
    """
    The bits that mark messages which were changed.
    """
    return reduce(or_, (transform.rsv for transform in transforms), 0)


def applyTransforms(
    transforms: Iterable[MessageTransform], payload: bytes
) -> tuple[bytes, int]:
    """
    Do to a message what extensions do.

    :return: what became of it, and the bits that say so.
    """
    rsv = 0
    for transform in transforms:
        changed = transform.encode(payload)
        if changed is not None:
            payload, rsv = changed, rsv | transform.rsv
    return payload, rsv


def startDecoding(
    transforms: Sequence[MessageTransform], payload: bytes, rsv: int, limit: int
) -> bytes | Generator[int, None, bytes]:
    """
    Begin to undo what the peer's extensions did to a message, as its bits tell.

    :param limit: bytes that it may become.
    :return: the message if that took one step only; else what does the steps, as
        :meth:`StepTransform.startDecoding` has it.
    :raises MessageTooBig: if it would become more.
    :raises ValueError: if they can't have done that.
    """
    behind = iter(reversed(transforms))
    for transform in behind:
        if rsv & transform.rsv:
            start = getattr(transform, "startDecoding", None)
            if start is None:
                payload = transform.decode(payload, limit)
                continue
            started = start(payload, limit)
            if type(started) is GeneratorType:
                return _decodeOn(started, tuple(behind)[::-1], rsv, limit)
            payload = started
    return payload


def _decodeOn(
    steps: Generator[int, None, bytes],
    transforms: Sequence[MessageTransform],
    rsv: int,
    limit: int,
) -> Generator[int, None, bytes]:
    payload = yield from steps
    started = startDecoding(transforms, payload, rsv, limit)
    return started if isinstance(started, bytes) else (yield from started)


def finishDecoding(started: bytes | Generator[int, None, bytes]) -> bytes:
    """
    Do the steps that are left, if there are any, and return the message.
    """
    while not isinstance(started, bytes):
        try:
            next(started)
        except StopIteration as stopped:
            started = stopped.value
    return started
