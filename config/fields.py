"""The settings model as data: each field's name, type, bounds, default and help."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Meta

from .model import Settings

REQUIRED: Final = msgspec.NODEFAULT
"""Default of a field that has none."""

Tables = tuple[type[msgspec.Struct], ...]
"""What a table can be: one class, or the members of a union that the key `type` tells apart."""

SETTINGS: Final[Tables] = (Settings,)
"""The outermost table."""


class Shape(Enum):
    """What stands behind a key."""

    VALUE = "value"
    TABLE = "table"
    ARRAY = "array of tables"
    NAMED = "table of named tables"


@dataclass(frozen=True, slots=True)
class Field:
    """
    One key of a table.

    `name` is the key as files write it, `attribute` as Python does. `annotation` is what msgspec
    converts to, `type` the same without its `Meta`. `default` is in the form that a file would
    have, or `REQUIRED`. `kind` is `file`, `personality` (a name, or a file that ends in .toml),
    `node`, `name`, `printable`, `enhanced`, `endpoint`, `text` (of several lines) or empty; `words`
    are the values that stand for themselves instead (`off`); `services` says whether an endpoint's
    port may be the name of a service.
    `tables` is what the shapes other than VALUE hold.
    """

    name: str
    attribute: str
    annotation: object
    type: object
    help: str = ""
    default: object = REQUIRED
    bounds: tuple[Meta, ...] = ()
    kind: str = ""
    words: tuple[str, ...] = ()
    services: bool = False
    shape: Shape = Shape.VALUE
    tables: Tables = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that are allowed, in the model's order; empty if not a choice."""
        return typing.get_args(self.type) if typing.get_origin(self.type) is Literal else ()

    @property
    def is_list(self) -> bool:
        """Whether the value is a list of strings."""
        return self.shape is Shape.VALUE and typing.get_origin(self.type) is tuple

    @property
    def expected(self) -> str:
        """What a value must be, in words: `a whole number from 1 to 20`."""
        match self.shape:
            case Shape.TABLE:
                return "a table"
            case Shape.ARRAY:
                return f"[[{self.name}]] tables"
            case Shape.NAMED:
                return f"[{self.name}.NAME] tables"
        if self.choices:
            one_of = "one of " if len(self.choices) > 1 else ""
            return one_of + ", ".join(f'"{choice}"' for choice in self.choices)
        if self.is_list:
            return "a list of file names" if self.kind == "file" else "a list of strings"
        if typing.get_origin(self.type) is dict:
            values = typing.get_args(self.type)[1]
            both = typing.get_origin(values) is types.UnionType
            return "a table of strings, or of lists of them" if both else "a table of strings"
        nouns: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number"}
        kinds = {
            "file": "a file name",
            "personality": "a name, or a file name that ends in .toml",
            "node": "a word without a comma",
            "name": "a word of letters, digits and . _ -",
            "printable": "printable ASCII",
            "enhanced": "an enhanced code such as 4.7.1",
            "endpoint": 'an endpoint such as "127.0.0.1:1025"',
        }
        noun = nouns.get(self.type) or kinds.get(self.kind, "a string")
        longest = next((meta.max_length for meta in self.bounds if meta.max_length), None)
        length = f", of up to {longest} characters" if longest else ""
        words = "".join(f', or "{word}"' for word in self.words)
        return f"{noun} {self._range}".rstrip() + length + words

    @property
    def _range(self) -> str:
        at_least = next((meta.ge for meta in self.bounds if meta.ge is not None), None)
        above = next((meta.gt for meta in self.bounds if meta.gt is not None), None)
        at_most = next((meta.le for meta in self.bounds if meta.le is not None), None)
        if at_least is not None and at_most is not None:
            return f"from {at_least} to {at_most}"
        words = [f"of {at_least} or more"] if at_least is not None else []
        words += [f"above {above}"] if above is not None else []
        words += [f"up to {at_most}"] if at_most is not None else []
        return " and ".join(words)


@cache
def fields_of(tables: Tables) -> Mapping[str, Field]:
    """Give the fields of a table by the name that files use; a union gives those of all members."""
    found: dict[str, Field] = {}
    tags = tuple(str(table.__struct_config__.tag) for table in tables)
    if key := tables[0].__struct_config__.tag_field:
        kinds = Literal[tags]  # type: ignore[valid-type]  # a Literal that is made at run time
        found[key] = Field(key, key, kinds, kinds, help="Kind of the path.")
    for table in tables:
        for info in msgspec.structs.fields(table):
            found[info.encode_name] = _field(info)
    return types.MappingProxyType(found)


def member_of(tables: Tables, table: Mapping[str, object]) -> Tables:
    """Give the one class that `table` says it is by its tag, or all of them if it does not say."""
    tag_field = tables[0].__struct_config__.tag_field
    if not tag_field:
        return tables
    said = tuple(t for t in tables if t.__struct_config__.tag == table.get(tag_field))
    return said or tables


def known(tables: Tables = SETTINGS, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """
    Give every setting with its dotted key, tables themselves left out.

    Listeners are under `listener[]`, the fields of bind paths under `path.NAME`.
    """
    for field in fields_of(tables).values():
        key = f"{prefix}{field.name}"
        match field.shape:
            case Shape.VALUE:
                yield key, field
            case Shape.TABLE:
                yield from known(field.tables, f"{key}.")
            case Shape.ARRAY:
                yield from known(field.tables, f"{key}[].")
            case _:
                yield from known(field.tables, f"{key}.NAME.")


def plain(name: str) -> str:
    """Give a key without case and separators: what environment variables are matched by."""
    return name.replace("_", "").replace("-", "").lower()


def _field(info: msgspec.structs.FieldInfo) -> Field:
    annotation = info.type
    metas: tuple[Meta, ...] = ()
    bare: Any = annotation
    if typing.get_origin(annotation) is typing.Annotated:
        bare, *rest = typing.get_args(annotation)
        metas = tuple(meta for meta in rest if isinstance(meta, Meta))
    extra: dict[str, Any] = {}
    for meta in metas:
        extra |= meta.extra or {}
    shape, tables = _shape(bare)
    helps = [meta.description for meta in metas if meta.description]
    return Field(
        name=info.encode_name,
        attribute=info.name,
        annotation=annotation,
        type=bare,
        help=helps[-1] if helps else "",
        default=_default(info),
        bounds=metas,
        kind=extra.get("kind", ""),
        words=extra.get("words", ()),
        services=extra.get("services", False),
        shape=shape,
        tables=tables,
    )


def _shape(bare: Any) -> tuple[Shape, Tables]:
    arguments = typing.get_args(bare)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return Shape.TABLE, (bare,)
    if typing.get_origin(bare) is tuple and _shape(arguments[0])[0] is Shape.TABLE:
        return Shape.ARRAY, (arguments[0],)
    if typing.get_origin(bare) is dict and not _is_string(arguments[1]):
        return Shape.NAMED, typing.get_args(arguments[1]) or (arguments[1],)
    return Shape.VALUE, ()


def _is_string(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation in (str, str | tuple[str, ...])


def _default(info: msgspec.structs.FieldInfo) -> object:
    if info.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(info.default)
    if info.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(info.default_factory())
    return REQUIRED
