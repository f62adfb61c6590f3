"""What a node asks and tells the database about nodes, over a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, final
from zlib import crc32

import msgspec
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.errors import LockNotAvailable

from ..store.codec import decode, encode
from ..store.events import KeptEvent
from ..store.postgres_connection import Server

KEPT: Final = 1000
"""Events of each node that the others can still hear; so many are told after an outage."""
PAGE: Final = 500
"""Events that are heard at once."""
FORGOTTEN: Final = "7 days"
"""After so long without a heartbeat a node's row and its events are deleted."""
_CLAIM_WAIT: Final = "1s"
"""How long a name is waited for: the server may not yet know that its last holder has ended."""

_REGISTER: Final = """
INSERT INTO node (id, name, run, version, patience)
VALUES ($1, $2, $3, $4, make_interval(secs => $5))
ON CONFLICT (id) DO UPDATE SET name = $2, run = $3, version = $4, stopped = false,
    started = CASE WHEN node.run = $3 THEN node.started ELSE now() END,
    patience = make_interval(secs => $5)
RETURNING told
"""
_REPLACE: Final = "UPDATE node SET stopped = true WHERE name = $2 AND id <> $1"
_BEAT: Final = """
WITH before AS (
    SELECT id, gone, extract(epoch FROM now() - heartbeat)::float8 AS silence
    FROM node WHERE id = $1 FOR UPDATE
)
UPDATE node SET heartbeat = now(), gone = false, stopped = $2, told = greatest(told, $3::bigint),
    listeners = coalesce($4, listeners),
    edition = edition + CASE WHEN $4::text IS NULL THEN 0 ELSE 1 END
FROM before WHERE node.id = before.id RETURNING before.gone, before.silence
"""
_TELL: Final = """
INSERT INTO node_event (node, cursor, event)
SELECT $1, * FROM unnest($2::bigint[], $3::text[]) ON CONFLICT DO NOTHING
"""
_TRIM: Final = """
DELETE FROM node_event WHERE node = $1 AND cursor <= (
    SELECT cursor FROM node_event WHERE node = $1 ORDER BY cursor DESC OFFSET $2 LIMIT 1
)
"""
_JUDGE: Final = """
UPDATE node SET gone = true
WHERE NOT gone AND NOT stopped AND id <> $1 AND heartbeat < now() - patience
RETURNING name, extract(epoch FROM now() - heartbeat)::float8
"""
_FORGET: Final = "DELETE FROM node WHERE id <> $1 AND heartbeat < now() - $2::interval"
_OTHERS: Final = """
SELECT id, name, run, version, extract(epoch FROM now() - started)::float8,
    extract(epoch FROM now() - heartbeat)::float8, stopped, gone, edition, told
FROM node WHERE id <> $1
"""
_EVENTS: Final = """
SELECT event
FROM node_event JOIN unnest($1::text[], $2::bigint[]) AS known (node, cursor) USING (node)
WHERE node_event.cursor > known.cursor ORDER BY node, node_event.cursor LIMIT $3
"""
_IS_VANISHED: Final = """
SELECT EXISTS (SELECT 1 FROM node WHERE (name = $1 OR id = $2) AND NOT stopped
    AND heartbeat < now() - patience)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A node as the database has it; `age` and `silence` are seconds, by the database's clock."""

    id: str
    name: str
    run: str
    version: str
    age: float
    silence: float
    stopped: bool
    gone: bool
    edition: int
    told: int


@dataclass(frozen=True, slots=True)
class Beat:
    """
    What a node says of itself: its listeners as JSON, None where they are as before, and events.

    `is_urgent` has the other nodes hear of it at once.
    """

    listeners: str | None
    events: Sequence[KeptEvent]
    is_urgent: bool
    stopped: bool


