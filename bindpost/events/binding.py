"""The events of what is bound: listeners, their bind paths, the web endpoint."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

LISTENER_BOUND: Final = EventType(
    id=101,
    source=OURS,
    symbol="MSG_LISTENER_BOUND",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The listener %1 is bound at %2 through %3.",
    parameters=("listener", "addresses", "via"),
    details=("capacity",),
    action="listener-bound",
    explanation=(
        "One listener takes connections. `addresses` are what peers dial, `capacity` is how many "
        "sessions the path carries at once, left out when there is no limit."
    ),
    remedy="Nothing to do.",
    ecs=("network", "start"),
)
PATH_LOST: Final = EventType(
    id=103,
    source=OURS,
    symbol="MSG_PATH_LOST",
    level=Level.ERROR,
    category=Category.SMTP_INTERFACE,
    template="The bind path %2 of the listener %1 was lost (%3).",
    parameters=("listener", "via", "wsa_error"),
    details=("endpoint", "hop", "reason", "hint"),
    action="path-lost",
    explanation=(
        "A listener that was bound cannot be reached any more: its proxy closed the path or is "
        "gone. Sessions that live go on, but for those inside an SSH login; event 4007 follows."
    ),
    remedy="See that the proxy runs. on_bind_failure says whether bindpost binds again.",
    ecs=("network", "end"),
)
PATH_RECOVERED: Final = EventType(
    id=104,
    source=OURS,
    symbol="MSG_PATH_RECOVERED",
    level=Level.INFORMATION,
    category=Category.SMTP_INTERFACE,
    template="The listener %1 is bound again through %2, at attempt %3.",
    parameters=("listener", "via", "attempt"),
    details=("addresses", "seconds"),
    action="path-recovered",
    explanation="A bind path that was lost or failed works; `seconds` is how long it did not.",
    remedy="Nothing to do.",
    ecs=("network", "start"),
)
REBIND_ATTEMPT: Final = EventType(
    id=105,
    source=OURS,
    symbol="MSG_REBIND_ATTEMPT",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The listener %1 will be bound again through %2 in %4 seconds, attempt %3.",
    parameters=("listener", "via", "attempt", "delay"),
    action="rebind-attempt",
    explanation="With on_bind_failure = retry a failed bind is tried again, each time later.",
    remedy="See the event 4007 before this one.",
    ecs=("network", "start"),
)
WEB_BOUND: Final = EventType(
    id=107,
    source=OURS,
    symbol="MSG_WEB_BOUND",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The web pages are at %1.",
    parameters=("url",),
    action="web-bound",
    explanation=(
        "The HTTP endpoint is bound. At a start a request that comes early waits until the pages "
        "are loaded."
    ),
    remedy="Nothing to do.",
    ecs=("network", "start"),
)
WEB_FAILED: Final = EventType(
    id=116,
    source=OURS,
    symbol="MSG_WEB_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="The web pages could not be bound (%1).",
    parameters=("wsa_error",),
    details=("endpoint", "via", "hop", "reason", "hint"),
    action="bind-web",
    explanation="The HTTP endpoint could not be bound; the service does not start.",
    remedy="Stop what holds the port, give another endpoint to --web, or say --web off.",
    ecs=("network", "start"),
)
SINGLE_SESSION: Final = EventType(
    id=140,
    source=OURS,
    symbol="MSG_SINGLE_SESSION",
    level=Level.WARNING,
    category=Category.INITIALIZATION,
    template=(
        "The listener %1 takes one session at a time through %2; clients that come meanwhile are "
        "refused."
    ),
    parameters=("listener", "via"),
    action="single-session",
    explanation=(
        "The bind path brings one connection and must be bound again before the next (SOCKS BIND). "
        "Said once for a listener, when it is bound first."
    ),
    remedy=(
        "Clients that try again lose nothing. docs/socks.md has a queue in front that refuses "
        "none; ssh:// has no such limit."
    ),
    ecs=("network", "info"),
)
CLIENT_FILE_ODD: Final = EventType(
    id=168,
    source=OURS,
    symbol="MSG_CLIENT_FILE_ODD",
    level=Level.WARNING,
    category=Category.INITIALIZATION,
    template="A file of a bind path has something in it that does not count.",
    details=("listener", "via", "reason"),
    action="client-file-odd",
    explanation=(
        "The bind path's files were read, but not all of them means something: an unknown key, a "
        "port in two lists, a line that is none. `reason` names file and line."
    ),
    remedy="Mend the file; `bindpost check` tells all of them.",
    ecs=("configuration", "info"),
)
