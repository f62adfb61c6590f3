"""The event of faults on purpose."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

FAULT_FIRED: Final = EventType(
    id=200,
    source=OURS,
    symbol="MSG_FAULT_FIRED",
    level=Level.INFORMATION,
    category=Category.MESSAGE_TRANSFER,
    template="The fault %1 has struck on purpose: %2.",
    parameters=("fault", "action"),
    details=("session", "listener", "peer"),
    action="fault-fired",
    explanation=(
        "A rule of faults has changed what a client, or a bind, met with. The rules come from "
        "[[fault]], the API, a page, a test, or the chaos of Mailpit or MailHog."
    ),
    remedy="Nothing to do, if it is wanted; `bindpost faults list` tells the rules.",
    ecs=("email", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (FAULT_FIRED,)
