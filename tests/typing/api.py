# Part of txwebsocket. See LICENSE for details.
"""
What users write, for the type checker alone: nothing here is ever run.
"""

import re
from asyncio import Future, get_running_loop
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from http.cookiejar import CookieJar
from typing import IO, Any, assert_type

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IConsumer,
    IProtocol,
    IProtocolFactory,
    IPullProducer,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure
from twisted.web.client import readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS, IRequest
from twisted.web.resource import Resource
from twisted.web.server import Site

from txwebsocket import (
    INSECURE_ANY_ORIGIN,
    PROXY_FROM_ENVIRONMENT,
    SPEEDUPS,
    BufferFull,
    BufferPolicy,
    CertificateRejected,
    ClientConfig,
    CloseCause,
    CloseCode,
    CloseEvent,
    CloseReport,
    ConnectionClosed,
    ConnectionRejected,
    Cookie,
    Deflate,
    ErrorEvent,
    Event,
    HandshakeError,
    HTTPProxyEndpoint,
    InsecureTLSPolicy,
    InvalidAccess,
    InvalidState,
    InvalidSyntax,
    MessageEvent,
    MessageReader,
    MessageWriter,
    Opcode,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    ProxyFailed,
    ProxyRejected,
    ReconnectConfig,
    ReconnectingWebSocket,
    ServerConfig,
    SOCKSProxyEndpoint,
    State,
    StreamingTransform,
    TLSPolicy,
    UpgradedProtocol,
    W3CWebSocket,
    WebSocketClient,
    WebSocketClientEndpoint,
    WebSocketClientFactory,
    WebSocketClientProtocolFactory,
    WebSocketClientService,
    WebSocketConnection,
    WebSocketFrame,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
    WebSocketRouter,
    WebSocketRouterRequest,
    WebSocketServer,
    WebSocketServerFactory,
    WebSocketServerProtocolFactory,
    WebSocketSite,
    WebSocketStreamClientEndpoint,
    WebSocketStreamFactory,
    WebSocketStreamServerEndpoint,
    WebSocketTransport,
    __version__,
    adoptConnection,
    clientFromURL,
    firstOffered,
)
from txwebsocket.browser import native as browser


def show(*values: object) -> None:
    """
    Stands for whatever users do.
    """


# Callback style


class Echo(WebSocketProtocol):
    """
    Overrides what it needs.
    """

    connection: WebSocketConnection

    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)


class Everything(WebSocketProtocol):
    """
    Overrides all there is.
    """

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        self.transport = transport

    def negotiationFinished(self) -> None:
        self.transport.sendTextMessage("hello")
        self.transport.sendBytesMessage(b"hello")
        self.transport.ping(b"?")

    def textMessageReceived(self, message: str) -> Deferred[None]:
        return Deferred()

    async def bytesMessageReceived(self, data: bytes) -> None:
        await self.connection.flushed()

    def frameReceived(self, frame: WebSocketFrame) -> None:
        show(frame.opcode is Opcode.TEXT, frame.binaryPayload, frame.fin)

    def pingReceived(self, payload: bytes) -> bool:
        return payload != b"ignore me"

    def pongReceived(self, payload: bytes) -> None:
        self.transport.loseConnection(1000)

    async def messagesDropped(self, count: int) -> None:
        self.connection.send(f"{count} are missing")

    def connectionLost(self, reason: Failure) -> None:
        error = reason.value
        if isinstance(error, ConnectionClosed):
            assert_type(error.report, CloseReport)


class Minimal:
    """
    Need not inherit.
    """

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        self.transport = transport

    def textMessageReceived(self, message: str) -> None:
        self.transport.sendTextMessage(message)


class ServerFactory:
    """
    Makes applications, as for twisted.web.websocket.
    """

    def buildProtocol(self, request: IRequest) -> Echo | None:
        return Echo() if request.getHeader("X-Token") else None


class ClientFactory:
    """
    Likewise.
    """

    def buildProtocol(self, url: str) -> Minimal:
        return Minimal()


