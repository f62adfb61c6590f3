"""
The events that the Internet Mail Service never had, source bindpost, numbered from 100.

A number is never given to another event. What a peer sent goes into fields, not into a sentence.
"""

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

EVENTS: Final[tuple[EventType, ...]] = (
    READY,
    LISTENER_BOUND,
    SESSION_REFUSED,
    PATH_LOST,
    PATH_RECOVERED,
    REBIND_ATTEMPT,
    STORE_FAILED,
    WEB_BOUND,
    DRAINING,
    CUT,
    CLIENT_DROPPED,
    TLS_FAILED,
    RETENTION_SWEPT,
    SERVICE_START_FAILED,
    INTERNAL_ERROR,
    PROTOCOL_LOG_FAILED,
    WEB_FAILED,
    REQUEST_FAILED,
    RELOADED,
    RELOAD_FAILED,
    PROXY_HEADER_UNEXPECTED,
    SINGLE_SESSION,
    RELAY_ON,
    RELAY_SENT,
    RELAY_DELAYED,
    RELAY_FAILED,
    RELAY_LOOP,
    RELAY_ERROR,
    CLIENT_FILE_ODD,
    SINK_FAILED,
    SINK_RECOVERED,
    EVENTS_FOLDED,
    ROOT_GIVEN_UP,
    STORE_BACK,
)
