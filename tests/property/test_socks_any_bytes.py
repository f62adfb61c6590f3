"""The bytes of SOCKS messages: what is written is read again, and any bytes are one or none."""

from __future__ import annotations

import asyncio
import string
from ipaddress import ip_address
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.socks import wire
from bindpost.proxy.socks.naming import name_of

PORTS: Final = st.integers(0, 0xFFFF)
V4_HOSTS: Final = st.ip_addresses(v=4).map(str)
V6_HOSTS: Final = st.ip_addresses(v=6).map(str)
NAMES: Final = st.text(string.ascii_letters + ".-", min_size=1, max_size=255)
ADDRESSES: Final = st.builds(Endpoint, V4_HOSTS | V6_HOSTS | NAMES, PORTS)


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
