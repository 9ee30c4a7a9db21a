# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.certificatecheck`: certificates as servers show them,
with real TLS in memory, beside the verdicts of the standard library.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.ssl import Certificate

from tests.support.remote import (
    ClientReactor,
    ClientTestCase,
    Identity,
    Outcome,
    TLSServer,
    certify,
    sign,
)
from txwebsocket import (
    CertificateRejected,
    OpeningFailed,
    OpeningStep,
    TLSPolicy,
    WebSocketClient,
)
from txwebsocket.client.certificatecheck import checkHost

HOST = "example.com"
WWW = "www.example.com"

COMMON_NAME = "RFC 9525, 2: the common name does not count"
UNREADABLE = "a certificate that can't be read as a whole proves nothing"


class Case(NamedTuple):
    """
    A certificate of a trusted authority.

    :ivar what: what is special about it.
    :ivar alternatives: its subjectAltName: the names, or the bytes; None for none.
    :ivar words: what the error says if it is not accepted; "" if it is.
    :ivar host: the host of the URL.
    :ivar difference: why the standard library accepts it nevertheless.
    :ivar subject: the common name.
    """

    what: str
    alternatives: tuple[x509.GeneralName, ...] | bytes | None
    words: str = ""
    host: str = HOST
    difference: str = ""
    subject: str = "someone"


def dns(*names: str) -> tuple[x509.GeneralName, ...]:
    """
    DNS names; cryptography would make none that is not ASCII.
    """
    return tuple(map(x509.DNSName, names))


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def address(*texts: str) -> tuple[x509.GeneralName, ...]:
    return tuple(x509.IPAddress(ip_address(text)) for text in texts)


def raw(*names: tuple[int, bytes]) -> bytes:
    """
    The DER of names, each of them the number of its type and its bytes.
    """
    inner = b"".join(bytes([0x80 | tag, len(octets)]) + octets for tag, octets in names)
    return b"\x30" + bytes([len(inner)]) + inner


_DNS, _IP = 2, 7
_SRV = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x16\x04_a.b")
_DIRECTORY = x509.DirectoryName(x509.Name([]))
_NUMBER = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))

