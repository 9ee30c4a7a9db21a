# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.reconnect`.
"""

from __future__ import annotations

import contextlib
import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from zope.interface import implementer

from tests.support.remote import URL, ClientTestCase
from tests.support.trying import DELAYS, TryingTestCase
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    ConnectionRejected,
    OpeningFailed,
    OpeningTimedOut,
    ReconnectConfig,
    ReconnectingWebSocket,
    WebSocketConnection,
)
from txwebsocket.testing import MemorySite

LOUD = (LogLevel.warn, LogLevel.error, LogLevel.critical)


class ConnectionsTestCase(TryingTestCase):
    """
    What tests of loops over connections need.

    :ivar had: the connections that the loop was given.
    """

    def setUp(self) -> None:
        super().setUp()
        self.had: list[WebSocketConnection] = []
        self.heard: list[str | bytes] = []

    def connections(
        self, config: ReconnectConfig = DELAYS, connect: Any = None
    ) -> ReconnectingWebSocket:
        """
        Connections for a loop.
        """
        return ReconnectingWebSocket(
            self.trying.clock, connect or self.trying, config, **self.listeners()
        )

    async def hear(self, connections: ReconnectingWebSocket) -> str:
        """
        Hear what all of them have to say.
        """
        async for connection in connections:
            self.had.append(connection)
            with contextlib.suppress(ConnectionClosed):
                async for message in connection:
                    self.heard.append(message)
        return "the end"

    def lastWith(self, seconds: float) -> None:
        """
        The newest attempt succeeds, and its connection breaks after so many seconds.
        """
        self.trying.succeed()
        self.trying.site.advance(seconds)
        self.trying.cut()


class LoopTests(ConnectionsTestCase):
    """
    Tests of loops over connections.
    """

    def test_next(self) -> None:
        """
        Whatever ended a connection, the next turn of the loop has a new one, and no
        message of either is lost.
        """
        self.begin(self.hear(self.connections()))
        first = self.trying.succeed()
        self.trying.served.send("one")
        self.trying.site.flush()
        self.trying.cut()
        self.assertNextAfter(1)
        second = self.trying.succeed()
        self.trying.served.send("two")
        self.trying.served.close(1012)
        self.trying.site.flush()
        self.assertNextAfter(2)
        self.assertEqual(self.had, [first, second])
        self.assertEqual(self.heard, ["one", "two"])

    def test_atOnce(self) -> None:
        """
        The first attempt is made at once, and only when the loop asks for it.
        """
        connections = self.connections()
        self.assertEqual(self.trying.made, [])
        self.begin(self.hear(connections))
        self.assertEqual(len(self.trying.made), 1)
        self.assertEqual(self.told, [("attempt", 1)])

    def test_failures(self) -> None:
        """
        Attempts that fail are repeated after longer and longer delays; the loop does
        not see them, but who listens does.
        """
        connections = self.connections()
        self.begin(self.hear(connections))
        errors = [OSError(str(number)) for number in range(5)]
        for error, delay in zip(errors, (1, 2, 4, 8, 8), strict=True):
            self.trying.fail(error)
            self.assertEqual(self.told[-1], (error, delay))
            self.assertNextAfter(delay)
        self.assertEqual(self.told[-1], ("attempt", 6))
        self.assertEqual((connections.attempts, connections.failures), (6, 5))
        self.assertEqual(self.had, [])

    def test_bodyEnds(self) -> None:
        """
        A body that ends before its connection closes it, with 1000; the next turn waits
        for that.
        """

        async def once() -> None:
            async for connection in self.connections():
                self.had.append(connection)

        self.begin(once())
        self.trying.succeed()
        self.assertEqual(len(self.trying.made), 1)
        self.trying.site.flush()
        [connection] = self.had
        report = connection.closeReport
        assert report is not None
        self.assertEqual((report.wasClean, report.sentCode), (True, 1000))
        self.assertNextAfter(1)

    def test_deafPeer(self) -> None:
        """
        A peer that does not answer the close is not waited for longer than
        ``closeTimeout``.
        """

        async def once() -> None:
            async for connection in self.connections():
                self.had.append(connection)

        self.begin(once())
        self.trying.site.flush()
        self.trying.succeed()
        wire = self.trying.site.wires[-1]
        wire.client.isStalled = True
        self.trying.site.advance(7)
        self.assertEqual(len(self.trying.made), 2)
        report = self.had[0].closeReport
        assert report is not None
        self.assertIs(report.cause, CloseCause.CLOSE_TIMEOUT)

    def test_slowBody(self) -> None:
        """
        A delay counts from the end of a connection: a body that took longer to notice
        does not wait once more.
        """
        done: Deferred[None] = Deferred()

        async def slow() -> None:
            async for _ in self.connections():
                await done

        self.begin(slow())
        self.lastWith(2)
        self.trying.wait(20)
        self.assertEqual(len(self.trying.made), 1)
        done.callback(None)
        self.assertEqual(self.told[-1][1], 0)
        self.trying.wait(0)
        self.assertEqual(len(self.trying.made), 2)

    def test_reset(self) -> None:
        """
        The delays begin anew after a connection that lasted; one that did not makes
        them longer, as failures do.
        """
        self.begin(self.hear(self.connections()))
        self.trying.fail()
        self.assertNextAfter(1)
        self.lastWith(29)
        self.assertNextAfter(2)
        self.lastWith(0)
        self.assertNextAfter(4)
        self.lastWith(30)
        self.assertNextAfter(1)
        self.trying.fail()
        self.assertNextAfter(2)

    def test_tryLater(self) -> None:
        """
        A server that asks us to try again later is asked later, even after a connection
        that lasted.
        """
        self.begin(self.hear(self.connections()))
        self.trying.fail()
        self.assertNextAfter(1)
        self.trying.succeed()
        self.trying.site.advance(100)
        self.trying.served.close(1013)
        self.trying.site.flush()
        self.assertNextAfter(2)

    def test_sure(self) -> None:
        """
        There is always a next attempt, also if jitter or the judgement of errors is
        broken; that is logged.
        """

        def broken(*_: object) -> Any:
            raise KeyError("odd")

        for config in (ReconnectConfig(jitter=broken), ReconnectConfig(isFatal=broken)):
            self.begin(self.hear(self.connections(config)))
            self.trying.fail()
            self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
            self.assertNextAfter(60)

    def test_backInTime(self) -> None:
        """
        A jitter beyond its bounds makes no delay negative.
        """
        config = ReconnectConfig(jitter=lambda: -5.0)
        self.begin(self.hear(self.connections(config)))
        self.trying.fail()
        self.assertEqual(len(self.trying.made), 1)
        self.trying.wait(0)
        self.assertEqual(len(self.trying.made), 2)

    def test_brokenListeners(self) -> None:
        """
        Listeners that raise are logged, and change nothing.
        """

        def broken(*_: object) -> None:
            raise KeyError("odd")

        connections = ReconnectingWebSocket(
            self.trying.clock, self.trying, DELAYS, onAttempt=broken, onFailure=broken
        )
        self.begin(self.hear(connections))
        self.trying.fail()
        self.assertNextAfter(1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 3)

    def test_fatal(self) -> None:
        """
        An error after which there is no use in trying again leaves the loop, which then
        has ended.
        """
        connections = self.connections()
        hearing = self.begin(self.hear(connections))
        error = ValueError("odd")
        self.trying.fail(error)
        self.assertIs(self.failureResultOf(hearing).value, error)
        self.assertEqual(self.told[-1], (error, None))
        self.assertIdle()
        again = self.begin(self.hear(connections))
        self.assertEqual(self.successResultOf(again), "the end")
        self.assertEqual(len(self.trying.made), 1)

    def test_fatalEnd(self) -> None:
        """
        How a connection ended can be such an error, if the user says so.
        """
        config = ReconnectConfig(
            isFatal=lambda error: (
                isinstance(error, ConnectionClosed) and error.report.code == 4001
            )
        )
        hearing = self.begin(self.hear(self.connections(config)))
        self.trying.succeed()
        self.trying.served.close(4001, "go away")
        self.trying.site.flush()
        error = self.failureResultOf(hearing, ConnectionClosed).value
        self.assertEqual(error.report.reason, "go away")
        self.assertEqual(self.told[-1], (error, None))
        self.assertIdle()

    def test_notCallable(self) -> None:
        """
        What can't be called is refused at once.
        """
        for wrong in (None, "ws://example.com/", Deferred()):
            error = self.assertRaises(
                TypeError, ReconnectingWebSocket, self.trying.clock, wrong
            )
            self.assertIn("connect must be", str(error))
            self.assertIn(repr(wrong), str(error))


class ConnectTests(ConnectionsTestCase):
    """
    Tests of what makes an attempt.
    """

    def test_coroutine(self) -> None:
        """
        It can be a coroutine function, which learns something new for each attempt.
        """
        tokens: list[Deferred[str]] = []
        used: list[str] = []

        async def connect() -> WebSocketConnection:
            tokens.append(Deferred())
            used.append(await tokens[-1])
            return await self.trying()

        self.begin(self.hear(self.connections(connect=connect)))
        tokens[-1].callback("a")
        self.trying.fail()
        self.trying.wait(1)
        tokens[-1].errback(OSError("no token"))
        self.trying.wait(2)
        tokens[-1].callback("c")
        connection = self.trying.succeed()
        self.assertEqual(used, ["a", "c"])
        self.assertEqual(self.had, [connection])

    def test_plain(self) -> None:
        """
        It can return a connection as it is.
        """
        self.begin(self.hear(self.connections(connect=self.trying.makeConnection)))
        self.assertEqual(len(self.had), 1)

    def test_raises(self) -> None:
        """
        If it raises, the attempt has failed.
        """
        errors = [OSError("odd"), ValueError("odd")]

        def connect() -> Any:
            raise errors[len(self.told) > 1]

        hearing = self.begin(self.hear(self.connections(connect=connect)))
        self.assertEqual(self.told, [("attempt", 1), (errors[0], 1)])
        self.trying.wait(1)
        self.assertIs(self.failureResultOf(hearing).value, errors[1])

    def test_somethingElse(self) -> None:
        """
        If it gives anything but a connection, that is a fault which repeats itself.
        """
        hearing = self.begin(self.hear(self.connections(connect=lambda: None)))
        error = self.failureResultOf(hearing, TypeError).value
        self.assertIn("None", str(error))

    def test_site(self) -> None:
        """
        It can be that of a site in memory, so that applications are tested without
        sockets.
        """
        site = MemorySite(lambda request: request.accept())
        connections = ReconnectingWebSocket(site.clock, site.connect, DELAYS)
        self.begin(self.hear(connections))
        site.wires[0].cut()
        site.advance(1)
        self.assertEqual(len(site.wires), 2)
        self.assertTrue(self.had[1].connected)


class LeaveTests(ConnectionsTestCase):
    """
    Tests of leaving a loop.
    """

    def assertClosed(self, connection: WebSocketConnection) -> None:
        """
        The connection is closed with 1000, and nothing goes on.
        """
        self.trying.site.flush()
        report = connection.closeReport
        assert report is not None
        self.assertEqual((report.wasClean, report.sentCode), (True, 1000))
        self.trying.wait(100)
        self.assertEqual(len(self.trying.made), 1)
        self.assertIdle()

    def test_break(self) -> None:
        """
        A loop that is left closes its connection.
        """

        async def first() -> None:
            async for connection in self.connections():
                self.had.append(connection)
                break

        done = self.begin(first())
        self.trying.succeed()
        self.successResultOf(done)
        gc.collect()
        self.assertClosed(self.had[0])

    def test_raise(self) -> None:
        """
        So does one that is left by an error.
        """

        async def first() -> None:
            async for connection in self.connections():
                self.had.append(connection)
                raise KeyError("odd")

        done = self.begin(first())
        self.trying.succeed()
        self.failureResultOf(done, KeyError)
        gc.collect()
        self.assertClosed(self.had[0])

    def test_cancelled(self) -> None:
        """
        So does one that is cancelled.
        """
        hearing = self.begin(self.hear(self.connections()))
        self.trying.succeed()
        hearing.cancel()
        self.failureResultOf(hearing, CancelledError)
        gc.collect()
        self.assertClosed(self.had[0])

    def test_cancelledAttempt(self) -> None:
        """
        One that is cancelled while there is no connection gives up the attempt.
        """
        hearing = self.begin(self.hear(self.connections()))
        hearing.cancel()
        self.failureResultOf(hearing, CancelledError)
        self.assertEqual(self.trying.cancelled, self.trying.made)
        self.assertIdle()

    def test_cancelledDelay(self) -> None:
        """
        One that is cancelled between two attempts makes no other.
        """
        hearing = self.begin(self.hear(self.connections()))
        self.trying.fail()
        hearing.cancel()
        self.failureResultOf(hearing, CancelledError)
        self.assertIdle()

    def test_stubborn(self) -> None:
        """
        A connection that comes after all, from an attempt that was cancelled and went
        on, is closed.
        """
        goesOn: Deferred[None] = Deferred()

        async def connect() -> WebSocketConnection:
            with contextlib.suppress(CancelledError):
                await Deferred()
            await goesOn
            self.had.append(self.trying.makeConnection())
            return self.had[0]

        self.begin(self.hear(self.connections(connect=connect))).addErrback(
            self.told.append
        ).cancel()
        goesOn.callback(None)
        self.trying.site.flush()
        report = self.had[0].closeReport
        assert report is not None
        self.assertEqual(report.sentCode, 1001)

    def test_ownThread(self) -> None:
        """
        With a reactor, what is left behind is closed in the reactor's thread, whichever
        thread collects it.
        """

        @implementer(IReactorTime)
        class Threaded(Clock):
            later: list[Any] = []

            def callFromThread(self, *call: Any) -> None:
                self.later.append(call)

        reactor = Threaded()
        connections = ReconnectingWebSocket(reactor, self.trying)
        opening = self.begin(connections.__anext__())
        connection = self.trying.succeed()
        self.assertIs(self.successResultOf(opening), connection)
        del connections
        gc.collect()
        self.assertTrue(connection.connected)
        [(call, *args)] = reactor.later
        call(*args)
        self.assertClosed(connection)

    def test_asyncWith(self) -> None:
        """
        ``async with`` leaves when the connection has ended.
        """

        async def first() -> Any:
            async with self.connections() as connections:
                async for connection in connections:
                    self.had.append(connection)
                    break
            return self.had[0].closeReport

        done = self.begin(first())
        self.trying.succeed()
        self.assertNoResult(done)
        self.assertClosed(self.had[0])
        self.assertIs(self.successResultOf(done), self.had[0].closeReport)

    def test_aclose(self) -> None:
        """
        ``aclose`` ends the loop from elsewhere: after the connection if there is one,
        else at once.
        """
        for isOpen in (True, False):
            connections = self.connections()
            hearing = self.begin(self.hear(connections))
            if isOpen:
                self.trying.succeed()
            closing = self.begin(connections.aclose())
            self.trying.site.flush()
            self.assertIsNone(self.successResultOf(closing))
            self.assertEqual(self.successResultOf(hearing), "the end")
            self.assertIsNone(self.successResultOf(self.begin(connections.aclose())))
        self.assertIdle()

    def test_listenerCloses(self) -> None:
        """
        Who listens may end the loop, whatever it is told.
        """

        def end(*_: object) -> None:
            self.begin(ending[-1].aclose())

        ending: list[ReconnectingWebSocket] = []
        for when in ("onAttempt", "onFailure"):
            ending.append(
                ReconnectingWebSocket(
                    self.trying.clock, self.trying, DELAYS, **{when: end}
                )
            )
            hearing = self.begin(self.hear(ending[-1]))
            if when == "onFailure":
                self.trying.fail()
            self.assertEqual(self.successResultOf(hearing), "the end")
        self.assertEqual(len(self.trying.made), 1)
        self.assertIdle()

    def test_neverUsed(self) -> None:
        """
        Who makes one and does nothing with it leaves nothing behind.
        """
        self.connections()
        self.assertIdle()


class LogTests(ConnectionsTestCase):
    """
    Tests of what an operator reads.
    """

    def setUp(self) -> None:
        super().setUp()
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def logged(self, *levels: LogLevel) -> list[str]:
        """
        What was logged since the last call, on these levels.
        """
        found = [
            event["log_format"].format(**event)
            for event in self.events
            if event["log_namespace"].startswith("txwebsocket.client.reconnect")
            and event["log_level"] in levels
        ]
        self.events.clear()
        return found

    def test_once(self) -> None:
        """
        An outage is worth one warning, however long it is, and its end one line.
        """
        self.begin(self.hear(self.connections()))
        for _ in range(4):
            self.trying.fail()
            self.trying.wait(8)
        [warning] = self.logged(*LOUD)
        self.assertEqual(
            warning, "Not connected, trying again in 1.0 s: ConnectionRefusedError: odd"
        )
        self.trying.succeed()
        [line] = self.logged(LogLevel.info, *LOUD)
        self.assertIn("is open", line)
        self.trying.cut()
        [warning] = self.logged(*LOUD)
        self.assertIn("the wire was cut", warning)
        self.assertNextAfter(8)
        self.trying.fail()
        self.assertEqual(self.logged(*LOUD), [])

    def test_details(self) -> None:
        """
        The other failures can be read by whoever looks closer.
        """
        self.begin(self.hear(self.connections()))
        for _ in range(3):
            self.trying.fail()
            self.trying.wait(8)
        self.assertEqual(len(self.logged(LogLevel.debug)), 2)

    def test_clean(self) -> None:
        """
        A connection that was closed as it should be is no reason to warn.
        """
        self.begin(self.hear(self.connections()))
        self.trying.succeed()
        self.trying.served.close(1001)
        self.trying.site.flush()
        self.assertEqual(self.logged(*LOUD), [])

    def test_givesUp(self) -> None:
        """
        To give up is an error.
        """
        hearing = self.begin(self.hear(self.connections()))
        self.trying.fail(ValueError("odd"))
        self.failureResultOf(hearing)
        self.assertEqual(self.logged(*LOUD), ["Gives up connecting: ValueError: odd"])

    def test_unexpected(self) -> None:
        """
        An error that no network makes is logged with its traceback, once.
        """
        self.begin(self.hear(self.connections()))
        for _ in range(3):
            self.trying.fail(KeyError("token"))
            self.trying.wait(8)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class ClientTests(ClientTestCase):
    """
    Tests with the real client.
    """

    def setUp(self) -> None:
        super().setUp()
        self.client = self.makeClient()
        self.failures: list[Any] = []
        self.had: list[WebSocketConnection] = []
        connections = ReconnectingWebSocket(
            self.reactor,
            lambda: self.client.connect(URL, headers={"X-Number": str(len(self.had))}),
            DELAYS,
            onFailure=lambda *failure: self.failures.append(failure),
        )
        self.hearing = Deferred.fromCoroutine(self.hear(connections))

    async def hear(self, connections: ReconnectingWebSocket) -> None:
        """
        Have connections until they end.
        """
        async for connection in connections:
            self.had.append(connection)
            await connection.whenClosed()

    def test_refused(self) -> None:
        """
        A host that refuses, and one that says nothing, are tried again.
        """
        self.reactor.refuse(ConnectionRefusedError())
        self.reactor.advance(2)
        self.reactor.accept()
        self.reactor.pump([1] * 10)
        [first, second] = [error for error, _ in self.failures]
        self.assertIsInstance(first, OpeningFailed)
        self.assertIsInstance(second, OpeningTimedOut)
        self.reactor.advance(2)
        self.reactor.accept().upgrade()
        self.assertTrue(self.had[0].connected)

    def test_answers(self) -> None:
        """
        A server that is busy is asked again when it says; one that knows nothing of us
        is not.
        """
        busy = self.reactor.accept()
        busy.request()
        busy.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual([delay for _, delay in self.failures], [17])
        self.reactor.pump([1] * 17)
        other = self.reactor.accept()
        other.request()
        other.send(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        failure = self.failureResultOf(self.hearing, ConnectionRejected)
        self.assertEqual(self.failures[-1], (failure.value, None))
        self.assertTrue(self.reactor.isIdle)

    def test_wrongAccept(self) -> None:
        """
        One that is no WebSocket server is not either.
        """
        server = self.reactor.accept()
        server.upgrade("Sec-WebSocket-Accept: x")
        self.failureResultOf(self.hearing, OpeningFailed)
        self.assertTrue(self.reactor.isIdle)

    def test_fresh(self) -> None:
        """
        Arguments are made for each attempt.
        """
        for number in range(2):
            server = self.reactor.accept()
            server.upgrade()
            self.assertEqual(server.asked.header("X-Number"), [str(number)])
            server.vanish()
            self.reactor.advance(4)

    def test_abort(self) -> None:
        """
        ``abort`` of the client is one more failure: there is another attempt.
        """
        self.client.abort()
        self.assertTrue(self.reactor.attempts[0].isOver)
        [(error, delay)] = self.failures
        self.assertIsInstance(error, CancelledError)
        self.assertEqual(delay, 1)
        self.reactor.advance(1)
        self.assertEqual(len(self.reactor.attempts), 2)

    def test_cancel(self) -> None:
        """
        Leaving the loop closes the socket of an attempt.
        """
        server = self.reactor.accept()
        self.hearing.cancel()
        self.failureResultOf(self.hearing, CancelledError)
        self.assertGone(server)
