# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.service`.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.support.memory import Recorder
from tests.support.remote import Outcome
from tests.support.trying import DELAYS, Trying, TryingTestCase
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    ReconnectConfig,
    WebSocketClientService,
    WebSocketConnection,
)
from txwebsocket.testing import MemorySite


class ServiceTestCase(TryingTestCase):
    """
    What tests of the service need.
    """

    def setUp(self) -> None:
        super().setUp()
        self.service = self.makeService()

    def makeService(self, handler: Any = None, **options: Any) -> Any:
        """
        A service that is not started.
        """
        listeners = self.listeners()
        listeners["onConnect"] = self.told.append
        config = ReconnectConfig(jitter=lambda: 1.0, maxDelay=8.0, **options)
        return WebSocketClientService(
            self.trying.clock, self.trying, handler, config, **listeners
        )

    def start(self, handler: Any = None, **options: Any) -> WebSocketConnection:
        """
        Start a service, and let it connect.
        """
        self.service = self.makeService(handler, **options)
        self.service.startService()
        return self.trying.succeed()

    def stop(self) -> None:
        """
        Stop the service, which takes no time.
        """
        stopped = self.service.stopService()
        self.trying.site.flush()
        self.trying.wait(0)
        self.successResultOf(stopped)

    def report(self, connection: WebSocketConnection) -> Any:
        """
        How a connection ended.
        """
        self.trying.site.flush()
        self.assertIsNotNone(connection.closeReport)
        return connection.closeReport


class StayTests(ServiceTestCase):
    """
    Tests of staying connected.
    """

    def test_interface(self) -> None:
        """
        It is a service, and can be part of others.
        """
        verifyObject(IService, self.service)
        parent = MultiService()
        self.service.setServiceParent(parent)
        parent.startService()
        self.assertEqual(len(self.trying.made), 1)
        connection = self.trying.succeed()
        stopped = parent.stopService()
        self.assertNoResult(stopped)
        self.assertEqual(self.report(connection).sentCode, 1001)
        self.successResultOf(stopped)

    def test_notStarted(self) -> None:
        """
        Before it is started it does nothing.
        """
        self.assertEqual(self.trying.made, [])
        self.assertIsNone(self.service.connection)
        self.assertIdle()

    def test_again(self) -> None:
        """
        When a connection has ended, and when an attempt has failed, there is another
        attempt after a delay; who listens is told everything, in order.
        """
        first = self.start()
        self.trying.cut()
        self.assertNextAfter(1)
        error = OSError("odd")
        self.trying.fail(error)
        self.assertNextAfter(2)
        second = self.trying.succeed()
        one, two, (lost, delay), *more = self.told
        self.assertEqual((one, two, delay), (("attempt", 1), first, 1))
        self.assertIsInstance(lost, ConnectionClosed)
        self.assertIs(lost.report, first.closeReport)
        self.assertEqual(more, [("attempt", 2), (error, 2), ("attempt", 3), second])
        self.assertEqual((self.service.attempts, self.service.failures), (3, 1))

    def test_connection(self) -> None:
        """
        The connection can be had while it is open.
        """
        first = self.start()
        self.assertIs(self.service.connection, first)
        first.close()
        self.assertIsNone(self.service.connection)
        self.trying.site.flush()
        self.assertIsNone(self.service.connection)
        self.trying.wait(1)
        second = self.trying.succeed()
        self.assertIs(self.service.connection, second)

    def test_twice(self) -> None:
        """
        To start a service that runs changes nothing.
        """
        self.service.startService()
        self.service.startService()
        self.trying.succeed()
        self.service.startService()
        self.trying.wait(100)
        self.assertEqual(len(self.trying.made), 1)

    def test_application(self) -> None:
        """
        An application in callback style is made for each connection, and told of it.
        """
        site = MemorySite(lambda request: request.accept().send("hello"))
        applications: list[Recorder] = []

        def connect() -> Deferred[WebSocketConnection]:
            applications.append(Recorder())
            return site.connect(application=applications[-1])

        WebSocketClientService(site.clock, connect, config=DELAYS).startService()
        site.wires[0].cut()
        site.advance(1)
        self.assertEqual(len(applications), 2)
        for application in applications:
            self.assertEqual(application.messages, ["hello"])
        self.assertEqual(len(applications[0].lost), 1)
        self.assertEqual(applications[1].lost, [])

    def test_brokenListener(self) -> None:
        """
        A listener that raises is logged, and changes nothing.
        """

        def broken(*_: object) -> None:
            raise KeyError("odd")

        service = WebSocketClientService(
            self.trying.clock, self.trying, onConnect=broken, onFailure=broken
        )
        service.startService()
        connection = self.trying.succeed()
        self.assertIs(service.connection, connection)
        self.trying.cut()
        self.trying.wait(1)
        self.assertEqual(len(self.trying.made), 2)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)

    def test_wrong(self) -> None:
        """
        What can't be called is refused at once, and so is an application in the place
        of a handler.
        """
        for wrong in ("ws://example.com/", None, Deferred()):
            error = self.assertRaises(
                TypeError, WebSocketClientService, self.trying.clock, wrong
            )
            self.assertIn(repr(wrong), str(error))
        for handler in (Recorder, Recorder()):
            error = self.assertRaises(TypeError, self.makeService, handler)
            self.assertIn("handler must be", str(error))
            self.assertIn(repr(handler), str(error))


