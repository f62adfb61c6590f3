"""The RFC 5424 form of a record: header, one element of structured data, the sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..record import EventRecord
from ..winlog import level_name

SEVERITY: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""RFC 5424, 6.2.1, by the names of our levels."""
MAIL: Final = 2
"""Facility "mail system" (RFC 5424, 6.2.1)."""
NIL: Final = "-"
_NOT_PRINTABLE: Final = re.compile("[^!-~]")
_TO_ESCAPE: Final = re.compile(r'[\\"\]]')
_LONGEST_APP_NAME: Final = 48
_LONGEST_HOST: Final = 255


def encode(record: EventRecord, *, facility: int = MAIL, enterprise: int = 32473) -> bytes:
    """
    Give the message in UTF-8, without framing.

    `enterprise` is the private enterprise number in the structured data's name; 32473 is the one
    that is kept for examples (RFC 5612). Control characters can't be in it: a record has none.
    """
    definition = record.definition
    header = " ".join(
        [
            f"<{facility * 8 + SEVERITY.get(record.level, 6)}>1",
            record.timestamp,
            _name(record.host, _LONGEST_HOST),
            _name(definition.source if definition else "bindpost", _LONGEST_APP_NAME),
            str(record.process_id),
            str(definition.id) if definition else NIL,
        ]
    )
    data = _element(f"winlog@{enterprise}", _values(record)) if definition else NIL
    return f"{header} {data} {record.message}".encode("utf-8", "replace")


def _values(record: EventRecord) -> Iterable[tuple[str, str]]:
    definition = record.definition
    assert definition is not None
    yield "channel", "Application"
    yield "provider", definition.source
    yield "eventId", str(definition.id)
    yield "level", level_name(definition.level)
    yield "task", definition.category.title
    for number, text in enumerate(record.strings, start=1):
        yield f"param{number}", text
    if record.failure is not None and record.failure.code:
        yield "errorCode", record.failure.code
        yield "errorName", record.failure.type


def _element(name: str, values: Iterable[tuple[str, str]]) -> str:
    written = (f'{key}="{_TO_ESCAPE.sub(_escape, value)}"' for key, value in values)
    return f"[{' '.join([name, *written])}]"


def _escape(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def _name(text: str, longest: int) -> str:
    """Give a header field: printable ASCII without blanks (RFC 5424, 6)."""
    return _NOT_PRINTABLE.sub("_", text)[:longest] or NIL
