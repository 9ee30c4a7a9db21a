# Part of txwebsocket. See LICENSE for details.
"""
Tests of the queue of received messages in callback style. Connections that use it are
tested in ``test_busy``.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import Deflate, ExtensionHeader, Opcode, ServerConfig
from txwebsocket.connection.backlog import Backlog
from txwebsocket.connection.receivequeue import MAX_MESSAGES
from txwebsocket.wire.config import messageLimit
from txwebsocket.wire.extensions import acceptOffers
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.messages import MessageDecoder


class BacklogTests(SynchronousTestCase):
    def make(self, **options: Any) -> Backlog:
        """
        One that is empty.
        """
        [agreement] = acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])
        self.transform = agreement.transform
        config = ServerConfig(**options)
        decoder = MessageDecoder([self.transform], messageLimit(config))
        return Backlog(config, decoder)

    def test_order(self) -> None:
        """
        Messages come out in their order and in their types.
        """
        backlog = self.make()
        self.assertFalse(backlog)
        backlog.put("a")
        backlog.put(Frame(Opcode.BINARY, b"b"))
        backlog.put(Frame(Opcode.TEXT, b"c"))
        backlog.put(b"d")
        self.assertEqual(len(backlog), 4)
        taken = [backlog.take() for _ in range(4)]
        self.assertEqual(taken, ["a", b"b", "c", b"d"])

    def test_inflated(self) -> None:
        """
        A compressed message is inflated when it is taken, or gives a failure.
        """
        backlog = self.make(maxReceivedMessageSize=1000)
        for size in (1000, 1001):
            data = self.transform.encode(b"x" * size) or b""
            backlog.put(Frame(Opcode.BINARY, data, rsv=0x40))
        self.assertFalse(backlog.isFull)
        self.assertEqual(backlog.take(), b"x" * 1000)
        failure = backlog.take()
        self.assertIsInstance(failure, ProtocolFailure)
        self.assertIn("larger than 1000", str(failure))

    def test_messages(self) -> None:
        """
        It is full when there are 16.
        """
        backlog = self.make()
        for number in range(MAX_MESSAGES):
            self.assertFalse(backlog.isFull)
            backlog.put(str(number))
        self.assertTrue(backlog.isFull)
        backlog.take()
        self.assertFalse(backlog.isFull)

    def test_bytes(self) -> None:
        """
        It is full when there are as many bytes as a message may have.
        """
        backlog = self.make(maxReceivedMessageSize=10)
        backlog.put(Frame(Opcode.BINARY, b"12345"))
        backlog.put("€")
        self.assertFalse(backlog.isFull)
        backlog.put(b"90")
        self.assertTrue(backlog.isFull)
        backlog.take()
        self.assertFalse(backlog.isFull)

    def test_frames(self) -> None:
        """
        Frames that are to be delivered themselves come out as they are.
        """
        backlog = self.make(assembleFragments=False)
        frame = Frame(Opcode.CONTINUATION, b"a", False)
        backlog.put(frame)
        self.assertEqual(backlog.take(), frame)

    def test_clear(self) -> None:
        """
        Cleared messages are counted, fragments left out.
        """
        backlog = self.make(assembleFragments=False)
        backlog.put(Frame(Opcode.TEXT, b"a", False))
        backlog.put(Frame(Opcode.CONTINUATION, b"b"))
        backlog.put(Frame(Opcode.TEXT, b"c"))
        self.assertEqual(backlog.clear(), 2)
        self.assertFalse(backlog)
        self.assertEqual(backlog.clear(), 0)
