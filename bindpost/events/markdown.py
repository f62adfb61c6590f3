"""
The catalogue as Markdown, for docs/events.md.

`python -m bindpost.events.markdown docs/events.md` puts it between the file's two markers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from . import ims, ours, standin
from .catalogue import CATALOGUE
from .model import OURS, EventType, Level

BEGIN: Final = "<!-- catalogue: made by `python -m bindpost.events.markdown docs/events.md` -->"
END: Final = "<!-- end of catalogue -->"

_LEVELS: Final = {
    Level.ERROR: "Error",
    Level.WARNING: "Warning",
    Level.INFORMATION: "Information",
    Level.AUDIT_SUCCESS: "Success Audit",
    Level.AUDIT_FAILURE: "Failure Audit",
}
_NAMES: Final = {
    event: name
    for module in (ims, ours, standin)
    for name, event in vars(module).items()
    if isinstance(event, EventType)
}


def rewrite(text: str) -> str:
    """Put the catalogue between the markers of a text. Raises `ValueError` if one is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no line {BEGIN if not begin else END}")
    return f"{before}{BEGIN}\n\n{catalogue()}\n{END}{after}"


def catalogue() -> str:
    """Give a table of all events and a section for each."""
    rows = [
        "| number | source | level | category | text |",
        "|---|---|---|---|---|",
        *(_row(event) for event in CATALOGUE),
        "",
    ]
    return "\n".join([*rows, *(_section(event) for event in CATALOGUE)])


def _row(event: EventType) -> str:
    link = f"[{event.id}](#{event.id}-{_NAMES[event].lower()})"
    cells = (link, event.source, _LEVELS[event.level], event.category.title, _sentence(event))
    return f"| {' | '.join(cells)} |"


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
    for index, name in enumerate(event.parameters, start=1):
        text = text.replace(f"%{index}", f"`{name}`")
    return text


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(rewrite(target.read_text(encoding="utf-8")), encoding="utf-8")
