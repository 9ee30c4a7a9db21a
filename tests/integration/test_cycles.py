# Part of txwebsocket. See LICENSE for details.
"""
Tests of what is left of ended connections without Python's cyclic collector: nothing.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.server import Site

from tests.integration.test_failures import prove, reactor
from tests.support.memory import Recorder
from tests.support.raising import raising
from tests.support.remote import certify
from tests.support.serving import OddError
from txwebsocket import (
    ClientConfig,
    ConnectionClosed,
    Deflate,
    HandshakeError,
    InsecureTLSPolicy,
    ServerConfig,
    W3CWebSocket,
    WebSocketClient,
    WebSocketClientService,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketResource,
    WebSocketStreamFactory,
)
from txwebsocket.connection.websocket import channelOf
from txwebsocket.testing import MemorySite

KIB = 1024
HOST = "127.0.0.1"
PATIENCE = 10.0


def partsOf(connection: WebSocketConnection) -> list[weakref.ref[Any]]:
    """
    Everything that makes up a connection.
    """
    link: Any = channelOf(connection)
    parts = [
        connection,
        link,
        link.core,
        connection.request,
        getattr(connection.request, "httpRequest", None),
        link.incoming,
    ]
    return [weakref.ref(part) for part in parts if hasattr(type(part), "__weakref__")]


def stopCollecting(test: SynchronousTestCase) -> None:
    """
    Switch the collector off until a test is over.
    """
    gc.collect()
    gc.disable()
    test.addCleanup(gc.enable)


def collectOurs() -> list[str]:
    """
    Collect, and tell what there was of this package.
    """
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
    finally:
        gc.set_debug(0)
    found = [type(each) for each in gc.garbage]
    gc.garbage.clear()
    return sorted(
        kind.__qualname__ for kind in found if kind.__module__.startswith("txwebsocket")
    )


End = Callable[[MemorySite, WebSocketConnection, WebSocketConnection], object]

ENDS: dict[str, End] = {
    "the client closes": lambda site, client, server: client.close(),
    "the server closes": lambda site, client, server: server.close(),
    "both close": lambda site, client, server: (client.close(), server.close()),
    "the wire is cut": lambda site, client, server: site.wires[0].cut(),
    "the client aborts": lambda site, client, server: client.drop(skipCloseFrame=True),
    "the server aborts": lambda site, client, server: server.drop(skipCloseFrame=True),
    "the client fails": lambda site, client, server: client.drop(1002),
    "the server fails": lambda site, client, server: server.drop(1011),
    "the client breaks a rule": lambda site, client, server: channelOf(
        client
    ).transport.write(b"\xff\xff"),
    "the peer is silent": lambda site, client, server: (
        vars(site.wires[0].client).update(isStalled=True),
        vars(site.wires[0].server).update(isStalled=True),
        site.advance(60),
    ),
    "it lasts too long": lambda site, client, server: site.advance(200),
}

Busy = Callable[[WebSocketConnection], object]


def ignore(result: object) -> None:
    """
    Let nobody complain of what has failed.
    """


def produce(connection: WebSocketConnection) -> None:
    """
    Attach a producer.
    """

    class Producer:
        def pauseProducing(self) -> None:
            pass

        resumeProducing = stopProducing = pauseProducing

    connection.registerProducer(Producer(), True)  # type: ignore[arg-type]


BUSY: dict[str, Busy] = {
    "idle": lambda end: None,
    "sending": lambda end: end.send(bytes(300 * KIB)),
    "answered": lambda end: end.ping().addErrback(ignore),
    "paused": lambda end: (end.pause(), end.flushed().addErrback(ignore)),
    "producing": produce,
    "waiting": lambda end: [
        end.whenClosed().addBoth(ignore),
        end.drained().addBoth(ignore),
    ],
    "sends in pieces": lambda end: end.sendStream().write(b"begun"),
}

PULLED: dict[str, Busy] = {
    "receives": lambda end: end.receive().addBoth(ignore),
    "loops": lambda end: Deferred.fromCoroutine(loop(end)),
}


async def loop(connection: WebSocketConnection) -> None:
    """
    Read until the end.
    """
    try:
        async for _ in connection:
            pass
    except ConnectionClosed:
        pass


class CyclesTestCase(SynchronousTestCase):
    """
    Tests of connections in memory.

    :ivar site: the newest site.
    """

    site: Any = None

    def setUp(self) -> None:
        self.sites: list[MemorySite] = []
        self.services: list[WebSocketClientService] = []
        stopCollecting(self)

    def tearDown(self) -> None:
        self.assertEqual(collectOurs(), [])

    def finish(self) -> None:
        """
        Let everything come to its end, and the test keep nothing.
        """
        self.site.advance(60)
        self.assertEqual(self.site.clock.getDelayedCalls(), [])
        self.site.wires.clear()
        # It refers to itself, and stays.
        self.sites.append(self.site)

    def assertGone(self, parts: Iterable[weakref.ref[Any]], what: object) -> None:
        """
        Nothing is left of these.
        """
        left = [type(part()).__name__ for part in parts if part() is not None]
        self.assertEqual(left, [], what)

    def converse(
        self,
        end: End,
        busy: Busy,
        isPullMode: bool,
        isClient: bool,
        options: dict[str, Any],
    ) -> list[weakref.ref[Any]]:
        """
        Connect, do something, and end.

        :return: the parts of both ends.
        """
        served: list[WebSocketConnection] = []

        def accept(request: WebSocketRequest) -> None:
            application = None if isPullMode else Recorder()
            served.append(request.accept(application=application))

        site = self.site = MemorySite(accept, ServerConfig(maxLifetime=150, **options))
        opening = site.connect(
            application=None if isPullMode else Recorder(),
            config=ClientConfig(**options),
        )
        client = self.successResultOf(opening)
        [server] = served
        parts = [*partsOf(client), *partsOf(server)]
        busy(client if isClient else server)
        (server if isClient else client).send("not read")
        site.flush()
        end(site, client, server)
        for each in (client, server):
            each.resume()
        self.finish()
        self.assertIsNotNone(client.closeReport)
        self.assertIsNotNone(server.closeReport)
        served.clear()
        return parts


class EndTests(CyclesTestCase):
    """
    Tests of every kind of end.
    """

    def check(self, busies: dict[str, Busy], **styles: bool) -> None:
        """
        Try each end with each of these.
        """
        for name, end in ENDS.items():
            for doing, busy in busies.items():
                for isClient in (True, False):
                    parts = self.converse(
                        end, busy, isClient=isClient, options={}, **styles
                    )
                    self.assertGone(parts, (name, doing, isClient))

    def test_pulled(self) -> None:
        """
        In pull style, whatever is going on at either end.
        """
        self.check({**BUSY, **PULLED}, isPullMode=True)

    def test_callbacks(self) -> None:
        """
        In callback style.
        """
        self.check(BUSY, isPullMode=False)

    def test_options(self) -> None:
        """
        With messages in pieces, that nobody reads to their end, and with compression.
        """
        every: tuple[dict[str, Any], ...] = (
            {"streamMessages": True},
            {"extensions": [Deflate()]},
            {"streamMessages": True, "extensions": [Deflate()]},
        )
        for options in every:
            for name, end in ENDS.items():
                for isPullMode in (True, False):
                    for busy in (BUSY["idle"], *PULLED.values(), readOne):
                        if busy in PULLED.values() and not isPullMode:
                            continue
                        if busy is readOne and "streamMessages" not in options:
                            continue
                        parts = self.converse(end, busy, isPullMode, True, options)
                        self.assertGone(parts, (name, options))


async def readOn(connection: WebSocketConnection) -> None:
    """
    Read one message after the other.
    """
    while True:
        await connection.receive()


async def readByLoop(connection: WebSocketConnection) -> None:
    """
    Read in a loop.
    """
    async for _ in connection:
        pass


async def readAndFail(connection: WebSocketConnection) -> None:
    """
    Read in a loop, and raise.
    """
    try:
        await readByLoop(connection)
    finally:
        raise OddError


def readOne(connection: WebSocketConnection) -> None:
    """
    Wait for a message in pieces, and then for one more, without reading the first.
    """
    if channelOf(connection).isPullMode:
        for _ in range(2):
            connection.receiveStream().addBoth(ignore)


class OtherTests(CyclesTestCase):
    """
    Tests of other ways to use connections.
    """

    def test_browser(self) -> None:
        """
        A browser's WebSocket, with listeners, leaves nothing.
        """
        for end in (True, False):
            self.assertGone(self.browse(end), end)

    def browse(self, isClosed: bool) -> list[weakref.ref[Any]]:
        """
        Talk by one.
        """
        site = self.site = MemorySite(lambda request: request.accept())
        socket = W3CWebSocket("ws://example.com/", client=site.client())
        socket.onclose = socket.onopen = ignore
        site.flush()
        socket.send("hello")
        connection: Any = socket._connection
        parts = [weakref.ref(socket), *partsOf(connection)]
        if isClosed:
            socket.close()
        else:
            site.wires[0].cut()
        self.finish()
        return parts

    def test_streams(self) -> None:
        """
        Nor do ordinary protocols over a WebSocket.
        """
        for isServer in (True, False):
            for method in ("loseConnection", "abortConnection"):
                self.assertGone(self.stream(isServer, method), (isServer, method))

    def stream(self, isServer: bool, method: str) -> list[weakref.ref[Any]]:
        """
        Talk by these.
        """
        made: list[Protocol] = []

        class Kept(Protocol):
            def connectionMade(self) -> None:
                made.append(self)

        site = self.site = MemorySite(WebSocketStreamFactory(Factory.forProtocol(Kept)))
        site.streamEndpoint().connect(Factory.forProtocol(Kept))
        parts = [weakref.ref(each) for each in made]
        for each in made:
            transport: Any = each.transport
            parts += [weakref.ref(transport), *partsOf(transport.connection)]
            transport.write(b"hello")
        site.flush()
        getattr(made[0 if isServer else 1].transport, method)()
        self.finish()
        made.clear()
        return parts

    def test_raising(self) -> None:
        """
        Nor do those whose application raises, at either end.
        """
        for hook in ("negotiationFinished", "textMessageReceived", "connectionLost"):
            for isServer in (True, False):
                parts = self.fail_(hook, isServer)
                self.flushLoggedErrors(OddError)
                self.assertGone(parts, (hook, isServer))

    def fail_(self, hook: str, isServer: bool) -> list[weakref.ref[Any]]:
        """
        Let this one raise.
        """
        applications = [Recorder(), Recorder()]
        setattr(applications[isServer], hook, raising(OddError))
        site = self.site = MemorySite(
            lambda request: request.accept(application=applications[1])
        )
        opening = site.connect(application=applications[0])
        parts = [part for each in applications for part in partsOf(each.connection)]
        self.successResultOf(opening)
        for each in applications:
            if each.connection.connected:
                each.connection.send("hello")
        site.flush()
        site.wires[0].cut()
        self.finish()
        applications.clear()
        return parts

    def test_handlers(self) -> None:
        """
        Nor do handlers of a server or a service that are left by the end of their
        connection, or by an error.
        """
        for read in (readOn, readByLoop, readAndFail):
            for name in ("the wire is cut", "the server closes", "the client closes"):
                for isServer in (True, False):
                    parts = self.handle(read, ENDS[name], isServer)
                    isLogged = bool(self.flushLoggedErrors(OddError))
                    self.assertEqual(isLogged, read is readAndFail)
                    self.assertGone(parts, (read, name, isServer))

    def handle(self, read: Any, end: End, isServer: bool) -> list[weakref.ref[Any]]:
        """
        Let a handler read at one end.
        """
        served: list[WebSocketConnection] = []

        def handler(request: WebSocketRequest) -> Any:
            served.append(request.accept())
            return read(served[0]) if isServer else None

        site = self.site = MemorySite(handler)
        service = WebSocketClientService(
            site.clock, site.connect, ignore if isServer else read
        )
        # It refers to itself, and stays.
        self.services.append(service)
        service.startService()
        client: Any = service.connection
        [server] = served
        parts = [*partsOf(client), *partsOf(server)]
        end(site, client, server)
        site.flush()
        service.stopService()
        self.finish()
        served.clear()
        return parts

    def test_unread(self) -> None:
        """
        Messages in pieces that are held after the end keep nothing else, and can still
        be read.
        """
        for isDone in (True, False):
            message, parts = self.pauseFor(isDone)
            self.assertGone(parts, isDone)
            piece = self.successResultOf(message.read())
            self.assertEqual(piece, b"begun")

    def pauseFor(self, isDone: bool) -> tuple[Any, list[weakref.ref[Any]]]:
        """
        Receive a message, and keep it.
        """
        served: list[WebSocketConnection] = []
        site = self.site = MemorySite(lambda request: served.append(request.accept()))
        config = ClientConfig(streamMessages=True)
        client = self.successResultOf(site.connect(config=config))
        parts = [*partsOf(client), *partsOf(served[0])]
        sent = served[0].sendStream()
        sent.write(b"begun")
        if isDone:
            sent.end()
        site.flush()
        message = self.successResultOf(client.receiveStream())
        site.wires[0].cut()
        self.finish()
        served.clear()
        return message, parts


class RefusedTests(CyclesTestCase):
    """
    Tests of openings that fail.
    """

    WAYS: dict[str, Callable[[WebSocketRequest], object]] = {
        "rejected": lambda request: request.reject(403),
        "not decided": lambda request: None,
        "raising": raising(OddError),
        "raising when told": lambda request: request.accept(
            application=Failing("negotiationStarted")
        ),
        "given up when told": lambda request: request.accept(application=GivingUp()),
    }

    def test_everyWay(self) -> None:
        """
        A client that is refused, or waits in vain, leaves nothing, nor does a request.
        """
        for name, handler in self.WAYS.items():
            for isCut in (False, True):
                parts = self.ask(handler, isCut)
                self.flushLoggedErrors(OddError)
                self.assertGone(parts, name)

    def ask(
        self, handler: Callable[[WebSocketRequest], object], isCut: bool
    ) -> list[weakref.ref[Any]]:
        """
        Try to connect.
        """
        parts: list[weakref.ref[Any]] = []

        def handle(request: WebSocketRequest) -> object:
            parts.extend((weakref.ref(request), weakref.ref(request.httpRequest)))
            return handler(request)

        site = self.site = MemorySite(handle)
        recorder = Recorder()
        opening = site.connect(application=recorder)
        parts += partsOf(recorder.connection)
        if isCut:
            site.wires[0].cut()
        self.finish()
        self.failureResultOf(opening, HandshakeError)
        return parts

    def test_client(self) -> None:
        """
        Nor does a client that gives up, or whose application raises.
        """
        for hook in ("negotiationStarted", ""):
            self.assertGone(self.giveUp(hook), hook)

    def giveUp(self, hook: str) -> list[weakref.ref[Any]]:
        """
        Begin to connect, and think better of it.
        """
        site = self.site = MemorySite(lambda request: None)
        recorder = Failing(hook)
        opening = site.connect(application=recorder)
        parts = partsOf(recorder.connection)
        opening.cancel()
        self.finish()
        opening.addErrback(ignore)
        return parts


class Failing(Recorder):
    """
    An application of which one hook raises.
    """

    def __init__(self, hook: str) -> None:
        super().__init__()
        if hook:
            setattr(self, hook, raising(OddError))


class GivingUp(Recorder):
    """
    An application that wants no connection.
    """

    def negotiationStarted(self, transport: Any) -> None:
        """
        Say so.
        """
        transport.drop()


class SocketTests(TestCase):
    """
    Tests of connections over real sockets.
    """

    def setUp(self) -> None:
        stopCollecting(self)
        self.served: list[WebSocketConnection] = []
        self.requests: list[weakref.ref[Any]] = []
        self.transports: list[weakref.ref[Any]] = []
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def handle(self, request: WebSocketRequest) -> None:
        """
        Accept, or reject.
        """
        self.requests = [weakref.ref(request), weakref.ref(request.httpRequest)]
        if request.resource == "/?no":
            request.reject(403)
        else:
            application = Recorder() if request.resource == "/?told" else None
            self.served.append(request.accept(application=application))

    async def listen(self, endpoint: Any) -> int:
        """
        Serve there.

        :return: the port, if there are ports.
        """
        port = await endpoint.listen(Site(WebSocketResource(self.handle)))
        self.addCleanup(port.stopListening)
        return getattr(port.getHost(), "port", 0)

    async def assertGone(self, parts: Iterable[weakref.ref[Any]], what: object) -> None:
        """
        Nothing is left of these.
        """
        remaining = list(parts)
        until = reactor.seconds() + PATIENCE
        while reactor.seconds() < until:
            # The other end may still be saying goodbye.
            remaining = [part for part in remaining if part() is not None]
            if not remaining:
                break
            await deferLater(reactor, 0.005)
        left = [type(part()).__name__ for part in remaining]
        self.assertEqual(left, [], what)

    async def converse(
        self, client: WebSocketClient, url: str, end: End
    ) -> list[weakref.ref[Any]]:
        """
        Connect, talk, and end.

        :return: the parts of both ends.
        """
        connection = await client.connect(
            url, application=Recorder() if url.endswith("/?told") else None
        )
        [served] = self.served
        self.served.clear()
        parts = [*partsOf(connection), *partsOf(served)]
        transports = (channelOf(connection).transport, channelOf(served).transport)
        self.transports = [weakref.ref(transport) for transport in transports]
        connection.send("hello")
        served.send(bytes(100 * KIB))
        await connection.flushed()
        site: Any = None
        end(site, connection, served)
        await connection.whenClosed()
        await served.whenClosed()
        return parts

    async def check(self, url: str) -> None:
        """
        Try every kind of end.

        Twisted's TLS leaves its transport to the collector after an end that is not
        clean, and before version 24.10 after each; it keeps nothing of ours.
        """
        isTLS = url.startswith("wss:")
        client = WebSocketClient(reactor, tlsPolicy=InsecureTLSPolicy())
        ends = [name for name in ENDS if "close" in name or "aborts" in name]
        for name in ends:
            for path in ("/", "/?told"):
                parts = await self.converse(client, url + path, ENDS[name])
                await self.assertGone(parts, (name, path))
                if not isTLS:
                    await self.assertGone(self.transports, (name, path))
        await self.assertGone(await self.fail_(client, url + "/?no"), "rejected")
        await self.assertGone(self.requests, "rejected")
        if not isTLS:
            self.assertEqual(collectOurs(), [])

    async def fail_(self, client: WebSocketClient, url: str) -> list[weakref.ref[Any]]:
        """
        Fail to connect.
        """
        recorder = Recorder()
        connecting = client.connect(url, application=recorder)
        error: Any = await self.assertFailure(connecting, HandshakeError)
        # What it was raised through refers to it.
        error.__traceback__ = None
        hasBegun = hasattr(recorder, "connection")
        return partsOf(recorder.connection) if hasBegun else []

    async def test_TCP(self) -> None:
        """
        Over TCP, no end of a connection, and no failed opening, leaves anything.
        """
        number = await self.listen(TCP4ServerEndpoint(reactor, 0, interface=HOST))
        await self.check(f"ws://{HOST}:{number}")

    async def test_TLS(self) -> None:
        """
        Nor does any over TLS.
        """
        context = prove(certify(HOST))
        number = await self.listen(
            SSL4ServerEndpoint(reactor, 0, context, interface=HOST)
        )
        await self.check(f"wss://{HOST}:{number}")

    async def test_UNIX(self) -> None:
        """
        Nor does any over a UNIX socket.
        """
        path = f"{self.directory}/s"
        await self.listen(UNIXServerEndpoint(reactor, path))
        await self.check(f"ws+unix:{path}:")

    async def test_refused(self) -> None:
        """
        Nor does an attempt that leads nowhere.
        """
        port = reactor.listenTCP(0, Factory(), interface=HOST)
        number = port.getHost().port
        await port.stopListening()
        client = WebSocketClient(reactor)
        for url in (f"ws://{HOST}:{number}/", f"ws+unix:{self.directory}/none:/"):
            await self.assertGone(await self.fail_(client, url), url)
