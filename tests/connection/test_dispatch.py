# Part of txwebsocket. See LICENSE for details.
"""
Tests of applications that take their time, and of messages that are left out for peers
that do: a part of those in ``test_link``.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.test_flow import OddError
from tests.support.memory import Ends, Recorder, Served, close, text
from txwebsocket import BufferPolicy, ServerConfig
from txwebsocket.wire.codes import Opcode, Role

KIB = 1024
MIB = 1024 * KIB


class Slow(Recorder):
    """
    An application that deals with a message when it is told to.

    :ivar waited: what it waits for, for each message.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[Deferred[None]] = []

    def textMessageReceived(self, message: str) -> Any:
        """
        Write it down, and wait.
        """
        super().textMessageReceived(message)
        self.waited.append(Deferred())
        return self.waited[-1]

    def bytesMessageReceived(self, data: bytes) -> Any:
        """
        The same.
        """
        super().bytesMessageReceived(data)
        self.waited.append(Deferred())
        return self.waited[-1]


class ConcurrencyTests(SynchronousTestCase):
    """
    Tests of ``concurrentMessages``.
    """

    def connect(self, number: int = 3) -> tuple[Slow, Ends]:
        """
        Connect to an application that deals with so many messages at a time.
        """
        application = Slow()
        return application, Ends(application, concurrentMessages=number)

    def test_one(self) -> None:
        """
        By default a message waits for the one before.
        """
        application = Slow()
        ends = Ends(application)
        ends.peer.sendText("a", "b")
        self.assertEqual(application.messages, ["a"])

    def test_several(self) -> None:
        """
        As many as the option says are dealt with at a time; then the others wait until
        one of them is done, whichever it is.
        """
        application, ends = self.connect()
        ends.peer.sendText("a", "b")
        ends.peer.sendBytes(b"c")
        ends.peer.sendText("d", "e", "f")
        self.assertEqual(application.messages, ["a", "b", b"c"])
        application.waited[1].callback(None)
        ends.peer.turn()
        self.assertEqual(application.messages, ["a", "b", b"c", "d"])
        for number in (0, 2, 3):
            application.waited[number].callback(None)
        ends.peer.turn()
        self.assertEqual(application.messages, ["a", "b", b"c", "d", "e", "f"])
        self.assertTrue(ends.transport.isReading)

    def test_quick(self) -> None:
        """
        What is dealt with at once does not count.
        """
        later: list[Deferred[None]] = [Deferred(), Deferred()]
        results = iter([succeed(None), None, later[0], succeed(None), later[1]])

        class Mixed(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                return next(results)

        application = Mixed()
        Ends(application, concurrentMessages=2).peer.sendText(*"abcdef")
        self.assertEqual(application.messages, list("abcde"))

    def test_failing(self) -> None:
        """
        One that fails is logged and closes the connection; what the others send after
        that is a race and no fault.
        """
        permits: list[Deferred[None]] = []

        class Working(Recorder):
            async def textMessageReceived(self, message: str) -> None:
                permits.append(Deferred())
                await permits[-1]
                self.connection.send(message)

        ends = Ends(Working(), concurrentMessages=3)
        ends.peer.sendText("a", "b", "c")
        permits[0].errback(OddError())
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        for each in permits[1:]:
            each.callback(None)
        self.assertEqual(ends.peer.frames(), [close(1011)])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_opening(self) -> None:
        """
        No message is delivered before negotiationFinished is done, whatever the option.
        """
        opening: Deferred[None] = Deferred()

        class Preparing(Recorder):
            def negotiationFinished(self) -> Any:
                return opening

        application = Preparing()
        ends = Ends(application, concurrentMessages=10)
        ends.peer.sendText("a")
        self.assertEqual(application.messages, [])
        opening.callback(None)
        ends.peer.turn()
        self.assertEqual(application.messages, ["a"])


class NeverTests(SynchronousTestCase):
    """
    Tests of a hook whose result never comes.
    """

    def setUp(self) -> None:
        """
        Have the first message never be dealt with.
        """
        self.application = Slow()
        self.served = Served(
            lambda request: request.accept(application=self.application)
        )
        self.peer = self.served.upgrade()
        self.peer.sendText("a")
        [self.connection] = self.served.resource.server.connections

    def test_bounded(self) -> None:
        """
        The peer is read from no further than as much as one message may have, however
        much it sends.
        """
        for _ in range(64):
            self.peer.sendText("x" * MIB)
        self.assertEqual(self.application.messages, ["a"])
        self.assertLess(self.connection.traffic.bytesReceived, 2 * MIB)

    def test_keepalive(self) -> None:
        """
        A peer that is not read from, since much waits, is not taken for dead.
        """
        self.peer.sendText(*map(str, range(100)))
        self.peer.waitLong(3600, 5)
        self.assertTrue(self.connection.connected)
        self.assertEqual(self.application.lost, [])

    def test_sending(self) -> None:
        """
        What is sent meanwhile leaves.
        """
        self.connection.send("b")
        self.assertEqual(self.peer.frames(), [text("b")])

    def test_close(self) -> None:
        """
        Whoever closes the connection hears of its end, from a peer that answers and
        from one that does not.
        """
        closed = self.connection.close()
        self.peer.sendClose()
        self.assertTrue(self.successResultOf(closed).wasClean)
        self.assertEqual(len(self.application.lost), 1)

    def test_shutDown(self) -> None:
        """
        The server can be shut down.
        """
        down = self.served.resource.server.shutDown()
        self.peer.waitLong(60)
        self.successResultOf(down)
        self.assertEqual(len(self.application.lost), 1)
        self.assertNoResult(self.application.waited[0])


class Dropping(Recorder):
    """
    An application that is told of messages that were left out.
    """

    def messagesDropped(self, count: int) -> Any:
        """
        Write it down, and send what is new.
        """
        self.told.append(("dropped", count))
        self.connection.send(f"{count} are missing")


class DropTests(SynchronousTestCase):
    """
    Tests of ``BufferPolicy.DROP``.
    """

    def connect(self, application: Recorder | None = None, **options: Any) -> Ends:
        """
        Connect to a peer that does not read, with 10 KiB queued for it.
        """
        self.logged: list[Any] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)
        ends = Ends(
            application,
            whenBufferFull=BufferPolicy.DROP,
            maxBufferedBytes=10 * KIB,
            **options,
        )
        ends.peer.stall()
        ends.connection.send(bytes(64 * KIB))
        ends.connection.send(bytes(10 * KIB))
        return ends

    def lines(self) -> list[str]:
        """
        What operators were told.
        """
        return [
            event["log_format"]
            for event in self.logged
            if "left out" in (event.get("log_format") or "")
        ]

    def test_told(self) -> None:
        """
        Operators are told of the first message that is left out; the application is
        told how many were when the peer has taken all that waited, and can send what is
        new.
        """
        for role in Role:
            application = Dropping()
            ends = self.connect(application, role=role)
            for _ in range(5):
                ends.connection.send("lost")
            self.assertEqual(len(self.lines()), 1)
            self.assertNotIn(("dropped", 5), application.told)
            ends.peer.goOn()
            self.assertEqual(application.told[-1], ("dropped", 5))
            self.assertEqual(ends.peer.frames()[-1], text("5 are missing"))
            self.assertEqual(ends.connection.traffic.messagesDropped, 5)

    def test_toldAgain(self) -> None:
        """
        So it is each time, and the report counts all of them.
        """
        application = Dropping()
        ends = self.connect(application)
        for count in (1, 2):
            for _ in range(count):
                ends.connection.send(bytes(11 * KIB))
            ends.peer.goOn()
            ends.peer.stall()
            ends.connection.send(bytes(64 * KIB))
            ends.connection.send("behind it")
        ends.peer.vanish()
        told = [each for each in application.told if each[0] == "dropped"]
        self.assertEqual(told, [("dropped", 1), ("dropped", 2)])
        self.assertEqual(len(self.lines()), 2)
        self.assertEqual(application.report.messagesDropped, 3)
        self.assertIn("3 messages were dropped", str(application.report))

    def test_ended(self) -> None:
        """
        If the connection ends, or closes, before that, the report alone tells.
        """
        for isClosing in (True, False):
            application = Dropping()
            ends = self.connect(application)
            ends.connection.send(bytes(11 * KIB))
            if isClosing:
                ends.connection.close()
                ends.peer.goOn()
            ends.peer.vanish()
            self.assertNotIn(("dropped", 1), application.told)
            self.assertEqual(application.report.messagesDropped, 1)

    def test_inHook(self) -> None:
        """
        Within a hook, too, messages are left out only if the transport has no room:
        what a quick peer can take is not.
        """

        class Answering(Recorder):
            def textMessageReceived(self, message: str) -> None:
                for _ in range(100):
                    self.connection.send(bytes(KIB))

        ends = Ends(
            Answering(), whenBufferFull=BufferPolicy.DROP, maxBufferedBytes=2 * KIB
        )
        ends.transport.bufferSize = MIB
        ends.peer.sendText("a")
        self.assertEqual(len(ends.peer.frames()), 100)
        self.assertEqual(ends.connection.traffic.messagesDropped, 0)

    def test_pullStyle(self) -> None:
        """
        Without an application in callback style it is counted, and logged.
        """
        ends = self.connect()
        ends.connection.send("lost" * KIB)
        ends.peer.goOn()
        self.assertEqual(ends.connection.traffic.messagesDropped, 1)
        self.assertEqual(len(self.lines()), 1)

    def test_failing(self) -> None:
        """
        If being told of it fails, at once or later, that is logged and closes the
        connection with 1011.
        """

        class Broken(Dropping):
            def messagesDropped(self, count: int) -> Any:
                raise OddError

        class BrokenLater(Dropping):
            async def messagesDropped(self, count: int) -> Any:
                raise OddError

        for application in (Broken(), BrokenLater()):
            ends = self.connect(application)
            ends.connection.send(bytes(11 * KIB))
            ends.peer.goOn()
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
            self.assertEqual(ends.peer.frames()[-1], close(1011))

    def test_broadcast(self) -> None:
        """
        A broadcast leaves such a connection out and reaches all others; so it does if
        the policy is to raise.
        """
        for policy in (BufferPolicy.DROP, BufferPolicy.RAISE):
            config = ServerConfig(whenBufferFull=policy, maxBufferedBytes=KIB)
            served = Served(Recorder, config)
            peers = [served.upgrade() for _ in range(3)]
            server = served.resource.server
            slow = list(server.connections)[1]
            peers[1].stall()
            slow.send(bytes(64 * KIB))
            slow.send(bytes(KIB))
            self.assertEqual(server.broadcast("news"), [slow])
            for peer in (peers[0], peers[2]):
                self.assertEqual(peer.frames(), [text("news")])
            self.assertTrue(slow.connected)
            isDropping = policy is BufferPolicy.DROP
            self.assertEqual(slow.traffic.messagesDropped, isDropping)

    def test_keepalive(self) -> None:
        """
        A ping for which there is no room is passed over: what waits has its own
        deadline.
        """
        for policy in BufferPolicy:
            ends = Ends(
                whenBufferFull=policy,
                maxBufferedBytes=10,
                writeTimeout=100,
                role=Role.CLIENT,
            )
            ends.peer.stall()
            ends.connection.send(bytes(64 * KIB))
            ends.connection.send(b"1234")
            ends.peer.waitLong(25)
            self.assertEqual(self.flushLoggedErrors(), [])


class EchoTests(SynchronousTestCase):
    """
    Tests of an echo to a peer that never reads.
    """

    def test_bounded(self) -> None:
        """
        128 MiB in messages of a quarter of one, to which nobody listens, take less than
        one of them and the marks.
        """

        class Echo(Recorder):
            def bytesMessageReceived(self, data: bytes) -> None:
                self.connection.send(data)

        for concurrency in (1, 10):
            ends = Ends(Echo(), concurrentMessages=concurrency)
            ends.peer.stall()
            message = ends.peer.frame(Opcode.BINARY, bytes(256 * KIB))
            for _ in range(512):
                ends.peer.send(message)
                if not ends.transport.isReading:
                    # It stays with the peer.
                    ends.transport.arrived.clear()
                held = ends.connection.bufferedAmount + len(ends.transport.unsent)
                self.assertLess(held, 256 * KIB + 128 * KIB)
            self.assertTrue(ends.connection.connected)
            self.assertLess(ends.connection.traffic.bytesReceived, MIB)
