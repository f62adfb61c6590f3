"""The JSON objects of the event log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import msgspec

from bindpost.events import Level, find_type

from ..store.events import KeptEvent
from .responses import Moment


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A kept event; docs/api.md tells each key."""

    cursor: int
    time: Moment
    source: str
    id: int
    level: str
    category: str
    computer: str
    node: str
    message: str
    strings: tuple[str, ...]
    fields: Mapping[str, Any]
    error: Mapping[str, str]
    logger: str
    process_id: int
    thread_id: int


class Explained(Event, frozen=True, kw_only=True):
    """An event with what the catalogue says about its kind; empty where it says nothing."""

    symbol: str
    explanation: str
    remedy: str
    reference: str


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Events, newest first; `next` is what `before` must be for those behind them."""

    events: list[Event]
    next: int | None


def event(kept: KeptEvent) -> Event:
    """Give an event as it is listed."""
    return Event(**_facts(kept))


def explained(kept: KeptEvent) -> Explained:
    """Give an event as it is shown alone."""
    known = find_type(kept.source, kept.id)
    return Explained(
        **_facts(kept),
        symbol=known.symbol if known else "",
        explanation=known.explanation if known else "",
        remedy=known.remedy if known else "",
        reference=known.reference if known else "",
    )


def _facts(kept: KeptEvent) -> dict[str, Any]:  # Any: a value for each field of Event
    return {
        "cursor": kept.cursor,
        "time": kept.time.astimezone(UTC),
        "source": kept.source,
        "id": kept.id,
        "level": Level(kept.type).name.lower(),
        "category": kept.category_name,
        "computer": kept.computer,
        "node": kept.computer,
        "message": kept.message,
        "strings": kept.strings,
        "fields": kept.fields,
        "error": kept.error,
        "logger": kept.logger,
        "process_id": kept.process_id,
        "thread_id": kept.thread_id,
    }
