# Part of txwebsocket. See LICENSE for details.
"""
Tests of the server: who is there, and how all of them leave. Whom it lets in is in
``test_asking`` and ``test_admission``, who decides in ``test_handlers``; messages to
everybody are in ``test_broadcast``, and sites in ``test_mounting``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Peer, Recorder, Served, close, text
from tests.support.serving import ConnectionCallbacks, Echo, OddError, Serving, serverOf
from txwebsocket import (
    CloseCause,
    ServerConfig,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketServer,
)

KIB = 1024


class PresenceTests(SynchronousTestCase):
    """
    Tests of who is there.
    """

    def test_connections(self) -> None:
        """
        ``connections`` shows the connections that have not ended, and changes with
        them.
        """
        served = Served(Recorder)
        connections = serverOf(served).connections
        self.assertEqual(len(connections), 0)
        first, second = served.upgrade(), served.upgrade()
        self.assertEqual(len(connections), 2)
        first.vanish()
        [left] = connections
        left.close()
        self.assertEqual(len(connections), 1)
        second.sendClose()
        self.assertEqual(len(connections), 0)

    def test_pendingRequests(self) -> None:
        """
        ``pendingRequests`` shows those that are not decided.
        """
        callbacks = ConnectionCallbacks()
        served = Served(callbacks)
        for _ in range(3):
            peer = served.request()
        self.assertEqual(list(serverOf(served).pendingRequests), callbacks.requests)
        callbacks.requests[0].accept()
        callbacks.requests[1].reject()
        peer.vanish()
        self.assertEqual(list(serverOf(served).pendingRequests), [])

    def test_listeners(self) -> None:
        """
        Whoever wants to know is told of each connection that opens, after its
        application, and of each that ends.
        """
        told: list[tuple[str, WebSocketConnection]] = []
        application = Recorder()
        server = WebSocketServer(
            lambda request: request.accept(application=application),
            onConnect=lambda connection: told.append(("open", connection)),
            onClose=lambda connection: told.append(("closed", connection)),
        )
        peer = Served(Serving(server)).upgrade()
        connection = application.connection
        self.assertEqual(told, [("open", connection)])
        peer.sendClose(4000)
        self.assertEqual(told[1:], [("closed", connection)])
        self.assertEqual(connection.closeReport.code, 4000)
        self.assertEqual(len(server.connections), 0)

    def test_brokenListeners(self) -> None:
        """
        A listener that fails is logged, and harms no connection.
        """

        def fail(connection: WebSocketConnection) -> None:
            raise OddError

        server = WebSocketServer(Echo, onConnect=fail, onClose=fail)
        peer = Served(Serving(server)).upgrade()
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        peer.sendText("a")
        self.assertEqual(peer.frames(), [text("a")])
        peer.vanish()
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)
        self.assertEqual(len(server.connections), 0)


class ClosingTests(SynchronousTestCase):
    """
    Tests of closeAllConnections() and shutDown().
    """

    def test_closeAll(self) -> None:
        """
        Everybody is closed with 1001 and whoever waits answered 503; new ones are let
        in as before.
        """
        callbacks = ConnectionCallbacks()
        served = Served(callbacks)
        server = serverOf(served)
        waiting, peer = served.request(), served.request()
        callbacks.requests[1].accept(application=Recorder())
        self.assertEqual(peer.response().status, 101)
        gone = server.closeAllConnections()
        self.assertEqual(waiting.response().status, 503)
        self.assertEqual(peer.frames(), [close(1001)])
        self.assertNoResult(gone)
        newcomer = served.request()
        callbacks.requests[2].accept(application=Recorder())
        peer.sendClose()
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(newcomer.response().status, 101)

    def test_closeAllOfNobody(self) -> None:
        """
        With nobody there it is done at once.
        """
        self.successResultOf(WebSocketServer(Recorder).closeAllConnections())

    def test_badCodes(self) -> None:
        """
        A code or reason that can't be sent raises ValueError, and nothing happens.
        """
        served = Served(Recorder)
        peer = served.upgrade()
        for act in (serverOf(served).closeAllConnections, serverOf(served).shutDown):
            self.assertRaises(ValueError, act, 1005)
            self.assertRaises(ValueError, act, 1001, "x" * 124)
        self.assertEqual(peer.frames(), [])
        served.upgrade()

    def test_shutDown(self) -> None:
        """
        Connections are closed with 1001; the Deferred fires when all are gone; the
        reports say why.
        """
        applications: list[Recorder] = []

        class Application(Recorder):
            def __init__(self) -> None:
                super().__init__()
                applications.append(self)

        served = Served(Application)
        peers = [served.upgrade(), served.upgrade()]
        gone = serverOf(served).shutDown()
        for peer in peers:
            self.assertEqual(peer.frames(), [close(1001)])
            self.assertNoResult(gone)
            peer.sendClose(1001)
        self.assertIsNone(self.successResultOf(gone))
        for application in applications:
            self.assertIs(application.report.cause, CloseCause.SHUTDOWN)
            self.assertTrue(application.report.wasClean)
        peers[0].turn()
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_shutDownWords(self) -> None:
        """
        Code and reason can be chosen.
        """
        served = Served(Recorder)
        peer = served.upgrade()
        serverOf(served).shutDown(1012, "back in a minute")
        self.assertEqual(peer.frames(), [close(1012, "back in a minute")])

    def test_shutDownIdle(self) -> None:
        """
        A server with nobody there is shut down at once, and needs no time for it, also
        if it has never served anybody.
        """
        self.successResultOf(WebSocketServer(Recorder).shutDown())
        served = Served(Recorder)
        served.upgrade().vanish()
        self.successResultOf(serverOf(served).shutDown())
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_shutDownPending(self) -> None:
        """
        Whoever waits for a decision is answered 503, and so is whoever comes later.
        """
        callbacks = ConnectionCallbacks()
        served = Served(callbacks)
        waiting = served.request()
        serverOf(served).shutDown()
        self.assertEqual(waiting.response().status, 503)
        newcomer = served.request()
        self.assertEqual(newcomer.response().status, 503)
        self.assertEqual(len(callbacks.requests), 1)
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_deadline(self) -> None:
        """
        Whoever has not closed when the time is over is dropped.
        """
        for options, seconds in (({}, 5), ({"timeout": 2}, 2)):
            application = Recorder()
            served = Served(
                lambda request, application=application: request.accept(
                    application=application
                ),
                ServerConfig(closeTimeout=5),
            )
            peer = served.upgrade()
            gone = serverOf(served).shutDown(**options)
            peer.wait(seconds - 0.1)
            self.assertNoResult(gone)
            peer.wait(0.1)
            self.assertTrue(peer.transport.wasAborted)
            self.assertIsNone(self.successResultOf(gone))
            self.assertFalse(application.report.wasClean)
            self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_patience(self) -> None:
        """
        More time than ``closeTimeout`` changes nothing for those who do not answer
        our close frame, and nothing is left behind.
        """
        served = Served(Recorder)
        peer = served.upgrade()
        gone = serverOf(served).shutDown(timeout=60)
        peer.wait(5)
        self.assertIsNone(self.successResultOf(gone))
        peer.turn()
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_handlersEnd(self) -> None:
        """
        A pull-style handler sees its messages end, and can leave in its own way. It is
        waited for.
        """
        told: list[str] = []
        saved: Deferred[None] = Deferred()

        async def handler(request: WebSocketRequest) -> None:
            async for _ in request.accept():
                pass
            await saved
            told.append("cleaned up")

        served = Served(handler)
        peer = served.upgrade()
        gone = serverOf(served).shutDown()
        peer.sendClose()
        peer.wait(4.9)
        self.assertNoResult(gone)
        saved.callback(None)
        self.assertEqual(told, ["cleaned up"])
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_listenersEnd(self) -> None:
        """
        So is a listener that takes its time, until the deadline.
        """
        saved: list[Deferred[None]] = []

        async def onClose(connection: WebSocketConnection) -> None:
            saved.append(Deferred())
            await saved[-1]

        ends: list[Callable[[Peer], object]] = [
            lambda _: saved[-1].callback(None),
            lambda peer: peer.wait(5),
        ]
        for end in ends:
            server = WebSocketServer(Recorder, onClose=onClose)
            served = Served(Serving(server))
            peer = served.upgrade()
            gone = server.shutDown()
            peer.sendClose()
            self.assertNoResult(gone)
            end(peer)
            self.assertIsNone(self.successResultOf(gone))
            self.assertEqual(served.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_incorrigible(self) -> None:
        """
        A handler that does not let itself be cancelled is not waited for.
        """
        never: list[Deferred[None]] = []

        async def handler(request: WebSocketRequest) -> None:
            request.accept()
            while True:
                never.append(Deferred())
                with contextlib.suppress(CancelledError):
                    await never[-1]

        served = Served(handler)
        peer = served.upgrade()
        gone = serverOf(served).shutDown()
        peer.wait(5)
        self.assertEqual(len(never), 2)
        self.assertIsNone(self.successResultOf(gone))

    def test_handlersCancelled(self) -> None:
        """
        Handlers that have not ended by the deadline are cancelled, quietly.
        """
        told: list[str] = []

        async def handler(request: WebSocketRequest) -> None:
            request.accept()
            try:
                await Deferred()
            except CancelledError:
                told.append("cancelled")
                raise

        served = Served(handler)
        peer = served.upgrade()
        serverOf(served).shutDown()
        peer.sendClose()
        peer.wait(4.9)
        self.assertEqual(told, [])
        peer.wait(0.1)
        self.assertEqual(told, ["cancelled"])
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_undecidedHandlersCancelled(self) -> None:
        """
        So are those whose requests were answered 503.
        """
        told: list[str] = []

        async def handler(request: WebSocketRequest) -> None:
            try:
                await Deferred()
            except CancelledError:
                told.append("cancelled")
                raise

        served = Served(handler)
        peer = served.request()
        serverOf(served).shutDown()
        self.assertEqual(peer.response().status, 503)
        peer.wait(5)
        self.assertEqual(told, ["cancelled"])
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_cancelledOtherwise(self) -> None:
        """
        A handler that is cancelled by somebody else is a fault like any other.
        """
        waiting: Deferred[None] = Deferred()

        async def handler(request: WebSocketRequest) -> None:
            request.accept()
            await waiting

        peer = Served(handler).upgrade()
        waiting.cancel()
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)
        self.assertEqual(peer.frames(), [close(1011)])

    def test_twice(self) -> None:
        """
        Shutting down twice is done when all are gone, both times.
        """
        served = Served(Recorder)
        peer = served.upgrade()
        both = [serverOf(served).shutDown(), serverOf(served).shutDown()]
        self.assertEqual(peer.frames(), [close(1001)])
        peer.sendClose()
        for gone in both:
            self.successResultOf(gone)
        peer.turn()
        self.assertEqual(served.clock.getDelayedCalls(), [])
