"""Writes an event log file in place of another one: whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bindpost.errors import EventFileError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """
    Give a new file that takes the place of `path` when the block ends.

    It is written under another name beside it and renamed, so nobody sees half of it. Raises
    `EventFileError` when it can't be written, and whatever the block raises; the file is then as it
    was.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with scratch.open("xb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                file.close()
                scratch.replace(path)
            except BaseException:
                file.close()  # or Windows would not let it go
                scratch.unlink()
                raise
    except OSError as error:
        raise EventFileError(
            f"{path} cannot be written: {error.strerror}; "
            "see that its folder is there, has room and is yours"
        ) from error
