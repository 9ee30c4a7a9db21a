# -*- test-case-name: tests.client.test_certificatecheck -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whether a certificate is for a host (RFC 9525), and what is wrong if it is not.

This check is our own because Twisted 26.4 and 26.10 accept a certificate where theirs
raises anything but a mismatch of names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509

from txwebsocket.connection.errors import CertificateRejected
from txwebsocket.wire.errors import shown

_NAMES_SHOWN = 3
_NAME_SIZE_SHOWN = 40

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# URLs take a host with such a last label for an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_CHAIN_FAULTS = {
    2: "the certificate of its issuer is missing",
    7: "its signature is not valid",
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed and not among the trusted certificates",
    19: "the authority at the end of its chain is not trusted",
    20: "its issuer is not trusted",
    21: "its issuer is not trusted, or the server does not send the whole chain",
    22: "its chain is too long",
    23: "it has been revoked",
    24: "it is not the certificate of an authority",
    25: "its chain is longer than an authority in it allows",
    26: "it is not for TLS servers",
    47: "an authority in its chain may not certify its names",
    48: "an authority in its chain may not certify its names",
    66: "its key is too weak",
    67: "its key is too weak",
    68: "its signature is too weak",
}


def chainFault(certificate: x509.Certificate, code: int, depth: int) -> str:
    """
    Say why OpenSSL does not trust a certificate of a chain.

    :param code: the number that OpenSSL has for the reason (``X509_V_ERR_*``).
    :param depth: the certificate's place: 0 for that of the server.
    """
    fault = _CHAIN_FAULTS.get(code, f"OpenSSL does not trust it, by its error {code}")
    if depth == 0:
        return fault
    subject = certificate.subject.rfc4514_string()
    return f"in its chain, the certificate {shown(subject[:80])}: {fault}"


def checkHost(certificate: x509.Certificate, host: str) -> None:
    """
    Make sure that a certificate is for a host.

    Only DNS names and IP addresses of its subjectAltName count. Identifiers of other
    types, and names that are not valid, identify no host.

    :param host: a name in ASCII without a final dot, or an address.
    :raises CertificateRejected: saying what is wrong with the certificate.
    """
    try:
        alternatives = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        # RFC 9525, 2: the common name does not count.
        raise CertificateRejected(host, "it has no subjectAltName") from None
    names = alternatives.get_values_for_type(x509.DNSName)
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    address = _addressOf(host)
    if address is None:
        isForHost = any(_matches(name.lower(), host.lower()) for name in names)
    else:
        isForHost = address in addresses
    if not isForHost:
        raise CertificateRejected(host, _purpose(names, addresses))


def _addressOf(host: str) -> IPv4Address | IPv6Address | None:
    try:
        # A zone means something on this machine alone.
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _matches(pattern: str, host: str) -> bool:
    """
    RFC 9525, 6.3: a wildcard stands for one whole label.
    """
    if _patternFault(pattern) is not None:
        return False
    if "*" not in pattern:
        return pattern == host
    label, _, parent = host.partition(".")
    return pattern == f"*.{parent}" and _LABEL.fullmatch(label) is not None


def _patternFault(pattern: str) -> str | None:
    """
    What keeps a DNS name in a certificate from being valid, if anything.
    """
    first, *others = pattern.split(".")
    isWildcard = first == "*"
    labels = others if isWildcard else [first, *others]
    if isWildcard and len(labels) < 2:
        return "a wildcard needs at least two labels behind it"
    if any("*" in label for label in labels):
        return "a wildcard must be the whole first label"
    if _NUMBER.fullmatch(labels[-1]):
        return "an address is not a DNS name"
    # Names that are written out may have an underscore, as name servers know them.
    if not all(_LABEL.fullmatch(label.replace("_", "x")) for label in labels):
        return "it is not a DNS name"
    return None


def _purpose(names: Sequence[str], addresses: Sequence[object]) -> str:
    """
    Which hosts a certificate is for, and the first fault in their names.
    """
    hosts = [*map(_quoted, names), *map(str, addresses)]
    if not hosts:
        return "its subjectAltName has neither a DNS name nor an IP address"
    more = len(hosts) - _NAMES_SHOWN
    told = f"it is for {', '.join(hosts[:_NAMES_SHOWN])}"
    told += f" and {more} more" if more > 0 else ""
    for name in names:
        fault = _patternFault(name.lower())
        if fault is not None:
            return f"{told}; {_quoted(name)} is not valid: {fault}"
    return told


def _quoted(name: str) -> str:
    return ascii(name[:_NAME_SIZE_SHOWN])
