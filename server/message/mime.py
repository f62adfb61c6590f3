"""
Cuts a message into its MIME parts, and decodes their transfer encodings.

Not by the stdlib's `email` parser: that recurses without bound into nested parts, looks at each
line once per level, and raises on some input. Here a message is cut by offsets, in a time that is
linear in its size for a given depth.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Final

from .parameters import parse_parameters

PART_LIMIT: Final = 1_000
"""Parts that are told apart; what comes behind them stays unread."""
DEPTH_LIMIT: Final = 50
"""How deep multiparts nest; a deeper one is shown as text."""
FIELD_LIMIT: Final = 2_000
"""Header fields that are given of the message."""
PART_FIELD_LIMIT: Final = 100
"""Header fields that are given of a part below it."""
_LOOKALIKE_LIMIT: Final = 100_000
"""Lines of a message that look like a delimiter and are none."""
_BOUNDARY_LIMIT: Final = 500
"""Characters of a boundary; RFC 2046, 5.1.1 allows 70."""

_FIELD: Final = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_REST: Final = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z))++")
"""Fields as in `_FIELD`, all that follow."""
_MBOX_LINE: Final = re.compile(rb">?From [^\n]*+\n")
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))


@dataclass(frozen=True)
class Part:
    """
    A part of a message: its header fields as they came, and where its body is.

    `id` is as Mailpit counts: `0` for the message itself, `1`, `2` below it, `2.1` below those.
    `is_container` says that its parts follow, so that its own body is nothing to show. `is_cut`
    says that it has more header fields than the limit.
    """

    id: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: memoryview = field(repr=False)
    default_type: str = "text/plain"
    is_container: bool = False
    is_cut: bool = False

    def first(self, name: bytes) -> bytes:
        """Give the value of the first field of this name (lower case), empty if there is none."""
        return self._firsts.get(name, b"")

    @cached_property
    def _firsts(self) -> Mapping[bytes, bytes]:
        return {name.lower(): value for name, value in reversed(self.fields)}

    @cached_property
    def content_type(self) -> tuple[str, Mapping[str, str]]:
        """The content type in lower case and its parameters (RFC 2045, 5)."""
        kind, parameters = parse_parameters(self.first(b"content-type"))
        # RFC 2045, 5.2: what can't be understood is plain text.
        return (kind if kind.count("/") == 1 else self.default_type), parameters

    @cached_property
    def disposition(self) -> tuple[str, Mapping[str, str]]:
        """`attachment`, `inline` or nothing, and its parameters (RFC 2183)."""
        return parse_parameters(self.first(b"content-disposition"))

    @property
    def boundary(self) -> bytes:
        """The delimiter of its parts; empty when it is no multipart that can be cut."""
        kind, parameters = self.content_type
        boundary = parameters.get("boundary", "").rstrip()
        if not kind.startswith("multipart/") or len(boundary) > _BOUNDARY_LIMIT:
            return b""
        return boundary.encode("utf-8", "replace")

    def decoded(self) -> bytes:
        """Undo the transfer encoding (RFC 2045, 6); what is broken is passed over."""
        encoding, _ = parse_parameters(self.first(b"content-transfer-encoding"))
        if encoding == "base64":
            return _from_base64(bytes(self.body))
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return bytes(self.body)


def walk(raw: bytes) -> Iterator[Part]:
    """Give the parts in order: first the message itself, and each multipart before its parts."""
    return Walker(raw).walk()


class Walker:
    """Cuts one message; counts what it has cut."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._view = memoryview(raw)
        self._parts = 0
        self._lookalikes = 0

    def walk(self) -> Iterator[Part]:
        """Give all parts."""
        mbox_line = _MBOX_LINE.match(self._raw)
        start = mbox_line.end() if mbox_line else 0
        return self._walk("0", start, len(self._raw), depth=0, default_type="text/plain")

    @property
    def has_given_up(self) -> bool:
        """Whether what looked like delimiters and were none was too much."""
        return self._lookalikes >= _LOOKALIKE_LIMIT

    def _walk(
        self, part_id: str, start: int, end: int, *, depth: int, default_type: str
    ) -> Iterator[Part]:
        self._parts += 1
        limit = PART_FIELD_LIMIT if depth else FIELD_LIMIT
        fields, stop = self._fields(start, end, limit)
        rest = _REST.match(self._raw, stop, end)
        body = self._body(rest.end() if rest else stop, end)
        part = Part(part_id, fields, self._view[body:end], default_type, is_cut=rest is not None)
        cuts = self._cut(part.boundary, body, end) if depth < DEPTH_LIMIT else iter(())
        first = next(cuts, None)
        if first is None or self._parts == PART_LIMIT:
            yield part
            return
        yield replace(part, is_container=True)
        inner = "message/rfc822" if part.content_type[0] == "multipart/digest" else "text/plain"
        above = "" if part_id == "0" else f"{part_id}."
        for number, (begin, stop) in enumerate(chain([first], cuts), start=1):
            if self._parts == PART_LIMIT:
                return
            yield from self._walk(
                f"{above}{number}", begin, stop, depth=depth + 1, default_type=inner
            )

    def _fields(
        self, start: int, end: int, limit: int
    ) -> tuple[tuple[tuple[bytes, bytes], ...], int]:
        """Give the header fields of a section up to the limit, and where the last of them ends."""
        fields: list[tuple[bytes, bytes]] = []
        position = start
        while len(fields) < limit and (line := _FIELD.match(self._raw, position, end)):
            fields.append((line[1], line[2]))
            position = line.end()
        return tuple(fields), position

    def _body(self, position: int, end: int) -> int:
        """Give where the body starts behind the last field."""
        # An empty line ends the header; so does one that is no field, which is the body's first.
        for separator in (b"\r\n", b"\n"):
            if self._raw.startswith(separator, position, end):
                return position + len(separator)
        return position

    def _cut(self, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give start and end of each part between the delimiters (RFC 2046, 5.1.1)."""
        if not boundary:
            return
        opened: int | None = None
        for delimiter, behind, closing in self._delimiters(boundary, start, end):
            if opened is not None:
                # The line break before a delimiter belongs to it.
                stop = delimiter - 1 if self._raw[delimiter - 1 : delimiter] == b"\n" else delimiter
                stop = stop - 1 if self._raw[stop - 1 : stop] == b"\r" else stop
                yield opened, max(opened, stop)
            opened = behind
            if closing:
                return
        if opened is not None:
            yield opened, end

    def _delimiters(self, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Give each delimiter line: where it starts, where it ends, and whether it is the last."""
        sought = b"\n--" + boundary
        # The break that ends the header is the one before the body's first line.
        found = self._raw.find(sought, max(0, start - 1), end)
        while found != -1 and not self.has_given_up:
            line_end = self._raw.find(b"\n", found + 1, end)
            behind = end if line_end == -1 else line_end + 1
            rest = bytes(self._view[found + len(sought) : behind])
            closing = rest.startswith(b"--")
            if not rest.removeprefix(b"--").strip():
                yield found + 1, behind, closing
            else:
                self._lookalikes += 1
            # The next delimiter may share this line's break.
            found = self._raw.find(sought, behind - 1, end)


def _from_base64(octets: bytes) -> bytes:
    digits = octets.partition(b"=")[0].translate(None, _NOT_BASE64)
    if len(digits) % 4 == 1:  # six bits carry no byte
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
