"""`bindpost events list`: what happened, from the file of a data folder or a running server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from bindpost.client import Event, EventFilter

from .event_filter import filter_options
from .event_place import Place, place_options
from .terminal import as_json_option, print_json, printable

_TOLD: Final = ("reason", "hint")
"""Fields that a person needs to mend what an event is about."""


@click.command("list")
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Events shown; 0 for all.",
)
@as_json_option
@place_options
def list_(*, place: Place, which: EventFilter, limit: int, as_json: bool) -> None:
    """
    Print the newest events, newest first, whether a server runs or not.

    They are read from the data folder of the settings; where the settings keep data in memory, the
    running server is asked. Times are local, with their offset; in JSON they are in UTC.
    """
    found = place.find(which, limit)
    if as_json:
        print_json(list(found))
        return
    for event in found:
        print_event(event)


def print_event(event: Event) -> None:
    """Print an event, with what its fields say that helps."""
    for line in _lines(event):
        click.echo(printable(line))


def _lines(event: Event) -> Iterator[str]:
    time = event.time.astimezone().isoformat(timespec="milliseconds")
    yield f"{time} {event.level:<11} {event.source} {event.id} {event.message}"
    for name in _TOLD:
        if text := event.fields.get(name):
            yield f"    {name}: {text}"
