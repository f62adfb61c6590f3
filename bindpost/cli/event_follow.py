"""`bindpost events follow`: what happens on a running server, as it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import click
import msgspec

from bindpost.client import Client, Event, EventFilter
from bindpost.errors import ServerUnreachableError

from .asking import client_of, on_server
from .event_filter import filter_options
from .event_list import print_event
from .terminal import as_json_option, harmless_json, printable

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries to reach a server that has gone, doubling."""


@click.command()
@filter_options
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="CURSOR",
    help="Begin behind this event; 0 for all that are kept. Else with what happens from now on.",
)
@as_json_option
@on_server
def follow(*, which: EventFilter, after: int | None, as_json: bool, server: str | None) -> None:
    """
    Print events as they happen, until interrupted; with --json each as a line.

    When the server goes down and comes back, what happened meanwhile is not missed.
    """
    client = client_of(server)
    several = client.nodes().shared
    if after is None:
        newest = client.events(limit=1)
        after = newest[0].cursor if newest else 0
    for event in _followed(client, msgspec.structs.replace(which, after=after)):
        if as_json:
            click.echo(harmless_json(msgspec.json.encode(event).decode()))
        else:
            print_event(event, with_node=several)


def _followed(client: Client, which: EventFilter) -> Iterator[Event]:
    """Give events without an end; a server that is away is told of once, and tried again."""
    pause, is_away = _FIRST_PAUSE, False
    while True:
        try:
            for event in client.follow_events(which):
                which = msgspec.structs.replace(which, after=event.cursor)
                yield event
            pause, is_away, reason = _FIRST_PAUSE, False, f"{client.url} went down"
        except ServerUnreachableError as error:
            reason = str(error)
        if not is_away:
            click.echo(printable(f"bindpost: {reason}; trying again"), err=True)
        is_away = True
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
