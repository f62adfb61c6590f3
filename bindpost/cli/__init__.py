"""The command line: `bindpost` and its commands, each imported only when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final, NamedTuple, NoReturn

import click

from bindpost import __version__
from bindpost.errors import BindError, BindpostError

_SIGNALLED: Final = 128
"""A shell's exit code for a command that a signal ended is 128 and the signal's number."""
EXIT_INTERRUPTED: Final = _SIGNALLED + 2
"""Ctrl-C."""
EXIT_BROKEN_PIPE: Final = _SIGNALLED + 13
"""Whoever read our output has gone, as in `bindpost config show | head -1`."""


class _Command(NamedTuple):
    """Where a command is, and the line that `bindpost --help` shows of it without importing it."""

    module: str
    name: str
    help: str


_COMMANDS: Final = {
    "serve": _Command("bindpost.cli.serve", "serve", "Listen for mail."),
    "check": _Command(
        "bindpost.cli.check", "check", "Walk the bind paths; bind nothing, unless asked to."
    ),
    "mail": _Command("bindpost.cli.mail", "mail", "The inbox of a running server."),
    "sendmail": _Command("bindpost.cli.sendmail", "sendmail", "Send mail as sendmail does."),
    "events": _Command("bindpost.cli.events", "events", "The event log: list, follow, export."),
    "nodes": _Command("bindpost.cli.nodes", "nodes", "Who has the inbox, and their listeners."),
    "faults": _Command("bindpost.cli.faults", "faults", "Faults on purpose: add, remove, log."),
    "config": _Command("bindpost.cli.config", "config", "Settings: show, schema, init."),
    "lab": _Command(
        "bindpost.cli.lab", "lab", "Scenarios of faults and cures, and stand-ins for proxies."
    ),
    "web-password": _Command(
        "bindpost.cli.web_password", "web_password", "A line for the file of the web side's users."
    ),
    "plugins": _Command(
        "bindpost.cli.plugins", "plugins", "Installed bind paths and personalities of others."
    ),
}


class _Bindpost(click.Group):
    """A group that imports a command when it is used, and gives errors a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), entry.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BindpostError as error:
            click.echo(f"bindpost: {_line(error)}", err=True)
            ctx.exit(error.exit_code)
        except click.ClickException:
            _let_go_of_output()
            raise
        except BrokenPipeError:
            _end_quietly(ctx)
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(EXIT_INTERRUPTED)


def _line(error: BindpostError) -> str:
    """Give an error on one line, with what a person can do about it."""
    hint = f"; {error.hint}" if isinstance(error, BindError) and error.hint else ""
    return " ".join(f"{error}{hint}".split())


def _end_quietly(ctx: click.Context) -> NoReturn:
    _forget_output()
    ctx.exit(EXIT_BROKEN_PIPE)


def _let_go_of_output() -> None:
    """Write what is still to be written, if that can be."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()


def _forget_output() -> None:
    # Or else the interpreter complains when it flushes standard output at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Bindpost, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bindpost", message="%(prog)s %(version)s")
def main() -> None:
    """
    A test mail listener that mirrors Exchange 5.5's Internet Mail Service.

    It can be bound through a proxy, and logs event 4007 when the way there is misconfigured.
    """
