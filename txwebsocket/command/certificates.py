# -*- test-case-name: tests.command.test_certificates -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whose certificates are believed, and which one the server is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from OpenSSL import crypto
from twisted.internet.error import VerifyError
from twisted.internet.ssl import (
    Certificate,
    KeyPair,
    PrivateCertificate,
    trustRootFromCertificates,
)
from twisted.python.usage import UsageError
from twisted.web.iweb import IPolicyForHTTPS

from txwebsocket.client.tls import InsecureTLSPolicy, TLSPolicy

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
    own, extra = (None, None) if cert is None else _shown(cert, key or cert)
    if insecure:
        return InsecureTLSPolicy(own, extra)
    root = None if ca is None else trustRootFromCertificates(_certificates(ca))
    return TLSPolicy(root, own, extra)


def _certificates(path: str) -> list[Certificate]:
    return _read("--ca", path, "a certificate in PEM", _parseCertificates)


def _shown(cert: str, key: str) -> tuple[PrivateCertificate, dict[str, Any]]:
    """
    Our own certificate with its key, and those between it and an authority.
    """
    first, *chain = _read("--cert", cert, "a certificate in PEM", _parseCertificates)
    pair = _read("--key", key, "a private key in PEM", _parseKey)
    try:
        own = PrivateCertificate.fromCertificateAndKeyPair(first, pair)
    except VerifyError:
        raise UsageError(f"--key: {key!r} is not the key of {cert!r}") from None
    return own, {"extraCertChain": [each.original for each in chain]}


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
