# Part of txwebsocket. See LICENSE for details.
"""
Each thing that users give to a server or a client, and that raises.

Whatever it is, and however it fails, the error is logged once, the connection at fault
ends once, and nobody else notices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Recorder
from tests.support.raising import AT_ONCE, EVERY_WAY, KINDS, SECRET, Way, raising
from tests.support.serving import OddError
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionClosed,
    ConnectionRejected,
    ExtensionHeader,
    NegotiatedExtension,
    ServerConfig,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketResource,
    WebSocketRouter,
    WebSocketServer,
)
from txwebsocket.testing import MemorySite

KIB = 1024

ODDLY = raising(OddError)

Provoke = Callable[[WebSocketConnection], object]

# What the other end does to have a hook called, and the ways that it can fail.
HOOKS: dict[str, tuple[Provoke, tuple[Way, ...]]] = {
    "negotiationFinished": (lambda other: None, EVERY_WAY),
    "textMessageReceived": (lambda other: other.send("a"), EVERY_WAY),
    "bytesMessageReceived": (lambda other: other.send(b"a"), EVERY_WAY),
    "frameReceived": (lambda other: other.send("a"), EVERY_WAY),
    "messageStarted": (lambda other: other.send("a"), EVERY_WAY),
    "pingReceived": (lambda other: other.ping() and None, EVERY_WAY),
    "pongReceived": (lambda other: other.pong(), EVERY_WAY),
}


class RaisingTestCase(SynchronousTestCase):
    """
    A site in memory where somebody fails.

    :ivar site: the site.
    :ivar made: the applications of its connections.
    """

    def serve(self, application: Any = None, **options: Any) -> None:
        """
        Serve this, or a :class:`Recorder` to everybody.
        """
        self.made: list[Recorder] = []
        served = self.record if application is None else application
        self.site = MemorySite(served, ServerConfig(**options))

    def record(self, request: WebSocketRequest) -> None:
        """
        Accept.
        """
        self.made.append(Recorder())
        request.accept(application=self.made[-1])

    def assertLoggedOnce(self) -> None:
        """
        What was raised stands in the log, once.
        """
        logged = self.flushLoggedErrors()
        self.assertEqual(len(logged), 1, logged)
        self.assertTrue(logged[0].check(*KINDS), logged)

    def assertServes(self) -> None:
        """
        The server serves, and has forgotten who failed.
        """
        recorder = Recorder()
        connection = self.successResultOf(self.site.connect(application=recorder))
        [mine] = self.server.connections
        mine.send("hello")
        self.site.flush()
        self.assertEqual(recorder.messages, ["hello"])
        connection.close()
        self.site.flush()
        self.assertNobody()

    def assertNobody(self) -> None:
        """
        Nothing is left of anybody.
        """
        self.assertEqual(list(self.server.connections), [])
        self.assertEqual(list(self.server.pendingRequests), [])
        self.assertNotIn("192.0.2.1", repr(vars(self.server)))
        self.assertEqual(self.site.clock.getDelayedCalls(), [])

    @property
    def server(self) -> WebSocketServer:
        """
        Who serves.
        """
        server: Any = self.site.server
        return server


def failing(hook: str, way: Way) -> Recorder:
    """
    An application of which one hook fails.
    """
    recorder = Recorder()
    setattr(recorder, hook, way)
    return recorder


def optionsFor(hook: str) -> Any:
    """
    The options with which this one is called.
    """
    return {
        "assembleFragments": hook != "frameReceived",
        "streamMessages": hook == "messageStarted",
    }


class HooksTests(RaisingTestCase):
    """
    Tests of applications in callback style.
    """

    def assertEnded(self, culprit: Recorder, other: Recorder) -> None:
        """
        The culprit has lost its connection, once, and the other end was told 1011 and
        nothing more.
        """
        self.assertEqual(culprit.told.count("lost"), 1)
        self.assertIs(culprit.report.cause, CloseCause.APPLICATION_ERROR)
        self.assertEqual(other.report.receivedCode, 1011)
        self.assertEqual(other.report.receivedReason, "")

    def test_server(self) -> None:
        """
        On a server.
        """
        for hook, (provoke, ways) in HOOKS.items():
            for way in ways:
                culprit = failing(hook, way)
                todo = [culprit]
                self.serve(
                    lambda request, todo=todo: request.accept(
                        application=todo.pop() if todo else None
                    ),
                    **optionsFor(hook),
                )
                other = Recorder()
                connection = self.successResultOf(self.site.connect(application=other))
                if hook != "negotiationFinished":
                    provoke(connection)
                self.site.flush()
                self.assertLoggedOnce()
                self.assertEnded(culprit, other)
                self.assertServes()

    def test_client(self) -> None:
        """
        In a client.
        """
        for hook, (provoke, ways) in HOOKS.items():
            for way in ways:
                culprit = failing(hook, way)
                config = ClientConfig(**optionsFor(hook))
                self.serve()
                opening = self.site.connect(application=culprit, config=config)
                self.successResultOf(opening)
                for connection in self.server.connections:
                    provoke(connection)
                self.site.flush()
                self.assertLoggedOnce()
                self.assertEnded(culprit, self.made[0])
                self.assertServes()

    def test_serverAtStart(self) -> None:
        """
        On a server that was only about to accept: the answer is 500.
        """
        for way in AT_ONCE:
            culprit = failing("negotiationStarted", way)
            todo = [culprit]
            self.serve(
                lambda request, todo=todo: request.accept(
                    application=todo.pop() if todo else None
                )
            )
            error = self.failureResultOf(self.site.connect(), ConnectionRejected)
            self.assertEqual(error.value.response.code, 500)  # type: ignore[union-attr]
            self.assertNotIn(SECRET.encode(), error.value.response.body)  # type: ignore[union-attr]
            self.assertLoggedOnce()
            self.assertEqual(culprit.told, ["lost"])
            self.assertIs(culprit.report.cause, CloseCause.APPLICATION_ERROR)
            self.assertServes()

    def test_serverAtStartLeavesEnd(self) -> None:
        """
        There, who waits for the end of that connection is told, be it already or later.
        """
        ends: list[Deferred[Any]] = []

        class Application(Recorder):
            def negotiationStarted(self, transport: Any) -> None:
                ends.append(transport.whenClosed())
                raise OddError

        culprit = Application()
        todo: list[Recorder] = [culprit]
        self.serve(
            lambda request: request.accept(application=todo.pop() if todo else None)
        )
        self.failureResultOf(self.site.connect(), ConnectionRejected)
        self.assertLoggedOnce()
        connection = culprit.connection
        ends += [connection.whenClosed(), connection.close()]
        for end in ends:
            report = self.successResultOf(end)
            self.assertIs(report.cause, CloseCause.APPLICATION_ERROR)
        self.failureResultOf(connection.receive(), ConnectionClosed)
        self.assertServes()

    def test_serverAtStartAgain(self) -> None:
        """
        A handler may catch the error, and accept with another application.
        """

        def handler(request: WebSocketRequest) -> None:
            culprit = failing("negotiationStarted", raising(OddError))
            self.assertRaises(OddError, request.accept, application=culprit)
            self.record(request)

        self.serve(handler)
        self.assertServes()

    def test_clientAtStart(self) -> None:
        """
        In a client that has not asked yet: connecting fails with just that error.
        """
        for way in AT_ONCE:
            self.serve()
            culprit = failing("negotiationStarted", way)
            opening = self.site.connect(application=culprit)
            self.failureResultOf(opening, *KINDS)
            self.assertIs(culprit.report.cause, CloseCause.APPLICATION_ERROR)
            self.assertEqual(self.made, [])
            self.site.advance(20)
            self.assertServes()

    def test_atEnd(self) -> None:
        """
        At the end there is nobody to tell, but whoever waits for the end is told.
        """
        for way in EVERY_WAY:
            culprits = [failing("connectionLost", way) for _ in range(2)]
            todo = culprits[:1]
            self.serve(
                lambda request, todo=todo: request.accept(
                    application=todo.pop() if todo else None
                )
            )
            opening = self.site.connect(application=culprits[1])
            ends = [self.successResultOf(opening), *self.server.connections]
            closed = [end.whenClosed() for end in ends]
            self.site.wires[0].cut()
            logged = self.flushLoggedErrors(*KINDS)
            self.assertEqual(len(logged), 2)
            for each in closed:
                self.assertIs(self.successResultOf(each).cause, CloseCause.PEER_LOST)
            self.assertServes()


class Producer:
    """
    A producer of which one method fails.
    """

    def __init__(self, method: str, way: Way) -> None:
        self.stops = 0
        setattr(self, method, way)

    def pauseProducing(self) -> None:
        """
        Do nothing.
        """

    resumeProducing = pauseProducing

    def stopProducing(self) -> None:
        """
        Count it.
        """
        self.stops += 1


class ProducerTests(RaisingTestCase):
    """
    Tests of producers that an application attaches.
    """

    def test_whileSending(self) -> None:
        """
        One that fails to pause or to resume costs its connection.
        """
        for method in ("pauseProducing", "resumeProducing"):
            for way in EVERY_WAY:
                self.serve()
                other = Recorder()
                opening = self.site.connect(application=other)
                connection = self.successResultOf(opening)
                producer = Producer(method, way)
                self.made[0].connection.attachProducer(producer)
                connection.pause()
                self.made[0].connection.send(bytes(500 * KIB))
                self.site.flush()
                connection.resume()
                self.site.flush()
                self.assertLoggedOnce()
                self.assertEqual(other.report.receivedCode, 1011)
                self.assertEqual(len(self.made[0].lost), 1)
                self.assertEqual(producer.stops, 1)
                self.assertServes()

    def test_pulled(self) -> None:
        """
        So does a pull producer that fails to produce.
        """
        for way in EVERY_WAY:
            self.serve()
            other = Recorder()
            self.successResultOf(self.site.connect(application=other))
            producer = Producer("resumeProducing", way)
            self.made[0].connection.registerProducer(producer, False)
            self.site.flush()
            self.assertLoggedOnce()
            self.assertEqual(other.report.receivedCode, 1011)
            self.assertEqual(len(self.made[0].lost), 1)
            self.assertEqual(producer.stops, 1)
            self.assertServes()

    def test_atEnd(self) -> None:
        """
        One that fails to stop keeps nobody from hearing of the end.
        """
        for way in EVERY_WAY:
            self.serve()
            opening = self.site.connect()
            closed = self.successResultOf(opening).whenClosed()
            self.made[0].connection.attachProducer(Producer("stopProducing", way))
            self.site.wires[0].cut()
            self.assertLoggedOnce()
            self.assertEqual(len(self.made[0].lost), 1)
            self.successResultOf(closed)
            self.assertServes()


class Consumer:
    """
    A consumer of which one method fails.
    """

    def __init__(self, method: str, way: Way) -> None:
        setattr(self, method, way)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """
        Take whatever comes.
        """

    def write(self, data: bytes) -> None:
        """
        Do nothing with it.
        """

    def unregisterProducer(self) -> None:
        """
        That was all.
        """


class ConsumerTests(RaisingTestCase):
    """
    Tests of consumers that messages are delivered to in pieces.
    """

    def test_failing(self) -> None:
        """
        Whoever delivers a message to one that fails is told, whether the message is
        whole or the connection breaks meanwhile; and the end is told as ever.
        """
        for method in ("registerProducer", "write", "unregisterProducer"):
            for way in AT_ONCE:
                for isCut in (False, True):
                    self.check(Consumer(method, way), isCut)

    def check(self, consumer: Any, isCut: bool) -> None:
        """
        Deliver a message to this one.
        """
        results: list[Any] = []

        class Streaming(Recorder):
            async def messageStarted(self, message: Any) -> None:
                try:
                    await message.deliverTo(consumer)
                except BaseException as error:
                    results.append(error)
                    raise

        application = Streaming()
        self.serve(
            lambda request: request.accept(application=application), streamMessages=True
        )
        connection = self.successResultOf(self.site.connect(application=Recorder()))
        message = connection.sendStream()
        message.write(b"begun")
        self.site.flush()
        if connection.connected and not isCut:
            message.end()
            self.site.flush()
        self.site.wires[0].cut()
        self.site.advance(10)
        self.assertEqual(len(results), 1)
        self.assertEqual(application.told.count("lost"), 1)
        for logged in self.flushLoggedErrors(*KINDS):
            self.assertIs(logged.value, results[0])
        self.assertNobody()


class ServerTests(RaisingTestCase):
    """
    Tests of what a server as a whole is given.
    """

    def once(self, way: Way) -> Callable[[WebSocketRequest], Any]:
        """
        A handler that fails when it is called first.
        """
        todo = [way]

        def handler(request: WebSocketRequest) -> Any:
            return todo.pop()(request) if todo else self.record(request)

        return handler

    def assertRefused(self) -> None:
        """
        A client is answered 500, and told nothing more.
        """
        opening = self.site.connect(origin="http://example.com")
        error: Any = self.failureResultOf(opening, ConnectionRejected).value
        self.assertEqual(error.response.code, 500)
        self.assertNotIn(SECRET.encode(), error.response.body)
        self.assertLoggedOnce()

    def test_handlers(self) -> None:
        """
        Handlers that fail before they have decided.
        """
        for way in EVERY_WAY:
            self.serve(self.once(way))
            self.assertRefused()
            self.assertServes()

    def test_routes(self) -> None:
        """
        Handlers of a route.
        """
        for way in EVERY_WAY:
            router = WebSocketRouter()
            router.mount("/", None, self.once(way))
            self.made = []
            self.site = MemorySite(router)
            self.site.server = router.server
            self.assertRefused()
            self.assertServes()

    def test_afterAccepting(self) -> None:
        """
        Handlers in pull style that fail with an open connection.
        """

        def accepting(way: Way) -> Callable[[WebSocketRequest], Any]:
            async def handler(request: WebSocketRequest) -> None:
                await request.accept().receive()
                result = way()
                if result is not None:
                    await result

            return handler

        for way in EVERY_WAY:
            self.serve(self.once(accepting(way)))
            other = Recorder()
            connection = self.successResultOf(self.site.connect(application=other))
            connection.send("a")
            self.site.flush()
            self.assertLoggedOnce()
            self.assertEqual(other.report.receivedCode, 1011)
            self.assertEqual(other.report.receivedReason, "")
            self.assertServes()

    def test_factories(self) -> None:
        """
        Classes and factories that make no application.
        """
        for way in AT_ONCE:
            todo = [way]

            class Application(Recorder):
                def __init__(self, todo: Any = todo) -> None:
                    super().__init__()
                    if todo:
                        todo.pop()()

            class Factory:
                def buildProtocol(self, request: object, todo: Any = todo) -> object:
                    return todo.pop()() if todo else Recorder()

            for served in (Application, Factory()):
                todo[:] = [way]
                self.serve(served)
                self.assertRefused()
                self.assertServes()

    def test_options(self) -> None:
        """
        Callables among the options: who may connect, and with which subprotocol.
        """
        for option in ("origins", "subprotocols"):
            for way in AT_ONCE:
                todo = [way]

                def choose(asked: object, todo: Any = todo) -> Any:
                    return todo.pop()() if todo else None

                self.serve(**{option: choose})
                self.assertRefused()
                self.assertServes()

    def test_listeners(self) -> None:
        """
        Listeners harm nobody.
        """
        for way in EVERY_WAY:
            for listener in ("onConnect", "onClose"):
                self.made = []
                todo = [way]

                def listen(connection: object, todo: Any = todo) -> Any:
                    return todo.pop()() if todo else None

                options: Any = {listener: listen}
                resource = WebSocketResource(self.record)
                resource._server = WebSocketServer(self.record, **options)
                self.site = MemorySite(resource)
                self.site.server = resource.server
                closed = self.successResultOf(self.site.connect()).close()
                self.site.flush()
                self.assertTrue(self.successResultOf(closed).wasClean)
                self.assertLoggedOnce()
                self.assertServes()

    def test_refusals(self) -> None:
        """
        A listener for refusals does not, either.
        """
        for way in EVERY_WAY:
            resource = WebSocketResource(self.record)
            self.made = []
            resource._server = WebSocketServer(self.record, onUpgradeError=way)
            self.site = MemorySite(resource)
            self.site.server = resource.server
            opening = self.site.connect(origin="http://stranger.example")
            error: Any = self.failureResultOf(opening, ConnectionRejected).value
            self.assertEqual(error.response.code, 403)
            self.assertLoggedOnce()
            self.assertServes()


class OddExtension:
    """
    An extension of which one method fails, once.
    """

    name = "odd"
    rsv = 0x20
    releaseAfter: Any = 5.0

    def __init__(self, method: str = "", way: Way = ODDLY) -> None:
        self._method = method
        self._way = way

    def _do(self, method: str, result: Any) -> Any:
        if method == self._method:
            self._method = ""
            self._way()
        return result

    def offers(self) -> Any:
        """
        Offer it.
        """
        return self._do("offers", [ExtensionHeader(self.name)])

    def accept(self, offer: ExtensionHeader) -> Any:
        """
        Take it.
        """
        return self._do("accept", NegotiatedExtension(offer, self))

    def agree(self, answer: ExtensionHeader) -> Any:
        """
        Take it.
        """
        return self._do("agree", self)

    def encode(self, payload: bytes) -> Any:
        """
        Turn it round.
        """
        return self._do("encode", payload[::-1])

    def decode(self, payload: bytes, limit: int) -> Any:
        """
        Turn it back.
        """
        return self._do("decode", payload[::-1])

    def sharingKey(self) -> Any:
        """
        It can be shared.
        """
        return self._do("sharingKey", self.name)

    def release(self) -> None:
        """
        There is nothing to let go of.
        """
        self._do("release", None)


class Late(OddExtension):
    """
    An extension that fails when it is asked how long it keeps what it holds.
    """

    def __init__(self, way: Way) -> None:
        super().__init__("releaseAfter", way)

    @property
    def releaseAfter(self) -> Any:
        """
        Fail.
        """
        return self._do("releaseAfter", 5.0)


class ExtensionTests(RaisingTestCase):
    """
    Tests of extensions.
    """

    def serveWith(self, ours: OddExtension, theirs: OddExtension) -> Any:
        """
        Connect; the client has the second.
        """
        self.serve(extensions=[ours])
        config = ClientConfig(extensions=[theirs])
        return self.site.connect(application=Recorder(), config=config)

    def test_accepting(self) -> None:
        """
        A server's that fails to accept: 500, and the application hears of nothing.
        """
        for way in AT_ONCE:
            opening = self.serveWith(OddExtension("accept", way), OddExtension())
            error: Any = self.failureResultOf(opening, ConnectionRejected).value
            self.assertEqual(error.response.code, 500)
            self.assertLoggedOnce()
            self.assertEqual(self.made[0].told, [])
            self.assertServes()

    def test_agreeing(self) -> None:
        """
        A client's that fails to agree: connecting fails at once, with that error.
        """
        for way in AT_ONCE:
            opening = self.serveWith(OddExtension(), OddExtension("agree", way))
            self.failureResultOf(opening, *KINDS)
            self.assertServes()

    def test_opening(self) -> None:
        """
        One that fails when the connection has just been opened, at either end: 1011.
        """
        for way in AT_ONCE:
            for extensions in (
                (OddExtension(), Late(way)),
                (Late(way), OddExtension()),
            ):
                connection = self.successResultOf(self.serveWith(*extensions))
                self.site.flush()
                self.assertLoggedOnce()
                codes = (connection.closeReport.sentCode, self.made[0].report.sentCode)
                self.assertEqual(codes, (1011, 1011))
                self.assertServes()

    def test_decoding(self) -> None:
        """
        One that fails to decode a message, with no fault of the message's: 1011.
        """
        for way in AT_ONCE:
            opening = self.serveWith(OddExtension("decode", way), OddExtension())
            connection = self.successResultOf(opening)
            connection.send("a")
            self.site.flush()
            self.assertLoggedOnce()
            report = self.made[0].report
            self.assertIs(report.cause, CloseCause.APPLICATION_ERROR)
            self.assertEqual(connection.closeReport.receivedCode, 1011)
            self.assertServes()

    def test_encoding(self) -> None:
        """
        One that fails to encode a message: whoever sends it is told, nothing is sent,
        and the connection is as it was.
        """
        opening = self.serveWith(OddExtension("encode"), OddExtension())
        connection = self.successResultOf(opening)
        self.assertRaises(OddError, self.made[0].connection.send, "lost")
        self.made[0].connection.send("sent")
        self.site.flush()
        self.assertEqual(connection.traffic.messagesReceived, 1)
        connection.close()
        self.site.flush()
        self.assertServes()

    def test_releasing(self) -> None:
        """
        One that fails to let go of what it holds harms nobody.
        """
        opening = self.serveWith(OddExtension("release"), OddExtension())
        connection = self.successResultOf(opening)
        self.site.advance(30)
        self.assertLoggedOnce()
        self.assertTrue(connection.connected)
        connection.close()
        self.site.flush()
        self.assertServes()


class WaitingTests(RaisingTestCase):
    """
    Tests of those who wait for something of a connection when it ends.
    """

    def test_cancelsOthers(self) -> None:
        """
        Who gives up for others too, as ``race`` does, keeps nobody from being told:
        neither those who are left nor the application.
        """
        for name in ("ping", "flushed", "drained", "receive", "whenClosed"):
            self.serve()
            pull = name == "receive"
            recorder = Recorder()
            opening = self.site.connect(application=None if pull else recorder)
            connection = self.successResultOf(opening)
            self.made[0].connection.pause()
            if name in ("flushed", "drained"):
                connection.send(bytes(500 * KIB))
            waiting: list[Deferred[Any]] = [
                getattr(connection, name)() for _ in range(3)
            ]
            results: list[Any] = []
            for each in waiting:
                each.addBoth(results.append)
            waiting[0].addBoth(lambda _, waiting=waiting: waiting[1].cancel())
            self.site.wires[0].cut()
            self.assertEqual(len(results), 3, name)
            self.assertEqual(recorder.told.count("lost"), 0 if pull else 1, name)
            self.assertServes()

    def test_cancelsOthersWhenDone(self) -> None:
        """
        Nor does it when what is waited for comes.
        """
        for name in ("ping", "flushed", "drained"):
            self.serve()
            connection = self.successResultOf(self.site.connect(application=Recorder()))
            self.made[0].connection.pause()
            if name != "ping":
                connection.send(bytes(500 * KIB))
            waiting: list[Deferred[Any]] = [
                getattr(connection, name)() for _ in range(3)
            ]
            results: list[Any] = []
            for each in waiting:
                each.addBoth(results.append)
            waiting[0].addBoth(lambda _, waiting=waiting: waiting[1].cancel())
            self.made[0].connection.resume()
            self.site.flush()
            self.assertEqual(len(results), 3, name)
            self.assertIsInstance(results[1], Failure)
            connection.close()
            self.site.flush()
            self.assertServes()
