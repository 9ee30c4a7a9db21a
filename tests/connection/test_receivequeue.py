# Part of txwebsocket. See LICENSE for details.
"""
Tests of the queue between a connection and ``receive()``.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.connection.receivequeue import MAX_MESSAGES, ReceiveQueue


class InboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Make a queue that holds up to 100 bytes.
        """
        self.told: list[tuple[str, bool]] = []
        self.receiveQueue = ReceiveQueue(
            100, lambda: self.note("full"), lambda: self.note("room")
        )

    def note(self, what: str) -> None:
        """
        Note what is told, and what the queue says of itself at that moment.
        """
        self.told.append((what, self.receiveQueue.isFull))

    def fill(self, *messages: str | bytes) -> None:
        """
        Put some messages.
        """
        for message in messages:
            self.receiveQueue.put(message)

    def test_order(self) -> None:
        """
        Messages are received in the order they came, empty ones too.
        """
        self.fill("a", b"", "", b"b")
        received = [self.successResultOf(self.receiveQueue.receive()) for _ in range(4)]
        self.assertEqual(received, ["a", b"", "", b"b"])

    def test_waiters(self) -> None:
        """
        Those who wait are served in the order they came, one message each.
        """
        first, second = self.receiveQueue.receive(), self.receiveQueue.receive()
        self.assertNoResult(first)
        self.receiveQueue.put("a")
        self.assertEqual(self.successResultOf(first), "a")
        self.assertNoResult(second)
        self.receiveQueue.put("b")
        self.assertEqual(self.successResultOf(second), "b")

    def test_waiterTakesDirectly(self) -> None:
        """
        A message for which somebody waits takes no room in the queue.
        """
        waiting = self.receiveQueue.receive()
        self.receiveQueue.put(b"x" * 1000)
        self.assertFalse(self.receiveQueue.isFull)
        self.assertEqual(self.successResultOf(waiting), b"x" * 1000)

    def test_cancel(self) -> None:
        """
        Cancelling a receive() loses no message: the next one to ask gets it.
        """
        cancelled, patient = self.receiveQueue.receive(), self.receiveQueue.receive()
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.receiveQueue.put("kept")
        self.assertEqual(self.successResultOf(patient), "kept")

    def test_cancelAll(self) -> None:
        """
        After all receive() were cancelled, messages wait in the queue again.
        """
        cancelled = self.receiveQueue.receive()
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.receiveQueue.put("kept")
        self.assertEqual(self.successResultOf(self.receiveQueue.receive()), "kept")

    def test_fullOfMessages(self) -> None:
        """
        The queue is full with 16 messages, and has room again when one is taken.
        """
        self.fill(*["x"] * (MAX_MESSAGES - 1))
        self.assertFalse(self.receiveQueue.isFull)
        self.receiveQueue.put("x")
        self.assertEqual((MAX_MESSAGES, self.receiveQueue.isFull), (16, True))
        self.assertEqual(self.told, [("full", True)])
        self.successResultOf(self.receiveQueue.receive())
        self.assertEqual(self.told, [("full", True), ("room", False)])

    def test_fullOfBytes(self) -> None:
        """
        The queue is full when it holds as many bytes as one message may have.
        """
        self.fill(b"x" * 60, b"\xff" * 39)
        self.assertEqual((self.receiveQueue.isFull, self.told), (False, []))
        self.receiveQueue.put(b"x")
        self.assertEqual(
            (self.receiveQueue.isFull, self.told), (True, [("full", True)])
        )

    def test_bytesOfText(self) -> None:
        """
        Text counts with its bytes, not with its characters.
        """
        self.fill("\N{SNOWMAN}" * 33)
        self.assertFalse(self.receiveQueue.isFull)
        self.receiveQueue.put("x")
        self.assertTrue(self.receiveQueue.isFull)
        self.successResultOf(self.receiveQueue.receive())
        self.assertEqual(self.told[1:], [("room", False)])
        self.fill("x" * 98)
        self.assertFalse(self.receiveQueue.isFull)

    def test_roomIsToldOnce(self) -> None:
        """
        Reading goes on as soon as there is room, which is told once and not for each
        message taken.
        """
        self.fill(*["x"] * 20)
        self.told.clear()
        room = ("room", False)
        for expected in ([], [], [], [], [room], [room]):
            self.successResultOf(self.receiveQueue.receive())
            self.assertEqual(self.told, expected)

    def test_end(self) -> None:
        """
        What was received before the end can still be taken; then comes an error, for
        whoever asks, and each time another: one that was raised keeps what it has
        passed through.
        """
        self.receiveQueue.put("last")
        self.receiveQueue.end(EOFError)
        self.assertEqual(self.successResultOf(self.receiveQueue.receive()), "last")
        first, second = [
            self.failureResultOf(self.receiveQueue.receive(), EOFError)
            for _ in range(2)
        ]
        self.assertIsNot(first.value, second.value)

    def test_endForWaiters(self) -> None:
        """
        Whoever waits when the connection ends is told so.
        """
        waiting = [self.receiveQueue.receive(), self.receiveQueue.receive()]
        self.receiveQueue.end(EOFError)
        for each in waiting:
            self.failureResultOf(each, EOFError)

    def test_endMeetsNewWaiter(self) -> None:
        """
        Somebody who asks again while being told of the end is told again.
        """
        again = self.receiveQueue.receive().addErrback(
            lambda _: self.receiveQueue.receive()
        )
        self.receiveQueue.end(EOFError)
        self.failureResultOf(again, EOFError)
