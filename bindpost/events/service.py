"""The events of the service itself: its start, its end, and settings that are read again."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

READY: Final = EventType(
    id=100,
    source=OURS,
    symbol="MSG_READY",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="bindpost is ready: SMTP at %1, web at %2.",
    parameters=("smtp", "web"),
    action="ready",
    explanation=(
        "Everything that was to be bound is bound. `smtp` lists each address as host:port, `web` "
        "is the URL of the pages, left out when they are off."
    ),
    remedy="Nothing to do.",
    ecs=("process", "start"),
)
DRAINING: Final = EventType(
    id=108,
    source=OURS,
    symbol="MSG_DRAINING",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="Shutting down: no new sessions are taken, %1 may come to their end.",
    parameters=("sessions",),
    action="draining",
    explanation="A signal asked the service to stop.",
    remedy="Nothing to do. A second signal cuts what is left; limits.drain is the time given.",
    ecs=("process", "end"),
)
CUT: Final = EventType(
    id=109,
    source=OURS,
    symbol="MSG_CUT",
    level=Level.WARNING,
    category=Category.INITIALIZATION,
    template="Shutting down at once: the sessions that are left are cut.",
    action="cut",
    explanation="A second signal came while sessions were still given time to end.",
    remedy="Nothing to do; no message that was acknowledged is lost.",
    ecs=("process", "end"),
)
SERVICE_START_FAILED: Final = EventType(
    id=113,
    source=OURS,
    symbol="MSG_SERVICE_START_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template=(
        r"Could not start the Microsoft Exchange Internet Mail Service service on \\%1. "
        "Error 2140: An internal Windows NT error occurred."
    ),
    parameters=("host",),
    action="service-start-failed",
    explanation=(
        "The last line before bindpost exits with code 69. The words are those of the Services "
        "panel; in the original they were no event."
    ),
    remedy="See the event 4007 before this one.",
    attested=frozenset({"text"}),
    reference="KB Q193928",
    ecs=("process", "start"),
)
RELOADED: Final = EventType(
    id=118,
    source=OURS,
    symbol="MSG_RELOADED",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The settings were read again: SMTP at %1.",
    parameters=("smtp",),
    action="reloaded",
    explanation="SIGHUP came. Listeners that did not change stayed bound, live sessions went on.",
    remedy="Nothing to do.",
    ecs=("configuration", "change"),
)
RELOAD_FAILED: Final = EventType(
    id=119,
    source=OURS,
    symbol="MSG_RELOAD_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="The settings were read again and cannot be used; the old ones stay in force.",
    details=("error",),
    action="reload-failed",
    explanation="SIGHUP came, and the file or a variable is wrong; `error` names the key.",
    remedy="Mend the settings, see them with `bindpost check`, and send SIGHUP again.",
    ecs=("configuration", "info"),
)
ROOT_GIVEN_UP: Final = EventType(
    id=155,
    source=OURS,
    symbol="MSG_ROOT_GIVEN_UP",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The service was started as root and runs as %1 now.",
    parameters=("account",),
    action="root-given-up",
    explanation=(
        "By the setting user the process has become another one, for good, before it opened "
        "anything. On Linux it keeps the right to ports below 1024, and no other."
    ),
    remedy="Nothing to do. That user must be able to read the files that the settings name.",
    ecs=("process", "info"),
)
