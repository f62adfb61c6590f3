"""One record of an event log file, and what of a text it can hold."""

from __future__ import annotations

import struct
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import pytest

from bindpost.server.eventlog.evt import write
from bindpost.server.eventlog.evt.layout import (
    EMPTY,
    Bounds,
    Flag,
    Header,
    LayoutError,
    pack_eof,
    pack_header,
    unpack_eof,
    unpack_header,
)
from bindpost.server.eventlog.evt.record import fit, pack, unpack
from bindpost.server.eventlog.fitting import MARK, MAX_STRING
from bindpost.testing.evt import BIND_FAILED

WORKED_EXAMPLE = bytes.fromhex(
    "30000000 4c664c65 01000000 01000000"  # header size, LfLe, version 1.1
    "30000000 a8000000 02000000 01000000"  # start, EOF at 0xA8, next 2, oldest 1
    "d0000000 00000000 00000000 30000000"  # max 208, flags, retention
    "78000000 4c664c65 01000000 01cba336"  # 120 bytes, record 1, 1999-01-19 00:00:01
    "01cba336 a70f00c0 0100 0100 0100 0000"  # written, 4007, error, 1 string, category 1
    "00000000 62000000 00000000 62000000"  # closing, strings at 0x62, no SID
    "04000000 6e000000"  # 4 bytes of data at 0x6E
    "4d00 5300 4500 7800 6300 6800 6100 6e00 6700 6500 4900 4d00 4300 0000"
    "4500 5800 4300 4800 3500 3500 0000"
    "3100 3000 3000 3500 3000 0000"
    "42270000 0000 78000000"  # data, padding, 120 again
    "28000000 11111111 22222222 33333333 44444444"  # the EOF record
    "30000000 a8000000 02000000 01000000 28000000"
)
"""A file of one 4007, 208 bytes, worked out by hand from the layout."""


def test_worked_example() -> None:
    """The file of one 4007 has exactly the bytes that the layout asks for."""
    file = BytesIO()

    assert write([BIND_FAILED], file) == 1
    assert file.getvalue() == WORKED_EXAMPLE
    assert sha256(WORKED_EXAMPLE).hexdigest() == (
        "d7a3e4276cff6ff44386be4b9977af291f60b33ac4bc9ff5db4e8c1bca7ae092"
    )


def test_record_comes_back() -> None:
    """What is written is read again, whatever the alphabet, with SID and data of any length."""
    record = replace(
        BIND_FAILED,
        computer="ΕΡΜΗΣ-сервер",
        sid=bytes.fromhex("010100000000000512000000"),
        strings=("10050", "prøxy „grüße“ 日本語 😀", ""),
        data=bytes(range(7)),
    )

    assert unpack(pack(record)) == record
    assert record.sid_text == "S-1-5-18"


@pytest.mark.parametrize("length", range(5))
def test_padding_is_one_to_four_bytes(length: int) -> None:
    """Genuine files have no record without padding, and none whose length is no multiple of 4."""
    record = replace(BIND_FAILED, data=bytes(length))
    end = len(pack(replace(BIND_FAILED, data=b""))) - 4 - 2  # its own padding is 2

    raw = pack(record)

    assert len(raw) % 4 == 0
    assert 1 <= len(raw) - 4 - (end + length) <= 4


def test_no_gap_before_the_sid() -> None:
    """The SID follows the names at once, as in genuine files and not as documented."""
    sid = bytes.fromhex("010100000000000512000000")
    names = "MSExchangeIMC\0EXCH55X\0".encode("utf-16-le")
    assert (56 + len(names)) % 4 == 0
    names = "MSExchangeIMC\0EXCH55\0".encode("utf-16-le")
    assert (56 + len(names)) % 4 == 2

    assert pack(replace(BIND_FAILED, sid=sid))[56:].startswith(names + sid)


