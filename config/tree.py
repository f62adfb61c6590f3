"""Raw settings, as a file gives them, walked and checked beside the model."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from bindpost.errors import ConfigError

from . import services
from .endpoint import Endpoint
from .fields import REQUIRED, SETTINGS, Field, Shape, Tables, fields_of, known, member_of, plain
from .redact import redact

Tree = dict[str, object]
"""A table as `tomllib` gives it."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LARGEST: Final = 2**63 - 1
"""TOML's and SQLite's largest integer."""
_SHOWN: Final = 80
"""Characters of a bad value that an error message shows."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """
    A value in a tree of settings.

    `field` is None for a key that the model doesn't have; `siblings` are the fields that its table
    has. A required value that is missing is a leaf that is not in its `holder`.
    """

    key: str
    name: str
    holder: Tree
    field: Field | None
    siblings: Mapping[str, Field]

    @property
    def value(self) -> object:
        """The value, or `REQUIRED` if it is missing."""
        return self.holder.get(self.name, REQUIRED)


def join(prefix: str, name: str) -> str:
    """Give the dotted key of `name` in table `prefix`, quoted as TOML does where it must be."""
    written = name if _BARE.fullmatch(name) else json.dumps(name)
    return f"{prefix}.{written}" if prefix else written


def leaves(tree: Tree, tables: Tables = SETTINGS, prefix: str = "") -> Iterator[Leaf]:
    """
    Give every value of a tree with its dotted key: `listener[0].endpoint`.

    A table where the model has a value, or a value where it has a table, is a leaf too.
    """
    fields = fields_of(member_of(tables, tree))
    for name, field in fields.items():
        if field.default is REQUIRED and name not in tree:
            yield Leaf(join(prefix, name), name, tree, field, fields)
    for name, value in tree.items():
        key, known_as = join(prefix, name), fields.get(name)
        if known_as is None:
            yield Leaf(key, name, tree, None, fields)
            continue
        match known_as.shape, value:
            case Shape.TABLE, dict():
                yield from leaves(value, known_as.tables, key)
            case Shape.ARRAY, list() | tuple() if all(isinstance(part, dict) for part in value):
                for index, part in enumerate(value):
                    yield from leaves(part, known_as.tables, f"{key}[{index}]")
            case Shape.NAMED, dict():
                yield from _named(key, known_as, value)
            case _:
                yield Leaf(key, name, tree, known_as, fields)


def _named(prefix: str, field: Field, tree: Tree) -> Iterator[Leaf]:
    for name, value in tree.items():
        key = join(prefix, name)
        if isinstance(value, dict):
            yield from leaves(value, field.tables, key)
        else:
            yield Leaf(key, name, tree, Field(name, name, dict, dict, shape=Shape.TABLE), {})


def check(tree: Tree, origin: Callable[[str], str], tables: Tables = SETTINGS) -> None:
    """Raise `ConfigError` for the first value that the model does not allow."""
    for leaf in leaves(tree, tables):
        if leaf.field is None:
            raise _unknown(leaf, origin(leaf.key), tables)
        problem = _problem(leaf.field, leaf.value)
        if problem:
            raise ConfigError(leaf.key, problem, origin=origin(leaf.key))


def _problem(field: Field, value: object) -> str:
    """Say what is wrong with a value; an empty string if nothing is."""
    if value is REQUIRED:
        return f"is missing; it must be {field.expected}"
    if isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:
        return f"expected {field.expected}, got {_shown(value)}, which is out of range"
    try:
        msgspec.convert(value, field.annotation)
    except msgspec.ValidationError:
        return f"expected {field.expected}, got {_shown(value)}"
    texts = value if isinstance(value, list | tuple) else (value,)
    return next(filter(None, (_problem_of_text(field, text) for text in texts)), "")


def _problem_of_text(field: Field, text: object) -> str:
    if not isinstance(text, str):
        return ""
    if _SURROGATE.search(text):
        return f"{_shown(text)} is not UTF-8"
    if field.kind != "text" and _CONTROL.search(text):
        return f"{_shown(text)} has a control character in it"
    if field.kind == "endpoint" and text not in field.words:
        try:
            services.check(text) if field.services else Endpoint.parse(text)
        except ValueError as error:
            return "".join((str(error), *(f', or "{word}"' for word in field.words)))
    return ""


def _shown(value: object) -> str:
    match value:
        case dict():
            return "a table"
        case list() | tuple():
            wrong = [part for part in value if not isinstance(part, str)]
            return f"a list with {_shown(wrong[0])} in it" if wrong else "a list"
        case bool():
            return str(value).lower()
        case str():
            text = ascii(redact(value)) if _SURROGATE.search(value) else json.dumps(redact(value))
            return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        case _:
            return str(value)[:_SHOWN]


def _unknown(leaf: Leaf, origin: str, tables: Tables) -> ConfigError:
    every = "`bindpost config init` prints every setting there is" if tables is SETTINGS else ""
    hint = _suggestion(leaf, tables) or every
    return ConfigError(leaf.key, "there is no such setting", origin=origin, hint=hint)


def _suggestion(leaf: Leaf, tables: Tables) -> str:
    """Name the setting that was probably meant: in the same table first, then anywhere."""
    table = leaf.key.removesuffix(join("", leaf.name)).removesuffix(".")
    here = {plain(name): join(table, name) for name in leaf.siblings}
    anywhere = {} if "type" in leaf.siblings else {plain(f.name): key for key, f in known(tables)}
    for candidates in (here, anywhere):
        near = difflib.get_close_matches(plain(leaf.name)[:_SHOWN], candidates, n=1)
        if near:
            return f"did you mean {candidates[near[0]]}?"
    return f"this kind of path has: {', '.join(leaf.siblings)}" if not anywhere else ""
