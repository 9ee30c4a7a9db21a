# Part of txwebsocket. See LICENSE for details.
"""
Tests of peers that read slowly, over real sockets, with all times scaled down.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import twisted.internet.reactor
from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase
from twisted.web.server import Site
from zope.interface import implementer

from tests.support.remote import certify
from tests.support.slow import SMALL_WINDOW, SlowPeer
from txwebsocket import (
    ClientConfig,
    CloseCause,
    CloseReport,
    ServerConfig,
    WebSocketClient,
    WebSocketConnection,
    WebSocketResource,
    WebSocketStreamFactory,
)
from txwebsocket.connection.websocket import channelOf

T = TypeVar("T")

reactor: Any = twisted.internet.reactor

RATE = 200_000
SIZE = 400_000
PIECE = 10_000

# What a system with default buffers takes at once.
BUFFERED = 60_000

# Each deadline is a fraction of what the transfer takes, and much more than the peer
# needs for one step of it.
TIMES: dict[str, Any] = {
    "keepaliveInterval": 0.4,
    "keepaliveGracePeriod": 0.5,
    "closeTimeout": 0.6,
    "writeTimeout": 0.8,
}

KINDS = ("TCP", "TLS", "UNIX")


@implementer(IOpenSSLContextFactory)
class _TLS:
    """
    What TLSMemoryBIOFactory wants to know.
    """

    def getContext(self) -> SSL.Context:
        return certify("localhost").context()


async def gather(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """
    Wait for all of them at once.
    """
    deferreds = [Deferred.fromCoroutine(each) for each in coroutines]
    results: list[T] = await gatherResults(deferreds, consumeErrors=True)
    return results


class SlowTests(TestCase):
    """
    Tests of what a slow peer gets.
    """

    timeout = 40
    rate = RATE
    answers = True
    window: int | None = SMALL_WINDOW
    leaving: Deferred[None]

    if sys.platform == "win32":
        skip = "the system does not tell how far the peer is"

    def serve(self, kind: str, resource: Any) -> Callable[[SlowPeer], SlowPeer]:
        """
        Serve over such a socket; return what connects a peer.
        """
        factory = Site(resource, reactor=reactor)
        if kind == "UNIX":
            # The path of a UNIX socket has about a hundred bytes at most.
            folder = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, folder)
            path = f"{folder}/socket"
            port = reactor.listenUNIX(path, factory)
            self.addCleanup(port.stopListening)
            return lambda peer: peer.connectUNIX(path)
        wrapped: Any = factory
        if kind == "TLS":
            wrapped = TLSMemoryBIOFactory(_TLS(), False, factory)  # type: ignore[arg-type]
        port = reactor.listenTCP(0, wrapped, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        if kind == "TLS":
            return lambda peer: peer.connectTLS(number)
        return lambda peer: peer.connectTCP(number)

    async def server(
        self, kind: str, act: Callable[[WebSocketConnection], object], **options: Any
    ) -> tuple[CloseReport, SlowPeer]:
        """
        Let a server act when a slow peer has come; return what has come of it.
        """
        reports: Deferred[CloseReport] = Deferred()

        def handle(request: Any) -> None:
            connection = request.accept()
            connection.whenClosed().chainDeferred(reports)
            act(connection)

        config = ServerConfig(**TIMES | options)
        peer = SlowPeer(self.rate, answers=self.answers, window=self.window)
        self.serve(kind, WebSocketResource(handle, config))(peer)
        report = await reports
        await deferToThread(peer.leave)
        return report, peer

    async def client(
        self, act: Callable[[WebSocketConnection], object], **options: Any
    ) -> tuple[CloseReport, SlowPeer]:
        """
        Let a client act when it has connected to a slow server.
        """
        peer = SlowPeer(
            self.rate, masks=False, answers=self.answers, window=self.window
        )
        client = WebSocketClient(reactor, ClientConfig(**TIMES | options))
        connection = await client.connect(f"ws://127.0.0.1:{peer.listen()}/")
        act(connection)
        report = await connection.whenClosed()
        await deferToThread(peer.leave)
        return report, peer

    async def everywhere(
        self, act: Callable[[WebSocketConnection], object], **options: Any
    ) -> list[tuple[CloseReport, SlowPeer]]:
        """
        Let servers over each kind of socket act, and a client, all at once.
        """
        ends = [self.server(kind, act, **options) for kind in KINDS]
        return await gather([*ends, self.client(act, **options)])

    def assertDelivered(self, report: CloseReport, peer: SlowPeer) -> None:
        """
        All has reached the peer, and the end is clean.
        """
        self.assertEqual((peer.size, peer.end), (SIZE, "close"), report)
        self.assertTrue(report.wasClean, report)
        self.assertEqual(report.bytesUnsent, 0)

    async def test_close(self) -> None:
        """
        What was sent before a close reaches a peer that reads all the time, though that
        takes several times ``closeTimeout``.
        """

        def act(connection: WebSocketConnection) -> None:
            connection.send(b"x" * SIZE)
            connection.close()

        for report, peer in await self.everywhere(act):
            self.assertDelivered(report, peer)

    async def test_keepalive(self) -> None:
        """
        Nor does the keep-alive drop it: its answers wait for it to come to the pings.
        """

        def act(connection: WebSocketConnection) -> None:
            for _ in range(SIZE // PIECE):
                connection.send(b"x" * PIECE)
            # Much later than the pings' deadlines.
            reactor.callLater(1.7, connection.close)

        for report, peer in await self.everywhere(act):
            self.assertDelivered(report, peer)

    async def buffered(
        self, act: Callable[[WebSocketConnection], object], **options: Any
    ) -> None:
        """
        Act on peers whose systems have ordinary buffers, and take all at once. Their
        programs read it in several times each deadline, to a clean end.
        """
        self.rate, self.window = 100_000, None
        ends = [self.server(kind, act, **options) for kind in ("TCP", "TLS")]
        for report, peer in await gather([*ends, self.client(act, **options)]):
            self.assertEqual((peer.size, peer.end), (BUFFERED, "close"), report)
            self.assertTrue(report.wasClean, report)
            self.assertEqual(report.bytesUnsent, 0)

    async def test_bufferedClose(self) -> None:
        """
        A peer gets the time to read what its system has taken at once, and answers our
        close frame behind that.
        """

        def act(connection: WebSocketConnection) -> None:
            connection.send(b"x" * BUFFERED)
            connection.close()

        await self.buffered(act, closeTimeout=0.15)

    async def test_bufferedKeepalive(self) -> None:
        """
        Nor does the keep-alive drop such a peer, whose answer comes as late.
        """

        def act(connection: WebSocketConnection) -> None:
            connection.send(b"x" * BUFFERED)
            reactor.callLater(1.0, connection.close)

        times = {"keepaliveInterval": 0.15, "keepaliveGracePeriod": 0.15}
        await self.buffered(act, **times)

    async def test_stream(self) -> None:
        """
        The same holds for what a protocol writes before ``loseConnection()``.
        """

        class Download(Protocol):
            def connectionMade(self) -> None:
                transport: Any = self.transport
                transport.write(b"x" * SIZE)
                transport.loseConnection()

        factory = WebSocketStreamFactory(Factory.forProtocol(Download))
        connect = self.serve("TCP", WebSocketResource(factory, ServerConfig(**TIMES)))
        peer = connect(SlowPeer(RATE))
        await deferToThread(peer.join, 20)
        self.assertEqual((peer.size, peer.end), (SIZE, "close"))

    async def test_withoutFrame(self) -> None:
        """
        ``closeWithoutFrame()`` has all leave as well, and then ends like TCP.
        """

        def act(connection: WebSocketConnection) -> None:
            connection.send(b"x" * SIZE)
            connection.closeWithoutFrame()

        for report, peer in await self.everywhere(act):
            self.assertEqual((peer.size, peer.end), (SIZE, "end"), report)
            self.assertFalse(report.closeSent)

    async def test_loseConnectionOfTheTransport(self) -> None:
        """
        Whatever asks the transport to close, all that was sent leaves before, with a
        close frame, and both ends come to their end.
        """

        def act(connection: WebSocketConnection) -> None:
            connection.send(b"x" * SIZE)
            reactor.callLater(0.1, channelOf(connection).transport.loseConnection)

        for report, peer in await self.everywhere(act):
            self.assertEqual((peer.size, peer.end), (SIZE, "close"), report)
            self.assertIs(report.cause, CloseCause.DROPPED)

    async def test_takesNothing(self) -> None:
        """
        A peer that takes nothing of what is queued falls to ``writeTimeout`` as before,
        or to ``closeTimeout``; and the report counts the bytes that it has not taken.
        """
        much = 30_000_000

        def send(connection: WebSocketConnection) -> None:
            connection.send(b"x" * much)

        def close(connection: WebSocketConnection) -> None:
            send(connection)
            connection.close()

        for act, cause, times in (
            (send, CloseCause.WRITE_TIMEOUT, {"keepalive": False}),
            (close, CloseCause.CLOSE_TIMEOUT, {"writeTimeout": 5}),
        ):
            self.rate = 0
            for report, _ in await self.everywhere(act, **times):
                self.assertIs(report.cause, cause)
                # The peer's system has taken some.
                self.assertGreater(report.bytesUnsent, much - 1_000_000)

    async def test_leaves(self) -> None:
        """
        So does the report of a peer that leaves before it has taken all.
        """
        much = 1_500_000

        def act(connection: WebSocketConnection) -> None:
            connection.send(b"x" * much)
            reactor.callLater(0.5, self.leaving.callback, None)

        for kind in KINDS:
            self.leaving = Deferred()
            peer = SlowPeer(0)
            ended = Deferred.fromCoroutine(self.serveLeaving(kind, peer, act))
            await self.leaving
            await deferToThread(peer.leave)
            report = await ended
            self.assertIs(report.cause, CloseCause.PEER_LOST)
            self.assertGreater(report.bytesUnsent, much - 300_000, kind)

    async def serveLeaving(
        self, kind: str, peer: SlowPeer, act: Callable[[WebSocketConnection], object]
    ) -> CloseReport:
        """
        Let a server act when this peer has come.
        """
        reports: Deferred[CloseReport] = Deferred()

        def handle(request: Any) -> None:
            connection = request.accept()
            connection.whenClosed().chainDeferred(reports)
            act(connection)

        self.serve(kind, WebSocketResource(handle))(peer)
        return await reports

    async def test_silent(self) -> None:
        """
        A peer whose system takes all, and whose program answers no ping, is found to be
        gone, also while it is sent something now and then.
        """

        def tell(connection: WebSocketConnection) -> None:
            if connection.connected:
                connection.send("a tick")
                reactor.callLater(0.1, tell, connection)

        def nothing(connection: WebSocketConnection) -> None:
            pass

        self.rate, self.answers = 10_000_000, False
        for act in (nothing, tell):
            for report, _ in await self.everywhere(act):
                self.assertIs(report.cause, CloseCause.KEEPALIVE_TIMEOUT)
        # The last ticks find nobody.
        await deferLater(reactor, 0.2)
