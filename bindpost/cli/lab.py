"""`bindpost lab`: what there is to try bind paths against."""

from __future__ import annotations

import click

from .lab_proxy import proxy


@click.group()
def lab() -> None:
    """Try bind paths, and their faults, on this machine."""


lab.add_command(proxy)
