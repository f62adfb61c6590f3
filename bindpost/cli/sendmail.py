"""`bindpost sendmail`: takes the place of sendmail for programs, and sends to our listener."""

from __future__ import annotations

import sys

import click

from .sendmail_options import HELP, parse


class _Raw(click.Command):
    """A command that reads its arguments itself: sendmail's are none that click could read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave them as they are."""
        ctx.params["arguments"] = tuple(args)
        return []


@click.command(cls=_Raw, add_help_option=False)
def sendmail(*, arguments: tuple[str, ...]) -> None:
    """Send the message on standard input, as sendmail does."""
    if arguments == ("--help",):
        click.echo(HELP)
        return
    options = parse(arguments)

    # Imported only here: --help and a mistake wait for none of it.
    from .sendmail_pipe import talk
    from .sendmail_submission import submit

    if options.is_dialog:
        talk(options, sys.stdin.buffer, sys.stdout.buffer)
    else:
        submit(options, sys.stdin.buffer)
