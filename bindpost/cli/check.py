"""`bindpost check`: which path each bind takes, walked, and the event `serve` would log."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click
import msgspec

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.load import Loaded
from bindpost.errors import EXIT_OK, EXIT_UNAVAILABLE
from bindpost.proxy.provider import Hop, warnings_of
from bindpost.proxy.registry import provider_of

from .options import listening_options, load_flags


class Verdict(msgspec.Struct, frozen=True):
    """
    What the walk along one listener's path found.

    `code` is what 4007 would carry, `warnings` what in the path's files means nothing.
    """

    listener: str
    via: str
    hops: list[Hop]
    code: int | None
    warnings: list[str]

    @property
    def sentence(self) -> str:
        """What `serve` would log."""
        if self.code is None:
            return "serve would bind it"
        said = events.BIND_FAILED.sentence({"wsa_error": self.code})
        return f"serve would log event {events.BIND_FAILED.id}: {said}"


@click.command()
@listening_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(as_json: bool, **flags: Any) -> None:
    """
    Check the settings and walk each listener's bind path, binding nothing.

    Exit status: 0 when every listener could be bound, 69 when one could not, 78 for bad settings.
    """
    from bindpost.server.eventlog.sinks import sinks_of
    from bindpost.server.smtp.service import Resources

    loaded = load_flags(flags)
    sinks_of(loaded.settings.event_log)
    resources = Resources.load(loaded.settings, hostname="localhost", folder=loaded.folder)
    for listener in loaded.settings.listener:
        resources.rules_of(listener)
    verdicts = asyncio.run(_walk_all(loaded))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(verdicts)))
    else:
        for verdict in verdicts:
            _print(verdict)
    sys.exit(EXIT_OK if all(verdict.code is None for verdict in verdicts) else EXIT_UNAVAILABLE)


async def _walk_all(loaded: Loaded) -> list[Verdict]:
    verdicts = []
    for listener in loaded.settings.listener:
        provider = provider_of(listener, loaded.settings, loaded.folder)
        hops = await provider.diagnose(Endpoint.parse(listener.endpoint))
        code = next((hop.code for hop in hops if hop.ok is False), None)
        warnings = list(warnings_of(provider))
        verdicts.append(Verdict(listener.endpoint, provider.url, hops, code, warnings))
    return verdicts


def _print(verdict: Verdict) -> None:
    """Print the walk, one hop a line."""
    click.echo(f"{verdict.listener} via {verdict.via}")
    for warning in verdict.warnings:
        click.echo(f"  odd    {warning}")
    for hop in verdict.hops:
        mark = {True: "ok", False: "FAILED", None: "-"}[hop.ok]
        click.echo(
            f"  {mark:6} {hop.name:9} {hop.target}: {hop.detail} ({hop.milliseconds:.1f} ms)"
        )
        if hop.hint:
            click.echo(f"         {hop.hint}")
    click.echo(f"  {verdict.sentence}")
