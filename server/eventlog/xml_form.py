"""The XML form: events as Windows' own tools print them, in the 2004/08 namespace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree import ElementTree

from .fitting import xml_storable
from .record import EventRecord
from .saved import SavedEvent, from_event
from .winlog import CHANNEL, OPCODE, keywords, level_name

NAMESPACE: Final = "http://schemas.microsoft.com/win/2004/08/events/event"
CULTURE: Final = "en-US"


def event_xml(record: EventRecord, number: int | None = None) -> str:
    """
    Give an event of the catalogue as one `<Event>` on one line.

    It has the shape of a forwarded event: `RenderingInfo` holds the sentence and the names, so that
    it can be read without the source's message file. `number` is its EventRecordID, the record's
    own if none is given. What XML has no character for becomes U+FFFD, NUL U+2400. Raises
    `ValueError` for a record that is not of the catalogue.
    """
    event = from_event(record, record.record_id or 0 if number is None else number)
    root = _event(event)
    _rendering_info(root, record)
    return _text_of(root)


def saved_xml(event: SavedEvent) -> str:
    """Give an event of a log file as one `<Event>`, without `RenderingInfo`: nobody knows it."""
    return _text_of(_event(event))


def document(events: Iterable[str]) -> Iterator[str]:
    """Give the lines of a document of many events, as `wevtutil` writes with `/e:Events`."""
    yield '<?xml version="1.0" encoding="utf-8"?>\n<Events>\n'
    for event in events:
        yield f"{event}\n"
    yield "</Events>\n"


def _event(event: SavedEvent) -> ElementTree.Element:
    root = ElementTree.Element("Event", xmlns=NAMESPACE)
    # The order is the schema's (MS-EVEN6 2.2.13).
    system = _add(root, "System")
    _add(system, "Provider", Name=event.source)
    _add(system, "EventID", str(event.id), Qualifiers=str(event.qualifiers))
    _add(system, "Version", "0")
    _add(system, "Level", str(event.level))
    _add(system, "Task", str(event.category))
    _add(system, "Opcode", "0")
    _add(system, "Keywords", f"0x{event.keywords:x}")
    time = event.time.isoformat(timespec="microseconds").removesuffix("+00:00")
    _add(system, "TimeCreated", SystemTime=f"{time}Z")
    _add(system, "EventRecordID", str(event.number))
    _add(system, "Correlation")
    _add(system, "Execution", ProcessID=str(event.process_id), ThreadID=str(event.thread_id))
    _add(system, "Channel", event.channel)
    _add(system, "Computer", event.computer)
    _add(system, "Security", **({"UserID": event.sid} if event.sid else {}))
    data = _add(root, "EventData")
    for string in event.strings:
        _add(data, "Data", string)
    if event.data:
        _add(data, "Binary", event.data.hex().upper())
    return root


def _rendering_info(root: ElementTree.Element, record: EventRecord) -> None:
    definition = record.definition
    assert definition is not None  # from_event has seen to it
    info = _add(root, "RenderingInfo", Culture=CULTURE)
    _add(info, "Message", record.message)
    _add(info, "Level", level_name(definition.level).capitalize())
    _add(info, "Opcode", OPCODE)
    _add(info, "Task", definition.category.title)
    _add(info, "Channel", CHANNEL)
    _add(info, "Provider", definition.source)
    names = _add(info, "Keywords")
    for name in keywords(definition.level):
        _add(names, "Keyword", name)


def _add(
    parent: ElementTree.Element, name: str, text: str = "", /, **attributes: str
) -> ElementTree.Element:
    cleaned = {key: xml_storable(value) for key, value in attributes.items()}
    child = ElementTree.SubElement(parent, name, cleaned)
    child.text = xml_storable(text) or None
    return child


def _text_of(root: ElementTree.Element) -> str:
    # ElementTree leaves a carriage return as it is, and every parser would make a line feed of it.
    return ElementTree.tostring(root, encoding="unicode").replace("\r", "&#13;")
