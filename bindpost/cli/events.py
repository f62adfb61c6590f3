"""`bindpost events`: the event log's own commands, one module for each."""

from __future__ import annotations

import click

from .event_kit import kit


@click.group()
def events() -> None:
    """Events: what other programs need to show them."""


events.add_command(kit)
