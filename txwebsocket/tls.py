# -*- test-case-name: tests.test_tls -*-
# Part of txwebsocket. See LICENSE for details.
"""
TLS, as clients speak it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from OpenSSL import SSL
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
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import HostnameCachingHTTPSPolicy
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

TLSChoice: TypeAlias = IPolicyForHTTPS | IOpenSSLClientConnectionCreator
"""
How servers prove who they are: by a policy, which knows their names, or always in the
same way.
"""


@implementer(IPolicyForHTTPS)
class TLSPolicy:
    """
    A server's certificate must be valid, for the server's host, and trusted.

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
        self._trustRoot = trustRoot
        self._clientCertificate = clientCertificate
        self._extra = extraCertificateOptions or {}

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        """
        What TLS with a host starts with.
        """
        return optionsForClientTLS(
            hostname.decode("ascii"),
            self._trustRoot,
            self._clientCertificate,
            # A copy, since Twisted adds the client's certificate to it.
            extraCertificateOptions=dict(self._extra),
        )


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
        options = dict(extraCertificateOptions or {})
        if clientCertificate is not None:
            options["privateKey"] = clientCertificate.privateKey.original
            options["certificate"] = clientCertificate.original
        self._options = CertificateOptions(**options)

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        """
        What TLS with a host starts with.
        """
        return _InsecureCreator(self._options, hostname)


@implementer(IOpenSSLClientConnectionCreator)
class _InsecureCreator:
    """
    Tell the server which name is wanted, and believe it.
    """

    def __init__(self, options: CertificateOptions, hostname: bytes) -> None:
        self._options = options
        self._hostname = hostname

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._options.getContext(), None)
        name = self._hostname.decode("ascii")
        if not isIPAddress(name) and not isIPv6Address(name):
            connection.set_tlsext_host_name(self._hostname)
        return connection


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
    The policy that somebody means who gives a policy, a connection creator, or None.

    Policies of ours keep what they make for a host, since making it takes long.

    :raises TypeError: if it is something else, or would check no host's name.
    """
    if choice is None:
        choice = TLSPolicy()
    if isinstance(choice, TLSPolicy):
        return HostnameCachingHTTPSPolicy(choice)
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
