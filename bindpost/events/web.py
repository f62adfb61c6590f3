"""The events of who may use the web side, source bindpost, numbered from 180."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

WEB_LOGIN_FAILED: Final = EventType(
    id=180,
    source=OURS,
    symbol="MSG_WEB_LOGIN_FAILED",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="A client of the web pages and APIs could not log in: %1.",
    parameters=("reason",),
    details=("client", "scheme", "user", "method", "path"),
    action="web-login-failed",
    explanation=(
        "A request came with credentials that are none of [web_access]. `user` is left out unless "
        "there is such a user: people type passwords into the wrong field."
    ),
    remedy="Correct the client's name, password or token, or see who tries.",
    ecs=("authentication", "start"),
)
WEB_LOGIN_LIMITED: Final = EventType(
    id=181,
    source=OURS,
    symbol="MSG_WEB_LOGIN_LIMITED",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="A client of the web pages and APIs failed to log in too often and has to wait.",
    details=("client", "seconds"),
    action="web-login-limited",
    explanation=(
        "After ten failures one more attempt is looked at every six seconds; the others are "
        "answered with 429, right or wrong. `client` is the address, for IPv6 its /64."
    ),
    remedy="See who tries. Behind a reverse proxy all clients have the proxy's address.",
    ecs=("authentication", "start"),
)
WEB_OPEN: Final = EventType(
    id=182,
    source=OURS,
    symbol="MSG_WEB_OPEN",
    level=Level.WARNING,
    category=Category.INITIALIZATION,
    template="The web pages at %1 can be reached from other machines, and nobody has to log in.",
    parameters=("url",),
    action="web-open",
    explanation=(
        "The web endpoint is bound to an address that is not loopback, with neither users nor "
        "tokens in [web_access]: who reaches it can read and delete all mail."
    ),
    remedy="Set web_access.users or web_access.tokens, or bind --web to 127.0.0.1.",
    ecs=("configuration", "info"),
)
WEB_UNENCRYPTED: Final = EventType(
    id=183,
    source=OURS,
    symbol="MSG_WEB_UNENCRYPTED",
    level=Level.WARNING,
    category=Category.INITIALIZATION,
    template="The web pages at %1 take passwords over plain HTTP from other machines.",
    parameters=("url",),
    action="web-unencrypted",
    explanation=(
        "[web_access] has users or tokens and no certificate, and the web endpoint is bound to an "
        "address that is not loopback: who listens on the way learns them."
    ),
    remedy="Set web_access.certificate, or bind --web to 127.0.0.1 behind a proxy with HTTPS.",
    ecs=("configuration", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (
    WEB_LOGIN_FAILED,
    WEB_LOGIN_LIMITED,
    WEB_OPEN,
    WEB_UNENCRYPTED,
)
