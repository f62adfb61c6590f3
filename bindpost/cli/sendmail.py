"""`bindpost sendmail`: takes the place of sendmail for programs, and sends to our listener."""

from __future__ import annotations

import sys

import click

from .sendmail_options import HELP, parse


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
    options_metavar="[OPTION]...",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RECIPIENT]...")
def sendmail(*, arguments: tuple[str, ...]) -> None:
    """
    Send the message on standard input, as sendmail does; see `bindpost sendmail --help`.

    Its exit statuses are those of sysexits.h.
    """
    if "--help" in arguments or "-h" in arguments[:1]:
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
