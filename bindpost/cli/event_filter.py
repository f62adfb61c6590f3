"""The options that say which events are meant."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import click

from bindpost.client import EventFilter
from bindpost.events import SEVERITIES, types_from
from bindpost.server.store.events import EventQuery

R = TypeVar("R")

_AGE: Final = re.compile("([0-9]{1,9})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    """Read a time of ISO 8601, in local time if it has no offset, or an age such as `10m`."""
    if text is None:
        return None
    try:
        if age := _AGE.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):  # the last two are of times beyond the calendar
        raise click.BadParameter(
            f"{text!r} is no time; write 2026-03-01T11:30:05, with Z or an offset if it is not "
            "local, or how long ago: 90s, 10m, 2h, 7d"
        ) from None


_OPTIONS: Final = (
    click.option(
        "--id",
        "ids",
        type=click.IntRange(min=0),
        multiple=True,
        metavar="N",
        help="Only events of this number; may be repeated.",
    ),
    click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="NAME",
        help="Only events of this source, MSExchangeIMC or bindpost; may be repeated.",
    ),
    click.option(
        "--node",
        "nodes",
        multiple=True,
        metavar="NAME",
        help="Only events of this node, where several have one inbox; may be repeated.",
    ),
    click.option(
        "--level",
        type=click.Choice(SEVERITIES),
        help="Only events of this level and graver ones.",
    ),
    click.option(
        "--since",
        callback=_moment,
        metavar="TIME",
        help="Only events from this time on.",
    ),
    click.option("--until", callback=_moment, metavar="TIME", help="Only events up to this time."),
    click.option("--text", metavar="TEXT", help="Only events whose sentence contains this."),
)


def filter_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that filter; it gets them as `which`, an `EventFilter`."""

    @functools.wraps(command)
    def gather(**options: Any) -> R:  # Any: click's values have as many types as options
        names = ("ids", "sources", "nodes", "level", "since", "until", "text")
        which = EventFilter(**{name: options.pop(name) for name in names})
        return command(which=which, **options)

    decorated: Callable[..., R] = gather
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def query_of(which: EventFilter) -> EventQuery:
    """Give a filter as the stores ask it."""
    return EventQuery(
        ids=which.ids,
        sources=which.sources,
        nodes=which.nodes,
        types=() if which.level is None else types_from(which.level),
        since=which.since,
        until=which.until,
        text=which.text or "",
        after=which.after,
        before=which.before,
    )
