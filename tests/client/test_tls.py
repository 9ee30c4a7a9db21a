# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.tls`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, clientFromString
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
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HostnameCachingHTTPSPolicy,
)
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from tests.support.remote import (
    ClientReactor,
    ClientTestCase,
    Identity,
    Outcome,
    TLSServer,
    certify,
    readRequest,
    sign,
)
from txwebsocket import (
    CertificateRejected,
    InsecureTLSPolicy,
    OpeningFailed,
    OpeningStep,
    TLSPolicy,
    W3CWebSocket,
    WebSocketClient,
    WebSocketClientEndpoint,
    WebSocketProtocol,
)
from txwebsocket.client.tls import TLSEndpoint, choosePolicy
from txwebsocket.command.certificates import makePolicy

TLS_URL = "wss://example.com/"
SUBJECT_ALTERNATIVE_NAME = ExtensionOID.SUBJECT_ALTERNATIVE_NAME


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

    def test_creatorForAddress(self) -> None:
        """
        With ``optionsForClientTLS`` for an address the server must have that address,
        whatever the URL's host is.
        """
        root = certificateOf(self.authority)
        server = certify("192.0.2.7", issuer=self.authority)
        creator = optionsForClientTLS("192.0.2.7", trustRoot=root)
        self.assertDistrusts(
            creator, certify("example.com", issuer=self.authority), "wss://example.com/"
        )
        tls = self.assertTrusts(creator, server, "wss://example.com/")
        self.assertIsNone(tls.serverName)

    def test_derivedCreator(self) -> None:
        """
        A creator derived from Twisted's is checked as Twisted's own is.
        """
        creator = self.derivedCreator()
        self.assertDistrusts(creator, sign("example.com", issuer=self.authority))
        # Twisted's own check, where it is the one, logs what it raises.
        self.flushLoggedErrors()
        self.assertTrusts(creator, certify("example.com", issuer=self.authority))

    def test_lenientCreator(self) -> None:
        """
        One that makes its connections itself is left to check what it wants.
        """

        def connect(creator: object, tlsProtocol: object) -> SSL.Connection:
            return SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)

        creator = self.derivedCreator(clientConnectionForTLS=connect)
        self.assertTrusts(creator, certify("example.org"))

    def derivedCreator(self, **methods: object) -> Any:
        """
        An object of a class derived from that of Twisted, for ``example.com``.
        """
        creator: Any = optionsForClientTLS(
            "example.com", trustRoot=certificateOf(self.authority)
        )
        creator.__class__ = type("Creator", (type(creator),), methods)
        return creator

    def test_kept(self) -> None:
        """
        A policy loads the authorities once, whichever hosts it is asked about.
        """
        for policy in (None, TLSPolicy()):
            chosen = choosePolicy(policy)
            contexts = [
                chosen.creatorForNetloc(host, 443)
                .clientConnectionForTLS(Protocol())
                .get_context()
                for host in (b"example.com", b"example.org")
            ]
            self.assertIs(*contexts)

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


def named(*alternatives: x509.GeneralName) -> x509.ExtensionType:
    return x509.SubjectAlternativeName(alternatives)