class StopTests(ServiceTestCase):
    """
    Tests of the end of the service.
    """

    def test_connected(self) -> None:
        """
        The connection is closed with 1001, which the Deferred waits for; nothing
        follows.
        """
        connection = self.start()
        stopped = self.service.stopService()
        again = self.service.stopService()
        self.assertNoResult(stopped)
        report = self.report(connection)
        self.assertEqual((report.wasClean, report.sentCode), (True, 1001))
        self.assertIsNone(self.successResultOf(stopped))
        self.assertIsNone(self.successResultOf(again))
        self.assertIdle()
        self.assertEqual(len(self.trying.made), 1)
        # Nobody needs to be told what they asked for.
        self.assertEqual(self.told, [("attempt", 1), connection])

    def test_deafPeer(self) -> None:
        """
        A peer that does not answer is not waited for longer than ``closeTimeout``.
        """
        connection = self.start()
        self.trying.site.wires[-1].client.isStalled = True
        stopped = self.service.stopService()
        self.trying.site.advance(4)
        self.assertNoResult(stopped)
        self.trying.site.advance(2)
        self.assertIsNone(self.successResultOf(stopped))
        self.assertIs(self.report(connection).cause, CloseCause.CLOSE_TIMEOUT)
        self.assertIdle()

    def test_trying(self) -> None:
        """
        An attempt in progress is given up at once.
        """
        self.service.startService()
        self.assertIsNone(self.successResultOf(self.service.stopService()))
        self.assertEqual(self.trying.cancelled, self.trying.made)
        self.assertIdle()

    def test_waiting(self) -> None:
        """
        Between two attempts there is nothing to wait for.
        """
        self.service.startService()
        self.trying.fail()
        self.assertIsNone(self.successResultOf(self.service.stopService()))
        self.assertIdle()

    def test_neverStarted(self) -> None:
        """
        A service that was not started can be stopped.
        """
        self.assertIsNone(self.successResultOf(self.service.stopService()))

    def test_restart(self) -> None:
        """
        A service that was stopped can be started again, at once and as if for the first
        time.
        """
        self.service.startService()
        for _ in range(3):
            self.trying.fail()
            self.trying.wait(8)
        self.stop()
        self.service.startService()
        self.assertEqual(len(self.trying.made), 5)
        connection = self.trying.succeed()
        self.stop()
        self.service.startService()
        self.assertEqual(len(self.trying.made), 6)
        self.assertIsNone(self.service.connection)
        self.assertFalse(connection.connected)
        self.trying.fail()
        self.assertNextAfter(1)

    def test_restartWhileClosing(self) -> None:
        """
        Started again while the old connection is still closing, it connects when that
        has ended.
        """
        self.start()
        stopped = self.service.stopService()
        self.service.startService()
        self.assertEqual(len(self.trying.made), 1)
        self.trying.site.flush()
        self.successResultOf(stopped)
        self.assertEqual(len(self.trying.made), 2)
        self.assertIs(self.service.connection, None)
        self.assertIs(self.trying.succeed(), self.service.connection)

    def test_fromListener(self) -> None:
        """
        Who listens may stop the service, whatever it is told.
        """
        stopped: list[Any] = []

        def stop(*_: object) -> None:
            stopped.append(services[-1].stopService())

        services: list[WebSocketClientService] = []
        for name in ("onAttempt", "onFailure", "onConnect"):
            listeners: Any = {name: stop}
            services.append(
                WebSocketClientService(
                    self.trying.clock, self.trying, None, DELAYS, **listeners
                )
            )
            services[-1].startService()
            if name == "onFailure":
                self.trying.fail()
            if name == "onConnect":
                self.report(self.trying.succeed())
            self.assertIsNone(self.successResultOf(stopped[-1]))
            self.trying.wait(100)
            self.assertIdle()
        self.assertEqual([each.attempts for each in services], [1, 1, 1])

    def test_whenLost(self) -> None:
        """
        Also when they are told of the end of a connection; or start it anew.
        """
        restarts = [False, True]

        def stop(*_: object) -> None:
            service.stopService()
            if restarts.pop():
                service.startService()

        service = WebSocketClientService(
            self.trying.clock, self.trying, None, DELAYS, onFailure=stop
        )
        service.startService()
        for _ in range(2):
            self.trying.succeed()
            self.trying.cut()
            self.trying.wait(100)
        self.assertEqual(len(self.trying.made), 2)
        self.assertIdle()

    def test_fromAttempt(self) -> None:
        """
        What makes the attempts may stop the service, and then begin one: it is given
        up.
        """

        def connect() -> Deferred[WebSocketConnection]:
            service.stopService()
            return self.trying()

        service = WebSocketClientService(self.trying.clock, connect)
        service.startService()
        self.assertEqual(self.trying.cancelled, self.trying.made)
        self.assertIdle()

    def test_fromConnect(self) -> None:
        """
        What makes the attempts may stop the service, at once or later, and then give a
        connection after all: it is closed.
        """
        later: Deferred[None] = Deferred()
        made: list[WebSocketConnection] = []

        def connect() -> WebSocketConnection:
            services[-1].stopService()
            made.append(self.trying.makeConnection())
            return made[-1]

        async def connectLater() -> WebSocketConnection:
            await later
            return connect()

        services: list[WebSocketClientService] = []
        ways: list[Any] = [connect, connectLater]
        for way in ways:
            services.append(WebSocketClientService(self.trying.clock, way))
            services[-1].startService()
        later.callback(None)
        self.assertEqual(len(made), 2)
        for connection in made:
            self.assertEqual(self.report(connection).sentCode, 1001)
        self.assertEqual([each.connection for each in services], [None, None])
        self.assertIdle()


