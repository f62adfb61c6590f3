"""Queries of the store in memory: each looks at every message."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from . import rules
from .content import ContentSearch
from .grams import is_about_content
from .store import MessageRow, Query
from .terms import SearchedHeader, Term, fold, searched_header


@dataclass(frozen=True, slots=True)
class Kept:
    """What a message is wherever it lies: its bytes, and the texts that queries compare."""

    raw: bytes
    session: str
    sender: str
    recipients: frozenset[str]
    subject: str
    header: SearchedHeader

    @classmethod
    def of(cls, row: MessageRow, raw: bytes) -> Kept:
        """Give that of a message."""
        return cls(
            raw=raw,
            session=row.session.session_id,
            sender=fold(row.envelope.reverse_path),
            recipients=frozenset(fold(to.address) for to in row.envelope.recipients),
            subject=fold(row.fields.subject),
            header=searched_header(row.fields),
        )


@final
class MemorySearch:
    """
    Answers queries about messages that are `kept`, by their ids.

    Contents are searched in a thread, one search at a time, each for `seconds`.
    """

    def __init__(self, kept: Mapping[str, Kept], *, seconds: float) -> None:
        self._kept = kept
        self._content = ContentSearch(seconds=seconds)
        self._searching = asyncio.Lock()

    async def find(
        self, query: Query, rows: Iterable[MessageRow], seconds: float | None = None
    ) -> list[MessageRow]:
        """Give those of these rows that match, in their order. Raises `SearchTimeoutError`."""
        found = [(row, self._kept[row.id].raw) for row in self._matching(query, rows)]
        if not is_about_content(query):
            return [row for row, _ in found]
        deadline = self._content.deadline(seconds)
        async with self._searching:
            return await asyncio.to_thread(self._holding, query.terms, found, deadline)

    def _holding(
        self, terms: Sequence[Term], found: Sequence[tuple[MessageRow, bytes]], deadline: float
    ) -> list[MessageRow]:
        """Give those whose contents match."""

        def holds(row: MessageRow, raw: bytes) -> bool:
            return self._content.holds(terms, row, lambda: raw, deadline=deadline)

        return [row for row, raw in found if holds(row, raw)]

    def _matching(self, query: Query, rows: Iterable[MessageRow]) -> Iterator[MessageRow]:
        sender = None if query.sender is None else fold(query.sender)
        recipient = None if query.recipient is None else fold(query.recipient)
        subject = fold(query.subject or "")
        for row in rows:
            kept = self._kept[row.id]
            if (
                (sender is None or kept.sender == sender)
                and (recipient is None or recipient in kept.recipients)
                and subject in kept.subject
                and (query.after is None or row.cursor > query.after)
                and (query.before is None or row.cursor < query.before)
                and (query.unread is None or row.read != query.unread)
                and rules.terms_hold(query.terms, row, kept.header)
            ):
                yield row
