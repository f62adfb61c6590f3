"""The registry file: tells Event Viewer which DLL has the texts of our two sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bindpost.events import IMS, OURS, Category

KEY: Final = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\EventLog\Application"
_ALL_TYPES: Final = 31
"""TypesSupported: error, warning, information, audit success, audit failure."""


def registration(dll_path: str) -> bytes:
    """
    Give the file as NT 4's regedit reads it, in which REG_EXPAND_SZ is written in ANSI bytes.

    `dll_path` is where the DLL is, in ASCII; `%SystemRoot%` in it is expanded by who reads it.
    """
    return "\r\n".join(["REGEDIT4", "", *_lines(dll_path)]).encode("ascii")


def _lines(dll_path: str) -> Iterator[str]:
    for source in (IMS, OURS):
        yield f"[{KEY}\\{source}]"
        yield f'"EventMessageFile"={_expandable(dll_path)}'
        yield f'"CategoryMessageFile"={_expandable(dll_path)}'
        yield f'"CategoryCount"=dword:{len(Category):08x}'
        yield f'"TypesSupported"=dword:{_ALL_TYPES:08x}'
        yield ""


def _expandable(text: str) -> str:
    return "hex(2):" + ",".join(f"{byte:02x}" for byte in f"{text}\0".encode("ascii"))
