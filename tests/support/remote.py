# Part of txwebsocket. See LICENSE for details.
"""
Servers far away, in memory: what a client's reactor reaches, and who answers there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, NamedTuple

import twisted.internet.reactor
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import NotConnectingError, UserError
from twisted.internet.interfaces import (
    IConnector,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
)
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support.memory import Peer
from txwebsocket import ClientConfig, WebSocketClient, WebSocketConnection
from txwebsocket.handshake.opening import acceptFor
from txwebsocket.testing import MemoryTransport

ADDRESS = "192.0.2.1"
URL = "ws://example.com/chat"


@implementer(IHostResolution)
class _Resolution:
    """
    The look-up of one name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """
        There is nothing to stop.
        """


@implementer(IHostnameResolver)
class Resolver:
    """
    Knows the addresses of hosts.

    :ivar addresses: those of some names; all others have :data:`ADDRESS`.
    :ivar isSilent: whether it never answers.
    :ivar asked: the names that were looked up.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.isSilent = False
        self.asked: list[str] = []

    def resolveHostName(
        self,
        receiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        Tell the addresses of a host at once, or never.
        """
        resolution = _Resolution(hostName)
        self.asked.append(hostName)
        receiver.resolutionBegan(resolution)
        if not self.isSilent:
            for address in self.addresses.get(hostName, [ADDRESS]):
                kind = IPv6Address if ":" in address else IPv4Address
                receiver.addressResolved(kind("TCP", address, portNumber))
            receiver.resolutionComplete()
        return resolution


@implementer(IConnector)
class Attempt:
    """
    One attempt to connect over TCP.

    :ivar isOver: whether it has succeeded, failed or ended.
    """

    def __init__(
        self, host: str, port: int, factory: Any, timeout: float, bindAddress: Any
    ) -> None:
        self.host = host
        self.port = port
        self.factory = factory
        self.timeout = timeout
        self.bindAddress = bindAddress
        self.isOver = False

    def stopConnecting(self) -> None:
        """
        End it. As in Twisted, it is a mistake to call this once it is over.
        """
        if self.isOver:
            raise NotConnectingError
        self.fail(UserError())

    def fail(self, error: Exception) -> None:
        """
        It fails.
        """
        self.isOver = True
        self.factory.clientConnectionFailed(self, Failure(error))

    def succeed(self, transport: MemoryTransport) -> Server:
        """
        It succeeds.
        """
        if self.isOver:
            raise ValueError("nobody wants to connect any more")
        self.isOver = True
        protocol = self.factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        return Server(protocol, transport)

    def disconnect(self) -> None:
        """
        Nobody does it this way.
        """

    def connect(self) -> None:
        """
        Nor this.
        """

    def getDestination(self) -> IPv4Address:
        """
        Where to.
        """
        return IPv4Address("TCP", self.host, self.port)


@implementer(IReactorPluggableNameResolver)
class ClientReactor(MemoryReactorClock):
    """
    A reactor whose connections are attempts until a test decides about them.

    :ivar attempts: those there were, all of them.
    :ivar nameResolver: the :class:`Resolver`.
    """

    nameResolver: Any

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = Resolver()
        self.attempts: list[Attempt] = []

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: Any = None,
    ) -> Attempt:
        """
        Begin to connect.
        """
        attempt = Attempt(host, port, factory, timeout, bindAddress)
        self.attempts.append(attempt)
        factory.doStart()
        factory.startedConnecting(attempt)
        return attempt

    @property
    def isIdle(self) -> bool:
        """
        Is nothing planned for later?
        """
        return not self.getDelayedCalls()

    def accept(self, transport: MemoryTransport | None = None) -> Server:
        """
        The newest attempt to connect succeeds.
        """
        if transport is None:
            transport = MemoryTransport(self)
        return self.attempts[-1].succeed(transport)

    def refuse(self, error: Exception) -> None:
        """
        The newest attempt to connect fails. Other addresses would be tried next.
        """
        self.attempts[-1].fail(error)
        self.advance(1)


class Request(NamedTuple):
    """
    What a client asked for.
    """

    line: str
    headers: list[tuple[str, str]]

    def header(self, name: str) -> list[str]:
        """
        The values of one header.
        """
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Server(Peer):
    """
    The server at the other end of a client's connection.

    :ivar asked: the request, once :meth:`request` has read it.
    """

    asked: Request

    def __init__(self, protocol: Any, transport: MemoryTransport) -> None:
        super().__init__(protocol, transport, masks=False)

    def request(self) -> Request:
        """
        Read the request; it is all that has arrived.
        """
        self.turn()
        self.asked = readRequest(self.received())
        return self.asked

    def upgrade(
        self, *lines: str, early: bytes = b"", without: Collection[str] = ()
    ) -> None:
        """
        Read the request and accept it; see :func:`upgrade`.

        :param early: what follows in the same segment.
        """
        self.send(upgrade(self.request(), *lines, without=without) + early)