class GenericFactory(WebSocketServerFactory[Echo]):
    """
    Inherits from what it is, as in twisted.web's own tests.
    """

    def buildProtocol(self, request: IRequest) -> Echo:
        return Echo()


serverFactory: WebSocketServerFactory[Echo] = ServerFactory()
genericFactory: WebSocketServerFactory[WebSocketProtocol] = GenericFactory()
clientFactory: WebSocketClientFactory[Minimal] = ClientFactory()

# Decide first, then talk


async def chat(request: WebSocketRequest) -> None:
    """
    A handler in pull style.
    """
    user = request.cookies.get("sid")
    assert_type(user, str | None)
    if user is None:
        request.reject(401, "log in first", {"WWW-Authenticate": "Basic"})
        return
    cookie = Cookie("seen", "1", maxAge=3600, httpOnly=True)
    connection = request.accept("chat.v1", cookies=[cookie], headers=[("X-A", "b")])
    assert_type(connection, WebSocketConnection)
    async for message in connection:
        assert_type(message, str | bytes)
        connection.send(message)
        await connection.flushed()


def callbacks(request: WebSocketRequest) -> None:
    """
    A handler that goes on in callback style.
    """
    show(request.remoteAddress, request.origin, request.requestedProtocols)
    request.accept(origin="https://example.com", application=Echo())


def later(request: WebSocketRequest) -> Deferred[None]:
    """
    A handler that decides later.
    """
    return Deferred().addCallback(lambda _: request.reject())


async def talk(connection: WebSocketConnection) -> None:
    """
    All that can be done with a connection.
    """
    assert_type(connection.state, State)
    assert_type(connection.connected, bool)
    assert_type(connection.protocol, str | None)
    assert_type(connection.bufferedAmount, int)
    assert_type(connection.remoteAddress, str | None)
    assert_type(connection.closeReport, CloseReport | None)
    connection.send("text")
    connection.send(b"bytes")
    connection.sendUTF("text")
    connection.sendBytes(b"bytes")
    connection.sendBytes(bytearray(b"bytes"))
    connection.send(memoryview(b"bytes"))
    connection.sendFrame(WebSocketFrame(Opcode.BINARY, b"part", fin=False))
    assert_type(await connection.ping(), float)
    connection.pong()
    assert_type(await connection.receive(), str | bytes)
    connection.pause()
    connection.resume()
    await connection.flushed()
    await connection.drained()
    try:
        connection.send("much")
    except BufferFull as full:
        show(full.size, full.waiting, full.limit)
    assert_type(connection.traffic.messagesDropped, int)
    async with connection:
        connection.send("and gone")
    report = await connection.close(CloseCode.GOING_AWAY, "bye")
    assert_type(report, CloseReport)
    show(
        report.wasClean, report.code, report.reason, report.cause is CloseCause.SHUTDOWN
    )
    connection.drop(1008, "too much", skipCloseFrame=True)
    assert_type(connection.closeWithoutFrame(), Deferred[CloseReport])
    assert_type(await connection.whenClosed(), CloseReport)


def produce(connection: WebSocketConnection, producer: IPushProducer) -> None:
    """
    The same connection under the names of twisted.web.websocket.
    """
    transport: WebSocketTransport = connection
    transport.attachProducer(producer)
    transport.sendTextMessage("text")
    transport.sendBytesMessage(b"bytes")
    transport.detachProducer()
    transport.loseConnection()


def consume(
    connection: WebSocketConnection, push: IPushProducer, pull: IPullProducer
) -> None:
    """
    A connection as a consumer, in Twisted's terms.
    """
    consumer: IConsumer = connection
    consumer.registerProducer(push, True)
    consumer.unregisterProducer()
    connection.registerProducer(pull, False)
    connection.write("text")
    connection.write(b"bytes")
    ServerConfig(
        highWaterMark=2**20,
        lowWaterMark=2**18,
        whenBufferFull=BufferPolicy.DROP,
        concurrentMessages=10,
    )


# Serving


