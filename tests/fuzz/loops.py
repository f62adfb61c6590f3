"""Event loops for fuzzing: one that reaches nobody outside, one that need not wait."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
from typing import Any, Final

LONG: Final = 60.0
GRACE: Final = 0.5
"""Seconds that are really waited before so long a wait is skipped: it may be a deadline."""


class ConfinedLoop(asyncio.SelectorEventLoop):
    """
    A loop that resolves no names, and connects only where `routes` leads.

    The stand-ins connect wherever their clients want. A fuzzer must not be led to other servers.
    """

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        super().__init__(selector)
        self.routes: dict[tuple[str, int], tuple[str, int]] = {}

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Read an address; a name is unknown."""
        options["flags"] = options.get("flags", 0) | socket.AI_NUMERICHOST
        return socket.getaddrinfo(host, port, **options)  # waits for nothing

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect where this address is said to be; else it refuses."""
        if (to := self.routes.get(address[:2])) is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        await super().sock_connect(sock, to)


class SkippingLoop(ConfinedLoop):
    """
    A confined loop that puts its time forward to the next timer when nothing happens meanwhile.

    So no wait takes long, and what waits for ever runs into the longest deadline at once. Nothing
    in it may run in threads, whose work it does not see.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """Give the time, with what was skipped."""
        return super().time() + self._ahead

    def skip(self, seconds: float) -> None:
        """Put the time forward."""
        self._ahead += seconds


class _Skipping(selectors.DefaultSelector):
    def __init__(self, loop: SkippingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if not timeout:
            return super().select(timeout)
        ready = super().select(GRACE if timeout > LONG else 0)
        if not ready:
            self._loop.skip(timeout)
        return ready
