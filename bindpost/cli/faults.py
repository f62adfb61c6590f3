"""`bindpost faults`: the faults on purpose of a running server."""

from __future__ import annotations

import click

from bindpost.client.faults import FaultRule
from bindpost.config.fault import ACTIONS, STAGES, Fault
from bindpost.config.fault_change import from_texts, read_rule, read_use
from bindpost.config.fault_file import write_faults

from .asking import client_of, on_server
from .terminal import as_json_option, print_json, printable


@click.group()
def faults() -> None:
    """Let a running server do wrong on purpose: refuse, stall, lose mail, fail to bind."""


@faults.command("list")
@as_json_option
@on_server
def list_(*, as_json: bool, server: str | None) -> None:
    """Print the faults in force, in the order in which they are asked."""
    rules = client_of(server).faults.list()
    if as_json:
        print_json(rules)
        return
    for rule in rules:
        click.echo(printable(_row(rule)))


@faults.command()
@click.argument("stage", type=click.Choice(list(STAGES), case_sensitive=False))
@click.argument("action", type=click.Choice(list(ACTIONS)))
@click.argument("more", metavar="[KEY=VALUE]...", nargs=-1)
@as_json_option
@on_server
def add(
    *, stage: str, action: str, more: tuple[str, ...], as_json: bool, server: str | None
) -> None:
    """
    Put a fault into force, and print it.

    KEY=VALUE are the other keys of [[fault]] and of its `when`: code=552, recipient=*@full.test,
    count=1, expires=60. docs/faults.md lists them all.
    """
    rule = client_of(server).faults.add(_fault(stage, action, more))
    _print([rule], as_json=as_json)


@faults.command()
@click.argument("name")
@click.argument("more", metavar="[KEY=VALUE]...", nargs=-1)
@as_json_option
@on_server
def use(*, name: str, more: tuple[str, ...], as_json: bool, server: str | None) -> None:
    """
    Put the faults of a preset into force, and print them.

    KEY=VALUE narrow them, recipient=*@one.test, or change what is in them: seconds=1, count=2.
    Those that can't be narrowed so are left out, and printed too.
    """
    try:
        scope, change = read_use(_pairs(more), strict=False)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    used = client_of(server).faults.use(name, scope, change)
    if as_json:
        print_json(used)
        return
    _print(list(used.faults), as_json=False)
    for one in used.left_out:
        click.echo(printable(f"{one.name}  left out: {one.reason}"))


@faults.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove all faults.")
@on_server
def remove(*, names: tuple[str, ...], everything: bool, server: str | None) -> None:
    """Remove faults by their names, or all with --all."""
    if bool(names) is everything:
        raise click.UsageError("give names, or --all")
    desk = client_of(server).faults
    if everything:
        click.echo(f"removed {desk.clear()}")
        return
    for name in names:
        desk.remove(name)


@faults.command()
@as_json_option
@on_server
def log(*, as_json: bool, server: str | None) -> None:
    """Print what has fired, oldest first."""
    fired = client_of(server).faults.log()
    if as_json:
        print_json(fired)
        return
    for one in fired:
        to = ", ".join(one.recipients)
        when = one.time.astimezone().isoformat(sep=" ", timespec="seconds")
        whom = f"{one.sender or '<>'} to {to}" if to else ""
        row = f"{when}  {one.name}  {one.action} at {one.stage}  {one.peer or one.listener}  {whom}"
        click.echo(printable(row.rstrip()))


@faults.command()
@on_server
def export(*, server: str | None) -> None:
    """Print the faults in force as a file of them, which the setting `faults` can name."""
    rules = client_of(server).faults.list()
    click.echo(write_faults(one.rule for one in rules), nl=False)


@faults.command()
@on_server
def reset(*, server: str | None) -> None:
    """Begin all counts and dice anew, and forget what has fired."""
    client_of(server).faults.reset()


@faults.command()
@as_json_option
@on_server
def presets(*, as_json: bool, server: str | None) -> None:
    """Print the presets and their stories."""
    known = client_of(server).faults.presets()
    if as_json:
        print_json(known)
        return
    for preset in known:
        click.echo(printable(f"{preset.name}: {preset.title}"))
        click.echo(click.wrap_text(printable(preset.story), 78, "  ", "  ") + "\n")


def _fault(stage: str, action: str, more: tuple[str, ...]) -> Fault:
    try:
        return read_rule({"stage": stage, "action": action} | from_texts(_pairs(more)))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{text!r} is no KEY=VALUE")
        pairs[name.removeprefix("when.").replace("-", "_")] = value
    return pairs


def _print(rules: list[FaultRule], *, as_json: bool) -> None:
    if as_json:
        print_json(rules)
        return
    for rule in rules:
        click.echo(printable(_row(rule)))


def _row(rule: FaultRule) -> str:
    left = "" if rule.seconds_left is None else f"  {rule.seconds_left:.0f} s left"
    return f"{rule.name}  {rule.summary}  met {rule.met}, fired {rule.fired}{left}"
