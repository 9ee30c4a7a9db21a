# -*- test-case-name: tests.command.test_trust -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whose certificates are believed, and which one the server is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from OpenSSL import SSL, crypto
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.python.usage import UsageError
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

_T = TypeVar("_T")

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)


def makePolicy(
    ca: str | None, cert: str | None, key: str | None, insecure: bool
) -> IPolicyForHTTPS | None:
    """
    What the options of these names mean.

    :return: None, if none of them is given.
    :raises UsageError: naming the option and the file that is wrong.
    """
    if key is not None and cert is None:
        raise UsageError("--key: it belongs to a --cert, which is not given")
    if insecure and ca is not None:
        raise UsageError("--insecure: it believes everybody, whatever --ca says")
    if ca is None and cert is None and not insecure:
        return None
    return _Policy(
        trustRoot=None if ca is None else trustRootFromCertificates(_certificates(ca)),
        shown=None if cert is None else _shown(cert, key or cert),
        isVerified=not insecure,
    )


class _Shown:
    """
    Our own certificate, its key and those between it and an authority.
    """

    def __init__(self, certificates: list[Certificate], key: KeyPair) -> None:
        self.own = PrivateCertificate.fromCertificateAndKeyPair(certificates[0], key)
        self.chain = [each.original for each in certificates[1:]]


@implementer(IPolicyForHTTPS)
class _Policy:
    """
    The same for every server.
    """

    def __init__(
        self, *, trustRoot: Any, shown: _Shown | None, isVerified: bool
    ) -> None:
        self._trustRoot = trustRoot
        self._shown = shown
        self._isVerified = isVerified

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        name = hostname.decode("ascii")
        shown = self._shown
        if not self._isVerified:
            return _UnverifiedCreator(name, self._unverified())
        options: dict[str, Any] = {"trustRoot": self._trustRoot}
        if shown is not None:
            options["clientCertificate"] = shown.own
            options["extraCertificateOptions"] = {"extraCertChain": shown.chain}
        return optionsForClientTLS(name, **options)

    def _unverified(self) -> SSL.Context:
        shown = self._shown
        if shown is None:
            return CertificateOptions().getContext()
        return CertificateOptions(
            privateKey=shown.own.privateKey.original,
            certificate=shown.own.original,
            extraCertChain=shown.chain,
        ).getContext()


@implementer(IOpenSSLClientConnectionCreator)
class _UnverifiedCreator:
    """
    Believe whoever answers.
    """

    def __init__(self, name: str, context: SSL.Context) -> None:
        self._name = name
        self._context = context

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        if not isIPAddress(self._name) and not isIPv6Address(self._name):
            # The server may have to choose among its certificates all the same.
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        return connection


def _certificates(path: str) -> list[Certificate]:
    return _read("--ca", path, "a certificate in PEM", _parseCertificates)


def _shown(cert: str, key: str) -> _Shown:
    certificates = _read("--cert", cert, "a certificate in PEM", _parseCertificates)
    pair = _read("--key", key, "a private key in PEM", _parseKey)
    try:
        return _Shown(certificates, pair)
    except VerifyError:
        raise UsageError(f"--key: {key!r} is not the key of {cert!r}") from None


def _parseCertificates(pem: bytes) -> list[Certificate]:
    found = [Certificate.loadPEM(each) for each in _CERTIFICATE.findall(pem)]
    if not found:
        raise ValueError("no certificate")
    return found


def _parseKey(pem: bytes) -> KeyPair:
    return KeyPair(crypto.load_privatekey(crypto.FILETYPE_PEM, pem))


def _read(option: str, path: str, what: str, parse: Callable[[bytes], _T]) -> _T:
    try:
        return parse(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{option}: {path!r}: {error.strerror}") from None
    except (ValueError, TypeError, crypto.Error):
        raise UsageError(f"{option}: {path!r} has not {what}") from None