def serve(reactor: IReactorTime, site: Site) -> None:
    """
    The ways to serve.
    """
    config = ServerConfig(
        maxReceivedMessageSize=1 << 20,
        keepaliveInterval=20,
        origins=["https://*.example.com"],
        subprotocols=["chat.v2", "chat.v1"],
        extensions=(Deflate(level=1),),
    )
    ServerConfig(origins=INSECURE_ANY_ORIGIN)
    ServerConfig(origins=lambda origin: origin.endswith(".example.com"))
    assert_type(replace(config, openTimeout=1.5), ServerConfig)
    ServerConfig(maxLifetime=3600, lifetimeJitter=0)
    ServerConfig(allowedHosts=["localhost"], trustedProxies=["unix"])
    ServerConfig(allowedHosts=lambda host: host.endswith(".example.com"))
    ServerConfig(forwardedHeader="Forwarded", ipv6PrefixLength=56)
    root = Resource()
    root.putChild(b"echo", WebSocketResource(Echo))
    root.putChild(b"chat", WebSocketResource(chat, config, page=Resource()))
    root.putChild(b"later", WebSocketResource(later, clock=reactor))
    root.putChild(b"old", WebSocketResource(serverFactory))
    strict: Site = WebSocketSite(root, reactor=reactor)
    strict.stopFactory()
    server = WebSocketServer(callbacks, config, onConnect=lambda each: each.send("hi"))
    server.mount(site)
    server.broadcast("hello")
    assert_type(
        server.broadcast(b"hello", to=set(server.connections), skipAbove=1000),
        list[WebSocketConnection],
    )
    for connection in server.connections:
        assert_type(connection, WebSocketConnection)
    assert_type(server.shutDown(1001, "restart", timeout=3), Deferred[None])


def route(site: Site) -> None:
    """
    By path and subprotocol.
    """

    def room(request: WebSocketRouterRequest) -> None:
        request.accept(application=Echo())
        assert_type(request.parameters, dict[str, str])

    router = WebSocketRouter()
    router.mount("/rooms/{room}", "chat.v1", room)
    router.mount(re.compile("/old/.*"), None, Echo)
    router.mount("*", "*", Echo)
    site.resource.putChild(b"ws", router)


# Connecting


async def connect(reactor: Any, policy: IPolicyForHTTPS) -> None:
    """
    The client.
    """
    client = WebSocketClient(reactor, ClientConfig(openTimeout=5), tlsPolicy=policy)
    protocols: Sequence[str] = ["v2", "v1"]
    connecting = client.connect("wss://example.com/feed", protocols)
    assert_type(connecting, Deferred[WebSocketConnection])
    try:
        connection = await connecting
    except ConnectionRejected as error:
        assert_type(error.url, str | None)
        assert_type(error.response.code, int)
        assert_type(error.response.body, bytes)
        show(await readBody(error.response), error.response.headers)
    except OpeningTimedOut as error:
        show(error.url)
    except OpeningFailed as error:
        show(error.step is OpeningStep.TLS, error.cause)
    except HandshakeError:
        raise
    else:
        await talk(connection)
    await client.connect(
        "ws://example.com/",
        origin="https://example.com",
        headers={"Authorization": "Bearer x"},
        application=Everything(),
    )
    await client.connect("ws://example.com/", ("a",), headers=[("X-A", "b")])
    await client.connect("ws://example.com/", headers=Headers({"X-A": ["b"]}))
    await client.connect("ws://example.com/", headers={b"X-A": b"b"})
    following = ClientConfig(maxRedirects=5)
    client = WebSocketClient(reactor, following, cookieJar=CookieJar())
    show(client.cookieJar)
    client.abort()


async def stayConnected(reactor: Any, client: WebSocketClient) -> None:
    """
    One connection after the other, in both forms.
    """

    async def connect() -> WebSocketConnection:
        return await client.connect("ws://example.com/", application=Everything())

    def failed(error: Exception, delay: float | None) -> None:
        show(error, "never" if delay is None else delay)

    config = ReconnectConfig(maxDelay=10, jitter=lambda: 0.5)
    service = WebSocketClientService(reactor, connect, None, config, onFailure=failed)
    WebSocketClientService(reactor, connect, talk, onAttempt=show, onConnect=show)

    def begin() -> Future[WebSocketConnection]:
        return get_running_loop().create_task(connect())

    WebSocketClientService(
        reactor,
        begin,
        lambda each: get_running_loop().create_task(talk(each)),
        onConnect=talk,
    )
    service.startService()
    connection = await service.whenConnected(failAfterFailures=3)
    assert_type(connection, WebSocketConnection)
    assert_type(service.connection, WebSocketConnection | None)
    await service.stopService()
    connections = ReconnectingWebSocket(
        reactor, lambda: client.connect("ws://example.com/"), config, onFailure=failed
    )
    async with connections:
        async for each in connections:
            assert_type(each, WebSocketConnection)
            show(connections.attempts, connections.failures)


