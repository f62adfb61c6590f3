"""`bindpost events export`: kept events as a file that other programs read."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import BinaryIO, Final, cast

import click

from bindpost.client import EventFilter
from bindpost.server.eventlog import FORMATS
from bindpost.server.eventlog.replacing import replacing

from .event_filter import filter_options
from .event_place import Place, place_options
from .terminal import write_all

_PIECE: Final = 1024 * 1024


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="json",
    show_default=True,
    help="Form of the file.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write here, whole or not at all; else to standard output.",
)
@filter_options
@place_options
def export(*, place: Place, which: EventFilter, form: str, output: Path | None) -> None:
    """
    Write events to a file, the oldest first: all, or those that the options say.

    `json` is one line an event, as in the log with `--log json`. `xml` is what Windows' own tools
    print. `evt` (Windows NT) and `evtx` (Vista and later) are event log files for Event Viewer.
    """
    if output is not None:
        with replacing(output) as file:
            place.export(which, form, file)
        return
    if not FORMATS[form].is_text and is_terminal():
        raise click.UsageError(f"A terminal can't show {form}; give --output FILE.")
    with tempfile.TemporaryFile() as scratch:  # the forms seek, and a pipe can't
        place.export(which, form, cast("BinaryIO", scratch))
        scratch.seek(0)
        while piece := scratch.read(_PIECE):
            write_all(sys.stdout.buffer, piece)
        sys.stdout.buffer.flush()


def is_terminal() -> bool:
    """Say whether standard output is a terminal."""
    return sys.stdout.isatty()
