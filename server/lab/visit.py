"""Sends a peer from one of the machines to the listener, and tells what it got."""

from __future__ import annotations

import json
from typing import Final

from bindpost.config.scenario import Role

from ..findings.result import Visit
from .places import HOSTNAME, Place
from .process import LabError, output_of, python_module

PATIENCE: Final = 30.0
"""Seconds for a visit, all in all."""


async def visit(place: Place, role: Role, *, mail: bool) -> Visit:
    """
    Dial the listener from a machine, and send a mail if asked to; raises `LabError`.

    The proxy and the machine itself dial the Exchange machine's address, the host outside dials the
    proxy's external one.
    """
    here, host, port = place.target(role)
    told = await _probe(place, role, here, f"{host}:{port}", mail=mail)
    reached, banner = str(told["reached"]), str(told["banner"])
    if banner and HOSTNAME not in banner:
        reached = "other banner"
    return Visit(
        role=role,
        here=here,
        there=f"{host}:{port}",
        reached=reached,
        banner=banner,
        transcript=tuple(told["transcript"]),
    )


async def _probe(
    place: Place, role: Role, here: str, there: str, *, mail: bool
) -> dict[str, list[str]]:
    command = [*place.machine(role).prefix, *python_module("bindpost.server.lab.probe")]
    command += ["--from", here, "--to", there, *(["--mail"] if mail else [])]
    _, output = await output_of(f"the visit from {here}", command, seconds=PATIENCE)
    try:
        told: dict[str, list[str]] = json.loads(output)
    except ValueError:
        raise LabError(f"the visit from {here} told nothing: {' '.join(command)}") from None
    return told
