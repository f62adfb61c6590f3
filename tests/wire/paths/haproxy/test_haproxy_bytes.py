"""Headers of the PROXY protocol in pieces, and the data right behind them."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import cast

import pytest

from bindpost.proxy.haproxy.codec import Header, TcpRoute, dumps

from .bench import PATIENCE, V1, V2, Bench, Echo, listening


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_byte_by_byte(bench: Bench, sessions: list[Echo], header: bytes) -> None:
    """A header may come in any pieces."""
    peer = await bench.connect()
    peer.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in header:
        peer.send(bytes((byte,)))
        await asyncio.sleep(0)
    await peer.say(b"hello")

    assert sessions[0].told("peername") == [("192.0.2.1", 56324)]
    assert sessions[0].data == b"hello"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_data_right_behind(bench: Bench, sessions: list[Echo], header: bytes) -> None:
    """What comes in one piece with the header is the session's."""
    peer = await bench.connect(header + b"EHLO client\r\n")

    assert await peer.say(b"NOOP\r\n") == b"EHLO client\r\nNOOP\r\n"
    assert sessions[0].data == b"EHLO client\r\nNOOP\r\n"


class Buffered(asyncio.BufferedProtocol):
    """Takes data in a small buffer of its own, and echoes."""

    def __init__(self) -> None:
        self._buffer = bytearray(4)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Give the buffer."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Echo."""
        self._transport.write(bytes(self._buffer[:nbytes]))


async def test_buffered_protocol() -> None:
    """A protocol with buffers of its own gets what is behind the header, and all that follows."""
    async with listening(Buffered) as bench:
        peer = await bench.connect(V2 + b"right behind")

        assert await peer.say(b"and later") == b"right behindand later"


class Reluctant(Echo):
    """Reads nothing until it is told to, and then pauses after each piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pause."""
        super().connection_made(transport)
        self.transport.pause_reading()
        self.transport.write(b"220 ")

    def data_received(self, data: bytes) -> None:
        """Echo and pause."""
        super().data_received(data)
        self.transport.pause_reading()


async def test_a_paused_protocol_gets_nothing(sessions: list[Echo]) -> None:
    """pause_reading holds for what came with the header, too, and the order is kept."""
    async with listening(lambda: Reluctant(sessions)) as bench:
        peer = await bench.connect(V2 + b"first.")
        await peer.say(b"", until=b"220 ")
        peer.send(b"second.")
        before = sessions[0].data
        sessions[0].transport.resume_reading()
        await peer.say(b"", until=b"first.")
        between = sessions[0].data
        sessions[0].transport.resume_reading()

        assert (before, between) == (b"", b"first.")
        assert await peer.say(b"", until=b"second.") == b"second."
        sessions[0].transport.abort()
        await sessions[0].ended.wait()


class Refusing(Echo):
    """Closes at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say no."""
        super().connection_made(transport)
        self.transport.write(b"421 no\r\n")
        self.transport.close()


async def test_a_protocol_that_closes_gets_no_data(sessions: list[Echo]) -> None:
    """After close() nothing more is told than the end; what was written arrives."""
    async with listening(lambda: Refusing(sessions)) as bench:
        peer = await bench.connect(V2 + b"EHLO client\r\n")

        assert await peer.closed() == b"421 no\r\n"
        async with asyncio.timeout(PATIENCE):
            await sessions[0].ended.wait()
        assert sessions[0].data == b""


async def test_a_hundred_at_once(bench: Bench, sessions: list[Echo]) -> None:
    """Each of 100 parallel connections is its own peer's."""

    async def one(number: int) -> bytes:
        route = TcpRoute(ip_address("192.0.2.1"), number, ip_address("198.51.100.2"), 25)
        header = dumps(Header(version=1 + number % 2, route=route))  # type: ignore[arg-type]  # 1, 2
        peer = await bench.connect(header + b"%d\n" % number)
        return await peer.reader.readline()

    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*map(one, range(1, 101)))

    assert answers == [b"%d\n" % number for number in range(1, 101)]
    told = {session.data: session.told("peername") for session in sessions}
    assert told == {b"%d\n" % number: [("192.0.2.1", number)] for number in range(1, 101)}
