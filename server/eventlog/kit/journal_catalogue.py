"""
The journal's catalogue: what `journalctl -x` says below an event.

Format: https://systemd.io/CATALOG/. `@NAME@` is the entry's own field of that name; the sink sends
them (`sinks/journald.py`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from bindpost.events import EventType

_WIDTH: Final = 78


def journal_catalogue(catalogue: Iterable[EventType]) -> bytes:
    """Give the file, with an entry for each event under its constant MESSAGE_ID."""
    head = "# Made by `bindpost events kit`: the explanations of bindpost's events.\n\n"
    return (head + "\n".join(map(_entry, catalogue))).encode("ascii")


def _entry(event: EventType) -> str:
    subject = f"Event {event.id}, {event.source}: {event.action.replace('-', ' ')}"
    parts = [_filled(part) for part in _paragraphs(event)]
    head = f"-- {event.message_id}\nSubject: {subject}\nDefined-By: bindpost\n\n"
    return head + "\n\n".join(parts) + "\n"


def _paragraphs(event: EventType) -> Iterator[str]:
    yield event.explanation
    names = event.parameters + event.details
    if "wsa_error" in names:
        yield "The error was @ERROR_CODE@ (@ERROR_NAME@): @ERROR_MESSAGE@."
    if "hop" in names:
        yield "It was at this hop: @BINDPOST_HOP@. The reason: @BINDPOST_REASON@"
    yield f"What to do: {event.remedy}"
    if "hint" in names:
        yield "Here: @BINDPOST_HINT@"


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
