"""What all stores decide alike: how addresses compare, what retention lets go, and when."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, final

from ..message.model import Message
from .store import Counts, MessageRow, Query, Retention, Sort
from .terms import CONTENT_TERMS, SearchedHeader, Term, addresses_hold, searched_header
from .terms import fold as fold

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_AGE_CHECK: Final = 1.0
"""Least seconds between two looks for messages that are too old."""


def is_unicode(text: str) -> bool:
    """Say whether a text is free of lone surrogates, which no database takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def to_microseconds(moment: datetime) -> int:
    """Give the microseconds from 1970 (UTC) to an aware moment, exactly."""
    return (moment - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Give the moment that `to_microseconds` took, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def too_old_before(retention: Retention, now: datetime) -> int | None:
    """Give the moment, in microseconds since 1970, before which messages are too old."""
    if retention.max_age is None:
        return None
    return to_microseconds(now) - round(retention.max_age * 1_000_000)


def too_many(retention: Retention, counts: Counts) -> int:
    """Give how many of the oldest messages are too many."""
    if retention.max_messages is None:
        return 0
    return max(0, counts.total - retention.max_messages)


def too_large(retention: Retention, counts: Counts) -> int:
    """Give how many bytes of the oldest messages are too many."""
    if retention.max_bytes is None:
        return 0
    return max(0, counts.size - retention.max_bytes)


def exceeds(retention: Retention, counts: Counts) -> bool:
    """Say whether there are too many messages or bytes."""
    return too_many(retention, counts) > 0 or too_large(retention, counts) > 0


def expired(
    retention: Retention, counts: Counts, rows: Iterable[MessageRow], now: datetime
) -> Iterator[MessageRow]:
    """Give those of all messages, the oldest first, that retention lets go."""
    cutoff = too_old_before(retention, now)
    many = too_many(retention, counts)
    large = too_large(retention, counts)
    for row in rows:
        if cutoff is None and many <= 0 and large <= 0:
            return  # else each message that comes would cost a look at all of them
        old = cutoff is not None and to_microseconds(row.received) < cutoff
        if old or many > 0 or large > 0:
            yield row
            many -= 1
            large -= row.size


@final
class Due:
    """Tells when retention may let something go; of ages it does so once a second."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._next_age_check = 0.0

    def is_due(self, counts: Counts) -> bool:
        """Say whether it may now, with so much kept; who is told so, sweeps."""
        if exceeds(self._retention, counts):
            return True
        now = time.monotonic()
        if self._retention.max_age is None or now < self._next_age_check:
            return False
        self._next_age_check = now + _AGE_CHECK
        return True


def mailboxes(sort: Sort, message: Message, mailbox: str | None) -> tuple[str, ...]:
    """Give the mailboxes that a message is in, in order; `mailbox` is one of them if given."""
    names = sort(message.envelope, message.session)
    return names if mailbox is None else tuple(sorted({*names, mailbox}))


def counts_of(rows: Sequence[MessageRow]) -> Counts:
    """Count these messages."""
    return Counts(
        total=len(rows),
        unread=sum(not row.read for row in rows),
        size=sum(row.size for row in rows),
    )


def matches(query: Query, row: MessageRow) -> bool:
    """Say whether a message is one that `find` would give; terms about content are passed over."""
    recipients = {fold(recipient.address) for recipient in row.envelope.recipients}
    return (
        (query.recipient is None or fold(query.recipient) in recipients)
        and (query.sender is None or fold(query.sender) == fold(row.envelope.reverse_path))
        and (query.subject is None or fold(query.subject) in fold(row.fields.subject))
        and (query.after is None or row.cursor > query.after)
        and (query.before is None or row.cursor < query.before)
        and (query.unread is None or row.read != query.unread)
        and (query.mailbox is None or query.mailbox in row.mailboxes)
        and (not query.terms or terms_hold(query.terms, row, searched_header(row.fields)))
    )


def terms_hold(terms: Iterable[Term], row: MessageRow, header: SearchedHeader) -> bool:
    """Say whether all of these terms hold that need no content; `header` is the message's."""
    return all(
        _term_holds(term, row, header) != term.negated
        for term in terms
        if term.field not in CONTENT_TERMS
    )


def _term_holds(term: Term, row: MessageRow, header: SearchedHeader) -> bool:
    match term.field:
        case "subject":
            return term.needle in fold(row.fields.subject)
        case "message-id":
            return term.needle in header.message_id
        case "tag":
            return term.needle in [fold(tag) for tag in row.tags]
        case "tagged":
            return bool(row.tags)
        case "read":
            return row.read
        case "after":
            return to_microseconds(row.received) >= int(term.value)
        case "before":
            return to_microseconds(row.received) <= int(term.value)
        case "larger":
            return row.size > int(term.value)
        case "smaller":
            return row.size < int(term.value)
    return addresses_hold(term, row.envelope, header)
