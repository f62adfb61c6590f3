"""A store in memory of which tests see how it is read, and in which something happens meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import EVERYTHING, MessageRow, Query


class BusyStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """
    A store in which something happens just when somebody has looked into it.

    `meanwhile` are those things, one for each look; `limits` what was asked for at most each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []
        self.limits: list[int] = []

    async def find(
        self,
        query: Query = EVERYTHING,
        *,
        limit: int = 50,
        offset: int = 0,
        seconds: float | None = None,
    ) -> list[MessageRow]:
        """Look, then let the next thing happen."""
        self.limits.append(limit)
        found = await super().find(query, limit=limit, offset=offset, seconds=seconds)
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        return found
