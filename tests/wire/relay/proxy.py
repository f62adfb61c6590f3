"""A proxy that does as it is told, in SOCKS 4, 4a, 5 or HTTP CONNECT, whichever it is asked in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import (
    Callable,
)
from dataclasses import dataclass, field


@dataclass
class ProxyDouble:
    """
    A proxy. `names` are resolved by it; `refusal` is the code that it answers with, if not 0.

    With `login` (name and password) it wants one. `eager` makes it send the server's first bytes
    together with its own answer, as a proxy may when the server speaks first.
    """

    address: tuple[str, int] = ("", 0)
    names: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    refusal: int = 0
    answer: bytes | None = None
    eager: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
            else:
                kinds = {b"\x05": self._socks5, b"\x04": self._socks4}
                await kinds.get(first, self._http)(reader, writer)
        writer.close()

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self.login else 0
        if wanted not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes((5, wanted)))
        if self.login:
            await reader.readexactly(1)
            given = [(await _counted(reader)).decode(), (await _counted(reader)).decode()]
            writer.write(b"\x01\x00" if tuple(given) == self.login else b"\x01\x01")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await _counted(reader)).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, await reader.readexactly(size))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        await self._connect(
            host, port, reader, writer, lambda code: bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))
        )

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, port, address = struct.unpack(">BH4s", await reader.readexactly(7))
        await reader.readuntil(b"\0")
        host = socket.inet_ntoa(address)
        if host.startswith("0.0.0."):
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        await self._connect(
            host, port, reader, writer, lambda code: bytes((0, code or 90, 0, 0, 0, 0, 0, 0))
        )

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.headers.append(request)
        host, _, port = request.split()[1].decode().rpartition(":")

        def answer(code: int) -> bytes:
            line = f"HTTP/1.0 {code or 200} {'Not today' if code else 'Connection established'}"
            return f"{line}\r\nProxy-Agent: double\r\n\r\n".encode()

        await self._connect(host.strip("[]"), int(port), reader, writer, answer)

    async def _connect(
        self,
        host: str,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[int], bytes],
    ) -> None:
        self.asked.append((host, port))
        if self.refusal:
            writer.write(answer(self.refusal))
            return
        there, back = await asyncio.open_connection(self.names.get(host, host), port)
        first = await there.read(1 << 16) if self.eager else b""
        writer.write(answer(0) + first)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _counted(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly((await reader.readexactly(1))[0])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
