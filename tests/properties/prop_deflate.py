# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.core.deflate` and of connections that compress.
"""

from collections.abc import Iterable
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import cuts, messages
from tests.support.conversation import Conversation
from tests.support.twins import TWINS, using
from txwebsocket.wire.codes import Role
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.deflate import Deflate
from txwebsocket.wire.extensions import NegotiatedExtension, acceptOffers, checkAnswers
from txwebsocket.wire.grammar import formatExtensions, parseExtensions

settings = st.builds(
    Deflate,
    serverMaxWindowBits=st.integers(9, 15),
    clientMaxWindowBits=st.integers(9, 15),
    serverNoContextTakeover=st.booleans(),
    clientNoContextTakeover=st.booleans(),
    level=st.integers(1, 9),
    memLevel=st.integers(1, 9),
    minSize=st.sampled_from([0, 1, 64]),
)
fragments = st.none() | st.integers(1, 200)
longer = messages | st.builds(
    lambda piece, times: piece * times, messages, st.integers(1, 60)
)


def connect(
    role: Role, agreed: Iterable[NegotiatedExtension], size: int | None
) -> Connection:
    """
    An end of a connection that compresses, and sends fragments of this size.
    """
    transforms = [agreement.transform for agreement in agreed]
    return Conversation(
        role,
        transforms,
        fragmentOutgoingMessages=size is not None,
        fragmentationThreshold=size or 1,
    ).connection


def taken(connection: Connection) -> bytes:
    """
    All that is to be sent.
    """
    return b"".join(iter(lambda: b"".join(connection.outbox.take(500)), b""))


class DeflateProperties(SynchronousTestCase):
    """
    What holds for compression however it was negotiated.
    """

    @given(
        st.data(),
        settings,
        settings,
        st.lists(st.tuples(st.sampled_from(Role), longer), max_size=8),
        fragments,
        st.sampled_from(TWINS),
    )
    def test_roundTrip(
        self,
        data: st.DataObject,
        server: Deflate,
        client: Deflate,
        sent: list[tuple[Role, str | bytes]],
        size: int | None,
        twin: ModuleType,
    ) -> None:
        """
        Messages arrive as they were sent, whatever was agreed on, however they are
        fragmented and cut, in both directions.
        """
        offers = parseExtensions([formatExtensions(client.offers()).encode()])
        accepted = acceptOffers([server], offers)
        answers = [agreement.extension for agreement in accepted]
        agreed = checkAnswers([client], answers)
        with using(twin):
            ends = {
                Role.SERVER: connect(Role.SERVER, accepted, size),
                Role.CLIENT: connect(Role.CLIENT, agreed, size),
            }
            for role, message in sent:
                ends[role].send(message)
                stream = taken(ends[role])
                [peer] = [end for other, end in ends.items() if other is not role]
                for piece in data.draw(cuts(stream)):
                    peer.receive(piece)
                self.assertEqual(peer.nextEvent(), message)
                self.assertIsNone(peer.nextEvent())