def test_malformed_sid_has_no_text() -> None:
    """A SID whose count of subauthorities doesn't fit its length is shown as none."""
    assert replace(BIND_FAILED, sid=b"\x01\x02\0\0\0\0\0\x05\x12\0\0\0").sid_text == ""
    assert BIND_FAILED.sid_text == ""


def test_what_utf16_cannot_hold_is_replaced() -> None:
    """A NUL would end the string; half a surrogate pair has no place in it."""
    record = fit(replace(BIND_FAILED, strings=("nul\0inside", "half \ud83d")))

    assert record.strings == ("nul␀inside", "half \ufffd")


def test_long_string_is_cut_with_a_mark() -> None:
    """The longest string that Windows takes is kept whole, a longer one says that it is cut."""
    whole, cut, pairs = "x" * MAX_STRING, "y" * (MAX_STRING + 1), "😀" * MAX_STRING

    record = fit(replace(BIND_FAILED, strings=(whole, cut, pairs)))

    assert record.strings[0] == whole
    assert record.strings[1] == "y" * (MAX_STRING - len(MARK)) + MARK
    assert record.strings[2] == "😀" * ((MAX_STRING - len(MARK)) // 2) + MARK


def test_too_many_strings_are_cut_with_a_mark() -> None:
    """A record has 256 strings at most."""
    record = fit(replace(BIND_FAILED, strings=tuple(map(str, range(300)))))

    assert len(record.strings) == 256
    assert record.strings[254:] == ("254", MARK.strip())


def test_what_is_too_much_together_is_cut_to_one_length() -> None:
    """Short strings stay whole when the long ones and the data are too much."""
    record = replace(BIND_FAILED, strings=("10050", *["x" * 30_000] * 3), data=bytes(60_000))

    raw = pack(record, limit=65_000)
    short, *long = unpack(raw).strings

    assert 64_900 < len(raw) <= 65_000
    assert short == "10050"
    assert len({len(string) for string in long}) == 1
    assert all(string.endswith(MARK) for string in long)
    assert len(unpack(raw).data) // 2 == len(long[0])


def test_numbers_must_fit() -> None:
    """A number that the format has no room for is an error of the program."""
    with pytest.raises(ValueError, match="number must be from 0 to 4294967295"):
        replace(BIND_FAILED, number=1 << 32)
    with pytest.raises(ValueError, match="sid has 69 bytes"):
        replace(BIND_FAILED, sid=bytes(69))


@pytest.mark.parametrize(
    ("offset", "value", "problem"),
    [
        (0, 0x7C, "lengths differ"),
        (4, 0, "no record"),
        (26, 257, "more strings"),
        (26, 40, "runs over the end"),
        (36, 0, "outside the record"),
        (40, 69, "longer SID"),
        (48, 0x100, "outside the record"),
        (52, 8, "outside the record"),
        (116, 0x7C, "lengths differ"),
    ],
)
def test_damaged_record_is_named(offset: int, value: int, problem: str) -> None:
    """Each offset and count of a record is checked before it is used."""
    raw = bytearray(pack(BIND_FAILED))
    width = "<H" if offset == 26 else "<I"
    struct.pack_into(width, raw, offset, value)

    with pytest.raises(LayoutError, match=problem):
        unpack(bytes(raw))


def test_header_and_eof_record_come_back() -> None:
    """Header and EOF record hold the same four numbers, and the header three more."""
    bounds = Bounds(start=0x1000, end=0x30, next_number=7455, oldest_number=1392)
    header = Header(bounds=bounds, max_size=0x80000, flags=Flag.DIRTY | Flag.WRAP, retention=604800)

    assert unpack_header(pack_header(header)) == header
    assert unpack_eof(pack_eof(bounds)) == bounds


@pytest.mark.parametrize("offset", [0, 4, 8, 12, 44])
def test_header_must_be_one(offset: int) -> None:
    """Sizes, signature and version are what makes a header."""
    data = bytearray(pack_header(Header(bounds=EMPTY, max_size=0x10000)))
    data[offset] ^= 0xFF

    with pytest.raises(LayoutError):
        unpack_header(bytes(data))
