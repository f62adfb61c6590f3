"""
The catalogue as Markdown, for docs/events.md.

`python -m bindpost.events.markdown docs/events.md` puts it between the file's two markers.
"""

from __future__ import annotations

import sys
from typing import Final

from bindpost.pages import Part, table

from . import faults, ims, inbox, index, lab, nodes, ours, standin, web
from .catalogue import CATALOGUE
from .model import OURS, EventType, Level

_LEVELS: Final = {
    Level.ERROR: "Error",
    Level.WARNING: "Warning",
    Level.INFORMATION: "Information",
    Level.AUDIT_SUCCESS: "Success Audit",
    Level.AUDIT_FAILURE: "Failure Audit",
}
_NAMES: Final = {
    event: name
    for module in (ims, ours, standin, inbox, web, lab, index, faults, nodes)
    for name, event in vars(module).items()
    if isinstance(event, EventType)
}


def catalogue() -> str:
    """Give a table of all events and a section for each."""
    summary = table(("number", "source", "level", "category", "text"), map(_cells, CATALOGUE))
    return "\n".join([summary, "", *map(_section, CATALOGUE)])


def _cells(event: EventType) -> tuple[str, ...]:
    link = f"[{event.id}](#{event.id}-{_NAMES[event].lower()})"
    return (link, event.source, _LEVELS[event.level], event.category.title, _sentence(event))


def _section(event: EventType) -> str:
    lines = [
        f"### {event.id} {_NAMES[event]}",
        "",
        f"> {_sentence(event)}",
        "",
        event.explanation,
        "",
        f"- What to do: {event.remedy}",
        f"- {event.source}, {_LEVELS[event.level]}, {event.category.title}, "
        f"identifier 0x{event.identifier:08X}, `event.action` `{event.action}`",
    ]
    if event.parameters:
        lines.append(f"- Insertion strings, in order: {_code(event.parameters)}")
    if event.details:
        lines.append(f"- Further fields: {_code(event.details)}")
    lines += [f"- {_origin(event)}", ""]
    return "\n".join(lines)


def _origin(event: EventType) -> str:
    """Say what of an event comes from a Microsoft source, and which."""
    parts = ("text", "type", "category")
    attested = [part for part in parts if part in event.attested]
    own = [part for part in parts if part not in event.attested]
    if event.source == OURS:
        wording = f"; its wording is attested: {event.reference}" if attested else ""
        return f"An event of ours{wording}"
    chosen = f"; our choice: {', '.join(own)}" if own else ""
    return f"Attested: {', '.join(attested)} ({event.reference}){chosen}"


def _sentence(event: EventType) -> str:
    """Give the template with its fields' names, safe inside a table."""
    text = event.template.replace("\\", "\\\\").replace("<", "\\<")
    for number, name in enumerate(event.parameters, start=1):
        text = text.replace(f"%{number}", f"`{name}`")
    return text


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


PART: Final = Part(
    page="docs/events.md",
    begin="<!-- catalogue: made by `python -m bindpost.events.markdown docs/events.md` -->",
    end="<!-- end of catalogue -->",
    make=catalogue,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
