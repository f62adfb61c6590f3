"""One process at a time holds a data folder, and a folder that can't be used says why."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bindpost.errors import StoreError, StoreInUseError
from bindpost.server.store import open_store
from bindpost.server.store.lock import FolderLock
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.sqlite import SqliteStore

HOLDER = """
import sys
from pathlib import Path
from bindpost.server.store.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


async def test_missing_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """A folder that is missing is made, with its parents, and nobody else may enter it."""
    folder = tmp_path / "state" / "bindpost"

    store = await SqliteStore.open(folder)
    await store.close()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "mail.db").stat().st_mode) == 0o600


async def test_folder_name_may_be_odd(tmp_path: Path) -> None:
    """Characters that mean something in a URI are only characters in a folder's name."""
    store = await SqliteStore.open(tmp_path / "50%25 of? a#b é")
    try:
        assert await store.find() == []
    finally:
        await store.close()


async def test_second_store_on_a_folder_is_refused(tmp_path: Path) -> None:
    """Opening a folder that is open names the folder, the holder's pid and the way out."""
    store = await SqliteStore.open(tmp_path)
    try:
        with pytest.raises(StoreInUseError) as refused:
            await SqliteStore.open(tmp_path)
    finally:
        await store.close()

    for part in (str(tmp_path), f"process {os.getpid()}", "--data"):
        assert part in str(refused.value)


async def test_closed_folder_can_be_opened_again(tmp_path: Path) -> None:
    """Closing gives the folder free."""
    for _ in range(2):
        store = await SqliteStore.open(tmp_path)
        await store.close()


def test_lock_of_another_process_ends_with_it(tmp_path: Path) -> None:
    """The lock of another process holds, tells its pid, and is gone when it is killed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreInUseError, match=f"process {holder.pid};"):
            FolderLock(tmp_path)
        holder.kill()

    FolderLock(tmp_path).release()


async def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A folder below a file cannot be made; the error names it, the reason and the way out."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"file.inbox cannot be made: .*--data"):
        await SqliteStore.open(tmp_path / "file" / "inbox")


async def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A folder in which the lock file cannot be opened is an error that names it."""
    (tmp_path / "lock").mkdir()

    with pytest.raises(StoreError, match=r"cannot be written to: .*--data"):
        await SqliteStore.open(tmp_path)


async def test_newer_schema_is_an_error(tmp_path: Path) -> None:
    """A database of a newer bindpost is left alone, and its folder is free again."""
    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        database.execute("PRAGMA user_version = 999")

    for _ in range(2):
        with pytest.raises(StoreError, match=r"schema version 999, .* up to \d+; use the newer"):
            await SqliteStore.open(tmp_path)


async def test_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """A `mail.db` that is something else is left alone, and the error names it."""
    (tmp_path / "mail.db").write_bytes(b"From nobody\n" * 1000)

    with pytest.raises(StoreError, match=r"mail\.db.*not a database; move it away"):
        await SqliteStore.open(tmp_path)


async def test_open_store_opens_what_the_location_says(tmp_path: Path) -> None:
    """`:memory:` is a store in memory, anything else a folder."""
    memory = await open_store(":memory:")
    folder = await open_store(tmp_path / "mail")
    await memory.close()
    await folder.close()

    assert isinstance(memory, MemoryStore)
    assert isinstance(folder, SqliteStore)
    assert (tmp_path / "mail" / "mail.db").exists()
