"""How Windows numbers and names the level of an event, in its XML and its tools."""

from __future__ import annotations

from typing import Final

from bindpost.events import Level

CHANNEL: Final = "Application"
_NUMBER: Final = {Level.ERROR: 2, Level.WARNING: 3, Level.INFORMATION: 4}
_NAME: Final = {Level.ERROR: "error", Level.WARNING: "warning"}
_KEYWORD: Final = {Level.AUDIT_SUCCESS: "Audit Success", Level.AUDIT_FAILURE: "Audit Failure"}


def level_number(level: Level) -> int:
    """Give the level of event XML; an audit record has 0, and a keyword instead."""
    return _NUMBER.get(level, 0)


def level_name(level: Level) -> str:
    """Give the level as winlogbeat names it."""
    return _NAME.get(level, "information")


def keywords(level: Level) -> list[str]:
    """Give the keywords of a classic event."""
    keyword = _KEYWORD.get(level)
    return [keyword, "Classic"] if keyword else ["Classic"]
