"""The fast engine's stream writer: all replies to what came in one read go out in one write."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

HIGH_WATER: Final = 64 * 1024
"""Bytes of replies that are gathered at most."""


class GatheringWriter:
    """
    Gathers what is written within a `with` block of it, and passes it on at once otherwise.

    It closes once: asyncio's TLS transport forgets its connection at the second time. STARTTLS puts
    another transport into `_transport`, as aiosmtpd does with asyncio's writer.
    """

    __slots__ = ("_gathered", "_size", "_transport", "is_gathering")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._gathered: list[bytes] | None = None
        self._size = 0
        self.is_gathering = False

    def __enter__(self) -> None:
        self.is_gathering = True

    def __exit__(self, *_: object) -> None:
        self.is_gathering = False
        self.flush()

    @property
    def transport(self) -> asyncio.WriteTransport:
        """The transport that is written to."""
        return self._transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give a fact about the connection."""
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes) -> None:
        """Send these bytes, at the latest at the end of the block."""
        if not self.is_gathering:
            self._transport.write(data)
            return
        if self._gathered is None:
            self._gathered = []
        self._gathered.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER:
            self.flush()

    def flush(self) -> None:
        """Send what is gathered."""
        gathered = self._gathered
        if gathered is not None:
            self._gathered, self._size = None, 0
            self._transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    async def drain(self) -> None:
        """
        Send what is gathered; aiosmtpd, which asks for this, may close the transport next.

        This never waits: the protocol takes no further command while its replies do.
        """
        self.flush()

    def is_closing(self) -> bool:
        """Tell whether the connection is closing or closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what is gathered, then close."""
        if not self._transport.is_closing():
            self.flush()
            self._transport.close()
