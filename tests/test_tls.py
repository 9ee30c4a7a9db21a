# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.tls`.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from tests.remote import ClientTestCase, Identity, Outcome, TLSServer, certify
from txwebsocket import (
    InsecureTLSPolicy,
    OpeningFailed,
    OpeningStep,
    TLSPolicy,
    WebSocketClient,
)
from txwebsocket.tls import TLSEndpoint, choosePolicy

TLS_URL = "wss://example.com/"


def certificateOf(identity: Identity) -> Certificate:
    """
    A certificate as Twisted has it.
    """
    return Certificate(X509.from_cryptography(identity.certificate))


def privateCertificateOf(identity: Identity) -> PrivateCertificate:
    """
    The same, with its key.
    """
    pair = KeyPair(PKey.from_cryptography_key(identity.key))
    return PrivateCertificate.fromCertificateAndKeyPair(certificateOf(identity), pair)


class TLSTestCase(ClientTestCase):
    """
    What tests of TLS need.
    """

    authority = certify()
    others = certify()

    def talk(
        self, policy: Any, context: SSL.Context, url: str = TLS_URL
    ) -> tuple[Outcome, TLSServer]:
        """
        Connect a client with this policy.
        """
        client = WebSocketClient(self.reactor, tlsPolicy=policy)
        outcome = Outcome(client.connect(url))
        return outcome, TLSServer(self.reactor.accept(), context)

    def assertTrusts(
        self, policy: Any, identity: Identity, url: str = TLS_URL
    ) -> TLSServer:
        """
        A client with this policy connects.
        """
        outcome, tls = self.talk(policy, identity.context(), url)
        tls.upgrade()
        self.assertTrue(self.opened(outcome).connected)
        return tls

    def assertDistrusts(
        self, policy: Any, identity: Identity, url: str = TLS_URL
    ) -> None:
        """
        A client with this policy sends nothing, and fails while TLS starts.
        """
        outcome, tls = self.talk(policy, identity.context(), url)
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.TLS)
        self.assertEqual(tls.plain, b"")
        self.assertTrue(self.reactor.isIdle)


class TLSPolicyTests(TLSTestCase):
    """
    Tests of :class:`TLSPolicy`.
    """

    def test_interface(self) -> None:
        """
        It is a policy for twisted.web's own clients as well.
        """
        self.assertTrue(verifyObject(IPolicyForHTTPS, TLSPolicy()))
        creator = TLSPolicy().creatorForNetloc(b"example.com", 443)
        self.assertTrue(verifyObject(IOpenSSLClientConnectionCreator, creator))

    def test_trustRoot(self) -> None:
        """
        One authority is trusted, and no other.
        """
        policy = TLSPolicy(trustRoot=certificateOf(self.authority))
        self.assertDistrusts(policy, certify("example.com", issuer=self.others))
        self.assertTrusts(policy, certify("example.com", issuer=self.authority))

    def test_names(self) -> None:
        """
        The server must be the one in the URL.
        """
        policy = TLSPolicy(trustRoot=certificateOf(self.authority))
        self.assertDistrusts(policy, certify("example.org", issuer=self.authority))

    def test_trustRoots(self) -> None:
        """
        Several authorities are trusted.
        """
        itself = certify("example.org")
        roots = [certificateOf(self.authority), certificateOf(itself)]
        policy = TLSPolicy(trustRoot=trustRootFromCertificates(roots))
        self.assertTrusts(policy, certify("example.com", issuer=self.authority))
        self.assertTrusts(policy, itself, "wss://example.org/")

    def test_platform(self) -> None:
        """
        Without one, the platform's are.
        """
        identity = certify("example.com", issuer=self.authority)
        self.assertDistrusts(TLSPolicy(), identity)

    def test_clientCertificate(self) -> None:
        """
        A server that asks who we are is told; for the connections after the first, too.
        """
        ours = certify("ada", issuer=self.authority)
        policy = TLSPolicy(
            trustRoot=certificateOf(self.authority),
            clientCertificate=privateCertificateOf(ours),
        )
        seen = []
        for name in ("example.com", "example.org", "example.com"):
            context = certify(name, issuer=self.authority).context()
            context.set_verify(
                SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
                lambda connection, certificate, *_: (
                    seen.append(certificate.to_cryptography()) or True
                ),
            )
            outcome, tls = self.talk(policy, context, f"wss://{name}/")
            tls.upgrade()
            self.opened(outcome)
        self.assertIn(ours.certificate, seen)

    def test_extraOptions(self) -> None:
        """
        What else Twisted can be told about TLS is passed on, and stays the caller's.
        """
        policy = TLSPolicy(
            trustRoot=certificateOf(self.authority),
            extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_3},
        )
        context = certify("example.com", issuer=self.authority).context()
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        outcome, _ = self.talk(policy, context)
        self.assertIs(self.failed(outcome, OpeningFailed).step, OpeningStep.TLS)
        kept = {"raiseMinimumTo": TLSVersion.TLSv1_3}
        ours = privateCertificateOf(certify("ada", issuer=self.authority))
        policy = TLSPolicy(clientCertificate=ours, extraCertificateOptions=kept)
        policy.creatorForNetloc(b"h", 443)
        self.assertEqual(kept, {"raiseMinimumTo": TLSVersion.TLSv1_3})


