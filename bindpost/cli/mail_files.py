"""Files of mail: what is in .eml files, mbox files and Maildirs, and how they are written."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol, Self

import click

from bindpost.client import MessageSummary

from . import mbox

STDIN: Final = "-"
INBOX: Final = b'{"bindpost":"inbox"'
"""What `server.store.inbox_file.HEAD` begins with."""
_MAILDIR: Final = ("new", "cur", "tmp")
_SUFFIXES: Final = (".eml", ".mbox")


class FoundInbox(NamedTuple):
    """An inbox file, open: where it is, and its first bytes, which were read already."""

    place: str
    file: BinaryIO
    start: bytes


class Found(NamedTuple):
    """A message in a file: where it is, its bytes, and its sender if the file tells."""

    place: str
    raw: bytes
    sender: str | None = None


def files_of(source: str) -> list[Path]:
    """
    Give the files that a source means: itself, or those in a folder.

    Of a Maildir they are those in `new` and `cur`, of any other folder all `*.eml` and `*.mbox`
    below it. Raises `click.ClickException` if there are none.
    """
    path = Path(source)
    if source == STDIN or not path.is_dir():
        return [path]
    try:
        if all((path / name).is_dir() for name in ("new", "cur")):
            files = [file for name in ("cur", "new") for file in (path / name).iterdir()]
        else:
            files = [file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES]
        files = [file for file in files if file.is_file()]
    except OSError as error:
        raise _unreadable(path, error) from error
    if not files:
        raise click.ClickException(f"{source}: there is no mail in this folder")
    return sorted(files, key=lambda file: file.name)


def read(path: Path, stdin: BinaryIO) -> Iterator[Found | FoundInbox]:
    """
    Give the messages in a file, or in what comes from standard input for `-`.

    A file that begins with `From ` is an mbox, one that begins with `INBOX` an inbox file, which is
    given as it is; any other is one message. Raises `click.ClickException`.
    """
    with ExitStack() as stack:
        try:
            file = stdin if str(path) == STDIN else stack.enter_context(path.open("rb"))
            start = file.read(len(mbox.SEPARATOR))
            if start == INBOX[: len(start)]:
                start += file.read(len(INBOX) - len(start))
            if start == INBOX:
                yield FoundInbox(str(path), file, start)
                return
            if start != mbox.SEPARATOR:
                yield Found(str(path), start + file.read())
                return
            for number, entry in enumerate(mbox.read(file, start), start=1):
                yield Found(f"{path}, message {number}", entry.raw, entry.sender)
        except OSError as error:
            raise _unreadable(path, error) from error


class Writer(Protocol):
    """Takes messages and puts them into files."""

    def __enter__(self) -> Self:
        """Begin. Raises `click.ClickException`, as each method does."""
        ...

    def __exit__(self, *_: object) -> None:
        """Finish."""
        ...

    def write(self, message: MessageSummary, raw: bytes) -> bool:
        """Write a message; say False if it was there already."""
        ...


class EmlFolder:
    """A folder of files `ID.eml`; what is there already is left alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        """Make the folder if need be."""
        _make(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def write(self, message: MessageSummary, raw: bytes) -> bool:
        """Write a file, whole or not at all."""
        return _place(raw, self._folder / f".{message.id}", self._folder / f"{message.id}.eml")


class Maildir:
    """A Maildir: messages that were read go into `cur` with the flag S, others into `new`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host = socket.gethostname().replace("/", "_").replace(":", "_")

    def __enter__(self) -> Self:
        """Make the folders if need be."""
        for name in _MAILDIR:
            _make(self._folder / name)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def write(self, message: MessageSummary, raw: bytes) -> bool:
        """Write a file in `tmp` and move it to its place."""
        name = f"{int(message.received.timestamp())}.{message.id}.{self._host}"
        there = [self._folder / "new" / name, *(self._folder / "cur").glob(f"{name}*")]
        if any(path.exists() for path in there):
            return False
        place = f"cur/{name}:2,S" if message.read else f"new/{name}"
        return _place(raw, self._folder / "tmp" / name, self._folder / place)


class MboxFile:
    """A new mbox file, or standard output."""

    def __init__(self, path: Path, stdout: BinaryIO) -> None:
        self._path = path
        self._stdout = stdout
        self._stack = ExitStack()
        self._file: BinaryIO

    def __enter__(self) -> Self:
        """Begin the file; one that is there already is never touched."""
        if str(self._path) == STDIN:
            self._file = self._stdout
            return self
        try:
            self._file = self._stack.enter_context(self._path.open("xb"))
        except FileExistsError:
            raise click.ClickException(
                f"{self._path} is there already; give another name, or remove it"
            ) from None
        except OSError as error:
            raise _unwritable(self._path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._stack.close()

    def write(self, message: MessageSummary, raw: bytes) -> bool:
        """Put a message behind the others."""
        try:
            mbox.write(
                self._file,
                raw,
                sender=message.envelope.reverse_path,
                received=message.received,
            )
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritable(self._path, error) from error
        return True


INBOX_FORM: Final = "inbox"
"""Not a form of mail files, and written by `inbox_export`."""
FORMATS: Final[Sequence[str]] = ("eml", "mbox", "maildir", INBOX_FORM)


def writer(form: str, path: Path, stdout: BinaryIO) -> Writer:
    """Give the writer of a form. Raises `click.ClickException` where it can't be."""
    if form == "mbox":
        return MboxFile(path, stdout)
    if str(path) == STDIN:
        raise click.UsageError("Only mbox and inbox can be written to standard output.")
    return EmlFolder(path) if form == "eml" else Maildir(path)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _place(raw: bytes, scratch: Path, path: Path) -> bool:
    """Write a file whole or not at all, unless it is there."""
    if path.exists():
        return False
    try:
        scratch.write_bytes(raw)
        scratch.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def _unreadable(path: Path, error: OSError) -> click.ClickException:
    return click.ClickException(f"{path} can't be read: {error.strerror}")


def _unwritable(path: Path, error: OSError) -> click.ClickException:
    return click.ClickException(f"{path} can't be written: {error.strerror}")
