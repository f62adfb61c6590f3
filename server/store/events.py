"""The contract of an event store: events as they are kept, and how they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from .terms import fold


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    An event of the catalogue as it happened on a node, whose name is `computer`.

    `time` is aware, in UTC. `type` is the event type as NT numbers it: 1 error, 2 warning, 4
    information, 8 and 16 audits. `identifier` is the 32-bit identifier, of which `id` is the lower
    half. `strings` are the insertion strings, `message` the sentence with them put in. `fields` is
    what came with it, as data that JSON can carry, `error` what is known of the failure underneath.
    `log` is the id of the store that it was heard from, empty where it happened. Texts may be any,
    but for `source`, which is valid Unicode.
    """

    time: datetime
    source: str
    id: int
    type: int
    category: int
    category_name: str
    identifier: int
    computer: str
    logger: str
    process_id: int
    thread_id: int
    message: str
    strings: tuple[str, ...] = ()
    fields: Mapping[str, Any] = {}
    error: Mapping[str, str] = {}
    log: str = ""


class KeptEvent(NewEvent, frozen=True, kw_only=True):
    """An event in a store; `cursor` is its place there: positive, rising, never reused."""

    cursor: int


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which events; every condition that is set must hold.

    `ids`, `sources`, `types` and `nodes` list what is allowed, empty for any. `since` is the
    earliest time, `until` the latest. `own` asks for what was not heard from other stores. `text`
    is contained in the sentence, ignoring case. `after` is a cursor that the event must lie behind,
    `before` one that it must lie in front of.
    """

    ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    types: tuple[int, ...] = ()
    nodes: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    own: bool = False
    text: str = ""
    after: int | None = None
    before: int | None = None

    def matches(self, event: KeptEvent) -> bool:
        """Say whether an event meets every condition."""
        return (
            (not self.ids or event.id in self.ids)
            and (not self.sources or event.source in self.sources)
            and (not self.types or event.type in self.types)
            and (not self.nodes or event.computer in self.nodes)
            and (self.since is None or event.time >= self.since)
            and (self.until is None or event.time <= self.until)
            and not (self.own and event.log)
            and fold(self.text) in fold(event.message)
            and (self.after is None or event.cursor > self.after)
            and (self.before is None or event.cursor < self.before)
        )


ANY_EVENT: Final = EventQuery()
"""The query without a condition."""


class EventStore(Protocol):
    """
    Keeps the newest events, at least as many as it is told, and never many more.

    `append` and `hear` may block, and are for any thread; the rest is for the event loop that
    opened the store.
    """

    @property
    def id(self) -> str:
        """What tells this store from any other; with its events it would be thrown away."""
        ...

    @property
    def latest(self) -> int:
        """The cursor of the newest event, whether it is still kept or not; 0 before the first."""
        ...

    def append(self, event: NewEvent) -> None:
        """Keep an event; when it returns, the event is found. Raises `StoreError`."""
        ...

    def hear(self, events: Sequence[KeptEvent]) -> None:
        """
        Keep events of other stores, named by their `log`, unless heard before; all or none.

        Those of one store must come in its order, with their cursors there. Raises `StoreError`.
        """
        ...

    async def heard(self) -> Mapping[str, int]:
        """Give how far each other store was heard: its newest event's cursor, by its id."""
        ...

    async def find(
        self, query: EventQuery = ANY_EVENT, *, limit: int = 50, oldest_first: bool = False
    ) -> Sequence[KeptEvent]:
        """
        Give matching events, newest first unless told otherwise; `limit` 0 means all.

        Raises `StoreError`, also when the store is closed.
        """
        ...

    def follow(self, query: EventQuery = ANY_EVENT) -> AsyncIterator[KeptEvent]:
        """
        Yield the matching events behind `query.after`, then live ones, in order, each once.

        Without `after` it begins at the moment of this call. The iterator's next step may be
        cancelled without losing an event. It ends when the store is closed, after what was kept
        until then.
        """
        ...

    async def close(self) -> None:
        """Let go of everything; closing again is harmless."""
        ...