class InsecureTLSPolicyTests(TLSTestCase):
    """
    Tests of :class:`InsecureTLSPolicy`.
    """

    def test_interface(self) -> None:
        """
        It is a policy.
        """
        self.assertTrue(verifyObject(IPolicyForHTTPS, InsecureTLSPolicy()))
        creator = InsecureTLSPolicy().creatorForNetloc(b"example.com", 443)
        self.assertTrue(verifyObject(IOpenSSLClientConnectionCreator, creator))

    def test_anybody(self) -> None:
        """
        It takes any certificate, and still says which name it wants.
        """
        policy = InsecureTLSPolicy()
        for identity in (
            certify("example.org"),
            certify("example.com", issuer=self.others, isExpired=True),
        ):
            tls = self.assertTrusts(policy, identity)
            self.assertEqual(tls.serverName, "example.com")

    def test_addresses(self) -> None:
        """
        An address is no name.
        """
        tls = self.assertTrusts(InsecureTLSPolicy(), certify("x"), "wss://192.0.2.7/")
        self.assertIsNone(tls.serverName)

    def test_underscore(self) -> None:
        """
        A name that no certificate can have is none too many for it.
        """
        tls = self.assertTrusts(InsecureTLSPolicy(), certify("x"), "wss://a_b/")
        self.assertEqual(tls.serverName, "a_b")


class ChoiceTests(TLSTestCase):
    """
    Tests of what can be a client's ``tlsPolicy``.
    """

    def test_creator(self) -> None:
        """
        What ``optionsForClientTLS`` returns: then the server must have that name,
        whatever the URL's is.
        """
        creator = optionsForClientTLS(
            "internal.example", trustRoot=certificateOf(self.authority)
        )
        internal = certify("internal.example", issuer=self.authority)
        identity = certify("example.com", issuer=self.authority)
        self.assertDistrusts(creator, identity)
        tls = self.assertTrusts(creator, internal)
        self.assertEqual(tls.serverName, "internal.example")

    def test_kept(self) -> None:
        """
        What TLS needs for a host is made once for a client.
        """
        for policy in (None, TLSPolicy()):
            chosen = choosePolicy(policy)
            first = chosen.creatorForNetloc(b"example.com", 443)
            self.assertIs(chosen.creatorForNetloc(b"example.com", 443), first)
            self.assertIsNot(chosen.creatorForNetloc(b"example.org", 443), first)

    def test_own(self) -> None:
        """
        A policy of somebody's own is asked each time.
        """
        policy = InsecureTLSPolicy()
        self.assertIs(choosePolicy(policy), policy)

    def test_noNames(self) -> None:
        """
        ``CertificateOptions`` would check no host's name, and are refused.
        """
        error = self.assertRaises(
            TypeError, WebSocketClient, self.reactor, tlsPolicy=CertificateOptions()
        )
        self.assertIn("extraCertificateOptions", str(error))

    def test_other(self) -> None:
        """
        So is what is none of these.
        """
        for choice in (False, "insecure", SSL.Context(SSL.TLS_METHOD)):
            error = self.assertRaises(
                TypeError, WebSocketClient, self.reactor, tlsPolicy=choice
            )
            self.assertIn("TLSPolicy", str(error))


class TLSEndpointTests(TLSTestCase):
    """
    Tests of :class:`TLSEndpoint`.
    """

    def test_result(self) -> None:
        """
        It is an endpoint, and fires with the protocol that its user's factory made.
        """
        creator = TLSPolicy().creatorForNetloc(b"example.com", 443)
        inner = TCP4ClientEndpoint(self.reactor, "192.0.2.1", 443)
        endpoint = TLSEndpoint(self.reactor, creator, inner)
        self.assertTrue(verifyObject(IStreamClientEndpoint, endpoint))
        connected = endpoint.connect(Factory.forProtocol(Protocol))
        self.reactor.accept()
        self.assertIs(type(self.successResultOf(connected)), Protocol)
