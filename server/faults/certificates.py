"""Certificates that are wrong on purpose, and the authority that makes the wrong only one thing."""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import ssl
from typing import TYPE_CHECKING, Final, Literal, final

from ..pem import context_with, write_pem

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

Wrong = Literal["tls-expired", "tls-wrong-name", "tls-untrusted"]
WRONG: Final[tuple[Wrong, ...]] = ("tls-expired", "tls-wrong-name", "tls-untrusted")
OTHER_HOST: Final = "wrong.invalid"
"""Whom the certificate of another host is for."""
_DAY: Final = datetime.timedelta(days=1)


def can_be_made() -> bool:
    """Say whether the extra `tls` is installed, which makes certificates."""
    return importlib.util.find_spec("cryptography") is not None


class _Authority:
    """A key, and the certificate that says it is an authority's."""

    def __init__(self, name: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _certificate(
            name, self.key.public_key(), issuer=None, key=self.key, ends=365 * _DAY
        )


@final
class WrongCertificates:
    """
    The contexts for handshakes that a careful client must refuse; made when they are asked for.

    A client that trusts `authority` finds exactly one thing wrong with each: the time, the name,
    or, with the third, that its authority is another.
    """

    def __init__(self) -> None:
        self._trusted: _Authority | None = None
        self._contexts: dict[tuple[Wrong, str], ssl.SSLContext] = {}

    @property
    def authority(self) -> bytes:
        """The certificate of the authority, as PEM; of this run only."""
        from cryptography.hazmat.primitives import serialization

        return self._authority.certificate.public_bytes(serialization.Encoding.PEM)

    def context(self, wrong: Wrong, hostname: str) -> ssl.SSLContext:
        """Give the context of a server with such a certificate."""
        if (wrong, hostname) not in self._contexts:
            self._contexts[wrong, hostname] = self._made(wrong, hostname)
        return self._contexts[wrong, hostname]

    @property
    def _authority(self) -> _Authority:
        if self._trusted is None:
            self._trusted = _Authority("bindpost's faults")
        return self._trusted

    def _made(self, wrong: Wrong, hostname: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives.asymmetric import ec

        untrusted = wrong == "tls-untrusted"
        authority = _Authority("Nobody knows me") if untrusted else self._authority
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(
            OTHER_HOST if wrong == "tls-wrong-name" else hostname,
            key.public_key(),
            issuer=authority.certificate,
            key=authority.key,
            ends=-_DAY if wrong == "tls-expired" else 30 * _DAY,
        )
        return context_with(write_pem(key, certificate))


def _certificate(
    name: str,
    public: ec.EllipticCurvePublicKey,
    *,
    issuer: x509.Certificate | None,
    key: ec.EllipticCurvePrivateKey,
    ends: datetime.timedelta,
) -> x509.Certificate:
    """Make a certificate; without an issuer it is an authority's, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * _DAY)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    if issuer is None:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment"),
                *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        usages = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage)
        builder = builder.add_extension(usages, critical=True)
    else:
        names = [x509.DNSName(name)] if name == OTHER_HOST else _names(name)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


def _names(hostname: str) -> list[x509.GeneralName]:
    from cryptography import x509

    hosts = ["localhost", *([hostname] if hostname.isascii() else [])]
    addresses = [x509.IPAddress(ipaddress.ip_address(host)) for host in ("127.0.0.1", "::1")]
    return [*map(x509.DNSName, hosts), *addresses]
