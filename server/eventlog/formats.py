"""
The forms in which kept events are handed out as a file.

What writes a form is imported when one is written: most services never write any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO, Final

import msgspec

from ..store.events import KeptEvent
from .json_form import document
from .kept import recall
from .record import EventRecord


@dataclass(frozen=True, slots=True)
class Format:
    """
    A form of a whole file.

    `suffix` is what its name ends with; `is_text` says whether a terminal can show it.
    """

    media_type: str
    suffix: str
    is_text: bool
    write_records: Callable[[Iterable[EventRecord], BinaryIO], object]

    def write(self, events: Iterable[KeptEvent], file: BinaryIO) -> None:
        """Write events, the oldest first, to a file that is empty and can seek."""
        self.write_records(map(recall, events), file)


def _write_json(records: Iterable[EventRecord], file: BinaryIO) -> None:
    for record in records:
        file.write(msgspec.json.encode(document(record)) + b"\n")


def _write_xml(records: Iterable[EventRecord], file: BinaryIO) -> None:
    from . import xml_form

    file.writelines(line.encode() for line in xml_form.document(map(xml_form.event_xml, records)))


def _write_evt(records: Iterable[EventRecord], file: BinaryIO) -> None:
    from . import evt

    evt.write((evt.from_event(record, record.record_id or 0) for record in records), file)


def _write_evtx(records: Iterable[EventRecord], file: BinaryIO) -> None:
    from . import evtx, saved

    evtx.write((saved.from_event(record, record.record_id or 0) for record in records), file)


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "json": Format("application/x-ndjson", ".jsonl", True, _write_json),
        "xml": Format("application/xml", ".xml", True, _write_xml),
        "evt": Format("application/octet-stream", ".evt", False, _write_evt),
        "evtx": Format("application/octet-stream", ".evtx", False, _write_evtx),
    }
)
"""By the names that the API and the command line have for them."""
