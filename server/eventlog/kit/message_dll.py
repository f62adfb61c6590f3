"""
The message DLL: a PE file with no code, only a message table in its resources.

Layout: Microsoft, "PE Format" (learn.microsoft.com, debug/pe-format). PE32 for i386, because NT 4
reads it and every later Windows loads it as data too. The same table gives the same bytes.
"""

from __future__ import annotations

import struct
from typing import Final

_ALIGNED: Final = 0x200
"""FileAlignment; headers fit into one piece."""
_PAGE: Final = 0x1000
"""SectionAlignment, and the address of the only section."""
_BASE: Final = 0x10000000
"""Preferred address of a DLL."""
_RT_MESSAGETABLE: Final = 11
_NAME_ID: Final = 1
_ENGLISH: Final = 0x409
_I386: Final = 0x14C
_DLL_OF_32_BITS: Final = 0x2102
"""EXECUTABLE_IMAGE, 32BIT_MACHINE, DLL."""
_DATA_READABLE: Final = 0x40000040
"""CNT_INITIALIZED_DATA, MEM_READ."""
_SUBDIRECTORY: Final = 0x80000000
_DIRECTORY_SIZE: Final = 16 + 8
"""Bytes of a resource directory with one entry."""


def message_dll(table: bytes) -> bytes:
    """Give the DLL that holds this message table."""
    section = _resources(table)
    return _padded(_headers(len(section)), _ALIGNED) + _padded(section, _ALIGNED)


def _headers(size: int) -> bytes:
    raw, image = _up(size, _ALIGNED), _PAGE + _up(size, _PAGE)
    # e_lfarlc is 0x40 in every PE file; libexe sees no sections without it.
    dos = b"MZ" + bytes(22) + struct.pack("<H", 0x40) + bytes(34) + struct.pack("<I", 0x40)
    coff = struct.pack("<HHIIIHH", _I386, 1, 0, 0, 0, 0xE0, _DLL_OF_32_BITS)
    standard = struct.pack("<HBBIIIIII", 0x10B, 0, 0, 0, raw, 0, 0, _PAGE, _PAGE)
    # Alignments; versions of system and image; sizes; no checksum; subsystem 2 is "Windows".
    windows = struct.pack("<III", _BASE, _PAGE, _ALIGNED)
    windows += struct.pack("<HHHHHHI", 4, 0, 0, 0, 4, 0, 0)
    windows += struct.pack("<IIIHH", image, _ALIGNED, 0, 2, 0)
    windows += struct.pack("<IIIIII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    directories = bytes(16) + struct.pack("<II", _PAGE, size) + bytes(13 * 8)
    section = struct.pack(
        "<8sIIIIIIHHI", b".rsrc", size, _PAGE, raw, _ALIGNED, 0, 0, 0, 0, _DATA_READABLE
    )
    return dos + b"PE\0\0" + coff + standard + windows + directories + section


def _resources(table: bytes) -> bytes:
    """Give the section: directories for type, name and language, the data entry, the table."""
    keys = (_RT_MESSAGETABLE, _NAME_ID, _ENGLISH)
    tree = b""
    for depth, key in enumerate(keys, start=1):
        below = depth * _DIRECTORY_SIZE | (_SUBDIRECTORY if depth < len(keys) else 0)
        tree += bytes(12) + struct.pack("<HHII", 0, 1, key, below)
    data = len(tree) + 16
    return tree + struct.pack("<IIII", _PAGE + data, len(table), 0, 0) + table


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _padded(data: bytes, unit: int) -> bytes:
    return data.ljust(_up(len(data), unit), b"\0")
