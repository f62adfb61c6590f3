"""`bindpost events`: the event log's own commands, one module for each."""

from __future__ import annotations

import click

from .event_export import export
from .event_follow import follow
from .event_kit import kit
from .event_list import list_


@click.group()
def events() -> None:
    """The event log: what happened, what happens, files of it, and a kit for other programs."""


events.add_command(list_)
events.add_command(follow)
events.add_command(export)
events.add_command(kit)
