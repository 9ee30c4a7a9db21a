# Part of txwebsocket. See LICENSE for details.
"""
Properties of messages in pieces.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import cuts, messages, streams, texts
from tests.support.conversation import Conversation
from tests.support.raw import MASK
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.deflate import Deflate, DeflateTransform
from txwebsocket.wire.extensions import MessageTransform
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.streaming import StreamingDecoder

roles = st.sampled_from(Role)
large = st.tuples(texts | st.binary(max_size=20), st.integers(1, 9000)).map(
    lambda drawn: drawn[0] * drawn[1]
)
LIMIT = 2**20


@st.composite
def transforms(
    draw: st.DrawFn,
) -> tuple[list[MessageTransform], list[MessageTransform]]:
    """
    What both ends do to messages, if anything.
    """
    if not draw(st.booleans()):
        return [], []
    isFresh, bits = draw(st.booleans()), draw(st.sampled_from([9, 12, 15]))

    def make() -> list[MessageTransform]:
        deflate = Deflate(minSize=draw(st.sampled_from([0, 64])))
        ends: Any = {"ownBits": bits, "peerBits": bits}
        fresh: Any = {"isOwnFresh": isFresh, "isPeerFresh": isFresh}
        return [DeflateTransform(deflate, **ends, **fresh)]

    return make(), make()


class Listener:
    """
    Takes what a connection tells in pieces, and joins it again.

    :ivar told: the messages, and what else ends a connection.
    """

    def __init__(self, talk: Conversation) -> None:
        self.told: list[Any] = []
        self._talk = talk
        self._decoder: StreamingDecoder | None = None
        self._pieces: list[Any] = []

    def receive(self, chunk: bytes) -> None:
        """
        Let this arrive.
        """
        for event in self._talk.receive(chunk):
            if isinstance(event, Frame) and event.opcode < Opcode.CLOSE:
                self._take(event)
            else:
                self.told.append(event)

    def _take(self, fragment: Frame) -> None:
        connection = self._talk.connection
        if fragment.opcode != Opcode.CONTINUATION:
            self._decoder = connection.makeStreamingDecoder(fragment)
        decoder = self._decoder
        assert decoder is not None
        decoder.add(fragment)
        while (piece := decoder.take()) is not None:
            if isinstance(piece, ProtocolFailure):
                connection.failConnection(piece)
                self.told.append(piece)
                return
            self._pieces.append(piece)
            if not piece:
                self.told.append(piece.join(self._pieces))  # type: ignore[arg-type]
                self._pieces = []
                return


class PieceProperties(SynchronousTestCase):
    """
    What holds for messages in pieces whatever their pieces are.
    """

    @given(st.data(), roles)
    def test_sameAsWhole(self, data: st.DataObject, role: Role) -> None:
        """
        Whatever a peer sends, and however it is cut, the messages in pieces are those
        that would be whole, and the connection ends in the same way.
        """
        octets = data.draw(streams(MASK if role is Role.SERVER else b""))
        whole = Conversation(role).receive(octets)
        listener = Listener(Conversation(role, streamMessages=True))
        for chunk in data.draw(cuts(octets)):
            listener.receive(chunk)
        self.assertEqual(listener.told, whole)

    @given(st.data(), st.lists(messages | large, max_size=4), transforms())
    def test_wholeToPieces(
        self,
        data: st.DataObject,
        sent: list[str | bytes],
        ends: tuple[list[MessageTransform], list[MessageTransform]],
    ) -> None:
        """
        Whole messages of ours, compressed or not, arrive in pieces as they were.
        """
        ours, theirs = ends
        sender = Conversation(Role.CLIENT, ours)
        for message in sent:
            sender.connection.send(message)
        talk = Conversation(Role.SERVER, theirs, streamMessages=True)
        listener = Listener(talk)
        for chunk in data.draw(cuts(sender.taken())):
            listener.receive(chunk)
        self.assertEqual(listener.told, sent)

    @given(
        st.data(), st.lists(messages | large, max_size=4), transforms(), st.booleans()
    )
    def test_piecesToWhole(
        self,
        data: st.DataObject,
        sent: list[str | bytes],
        ends: tuple[list[MessageTransform], list[MessageTransform]],
        inPieces: bool,
    ) -> None:
        """
        Messages that we send in pieces, between others, arrive as they were: whole, and
        in pieces.
        """
        ours, theirs = ends
        sender = Conversation(Role.SERVER, ours)
        for message in sent:
            if data.draw(st.booleans()):
                sender.connection.send(message)
                continue
            octets = message.encode() if isinstance(message, str) else message
            sender.connection.startMessage(isinstance(message, str))
            for piece in data.draw(cuts(octets)):
                sender.connection.sendFragment(piece, False)
            sender.connection.sendFragment(b"", True)
        talk = Conversation(Role.CLIENT, theirs, streamMessages=inPieces)
        listener = Listener(talk)
        for chunk in data.draw(cuts(sender.taken())):
            listener.receive(chunk)
        self.assertEqual(listener.told, sent)
