"""What speaks on a port: told from bytes that came anyway, or from what it answers to probes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from .symptom import Service

HEARD: Final = 256
"""Bytes that are looked at."""
V4_OPENING: Final = b"\x04\x01\x00\x00\x00\x00\x00\x00\x00"
"""SOCKS4 CONNECT to 0.0.0.0:0, which is nowhere: it can only be refused."""

_STARTS: Final = ((b"HTTP/", Service.HTTP), (b"SSH-", Service.SSH))
_V4_REPLIES: Final = range(0x5A, 0x5E)
_V5_METHODS: Final = (0x00, 0x01, 0x02, 0xFF)
_TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
"""An alert, a handshake; then the major version (RFC 8446, 5.1)."""


def name_of(heard: bytes) -> Service | None:
    """Name a service by the first bytes that it sent; None if they tell nothing."""
    for prefix, service in _STARTS:
        if heard.startswith(prefix):
            return service
    if heard.startswith((b"220 ", b"220-")):
        return Service.FTP if b"FTP" in heard.upper() else Service.SMTP
    if heard.startswith(_TLS_RECORDS):
        return Service.TLS
    if len(heard) < 2:
        return None
    if heard[0] == 0 and heard[1] in _V4_REPLIES:
        return Service.SOCKS4
    if heard[0] == 5 and heard[1] in _V5_METHODS:
        return Service.SOCKS5
    return None


async def probe(host: str, port: int, *, seconds: float) -> Service | None:
    """
    Name a service by what it answers to SOCKS5, SOCKS4, HTTP and TLS, one connection for each.

    Stops at the first that tells something. A connection is given `seconds`, and may be closed in
    the middle of its greeting; nothing is bound and nothing is fetched.
    """
    for opening in _openings():
        heard = b""
        with suppress(OSError):
            async with asyncio.timeout(seconds):
                heard = await _ask(host, port, opening)
        if (service := name_of(heard)) is not None:
            return service
    return None


async def _ask(host: str, port: int, opening: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(opening)
        return await reader.read(HEARD)
    finally:
        writer.transport.abort()


def _openings() -> Iterator[bytes]:
    yield b"\x05\x02\x00\x02"
    yield V4_OPENING
    yield b"GET / HTTP/1.0\r\n\r\n"
    yield _client_hello()


def _client_hello() -> bytes:
    """Give the first bytes of a TLS client, whatever the server's name."""
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is ever sent over it
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()
