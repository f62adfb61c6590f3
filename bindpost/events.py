"""The event catalogue: every event that bindpost logs, IMS's own and ours, in one table."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

IMS: Final = "MSExchangeIMC"
"""Source of the events that the Internet Mail Service had (KB Q203116)."""
OURS: Final = "bindpost"
"""Source of the events that it never had."""

_NAMESPACE: Final = uuid.UUID("5f0c6b0e-2c2b-5a8e-9d1e-0d1c7f4e4007")


class Level(IntEnum):
    """Event type as NT numbers it (EVENTLOGRECORD.EventType)."""

    ERROR = 1
    WARNING = 2
    INFORMATION = 4
    AUDIT_SUCCESS = 8
    AUDIT_FAILURE = 16

    @property
    def logging_name(self) -> str:
        """Name of the log level that a record of this type gets."""
        names = {Level.ERROR: "error", Level.WARNING: "warning", Level.AUDIT_FAILURE: "warning"}
        return names.get(self, "info")


class Category(Enum):
    """Event category: its number here, and its name as the product spelled it (SP1 help, xmt04019)."""

    INITIALIZATION = (1, "Initialization/Termination")
    ADDRESSING = (2, "Addressing")
    MESSAGE_TRANSFER = (3, "Message Transfer")
    SMTP_INTERFACE = (4, "SMTP Interface Events")
    INTERNAL = (5, "Internal Processing")
    CONTENT_CONVERSION = (6, "Content Conversion")
    PROTOCOL_LOG = (7, "SMTP Protocol Log")
    ARCHIVAL = (8, "Message Archival")

    @property
    def number(self) -> int:
        """The category's number; not attested for any of them."""
        return self.value[0]

    @property
    def title(self) -> str:
        """The category's name."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """
    A catalogue entry.

    `template` is the sentence with `%1`... for the insertion strings; `parameters` names the field
    that fills each, in order. `attested` lists which of `text`, `type` and `category` are in a
    Microsoft source; what is not in it is our choice. `action` is the short ECS name.
    """

    id: int
    source: str
    symbol: str
    level: Level
    category: Category
    template: str
    action: str
    explanation: str
    remedy: str
    parameters: tuple[str, ...] = ()
    attested: frozenset[str] = field(default_factory=frozenset)
    reference: str = ""

    @property
    def message_id(self) -> str:
        """The constant MESSAGE_ID of journald: 32 hexadecimal digits."""
        return uuid.uuid5(_NAMESPACE, f"{self.source}/{self.id}").hex

    @property
    def identifier(self) -> int:
        """The 32-bit identifier: severity in bits 30 and 31, facility 0, the id below."""
        severity = {Level.ERROR: 3, Level.WARNING: 2}.get(self.level, 1)
        return severity << 30 | self.id

    @property
    def qualifiers(self) -> int:
        """The upper 16 bits of the identifier."""
        return self.identifier >> 16

    def strings(self, fields: dict[str, object]) -> tuple[str, ...]:
        """Give the insertion strings; a missing field is a programming error (`KeyError`)."""
        return tuple(str(fields[name]) for name in self.parameters)

    def sentence(self, fields: dict[str, object]) -> str:
        """Give the sentence with its insertion strings put in."""
        text = self.template
        for number, string in reversed(list(enumerate(self.strings(fields), start=1))):
            text = text.replace(f"%{number}", string)
        return text


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
    attested=frozenset({"type", "category"}),
    reference="KB Q257618",
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
)
BIND_FAILED: Final = EventType(
    id=4007,
    source=IMS,
    symbol="MSG_BIND_LISTENER_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="The following error occurred while trying to bind the TCP/IP listener socket (%1)",
    parameters=("wsa_error",),
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
)
WINSOCK_FAILED: Final = EventType(
    id=4020,
    source=IMS,
    symbol="MSG_WINSOCK_INIT_FAILED",
    level=Level.ERROR,
    category=Category.INITIALIZATION,
    template="Unable to start the service because WinSock could not be initialized.",
    action="service-start",
    explanation="The service gave up its start, because a listener could not be bound.",
    remedy="See the event 4007 before this one.",
    attested=frozenset({"text"}),
    reference="KB Q193928, Q222553",
)
CATALOGUE: Final[tuple[EventType, ...]] = (
    SERVICE_STARTED,
    SERVICE_STOPPED,
    BIND_FAILED,
    WINSOCK_FAILED,
)
