# Part of txwebsocket. See LICENSE for details.
"""
Tests of who decides about requests: a part of those in ``test_server``.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from tests.support.memory import Peer, Recorder, Served, close, handshake, text
from tests.support.serving import ConnectionCallbacks, Echo, OddError, Serving, serverOf
from txwebsocket import (
    ConnectionClosed,
    ServerConfig,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketServer,
)


class ApplicationTests(SynchronousTestCase):
    """
    Tests of what may be served.
    """

    def assertEchoes(self, application: Any) -> None:
        """
        Check that an echo is served.
        """
        peer = Served(application).connect()
        peer.send(handshake() + peer.text("early"))
        self.assertEqual(peer.response().status, 101)
        peer.sendText("late")
        self.assertEqual(peer.frames(), [text("early"), text("late")])

    def test_class(self) -> None:
        """
        A class is called without arguments for each connection.
        """
        made: list[WebSocketProtocol] = []

        class Echo(WebSocketProtocol):
            def __init__(self) -> None:
                made.append(self)

            def textMessageReceived(self, message: str) -> None:
                self.connection.send(message)

        self.assertEchoes(Echo)
        self.assertEchoes(Echo)
        self.assertEqual(len(set(made)), 2)

    def test_factory(self) -> None:
        """
        An object with buildProtocol is given the twisted.web request for each
        connection, and refuses with None.
        """

        class Echo(WebSocketProtocol):
            def textMessageReceived(self, message: str) -> None:
                self.connection.send(message)

        class Factory:
            def buildProtocol(self, request: Request) -> Echo | None:
                return None if request.getHeader("X-Guest") else Echo()

        self.assertEchoes(Factory())
        response = Served(Factory()).request("X-Guest: yes").response()
        self.assertEqual(response.status, 403)

    def test_classThatIsFactory(self) -> None:
        """
        A class with a buildProtocol of its own is a factory.
        """

        class Echo(WebSocketProtocol):
            def __init__(self, path: bytes) -> None:
                self.path = path

            @classmethod
            def buildProtocol(cls, request: Request) -> Echo:
                return cls(request.path)

            def textMessageReceived(self, message: str) -> None:
                self.connection.send(message)

        self.assertEchoes(Echo)

    def test_function(self) -> None:
        """
        A function is given each request, to accept or reject it.
        """

        def handler(request: WebSocketRequest) -> None:
            if request.httpRequest.getHeader("X-Guest"):
                request.reject(401)
            else:
                request.accept(application=Echo())

        self.assertEchoes(handler)
        response = Served(handler).request("X-Guest: yes").response()
        self.assertEqual(response.status, 401)

    def test_coroutine(self) -> None:
        """
        So is a coroutine, which goes on to talk in pull style.
        """

        async def handler(request: WebSocketRequest) -> None:
            connection = request.accept()
            async for message in connection:
                connection.send(message)

        self.assertEchoes(handler)

    def test_inlineCallbacks(self) -> None:
        """
        So is a function that returns a Deferred.
        """

        @inlineCallbacks
        def handler(request: WebSocketRequest) -> Generator[Deferred[Any], Any, None]:
            connection = request.accept()
            while True:
                connection.send((yield connection.receive()))

        self.assertEchoes(handler)

    def test_callable(self) -> None:
        """
        So is any object that can be called, methods for example.
        """

        class Handler:
            def decide(self, request: WebSocketRequest) -> None:
                request.accept(application=Echo())

            __call__ = decide

        self.assertEchoes(Handler())
        self.assertEchoes(Handler().decide)

    def test_nothing(self) -> None:
        """
        What is none of these raises TypeError when the server is made, and shows it.
        """
        for wrong in ("tests.support.memory.Recorder", 5, object(), [Recorder]):
            with self.assertRaises(TypeError) as raised:
                WebSocketServer(wrong)
            self.assertIn(repr(wrong), str(raised.exception))

    def test_none(self) -> None:
        """
        Without an application everybody is answered 404.
        """
        served = Served(Serving(WebSocketServer(None)))
        self.assertEqual(served.request().response().status, 404)

    def test_autoAccept(self) -> None:
        """
        Or accepted, with the first subprotocol that is offered, if so configured; the
        connection is for whoever is told of it.
        """
        connections: list[WebSocketConnection] = []
        config = ServerConfig(autoAcceptConnections=True)
        server = WebSocketServer(None, config, onConnect=connections.append)
        served = Served(Serving(server))
        peer = served.request("Sec-WebSocket-Protocol: b, a")
        self.assertEqual(peer.response().header("Sec-WebSocket-Protocol"), ["b"])
        self.assertEqual(served.request().response().status, 101)
        peer.sendText("a")
        self.assertEqual(self.successResultOf(connections[0].receive()), "a")

    def test_another(self) -> None:
        """
        Another application can be served from some moment on.
        """
        served = Served(Recorder)
        server = serverOf(served)
        self.assertIs(server.application, Recorder)
        old = served.upgrade()
        server.application = Echo
        new = served.upgrade()
        for peer, answers in ((old, []), (new, [text("a")])):
            peer.sendText("a")
            self.assertEqual(peer.frames(), answers)
        server.application = None
        self.assertEqual(served.request().response().status, 404)
        self.assertRaises(TypeError, setattr, server, "application", 5)


class DecisionTests(SynchronousTestCase):
    """
    Tests of how a request is decided, or is not.
    """

    def assertFails(self, handler: Any, kind: type[Exception]) -> None:
        """
        Check that a client is answered 500, learns nothing, and the error is logged.
        """
        served = Served(handler)
        peer = served.request()
        response = peer.response()
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(kind)), 1)
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(list(serverOf(served).pendingRequests), [])
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_raising(self) -> None:
        """
        Whatever kind of application raises before it has decided: 500, and logged.
        """

        class Factory:
            def buildProtocol(self, request: Request) -> object:
                raise OddError("secret")

        class Application(WebSocketProtocol):
            def __init__(self) -> None:
                raise OddError("secret")

        class AtStart(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                raise OddError("secret")

        def function(request: WebSocketRequest) -> None:
            raise OddError("secret")

        async def coroutine(request: WebSocketRequest) -> None:
            raise OddError("secret")

        def deferred(request: WebSocketRequest) -> Deferred[None]:
            waiting: Deferred[None] = Deferred()
            waiting.errback(OddError("secret"))
            return waiting

        for application in (
            Factory(),
            Application,
            AtStart,
            function,
            coroutine,
            deferred,
        ):
            self.assertFails(application, OddError)

    def test_undecided(self) -> None:
        """
        A coroutine or Deferred that ends without a decision: 500, and logged.
        """

        async def coroutine(request: WebSocketRequest) -> None:
            pass

        for handler in (coroutine, lambda _: succeed(None)):
            self.assertFails(handler, RuntimeError)

    def test_wrongDecision(self) -> None:
        """
        A handler that trips over accept() leaves the request open: 500, and logged.
        """

        async def coroutine(request: WebSocketRequest) -> None:
            request.accept("not offered")

        self.assertFails(coroutine, ValueError)
        self.assertFails(lambda request: request.accept("not offered"), ValueError)

    def test_later(self) -> None:
        """
        A plain function may decide later, a coroutine may wait before it does.
        """
        permission: Deferred[None] = Deferred()

        async def coroutine(request: WebSocketRequest) -> None:
            await permission
            request.reject(401)

        callbacks = ConnectionCallbacks()
        for handler, decide in (
            (callbacks, lambda: callbacks.requests[0].reject(401)),
            (coroutine, lambda: permission.callback(None)),
        ):
            served = Served(handler)
            peer = served.request()
            peer.wait(9)
            self.assertEqual(peer.received(), b"")
            self.assertEqual(len(serverOf(served).pendingRequests), 1)
            decide()
            self.assertEqual(peer.response().status, 401)
            self.assertEqual(list(serverOf(served).pendingRequests), [])
            self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_openTimeout(self) -> None:
        """
        After ``openTimeout`` the answer is 503, and nothing is left behind.
        """
        callbacks = ConnectionCallbacks()
        for options, seconds in (({}, 10), ({"openTimeout": 2}, 2)):
            served = Served(callbacks, ServerConfig(**options))
            peer = served.request()
            peer.wait(seconds - 0.1)
            self.assertEqual(peer.received(), b"")
            with capturedLogs() as logged:
                peer.wait(0.1)
            self.assertEqual(peer.response().status, 503)
            self.assertFalse(peer.transport.isConnected)
            self.assertEqual(len([e for e in logged if "seconds" in e]), 1)
            self.assertTrue(callbacks.requests[-1].isDecided)
            self.assertEqual(list(serverOf(served).pendingRequests), [])
            self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_tooLate(self) -> None:
        """
        A coroutine that decides too late is no fault: what it sends to a connection
        that has ended ends it quietly.
        """
        permission: Deferred[None] = Deferred()

        async def handler(request: WebSocketRequest) -> None:
            await permission
            request.accept(application=Echo()).send("hello")

        peer = Served(handler).request()
        peer.wait(10)
        self.assertEqual(peer.response().status, 503)
        permission.callback(None)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_undecidedTooLate(self) -> None:
        """
        Nor is one that ends without a decision when nobody waits for it any more; what
        it raises is logged as ever.
        """
        permissions: list[Deferred[None]] = []

        async def handler(request: WebSocketRequest) -> None:
            permissions.append(Deferred())
            await permissions[-1]

        for leave in (Peer.vanish, lambda peer: peer.wait(10)):
            leave(Served(handler).request())
            permissions[-1].callback(None)
            self.assertEqual(self.flushLoggedErrors(), [])
            leave(Served(handler).request())
            permissions[-1].errback(OddError())
            self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_clientLeft(self) -> None:
        """
        A client that leaves is no longer pending; its handler goes on undisturbed.
        """
        permission: Deferred[None] = Deferred()
        told: list[str] = []

        async def handler(request: WebSocketRequest) -> None:
            await permission
            told.append("went on")
            connection = request.accept()
            try:
                await connection.receive()
            except ConnectionClosed as closed:
                told.append(closed.report.cause.name)

        served = Served(handler)
        peer = served.request()
        peer.vanish()
        self.assertEqual(list(serverOf(served).pendingRequests), [])
        self.assertEqual(served.clock.getDelayedCalls(), [])
        permission.callback(None)
        self.assertEqual(told, ["went on", "PEER_LOST"])
        self.assertEqual(list(serverOf(served).connections), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_clientLeftQuietly(self) -> None:
        """
        A handler that sends to a client that has left is no fault and not logged.
        """
        permission: Deferred[None] = Deferred()

        async def handler(request: WebSocketRequest) -> None:
            await permission
            request.accept().send("hello")

        peer = Served(handler).request()
        peer.vanish()
        permission.callback(None)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_abandonedHandlers(self) -> None:
        """
        Handlers that go on although nobody waits for them any more, since the client
        has left or was answered 503, count as pending requests until they end.
        """
        permissions: list[Deferred[None]] = []

        async def handler(request: WebSocketRequest) -> None:
            permissions.append(Deferred())
            await permissions[-1]

        for leave in (Peer.vanish, lambda peer: peer.wait(10)):
            served = Served(handler, ServerConfig(maxPendingRequests=1))
            leave(served.request())
            self.assertEqual(list(serverOf(served).pendingRequests), [])
            self.assertEqual(served.request().response().status, 503)
            permissions[-1].callback(None)
            self.flushLoggedErrors()
            peer = served.request()
            self.assertEqual(peer.received(), b"")
            peer.vanish()

    def test_forgotten(self) -> None:
        """
        When its handler has ended and its client left, nothing is kept of a request:
        no address, no timer, nothing to shut down.
        """

        async def handler(request: WebSocketRequest) -> None:
            await request.accept().whenClosed()

        served = Served(handler)
        server = serverOf(served)
        peer = served.upgrade()
        self.assertIn("192.0.2.1", repr(vars(server)))
        peer.vanish()
        self.assertNotIn("192.0.2.1", repr(vars(server)))
        self.successResultOf(server.shutDown())
        self.assertEqual(served.clock.getDelayedCalls(), [])


class HandlerTests(SynchronousTestCase):
    """
    Tests of what a handler's end means for its connection.
    """

    def test_returning(self) -> None:
        """
        A pull-style coroutine that returns closes its connection with 1000.
        """

        async def handler(request: WebSocketRequest) -> None:
            connection = request.accept()
            connection.send(await connection.receive())

        peer = Served(handler).upgrade()
        peer.sendText("once")
        self.assertEqual(peer.frames(), [text("once"), close(1000)])
        peer.sendClose()
        self.assertFalse(peer.transport.isConnected)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_returningAfterClose(self) -> None:
        """
        Unless it has been closed already.
        """

        async def handler(request: WebSocketRequest) -> None:
            await request.accept().close(4000, "own")

        peer = Served(handler).upgrade()
        self.assertEqual(peer.frames(), [close(4000, "own")])
        peer.sendClose()
        self.assertEqual(peer.received(), b"")

    def test_raising(self) -> None:
        """
        One that raises closes it with 1011, and is logged.
        """

        async def handler(request: WebSocketRequest) -> None:
            connection = request.accept()
            await connection.receive()
            raise OddError("secret")

        peer = Served(handler).upgrade()
        peer.sendText("a")
        self.assertEqual(peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_race(self) -> None:
        """
        One that is left by a ConnectionClosed of its own connection is no fault.
        """

        async def pulling(request: WebSocketRequest) -> None:
            connection = request.accept()
            while True:
                connection.send(await connection.receive())

        async def pushing(request: WebSocketRequest) -> None:
            connection = request.accept(application=Echo())
            await connection.whenClosed()
            connection.send("too late")

        for handler in (pulling, pushing):
            for leave in ("vanish", "end", "sendClose"):
                peer = Served(handler).upgrade()
                getattr(peer, leave)()
                self.assertEqual(self.flushLoggedErrors(), [])

    def test_somebodyElsesEnd(self) -> None:
        """
        One of another connection is.
        """
        gone: list[WebSocketConnection] = []

        async def handler(request: WebSocketRequest) -> None:
            connection = request.accept()
            gone.append(connection)
            await connection.receive()
            gone[0].send("hello")

        async def pushing(request: WebSocketRequest) -> None:
            request.accept(application=Echo())
            gone[0].send("hello")

        served = Served(handler)
        served.upgrade().vanish()
        peer = served.upgrade()
        peer.sendText("a")
        self.assertEqual(peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(ConnectionClosed)), 1)
        Served(pushing).upgrade()
        self.assertEqual(len(self.flushLoggedErrors(ConnectionClosed)), 1)

    def test_callbackStyle(self) -> None:
        """
        A coroutine that has given its connection to an application may end as it
        likes: the connection goes on.
        """

        async def returning(request: WebSocketRequest) -> None:
            request.accept(application=Echo())

        async def raising(request: WebSocketRequest) -> None:
            request.accept(application=Echo())
            raise OddError

        for handler in (returning, raising):
            peer = Served(handler).upgrade()
            peer.sendText("a")
            self.assertEqual(peer.frames(), [text("a")])
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_plainFunction(self) -> None:
        """
        A plain function that returns has said nothing about its connection, which
        belongs to whoever it was given to.
        """
        connections: list[WebSocketConnection] = []

        def handler(request: WebSocketRequest) -> None:
            connections.append(request.accept())

        peer = Served(handler).upgrade()
        peer.sendText("a")
        self.assertEqual(peer.frames(), [])
        self.assertEqual(self.successResultOf(connections[0].receive()), "a")

    def test_rejecting(self) -> None:
        """
        A coroutine that raises after it has rejected is logged.
        """

        async def handler(request: WebSocketRequest) -> None:
            request.reject(401)
            raise OddError

        peer = Served(handler).request()
        self.assertEqual(peer.response().status, 401)
        self.assertEqual(len(self.flushLoggedErrors(OddError)), 1)

    def test_logNamesRequest(self) -> None:
        """
        The log says whose request was handled.
        """

        async def handler(request: WebSocketRequest) -> None:
            raise OddError

        with capturedLogs() as logged:
            Served(handler).request(path="/?a=b")
        [event] = [event for event in logged if "log_failure" in event]
        self.assertIn("/?a=b", event["request"])
        self.assertIn("192.0.2.1", event["request"])
        self.flushLoggedErrors(OddError)
