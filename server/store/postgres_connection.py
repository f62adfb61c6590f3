"""Connections to PostgreSQL: where to, what is said over one, and what its errors mean."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final, final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DiskFull, LockNotAvailable, ReadOnlySqlTransaction, UniqueViolation

from bindpost.errors import StoreAwayError, StoreError, StoreFullError

from .sql_rows import Rows
from .store import DURABLE, Durability

PATIENCE: Final = 5.0
"""Seconds that a connection is waited for; for a machine, and for another node, twice as long."""
_SILENCE: Final = 6
"""
How many times as long an answer is waited for from a server that is there and says nothing: one
that was stopped, or whose disk stands still.
"""
_COMPRESSION: Final = (
    "SELECT set_config(name, 'lz4', false) FROM pg_settings"
    " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
)
"""Has large values compressed by lz4 if the server can: its own way takes several times as long."""
_SETTINGS: Final = (
    "SET default_transaction_isolation = 'read committed';"  # a lock gives what was written last
    " SET synchronous_commit = {synchronous};"
    " SET lock_timeout = {wait}; SET idle_in_transaction_session_timeout = {wait};"
    # Else the server misses a machine that has vanished after two hours.
    " SET tcp_keepalives_idle = {idle}; SET tcp_keepalives_interval = {interval};"
    " SET tcp_keepalives_count = 2; "
)
_END_STOPPED: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE datname = current_database() AND locktype = 'relation'"
    " AND relation = 'inbox'::regclass AND mode = 'RowShareLock' AND granted"
    " AND state IN ('active', 'idle in transaction') AND wait_event = 'ClientRead'"
    " AND query_start < clock_timestamp() - make_interval(secs => ?)"
)
"""
Ends who stopped in a transaction that has the inbox's row.

The server ends it sooner, unless it stopped while it sent statements, or behind a pipeline: then
the server waits for the rest as long as its machine lives.
"""
_AWAY: Final = frozenset({"08", "25", "53", "55", "57"})
"""Classes of SQLSTATE that say that it isn't possible now: see PostgreSQL's appendix A."""

_Connection = psycopg.Connection[tuple[Any, ...]]
_AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]


@final
class Server:
    """
    A database on a PostgreSQL server, by its URL, which may have all that libpq knows.

    `str` names it without its credentials. It is given `patience` seconds for a connection, and
    twice as many before its machine counts as vanished. `silence` is how many it has for an answer
    if it is there. Raises `StoreError` when the URL is none.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        try:
            said = conninfo_to_dict(url)
        except psycopg.Error:
            # What libpq says of it may quote a part of the password.
            raise StoreError(
                "the URL of the store can't be read; it is postgresql://USER@HOST:PORT/DATABASE, "
                "with what is special in a name or password written as %XX"
            ) from None
        self.patience = patience
        self.silence = _SILENCE * patience
        unsaid = {name: value for name, value in _defaults(patience).items() if name not in said}
        self.conninfo = make_conninfo(url, **unsaid, client_encoding="UTF8")
        host, port, name = (said.get(key) for key in ("host", "port", "dbname"))
        self._name = f"PostgreSQL {host or 'localhost'}:{port or 5432}/{name or ''}"

    def __str__(self) -> str:
        return self._name

    def connect(self, durability: Durability = DURABLE) -> _Connection:
        """
        Make a connection for writing. Raises what psycopg raises.

        A node that stops while it has the inbox locked loses the connection after a while, and
        with it the lock.
        """
        # Raw: psycopg would go through every batch's statement to find its own marks.
        connection = psycopg.connect(
            self.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor
        )
        settings = _SETTINGS.format(
            synchronous="on" if durability == DURABLE else "off",
            wait=round(2000 * self.patience),
            idle=math.ceil(self.patience),
            interval=math.ceil(self.patience / 2),
        )
        connection.execute(f"{settings}{_COMPRESSION}".encode())
        return connection

    def translate(self, error: Exception) -> StoreError:
        """Say what an error of PostgreSQL or psycopg means for the store."""
        if isinstance(error, StoreError):
            return error
        said = (str(error).strip() or type(error).__name__).partition("\n")[0]
        if isinstance(error, UniqueViolation):
            return StoreError(
                f"{self}: not kept: there is one of this id: {error.diag.message_detail}"
            )
        if isinstance(error, DiskFull):
            return StoreFullError(f"{self}: the disk of its server is full ({said})")
        if _is_away(error):
            return StoreAwayError(f"{self} can't be used now: {said}")
        return StoreError(f"{self}: {said}")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what fails inside into `StoreError` and its kin."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            raise self.translate(error) from error


