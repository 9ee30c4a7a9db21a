# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.outbox`.
"""

import operator

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.outbox import Octets, Outbox


def joined(parts: list[Octets]) -> bytes:
    """
    What a transport would write.
    """
    return b"".join(parts)


class OutboxTests(SynchronousTestCase):
    """
    Tests of :class:`Outbox`.
    """

    def setUp(self) -> None:
        self.outbox = Outbox()

    def takeAll(self, limit: int = 1000) -> bytes:
        """
        All that waits, taken in turns of ``limit`` bytes.
        """
        taken = b""
        while part := joined(self.outbox.take(limit)):
            taken += part
        return taken

    def test_empty(self) -> None:
        """
        At first there is nothing to send.
        """
        self.assertFalse(self.outbox.hasPending())
        self.assertEqual(self.outbox.size, 0)
        self.assertEqual(self.outbox.take(10), [])

    def test_order(self) -> None:
        """
        Frames leave in the order in which they came, with their parts in order.
        """
        self.outbox.put(b"one ")
        self.outbox.putParts((b"head ", b"payload "))
        self.outbox.putParts((b"three",))
        self.assertEqual((self.outbox.size, self.outbox.bytesTaken), (22, 0))
        self.assertTrue(self.outbox.hasPending())
        self.assertEqual(joined(self.outbox.take(100)), b"one head payload three")
        self.assertEqual((self.outbox.size, self.outbox.bytesTaken), (0, 22))
        self.assertFalse(self.outbox.hasPending())

    def test_notCopied(self) -> None:
        """
        What isn't cut leaves as the very object that was put in.
        """
        payload = b"p" * 1000
        self.outbox.putParts((b"h", payload))
        _, view = self.outbox.take(5000)
        self.assertIs(view.obj, payload)

    def test_allAtOnce(self) -> None:
        """
        Small frames that fit leave together, as the very objects that were put in.
        """
        frames = [bytes([number]) * 10 for number in range(20)]
        for frame in frames:
            self.outbox.put(frame)
        taken = self.outbox.take(200)
        self.assertTrue(all(map(operator.is_, taken, frames)))
        self.assertEqual(
            (len(taken), self.outbox.size, self.outbox.bytesTaken), (20, 0, 200)
        )

    def test_putBack(self) -> None:
        """
        What the transport did not take after all leaves first, and counts as waiting.
        """
        self.outbox.put(b"12345")
        self.outbox.putParts((b"head ", b"payload"))
        taken = self.outbox.take(100)
        self.outbox.put(b" next")
        self.outbox.putBack((memoryview(b"".join(taken))[3:10], b"payload"))
        self.assertEqual((self.outbox.size, self.outbox.bytesTaken), (19, 3))
        self.assertEqual(self.takeAll(), b"45head payload next")
        self.assertEqual((self.outbox.size, self.outbox.bytesTaken), (0, 22))

    def test_putBackAndPong(self) -> None:
        """
        A pong does not go inside a frame of which only the rest was put back, but ahead
        of one of which nothing has left.
        """
        for size, expected in ((3, b"me pong next"), (0, b"pong frame next")):
            outbox = self.outbox = Outbox()
            outbox.put(b"frame ")
            outbox.put(b"next")
            [start] = outbox.take(4)
            outbox.putBack([memoryview(start)[size:] if size else start])
            outbox.setPong(b"pong ")
            self.assertEqual(self.takeAll(), expected)

    def test_pingAhead(self) -> None:
        """
        A ping of the keep-alive overtakes the queued frames, but not the rest of one
        that has begun; it stays the only one, and is no message.
        """
        self.outbox.putParts((b"head ", b"payload "))
        self.outbox.put(b"next")
        self.assertEqual(joined(self.outbox.take(5)), b"head ")
        self.outbox.putPingAhead(b"old ping ")
        self.outbox.putPingAhead(b"ping ")
        self.assertEqual((self.outbox.size, self.outbox.messages), (12, 0))
        self.assertEqual(self.takeAll(), b"payload ping next")
        self.assertFalse(self.outbox.hasPending())

    def test_pingAheadAfterFullSocket(self) -> None:
        """
        Of many frames that a full socket has not taken, each can be overtaken.
        """
        for _ in range(3):
            self.outbox.put(b"frame ")
        first, *others = self.outbox.take(100)
        self.outbox.putBack([memoryview(first)[3:], *others])
        self.outbox.putPingAhead(b"ping ")
        self.assertEqual(self.takeAll(), b"me ping frame frame ")

    def test_pingAheadOfLargeFrame(self) -> None:
        """
        Even a large frame can be overtaken, as long as nothing of it has left.
        """
        payload = b"x" * 5000
        self.outbox.put(payload)
        self.outbox.putBack(self.outbox.take(1000))
        self.outbox.putPingAhead(b"ping ")
        self.assertEqual(self.takeAll(), b"ping " + payload)

    def test_pingAheadIsPartOfAPortion(self) -> None:
        """
        A ping that finds no room in one portion is the first of the next.
        """
        self.outbox.put(b"frame ")
        self.outbox.putPingAhead(b"ping ")
        self.assertEqual(joined(self.outbox.take(5)), b"ping ")
        self.assertEqual(self.takeAll(), b"frame ")
        self.outbox.putPingAhead(b"ping ")
        self.assertTrue(self.outbox.hasPending())
        self.assertEqual(self.takeAll(), b"ping ")

    def test_noPingAfterClose(self) -> None:
        """
        No ping follows the close frame, nor goes ahead of it any more.
        """
        self.outbox.putPingAhead(b"ping ")
        self.outbox.putClose(b"close")
        self.outbox.putPingAhead(b"ping ")
        self.assertEqual(self.takeAll(), b"close")

    def test_limit(self) -> None:
        """
        About as much is taken as asked for; a small frame goes whole, beyond the limit.
        """
        for _ in range(5):
            self.outbox.put(b"12345")
        self.assertEqual(joined(self.outbox.take(7)), b"12345" * 2)
        self.assertEqual(self.outbox.size, 15)
        self.assertEqual(joined(self.outbox.take(10)), b"12345" * 2)
        self.assertEqual(joined(self.outbox.take(1)), b"1")
        self.assertEqual(self.outbox.size, 4)

    def test_nothingWanted(self) -> None:
        """
        Whoever has no room takes nothing.
        """
        self.outbox.put(b"12345")
        self.outbox.setPong(b"pong")
        self.assertEqual(self.outbox.take(0), [])
        self.assertEqual(self.outbox.take(-1), [])
        self.assertEqual((self.outbox.size, self.outbox.bytesTaken), (5, 0))

    def test_large(self) -> None:
        """
        A part larger than the limit is taken bit by bit.
        """
        payload = bytes(range(256)) * 10
        self.outbox.putParts((b"head", payload))
        self.outbox.put(b"next")
        taken = b""
        for limit in (10, 100, 2000, 1, 10000):
            turn = joined(self.outbox.take(limit))
            self.assertLess(len(turn), limit * 2)
            taken += turn
            self.assertEqual(self.outbox.size, 2568 - len(taken))
            self.assertEqual(self.outbox.bytesTaken, len(taken))
        self.assertEqual(taken, b"head" + payload + b"next")

    def test_everyLimit(self) -> None:
        """
        Whatever the limit, all arrives in order and nothing is left over.
        """
        for limit in range(1, 60):
            self.outbox.putParts((b"head ", b"payload " * 5))
            self.outbox.put(b"small ")
            self.outbox.putParts((b"head ", b"another"))
            expected = b"head " + b"payload " * 5 + b"small head another"
            self.assertEqual(self.takeAll(limit), expected)
            self.assertEqual(self.outbox.size, 0)
            self.assertFalse(self.outbox.hasPending())

    def test_pongFirst(self) -> None:
        """
        The pong we owe overtakes the frames that wait.
        """
        self.outbox.put(b"waiting")
        self.outbox.setPong(b"pong ")
        self.assertEqual(self.outbox.size, 7)
        self.assertEqual(joined(self.outbox.take(100)), b"pong waiting")
        self.assertEqual(self.outbox.size, 0)

    def test_pongAlone(self) -> None:
        """
        A pong is something to take though nothing else waits, once.
        """
        self.outbox.setPong(b"pong")
        self.assertTrue(self.outbox.hasPending())
        self.assertEqual(self.takeAll(), b"pong")
        self.assertFalse(self.outbox.hasPending())
        self.assertEqual(self.outbox.bytesTaken, 4)

    def test_newestPong(self) -> None:
        """
        However many are owed, only the newest is sent; the others cost nothing.
        """
        for n in range(1000):
            self.outbox.setPong(b"pong %d" % n)
        self.assertEqual(self.outbox.size, 0)
        self.assertEqual(self.takeAll(), b"pong 999")

    def test_pongBetweenFrames(self) -> None:
        """
        A pong waits for the end of a frame that has left in part.
        """
        for taken in range(1, 25):
            outbox = Outbox()
            outbox.putParts((b"head ", b"a long payload "))
            outbox.put(b"next")
            start = joined(outbox.take(taken))
            outbox.setPong(b"pong ")
            rest = joined(outbox.take(1000))
            isWithin = len(start) <= 20
            self.assertEqual(
                start + rest,
                b"head a long payload pong next"
                if isWithin
                else b"head a long payload nextpong ",
            )

    def test_last(self) -> None:
        """
        The close frame is the last: it leaves after what waits, and no pong follows.
        """
        self.outbox.put(b"waiting ")
        self.outbox.setPong(b"early pong ")
        self.outbox.putClose(b"close")
        self.outbox.setPong(b"late pong")
        self.assertEqual(self.outbox.size, 13)
        self.assertEqual(self.takeAll(), b"waiting close")
        self.assertFalse(self.outbox.hasPending())

    def test_clear(self) -> None:
        """
        What waits can be given up, and is told in bytes.
        """
        self.outbox.putParts((b"head", b"payload" * 10))
        self.outbox.put(b"next")
        self.outbox.take(10)
        self.outbox.setPong(b"pong")
        size = self.outbox.size
        self.assertEqual(self.outbox.clear(), size)
        self.assertGreater(size, 0)
        self.assertFalse(self.outbox.hasPending())
        self.assertEqual(self.outbox.take(1000), [])
        self.assertEqual(self.outbox.clear(), 0)
