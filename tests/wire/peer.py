"""The client's end of a connection, which says what a test wants it to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, cast

from bindpost.proxy.sockets import reset_on_close

PATIENCE: Final = 10.0
"""Seconds after which something that must happen has not happened."""


class Peer:
    """The client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def flood(self, piece: bytes, times: int) -> None:
        """Send the same bytes again and again, as fast as the server takes them."""
        for _ in range(times):
            self.writer.write(piece)
            async with asyncio.timeout(PATIENCE):
                await self.writer.drain()

    async def reply(self) -> bytes:
        """Give the next reply, all its lines; what there is of it when the server closes."""
        reply = b""
        async with asyncio.timeout(PATIENCE):
            while line := await self.reader.readline():
                reply += line
                if line[3:4] != b"-":
                    break
        return reply

    async def say(self, command: str | bytes) -> bytes:
        """Send a command with CRLF and give the reply."""
        self.send((command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return await self.reply()

    async def rest(self) -> bytes:
        """Give all that the server still says until it closes, in whatever way it does."""
        data = b""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(1 << 16):
                    data += piece
        return data

    def stop_reading(self) -> None:
        """Take no more replies, until told otherwise."""
        cast("asyncio.ReadTransport", self.writer.transport).pause_reading()

    def go_on_reading(self) -> None:
        """Take replies again."""
        cast("asyncio.ReadTransport", self.writer.transport).resume_reading()

    def half_close(self) -> None:
        """Say that nothing more will come, and go on listening."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close in good order (FIN)."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset (RST), dropping what is under way."""
        reset_on_close(self.writer.get_extra_info("socket"))
        self.writer.transport.abort()
