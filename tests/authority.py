"""An authority of the tests' own, which signs certificates of clients and servers."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def name_of(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """Make a distinguished name."""
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


@final
class Authority:
    """A key and a certificate by which others are signed; `folder` takes what it makes."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of((NameOID.ORGANIZATION_NAME, "bindpost"), (NameOID.COMMON_NAME, name))
        self._issued = 0
        own = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def issue(
        self,
        subject: x509.Name,
        names: Sequence[x509.GeneralName] = (),
        *,
        alternatives: bytes | None = None,
    ) -> Path:
        """
        Give a PEM file with a key and its certificate.

        `names` are for the subjectAltName; `alternatives` are its bytes instead, whatever they are.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key.public_key())
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if alternatives is not None:
            kind = x509.OID_SUBJECT_ALTERNATIVE_NAME
            odd = x509.UnrecognizedExtension(kind, alternatives)
            builder = builder.add_extension(odd, critical=False)
        self._issued += 1
        path = self._folder / f"{self.file.stem}-{self._issued}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + _pem(builder.sign(self._key, hashes.SHA256())))
        return path

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
