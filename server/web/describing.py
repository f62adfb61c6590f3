"""Describes a kept message whole, and waits for one that can be described."""

from __future__ import annotations

import time

import msgspec

from ..message.found import find
from ..store.store import MessageRow, MessageStore, Query
from . import native_objects as objects
from .criteria import Criteria
from .display import Display
from .waiting import first_match


async def describe(
    store: MessageStore, display: Display, row: MessageRow, *, with_raw: bool = False
) -> objects.Message | None:
    """Give all that is known of a message, with its bytes if asked for; None if it is gone."""
    content = await display.parsed(row.id)
    transcript = await store.transcript(row.id)
    raw = await store.raw(row.id) if with_raw else msgspec.UNSET
    if content is None or transcript is None or raw is None:
        return None
    return objects.message(row, content, await display.look(find, content), transcript, raw)


async def first_message(
    store: MessageStore,
    display: Display,
    query: Query,
    criteria: Criteria,
    *,
    seconds: float,
    with_raw: bool = False,
) -> objects.Message | None:
    """Give the first message that matches, see `first_match`, and is still there to be told of."""
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        row = await first_match(store, query, seconds=left, holds=criteria.of(display))
        found = None if row is None else await describe(store, display, row, with_raw=with_raw)
        if found is not None or row is None:
            return found
