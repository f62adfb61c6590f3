"""Services told from the first bytes that they send."""

from __future__ import annotations

import pytest

from bindpost.proxy.socks.naming import name_of
from bindpost.proxy.socks.symptom import Service


@pytest.mark.parametrize(
    ("heard", "service"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", Service.HTTP),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Service.SSH),
        (b"220 mail.example.com ESMTP Postfix\r\n", Service.SMTP),
        (b"220-mail.example.com\r\n", Service.SMTP),
        (b"220 ProFTPD Server\r\n", Service.FTP),
        (b"220 (vsFTPd 3.0.3)\r\n", Service.FTP),
        (b"\x15\x03\x01\x00\x02\x02\x46", Service.TLS),
        (b"\x16\x03\x03\x00\x7a", Service.TLS),
        (b"\x00\x5b\x00\x00\x00\x00\x00\x00", Service.SOCKS4),
        (b"\x00\x5a", Service.SOCKS4),
        (b"\x05\x00", Service.SOCKS5),
        (b"\x05\xff", Service.SOCKS5),
        (b"", None),
        (b"\x05", None),
        (b"\x00\x00", None),
        (b"220", None),
        (b"hello", None),
    ],
)
def test_name(heard: bytes, service: Service | None) -> None:
    """Each service is known by its first bytes, and nothing is guessed."""
    assert name_of(heard) is service