@final
class Table:
    """
    The tables `node` and `node_event`, as a node sees them whose event log has an id.

    Every method raises what psycopg raises.
    """

    def __init__(
        self, connection: AsyncConnection[tuple[Any, ...]], log: str, channel: str
    ) -> None:
        self._connection = connection
        self._log = log
        self._channel = channel

    def fileno(self) -> int:
        """Give what can be read when another node has news, or the connection is lost."""
        return self._connection.fileno()

    async def claim(self, name: str) -> bool:
        """
        Take a node's name, and the log, for as long as the connection lasts; say whether that went.

        It does not while another node has one of them, unless the machine of that one has vanished.
        """
        try:
            async with self._connection.transaction():
                await self._ask(f"SET LOCAL lock_timeout = '{_CLAIM_WAIT}'")
                for claimed in (f"name {name}", f"log {self._log}"):
                    key = f"{self._channel} {claimed}"
                    await self._ask("SELECT pg_advisory_lock(hashtextextended($1, 0))", key)
        except LockNotAvailable:
            ((is_vanished,),) = await self._ask(_IS_VANISHED, name, self._log)
            return bool(is_vanished)
        return True

    async def register(self, name: str, *, run: str, version: str, patience: float) -> int:
        """Write a node's row; give the cursor of the last event that it has told."""
        ((told,),) = await self._ask(_REGISTER, self._log, name, run, version, patience)
        return int(told)

    async def replace(self, name: str) -> None:
        """Take note that former nodes of a name are no more, now that it was claimed."""
        await self._ask(_REPLACE, self._log, name)

    async def beat(self, beat: Beat) -> tuple[bool, float] | None:
        """
        Say that a node lives, and what is new; give whether it was gone, and for how many seconds.

        None when there is no such row any more.
        """
        events = beat.events
        told = events[-1].cursor if events else 0
        async with self._connection.transaction():
            before = await self._ask(_BEAT, self._log, beat.stopped, told, beat.listeners)
            if not before:
                return None
            if events:
                named = [msgspec.structs.replace(event, log=self._log) for event in events]
                texts = [encode(event) for event in named]
                await self._ask(_TELL, self._log, [event.cursor for event in events], texts)
                await self._ask(_TRIM, self._log, KEPT)
            if beat.is_urgent:
                await self._notify()
        was_gone, silence = before[0]
        return was_gone, silence

    async def judge(self) -> Sequence[tuple[str, float]]:
        """Mark as gone who has missed its time; give name and silence of those that were not."""
        await self._ask(_FORGET, self._log, FORGOTTEN)
        found = [(name, silence) for name, silence in await self._ask(_JUDGE, self._log)]
        if found:
            await self._notify()
        return found

    async def others(self) -> Sequence[Row]:
        """Give the other nodes."""
        return [Row(*columns) for columns in await self._ask(_OTHERS, self._log)]

    async def listeners(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Give the listeners of some nodes, as JSON."""
        sql = "SELECT id, listeners FROM node WHERE id = ANY($1)"
        return dict(await self._ask(sql, list(ids)))

    async def events(self, behind: Mapping[str, int]) -> Sequence[KeptEvent]:
        """Give the next events of some nodes, each behind a cursor, in order; `PAGE` at most."""
        found = await self._ask(_EVENTS, list(behind), list(behind.values()), PAGE)
        return [decode(event, KeptEvent) for (event,) in found]

    async def _notify(self) -> None:
        await self._ask("SELECT pg_notify($1, '')", self._channel)

    async def _ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(sql.encode(), parameters)
        return await cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def connected(server: Server, log: str) -> AsyncIterator[Table]:
    """
    Have a connection while the block runs, which hears when other nodes have news.

    Nothing here waits for the server's disk: what it loses in a crash is told anew or out of date.
    Raises what psycopg raises.
    """
    connection = await AsyncConnection.connect(
        server.conninfo, autocommit=True, cursor_factory=AsyncRawCursor
    )
    async with connection:
        wait = round(2000 * server.patience)
        await connection.execute(
            "SET synchronous_commit = off; SET default_transaction_isolation = 'read committed';"
            f" SET idle_in_transaction_session_timeout = {wait};"
            f" SET lock_timeout = {wait}".encode()
        )
        cursor = await connection.execute("SELECT current_schema()")
        (schema,) = await cursor.fetchone() or ("",)
        channel = f"bindpost_nodes_{crc32(schema.encode()):08x}"
        connection.add_notify_handler(lambda _: None)  # that it wakes is all that it is for
        await connection.execute(f"LISTEN {channel}".encode())
        yield Table(connection, log, channel)
