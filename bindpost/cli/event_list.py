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
    running server is asked. Where several nodes have one inbox, those of all are there. Times are
    local, with their offset; in JSON they are in UTC.
    """
    found = sorted(place.find(which, limit), key=lambda event: event.time, reverse=True)
    if as_json:
        print_json(found)
        return
    several = len({event.node for event in found}) > 1
    for event in found:
        print_event(event, with_node=several)


def print_event(event: Event, *, with_node: bool) -> None:
    """Print an event, with what its fields say that helps."""
    for line in _lines(event, f"{event.node} " if with_node else ""):
        click.echo(printable(line))


def _lines(event: Event, node: str) -> Iterator[str]:
    time = event.time.astimezone().isoformat(timespec="milliseconds")
    yield f"{time} {event.level:<11} {node}{event.source} {event.id} {event.message}"
    for name in _TOLD:
        if text := event.fields.get(name):
            yield f"    {name}: {text}"
