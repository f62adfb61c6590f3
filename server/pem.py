"""A key and its certificate that are in memory only: as PEM, and as what a server shows."""

from __future__ import annotations

import ssl
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec


def write_pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    """Give a key, unencrypted, and its certificate as PEM."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def context_with(pem: bytes) -> ssl.SSLContext:
    """
    Give the context of a server that shows a certificate; `pem` has its key, too.

    It goes through a private file for a moment: the ssl module reads no other way.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
