# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.outgoing`.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame, FrameReader, ProtocolFailure, encodeFrame
from txwebsocket.wire.outgoing import checkSendableFrame

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10
FIN = 0x80
UNKNOWN = (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)


class CheckOutgoingTests(SynchronousTestCase):
    """
    Tests of which frames may be sent.
    """

    def assertRefused(
        self, words: str, frame: Frame, isSendingFragments: bool = False, bits: int = 0
    ) -> None:
        """
        A frame may not be sent, and these words say why.
        """
        error = self.assertRaises(
            ValueError, checkSendableFrame, frame, isSendingFragments, bits
        )
        self.assertIn(words, str(error))

    def test_allowed(self) -> None:
        """
        Messages, whole or begun; their continuations; pings and pongs anywhere.
        """
        for opcode in (TEXT, BINARY):
            for fin in (True, False):
                checkSendableFrame(Frame(opcode, b"x" * 1000, fin), False, 0)
                checkSendableFrame(Frame(CONTINUATION, b"", fin), True, 0)
        for opcode in (PING, PONG):
            for isWithin in (True, False):
                checkSendableFrame(Frame(opcode, b"x" * 125), isWithin, 0)

    def test_close(self) -> None:
        """
        A close frame has a method of its own, which is named.
        """
        self.assertRefused("close()", Frame(CLOSE))

    def test_unknown(self) -> None:
        """
        An opcode that there is not is named.
        """
        for opcode in UNKNOWN:
            self.assertRefused(f"{opcode} is no opcode", Frame(opcode))

    def test_extensionBits(self) -> None:
        """
        An extension bit may be set if it was agreed on, on a message's first frame.
        """
        for bit in (RSV1, RSV2, RSV3):
            self.assertRefused("agreed", Frame(TEXT, rsv=bit))
            self.assertRefused("agreed", Frame(TEXT, rsv=0x70), bits=0x70 & ~bit)
            checkSendableFrame(Frame(TEXT, rsv=bit), False, bit)
            checkSendableFrame(Frame(BINARY, fin=False, rsv=bit), False, 0x70)
            self.assertRefused("first", Frame(CONTINUATION, rsv=bit), True, 0x70)
            self.assertRefused("first", Frame(PING, rsv=bit), bits=0x70)

    def test_control(self) -> None:
        """
        A ping or pong is in one piece, and short.
        """
        for opcode in (PING, PONG):
            self.assertRefused("fragmented", Frame(opcode, fin=False))
            self.assertRefused("126", Frame(opcode, bytes(126)))

    def test_order(self) -> None:
        """
        Messages don't begin within each other, and nothing continues none.
        """
        for opcode in (TEXT, BINARY):
            for fin in (True, False):
                self.assertRefused("not ended", Frame(opcode, fin=fin), True)
                self.assertRefused("continue", Frame(CONTINUATION, fin=fin), False)

    def test_reader(self) -> None:
        """
        What may be sent is what our own reader takes, of all frames there can be.
        """
        for isWithin in (True, False):
            for opcode in range(16):
                for flags in range(0, 0x100, 0x10):
                    for size in (0, 125, 126):
                        fin, rsv = bool(flags & FIN), flags & 0x70
                        frame = Frame(opcode, bytes(size), fin, rsv)
                        if opcode != CLOSE:
                            self.assertAgreement(frame, isWithin)

    def assertAgreement(self, frame: Frame, isSendingFragments: bool) -> None:
        """
        A frame is refused here if it is refused by the reader.
        """
        flags = FIN * frame.fin | frame.rsv
        octets = encodeFrame(TEXT, b"", b"", 0) if isSendingFragments else b""
        octets += encodeFrame(frame.opcode, frame.payload, b"", flags)
        reader = FrameReader(
            masked=False, maxFrameSize=None, maxMessageSize=2**20, rsv=RSV1, whole=False
        )
        isTaken = not any(
            isinstance(each, ProtocolFailure) for each in reader.feed(octets)
        )
        try:
            checkSendableFrame(frame, isSendingFragments, RSV1)
        except ValueError:
            self.assertFalse(isTaken, frame)
        else:
            self.assertTrue(isTaken, frame)
