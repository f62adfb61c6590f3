"""Tells the other nodes of an inbox of this one, and hears of them, for as long as it lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Final, final

from bindpost import events
from bindpost.errors import ConfigError, StoreAwayError, StoreError
from bindpost.log import get_logger

from ..message.model import utc_now
from ..store.events import EventQuery, EventStore, KeptEvent
from ..store.postgres_connection import Server
from .here import Here
from .table import KEPT, PAGE, Beat, Row, Table, connected

MISSED: Final = 5
"""Heartbeats that a node may miss; then it is gone."""
FAREWELL: Final = 3.0
"""Seconds that the last word to the others may take."""
_GATHER: Final = 0.1
"""Seconds for which news are gathered, so that a flood of them becomes few transactions."""
_GATHER_EACH: Final = 0.01
"""The same for each other node, up to a heartbeat: each of them may have news all the time."""
_PAUSE: Final = 1.0
"""Seconds until a connection that was lost is made anew, or a heartbeat, if that is sooner."""
_AGAIN: Final = 0.1

_LOG: Final = get_logger("bindpost.nodes")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another node: its row as it was read at a moment of this node's clock, its listeners."""

    row: Row
    listeners: str
    read: datetime

    @property
    def heard(self) -> datetime:
        """When it was heard of last."""
        return self.read - timedelta(seconds=self.row.silence)

    @property
    def started(self) -> datetime:
        """When it was started."""
        return self.read - timedelta(seconds=self.row.age)


