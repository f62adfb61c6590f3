"""What a catalogue entry is: its number, level, category, sentence and what to do about it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

IMS: Final = "MSExchangeIMC"
"""Source of the events that the Internet Mail Service had (KB Q203116)."""
OURS: Final = "bindpost"
"""Source of the events that it never had."""

_NAMESPACE: Final = uuid.UUID("5f0c6b0e-2c2b-5a8e-9d1e-0d1c7f4e4007")
_PLACEHOLDER: Final = re.compile("%([1-9][0-9]?)")


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


SEVERITIES: Final = ("error", "warning", "information")
"""Names of the levels that a search may ask for, the gravest first."""


def types_from(severity: str) -> tuple[int, ...]:
    """Give the event types that are at least as grave as one of `SEVERITIES`."""
    names = ("error", "warning", "info")[: SEVERITIES.index(severity) + 1]
    return tuple(level.value for level in Level if level.logging_name in names)


class Category(Enum):
    """Event category: its number here, its name as the product spelled it (SP1 help, xmt04019)."""

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
    that fills each, in order; `details` names the further fields that come with it. `attested`
    lists which of `text`, `type` and `category` are in a Microsoft source; what is not in it is our
    choice. `action` is ECS's event.action, `ecs` its event.category and event.type.
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
    details: tuple[str, ...] = ()
    attested: frozenset[str] = field(default_factory=frozenset)
    reference: str = ""
    ecs: tuple[str, str] = ("network", "info")

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

    def strings(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """Give the insertion strings; a missing field is a programming error (`KeyError`)."""
        return tuple(_insertion(fields[name]) for name in self.parameters)

    def sentence(self, fields: Mapping[str, object]) -> str:
        """Give the sentence with its insertion strings put in."""
        return self.fill(self.strings(fields))

    def known_strings(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """Give the insertion strings; a field that is missing leaves its place, `%1`, visible."""
        places = {name: f"%{number}" for number, name in enumerate(self.parameters, start=1)}
        return self.strings({**places, **fields})

    def fill(self, strings: tuple[str, ...]) -> str:
        """
        Put insertion strings into the template, in one pass: a `%1` in a string stays as it is.

        A placeholder that has no string stays too, as in Event Viewer.
        """

        def string(match: re.Match[str]) -> str:
            index = int(match[1]) - 1
            return strings[index] if index < len(strings) else match[0]

        return _PLACEHOLDER.sub(string, self.template)

    def __str__(self) -> str:
        return self.template


def _insertion(value: object) -> str:
    """Give a field as an insertion string: a list with commas, an empty one or None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value)
