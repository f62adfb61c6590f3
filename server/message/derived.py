"""
Derived: what a message's header says of its envelope, for one that was imported without it.

RFC 5321, 4.4 has the sender's path put into Return-Path by the last server; Delivered-To and
X-Original-To are what Postfix and others add for the recipient. None of it is sure, so what is
taken from here is marked as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .addresses import parse_addresses
from .headers import HEADER_LIMIT

RECIPIENTS: Final = 1000
"""Recipients that are taken at most."""

ADDRESS_LIMIT: Final = 1000
"""Characters of an address."""

_CLEAN: Final = re.compile(rf"\S{{1,{ADDRESS_LIMIT}}}")
_HEADER_END: Final = re.compile(rb"(?:\A|\n)\r?\n")
_FIELD: Final = re.compile(rb"^([!-9;-~]+)[ \t]*:((?:[^\n]*)(?:\n[ \t][^\n]*)*)", re.MULTILINE)


def reverse_path(raw: bytes) -> str:
    """Give what is likely the sender of the envelope; empty if nothing tells."""
    fields = _fields(raw)
    for name in ("return-path", "sender", "from"):
        for value in fields.get(name, []):
            if name == "return-path" and value.strip() == b"<>":
                return ""
            for address in _addresses(value):
                return address
    return ""


def recipients(raw: bytes) -> tuple[str, ...]:
    """Give what are likely the recipients of the envelope, each once; none if nothing tells."""
    fields = _fields(raw)
    for names in (("delivered-to",), ("x-original-to",), ("to", "cc", "bcc")):
        values = [value for name in names for value in fields.get(name, [])]
        found = dict.fromkeys(address for value in values for address in _addresses(value))
        if found:
            return tuple(found)[:RECIPIENTS]
    return ()


def _addresses(value: bytes) -> Iterator[str]:
    """Give the addresses that an envelope could have had."""
    for found in parse_addresses(value):
        address = found.address
        if "@" in address and _CLEAN.fullmatch(address) and address.isprintable():
            yield address


def _fields(raw: bytes) -> dict[str, list[bytes]]:
    """Give the header's fields by their names in small letters, in order."""
    header = raw[:HEADER_LIMIT]
    if end := _HEADER_END.search(header):
        header = header[: end.start() + 1]
    fields: dict[str, list[bytes]] = {}
    for field in _FIELD.finditer(header):
        fields.setdefault(field[1].decode("ascii").lower(), []).append(field[2])
    return fields
