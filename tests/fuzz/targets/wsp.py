"""
The Winsock Proxy's protocol, both ways: any datagrams to our stand-in server, and to our client.

Each file of the corpus is one case: a comment that says why it is there, then datagrams in order.
`raw HEX` is sent as it is; `new LENGTH OFFSET: HEX ...` has tag and version; `own` has, besides,
the ids of a session that is open. Whatever has once brought one of them down becomes a file.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import Listener
from bindpost.proxy.watch import unwatched
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig, parse_wspcfg
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    HelloAck,
    Listening,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
    TcpBindAck,
)
from bindpost.proxy.winsock.ntlm import Credentials
from bindpost.proxy.winsock.observer import Observer
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.proxy.winsock.wire import Address

from ..grammar import Grammar
from ..loops import SkippingLoop
from ..target import Target, chance_of, corpus

HOST: Final = "127.0.0.1"
BETWEEN: Final = b"<>\n"
"""What stands behind each datagram of an input."""
CLIENT_ID: Final = b"abcd"
SERVER_ID: Final = b"SRVR"
"""In the place of what the stand-in gives a client for its session; a proxy's own to our client."""
BIND_ID: Final = b"BIND"
PORT: Final = 4007
"""In the place of the port that is bound."""
OUTSIDE: Final = Address("127.0.0.2", PORT)
NOTICE: Final = BindInfo(
    bind_id=BIND_ID, peer=Address("192.0.2.1", 9), internal_port=7, external=OUTSIDE
)
RIGHT: Final[Sequence[Message]] = (
    HelloAck(control=OUTSIDE),
    Acknowledgement(),
    BindAck(bind_id=BIND_ID, external=OUTSIDE),
    TcpBindAck(bind_id=BIND_ID, external=OUTSIDE),
)
"""What a proxy says to a client, in this order, when all is well."""
MESSAGES: Final[Sequence[Message]] = (
    *RIGHT,
    Acknowledgement(sub_code=0x11),
    Authentication(sub_code=0x14, token=b"NTLMSSP\0\2\0\0\0" + bytes(40)),
    Authentication(sub_code=0x15),
    NOTICE,
    AddressInUse(),
    Refusal(operation=4),
    Hello(user="u", executable="MSEXCIMC.EXE", computer="C"),
    Authentication(sub_code=0x10, value=2, token=b"NTLMSSP\0\1\0\0\0" + bytes(24)),
    Authentication(sub_code=0x11, token=b"NTLMSSP\0\3\0\0\0" + bytes(60)),
    Bind(port=0, local_port=PORT),
    Bind(port=PORT, local_port=PORT, address="127.0.0.2", kill_old=True),
    TcpBind(bind_id=BIND_ID, local_port=PORT),
    Listening(external=OUTSIDE),
    BindInfoAck(notice=NOTICE),
    SessionEnd(),
)
ACCOUNTS: Final[Sequence[Mapping[str, str]]] = ({}, {"me": "secret"})
TIMING: Final = Timing(tries=2, interval=0.5, deadline=5.0, keep_alive=10.0)
LIFE: Final = 25.0
"""Seconds that a bind is kept, if it comes to one; they are skipped."""
COMMON: Final = "4: 00010200  24: 52575350"
PIECE: Final = re.compile(r"(\d+): ((?:[0-9a-f]{2,} ?)+)")