async def connectElsewhere(reactor: Any, tunnel: IAgentEndpointFactory) -> None:
    """
    The client's way to a host.
    """
    creator = optionsForClientTLS("example.com")
    WebSocketClient(
        reactor, tlsPolicy=TLSPolicy(extraCertificateOptions={}), proxy=tunnel
    )
    WebSocketClient(reactor, tlsPolicy=creator, proxy="socks5h://127.0.0.1:9050")
    WebSocketClient(reactor, tlsPolicy=InsecureTLSPolicy(), bindAddress="192.0.2.1")
    client = WebSocketClient(
        reactor, proxy=PROXY_FROM_ENVIRONMENT, bindAddress=("", 4000)
    )
    try:
        await client.connect("ws+unix:/run/app.sock:/chat")
    except OpeningFailed as error:
        if isinstance(error.cause, ProxyRejected):
            assert_type(error.cause.code, int | None)
            show(error.cause.response and error.cause.response.headers)
        elif isinstance(error.cause, ProxyFailed):
            assert_type(error.cause.cause, BaseException | None)
        elif isinstance(error.cause, CertificateRejected):
            assert_type(error.cause.reason, str)
    proxy = HostnameEndpoint(reactor, "proxy.example", 3128)
    way = HTTPProxyEndpoint(
        reactor, proxy, "example.com", 80, username="a", password="b"
    )
    assert_type(way.connect(Factory()), Deferred[IProtocol])
    WebSocketClient(reactor, proxy=SOCKSProxyEndpoint(reactor, way, "h", 80))


def connectAsInBrowsers(client: WebSocketClient) -> None:
    """
    The client in the form of a browser.
    """

    def received(event: MessageEvent) -> None:
        assert_type(event.origin, str)
        socket.send(event.data)

    async def ended(event: CloseEvent) -> None:
        show(event.code, event.reason, event.wasClean)

    class Watcher:
        def handleEvent(self, event: ErrorEvent) -> None:
            show(event.error, event.message)

    socket = W3CWebSocket("wss://example.com/", "v1", client=client, origin="null")
    socket.onopen = lambda event: socket.send(b"hello")
    socket.onmessage = received
    socket.onopen = None
    socket.addEventListener("close", ended, once=True)
    socket.addEventListener("error", Watcher())
    socket.addEventListener("error", Watcher(), False)
    socket.addEventListener("open", show, {"capture": True, "passive": True})
    socket.removeEventListener("open", show, True)
    assert_type(Event("own", bubbles=True).composedPath(), list[Any])
    assert_type(CloseEvent("close", cancelable=True).timeStamp, float)
    assert_type(MessageEvent("message").eventPhase, int)
    assert_type(socket.dispatchEvent(Event("own")), bool)
    assert_type(socket.readyState, int)
    assert_type(socket.bufferedAmount, int)
    try:
        socket.close(3000, "bye")
    except (InvalidAccess, InvalidSyntax) as error:
        show(error)
    if browser.w3cwebsocket is not None:
        there = browser.w3cwebsocket("/feed", ["v2", "v1"])
        there.onclose = socket.onclose


async def connectAsBefore(reactor: Any, tunnel: IAgentEndpointFactory) -> None:
    """
    The client in the form of twisted.web.websocket.
    """
    endpoint = WebSocketClientEndpoint.new(
        reactor, "wss://example.com/", connectTimeout=5, bindAddress=b"192.0.2.1"
    )
    application = await endpoint.connect(clientFactory)
    application.transport.sendTextMessage("hello")
    await WebSocketClientEndpoint(tunnel, "ws://example.onion/").connect(clientFactory)


