"""Counts what searches find, piece by piece, and remembers it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, final

import msgspec

from ..shared import Shared
from .content import ContentSearch
from .grams import is_about_content
from .store import Change, Counts, Query

REMEMBERED: Final = 100
"""Searches whose counts are remembered."""
_STEP: Final = 2_000
"""Cursors of the first piece; the next has four times as many, as long as they are quick."""
_QUICK: Final = 0.1

Count = Callable[[Query, float | None], Awaitable[Counts]]
"""Counts a piece in so many seconds, or raises `SearchTimeoutError`; None = however long."""


class _Known(NamedTuple):
    """How much a search has found to a cursor, inclusive, while the inbox was in this state."""

    upto: int
    counts: Counts
    state: int


@final
class Counted:
    """
    Counts of searches; what was counted is good as long as all that happens is that messages come.

    Those are behind the cursor of what is known, and only they have to be counted. A search is
    counted once at a time, whoever asks. Belongs to one event loop.
    """

    def __init__(self, count: Count, content: ContentSearch) -> None:
        self._count = count
        self._content = content
        self._known: OrderedDict[Query, _Known] = OrderedDict()
        self._state = 0
        self._counting = Shared(self._go_on)

    async def count(self, query: Query, *, upto: int) -> Counts:
        """
        Count what a query finds, to a cursor.

        Raises `SearchTimeoutError` when contents take too long; the next time it gets further.
        """
        return await self._counting((query, upto))

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is remembered."""
        return not self._known

    def hear(self, changes: Sequence[Change]) -> None:
        """Forget everything, unless these changes only added messages."""
        if any(change.kind != "added" for change in changes):
            self.forget()

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._state += 1

    async def close(self) -> None:
        """End what is being counted."""
        await self._counting.close()

    async def _go_on(self, asked: tuple[Query, int]) -> Counts:
        """Count from where it is known, the oldest first."""
        query, upto = asked
        is_limited = is_about_content(query)
        deadline = self._content.deadline()
        step = _STEP if is_limited else upto
        known = self._known.get(query, _Known(0, _NOTHING, self._state))
        while known.upto < upto:
            began = time.monotonic()
            end = min(known.upto + step, upto)
            piece = between(query, known.upto, end)
            found = await self._count(piece, deadline - began if is_limited else None)
            known = _Known(end, add(known.counts, found), known.state)
            self._remember(query, known)
            now = time.monotonic()
            if is_limited and now >= deadline and end < upto:
                raise self._content.timeout()
            if now - began < _QUICK:
                step *= 4
        return known.counts

    def _remember(self, query: Query, known: _Known) -> None:
        if known.state != self._state:  # it was overtaken meanwhile
            return
        self._known[query] = known
        self._known.move_to_end(query)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


_NOTHING: Final = Counts(total=0, unread=0, size=0)


def between(query: Query, after: int, upto: int) -> Query:
    """Give the part of a query that lies behind one cursor, up to another, inclusive."""
    return msgspec.structs.replace(
        query,
        after=after if query.after is None else max(query.after, after),
        before=upto + 1 if query.before is None else min(query.before, upto + 1),
    )


def add(some: Counts, more: Counts) -> Counts:
    """Add two counts of different messages."""
    return Counts(
        total=some.total + more.total,
        unread=some.unread + more.unread,
        size=some.size + more.size,
    )
