# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.extensions`, with extensions that anybody could write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.conversation import CONFIGS, Conversation
from tests.support.raw import MASK
from txwebsocket import (
    ExtensionHeader,
    ExtensionNegotiator,
    MessageTooBig,
    MessageTransform,
    NegotiatedExtension,
)
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.errors import BadResponse
from txwebsocket.wire.extensions import acceptOffers, checkAnswers, usedRSVBits
from txwebsocket.wire.frames import Frame, FrameReader, ProtocolFailure
from txwebsocket.wire.grammar import formatExtensions, parseExtensions

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10


class Change:
    """
    What a :class:`Changer` does to the messages of one connection.

    :ivar released: how often it was told that the connection is idle.
    """

    def __init__(self, changer: Changer) -> None:
        self._changer = changer
        self.rsv = changer.rsv
        self.releaseAfter = changer.releaseAfter
        self.released = 0

    def encode(self, payload: bytes) -> bytes | None:
        """
        Change what has something in it.
        """
        self._changer.encoded.append(payload)
        return self._changer.change(payload) if payload else None

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Change it back.
        """
        self._changer.decoded.append(payload)
        found = self._changer.changeBack(payload)
        if len(found) > limit:
            raise MessageTooBig
        return found

    def sharingKey(self) -> Any:
        """
        Nothing depends on what came before.
        """
        return self._changer.name

    def release(self) -> None:
        """
        Note it.
        """
        self.released += 1


class Changer:
    """
    An extension that changes messages.

    :ivar name: its name.
    :ivar rsv: its bit.
    :ivar releaseAfter: when it wants to be told that the connection is idle.
    :ivar encoded: what it was given to change, on all connections.
    :ivar decoded: what it was given to change back.
    :ivar changes: what was made for each connection.
    """

    releaseAfter: float | None = None

    def __init__(self, name: str = "x-reversal", rsv: int = RSV2) -> None:
        self.name = name
        self.rsv = rsv
        self.encoded: list[bytes] = []
        self.decoded: list[bytes] = []
        self.changes: list[Change] = []

    def offers(self) -> Sequence[ExtensionHeader]:
        """
        Its name alone.
        """
        return [ExtensionHeader(self.name)]

    def agree(self, answer: ExtensionHeader) -> MessageTransform:
        """
        Take what was offered.
        """
        if answer.parameters:
            raise ValueError("there are parameters")
        return self._makeChange()

    def accept(self, offer: ExtensionHeader) -> NegotiatedExtension | None:
        """
        Take what is simple.
        """
        if offer.parameters:
            return None
        return NegotiatedExtension(offer, self._makeChange())

    def change(self, payload: bytes) -> bytes:
        """
        Turn it round.
        """
        return payload[::-1]

    def changeBack(self, payload: bytes) -> bytes:
        """
        Turn it round again.
        """
        return payload[::-1]

    def _makeChange(self) -> Change:
        self.changes.append(Change(self))
        return self.changes[-1]


class Brackets(Changer):
    """
    Puts brackets round a message; a message without them is none.
    """

    def __init__(self, name: str = "x-brackets", rsv: int = RSV3) -> None:
        super().__init__(name, rsv)

    def change(self, payload: bytes) -> bytes:
        """
        Put them round it.
        """
        return b"<" + payload + b">"

    def changeBack(self, payload: bytes) -> bytes:
        """
        Take them away.
        """
        if not (payload.startswith(b"<") and payload.endswith(b">")):
            raise ValueError("the brackets are missing")
        return payload[1:-1]


class Counted:
    """
    Another extension, and what it is asked to do.

    :ivar encoded: the messages that it was given to change, on all connections.
    :ivar decoded: those that it was given to change back.
    """

    def __init__(self, extension: ExtensionNegotiator) -> None:
        self.name = extension.name
        self._extension = extension
        self.encoded: list[bytes] = []
        self.decoded: list[bytes] = []

    def offers(self) -> Sequence[ExtensionHeader]:
        """
        As the other one does.
        """
        return self._extension.offers()

    def agree(self, answer: ExtensionHeader) -> MessageTransform:
        """
        As the other one does.
        """
        return CountedTransform(self, self._extension.agree(answer))

    def accept(self, offer: ExtensionHeader) -> NegotiatedExtension | None:
        """
        As the other one does.
        """
        agreement = self._extension.accept(offer)
        if agreement is None:
            return None
        extension, transform = agreement
        return NegotiatedExtension(extension, CountedTransform(self, transform))


class CountedTransform:
    """
    What a :class:`Counted` does on one connection.
    """

    def __init__(self, counted: Counted, transform: MessageTransform) -> None:
        self._counted = counted
        self._transform = transform
        self.rsv = transform.rsv
        self.releaseAfter = transform.releaseAfter
        self.sharingKey = transform.sharingKey
        self.release = transform.release

    def encode(self, payload: bytes) -> bytes | None:
        """
        Note it, and do it.
        """
        self._counted.encoded.append(payload)
        return self._transform.encode(payload)

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Note it, and do it.
        """
        self._counted.decoded.append(payload)
        return self._transform.decode(payload, limit)


