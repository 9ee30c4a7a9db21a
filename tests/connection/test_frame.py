# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.frame`.
"""

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.support.raw import MASK, rawFrame, rawHead
from tests.support.splits import everySplit
from txwebsocket.connection.frame import WebSocketFrame
from txwebsocket.wire.codes import CloseCode, Opcode
from txwebsocket.wire.frames import Frame

FLAGS = ("fin", "rsv1", "rsv2", "rsv3")


def read(data: bytes, maxReceivedFrameSize: int | None = None) -> WebSocketFrame:
    """
    Read one frame, which takes all of ``data``.
    """
    frame = WebSocketFrame(maxReceivedFrameSize=maxReceivedFrameSize)
    rest = bytearray(data)
    if not frame.addData(rest) or rest:
        raise ValueError(f"{data!r} is more or less than a frame: {bytes(rest)!r}")
    return frame


def fieldsOf(frame: WebSocketFrame) -> tuple[object, ...]:
    """
    All that a frame is, to compare with.
    """
    return (
        frame.opcode,
        frame.binaryPayload,
        *(getattr(frame, flag) for flag in FLAGS),
        frame.mask,
        frame.closeStatus,
        frame.protocolError,
        frame.frameTooLarge,
        frame.invalidCloseFrameLength,
        frame.dropReason,
    )


class MakingTests(SynchronousTestCase):
    """
    Tests of frames that are made and written.
    """

    def test_defaults(self) -> None:
        """
        A frame is a whole, empty, unmasked text message unless something else is said.
        """
        frame = WebSocketFrame()
        self.assertEqual(frame.toBuffer(), rawFrame(Opcode.TEXT))
        self.assertEqual((frame.length, frame.fin, frame.mask), (0, True, False))

    def test_flags(self) -> None:
        """
        Each of the four flags is a bit of its own, in any combination.
        """
        for values in product((False, True), repeat=4):
            flags = dict(zip(FLAGS, values, strict=True))
            frame = WebSocketFrame(Opcode.BINARY, b"x", **flags)
            fin, rsv1, rsv2, rsv3 = values
            rsv = 0x40 * rsv1 | 0x20 * rsv2 | 0x10 * rsv3
            expected = rawFrame(Opcode.BINARY, b"x", fin=fin, rsv=rsv)
            self.assertEqual(frame.toBuffer(), expected, flags)
            self.assertEqual(frame.toFrame(), Frame(Opcode.BINARY, b"x", fin, rsv))

    def test_lengths(self) -> None:
        """
        A length is written in its shortest form.
        """
        for size in (0, 125, 126, 65535, 65536):
            frame = WebSocketFrame(Opcode.BINARY, bytes(size))
            self.assertEqual(frame.toBuffer(), rawFrame(Opcode.BINARY, bytes(size)))
            self.assertEqual(frame.length, size)

    def test_likeBytes(self) -> None:
        """
        The payload can be anything like bytes, and is the frame's own from then on.
        """
        payload = bytearray(b"abc")
        frame = WebSocketFrame(Opcode.BINARY, payload)
        payload[0] = 0
        self.assertEqual(frame.binaryPayload, b"abc")

    def test_masked(self) -> None:
        """
        A frame with a mask is written with the four bytes given, and keeps its payload
        as it was.
        """
        frame = WebSocketFrame(Opcode.TEXT, b"Hello", mask=True)
        self.assertEqual(
            frame.toBuffer(maskKey=MASK), rawFrame(Opcode.TEXT, b"Hello", mask=MASK)
        )
        self.assertEqual(frame.binaryPayload, b"Hello")

    def test_nullMask(self) -> None:
        """
        With the null mask the payload stays legible, and the frame a client's.
        """
        frame = WebSocketFrame(Opcode.TEXT, b"Hello", mask=True)
        expected = rawHead(Opcode.TEXT, 5, mask=bytes(4)) + b"Hello"
        self.assertEqual(frame.toBuffer(nullMask=True), expected)

    def test_maskMissing(self) -> None:
        """
        A frame that is to be masked is never written without a mask.
        """
        frame = WebSocketFrame(Opcode.TEXT, b"Hello", mask=True)
        for key in (b"", b"abc", b"abcde"):
            error = self.assertRaises(ValueError, frame.toBuffer, maskKey=key)
            self.assertIn(str(len(key)), str(error))

    def test_noMaskNeeded(self) -> None:
        """
        A frame without a mask is written as it is, whatever mask is offered.
        """
        frame = WebSocketFrame(Opcode.TEXT, b"Hello")
        expected = rawFrame(Opcode.TEXT, b"Hello")
        self.assertEqual(frame.toBuffer(maskKey=MASK), expected)
        self.assertEqual(frame.toBuffer(nullMask=True), expected)

    def test_close(self) -> None:
        """
        A close frame has its code in front of its reason, and its length counts both.
        """
        frame = WebSocketFrame(Opcode.CLOSE, b"bye", closeStatus=1000)
        self.assertEqual(frame.toBuffer(), rawFrame(Opcode.CLOSE, b"\x03\xe8bye"))
        self.assertEqual(frame.length, 5)

    def test_closeWithoutStatus(self) -> None:
        """
        A close frame need not have a code.
        """
        frame = WebSocketFrame(Opcode.CLOSE)
        self.assertEqual(frame.toBuffer(), rawFrame(Opcode.CLOSE))
        self.assertEqual(frame.length, 0)

    def test_statusElsewhere(self) -> None:
        """
        Other frames have no code.
        """
        frame = WebSocketFrame(Opcode.TEXT, b"x", closeStatus=1000)
        self.assertEqual(frame.toBuffer(), rawFrame(Opcode.TEXT, b"x"))

    def test_str(self) -> None:
        """
        In a log a frame is one line with what matters, and nothing of its payload.
        """
        frame = WebSocketFrame(Opcode.TEXT, b"secret", fin=False, mask=True)
        self.assertEqual(
            str(frame),
            "Opcode: 1, fin: False, length: 6, hasPayload: True, masked: True",
        )
        self.assertEqual(
            str(WebSocketFrame(Opcode.PING)),
            "Opcode: 9, fin: True, length: 0, hasPayload: False, masked: False",
        )


class ReadingTests(SynchronousTestCase):
    """
    Tests of frames that are read.
    """

    def assertFails(
        self, data: bytes, told: str, maxReceivedFrameSize: int | None = None
    ) -> WebSocketFrame:
        """
        These bytes are no good frame, which shows at every split and is explained.
        """
        frame = WebSocketFrame(maxReceivedFrameSize=maxReceivedFrameSize)
        self.assertTrue(frame.addData(bytearray(data)))
        self.assertIn(told, frame.dropReason or "")
        for pieces in everySplit(data):
            other = WebSocketFrame(maxReceivedFrameSize=maxReceivedFrameSize)
            self.assertIn(True, [other.addData(bytearray(piece)) for piece in pieces])
            self.assertEqual(fieldsOf(other), fieldsOf(frame))
        return frame

    def test_everySplit(self) -> None:
        """
        A frame is the same however it arrives, and the bytes behind it stay.
        """
        for data in (
            rawFrame(Opcode.TEXT, b"Hello"),
            rawFrame(Opcode.TEXT, b"Hello", mask=MASK),
            rawFrame(Opcode.BINARY, bytes(range(200)), mask=MASK),
            rawFrame(Opcode.BINARY),
            rawFrame(Opcode.BINARY, mask=MASK),
            rawFrame(Opcode.CONTINUATION, b"x", fin=False, rsv=0),
            rawFrame(Opcode.CLOSE, b"\x03\xe8bye", mask=MASK),
            rawFrame(Opcode.PING, b"?"),
        ):
            whole = fieldsOf(read(data))
            for pieces in everySplit(data):
                frame = WebSocketFrame()
                buffer = bytearray()
                for piece in pieces:
                    self.assertFalse(frame.addData(buffer))
                    self.assertFalse(buffer, "what belongs to the frame is removed")
                    buffer += piece
                buffer += b"\x81\x00"
                self.assertTrue(frame.addData(buffer))
                self.assertEqual(buffer, b"\x81\x00")
                self.assertEqual(fieldsOf(frame), whole)

    def test_nothing(self) -> None:
        """
        Without data there is no frame yet, and no failure.
        """
        frame = WebSocketFrame()
        self.assertFalse(frame.addData(bytearray()))
        self.assertFalse(frame.protocolError or frame.frameTooLarge)
        self.assertFalse(frame.invalidCloseFrameLength)
        self.assertIsNone(frame.dropReason)

    def test_sequence(self) -> None:
        """
        One buffer can hold many frames; each takes its own.
        """
        payloads = [b"", b"a", b"b" * 126, b"c" * 70000]
        buffer = bytearray(
            b"".join(rawFrame(Opcode.BINARY, p, mask=MASK) for p in payloads)
        )
        found = []
        while buffer:
            frame = WebSocketFrame()
            self.assertTrue(frame.addData(buffer))
            found.append(frame.binaryPayload)
        self.assertEqual(found, payloads)

    def test_readBack(self) -> None:
        """
        What is written is read back the same, with any flags, masked or not.
        """
        for values in product((False, True), repeat=5):
            *flags, mask = values
            made = WebSocketFrame(
                Opcode.BINARY,
                b"payload",
                **dict(zip(FLAGS, flags, strict=True)),
                mask=mask,
            )
            found = read(made.toBuffer(maskKey=MASK))
            self.assertEqual(fieldsOf(found), fieldsOf(made))

    def test_readBackClose(self) -> None:
        """
        A close frame is read back with its code and its reason apart.
        """
        for made in (
            WebSocketFrame(Opcode.CLOSE),
            WebSocketFrame(Opcode.CLOSE, closeStatus=1000),
            WebSocketFrame(Opcode.CLOSE, "tschüss".encode(), closeStatus=4999),
            WebSocketFrame(Opcode.CLOSE, b"x" * 123, closeStatus=1011, mask=True),
        ):
            found = read(made.toBuffer(maskKey=MASK))
            self.assertEqual(fieldsOf(found), fieldsOf(made))

    def test_lone(self) -> None:
        """
        A frame is read by itself: it may continue a message that is not there, and end
        inside a character.
        """
        for data in (
            rawFrame(Opcode.CONTINUATION, b"x"),
            rawFrame(Opcode.CONTINUATION, b"\x80", fin=False),
            rawFrame(Opcode.TEXT, b"\xe2\x82", fin=False),
            rawFrame(Opcode.TEXT, b"\xff"),
            rawFrame(Opcode.CONTINUATION, b"\xa9", mask=MASK),
        ):
            for pieces in everySplit(data):
                frame = WebSocketFrame()
                done = [frame.addData(bytearray(piece)) for piece in pieces]
                self.assertEqual(done.index(True), len(done) - 1)
                self.assertIsNone(frame.dropReason)

    def test_brokenRules(self) -> None:
        """
        A frame that breaks a rule is told from a whole one, with the reason.
        """
        for data, told in {
            b"\x83\x00": "opcode 3",
            b"\x8b\x00": "opcode 11",
            b"\x09\x00": "fragmented",
            b"\xc9\x00": "extension bit",
            b"\x89\x7e\x00\x7e": "125 bytes",
            b"\x82\x7e\x00\x7d": "shortest form",
            b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff": "shortest form",
            b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00": "highest bit",
        }.items():
            frame = self.assertFails(data, told)
            self.assertTrue(frame.protocolError)
            self.assertFalse(frame.frameTooLarge)
            self.assertFalse(frame.invalidCloseFrameLength)

    def test_tooLarge(self) -> None:
        """
        A frame above the limit is told by its head, before its payload is there.
        """
        for size in (11, 126, 65536, 2**62):
            data = rawHead(Opcode.BINARY, size, mask=MASK)
            frame = self.assertFails(data, "maxReceivedFrameSize", 10)
            self.assertTrue(frame.frameTooLarge)
            self.assertFalse(frame.protocolError)

    def test_withinLimit(self) -> None:
        """
        A frame may be as large as the limit, and without one as large as it likes.
        """
        data = rawFrame(Opcode.BINARY, bytes(10))
        self.assertIsNone(read(data, maxReceivedFrameSize=10).dropReason)
        data = rawFrame(Opcode.BINARY, bytes(2**20))
        self.assertEqual(read(data).length, 2**20)

    def test_halfCloseCode(self) -> None:
        """
        A close frame with one byte has half a code, which has a flag of its own.
        """
        frame = self.assertFails(rawFrame(Opcode.CLOSE, b"\x03"), "half a code")
        self.assertTrue(frame.invalidCloseFrameLength)

    def test_halfCloseCodeIsNone(self) -> None:
        """
        Half a code is no code: ``closeStatus`` is None, and the byte can still be
        looked at, and written again.
        """
        for mask in (b"", MASK):
            data = rawFrame(Opcode.CLOSE, b"\x03", mask=mask)
            frame = read(data)
            self.assertIsNone(frame.closeStatus)
            self.assertEqual((frame.binaryPayload, frame.length), (b"\x03", 1))
            self.assertEqual(frame.toBuffer(maskKey=mask), data)

    def test_badCloses(self) -> None:
        """
        A close frame with a code that can't be sent, or a reason that is not UTF-8,
        breaks a rule; what it said can still be looked at.
        """
        for payload, status, reason in (
            (b"\x03\xed", CloseCode.NOT_PROVIDED, b""),
            (b"\x03\xeegone", CloseCode.ABNORMAL, b"gone"),
            (b"\x00\x00", 0, b""),
            (b"\xff\xff", 65535, b""),
            (b"\x03\xe8\xff", 1000, b"\xff"),
        ):
            frame = self.assertFails(rawFrame(Opcode.CLOSE, payload), "")
            self.assertTrue(frame.protocolError, payload)
            self.assertTrue(frame.dropReason)
            self.assertFalse(frame.invalidCloseFrameLength)
            self.assertEqual((frame.closeStatus, frame.binaryPayload), (status, reason))

    def test_doneOnce(self) -> None:
        """
        A frame that is whole, or can't be, stays so, and takes no more data.
        """
        for data in (b"\x81\x01a", b"\x83\x00", b"\x88\x01\x03"):
            frame = WebSocketFrame()
            frame.addData(bytearray(data))
            before = fieldsOf(frame)
            more = bytearray(b"\x82\x01b")
            self.assertTrue(frame.addData(more), data)
            self.assertEqual(more, b"\x82\x01b")
            self.assertEqual(fieldsOf(frame), before)


class FromFrameTests(SynchronousTestCase):
    """
    Tests of :meth:`WebSocketFrame.fromFrame` and :meth:`WebSocketFrame.toFrame`.
    """

    def test_there(self) -> None:
        """
        What ``frameReceived`` is given shows the frame that arrived.
        """
        frame = WebSocketFrame.fromFrame(Frame(Opcode.TEXT, b"x", False, 0x50))
        self.assertEqual(
            (frame.opcode, frame.binaryPayload, frame.fin), (Opcode.TEXT, b"x", False)
        )
        self.assertEqual((frame.rsv1, frame.rsv2, frame.rsv3), (True, False, True))

    def test_andBack(self) -> None:
        """
        It can be sent on as it is.
        """
        for frame in (
            Frame(Opcode.CONTINUATION, b"x", False),
            Frame(Opcode.BINARY, b"", True, 0x70),
            Frame(Opcode.CLOSE, b"\x03\xe8bye"),
            Frame(Opcode.CLOSE),
        ):
            self.assertEqual(WebSocketFrame.fromFrame(frame).toFrame(), frame)
