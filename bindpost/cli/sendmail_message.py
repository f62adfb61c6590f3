"""A message as programs hand it to sendmail: made fit to be sent, its recipients found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate, make_msgid, quote
from typing import BinaryIO, Final

from bindpost.server.message.addresses import parse_addresses

_EOL: Final = b"\r\n"
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_MBOX: Final = b"From "
_HIDDEN: Final = ("bcc", "resent-bcc")
_PLAIN_PHRASE: Final = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")


@dataclass(frozen=True, slots=True)
class Draft:
    """A message: header fields by their names in lower case, folded as they came, and its body."""

    fields: tuple[tuple[str, bytes], ...]
    body: bytes

    def recipients(self) -> list[str]:
        """Give the addresses of To, Cc and Bcc, or of their Resent- twins if there are any."""
        values = self._values("resent-to", "resent-cc", "resent-bcc")
        values = values or self._values("to", "cc", "bcc")
        found = [mailbox for value in values for mailbox in parse_addresses(value)]
        # What is no address and no name of a group is a local user: `To: root`.
        return [mailbox.address or mailbox.name for mailbox in found]

    def completed(self, *, sender: str, full_name: str, host: str) -> bytes:
        """
        Give the bytes to send: without Bcc, with From, Date and Message-ID, in lines of CRLF.

        Who submits a message for a program adds what is missing (RFC 6409, section 8).
        """
        names = {name for name, _ in self.fields}
        lines = [field for name, field in self.fields if name not in _HIDDEN]
        if "from" not in names:
            lines.append(f"From: {_mailbox(full_name, sender)}".encode())
        if "date" not in names:
            lines.append(f"Date: {formatdate(localtime=True)}".encode())
        if "message-id" not in names:
            lines.append(f"Message-ID: {make_msgid(domain=host)}".encode())
        return _EOL.join([*lines, b"", self.body])

    def _values(self, *names: str) -> list[bytes]:
        return [field.partition(b":")[2] for name, field in self.fields if name in names]


def read(stream: BinaryIO, *, ignore_dots: bool) -> Draft:
    """Read a message to the end of the stream, or to a line with a single dot."""
    lines = _lines(stream, ignore_dots=ignore_dots)
    fields: list[tuple[str, bytes]] = []
    body: list[bytes] = []
    for line in lines:
        if not fields and line.startswith(_MBOX):
            continue
        if match := _FIELD.match(line):
            fields.append((match[1].decode("ascii").lower(), line))
        elif line[:1] in (b" ", b"\t") and fields:
            name, field = fields.pop()
            fields.append((name, field + _EOL + line))
        else:  # the empty line, or the body's first where that is missing
            body = [line] if line else []
            break
    return Draft(tuple(fields), _EOL.join([*body, *lines, b""]))


def _lines(stream: BinaryIO, *, ignore_dots: bool) -> Iterator[bytes]:
    """Give the lines without their ends: LF, CRLF, or a CR alone, which SMTP has no place for."""
    for piece in stream:
        if piece.rstrip(b"\r\n") == b"." and not ignore_dots:
            return
        yield from piece.removesuffix(b"\n").removesuffix(b"\r").split(b"\r")


def _mailbox(name: str, address: str) -> str:
    """Give a From field's value, in ASCII but for the address."""
    name = " ".join(name.split())
    if not name.isascii():
        name = Header(name, "utf-8").encode(linesep="\r\n")
    elif not _PLAIN_PHRASE.fullmatch(name):
        name = f'"{quote(name)}"'
    return f"{name} <{address}>" if name else address or "<>"