class Talk(Conversation):
    """
    A conversation with extensions.
    """

    def __init__(
        self, role: Role, *transforms: MessageTransform, **options: Any
    ) -> None:
        self.masks: list[bytes] = []
        self.connection = Connection(role, CONFIGS[role](**options), self._nextMask)
        self.connection.open(transforms)
        self._mask = MASK if role is Role.SERVER else b""
        self._reader = FrameReader(
            masked=role is Role.CLIENT,
            maxFrameSize=None,
            maxMessageSize=2**30,
            rsv=RSV1 | RSV2 | RSV3,
            whole=False,
        )


def extensions(text: str) -> list[ExtensionHeader]:
    """
    What a header says.
    """
    return parseExtensions([text.encode("ascii")])


def told(agreed: Sequence[NegotiatedExtension]) -> str:
    """
    What a header says of what was agreed on.
    """
    return formatExtensions([agreement.extension for agreement in agreed])


class AcceptOffersTests(SynchronousTestCase):
    """
    Tests of :func:`acceptOffers`.
    """

    def assertAccepted(self, factories: list[Any], offers: str, accepted: str) -> None:
        """
        A server with these extensions accepts this of what is offered.
        """
        self.assertEqual(told(acceptOffers(factories, extensions(offers))), accepted)

    def test_nothing(self) -> None:
        """
        Nothing is agreed on that one side has not, and nothing is agreed on by itself.
        """
        self.assertAccepted([], "x-reversal, x-brackets", "")
        self.assertAccepted([Changer()], "", "")
        self.assertAccepted([Changer()], "x-brackets, X-Reversal", "")

    def test_firstForm(self) -> None:
        """
        Of several forms a client offers, the first that the server can take is agreed
        on, once.
        """
        for offers in (
            "x-reversal",
            "x-reversal; a, x-reversal",
            "x-reversal; a, x-reversal; b=1, x-reversal, x-reversal",
        ):
            self.assertAccepted([Changer()], offers, "x-reversal")
        self.assertAccepted([Changer()], "x-reversal; a, x-reversal; b", "")

    def test_order(self) -> None:
        """
        Several extensions stand in the server's order, whatever the client's is.
        """
        for offers in ("x-reversal, x-brackets", "x-brackets, x-reversal"):
            ours = [Brackets(), Changer()]
            self.assertAccepted(ours, offers, "x-brackets, x-reversal")

    def test_clash(self) -> None:
        """
        Of two extensions that need the same bit, the server's first is agreed on.
        """
        ours = [Changer(), Brackets(rsv=RSV2)]
        self.assertAccepted(ours, "x-brackets, x-reversal", "x-reversal")
        self.assertAccepted(ours, "x-brackets, x-reversal; a", "x-brackets")

    def test_sameName(self) -> None:
        """
        A server may have several settings of one extension; the first that fits what
        is offered is used, and only that.
        """

        class Simple(Changer):
            def accept(self, offer: ExtensionHeader) -> NegotiatedExtension | None:
                return (
                    NegotiatedExtension(offer, Change(self))
                    if offer.parameters
                    else None
                )

        self.assertAccepted([Changer(), Simple()], "x-reversal; a", "x-reversal; a")
        both = "x-reversal; a, x-reversal"
        self.assertAccepted([Changer(), Simple()], both, "x-reversal")
        self.assertAccepted([Simple(), Changer()], both, "x-reversal; a")


