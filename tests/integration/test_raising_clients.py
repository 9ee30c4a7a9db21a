# Part of txwebsocket. See LICENSE for details.
"""
Each thing that users give to a client, a service, a browser's WebSocket or a stream,
and that raises: every place, with every kind of exception.

Hooks, and what servers are given, are in :mod:`tests.integration.test_raising`.
"""

from __future__ import annotations

import ast
import asyncio
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import txwebsocket
from tests.integration.test_raising import OddExtension
from tests.support.memory import Recorder
from tests.support.raising import (
    AT_ONCE,
    EVERY_WAY,
    KINDS,
    Way,
    failingLater,
    makeFuture,
)
from tests.support.serving import OddError
from tests.support.trying import DELAYS, Trying, TryingTestCase
from txwebsocket import (
    ClientConfig,
    ReconnectConfig,
    ReconnectingWebSocket,
    ServerConfig,
    W3CWebSocket,
    WebSocketClientService,
    WebSocketConnection,
    WebSocketStreamFactory,
)
from txwebsocket.client.rejection import StreamedResponse
from txwebsocket.handshake.response import ResponseReader
from txwebsocket.testing import MemorySite, MemoryTransport

EVENTS = ("open", "message", "error", "close")


class ClientRaisingTestCase(TryingTestCase):
    """
    Attempts to connect, of which something fails.
    """

    def setUp(self) -> None:
        self.restart()

    def restart(self) -> None:
        """
        Begin anew.
        """
        self.trying = Trying()
        self.told = []

    def assertLogged(self, count: int = 1) -> None:
        """
        What was raised stands in the log, so many times.
        """
        logged = self.flushLoggedErrors()
        self.assertEqual(len(logged), count, logged)
        for each in logged:
            self.assertTrue(each.check(*KINDS), each)


async def awaitFuture(future: asyncio.Future[Any]) -> None:
    """
    Wait as a coroutine does.
    """
    await deferFuture(future)


def deferFuture(future: asyncio.Future[Any]) -> Deferred[Any]:
    """
    Wait by a Deferred.
    """
    return Deferred.fromFuture(future)


