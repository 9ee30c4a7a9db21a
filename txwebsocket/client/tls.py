# -*- test-case-name: tests.client.test_tls -*-
# Part of txwebsocket. See LICENSE for details.
"""
TLS, as clients speak it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, TypeAlias
from weakref import ref

import twisted
from incremental import Version
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.ssl import (
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from txwebsocket.client.certificatecheck import chainFault, checkHost
from txwebsocket.connection.errors import CertificateRejected

_TWISTED: Version = twisted.version  # type: ignore[attr-defined]
# The first whose own check of names accepts certificates that it can't read. Those
# before it are checked by their own code, which does not tell the name beforehand.
_CARELESS_TWISTED = Version("Twisted", 26, 4, 0)

TLSChoice: TypeAlias = IPolicyForHTTPS | IOpenSSLClientConnectionCreator
"""
How servers prove who they are: by a policy, which knows their names, or always in the
same way.
"""


@implementer(IPolicyForHTTPS)
class TLSPolicy:
    """
    A server's certificate must be valid, for the server's host, and trusted.

    The host is checked by RFC 9525, whichever Twisted is installed. A connection to a
    server with another certificate fails with :exc:`CertificateRejected`.

    :param trustRoot: whom to trust: a ``Certificate`` of an authority, what
        ``trustRootFromCertificates`` makes of several, or, if None, the platform's.
    :param clientCertificate: the ``PrivateCertificate`` with which we prove who we are
        to servers that ask.
    :param extraCertificateOptions: more arguments for Twisted's ``CertificateOptions``,
        such as ``raiseMinimumTo``.
    """

    def __init__(
        self,
        trustRoot: Any = None,
        clientCertificate: PrivateCertificate | None = None,
        extraCertificateOptions: Mapping[str, Any] | None = None,
    ) -> None:
        self._trustRoot = platformTrust() if trustRoot is None else trustRoot
        self._extra = _withCertificate(clientCertificate, extraCertificateOptions)

    @cached_property
    def _options(self) -> CertificateOptions:
        # Loading the authorities takes long, and the first connection needs them.
        return CertificateOptions(trustRoot=self._trustRoot, **self._extra)

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        """
        What TLS with a host starts with.
        """
        host = _withoutDot(hostname.decode("ascii"))
        return _CheckingCreator(_PlainCreator(self._options, host), host)


@implementer(IPolicyForHTTPS)
class InsecureTLSPolicy:
    """
    Any certificate will do, so that anybody on the way to the server can read and
    change everything. Only for tests, and where something else proves who is there.

    :param clientCertificate: the ``PrivateCertificate`` with which we prove who we are
        to servers that ask.
    :param extraCertificateOptions: more arguments for Twisted's ``CertificateOptions``.
    """

    def __init__(
        self,
        clientCertificate: PrivateCertificate | None = None,
        extraCertificateOptions: Mapping[str, Any] | None = None,
    ) -> None:
        options = _withCertificate(clientCertificate, extraCertificateOptions)
        self._options = CertificateOptions(**options)

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        """
        What TLS with a host starts with.
        """
        return _PlainCreator(self._options, _withoutDot(hostname.decode("ascii")))


def _withCertificate(
    certificate: PrivateCertificate | None, extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    """
    Twisted's options for TLS, with our own certificate among them.
    """
    options = dict(extra or {})
    if certificate is not None:
        options["privateKey"] = certificate.privateKey.original
        options["certificate"] = certificate.original
    return options


def _withoutDot(host: str) -> str:
    """
    RFC 6066, 3: the server's name has no final dot in TLS.
    """
    return host.removesuffix(".")


@implementer(IOpenSSLClientConnectionCreator)
class _PlainCreator:
    """
    Tell the server which name is wanted, and check no name.
    """

    def __init__(self, options: CertificateOptions, host: str) -> None:
        self._options = options
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._options.getContext(), None)
        if not isIPAddress(self._host) and not isIPv6Address(self._host):
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        return connection


@implementer(IOpenSSLClientConnectionCreator)
class _CheckingCreator:
    """
    Accept only certificates that are trusted, and for the host.

    :param creator: makes the connection, and tells the server which name is wanted.
    :param host: the name or address that certificates must be for.
    """

    def __init__(self, creator: IOpenSSLClientConnectionCreator, host: str) -> None:
        self._creator = creator
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = self._creator.clientConnectionForTLS(tlsProtocol)
        check = _CertificateCheck(self._host, tlsProtocol)
        connection.set_verify(SSL.VERIFY_PEER, check)
        return connection


class _CertificateCheck:
    """
    Tell OpenSSL whether to accept each certificate of a chain.

    :param host: the host that the last one must be for.
    """

    def __init__(self, host: str, tlsProtocol: TLSMemoryBIOProtocol) -> None:
        self._host = host
        # The protocol owns the connection, and that owns us.
        self._protocol = ref(tlsProtocol)

    def __call__(
        self,
        connection: SSL.Connection,
        certificate: X509,
        code: int,
        depth: int,
        isTrusted: int,
    ) -> bool:
        try:
            if not isTrusted:
                fault = chainFault(certificate.to_cryptography(), code, depth)
                raise CertificateRejected(self._host, fault)
            if depth == 0:
                checkHost(certificate.to_cryptography(), self._host)
        except CertificateRejected as error:
            return self._reject(error)
        except BaseException as error:  # noqa: BLE001 - nothing raised is a proof
            reason = f"it can't be read: {error}"
            return self._reject(CertificateRejected(self._host, reason))
        return True

    def _reject(self, error: CertificateRejected) -> bool:
        protocol = self._protocol()
        if protocol is not None:
            protocol.failVerification(Failure(error))
        return False


@implementer(IPolicyForHTTPS)
class _Always:
    """
    Start TLS in the same way with every host.
    """

    def __init__(self, creator: IOpenSSLClientConnectionCreator) -> None:
        self._creator = creator

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        """
        What TLS with a host starts with.
        """
        return self._creator


def choosePolicy(choice: TLSChoice | None) -> IPolicyForHTTPS:
    """
    Make a policy of a policy, a connection creator, or None for the default.

    :raises TypeError: if it is something else, or would check no host's name.
    """
    if choice is None:
        return TLSPolicy()
    if IPolicyForHTTPS.providedBy(choice):
        return choice
    if isinstance(choice, CertificateOptions):
        raise TypeError(
            "tlsPolicy can't be CertificateOptions, which check no host's name; give "
            "them to TLSPolicy as extraCertificateOptions"
        )
    if IOpenSSLClientConnectionCreator.providedBy(choice):
        return _Always(choice)
    raise TypeError(
        "tlsPolicy must be a TLSPolicy or another IPolicyForHTTPS, or what "
        f"optionsForClientTLS returns, not {choice!r}"
    )


def creatorFor(
    policy: IPolicyForHTTPS, host: str, port: int
) -> IOpenSSLClientConnectionCreator:
    """
    What TLS with a host starts with, by any policy.

    Where the policy leaves the check of names to Twisted, ours is made in its place.

    :raises UnicodeError: if the policy takes no such name.
    """
    name = _withoutDot(host)
    creator = policy.creatorForNetloc(name.encode("ascii"), port)
    if _TWISTED < _CARELESS_TWISTED or not _isCheckedByTwisted(creator):
        return creator
    # No public attribute has the name that was given to optionsForClientTLS.
    given = getattr(creator, "_hostnameASCII", name)
    return _CheckingCreator(creator, _withoutDot(given))


def _isCheckedByTwisted(creator: IOpenSSLClientConnectionCreator) -> bool:
    """
    Does Twisted's own code make the connection, and check names with it?
    """
    method = getattr(type(creator), "clientConnectionForTLS", None)
    return method is _twistedsCreator().clientConnectionForTLS


@cache
def _twistedsCreator() -> Any:
    """
    The class, private to Twisted, of what ``optionsForClientTLS`` returns.
    """
    return type(optionsForClientTLS("localhost", trustRootFromCertificates([])))


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """
    TLS over another endpoint.

    Twisted's own ``wrapClientTLS`` joins small writes by the time of the installed
    reactor, whichever reactor the endpoint is for.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        creator: IOpenSSLClientConnectionCreator,
        endpoint: IStreamClientEndpoint,
    ) -> None:
        self._reactor = reactor
        self._creator = creator
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, and begin to speak TLS.
        """
        factory = TLSMemoryBIOFactory(
            self._creator, True, protocolFactory, clock=self._reactor
        )
        return self._endpoint.connect(factory).addCallback(_inside)


def _inside(protocol: Any) -> IProtocol:
    """
    The protocol that the user's own factory has made.
    """
    inner: IProtocol = protocol.wrappedProtocol
    return inner
