# -*- test-case-name: tests.wire.test_extensions -*-
# Part of txwebsocket. See LICENSE for details.
"""
What an extension of the protocol is (RFC 6455, 9).

Whoever writes one gives an :class:`ExtensionFactory` to the options. Neither frames nor
connections need to know it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from txwebsocket.wire.errors import BadResponse
from txwebsocket.wire.grammar import Extension


class MessageTooBig(Exception):
    """
    A message would become larger than its limit while it is decoded.
    """


class Transform(Protocol):
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


class PieceTransform(Transform, Protocol):
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


class Agreement(NamedTuple):
    """
    An extension that both sides have agreed on.

    :ivar extension: its name and parameters, as they stand in the header.
    :ivar transform: what it does.
    """

    extension: Extension
    transform: Transform


class ExtensionFactory(Protocol):
    """
    An extension that can be agreed on.
    """

    @property
    def name(self) -> str:
        """
        Its name in the header.
        """

    def offers(self) -> Sequence[Extension]:
        """
        What a client offers, the preferred form first.
        """

    def agree(self, answer: Extension) -> Transform:
        """
        What a client does when a server has answered this.

        :raises ValueError: if the answer fits none of the offers.
        """

    def accept(self, offer: Extension) -> Agreement | None:
        """
        What a server makes of one offer; None to decline it.
        """


def acceptOffers(
    factories: Iterable[ExtensionFactory], offers: Sequence[Extension]
) -> list[Agreement]:
    """
    Choose, as a server, among the offers: for each extension the first form that is
    acceptable, in the server's order of extensions, as long as their bits don't clash.
    """
    agreed: list[Agreement] = []
    for factory in factories:
        forms = (
            factory.accept(offer) for offer in offers if offer.name == factory.name
        )
        found = next((form for form in forms if form is not None), None)
        if found is not None and not found.transform.rsv & takenBits(agreed):
            agreed.append(found)
    return agreed


def agreeOnAnswers(
    factories: Iterable[ExtensionFactory], answers: Sequence[Extension]
) -> list[Agreement]:
    """
    Check, as a client, what the server has chosen.

    :raises BadResponse: if it was not offered, or not like that.
    """
    known = list(factories)
    agreed: list[Agreement] = []
    for answer in answers:
        if any(answer.name == other.extension.name for other in agreed):
            raise BadResponse(f"the extension {answer.name} is there twice")
        named = [factory for factory in known if factory.name == answer.name]
        agreement = Agreement(answer, _agree(named, answer))
        if agreement.transform.rsv & takenBits(agreed):
            raise BadResponse(f"the extension {answer.name} needs a bit that is taken")
        agreed.append(agreement)
    return agreed


def _agree(factories: Sequence[ExtensionFactory], answer: Extension) -> Transform:
    """
    Ask those of one name; each has made offers of its own.
    """
    reasons = []
    for factory in factories:
        try:
            return factory.agree(answer)
        except ValueError as error:
            reasons.append(str(error))
    if not reasons:
        raise BadResponse(f"the extension {answer.name} was not offered")
    raise BadResponse(f"the extension {answer.name}: {reasons[0]}")


def takenBits(agreed: Iterable[Agreement]) -> int:
    """
    The bits that are in use.
    """
    taken = 0
    for agreement in agreed:
        taken |= agreement.transform.rsv
    return taken


def encodeMessage(transforms: Iterable[Transform], payload: bytes) -> tuple[bytes, int]:
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


def decodeMessage(
    transforms: Sequence[Transform], payload: bytes, rsv: int, limit: int
) -> bytes:
    """
    Undo what the peer's extensions did to a message, as its bits tell.

    :param limit: bytes that it may become.
    :raises MessageTooBig: if it would become more.
    :raises ValueError: if they can't have done that.
    """
    for transform in reversed(transforms):
        if rsv & transform.rsv:
            payload = transform.decode(payload, limit)
    return payload
