"""The inbox form of `bindpost mail import`: messages as another inbox had them, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import click

from bindpost.client import Client
from bindpost.inbox_client import InboxRefusedError, Moved
from bindpost.server.store import inbox_file

from .progress import Progress

_PIECE: Final = 1024 * 1024


def restore(client: Client, place: str, file: BinaryIO, start: bytes) -> Iterator[Moved]:
    """
    Put the messages of an inbox file into the inbox; of it `start` was read already.

    Gives what came of them, some at a time. A file that can be read twice is looked through first,
    so that of a damaged one nothing is imported. Raises `click.ClickException` with what is wrong,
    and what the client raises.
    """
    total = None
    try:
        if file.seekable():
            begin = file.tell() - len(start)
            with Progress(f"Looking through {place}") as looking:
                total = sum(1 for _ in _entries(file, start, looking))
            file.seek(begin + len(start))
        with Progress("Importing", total) as progress:
            for batch in _batches(file, start):
                found = client.inbox.restore(inbox_file.HEAD + b"".join(e.data for e in batch))
                yield found
                progress.step(sum(len(e.copy.message.raw) for e in batch), len(batch))
    except inbox_file.CutOffError as error:
        raise click.ClickException(
            f"{place}: {error}; give the command that exported it again, which goes on there"
        ) from None
    except (inbox_file.InboxFileError, InboxRefusedError) as error:
        raise click.ClickException(f"{place}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{place} can't be read: {error.strerror or error}") from error


def _batches(file: BinaryIO, start: bytes) -> Iterator[list[inbox_file.Entry]]:
    """Give the messages of a file, as many as are moved at once."""
    batch = inbox_file.Batch()
    try:
        for entry in _entries(file, start):
            if full := batch.put(entry):
                yield full
    except inbox_file.InboxFileError:
        yield batch.take()  # whole messages in front of what is damaged
        raise
    if rest := batch.take():
        yield rest


def _entries(
    file: BinaryIO, piece: bytes, progress: Progress | None = None
) -> Iterator[inbox_file.Entry]:
    reader = inbox_file.Reader()
    while piece or (piece := file.read(_PIECE)):
        yield from reader.feed(piece)
        piece = b""
    reader.finish()