class WspTarget(Target):
    """
    The stand-in drops or answers every datagram; a bind works, or fails with a `BindError`.

    A stand-in lives for one input, so that its own end is held, too.
    """

    name = "wsp"
    patience = 3600.0

    def __init__(self) -> None:
        self._loop = SkippingLoop()
        self._port = 0

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Give a loop in which time-outs take no time."""
        return self._loop

    @property
    def grammar(self) -> Grammar:
        """Messages of both sides, with any sequence number of the first few."""
        words = [
            Packet(
                message=message, client_id=CLIENT_ID, server_id=SERVER_ID, sequence=number
            ).dumps()
            for message in MESSAGES
            for number in range(6)
        ]
        return Grammar(
            words, [BETWEEN], seeds=[read(path) for path in corpus(self.name)], apart=_apart
        )

    def as_file(self, data: bytes) -> bytes:
        """Give datagrams as lines."""
        lines = (b"raw " + datagram.hex().encode() for datagram in _datagrams(data))
        return b"# Why it is there.\n" + b"\n".join(lines) + b"\n"

    async def open(self) -> None:
        """Look for a port that our client can bind."""
        self._port = free_port()

    async def play(self, data: bytes) -> None:
        """Send the datagrams to a stand-in, or answer a client with them."""
        chance = chance_of(data)
        if chance.randrange(2):
            await self._survive(_datagrams(data), chance.choice(ACCOUNTS))
        else:
            await self._bind(_script(_datagrams(data), chance), login=chance.random() < 0.5)

    async def play_every_way(self, data: bytes) -> None:
        """Do both."""
        for accounts in ACCOUNTS:
            await self._survive(_datagrams(data), accounts)
            await self._bind(_script(_datagrams(data), chance_of(data)), login=bool(accounts))

    async def serve_honestly(self) -> None:
        """See that our client binds through our stand-in."""
        async with WinsockProxyServer(HOST, "127.0.0.2") as proxy:
            bound = await self._create(proxy.address.port, TIMING, login=False)
            assert proxy.bound == [Address("127.0.0.2", self._port)]
            bound.close()
            await bound.wait_closed()

    async def _survive(self, datagrams: Sequence[bytes], accounts: Mapping[str, str]) -> None:
        """Send datagrams to a stand-in, connect to what it has bound; it must greet the next."""
        observer = Observer(unwatched)
        # Port 0 only: other tests have ports of their own.
        async with WinsockProxyServer(
            HOST, "127.0.0.2", ports=[0], accounts=accounts, tap=observer.tap
        ) as proxy:
            self._loop.routes = {proxy.address: proxy.address}
            hostile, honest = await _client(proxy.address), await _client(proxy.address)
            await hostile.greet()
            for datagram in datagrams:
                hostile.say(datagram)
                await asyncio.sleep(0)
            await honest.greet()
            for bound in proxy.bound:
                self._loop.routes[bound] = bound
                with suppress(OSError), socket.socket() as peer:
                    peer.setblocking(False)
                    await self._loop.sock_connect(peer, bound)
                    await asyncio.sleep(LIFE)  # until the notice is given up
            for client in (hostile, honest):
                client.transport.close()

    async def _bind(self, script: Iterator[list[bytes]], *, login: bool) -> None:
        """Bind through a proxy that says this; only a `BindError` may come of it."""
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: Babbler(script, self._port), local_addr=(HOST, 0)
        )
        with suppress(BindError):
            port = transport.get_extra_info("sockname")[1]
            listener = await self._create(port, TIMING, login=login)
            await asyncio.sleep(LIFE)
            listener.close()
            await listener.wait_closed()
        transport.close()

    async def _create(self, control_port: int, timing: Timing, *, login: bool) -> Listener:
        text = f"[msexcimc]\nServerBindTcpPorts={self._port}\nForceCredentials={login:d}\n"
        config = ClientConfig(
            servers=(HOST,),
            control_port=control_port,
            wspcfg=parse_wspcfg(text, "wspcfg.ini")[0],
        )
        credentials = Credentials(user="me", password="secret") if login else None
        provider = WinsockProvider(config, credentials=credentials, timing=timing)
        return await provider.create_server(asyncio.Protocol, Endpoint(HOST, self._port))


class Babbler(asyncio.DatagramProtocol):
    """Says the next of its answers for each datagram, whatever it is."""

    def __init__(self, script: Iterator[list[bytes]], port: int) -> None:
        self._script = script
        self._port = port

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        for answer in next(self._script, ()):
            self._transport.sendto(_with_port(answer, self._port), addr)


class Client(asyncio.DatagramProtocol):
    """A client of the stand-in that says whatever it is told, with the ids that it was given."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._server_id = self._bind_id = bytes(4)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep what came, and the id of what was bound."""
        self._heard.put_nowait(data)
        message = Packet.loads(data).message
        if isinstance(message, BindAck):
            self._bind_id = message.bind_id

    def say(self, datagram: bytes) -> None:
        """Send a datagram; one that is too long for UDP is cut."""
        known = datagram.replace(SERVER_ID, self._server_id).replace(BIND_ID, self._bind_id)
        self.transport.sendto(known[:60_000])

    async def greet(self) -> None:
        """Do the hello exchange."""
        self.transport.sendto(Packet(message=Hello()).dumps())
        ack = Packet.loads(await self._heard.get())
        assert isinstance(ack.message, HelloAck)
        self._server_id = ack.server_id
        second = Packet(message=Hello(), client_id=CLIENT_ID, server_id=ack.server_id)
        self.transport.sendto(second.dumps())
        assert isinstance(Packet.loads(await self._heard.get()).message, Acknowledgement)


async def _client(server: Address) -> Client:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_datagram_endpoint(Client, remote_addr=server)
    return client


def _script(datagrams: Sequence[bytes], chance: Random) -> Iterator[list[bytes]]:
    """Give what a proxy says for each datagram that comes: some right answers, then these."""
    for step, message in enumerate(RIGHT[: chance.randint(0, len(RIGHT))]):
        yield [Packet(message=message, server_id=SERVER_ID, sequence=step).dumps()]
    left = list(datagrams)
    while left:
        count = chance.choice((0, 1, 1, 1, 2, 3))
        yield left[:count]
        del left[: count or 1]


def _with_port(datagram: bytes, port: int) -> bytes:
    """Put the port that our client binds in the place of the one that stands for it."""
    for form in (">H", "<H"):
        datagram = datagram.replace(struct.pack(form, PORT), struct.pack(form, port))
    return datagram[:60_000]


def _datagrams(data: bytes) -> list[bytes]:
    return [piece.removesuffix(BETWEEN) for piece in _apart(data)]


def _apart(data: bytes) -> list[bytes]:
    """Take an input apart into datagrams, each with what stands behind it."""
    return re.findall(rb"(?s).+?(?:<>\n|\Z)", data)


def read(path: Path) -> bytes:
    """Give the datagrams of a file as an input."""
    lines = path.read_text("utf-8").splitlines()
    return b"".join(_datagram(line) + BETWEEN for line in lines if not line.startswith("#"))


def _datagram(line: str) -> bytes:
    """Read a line of a file."""
    kind, _, rest = line.partition(" ")
    if kind == "raw":
        return bytes.fromhex(rest)
    length, _, pieces = rest.partition(" ")
    data = bytearray(int(length))
    for offset, digits in PIECE.findall(f"{COMMON}  {pieces}"):
        piece = bytes.fromhex(digits.replace(" ", ""))
        data[int(offset) : int(offset) + len(piece)] = piece
    assert len(data) == int(length), line
    if kind == "own" and len(data) >= 12:
        data[0:4], data[8:12] = CLIENT_ID, SERVER_ID
    return bytes(data)


TARGET = WspTarget
