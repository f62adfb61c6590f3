"""Remembers how much searches have found, so that asking again needs no second search."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple, final

import msgspec

from .store import Change, Counts, Query

REMEMBERED: Final = 100
"""Searches whose counts are remembered."""


class Known(NamedTuple):
    """How much a search has found to a cursor, inclusive; `round` is of `Counted`."""

    upto: int
    counts: Counts
    round: int


@final
class Counted:
    """
    Counts of searches, good for as long as nothing happened but that messages were added.

    Those are behind the cursor of what is known, and have to be counted only. Belongs to one event
    loop.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Query, Known] = OrderedDict()
        self._round = 0

    def hear(self, changes: Sequence[Change]) -> None:
        """Forget everything, unless these changes only added messages."""
        if any(change.kind != "added" for change in changes):
            self._known.clear()
            self._round += 1

    def get(self, query: Query) -> Known:
        """Give what is known; of a search that isn't, nothing to cursor 0."""
        return self._known.get(query, Known(0, NOTHING, self._round))

    def put(self, query: Query, known: Known) -> None:
        """Remember what was found out, unless it was overtaken meanwhile."""
        if known.round != self._round:
            return
        self._known[query] = known
        self._known.move_to_end(query)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


NOTHING: Final = Counts(total=0, unread=0, size=0)


def between(query: Query, after: int, upto: int) -> Query:
    """Give the part of a query that lies behind one cursor, up to another."""
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
