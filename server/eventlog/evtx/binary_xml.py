"""
Binary XML: elements whose values are filled in later, as Windows' event log has them.

In a chunk each name and each template is written once, where it is first used, and referred to by
its offset from then on. Two hash tables in the chunk's header lead to them: a bucket has the offset
of its newest entry, and each entry that of the one before it.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from .layout import STRING_BUCKETS, TEMPLATE_BUCKETS

FRAGMENT: Final = b"\x0f\x01\x01\x00"
END: Final = b"\x00"

_OPEN_ELEMENT: Final = 0x01
_HAS_ATTRIBUTES: Final = 0x40
_CLOSE_START_TAG: Final = b"\x02"
_CLOSE_EMPTY: Final = b"\x03"
_END_ELEMENT: Final = b"\x04"
_TEXT: Final = b"\x05\x01"
_ATTRIBUTE: Final = 0x06
_MORE: Final = 0x40
_TEMPLATE: Final = b"\x0c\x01"
_OPTIONAL: Final = 0x0E
_NEVER_LEFT_OUT: Final = 0xFFFF
_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")


class Type:
    """Types of values (BinXml value types)."""

    NULL = 0x00
    U8 = 0x04
    U16 = 0x06
    U32 = 0x08
    U64 = 0x0A
    BINARY = 0x0E
    GUID = 0x0F
    FILETIME = 0x11
    SID = 0x13
    HEX64 = 0x15
    BINARY_XML = 0x21
    STRINGS = 0x81
    """Strings, each with its NUL; the element around them is repeated for each."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value `index` goes; when it is null, nothing is there."""

    index: int
    type: int


@dataclass(frozen=True, slots=True)
class Element:
    """
    An element of a template.

    `left_out_with` is the index of the value that, when null, leaves out the element altogether.
    """

    name: str
    content: Sequence[Element | Place | str] = ()
    attributes: Sequence[tuple[str, Place | str]] = ()
    left_out_with: int = _NEVER_LEFT_OUT


@dataclass(frozen=True, slots=True)
class Template:
    """An element with a name for good, which identical ones of all files share."""

    guid: uuid.UUID
    element: Element


@dataclass(frozen=True, slots=True)
class Instance:
    """A template with its values, each with its type; a null is `(Type.NULL, b"")`."""

    template: Template
    values: Sequence[tuple[int, bytes | Instance]]


@dataclass(slots=True)
class Tables:
    """What is in a chunk already: names and templates by their offsets, and the heads of chains."""

    names: dict[str, int] = field(default_factory=dict)
    templates: dict[uuid.UUID, int] = field(default_factory=dict)
    string_buckets: list[int] = field(default_factory=lambda: [0] * STRING_BUCKETS)
    template_buckets: list[int] = field(default_factory=lambda: [0] * TEMPLATE_BUCKETS)

    def copy(self) -> Tables:
        """Give tables that go their own way from here."""
        return Tables(
            self.names.copy(),
            self.templates.copy(),
            self.string_buckets.copy(),
            self.template_buckets.copy(),
        )


@final
class BinaryXmlWriter:
    """
    Writes instances at the end of `out`, whose first byte is at the chunk's offset 0.

    `tables` is kept up to date.
    """

    def __init__(self, out: bytearray, tables: Tables) -> None:
        self._out = out
        self._tables = tables

    def fragment(self, instance: Instance) -> None:
        """Write a document of one instance."""
        self._out += FRAGMENT
        self._instance(instance)
        self._out += END

    def _instance(self, instance: Instance) -> None:
        out, template = self._out, instance.template
        out += _TEMPLATE
        out += template.guid.bytes_le[:4]  # the template's short name
        known = self._tables.templates.get(template.guid)
        if known is not None:
            out += _U32.pack(known)
        else:
            out += _U32.pack(len(out) + _U32.size)
            self._definition(template)
        out += _U32.pack(len(instance.values))
        sizes_at = len(out)
        out += bytes(4 * len(instance.values))
        for index, (kind, value) in enumerate(instance.values):
            start = len(out)
            if isinstance(value, Instance):
                self.fragment(value)
            else:
                out += value
            struct.pack_into("<HBx", out, sizes_at + 4 * index, len(out) - start, kind)

    def _definition(self, template: Template) -> None:
        out, guid = self._out, template.guid.bytes_le
        bucket = hash_of(struct.unpack("<8H", guid)) % TEMPLATE_BUCKETS
        older = self._tables.template_buckets[bucket]
        self._tables.template_buckets[bucket] = self._tables.templates[template.guid] = len(out)
        out += _U32.pack(older)
        out += guid
        size_at = self._size()
        out += FRAGMENT
        self._element(template.element)
        out += END
        self._end(size_at)

    def _element(self, element: Element) -> None:
        out = self._out
        out.append(_OPEN_ELEMENT | (_HAS_ATTRIBUTES if element.attributes else 0))
        out += _U16.pack(element.left_out_with)
        size_at = self._size()
        self._name(element.name)
        if element.attributes:
            self._attributes(element.attributes)
        if element.content:
            out += _CLOSE_START_TAG
            for part in element.content:
                if isinstance(part, Element):
                    self._element(part)
                else:
                    self._value(part)
            out += _END_ELEMENT
        else:
            out += _CLOSE_EMPTY
        self._end(size_at)

    def _attributes(self, attributes: Sequence[tuple[str, Place | str]]) -> None:
        size_at = self._size()
        for count, (name, value) in enumerate(attributes, start=1):
            self._out.append(_ATTRIBUTE | (_MORE if count < len(attributes) else 0))
            self._name(name)
            self._value(value)
        self._end(size_at)

    def _value(self, value: Place | str) -> None:
        if isinstance(value, Place):
            self._out += struct.pack("<BHB", _OPTIONAL, value.index, value.type)
        else:
            text = value.encode("utf-16-le")
            self._out += _TEXT + _U16.pack(len(text) // 2) + text

    def _name(self, name: str) -> None:
        """Write a name's offset, and behind it the name, if that is new."""
        out, names = self._out, self._tables.names
        if name in names:
            out += _U32.pack(names[name])
            return
        names[name] = len(out) + _U32.size
        text = name.encode("utf-16-le")
        number = hash_of(struct.unpack(f"<{len(text) // 2}H", text))
        buckets, bucket = self._tables.string_buckets, number % STRING_BUCKETS
        out += struct.pack("<IIHH", names[name], buckets[bucket], number, len(text) // 2)
        out += text + b"\0\0"
        buckets[bucket] = names[name]

    def _size(self) -> int:
        """Leave room for a size, which `_end` writes: that of what comes behind it."""
        self._out += bytes(_U32.size)
        return len(self._out)

    def _end(self, size_at: int) -> None:
        _U32.pack_into(self._out, size_at - _U32.size, len(self._out) - size_at)


def hash_of(units: Sequence[int]) -> int:
    """Give the hash of a name or a GUID, read as 16-bit units."""
    number = 0
    for unit in units:
        number = (number * 65599 + unit) & 0xFFFFFFFF
    return number & 0xFFFF