class AgreeOnAnswersTests(SynchronousTestCase):
    """
    Tests of :func:`checkAnswers`.
    """

    def assertAgreed(
        self, factories: list[Any], answers: str
    ) -> list[NegotiatedExtension]:
        """
        A client with these extensions agrees to an answer as it stands.
        """
        agreed = checkAnswers(factories, extensions(answers))
        self.assertEqual(told(agreed), answers)
        return agreed

    def assertRefused(self, factories: list[Any], answers: str, why: str) -> None:
        """
        A client with these extensions does not.
        """
        given = extensions(answers)
        error = self.assertRaises(BadResponse, checkAnswers, factories, given)
        self.assertIn(why, str(error))

    def test_nothing(self) -> None:
        """
        A server may agree to nothing of what was offered.
        """
        self.assertAgreed([], "")
        self.assertAgreed([Changer(), Brackets()], "")

    def test_order(self) -> None:
        """
        The order of the answer holds (RFC 6455, 9.1).
        """
        for answers in ("x-brackets, x-reversal", "x-reversal, x-brackets"):
            agreed = self.assertAgreed([Changer(), Brackets()], answers)
            bits = {"x-reversal": RSV2, "x-brackets": RSV3}
            self.assertEqual(
                [bits[extension.name] for extension, _ in agreed],
                [transform.rsv for _, transform in agreed],
            )

    def test_unknown(self) -> None:
        """
        An answer that names what was not offered is refused by that name.
        """
        why = "x-other was not offered"
        for answers in ("x-other", "x-reversal, x-other; a=1"):
            self.assertRefused([Changer()], answers, why)
        self.assertRefused([], "x-other", why)
        self.assertRefused([Changer()], "X-Reversal", "X-Reversal was not offered")

    def test_twice(self) -> None:
        """
        An extension can't be agreed on twice, in whatever form.
        """
        why = "x-reversal is there twice"
        self.assertRefused([Changer()], "x-reversal, x-reversal", why)
        self.assertRefused([Changer()], "x-reversal, x-reversal; a", why)
        self.assertRefused([Changer(), Changer()], "x-reversal, x-reversal", why)

    def test_otherForm(self) -> None:
        """
        An answer that fits no offer is refused with the extension's own reason.
        """
        why = "x-reversal: there are parameters"
        self.assertRefused([Changer()], "x-reversal; a", why)

    def test_clash(self) -> None:
        """
        A server can't agree to two extensions that need the same bit.
        """
        ours = [Changer(), Brackets(rsv=RSV2)]
        why = "x-reversal needs a bit that is taken"
        self.assertRefused(ours, "x-brackets, x-reversal", why)
        self.assertAgreed(ours, "x-brackets")

    def test_sameName(self) -> None:
        """
        A client may offer several settings of one extension; that which the answer
        fits is used, wherever it stands.
        """

        class Other(Changer):
            def agree(self, answer: ExtensionHeader) -> MessageTransform:
                if not answer.parameters:
                    raise ValueError("there are no parameters")
                return Change(self)

        for ours in ([Changer(), Other(rsv=RSV3)], [Other(rsv=RSV3), Changer()]):
            for answer, rsv in (("x-reversal", RSV2), ("x-reversal; a", RSV3)):
                [agreement] = self.assertAgreed(ours, answer)
                self.assertEqual(agreement.transform.rsv, rsv)
        self.assertRefused([Changer()] * 2, "x-reversal; a", "there are parameters")


class TakenBitsTests(SynchronousTestCase):
    """
    Tests of :func:`usedRSVBits`.
    """

    def test_bits(self) -> None:
        """
        The bits of all that was agreed on are taken, and no others.
        """
        both = [Changer(), Brackets()]
        offers = [*both[0].offers(), *both[1].offers()]
        self.assertEqual(usedRSVBits([]), 0)
        self.assertEqual(usedRSVBits(acceptOffers(both[:1], offers)), RSV2)
        self.assertEqual(usedRSVBits(acceptOffers(both, offers)), RSV2 | RSV3)


