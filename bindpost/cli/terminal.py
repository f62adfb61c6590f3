"""What commands print: lines that a terminal shows and does not obey, and JSON."""

from __future__ import annotations

import sys
import unicodedata
from typing import BinaryIO, Final

import click
import msgspec

_OBEYED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a terminal acts upon: controls, surrogates, line breaks."""
_TURNING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Directional classes of the characters that make a text look like another one (UAX 9)."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write bytes to a file that may take a part at a time: standard output does, unbuffered."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def print_json(value: object) -> None:
    """Print a value as JSON, indented."""
    click.echo(harmless_json(msgspec.json.format(msgspec.json.encode(value)).decode("utf-8")))


def harmless_json(text: str) -> str:
    """Give JSON in which what a terminal would obey is escaped too; JSON itself asks that of C0."""
    return "\n".join(
        line
        if line.isprintable()
        else "".join(char if _is_harmless(char) else f"\\u{ord(char):04x}" for char in line)
        for line in text.split("\n")
    )


def printable(text: str) -> str:
    """
    Give a line that a terminal shows and does not obey.

    Control characters, and those that turn the direction of writing, are written as escapes, and so
    is what the encoding of standard output lacks.
    """
    shown = "".join(char if _is_harmless(char) else _escape(char) for char in text)
    encoding = sys.stdout.encoding or "ascii"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _is_harmless(char: str) -> bool:
    return char == "\t" or (
        unicodedata.category(char) not in _OBEYED
        and unicodedata.bidirectional(char) not in _TURNING
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
