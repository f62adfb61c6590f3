"""
Any datagrams to the stand-in's socket: it drops or answers them, and goes on serving others.

Each file in `winsock/` is one case: a comment that says why it is there, then datagrams in order.
`raw HEX` is sent as it is; `new LENGTH OFFSET: HEX ...` has tag and version; `own` has, besides,
the ids of a session that is open. Whatever has once brought the stand-in down becomes a file.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import Acknowledgement, Hello, HelloAck
from bindpost.proxy.winsock.standin import WinsockProxyServer

CORPUS: Final = Path(__file__).parent / "winsock"
FILES: Final = sorted(CORPUS.glob("*.txt"))
COMMON: Final = "4: 00010200  24: 52575350"
PIECE: Final = re.compile(r"(\d+): ((?:[0-9a-f]{2,} ?)+)")
CLIENT_ID: Final = b"abcd"


@dataclass(frozen=True)
class Datagram:
    """Bytes to send; those of `own` get the session's ids."""

    data: bytes
    own: bool

    @classmethod
    def parse(cls, line: str) -> Datagram:
        """Read a line of a file."""
        kind, _, rest = line.partition(" ")
        if kind == "raw":
            return cls(bytes.fromhex(rest), own=False)
        length, _, pieces = rest.partition(" ")
        data = bytearray(int(length))
        for offset, digits in PIECE.findall(f"{COMMON}  {pieces}"):
            piece = bytes.fromhex(digits.replace(" ", ""))
            data[int(offset) : int(offset) + len(piece)] = piece
        assert len(data) == int(length), line
        return cls(bytes(data), own=kind == "own")

    def with_ids(self, server_id: bytes) -> bytes:
        """Give the bytes as a session's client sends them."""
        if not self.own or len(self.data) < 12:
            return self.data
        return CLIENT_ID + self.data[4:8] + server_id + self.data[12:]


def read(path: Path) -> list[Datagram]:
    """Give the datagrams of a file."""
    lines = path.read_text("utf-8").splitlines()
    return [Datagram.parse(line) for line in lines if not line.startswith("#")]


class Client(asyncio.DatagramProtocol):
    """A socket with a queue of what comes."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep what came."""
        self.heard.put_nowait(data)

    async def greet(self) -> bytes:
        """Do the hello exchange, and give the server id."""
        self.transport.sendto(Packet(message=Hello()).dumps())
        ack = Packet.loads(await self.heard.get())
        assert isinstance(ack.message, HelloAck)
        second = Packet(message=Hello(), client_id=CLIENT_ID, server_id=ack.server_id)
        self.transport.sendto(second.dumps())
        assert isinstance(Packet.loads(await self.heard.get()).message, Acknowledgement)
        return ack.server_id


async def survive(datagrams: Sequence[Datagram]) -> None:
    """Send datagrams to a stand-in; it must raise nothing, and serve the next client."""
    loop = asyncio.get_running_loop()
    broken: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: broken.append(context))
    # Port 0 only: other tests have ports of their own.
    async with WinsockProxyServer("127.0.0.1", "127.0.0.2", ports=[0], accounts={}) as proxy:
        clients = []
        for _ in range(2):
            transport, client = await loop.create_datagram_endpoint(
                Client, remote_addr=proxy.address
            )
            clients.append((transport, client))
        (_, hostile), (_, honest) = clients
        server_id = await hostile.greet()
        for datagram in datagrams:
            hostile.transport.sendto(datagram.with_ids(server_id))
        await honest.greet()
        for transport, _ in clients:
            transport.close()
    await asyncio.sleep(0)

    assert broken == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_stand_in_survives_the_corpus(path: Path) -> None:
    """Each case is dropped or answered."""
    await survive(read(path))


def test_corpus_says_why() -> None:
    """Each file begins with its reason, and has something to send."""
    assert FILES
    assert [path.name for path in FILES if not path.read_text("utf-8").startswith("# ")] == []
    assert [path.name for path in FILES if not read(path)] == []


SEEDS: Final = [datagram for path in FILES for datagram in read(path)]


@st.composite
def damaged(draw: st.DrawFn) -> Datagram:
    """A datagram of the corpus with bytes replaced, cut off or added somewhere."""
    seed = draw(st.sampled_from(SEEDS))
    data = seed.data
    for _ in range(draw(st.integers(0, 3))):
        at, noise = draw(st.integers(0, 260)), draw(st.binary(max_size=16))
        data = data[:at] + noise + data[at + draw(st.integers(0, 16)) :]
    return Datagram(data[: draw(st.integers(0, 2100))], seed.own)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(damaged(), min_size=1, max_size=8))
def test_stand_in_survives_damaged_datagrams(datagrams: list[Datagram]) -> None:
    """So is whatever grows from the corpus."""
    asyncio.run(survive(datagrams))
