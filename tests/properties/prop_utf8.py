# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.core.utf8`.
"""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import cuts, texts
from tests.wire.test_utf8 import EDGES, badByte
from txwebsocket.wire.utf8 import Utf8Validator


class Utf8Properties(SynchronousTestCase):
    """
    What holds for a validator whatever it is fed.
    """

    @given(
        st.data(),
        st.lists(
            texts.map(str.encode)
            | st.binary(max_size=4)
            | st.sampled_from(EDGES).map(lambda octet: bytes([octet])),
            max_size=6,
        ).map(b"".join),
    )
    def test_table(self, data: st.DataObject, octets: bytes) -> None:
        """
        It refuses text with the piece that has the first bad byte, and not before.
        """
        bad, isComplete = badByte(octets)
        validator, end = Utf8Validator(), 0
        for piece in data.draw(cuts(octets)):
            end += len(piece)
            isGood = bad is None or bad >= end
            self.assertIs(validator.feed(piece), isGood)
            if not isGood:
                return
        self.assertIs(validator.isComplete(), isComplete)
