"""Post: one request to a target, within a deadline; no redirect is followed, no proxy asked."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import h11

from bindpost.errors import BindpostError

from .target import Target

_PIECE: Final = 16 * 1024
_ANSWER_LIMIT: Final = 64 * 1024
"""Bytes that are read of an answer before its status is known."""


class PostError(BindpostError):
    """No answer came. `reason` says why, `hint` what a person can do."""

    def __init__(self, reason: str, hint: str) -> None:
        self.reason = reason
        self.hint = hint
        super().__init__(reason)


async def post(
    target: Target, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float
) -> int:
    """
    Send a request and give the status of the answer, whatever it is, within so many seconds.

    Raises `PostError`.
    """
    step = "looking up the host"
    try:
        async with asyncio.timeout(seconds):
            addresses = await _addresses(target)
            step = "connecting"
            reader, writer = await _connect(target, addresses)
            step = "waiting for the answer"
            try:
                return await _exchange(target, reader, writer, headers, body)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise PostError(
            f"{target}, {step}: not done after {seconds:g} seconds",
            "let it answer 2xx at once and work afterwards, or raise webhook.timeout",
        ) from None


async def _addresses(target: Target) -> list[str]:
    """Give the addresses of the host to which a request may go."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PostError(f"looking up {target.host}: {reason}", "correct webhook.url") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    allowed = [address for address in addresses if target.allows(address)]
    if not allowed:
        raise PostError(
            f"{target.host} leads to {', '.join(addresses)}, where no webhook may go",
            "if that is meant, name the address or its network in webhook.networks",
        )
    return allowed


async def _connect(
    target: Target, addresses: Sequence[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that takes it."""
    problem = ""
    for address in addresses:
        try:
            return await asyncio.open_connection(
                address,
                target.port,
                ssl=target.context,
                server_hostname=target.host if target.context is not None else None,
            )
        except ssl.SSLError as error:
            raise PostError(
                f"{target}: TLS: {getattr(error, 'verify_message', '') or error.reason or error}",
                "see that its certificate is for this name; webhook.ca_file says whom to trust",
            ) from None
        except OSError as error:
            # asyncio puts the address in place of the system's words.
            words = os.strerror(error.errno) if error.errno else str(error)
            problem = f"{target} at {address}: {words}"
    raise PostError(problem, "see that it runs, and that webhook.url has its port")


async def _exchange(
    target: Target,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    headers: Sequence[tuple[str, str]],
    body: bytes,
) -> int:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_ANSWER_LIMIT)
    request = h11.Request(
        method="POST",
        target=target.path,
        headers=[
            ("Host", target.authority),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *headers,
        ],
    )
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(http.send(event) or b"")
    try:
        return await _status(http, reader)
    except (OSError, h11.RemoteProtocolError) as error:
        raise PostError(
            f"{target}: the answer is no HTTP: {error}", "see that webhook.url is a web server's"
        ) from None


async def _status(http: h11.Connection, reader: asyncio.StreamReader) -> int:
    """Give the status of the answer; its body is nobody's concern."""
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_PIECE))
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionResetError("the connection ended before there was one")
