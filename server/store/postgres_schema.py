"""Brings the schema of an inbox in PostgreSQL up to date, however many nodes start at once."""

from __future__ import annotations

from typing import Final
from zlib import crc32

from bindpost.errors import StoreError

from .migrations import missing
from .postgres_connection import Server, Session

_LOCK: Final = 0x62696E64
"""Names our advisory lock; the other half of its name is the schema. It is "bind"."""


def migrate(session: Session, server: Server) -> str:
    """
    Apply the files of `schema_postgres/` that the database has not had; all or none.

    Another node that starts waits for that. The tables are in the first schema of the search path,
    which must be there. Gives the channel on which nodes tell of changes to these tables. Raises
    `StoreError`, also when a newer bindpost has made the tables.
    """
    with server.translated():
        try:
            found = session.begin("SELECT current_setting('server_encoding'), current_schema()")
            encoding, schema = found.fetchall()[0]
            if isinstance(encoding, bytes):  # so every text comes from a database in SQL_ASCII
                encoding = encoding.decode()
            if encoding != "UTF8":
                raise StoreError(
                    f"{server} has the encoding {encoding}, and it must be UTF8; "
                    "`createdb -E UTF8 -T template0` makes such a database"
                )
            if schema is None:
                raise StoreError(f"{server}: the schema of its search path isn't there; create it")
            _apply(session, server, schema)
            session.execute("COMMIT")
            return f"bindpost_{crc32(schema.encode()):08x}"
        finally:
            session.rollback()


def _apply(session: Session, server: Server, schema: str) -> None:
    session.execute("SET LOCAL lock_timeout = 0")  # however long another node takes for it
    session.execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", (_LOCK, schema))
    session.script("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
    ((version,),) = session.execute(
        "SELECT coalesce(max(version), 0) FROM schema_version"
    ).fetchall()
    hint = "give another database with --store"
    for number, sql in missing("schema_postgres", version, place=str(server), hint=hint):
        session.script(sql)
        session.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
