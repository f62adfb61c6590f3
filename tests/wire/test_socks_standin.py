"""The SOCKS stand-in itself: CONNECT, logins, what it refuses, and what it tells."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.events import EventType
from bindpost.proxy.local import free_port
from bindpost.proxy.socks import wire
from bindpost.proxy.socks.standin import Fault, SocksServer

HERE, OUTSIDE = "127.0.0.1", "127.0.0.2"
NO_LOGIN = b"\x05\x01\x00"


class Told:
    """What a stand-in's watch was told."""

    def __init__(self) -> None:
        self.events: list[tuple[EventType, dict[str, object]]] = []

    def __call__(self, event: EventType, /, **fields: object) -> None:
        """Keep it."""
        self.events.append((event, fields))

    def fields(self, event: EventType) -> dict[str, object]:
        """Give the fields of the one event of a kind."""
        (found,) = [fields for one, fields in self.events if one is event]
        return found


@pytest.fixture
def told() -> Told:
    """Give an empty record."""
    return Told()


@asynccontextmanager
async def echo() -> AsyncIterator[Endpoint]:
    """Run a server that says its peer's address, and what it hears, in capitals."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _ = writer.get_extra_info("peername")
        writer.write(f"{host}\n".encode())
        writer.write((await reader.read()).upper())
        writer.write_eof()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    yield Endpoint(*server.sockets[0].getsockname())
    server.close()


async def talk(proxy: SocksServer, *says: bytes) -> bytes:
    """Say these things and the end; give all that comes back."""
    reader, writer = await asyncio.open_connection(proxy.address.host, proxy.address.port)
    writer.write(b"".join(says))
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()
        await proxy.idle()


def connect5(host: str, port: int, command: int = wire.CONNECT) -> bytes:
    """Give a SOCKS5 request."""
    return bytes((5, command, 0)) + wire.format_address(Endpoint(host, port))


@pytest.mark.parametrize("host", [HERE, "localhost"])
async def test_connect_carries_bytes_both_ways(told: Told, host: str) -> None:
    """A server is reached by address or name, from the external address."""
    async with echo() as server, SocksServer(HERE, external=OUTSIDE, watch=told) as proxy:
        said = await talk(proxy, NO_LOGIN, connect5(host, server.port), b"hello")

    assert said[:2] == b"\x05\x00"
    assert said[2:5] == b"\x05\x00\x00"
    assert said[12:] == f"{OUTSIDE}\nHELLO".encode()
    assert told.fields(events.STANDIN_CONNECTED)["address"] == f"{host}:{server.port}"
    assert [event for event, _ in told.events] == [
        events.STANDIN_SESSION,
        events.STANDIN_CONNECTED,
        events.STANDIN_ENDED,
    ]


async def test_connect_by_socks4(told: Told) -> None:
    """Version 4 has the command too."""
    async with echo() as server, SocksServer(HERE, external=OUTSIDE, watch=told) as proxy:
        request = b"\x04\x01" + server.port.to_bytes(2, "big") + socket.inet_aton(HERE) + b"me\0"

        said = await talk(proxy, request, b"hello")

    assert said[:2] == b"\x00\x5a"
    assert said[8:] == f"{OUTSIDE}\nHELLO".encode()


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (HERE, 0x05),
        ("192.0.2.1", 0x04),  # a loopback address leads nowhere else
        ("name.invalid", 0x04),
        ("a" * 70 + ".invalid", 0x04),  # a label of 70 letters is no name at all
    ],
    ids=["refused", "not from loopback", "no such name", "no name"],
)
async def test_connect_that_fails_says_why(told: Told, host: str, code: int) -> None:
    """The reply is RFC 1928's, the log has the reason without the name that was asked for."""
    port = free_port(HERE)
    async with SocksServer(HERE, watch=told) as proxy:
        said = await talk(proxy, NO_LOGIN, connect5(host, port))

    assert said[2:4] == bytes((5, code))
    assert told.fields(events.STANDIN_REFUSED)["reason"] == f"it cannot be reached from {HERE}"


async def test_connect4_that_fails_is_refused() -> None:
    """Version 4 has one code for all of it."""
    port = free_port(HERE)
    async with SocksServer(HERE) as proxy:
        request = b"\x04\x01" + port.to_bytes(2, "big") + socket.inet_aton(HERE) + b"\0"

        assert (await talk(proxy, request))[:2] == b"\x00\x5b"


@pytest.mark.parametrize(
    ("make", "says", "answer", "reason"),
    [
        (
            lambda told: SocksServer(watch=told),
            NO_LOGIN + connect5(HERE, 1, command=3),
            b"\x05\x00\x05\x07",
            "the command is not known here",
        ),
        (
            lambda told: SocksServer(watch=told, faults=[Fault.NO_BIND]),
            NO_LOGIN + connect5("0.0.0.0", 0, command=wire.BIND),
            b"\x05\x00\x05\x07",
            "the command is not known here",
        ),
        (
            lambda told: SocksServer(watch=told, faults=[Fault.REFUSES]),
            NO_LOGIN + connect5(HERE, 1),
            b"\x05\x00\x05\x02",
            "the rules do not allow it",
        ),
        (
            lambda told: SocksServer(watch=told, users={"me": "s3cret"}),
            b"\x05\x01\x02" + b"\x01\x02me\x05wrong",
            b"\x05\x02\x01\x01",
            "wrong user name or password",
        ),
        (
            lambda told: SocksServer(watch=told, users={"me": "s3cret"}),
            NO_LOGIN,
            b"\x05\xff",
            "it offers no method of authentication that is accepted",
        ),
        (
            lambda told: SocksServer(watch=told, versions={4}),
            NO_LOGIN,
            b"\x00\x5b",
            "SOCKS is spoken here, but not that version",
        ),
    ],
    ids=["command", "no bind", "rules", "password", "method", "version"],
)
async def test_a_refusal_is_said_and_told(
    told: Told,
    make: Callable[[Told], SocksServer],
    says: bytes,
    answer: bytes,
    reason: str,
) -> None:
    """Client and log learn of it; the log has no password."""
    async with make(told) as proxy:
        said = await talk(proxy, says)

    assert said.startswith(answer)
    assert told.fields(events.STANDIN_REFUSED)["reason"] == reason
    assert "wrong" not in str([fields for _, fields in told.events]).replace(reason, "")


async def test_faults_add_up() -> None:
    """Two things may be wrong at once: slow, and refusing."""
    async with SocksServer(faults=[Fault.DRIPS, Fault.REFUSES], drip=0.001) as proxy:
        said = await talk(proxy, NO_LOGIN, connect5(HERE, 1))

    assert said[:4] == b"\x05\x00\x05\x02"


def test_every_fault_has_a_name_and_words() -> None:
    """Names are what people type: small letters and dashes; words are a sentence's rest."""
    for fault in Fault:
        assert fault.value.replace("-", "").isalpha()
        assert fault.value == fault.value.lower()
        assert fault.words[-1].isalnum()
    assert Fault.DRIPS.value == "slow"
