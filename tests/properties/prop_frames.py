# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.core.frames`, and of its native twin where there is one.
"""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import cuts, masks, messages, streams
from tests.support.raw import MASK
from tests.support.twins import TWINS
from tests.wire.test_frames import typed
from tests.wire.test_utf8 import badByte
from txwebsocket.wire import frames
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame, ProtocolFailure, ReaderItem
from txwebsocket.wire.messages import MessageAssembler, fragment


def read(pieces: Iterable[bytes], twin=frames, **options: int) -> list[ReaderItem]:
    """
    All that a new reader finds in these pieces.
    """
    options = {"maxFrameSize": 150, "maxMessageSize": 1000, **options}
    reader = twin.FrameReader(**options)
    return [item for piece in pieces for item in reader.feed(piece)]


class FrameProperties(SynchronousTestCase):
    """
    What holds for readers whatever they are fed.
    """

    @given(st.data(), st.lists(messages, max_size=6), st.integers(1, 150), masks)
    def test_roundTrip(
        self, data: st.DataObject, sent: list[str | bytes], size: int, mask: bytes
    ) -> None:
        """
        Messages arrive as they were sent, however they are fragmented, masked and cut.
        """
        for key in (b"", mask):
            octets = b"".join(
                frames.encodeFrame(opcode, payload, key, flags)
                for message in sent
                for opcode, payload, flags in framed(message, size)
            )
            pieces = data.draw(cuts(octets))
            for twin in TWINS:
                items = read(pieces, twin, masked=bool(key))
                self.assertEqual(joined(items), sent)

    @given(st.data(), st.booleans(), st.sampled_from([0, 0x40]), st.booleans())
    def test_everyCut(
        self, data: st.DataObject, masked: bool, rsv: int, whole: bool
    ) -> None:
        """
        Whatever arrives, lawful or not, is found the same however it is cut, by both
        twins, and nothing raises.
        """
        octets = data.draw(streams(MASK if masked else b""))
        pieces = data.draw(cuts(octets))
        options = {"masked": masked, "rsv": rsv, "whole": whole}
        expected = typed(read([octets], **options))
        for twin in TWINS:
            self.assertEqual(typed(read(pieces, twin, **options)), expected)
            self.assertEqual(typed(read([octets], twin, **options)), expected)

    @given(st.data(), st.booleans())
    def test_lawful(self, data: st.DataObject, masked: bool) -> None:
        """
        What a reader finds never breaks a rule, and a failure is the last thing found.
        """
        octets = data.draw(streams(MASK if masked else b""))
        open_ = 0
        items = read([octets], masked=masked)
        for item in items:
            if isinstance(item, ProtocolFailure):
                self.assertIs(item, items[-1])
                self.assertIn(item.code, (1002, 1007, 1009))
            elif isinstance(item, str | bytes):
                self.assertEqual(open_, 0)
                self.assertLessEqual(len(item), 150)
            elif item.opcode >= Opcode.CLOSE:
                self.assertTrue(item.fin and len(item.payload) <= 125)
            else:
                self.assertIs(item.opcode == Opcode.CONTINUATION, bool(open_))
                open_ = 0 if item.fin else 1

    @given(st.data(), st.binary(max_size=30), st.integers(0, 30))
    def test_text(self, data: st.DataObject, payload: bytes, cut: int) -> None:
        """
        Text is taken just where the table of RFC 3629 takes it, in fragments or whole.
        """
        bad, isComplete = badByte(payload)
        isText = bad is None and isComplete
        for octets in (
            frames.encodeFrame(Opcode.TEXT, payload),
            frames.encodeFrame(Opcode.TEXT, payload[:cut], flags=0)
            + frames.encodeFrame(Opcode.CONTINUATION, payload[cut:]),
        ):
            for twin in TWINS:
                items = read(data.draw(cuts(octets)), twin, masked=False)
                failed = [
                    item.code for item in items if isinstance(item, ProtocolFailure)
                ]
                self.assertEqual(failed, [] if isText else [1007])
                if isText:
                    self.assertEqual(joined(items), [payload.decode()])


def framed(message: str | bytes, size: int) -> Iterable[tuple[int, bytes, int]]:
    """
    The frames of a message, with at most ``size`` bytes in each.
    """
    if isinstance(message, str):
        return fragment(Opcode.TEXT, message.encode(), size)
    return fragment(Opcode.BINARY, message, size)


def joined(items: list[ReaderItem]) -> list[ReaderItem]:
    """
    The messages of which a reader found these.
    """
    assembler = MessageAssembler()
    found: list[ReaderItem] = []
    for item in items:
        message = assembler.add(item) if isinstance(item, Frame) else item
        if isinstance(message, Frame):
            isText = message.opcode == Opcode.TEXT
            message = message.payload.decode() if isText else message.payload
        if message is not None:
            found.append(message)
    return found
