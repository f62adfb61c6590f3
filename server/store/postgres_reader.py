"""Asks an inbox in PostgreSQL questions, by a pool of connections."""

from __future__ import annotations

from typing import Any, Final, final

from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.errors import OperationalError, QueryCanceled
from psycopg_pool import AsyncConnectionPool

from bindpost.errors import SearchTimeoutError

from .postgres_connection import Server, limited, marked, storable
from .postgres_queries import Question

_SET: Final = (
    "SELECT set_config('statement_timeout', $1, true), set_config('enable_seqscan', $2, true)"
)
_ON: Final = ("off", "on")
_CONNECTIONS: Final = 4
"""So that a search through many messages does not hold up a look at one."""

_Row = tuple[Any, ...]


@final
class Reader:
    """Asks questions; a connection that was lost is made anew. Belongs to one event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pool: AsyncConnectionPool[AsyncConnection[_Row]] = AsyncConnectionPool(
            server.conninfo,
            kwargs={"autocommit": True, "cursor_factory": AsyncRawCursor},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=server.patience,
            # Else its pauses grow to minutes, and pages would be away for as long as the server
            # was. Now it gives up, and tries again at the next question.
            reconnect_timeout=server.patience,
            open=False,
            name="bindpost-store-reader",
        )

    async def open(self) -> None:
        """Begin to make connections."""
        await self._pool.open()

    async def ask(self, question: Question, *, seconds: float | None = None) -> list[_Row]:
        """
        Give the rows that answer a question.

        Raises `SearchTimeoutError` when that takes longer than `seconds`, and `StoreError`.
        """
        with self._server.translated():
            found = await self._try(question, seconds)
            if found is None:  # the server was away meanwhile: the others are lost, too
                await self._pool.drain()
                found = await self._try(question, seconds)
            if found is None:
                raise OperationalError("the connection is lost")
            return found

    async def close(self) -> None:
        """Let go of the connections."""
        await self._pool.close()

    async def _try(self, question: Question, seconds: float | None) -> list[_Row] | None:
        """Give the rows, None if the connection was lost."""
        async with self._pool.connection() as connection:
            try:
                with limited(connection, self._server.silence):
                    return await _answer(connection, question, seconds)
            except OperationalError:
                if not connection.closed:
                    raise
                return None


async def _answer(
    connection: AsyncConnection[_Row], question: Question, seconds: float | None
) -> list[_Row]:
    if seconds is None and not question.planned:
        return await (await _ask(connection, question)).fetchall()
    limit = 0 if seconds is None else max(1, round(seconds * 1000))
    try:
        async with connection.pipeline(), connection.transaction():  # one round trip
            await connection.execute(_SET, (str(limit), _ON[not question.planned]))
            found = await _ask(connection, question)
        return await found.fetchall()
    except QueryCanceled:
        raise SearchTimeoutError("the database took too long") from None


async def _ask(connection: AsyncConnection[_Row], question: Question) -> AsyncCursor[_Row]:
    values = [storable(value) for value in question.parameters]
    prepare = False if question.planned else None
    return await connection.execute(marked(question.sql), values, prepare=prepare)
