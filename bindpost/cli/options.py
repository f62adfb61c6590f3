"""The options that `serve`, `check` and `config show` share, gathered into what `load` takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from bindpost.config.fields import known
from bindpost.config.load import FLAGS, Loaded, load

R = TypeVar("R")

_SHARED: Final = ("config", "listen", "via", *FLAGS)
_METAVARS: Final = {
    "web": "ENDPOINT|off",
    "data": "DIR|:memory:",
    "store": "URL",
    "personality": "NAME|FILE",
    "ready_file": "FILE",
    "hostname": "NAME",
    "node": "NAME",
    "user": "NAME",
    "tls_certificate": "FILE",
    "tls_key": "FILE",
}


def listening_options(command: Callable[..., R]) -> Callable[..., R]:
    """
    Give a command the options that set settings.

    The command gets as keywords those that were really given, for `load_flags`, beside its own.
    """

    @functools.wraps(command)
    def pass_given(**options: Any) -> R:  # Any: click's values have as many types as options
        for name in _SHARED:
            if options[name] in (None, ()):
                del options[name]
        return command(**options)

    decorated: Callable[..., R] = pass_given
    for option in reversed(_options()):
        decorated = option(decorated)
    return decorated


def load_flags(flags: dict[str, Any]) -> Loaded:
    """Load the settings with what `listening_options` gave; raises `ConfigError`."""
    file = cast("Path | None", flags.get("config"))
    return load(file=file, flags={name: flags[name] for name in flags if name != "config"})


def _options() -> list[Callable[[Callable[..., R]], Callable[..., R]]]:
    fields = dict(known())
    options: list[Callable[[Callable[..., R]], Callable[..., R]]] = [
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Configuration file; else BINDPOST_CONFIG, or ./bindpost.toml if there is one.",
        ),
        click.option(
            "--listen",
            multiple=True,
            metavar="ENDPOINT",
            help="Listen here, in place of the file's listeners; may be repeated.",
        ),
        click.option(
            "--via", metavar="URL", help="Bind path of every listener: a URL, or a [path.NAME]."
        ),
    ]
    for name, path in FLAGS.items():
        field = fields[".".join(path)]
        options.append(
            click.option(
                f"--{name.replace('_', '-')}",
                type=click.Choice(field.choices) if field.choices else str,
                metavar=_METAVARS.get(name),
                help=field.help,
            )
        )
    return options
