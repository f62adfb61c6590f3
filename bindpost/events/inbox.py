"""The events of the inbox: much mail at once, and its other ways out, POP3 and webhooks."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

MESSAGES_RECEIVED: Final = EventType(
    id=131,
    source=OURS,
    symbol="MSG_MESSAGES_RECEIVED",
    level=Level.INFORMATION,
    category=Category.MESSAGE_TRANSFER,
    template="%1 more messages, with %2 bytes together, were received within a second.",
    parameters=("messages", "size"),
    action="messages-received",
    explanation=(
        "So many messages came in a second that event 2002 told only of the first of them. All of "
        "them are kept."
    ),
    remedy="Nothing to do; the inbox has each of them.",
    ecs=("email", "info"),
)
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

WEBHOOK_ON: Final = EventType(
    id=175,
    source=OURS,
    symbol="MSG_WEBHOOK_ON",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The webhook %1 is on; %2 deliveries wait in its queue.",
    parameters=("webhook", "waiting"),
    details=("target", "types"),
    action="webhook-on",
    explanation="Its URL is told of messages from now on; `target` is where that leads.",
    remedy="Nothing to do.",
    ecs=("email", "info"),
)
WEBHOOK_DELIVERED: Final = EventType(
    id=176,
    source=OURS,
    symbol="MSG_WEBHOOK_DELIVERED",
    level=Level.INFORMATION,
    category=Category.MESSAGE_TRANSFER,
    template="The webhook %1 has taken a delivery, at attempt %2.",
    parameters=("webhook", "attempt"),
    details=("target", "delivery", "type", "status"),
    action="webhook-delivered",
    explanation="The URL answered 2xx. `delivery` is the webhook-id of the request.",
    remedy="Nothing to do.",
    ecs=("email", "info"),
)
WEBHOOK_DELAYED: Final = EventType(
    id=177,
    source=OURS,
    symbol="MSG_WEBHOOK_DELAYED",
    level=Level.WARNING,
    category=Category.MESSAGE_TRANSFER,
    template="The webhook %1 has not taken a delivery; attempt %2 follows in %3 seconds.",
    parameters=("webhook", "attempt", "delay"),
    details=("target", "delivery", "type", "status", "reason", "hint"),
    action="webhook-delayed",
    explanation="The URL could not be reached, or did not answer 2xx in time: see `reason`.",
    remedy="See `hint`. Nothing is lost until webhook.attempts are used up.",
    ecs=("email", "info"),
)
WEBHOOK_FAILED: Final = EventType(
    id=178,
    source=OURS,
    symbol="MSG_WEBHOOK_FAILED",
    level=Level.ERROR,
    category=Category.MESSAGE_TRANSFER,
    template="A delivery to the webhook %1 is given up, after attempt %2.",
    parameters=("webhook", "attempt"),
    details=("target", "delivery", "type", "status", "reason", "hint"),
    action="webhook-failed",
    explanation=(
        "The last of webhook.attempts has failed, or the URL answered 410, which asks for no more. "
        "The message itself is in the inbox all the same."
    ),
    remedy="See `hint`; then ask the API for what the receiver has missed.",
    ecs=("email", "info"),
)
WEBHOOK_ERROR: Final = EventType(
    id=179,
    source=OURS,
    symbol="MSG_WEBHOOK_ERROR",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="The webhook %1 could not do its work; it tries again.",
    parameters=("webhook",),
    details=("error",),
    action="webhook-error",
    explanation=(
        "The queue of the webhooks or the message store failed, or bindpost itself did; then the "
        "record carries a traceback. Mail is still taken."
    ),
    remedy="Look at the error: mostly the disk is full or the data folder not writable.",
    ecs=("process", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (
    MESSAGES_RECEIVED,
    POP3_BOUND,
    POP3_FAILED,
    POP3_LOGIN_REFUSED,
    POP3_SESSION,
    POP3_ERROR,
    WEBHOOK_ON,
    WEBHOOK_DELIVERED,
    WEBHOOK_DELAYED,
    WEBHOOK_FAILED,
    WEBHOOK_ERROR,
)
