# Part of txwebsocket. See LICENSE for details.
"""
Each way in which a client's opening can fail, over real sockets on loopback.

Whatever happens, the Deferred fires within ``openTimeout``, with an error that names
the step; the server sees the socket close; and trial finds nothing left in the reactor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import twisted.internet.reactor
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectionClosed,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, CertificateOptions
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS

from tests.support.memory import Recorder
from tests.support.remote import (
    Identity,
    Request,
    Resolver,
    certify,
    readRequest,
    sign,
    upgrade,
)
from txwebsocket import (
    ClientConfig,
    CloseCause,
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    TLSPolicy,
    WebSocketClient,
)
from txwebsocket.wire.errors import BadResponse

reactor: Any = twisted.internet.reactor

HOST = "127.0.0.1"
NAMES = ("localhost", "other.example")
TIMEOUT = 0.5

# Seconds for what a busy machine does in between.
PATIENCE = 5.0


class Answers(Protocol):
    """
    A server that does one thing when it is asked.
    """

    def __init__(self, answer: Callable[[Any, Request], object]) -> None:
        self._answer = answer
        self._data = b""
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        Answer once the request is whole, or is TLS that nobody speaks here.
        """
        self._data += data
        if self._data.startswith(b"\x16"):
            self._answer(self.transport, Request("", []))
        elif self._data.endswith(b"\r\n\r\n"):
            data, self._data = self._data, b""
            self._answer(self.transport, readRequest(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client's socket is closed.
        """
        self.lost.callback(None)


class Listener(Factory):
    """
    A port, and who has connected there.
    """

    def __init__(
        self, answer: Callable[[Any, Request], object], identity: Identity | None
    ) -> None:
        self._answer = answer
        self.connected: list[Answers] = []
        if identity is None:
            self._port = reactor.listenTCP(0, self, interface=HOST)
        else:
            self._port = reactor.listenSSL(0, self, prove(identity), interface=HOST)
        self.number = self._port.getHost().port

    def buildProtocol(self, address: object) -> Answers:
        """
        Somebody connects.
        """
        protocol = Answers(self._answer)
        self.connected.append(protocol)
        return protocol

    async def close(self) -> None:
        """
        Listen no more, and wait until the sockets of all clients are closed.
        """
        await self._port.stopListening()
        for protocol in self.connected:
            await protocol.lost.addTimeout(PATIENCE, reactor)


def prove(identity: Identity) -> CertificateOptions:
    """
    How a server with this identity speaks TLS.
    """
    return CertificateOptions(
        privateKey=PKey.from_cryptography_key(identity.key),
        certificate=X509.from_cryptography(identity.certificate),
    )


def nothing(transport: Any, request: Request) -> None:
    """
    The answer of a silent server.
    """


def write(*pieces: bytes) -> Callable[[Any, Request], object]:
    """
    An answer of these bytes.
    """
    return lambda transport, _: transport.writeSequence(pieces)


def accept(*lines: str, size: int | None = None) -> Callable[[Any, Request], object]:
    """
    An answer that accepts, with these headers, or the start of one.
    """
    return lambda transport, request: transport.write(upgrade(request, *lines)[:size])


def reset(transport: Any, request: Request) -> None:
    """
    Break the connection instead of an answer.
    """
    transport.abortConnection()


class FailuresTests(TestCase):
    """
    Tests of an opening that fails.

    :ivar client: who opens it.
    :ivar recorder: the application.
    """

    authority = certify()
    Policy: Callable[[Certificate], Any] = BrowserLikePolicyForHTTPS

    def setUp(self) -> None:
        resolver = Resolver()
        resolver.addresses = {name: [HOST] for name in NAMES}
        resolver.addresses["nowhere.example"] = []
        before = reactor.installNameResolver(resolver)
        self.addCleanup(reactor.installNameResolver, before)
        self.recorder = Recorder()

    def makeClient(self, **options: Any) -> WebSocketClient:
        """
        A client that trusts our authority.
        """
        root = Certificate(X509.from_cryptography(self.authority.certificate))
        policy = type(self).Policy(root)
        config = ClientConfig(**{"openTimeout": TIMEOUT, **options})
        return WebSocketClient(reactor, config, tlsPolicy=policy)

    async def fail_(
        self,
        kind: type[Exception],
        answer: Callable[[Any, Request], object] = nothing,
        *,
        url: str = "ws://localhost:{}/x",
        identity: Identity | None = None,
        protocols: tuple[str, ...] = (),
        **options: Any,
    ) -> Any:
        """
        The error of this kind that an opening fails with, in time and leaving nothing.
        """
        # When it starts, and listens first, a reactor opens files of its own.
        await Listener(nothing, None).close()
        before = descriptors()
        listener = Listener(answer, identity)
        began = reactor.seconds()
        self.client = self.makeClient(**options)
        connecting = self.client.connect(
            url.format(listener.number), protocols, application=self.recorder
        )
        try:
            error = await self.assertFailure(connecting, kind)
        finally:
            await listener.close()
        self.assertLess(reactor.seconds() - began, TIMEOUT + PATIENCE)
        await self.assertDescriptors(before)
        return error

    async def assertDescriptors(self, count: int) -> None:
        """
        This many files and sockets are open, now or as soon as TLS has said goodbye.
        """
        began = reactor.seconds()
        while descriptors() != count and reactor.seconds() - began < PATIENCE:
            await deferLater(reactor, 0.01)
        self.assertEqual(descriptors(), count)

    async def assertFails(
        self,
        step: OpeningStep,
        cause: type[BaseException] | tuple[type[BaseException], ...],
        *arguments: Any,
        kind: type[OpeningFailed] = OpeningFailed,
        **more: Any,
    ) -> str:
        """
        An opening fails in this step for this reason.

        :return: what the error says.
        """
        error = await self.fail_(kind, *arguments, **more)
        self.assertIs(type(error), kind)
        self.assertIs(error.step, step)
        self.assertIsInstance(error.cause, cause)
        self.assertIn(step.value, str(error))
        return str(error)

    async def assertRejected(
        self, status: int, *arguments: Any, **more: Any
    ) -> ConnectionRejected:
        """
        An opening fails with this response.
        """
        error: ConnectionRejected = await self.fail_(
            ConnectionRejected, *arguments, **more
        )
        self.assertEqual(error.response.code, status)
        self.assertIn(f"the server answered {status}", str(error))
        self.assertTold(CloseCause.REJECTED)
        return error

    def assertTold(self, cause: CloseCause) -> None:
        """
        The application knows, too.
        """
        self.assertEqual(self.recorder.told, ["started", "lost"])
        self.assertIs(self.recorder.report.cause, cause)

    # Before there is a connection

    async def test_unresolvableName(self) -> None:
        """
        Nobody knows the name.
        """
        url = "ws://nowhere.example:{}/"
        step = OpeningStep.LOOKUP
        told = await self.assertFails(step, DNSLookupError, url=url)
        self.assertIn("nowhere.example", told)
        self.assertEqual(self.recorder.told, [])

    async def test_refusedPort(self) -> None:
        """
        Nobody listens.
        """
        listener = Listener(nothing, None)
        await listener.close()
        url = f"ws://localhost:{listener.number}/"
        step = OpeningStep.CONNECT
        told = await self.assertFails(step, ConnectionRefusedError, url=url)
        self.assertIn(url, told)
        self.assertEqual(self.recorder.told, [])

    # TLS

    async def assertUntrusted(self, told: str, identity: Identity) -> None:
        """
        Nobody who proves to be this is asked for anything, and the error tells why.
        """
        url = "wss://localhost:{}/"
        found = await self.assertFails(
            OpeningStep.TLS, Exception, url=url, identity=identity
        )
        self.assertIn(told, found)
        self.assertTold(CloseCause.OPENING_FAILED)

    async def test_badCertificate(self) -> None:
        """
        Nobody trusted has signed the certificate.
        """
        await self.assertUntrusted("certificate", certify("localhost"))

    async def test_wrongHostName(self) -> None:
        """
        It is another host's.
        """
        identity = certify("other.example", issuer=self.authority)
        await self.assertUntrusted("", identity)

    async def test_namelessCertificate(self) -> None:
        """
        It is for no host.
        """
        identity = sign("localhost", issuer=self.authority)
        await self.assertUntrusted("subjectAltName", identity)
        self.flushLoggedErrors()

    async def test_plainText(self) -> None:
        """
        The server does not speak TLS, and says something else.
        """
        told = await self.assertFails(
            OpeningStep.TLS,
            SSL.Error,
            write(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            url="wss://localhost:{}/",
            openTimeout=PATIENCE,
        )
        self.assertIn("does not speak TLS", told)
        self.assertTold(CloseCause.OPENING_FAILED)

    async def test_noTLS(self) -> None:
        """
        The server does not speak TLS, and waits.
        """
        await self.assertFails(
            OpeningStep.TLS,
            TimeoutError,
            url="wss://localhost:{}/",
            kind=OpeningTimedOut,
        )
        self.assertTold(CloseCause.OPEN_TIMEOUT)

    async def test_onlyTLS(self) -> None:
        """
        The server speaks TLS, and the URL does not say so.
        """
        told = await self.assertFails(
            OpeningStep.HANDSHAKE,
            (ConnectionDone, ConnectionLost),
            identity=certify("localhost", issuer=self.authority),
            openTimeout=PATIENCE,
        )
        self.assertIn("may speak TLS on this port", told)
        self.assertTold(CloseCause.PEER_LOST)

    # Waiting for the answer

    async def test_bareLineFeeds(self) -> None:
        """
        The server ends its lines with LF alone, over TCP and TLS.
        """
        identity = certify("localhost", issuer=self.authority)
        for url, proof in (
            ("ws://localhost:{}", None),
            ("wss://localhost:{}", identity),
        ):
            self.recorder = Recorder()
            told = await self.assertFails(
                OpeningStep.HANDSHAKE,
                BadResponse,
                lambda transport, request: transport.write(
                    upgrade(request).replace(b"\r\n", b"\n")
                ),
                url=url,
                identity=proof,
                openTimeout=PATIENCE,
            )
            self.assertIn("must end in CR LF", told)
            self.assertTold(CloseCause.PEER_FAULT)

    async def test_silent(self) -> None:
        """
        The server says nothing.
        """
        step = OpeningStep.HANDSHAKE
        await self.assertFails(step, TimeoutError, kind=OpeningTimedOut)
        self.assertTold(CloseCause.OPEN_TIMEOUT)

    async def test_silentTLS(self) -> None:
        """
        Nor does it over TLS.
        """
        identity = certify("localhost", issuer=self.authority)
        await self.assertFails(
            OpeningStep.HANDSHAKE,
            TimeoutError,
            url="wss://localhost:{}/",
            identity=identity,
            kind=OpeningTimedOut,
        )

    async def test_halfAnswer(self) -> None:
        """
        It writes half an answer.
        """
        await self.assertFails(
            OpeningStep.HANDSHAKE, TimeoutError, accept(size=60), kind=OpeningTimedOut
        )
        self.assertTold(CloseCause.OPEN_TIMEOUT)

    async def test_halfBody(self) -> None:
        """
        It refuses, with half a body: what there is of it is enough.
        """
        head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n"
        error = await self.assertRejected(403, write(head, b"not"))
        self.assertEqual(error.response.body, b"not")

    async def test_reset(self) -> None:
        """
        It breaks the connection.
        """
        await self.assertFails(OpeningStep.HANDSHAKE, ConnectionClosed, reset)
        self.assertTold(CloseCause.PEER_LOST)

    async def test_leaves(self) -> None:
        """
        It ends it without a word.
        """
        step = OpeningStep.HANDSHAKE
        await self.assertFails(
            step, ConnectionClosed, lambda transport, _: transport.loseConnection()
        )
        self.assertTold(CloseCause.PEER_LOST)

    # Other answers

    async def test_unauthorized(self) -> None:
        """
        It wants to know who asks: the error has its headers.
        """
        head = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"
        answer = write(head, b"Content-Length: 0\r\n\r\n")
        error = await self.assertRejected(401, answer)
        names = error.response.headers.getRawHeaders("WWW-Authenticate")
        self.assertEqual(names, ["Basic"])

    async def test_notFound(self) -> None:
        """
        It knows no such thing: the error has its page.
        """
        head = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = write(head, b"4\r\nnot \r\n5\r\nfound\r\n0\r\n\r\n")
        error = await self.assertRejected(404, answer)
        self.assertEqual(error.response.body, b"not found")

    async def test_loop(self) -> None:
        """
        It redirects to itself, as often as it is asked.
        """
        head = b"HTTP/1.1 301 Moved Permanently\r\nLocation: /x\r\n"
        answer = write(head, b"Content-Length: 4\r\n\r\nloop")
        error = await self.assertRejected(301, answer, maxRedirects=3)
        self.assertIn("maxRedirects is 3", str(error))
        self.assertEqual(error.response.body, b"loop")

    async def test_redirectedNowhere(self) -> None:
        """
        It redirects to where nobody listens.
        """
        listener = Listener(nothing, None)
        await listener.close()
        location = b"Location: //other.example:%d/\r\n" % listener.number
        answer = write(b"HTTP/1.1 307 There\r\n", location, b"\r\n")
        told = await self.assertFails(
            OpeningStep.CONNECT, ConnectionRefusedError, answer, maxRedirects=1
        )
        self.assertIn("ws://other.example", told)
        self.assertTold(CloseCause.OPENING_FAILED)

    # Answers that break the rules

    async def assertFault(self, told: str, *arguments: Any, **more: Any) -> None:
        """
        The answer breaks a rule.
        """
        step = OpeningStep.HANDSHAKE
        found = await self.assertFails(step, BadResponse, *arguments, **more)
        self.assertIn(told, found)
        self.assertTold(CloseCause.PEER_FAULT)

    async def test_wrongAccept(self) -> None:
        """
        It accepts another request than ours.
        """
        answer = accept("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        await self.assertFault("Sec-WebSocket-Accept", answer)

    async def test_unofferedProtocol(self) -> None:
        """
        It chooses a subprotocol that we don't speak.
        """
        answer = accept("Sec-WebSocket-Protocol: v3")
        await self.assertFault("v1, v2, not v3", answer, protocols=("v1", "v2"))

    async def test_notHTTP(self) -> None:
        """
        It speaks something else.
        """
        await self.assertFault("not an HTTP response", write(b"SSH-2.0-Odd\r\n"))

    # Giving up

    async def test_cancelled(self) -> None:
        """
        Whoever waits gives up while the server thinks.
        """

        def giveUp(transport: Any, request: Request) -> None:
            self.client.abort()

        await self.fail_(CancelledError, giveUp)
        self.assertTold(CloseCause.DROPPED)


def descriptors() -> int:
    """
    How many files and sockets this process has open.
    """
    return len(os.listdir("/dev/fd"))


class OwnPolicyTests(FailuresTests):
    """
    Tests of an opening that fails with our own policy in place of Twisted's.
    """

    Policy = TLSPolicy