class TransformTestsMixin:
    """
    What a connection does with what was agreed on.
    """

    role: Role

    def start(self, *changers: Changer, **options: Any) -> Talk:
        """
        A connection with these extensions.
        """
        made = [changer.agree(ExtensionHeader(changer.name)) for changer in changers]
        return Talk(self.role, *made, **options)

    def assertFailed(self, talk: Talk, frame: bytes, code: int, why: str) -> None:
        """
        A frame of the peer's ends the connection with this code.
        """
        [failure] = talk.receive(frame)
        self.assertEqual(failure, ProtocolFailure(code, why))
        payload = code.to_bytes(2, "big") + why.encode()
        self.assertEqual(talk.sent(), [Frame(CLOSE, payload)])

    def test_sending(self) -> None:
        """
        What an extension changes has its bit; what it leaves alone has not.
        """
        talk = self.start(Changer())
        talk.connection.send("text")
        talk.connection.send(b"")
        talk.connection.send(b"\x01\x02")
        self.assertEqual(
            talk.sent(),
            [
                Frame(TEXT, b"txet", rsv=RSV2),
                Frame(BINARY, b""),
                Frame(BINARY, b"\x02\x01", rsv=RSV2),
            ],
        )

    def test_plain(self) -> None:
        """
        A single message can be sent as it is.
        """
        changer = Changer()
        talk = self.start(changer)
        talk.connection.send("text", verbatim=True)
        talk.connection.send(b"bytes", verbatim=True)
        self.assertEqual(talk.sent(), [Frame(TEXT, b"text"), Frame(BINARY, b"bytes")])
        self.assertEqual(changer.encoded, [])

    def test_control(self) -> None:
        """
        Control frames and frames that are sent as they are are left alone.
        """
        talk = self.start(Changer(), Brackets())
        talk.connection.ping(b"abc")
        talk.connection.pong(b"def")
        talk.connection.sendFrame(Frame(BINARY, b"xy", rsv=RSV2))
        talk.connection.sendFrame(Frame(BINARY, b"xy"))
        self.assertEqual(
            talk.sent(),
            [
                Frame(PING, b"abc"),
                Frame(PONG, b"def"),
                Frame(BINARY, b"xy", rsv=RSV2),
                Frame(BINARY, b"xy"),
            ],
        )

    def test_receiving(self) -> None:
        """
        What has the bit is changed back, before its text is looked at; what has not is
        delivered as it is.
        """
        talk = self.start(Changer())
        self.assertEqual(
            talk.receive(
                talk.frame(TEXT, "€1".encode()[::-1], rsv=RSV2),
                talk.frame(TEXT, b"plain"),
                talk.frame(BINARY, b"\x02\x01", rsv=RSV2),
                talk.frame(BINARY, b"", rsv=RSV2),
            ),
            ["€1", "plain", b"\x01\x02", b""],
        )

    def test_stacked(self) -> None:
        """
        Several extensions are applied in the order they were agreed on, and taken back
        in reverse (RFC 6455, 9.1); each where its own bit is.
        """
        for changers, changed in (
            ((Changer(), Brackets()), b"<cba>"),
            ((Brackets(), Changer()), b">cba<"),
        ):
            talk = self.start(*changers)
            talk.connection.send(b"abc")
            frame = Frame(BINARY, changed, rsv=RSV2 | RSV3)
            self.assertEqual(talk.sent(), [frame])
            self.assertEqual(
                talk.receive(
                    talk.frame(BINARY, changed, rsv=RSV2 | RSV3),
                    talk.frame(BINARY, b"cba", rsv=RSV2),
                    talk.frame(BINARY, b"<abc>", rsv=RSV3),
                    talk.frame(BINARY, b"<abc>"),
                ),
                [b"abc", b"abc", b"abc", b"<abc>"],
            )

    def test_fragments(self) -> None:
        """
        Only the first fragment has the bit, and the extension sees the whole message,
        in both directions.
        """
        changer = Brackets()
        talk = self.start(
            changer, fragmentOutgoingMessages=True, fragmentationThreshold=3
        )
        talk.connection.send(b"abcde")
        self.assertEqual(
            talk.sent(),
            [
                Frame(BINARY, b"<ab", fin=False, rsv=RSV3),
                Frame(CONTINUATION, b"cde", fin=False),
                Frame(CONTINUATION, b">"),
            ],
        )
        self.assertEqual(
            talk.receive(
                talk.frame(TEXT, b"<a", fin=False, rsv=RSV3),
                talk.frame(CONTINUATION, b"", fin=False),
                talk.frame(CONTINUATION, b"b>"),
            ),
            ["ab"],
        )
        self.assertEqual(changer.decoded, [b"<ab>"])

    def test_strangeBits(self) -> None:
        """
        A bit that no extension has ends the connection, and so does one on a
        continuation or a control frame (RFC 6455, 5.2 and 5.4).
        """
        strange = "an extension bit is set that was not agreed on"
        for rsv in (RSV1, RSV3, RSV1 | RSV2, RSV2 | RSV3):
            talk = self.start(Changer())
            self.assertFailed(talk, talk.frame(TEXT, b"a", rsv=rsv), 1002, strange)
        talk = self.start()
        self.assertFailed(talk, talk.frame(TEXT, b"a", rsv=RSV2), 1002, strange)
        for opcode in (PING, PONG, CLOSE):
            talk = self.start(Changer())
            frame = talk.frame(opcode, b"", rsv=RSV2)
            why = "an extension bit is set on a control frame"
            self.assertFailed(talk, frame, 1002, why)
        talk = self.start(Changer())
        frames = talk.frame(TEXT, b"a", fin=False) + talk.frame(
            CONTINUATION, b"b", rsv=RSV2
        )
        why = "an extension bit is set on a continuation frame"
        self.assertFailed(talk, frames, 1002, why)

    def test_refused(self) -> None:
        """
        What an extension can't make sense of ends the connection with 1007 and its
        reason; what becomes too big with 1009. After that it is asked for nothing.
        """
        limit = {"maxReceivedMessageSize": 10}
        big = "message larger than 10 bytes (maxReceivedMessageSize)"
        for payload, code, why in (
            (b"abc", 1007, "the brackets are missing"),
            (b"<" + b"a" * 11 + b">", 1009, big),
            (b"<\xff>", 1007, "a text message is not UTF-8"),
        ):
            changer = Brackets()
            talk = self.start(changer, **limit)
            bad = talk.frame(TEXT, payload, rsv=RSV3)
            good = talk.frame(TEXT, b"<a>", rsv=RSV3)
            self.assertFailed(talk, bad + good, code, why)
            self.assertEqual(talk.receive(good), [])
            self.assertEqual(changer.decoded, [payload])
        talk = self.start(Brackets(), **limit)
        exact = b"a" * 10
        frame = talk.frame(TEXT, b"<" + exact + b">", rsv=RSV3)
        self.assertEqual(talk.receive(frame), [exact.decode()])

    def test_oneByOne(self) -> None:
        """
        However many messages have arrived, one is changed back each time that one is
        asked for.
        """
        changer = Changer()
        talk = self.start(changer)
        frames = [talk.frame(BINARY, bytes([number]), rsv=RSV2) for number in range(9)]
        talk.connection.receive(b"".join(frames))
        for number in range(9):
            self.assertEqual(len(changer.decoded), number)
            self.assertEqual(talk.connection.nextEvent(), bytes([number]))


