# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.core.outbox`.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.raw import rawFrame
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame, FrameReader
from txwebsocket.wire.outbox import Outbox

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(max_size=60)),
        st.tuples(st.just("putInParts"), st.binary(max_size=60)),
        st.tuples(st.just("owe"), st.binary(max_size=8)),
        st.tuples(st.just("take"), st.integers(-1, 80)),
    ),
    max_size=20,
)


class OutboxProperties(SynchronousTestCase):
    """
    What holds for an outbox in whatever order it is used.
    """

    @given(steps)
    def test_frames(self, story: list[tuple[str, Any]]) -> None:
        """
        What leaves is whole frames in their order, with the newest pong between them,
        and nothing is lost.
        """
        outbox, sent, taken, pongs = Outbox(), [], [], set()
        for step, value in story:
            if step == "take":
                part = b"".join(outbox.take(value))
                self.assertLess(len(part), max(2 * value, 1))
                taken.append(part)
            elif step == "owe":
                pongs.add(value)
                outbox.setPong(rawFrame(Opcode.PONG, value))
            else:
                sent.append(Frame(Opcode.BINARY, value))
                frame = rawFrame(Opcode.BINARY, value)
                cut = 2 if step == "putInParts" else len(frame)
                outbox.putParts(tuple(filter(None, (frame[:cut], frame[cut:]))))
        taken += iter(lambda: b"".join(outbox.take(1000)), b"")
        data = b"".join(taken)
        frames = self.read(data)
        self.assertEqual(b"".join(rawFrame(*frame[:2]) for frame in frames), data)
        self.assertEqual([f for f in frames if f.opcode != Opcode.PONG], sent)
        found = {frame.payload for frame in frames if frame.opcode == Opcode.PONG}
        self.assertLessEqual(found, pongs)
        self.assertEqual(outbox.size, 0)

    def read(self, data: bytes) -> list[Frame]:
        """
        The frames that a peer finds.
        """
        reader = FrameReader(
            masked=False, maxFrameSize=None, maxMessageSize=1000, whole=False
        )
        return reader.feed(data)
