"""Texts made from the model: the tables of docs/settings.md, and a commented bindpost.toml."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bindpost import pages

from .fields import REQUIRED, SETTINGS, Field, Shape, Tables, fields_of

_PREAMBLE: Final = """\
# bindpost.toml: every setting at its default.
# Lines that begin with "# " explain; take the # away from the others to set something.
# The order is defaults, this file, BINDPOST_... variables, flags; see docs/settings.md.
"""


@dataclass(frozen=True, slots=True)
class Table:
    """
    A table: its header as files write it, empty for the top; what it is; its keys.

    `optional` is one that means something by being there, or stands in such a one.
    """

    header: str
    summary: str
    fields: tuple[Field, ...]
    optional: bool


def tables(kinds: Tables = SETTINGS) -> Iterator[Table]:
    """Give every table of the model, the top one first."""
    yield from _tables(kinds, "")


def markdown(kinds: Tables = SETTINGS) -> str:
    """Give a Markdown table of settings for each table of the model."""
    return "\n".join(_markdown(table) for table in tables(kinds))


def sample() -> str:
    """
    Give a bindpost.toml with every setting, its help and its default.

    All settings are commented out, so the text as it stands changes nothing.
    """
    return "\n".join([_PREAMBLE, *(_sample(table) for table in tables())])


def toml(value: object) -> str:
    """Write a value as TOML; but for DEL it is the same as JSON, unless it is a table."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _tables(kinds: Tables, header: str, *, optional: bool = False) -> Iterator[Table]:
    fields = tuple(fields_of(kinds).values())
    summary = inspect.getdoc(kinds[0]) or ""
    yield Table(header, summary, tuple(f for f in fields if f.shape is Shape.VALUE), optional)
    around = header.strip("[]")
    for field in fields:
        name = f"{around}.{field.name}" if around else field.name
        match field.shape:
            case Shape.TABLE:
                yield from _tables(field.tables, f"[{name}]", optional=optional)
            case Shape.ARRAY:
                yield from _tables(field.tables, f"[[{name}]]", optional=True)
            case Shape.NAMED:
                for kind in field.tables:
                    yield from _tables((kind,), f"[{name}.NAME]", optional=True)


def _markdown(table: Table) -> str:
    title = f"`{table.header}`" if table.header else "Top of the file"
    if table.header.endswith(".NAME]") and table.fields[0].choices:
        title += f", {_tag(table)}"
    lines = pages.table(("key", "value", "default", "meaning"), map(_cells, table.fields))
    return f"### {title}\n\n{table.summary}\n\n{lines}\n"


def _cells(field: Field) -> tuple[str, ...]:
    default = "must be given" if field.default is REQUIRED else f"`{toml(field.default)}`"
    return (f"`{field.name}`", field.expected, default, field.help)


def _sample(table: Table) -> str:
    # A plain table's header is left in force: it sets nothing, and its keys need it.
    lines = [f"# {line}".rstrip() for line in table.summary.splitlines()]
    if table.header:
        lines.append(f"#{table.header}" if table.optional else table.header)
    for field in table.fields:
        lines += [f"# {field.help}", f"#{field.name} = {_example(field)}"]
    return "\n".join([*lines, ""])


def _example(field: Field) -> str:
    if field.default is not REQUIRED:
        return toml(field.default)
    return toml(field.choices[0] if field.choices else "127.0.0.1:1025")


def _tag(table: Table) -> str:
    return f"`type = {toml(table.fields[0].choices[0])}`"


PART: Final = pages.Part(
    page="docs/settings.md",
    begin="<!-- made by python -m bindpost.config.document: begin -->",
    end="<!-- made by python -m bindpost.config.document: end -->",
    make=markdown,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
