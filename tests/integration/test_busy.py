# Part of txwebsocket. See LICENSE for details.
"""
Tests of connections whose hook of a message has not finished: a part of those in
``test_link``.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder, close, pong, text
from txwebsocket import (
    CloseCause,
    Deflate,
    ExtensionHeader,
    Opcode,
    State,
    WebSocketProtocol,
    WebSocketRequest,
)
from txwebsocket.connection.dispatch import LAST_HOOK
from txwebsocket.connection.receivequeue import MAX_MESSAGES
from txwebsocket.testing import MemorySite, MemoryTLSTransport, MemoryTransport
from txwebsocket.wire.codes import Role
from txwebsocket.wire.extensions import NegotiatedExtension, acceptOffers

KIB = 1024
MIB = 1024 * KIB
WORDS = b"again and again " * 100
STREAMED = (False, True)


class OddError(Exception):
    """
    An application's own error.
    """


class Busy(Recorder):
    """
    An application whose hooks finish when a test permits it.

    :ivar permits: the result of each hook that has not finished.
    """

    def __init__(self) -> None:
        super().__init__()
        self.permits: list[Deferred[None]] = []

    def textMessageReceived(self, message: str) -> Any:
        """
        Write it down, and wait.
        """
        super().textMessageReceived(message)
        return self._wait()

    def bytesMessageReceived(self, data: bytes) -> Any:
        """
        Write it down, and wait.
        """
        super().bytesMessageReceived(data)
        return self._wait()

    def frameReceived(self, frame: Any) -> Any:
        """
        Write it down, and wait.
        """
        super().frameReceived(frame)
        return self._wait()

    def _wait(self) -> Deferred[None]:
        self.permits.append(Deferred())
        return self.permits[-1]

    def permit(self) -> None:
        """
        Have the oldest hook finish.
        """
        self.permits.pop(0).callback(None)


def agreed() -> list[NegotiatedExtension]:
    """
    Compression, as a server has agreed to it.
    """
    return acceptOffers([Deflate()], [ExtensionHeader("permessage-deflate")])


def everyEnd(**options: Any) -> Iterator[tuple[Busy, Ends]]:
    """
    Busy connections in both roles, over TCP and TLS, with messages whole and in pieces.
    """
    kinds = (MemoryTransport, MemoryTLSTransport)
    for role, kind, isStreamed in product(Role, kinds, STREAMED):
        application = Busy()
        ends = Ends(
            application,
            role=role,
            transport=kind(Clock()),
            streamMessages=isStreamed,
            **options,
        )
        yield application, ends


class BusyTestCase(SynchronousTestCase):
    """
    Helps tests of busy connections.
    """

    def lines(self) -> list[str]:
        """
        The reasons that the log gives from now on for unanswered pings.
        """
        found: list[str] = []

        def observe(event: Any) -> None:
            if "can't be answered" in (event.get("log_format") or ""):
                found.append(event["reason"])

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return found


class ReadingOnTests(BusyTestCase):
    """
    Tests of data received while a hook runs.
    """

    def test_longHook(self) -> None:
        """
        With the defaults on both ends, a hook may take longer than a peer waits for a
        pong, and its answer arrives.
        """

        def accept(request: WebSocketRequest, application: object) -> None:
            request.accept(application=application)

        class Slow(WebSocketProtocol):
            async def textMessageReceived(self, message: str) -> None:
                await deferLater(site.clock, 95)
                self.connection.send(message.upper())

        for isServer in (True, False):
            slow, other = Slow(), Recorder()
            served, client = (slow, other) if isServer else (other, slow)
            site = MemorySite(partial(accept, application=served))
            connection = self.successResultOf(site.connect(application=client))
            other.connection.send("question")
            site.advance(100)
            self.assertEqual(other.messages, ["QUESTION"])
            self.assertTrue(connection.connected)

    def test_pings(self) -> None:
        """
        Pings are answered at once, also those behind messages that wait.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a", "b")
            ends.peer.ping(b"1")
            ends.peer.sendText("c")
            ends.peer.ping(b"2")
            self.assertEqual(ends.peer.frames(), [pong(b"1"), pong(b"2")])
            self.assertEqual(application.messages, ["a"])
            self.assertIn(("ping", b"2"), application.told)
            self.assertTrue(ends.transport.isReading)

    def test_pongs(self) -> None:
        """
        Pongs are noticed, so that a hook can wait for one.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a", "b")
            answered = ends.connection.ping(b"?")
            ends.peer.pong(b"?")
            self.assertEqual(self.successResultOf(answered), 0)
            self.assertIn(("pong", b"?"), application.told)

    def test_close(self) -> None:
        """
        A close is noticed and answered, and connectionLost called.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a")
            ends.peer.sendClose(4000, "enough")
            self.assertEqual(ends.peer.frames(), [close(4000, "enough")])
            self.assertFalse(ends.connection.connected)
            ends.peer.end()
            self.assertEqual(application.report.receivedCode, 4000)
            self.assertTrue(application.report.wasClean)
            application.permit()
            self.assertEqual(application.told[-1], "lost")

    def test_brokenRule(self) -> None:
        """
        So is a broken rule.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a")
            ends.peer.send(ends.peer.frame(3))
            [frame] = ends.peer.frames()
            self.assertEqual(frame, close(1002, "opcode 3 is unknown"))
            ends.peer.end()
            self.assertIs(application.report.cause, CloseCause.PEER_FAULT)

    def test_silence(self) -> None:
        """
        A peer that is gone is noticed as ever, since it is read from.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a")
            ends.peer.waitLong(31)
            self.assertIs(application.report.cause, CloseCause.KEEPALIVE_TIMEOUT)

    def test_order(self) -> None:
        """
        Messages are delivered in their order, one at a time, however they came.
        """
        for application, ends in everyEnd():
            peer = ends.peer
            peer.send(
                peer.text("a")
                + peer.frame(Opcode.TEXT, b"b", fin=False)
                + peer.frame(Opcode.PING, b"?")
                + peer.frame(Opcode.CONTINUATION, b"c")
            )
            peer.sendBytes(b"d")
            peer.send(peer.frame(Opcode.TEXT, b"e", fin=False))
            expected: list[Any] = ["a", "bc", b"d"]
            for count in (1, 2, 3):
                self.assertEqual(application.messages, expected[:count])
                application.permit()
            self.assertEqual(ends.connection.traffic.messagesReceived, 3)
            peer.send(peer.frame(Opcode.CONTINUATION, b"f"))
            self.assertEqual(application.messages, [*expected, "ef"])

    def test_opening(self) -> None:
        """
        No message comes before negotiationFinished is done, whatever else is returned
        meanwhile; pings are answered.
        """

        class Preparing(Busy):
            def negotiationFinished(self) -> Any:
                return opening

            def pingReceived(self, payload: bytes) -> Any:
                return pinging

        for number, isStreamed in product((1, 3), STREAMED):
            opening: Deferred[None] = Deferred()
            pinging: Deferred[None] = Deferred()
            application = Preparing()
            ends = Ends(
                application, concurrentMessages=number, streamMessages=isStreamed
            )
            ends.peer.sendText("a")
            ends.peer.ping(b"?")
            pinging.callback(None)
            self.assertEqual(ends.peer.frames(), [pong(b"?")])
            self.assertEqual(application.messages, [])
            opening.callback(None)
            self.assertEqual(application.messages, ["a"])

    def test_concurrent(self) -> None:
        """
        With ``concurrentMessages``, as many hooks run at a time, and the others
        follow one by one as these are done.
        """
        for application, ends in everyEnd(concurrentMessages=3):
            ends.peer.sendText(*"abcdef")
            self.assertEqual(application.messages, list("abc"))
            application.permits.pop(1).callback(None)
            self.assertEqual(application.messages, list("abcd"))
            for _ in range(3):
                application.permit()
            self.assertEqual(application.messages, list("abcdef"))
            self.assertTrue(ends.transport.isReading)

    def test_permittedByPing(self) -> None:
        """
        If a ping has the running hook finish, queued messages follow at once.
        """

        class Permitting(Busy):
            def pingReceived(self, payload: bytes) -> bool | None:
                self.permit()
                return super().pingReceived(payload)

        for isStreamed in STREAMED:
            application = Permitting()
            ends = Ends(application, streamMessages=isStreamed)
            ends.peer.sendText("a", "b", "c")
            ends.peer.ping(b"1")
            self.assertEqual(application.messages, ["a", "b"])
            peer = ends.peer
            peer.send(peer.text("d") + peer.frame(Opcode.PING) + peer.text("e"))
            self.assertEqual(application.messages, ["a", "b", "c"])

    def test_failing(self) -> None:
        """
        If the hook fails, the connection is closed with 1011, and queued messages are
        counted and not delivered.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a", "b", "c")
            application.permits[0].errback(OddError())
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
            self.assertEqual(ends.peer.frames(), [close(1011)])
            ends.peer.end()
            self.assertEqual(application.messages, ["a"])
            self.assertEqual(application.report.messagesDiscarded, 2)

    def test_closing(self) -> None:
        """
        An application that closes meanwhile, or drops the connection, is told nothing
        more; queued messages are counted.
        """
        for isDropped in (False, True):
            for application, ends in everyEnd():
                ends.peer.sendText("a", "b", "c")
                if isDropped:
                    ends.connection.drop(skipCloseFrame=True)
                else:
                    ends.connection.close()
                    ends.peer.sendClose()
                ends.peer.end()
                self.assertEqual(application.report.messagesDiscarded, 2)
                application.permit()
                self.assertEqual(application.messages, ["a"])


class BoundTests(BusyTestCase):
    """
    Tests of the queue's bounds.
    """

    def test_messages(self) -> None:
        """
        When 16 messages wait the peer is read from no further, and the log says once
        that its pings can't be answered; when one is taken that goes on.
        """
        lines = self.lines()
        for number, (application, ends) in enumerate(everyEnd(), 1):
            messages = [str(each) for each in range(40)]
            ends.peer.sendText(messages[0])
            ends.peer.sendText(*messages[1:MAX_MESSAGES])
            self.assertTrue(ends.transport.isReading)
            self.assertEqual(len(lines), number - 1)
            ends.peer.sendText(messages[MAX_MESSAGES])
            self.assertFalse(ends.transport.isReading)
            ends.peer.sendText(*messages[MAX_MESSAGES + 1 :])
            ends.peer.ping(b"?")
            self.assertEqual(ends.peer.frames(), [])
            for _ in messages:
                application.permit()
                ends.peer.turn()
            self.assertEqual(application.messages, messages)
            self.assertEqual(ends.peer.frames(), [pong(b"?")])
            self.assertTrue(ends.transport.isReading)
            self.assertEqual(len(lines), number)

    def test_inSegment(self) -> None:
        """
        The bound holds within one segment, too.
        """
        for application, ends in everyEnd():
            ends.peer.sendText(*map(str, range(400)))
            self.assertFalse(ends.transport.isReading)
            for _ in range(399):
                application.permit()
            ends.peer.turn()
            self.assertEqual(application.messages, list(map(str, range(400))))

    def test_bytes(self) -> None:
        """
        At most as many bytes wait as one message may have, and one more message.
        """
        for isStreamed in STREAMED:
            application = Busy()
            options: dict[str, Any] = {"maxReceivedMessageSize": 100 * KIB}
            ends = Ends(application, streamMessages=isStreamed, **options)
            ends.peer.sendBytes(b"first")
            for _ in range(10):
                ends.peer.sendBytes(bytes(60 * KIB))
            self.assertFalse(ends.transport.isReading)
            self.assertLess(ends.connection.traffic.bytesReceived, 200 * KIB)
            for _ in range(11):
                application.permit()
                ends.peer.turn()
            self.assertEqual(len(application.messages), 11)

    def test_text(self) -> None:
        """
        Text is counted in bytes of UTF-8.
        """
        ends = Ends(Busy(), maxReceivedMessageSize=KIB)
        ends.peer.sendText("a", "€" * 300)
        self.assertTrue(ends.transport.isReading)
        ends.peer.sendText("€" * 42)
        self.assertFalse(ends.transport.isReading)

    def test_compressed(self) -> None:
        """
        Queued messages are not inflated: messages that are small on the wire stay so
        until it is their turn.
        """
        theirs = agreed()
        application = Busy()
        ends = Ends(application, agreed=agreed())
        ends.peer.sendText("busy")
        frames = b""
        for _ in range(10):
            data = theirs[0].transform.encode(bytes(MIB - 1)) or b""
            frames += ends.peer.frame(Opcode.BINARY, data, rsv=0x40)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        ends.peer.send(frames)
        self.assertLess(tracemalloc.get_traced_memory()[1], MIB // 2)
        self.assertTrue(ends.transport.isReading)
        for _ in range(10):
            application.told.clear()
            application.permit()
            ends.peer.turn()
            self.assertEqual(application.messages, [bytes(MIB - 1)])

    def test_compressedAndClosed(self) -> None:
        """
        They can be inflated also after the peer has closed. A corrupt one is not
        delivered then, and nothing behind it.
        """
        theirs = agreed()
        application = Busy()
        ends = Ends(application, agreed=agreed())
        ends.peer.sendText("busy")
        for _ in range(2):
            data = theirs[0].transform.encode(WORDS) or b""
            ends.peer.send(ends.peer.frame(Opcode.BINARY, data, rsv=0x40))
        ends.peer.send(ends.peer.frame(Opcode.BINARY, b"\xff" * 9, rsv=0x40))
        ends.peer.sendText("behind it")
        ends.peer.sendClose()
        for _ in range(3):
            application.permit()
        self.assertEqual(application.messages, ["busy", WORDS, WORDS])
        self.assertEqual(application.told[-1], "lost")

    def test_corrupt(self) -> None:
        """
        A message that turns out to be corrupt when it is its turn ends the connection.
        """
        application = Busy()
        ends = Ends(application, agreed=agreed())
        ends.peer.sendText("busy")
        ends.peer.send(ends.peer.frame(Opcode.BINARY, b"\xff" * 9, rsv=0x40))
        ends.peer.sendText("behind it")
        application.permit()
        [frame] = ends.peer.frames()
        self.assertEqual(frame.payload[:2], (1007).to_bytes(2, "big"))
        ends.peer.end()
        self.assertEqual(application.messages, ["busy"])
        self.assertEqual(application.report.messagesDiscarded, 1)

    def test_fragments(self) -> None:
        """
        A fragment that waits costs its bytes and nothing else.
        """
        application = Busy()
        ends = Ends(application)
        ends.peer.sendText("busy")
        tiny = ends.peer.frame(Opcode.CONTINUATION, b"x", fin=False) * 1000
        ends.peer.send(ends.peer.frame(Opcode.TEXT, b"x", fin=False))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(50):
            ends.peer.send(tiny)
        held, _ = tracemalloc.get_traced_memory()
        self.assertLess(held, 150 * KIB)
        ends.peer.send(ends.peer.frame(Opcode.CONTINUATION, b"y"))
        application.permit()
        self.assertEqual(application.messages, ["busy", "x" * 50001 + "y"])

    def test_frames(self) -> None:
        """
        Where each frame is delivered, 16 of them may wait.
        """
        application = Busy()
        ends = Ends(application, assembleFragments=False)
        ends.peer.send(ends.peer.frame(Opcode.TEXT, b"0", fin=False))
        for number in range(1, 40):
            payload = str(number).encode()
            ends.peer.send(ends.peer.frame(Opcode.CONTINUATION, payload, fin=False))
            self.assertEqual(ends.transport.isReading, number < MAX_MESSAGES)
        for _ in range(40):
            application.permit()
            ends.peer.turn()
        frames = [event[1] for event in application.told if event[0] == "frame"]
        payloads = [frame.payload for frame in frames]
        self.assertEqual(payloads, [str(number).encode() for number in range(40)])
        self.assertTrue(ends.transport.isReading)
        self.assertEqual(ends.connection.traffic.messagesReceived, 0)

    def test_pause(self) -> None:
        """
        A connection that is paused by hand does not read, and the log says once that
        pings can't be answered.
        """
        lines = self.lines()
        for application, ends in everyEnd():
            lines.clear()
            ends.peer.sendText("a", "b")
            ends.connection.pause()
            ends.peer.ping(b"?")
            self.assertFalse(ends.transport.isReading)
            application.permit()
            self.assertEqual(ends.peer.frames(), [])
            self.assertEqual(application.messages, ["a"])
            ends.connection.resume()
            ends.peer.turn()
            self.assertEqual(application.messages, ["a", "b"])
            self.assertEqual(ends.peer.frames(), [pong(b"?")])
            ends.connection.pause()
            self.assertEqual(lines, ["it is paused"])

    def test_pausedBefore(self) -> None:
        """
        So it does for an application that pauses before the connection is open.
        """
        lines = self.lines()
        ends = Ends(Busy(), openIt=False)
        ends.connection.pause()
        ends.link.opened()
        self.assertFalse(ends.transport.isReading)
        self.assertEqual(lines, ["it is paused"])

    def test_pulled(self) -> None:
        """
        So it does in pull style, if the application does not receive.
        """
        lines = self.lines()
        ends = Ends()
        ends.peer.sendText(*"abcdefghijklmnopqrstuvwxyz")
        ends.connection.pause()
        self.assertEqual(lines, ["its queue of received messages is full"])

    def test_closingIsNoPause(self) -> None:
        """
        A connection that is closing reads, whatever it is paused for.
        """
        lines = self.lines()
        for _, ends in everyEnd():
            ends.connection.close()
            ends.connection.pause()
            self.assertTrue(ends.transport.isReading)
        self.assertEqual(lines, [])

    def test_stalledPeer(self) -> None:
        """
        A server does not read from a peer that does not read, however busy it is.
        """
        application = Busy()
        ends = Ends(application)
        ends.peer.sendText("a")
        ends.peer.stall()
        ends.connection.send(bytes(200 * KIB))
        self.assertFalse(ends.transport.isReading)
        ends.peer.sendText("b")
        application.permit()
        self.assertEqual(application.messages, ["a"])
        ends.peer.goOn()
        self.assertEqual(application.messages, ["a", "b"])


class PingTests(BusyTestCase):
    """
    Tests of hooks of pings and pongs that take their time.
    """

    class Choosy(Busy):
        """
        Its hooks of pings and pongs finish when a test lets them.
        """

        def __init__(self) -> None:
            super().__init__()
            self.thoughts: list[Deferred[Any]] = []

        def pingReceived(self, payload: bytes) -> Any:
            super().pingReceived(payload)
            self.thoughts.append(Deferred())
            return self.thoughts[-1]

        def pongReceived(self, payload: bytes) -> Any:
            super().pongReceived(payload)
            self.thoughts.append(Deferred())
            return self.thoughts[-1]

    def test_oneAtATime(self) -> None:
        """
        While the hook of one ping runs the next ping waits, with all data behind it,
        also if a message's hook runs; pings can't pile up.
        """
        for isStreamed in STREAMED:
            application = self.Choosy()
            ends = Ends(application, streamMessages=isStreamed)
            ends.peer.sendText("a")
            for payload in (b"1", b"2", b"3"):
                ends.peer.ping(payload)
            ends.peer.sendText("b")
            self.assertEqual(len(application.thoughts), 1)
            self.assertFalse(ends.transport.isReading)
            for answer in (True, False, None):
                application.thoughts.pop(0).callback(answer)
                ends.peer.turn()
            self.assertEqual(ends.peer.frames(), [pong(b"1"), pong(b"3")])
            self.assertTrue(ends.transport.isReading)
            self.assertEqual(application.messages, ["a"])
            application.permit()
            self.assertEqual(application.messages, ["a", "b"])

    def test_messageWaits(self) -> None:
        """
        The next message waits for a ping as well, and a close does not.
        """
        application = self.Choosy()
        ends = Ends(application)
        ends.peer.sendText("a")
        ends.peer.ping(b"1")
        ends.peer.sendText("b")
        application.permit()
        self.assertEqual(application.messages, ["a"])
        ends.peer.sendClose(4001)
        self.assertEqual(ends.peer.frames(), [close(4001)])
        application.thoughts[0].callback(None)
        self.assertEqual(application.messages, ["a", "b"])

    def test_pongs(self) -> None:
        """
        The same holds for pongs.
        """
        application = self.Choosy()
        ends = Ends(application)
        ends.peer.sendText("a")
        for _ in range(100):
            ends.peer.pong(b"unasked")
        self.assertEqual(len(application.thoughts), 1)

    def test_failing(self) -> None:
        """
        If such a hook fails, that closes the connection, and no other one is called.
        """
        application = self.Choosy()
        ends = Ends(application)
        ends.peer.sendText("a")
        ends.peer.ping(b"1")
        ends.peer.ping(b"2")
        application.thoughts[0].errback(OddError())
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        self.assertEqual(len(application.thoughts), 1)

    def test_closing(self) -> None:
        """
        A connection that closes meanwhile ends in time.
        """
        application = self.Choosy()
        ends = Ends(application)
        for payload in (b"1", b"2", b"3"):
            ends.peer.ping(payload)
        closed = ends.connection.close()
        ends.peer.ping(b"4")
        ends.peer.sendClose()
        self.assertTrue(self.successResultOf(closed).wasClean)


class EndTests(BusyTestCase):
    """
    Tests of connections that end while messages are queued.
    """

    def connect(self) -> Iterator[tuple[Busy, Ends]]:
        """
        Connections with one message whose hook runs, and two queued ones.
        """
        for application, ends in everyEnd():
            ends.peer.sendText("a", "b", "c")
            yield application, ends

    def assertFollows(self, application: Busy, ends: Ends) -> None:
        """
        Check that queued messages are delivered, and the end told after that.
        """
        self.assertIs(ends.connection.state, State.CLOSED)
        self.successResultOf(ends.connection.whenClosed())
        for expected in ("ab", "abc"):
            self.assertEqual(application.lost, [])
            application.permit()
            self.assertEqual(application.messages, list(expected))
        self.assertEqual(application.told[-1], "lost")
        self.assertEqual(application.report.messagesDiscarded, 0)
        self.assertEqual(ends.clock.getDelayedCalls(), [])
        application.permit()
        self.assertEqual(len(application.lost), 1)

    def test_closed(self) -> None:
        """
        Messages that a peer has sent before its close frame are delivered after that,
        and connectionLost is called last.
        """
        for application, ends in self.connect():
            ends.peer.sendClose(4002)
            self.assertEqual(ends.peer.frames(), [close(4002)])
            ends.peer.end()
            self.assertFollows(application, ends)

    def test_ended(self) -> None:
        """
        So it is if the peer ends the transport in an orderly way, without a close
        frame.
        """
        for application, ends in self.connect():
            ends.peer.end()
            self.assertFollows(application, ends)

    def test_endedWhileFull(self) -> None:
        """
        So it is if the end comes with more than may wait, as over TLS.
        """
        for role in Role:
            application = Busy()
            ends = Ends(application, role=role)
            messages = [str(number) for number in range(60)]
            ends.peer.arrive(b"".join(map(ends.peer.text, messages)))
            self.assertFalse(ends.transport.isReading)
            ends.transport.lose(ConnectionDone())
            for number in range(59):
                self.assertEqual(len(application.messages), number + 1)
                application.permit()
            self.assertEqual(application.messages, messages)
            self.assertEqual(application.told[-1], "lost")

    def test_broken(self) -> None:
        """
        If the connection breaks, connectionLost is called at once, and queued messages
        are counted and not delivered.
        """
        for application, ends in self.connect():
            ends.peer.vanish()
            self.assertEqual(application.told[-1], "lost")
            self.assertEqual(application.report.messagesDiscarded, 2)
            application.permit()
            self.assertEqual(application.messages, ["a"])

    def test_paused(self) -> None:
        """
        So it is for an application that has paused.
        """
        for application, ends in self.connect():
            ends.connection.pause()
            ends.transport.lose(ConnectionDone())
            self.assertEqual(application.told[-1], "lost")
            self.assertEqual(application.report.messagesDiscarded, 2)
            self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_sending(self) -> None:
        """
        An answer is too late then, which is no fault: the rest follows.
        """

        class Answering(Busy):
            async def textMessageReceived(self, message: str) -> None:
                await super().textMessageReceived(message)
                self.connection.send(message)

        for isStreamed in STREAMED:
            application = Answering()
            ends = Ends(application, streamMessages=isStreamed)
            ends.peer.sendText("a", "b", "c")
            ends.peer.sendClose()
            for _ in range(3):
                application.permit()
            self.assertEqual(application.messages, ["a", "b", "c"])
            self.assertEqual(application.told[-1], "lost")
            self.assertEqual(ends.peer.frames(), [close()])

    def test_failing(self) -> None:
        """
        If a hook fails then, that is logged, nothing more is delivered, and the end is
        told.
        """
        for application, ends in self.connect():
            ends.peer.sendClose()
            ends.peer.end()
            application.permits.pop(0).errback(OddError())
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
            self.assertEqual(application.messages, ["a"])
            self.assertEqual(application.told[-1], "lost")
            self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_closingThen(self) -> None:
        """
        If the application closes then, no more messages are delivered.
        """
        for application, ends in self.connect():
            ends.peer.sendClose()
            ends.peer.end()
            ends.connection.close()
            application.permit()
            self.assertEqual(application.messages, ["a"])
            self.assertEqual(application.told[-1], "lost")

    def test_dropped(self) -> None:
        """
        Messages that are discarded, since the application drops the connection or ends
        it without a close frame, are counted, be they queued or not yet.
        """
        ways: list[tuple[str, tuple[Any, ...]]] = [
            ("drop", ()),
            ("drop", (1000, "", True)),
            ("closeWithoutFrame", ()),
        ]
        for isPaused, (name, arguments) in product((True, False), ways):
            for application, ends in self.connect():
                if isPaused:
                    ends.connection.pause()
                    ends.peer.arrive(ends.peer.text("d"))
                getattr(ends.connection, name)(*arguments)
                application.permit()
                ends.peer.turn()
                ends.peer.end()
                self.assertEqual(application.messages, ["a"])
                self.assertEqual(application.report.messagesDiscarded, 2 + isPaused)

    def test_neverDone(self) -> None:
        """
        A hook that is not over after a minute is not waited for any longer; each
        message has that time.
        """
        for application, ends in self.connect():
            ends.peer.sendClose()
            ends.peer.end()
            ends.clock.advance(LAST_HOOK - 1)
            application.permit()
            ends.clock.advance(LAST_HOOK - 1)
            self.assertEqual(application.lost, [])
            ends.clock.advance(1)
            self.assertEqual(application.told[-1], "lost")
            application.permit()
            self.assertEqual(application.messages, ["a", "b"])
            self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_failingAtOnce(self) -> None:
        """
        An exception for a message that came with the end is logged as ever.
        """

        class Failing(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                raise OddError

            def messageStarted(self, message: Any) -> None:
                super().textMessageReceived("started")
                raise OddError

        for role, isStreamed in product(Role, STREAMED):
            early = b"".join(map(Ends(role=role).peer.text, "ab"))
            application = Failing()
            ends = Ends(application, role=role, early=early, streamMessages=isStreamed)
            ends.transport.lose(ConnectionDone())
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
            self.assertEqual(len(application.messages), 1)
            self.assertEqual(application.told[-1], "lost")

    def test_lostWithinHook(self) -> None:
        """
        If the transport is lost within a hook, queued messages follow all the same.
        """

        class ClosingHandshake(Busy):
            def pingReceived(self, payload: bytes) -> bool | None:
                ends.transport.lose(ConnectionDone())
                return super().pingReceived(payload)

        for isStreamed in STREAMED:
            application = ClosingHandshake()
            ends = Ends(application, streamMessages=isStreamed)
            ends.peer.sendText("a", "b")
            ends.peer.ping(b"?")
            self.assertEqual(application.lost, [])
            application.permit()
            ends.clock.advance(0)
            self.assertEqual(application.messages, ["a", "b"])
            self.assertEqual(application.told[-1], "lost")

    def test_endIsTold(self) -> None:
        """
        A server's listener hears of the end when it comes.
        """
        ended: list[Any] = []
        application = Busy()
        ends = Ends(application)
        ends.connection.whenClosed().addCallback(ended.append)
        ends.peer.sendText("a", "b")
        ends.peer.sendClose()
        self.assertEqual(ended, [ends.connection.closeReport])
        self.assertEqual(application.lost, [])


class AfterCloseTests(BusyTestCase):
    """
    Tests of ``deliverAfterClose``.
    """

    def test_callbacks(self) -> None:
        """
        Messages that arrive after our close are delivered, in order and one at a time,
        until the peer's close frame; so are messages that were queued before.
        """
        for application, ends in everyEnd(deliverAfterClose=True):
            ends.peer.sendText("a", "b")
            closed = ends.connection.close()
            ends.peer.sendText("c")
            ends.peer.send(ends.peer.text("d") + ends.peer.close())
            ends.peer.send(ends.peer.text("too late"))
            ends.peer.end()
            report = self.successResultOf(closed)
            self.assertTrue(report.wasClean)
            self.assertEqual(report.messagesDiscarded, 0)
            for count in range(1, 4):
                self.assertEqual(application.messages, list("abcd")[:count])
                application.permit()
            self.assertEqual(application.messages, list("abcd"))
            self.assertEqual(application.told[-1], "lost")

    def test_notBusy(self) -> None:
        """
        So are those whose hooks finish at once.
        """

        class Closing(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                self.connection.close()

        for role in Role:
            application = Closing()
            ends = Ends(application, role=role, deliverAfterClose=True)
            ends.peer.sendText("a", "b")
            ends.peer.sendText("c")
            ends.peer.sendClose()
            ends.peer.end()
            self.assertEqual(application.messages, ["a", "b", "c"])
            self.assertEqual(application.report.messagesDiscarded, 0)
            self.assertEqual(ends.connection.traffic.messagesReceived, 3)

    def test_pulled(self) -> None:
        """
        In pull style they can be received.
        """
        for role, isStreamed in product(Role, STREAMED):
            ends = Ends(role=role, streamMessages=isStreamed, deliverAfterClose=True)
            ends.peer.sendText("a")
            ends.connection.close()
            ends.peer.sendText("b")
            ends.peer.sendClose()
            ends.peer.end()
            for expected in "ab":
                received = self.successResultOf(ends.connection.receive())
                self.assertEqual(received, expected)

    def test_frames(self) -> None:
        """
        Where each frame is delivered, these are.
        """
        application = Recorder()
        ends = Ends(application, assembleFragments=False, deliverAfterClose=True)
        ends.connection.close()
        ends.peer.sendText("a")
        self.assertEqual(application.told[-1], ("frame", text("a")))

    def test_off(self) -> None:
        """
        By default they are counted.
        """
        for application, ends in everyEnd():
            ends.connection.close()
            ends.peer.sendText("a")
            ends.peer.sendClose()
            ends.peer.end()
            self.assertEqual(application.messages, [])
            self.assertEqual(application.report.messagesDiscarded, 1)

    def test_bounded(self) -> None:
        """
        The queue is bounded as before, and the close has its deadline: an application
        that takes no messages may miss the peer's close frame.
        """
        for application, ends in everyEnd(deliverAfterClose=True):
            closed = ends.connection.close()
            ends.peer.sendText(*map(str, range(100)))
            ends.peer.sendText("unread")
            self.assertFalse(ends.transport.isReading)
            ends.peer.sendClose()
            ends.peer.waitLong(10)
            report = self.successResultOf(closed)
            self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)
            self.assertEqual(application.messages, ["0"])

    def test_dropped(self) -> None:
        """
        drop() still ends it at once.
        """
        for application, ends in everyEnd(deliverAfterClose=True):
            ends.connection.drop()
            ends.peer.sendText("a")
            ends.peer.end()
            self.assertEqual(application.messages, [])


class EarlyTests(BusyTestCase):
    """
    Tests of messages that came with the handshake.
    """

    def early(self, role: Role) -> bytes:
        """
        Some, in the peer's frames.
        """
        peer = Ends(role=role).peer
        return (
            peer.text("a")
            + peer.frame(Opcode.PING, b"?")
            + peer.frame(Opcode.BINARY, b"b", fin=False)
            + peer.frame(Opcode.CONTINUATION, b"c")
        )

    def test_closed(self) -> None:
        """
        An application that closes in the same turn is told of them all the same, and of
        the end after that.
        """

        class Hasty(Recorder):
            def negotiationFinished(self) -> None:
                self.connection.close(4000)

        for role, isStreamed, isWithin in product(Role, STREAMED, (True, False)):
            application = Hasty() if isWithin else Recorder()
            ends = Ends(
                application,
                role=role,
                early=self.early(role),
                streamMessages=isStreamed,
            )
            if not isWithin:
                ends.connection.close(4000)
            self.assertEqual(application.messages, [])
            ends.peer.sendText("too late")
            self.assertEqual(application.messages, ["a", b"bc"])
            self.assertEqual(ends.peer.frames(), [close(4000)])
            ends.peer.sendClose()
            ends.peer.end()
            self.assertEqual(application.told[-1], "lost")
            self.assertEqual(application.report.messagesDiscarded, 1)

    def test_closedTwice(self) -> None:
        """
        So it is if it closes twice, as a handler does that closes and returns.
        """
        for role, isStreamed in product(Role, STREAMED):
            application = Recorder()
            early = self.early(role)
            ends = Ends(application, role=role, early=early, streamMessages=isStreamed)
            ends.connection.close(4000)
            ends.connection.close()
            ends.peer.sendClose()
            ends.peer.end()
            self.assertEqual(application.messages, ["a", b"bc"])
            self.assertEqual(application.report.messagesDiscarded, 0)

    def test_closedWithoutFrame(self) -> None:
        """
        So it is with ``closeWithoutFrame()``, in both styles.
        """
        for role, isStreamed in product(Role, STREAMED):
            application = Recorder()
            early = self.early(role)
            ends = Ends(application, role=role, early=early, streamMessages=isStreamed)
            pulled = Ends(role=role, early=early, streamMessages=isStreamed)
            for each in (ends, pulled):
                each.connection.closeWithoutFrame()
                each.peer.end()
            self.assertEqual(application.messages, ["a", b"bc"])
            self.assertEqual(application.told[-1], "lost")
            for message in ("a", b"bc"):
                received = self.successResultOf(pulled.connection.receive())
                self.assertEqual(received, message)

    def test_busy(self) -> None:
        """
        They are delivered one at a time, also then.
        """
        for role, isStreamed in product(Role, STREAMED):
            application = Busy()
            ends = Ends(
                application,
                role=role,
                early=self.early(role),
                streamMessages=isStreamed,
            )
            ends.connection.close()
            ends.peer.sendClose()
            ends.peer.end()
            self.assertEqual(application.messages, ["a"])
            application.permit()
            self.assertEqual(application.messages, ["a", b"bc"])
            self.assertEqual(application.told[-1], "lost")

    def test_pulled(self) -> None:
        """
        In pull style they can be received.
        """
        for role, isStreamed, isEnded in product(Role, STREAMED, (True, False)):
            ends = Ends(role=role, early=self.early(role), streamMessages=isStreamed)
            ends.connection.close()
            if isEnded:
                ends.transport.lose(ConnectionDone())
            ends.peer.turn()
            for expected in ("a", b"bc"):
                received = self.successResultOf(ends.connection.receive())
                self.assertEqual(received, expected)

    def test_manyPulled(self) -> None:
        """
        However many they are, and however large they become.
        """
        theirs = agreed()
        peer = Ends().peer
        early = b""
        for _ in range(40):
            data = theirs[0].transform.encode(bytes(60 * KIB)) or b""
            early += peer.frame(Opcode.BINARY, data, rsv=0x40)
        ends = Ends(early=early, agreed=agreed(), maxReceivedMessageSize=100 * KIB)
        ends.connection.close()
        for _ in range(40):
            ends.peer.turn()
            received = self.successResultOf(ends.connection.receive())
            self.assertEqual(received, bytes(60 * KIB))

    def test_withClose(self) -> None:
        """
        A close frame among them is the end, and answers ours.
        """
        for role, isStreamed in product(Role, STREAMED):
            peer = Ends(role=role).peer
            early = self.early(role) + peer.close(4001) + peer.text("behind it")
            application = Recorder()
            ends = Ends(application, role=role, early=early, streamMessages=isStreamed)
            ends.connection.close(4000)
            ends.peer.turn()
            ends.peer.end()
            self.assertEqual(application.messages, ["a", b"bc"])
            self.assertEqual(application.report.receivedCode, 4001)
            self.assertEqual(ends.peer.frames(), [close(4000)])

    def test_ended(self) -> None:
        """
        If the peer has ended the connection as well, as TLS tells at once, they are
        delivered before that is told.
        """
        for role, isStreamed in product(Role, STREAMED):
            application = Recorder()
            ends = Ends(
                application,
                role=role,
                early=self.early(role),
                streamMessages=isStreamed,
            )
            ends.transport.lose(ConnectionDone())
            self.assertEqual(application.messages, ["a", b"bc"])
            self.assertEqual(application.told[-1], "lost")
            self.assertEqual(len(application.lost), 1)

    def test_dropped(self) -> None:
        """
        drop() discards them, and counts them.
        """
        for role, isStreamed in product(Role, STREAMED):
            application = Recorder()
            early = self.early(role)
            ends = Ends(application, role=role, early=early, streamMessages=isStreamed)
            ends.connection.drop()
            ends.peer.turn()
            ends.peer.end()
            self.assertEqual(application.messages, [])
            self.assertEqual(application.report.messagesDiscarded, 2)


class DeafTests(BusyTestCase):
    """
    Tests of errors that could make a connection deaf.
    """

    def test_recursion(self) -> None:
        """
        An application that goes too deep, and fails for that, is closed with 1011, and
        its connection is not deaf.
        """

        class Deep(Recorder):
            def textMessageReceived(self, message: str) -> None:
                self.textMessageReceived(message)

        for role in Role:
            application = Deep()
            ends = Ends(application, role=role)
            ends.peer.sendText("a")
            self.assertEqual(len(self.flushLoggedErrors(RecursionError)), 1)
            self.assertEqual(ends.peer.frames(), [close(1011)])
            self.assertFalse(ends.link.isDispatching)

    def test_loggingFails(self) -> None:
        """
        So it is if the error can't even be logged.
        """

        class Failing(Recorder):
            def textMessageReceived(self, message: str) -> None:
                raise OddError

        for isBusy in (False, True):
            application = Failing()
            ends = Ends(application)
            if isBusy:
                ends.connection.pause()
                ends.peer.arrive(ends.peer.text("a"))

            def fail(failure: Failure) -> None:
                raise RecursionError

            ends.link.applicationFailed = fail  # type: ignore[method-assign]
            try:
                if isBusy:
                    ends.connection.resume()
                else:
                    ends.peer.arrive(ends.peer.text("a"))
            except RecursionError:
                pass
            self.assertFalse(ends.link.isDispatching)
        # Unhandled errors of Deferreds are logged when these are collected.
        gc.collect()
        self.flushLoggedErrors(RecursionError)
