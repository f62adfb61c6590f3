"""
Reads `.evtx` files, whoever wrote them, with the package `evtx` (the extra `evtx`).

Each chunk is handed to it on its own, as a file of one chunk: so what is damaged costs no more than
itself, and one chunk at a time is in memory. The chunk's two tables are emptied first. The package
does without them, and would follow a chain for ever that leads back to where it was.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, final

from bindpost.errors import EventFileError, EventFileFormatError

from ..saved import SavedEvent
from .layout import (
    CHUNK_SIZE,
    FILE_HEADER_SIZE,
    TABLES,
    is_sound_chunk,
    is_unused_chunk,
    pack_file_header,
    unpack_file_header,
)

Records = Callable[[bytes], Iterator[Mapping[str, Any]]]

_SHOWN: Final = 3
"""Problems that an error names; it counts the others."""


@final
class EvtxReader:
    """
    The events of an `.evtx` file, in the file's order.

    The insertion strings of an event that is no classic one are its named values. Texts are as the
    file has them: control characters and all.

    Making one raises `EventFileError` when the file can't be read or the extra isn't installed, and
    `EventFileFormatError` for what is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parse = _parser(path)
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            header = unpack_file_header(self._read(FILE_HEADER_SIZE))
        except BaseException:
            self._file.close()
            raise
        if header is None:
            self._file.close()
            raise EventFileFormatError(f"{path} is no .evtx file: its header is another's")
        self._header = header

    def __iter__(self) -> Iterator[SavedEvent]:
        """
        Give the events, one at a time; for one iteration at a time.

        Raises `EventFileFormatError` after the last one if the file is damaged: what could be read
        has been given by then.
        """
        self._file.seek(FILE_HEADER_SIZE)
        problems: list[str] = []
        count = 0
        while chunk := self._read(CHUNK_SIZE):
            if not is_unused_chunk(chunk):  # a live file grows ahead
                yield from self._events_of(chunk, f"chunk {count}", problems)
            count += 1
        if count < self._header.chunks:
            problems.append(f"{self._header.chunks - count} of its chunks are missing at the end")
        if problems:
            more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise EventFileFormatError(
                f"{self._path} is damaged: {'; '.join(problems[:_SHOWN])}{more}; "
                "what could be read has been given"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _events_of(self, chunk: bytes, name: str, problems: list[str]) -> Iterator[SavedEvent]:
        if len(chunk) < CHUNK_SIZE:
            problems.append(f"{name} is cut")
        elif not self._header.is_dirty and not is_sound_chunk(chunk):
            problems.append(f"{name} is not as it was written (checksum)")
        chunk = chunk[: TABLES.start] + bytes(len(TABLES)) + chunk[TABLES.stop :]
        alone = pack_file_header(chunks=1, next_number=1) + chunk.ljust(CHUNK_SIZE, b"\0")
        records = self._parse(alone)
        while True:
            try:
                yield _event_of(next(records))
            except StopIteration:
                return
            except RuntimeError as error:  # of this record; the next may be better
                problems.append(f"{name}: {' '.join(str(error).split())}")
            except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
                problems.append(f"{name}: a record has an unusual form")

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> EventFileError:
        return EventFileError(
            f"{self._path} cannot be read: {error.strerror}; see that it is a file, and yours"
        )


def _parser(path: Path) -> Records:
    try:
        package = importlib.import_module("evtx")
    except ImportError:
        raise EventFileError(
            f"{path} cannot be read: that needs the package evtx, which is not installed; "
            'install bindpost with its extra: pip install "bindpost[evtx]"'
        ) from None

    def records(content: bytes) -> Iterator[Mapping[str, Any]]:
        # JSON, since its XML has a line feed for each carriage return after it is parsed.
        parser = package.PyEvtxParser(io.BytesIO(content), number_of_threads=1)
        found: Iterator[Mapping[str, Any]] = parser.records_json()
        return found

    return records


def _event_of(record: Mapping[str, Any]) -> SavedEvent:
    """Give the facts of a record. Raises what a mapping does that is not as expected."""
    # Not strict: evtx 0.14 leaves control characters in a string as they are.
    event = json.loads(record["data"], strict=False)["Event"]
    system = event["System"]
    identifier = system["EventID"]
    data = event.get("EventData")
    data = data if isinstance(data, dict) else {}
    return SavedEvent(
        number=int(record["event_record_id"]),
        time=_time_of(system),
        source=_attribute(system, "Provider", "Name"),
        id=int(identifier["#text"] if isinstance(identifier, dict) else identifier),
        qualifiers=int(_attribute(system, "EventID", "Qualifiers") or 0),
        level=int(system.get("Level") or 0),
        category=int(system.get("Task") or 0),
        computer=str(system.get("Computer") or ""),
        strings=_strings_of(data) or tuple(_texts(event.get("UserData", {}))),
        data=bytes.fromhex(data.get("Binary") or ""),
        keywords=int(system.get("Keywords") or "0", 16),
        channel=str(system.get("Channel") or ""),
        sid=_attribute(system, "Security", "UserID"),
        process_id=int(_attribute(system, "Execution", "ProcessID") or 0),
        thread_id=int(_attribute(system, "Execution", "ThreadID") or 0),
    )


def _attribute(system: Mapping[str, Any], element: str, name: str) -> str:
    value = system.get(element)
    if not isinstance(value, dict):
        return ""
    return str(value.get("#attributes", {}).get(name, ""))


def _time_of(system: Mapping[str, Any]) -> datetime:
    time = datetime.fromisoformat(_attribute(system, "TimeCreated", "SystemTime"))
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _strings_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the insertion strings, or the named values of an event that has such."""
    if data.get("Data") == {"#text": ""}:
        return ()  # so it shows an event that has no strings
    return tuple(_texts({name: value for name, value in data.items() if name != "Binary"}))


def _texts(value: object) -> Iterator[str]:
    """Give the texts in a piece of JSON, in order."""
    match value:
        case dict():
            for name, inner in value.items():
                if name != "#attributes":
                    yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case bool():
            yield str(value).lower()
        case None:
            yield ""
        case _:
            yield str(value)