def _defaults(patience: float) -> Mapping[str, str | int]:
    """Give what holds where a URL says nothing of it: what notices a server that vanished first."""
    return {
        "connect_timeout": math.ceil(patience),
        "keepalives_idle": math.ceil(patience),
        "keepalives_interval": math.ceil(patience / 2),
        "keepalives_count": 2,
        "tcp_user_timeout": round(2000 * patience),
        "application_name": "bindpost",
        # A former primary is left at once, and one of several hosts is chosen.
        "target_session_attrs": "read-write",
    }


def _is_away(error: Exception) -> bool:
    if isinstance(error, psycopg.InterfaceError | ReadOnlySqlTransaction):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in _AWAY


@contextmanager
def limited(connection: _AsyncConnection, seconds: float) -> Iterator[None]:
    """Cut a connection if the block takes longer: what waits for an answer over it then fails."""
    timer = asyncio.get_running_loop().call_later(seconds, cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def cut(connection: _Connection | _AsyncConnection) -> None:
    """Shut a connection down, whoever uses it just now, as if its server had ended."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)


@final
class Session:
    """
    A connection for writing; one that was lost between two transactions is made anew.

    Statements have `?` for parameters. Belongs to one thread at a time, but for `end_silence`. It
    implements `SqlSession`.
    """

    among: Final = "= ANY(?)"
    message: Final = "message"
    every_message: Final = "every_message"

    def __init__(self, server: Server, durability: Durability = DURABLE) -> None:
        self._server = server
        self._durability = durability
        self._connection: _Connection | None = None
        self._asked: float | None = None
        """When the answer that is waited for was asked, by the monotonic clock."""

    def begin(self, sql: str) -> psycopg.Cursor[tuple[Any, ...]]:
        """Begin a transaction with a statement. Raises what psycopg raises."""
        if self._connection is not None:
            began = time.monotonic()
            try:
                return self._begin(self._connection, sql)
            except psycopg.OperationalError:
                # One that was lost earlier fails at once; after a silence a new one is silent, too.
                is_late = time.monotonic() - began > self._server.patience
                if is_late or not self._connection.closed:
                    raise
        self._connection = self._server.connect(self._durability)
        return self._begin(self._connection, sql)

    def execute(
        self, sql: str, parameters: Sequence[object] = (), /
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement. Raises what psycopg raises."""
        with self._waiting():
            return self._open().execute(marked(sql), [storable(value) for value in parameters])

    def several(self, values: Sequence[int] | Sequence[str]) -> object:
        """Make one parameter of several values; see `SqlSession`."""
        return list(values)

    def new_rows(self, table: str, *columns: str, otherwise: str = "") -> Rows:
        """Give rows for a table, to be collected and then written."""
        return Rows(table, *columns, otherwise=otherwise, insert="INSERT")

    def script(self, sql: str) -> None:
        """Execute statements without parameters. Raises what psycopg raises."""
        self._open().execute(sql.encode())

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        Send the statements of the block without waiting for their answers, in one round trip.

        Raises what psycopg raises, at the end of the block; what stands behind the statement that
        failed was not executed.
        """
        with self._waiting(), self._open().pipeline():
            yield

    def end_silence(self) -> None:
        """Cut the connection, in any thread, if an answer has been waited for too long."""
        asked, connection = self._asked, self._connection
        if asked is not None and connection and time.monotonic() - asked > self._server.silence:
            cut(connection)

    def rollback(self) -> None:
        """Undo the transaction if there is one; let go of a connection that is no use any more."""
        if self._connection is None:
            return
        with suppress(psycopg.Error), self._waiting():
            self._connection.rollback()
            return
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begin(self, connection: _Connection, sql: str) -> psycopg.Cursor[tuple[Any, ...]]:
        try:
            with self._waiting():
                # No pipeline: psycopg ends it by a Flush, which stops the clock of idle ones.
                begun = connection.execute(f"BEGIN; {sql}".encode(), prepare=False)
                begun.nextset()
                return begun
        except LockNotAvailable:
            with suppress(psycopg.Error), self._waiting():  # it may be another role's
                connection.rollback()
                connection.execute(marked(_END_STOPPED), (self._server.silence,))
            raise

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        outer = self._asked
        self._asked = outer or time.monotonic()
        try:
            yield
        finally:
            self._asked = outer

    def _open(self) -> _Connection:
        assert self._connection is not None, "a transaction has begun"
        return self._connection


def array(numbers: Iterable[int]) -> str:
    """Give numbers as PostgreSQL writes an array of them; many are sent quicker than as a list."""
    return f"{{{','.join(map(str, numbers))}}}"


@lru_cache
def marked(sql: str) -> bytes:
    """Give a statement whose parameters are marked as PostgreSQL does it: `$1`, `$2`, ..."""
    first, *others = sql.split("?")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(others, start=1))).encode()


def storable(value: object) -> object:
    """Give a value as PostgreSQL can keep it: its texts have no NUL, and flags are numbers."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return value.replace("\0", "\uffff")
    if isinstance(value, list):
        return [storable(one) for one in value]
    return value
