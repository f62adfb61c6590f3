"""The inbox form of `bindpost mail export`: a file that grows by what it has not got yet."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol, Self, final

import click

from bindpost.client import Client
from bindpost.client.inbox import Listed
from bindpost.server.store import inbox_file
from bindpost.server.store.lock import try_lock

from .progress import Progress
from .terminal import write_all

_PIECE: Final = 1024 * 1024


class Exported(NamedTuple):
    """How many messages were written, were in the file already, and went while it was written."""

    written: int
    there: int
    gone: int


class Target(Protocol):
    """Where messages are written to; each method raises `click.ClickException`."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """Have all of it written."""
        ...

    @property
    def ids(self) -> Container[str]:
        """Those that are there already."""
        ...

    def write(self, entry: inbox_file.Entry) -> None:
        """Write a message."""
        ...


@final
class Pipe:
    """Standard output, which has nothing yet."""

    ids: Container[str] = frozenset()

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        """Say that it is an inbox file."""
        with _writable("standard output"):
            write_all(self._stream, inbox_file.HEAD)
        return self

    def __exit__(self, *_: object) -> None:
        """Have all of it written."""
        with _writable("standard output"):
            self._stream.flush()

    def write(self, entry: inbox_file.Entry) -> None:
        """Write a message."""
        with _writable("standard output"):
            write_all(self._stream, entry.data)


@final
class InboxFile:
    """
    A file, new or of an export before; what was written in part is cut off.

    A transcript that is in the file already is not written again. A file that is none of ours is
    never touched.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack: ExitStack
        self._file: BinaryIO
        self._lines: dict[str, int] = {}
        """How long the transcripts are that the file has, by their sessions."""
        self.ids: set[str] = set()

    def __enter__(self) -> Self:
        """Open it, and see what it has."""
        with _writable(self._path), ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Have all of it on the disk, and close it."""
        with _writable(self._path), self._stack:
            self._file.flush()
            os.fsync(self._file.fileno())

    def write(self, entry: inbox_file.Entry) -> None:
        """Write a message behind the others."""
        with _writable(self._path):
            self._file.write(entry.data if self._note(entry) else entry.without_transcript())

    def _open(self, stack: ExitStack) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._file = stack.enter_context(os.fdopen(descriptor, "r+b"))
        if not try_lock(descriptor):
            raise click.ClickException(f"{self._path}: another export is writing to this file")
        end = self._look_through()
        self._file.seek(end)
        self._file.truncate()
        if not end:
            self._file.write(inbox_file.HEAD)

    def _look_through(self) -> int:
        """Take note of what the file has; give where the last message that is whole ends."""
        reader = inbox_file.Reader()
        try:
            with Progress(f"Looking through {self._path}") as progress:
                while piece := self._file.read(_PIECE):
                    for entry in reader.feed(piece):
                        self._note(entry)
                        progress.step(len(entry.copy.message.raw))
            reader.finish()
        except inbox_file.CutOffError:
            pass
        except inbox_file.InboxFileError as error:
            raise click.ClickException(
                f"{self._path} is there already, and can't be gone on with: {error}; give another "
                "name, or remove it"
            ) from None
        return reader.end

    def _note(self, entry: inbox_file.Entry) -> bool:
        """Take note of a message; say whether its transcript, if it has one, is new."""
        message, said = entry.copy.message, entry.copy.transcript
        self.ids.add(message.id)
        if said is None:
            return True
        known = self._lines.get(message.session.session_id, -1)
        self._lines[message.session.session_id] = max(known, len(said))
        return len(said) > known


@contextmanager
def _writable(place: Path | str) -> Iterator[None]:
    """Say what is wrong with what is written to."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(
            f"{place} can't be written: {error.strerror or error}"
        ) from error


def export(
    client: Client, target: Target, limit: int, which: Mapping[str, str | int | None]
) -> Exported:
    """
    Write the messages that match and that the target has not got, the oldest first.

    What comes while this runs is left to the next time. Raises what the client raises; whatever was
    written then is whole, and the next time goes on behind it.
    """
    listed = client.inbox.list(limit, **which)[::-1]
    missing = sum(one.id not in target.ids for one in listed)
    written = 0
    with Progress("Exporting", missing) as progress:
        for first, last in _runs(listed, target.ids):
            span = {"after": first.cursor - 1, "before": last.cursor + 1}
            for entry in _entries(client.inbox.export(**{**which, **span})):
                target.write(entry)
                written += 1
                progress.step(len(entry.copy.message.raw))
    return Exported(written, len(listed) - missing, max(0, missing - written))


def _runs(listed: Iterable[Listed], known: Container[str]) -> Iterator[tuple[Listed, Listed]]:
    """Give the first and the last of each row of neighbours that are not known."""
    for is_known, some in groupby(listed, lambda one: one.id in known):
        if not is_known:
            row = list(some)
            yield row[0], row[-1]


def _entries(pieces: Iterable[bytes]) -> Iterator[inbox_file.Entry]:
    reader = inbox_file.Reader()
    for piece in pieces:
        yield from reader.feed(piece)
    reader.finish()
