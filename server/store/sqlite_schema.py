"""Brings the schema of `mail.db` up to date, one numbered SQL file after the other."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .migrations import missing
from .sqlite_connection import translated


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """
    Apply the files of `schema/` that the database has not had; each one whole or not at all.

    The number of the last one is kept as `user_version`. Raises `StoreError`, also when a newer
    bindpost has made the database.
    """
    with translated(path):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    hint = "give another folder with --data"
    for number, sql in missing("schema", version, place=str(path), hint=hint):
        with translated(path):
            _apply(connection, f"{sql}\nPRAGMA user_version = {number};")


def _apply(connection: sqlite3.Connection, sql: str) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nCOMMIT;")
    finally:
        if connection.in_transaction:
            connection.rollback()
