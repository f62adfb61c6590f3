"""The Windows event log as a sink, on Windows: ReportEvent of advapi32 through ctypes."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from ..record import EventRecord
from ..winlog import data_of


class WindowsSink:
    """
    Reports each event under its own source, with identifier, category and strings.

    Without the message file of `bindpost events kit` the viewer says that it has no description,
    and shows the strings. Never run on Windows by its authors.
    """

    name = "windows"
    takes_text = False

    def __init__(self) -> None:
        if sys.platform != "win32":
            raise OSError("the Windows event log is on Windows only")
        self._api: Any = ctypes.WinDLL("advapi32", use_last_error=True)
        self._api.RegisterEventSourceW.restype = ctypes.c_void_p
        self._sources: dict[str, int] = {}

    def write(self, record: EventRecord) -> None:
        """Report an event. Raises `OSError`."""
        if sys.platform != "win32":
            return
        definition = record.definition
        assert definition is not None
        texts = record.strings
        strings = (ctypes.c_wchar_p * len(texts))(*texts)
        data = data_of(record)
        done = self._api.ReportEventW(
            ctypes.c_void_p(self._source(definition.source)),
            ctypes.c_ushort(definition.level),
            ctypes.c_ushort(definition.category.number),
            ctypes.c_ulong(definition.identifier),
            None,
            ctypes.c_ushort(len(texts)),
            ctypes.c_ulong(len(data)),
            strings,
            data or None,
        )
        if not done:
            raise ctypes.WinError(ctypes.get_last_error())

    def close(self) -> None:
        """Let go of the sources."""
        for handle in self._sources.values():
            self._api.DeregisterEventSource(ctypes.c_void_p(handle))
        self._sources.clear()

    def _source(self, name: str) -> int:
        if sys.platform == "win32" and name not in self._sources:
            handle = self._api.RegisterEventSourceW(None, name)
            if not handle:
                raise ctypes.WinError(ctypes.get_last_error())
            self._sources[name] = handle
        return self._sources[name]