def readRequest(data: bytes) -> Request:
    """
    Read a request, with nothing behind it.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end or rest:
        raise ValueError(f"this is no request: {data!r}")
    line, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    return Request(line, [(name, value) for name, value in pairs])


def upgrade(
    request: Request,
    *lines: str,
    status: str = "HTTP/1.1 101 Switching Protocols",
    without: Collection[str] = (),
) -> bytes:
    """
    The response that accepts a request.

    :param lines: headers, which replace the usual ones of the same name.
    :param without: the names of usual headers to leave out.
    """
    [key] = request.header("Sec-WebSocket-Key")
    usual = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": acceptFor(key),
    }
    given = {line.partition(":")[0] for line in lines}
    kept = [
        f"{name}: {value}"
        for name, value in usual.items()
        if name not in given and name not in without
    ]
    return "\r\n".join([status, *kept, *lines, "", ""]).encode("latin-1")


class Identity(NamedTuple):
    """
    How a server proves who it is.

    :ivar chain: the certificates that it shows with its own.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    def context(self) -> SSL.Context:
        """
        What a server needs of it.
        """
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate(X509.from_cryptography(self.certificate))
        context.use_privatekey(PKey.from_cryptography_key(self.key))
        for certificate in self.chain:
            context.add_extra_chain_cert(X509.from_cryptography(certificate))
        return context


def certify(
    *names: str, issuer: Identity | None = None, isExpired: bool = False
) -> Identity:
    """
    Make a certificate for these names or addresses, signed by an issuer or by itself.
    """
    extensions: list[x509.ExtensionType] = [x509.BasicConstraints(not names, None)]
    if names:
        extensions.append(x509.SubjectAlternativeName(map(_generalName, names)))
    name = ", ".join(names) or "an authority"
    return sign(name, *extensions, issuer=issuer, ends=-10 if isExpired else 10)


def sign(
    name: str,
    *extensions: x509.ExtensionType,
    issuer: Identity | None = None,
    begins: int = -20,
    ends: int = 10,
) -> Identity:
    """
    Make a certificate with these extensions, signed by an issuer or by itself.

    :param name: the common name of its subject.
    :param begins: the day on which it begins to be valid, counted from today.
    :param ends: the day on which it ends.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _commonName(name)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
    )
    for extension in extensions:
        isCritical = isinstance(extension, x509.BasicConstraints | x509.NameConstraints)
        builder = builder.add_extension(extension, isCritical)
    certificate = builder.sign(key if issuer is None else issuer.key, hashes.SHA256())
    return Identity(certificate, key)


def _commonName(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _generalName(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Outcome:
    """
    What comes of a Deferred.

    :ivar results: each result it ever had.
    """

    def __init__(self, deferred: Deferred[Any]) -> None:
        self.results: list[Any] = []
        deferred.addBoth(self.results.append)


class ClientTestCase(SynchronousTestCase):
    """
    What tests of clients need.

    :ivar reactor: where the clients are.
    """

    def setUp(self) -> None:
        self.reactor = ClientReactor()

    def makeClient(self, **options: Any) -> WebSocketClient:
        """
        A client with these options.
        """
        return WebSocketClient(self.reactor, ClientConfig(**options))

    def connect(
        self, url: str = URL, *args: Any, options: Any = None, **more: Any
    ) -> Outcome:
        """
        Begin to connect.

        :param options: those of the client.
        """
        client = self.makeClient(**(options or {}))
        return Outcome(client.connect(url, *args, **more))

    def open(self, *args: Any, **more: Any) -> tuple[WebSocketConnection, Server]:
        """
        Open a connection; return both its ends.
        """
        outcome = self.connect(*args, **more)
        server = self.reactor.accept()
        server.upgrade()
        return self.opened(outcome), server

    def opened(self, outcome: Outcome) -> WebSocketConnection:
        """
        The connection that a Deferred was fired with, once.
        """
        [result] = outcome.results
        self.assertIsInstance(result, WebSocketConnection)
        connection: WebSocketConnection = result
        return connection

    def failed(self, outcome: Outcome, kind: type[Exception]) -> Any:
        """
        The error that a Deferred failed with, once.
        """
        [result] = outcome.results
        self.assertIsInstance(result, Failure)
        self.assertIs(type(result.value), kind, result)
        return result.value

    def assertGone(self, server: Server) -> None:
        """
        The client has cut the connection, and plans nothing more.
        """
        server.turn()
        self.assertTrue(server.transport.wasAborted)
        self.assertFalse(server.transport.isConnected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class TLSServer:
    """
    A server behind TLS.

    :param server: the connection that TLS is spoken over.
    :ivar plain: what has arrived and was not looked at.
    :ivar error: what went wrong, as the server sees it.
    :ivar serverName: the name that the client asked for.
    """

    def __init__(self, server: Server, context: SSL.Context) -> None:
        self.server = server
        self.plain = b""
        self.error: SSL.Error | None = None
        self.serverName: str | None = None
        context.set_tlsext_servername_callback(self._named)
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self.turn()

    def turn(self) -> None:
        """
        Let everything happen that needs no time.
        """
        reactor: Any = twisted.internet.reactor
        while self.error is None:
            # Twisted's TLS joins small writes until the installed reactor's next turn.
            reactor.runUntilCurrent()
            self.server.turn()
            data = self.server.received()
            if data:
                self._tls.bio_write(data)
            self._call(self._read)
            answer = self._call(self._tls.bio_read, 65536)
            if answer:
                self.server.send(answer)
            elif not data:
                return

    def send(self, data: bytes) -> None:
        """
        Send bytes through TLS.
        """
        self._tls.send(data)
        self.turn()

    def upgrade(self) -> None:
        """
        Read the request and accept it.
        """
        data, self.plain = self.plain, b""
        self.send(upgrade(readRequest(data)))

    def _read(self) -> None:
        self.plain += self._tls.recv(65536)

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return None
        except SSL.Error as error:
            self.error = error
            return None

    def _named(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        self.serverName = name.decode("ascii") if name else None
