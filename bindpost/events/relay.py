"""The events of the relay."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

RELAY_ON: Final = EventType(
    id=120,
    source=OURS,
    symbol="MSG_RELAY_ON",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="Messages can be relayed to %1 through %2; %3 wait in the queue.",
    parameters=("server", "via", "waiting"),
    details=("patterns",),
    action="relay-on",
    explanation=(
        "The service started with [relay] set. `patterns` are the recipients whose mail is relayed "
        "by itself; anything else is relayed only when somebody releases it."
    ),
    remedy="Nothing to do. Set relay.server to nothing to switch it off.",
    ecs=("configuration", "info"),
)
RELAY_SENT: Final = EventType(
    id=121,
    source=OURS,
    symbol="MSG_RELAY_SENT",
    level=Level.INFORMATION,
    category=Category.MESSAGE_TRANSFER,
    template="The message %1 was relayed to %2 recipients, at attempt %3.",
    parameters=("message_id", "recipients", "attempt"),
    details=("job", "kind", "server", "via"),
    action="relay-sent",
    explanation="The server has taken responsibility for the message and all its recipients.",
    remedy="Nothing to do.",
    ecs=("email", "info"),
)
RELAY_DELAYED: Final = EventType(
    id=122,
    source=OURS,
    symbol="MSG_RELAY_DELAYED",
    level=Level.WARNING,
    category=Category.MESSAGE_TRANSFER,
    template="The message %1 is not yet relayed to %2 recipients; attempt %3 comes in %4 seconds.",
    parameters=("message_id", "recipients", "attempt", "delay"),
    details=("job", "kind", "server", "via", "hop", "reason", "hint"),
    action="relay-delayed",
    explanation=(
        "The proxy or the server could not be reached, or the server said 4xx. `hop` is which of "
        "them it was: proxy, server or message; `reason` is the error or the server's own words."
    ),
    remedy="See `hint`. The message stays in the queue, over restarts too, until it is given up.",
    ecs=("email", "info"),
)
RELAY_FAILED: Final = EventType(
    id=123,
    source=OURS,
    symbol="MSG_RELAY_FAILED",
    level=Level.ERROR,
    category=Category.MESSAGE_TRANSFER,
    template="The message %1 is not relayed to %2 recipients, after attempt %3.",
    parameters=("message_id", "recipients", "attempt"),
    details=("job", "kind", "server", "via", "hop", "reason", "hint"),
    action="relay-failed",
    explanation=(
        "The server said 5xx, or the last of relay.attempts has failed. `hop` is where: proxy, "
        "server or message; `reason` is the error or the server's own words."
    ),
    remedy="See `hint`, then release the message again. It is still in the inbox.",
    ecs=("email", "info"),
)
RELAY_LOOP: Final = EventType(
    id=124,
    source=OURS,
    symbol="MSG_RELAY_LOOP",
    level=Level.WARNING,
    category=Category.MESSAGE_TRANSFER,
    template="The message %1 is not relayed by itself, because a relay has brought it.",
    parameters=("message_id",),
    details=("job", "kind", "server", "via"),
    action="relay-loop",
    explanation=(
        "A message that a bindpost has relayed once came in, from it or over other servers. "
        "Relayed again it could go round for ever."
    ),
    remedy="Let relay.server, or what stands behind it, not send back to this listener.",
    ecs=("email", "info"),
)
RELAY_ERROR: Final = EventType(
    id=125,
    source=OURS,
    symbol="MSG_RELAY_ERROR",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="The relay could not do its work; it tries again.",
    details=("error",),
    action="relay-error",
    explanation=(
        "The queue of the relay or the message store failed, or bindpost itself did; then the "
        "record carries a traceback. Mail is still taken."
    ),
    remedy="Look at the error: mostly the disk is full or the data folder not writable.",
    ecs=("process", "info"),
)
