# Part of txwebsocket. See LICENSE for details.
"""
Tests of servers that cut TCP as soon as they have our close frame, over real sockets.
"""

from __future__ import annotations

from typing import Any

import twisted.internet.reactor
from OpenSSL.crypto import X509, PKey
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.trial.unittest import TestCase

from tests.support.remote import certify, readRequest, upgrade
from txwebsocket import CloseCause, InsecureTLSPolicy, WebSocketClient

reactor: Any = twisted.internet.reactor

HOST = "127.0.0.1"
CLOSE = b"\x88\x05\x0f\xa2bye"


class Cutter(Protocol):
    """
    A server that accepts, closes at once, and resets TCP when it is answered.
    """

    _data = b""
    _hasClosed = False

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        if self._hasClosed:
            transport.abortConnection()
            return
        self._data += data
        if self._data.endswith(b"\r\n\r\n"):
            self._hasClosed = True
            transport.write(upgrade(readRequest(self._data)) + CLOSE)


class CutterTests(TestCase):
    async def assertClean(self, scheme: str, port: Any) -> None:
        """
        A client's connections to this port close cleanly, several times.
        """
        self.addCleanup(port.stopListening)
        client = WebSocketClient(reactor, tlsPolicy=InsecureTLSPolicy())
        url = f"{scheme}://{HOST}:{port.getHost().port}/"
        for _ in range(5):
            connection = await client.connect(url)
            report = await connection.whenClosed()
            self.assertEqual(report.cause, CloseCause.PEER_CLOSE)
            self.assertTrue(report.wasClean, report)
            self.assertEqual((report.receivedCode, report.bytesUnsent), (4002, 0))

    async def test_TCP(self) -> None:
        """
        Such a close is clean: both close frames were sent (RFC 6455, 7.1.4).
        """
        factory = Factory.forProtocol(Cutter)
        await self.assertClean("ws", reactor.listenTCP(0, factory, interface=HOST))

    async def test_TLS(self) -> None:
        """
        So it is over TLS, whose records have more bytes than our frame.
        """
        identity = certify()
        options = CertificateOptions(
            privateKey=PKey.from_cryptography_key(identity.key),
            certificate=X509.from_cryptography(identity.certificate),
        )
        factory = Factory.forProtocol(Cutter)
        port = reactor.listenSSL(0, factory, options, interface=HOST)
        await self.assertClean("wss", port)
