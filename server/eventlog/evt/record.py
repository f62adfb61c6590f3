"""EvtRecord, one record of an event log file, and its bytes (EVENTLOGRECORD)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from ..fitting import MAX_STRINGS, fit_content, fit_name, terminated
from .layout import FIXED_SIZE, SIGNATURE, LayoutError

MAX_SID: Final = 68
"""Bytes of a security identifier with its greatest number of subauthorities, 15."""
MAX_PACKED: Final = 0x40000
"""Bytes of a record that is written: our choice, far above what strings and data need."""
MAX_UNPACKED: Final = 0x1000000
"""Bytes of a record that is read: what 256 strings of full length take."""
MIN_RECORD: Final = FIXED_SIZE + 8
"""Bytes of a record whose two names are empty."""

_FIXED: Final = struct.Struct("<I4s4I4H6I")
_LENGTH: Final = struct.Struct("<I")
_U16: Final = 0xFFFF
_U32: Final = 0xFFFFFFFF
_WIDTHS: Final = {
    "number": _U32,
    "time_generated": _U32,
    "time_written": _U32,
    "identifier": _U32,
    "type": _U16,
    "category": _U16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvtRecord:
    """
    One record. Times are seconds since 1970 UTC.

    `identifier` has all 32 bits, `type` is EVENTLOGRECORD's EventType (1 error, 2 warning, 4
    information, 8 and 16 audit), `sid` a binary security identifier or empty. Raises `ValueError`
    for a number that the format has no room for, and for an overlong `sid`; texts and data of any
    length are allowed here, and cut by `pack`.
    """

    number: int
    time_generated: int
    time_written: int
    identifier: int
    type: int
    category: int
    source: str
    computer: str
    sid: bytes = b""
    strings: tuple[str, ...] = ()
    data: bytes = b""

    def __post_init__(self) -> None:
        for name, greatest in _WIDTHS.items():
            value = getattr(self, name)
            if not 0 <= value <= greatest:
                raise ValueError(f"{name} must be from 0 to {greatest}, and is {value}")
        if len(self.sid) > MAX_SID:
            raise ValueError(f"sid has {len(self.sid)} bytes, above {MAX_SID}")

    @property
    def sid_text(self) -> str:
        """The security identifier as `S-1-5-18`; empty when there is none or it is malformed."""
        sid = self.sid
        if len(sid) < 8 or len(sid) != 8 + 4 * sid[1]:
            return ""
        authority = int.from_bytes(sid[2:8], "big")
        return "-".join(map(str, ("S", sid[0], authority, *struct.unpack(f"<{sid[1]}I", sid[8:]))))


def pack(record: EvtRecord, *, limit: int = MAX_PACKED) -> bytes:
    """
    Give a record's bytes, at most `limit`, after `fit`.

    No gap before the SID and at least one byte of padding, as genuine files have it and the
    documentation has not.
    """
    record = fit(record, limit=limit)
    names = terminated((record.source, record.computer))
    strings = terminated(record.strings)
    sid_offset = FIXED_SIZE + len(names)
    string_offset = sid_offset + len(record.sid)
    data_offset = string_offset + len(strings)
    padding = bytes(4 - (data_offset + len(record.data)) % 4)
    length = data_offset + len(record.data) + len(padding) + _LENGTH.size
    fixed = _FIXED.pack(
        length,
        SIGNATURE,
        record.number,
        record.time_generated,
        record.time_written,
        record.identifier,
        record.type,
        len(record.strings),
        record.category,
        0,  # ReservedFlags
        0,  # ClosingRecordNumber
        string_offset,
        len(record.sid),
        sid_offset,
        len(record.data),
        data_offset,
    )
    tail = padding + _LENGTH.pack(length)
    return b"".join((fixed, names, record.sid, strings, record.data, tail))


def unpack(raw: bytes) -> EvtRecord:
    """
    Read a record, ours or anybody's, from exactly its bytes.

    Offsets are taken as they stand in the record. Half a surrogate pair is read as U+FFFD. Raises
    `LayoutError`.
    """
    if len(raw) < MIN_RECORD or check_length(raw[:8]) != len(raw) or raw[-4:] != raw[:4]:
        raise LayoutError("the record's two lengths differ")
    _, _, number, generated, written, identifier, kind, count, category, *rest = _FIXED.unpack(
        raw[:FIXED_SIZE]
    )
    _, _, string_offset, sid_length, sid_offset, data_length, data_offset = rest
    body = raw[:-4]
    if count > MAX_STRINGS or sid_length > MAX_SID:
        raise LayoutError("the record has more strings or a longer SID than there can be")
    source, computer = _texts(body, FIXED_SIZE, 2)
    return EvtRecord(
        number=number,
        time_generated=generated,
        time_written=written,
        identifier=identifier,
        type=kind,
        category=category,
        source=source,
        computer=computer,
        sid=_piece(body, sid_offset, sid_length),
        strings=_texts(body, string_offset, count),
        data=_piece(body, data_offset, data_length),
    )


def check_length(start: bytes) -> int:
    """Give a record's length from its first 8 bytes. Raises `LayoutError` when they start none."""
    (length,) = _LENGTH.unpack(start[:4])
    if start[4:8] != SIGNATURE or length % 4 or not MIN_RECORD <= length <= MAX_UNPACKED:
        raise LayoutError("there is no record")
    return int(length)


def number_of(raw: bytes) -> int:
    """Give the number of a record from its fixed part."""
    return int(_FIXED.unpack(raw[:FIXED_SIZE])[2])


def time_written_of(raw: bytes) -> int:
    """Give the time that retention counts from, from a record's fixed part."""
    return int(_FIXED.unpack(raw[:FIXED_SIZE])[4])


def is_half_written(raw: bytes) -> bool:
    """
    Tell whether a record's first 40 bytes are still, in part, those of an EOF record.

    We write them last, in one go, and of these the offset of the strings comes last. It then
    doesn't fit the SID's, which is in its place already. Some of the kernel's records tell no
    offset of a SID.
    """
    *_, string_offset, sid_length, sid_offset, _, _ = _FIXED.unpack(raw[:FIXED_SIZE])
    return bool(sid_offset) and string_offset != sid_offset + sid_length


def fit(record: EvtRecord, *, limit: int = MAX_PACKED) -> EvtRecord:
    """
    Give the record as the file can hold it, in `limit` bytes.

    `fitting` says how. `limit` must have room for the names, which is above 2 KiB.
    """
    source, computer = fit_name(record.source), fit_name(record.computer)
    names = len(terminated((source, computer)))
    overhead = FIXED_SIZE + names + len(record.sid) + 8  # padding and the length behind it
    strings, data = fit_content(record.strings, record.data, room=limit - overhead)
    return replace(record, source=source, computer=computer, strings=strings, data=data)


def _texts(body: bytes, offset: int, count: int) -> tuple[str, ...]:
    """Read `count` strings, each up to its NUL."""
    if not count:
        return ()
    if offset < FIXED_SIZE:
        raise LayoutError("a string stands outside the record")
    texts = body[offset:].decode("utf-16-le", "replace").split("\0", count)
    if len(texts) <= count:
        raise LayoutError("a string runs over the end of its record")
    return tuple(texts[:count])


def _piece(body: bytes, offset: int, length: int) -> bytes:
    if not length:
        return b""
    if offset < FIXED_SIZE or offset + length > len(body):
        raise LayoutError("data or SID stand outside the record")
    return body[offset : offset + length]
