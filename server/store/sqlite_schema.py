"""Brings the schema of `mail.db` up to date, one numbered SQL file after the other."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from bindpost.errors import StoreError

from .sqlite_connection import translated


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """
    Apply the files of `schema/` that the database has not had; each one whole or not at all.

    The number of the last one is kept as `user_version`. Raises `StoreError`, also when a newer
    bindpost has made the database.
    """
    known = _schema_files()
    with translated(path):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(known):
        raise StoreError(
            f"{path} has schema version {version}, this bindpost knows up to {len(known)}; "
            "use the newer bindpost that made it, or give another folder with --data"
        )
    for number, sql in enumerate(known[version:], start=version + 1):
        with translated(path):
            _apply(connection, f"{sql}\nPRAGMA user_version = {number};")


def _schema_files() -> list[str]:
    """Give the SQL of the schema files; `0001_....sql` is the first."""
    found = sorted(
        (file for file in (files(__package__) / "schema").iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [file.read_text("utf-8") for file in found]


def _apply(connection: sqlite3.Connection, sql: str) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nCOMMIT;")
    finally:
        if connection.in_transaction:
            connection.rollback()
