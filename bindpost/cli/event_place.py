"""Where events are read from: the file in a data folder, a running server, a saved event log."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeVar

import click
import msgspec

from bindpost.client import Client, Event, EventFilter
from bindpost.config.data import data_location
from bindpost.config.load import load
from bindpost.server.eventlog import FORMATS
from bindpost.server.store.events import KeptEvent
from bindpost.server.store.sqlite_event_file import EVENTS_FILE, iterate_file, read_file
from bindpost.server.web import event_objects

from .asking import client_of
from .event_filter import query_of
from .event_saved import read_saved

R = TypeVar("R")


class Place(Protocol):
    """Where events are."""

    def find(self, which: EventFilter, limit: int) -> Iterable[Event]:
        """Give the newest events, newest first; `limit` 0 means all."""
        ...

    def export(self, which: EventFilter, form: str, file: BinaryIO) -> None:
        """Write all events that match to a file that can seek."""
        ...


class DataFolder:
    """The events that a server has kept in a data folder, whether it runs or not."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE

    def find(self, which: EventFilter, limit: int) -> Iterable[Event]:
        """See `Place`."""
        return map(as_event, read_file(self._path, query_of(which), limit=limit))

    def export(self, which: EventFilter, form: str, file: BinaryIO) -> None:
        """See `Place`."""
        FORMATS[form].write(iterate_file(self._path, query_of(which)), file)


class Server:
    """The events that a running server tells."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, which: EventFilter, limit: int) -> Iterable[Event]:
        """See `Place`."""
        return self._client.events(which, limit=limit)

    def export(self, which: EventFilter, form: str, file: BinaryIO) -> None:
        """See `Place`."""
        for chunk in self._client.export_events(form, which):
            file.write(chunk)


class SavedLog:
    """The events of an event log file, whoever saved it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, which: EventFilter, limit: int) -> Iterable[Event]:
        """See `Place`."""
        query = query_of(which)
        matching = [kept for kept in read_saved(self._path) if query.matches(kept)]
        newest_first = matching[::-1]
        return map(as_event, newest_first[: limit or None])

    def export(self, which: EventFilter, form: str, file: BinaryIO) -> None:
        """See `Place`."""
        query = query_of(which)
        FORMATS[form].write(filter(query.matches, read_saved(self._path)), file)


_OPTIONS: Final = (
    click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Data folder; else that of the settings. The server need not run.",
    ),
    click.option(
        "--server",
        metavar="URL",
        help="Ask this server instead: http://HOST:PORT or unix:/path.",
    ),
    click.option(
        "--file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read this event log file instead, as NT and Event Viewer save it.",
    ),
)


def place_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that say where events are; it gets them as `place`."""

    @functools.wraps(command)
    def gather(
        *, data: Path | None, server: str | None, file: Path | None, **options: Any
    ) -> R:  # Any: click's values have as many types as options
        if sum(given is not None for given in (data, server, file)) > 1:
            raise click.UsageError("Give only one of --data, --server and --file.")
        place = _place(data, server) if file is None else SavedLog(file)
        return command(place=place, **options)

    decorated: Callable[..., R] = gather
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def as_event(kept: KeptEvent) -> Event:
    """Give a kept event as the server would tell it."""
    return msgspec.convert(msgspec.structs.asdict(event_objects.event(kept)), Event)


def _place(data: Path | None, server: str | None) -> Place:
    if data is not None:
        return DataFolder(data)
    if server is not None:
        return Server(client_of(server))
    loaded = load()
    location = data_location(loaded.settings, loaded.folder)
    # What is kept in memory only its own process can tell.
    return DataFolder(location) if isinstance(location, Path) else Server(client_of(None))
