"""`bindpost web-password`: a line for the file of the web side's users."""

from __future__ import annotations

import sys

import click

from bindpost.server.password_files import hash_line


@click.command("web-password")
@click.argument("name", metavar="NAME")
def web_password(*, name: str) -> None:
    """
    Print NAME and a password, hashed, as a line for the file that web_access.users names.

    The password is asked for, or read from standard input when that is no terminal.
    """
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        line = hash_line(name, password)
    except ValueError as error:
        raise click.UsageError(f"No line can be made: {error}.") from None
    click.echo(line)
