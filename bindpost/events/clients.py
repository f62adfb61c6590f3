"""The events of clients: sessions and requests that were refused, were ended or failed."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

SESSION_REFUSED: Final = EventType(
    id=102,
    source=OURS,
    symbol="MSG_SESSION_REFUSED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="A session was refused: %1.",
    parameters=("reason",),
    details=("session", "listener", "peer"),
    action="session-refused",
    explanation=(
        "A client got 521 or 421 in place of the banner: it is on the reject list, or there are "
        "as many sessions as the limit allows, all together or of its address, or its address "
        "comes too often."
    ),
    remedy=(
        "See [ims] RejectHosts and MaxInboundConnections; limits.sessions, sessions_per_address "
        "and connections_per_minute, and limits.exempt for networks that the last two spare."
    ),
    ecs=("network", "denied"),
)
CLIENT_DROPPED: Final = EventType(
    id=110,
    source=OURS,
    symbol="MSG_CLIENT_DROPPED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="A client was dropped: %1.",
    parameters=("reason",),
    details=("session", "listener", "peer"),
    action="client-dropped",
    explanation=(
        "A client gave as many bad commands as limits.bad_commands, or none within "
        "limits.command_timeout; or its transaction took longer than limits.transaction_time, its "
        "session longer than limits.session_time."
    ),
    remedy="Look at the client; the session's transcript shows what it said.",
    ecs=("network", "end"),
)
TLS_FAILED: Final = EventType(
    id=111,
    source=OURS,
    symbol="MSG_TLS_FAILED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="A TLS handshake with a client failed.",
    details=("reason", "hint", "error", "session", "listener", "peer"),
    action="tls-failed",
    explanation=(
        "Client and server agreed on no version or cipher, one distrusted the other, or the client "
        "took longer than limits.handshake_timeout; `reason` says what it was, `error` in the "
        "words of OpenSSL."
    ),
    remedy=(
        "See `hint`; a self-signed certificate must be accepted by the client, and a client's "
        "must be of an authority that tls.client_ca names."
    ),
    ecs=("network", "protocol"),
)
INTERNAL_ERROR: Final = EventType(
    id=114,
    source=OURS,
    symbol="MSG_INTERNAL_ERROR",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="A session was ended by an unexpected error in bindpost; the service goes on.",
    details=("error", "session", "listener", "peer"),
    action="internal-error",
    explanation="An exception that nobody foresaw; the record carries its traceback.",
    remedy="Report it, with this record.",
    ecs=("process", "info"),
)
REQUEST_FAILED: Final = EventType(
    id=117,
    source=OURS,
    symbol="MSG_REQUEST_FAILED",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="An HTTP request could not be answered.",
    details=("method", "path", "error"),
    action="request-failed",
    explanation="The store failed, or bindpost itself did; the client got 503 or 500.",
    remedy="See `error`; with a stack trace it is a fault of bindpost's: report it.",
    ecs=("web", "error"),
)
PROXY_HEADER_UNEXPECTED: Final = EventType(
    id=130,
    source=OURS,
    symbol="MSG_PROXY_HEADER_UNEXPECTED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="A client sent a PROXY protocol header (%1) to a listener that does not expect one.",
    parameters=("version",),
    details=("session", "listener", "peer"),
    action="proxy-header-unexpected",
    explanation=(
        "A load balancer in front of the listener sends PROXY headers. Each of their lines got a "
        "reply of its own, so its clients read every reply too early."
    ),
    remedy="Set `proxy_protocol = true` on this listener, or take send-proxy off in the balancer.",
    ecs=("network", "protocol"),
)