CASES = (
    # Names.
    Case("the host's name", dns(HOST)),
    Case("its name in capitals", dns("EXAMPLE.Com")),
    Case("its name among others", dns("a.example", HOST, "b.example")),
    Case("another name", dns("example.org"), "it is for 'example.org'"),
    Case("a name below the host's", dns(WWW), "it is for 'www.example.com'"),
    Case("the name above the host's", dns(HOST), "it is for 'example.com'", WWW),
    Case("a name that ends alike", dns("notexample.com"), "for 'notexample.com'"),
    Case("a name that begins alike", dns("example.com.evil.example"), "it is for 'ex"),
    Case("a single label", dns("localhost"), host="localhost"),
    Case("an international name", dns("xn--bcher-kva.example"), host="bücher.example"),
    Case("an underscore", dns("my_host.example"), host="my_host.example"),
    Case(
        "many names",
        dns(*(f"h{number}.example" for number in range(100))),
        "it is for 'h0.example', 'h1.example', 'h2.example' and 97 more",
    ),
    # Wildcards.
    Case("a wildcard for the label", dns("*.example.com"), host=WWW),
    Case("a wildcard for an underscore", dns("*.example.com"), "for '*", "a_b." + HOST),
    Case("a wildcard for an A-label", dns("*.a.example"), host="bü.a.example"),
    Case("a wildcard above", dns("*.example.com"), "it is for '*.example.com'"),
    Case("a wildcard for two labels", dns("*.example.com"), "for '*", "a.b." + HOST),
    Case("every name", dns("*"), "'*' is not valid: a wildcard needs at least two"),
    Case("every name in com", dns("*.com"), "'*.com' is not valid: a wildcard needs"),
    Case("every name, and the host's", dns("*", HOST)),
    Case("every name in com, and the host's", dns("*.com", HOST)),
    Case("a part of a label", dns("w*.example.com"), "must be the whole first", WWW),
    Case("the end of a label", dns("*w.example.com"), "must be the whole first", WWW),
    Case("a later label", dns("www.*.com"), "must be the whole first label", WWW),
    Case("two labels", dns("*.*.com"), "must be the whole first label", WWW),
    Case("a part of an A-label", dns("xn--*.a.b"), "whole first label", "bü.a.b"),
    # What is no name.
    Case("a final dot", dns("example.com."), "'example.com.' is not valid: it is not"),
    Case("a wildcard and a dot", dns("*.example.com."), "is not a DNS name", WWW),
    Case("a leading dot", dns(".example.com"), "is not a DNS name", WWW),
    Case("an empty name", dns(""), "'' is not valid: it is not a DNS name"),
    Case("an empty name, and the host's", dns("", HOST)),
    Case("spaces", dns(" example.com "), "it is not a DNS name"),
    Case("a zero byte", dns("example.com\0.evil.example"), "it is not a DNS name"),
    Case("what a terminal obeys", dns("\x1b[2J"), r"it is for '\x1b[2J'"),
    Case("UTF-8", raw((_DNS, "é.example".encode())), r"'\xe9.example' is not valid"),
    Case(
        "neither ASCII nor UTF-8, and the host's",
        raw((_DNS, b"\xe9"), (_DNS, HOST.encode())),
        "it can't be read: ",
        difference=UNREADABLE,
    ),
    # Addresses.
    Case("the host's address", address("192.0.2.7"), host="192.0.2.7"),
    Case("an address among others", address("::1", "192.0.2.7"), host="192.0.2.7"),
    Case("an IPv6 address", address("2001:db8:0:0::1"), host="[2001:db8::1]"),
    Case("another address", address("192.0.2.8"), "it is for 192.0.2.8", "192.0.2.7"),
    Case("an address in IPv6", address("::ffff:c000:207"), "for ::ffff:", "192.0.2.7"),
    Case("an address as a name", dns("192.0.2.7"), "is not a DNS name", "192.0.2.7"),
    Case("another as a name", dns("192.0.2.7"), "an address is not a DNS name"),
    Case("an IPv6 address as a name", dns("2001:db8::1"), "DNS", "[2001:db8::1]"),
    Case("an address as a name, and the host's", dns("192.0.2.7", HOST)),
    Case(
        "an address of five bytes, and the host's name",
        raw((_IP, b"12345"), (_DNS, HOST.encode())),
        "it can't be read: ",
        difference=UNREADABLE,
    ),
    Case("a short address", dns("127.1"), "is not a DNS name"),
    Case("a name for an address", dns(HOST), "it is for 'example.com'", "192.0.2.7"),
    Case("an address for a name", address("192.0.2.7"), "it is for 192.0.2.7"),
    Case("an address and the host's name", (*address("192.0.2.7"), *dns(HOST))),
    # What is of another type.
    Case("a urn: beside it", (uri("urn:uuid:f81d4fae"), *dns(HOST))),
    Case("an https: URI beside it", (*dns(HOST), uri("https://other.example/"))),
    Case("a SPIFFE ID beside it", (uri("spiffe://a/b"), *dns(HOST))),
    Case("a urn: beside another", (uri("urn:a"), *dns("a.b")), "it is for 'a.b'"),
    Case("its URL beside another", (uri("https://example.com"), *dns("a.b")), "'a.b'"),
    Case("an e-mail address beside it", (x509.RFC822Name("a@b.example"), *dns(HOST))),
    Case("a service beside it", (_SRV, *dns(HOST))),
    Case("a directory's name beside it", (_DIRECTORY, *dns(HOST))),
    Case("a number beside it", (_NUMBER, *dns(HOST))),
    Case("a urn: alone", (uri("urn:a"),), "has neither a DNS name nor an IP address"),
    Case("its URL alone", (uri("https://example.com/"),), "neither a DNS name nor"),
    Case("an e-mail address alone", (x509.RFC822Name("a@example.com"),), "neither"),
    Case("a service alone", (_SRV,), "neither a DNS name nor an IP address"),
    # No names.
    Case("no subjectAltName", None, "it has no subjectAltName"),
    Case(
        "its name as the subject alone",
        None,
        "it has no subjectAltName",
        difference=COMMON_NAME,
        subject=HOST,
    ),
    Case("another subject and its name", dns(HOST), subject="example.org"),
    Case("its subject and another name", dns("a.b"), "it is for 'a.b'", subject=HOST),
    Case("an empty subjectAltName", b"\x30\x00", "neither a DNS name nor an IP addr"),
    Case("garbage for names", b"\x30\x05abc", "is rejected: "),
)


class Verdict(NamedTuple):
    """
    What a client makes of a server's certificate.

    :ivar isAccepted: whether it is accepted.
    :ivar words: what the client says about it.
    """

    isAccepted: bool
    words: str = ""


