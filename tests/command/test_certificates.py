# Part of txwebsocket. See LICENSE for details.
"""
Tests of the options for TLS, against a server in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from tests.support.remote import ClientTestCase, Identity, Outcome, TLSServer, certify
from txwebsocket import OpeningFailed, OpeningStep, WebSocketClient
from txwebsocket.command.certificates import makePolicy


class Files(SynchronousTestCase):
    """
    What is given by the names of files.
    """

    def fileOf(self, *contents: bytes) -> str:
        """
        Write a file; return its name.
        """
        path = self.mktemp()
        Path(path).write_bytes(b"".join(contents))
        return path


def certificateOf(identity: Identity) -> bytes:
    """
    A certificate in PEM.
    """
    return identity.certificate.public_bytes(Encoding.PEM)


def keyOf(identity: Identity) -> bytes:
    """
    A private key in PEM.
    """
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class PolicyTests(ClientTestCase, Files):
    """
    Tests of what servers are believed, and what they are shown.
    """

    authority = certify()
    stranger = certify()

    def setUp(self) -> None:
        super().setUp()
        self.identity = certify("example.com", issuer=self.authority)
        self.shown: list[Any] = []

    def connect(self, identity: Identity, **options: Any) -> Outcome:
        """
        Connect to a server with this identity, which accepts.

        :param options: those given; none of the others is.
        """
        nothing = {"ca": None, "cert": None, "key": None, "insecure": False}
        policy = makePolicy(**{**nothing, **options})
        client = WebSocketClient(self.reactor, tlsPolicy=policy)
        outcome = Outcome(client.connect("wss://example.com/"))
        context = identity.context()
        context.set_verify(SSL.VERIFY_PEER, self._look)
        self.tls = TLSServer(self.reactor.accept(), context)
        if self.tls.plain:
            self.tls.upgrade()
        return outcome

    def _look(self, connection: Any, certificate: Any, *rest: object) -> bool:
        self.shown.insert(0, certificate.to_cryptography())
        return True

    def assertUntrusted(self, identity: Identity, **options: Any) -> None:
        """
        The opening fails while TLS starts.
        """
        error = self.failed(self.connect(identity, **options), OpeningFailed)
        self.assertIs(error.step, OpeningStep.TLS)

    def test_ca(self) -> None:
        """
        With ``--ca`` its certificates are trusted, all of them, and no others.
        """
        other = certify("other.example")
        ca = self.fileOf(certificateOf(other), certificateOf(self.authority))
        self.assertTrue(self.opened(self.connect(self.identity, ca=ca)).connected)
        alone = self.fileOf(certificateOf(other))
        self.assertUntrusted(self.identity, ca=alone)
        self.assertUntrusted(self.identity)

    def test_host(self) -> None:
        """
        The server has to be the URL's host all the same.
        """
        ca = self.fileOf(certificateOf(self.authority))
        elsewhere = certify("example.org", issuer=self.authority)
        self.assertUntrusted(elsewhere, ca=ca)

    def test_insecure(self) -> None:
        """
        With ``--insecure`` anybody is believed, who is told all the same which name is
        wanted.
        """
        other = certify("example.org", issuer=self.stranger)
        self.assertTrue(self.opened(self.connect(other, insecure=True)).connected)
        self.assertEqual(self.tls.serverName, "example.com")
        self.assertEqual(self.shown, [])

    def test_cert(self) -> None:
        """
        A server that asks is shown our certificate, with those up to the authority.
        """
        ca = self.fileOf(certificateOf(self.authority))
        ours = certify("us", issuer=self.stranger)
        chain = certificateOf(ours) + certificateOf(self.stranger)
        for options in (
            {"cert": self.fileOf(chain), "key": self.fileOf(keyOf(ours))},
            {"cert": self.fileOf(keyOf(ours), chain)},
        ):
            for more in ({"ca": ca}, {"insecure": True}):
                self.shown.clear()
                outcome = self.connect(self.identity, **options, **more)
                self.assertTrue(self.opened(outcome).connected)
                self.assertIn(ours.certificate, self.shown)
                self.assertIn(self.stranger.certificate, self.shown)

    def test_interface(self) -> None:
        """
        It is a policy as twisted.web knows them.
        """
        policy = makePolicy(None, None, None, insecure=True)
        self.assertTrue(verifyObject(IPolicyForHTTPS, policy))
        creator = policy.creatorForNetloc(b"127.0.0.1", 443)
        self.assertTrue(verifyObject(IOpenSSLClientConnectionCreator, creator))


class MistakeTests(Files):
    """
    Tests of what can be wrong with the options.
    """

    def assertWrong(
        self,
        *words: str,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        insecure: bool = False,
    ) -> None:
        """
        Check that options are refused, and what is said of them.
        """
        with self.assertRaises(UsageError) as raised:
            makePolicy(ca, cert, key, insecure)
        for word in words:
            self.assertIn(word, str(raised.exception))

    def test_nothing(self) -> None:
        """
        Without options everything is as usual.
        """
        self.assertIsNone(makePolicy(None, None, None, insecure=False))

    def test_missing(self) -> None:
        """
        Files that can't be read are named, and so is the option.
        """
        cert = self.fileOf(certificateOf(certify("us")))
        self.assertWrong("--ca", "'/missing'", "No such file", ca="/missing")
        self.assertWrong("--cert", "'/missing'", cert="/missing")
        self.assertWrong("--key", "'/missing'", cert=cert, key="/missing")

    def test_contents(self) -> None:
        """
        So are those that have something else than what they should.
        """
        empty = self.fileOf(b"")
        cert = self.fileOf(certificateOf(certify("us")))
        broken = self.fileOf(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        )
        for path in (empty, broken):
            self.assertWrong("--ca", repr(path), "certificate", ca=path)
            self.assertWrong("--cert", repr(path), "certificate", cert=path)
        self.assertWrong("--key", repr(empty), "private key", cert=cert, key=empty)
        self.assertWrong("--key", repr(cert), "private key", cert=cert)

    def test_otherKey(self) -> None:
        """
        A key that belongs to another certificate is found out at once.
        """
        cert = self.fileOf(certificateOf(certify("us")))
        key = self.fileOf(keyOf(certify("them")))
        self.assertWrong("--key", repr(key), repr(cert), cert=cert, key=key)

    def test_together(self) -> None:
        """
        Options that make no sense together are refused.
        """
        ca = self.fileOf(certificateOf(certify()))
        self.assertWrong("--key", "--cert", key=ca)
        self.assertWrong("--insecure", "--ca", ca=ca, insecure=True)
