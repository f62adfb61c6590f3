"""The events of logs: the protocol log, and the places that events are brought to."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

PROTOCOL_LOG_FAILED: Final = EventType(
    id=115,
    source=OURS,
    symbol="MSG_PROTOCOL_LOG_FAILED",
    level=Level.ERROR,
    category=Category.PROTOCOL_LOG,
    template="The SMTP protocol log in %1 could not be written; sessions go on without it.",
    parameters=("directory",),
    details=("error",),
    action="protocol-log-failed",
    explanation="Logged at the first failure only; later ones are silent.",
    remedy="Make room on the disk, or make the folder writable.",
    ecs=("process", "info"),
)
SINK_FAILED: Final = EventType(
    id=150,
    source=OURS,
    symbol="MSG_SINK_FAILED",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="Events can't be brought to %1.",
    parameters=("sink",),
    details=("error",),
    action="sink-failed",
    explanation=(
        "One of the places in [event_log] did not take an event. Up to 10,000 events wait for it "
        "and are brought when it works again; the log and the other places have them all the same."
    ),
    remedy="See that it runs and that its address or file in [event_log] is right.",
    ecs=("process", "info"),
)
SINK_RECOVERED: Final = EventType(
    id=151,
    source=OURS,
    symbol="MSG_SINK_RECOVERED",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="Events are brought to %1 again; %2 were dropped meanwhile.",
    parameters=("sink", "dropped"),
    action="sink-recovered",
    explanation="A place that had failed takes events again, and has got those that waited.",
    remedy="Nothing to do.",
    ecs=("process", "info"),
)
EVENTS_FOLDED: Final = EventType(
    id=152,
    source=OURS,
    symbol="MSG_EVENTS_FOLDED",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="The event %1 of %2 came %3 times more in %4 seconds and was left out.",
    parameters=("event_id", "source", "times", "seconds"),
    details=("sentence",),
    action="events-folded",
    explanation=(
        "The same event with the same fields came more than five times within a minute. The first "
        "five are in the log, the others are counted here."
    ),
    remedy="Look at the event's own cause: something flaps.",
    ecs=("process", "info"),
)
