"""A transport without a network, between a session and a test."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from .peer import PATIENCE

_REPLY: Final = re.compile(rb"(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n")


class Wire(asyncio.Transport):
    """A transport without a network: notes each write, and hands over what a test sends."""

    def __init__(self, protocol: asyncio.Protocol, **extra: object) -> None:
        super().__init__({"peername": ("127.0.0.1", 4007), "sockname": ("127.0.0.1", 25), **extra})
        self.writes: list[bytes] = []
        self._protocol = protocol
        self._closing = False
        self._news = asyncio.Event()
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note a write."""
        if not self._closing:
            self.writes.append(bytes(data))
            self._news.set()

    def close(self) -> None:
        """Close; the protocol hears of it in the next round of the loop."""
        if not self._closing:
            self._closing = True
            self._news.set()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Close."""
        self.close()

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def pause_reading(self) -> None:
        """Take no notice; a test's input is small."""

    def resume_reading(self) -> None:
        """Take no notice."""

    def pause_writing(self) -> None:
        """Tell the server that its writes wait."""
        self._protocol.pause_writing()

    @property
    def output(self) -> bytes:
        """All that was written."""
        return b"".join(self.writes)

    @property
    def replies(self) -> list[bytes]:
        """The replies that were written, whether in one write each or together."""
        return _REPLY.findall(self.output)

    async def feed(self, data: bytes) -> None:
        """Hand over a piece of input, and let the server have a look at it."""
        if not self._closing:
            self._protocol.data_received(data)
        for _ in range(3):
            await asyncio.sleep(0)

    async def half_close(self) -> None:
        """Say that nothing more will come."""
        if not self._protocol.eof_received():
            self.close()
        for _ in range(3):
            await asyncio.sleep(0)

    async def wait_for_close(self) -> None:
        """Return when the server has closed."""
        async with asyncio.timeout(PATIENCE):
            while not self._closing:
                self._news.clear()
                await self._news.wait()

    async def wait_for_replies(self, number: int) -> None:
        """Return when there have been so many replies."""
        async with asyncio.timeout(PATIENCE):
            while len(self.replies) < number:
                self._news.clear()
                await self._news.wait()
