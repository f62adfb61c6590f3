"""
Sigma rules for the events that somebody should be woken for.

Format: Sigma rules specification 2.0. The fields are those of Windows' Application log, which the
JSON log has too (`json_form.py`). They are written as JSON strings, which YAML reads as its own.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Final

from bindpost import events
from bindpost.events import EventType

from ..winlog import CHANNEL

_NAMESPACE: Final = uuid.UUID("5f0c6b0e-2c2b-5a8e-9d1e-0d1c7f4e0516")
_ARTICLE: Final = "https://jeffpar.github.io/kbarchive/kb/{group}/{article}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What the catalogue doesn't say: title, level, and what else may cause the event."""

    event: EventType
    title: str
    level: str
    false_positives: str


_RULES: Final = (
    _Rule(
        event=events.BIND_FAILED,
        title="Internet Mail Service Listener Could Not Be Bound",
        level="high",
        false_positives="A lab that provokes the fault on purpose",
    ),
    _Rule(
        event=events.WINSOCK_FAILED,
        title="Internet Mail Service Did Not Start Without Winsock",
        level="high",
        false_positives="A lab that provokes the fault on purpose",
    ),
    _Rule(
        event=events.PATH_LOST,
        title="Bindpost Listener Lost Its Bind Path",
        level="medium",
        false_positives="A proxy that is restarted for maintenance",
    ),
)


def sigma_rules() -> dict[str, bytes]:
    """Give the rules by their file names."""
    return {_file_name(rule.event): _render(rule).encode("ascii") for rule in _RULES}


def _file_name(event: EventType) -> str:
    return f"win_application_{event.source.lower()}_{event.action.replace('-', '_')}.yml"


def _render(rule: _Rule) -> str:
    event = rule.event
    references = [_reference(name) for name in event.reference.removeprefix("KB ").split(", ")]
    lines = [
        f"title: {rule.title}",
        f"id: {uuid.uuid5(_NAMESPACE, event.message_id)}",
        "status: test",
        f"description: {json.dumps(event.explanation)}",
        *(["references:", *(f"    - {url}" for url in references)] if event.reference else []),
        "author: bindpost",
        "date: 2026-11-26",
        "logsource:",
        "    product: windows",
        f"    service: {CHANNEL.lower()}",
        "detection:",
        "    selection:",
        f"        Provider_Name: {event.source}",
        f"        EventID: {event.id}",
        "    condition: selection",
        "falsepositives:",
        f"    - {rule.false_positives}",
        f"level: {rule.level}",
        "",
    ]
    return "\n".join(lines)


def _reference(article: str) -> str:
    return _ARTICLE.format(group=article[1:4], article=article)
