# Part of txwebsocket. See LICENSE for details.
"""
Certificates for one run.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """
    A certificate authority that is trusted by whom we tell to.

    :ivar path: its certificate.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            self._name,
            self._key,
            x509.BasicConstraints(ca=True, path_length=0),
            _SIGNS,
        )
        self.path = self._write(name, certificate)

    def certify(self, *names: str, title: str | None = None) -> dict[str, str]:
        """
        Make a certificate for a server, and its key.

        :param names: what it is for; without any it has no subjectAltName.
        :param title: the common name and the files' names; the first name if None.
        :return: their paths, as a driver expects them.
        """
        title = names[0] if title is None else title
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        alternatives = map(_generalName, names)
        certificate = self._sign(
            subject,
            key,
            x509.BasicConstraints(ca=False, path_length=None),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            *([x509.SubjectAlternativeName(alternatives)] if names else ()),
        )
        return {
            "certificate": self._write(title, certificate),
            "key": self._write(f"{title}-key", key),
        }

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: Any
    ) -> x509.Certificate:
        public = self._key.public_key()
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self._name, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension in (
            *extensions,
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(public),
        ):
            isCritical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            builder = builder.add_extension(extension, critical=isCritical)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, thing: Any) -> str:
        path = self._folder / f"{name}.pem"
        pem = serialization.Encoding.PEM
        if isinstance(thing, x509.Certificate):
            path.write_bytes(thing.public_bytes(pem))
        else:
            pkcs8 = serialization.PrivateFormat.PKCS8
            inTheClear = serialization.NoEncryption()
            path.write_bytes(thing.private_bytes(pem, pkcs8, inTheClear))
        return str(path)


def _generalName(name: str) -> x509.GeneralName:
    if name[0].isdigit():
        return x509.IPAddress(ip_address(name))
    if name.startswith("urn:"):
        return x509.UniformResourceIdentifier(name)
    return x509.DNSName(name)
