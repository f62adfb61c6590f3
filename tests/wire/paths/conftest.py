"""What the tests of each bind path share: both loops, and a certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bindpost.server.smtp.tls import self_signed_pem

from ...fixtures import both_loops as both_loops


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key."""
    pytest.importorskip("cryptography")
    pem = tmp_path_factory.mktemp("tls") / "pem"
    pem.write_bytes(self_signed_pem("localhost"))
    return pem


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    """The client's side, which trusts that certificate."""
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def contexts(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Both sides, the server's first."""
    return server_tls, client_tls
