"""TLS contexts: a certificate made on the spot works and names the host; a bad file is told."""

from __future__ import annotations

import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bindpost.config.model import Tls
from bindpost.errors import ConfigError
from bindpost.server.smtp.tls import SELF_SIGNED, make_context, self_signed_pem

HOST = "mail.example.test"


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Let two ends shake hands in memory and give the client's."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [client_end, server_end]
    while waiting:
        end = waiting.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(end)
    return client_end


def _trusting(pem: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificate = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM)
    context.load_verify_locations(cadata=certificate.decode())
    return context


@pytest.fixture(scope="module")
def pem() -> bytes:
    """Give a key and a certificate for `HOST`."""
    return self_signed_pem(HOST)


@pytest.fixture(scope="module")
def other_pem() -> bytes:
    """Give another key and certificate."""
    return self_signed_pem("other.example.test")


def _parts(pem: bytes) -> tuple[bytes, bytes]:
    """Give key and certificate apart."""
    marker = b"-----BEGIN CERTIFICATE-----"
    key, certificate = pem.split(marker)
    return key, marker + certificate


def test_no_certificate_is_no_context(tmp_path: Path) -> None:
    """Without a certificate there is no TLS."""
    assert make_context(Tls(), hostname=HOST, folder=tmp_path) is None


@pytest.mark.parametrize("name", [HOST, "localhost", "127.0.0.1", "::1"])
def test_a_clients_check_of_the_host_passes(tmp_path: Path, pem: bytes, name: str) -> None:
    """A client that trusts the certificate accepts it for the host's name and for loopback."""
    (tmp_path / "cert.pem").write_bytes(pem)
    server = make_context(Tls(certificate="cert.pem"), hostname=HOST, folder=tmp_path)
    assert server is not None

    client = _handshake(server, _trusting(pem), name)

    assert client.version() in {"TLSv1.2", "TLSv1.3"}


def test_a_clients_check_of_another_host_fails(tmp_path: Path, pem: bytes) -> None:
    """The certificate is for no other name."""
    (tmp_path / "cert.pem").write_bytes(pem)
    server = make_context(Tls(certificate="cert.pem"), hostname=HOST, folder=tmp_path)
    assert server is not None

    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, _trusting(pem), "elsewhere.example.test")


@pytest.mark.parametrize("host", [HOST, "nt4", "NT_SERVER", "x" * 100 + ".test", "größe.test"])
def test_self_signed_shakes_hands(tmp_path: Path, host: str) -> None:
    """`self-signed` gives a context that works, whatever the machine is called."""
    server = make_context(Tls(certificate=SELF_SIGNED), hostname=host, folder=tmp_path)
    assert server is not None
    client = ssl.create_default_context()
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE

    certificate = _handshake(server, client, "localhost").getpeercert(binary_form=True)

    assert certificate is not None
    names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == [
        *([host] if host.isascii() else []),
        "localhost",
    ]
    assert names.value.get_values_for_type(x509.IPAddress) == [
        ip_address("127.0.0.1"),
        ip_address("::1"),
    ]


def test_self_signed_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The private key does not stay on the disk."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    make_context(Tls(certificate=SELF_SIGNED), hostname=HOST, folder=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_made_certificate_is_valid_now(pem: bytes) -> None:
    """It is valid from the past on for no longer than browsers accept (398 days)."""
    certificate = x509.load_pem_x509_certificate(pem)

    now = datetime.now(UTC)

    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime < timedelta(days=398)


def test_each_certificate_has_a_key_of_its_own() -> None:
    """No two runs share a key."""
    assert self_signed_pem(HOST) != self_signed_pem(HOST)


def test_key_and_certificate_may_be_two_files(tmp_path: Path, pem: bytes) -> None:
    """`tls.key` names the key where it is not in the certificate's file."""
    key, certificate = _parts(pem)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "cert.pem").write_bytes(certificate)
    tls = Tls(certificate="cert.pem", key=str(tmp_path / "key.pem"))

    server = make_context(tls, hostname=HOST, folder=tmp_path)

    assert server is not None
    assert _handshake(server, _trusting(pem), HOST).version()


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    """The error names the setting and the file."""
    with pytest.raises(ConfigError, match=r"tls\.certificate: .*absent\.pem"):
        make_context(Tls(certificate="absent.pem"), hostname=HOST, folder=tmp_path)


def test_a_missing_key_is_told(tmp_path: Path, pem: bytes) -> None:
    """The error names the key's setting and file."""
    (tmp_path / "cert.pem").write_bytes(pem)

    with pytest.raises(ConfigError, match=r"tls\.key: .*absent\.pem"):
        make_context(Tls(certificate="cert.pem", key="absent.pem"), hostname=HOST, folder=tmp_path)


def test_a_folder_is_no_certificate(tmp_path: Path) -> None:
    """A folder is told as a file that is not there."""
    with pytest.raises(ConfigError, match=r"tls\.certificate"):
        make_context(Tls(certificate="."), hostname=HOST, folder=tmp_path)


def test_unusable_files_are_told(tmp_path: Path, pem: bytes, other_pem: bytes) -> None:
    """Garbage, an empty file, a key alone, no key, a foreign key and a locked key are all told."""
    key, certificate = _parts(pem)
    other_key, _ = _parts(other_pem)
    private = serialization.load_pem_private_key(key, None)
    locked_key = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    contents = {
        "garbage": b"\0\xff not a certificate",
        "empty": b"",
        "key-alone": key,
        "no-key": certificate,
        "foreign-key": other_key + certificate,
        "locked-key": locked_key + certificate,
        "cut": pem[:-100],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

        with pytest.raises(ConfigError, match=r"tls\.certificate: cannot use") as caught:
            make_context(Tls(certificate=name), hostname=HOST, folder=tmp_path)

        assert name in str(caught.value)


def test_without_cryptography_a_certificate_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extra isn't installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(ConfigError, match=r"install bindpost\[tls\]"):
        make_context(Tls(certificate=SELF_SIGNED), hostname=HOST, folder=tmp_path)
