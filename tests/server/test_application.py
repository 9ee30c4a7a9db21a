# Part of txwebsocket. See LICENSE for details.
"""
Tests of what may be served, and of how it decides.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from tests.support.memory import Peer, Recorder, Served, close, text
from txwebsocket import (
    CloseCause,
    ConnectionClosed,
    Cookie,
    InvalidState,
    ServerConfig,
    WebSocketConnection,
    WebSocketProtocol,
    WebSocketRequest,
)
from txwebsocket.server.application import acceptAny, makeDecider, rejectAny


class Echo(WebSocketProtocol):
    """
    Sends text back.
    """

    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)


class DecidingTestCase(SynchronousTestCase):
    """
    What tests of applications need.
    """

    def assertEchoes(self, peer: Peer) -> None:
        """
        The peer has a WebSocket, and an :class:`Echo` at its other end.
        """
        self.assertEqual(peer.response().status, 101)
        peer.sendText("hello")
        self.assertEqual(peer.frames(), [text("hello")])

    def assertFails(self, application: Any, error: type[Exception]) -> None:
        """
        A client is answered 500 and told nothing more, and this error is logged.
        """
        response = Served(application).request().response()
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(error)), 1)


class FactoryTests(DecidingTestCase):
    """
    Tests of applications with ``buildProtocol``.
    """

    def test_accepted(self) -> None:
        """
        A factory is given the request of twisted.web, and what it makes is served.
        """
        asked = []

        class Factory:
            def buildProtocol(self, request: Request) -> Echo:
                asked.append(request)
                return Echo()

        self.assertEchoes(Served(Factory()).request(path="/?room=1"))
        [request] = asked
        self.assertIsInstance(request, Request)
        self.assertEqual(request.args, {b"room": [b"1"]})

    def test_eachItsOwn(self) -> None:
        """
        A factory is asked for each connection.
        """
        made: list[Recorder] = []

        class Factory:
            def buildProtocol(self, request: Request) -> Recorder:
                made.append(Recorder())
                return made[-1]

        served = Served(Factory())
        served.upgrade().sendText("one")
        served.upgrade().sendText("two")
        self.assertEqual([each.messages for each in made], [["one"], ["two"]])

    def test_refused(self) -> None:
        """
        A factory that makes nothing refuses.
        """

        class Factory:
            def buildProtocol(self, request: Request) -> None:
                return None

        self.assertEqual(Served(Factory()).request().response().status, 403)

    def test_raises(self) -> None:
        """
        A factory that raises has the client answered 500, and is logged.
        """

        class Factory:
            def buildProtocol(self, request: Request) -> Echo:
                raise ZeroDivisionError("secret")

        self.assertFails(Factory(), ZeroDivisionError)

    def test_first(self) -> None:
        """
        What has ``buildProtocol`` is a factory, even if it is a class or can be called.
        """

        class Callable:
            def buildProtocol(self, request: Request) -> Echo:
                return Echo()

            def __call__(self, request: Any) -> None:
                request.reject(418)

        class Class:
            def __init__(self) -> None:
                raise ZeroDivisionError("it was made")

            @staticmethod
            def buildProtocol(request: Request) -> Echo:
                return Echo()

        self.assertEchoes(Served(Callable()).request())
        self.assertEchoes(Served(Class).request())


class ClassTests(DecidingTestCase):
    """
    Tests of classes as applications.
    """

    def test_eachItsOwn(self) -> None:
        """
        A class is called for each connection, without arguments.
        """
        made: list[Recorder] = []

        class Application(Recorder):
            def __init__(self, *args: object) -> None:
                super().__init__()
                made.append(self)
                self.args = args

        served = Served(Application)
        served.upgrade().sendText("one")
        served.upgrade().sendText("two")
        self.assertEqual([each.messages for each in made], [["one"], ["two"]])
        self.assertEqual([each.args for each in made], [(), ()])  # type: ignore[attr-defined]

    def test_notInheriting(self) -> None:
        """
        Any class will do.
        """
        heard = []

        class Plain:
            def textMessageReceived(self, message: str) -> None:
                heard.append(message)

        Served(Plain).upgrade().sendText("hello")
        self.assertEqual(heard, ["hello"])

    def test_raises(self) -> None:
        """
        A class that raises when it is called has the client answered 500, and is
        logged; so has one that needs arguments.
        """

        class Raising:
            def __init__(self) -> None:
                raise ZeroDivisionError("secret")

        class Demanding:
            def __init__(self, secret: str) -> None:
                self.secret = secret

        self.assertFails(Raising, ZeroDivisionError)
        self.assertFails(Demanding, TypeError)

    def test_raisesAtTheStart(self) -> None:
        """
        So has one whose object raises in ``negotiationStarted``.
        """

        class Raising(WebSocketProtocol):
            def negotiationStarted(self, transport: Any) -> None:
                raise ZeroDivisionError("secret")

        self.assertFails(Raising, ZeroDivisionError)

    def test_subprotocol(self) -> None:
        """
        For a class, the option ``subprotocols`` chooses.
        """
        served = Served(Echo, ServerConfig(subprotocols=["v2", "v1"]))
        for offered, agreed in (("v1, v2", ["v2"]), ("v1", ["v1"]), ("V1", [])):
            response = served.request(f"Sec-WebSocket-Protocol: {offered}").response()
            self.assertEqual(response.header("Sec-WebSocket-Protocol"), agreed)


class HandlerTests(DecidingTestCase):
    """
    Tests of other callables.
    """

    def test_callables(self) -> None:
        """
        Whatever can be called with a request is a handler.
        """

        class Handler:
            def __call__(self, request: WebSocketRequest) -> None:
                request.accept(application=Echo())

            def method(self, request: WebSocketRequest) -> None:
                request.accept(application=Echo())

        def function(request: WebSocketRequest, application: type = Echo) -> None:
            request.accept(application=application())

        async def coroutine(request: WebSocketRequest) -> None:
            request.accept(application=Echo())

        for handler in (
            function,
            coroutine,
            Handler(),
            Handler().method,
            partial(function, application=Echo),
            lambda request: request.accept(application=Echo()),
        ):
            self.assertEchoes(Served(handler).request())

    def test_request(self) -> None:
        """
        A handler sees what was asked for before it decides.
        """
        seen = []

        def handler(request: WebSocketRequest) -> None:
            seen.append((request.resource, request.cookies, request.isDecided))
            request.reject(404)

        Served(handler).request("Cookie: sid=1", path="/?a=b")
        self.assertEqual(seen, [("/?a=b", {"sid": "1"}, False)])

    def test_pullStyle(self) -> None:
        """
        A coroutine that accepts and talks has its connection closed with 1000 when it
        is done.
        """

        async def handler(request: WebSocketRequest) -> None:
            connection = request.accept(cookies=[Cookie("seen", "1")])
            connection.send((await connection.receive()) + "!")

        peer = Served(handler).request()
        response = peer.response()
        self.assertEqual(response.status, 101)
        self.assertEqual(response.header("Set-Cookie"), ["seen=1"])
        peer.sendText("hello")
        self.assertEqual(peer.frames(), [text("hello!"), close(1000)])

    def test_pullStyleRaises(self) -> None:
        """
        If it raises, the connection is closed with 1011, which is logged.
        """

        async def handler(request: WebSocketRequest) -> None:
            connection = request.accept()
            await connection.receive()
            raise ZeroDivisionError("secret")

        peer = Served(handler).upgrade()
        peer.sendText("hello")
        self.assertEqual(peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_callbackStyle(self) -> None:
        """
        The end of a handler that has handed over to an application ends no connection.
        """

        async def handler(request: WebSocketRequest) -> None:
            request.accept(application=Echo())

        async def raising(request: WebSocketRequest) -> None:
            request.accept(application=Echo())
            raise ZeroDivisionError("too late")

        self.assertEchoes(Served(handler).request())
        self.assertEchoes(Served(raising).request())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_keeps(self) -> None:
        """
        A connection that a plain function accepts belongs to whoever holds it.
        """
        held: list[WebSocketConnection] = []
        peer = Served(lambda request: held.append(request.accept())).upgrade()
        held[0].send("hello")
        self.assertEqual(peer.frames(), [text("hello")])

    def test_mistakes(self) -> None:
        """
        What was not offered, or is another origin, leaves a request open.
        """
        mistakes: list[dict[str, Any]] = [
            {"protocol": "v2"},
            {"protocol": "V1"},
            {"origin": "https://example.com"},
            {"headers": {"Upgrade": "x"}},
        ]
        refused = []

        def handler(request: WebSocketRequest) -> None:
            for mistake in mistakes:
                self.assertRaises(ValueError, request.accept, **mistake)
                refused.append(mistake)
            self.assertRaises(ValueError, request.reject, 200)
            request.accept("v1", origin="http://example.com", application=Echo())

        lines = ("Sec-WebSocket-Protocol: v1", "Origin: http://example.com")
        self.assertEchoes(Served(handler).request(*lines))
        self.assertEqual(refused, mistakes)

    def test_twice(self) -> None:
        """
        A request is decided once.
        """

        def handler(request: WebSocketRequest) -> None:
            request.accept(application=Echo())
            self.assertRaises(InvalidState, request.accept)
            self.assertRaises(InvalidState, request.reject)

        self.assertEchoes(Served(handler).request())


class LaterTests(DecidingTestCase):
    """
    Tests of decisions that take time.
    """

    def setUp(self) -> None:
        self.decision: Deferred[Any] = Deferred()
        self.requests: list[WebSocketRequest] = []

    async def waiting(self, request: WebSocketRequest) -> None:
        """
        Accept when the decision is there.
        """
        self.requests.append(request)
        await self.decision
        request.accept(application=Echo())

    def deferring(self, request: WebSocketRequest) -> Deferred[Any]:
        """
        The same with a Deferred.
        """
        return self.decision.addCallback(lambda _: request.accept(application=Echo()))

    def test_later(self) -> None:
        """
        A coroutine or a Deferred may decide later.
        """
        for handler in (self.waiting, self.deferring):
            self.decision = Deferred()
            peer = Served(handler).request()
            self.assertEqual(peer.received(), b"")
            self.decision.callback(None)
            self.assertEchoes(peer)

    def test_deferredAtOnce(self) -> None:
        """
        A Deferred may have its result already.
        """
        self.decision.callback(None)
        self.assertEchoes(Served(self.deferring).request())

    def test_function(self) -> None:
        """
        A plain function may return undecided, and decide later.
        """
        peer = Served(self.requests.append).request()
        peer.wait(9.9)
        self.assertEqual(peer.received(), b"")
        self.requests[0].accept(application=Echo())
        self.assertEchoes(peer)

    def test_undecided(self) -> None:
        """
        A coroutine or Deferred that ends undecided has the client answered 500, and is
        logged.
        """

        async def handler(request: WebSocketRequest) -> None:
            await self.decision

        peer = Served(handler).request()
        self.decision.callback(None)
        self.assertEqual(peer.response().status, 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertFails(lambda request: succeed(None), RuntimeError)

    def test_raises(self) -> None:
        """
        So is one that raises before it has decided.
        """
        for handler in (self.waiting, self.deferring):
            self.decision = Deferred()
            peer = Served(handler).request()
            self.decision.errback(ZeroDivisionError("secret"))
            response = peer.response()
            self.assertEqual(response.status, 500)
            self.assertNotIn(b"secret", response.body)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_raisesAtOnce(self) -> None:
        """
        So is one that raises at once, a plain function too.
        """

        async def coroutine(request: WebSocketRequest) -> None:
            raise ZeroDivisionError("secret")

        def function(request: WebSocketRequest) -> None:
            raise ZeroDivisionError("secret")

        self.assertFails(coroutine, ZeroDivisionError)
        self.assertFails(function, ZeroDivisionError)

    def test_tooLate(self) -> None:
        """
        A request that is not decided within ``openTimeout`` is answered 503. What is
        decided afterwards comes too late, which is no fault: a connection has ended
        then, and its report says why.
        """
        for handler in (self.waiting, self.requests.append):
            self.requests.clear()
            peer = Served(handler, ServerConfig(openTimeout=3)).request()
            peer.wait(2.9)
            self.assertEqual(peer.received(), b"")
            peer.wait(0.1)
            self.assertEqual(peer.response().status, 503)
            [request] = self.requests
            self.assertTrue(request.isDecided)
            application = Recorder()
            connection = request.accept(application=application)
            self.assertIs(connection.closeReport, application.report)
            self.assertIs(application.report.cause, CloseCause.OPEN_TIMEOUT)
            self.assertEqual(application.told, ["started", "lost"])
            self.assertRaises(ConnectionClosed, connection.send, "hello")
            self.assertRaises(InvalidState, request.accept)
            self.assertRaises(InvalidState, request.reject)
            self.assertEqual(peer.received(), b"")

    def test_rejectedTooLate(self) -> None:
        """
        A rejection that comes too late does nothing.
        """
        served = Served(self.requests.append, ServerConfig(openTimeout=3))
        peer = served.request()
        peer.wait(3)
        self.assertEqual(peer.response().status, 503)
        served.request().vanish()
        for request in self.requests:
            request.reject(401)
            self.assertRaises(InvalidState, request.accept)
        self.assertEqual(peer.received(), b"")

    def test_endsTooLate(self) -> None:
        """
        A handler that decides after that harms nobody, and is not logged.
        """
        served = Served(self.waiting)
        peer = served.request()
        peer.wait(10)
        self.assertEqual(peer.response().status, 503)
        self.decision.callback(None)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(list(served.resource.server.connections), [])
        self.assertEchoes(served.request())

    def test_clientLeaves(self) -> None:
        """
        A handler goes on when its client leaves; the connection that it is given then
        has ended.
        """
        connections = []

        async def handler(request: WebSocketRequest) -> None:
            await self.decision
            connections.append(request.accept())

        Served(handler).request().vanish()
        self.decision.callback(None)
        [connection] = connections
        self.assertFalse(connection.connected)
        self.assertEqual(connection.closeReport.code, 1006)

    def test_shutDown(self) -> None:
        """
        A handler that has not ended when all are told to go is cancelled, but not
        before the deadline.
        """
        cancelled = []

        def handler(request: WebSocketRequest) -> Deferred[Any]:
            return Deferred(cancelled.append)

        served = Served(handler, ServerConfig(closeTimeout=2))
        peer = served.request()
        other = Served(self.waiting, clock=served.clock).request()
        done = served.resource.server.shutDown()
        self.assertEqual(peer.response().status, 503)
        self.assertEqual(other.received(), b"")
        served.clock.advance(2)
        self.assertEqual(len(cancelled), 1)
        self.assertIsNone(self.successResultOf(done))

    def test_shutDownFails(self) -> None:
        """
        What a handler raises while all are told to go is logged as ever.
        """
        served = Served(self.waiting)
        served.request()
        served.resource.server.shutDown()
        self.decision.errback(ZeroDivisionError("secret"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_shutDownAfterwards(self) -> None:
        """
        A handler that has ended is waited for no more.
        """
        served = Served(self.waiting)
        peer = served.request()
        self.decision.callback(None)
        peer.sendClose()
        done = served.resource.server.shutDown()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """
        A handler that is cancelled by somebody else has failed.
        """
        peer = Served(self.waiting).request()
        self.decision.cancel()
        self.assertEqual(peer.response().status, 500)
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)

    def test_noTimeLeft(self) -> None:
        """
        A decision leaves nothing behind that waits for its time.
        """
        clock = Clock()
        peer = Served(self.waiting, clock=clock).request()
        self.decision.callback(None)
        peer.sendClose()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_failure(self) -> None:
        """
        A Deferred that fails after a connection was accepted is logged and ends it with
        1011, if nobody else is there to take its messages.
        """

        def handler(request: WebSocketRequest) -> Deferred[Any]:
            request.accept()
            return self.decision

        peer = Served(handler).upgrade()
        self.decision.errback(Failure(ZeroDivisionError("secret")))
        self.assertEqual(peer.frames(), [close(1011)])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class MistakeTests(SynchronousTestCase):
    """
    Tests of what can't be served.
    """

    def test_nothing(self) -> None:
        """
        What is neither factory nor class nor callable is refused when it is given, and
        named.
        """
        for application in (Echo(), "chat", 5, [], None):
            error = self.assertRaises(TypeError, makeDecider, application)
            self.assertIn(repr(application), str(error))


class NobodyTests(DecidingTestCase):
    """
    Tests of the decisions of a server without an application.
    """

    def test_acceptAny(self) -> None:
        """
        Whoever accepts all takes the first subprotocol that the client offers.
        """
        served = Served(acceptAny, ServerConfig(subprotocols=["v1"]))
        for lines, agreed in (
            ((), []),
            (("Sec-WebSocket-Protocol: V2, v1",), ["V2"]),
            (("Sec-WebSocket-Protocol: v1",), ["v1"]),
        ):
            response = served.request(*lines).response()
            self.assertEqual(response.status, 101)
            self.assertEqual(response.header("Sec-WebSocket-Protocol"), agreed)

    def test_rejectAny(self) -> None:
        """
        Whoever has nothing says so.
        """
        response = Served(rejectAny).request().response()
        self.assertEqual(response.status, 404)
        self.assertIn(b"Nothing is served here.", response.body)