class WhenConnectedTests(ServiceTestCase):
    """
    Tests of waiting for a connection.
    """

    def test_connected(self) -> None:
        """
        Who asks while there is a connection has it at once.
        """
        connection = self.start()
        self.assertIs(self.successResultOf(self.service.whenConnected()), connection)

    def test_wait(self) -> None:
        """
        Who asks before gets it when there is one, however many attempts fail: before
        the service is started, and between two connections, too.
        """
        first = self.service.whenConnected()
        self.service.startService()
        second = self.service.whenConnected()
        for _ in range(5):
            self.trying.fail()
            self.trying.wait(8)
        connection = self.trying.succeed()
        for waiting in (first, second):
            self.assertIs(self.successResultOf(waiting), connection)
        self.trying.cut()
        third = self.service.whenConnected()
        self.trying.wait(8)
        self.assertNoResult(third)
        connection = self.trying.succeed()
        self.assertIs(self.successResultOf(third), connection)

    def test_closing(self) -> None:
        """
        A connection that is closing is none any more.
        """
        self.start().close()
        self.assertNoResult(self.service.whenConnected())

    def test_failures(self) -> None:
        """
        Who does not want to wait for ever is told the error of the last attempt it
        wants to wait for; the service goes on.
        """
        self.service.startService()
        once, twice = map(self.service.whenConnected, (1, 2))
        always = self.service.whenConnected()
        errors = [OSError("one"), OSError("two")]
        self.trying.fail(errors[0])
        self.assertIs(self.failureResultOf(once).value, errors[0])
        self.assertNoResult(twice)
        late = self.service.whenConnected(1)
        self.trying.wait(1)
        self.trying.fail(errors[1])
        for waiting in (twice, late):
            self.assertIs(self.failureResultOf(waiting).value, errors[1])
        self.trying.wait(2)
        connection = self.trying.succeed()
        self.assertIs(self.successResultOf(always), connection)

    def test_endIsNoFailure(self) -> None:
        """
        The end of a connection does not count as a failed attempt.
        """
        self.start(lambda connection: connection.close()).close()
        waiting = self.service.whenConnected(1)
        self.trying.site.flush()
        self.assertNoResult(waiting)
        self.trying.wait(1)
        self.trying.fail()
        self.failureResultOf(waiting, ConnectionRefusedError)

    def test_stop(self) -> None:
        """
        Whoever waits is told when the service stops, and whoever asks afterwards.
        """
        self.service.startService()
        waiting = self.service.whenConnected()
        self.stop()
        for each in (waiting, self.service.whenConnected()):
            error = self.failureResultOf(each, CancelledError).value
            self.assertEqual(str(error), "the service was stopped")
        self.service.startService()
        self.assertNoResult(self.service.whenConnected())

    def test_givesUp(self) -> None:
        """
        Or when the service gives up, and why; it can be started anew then.
        """
        self.service.startService()
        waiting = self.service.whenConnected()
        error = ValueError("odd")
        self.trying.fail(error)
        for each in (waiting, self.service.whenConnected()):
            self.assertIs(self.failureResultOf(each).value, error)
        self.assertEqual(self.told[-1], (error, None))
        self.assertIdle()
        self.stop()
        self.service.startService()
        again = self.service.whenConnected()
        self.assertIs(self.trying.succeed(), self.successResultOf(again))

    def test_givesUpAtEnd(self) -> None:
        """
        The end of a connection can be the reason, if the user says so.
        """
        self.start(isFatal=lambda error: isinstance(error, ConnectionClosed))
        self.trying.cut()
        failure = self.failureResultOf(self.service.whenConnected(), ConnectionClosed)
        self.assertEqual(self.told[-1], (failure.value, None))
        self.assertIdle()

    def test_cancel(self) -> None:
        """
        Who has stopped waiting is forgotten, and disturbs nobody.
        """
        self.service.startService()
        first, second = self.service.whenConnected(1), self.service.whenConnected()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.trying.fail()
        self.trying.wait(1)
        connection = self.trying.succeed()
        self.assertIs(self.successResultOf(second), connection)

    def test_cancelOthers(self) -> None:
        """
        Who is told first may make the others stop waiting, in success and in failure.
        """

        def cancelAll(_: object) -> None:
            for each in waiting:
                each.cancel()

        for end in ("succeed", "fail", "stop"):
            service: Any = self.makeService()
            service.startService()
            waiting = [service.whenConnected(1) for _ in range(3)]
            waiting[0].addBoth(cancelAll)
            outcomes = list(map(Outcome, waiting))
            if end == "stop":
                service.stopService()
            else:
                getattr(self.trying, end)()
            self.assertEqual([len(each.results) for each in outcomes], [1, 1, 1])
            for outcome in outcomes[1:]:
                self.assertIsInstance(outcome.results[0].value, CancelledError)
            service.stopService()


