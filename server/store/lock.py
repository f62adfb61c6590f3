"""The data folder, and the lock that gives it to one process at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError, StoreInUseError

LOCK_FILE: Final = "lock"
_LOCKED_BYTE: Final = 1 << 30
"""Windows locks bytes, and bars others from reading them: this one is far behind the pid."""


def make_folder(folder: Path) -> None:
    """
    Make a data folder that only its owner may enter; an existing one is left as it is.

    Raises `StoreError`.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, "cannot be made", error) from error


def take_folder(folder: Path) -> FolderLock:
    """Make a data folder if it is missing, and lock it. Raises what `FolderLock` raises."""
    make_folder(folder)
    return FolderLock(folder)


@final
class FolderLock:
    """
    An exclusive lock on a folder, held until `release`; the system releases it with the process.

    It is a lock on the open file `lock`, which is never removed: removing it would let a third
    process lock a new file while a second one still waits on the old. Raises `StoreInUseError` with
    the holder's pid, and `StoreError` when the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(folder, "cannot be written to", error) from error
        try:
            if not try_lock(self._file):
                raise self._in_use(folder)
            os.ftruncate(self._file, 0)
            os.write(self._file, f"{os.getpid()}\n".encode())
        except OSError as error:
            os.close(self._file)
            raise _unusable(folder, "cannot be locked", error) from error
        except StoreInUseError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._file)

    def _in_use(self, folder: Path) -> StoreInUseError:
        os.lseek(self._file, 0, os.SEEK_SET)
        holder = os.read(self._file, 20).decode("ascii", "replace").strip()
        return StoreInUseError(
            f"data folder {folder} is in use by process {holder or 'unknown'}; "
            "stop that process, or give another folder with --data"
        )


def _unusable(folder: Path, what: str, error: OSError) -> StoreError:
    return StoreError(
        f"data folder {folder} {what}: {error.strerror}; "
        "give another one with --data, or --data :memory:"
    )


if sys.platform == "win32":
    import msvcrt

    def try_lock(file: int) -> bool:
        """Lock an open file for as long as it is open; tell whether nobody else has it."""
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        os.lseek(file, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def try_lock(file: int) -> bool:
        """Lock an open file for as long as it is open; tell whether nobody else has it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
