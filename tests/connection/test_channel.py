# Part of txwebsocket. See LICENSE for details.
"""
Tests of what stands between a transport and the protocol core.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Recorder, binary, close, ping, pong, text
from tests.support.splits import everySplit
from tests.support.wallclock import WallClock
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    Deflate,
    ExtensionHeader,
    InvalidState,
    Opcode,
    State,
    WebSocketProtocol,
)
from txwebsocket.connection.callbacks import ConnectionCallbacks
from txwebsocket.testing import MemoryTransport
from txwebsocket.wire.codes import Role
from txwebsocket.wire.extensions import acceptOffers
from txwebsocket.wire.frames import Frame

KIB = 1024


class OddError(Exception):
    """
    What applications raise here.
    """


class OpeningTests(SynchronousTestCase):
    """
    Tests of the time when a connection opens.
    """

    def test_order(self) -> None:
        """
        The application is told that the negotiation started, then that it finished.
        """
        application = Recorder()
        ends = Ends(application)
        self.assertEqual(application.told, ["started", "finished"])
        self.assertFalse(ends.link.isPullMode)
        self.assertIs(ends.connection.state, State.OPEN)
        self.assertIs(application.connection, ends.connection)

    def test_onOpen(self) -> None:
        """
        Whoever keeps the connection in a list is told when it is open, after its
        application.
        """
        application = Recorder()
        ends = Ends(application, openIt=False)
        ends.link.callbacks = ConnectionCallbacks(
            print,
            print,
            lambda _: application.told.append(ends.connection.state),
            print,
        )
        ends.link.opened()
        self.assertEqual(application.told, ["started", "finished", State.OPEN])

    def test_sendingTooEarly(self) -> None:
        """
        Sending while the negotiation has only started raises InvalidState.
        """
        outer = self

        class Eager(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                outer.assertRaises(InvalidState, transport.sendTextMessage, "too early")
                outer.assertRaises(InvalidState, transport.sendBytesMessage, b"early")
                outer.assertRaises(InvalidState, transport.ping)
                outer.assertRaises(InvalidState, transport.pong)

        ends = Ends(Eager())
        self.assertEqual(ends.peer.frames(), [])

    def test_sendingWhenFinished(self) -> None:
        """
        When the negotiation has finished, messages can be sent, and leave together.
        """

        class Greeter(WebSocketProtocol):
            def negotiationFinished(self) -> None:
                self.connection.send("welcome")
                self.connection.send(b"!")

        ends = Ends(Greeter())
        self.assertEqual(ends.peer.frames(), [text("welcome"), binary(b"!")])

    def test_failingStart(self) -> None:
        """
        An error in negotiationStarted goes to whoever attached the application.
        """

        class Broken(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                raise OddError

        self.assertRaises(OddError, Ends, Broken())

    def test_failingFinish(self) -> None:
        """
        An error in negotiationFinished is logged and closes the connection with 1011,
        and the peer is told no more than that.
        """

        class Broken(Recorder):
            def negotiationFinished(self) -> None:
                raise OddError("secret")

        application = Broken()
        ends = Ends(application)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        ends.peer.end()
        self.assertIs(application.report.cause, CloseCause.APPLICATION_ERROR)

    def test_coroutineAtFinish(self) -> None:
        """
        negotiationFinished may be a coroutine; it is run, and messages wait for it.
        """
        greeted: Deferred[None] = Deferred()

        class Slow(Recorder):
            async def negotiationFinished(self) -> None:  # type: ignore[override]
                await greeted
                self.told.append("greeted")

        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a")
        self.assertEqual(application.told, ["started"])
        greeted.callback(None)
        ends.peer.turn()
        self.assertEqual(application.told, ["started", "greeted", ("text", "a")])

    def test_extensions(self) -> None:
        """
        An extension that was agreed on is used and named by the connection, and lets
        go of what it holds when the connection is idle.
        """
        offer = [ExtensionHeader("permessage-deflate")]
        agreed = acceptOffers([Deflate(releaseAfter=60)], offer)
        application = Recorder()
        ends = Ends(application, agreed=agreed, keepalive=False)
        self.assertTrue(ends.connection.extensions.startswith("permessage-deflate;"))
        message = "".join(map(chr, range(40, 120))) * 2
        sizes = []
        for _ in range(3):
            ends.connection.send(message)
            [frame] = ends.peer.frames()
            sizes.append(len(frame.payload))
            self.assertTrue(frame.rsv)
            ends.peer.send(ends.peer.frame(Opcode.TEXT, frame.payload, rsv=frame.rsv))
            if len(sizes) == 2:
                ends.peer.waitLong(120)
        # What came before helps, until it is let go.
        self.assertLess(sizes[1], sizes[0])
        self.assertEqual(sizes[2], sizes[0])
        self.assertEqual(application.messages, [message] * 3)
        ends.peer.vanish()
        self.assertEqual(ends.clock.getDelayedCalls(), [])

    def test_earlyFrames(self) -> None:
        """
        Frames that came with the handshake are delivered, in order, after whoever
        accepted the connection has had their turn; nothing else is read until then.
        """
        application = Recorder()
        client = Ends().peer
        early = client.text("a") + client.binary(b"b") + client.text("c")
        ends = Ends(application, early=early)
        self.assertEqual(application.messages, [])
        self.assertFalse(ends.transport.isReading)
        ends.peer.turn()
        self.assertEqual(application.messages, ["a", b"b", "c"])
        self.assertTrue(ends.transport.isReading)

    def test_earlyFramesCut(self) -> None:
        """
        It does not matter where the segment of the handshake ended.
        """
        client = Ends().peer
        for pieces in everySplit(client.text("hello") + client.binary(b"world")):
            application = Recorder()
            ends = Ends(application, early=pieces[0])
            for piece in pieces[1:]:
                ends.peer.send(piece)
            ends.peer.turn()
            self.assertEqual(application.messages, ["hello", b"world"], pieces)

    def test_earlyClose(self) -> None:
        """
        A peer that closes in the handshake's own segment is answered.
        """
        application = Recorder()
        ends = Ends(application, early=Ends().peer.close(4000, "changed my mind"))
        self.assertEqual(ends.peer.frames(), [close(4000, "changed my mind")])
        self.assertEqual(application.report.code, 4000)

    def test_earlyCloseOfBoth(self) -> None:
        """
        If the application closes as soon as it can, and so does the peer, the
        connection ends cleanly and at once.
        """

        class Hasty(Recorder):
            def negotiationFinished(self) -> None:
                self.connection.close(1000)

        application = Hasty()
        ends = Ends(application, early=Ends().peer.close(1001))
        ends.peer.turn()
        self.assertEqual(ends.peer.frames(), [close(1000)])
        self.assertTrue(application.report.wasClean)

    def test_earlyFramesDropped(self) -> None:
        """
        Who drops the connection as soon as it is open is not told of early frames.
        """

        class Hasty(Recorder):
            def negotiationFinished(self) -> None:
                self.connection.drop(1008, "no")

        application = Hasty()
        ends = Ends(application, early=Ends().peer.text("a"))
        self.assertEqual(ends.peer.frames(), [close(1008, "no")])
        self.assertEqual(application.messages, [])

    def test_closedBeforeOpen(self) -> None:
        """
        Closing a connection that has no transport yet ends it without one.
        """

        class Unwilling(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                transport.loseConnection()

        application = Unwilling()
        ends = Ends(application, openIt=False)
        ends.transport.lose(ConnectionDone())
        self.assertIs(application.report.cause, CloseCause.LOCAL_CLOSE)
        self.assertFalse(application.report.wasClean)

    def test_failedBeforeOpen(self) -> None:
        """
        Dropping a connection whose handshake is not over cuts its transport, and no
        frame is sent into the handshake.
        """
        for skip in (False, True):
            application = Recorder()
            ends = Ends(application, openIt=False)
            ends.connection.drop(1008, skipCloseFrame=skip)
            ends.peer.turn()
            self.assertTrue(ends.transport.wasAborted)
            self.assertEqual(ends.peer.received(), b"")
            self.assertIs(application.report.cause, CloseCause.DROPPED)

    def test_pausedBeforeOpen(self) -> None:
        """
        A pause that the application asks for at the start holds when it is open.
        """

        class Busy(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                transport.pause()

        application = Busy()
        ends = Ends(application)
        ends.peer.sendText("a")
        self.assertEqual(application.messages, [])
        ends.connection.resume()
        ends.peer.turn()
        self.assertEqual(application.messages, ["a"])


class DeliveryTests(SynchronousTestCase):
    """
    Tests of how an application is told what arrives.
    """

    def test_kinds(self) -> None:
        """
        Everything that arrives is told by its own name, in order.
        """
        application = Recorder()
        ends = Ends(application)
        peer = ends.peer
        peer.send(
            peer.text("a")
            + peer.frame(Opcode.PING, b"p")
            + peer.binary(b"")
            + peer.frame(Opcode.PONG, b"q")
            + peer.text("")
        )
        self.assertEqual(
            application.told[2:],
            [
                ("text", "a"),
                ("ping", b"p"),
                ("bytes", b""),
                ("pong", b"q"),
                ("text", ""),
            ],
        )

    def test_fragments(self) -> None:
        """
        A message in fragments is delivered whole, and a ping between them at once.
        """
        application = Recorder()
        peer = Ends(application).peer
        peer.send(peer.frame(Opcode.TEXT, b"hel", fin=False))
        peer.ping(b"p")
        peer.send(peer.frame(Opcode.CONTINUATION, b"lo"))
        self.assertEqual(application.told[2:], [("ping", b"p"), ("text", "hello")])
        self.assertEqual(peer.frames(), [pong(b"p")])

    def test_frames(self) -> None:
        """
        Without assembleFragments, each data frame is told as it is, and no message.
        """
        application = Recorder()
        ends = Ends(application, assembleFragments=False)
        peer = ends.peer
        peer.send(peer.frame(Opcode.TEXT, b"hel", fin=False))
        peer.send(peer.frame(Opcode.CONTINUATION, b"lo") + peer.binary(b"x"))
        self.assertEqual(
            application.told[2:],
            [
                ("frame", Frame(Opcode.TEXT, b"hel", False)),
                ("frame", Frame(Opcode.CONTINUATION, b"lo")),
                ("frame", Frame(Opcode.BINARY, b"x")),
            ],
        )

    def test_oneWrite(self) -> None:
        """
        All that is sent while one segment is delivered leaves in one write.
        """
        writes: list[bytes] = []

        class Counting(MemoryTransport):
            def writeSequence(self, data: Any) -> None:
                writes.append(b"".join(data))
                super().writeSequence(data)

        class Echo(WebSocketProtocol):
            def textMessageReceived(self, message: str) -> None:
                self.connection.send(message)

        ends = Ends(Echo(), transport=Counting(Clock()))
        ends.peer.sendText(*"abcdefgh")
        self.assertEqual(len(writes), 1)
        self.assertEqual(ends.peer.frames(), [text(letter) for letter in "abcdefgh"])

    def test_pong(self) -> None:
        """
        A ping is answered with its own payload.
        """
        ends = Ends(Recorder())
        ends.peer.ping(b"are you there?")
        ends.peer.ping()
        self.assertEqual(ends.peer.frames(), [pong(b"are you there?"), pong()])

    def test_pongInPullStyle(self) -> None:
        """
        In pull style pings are answered as well, whether or not anybody receives.
        """
        ends = Ends()
        ends.peer.ping(b"p")
        self.assertEqual(ends.peer.frames(), [pong(b"p")])

    def test_pongKeptBack(self) -> None:
        """
        A ping is not answered if pingReceived returns False, and only then.
        """

        class Choosy(Recorder):
            def pingReceived(self, payload: bytes) -> Any:
                return {b"no": False, b"zero": 0, b"yes": True}.get(payload)

        ends = Ends(Choosy())
        for payload in (b"no", b"zero", b"yes", b"none"):
            ends.peer.ping(payload)
        self.assertEqual(
            ends.peer.frames(), [pong(b"zero"), pong(b"yes"), pong(b"none")]
        )

    def test_pongLater(self) -> None:
        """
        pingReceived may be a coroutine; what follows the ping waits for it.
        """
        decided: Deferred[bool] = Deferred()

        class Slow(Recorder):
            async def pingReceived(self, payload: bytes) -> Any:
                return await decided if payload == b"ask" else payload != b"no"

        application = Slow()
        ends = Ends(application)
        for payload in (b"no", b"yes", b"ask"):
            ends.peer.ping(payload)
        ends.peer.sendText("after")
        self.assertEqual(ends.peer.frames(), [pong(b"yes")])
        self.assertEqual(application.messages, [])
        decided.callback(True)
        self.assertEqual(ends.peer.frames(), [pong(b"ask")])
        self.assertEqual(application.messages, ["after"])

    def test_pongLaterOfMany(self) -> None:
        """
        That pong is sent as well where several messages are dealt with at a time.
        """
        decided: Deferred[None] = Deferred()

        class Slow(Recorder):
            def pingReceived(self, payload: bytes) -> Any:
                return decided

        ends = Ends(Slow(), concurrentMessages=2)
        ends.peer.ping(b"ask")
        self.assertEqual(ends.peer.frames(), [])
        decided.callback(None)
        self.assertEqual(ends.peer.frames(), [pong(b"ask")])

    def test_owedPong(self) -> None:
        """
        A peer that sends pings and does not read is owed one pong, for the newest.
        """
        application = Recorder()
        ends = Ends(application, role=Role.CLIENT)
        peer = ends.peer
        peer.stall()
        ends.connection.send(bytes(200 * KIB))
        waiting = ends.connection.bufferedAmount
        for number in range(1000):
            peer.ping(b"%d" % number)
        self.assertLess(ends.connection.bufferedAmount - waiting, 200)
        peer.goOn()
        self.assertEqual(
            [f for f in peer.frames() if f.opcode == Opcode.PONG], [pong(b"999")]
        )

    def test_unaskedPongs(self) -> None:
        """
        Pongs that nobody asked for are told to the application, and that is all.
        """
        application = Recorder()
        ends = Ends(application)
        ends.peer.pong(b"x")
        self.assertEqual(application.told[-1], ("pong", b"x"))
        self.assertEqual(ends.peer.frames(), [])

    def test_duckTyped(self) -> None:
        """
        What an application has no method for is passed over without a word.
        """

        class Terse:
            def __init__(self) -> None:
                self.heard: list[bytes] = []

            def bytesMessageReceived(self, data: bytes) -> None:
                self.heard.append(data)

        application = Terse()
        ends = Ends(application)
        ends.peer.sendText("nobody takes this")
        ends.peer.pong()
        ends.peer.ping(b"p")
        ends.peer.sendBytes(b"heard")
        self.assertEqual(application.heard, [b"heard"])
        ends.peer.sendClose()
        self.assertEqual(ends.peer.frames(), [pong(b"p"), close()])

    def test_rest(self) -> None:
        """
        After drop(), what else was in the same segment is not delivered.
        """

        class Dropping(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                self.connection.drop(skipCloseFrame=True)

        application = Dropping()
        Ends(application).peer.sendText("a", "b")
        self.assertEqual(application.messages, ["a"])

    def test_restAfterClose(self) -> None:
        """
        After close(), what else was in the same segment is counted instead.
        """

        class Closing(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                self.connection.close()

        application = Closing()
        ends = Ends(application)
        ends.peer.sendText("a", "b", "c")
        ends.peer.sendClose()
        self.assertEqual(application.messages, ["a"])
        self.assertEqual(application.report.messagesDiscarded, 2)


class HookTests(SynchronousTestCase):
    """
    Tests of hooks that take their time, or fail.
    """

    def test_deferred(self) -> None:
        """
        While a hook's Deferred has not fired nothing more is delivered; then the
        messages follow in order.
        """
        waited: list[Deferred[None]] = []

        class Slow(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                waited.append(Deferred())
                return waited[-1]

        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a", "b")
        ends.peer.sendText("c")
        self.assertEqual(application.messages, ["a"])
        for count, expected in enumerate(
            (["a", "b"], ["a", "b", "c"], ["a", "b", "c"])
        ):
            waited[count].callback(None)
            ends.peer.turn()
            self.assertEqual(application.messages, expected)
        self.assertTrue(ends.transport.isReading)

    def test_firedDeferred(self) -> None:
        """
        A Deferred that has fired already holds nothing up, however many come.
        """

        class Quick(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                return succeed(None)

        application = Quick()
        ends = Ends(application)
        ends.peer.sendText(*["x"] * 5000)
        self.assertEqual(len(application.messages), 5000)
        self.assertTrue(ends.transport.isReading)

    def test_coroutines(self) -> None:
        """
        Hooks may be coroutines: messages are dealt with one after the other.
        """
        permits: list[Deferred[None]] = []

        class Slow(Recorder):
            async def textMessageReceived(self, message: str) -> None:
                self.told.append(f"begin {message}")
                permits.append(Deferred())
                await permits[-1]
                self.told.append(f"end {message}")
                self.connection.send(message.upper())

        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a", "b")
        self.assertEqual(application.told[2:], ["begin a"])
        permits[0].callback(None)
        self.assertEqual(application.told[2:], ["begin a", "end a", "begin b"])
        permits[1].callback(None)
        self.assertEqual(ends.peer.frames(), [text("A"), text("B")])

    def test_ordinaryResult(self) -> None:
        """
        What else a hook returns means nothing.
        """

        class Odd(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                return message

        application = Odd()
        Ends(application).peer.sendText("a", "", "b")
        self.assertEqual(application.messages, ["a", "", "b"])

    def test_otherHooks(self) -> None:
        """
        Bytes, pongs and frames are waited for as text is.
        """
        cases: list[tuple[str, int, dict[str, Any]]] = [
            ("bytesMessageReceived", Opcode.BINARY, {}),
            ("pongReceived", Opcode.PONG, {}),
            ("frameReceived", Opcode.BINARY, {"assembleFragments": False}),
        ]
        for name, opcode, options in cases:
            calls: list[object] = []
            waited: Deferred[None] = Deferred()

            def hook(
                payload: object, calls: Any = calls, waited: Any = waited
            ) -> object:
                calls.append(payload)
                return waited

            application = type("Slow", (), {name: staticmethod(hook)})()
            ends = Ends(application, **options)
            ends.peer.send(
                ends.peer.frame(opcode, b"a") + ends.peer.frame(opcode, b"b")
            )
            self.assertEqual(len(calls), 1, name)
            waited.callback(None)
            self.assertEqual(len(calls), 2, name)

    def test_lostMeanwhile(self) -> None:
        """
        If the connection is lost while a hook is waited for, connectionLost is called
        at once, and nothing is delivered afterwards.
        """
        waited: Deferred[None] = Deferred()

        class Slow(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                return waited

        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a", "b")
        ends.peer.vanish()
        self.assertEqual(application.told[-1], "lost")
        waited.callback(None)
        ends.peer.turn()
        self.assertEqual(application.messages, ["a"])
        self.assertEqual(application.told.count("lost"), 1)

    def assertFails(self, application: Recorder, **options: Any) -> None:
        """
        Check that a message makes this application fail, alone and in order.
        """
        bystander = Recorder()
        other = Ends(bystander)
        ends = Ends(application, **options)
        ends.peer.send(
            ends.peer.text("a") + ends.peer.frame(Opcode.PONG) + ends.peer.text("b")
        )
        self.assertEqual(ends.peer.frames(), [close(1011)])
        [failure] = self.flushLoggedErrors()
        self.assertIsInstance(failure.value, OddError)
        ends.peer.end()
        self.assertIs(application.report.cause, CloseCause.APPLICATION_ERROR)
        self.assertEqual(application.report.sentCode, 1011)
        self.assertFalse(application.report.wasClean)
        self.assertNotIn("secret", str(application.report))
        other.peer.sendText("c")
        self.assertEqual(bystander.messages, ["c"])

    def test_raising(self) -> None:
        """
        A hook that raises is logged, closes its connection with 1011, and touches no
        other; nothing more is delivered.
        """

        class Broken(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                raise OddError("secret")

        application = Broken()
        self.assertFails(application)
        self.assertEqual(application.messages, ["a"])

    def test_failingDeferred(self) -> None:
        """
        The same if a hook's Deferred fails.
        """

        class Broken(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                waited: Deferred[None] = Deferred()
                waited.errback(OddError("secret"))
                return waited

        application = Broken()
        self.assertFails(application)
        self.assertEqual(application.messages, ["a"])

    def test_failingCoroutine(self) -> None:
        """
        The same if a coroutine raises, after it has waited.
        """
        waited: Deferred[None] = Deferred()

        class Broken(Recorder):
            async def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                await waited
                raise OddError("secret")

        application = Broken()
        ends = Ends(application)
        ends.peer.sendText("a", "b")
        self.assertEqual(ends.peer.frames(), [])
        waited.callback(None)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(application.messages, ["a"])

    def test_failingPing(self) -> None:
        """
        The same if pingReceived or pongReceived raises.
        """
        for name, opcode in (("ping", Opcode.PING), ("pong", Opcode.PONG)):
            application = Recorder()
            setattr(application, f"{name}Received", self.fail_)
            ends = Ends(application)
            ends.peer.send(ends.peer.frame(opcode, b"x"))
            self.assertEqual(ends.peer.frames(), [close(1011)])
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def fail_(self, *_: object) -> None:
        """
        Raise.
        """
        raise OddError

    def test_logNamesConnection(self) -> None:
        """
        The log says which connection's application failed.
        """
        application = Recorder()
        application.textMessageReceived = self.fail_  # type: ignore[method-assign]
        ends = Ends(application)
        with capturedLogs() as logged:
            ends.peer.sendText("a")
        [event] = [event for event in logged if event["log_level"] is LogLevel.critical]
        self.assertIn("192.0.2.1", event["connection"])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_race(self) -> None:
        """
        A hook that sends when its connection has just ended is no fault: nothing is
        logged, and no 1011 is reported.
        """
        waited: Deferred[None] = Deferred()

        class Slow(Recorder):
            async def textMessageReceived(self, message: str) -> None:
                await waited
                self.connection.send(message)

        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a")
        ends.peer.vanish()
        waited.callback(None)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertIs(application.report.cause, CloseCause.PEER_LOST)

    def test_raceWithin(self) -> None:
        """
        Nor is it one if the hook sends after it has closed the connection itself.
        """

        class Confused(Recorder):
            def textMessageReceived(self, message: str) -> None:
                self.connection.close(4001)
                self.connection.send(message)

        ends = Ends(Confused())
        ends.peer.sendText("a")
        self.assertEqual(ends.peer.frames(), [close(4001)])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_raceBeforeClose(self) -> None:
        """
        What follows such a race is dealt with: the peer's close frame is not kept back.
        """

        class Heartbeat(Recorder):
            def pongReceived(self, payload: bytes) -> None:
                self.connection.ping(b"again")

        application = Heartbeat()
        ends = Ends(application)
        ends.connection.close()
        peer = ends.peer
        peer.send(peer.frame(Opcode.PONG) * 3 + peer.close())
        peer.end()
        self.assertTrue(application.report.wasClean)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_somebodyElsesEnd(self) -> None:
        """
        A ConnectionClosed of another connection is a fault like any other.
        """
        gone = Ends()
        gone.peer.vanish()

        class Forwarding(Recorder):
            def textMessageReceived(self, message: str) -> None:
                gone.connection.send(message)

        ends = Ends(Forwarding())
        ends.peer.sendText("a")
        self.assertEqual(ends.peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(ConnectionClosed)), 1)

    def test_failingEnd(self) -> None:
        """
        An error in connectionLost is logged, and whoever waits for the end is told.
        """

        class Broken(Recorder):
            def connectionLost(self, reason: Failure) -> None:
                raise OddError

        ends = Ends(Broken())
        closed = ends.connection.whenClosed()
        ends.peer.vanish()
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertIs(self.successResultOf(closed).cause, CloseCause.PEER_LOST)

    def test_coroutineAtEnd(self) -> None:
        """
        connectionLost may be a coroutine: it is run, and what it raises is logged.
        """
        waited: Deferred[None] = Deferred()

        class Slow(Recorder):
            async def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
                super().connectionLost(reason)
                await waited
                raise OddError

        application = Slow()
        Ends(application).peer.vanish()
        self.assertEqual(application.told[-1], "lost")
        waited.callback(None)
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)


class PauseTests(SynchronousTestCase):
    """
    Tests of pause() and resume().
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.application = Recorder()
        self.ends = Ends(self.application)
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def test_pause(self) -> None:
        """
        A paused connection reads and delivers nothing until it is resumed.
        """
        self.connection.pause()
        self.assertFalse(self.ends.transport.isReading)
        self.peer.sendText("a")
        self.assertEqual(self.application.messages, [])
        self.assertTrue(self.ends.transport.arrived)
        self.connection.resume()
        self.peer.turn()
        self.assertEqual(self.application.messages, ["a"])
        self.assertTrue(self.ends.transport.isReading)

    def test_resumedByOthers(self) -> None:
        """
        If somebody else resumes the transport, as a wrapper that limits rates does, one
        read is all that comes.
        """
        self.connection.pause()
        self.ends.transport.resumeProducing()
        self.peer.sendText("a")
        self.assertFalse(self.ends.transport.isReading)
        self.assertEqual(self.application.messages, [])
        self.connection.resume()
        self.assertEqual(self.application.messages, ["a"])
        self.assertTrue(self.ends.transport.isReading)

    def test_lostWithWhatWaits(self) -> None:
        """
        TLS tells of the end at once with what came before, though we don't read. The
        messages among it are counted as discarded, and a close frame says why.
        """
        self.connection.pause()
        self.peer.arrive(self.peer.text("a") + self.peer.text("b"))
        self.peer.arrive(self.peer.close(4001, "bye"))
        # What stands behind that counts for nothing.
        self.peer.arrive(self.peer.text("c") + self.peer.close(4002))
        self.peer.vanish()
        self.assertEqual(self.application.messages, [])
        report = self.application.report
        self.assertEqual(report.messagesDiscarded, 2)
        self.assertEqual((report.receivedCode, report.receivedReason), (4001, "bye"))

    def test_pauseWithin(self) -> None:
        """
        After pause() in a hook, the rest of the segment waits as well.
        """

        class Pausing(Recorder):
            def textMessageReceived(self, message: str) -> None:
                super().textMessageReceived(message)
                self.connection.pause()

        application = Pausing()
        ends = Ends(application)
        ends.peer.sendText("a", "b", "c")
        for expected in (["a"], ["a", "b"], ["a", "b", "c"]):
            self.assertEqual(application.messages, expected)
            self.assertFalse(ends.transport.isReading)
            ends.connection.resume()
        self.assertTrue(ends.transport.isReading)

    def test_pauseAndResumeWithin(self) -> None:
        """
        A pause that a hook takes back itself changes nothing, and no message overtakes
        the one that is being delivered.
        """

        class Hasty(Recorder):
            def textMessageReceived(self, message: str) -> None:
                self.connection.pause()
                self.connection.resume()
                super().textMessageReceived(message)

        application = Hasty()
        Ends(application).peer.sendText("a", "b", "c")
        self.assertEqual(application.messages, ["a", "b", "c"])

    def test_pauseCountsOnce(self) -> None:
        """
        However often pause() was called, one resume() is enough; more do no harm.
        """
        self.connection.resume()
        self.connection.pause()
        self.connection.pause()
        self.connection.resume()
        self.connection.resume()
        self.peer.sendText("a")
        self.assertEqual(self.application.messages, ["a"])

    def test_pauseAndHook(self) -> None:
        """
        A connection that is paused while a hook is waited for stays paused when the
        hook is over, and the other way round.
        """
        waited: list[Deferred[None]] = []

        class Slow(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                waited.append(Deferred())
                return waited[-1]

        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a", "b", "c")
        ends.connection.pause()
        waited[0].callback(None)
        self.assertEqual(application.messages, ["a"])
        ends.connection.resume()
        self.assertEqual(application.messages, ["a", "b"])
        ends.connection.pause()
        ends.connection.resume()
        self.assertEqual(application.messages, ["a", "b"])
        waited[1].callback(None)
        self.assertEqual(application.messages, ["a", "b", "c"])

    def test_sendingWhilePaused(self) -> None:
        """
        A paused connection can send.
        """
        self.connection.pause()
        self.connection.send("a")
        self.assertEqual(self.peer.frames(), [text("a")])

    def test_closingWhilePaused(self) -> None:
        """
        Closing a paused connection reads again, so that the peer's close is seen.
        """
        self.connection.pause()
        self.peer.sendText("a")
        self.peer.sendClose(4000)
        closed = self.connection.close()
        self.peer.turn()
        report = self.successResultOf(closed)
        self.assertTrue(report.wasClean)
        self.assertEqual((report.code, report.messagesDiscarded), (4000, 1))

    def test_pausingTooLate(self) -> None:
        """
        Pausing a connection that is closing does not keep it from ending.
        """
        self.connection.close()
        self.connection.pause()
        self.peer.sendClose()
        self.assertTrue(self.application.report.wasClean)
        self.connection.pause()
        self.connection.resume()


class KeepaliveTests(SynchronousTestCase):
    """
    Tests of how a connection's silence is dealt with.
    """

    def setUp(self) -> None:
        """
        Open a connection.
        """
        self.application = Recorder()
        self.ends = Ends(self.application)
        self.connection, self.peer = self.ends.connection, self.ends.peer

    def test_silence(self) -> None:
        """
        After 20 seconds of silence there is a ping; 10 seconds later the peer is given
        up.
        """
        self.peer.waitLong(19)
        self.assertEqual(self.peer.frames(), [])
        self.peer.wait(1)
        [frame] = self.peer.frames()
        self.assertEqual(frame.opcode, Opcode.PING)
        self.peer.waitLong(9)
        self.assertTrue(self.ends.transport.isConnected)
        self.peer.wait(1)
        self.assertTrue(self.ends.transport.wasAborted)
        report = self.application.report
        self.assertIs(report.cause, CloseCause.KEEPALIVE_TIMEOUT)
        self.assertFalse(report.wasClean)
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_bothRoles(self) -> None:
        """
        A client does the same.
        """
        application = Recorder()
        ends = Ends(application, role=Role.CLIENT)
        ends.peer.waitLong(30)
        self.assertIs(application.report.cause, CloseCause.KEEPALIVE_TIMEOUT)

    def test_payloads(self) -> None:
        """
        The pings' payloads can't be guessed, so that no peer answers in advance.
        """
        payloads = []
        for _ in range(20):
            self.peer.wait(20)
            [frame] = self.peer.frames()
            payloads.append(frame.payload)
            self.peer.pong(frame.payload)
        self.assertEqual(len(set(payloads)), 20)
        self.assertTrue(all(len(payload) >= 4 for payload in payloads))

    def test_anyByte(self) -> None:
        """
        Any byte is life, and be it one of a long frame or a pong nobody asked for.
        """
        frame = self.peer.binary(bytes(50))
        for place in range(len(frame)):
            self.peer.send(frame[place : place + 1])
            self.peer.waitLong(19)
        self.peer.pong(b"unasked")
        self.peer.waitLong(19)
        self.assertEqual(self.peer.frames(), [])
        self.assertEqual(self.application.messages, [bytes(50)])

    def test_pingAheadOfMessages(self) -> None:
        """
        The ping goes out ahead of queued messages, between two frames.
        """
        ends = Ends(role=Role.CLIENT)
        ends.peer.stall()
        for _ in range(100):
            ends.connection.send(bytes(10 * KIB))
        ends.peer.wait(20)
        ends.peer.goOn()
        opcodes = [frame.opcode for frame in ends.peer.frames()]
        self.assertEqual(len(opcodes), 101)
        place = opcodes.index(Opcode.PING)
        # Behind what the transport had been given before.
        self.assertTrue(0 < place < 20, place)

    def test_pingWithoutRoom(self) -> None:
        """
        A ping of the keep-alive needs no room in a full queue, and ends nothing.
        """
        ends = Ends(role=Role.CLIENT, maxBufferedBytes=1000)
        ends.peer.stall()
        ends.connection.send(bytes(300 * KIB))
        ends.peer.wait(20)
        self.assertTrue(ends.connection.connected)

    def test_takingIsLife(self) -> None:
        """
        A peer that takes what is queued is alive, though the ping in the middle of it
        has not reached it yet; one that takes nothing more is noticed.
        """
        for role in Role:
            ends = Ends(role=role)
            ends.peer.stall()
            ends.connection.send(bytes(5000 * KIB))
            for _ in range(30):
                ends.peer.waitLong(4)
                ends.transport.isStalled = False
                ends.transport.turn()
                ends.transport.isStalled = True
            self.assertTrue(ends.connection.connected)
            ends.peer.waitLong(35)
            self.assertFalse(ends.transport.isConnected)

    def test_sendingIsNoLife(self) -> None:
        """
        That we send says nothing about the peer.
        """
        for _ in range(30):
            self.connection.send("hello?")
            self.peer.wait(1)
        self.assertIs(self.application.report.cause, CloseCause.KEEPALIVE_TIMEOUT)

    def test_ownPause(self) -> None:
        """
        A silence that is due to our own pause counts for nothing, however long; the
        time runs from when it is taken back.
        """
        self.connection.pause()
        self.peer.waitLong(3600, step=7)
        self.assertEqual(self.peer.frames(), [])
        self.connection.resume()
        self.peer.waitLong(19)
        self.assertEqual(self.peer.frames(), [])
        self.peer.waitLong(10)
        self.assertTrue(self.ends.transport.isConnected)

    def test_pauseAfterPing(self) -> None:
        """
        A pause between the ping and its answer does not count against the peer.
        """
        self.peer.waitLong(20)
        [frame] = self.peer.frames()
        self.peer.waitLong(5)
        self.connection.pause()
        self.peer.pong(frame.payload)
        self.peer.waitLong(100)
        self.connection.resume()
        self.peer.waitLong(19)
        self.assertTrue(self.ends.transport.isConnected)

    def test_slowApplication(self) -> None:
        """
        Nor does the time that the application takes for a message, while so much waits
        behind that that the peer is not read from.
        """
        waited: Deferred[None] = Deferred()

        class Slow(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                return waited

        ends = Ends(Slow())
        ends.peer.sendText(*"abcdefghijklmnopqrstuvwxyz")
        ends.peer.waitLong(100)
        self.assertTrue(ends.transport.isConnected)
        self.assertEqual(ends.peer.frames(), [])

    def test_off(self) -> None:
        """
        Without ``keepalive`` an idle connection has no timer at all.
        """
        ends = Ends(keepalive=False)
        self.assertEqual(ends.clock.getDelayedCalls(), [])
        ends.peer.wait(86400)
        self.assertTrue(ends.transport.isConnected)

    def test_neverDropping(self) -> None:
        """
        Without ``dropConnectionOnKeepaliveTimeout`` a silent peer is pinged on and on.
        """
        ends = Ends(dropConnectionOnKeepaliveTimeout=False)
        ends.peer.waitLong(100)
        self.assertEqual(
            [frame.opcode for frame in ends.peer.frames()], [Opcode.PING] * 5
        )
        self.assertTrue(ends.transport.isConnected)

    def test_options(self) -> None:
        """
        ``keepaliveInterval`` and ``keepaliveGracePeriod`` say when.
        """
        application = Recorder()
        ends = Ends(application, keepaliveInterval=2, keepaliveGracePeriod=0.5)
        ends.peer.wait(2)
        self.assertEqual(len(ends.peer.frames()), 1)
        ends.peer.wait(0.4)
        self.assertEqual(application.lost, [])
        ends.peer.wait(0.1)
        self.assertIs(application.report.cause, CloseCause.KEEPALIVE_TIMEOUT)

    def test_notWhileClosing(self) -> None:
        """
        Nobody is pinged while the connection is closing.
        """
        ends = Ends(closeTimeout=100)
        ends.connection.close()
        ends.peer.waitLong(99)
        self.assertEqual(ends.peer.frames(), [close()])

    def test_pingsOfTheApplication(self) -> None:
        """
        The answer to a ping of ours does not answer one of the application's.
        """
        answered = self.connection.ping(b"mine")
        self.assertEqual(self.peer.frames(), [ping(b"mine")])
        self.peer.waitLong(20)
        [frame] = self.peer.frames()
        self.peer.pong(frame.payload)
        self.assertNoResult(answered)


class LifetimeTests(SynchronousTestCase):
    """
    Tests of connections that last for so long only.
    """

    def open(self, **options: Any) -> None:
        """
        Open a connection that may last for 100 seconds.
        """
        self.application = Recorder()
        settings = {"maxLifetime": 100, "lifetimeJitter": 0, **options}
        self.ends = Ends(self.application, **settings)
        self.peer = self.ends.peer

    def test_end(self) -> None:
        """
        When the time is over the connection is closed as one closes, with 1001, and the
        report says why. Nothing is left behind.
        """
        for role in Role:
            self.open(role=role, keepalive=False)
            self.peer.wait(99.9)
            self.assertEqual(self.peer.frames(), [])
            self.peer.wait(0.1)
            self.assertEqual(self.peer.frames(), [close(1001)])
            self.peer.sendClose(1001)
            if role is Role.CLIENT:
                self.peer.vanish()
            report = self.application.report
            self.assertIs(report.cause, CloseCause.LIFETIME_OVER)
            self.assertEqual((report.wasClean, report.sentCode), (True, 1001))
            self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_busy(self) -> None:
        """
        Nothing that passes puts the end off, and what was sent before it leaves.
        """
        self.open()
        for _ in range(99):
            self.peer.sendText("hello")
            self.peer.wait(1)
        self.ends.connection.send("the last")
        self.peer.wait(1)
        self.assertEqual(self.peer.frames(), [text("the last"), close(1001)])
        self.assertEqual(len(self.application.messages), 99)

    def test_noAnswer(self) -> None:
        """
        A peer that does not answer is dropped after ``closeTimeout``.
        """
        self.open(closeTimeout=3, keepalive=False)
        self.peer.waitLong(100)
        self.assertTrue(self.ends.transport.isConnected)
        self.peer.waitLong(3)
        self.assertTrue(self.ends.transport.wasAborted)
        self.assertIs(self.application.report.cause, CloseCause.CLOSE_TIMEOUT)
        self.assertEqual(self.application.report.sentCode, 1001)

    def test_earlier(self) -> None:
        """
        A connection that has ended by itself, or is ending, is left alone.
        """
        self.open(closeTimeout=200)
        self.ends.connection.close(1000)
        self.peer.wait(150)
        self.assertEqual(self.peer.frames(), [close(1000)])
        self.open()
        self.peer.vanish()
        self.assertEqual(self.ends.clock.getDelayedCalls(), [])

    def test_jitter(self) -> None:
        """
        ``lifetimeJitter`` has connections that were opened together end one by one,
        none later than ``maxLifetime``.
        """
        clock, ends = Clock(), []
        for _ in range(100):
            one = Ends(
                transport=MemoryTransport(clock),
                keepalive=False,
                maxLifetime=100,
                lifetimeJitter=0.2,
            )
            one.connection.whenClosed()
            ends.append(one)
        clock.advance(79.9)
        self.assertFalse(any(each.peer.frames() for each in ends))
        clock.advance(10)
        gone = sum(bool(each.peer.frames()) for each in ends)
        self.assertTrue(20 < gone < 80, gone)
        clock.advance(10.1)
        closing = [each.connection.state is State.AWAITING_CLOSE for each in ends]
        closed = [each.connection.state is State.CLOSED for each in ends]
        self.assertEqual(sum(closing) + sum(closed), 100)

    def test_never(self) -> None:
        """
        By default a connection lasts as long as its ends like.
        """
        ends = Ends(keepalive=False)
        ends.peer.wait(365 * 86400)
        self.assertEqual(ends.peer.frames(), [])
        self.assertTrue(ends.transport.isConnected)


class WallClockTests(SynchronousTestCase):
    """
    Tests of a reactor whose clock is set while connections are open.
    """

    def setUp(self) -> None:
        """
        Open a busy connection, and one that is silent.
        """
        self.clock = WallClock(self)
        self.busy = Ends(transport=MemoryTransport(self.clock))
        self.silent = Ends(transport=MemoryTransport(self.clock))

    def wait(self, seconds: int) -> None:
        """
        Let time pass. The busy peer says something each second.
        """
        for _ in range(seconds):
            self.clock.advance(1)
            for each in (self.busy, self.silent):
                each.peer.turn()
            self.busy.peer.ping()

    def test_setBack(self) -> None:
        """
        When the clock is set back by an hour, traffic on any connection has all
        deadlines met: a silent peer is pinged and dropped as ever.
        """
        self.wait(10)
        self.clock.jump(-3600)
        self.wait(15)
        [frame] = self.silent.peer.frames()
        self.assertEqual(frame.opcode, Opcode.PING)
        self.wait(10)
        report = self.silent.connection.closeReport
        assert report is not None
        self.assertIs(report.cause, CloseCause.KEEPALIVE_TIMEOUT)
        self.assertTrue(self.busy.connection.connected)

    def test_setForward(self) -> None:
        """
        When it is set forward by an hour nobody is pinged or dropped for that, whatever
        is waited for.
        """
        closed = self.silent.connection.close()
        self.wait(4)
        self.clock.jump(3600)
        self.assertNoResult(closed)
        self.assertEqual(self.busy.peer.frames(), [pong()] * 4)
        self.wait(2)
        report = self.successResultOf(closed)
        self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)
        self.assertTrue(self.busy.connection.connected)
