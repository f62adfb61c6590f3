"""The search index as those see it who show how far it is, and who have it made."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import msgspec


class IndexState(msgspec.Struct, frozen=True, kw_only=True):
    """
    The search index beside the inbox.

    `state` is `current`; `behind` when messages are not in it yet, which a search reads one by one;
    `failed` when it isn't being made just now, for a `reason`; `none` when there will be none, for
    a `reason`. `indexed` messages are in it, `messages_behind` are not; the oldest of those was
    received `seconds_behind` ago.
    """

    state: Literal["current", "behind", "failed", "none"]
    reason: str = ""
    indexed: int = 0
    messages_behind: int = 0
    seconds_behind: float = 0.0


class News(NamedTuple):
    """
    What an indexer must know: that there are new messages, that these are gone, and more.

    `has_missed` says that not all that are gone are told, `is_damaged` that the index could not be
    read.
    """

    deleted: tuple[str, ...] = ()
    has_missed: bool = False
    is_damaged: bool = False


class Progress(NamedTuple):
    """How many messages are in the index, how many are not; when the oldest of those came."""

    indexed: int
    behind: int
    oldest: datetime | None


class IndexDesk(Protocol):
    """Where the news for an indexer are, and where its reports go."""

    news: asyncio.Event
    """Set when there is something to `take`."""
    database: str
    """Where the database is, as libpq is told it; empty if there is a data folder."""

    def start_over(self) -> None:
        """Forget the news for an indexer that begins by looking for them."""
        ...

    def take(self) -> News:
        """Give the news since the last time."""
        ...

    def trust(self, upto: int, *, indexed: int, is_new: bool) -> None:
        """Take note that all to this cursor is in the index, which may have been made anew."""
        ...


@runtime_checkable
class Indexed(Protocol):
    """A store that has an index made."""

    @property
    def index(self) -> IndexDesk:
        """Where an indexer is told of news."""
        ...

    async def progress(self) -> Progress:
        """Give how far the index is."""
        ...


class TellsIndex(Protocol):
    """Whoever knows the state of the index."""

    async def state(self) -> IndexState:
        """Give it as it is now."""
        ...
