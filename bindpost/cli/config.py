"""`bindpost config`: the settings in force, their schema, and a file to start from."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec

from bindpost.config.document import sample, toml
from bindpost.config.load import Loaded
from bindpost.config.model import Settings
from bindpost.config.redact import HIDDEN, redact
from bindpost.config.tree import leaves

from .options import listening_options, load_flags


@click.group()
def config() -> None:
    """Show the settings in force, their schema, or a file to start from."""


@config.command()
@listening_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool, **flags: Any) -> None:
    """Print each setting with its value and where the value came from; passwords are hidden."""
    loaded = load_flags(flags)
    settings = _settings(loaded)
    if as_json:
        document = {
            "folder": str(loaded.folder),
            "settings": {
                key: {"value": value, "origin": loaded.origins.get(key, "default")}
                for key, value in settings.items()
            },
        }
        click.echo(json.dumps(document, indent=2))
        return
    for key, value in settings.items():
        click.echo(f"{key} = {toml(value)}  # {loaded.origins.get(key, 'default')}")


@config.command()
def schema() -> None:
    """Print the JSON Schema of bindpost.toml, for editors and checkers."""
    click.echo(json.dumps(msgspec.json.schema(Settings), indent=2))


@config.command()
def init() -> None:
    """Print a bindpost.toml with every setting, commented out, to start from."""
    click.echo(sample(), nl=False)


def _settings(loaded: Loaded) -> dict[str, object]:
    """Give every setting by its dotted key."""
    tree = msgspec.to_builtins(loaded.settings)
    return {
        leaf.key: HIDDEN if leaf.name == "secret" and leaf.value else _redacted(leaf.value)
        for leaf in leaves(tree)
    }


def _redacted(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_redacted(part) for part in value]
    # Only URLs carry passwords; the name of a file may have an @ in it.
    return redact(value) if isinstance(value, str) and "://" in value else value
