"""The file `index.db`: made, opened, thrown away and made anew. Only the indexer writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, final

from ..store.sqlite_connection import PAGE_SIZE

APPLICATION: Final = 0x62707369
"""`bpsi` in ASCII, in SQLite's header: a database without it is another program's."""
VERSION: Final = 1
SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""What SQLite has beside a database."""
SCHEMA: Final = """
-- `upto` is the cursor up to which every message is in the index, `indexed` how many those are,
-- `untidy` how many of them came since the grams were put in order; `suspect` is the message that
-- was being read when an indexer ended without a word; `boot` names the start of the system since
-- which the file has been open, empty when it was closed in order.
CREATE TABLE state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    upto INTEGER NOT NULL,
    indexed INTEGER NOT NULL,
    untidy INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    boot TEXT NOT NULL
);
-- What a list shows of a message, and whether it has parts that a search asks for. `digest` is
-- JSON, NULL for a message that could not be parsed.
CREATE TABLE entry (
    cursor INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    attachments INTEGER NOT NULL,
    inline INTEGER NOT NULL,
    digest TEXT
);
CREATE INDEX entry_attachments ON entry (cursor) WHERE attachments > 0;
CREATE INDEX entry_inline ON entry (cursor) WHERE inline > 0;
-- `text` is what a term about the text looks into (see `content.content_of`); `other` are the texts
-- that other terms look into, as far as `text` doesn't contain them.
CREATE TABLE words (
    cursor INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    other TEXT NOT NULL
);
CREATE VIRTUAL TABLE grams USING fts5(
    text, other, content = '', detail = none, tokenize = 'trigram case_sensitive 1'
);
"""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN_BOOT: Final = "unknown"
_PATIENCE: Final = 30.0
"""Seconds for another indexer to finish a transaction: of a server that was killed just now."""


class State(NamedTuple):
    """How far the index is: columns of `state`."""

    upto: int
    indexed: int
    untidy: int
    suspect: int


@final
class IndexFile:
    """
    The open index.

    Nothing is synced while it is open: what a power failure leaves is not looked at but made anew.
    Its methods raise what SQLite raises, of a damaged file too; `remake` always helps.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rebuilt = ""
        """Why it was made anew the last time; empty when nothing was lost."""
        self._identity = (0, 0)
        self.was_cut = False
        try:
            self._open()
        except (sqlite3.Error, _Refused) as error:
            self.remake(str(error))

    def remake(self, reason: str, *, upto: int = 0) -> None:
        """Throw the file away and make an empty one, which counts as complete to a cursor."""
        with suppress(AttributeError, sqlite3.Error):
            self.connection.close()
        fresh = self.path.with_name(f"{self.path.name}-new")
        _remove(fresh)
        with closing(sqlite3.connect(fresh, isolation_level=None)) as made:
            made.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            made.execute("PRAGMA synchronous = OFF")
            made.executescript(f"BEGIN; {SCHEMA} COMMIT;")
            made.execute("INSERT INTO state VALUES (1, ?, 0, 0, 0, '')", (upto,))
            made.execute(f"PRAGMA application_id = {APPLICATION}")
            made.execute(f"PRAGMA user_version = {VERSION}")
        fresh.chmod(0o600)
        _remove(self.path)
        fresh.replace(self.path)
        self._open()
        self.rebuilt = reason

    @property
    def is_there(self) -> bool:
        """Whether the file is still the one that was opened."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do what the block does whole or not at all."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.connection.rollback()
            raise

    def state(self) -> State:
        """Give how far the index is."""
        found = self.connection.execute(
            "SELECT upto, indexed, untidy, suspect FROM state"
        ).fetchone()
        return State(*found)

    def close(self) -> None:
        """Close it in order: it is on the disk whole."""
        with closing(self.connection):
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.connection.execute("UPDATE state SET boot = ''")

    def _open(self) -> None:
        if not self.path.exists():
            raise _Refused("")  # the first time: nothing is lost that anybody had
        self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=_PATIENCE)
        found = self.path.stat()
        self._identity = (found.st_dev, found.st_ino)
        (application,) = self.connection.execute("PRAGMA application_id").fetchone()
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if (application, version) != (APPLICATION, VERSION):
            raise _Refused("it is of another version")
        (boot,) = self.connection.execute("SELECT boot FROM state").fetchone()
        if boot not in ("", _this_boot()) or boot == _UNKNOWN_BOOT:
            raise _Refused("the system went down while it was open")
        self.was_cut = bool(boot)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute("UPDATE state SET boot = ?", (_this_boot(),))


class _Refused(Exception):
    """A file that can't be used, and why."""


def _remove(path: Path) -> None:
    for name in (path, *(path.with_name(path.name + suffix) for suffix in SIDE_FILES)):
        name.unlink(missing_ok=True)


def _this_boot() -> str:
    """Name the start of the system; it is known on Linux."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return _UNKNOWN_BOOT
