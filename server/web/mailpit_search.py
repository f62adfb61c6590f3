"""
Mailpit's search syntax: `from:jane subject:"Your code" -is:read invoice`.

Terms are split at spaces outside of quotes; quotes are then dropped. `-` or `!` in front negates.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ..store.rules import to_microseconds
from ..store.store import MessageRow, MessageStore, Query
from ..store.terms import Term, plain
from .requests import LATEST, refuse, row_of

QUERY_LIMIT: Final = 8_000
"""Characters of a query."""
TERM_LIMIT: Final = 100
"""Terms of a query."""

_ARGUMENT: Final = re.compile(r'(?:[^\s"]++|"[^"]*+"?+)++')
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s?(k|kb|m|mb)?")
_UNITS: Final = {None: 1, "k": 1024, "kb": 1024, "m": 1024 * 1024, "mb": 1024 * 1024}
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}")
_DATES: Final = (
    *("%Y/%m/%d", "%m/%d/%Y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d.%m.%Y"),
    *("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    *("%d %b %Y %H:%M", "%d %b %Y %H:%M:%S", "%b %d %Y %H:%M", "%b %d %Y %H:%M:%S"),
)
_IS: Final = {
    "is:read": Term("read"),
    "is:unread": Term("read", negated=True),
    "is:tagged": Term("tagged"),
    "has:attachment": Term("attachment"),
    "has:attachments": Term("attachment"),
    "has:inline": Term("inline"),
    "has:inlines": Term("inline"),
}


def parse_search(text: str, zone: str | None = None) -> tuple[Term, ...]:
    """
    Read a search; `zone` is the name of the time zone of its dates, None = this machine's.

    Raises `ValueError` with a sentence for a date or a zone that can't be read: a term that is
    passed over would find, or delete, what nobody meant.
    """
    if len(text) > QUERY_LIMIT:
        raise ValueError(f"The search is longer than {QUERY_LIMIT} characters.")
    where = _zone(zone)
    arguments = [found[0].replace('"', "") for found in _ARGUMENT.finditer(text)]
    terms = [term for each in arguments if (term := _term(each.strip(), where)) is not None]
    if len(terms) > TERM_LIMIT:
        raise ValueError(f"The search has more than {TERM_LIMIT} terms.")
    return tuple(terms)


def _term(argument: str, zone: tzinfo | None) -> Term | None:
    """Read one term; None for one that says nothing."""
    negated = len(argument) > 1 and argument[0] in "-!"
    term = _positive_term(argument[1:] if negated else argument, zone)
    if term is None or not negated:
        return term
    return Term(term.field, term.value, not term.negated)


def _positive_term(argument: str, zone: tzinfo | None) -> Term | None:
    if known := _IS.get(argument.lower()):
        return known
    prefix, colon, value = argument.partition(":")
    meant = plain(value)
    if colon and not meant and prefix.lower() in _PREFIXES:
        return None
    match prefix.lower() if colon else "":
        case "from" | "to" | "cc" | "bcc" | "reply-to" | "addressed" | "message-id" as field:
            return Term(field, meant)
        case "subject":
            return Term("subject", value)
        case "tag":
            return Term("tag", meant)
        case "after" | "before" as field:
            return Term(field, read_moment(value, zone))
        case "larger" | "smaller" as field if size := _size(meant):
            return Term(field, size)
    return Term("text", plain(argument)) if plain(argument) else None


_PREFIXES: Final = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "addressed", "message-id", "subject", "tag"}
)


def _size(text: str) -> int:
    """Read `10`, `1.5m`, `20 kb` as bytes; 0 for anything else."""
    found = _SIZE.fullmatch(text)
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0


def read_moment(text: str, zone: tzinfo | None = None) -> int:
    """
    Read a date, with or without time, as microseconds since 1970.

    ISO 8601, RFC 5322, seconds or milliseconds since 1970, and the common forms with slashes or
    names of months. Raises `ValueError` with a sentence.
    """
    written = " ".join(text.replace(",", " ").split())[:60]
    if re.fullmatch(r"[0-9]{10}|[0-9]{13}", written) and written.isascii():
        return int(written) * (1_000_000 if len(written) == 10 else 1_000)
    for moment in (_from_iso(written), _from_mail(written), *_from_formats(written)):
        if moment is not None:
            try:
                local = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
                return to_microseconds(local.astimezone(UTC))
            except OverflowError:
                break
    raise ValueError(f"{written!r} is not a date that can be read; write it as 2026-03-31.")


def _from_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _from_mail(text: str) -> datetime | None:
    if text.count(":") == 0:
        return None
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _from_formats(text: str) -> list[datetime]:
    found = []
    for form in _DATES:
        try:
            found.append(datetime.strptime(text, form))
        except ValueError:
            continue
    return found


def _zone(name: str | None) -> tzinfo | None:
    """Give a time zone by its IANA name; the name is no path (no dots, no leading slash)."""
    if not name:
        return None
    try:
        if not _ZONE.fullmatch(name):
            raise ValueError(name)
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise ValueError(
            f"tz={name[:60]!r} is not a time zone; write it as Europe/Berlin."
        ) from None


def search_of(request: Request, *, given: str | None = None) -> Query:
    """Give what a request looks for: its parameter `query`, or a text that it gives elsewhere."""
    text = request.query_params.get("query", "") if given is None else given
    try:
        terms = parse_search(text, request.query_params.get("tz"))
        if before := request.query_params.get("before"):
            terms = (*terms, Term("before", read_moment(before) - 1))
    except ValueError as error:
        refuse(str(error))
    return Query(terms=terms)


async def row_asked(store: MessageStore, request: Request) -> MessageRow:
    """Give the message that the path names; `latest` is the newest, or the newest that matches."""
    if request.path_params["id"] != LATEST:
        return await row_of(store, request)
    rows = await store.find(search_of(request), limit=1)
    return rows[0] if rows else refuse("Message not found", 404)