class ServerTransformTests(TransformTestsMixin, SynchronousTestCase):
    """
    What a server does with what was agreed on.
    """

    role = Role.SERVER


class ClientTransformTests(TransformTestsMixin, SynchronousTestCase):
    """
    What a client does with what was agreed on.
    """

    role = Role.CLIENT


class SharingTests(SynchronousTestCase):
    """
    Tests of messages to many.
    """

    def test_shared(self) -> None:
        """
        A message to many is changed once for all whose key is the same, and for each
        whose extension needs to know what came before.
        """

        class Loner(Change):
            def sharingKey(self) -> Any:
                return None

        reversal, brackets = Changer(), Brackets()
        shared: dict[Any, Any] = {}
        talks = [
            Talk(Role.SERVER, *transforms)
            for transforms in (
                [Change(reversal)],
                [Change(reversal)],
                [Change(reversal), Change(brackets)],
                [Change(reversal), Change(brackets)],
                [Loner(reversal)],
                [Loner(reversal)],
                [],
                [],
            )
        ]
        for talk in talks:
            talk.connection.sendBroadcast(TEXT, b"abc", shared)
        reversed_ = Frame(TEXT, b"cba", rsv=RSV2)
        both = Frame(TEXT, b"<cba>", rsv=RSV2 | RSV3)
        alone = Frame(TEXT, b"abc")
        found = [frame for talk in talks for frame in talk.sent()]
        self.assertEqual(
            found, [reversed_] * 2 + [both] * 2 + [reversed_] * 2 + [alone] * 2
        )
        # Once for each of the first two pairs, and twice for the loners.
        self.assertEqual(len(reversal.encoded), 4)
        self.assertEqual(len(brackets.encoded), 1)
