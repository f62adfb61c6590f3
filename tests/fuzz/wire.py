"""A transport without a network, for protocols that are played in process."""

from __future__ import annotations

import asyncio


class Wire(asyncio.Transport):
    """What a protocol writes to; `output` is all that it has said."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 4007), "sockname": ("127.0.0.1", 25)})
        self.output = b""
        self.closed = asyncio.Event()
        self._protocol: asyncio.BaseProtocol = protocol
        protocol.connection_made(self)

    async def play(self, pieces: list[bytes]) -> None:
        """Have a protocol receive these bytes, and then their end; returns when it has closed."""
        for piece in pieces:
            self._hear(piece)
            await asyncio.sleep(0)
        self._end()
        await self.closed.wait()
        await asyncio.sleep(0)  # the protocol hears of it

    def _hear(self, data: bytes) -> None:
        protocol = self._protocol
        if not self.is_closing():
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)

    def _end(self) -> None:
        """Have a protocol hear of the end; as on a socket, who doesn't say it stays is closed."""
        protocol = self._protocol
        if not self.is_closing():
            assert isinstance(protocol, asyncio.Protocol)
            if not protocol.eof_received():
                self.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Go on with another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give the protocol."""
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note a write."""
        self.output += data

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self.closed.is_set()

    def close(self) -> None:
        """Close; the protocol hears of it in the next round of the loop."""
        if not self.closed.is_set():
            self.closed.set()
            asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        self._protocol.connection_lost(None)

    abort = close

    def pause_reading(self) -> None:
        """Take no notice."""

    def resume_reading(self) -> None:
        """Take no notice."""
