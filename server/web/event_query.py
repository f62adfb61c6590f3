"""Reads which events a request asks for; docs/api.md has the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
from starlette.requests import Request

from bindpost.events import SEVERITIES, types_from

from ..store.events import EventQuery
from .requests import LARGEST_NUMBER, read_optional_number, refuse, whole_number

LISTED_LIMIT: Final = 100
"""Values that one parameter may list."""


def read_query(request: Request) -> EventQuery:
    """Give the query of a request; 400 with a sentence for what can't be read."""
    return EventQuery(
        ids=tuple(_id(text) for text in _listed(request, "id")),
        sources=tuple(_listed(request, "source")),
        types=_types(request),
        nodes=tuple(_listed(request, "node")),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        text=request.query_params.get("text", ""),
        after=read_optional_number(request, "after"),
        before=read_optional_number(request, "before"),
    )


def read_last_event_id(request: Request) -> int | None:
    """Give the cursor that a client of a stream saw last, None if it tells none."""
    text = request.headers.get("last-event-id", "").strip()
    return _number(text, "Last-Event-ID") if text else None


def _listed(request: Request, name: str) -> Iterator[str]:
    """Give the values of a parameter that may be repeated, and list several with commas."""
    given = request.query_params.getlist(name)
    values = [part.strip() for text in given for part in text.split(",") if part.strip()]
    if given and not values:
        refuse(f"{name} is empty; leave it out, or give a value")
    if len(values) > LISTED_LIMIT:
        refuse(f"{name} lists {len(values)} values; {LISTED_LIMIT} are the most")
    yield from values


def _id(text: str) -> int:
    return _number(text, "id")


def _number(text: str, name: str) -> int:
    number = whole_number(text)
    if number is None:
        refuse(f"{name}={text[:40]!r} is not a whole number from 0 to {LARGEST_NUMBER}")
    return number


def _types(request: Request) -> tuple[int, ...]:
    severity = request.query_params.get("level")
    if severity is None:
        return ()
    if severity not in SEVERITIES:
        refuse(f"level={severity[:40]!r} is none of {', '.join(SEVERITIES)}")
    return types_from(severity)


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        refuse(
            f"{name}={text[:40]!r} is no time of RFC 3339 with Z or an offset, as in "
            "2026-03-01T11:30:05Z; in a URL the + of an offset is written %2B"
        )
    return moment
