"""`bindpost lab`: scenarios to run, and what there is to try bind paths against."""

from __future__ import annotations

import click

from . import lab_scenarios
from .lab_forward import forward
from .lab_proxy import proxy


@click.group()
def lab() -> None:
    """Run scenarios, try bind paths and their faults, on this machine."""


for command in (lab_scenarios.list_, lab_scenarios.show, lab_scenarios.run, proxy):
    lab.add_command(command)
proxy.add_command(forward)
