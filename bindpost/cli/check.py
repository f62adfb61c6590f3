"""`bindpost check`: which path each bind takes, walked, and the event `serve` would log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from bindpost import events
from bindpost.config import services
from bindpost.config.data import IN_MEMORY, data_location
from bindpost.config.endpoint import Endpoint
from bindpost.config.load import Loaded
from bindpost.errors import EXIT_OK, EXIT_UNAVAILABLE, ServiceUnknownError
from bindpost.proxy.provider import BindProvider, Hop, failed_hop, warnings_of
from bindpost.proxy.registry import provider_of

from .options import listening_options, load_flags


class Verdict(msgspec.Struct, frozen=True):
    """
    What was found along one listener's path.

    `code` is what event 4007 would carry, None if `serve` would log none; `warnings` what in the
    path's files means nothing. `reachable` is what the self-test found, None if there was none or
    it can't be told. `sentence` is all that for a person, with what `serve` would log.
    """

    listener: str
    via: str
    hops: list[Hop]
    code: int | None
    warnings: list[str]
    reachable: bool | None
    sentence: str

    @property
    def is_fine(self) -> bool:
        """Whether no step failed."""
        return all(hop.ok is not False for hop in self.hops)


@click.command()
@listening_options
@click.option(
    "--self-test",
    is_flag=True,
    help="If the walk finds nothing wrong, bind for a moment and come back in as a peer would.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(self_test: bool, as_json: bool, **flags: Any) -> None:
    """
    Check the settings and walk each listener's bind path; binds nothing without --self-test.

    Exit status: 0 when every listener could be bound (and reached, as far as --self-test can tell),
    69 when one could not, 78 for bad settings.
    """
    from bindpost.server.indexer.indexing import can_index

    from .serve import start_logging

    loaded = load_flags(flags)
    _read(loaded)
    start_logging(loaded)  # a bind may warn, and standard output is for the result
    if not loaded.settings.store and data_location(loaded.settings, loaded.folder) != IN_MEMORY:
        can_index()
    verdicts = asyncio.run(_walk_all(loaded, self_test=self_test))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(verdicts)))
    else:
        for verdict in verdicts:
            _print(verdict)
    sys.exit(EXIT_OK if all(verdict.is_fine for verdict in verdicts) else EXIT_UNAVAILABLE)


def _read(loaded: Loaded) -> None:
    """Read what a start reads beside the listeners. Raises `ConfigError`."""
    from bindpost.config.scenario_file import load_folder
    from bindpost.server.eventlog.sinks import sinks_of
    from bindpost.server.faults import Faults
    from bindpost.server.faults.presets import load_presets
    from bindpost.server.linkcheck.rules import Rules
    from bindpost.server.mailboxes import Mailboxes
    from bindpost.server.pop3.server import Pop3Server
    from bindpost.server.relay import Route
    from bindpost.server.smtp.service import Resources
    from bindpost.server.web.access import Access
    from bindpost.server.webhook import Hook

    settings, folder = loaded.settings, loaded.folder
    sinks_of(settings.event_log)
    resources = Resources.load(settings, hostname="localhost", folder=folder)
    Faults(settings.fault)
    load_presets(folder / settings.fault_presets if settings.fault_presets else None)
    if settings.lab.scenarios:
        load_folder(folder / settings.lab.scenarios)
    mailboxes = Mailboxes.load(settings.mailbox, folder=folder)
    if settings.web != "off":
        Access.load(settings.web_access, folder=folder, keys=mailboxes.keys)
    Route.load(settings.relay, folder=folder)
    Pop3Server.load(settings, folder=folder, tls_context=None, hostname=resources.hostname)
    Hook.load_all(settings.webhook, folder=folder)
    Rules.load(settings.link_check, folder=folder)


async def _walk_all(loaded: Loaded, *, self_test: bool) -> list[Verdict]:
    verdicts = []
    for listener in loaded.settings.listener:
        provider = provider_of(listener, loaded.settings, loaded.folder)
        endpoint, walked = await _look_up(listener.endpoint)
        tried: Sequence[Hop] = ()
        if endpoint is not None:
            walked += await provider.diagnose(endpoint)
            if self_test and _first_fault(walked) is None:
                tried = await _try(provider, endpoint)
        verdict = judge(listener.endpoint, provider.url, walked, tried)
        verdicts.append(msgspec.structs.replace(verdict, warnings=list(warnings_of(provider))))
    return verdicts


async def _look_up(text: str) -> tuple[Endpoint | None, list[Hop]]:
    """Give the endpoint, None if its port has an unknown name; and the hop, if it has one."""
    try:
        found = await services.find(text)
    except ServiceUnknownError as error:
        return None, [failed_hop(error, text)]
    named = services.is_named(text)
    return found, [Hop(services.HOP, text, True, f"port {found.port}")] if named else []


async def _try(provider: BindProvider, endpoint: Endpoint) -> list[Hop]:
    from bindpost.proxy import selftest

    return await selftest.self_test(provider, endpoint)


def judge(listener: str, via: str, walked: Sequence[Hop], tried: Sequence[Hop] = ()) -> Verdict:
    """Give the verdict on a walk, and on the self-test after it if there was one."""
    fault = _first_fault([*walked, *tried])
    reachable = None
    if tried and tried[0].ok:  # it was bound
        entries = [hop.ok for hop in tried if hop.name in ("reach", "accept")]
        reachable = False if False in entries else None if None in entries else True
    return Verdict(
        listener,
        via,
        [*walked, *tried],
        fault.code if fault is not None else None,
        [],
        reachable,
        _sentence(fault, reachable, was_bound=bool(tried) and tried[0].ok is True),
    )


def _first_fault(hops: Sequence[Hop]) -> Hop | None:
    return next((hop for hop in hops if hop.ok is False), None)


def _sentence(fault: Hop | None, reachable: bool | None, *, was_bound: bool) -> str:
    """Say what would become of the listener, and what `serve` would log."""
    if fault is None and not was_bound:
        return "serve would bind it"
    if fault is None and reachable is None:
        return "serve would bind it; whether peers can reach it can't be told from here"
    if fault is None:
        return "serve would bind it, and a test connection got in"
    if fault.code is None and not was_bound:
        return f"serve would not bind it: {fault.detail}"
    if fault.code is None and reachable is False:
        return f"serve would bind it, but no peer can reach it: {fault.detail}"
    if fault.code is None:
        return f"serve would bind it, but its sessions would have a wrong peer: {fault.detail}"
    failure = events.bind_failure(fault.name)
    said = failure.sentence({"wsa_error": fault.code})
    event = f"log event {failure.id}"
    if was_bound:
        return (
            f"serve would bind it, but no peer can reach it; at the first it would {event}: {said}"
        )
    return f"serve would {event}: {said}"


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
