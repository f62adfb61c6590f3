"""The events of the search index."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

INDEXER_FAILED: Final = EventType(
    id=195,
    source=OURS,
    symbol="MSG_INDEXER_FAILED",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="The search index is not being made (%1); tried again in %2 seconds.",
    parameters=("reason", "retry_in"),
    action="indexer-failed",
    explanation=(
        "The process that makes index.db has ended, or could not be started. Mail is taken and "
        "shown all the same; searches read the messages that are not in the index one by one."
    ),
    remedy="See the reason: mostly the disk is nearly full. The index is caught up by itself.",
    ecs=("process", "info"),
)
INDEX_REBUILT: Final = EventType(
    id=196,
    source=OURS,
    symbol="MSG_INDEX_REBUILT",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="The search index is made anew: %1.",
    parameters=("reason",),
    action="index-rebuilt",
    explanation=(
        "index.db could not be used any more and was thrown away. All that it holds comes from "
        "mail.db, so nothing is lost; until it is made, searches take longer."
    ),
    remedy="Nothing to do, unless it comes again and again: then look at the disk.",
    ecs=("process", "info"),
)
INDEX_IMPOSSIBLE: Final = EventType(
    id=197,
    source=OURS,
    symbol="MSG_INDEX_IMPOSSIBLE",
    level=Level.WARNING,
    category=Category.INITIALIZATION,
    template="There is no search index: %1.",
    parameters=("reason",),
    action="index-impossible",
    explanation="Searches read one message after the other, for ten seconds at most.",
    remedy="Run bindpost by a Python whose SQLite is 3.34 or newer and has FTS5.",
    ecs=("configuration", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (
    INDEXER_FAILED,
    INDEX_REBUILT,
    INDEX_IMPOSSIBLE,
)