class NameTests(TLSTestCase):
    """
    Tests of who checks a server's name: every way to connect does.
    """

    # None of these is for example.com or proxy.example, whatever else they are.
    WRONG = (
        (),
        (named(x509.DNSName("*")),),
        (named(x509.DNSName("*.com"), x509.DNSName("*.example")),),
        (named(x509.DNSName("192.0.2.7")),),
        (
            named(
                x509.UniformResourceIdentifier("urn:uuid:f81d4fae"),
                x509.DNSName("example.org"),
            ),
        ),
        (
            named(
                x509.UniformResourceIdentifier("https://example.com/"),
                x509.DNSName("example.org"),
            ),
        ),
        (x509.UnrecognizedExtension(SUBJECT_ALTERNATIVE_NAME, b"0\x05\x87\x03abc"),),
    )

    def setUp(self) -> None:
        super().setUp()
        self.root = certificateOf(self.authority)
        self.file = self.mktemp()
        Path(self.file).write_bytes(self.root.dumpPEM())
        # The platform trusts our authority.
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = self.file
        self.addCleanup(self.restore, before)

    def restore(self, before: str | None) -> None:
        """
        Let the platform trust what it did before.
        """
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before

    def client(self, policy: Any = None, **options: Any) -> None:
        """
        Connect a client.
        """
        client = WebSocketClient(self.reactor, tlsPolicy=policy, **options)
        self.outcome = Outcome(client.connect(TLS_URL))

    def ways(self) -> dict[str, Callable[[], object]]:
        """
        All that connects to a server over TLS, and trusts our authority.
        """
        reactor, root = self.reactor, self.root
        browserLike = BrowserLikePolicyForHTTPS(root)
        proxy = "https://proxy.example"
        users: Any = Factory.forProtocol(Protocol)
        endpoint = WebSocketClientEndpoint.new(reactor, TLS_URL)
        factory: Any = Factory.forProtocol(WebSocketProtocol)
        return {
            "the default": self.client,
            "TLSPolicy": lambda: self.client(TLSPolicy(root)),
            "the command line": lambda: self.client(
                makePolicy(self.file, None, None, insecure=False)
            ),
            "a proxy by default": lambda: self.client(proxy=proxy),
            "a proxy and TLSPolicy": lambda: self.client(TLSPolicy(root), proxy=proxy),
            "a proxy and Twisted's": lambda: self.client(browserLike, proxy=proxy),
            "an endpoint string": lambda: clientFromString(
                reactor, "wss:example.com/"
            ).connect(users),
            "W3CWebSocket": lambda: W3CWebSocket(
                TLS_URL, client=WebSocketClient(reactor)
            ),
            "WebSocketClientEndpoint": lambda: Deferred.fromCoroutine(
                endpoint.connect(factory)
            ).addErrback(lambda _: None),
            "Twisted's policy": lambda: self.client(browserLike),
            "its cache": lambda: self.client(HostnameCachingHTTPSPolicy(browserLike)),
            "optionsForClientTLS": lambda: self.client(
                optionsForClientTLS("example.com", root)
            ),
            "twisted.web's Agent": lambda: (
                Agent(reactor, TLSPolicy(root))
                .request(b"GET", TLS_URL.replace("wss", "https").encode("ascii"))
                .addErrback(lambda _: None)
            ),
        }

    def test_wrong(self) -> None:
        """
        No certificate is accepted that is not for the host, whatever the reason is, and
        the server is not sent a byte.
        """
        for extensions in self.WRONG:
            identity = sign("example.com", *extensions, issuer=self.authority)
            for name, connect in self.ways().items():
                connect()
                tls = TLSServer(self.reactor.accept(), identity.context())
                self.assertEqual(tls.plain, b"", (name, extensions))
                self.assertFalse(tls.server.transport.isConnected, (name, extensions))
                self.flushLoggedErrors()
        self.assertTrue(self.reactor.isIdle)

    def test_right(self) -> None:
        """
        A certificate that is for the host is accepted everywhere.
        """
        identity = certify("proxy.example", "example.com", issuer=self.authority)
        for name, connect in self.ways().items():
            connect()
            tls = TLSServer(self.reactor.accept(), identity.context())
            self.assertRegex(tls.plain, b"^(GET|CONNECT) ", name)

    def test_address(self) -> None:
        """
        Twisted's policies check the address in a URL as strictly.
        """
        for policy in (BrowserLikePolicyForHTTPS(self.root), TLSPolicy(self.root)):
            for identity in (
                sign("192.0.2.7", issuer=self.authority),
                certify("192.0.2.8", issuer=self.authority),
            ):
                self.assertDistrusts(policy, identity, "wss://192.0.2.7/")
                self.flushLoggedErrors()
            right = certify("192.0.2.7", issuer=self.authority)
            self.assertTrusts(policy, right, "wss://192.0.2.7/")
            self.reactor = ClientReactor()

    def test_words(self) -> None:
        """
        The error says what is wrong with the certificate of the server, or of the
        proxy.
        """
        identity = sign("example.com", issuer=self.authority)
        self.client()
        TLSServer(self.reactor.accept(), identity.context())
        error = self.failed(self.outcome, OpeningFailed)
        words = "the certificate for example.com is rejected: it has no subjectAltName"
        self.assertEqual(str(error), f"{TLS_URL}: starting TLS: {words}")
        self.assertIsInstance(error.cause, CertificateRejected)
        self.assertEqual(error.cause.host, "example.com")
        self.assertEqual(error.cause.reason, "it has no subjectAltName")
        self.client(proxy="https://proxy.example")
        TLSServer(self.reactor.accept(), identity.context())
        error = self.failed(self.outcome, OpeningFailed).cause
        self.assertEqual(
            str(error),
            "https://proxy.example:443: the certificate for proxy.example is rejected: "
            "it has no subjectAltName",
        )
        self.assertIsInstance(error.cause, CertificateRejected)


