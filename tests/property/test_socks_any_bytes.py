"""A proxy may send any bytes; what comes of them is an answer or a `BindError`, nothing else."""

from __future__ import annotations

import asyncio
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.socks import wire
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.naming import name_of
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.timing import Timing

PORTS: Final = st.integers(0, 0xFFFF)
V4_HOSTS: Final = st.ip_addresses(v=4).map(str)
V6_HOSTS: Final = st.ip_addresses(v=6).map(str)
NAMES: Final = st.text(string.ascii_letters + ".-", min_size=1, max_size=255)
ADDRESSES: Final = st.builds(Endpoint, V4_HOSTS | V6_HOSTS | NAMES, PORTS)
ENDS: Final = st.sampled_from([b"", b"\x05\x00", b"\x05\x02\x01\x00", b"\x05\x00\x05\x00\x00"])
ANSWERS: Final = st.builds(lambda begin, rest: begin + rest, ENDS, st.binary(max_size=300))


def reader_of(data: bytes) -> wire.Read:
    """Give what reads these bytes, and then the end."""
    left = [data]

    async def read(count: int) -> bytes:
        piece, left[0] = left[0][:count], left[0][count:]
        if len(piece) < count:
            raise EOFError
        return piece

    return read


@given(ADDRESSES, st.binary(max_size=10))
def test_addresses_come_back(address: Endpoint, rest: bytes) -> None:
    """Whatever address is written is read again, and not a byte more."""
    read = reader_of(wire.format_address(address) + rest)

    come_back = asyncio.run(wire.read_address(read))

    assert (plain(come_back.host), come_back.port) == (plain(address.host), address.port)
    assert asyncio.run(read_rest(read, len(rest))) == rest


def plain(host: str) -> object:
    """Give an address as such, however it is written; a name as it is."""
    try:
        return ip_address(host)
    except ValueError:
        return host


async def read_rest(read: wire.Read, count: int) -> bytes:
    """Read what is left."""
    return await read(count)


@given(st.builds(Endpoint, V4_HOSTS, PORTS))
def test_granting_replies_of_socks4_come_back(address: Endpoint) -> None:
    """A SOCKS4 reply holds an address too."""
    reply = wire.Reply(wire.GRANTED[4], address)

    assert asyncio.run(wire.read_reply(4, reader_of(wire.format_reply(4, reply)))) == reply


@given(st.sampled_from([4, 5]), st.binary(max_size=600))
def test_any_bytes_as_a_reply(version: int, data: bytes) -> None:
    """Any bytes are a reply, none, or too few; and its peer is an address or unknown."""
    try:
        reply = asyncio.run(wire.read_reply(version, reader_of(data)))
    except (EOFError, wire.NotSocksError):
        return

    peer = wire.peername_of(reply.address)
    assert peer is None or peer[:2] == (reply.address.host, reply.address.port)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_name_or_none(data: bytes) -> None:
    """Naming never fails."""
    name_of(data)


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[int]:
    """Say these bytes to whoever connects, and close; gives the port."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        busy.add(asyncio.current_task())  # type: ignore[arg-type]  # there is one
        writer.write(data)
        with suppress(OSError):
            writer.write_eof()
            while await reader.read(1000):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    if busy:
        await asyncio.wait(busy)
    await asyncio.sleep(0)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["socks5", "socks4", "socks5://u:p@"]), ANSWERS)
def test_any_bytes_of_a_proxy(scheme: str, data: bytes) -> None:
    """Whatever a proxy says, a bind works or fails with a `BindError`."""
    asyncio.run(_bind(scheme, data))


async def _bind(scheme: str, data: bytes) -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    reported = asyncio.Event()
    async with answering(data) as port:
        login = scheme if "@" in scheme else f"{scheme}://"
        proxy = SocksProxy.from_url(f"{login}127.0.0.1:{port}")
        provider = SocksProvider(proxy, timing=Timing(pauses=(60.0,)))
        with suppress(BindError):
            listener = await provider.create_server(
                asyncio.Protocol, Endpoint("0.0.0.0", 0), report=lambda *_: reported.set()
            )
            await reported.wait()  # a session, or the loss of the bind
            listener.close()
            await listener.wait_closed()
    assert problems == []
