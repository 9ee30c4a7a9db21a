# Part of txwebsocket. See LICENSE for details.
"""
Tests of who the peer is, by its certificate: with real TLS, in memory.
"""

from __future__ import annotations

from typing import Any

import twisted.internet.reactor
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Ends, Peer, Served, handshake
from tests.support.remote import Identity, certify
from txwebsocket import WebSocketRequest, WebSocketRouter
from txwebsocket.testing import MemoryTLSTransport, MemoryTransport


class TLSClient:
    """
    A client that proves who it is.

    :ivar plain: what has arrived.
    """

    def __init__(self, peer: Peer, context: SSL.Context) -> None:
        self.peer = peer
        self.plain = b""
        self._tls = SSL.Connection(context, None)
        self._tls.set_connect_state()
        self._try(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        """
        Send bytes as soon as TLS is established.
        """
        reactor: Any = twisted.internet.reactor
        isSent = False
        for _ in range(20):
            isSent = isSent or self._try(self._tls.send, data) is not None
            self.peer.send(self._try(self._tls.bio_read, 65536) or b"")
            # Twisted's TLS joins small writes until the installed reactor's next turn.
            reactor.runUntilCurrent()
            self.peer.turn()
            if received := self.peer.received():
                self._tls.bio_write(received)
            self.plain += self._try(self._tls.recv, 65536) or b""

    def _try(self, function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except SSL.WantReadError:
            return None


class CertificateTests(SynchronousTestCase):
    """
    Tests of ``getPeerCertificate``.
    """

    authority = certify()

    def context(self, identity: Identity) -> CertificateOptions:
        """
        What a server needs of its identity, if it wants to know who its clients are.
        """
        return CertificateOptions(
            privateKey=PKey.from_cryptography_key(identity.key),
            certificate=X509.from_cryptography(identity.certificate),
            caCerts=[X509.from_cryptography(self.authority.certificate)],
            verify=True,
        )

    def test_server(self) -> None:
        """
        A server can ask for its clients' certificates: before it decides, so that a
        handler can let people in by them, and as long as the connection lives.
        """
        ada = certify("ada.example", issuer=self.authority)
        seen: list[Any] = []

        def handler(request: Any) -> None:
            seen.append(request.getPeerCertificate())
            seen.append(request.accept().getPeerCertificate())

        router = WebSocketRouter()
        router.mount("*", None, handler)
        for application in (handler, router):
            served = Served(application)
            identity = certify("example.com", issuer=self.authority)
            factory = TLSMemoryBIOFactory(self.context(identity), False, served.site)
            transport = MemoryTransport(Clock())
            protocol = factory.buildProtocol(transport.getPeer())
            transport.connect(protocol)
            client = TLSClient(Peer(protocol, transport), ada.context())
            client.send(handshake())
            self.assertIn(b"101", client.plain)
        self.assertEqual(len(seen), 4)
        for certificate in seen:
            self.assertEqual(certificate.to_cryptography(), ada.certificate)

    def test_none(self) -> None:
        """
        Without TLS there is no certificate, nor if the peer shows none, nor before
        there is a transport.
        """
        seen: list[Any] = []

        def handler(request: WebSocketRequest) -> None:
            seen.append(request.getPeerCertificate())
            seen.append(request.accept().getPeerCertificate())

        Served(handler).upgrade()
        served = Served(handler)
        served.connect(MemoryTLSTransport(served.clock)).send(handshake())
        seen.append(Ends(openIt=False).connection.getPeerCertificate())
        self.assertEqual(seen, [None] * 5)
