"""`bindpost lab proxy forward`: a firewall that publishes a port, until it is stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from bindpost.config.endpoint import Endpoint
from bindpost.server.lab.forward import Forwarder

from . import lab_types
from .lab_run import READY_FILE, Run, start_logging


@click.command()
@click.option(
    "--listen",
    type=lab_types.own_ipv4_endpoint,
    metavar="HOST:PORT",
    required=True,
    help="Where the outside connects; port 0 is any.",
)
@click.option(
    "--to",
    type=lab_types.ipv4_endpoint,
    metavar="HOST:PORT",
    required=True,
    help="Where each connection is carried to.",
)
@READY_FILE
def forward(*, listen: Endpoint, to: Endpoint, ready_file: Path | None) -> None:
    """Run a firewall that is no Microsoft Proxy Server, and publishes a port."""
    log = start_logging("console", "bindpost.lab.forward")
    server = Forwarder(listen, to)
    run = Run(
        kind="forward",
        listen=listen,
        external=listen.host,
        misbehaving=(),
        ready_file=ready_file,
        log=log,
    )
    asyncio.run(run.until_stopped(server, lambda: server.address))
