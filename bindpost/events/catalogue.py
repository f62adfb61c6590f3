"""The event catalogue: every event that bindpost logs, IMS's own and ours, in one table."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from . import faults, ims, inbox, index, lab, nodes, ours, standin, web
from .model import EventType

CATALOGUE: Final[tuple[EventType, ...]] = (
    *ims.EVENTS,
    *ours.EVENTS,
    *standin.EVENTS,
    *inbox.EVENTS,
    *web.EVENTS,
    *lab.EVENTS,
    *index.EVENTS,
    *faults.EVENTS,
    *nodes.EVENTS,
)
"""All events, by source and number."""

_BY_NUMBER: Final = MappingProxyType({(event.source, event.id): event for event in CATALOGUE})


def find_type(source: str, number: int) -> EventType | None:
    """Give the entry of a source's event; None if there is none."""
    return _BY_NUMBER.get((source, number))
