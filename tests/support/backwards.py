# Part of txwebsocket. See LICENSE for details.
"""
An extension as somebody else might write it: it sends messages backwards.
"""

from collections.abc import Sequence
from typing import Any

from txwebsocket.wire.extensions import MessageTooBig, NegotiatedExtension
from txwebsocket.wire.grammar import ExtensionHeader


class BackwardsTransform:
    """
    Turn messages of at least two bytes round, and refuse those that start with a mark.
    """

    def __init__(self, rsv: int = 0x20, key: Any = "backwards") -> None:
        self.rsv = rsv
        self.key = key
        self.encoded = 0
        self.isReleased = False

    def encode(self, payload: bytes) -> bytes | None:
        """
        Turn a message round.
        """
        if len(payload) < 2:
            return None
        self.encoded += 1
        return payload[::-1]

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Turn it back.
        """
        if payload.startswith(b"!"):
            raise ValueError("it starts with a mark")
        if len(payload) > limit:
            raise MessageTooBig
        return payload[::-1]

    def sharingKey(self) -> Any:
        """
        The key that was given.
        """
        return self.key

    def resumeFrom(self) -> None:
        """
        Remember that nothing more is needed.
        """
        self.isReleased = True


class Backwards:
    """
    Agree to send messages backwards; the parameter ``mood`` has to be good.
    """

    def __init__(self, name: str = "x-backwards", rsv: int = 0x20) -> None:
        self.name = name
        self.rsv = rsv

    def offers(self) -> Sequence[ExtensionHeader]:
        """
        It is offered in two forms.
        """
        return [
            ExtensionHeader(self.name, (("mood", "good"),)),
            ExtensionHeader(self.name),
        ]

    def agree(self, answer: ExtensionHeader) -> BackwardsTransform:
        """
        Any answer fits but a bad mood.
        """
        if ("mood", "bad") in answer.parameters:
            raise ValueError("the mood is bad")
        return BackwardsTransform(self.rsv)

    def accept(self, offer: ExtensionHeader) -> NegotiatedExtension | None:
        """
        Any offer will do but a bad mood.
        """
        if ("mood", "bad") in offer.parameters:
            return None
        return NegotiatedExtension(offer, BackwardsTransform(self.rsv))
