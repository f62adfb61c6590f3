"""Half-open TLS handshakes besiege a listener: honest clients get theirs, and memory is bounded."""

from __future__ import annotations

import resource
import smtplib
import socket
import ssl
import sys
import time
from pathlib import Path

import pytest

from bindpost.testing import Serve

from .test_siege import ANSWERED, MAIL, MEMORY, _peak

HALF_OPEN = 1_000
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a ClientHello begins."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
    pytest.mark.skipif(
        resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4 * HALF_OPEN,
        reason="the system allows too few open files",
    ),
]


def _half_open(address: tuple[str, int], *, says_starttls: bool) -> socket.socket:
    """Come to the handshake, and begin it."""
    connection = socket.create_connection(address)
    if says_starttls:
        with connection.makefile("rb") as replies:
            replies.readline()
            connection.sendall(b"STARTTLS\r\n")
            assert replies.readline().startswith(b"220")
    connection.sendall(HELLO)
    return connection


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_honest_clients_get_their_handshake(serve: Serve, tmp_path: Path, tls: str) -> None:
    """While as many others never go on with theirs; the service ends in time all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * HALF_OPEN), hard))
    settings = tmp_path / "bindpost.toml"
    settings.write_text(
        f'[[listener]]\nendpoint = "127.0.0.1:0"\ntls = "{tls}"\n[limits]\ndrain = 1.0\n'
    )
    serving = serve("--config", str(settings), listen="").wait_ready()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    half_open: list[socket.socket] = []
    times = []
    try:
        half_open.extend(
            _half_open(serving.smtp, says_starttls=tls == "starttls") for _ in range(HALF_OPEN)
        )
        for _ in range(5):
            begun = time.monotonic()
            if tls == "implicit":
                client: smtplib.SMTP = smtplib.SMTP_SSL(*serving.smtp, timeout=60, context=context)
            else:
                client = smtplib.SMTP(*serving.smtp, timeout=60)
                client.starttls(context=context)
            with client:
                client.sendmail("honest@example.org", ["b@example.org"], MAIL)
                times.append(time.monotonic() - begun)
        peak = _peak(serving.process.pid)
        assert serving.stop() == 0
    finally:
        for connection in half_open:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    print(f"{tls}: longest {max(times):.3f} s; memory {peak >> 20} MiB")  # noqa: T201 - as the siege
    assert max(times) < ANSWERED * 3
    assert peak < MEMORY
