"""What was logged while a test ran, held against the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from bindpost.events import EventType
from bindpost.testing.logged import Line

PATIENCE: Final = 20.0
"""Seconds to wait for an event that must come."""


class Heard:
    """
    The events that were logged, oldest first.

    Each must have the fields that its sentence needs, and no others than the catalogue tells.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[EventType | str, dict[str, Any]]] = []
        self.faults: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, fields: Line) -> None:
        """Take an event; nothing is printed."""
        event = fields.pop("event")
        del fields["log_level"]
        if isinstance(event, EventType):
            missing = set(event.parameters) - fields.keys()
            unknown = fields.keys() - {*event.parameters, *event.details}
            if missing or unknown:
                self.faults.append(f"{event.symbol}: missing {missing}, unknown {unknown}")
        self.seen.append((event, fields))
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return when something holds that an event brings about."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()


class Events(Heard):
    """The events that were logged, to be waited for by their kind."""

    def of(self, event: EventType) -> list[dict[str, Any]]:
        """Give the fields of all events of a kind."""
        return [fields for seen, fields in self.seen if seen is event]

    async def wait_for(self, event: EventType) -> dict[str, Any]:
        """Give the fields of the first event of a kind, past or to come."""
        return (await self.wait_for_all(event, 1))[0]

    async def wait_for_all(self, event: EventType, number: int) -> list[dict[str, Any]]:
        """Give the fields of all events of a kind, when there are so many."""
        await self.until(lambda: len(self.of(event)) >= number)
        return self.of(event)
