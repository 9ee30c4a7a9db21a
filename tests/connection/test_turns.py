# Part of txwebsocket. See LICENSE for details.
"""
Tests of loops that are made of callbacks, and of many waiting receivers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder
from txwebsocket import ConnectionClosed, Opcode
from txwebsocket.connection.receivequeue import ReceiveQueue
from txwebsocket.connection.turns import TurnLimit, WorkLimit, succeedFlat
from txwebsocket.wire.codes import Role
from txwebsocket.wire.messages import WORK_PER_TURN, MessageDecoder

STREAMED = (False, True)
MANY = 1000


def deeper(levels: int, call: Callable[[], Any]) -> Any:
    """
    Call something from as deep in the stack.
    """
    return deeper(levels - 1, call) if levels else call()


class TurnLimitTests(SynchronousTestCase):
    """
    Tests of :class:`TurnLimit`.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        self.clock = Clock()
        self.told: list[bool] = []
        self.limit = TurnLimit(self.clock)

    def allows(self) -> bool:
        """
        Ask it.
        """
        return self.limit.allows(lambda: self.told.append(self.limit.isResting))

    def test_flat(self) -> None:
        """
        However many results there are, each may be given while the stack is flat.
        """
        self.assertTrue(all(self.allows() for _ in range(MANY)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_deep(self) -> None:
        """
        Where it is deep the next turn is waited for, once, and nothing allowed until
        then.
        """
        allowed = deeper(sys.getrecursionlimit() // 2, self.allows)
        self.assertFalse(allowed)
        self.assertFalse(self.allows())
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual(self.told, [False])
        self.assertTrue(self.allows())


class Loop:
    """
    Takes one result after the other, each in the callback of the one before.

    :ivar results: the results so far.
    :ivar isOver: whether there are no more.
    """

    def __init__(self, take: Callable[[], Deferred[Any]]) -> None:
        self.results: list[Any] = []
        self.isOver = False
        self._take = take
        self._next(None)

    def _next(self, _: object) -> None:
        self._take().addCallbacks(self._got, self._ended)

    def _got(self, result: Any) -> None:
        self.results.append(result)
        if result != "":
            self._next(None)

    def _ended(self, failure: Any) -> None:
        failure.trap(ConnectionClosed)
        self.isOver = True


class LoopTests(SynchronousTestCase):
    """
    Tests of loops that are made of callbacks.
    """

    def numbers(self) -> list[str]:
        """
        Many tiny messages.
        """
        return [str(number) for number in range(MANY)]

    def test_receive(self) -> None:
        """
        Such a loop over ``receive()`` takes thousands of tiny messages, in their order,
        and the end, be it there before them or not.
        """
        for role in Role:
            for isStreamed in STREAMED:
                for isFirst in (True, False):
                    ends = Ends(role=role, streamMessages=isStreamed)
                    if isFirst:
                        loop = Loop(ends.connection.receive)
                    ends.peer.sendText(*self.numbers())
                    if not isFirst:
                        loop = Loop(ends.connection.receive)
                    ends.peer.turn()
                    self.assertEqual(loop.results, self.numbers())
                    self.assertFalse(ends.link.isDispatching)
                    ends.peer.sendText("more")
                    ends.peer.vanish()
                    self.assertEqual(loop.results[-1], "more")
                    self.assertTrue(loop.isOver)

    def test_afterEnd(self) -> None:
        """
        So does one that begins when the connection has ended.
        """
        for isStreamed in STREAMED:
            ends = Ends(streamMessages=isStreamed)
            ends.peer.arrive(b"".join(map(ends.peer.text, self.numbers())))
            ends.transport.lose(ConnectionDone())
            loop = Loop(ends.connection.receive)
            ends.peer.turn()
            self.assertEqual(loop.results, self.numbers())
            self.assertTrue(loop.isOver)

    def test_nextMessage(self) -> None:
        """
        So does one over ``receiveStream()``.
        """
        ends = Ends(streamMessages=True)
        ends.peer.sendText(*self.numbers())
        loop = Loop(
            lambda: ends.connection.receiveStream().addCallback(lambda it: it.whole())
        )
        ends.peer.turn()
        self.assertEqual(loop.results, self.numbers())
        self.assertFalse(ends.link.isDispatching)

    def test_read(self) -> None:
        """
        So does one over the pieces of a message.
        """
        ends = Ends(streamMessages=True)
        peer = ends.peer
        peer.send(peer.frame(Opcode.TEXT, b"x", fin=False))
        peer.send(peer.frame(Opcode.CONTINUATION, b"x", fin=False) * MANY)
        message = self.successResultOf(ends.connection.receiveStream())
        loop = Loop(message.read)
        ends.peer.turn()
        self.assertEqual(loop.results, ["x"] * (MANY + 1))
        peer.send(peer.frame(Opcode.CONTINUATION, b"y"))
        self.assertEqual(loop.results[-2:], ["y", ""])

    def test_readInHook(self) -> None:
        """
        And one in callback style.
        """
        ends = Ends(application := Reading(), streamMessages=True)
        peer = ends.peer
        peer.send(peer.frame(Opcode.TEXT, b"x", fin=False))
        peer.send(peer.frame(Opcode.CONTINUATION, b"x", fin=False) * MANY)
        peer.send(peer.frame(Opcode.CONTINUATION, b"y"))
        [loop] = application.loops
        self.assertEqual(loop.results, ["x"] * (MANY + 1) + ["y", ""])
        self.assertFalse(ends.link.isDispatching)


class SendingTests(SynchronousTestCase):
    """
    Tests of loops of callbacks that send.
    """

    def send(self, wait: Callable[[Ends], Deferred[None]]) -> None:
        """
        Send many messages, each in the callback of the one before.
        """
        for role in Role:
            ends = Ends(role=role)
            left = list(range(MANY))

            def sendNext(_: object, ends: Ends = ends, left: list[int] = left) -> None:
                if left:
                    left.pop()
                    wait(ends).addCallback(sendNext)

            sendNext(None)
            ends.peer.turn()
            self.assertEqual(left, [])
            sent = b"".join(frame.payload for frame in ends.peer.frames())
            self.assertEqual(sent, b"x" * MANY)

    def test_drained(self) -> None:
        """
        A loop over ``drained()`` sends thousands of tiny messages.
        """

        def wait(ends: Ends) -> Deferred[None]:
            ends.connection.send("x")
            return ends.connection.drained()

        self.send(wait)

    def test_flushed(self) -> None:
        """
        So does one over ``flushed()``.
        """

        def wait(ends: Ends) -> Deferred[None]:
            ends.connection.send("x")
            return ends.connection.flushed()

        self.send(wait)

    def test_sendPieces(self) -> None:
        """
        So does one over ``sendPieces()``.
        """
        self.send(lambda ends: ends.connection.sendPieces(["x"]))

    def test_cancelled(self) -> None:
        """
        What waits for the next turn can be cancelled.
        """
        clock = Clock()
        depth = sys.getrecursionlimit() // 2
        waiting = deeper(depth, lambda: succeedFlat(clock))
        self.assertNoResult(waiting)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(clock.getDelayedCalls(), [])


class Reading(Recorder):
    """
    Reads each message in a loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loops: list[Loop] = []

    def messageStarted(self, message: Any) -> Any:
        """
        Begin to read.
        """
        self.loops.append(Loop(message.read))
        return Deferred()


class WaitingTests(SynchronousTestCase):
    """
    Tests of many receivers of one connection.
    """

    def check(self, waiting: list[Deferred[Any]], ends: Ends) -> None:
        """
        Have one message come, and the end.
        """
        ends.peer.sendText("first")
        ends.peer.vanish()
        ends.peer.turn()
        self.successResultOf(waiting.pop(0))
        for each in waiting:
            self.failureResultOf(each, ConnectionClosed)
        self.assertFalse(ends.link.isDispatching)

    def test_receive(self) -> None:
        """
        Each of many waiting receivers is told of the end.
        """
        for role in Role:
            for isStreamed in STREAMED:
                ends = Ends(role=role, streamMessages=isStreamed)
                receive = ends.connection.receive
                self.check([receive() for _ in range(MANY)], ends)

    def test_nextMessage(self) -> None:
        """
        So it is with messages in pieces.
        """
        ends = Ends(streamMessages=True)
        self.check([ends.connection.receiveStream() for _ in range(MANY)], ends)

    def test_messages(self) -> None:
        """
        Each is given a message, if there are as many.
        """
        for isStreamed in STREAMED:
            ends = Ends(streamMessages=isStreamed)
            waiting = [ends.connection.receive() for _ in range(MANY)]
            numbers = list(map(str, range(MANY)))
            ends.peer.sendText(*numbers)
            received = [self.successResultOf(each) for each in waiting]
            self.assertEqual(received, numbers)


class InboxTests(SynchronousTestCase):
    """
    Tests of an inbox whose loop goes on in a later turn.
    """

    def setUp(self) -> None:
        """
        Fill one, and ask it from deep in the stack.
        """
        self.clock = Clock()
        self.receiveQueue = ReceiveQueue(100, lambda: None, lambda: None, self.clock)
        self.receiveQueue.put("a")
        self.receiveQueue.put("b")
        depth = sys.getrecursionlimit() // 2
        self.first = deeper(depth, self.receiveQueue.receive)
        self.assertNoResult(self.first)

    def test_order(self) -> None:
        """
        Queued messages go to the first receiver first, and later ones after that.
        """
        second = self.receiveQueue.receive()
        self.receiveQueue.put("c")
        third = self.receiveQueue.receive()
        self.clock.advance(0)
        received = [self.successResultOf(it) for it in (self.first, second, third)]
        self.assertEqual(received, ["a", "b", "c"])

    def test_cancelled(self) -> None:
        """
        Cancelling it loses no message.
        """
        self.first.cancel()
        self.failureResultOf(self.first)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(self.receiveQueue.receive()), "a")

    def test_ended(self) -> None:
        """
        At the end queued messages are given first.
        """
        rest = [self.receiveQueue.receive(), self.receiveQueue.receive()]
        self.receiveQueue.end(EOFError)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(self.first), "a")
        self.assertEqual(self.successResultOf(rest[0]), "b")
        self.failureResultOf(rest[1], EOFError)


class WorkLimitTests(SynchronousTestCase):
    """
    Tests of the bound for decoding.
    """

    def test_turns(self) -> None:
        """
        When more is done than a turn allows, each that asks is called in the next one,
        once, and the count begins anew.
        """
        clock, calls = Clock(), []
        decoder = MessageDecoder([], 2**20)
        limit = WorkLimit(clock, decoder)
        first, second = (lambda: calls.append("1")), (lambda: calls.append("2"))
        self.assertFalse(limit.isReached(first))
        decoder.note(WORK_PER_TURN + 1)
        for _ in range(2):
            self.assertTrue(limit.isReached(first))
            self.assertTrue(limit.isReached(second))
        self.assertEqual(calls, [])
        clock.advance(0)
        self.assertEqual(calls, ["1", "2"])
        self.assertFalse(limit.isReached(first))
        self.assertEqual(clock.getDelayedCalls(), [])
