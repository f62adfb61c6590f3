"""The events of the message store."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

STORE_FAILED: Final = EventType(
    id=106,
    source=OURS,
    symbol="MSG_STORE_FAILED",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="The message store could not do what it was asked.",
    details=("error", "session", "listener", "peer"),
    action="store-failed",
    explanation=(
        "The client was told so and keeps its message; what was acknowledged is not lost. Of the "
        "messages that are refused while the database of the store is away, only the first is told."
    ),
    remedy="Look at the error: mostly the disk is full or the data folder not writable.",
    ecs=("database", "error"),
)
RETENTION_SWEPT: Final = EventType(
    id=112,
    source=OURS,
    symbol="MSG_RETENTION_SWEPT",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="The retention rules deleted %1 messages.",
    parameters=("deleted",),
    action="retention-swept",
    explanation="The oldest messages went, until the rules of [retention] held again.",
    remedy="Nothing to do.",
    ecs=("database", "change"),
)
STORE_BACK: Final = EventType(
    id=156,
    source=OURS,
    symbol="MSG_STORE_BACK",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="The message store is back after %1 seconds; %2 messages were refused meanwhile.",
    parameters=("seconds", "refused"),
    action="store-back",
    explanation=(
        "The first message was kept after an event 106 that said that the database of the store "
        "was away. The seconds are those since then."
    ),
    remedy="Nothing to do. The senders of the refused messages try again.",
    ecs=("database", "info"),
)