class HandlerTests(ServiceTestCase):
    """
    Tests of handlers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.heard: list[Any] = []
        self.ends: list[Deferred[None]] = []

    async def hear(self, connection: WebSocketConnection) -> None:
        """
        A handler that hears all there is.
        """
        async for message in connection:
            self.heard.append(message)
        self.heard.append("the end")

    async def waitFor(self, _: WebSocketConnection) -> None:
        """
        A handler that goes on until the test ends it.
        """
        self.ends.append(Deferred())
        try:
            await self.ends[-1]
        except CancelledError:
            self.heard.append("cancelled")
            raise

    def test_messages(self) -> None:
        """
        A handler has each connection, from its first message to its end; that a
        connection breaks is no fault of it.
        """
        self.start(self.hear)
        self.trying.served.send("one")
        self.trying.served.close(1012)
        self.trying.site.flush()
        self.assertNextAfter(1)
        self.trying.succeed()
        self.trying.served.send("two")
        self.trying.site.flush()
        self.trying.cut()
        self.assertNextAfter(2)
        self.assertEqual(self.heard, ["one", "the end", "two"])

    def test_returns(self) -> None:
        """
        When it has ended, its connection is closed with 1000, and another follows.
        """
        connection = self.start(self.waitFor)
        self.ends[0].callback(None)
        self.assertEqual(self.report(connection).sentCode, 1000)
        self.assertNextAfter(1)

    def test_raises(self) -> None:
        """
        When it has raised, that is logged, and the connection closed with 1011.
        """
        connection = self.start(self.waitFor)
        self.ends[0].errback(KeyError("odd"))
        self.assertEqual(self.report(connection).sentCode, 1011)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertNextAfter(1)

    def test_raisesAtOnce(self) -> None:
        """
        So it is with a plain function.
        """

        def broken(_: object) -> None:
            raise KeyError("odd")

        connection = self.start(broken)
        self.assertEqual(self.report(connection).sentCode, 1011)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_otherConnection(self) -> None:
        """
        That some other connection has ended is an error like others.
        """
        other = self.trying.makeConnection()
        other.drop(skipCloseFrame=True)
        self.trying.site.flush()
        connection = self.start(lambda _: other.send("x"))
        self.assertEqual(self.report(connection).sentCode, 1011)
        self.assertEqual(len(self.flushLoggedErrors(ConnectionClosed)), 1)

    def test_plain(self) -> None:
        """
        A function that returns nothing leaves the connection open.
        """
        self.start(self.heard.append)
        self.trying.site.advance(60)
        self.assertEqual(self.heard, [self.service.connection])

    def test_slow(self) -> None:
        """
        The next attempt waits until the handler has ended, too.
        """
        self.start(self.waitFor)
        self.trying.cut()
        self.trying.wait(100)
        self.assertEqual(len(self.trying.made), 1)
        self.ends[0].callback(None)
        self.trying.wait(0)
        self.assertEqual(len(self.trying.made), 2)

    def test_stop(self) -> None:
        """
        A handler that has not ended when the service stops is cancelled; one that ends
        with its connection is not.
        """
        self.start(self.hear)
        self.stop()
        self.assertEqual(self.heard, ["the end"])
        self.start(self.waitFor)
        self.stop()
        self.assertEqual(self.heard, ["the end", "cancelled"])
        self.assertIdle()

    def test_stopsItself(self) -> None:
        """
        A handler may stop the service, and wait for that.
        """

        async def handler(connection: WebSocketConnection) -> None:
            async for _ in connection:
                await self.service.stopService()
                self.heard.append("stopped")

        connection = self.start(handler)
        self.trying.served.send("stop")
        self.assertEqual(self.report(connection).sentCode, 1001)
        self.trying.wait(0)
        self.assertEqual(self.heard, ["stopped"])
        self.assertIdle()

    def test_stopsTooLate(self) -> None:
        """
        Also when its connection has ended before.
        """

        async def handler(connection: WebSocketConnection) -> None:
            await connection.whenClosed()
            await self.service.stopService()
            self.heard.append("stopped")

        self.start(handler)
        self.trying.cut()
        self.trying.wait(0)
        self.assertEqual(self.heard, ["stopped"])
        self.assertEqual(len(self.trying.made), 1)
        self.assertIdle()

    def test_stopsAndStays(self) -> None:
        """
        One that goes on after it has stopped the service is cancelled like others.
        """

        async def handler(connection: WebSocketConnection) -> None:
            await connection.whenClosed()
            self.service.stopService()
            await self.waitFor(connection)

        self.start(handler)
        self.trying.cut()
        self.trying.wait(0)
        self.assertEqual(self.heard, ["cancelled"])

    def test_restart(self) -> None:
        """
        A service that is started again while a handler is ending goes on afterwards,
        with one handler.
        """
        self.start(self.waitFor)
        self.service.stopService()
        self.service.startService()
        self.trying.site.flush()
        self.trying.wait(0)
        self.assertEqual(len(self.trying.made), 2)
        self.trying.succeed()
        self.assertEqual([end.called for end in self.ends], [True, False])


class UnsentTests(SynchronousTestCase):
    """
    Tests of what was not sent.
    """

    def test_unsent(self) -> None:
        """
        Nothing is dropped without a word: what waited in the queue is told in the
        report, fails who waits for it to leave, and is not sent on the next connection;
        sending on the old one is refused.
        """
        trying = Trying()
        ends: list[Any] = []
        service = WebSocketClientService(
            trying.clock, trying, config=DELAYS, onFailure=lambda *end: ends.append(end)
        )
        service.startService()
        connection = trying.succeed()
        trying.site.wires[-1].client.isStalled = True
        for number in range(8):
            connection.send(str(number) * 50_000)
        flushed, waiting = connection.flushed(), connection.bufferedAmount
        self.assertGreater(waiting, 100_000)
        trying.cut()
        self.assertEqual(ends[0][0].report.bytesUnsent, waiting)
        self.failureResultOf(flushed, ConnectionClosed)
        self.assertRaises(ConnectionClosed, connection.send, "more")
        trying.wait(1)
        trying.succeed()
        received = trying.served.receive()
        trying.site.flush()
        self.assertNoResult(received)
