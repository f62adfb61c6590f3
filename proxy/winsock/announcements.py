"""The connections that the proxy has announced, until they come."""

from __future__ import annotations

import asyncio
from typing import Final

from .messages import BindInfo

ANNOUNCED_LIMIT: Final = 1024
"""Announced connections that are remembered until they come; the oldest goes first."""
ANNOUNCED_FOR: Final = 30.0
"""Seconds for which they are; later the port may be some local client's."""


class Announcements:
    """
    The connections that the proxy has announced and not yet made, by its internal port.

    `grace` is how long, in seconds, a connection may come before its notice does, `lifetime` how
    long a notice waits for its connection.
    """

    def __init__(self, grace: float, lifetime: float = ANNOUNCED_FOR) -> None:
        self._grace = grace
        self._lifetime = lifetime
        self._loop = asyncio.get_running_loop()
        self._notices: dict[int, tuple[float, BindInfo]] = {}
        self._waiting: dict[int, asyncio.Future[BindInfo]] = {}

    def add(self, notice: BindInfo) -> None:
        """Remember a notice, or give it to the connection that waits for it."""
        waiting = self._waiting.pop(notice.internal_port, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(notice)
            return
        if len(self._notices) >= ANNOUNCED_LIMIT:
            del self._notices[next(iter(self._notices))]
        self._notices[notice.internal_port] = (self._loop.time(), notice)

    def take(self, port: int) -> BindInfo | None:
        """Give the notice for a connection from this port; it counts for one connection only."""
        since, notice = self._notices.pop(port, (0.0, None))
        return notice if self._loop.time() - since <= self._lifetime else None

    async def wait(self, port: int) -> BindInfo | None:
        """Give the notice when it comes within the grace, else None."""
        waiting: asyncio.Future[BindInfo] = self._loop.create_future()
        self._waiting[port] = waiting
        try:
            async with asyncio.timeout(self._grace):
                await waiting
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(port, None)
        return waiting.result()
