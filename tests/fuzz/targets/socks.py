"""SOCKS, both ways: any bytes to our stand-in proxy, and any bytes from a proxy to our client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import PortPolicy, SocksServer
from bindpost.proxy.socks.timing import Timing

from ..grammar import Grammar
from ..loops import ConfinedLoop
from ..target import Target, chance_of, corpus, pieces_of

HOST: Final = "127.0.0.1"
WANTED: Final = (HOST, 4007)
"""What a client may ask the stand-in to connect to: there is somebody who echoes."""
WORDS: Final = [
    # What a client says: greetings, a login, requests of both versions
    b"\5\1\0",
    b"\5\2\0\2",
    b"\5\1\2",
    b"\5\0",
    b"\1\1u\1p",
    b"\1\1u\1x",
    b"\1\0\0",
    b"\5\2\0\1\0\0\0\0\0\0",
    b"\5\1\0\1\x7f\0\0\1\x0f\xa7",
    b"\5\2\0\4" + bytes(18),
    b"\5\1\0\3\4host\0\x19",
    b"\5\3\0\1\0\0\0\0\0\0",
    b"\5\1\0\3\0\0\x19",
    b"\4\2\0\0\0\0\0\0\0",
    b"\4\1\x0f\xa7\x7f\0\0\1me\0",
    b"\4\2\0\0\0\0\0\1me\0host\0",
    # What a proxy says: methods, a login's end, replies of both versions
    b"\5\0",
    b"\5\2",
    b"\5\xff",
    b"\1\0",
    b"\1\1",
    b"\5\0\0\1\0\0\0\0\x0f\xa7",
    b"\5\0\0\1\x7f\0\0\1\x0f\xa7",
    b"\5\0\0\3\1h\x0f\xa7",
    b"\5\0\0\4" + bytes(16) + b"\x0f\xa7",
    b"\5\2\0\1\0\0\0\0\0\0",
    b"\5\5\0\1",
    b"\0\x5a\x0f\xa7\0\0\0\0",
    b"\0\x5a\x0f\xa7\x7f\0\0\1",
    b"\0\x5b\0\0\0\0\0\0",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"SSH-2.0-x\r\n",
    b"220 x ESMTP\r\n",
]
SCHEMES: Final = ("socks5://", "socks4://", "socks4a://", "socks5://u:p@")
TIMING: Final = Timing(step=2.0, total=4.0, probe=2.0, settle=(0.0,), pauses=(60.0,), linger=0.5)


class SocksTarget(Target):
    """
    The stand-in answers or hangs up, and serves others; a bind works, or fails with a `BindError`.

    All ports that clients want of the stand-in are taken, so that it binds any; other tests have
    ports of their own.
    """

    name = "socks"

    def __init__(self) -> None:
        taken = set(range(1, 65536))
        self._servers = [
            SocksServer(),
            SocksServer(users={"u": "p"}),
            SocksServer(policy=PortPolicy.STRICT, versions=[4]),
        ]
        for server in self._servers:
            server.taken.update(taken)
        self._loop = ConfinedLoop()
        self._said = b""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Give a loop that leads nowhere else."""
        return self._loop

    @property
    def grammar(self) -> Grammar:
        """Messages of clients and of proxies."""
        return Grammar(WORDS, seeds=[path.read_bytes() for path in corpus(self.name)], apart=_apart)

    async def open(self) -> None:
        """Start the stand-ins, somebody to connect to, and a proxy that says what it is told."""
        self._echo = await asyncio.start_server(_echo, HOST, 0)
        self._proxy = await asyncio.start_server(self._answer, HOST, 0)
        self._loop.routes[WANTED] = self._echo.sockets[0].getsockname()
        self._reach(self._proxy.sockets[0].getsockname()[1])
        for server in self._servers:
            await server.__aenter__()
            self._reach(server.address.port)

    def _reach(self, port: int) -> None:
        self._loop.routes[HOST, port] = (HOST, port)

    async def play(self, data: bytes) -> None:
        """Say the bytes to a stand-in, or hear them from a proxy."""
        chance = chance_of(data)
        if chance.randrange(2):
            await self._say(chance.choice(self._servers), pieces_of(data, chance), chance)
        else:
            await self._bind(chance.choice(SCHEMES), data)

    async def play_every_way(self, data: bytes) -> None:
        """Do both, with every stand-in and every version."""
        for server in self._servers:
            await self._say(server, [data], chance_of(data))
        for scheme in SCHEMES:
            await self._bind(scheme, data)

    async def serve_honestly(self) -> None:
        """See that the stand-ins bind a port."""
        for server, login in zip(self._servers[:2], ("", "u:p"), strict=True):
            provider = SocksProvider(SocksProxy.from_url(server.url(login=login)))
            listener = await provider.create_server(asyncio.Protocol, Endpoint("0.0.0.0", 0))
            listener.close()
            await listener.wait_closed()
            await server.idle()

    async def close(self) -> None:
        """End them all."""
        for server in self._servers:
            await server.__aexit__()
        for helper in (self._echo, self._proxy):
            helper.close()
            await helper.wait_closed()

    async def _say(self, server: SocksServer, pieces: Sequence[bytes], chance: Random) -> None:
        """Be a client; when that has bound a port, somebody may come by it."""
        reader, writer = await asyncio.open_connection(*_at(server.address))
        with suppress(OSError):  # it has hung up
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            if server.bound and chance.randrange(2):
                self._reach(server.bound[0].port)
                await _exchange(*await asyncio.open_connection(*_at(server.bound[0])))
            writer.write_eof()
            await reader.read()
        writer.close()
        await server.idle()

    async def _bind(self, scheme: str, said: bytes) -> None:
        """Bind through a proxy that says these bytes."""
        self._said = said
        host, port = self._proxy.sockets[0].getsockname()
        provider = SocksProvider(SocksProxy.from_url(f"{scheme}{host}:{port}"), timing=TIMING)
        reported = asyncio.Event()
        with suppress(BindError):
            listener = await provider.create_server(
                asyncio.Protocol, Endpoint("0.0.0.0", 4007), report=lambda *_: reported.set()
            )
            await reported.wait()  # a session, or the loss of the bind
            listener.close()
            await listener.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._said)
        with suppress(OSError):
            writer.write_eof()
            while await reader.read(1000):
                pass
        writer.close()


def _at(address: Endpoint) -> tuple[str, int]:
    return address.host, address.port


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a peer that says something and goes."""
    writer.write(b"EHLO c\r\n")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1000):
            writer.write(data)
    writer.close()


def _apart(data: bytes) -> list[bytes]:
    """Take an input apart into pairs of bytes: where a message ends, its bytes say."""
    return [data[place : place + 2] for place in range(0, len(data), 2)]


TARGET = SocksTarget
