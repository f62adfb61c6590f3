"""Finding a page of messages takes an index, however many messages there are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bindpost.server.store import sqlite_queries
from bindpost.server.store.sqlite_connection import open_writer
from bindpost.server.store.sqlite_schema import migrate
from bindpost.server.store.store import Query


def plan(connection: sqlite3.Connection, query: Query) -> str:
    """Give how SQLite goes about finding the newest messages of a query."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    sqlite_queries.find(connection, query, limit=50, offset=0)
    connection.set_trace_callback(None)
    steps = connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}")
    return "\n".join(detail for _, _, _, detail in steps)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(recipient="a@x"), "INDEX recipient_address (address=?)"),
        (Query(recipient="a@x", before=9), "INDEX recipient_address (address=? AND cursor<?)"),
        (Query(recipient="a@x", sender="b@x"), "INDEX recipient_address"),
        (Query(sender="b@x"), "INDEX message_sender (sender=?)"),
        (Query(sender="b@x", after=9), "INDEX message_sender (sender=? AND rowid>?)"),
        (Query(unread=True), "INDEX message_unread"),
        (Query(before=9), "INTEGER PRIMARY KEY (rowid<?)"),
    ],
)
def test_query_uses_an_index_and_sorts_nothing(tmp_path: Path, query: Query, index: str) -> None:
    """A query by recipient, sender, cursor or read flag is answered in order from an index."""
    path = tmp_path / "mail.db"
    with closing(open_writer(path)) as connection:
        migrate(connection, path)

        steps = plan(connection, query)

    assert index in steps
    assert "TEMP B-TREE" not in steps


def test_listing_never_reads_bodies(tmp_path: Path) -> None:
    """A page of rows comes from the table of messages alone."""
    path = tmp_path / "mail.db"
    with closing(open_writer(path)) as connection:
        migrate(connection, path)

        assert "body" not in plan(connection, Query())