def standardVerdict(authority: Identity, server: Identity, host: str) -> Verdict:
    """
    The verdict of the standard library, by a handshake in memory.
    """
    trusted = authority.certificate.public_bytes(Encoding.PEM).decode("ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=trusted)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=host)
    peer = SSL.Connection(server.context(), None)
    peer.set_accept_state()
    for _ in range(9):
        try:
            client.do_handshake()
            return Verdict(True)
        except ssl.SSLWantReadError:
            peer.bio_write(outgoing.read())
        except ssl.SSLCertVerificationError as error:
            return Verdict(False, str(error))
        try:
            peer.do_handshake()
        except SSL.WantReadError:
            pass
        incoming.write(peer.bio_read(65536))
    raise AssertionError("the handshake does not end")


class VerdictTestCase(ClientTestCase):
    """
    What tests of verdicts need.
    """

    authority = certify()

    def policy(self) -> TLSPolicy:
        """
        A policy that trusts our authority.
        """
        certificate = X509.from_cryptography(self.authority.certificate)
        return TLSPolicy(trustRoot=Certificate(certificate))

    def ourVerdict(self, server: Identity, host: str) -> Verdict:
        """
        Connect a client to a server; it opens, or fails without having sent a byte.
        """
        self.reactor = ClientReactor()
        client = WebSocketClient(self.reactor, tlsPolicy=self.policy())
        outcome = Outcome(client.connect(f"wss://{host}/"))
        tls = TLSServer(self.reactor.accept(), server.context())
        if tls.plain:
            tls.upgrade()
            return Verdict(self.opened(outcome).connected)
        error = self.failed(outcome, OpeningFailed)
        self.assertIs(error.step, OpeningStep.TLS)
        self.assertTrue(self.reactor.isIdle)
        return Verdict(False, str(error))

    def identity(
        self, *extensions: x509.ExtensionType, subject: str = "someone", **more: Any
    ) -> Identity:
        """
        A server's certificate of our authority.
        """
        constraints = x509.BasicConstraints(False, None)
        more.setdefault("issuer", self.authority)
        return sign(subject, constraints, *extensions, **more)


class HostTests(VerdictTestCase):
    """
    Tests of which host a certificate is for.
    """

    def identityFor(self, case: Case) -> Identity:
        """
        The certificate of a case.
        """
        extensions: list[x509.ExtensionType] = []
        if isinstance(case.alternatives, bytes):
            oid = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
            extensions.append(x509.UnrecognizedExtension(oid, case.alternatives))
        elif case.alternatives is not None:
            extensions.append(x509.SubjectAlternativeName(case.alternatives))
        return self.identity(*extensions, subject=case.subject)

    def test_names(self) -> None:
        """
        A client accepts a certificate that is for the URL's host. Any other ends the
        connection before a byte is sent.
        """
        wrong = [
            case.what
            for case in CASES
            if self.ourVerdict(self.identityFor(case), case.host).isAccepted
            is bool(case.words)
        ]
        self.assertEqual(wrong, [])

    def test_words(self) -> None:
        """
        The error says what is wrong with a certificate.
        """
        for case in CASES:
            verdict = self.ourVerdict(self.identityFor(case), case.host)
            self.assertIn(case.words, verdict.words, case.what)

    def test_standardLibrary(self) -> None:
        """
        The standard library's verdict is the same, or there is a reason why ours is
        stricter. It is never more lenient.
        """
        for case in CASES:
            host = case.host.strip("[]")
            verdict = standardVerdict(self.authority, self.identityFor(case), host)
            isAccepted = not case.words or bool(case.difference)
            self.assertIs(verdict.isAccepted, isAccepted, (case.what, verdict))

    def test_numbers(self) -> None:
        """
        A host that ends in a number is an address to others, and no name.
        """
        for name in ("127.1", "2130706433", "0x7f000001", "a.1"):
            certificate = self.identityFor(Case("", dns(name))).certificate
            error = self.assertRaises(CertificateRejected, checkHost, certificate, name)
            self.assertIn("an address is not a DNS name", error.reason)

    def test_size(self) -> None:
        """
        Forty certificates are compared, and no more than three verdicts differ.
        """
        self.assertGreater(len({case.what for case in CASES}), 40)
        self.assertEqual(sum(bool(case.difference) for case in CASES), 3)


class ChainTests(VerdictTestCase):
    """
    Tests of which certificates are trusted.
    """

    def cases(self) -> Iterable[tuple[Identity, str]]:
        """
        Certificates for the host that OpenSSL does not trust, and words of the error.
        """
        names = x509.SubjectAlternativeName(dns(HOST))
        onlyClients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        isAuthority = x509.BasicConstraints(True, None)
        elsewhere = x509.NameConstraints(dns("a.b"), None)
        stranger = sign("a stranger", isAuthority)
        late = sign("late", isAuthority, issuer=self.authority, ends=-1)
        narrow = sign("narrow", isAuthority, elsewhere, issuer=self.authority)
        nobody = self.identity(subject="no authority")
        yield self.identity(names, ends=-10), "it has expired"
        yield self.identity(names, begins=5), "it is not valid yet"
        yield self.identity(names, issuer=None), "it is self-signed and not among"
        yield self.identity(names, issuer=stranger), "its issuer is not trusted"
        yield self.identity(names, onlyClients), "it is not for TLS servers"
        for issuer, words in (
            (stranger, "the authority at the end of its chain is not trusted"),
            (late, "in its chain, the certificate CN=late: it has expired"),
            (narrow, "an authority in its chain may not certify its names"),
            (nobody, "in its chain, the certificate CN=no authority: "),
        ):
            identity = self.identity(names, issuer=issuer)
            yield identity._replace(chain=(issuer.certificate,)), words

    def test_chains(self) -> None:
        """
        A certificate that the standard library would not trust is not trusted either,
        and the error says why.
        """
        for identity, words in self.cases():
            self.assertFalse(standardVerdict(self.authority, identity, HOST).isAccepted)
            verdict = self.ourVerdict(identity, HOST)
            self.assertFalse(verdict.isAccepted, words)
            self.assertIn(words, verdict.words)