async def transports(reactor: Any, protocol: Protocol) -> None:
    """
    Transports that are there already.
    """
    servers = WebSocketServerProtocolFactory(
        Echo, ServerConfig(subprotocols=firstOffered), reactor=reactor
    )
    assert_type(servers.server, WebSocketServer)
    await TCP4ServerEndpoint(reactor, 0).listen(servers)
    clients = WebSocketClientProtocolFactory(
        reactor, "ws://h/", ["v1"], makeApplication=Echo, headers={"X-Token": "t"}
    )
    await HostnameEndpoint(reactor, "h", 80).connect(clients)
    assert_type(await clients.buildProtocol(None).opened, WebSocketConnection)
    connection = adoptConnection(
        protocol, reactor, ClientConfig(), subprotocol="v1", early=b""
    )
    assert_type(connection, WebSocketConnection)
    connection.sendUTF(b"text")
    await connection.ping(b"")
    assert_type(connection.responseHeaders, Headers | None)
    upgraded = UpgradedProtocol(reactor, ServerConfig(), application=Echo())
    assert_type(upgraded.connection, WebSocketConnection)


async def stream(reactor: Any, factory: IProtocolFactory) -> None:
    """
    Other protocols over a WebSocket.
    """
    near: IStreamClientEndpoint = clientFromURL(
        reactor, "ws://example.com/", ["a"], config=ClientConfig(), origin="https://a"
    )
    assert_type(await near.connect(factory), IProtocol)
    client = WebSocketClient(reactor)
    WebSocketStreamClientEndpoint(client, "ws://example.com/", acceptText=True)
    inner = TCP4ServerEndpoint(reactor, 8080)
    served: IStreamServerEndpoint = WebSocketStreamServerEndpoint(
        reactor, inner, "/amp", "amp", config=ServerConfig()
    )
    await served.listen(factory)
    WebSocketResource(WebSocketStreamFactory(factory))


class Uploads(WebSocketProtocol):
    """
    Messages in pieces.
    """

    async def messageStarted(self, message: MessageReader) -> None:
        if message.isText:
            await super().messageStarted(message)
            return
        assert_type(await message.read(), str | bytes)
        async for piece in message:
            assert_type(piece, str | bytes)
        assert_type(await message.whole(65536), str | bytes)


async def inPieces(
    connection: WebSocketConnection, lines: Iterable[str], file: IO[bytes]
) -> None:
    """
    The same in pull style, and back.
    """
    ServerConfig(streamMessages=True)
    async for message in connection.streams():
        await connection.sendPieces(message, isText=message.isText)
    incoming = await connection.receiveStream()
    async with connection.sendStream(compress=False) as outgoing:
        consumer: IConsumer = outgoing
        await incoming.deliverTo(consumer)
        await FileSender().beginFileTransfer(file, outgoing)
        outgoing.write(memoryview(b"data"))
        await outgoing.drained()
    text: MessageWriter = connection.sendStream(isText=True)
    text.write("Hello")
    text.end()
    await connection.sendPieces(lines)
    await connection.sendPieces(iter([b"a", b"b"]), compress=False)


class Pieces:
    """
    What an extension has that works in pieces.
    """

    rsv = 0x20
    releaseAfter = None

    def encode(self, payload: bytes) -> bytes | None:
        return payload

    def decode(self, payload: bytes, limit: int) -> bytes:
        return payload

    def encodePieces(self) -> Callable[[bytes, bool], bytes] | None:
        return lambda piece, isLast: piece

    def decodePieces(self, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
        return pieces

    def sharingKey(self) -> object:
        return None

    def release(self) -> None:
        pass


inItsPieces: StreamingTransform = Pieces()


def early(connection: WebSocketConnection) -> None:
    """
    What can go wrong while sending.
    """
    try:
        connection.send("too early")
    except InvalidState as error:
        show(error)
    except ConnectionClosed as closed:
        show(closed.report.bytesUnsent)


assert_type(SPEEDUPS, bool)
assert_type(__version__, str)
