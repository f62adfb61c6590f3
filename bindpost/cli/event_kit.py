"""`bindpost events kit`: what other programs need to show and find our events, as files."""

from __future__ import annotations

from pathlib import Path

import click

from bindpost.server.eventlog.kit import DEFAULT_DLL_PATH, write_kit


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--dll-path",
    metavar="PATH",
    default=DEFAULT_DLL_PATH,
    show_default=True,
    help="Where bindpost.dll will be on the Windows machine.",
)
def kit(folder: Path, dll_path: str) -> None:
    """
    Write the event kit: message DLL and registry file, journal catalogue, Sigma rules.

    DIR gets a README.md that says how each is used. It is made if it isn't there; files of the
    same names in it are replaced.
    """
    try:
        for path in write_kit(folder, dll_path):
            click.echo(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--dll-path") from None
    except OSError as error:
        place = error.filename or folder
        raise click.ClickException(f"{place}: {error.strerror or error}") from None
