"""Fault files: `[[fault]]` tables in a file of their own, beside the settings; read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, cast

import msgspec
from msgspec import Meta

from bindpost.errors import ConfigError

from .document import toml
from .fault import Fault, When, problem_of, said
from .file import parse, read
from .kinds import Table
from .lines import place_in
from .tree import Tree, check, leaves

_ODD: Final = re.compile(r"[^\w.-]")


class FaultFile(Table, frozen=True):
    """A file of rules."""

    fault: Annotated[tuple[Fault, ...], Meta(description="Faults on purpose, `[[fault]]`.")]


def read_faults(path: Path, named_by: str) -> list[tuple[Tree, Mapping[str, str]]]:
    """
    Read a file of rules: each as a table, with where each of its keys stands, `FILE:LINE`.

    A rule without a name is called by its file and its place in it. Raises `ConfigError` that names
    file, line and rule; `named_by` is the setting, or what it came from.
    """
    text = read(path, named_by, what="faults", hint="docs/faults.md tells how to write one")
    tree, place = parse(text, path, named_by), place_in(text, path)
    check(tree, place, (FaultFile,))
    tables = cast("list[Tree]", tree["fault"])
    for number, table in enumerate(tables, 1):
        table["name"] = table.get("name") or f"{_ODD.sub('-', path.stem)[:90]}-{number}"
    check_faults(msgspec.convert(tree, FaultFile).fault, place)
    found: list[tuple[Tree, Mapping[str, str]]] = []
    for index, table in enumerate(tables):
        key = f"fault[{index}]"
        named = (leaf.key for leaf in leaves(table, (Fault,), key))
        found.append((table, {one.removeprefix(key): place(one) for one in named}))
    return found


def check_faults(faults: Iterable[Fault], origin: Callable[[str], str]) -> None:
    """Raise `ConfigError` for a rule that can't be, or that has the name of another."""
    names: set[str] = set()
    for index, fault in enumerate(faults):
        key = f"fault[{index}]"
        if problem := problem_of(fault):
            named = f"{fault.name}: " if fault.name else ""
            raise ConfigError(key, f"{named}{problem}", origin=origin(f"{key}.stage"))
        if fault.name in names:
            problem = f"there are two faults of the name {fault.name!r}"
            raise ConfigError(f"{key}.name", problem, origin=origin(f"{key}.name"))
        names |= {fault.name} - {""}


def write_faults(faults: Iterable[Fault]) -> str:
    """Write rules as a file of them; what is as by default is left out."""
    return "\n".join(
        "\n".join(["[[fault]]", *(f"{key} = {toml(value)}" for key, value in _said(fault)), ""])
        for fault in faults
    )


def _said(fault: Fault) -> Iterator[tuple[str, object]]:
    """Give what a rule says beyond the defaults, its condition's keys behind `when.`."""
    for field in msgspec.structs.fields(Fault):
        value = getattr(fault, field.name)
        if isinstance(value, When):
            yield from ((f"when.{name}", own) for name, own in said(value).items())
        elif value != field.default:
            yield field.name, value
