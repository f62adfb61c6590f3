"""
The journal sink: systemd-journald's native protocol, with a constant MESSAGE_ID for each event.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: a datagram of fields, `NAME=value` and a line break, or
the name, a line break, the length in 8 bytes LE, the value and a line break.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from ..record import EventRecord
from .syslog_form import MAIL, SEVERITY

SOCKET: Final = "/run/systemd/journal/socket"


def encode(record: EventRecord) -> bytes:
    """Give the datagram of a record."""
    return b"".join(_field(name, value) for name, value in _fields(record))


class JournaldSink:
    """Sends each record to the journal's socket, which is on this machine."""

    name = "journald"
    takes_text = True

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def write(self, record: EventRecord) -> None:
        """Send a record. Raises `OSError`: no journal there, or it takes no more."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.sendto(encode(record), self._path)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def _fields(record: EventRecord) -> Iterable[tuple[str, str]]:
    definition = record.definition
    yield "MESSAGE", record.message
    yield "PRIORITY", str(SEVERITY.get(record.level, 6))
    yield "SYSLOG_FACILITY", str(MAIL)
    yield "SYSLOG_IDENTIFIER", definition.source if definition else "bindpost"
    yield "SYSLOG_PID", str(record.process_id)
    yield "SYSLOG_TIMESTAMP", record.timestamp
    yield "LOGGER", record.logger
    if definition is not None:
        yield "MESSAGE_ID", definition.message_id
        yield "EVENT_ID", str(definition.id)
        yield "EVENT_SOURCE", definition.source
        yield "EVENT_CATEGORY", definition.category.title
        yield "EVENT_CHANNEL", "Application"
        yield "EVENT_IDENTIFIER", f"0x{definition.identifier:08X}"
        for number, text in enumerate(record.strings, start=1):
            yield f"EVENT_PARAM{number}", text
    if record.failure is not None:
        yield "ERROR_CODE", record.failure.code
        yield "ERROR_NAME", record.failure.type
        yield "ERROR_MESSAGE", record.failure.message
        yield "ERROR_STACK_TRACE", record.failure.stack_trace
    for key, value in record.fields.items():
        yield f"BINDPOST_{_name(key)}", "" if value is None else str(value)


def _name(key: str) -> str:
    """Give a journal field's name: capitals, digits and underscores, 64 at most."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in key.upper())[:55]


def _field(name: str, value: str) -> bytes:
    if not value:
        return b""
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data)