def giveFuture(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """
    Leave the waiting to others.
    """
    return future


class ServiceTests(ClientRaisingTestCase):
    """
    Tests of :class:`WebSocketClientService`.
    """

    def serve(self, **options: Any) -> WebSocketClientService:
        """
        A service that is running.
        """
        options.setdefault("config", DELAYS)
        options.setdefault("connect", self.trying)
        service = WebSocketClientService(self.trying.clock, **options)
        service.startService()
        return service

    def assertStops(self, service: WebSocketClientService) -> None:
        """
        It can be stopped, and leaves nothing behind.
        """
        stopped = service.stopService()
        self.trying.site.advance(10)
        self.successResultOf(stopped)
        self.assertIdle()

    def test_handler(self) -> None:
        """
        A handler that fails has its connection closed with 1011, and the service
        connects again.
        """
        for way in EVERY_WAY:
            self.restart()
            service = self.serve(handler=way)
            connection = self.trying.succeed()
            self.trying.site.flush()
            self.assertFalse(connection.connected)
            self.assertEqual(self.trying.served.closeReport.receivedCode, 1011)
            self.assertLogged()
            self.assertNextAfter(1)
            self.trying.fail()
            self.assertStops(service)

    def test_connect(self) -> None:
        """
        What makes an attempt fails it, and the next one follows.
        """
        for way in EVERY_WAY:
            self.restart()
            ways = [way]

            def connect(ways: list[Way] = ways) -> Any:
                return ways.pop()() if ways else self.trying()

            service = self.serve(connect=connect, **self.listeners())
            self.assertEqual(service.failures, 1)
            self.trying.wait(1)
            connection = self.trying.succeed()
            self.assertIs(service.connection, connection)
            self.flushLoggedErrors()
            self.assertStops(service)

    def test_listeners(self) -> None:
        """
        Listeners that fail change nothing.
        """
        for way in EVERY_WAY:
            for name in ("onAttempt", "onConnect", "onFailure"):
                self.restart()
                options: dict[str, Any] = {name: way}
                service = self.serve(**options)
                self.trying.fail()
                self.assertNextAfter(1)
                connection = self.trying.succeed()
                self.assertIs(service.connection, connection)
                self.assertLogged(2 if name == "onAttempt" else 1)
                self.assertStops(service)

    def test_options(self) -> None:
        """
        Options that are callables and fail have the service wait for longest, but not
        give up.
        """
        for way in AT_ONCE:
            for name in ("isFatal", "jitter"):
                self.restart()
                options: dict[str, Any] = {name: way}
                service = self.serve(config=ReconnectConfig(maxDelay=8.0, **options))
                self.trying.fail()
                self.assertLogged()
                self.assertNextAfter(8)
                self.trying.succeed()
                self.assertTrue(service.connection)
                self.assertStops(service)

    def test_awaited(self) -> None:
        """
        Listeners may be coroutine functions, or return Deferreds or futures of asyncio.
        The service does not wait for them, and cancels those that are left at its end.
        """
        for name in ("onAttempt", "onConnect", "onFailure"):
            for awaits in (awaitFuture, deferFuture, giveFuture):
                self.restart()
                futures: list[asyncio.Future[Any]] = []

                def listen(
                    *what: object, futures: Any = futures, awaits: Any = awaits
                ) -> Any:
                    futures.append(makeFuture(self.trying.clock))
                    return awaits(futures[-1])

                options: dict[str, Any] = {name: listen}
                service = self.serve(**options)
                self.trying.fail()
                self.assertNextAfter(1)
                self.trying.succeed()
                if name == "onAttempt":
                    futures.pop().set_exception(OddError())
                    self.trying.site.flush()
                    self.assertLogged()
                [future] = futures
                self.assertFalse(future.done())
                self.assertStops(service)
                self.assertTrue(future.cancelled())
                self.assertEqual(self.flushLoggedErrors(), [])

    def test_stopsItself(self) -> None:
        """
        A listener may stop the service, and wait for that.
        """
        stopped: list[object] = []

        async def stop(connection: WebSocketConnection) -> None:
            await service.stopService()
            stopped.append(connection)

        service = self.serve(onConnect=stop)
        connection = self.trying.succeed()
        self.trying.site.flush()
        self.assertEqual(stopped, [connection])
        self.assertIdle()

    def test_race(self) -> None:
        """
        That its connection has ended is no error of a listener.
        """

        async def listen(connection: WebSocketConnection) -> None:
            await connection.receive()

        service = self.serve(onConnect=listen)
        self.trying.succeed()
        self.trying.cut()
        self.assertStops(service)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_future(self) -> None:
        """
        A handler may return a task of asyncio, and ``connect``, too. A task that is
        cancelled with the service is no error.
        """
        attempt, handling = makeFuture(self.trying.clock), makeFuture(self.trying.clock)
        service = self.serve(connect=lambda: attempt, handler=lambda _: handling)
        connection = self.trying.makeConnection()
        attempt.set_result(connection)
        self.trying.site.flush()
        self.assertIs(service.connection, connection)
        self.assertStops(service)
        self.assertTrue(handling.cancelled())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_futureEnds(self) -> None:
        """
        When the task ends, the connection is closed.
        """
        handling = makeFuture(self.trying.clock)
        service = self.serve(handler=lambda _: handling)
        connection = self.trying.succeed()
        handling.set_result(None)
        self.trying.site.flush()
        self.assertEqual(self.trying.served.closeReport.receivedCode, 1000)
        self.assertFalse(connection.connected)
        self.assertStops(service)


class LoopTests(ClientRaisingTestCase):
    """
    Tests of :class:`ReconnectingWebSocket`.
    """

    def test_everywhere(self) -> None:
        """
        What is given to a loop fails without ending it.
        """
        for way in EVERY_WAY:
            for name in ("connect", "onAttempt", "onFailure", "isFatal"):
                if name == "isFatal" and way not in AT_ONCE:
                    continue
                self.restart()
                self.check(name, way)

    def check(self, name: str, way: Way) -> None:
        """
        Let this one fail.
        """
        ways = [way]

        def connect() -> Any:
            return ways.pop()() if name == "connect" and ways else self.trying()

        options: dict[str, Any] = {"onAttempt": None, "onFailure": None}
        config = DELAYS
        if name == "isFatal":
            config = ReconnectConfig(maxDelay=1.0, isFatal=way)
        else:
            options[name] = way
        options.pop("connect", None)
        connections = ReconnectingWebSocket(
            self.trying.clock, connect, config, **options
        )
        turn = self.begin(anext(connections))
        if name != "connect":
            self.trying.fail()
        self.trying.wait(1)
        connection = self.trying.succeed()
        self.assertIs(self.successResultOf(turn), connection)
        self.assertTrue(self.flushLoggedErrors() or name == "connect")
        over = self.begin(connections.aclose())
        self.trying.site.flush()
        self.successResultOf(over)
        self.assertIdle()

    def test_fatal(self) -> None:
        """
        A loop ends with the error after which there is no use in trying again, whatever
        its kind, and stays at its end.
        """
        for kind in KINDS:
            config = ReconnectConfig(isFatal=lambda _: True)
            connections = ReconnectingWebSocket(self.trying.clock, self.trying, config)
            turn = self.begin(anext(connections))
            error: Any = kind("odd")
            self.trying.fail(error)
            self.failureResultOf(turn, kind)
            self.flushLoggedErrors()
            self.failureResultOf(self.begin(anext(connections)), StopAsyncIteration)


class BrowserTests(ClientRaisingTestCase):
    """
    Tests of :class:`W3CWebSocket`.
    """

    def test_listeners(self) -> None:
        """
        A listener that fails keeps no other from its events, nor any event from coming.
        """
        for way in EVERY_WAY:
            for add in (self.addHandler, self.addListener, self.addObject):
                site = MemorySite(lambda request: request.accept().send("hello"))
                socket = W3CWebSocket("ws://example.com/", client=site.client())
                seen: list[str] = []
                for name in EVENTS:
                    add(socket, name, way)
                    socket.addEventListener(
                        name, lambda event, seen=seen: seen.append(event.type)
                    )
                site.flush()
                site.wires[0].cut()
                site.flush()
                self.assertEqual(seen, list(EVENTS))
                self.assertEqual(socket.readyState, socket.CLOSED)
                self.assertLogged(len(EVENTS))

    def addHandler(self, socket: W3CWebSocket, name: str, way: Way) -> None:
        """
        Have it fail as an attribute.
        """
        setattr(socket, f"on{name}", way)

    def addListener(self, socket: W3CWebSocket, name: str, way: Way) -> None:
        """
        Have it fail as a function.
        """
        socket.addEventListener(name, way)

    def addObject(self, socket: W3CWebSocket, name: str, way: Way) -> None:
        """
        Have it fail as an object.
        """

        class Listener:
            handleEvent = staticmethod(way)

        socket.addEventListener(name, Listener())

    def test_dispatching(self) -> None:
        """
        A subclass whose own ``dispatchEvent`` fails gets the events that follow.
        """
        for way in AT_ONCE:
            seen: list[str] = []

            class Odd(W3CWebSocket):
                def dispatchEvent(
                    self, event: Any, seen: list[str] = seen, way: Way = way
                ) -> bool:
                    seen.append(event.type)
                    result: bool = way()
                    return result

            site = MemorySite(lambda request: request.accept())
            socket = Odd("ws://example.com/", client=site.client())
            site.flush()
            site.wires[0].cut()
            site.flush()
            self.assertEqual(seen[0], "open")
            self.assertGreater(len(seen), 1)
            self.assertEqual(socket.readyState, socket.CLOSED)
            self.flushLoggedErrors()


class OpeningTests(SynchronousTestCase):
    """
    Tests of what a client is given for its opening handshakes.
    """

    def test_cookieJar(self) -> None:
        """
        A jar that fails has the attempt fail with just that.
        """
        for method in ("add_cookie_header", "extract_cookies"):
            for way in AT_ONCE:
                jar = CookieJar()
                setattr(jar, method, way)
                self.check(cookieJar=jar)

    def test_endpoint(self) -> None:
        """
        So does an endpoint that fails to connect.
        """
        for way in (*AT_ONCE, *map(failingLater, KINDS)):

            class Endpoint:
                connect = staticmethod(way)

            self.check(proxy=Endpoint())

    def check(self, **options: Any) -> None:
        """
        Connect with this.
        """
        site = MemorySite(lambda request: request.accept())
        client = site.client()
        for name, value in options.items():
            if name == "cookieJar":
                client.cookieJar = value
            else:
                client._endpointFor = lambda _, value=value: value
        opened = client.connect("ws://example.com/")
        results: list[Any] = []
        opened.addBoth(results.append)
        site.advance(20)
        [failure] = results
        error = getattr(failure.value, "cause", failure.value)
        self.assertIsInstance(error, KINDS)
        self.assertEqual(site.clock.getDelayedCalls(), [])
        self.assertEqual(list(site.server.connections), [])  # type: ignore[union-attr]


class StreamTests(SynchronousTestCase):
    """
    Tests of ordinary protocols over WebSockets.
    """

    def test_protocols(self) -> None:
        """
        A protocol that fails, at either end, costs its own connection: the other end
        is told 1011, both are told of the end once, and the site goes on.
        """
        for method in ("connectionMade", "dataReceived", "connectionLost"):
            for way in AT_ONCE:
                for isServer in (True, False):
                    self.check(method, way, isServer)

    def check(self, method: str, way: Way, isServer: bool) -> None:
        """
        Let this one fail at one end.
        """
        ends: list[str] = []

        def make(name: str, fails: bool) -> type[Protocol]:
            def told(self: Protocol, *what: object) -> None:
                ends.append(name)

            methods: dict[str, Any] = {"connectionLost": told}
            if fails:
                methods[method] = lambda self, *what: (
                    told(self) if method == "connectionLost" else None,
                    way(),
                )
            return type(name, (Protocol,), methods)

        server = Factory.forProtocol(make("server", isServer))
        client = Factory.forProtocol(make("client", not isServer))
        site = MemorySite(WebSocketStreamFactory(server))
        opened = site.streamEndpoint().connect(client)
        results: list[Any] = []
        opened.addBoth(results.append)
        site.flush()
        for wire in site.wires:
            [*connections] = site.server.connections  # type: ignore[union-attr]
            for connection in connections:
                connection.sendBytes(b"to the client")
            if not isServer or not isinstance(results[0], Protocol):
                continue
            transport: Any = results[0].transport
            transport.write(b"to the server")
            site.flush()
            wire.cut()
        site.flush()
        for wire in site.wires:
            wire.cut()
        site.advance(20)
        failed = "server" if isServer else "client"
        if method != "connectionMade":
            self.assertEqual(sorted(ends), ["client", "server"])
        self.assertLessEqual(ends.count(failed), 1)
        self.flushLoggedErrors(*KINDS)
        self.assertEqual(list(site.server.connections), [])  # type: ignore[union-attr]
        self.assertEqual(site.clock.getDelayedCalls(), [])


class BodyTests(SynchronousTestCase):
    """
    Tests of protocols that take the body of a rejection while it arrives.
    """

    def test_failing(self) -> None:
        """
        One that fails has the connection cut, and others are told of the end.
        """
        for method in ("dataReceived", "connectionLost"):
            for way in AT_ONCE:
                clock = Clock()
                transport = MemoryTransport(clock)
                head = ResponseReader().feed(b"HTTP/1.1 403 No\r\n\r\n")
                assert head is not None
                response = StreamedResponse(head, transport, clock, 9, TimeoutError())
                transport.protocol = response
                protocols = [Taking(), Taking()]
                setattr(protocols[0], method, way)
                for protocol in protocols:
                    response.deliverBody(protocol)
                response.dataReceived(b"body")
                response.connectionLost(Failure(ConnectionLost()))
                self.assertEqual(protocols[1].ends, 1)
                self.assertEqual(len(self.flushLoggedErrors(*KINDS)), 1)
                clock.advance(10)
                self.assertFalse(transport.isConnected)


class Taking(Protocol):
    """
    Takes a body.

    :ivar ends: how often the end was told.
    """

    ends = 0

    def connectionLost(self, reason: Any = None) -> None:
        """
        Count it.
        """
        self.ends += 1


class BroadcastTests(SynchronousTestCase):
    """
    Tests of broadcasts to connections with an extension that fails.
    """

    def test_encoding(self) -> None:
        """
        An extension that fails to encode costs its connection, which is told 1011, and
        no other connection its message.
        """
        for way in AT_ONCE:
            for method in ("encode", "sharingKey"):
                odd = OddExtension(method, way)
                site = MemorySite(
                    lambda request: request.accept(), ServerConfig(extensions=[odd])
                )
                others = [Recorder(), Recorder(), Recorder()]
                config = ClientConfig(extensions=[OddExtension()])
                for other, options in zip(others, (None, config, None), strict=True):
                    site.connect(application=other, config=options)
                left = site.server.broadcast("olleh")  # type: ignore[union-attr]
                site.flush()
                self.assertEqual(len(left), 1)
                self.assertEqual(len(self.flushLoggedErrors(*KINDS)), 1)
                self.assertEqual(others[1].report.receivedCode, 1011)
                for other in (others[0], others[2]):
                    self.assertEqual(other.messages, ["olleh"])


class SourceTests(SynchronousTestCase):
    """
    Tests of the source itself.
    """

    # What is not called while connections are served.
    _FREE = frozenset(("tap.py",))

    def test_noException(self) -> None:
        """
        Nowhere does the package catch ``Exception``: what calls application code has to
        catch what is no ``Exception``, too, and other code knows what it expects.
        """
        package = Path(txwebsocket.__file__).parent
        found = [
            f"{path.name}:{node.lineno}"
            for path in package.rglob("*.py")
            if path.name not in self._FREE
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ExceptHandler) and _names(node.type, "Exception")
        ]
        self.assertEqual(found, [])


def _names(node: ast.expr | None, name: str) -> bool:
    return node is None or any(
        isinstance(each, ast.Name) and each.id == name for each in ast.walk(node)
    )
