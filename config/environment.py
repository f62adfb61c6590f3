"""Settings from environment variables: which variable means which setting, and text to values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bindpost.errors import ConfigError

from .fields import SETTINGS, Field, Shape, Tables, fields_of, member_of, plain
from .tree import Tree

PREFIX: Final = "BINDPOST_"
FILE: Final = f"{PREFIX}CONFIG"
"""Names the configuration file."""
LISTEN: Final = f"{PREFIX}LISTEN"
"""Endpoints, separated by commas; does what `--listen` does."""
VIA: Final = f"{PREFIX}VIA"
"""Bind path of every listener; does what `--via` does."""
TOKEN: Final = f"{PREFIX}TOKEN"
"""Bearer token with which commands ask a running server; no setting."""

_TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE: Final = frozenset({"0", "false", "no", "off", "n", "f"})
_SERVICE_LINK: Final = re.compile(
    r"SERVICE_(HOST|PORT(_\w+)?)=.*|PORT=\w+://.*|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=.*"
)
"""What Kubernetes sets in every pod beside a service that is called bindpost."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A value for the setting at `path`, a key for each table on the way, from `origin`."""

    path: tuple[str, ...]
    value: object
    field: Field
    origin: str


def assignments(environ: Mapping[str, str], tree: Tree) -> Iterator[Assignment]:
    """
    Give what the variables `BINDPOST_...` set; `FILE`, `LISTEN`, `VIA` and `TOKEN` are left out.

    Tables are joined with two underscores; case and single underscores don't matter otherwise.
    `tree` is what the file says: its `[path.NAME]` tables are matched by name. Raises `ConfigError`
    for a variable that means no setting.
    """
    for variable in sorted(environ):
        if variable in (FILE, LISTEN, VIA, TOKEN) or not variable.startswith(PREFIX):
            continue
        rest = variable.removeprefix(PREFIX)
        if _SERVICE_LINK.fullmatch(f"{rest}={environ[variable]}"):
            continue
        path, field = _find(SETTINGS, rest.split("__"), tree, variable)
        yield Assignment(path, from_text(environ[variable], field), field, variable)


def from_text(text: str, field: Field) -> object:
    """
    Convert leniently: `1`, `yes`, `ON`; lists by commas; choices in any case.

    A text that does not fit comes back as it is, for the check of all settings to refuse.
    """
    if field.is_list:
        return [part.strip() for part in text.split(",") if part.strip()]
    if field.choices:
        return next((c for c in field.choices if c.lower() == text.strip().lower()), text)
    if field.type is bool:
        word = text.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else text
    if field.type in (int, float):
        try:
            return int(text) if field.type is int else float(text)
        except ValueError:
            return text
    return text


def token_of(environ: Mapping[str, str]) -> str | None:
    """Give the bearer token for asking a running server, None if there is none."""
    return environ.get(TOKEN, "").strip() or None


def variables(tables: Tables = SETTINGS, prefix: str = PREFIX) -> Iterator[str]:
    """Give the variable of every setting that has one, as docs/settings.md writes it."""
    for field in fields_of(tables).values():
        name = f"{prefix}{field.attribute.upper()}"
        match field.shape:
            case Shape.VALUE:
                yield name
            case Shape.TABLE:
                yield from variables(field.tables, f"{name}__")
            case Shape.NAMED:
                yield from variables(field.tables, f"{name}__NAME__")


def _find(
    tables: Tables, names: list[str], tree: object, variable: str
) -> tuple[tuple[str, ...], Field]:
    """Follow the components of a variable's name down the model."""
    by_name = {plain(field.name): field for field in fields_of(tables).values()}
    field = by_name.get(plain(names[0]))
    inner = tree.get(field.name) if field and isinstance(tree, dict) else None
    if field is None:
        raise _unknown(variable)
    match field.shape, names[1:]:
        case Shape.VALUE, []:
            return (field.name,), field
        case Shape.TABLE, [_, *_]:
            path, found = _find(field.tables, names[1:], inner, variable)
            return (field.name, *path), found
        case Shape.NAMED, [wanted, _, *_] if wanted:
            taken = inner if isinstance(inner, dict) else {}
            name = next((n for n in taken if plain(n) == plain(wanted)), wanted.lower())
            table = taken.get(name, {})
            path, found = _find(member_of(field.tables, table), names[2:], table, variable)
            return (field.name, name, *path), found
    raise _unknown(variable)


def _unknown(variable: str) -> ConfigError:
    if plain(variable).startswith(plain(f"{PREFIX}LISTENER")):
        hint = f"use {LISTEN} and {VIA}, or [[listener]] in the file"
    else:
        near = difflib.get_close_matches(variable, (FILE, LISTEN, VIA, TOKEN, *variables()), n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists them all"
    return ConfigError(variable, "there is no such setting", origin="the environment", hint=hint)
