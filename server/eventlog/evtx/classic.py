"""A classic event as binary XML: the templates that Windows 10 has for one, and their values."""

from __future__ import annotations

import struct
import uuid
from typing import Final, final

from ..fitting import fit_content, fit_name, terminated, xml_storable
from ..saved import SavedEvent
from ..xml_form import NAMESPACE
from .binary_xml import Element, Instance, Place, Template, Type
from .layout import filetime

_GUIDS: Final = uuid.UUID("0b1d5c0e-6d0f-5d4b-9f0a-4d2f6c4e4007")
ROOM: Final = 61_440
"""
Bytes that an event's strings and data can have: an empty chunk holds them with the templates, all
names at their greatest length.
"""
_NULL: Final = (Type.NULL, b"")


@final
class ClassicEvents:
    """Makes binary XML of events; keeps the template of each source that it has met."""

    def __init__(self) -> None:
        self._templates: dict[tuple[str, str, str], Template] = {}

    def instance(self, event: SavedEvent, number: int) -> Instance:
        """
        Give an event as the record `number`, cut to what a chunk can hold (`fitting`).

        Characters that XML has none for become U+FFFD, since all readers make XML of it.
        """
        return Instance(self._template_of(event), _values(event, number))

    def _template_of(self, event: SavedEvent) -> Template:
        names = event.source, event.channel, event.computer
        template = self._templates.get(names)
        if template is None:
            template = _event_template(*(fit_name(xml_storable(name)) for name in names))
            self._templates[names] = template
        return template


def _values(event: SavedEvent, number: int) -> tuple[tuple[int, bytes | Instance], ...]:
    """Give the values of the event's template, in the order of their places."""
    return (
        (Type.U8, struct.pack("<B", event.level)),
        (Type.U8, b"\0"),  # opcode
        (Type.U16, struct.pack("<H", event.category)),
        (Type.U16, struct.pack("<H", event.id)),
        (Type.U16, struct.pack("<H", event.qualifiers)),
        (Type.HEX64, struct.pack("<Q", event.keywords)),
        (Type.FILETIME, struct.pack("<Q", filetime(event.time))),
        _NULL,  # activity
        (Type.U32, struct.pack("<I", event.process_id)),
        (Type.U32, struct.pack("<I", event.thread_id)),
        (Type.U64, struct.pack("<Q", number)),
        (Type.U8, b"\0"),  # version
        (Type.SID, pack_sid(event.sid)) if event.sid else _NULL,
        *[_NULL] * 5,
        _NULL,  # related activity
        (Type.BINARY_XML, _event_data(event)),
    )


def pack_sid(text: str) -> bytes:
    """Give a security identifier's bytes. Raises `ValueError` for what is none."""
    head, *numbers = text.split("-")
    try:
        revision, authority, *rest = map(int, numbers)
        if head != "S" or len(rest) > 15:
            raise ValueError
        packed = struct.pack(f"<BB6s{len(rest)}I", revision, len(rest), _u48(authority), *rest)
    except (ValueError, OverflowError, struct.error) as error:
        raise ValueError(f"{text!r} is no security identifier, such as S-1-5-18") from error
    return packed


def _u48(number: int) -> bytes:
    return number.to_bytes(6, "big")


def _event_data(event: SavedEvent) -> Instance:
    strings, data = fit_content(map(xml_storable, event.strings), event.data, room=ROOM)
    return Instance(
        _EVENT_DATA,
        (
            (Type.STRINGS, terminated(strings)) if strings else _NULL,
            (Type.U32, struct.pack("<I", len(data))),
            (Type.BINARY, data) if data else _NULL,
        ),
    )


def _event_template(source: str, channel: str, computer: str) -> Template:
    """Give the template of a source's events; its GUID is always the same for the same names."""
    system = Element(
        "System",
        (
            Element("Provider", attributes=[("Name", source)]),
            Element("EventID", [Place(3, Type.U16)], [("Qualifiers", Place(4, Type.U16))], 3),
            Element("Version", [Place(11, Type.U8)], left_out_with=11),
            Element("Level", [Place(0, Type.U8)], left_out_with=0),
            Element("Task", [Place(2, Type.U16)], left_out_with=2),
            Element("Opcode", [Place(1, Type.U8)], left_out_with=1),
            Element("Keywords", [Place(5, Type.HEX64)], left_out_with=5),
            Element("TimeCreated", attributes=[("SystemTime", Place(6, Type.FILETIME))]),
            Element("EventRecordID", [Place(10, Type.U64)], left_out_with=10),
            Element(
                "Correlation",
                attributes=[
                    ("ActivityID", Place(7, Type.GUID)),
                    ("RelatedActivityID", Place(18, Type.GUID)),
                ],
            ),
            Element(
                "Execution",
                attributes=[
                    ("ProcessID", Place(8, Type.U32)),
                    ("ThreadID", Place(9, Type.U32)),
                ],
            ),
            Element("Channel", [channel]),
            Element("Computer", [computer]),
            Element("Security", attributes=[("UserID", Place(12, Type.SID))]),
        ),
    )
    event = Element(
        "Event", [system, Place(19, Type.BINARY_XML)], [("xmlns", NAMESPACE)], left_out_with=19
    )
    return Template(uuid.uuid5(_GUIDS, "\0".join((source, channel, computer))), event)


_EVENT_DATA: Final = Template(
    uuid.uuid5(_GUIDS, "EventData"),
    Element(
        "EventData",
        (
            Element("Data", [Place(0, Type.STRINGS)], left_out_with=0),
            Element("Binary", [Place(2, Type.BINARY)], left_out_with=2),
        ),
    ),
)
