"""The events of the inbox's other ways in and out: POP3 and webhooks."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

POP3_BOUND: Final = EventType(
    id=170,
    source=OURS,
    symbol="MSG_POP3_BOUND",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="POP3 is served at %1 through %2.",
    parameters=("addresses", "via"),
    details=("endpoint",),
    action="pop3-bound",
    explanation="The endpoint of [pop3] takes clients; after a lost path, again.",
    remedy="Nothing to do.",
    ecs=("network", "start"),
)
POP3_FAILED: Final = EventType(
    id=171,
    source=OURS,
    symbol="MSG_POP3_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="POP3 is not bound (%1).",
    parameters=("wsa_error",),
    details=("endpoint", "via", "hop", "reason", "hint"),
    action="bind-pop3",
    explanation=(
        "The endpoint of [pop3] could not be bound, then the service does not start; or its bind "
        "path was lost later, then everything else goes on."
    ),
    remedy="See `hint`. A lost path is bound again by itself where its kind does so.",
    ecs=("network", "start"),
)
POP3_LOGIN_REFUSED: Final = EventType(
    id=172,
    source=OURS,
    symbol="MSG_POP3_LOGIN_REFUSED",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="A POP3 login was refused.",
    details=("user", "listener", "peer"),
    action="pop3-login-refused",
    explanation="The name is not in the file that pop3.users names, or the password is another.",
    remedy="Correct the client's login, or the file.",
    ecs=("authentication", "start"),
)
POP3_SESSION: Final = EventType(
    id=173,
    source=OURS,
    symbol="MSG_POP3_SESSION",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="A POP3 session has ended, with %1 messages retrieved and %2 deleted.",
    parameters=("retrieved", "deleted"),
    details=("mailbox", "listener", "peer"),
    action="pop3-session",
    explanation="The client had logged in. `mailbox` is what its name picked, `*` all messages.",
    remedy="Nothing to do.",
    ecs=("email", "info"),
)
POP3_ERROR: Final = EventType(
    id=174,
    source=OURS,
    symbol="MSG_POP3_ERROR",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="A POP3 session failed inside bindpost.",
    details=("listener", "peer", "error"),
    action="pop3-error",
    explanation="A fault of bindpost itself; the record carries a traceback. Other sessions go on.",
    remedy="Report it, with the record.",
    ecs=("process", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (
    POP3_BOUND,
    POP3_FAILED,
    POP3_LOGIN_REFUSED,
    POP3_SESSION,
    POP3_ERROR,
)
