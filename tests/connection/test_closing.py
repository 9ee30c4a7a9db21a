# Part of txwebsocket. See LICENSE for details.
"""
Tests of how a connection ends: the other half of those in ``test_link``.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from itertools import permutations
from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder, binary, close, text
from txwebsocket import CloseCause, CloseReport, ConnectionClosed, Opcode, State
from txwebsocket.connection.callbacks import ConnectionCallbacks
from txwebsocket.testing import MemoryTLSTransport, MemoryTransport
from txwebsocket.wire.codes import Role
from txwebsocket.wire.frames import Frame

KIB = 1024


class ClosingTests(SynchronousTestCase):
    """
    Tests of the closing handshake, and of ends without one.
    """

    def setUp(self) -> None:
        """
        Open a server's connection.
        """
        self.application = Recorder()
        self.ends = Ends(self.application)
        self.connection, self.peer = self.ends.connection, self.ends.peer
        self.transport = self.ends.transport

    def assertIdle(self) -> None:
        """
        Check that the connection has ended, once, and left nothing behind.
        """
        self.assertFalse(self.transport.isConnected)
        self.assertIs(self.connection.state, State.CLOSED)
        self.assertEqual(self.application.told.count("lost"), 1)
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_serverCloses(self) -> None:
        """
        A server that closes waits for the peer's close frame, and then closes the
        transport at once.
        """
        closed = self.connection.close(4000, "enough")
        self.assertEqual(self.peer.frames(), [close(4000, "enough")])
        self.assertIs(self.connection.state, State.AWAITING_CLOSE)
        self.peer.wait(4)
        self.assertTrue(self.transport.isConnected)
        self.assertNoResult(closed)
        self.peer.sendClose(4001, "well then")
        self.assertEqual(
            self.successResultOf(closed),
            CloseReport(
                cause=CloseCause.LOCAL_CLOSE,
                wasClean=True,
                closeSent=True,
                sentCode=4000,
                sentReason="enough",
                receivedCode=4001,
                receivedReason="well then",
                closeReceived=True,
            ),
        )
        self.assertEqual(self.peer.frames(), [])
        self.assertIdle()

    def test_peerCloses(self) -> None:
        """
        A peer's close frame is answered with its own code, and the server closes the
        transport at once.
        """
        self.peer.sendClose(4000, "enough")
        self.assertEqual(self.peer.frames(), [close(4000, "enough")])
        self.assertEqual(
            self.application.report,
            CloseReport(
                cause=CloseCause.PEER_CLOSE,
                wasClean=True,
                closeSent=True,
                sentCode=4000,
                sentReason="enough",
                receivedCode=4000,
                receivedReason="enough",
                closeReceived=True,
            ),
        )
        self.assertIdle()

    def test_closeWithoutCode(self) -> None:
        """
        A close frame without a code is answered with one, and reported as 1005.
        """
        self.peer.sendClose(None)
        self.assertEqual(self.peer.frames(), [close(None)])
        report = self.application.report
        self.assertEqual((report.code, report.wasClean), (1005, True))
        self.assertIsNone(report.receivedCode)

    def test_bothClose(self) -> None:
        """
        When both close at the same moment, each close frame answers the other.
        """
        closed = self.connection.close(4000)
        self.peer.arrive(self.peer.close(4001))
        self.peer.turn()
        self.assertEqual(self.peer.frames(), [close(4000)])
        report = self.successResultOf(closed)
        self.assertEqual((report.sentCode, report.receivedCode), (4000, 4001))
        self.assertTrue(report.wasClean)
        self.assertIdle()

    def test_clientWaitsForServer(self) -> None:
        """
        A client leaves it to the server to close the transport.
        """
        for closesFirst in (True, False):
            application = Recorder()
            ends = Ends(application, role=Role.CLIENT)
            if closesFirst:
                ends.connection.close()
            ends.peer.sendClose()
            self.assertEqual(ends.peer.frames(), [close()])
            self.assertFalse(ends.transport.disconnecting)
            self.assertEqual(application.lost, [])
            ends.peer.end()
            self.assertTrue(application.report.wasClean)
            self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_serverNeverLeaves(self) -> None:
        """
        A client does not wait longer than closeTimeout for that; the end is clean all
        the same, since both close frames were exchanged.
        """
        application = Recorder()
        ends = Ends(application, role=Role.CLIENT)
        ends.peer.sendClose()
        ends.peer.wait(4.9)
        self.assertTrue(ends.transport.isConnected)
        ends.peer.wait(0.1)
        self.assertTrue(ends.transport.wasAborted)
        self.assertTrue(application.report.wasClean)
        self.assertIs(application.report.cause, CloseCause.PEER_CLOSE)
        self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_closeTimeout(self) -> None:
        """
        A peer that does not answer a close frame within 5 seconds is dropped, even if
        it goes on sending.
        """
        closed = self.connection.close(4000, "enough")
        for _ in range(9):
            self.peer.wait(0.5)
            self.peer.sendText("chatter")
        self.assertTrue(self.transport.isConnected)
        self.peer.wait(0.5)
        report = self.successResultOf(closed)
        self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)
        self.assertEqual((report.sentCode, report.code), (4000, 1006))
        self.assertEqual(report.messagesDiscarded, 9)
        self.assertFalse(report.wasClean)
        self.assertTrue(self.transport.wasAborted)
        self.assertIdle()

    def test_closeTimeoutIsAnOption(self) -> None:
        """
        ``closeTimeout`` says how long.
        """
        ends = Ends(closeTimeout=1)
        closed = ends.connection.close()
        ends.peer.wait(1)
        self.assertIs(self.successResultOf(closed).cause, CloseCause.CLOSE_TIMEOUT)

    def test_nothingAfterClose(self) -> None:
        """
        After our close frame nothing is delivered or sent any more, pongs included.
        """
        self.connection.close()
        told = list(self.application.told)
        self.peer.send(self.peer.text("a") + self.peer.frame(Opcode.PING, b"p"))
        self.assertEqual(self.application.told, told)
        self.assertEqual(self.peer.frames(), [close()])

    def test_answersAfterClose(self) -> None:
        """
        A pong that was asked for before the close still answers its ping.
        """
        answered = self.connection.ping(b"p")
        self.connection.close()
        self.peer.pong(b"p")
        self.assertEqual(self.successResultOf(answered), 0)

    def test_nothingBehindClose(self) -> None:
        """
        What a peer sends behind its own close frame is not looked at.
        """
        self.peer.send(self.peer.close() + self.peer.text("a") + b"\xff" * 9)
        self.assertEqual(self.peer.frames(), [close()])
        self.assertEqual(self.application.messages, [])
        self.assertTrue(self.application.report.wasClean)

    def test_closeTwice(self) -> None:
        """
        Closing twice sends one close frame, the first, and both callers get the report.
        """
        first, second = self.connection.close(4000), self.connection.close(4001)
        self.assertEqual(self.peer.frames(), [close(4000)])
        self.peer.sendClose()
        self.assertEqual(self.successResultOf(first), self.successResultOf(second))

    def test_protocolError(self) -> None:
        """
        A peer that breaks the protocol is told 1002 and why, and nothing more is
        delivered of what it sent.
        """
        self.peer.send(
            self.peer.text("a") + self.peer.frame(Opcode.TEXT, b"b", rsv=0x40)
        )
        [frame] = self.peer.frames()
        why = "an extension bit is set that was not agreed on"
        self.assertEqual(frame, close(1002, why))
        self.assertEqual(self.application.messages, ["a"])
        self.peer.end()
        report = self.application.report
        self.assertEqual((report.cause, report.detail), (CloseCause.PEER_FAULT, why))
        self.assertFalse(report.wasClean)
        self.assertIdle()

    def test_causes(self) -> None:
        """
        Text that is not UTF-8 and messages over the limit have causes of their own.
        """
        cases = [
            (Frame(Opcode.TEXT, b"\xff"), CloseCause.INVALID_DATA, 1007),
            (Frame(Opcode.BINARY, bytes(101)), CloseCause.MESSAGE_TOO_BIG, 1009),
            (Frame(3, b""), CloseCause.PEER_FAULT, 1002),
        ]
        for frame, cause, code in cases:
            application = Recorder()
            ends = Ends(application, maxReceivedMessageSize=100)
            ends.peer.send(ends.peer.frame(frame.opcode, frame.payload))
            ends.peer.end()
            report = application.report
            self.assertEqual((report.cause, report.sentCode), (cause, code))

    def test_failingEndsOneDirection(self) -> None:
        """
        After a fault only our direction is ended: a reset could overtake the close
        frame that says what was wrong. What still arrives is read and thrown away.
        """
        self.peer.send(self.peer.frame(3))
        self.assertEqual(len(self.peer.frames()), 1)
        self.assertTrue(self.transport.hasEndedWriting)
        self.assertFalse(self.transport.disconnecting)
        self.assertIs(self.connection.state, State.AWAITING_LOSS)
        self.peer.sendText("a", "b")
        self.assertEqual(self.transport.arrived, b"")
        self.assertEqual(self.application.messages, [])
        self.peer.end()
        self.assertIdle()

    def test_closeAfterFault(self) -> None:
        """
        The peer's close frame that answers a fault is not waited for, and its coming
        changes nothing.
        """
        self.peer.send(self.peer.frame(3))
        self.peer.sendClose(1002)
        self.assertTrue(self.transport.isConnected)
        self.peer.end()
        self.assertIs(self.application.report.cause, CloseCause.PEER_FAULT)
        self.assertIdle()

    def test_faultTimeout(self) -> None:
        """
        A peer that does not leave after a fault is dropped after closeTimeout.
        """
        self.peer.send(self.peer.frame(3))
        self.peer.wait(4.9)
        self.assertTrue(self.transport.isConnected)
        self.peer.sendText("still here")
        self.peer.wait(0.1)
        self.assertTrue(self.transport.wasAborted)
        self.assertIs(self.application.report.cause, CloseCause.PEER_FAULT)
        self.assertIdle()

    def test_faultWhileClosing(self) -> None:
        """
        A fault after our close frame ends the connection without a second one.
        """
        closed = self.connection.close()
        self.peer.send(self.peer.frame(3))
        self.assertEqual(self.peer.frames(), [close()])
        self.peer.end()
        self.assertIs(self.successResultOf(closed).cause, CloseCause.PEER_FAULT)
        self.assertIdle()

    def test_faultOverTLS(self) -> None:
        """
        TLS can't end one direction alone, so that it is closed after a fault.
        """
        application = Recorder()
        ends = Ends(application, transport=MemoryTLSTransport(Clock()))
        ends.peer.send(ends.peer.frame(3))
        self.assertFalse(ends.transport.hasEndedWriting)
        self.assertFalse(ends.transport.isConnected)
        self.assertEqual(ends.peer.frames()[0].opcode, Opcode.CLOSE)
        self.assertIs(application.report.cause, CloseCause.PEER_FAULT)

    def test_faultWithoutHalfClose(self) -> None:
        """
        A transport that can't end one direction is closed after a fault.
        """

        class Plain(MemoryTransport):
            loseWriteConnection = None  # type: ignore[assignment]

        application = Recorder()
        ends = Ends(application, transport=Plain(Clock()))
        ends.peer.send(ends.peer.frame(3))
        self.assertFalse(ends.transport.isConnected)
        self.assertIs(application.report.cause, CloseCause.PEER_FAULT)

    def test_closingTLS(self) -> None:
        """
        Over TLS, too, the server's transport closes: nothing of ours keeps it open.
        """
        for closesFirst in (True, False):
            application = Recorder()
            ends = Ends(application, transport=MemoryTLSTransport(Clock()))
            if closesFirst:
                ends.connection.close()
            ends.peer.sendClose()
            self.assertFalse(ends.transport.isConnected)
            self.assertTrue(application.report.wasClean)

    def test_drop(self) -> None:
        """
        drop() says goodbye and does not wait for an answer.
        """
        self.connection.drop(1008, "spam")
        self.assertEqual(self.peer.frames(), [close(1008, "spam")])
        self.assertTrue(self.transport.hasEndedWriting)
        self.peer.end()
        report = self.application.report
        self.assertIs(report.cause, CloseCause.DROPPED)
        self.assertEqual((report.sentCode, report.sentReason), (1008, "spam"))
        self.assertFalse(report.wasClean)
        self.assertIdle()

    def test_dropSilently(self) -> None:
        """
        drop(skipCloseFrame=True) cuts the transport at once and says nothing.
        """
        self.connection.drop(skipCloseFrame=True)
        self.assertTrue(self.transport.wasAborted)
        self.assertIsNone(self.transport.producer)
        self.peer.turn()
        self.assertEqual(self.peer.received(), b"")
        report = self.application.report
        self.assertIs(report.cause, CloseCause.DROPPED)
        self.assertIsNone(report.sentCode)
        self.assertIdle()

    def test_dropTellsWhy(self) -> None:
        """
        The code and reason given to drop() are in the report, whether or not a close
        frame has told them to the peer.
        """
        self.connection.drop(4000, "enough", True)
        self.peer.turn()
        self.assertEqual(self.peer.received(), b"")
        report = self.application.report
        self.assertEqual((report.dropCode, report.dropReason), (4000, "enough"))
        self.assertEqual((report.sentCode, report.closeSent), (None, False))
        self.assertIn("4000 'enough'", str(report))

    def test_dropWithFrameTellsWhy(self) -> None:
        """
        So they are where a close frame has told them, or an earlier one told others.
        """
        self.connection.drop(4000, "enough")
        self.peer.end()
        report = self.application.report
        self.assertEqual((report.dropCode, report.dropReason), (4000, "enough"))
        self.assertEqual((report.sentCode, report.sentReason), (4000, "enough"))
        for skipCloseFrame in (True, False):
            application = Recorder()
            ends = Ends(application)
            ends.connection.close(1000, "bye")
            ends.connection.drop(4000, "enough", skipCloseFrame)
            ends.peer.end()
            report = application.report
            self.assertEqual((report.dropCode, report.dropReason), (4000, "enough"))
            self.assertEqual((report.sentCode, report.sentReason), (1000, "bye"))

    def test_noDrop(self) -> None:
        """
        A connection that nobody drops has neither.
        """
        self.connection.close(4000, "enough")
        self.peer.sendClose(4000)
        report = self.application.report
        self.assertEqual((report.dropCode, report.dropReason), (None, ""))

    def test_dropAfterEnd(self) -> None:
        """
        What comes after the end changes no report.
        """
        self.peer.vanish()
        self.connection.drop(4000, "enough", True)
        self.connection.drop(4000, "enough")
        self.assertIsNone(self.connection.closeReport.dropCode)

    def test_dropWithin(self) -> None:
        """
        The same from within a hook: the transport is cut, and asked nothing more.
        """

        class Dropping(Recorder):
            def textMessageReceived(self, message: str) -> None:
                self.connection.drop(skipCloseFrame=True)

        ends = Ends(Dropping(), keepalive=False)
        ends.peer.arrive(ends.peer.text("a"))
        self.assertTrue(ends.transport.wasAborted)
        self.assertFalse(ends.transport.isEndingWriting)
        self.assertFalse(ends.transport.disconnecting)
        self.assertEqual(len(ends.clock.getDelayedCalls()), 1)

    def test_dropTwice(self) -> None:
        """
        drop() after the end, or a second time, does nothing.
        """
        self.connection.drop(skipCloseFrame=True)
        self.connection.drop(skipCloseFrame=True)
        self.peer.turn()
        self.connection.drop(skipCloseFrame=True)
        self.connection.drop()
        self.connection.close()
        self.assertIdle()

    def test_dropWhileClosing(self) -> None:
        """
        drop() cuts a closing handshake short.
        """
        closed = self.connection.close()
        self.connection.drop(skipCloseFrame=True)
        self.peer.turn()
        self.assertIs(self.successResultOf(closed).cause, CloseCause.DROPPED)
        self.assertIdle()

    def test_lost(self) -> None:
        """
        A connection that breaks is reported as 1006, with what the transport said.
        """
        self.peer.vanish()
        report = self.application.report
        self.assertEqual((report.cause, report.code), (CloseCause.PEER_LOST, 1006))
        self.assertIn("the cable was cut", report.detail)
        self.assertFalse(report.wasClean)
        self.assertIdle()

    def test_left(self) -> None:
        """
        So is one whose peer just goes, about which there is no more to say.
        """
        self.peer.end()
        report = self.application.report
        self.assertEqual((report.cause, report.code), (CloseCause.PEER_LOST, 1006))
        self.assertEqual(report.detail, "")
        self.assertIdle()

    def test_lostWhileClosing(self) -> None:
        """
        A peer that goes without answering our close frame makes no clean end of it.
        """
        closed = self.connection.close()
        self.peer.end()
        report = self.successResultOf(closed)
        self.assertIs(report.cause, CloseCause.LOCAL_CLOSE)
        self.assertFalse(report.wasClean)
        self.assertIdle()

    def test_reason(self) -> None:
        """
        The reason is a ConnectionClosed, and in Twisted's terms a ConnectionDone after
        a clean end, else a ConnectionLost.
        """
        self.peer.sendClose()
        other = Recorder()
        Ends(other).peer.vanish()
        for application, kind, notKind in (
            (self.application, ConnectionDone, ConnectionLost),
            (other, ConnectionLost, ConnectionDone),
        ):
            [reason] = application.lost
            self.assertIsInstance(reason, Failure)
            self.assertTrue(reason.check(ConnectionClosed))
            self.assertTrue(reason.check(kind))
            self.assertFalse(reason.check(notKind))

    def test_transportTellsTwice(self) -> None:
        """
        However often a transport says that it is gone, the application hears it once.
        """
        self.peer.vanish()
        self.ends.link.connectionLost(Failure(ConnectionDone()))
        self.assertIdle()

    def test_whenClosed(self) -> None:
        """
        whenClosed() tells everybody who asks, before or after the end.
        """
        before = [self.connection.whenClosed(), self.connection.whenClosed()]
        self.assertNoResult(before[0])
        self.peer.vanish()
        after = self.connection.whenClosed()
        reports = [self.successResultOf(each) for each in (*before, after)]
        self.assertEqual(reports, [self.connection.closeReport] * 3)

    def test_whenClosedCancelled(self) -> None:
        """
        Whoever does not want to wait can cancel; the connection and others who wait
        are not touched.
        """
        impatient, patient = self.connection.whenClosed(), self.connection.close()
        impatient.cancel()
        self.failureResultOf(impatient, CancelledError)
        self.assertNoResult(patient)
        self.peer.sendClose()
        self.successResultOf(patient)
        self.assertIdle()

    def test_closedIsToldLast(self) -> None:
        """
        whenClosed() fires after connectionLost.
        """
        self.connection.whenClosed().addCallback(
            lambda _: self.application.told.append("closed")
        )
        self.peer.vanish()
        self.assertEqual(self.application.told[-2:], ["lost", "closed"])

    def test_waiters(self) -> None:
        """
        Whoever waits for the peer is told of the end, with the same report.
        """
        ends = Ends()
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        waiting: list[Deferred[Any]] = [
            ends.connection.receive(),
            ends.connection.flushed(),
            ends.connection.ping(),
        ]
        failures = [each.addErrback(lambda failure: failure) for each in waiting]
        ends.peer.vanish()
        for each in failures:
            error = self.failureResultOf(each, ConnectionClosed).value
            self.assertIs(error.report, ends.connection.closeReport)

    def test_unsent(self) -> None:
        """
        What could not be sent is counted and then forgotten.
        """
        self.peer.stall()
        self.connection.send(bytes(300 * KIB))
        unsent = self.connection.bufferedAmount
        self.peer.vanish()
        self.assertEqual(self.application.report.bytesUnsent, unsent)
        self.assertEqual(self.connection.bufferedAmount, 0)

    def test_closedByOthersOverTLS(self) -> None:
        """
        TLS waits for its producer when anything else asks it to close. All that was
        sent leaves then, with a close frame, and the transport is let go.
        """
        for role in (Role.SERVER, Role.CLIENT):
            application = Recorder()
            transport = MemoryTLSTransport(Clock())
            ends = Ends(application, role=role, transport=transport)
            ends.connection.send("all of it")
            transport.loseConnection()
            transport.loseConnection()
            self.assertEqual(ends.peer.frames(), [text("all of it"), close(1001)])
            self.assertIs(application.report.cause, CloseCause.DROPPED)
            self.assertFalse(transport.isConnected)
            self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_closeWithoutFrame(self) -> None:
        """
        ``closeWithoutFrame()`` has what is queued leave, and then ends our direction;
        a peer that does not end its own falls to ``closeTimeout``, counted from when it
        may have read all.
        """
        self.peer.stall()
        self.connection.send(bytes(300 * KIB))
        self.peer.ping(b"too late for a pong")
        closed = self.connection.closeWithoutFrame()
        self.assertRaises(ConnectionClosed, self.connection.send, "more")
        self.assertFalse(self.transport.hasEndedWriting)
        self.peer.goOn()
        self.assertEqual(self.peer.frames(), [binary(bytes(300 * KIB))])
        self.assertTrue(self.transport.hasEndedWriting)
        self.assertNoResult(closed)
        self.peer.waitLong(13)
        self.assertNoResult(closed)
        self.peer.wait(1)
        report = self.successResultOf(closed)
        self.assertEqual(report, CloseReport(cause=CloseCause.DROPPED, wasClean=False))
        self.assertIdle()

    def test_closeWithoutFrameLate(self) -> None:
        """
        After ``close()`` it cuts short the wait for the peer's answer; before the
        connection is open, or when it has ended, there is nothing to send.
        """
        self.connection.close()
        self.connection.closeWithoutFrame()
        self.assertEqual(self.peer.frames(), [close()])
        self.assertTrue(self.transport.hasEndedWriting)
        self.peer.end()
        self.assertIdle()
        self.successResultOf(self.connection.closeWithoutFrame())
        ends = Ends(openIt=False)
        ends.connection.closeWithoutFrame()
        self.assertTrue(ends.transport.wasAborted)

    def test_onEnd(self) -> None:
        """
        Whoever keeps the connection in a list is told when to take it out.
        """
        ended: list[object] = []
        self.ends.link.callbacks = ConnectionCallbacks(
            print, print, print, lambda link: ended.append(link.report)
        )
        self.peer.vanish()
        self.assertEqual(ended, [self.application.report])

    def test_sendingAtEnd(self) -> None:
        """
        In connectionLost it is too late to send anything, which says how it ended.
        """
        errors: list[ConnectionClosed] = []

        class Late(Recorder):
            def connectionLost(self, reason: Failure) -> None:
                try:
                    self.connection.send("goodbye")
                except ConnectionClosed as error:
                    errors.append(error)

        Ends(Late()).peer.sendClose(4000)
        self.assertEqual([error.report.code for error in errors], [4000])

    def test_forgotten(self) -> None:
        """
        An ended connection keeps neither its application nor its last message alive.
        """

        class Closure:
            def __init__(self) -> None:
                self.kept = bytearray(10)

        application = Recorder()
        application.closure = Closure()  # type: ignore[attr-defined]
        seen = weakref.ref(application)
        ends = Ends(application)
        ends.peer.sendText("a")
        ends.peer.vanish()
        del application
        gc.collect()
        self.assertIsNone(seen())
        self.assertIsNotNone(ends.connection.closeReport)

    def test_log(self) -> None:
        """
        Only ends that an operator should know of are logged, in one line each.
        """

        def endOf(act: Callable[[Ends], object]) -> list[str]:
            application = Recorder()
            ends = Ends(application)
            with capturedLogs() as logged:
                act(ends)
                ends.peer.waitLong(40)
                ends.peer.end()
            return [event["report"] for event in logged if "report" in event]

        self.assertEqual(endOf(lambda ends: ends.peer.sendClose()), [])
        self.assertEqual(
            endOf(lambda ends: ends.connection.close()),
            ["the peer did not answer our close frame in time; sent 1000"],
        )
        self.assertEqual(endOf(lambda ends: ends.peer.vanish()), [])
        self.assertEqual(
            endOf(lambda ends: ends.connection.drop(skipCloseFrame=True)), []
        )
        [fault] = endOf(lambda ends: ends.peer.send(ends.peer.frame(3)))
        self.assertIn("opcode 3 is unknown", fault)
        [silence] = endOf(lambda _: None)
        self.assertIn("did not answer a ping", silence)


def sendMuch(ends: Ends) -> None:
    """
    Send more than there is room for, unless it is too late.
    """
    try:
        ends.connection.send(bytes(200 * KIB))
    except ConnectionClosed:
        pass


class SlowClosingTests(SynchronousTestCase):
    """
    Tests of closing while much is queued for a peer that takes a little at a time.
    """

    def setUp(self) -> None:
        """
        Close such a connection, whose peer takes something every 4 seconds.
        """
        self.transport = MemoryTransport(Clock())
        self.transport.isStalled = True

    def begin(self, role: Role, size: int, **options: Any) -> None:
        """
        Queue so much, and close.
        """
        self.setUp()
        self.ends = Ends(role=role, transport=self.transport, **options)
        self.ends.connection.send(bytes(size))
        self.closed = self.ends.connection.close()

    def takeSome(self) -> None:
        """
        The peer takes what is on its way.
        """
        self.ends.clock.advance(4)
        self.transport.isStalled = False
        self.transport.turn()
        self.transport.isStalled = True

    def test_all(self) -> None:
        """
        It gets all of it, though that takes much longer than ``closeTimeout``, and the
        end is clean.
        """
        for role in Role:
            self.begin(role, 2000 * KIB)
            steps = 0
            while self.ends.connection.bufferedAmount:
                self.takeSome()
                steps += 1
            self.assertGreater(steps, 10)
            self.takeSome()
            self.ends.peer.goOn()
            self.ends.peer.sendClose()
            self.ends.peer.end()
            report = self.successResultOf(self.closed)
            self.assertTrue(report.wasClean)
            self.assertEqual(report.bytesUnsent, 0)

    def test_stops(self) -> None:
        """
        If it takes nothing more, it has ``closeTimeout`` from then on.
        """
        self.begin(Role.SERVER, 2000 * KIB)
        for _ in range(5):
            self.takeSome()
        self.ends.peer.wait(4.9)
        self.assertNoResult(self.closed)
        unsent = self.ends.connection.bufferedAmount
        self.ends.peer.wait(0.2)
        report = self.successResultOf(self.closed)
        self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)
        self.assertEqual(report.bytesUnsent, unsent)

    def test_bound(self) -> None:
        """
        A peer that takes a little at a time for ever is dropped after
        ``maxCloseTime``.
        """
        for options, seconds in (({"maxCloseTime": 60}, 60), ({}, 300)):
            self.begin(Role.SERVER, 15_000 * KIB, **options)
            for _ in range(seconds // 4 - 1):
                self.takeSome()
            self.assertNoResult(self.closed)
            self.ends.peer.wait(4)
            report = self.successResultOf(self.closed)
            self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)
            self.assertGreater(report.bytesUnsent, KIB)
            self.assertEqual(self.ends.clock.getDelayedCalls(), [])


class OrderTests(SynchronousTestCase):
    """
    Tests of ends in every order of events.
    """

    events: ClassVar[dict[str, Callable[[Ends], object]]] = {
        "close": lambda ends: ends.connection.close(),
        "drop": lambda ends: ends.connection.drop(),
        "abort": lambda ends: ends.connection.drop(skipCloseFrame=True),
        "peer closes": lambda ends: ends.peer.arrive(ends.peer.close()),
        "peer breaks rules": lambda ends: ends.peer.arrive(ends.peer.frame(3)),
        "peer sends": lambda ends: ends.peer.arrive(ends.peer.text("a")),
        "peer stalls": lambda ends: ends.peer.stall(),
        "much is sent": sendMuch,
        "pause": lambda ends: ends.connection.pause(),
        "time": lambda ends: ends.peer.waitLong(6),
        "peer leaves": lambda ends: ends.peer.end(),
        "loss": lambda ends: ends.peer.vanish(),
    }

    def check(self, order: tuple[str, ...], ends: Ends, application: Recorder) -> None:
        """
        Let these events happen, and everything that follows from them.
        """
        closed = ends.connection.whenClosed()
        for name in order:
            if ends.transport.isConnected and not ends.transport.disconnecting:
                self.events[name](ends)
        ends.connection.close()
        ends.peer.waitLong(60)
        report = self.successResultOf(closed)
        self.assertEqual(application.report, report, order)
        self.assertEqual(application.told[-1], "lost", order)
        self.assertFalse(ends.transport.isConnected, order)
        self.assertIs(ends.connection.state, State.CLOSED, order)
        self.assertEqual(ends.clock.getDelayedCalls(), [], order)
        [reason] = application.lost
        kind = ConnectionDone if report.wasClean else ConnectionLost
        self.assertTrue(reason.check(kind), order)
        if report.wasClean:
            self.assertTrue(report.closeReceived, order)

    def test_server(self) -> None:
        """
        A server's connection ends once, with a report and nothing left behind, in
        whatever order three things happen to it.
        """
        for order in permutations(self.events, 3):
            application = Recorder()
            self.check(order, Ends(application), application)

    def test_client(self) -> None:
        """
        So does a client's.
        """
        for order in permutations(self.events, 3):
            application = Recorder()
            self.check(order, Ends(application, role=Role.CLIENT), application)

    def test_overTLS(self) -> None:
        """
        So does one over TLS.
        """
        for order in permutations(self.events, 2):
            application = Recorder()
            transport = MemoryTLSTransport(Clock())
            self.check(order, Ends(application, transport=transport), application)

    def test_within(self) -> None:
        """
        So does one that is ended from within any of its application's hooks.
        """
        hooks = ("textMessageReceived", "pingReceived", "connectionLost")
        acts = ("close", "drop", "abort", "pause", "much is sent")
        for hook in hooks:
            for act in acts:
                application = Recorder()
                ends = Ends(application)
                original = getattr(application, hook)

                def acting(
                    value: Any,
                    original: Any = original,
                    ends: Any = ends,
                    act: str = act,
                ) -> Any:
                    self.events[act](ends)
                    return original(value)

                replaced = Recorder()
                setattr(replaced, hook, acting)
                replaced.told, replaced.lost = application.told, application.lost
                ends.link.attachApplication(replaced)
                peer = ends.peer
                peer.send(peer.text("a") + peer.frame(Opcode.PING) + peer.text("b"))
                self.check(("peer closes",), ends, application)