class FinalDotTests(TLSTestCase):
    """
    Tests of hosts with a final dot, which keeps their names from being searched for
    below the local domain.
    """

    URL = "wss://example.com./chat"

    def policies(self) -> list[Any]:
        """
        Policies that trust our authority, and one that trusts everybody.
        """
        root = certificateOf(self.authority)
        return [TLSPolicy(root), InsecureTLSPolicy(), BrowserLikePolicyForHTTPS(root)]

    def test_name(self) -> None:
        """
        TLS is asked for the name without the dot, which the certificate is for.
        Everything else has the URL's host as it is.
        """
        identity = certify("example.com", issuer=self.authority)
        for policy in self.policies():
            outcome, tls = self.talk(policy, identity.context(), self.URL)
            self.assertEqual(tls.serverName, "example.com")
            self.assertEqual(self.reactor.nameResolver.asked, ["example.com."])
            self.assertEqual(readRequest(tls.plain).header("Host"), ["example.com."])
            tls.upgrade()
            self.assertEqual(self.opened(outcome).url, self.URL)
            self.reactor = ClientReactor()

    def test_otherName(self) -> None:
        """
        The certificate of another host is rejected as without the dot.
        """
        root = certificateOf(self.authority)
        for policy in (TLSPolicy(root), BrowserLikePolicyForHTTPS(root)):
            for name in ("example.org", "com"):
                identity = certify(name, issuer=self.authority)
                self.assertDistrusts(policy, identity, self.URL)

    def test_proxy(self) -> None:
        """
        The name of a proxy is treated alike. It is told the URL's host as it is.
        """
        identity = certify("proxy.example", issuer=self.authority)
        for policy in self.policies():
            client = WebSocketClient(
                self.reactor, tlsPolicy=policy, proxy="https://proxy.example.:8443"
            )
            client.connect(self.URL)
            tls = TLSServer(self.reactor.accept(), identity.context())
            self.assertEqual(tls.serverName, "proxy.example")
            self.assertEqual(self.reactor.nameResolver.asked.pop(), "proxy.example.")
            self.assertIn(b"CONNECT example.com.:443 HTTP/1.1", tls.plain)

    def test_agent(self) -> None:
        """
        Our policies do the same for twisted.web. An address with a dot behind it is an
        address to them, and no name.
        """
        identity = certify("example.com", "192.0.2.7", issuer=self.authority)
        for policy in self.policies()[:2]:
            for host, name in ((b"example.com.", "example.com"), (b"192.0.2.7.", None)):
                agent = Agent(self.reactor, policy)
                agent.request(b"GET", b"https://%b/" % host).addErrback(lambda _: None)
                tls = TLSServer(self.reactor.accept(), identity.context())
                self.assertEqual(tls.serverName, name)
                self.assertIn(b"GET / HTTP/1.1", tls.plain)


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
