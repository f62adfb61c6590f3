"""The event catalogue: every event that bindpost logs, IMS's own and ours, in one table."""

from __future__ import annotations

from typing import Final

from . import ims, inbox, ours, standin
from .model import EventType

CATALOGUE: Final[tuple[EventType, ...]] = (
    *ims.EVENTS,
    *ours.EVENTS,
    *standin.EVENTS,
    *inbox.EVENTS,
)
"""All events, by source and number."""
