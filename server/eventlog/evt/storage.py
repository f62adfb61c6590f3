"""The bytes of an event log file at their offsets, in a file on disk."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import Protocol, Self, final

from bindpost.errors import EventFileError, EventFileInUseError

from ...store.lock import try_lock


class Storage(Protocol):
    """Bytes at offsets. Each method raises `EventFileError` when it fails."""

    name: str
    """What messages call it."""

    def size(self) -> int:
        """Give the number of bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Give these bytes; fewer at the end."""

    def write(self, offset: int, data: bytes) -> None:
        """Write all of these bytes."""

    def grow(self, size: int) -> None:
        """Add zeros at the end up to this size."""

    def close(self) -> None:
        """Let the bytes go. Nothing may follow."""


@final
class FileStorage:
    """A file, unbuffered: when a write returns, other processes see it."""

    def __init__(self, path: Path, descriptor: int, mode: str) -> None:
        self.name = str(path)
        self._file = FileIO(descriptor, mode)

    @classmethod
    def open_locked(cls, path: Path) -> Self:
        """
        Open a file to write in it, made if it isn't there, and keep all others from doing so.

        The system ends the lock with the process. Who only reads is not kept out. Raises
        `EventFileInUseError`, or `EventFileError` when the file cannot be opened.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise _failed(path, "opened", error) from error
        try:
            if try_lock(descriptor):
                return cls(path, descriptor, "r+")
            raise EventFileInUseError(
                f"event log {path} is written to by another process, or by another part of this "
                "one; stop it, or give another file"
            )
        except OSError as error:
            os.close(descriptor)
            raise _failed(path, "locked", error) from error
        except EventFileError:
            os.close(descriptor)
            raise

    @classmethod
    def open_to_read(cls, path: Path) -> Self:
        """Open a file to read it. Raises `EventFileError`."""
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _failed(path, "opened", error) from error
        try:
            return cls(path, descriptor, "r")
        except OSError as error:  # a folder
            os.close(descriptor)
            raise _failed(path, "opened", error) from error

    def size(self) -> int:
        """Give the number of bytes."""
        try:
            return os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise _failed(self.name, "read", error) from error

    def read(self, offset: int, length: int) -> bytes:
        """Give these bytes; fewer at the end."""
        try:
            self._file.seek(offset)
            pieces = []
            while length and (piece := self._file.read(length)):
                pieces.append(piece)
                length -= len(piece)
        except OSError as error:
            raise _failed(self.name, "read", error) from error
        return b"".join(pieces)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of these bytes."""
        left = memoryview(data)
        try:
            self._file.seek(offset)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _failed(self.name, "written", error) from error

    def grow(self, size: int) -> None:
        """Add zeros at the end up to this size."""
        try:
            self._file.truncate(size)
        except OSError as error:
            raise _failed(self.name, "enlarged", error) from error

    def close(self) -> None:
        """Close the file, and end its lock."""
        self._file.close()


def _failed(path: Path | str, what: str, error: OSError) -> EventFileError:
    return EventFileError(
        f"event log {path} cannot be {what}: {error.strerror}; "
        "see that the file's folder is there, has room and is yours, or give another file"
    )
