"""
mbox files in the form mboxrd, so that each message comes back byte for byte.

Every line that is `From ` behind any number of `>` gets one `>` more, and loses it when it is read
(RFC 4155 leaves that open; the form is Rahul Dhesi's). One LF is put behind each message: behind
one that ends in a line end that is the usual blank line, behind any other it is what keeps the next
separator at the start of a line. Not the standard library's mailbox.mbox: its `add` adds a missing
end of line, and it quotes so that it can't be undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final

from .terminal import write_all

_QUOTABLE: Final = re.compile(rb"^(>*From )", re.MULTILINE)
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_UNFIT: Final = re.compile(r"\s")
NOBODY: Final = "MAILER-DAEMON"
"""What stands for the null reverse-path."""
SEPARATOR: Final = b"From "
_UNKNOWN: Final = "-"
"""What stands for a sender with white space in it, which a separator can't hold."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of an mbox file; `sender` is its separator's, None if that names nobody."""

    raw: bytes
    sender: str | None


def write(file: BinaryIO, raw: bytes, *, sender: str, received: datetime) -> None:
    """Put a message behind those that are in the file."""
    name = _UNKNOWN if _UNFIT.search(sender) else sender or NOBODY
    moment = received.astimezone(UTC).strftime("%a %b %e %H:%M:%S %Y")
    write_all(file, SEPARATOR + f"{name} {moment}\n".encode())
    write_all(file, _QUOTABLE.sub(rb">\1", raw) + b"\n")


def read(file: BinaryIO, start: bytes = SEPARATOR) -> Iterator[Entry]:
    """Give the messages, one at a time; of the file `start`, its first bytes, was read already."""
    separator = start + file.readline()
    while separator:
        lines = []
        following = b""
        for line in file:
            if line.startswith(SEPARATOR):
                following = line
                break
            lines.append(line)
        yield _entry(separator, b"".join(lines))
        separator = following


def _entry(separator: bytes, text: bytes) -> Entry:
    """Give a message without what was put around it; a file of CRLF lines has put CRLF."""
    end = b"\r\n" if separator.endswith(b"\r\n") else b"\n"
    words = separator.decode("utf-8", "replace").split(" ", 2)
    name = words[1].strip()
    sender = "" if name == NOBODY else name if "@" in name else None
    return Entry(_QUOTED.sub(rb"\1", text.removesuffix(end)), sender)
