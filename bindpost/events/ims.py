"""
The events of the Internet Mail Service that a listener has occasion to log, source MSExchangeIMC.

Where an article prints a type or a category, it is in `attested`. The rest follows the numbering of
those that are known: 2xxx Information, 3xxx Warning, 4xxx Error.
"""

from __future__ import annotations

from typing import Final

from .model import IMS, Category, EventType, Level

SERVICE_STARTED: Final = EventType(
    id=1000,
    source=IMS,
    symbol="MSG_SERVICE_STARTED",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The Microsoft Exchange Internet Mail Service has started. Build: %1.",
    parameters=("build",),
    action="service-started",
    explanation="Every listener is bound and the service takes mail.",
    remedy="Nothing to do.",
    attested=frozenset({"type"}),
    reference="KB Q257618",
    ecs=("process", "start"),
)
SERVICE_STOPPED: Final = EventType(
    id=1001,
    source=IMS,
    symbol="MSG_SERVICE_STOPPED",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The Microsoft Exchange Internet Mail Service shut down successfully",
    action="service-stopped",
    explanation="The service was asked to stop and has stopped cleanly.",
    remedy="Nothing to do.",
    attested=frozenset({"text", "type", "category"}),
    reference="KB Q325939",
    ecs=("process", "end"),
)
MESSAGE_RECEIVED: Final = EventType(
    id=2002,
    source=IMS,
    symbol="MSG_MESSAGE_RECEIVED",
    level=Level.INFORMATION,
    category=Category.MESSAGE_TRANSFER,
    template=(
        "A message from <%1> in temporary file %2 was received from %3 with %4 local recipients."
    ),
    parameters=("sender", "file", "host", "recipients"),
    details=("session", "listener", "peer"),
    action="message-received",
    explanation=(
        "A message was accepted and is kept. `sender` is its reverse-path, `file` its id in the "
        "store, `recipients` their number."
    ),
    remedy="Nothing to do.",
    attested=frozenset({"text", "category"}),
    reference="KB Q166558",
    ecs=("email", "info"),
)
CONNECTION_MADE: Final = EventType(
    id=2003,
    source=IMS,
    symbol="MSG_CONNECTION_MADE",
    level=Level.AUDIT_SUCCESS,
    category=Category.SMTP_INTERFACE,
    template="A new TCP/IP connection has been made to host %1 (for %2).",
    parameters=("host", "domain"),
    details=("server", "via"),
    action="connection-made",
    explanation=(
        "The relay has a connection to its server. `host` is the server's address, or its name "
        "where a proxy looks that up; `domain` is the host in relay.server. In the article a line "
        "with the name of the connection's protocol log follows; the relay writes none."
    ),
    remedy="Nothing to do.",
    attested=frozenset({"text", "type", "category"}),
    reference="KB Q246580",
    ecs=("network", "start"),
)
PROTOCOL_LOG_ON: Final = EventType(
    id=2004,
    source=IMS,
    symbol="MSG_PROTOCOL_LOG_ON",
    level=Level.INFORMATION,
    category=Category.PROTOCOL_LOG,
    template="SMTP protocol logging is on at level %1. The log files are in %2.",
    parameters=("level", "directory"),
    action="protocol-log-on",
    explanation="The service started with its SMTP protocol log switched on.",
    remedy="Nothing to do. Set protocol_log.directory to nothing to switch it off.",
    attested=frozenset({"category"}),
    reference="KB Q154505",
    ecs=("configuration", "info"),
)
CONNECT_FAILED: Final = EventType(
    id=3010,
    source=IMS,
    symbol="MSG_CONNECT_FAILED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="An attempt to connect to host %1 failed.",
    parameters=("domain",),
    details=("server", "via"),
    action="connect-failed",
    explanation=(
        "The relay got no connection to its server: it did not answer, or a proxy on the way did "
        "not let us through. `domain` is the host in relay.server."
    ),
    remedy="See the event 122 or 123 after this one: it names the hop, the reason and what to do.",
    attested=frozenset({"text", "type", "category"}),
    reference="KB Q283255",
    ecs=("network", "start"),
)
CONNECT_REFUSED: Final = EventType(
    id=3011,
    source=IMS,
    symbol="MSG_CONNECT_REFUSED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="An attempt to connect to host %1 for %2 was refused.",
    parameters=("host", "domain"),
    details=("server", "via"),
    action="connect-refused",
    explanation=(
        "Nothing listens where the relay's server should; over SOCKS5 the proxy was told so. "
        "`host` and `domain` are those of event 2003."
    ),
    remedy="See that the server runs, and that relay.server names its port.",
    attested=frozenset({"text", "type", "category"}),
    reference="KB Q283255",
    ecs=("network", "denied"),
)
DISK_LOW: Final = EventType(
    id=3018,
    source=IMS,
    symbol="MSG_ENTERING_FLUSH_MODE",
    level=Level.WARNING,
    category=Category.MESSAGE_TRANSFER,
    template=(
        "The available disk space on the spool drive has dropped below (%1)K. The Internet Mail "
        "Connector will not accept messages for inbound and outbound conversion until the "
        "available disk space has increased above (%1)K."
    ),
    parameters=("kilobytes",),
    details=("error", "session", "listener", "peer"),
    action="flush-mode-entered",
    explanation="There is no more room where the messages are kept; new ones are refused.",
    remedy="Make room on the disk, or let [retention] delete old messages.",
    attested=frozenset({"text", "type", "category"}),
    reference="KB Q272506, Q189587",
    ecs=("host", "info"),
)
RECIPIENTS_EXCEEDED: Final = EventType(
    id=3041,
    source=IMS,
    symbol="MSG_RECIPIENTS_EXCEEDED",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template=(
        "Unable to deliver mail to all recipients. The total number of recipients exceeds %1."
    ),
    parameters=("limit",),
    details=("session", "listener", "peer"),
    action="recipients-exceeded",
    explanation=(
        "A client gave one message more recipients than limits.recipients, 32766 in the original, "
        "or more octets of them than limits.envelope_size; the ones above it were refused with "
        "452. IMS logged it for a non-delivery report."
    ),
    remedy="Send the message in parts, or raise limits.recipients or limits.envelope_size.",
    attested=frozenset({"text", "type", "category"}),
    reference="KB Q272672",
    ecs=("email", "info"),
)
PROTOCOL_INFORMATION_FAILED: Final = EventType(
    id=4003,
    source=IMS,
    symbol="MSG_PROTOCOL_INFORMATION_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template=(
        "The following error occurred while trying to retrieve protocol information. Error=%1"
    ),
    parameters=("wsa_error",),
    details=("listener", "endpoint", "via", "hop", "reason", "hint"),
    action="protocol-information",
    explanation=(
        "The service or protocol table, or a name in it, could not be looked up. 11004: the name "
        "is valid and has no such record. Here: a listener's endpoint names its port, as "
        "`0.0.0.0:smtp` does, and the services file has no such line. Which table it was in the "
        "article is not known."
    ),
    remedy="Put the line into the services file; the original's cure was to reinstall TCP/IP.",
    attested=frozenset({"text"}),
    reference="KB Q268643",
    ecs=("network", "start"),
)
BIND_FAILED: Final = EventType(
    id=4007,
    source=IMS,
    symbol="MSG_BIND_LISTENER_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="The following error occurred while trying to bind the TCP/IP listener socket (%1)",
    parameters=("wsa_error",),
    details=("listener", "endpoint", "via", "hop", "reason", "hint"),
    action="bind-listener",
    explanation=(
        "The listener socket could not be bound. 10050: the proxy path is misconfigured or "
        "unusable, as with the Microsoft Proxy Client enabled on a server that does not go out "
        "through Microsoft Proxy Server. Any other code: the bind itself failed, here or on the "
        "proxy."
    ),
    remedy=(
        "10050: with Microsoft Proxy Server use its client and give its address; with any other "
        "proxy disable the Proxy Client. 10048: stop the service that holds the port. Run "
        "`bindpost check` to see the path hop by hop."
    ),
    attested=frozenset({"text"}),
    reference="KB Q203116, Q193928, Q222553",
    ecs=("network", "start"),
)
WINSOCK_FAILED: Final = EventType(
    id=4020,
    source=IMS,
    symbol="MSG_WINSOCK_INIT_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="Unable to start the service because WinSock could not be initialized.",
    details=("wsa_error", "endpoint", "via", "hop", "reason", "hint"),
    action="service-start",
    explanation="The service gave up its start, because a listener could not be bound.",
    remedy="See the event 4007 or 4003 before this one.",
    attested=frozenset({"text"}),
    reference="KB Q193928, Q222553, Q268643",
    ecs=("process", "start"),
)
BODY_TIMEOUT: Final = EventType(
    id=4051,
    source=IMS,
    symbol="MSG_BODY_TIMEOUT",
    level=Level.ERROR,
    category=Category.SMTP_INTERFACE,
    template=(
        "A time-out occurred while trying to receive mail from %1 and while waiting for the "
        "message body."
    ),
    parameters=("host",),
    details=("session", "listener", "peer"),
    action="body-timeout",
    explanation="A client fell silent between DATA and the final dot; its message is not kept.",
    remedy=(
        "See that the client ends its message with CRLF.CRLF, not LF.LF, and that no firewall "
        "holds the end back. limits.data_timeout is the time allowed."
    ),
    attested=frozenset({"text"}),
    reference="KB Q152944",
    ecs=("network", "end"),
)
AUTH_FAILED: Final = EventType(
    id=4183,
    source=IMS,
    symbol="MSG_AUTH_FAILED",
    level=Level.ERROR,
    category=Category.SMTP_INTERFACE,
    template=(
        "Authentication attempt (AUTH %1) from %2 as %3 failed: LogonUser() call failed with "
        "error: %4"
    ),
    parameters=("mechanism", "host", "user", "error"),
    details=("session", "listener", "peer"),
    action="auth-failed",
    explanation=(
        "A client's login was refused. The article has AUTH LOGIN and, as the error, `Logon "
        "failure: unknown user name or bad password.`"
    ),
    remedy="Correct the client's login, or the file that auth.users names.",
    attested=frozenset({"text"}),
    reference="KB Q235627",
    ecs=("authentication", "start"),
)
RELAY_REFUSED: Final = EventType(
    id=4188,
    source=IMS,
    symbol="MSG_RELAY_REFUSED",
    level=Level.ERROR,
    category=Category.SMTP_INTERFACE,
    template="Refused to relay <%1> for %2",
    parameters=("recipient", "peer"),
    details=("session", "listener"),
    action="relay-refused",
    explanation=(
        "A recipient was refused with 550, because [ims] RelayFlags and its lists do not let this "
        "client relay. Number and text are second-hand: `Refused to relay <address> for "
        "host(ip)`."
    ),
    remedy="Let the client log in, add its network to RelayAllowList, or set RelayFlags to 0.",
    attested=frozenset({"category"}),
    reference="KB Q193922; EventTracker knowledge base, 4188",
    ecs=("network", "denied"),
)

SERVICES_HOP: Final = "services"
"""The hop at which the name of a port is looked up in the services file."""


def bind_failure(hop: str) -> EventType:
    """Give the event of a listener that could not be bound: 4003 if its port's name is unknown."""
    return PROTOCOL_INFORMATION_FAILED if hop == SERVICES_HOP else BIND_FAILED


EVENTS: Final[tuple[EventType, ...]] = (
    SERVICE_STARTED,
    SERVICE_STOPPED,
    MESSAGE_RECEIVED,
    CONNECTION_MADE,
    PROTOCOL_LOG_ON,
    CONNECT_FAILED,
    CONNECT_REFUSED,
    DISK_LOW,
    RECIPIENTS_EXCEEDED,
    PROTOCOL_INFORMATION_FAILED,
    BIND_FAILED,
    WINSOCK_FAILED,
    BODY_TIMEOUT,
    AUTH_FAILED,
    RELAY_REFUSED,
)
