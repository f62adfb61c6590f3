"""On which line of a TOML text each key stands: for messages only, so a key may be missing."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Container, Mapping
from pathlib import Path

from .tree import join


def line_numbers(text: str) -> Mapping[str, int]:
    """Give the line, counted from 1, of each dotted key and each table header of a TOML text."""
    found: dict[str, int] = {}
    tables: dict[str, int] = {}
    prefix, inside = "", False
    for number, line in enumerate(text.splitlines(), start=1):
        triples = line.count('"""') + line.count("'''")
        if not inside:
            stripped = line.strip()
            if stripped.startswith("["):
                prefix = _header(stripped, tables) or prefix
                found.setdefault(prefix, number)
            elif key := _path(f"{stripped.partition('=')[0]} = 0", prefix):
                found.setdefault(key, number)
        inside ^= triples % 2 == 1
    return found


def place_in(text: str, path: Path) -> Callable[[str], str]:
    """Give what says where a key of a TOML text stands, or the table around it: `FILE:LINE`."""
    lines = line_numbers(text)

    def place(key: str) -> str:
        known = nearest(key, lines)
        return f"{path}:{lines[known]}" if known else str(path)

    return place


def nearest(key: str, known: Container[str]) -> str:
    """Give a dotted key if it is known, else that of the nearest table around it; empty if none."""
    while key and key not in known:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return key


def _header(line: str, tables: dict[str, int]) -> str:
    """Give the key of a table header; each `[[table]]` counts on."""
    key = _path(line, "")
    if key and line.startswith("[["):
        tables[key] = tables.get(key, -1) + 1
        return f"{key}[{tables[key]}]"
    head, dot, rest = key.partition(".")
    return f"{head}[{tables[head]}].{rest}" if dot and head in tables else key


def _path(snippet: str, prefix: str) -> str:
    """Give the dotted key that a single line of TOML sets; empty if it sets none."""
    try:
        value: object = tomllib.loads(snippet)
    except (ValueError, RecursionError):
        return ""
    key = prefix
    while isinstance(value, dict | list) and value:
        if isinstance(value, dict):
            name, value = next(iter(value.items()))
            key = join(key, name)
        else:
            value = value[0]
    return key if key != prefix else ""
