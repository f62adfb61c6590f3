"""How a stand-in proxy tells what it does, to a log for instance."""

from __future__ import annotations

from typing import Protocol

from bindpost.events import EventType


class Watch(Protocol):
    """Told what a stand-in does: an event of the catalogue, and its fields; no secrets."""

    def __call__(self, event: EventType, /, **fields: object) -> None:
        """Take note of it."""
        ...


def unwatched(_event: EventType, /, **_fields: object) -> None:
    """Tell nobody."""
