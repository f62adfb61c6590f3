"""The lab's firewall: it carries bytes both ways, and closes what nobody takes."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from bindpost.config.endpoint import Endpoint
from bindpost.server.lab.forward import Forwarder

HERE = Endpoint("127.0.0.1", 0)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back, then end."""
    writer.write(await reader.read())
    writer.close()


async def test_bytes_go_both_ways() -> None:
    """What a client sends comes back, ends of stream included."""
    async with await asyncio.start_server(echo, HERE.host, 0) as inside:
        to = HERE.with_port(inside.sockets[0].getsockname()[1])
        async with Forwarder(HERE, to) as firewall:
            address = firewall.address
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"x" * 100_000)
            writer.write_eof()

            assert await reader.read() == b"x" * 100_000
            writer.close()


async def test_nobody_is_inside() -> None:
    """A connection that nobody takes is accepted, and closed without a word."""
    with socket.socket() as closed:
        closed.bind((HERE.host, 0))
        async with Forwarder(HERE, HERE.with_port(closed.getsockname()[1])) as firewall:
            address = firewall.address
            reader, writer = await asyncio.open_connection(address.host, address.port)

            assert await reader.read() == b""
            writer.close()


async def test_its_end_cuts_what_lives() -> None:
    """Leaving it ends the connections that it carries."""
    async with await asyncio.start_server(echo, HERE.host, 0) as inside:
        to = HERE.with_port(inside.sockets[0].getsockname()[1])
        async with Forwarder(HERE, to) as firewall:
            address = firewall.address
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"x")
            await writer.drain()
        with suppress(ConnectionResetError):  # as it had read nothing of it
            assert await reader.read() == b""
        writer.close()