@final
class Neighbours:
    """
    The other nodes of an inbox in PostgreSQL.

    A task of its own tells them of this one, at every heartbeat and when there is news, and hears
    of them; nothing else ever waits for it. `known` are all that were heard of, by the ids of their
    logs. `trouble` says why nothing can be told or heard now, empty while it can. What happened
    meanwhile is told afterwards.
    """

    def __init__(self, server: Server, here: Here, log: EventStore | None) -> None:
        self.known: Mapping[str, Neighbour] = {}
        self.trouble = ""
        self._server = server
        self._here = here
        self._log = log
        self._patience = MISSED * here.heartbeat
        self._describe: Callable[[], str] = "[]".format
        self._described = ""
        self._told = 0
        self._heard: dict[str, int] = {}
        self._is_urgent = False
        self._is_doubled = False
        self._connected = self._since = self._looked = 0.0
        self._leaving = asyncio.Event()
        self._news = asyncio.Event()
        self._joined = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._watch_log())]

    async def join(self) -> None:
        """Return when the others can know of this node. Raises `ConfigError` and `StoreError`."""
        joined = asyncio.ensure_future(self._joined.wait())
        try:
            await asyncio.wait([self._tasks[0], joined], return_when=asyncio.FIRST_COMPLETED)
            if not joined.done():
                await self._tasks[0]
        finally:
            joined.cancel()

    def describe_by(self, describe: Callable[[], str]) -> None:
        """Tell the others from now on what this gives: the listeners, as JSON."""
        self._describe = describe
        self.changed()

    def changed(self) -> None:
        """Have it told at once that a listener is in another state."""
        self._is_urgent = True
        self._news.set()

    async def leave(self) -> None:
        """Tell the others that this node stops, with its last events, if that can be done soon."""
        self._leaving.set()
        self._news.set()
        await asyncio.wait(self._tasks[:1], timeout=FAREWELL)
        while left := [task for task in self._tasks if not task.done()]:
            # Once may not be enough: asyncio.wait_for loses a cancellation before Python 3.12.
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_AGAIN)

    async def _run(self) -> None:
        """Be connected, over a new connection whenever one was lost."""
        while True:
            try:
                async with connected(self._server, self._here.log) as table:
                    await self._stay(table)
                    return
            except Exception as error:  # also what another version has written, and none can read
                if not self._joined.is_set():
                    raise self._understood(error) from error
                self.trouble = str(self._understood(error))
            if await _comes(self._leaving, within=min(_PAUSE, self._here.heartbeat)):
                return

    def _understood(self, error: Exception) -> Exception:
        if isinstance(error, ConfigError):
            return error
        if isinstance(error, TimeoutError):
            return StoreAwayError(f"{self._server} can't be used now: it does not answer")
        return self._server.translate(error)

    async def _stay(self, table: Table) -> None:
        """Take part over a connection, until this node leaves."""
        async with self._in_time():
            await self._enter(table)
        while True:
            is_last = self._leaving.is_set()
            self._news.clear()
            async with self._in_time():
                await self._exchange(table, is_last=is_last)
            self.trouble = ""
            if is_last:
                return
            await self._pause(table.fileno())

    def _in_time(self) -> asyncio.Timeout:
        """Bound how long the server is waited for."""
        return asyncio.timeout(2 * self._server.patience)

    async def _enter(self, table: Table) -> None:
        name = self._here.name
        is_claimed = await table.claim(name)
        if not is_claimed and not self._joined.is_set():
            raise ConfigError(
                "node",
                f'another node of this inbox is called "{name}", or has this data folder',
                hint="give each node a name of its own, --node NAME, and a data folder of its own",
            )
        self._told = await table.register(
            name, run=self._here.run, version=self._here.version, patience=self._patience
        )
        if is_claimed:
            await table.replace(name)
        if self._log is not None:
            self._heard = dict(await self._log.heard())
        self._described = ""
        self._connected = self._since = self._looked = asyncio.get_running_loop().time()
        self._joined.set()

    async def _exchange(self, table: Table, *, is_last: bool) -> None:
        """Tell what is new here, and hear what is new there."""
        upto, untold = await self._untold()
        described, is_urgent = self._describe(), self._is_urgent
        self._is_urgent = False
        before = await table.beat(
            Beat(
                listeners=None if described == self._described else described,
                events=untold,
                is_urgent=is_urgent or is_last or bool(untold),
                stopped=is_last,
            )
        )
        if before is None:  # after days without a heartbeat
            await self._enter(table)
            self._news.set()
            return
        self._told, self._described = upto, described
        was_gone, silence = before
        if was_gone:
            _LOG.info(events.NODE_BACK, node=self._here.name, seconds=round(silence))
        if not is_last:
            await self._judge(table)
            await self._hear(table)

    async def _untold(self) -> tuple[int, Sequence[KeptEvent]]:
        """Give this node's events that the others have not been told, the latest of them."""
        if self._log is None:
            return 0, ()
        upto = self._log.latest
        if upto == self._told:
            return upto, ()
        query = EventQuery(own=True, after=self._told, before=upto + 1)
        return upto, (await self._log.find(query, limit=KEPT))[::-1]

    async def _judge(self, table: Table) -> None:
        """
        Tell who is gone, but not before the others had the time to come back, as this node did.

        Where this node stood still, or the database, others may have done so, too.
        """
        now = asyncio.get_running_loop().time()
        if now - self._looked > self._patience / 2:
            self._since = now
        self._looked = now
        if now - self._since > 2 * self._patience:
            for name, silence in await table.judge():
                _LOG.warning(events.NODE_GONE, node=name, seconds=round(silence))

    async def _hear(self, table: Table) -> None:
        rows, read = await table.others(), utc_now()
        changed = [row.id for row in rows if self._edition(row.id) != row.edition]
        listeners = await table.listeners(changed) if changed else {}
        self.known = {
            row.id: Neighbour(row, listeners.get(row.id) or self.known[row.id].listeners, read)
            for row in rows
        }
        self._look_for_double(rows)
        if self._log is not None:
            await self._hear_events(self._log, table, rows)

    def _edition(self, node: str) -> int | None:
        known = self.known.get(node)
        return None if known is None else known.row.edition

    def _look_for_double(self, rows: Sequence[Row]) -> None:
        """Tell once of another node of this name, that has lived since this one is connected."""
        here = asyncio.get_running_loop().time() - self._connected
        is_doubled = any(row.name == self._here.name and row.silence < here for row in rows)
        if is_doubled and not self._is_doubled:
            _LOG.error(events.NODE_DOUBLED, node=self._here.name)
        self._is_doubled = is_doubled

    async def _hear_events(self, log: EventStore, table: Table, rows: Sequence[Row]) -> None:
        """Keep the events of other nodes that are new, in the order of their times."""
        told = {row.id: row.told for row in rows if row.told > self._heard.get(row.id, 0)}
        while told:
            page = await table.events({node: self._heard.get(node, 0) for node in told})
            # A node's own order must stay, whatever its clock did.
            logs = [list(some) for _, some in groupby(page, attrgetter("log"))]
            await asyncio.to_thread(log.hear, list(merge(*logs, key=attrgetter("time"))))
            self._heard |= {some[-1].log: some[-1].cursor for some in logs}
            if len(page) < PAGE:
                for node, cursor in told.items():
                    self._heard[node] = max(cursor, self._heard.get(node, 0))
                return

    async def _watch_log(self) -> None:
        """Have this node's events told as they happen; else it is done at the next heartbeat."""
        if self._log is not None:
            with suppress(StoreError):
                async for _ in self._log.follow(EventQuery(own=True)):
                    self._news.set()

    async def _pause(self, file: int) -> None:
        """Wait for the next heartbeat, or for news: here, or at a file that can be read then."""
        loop = asyncio.get_running_loop()
        loop.add_reader(file, self._news.set)
        try:
            is_news = await _comes(self._news, within=self._here.heartbeat)
        finally:
            loop.remove_reader(file)
        if is_news:
            gather = max(_GATHER, _GATHER_EACH * len(self.known))
            await _comes(self._leaving, within=min(gather, self._here.heartbeat))


async def _comes(occasion: asyncio.Event, *, within: float) -> bool:
    """Wait for an occasion for so many seconds; say whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await occasion.wait()
    return occasion.is_set()


@asynccontextmanager
async def neighbouring(url: str, here: Here, log: EventStore | None) -> AsyncIterator[Neighbours]:
    """
    Take part in the nodes of an inbox while the block runs; `url` is that of its database.

    Raises `ConfigError` when another node has this node's name.
    """
    neighbours = Neighbours(Server(url), here, log)
    try:
        try:
            await neighbours.join()
        except StoreError as error:
            raise ConfigError("store", str(error)) from error
        yield neighbours
    finally:
        await neighbours.leave()
