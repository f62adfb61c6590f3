"""TLS contexts of the listeners: from a certificate of the user's, or one made on the spot."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bindpost.config.kinds import Asking
from bindpost.config.model import Tls, WebAccess
from bindpost.errors import ConfigError

from ..pem import context_with, write_pem

SELF_SIGNED: Final = "self-signed"
_LIFETIME: Final = datetime.timedelta(days=397)


def make_context(
    tls: Tls | WebAccess, *, hostname: str, folder: Path, table: str = "tls"
) -> ssl.SSLContext | None:
    """
    Give the server's TLS context, None when no certificate is set.

    `folder` is what relative file names are relative to, `table` the one of the settings that is
    read. Raises `ConfigError`.
    """
    if not tls.certificate:
        return None
    return _loader(tls, hostname=hostname, folder=folder, table=table)()


def make_contexts(tls: Tls, *, hostname: str, folder: Path) -> Mapping[Asking, ssl.SSLContext]:
    """
    Give the TLS contexts of listeners, all with one certificate, by how they ask their clients.

    There are none without a certificate, and only `off` without `tls.client_ca`. Raises
    `ConfigError`.
    """
    if not tls.certificate:
        if tls.client_ca:
            raise ConfigError(
                "tls.client_ca",
                "clients show certificates in TLS only, and there is no TLS",
                hint="give a certificate in tls.certificate; self-signed will do",
            )
        return {}
    load = _loader(tls, hostname=hostname, folder=folder, table="tls")
    contexts: dict[Asking, ssl.SSLContext] = {"off": load()}
    if tls.client_ca:
        contexts["optional"] = _asking(load(), folder / tls.client_ca, ssl.CERT_OPTIONAL)
        contexts["required"] = _asking(load(), folder / tls.client_ca, ssl.CERT_REQUIRED)
    return contexts


def _asking(context: ssl.SSLContext, authorities: Path, mode: ssl.VerifyMode) -> ssl.SSLContext:
    """Let a context ask clients for certificates that these authorities have signed."""
    try:
        context.load_verify_locations(authorities)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            "tls.client_ca",
            f"cannot use {authorities}: {error}",
            hint="give a file with one or more certificates in PEM",
        ) from error
    context.verify_mode = mode
    return context


def _loader(
    tls: Tls | WebAccess, *, hostname: str, folder: Path, table: str
) -> Callable[[], ssl.SSLContext]:
    """Give what makes contexts with the certificate that is set; made on the spot, it is one."""
    if tls.certificate == SELF_SIGNED:
        pem = self_signed_pem(hostname, table)
        return lambda: context_with(pem)
    certificate = folder / tls.certificate
    key = folder / tls.key if tls.key else None
    for name, path in ((f"{table}.certificate", certificate), (f"{table}.key", key)):
        if path is not None:
            _see_file(name, path)
    return lambda: _with_files(certificate, key, table)


def _with_files(certificate: Path, key: Path | None, table: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"{table}.certificate",
            f"cannot use {certificate}: {error}",
            hint=f"give a PEM certificate and, in {table}.key, its unencrypted PEM key",
        ) from error
    return context


def _see_file(name: str, path: Path) -> None:
    """Raise `ConfigError` unless there is a file, as far as this process may look."""
    try:
        is_there = path.is_file()
    except OSError as error:
        raise ConfigError(
            name, f"cannot see {path}: {error.strerror}", hint="let the service's user read it"
        ) from error
    if not is_there:
        raise ConfigError(name, f"there is no file {path}")


def self_signed_pem(hostname: str, table: str = "tls") -> bytes:
    """
    Make a key and a certificate for a host name, localhost and the loopback addresses, as PEM.

    Raises `ConfigError` when the extra `tls` isn't installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise ConfigError(
            f"{table}.certificate",
            "a self-signed certificate needs the package cryptography",
            hint="install bindpost[tls], or give a certificate of your own",
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hostname[:64])])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if hostname.isascii():
        names.insert(0, x509.DNSName(hostname))
    names += [x509.IPAddress(ipaddress.ip_address(host)) for host in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return write_pem(key, certificate)
