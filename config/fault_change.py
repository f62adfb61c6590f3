"""What somebody says of a rule, key by key: a rule of its own, or changes of a preset's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from bindpost.errors import ConfigError

from .environment import from_text
from .fault import Fault, When, takes
from .fields import fields_of
from .kinds import Table
from .tree import Tree, check

Change = Mapping[str, int | float | str]
"""Keys of `[[fault]]` with the values that they are to have."""
UNCHANGED: Final[Change] = MappingProxyType({})
_WHEN: Final = frozenset(When.__struct_fields__)
_CHANGED: Final = frozenset(Fault.__struct_fields__) - {"name", "stage", "action", "when"}


def read_rule(given: Mapping[str, Any]) -> Fault:
    """
    Read a rule, the keys of its condition beside the rest. Raises `ValueError`.

    What is said is checked as that of a file of rules is.
    """
    when = {key: value for key, value in given.items() if key in _WHEN}
    return read_table({"when": when} | {key: given[key] for key in given.keys() - _WHEN})


def read_table(tree: Tree) -> Fault:
    """Read a rule as a file has it. Raises `ValueError` that names the key and what it may be."""
    try:
        check(tree, lambda _: "", (Fault,))
    except ConfigError as error:
        hint = "" if error.hint else "; docs/faults.md lists the keys"
        raise ValueError(f"{error}{hint}") from None
    return msgspec.convert(tree, Fault)


def from_texts(given: Mapping[str, str]) -> dict[str, Any]:
    """Convert the values of keys as those of variables; what doesn't fit stays as it is."""
    fields = {**fields_of((Fault,)), **fields_of((When,))}
    return {
        key: from_text(value, fields[key]) if key in fields else value
        for key, value in given.items()
    }


def read_use(given: Mapping[str, Any], *, strict: bool = True) -> tuple[When, Change]:
    """
    Tell the conditions from the changes in what somebody says of a preset.

    Not strict, the values may be texts. Raises `ValueError` with a sentence.
    """
    when = {
        key: _read(key, value, When, strict=strict) for key, value in given.items() if key in _WHEN
    }
    rest = {key: value for key, value in given.items() if key not in _WHEN}
    return msgspec.convert(when, When), read_change(rest, strict=strict)


def read_change(given: Mapping[str, Any], *, strict: bool = True) -> Change:
    """Check a change's keys and values. Raises `ValueError` with a sentence."""
    if unknown := given.keys() - _CHANGED:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: no key that a preset can be used with; there are "
            f"{', '.join(sorted(_WHEN | _CHANGED))}"
        )
    return {key: _read(key, value, Fault, strict=strict) for key, value in given.items()}


def _read(key: str, value: object, table: type[Table], *, strict: bool) -> int | float | str:
    field = fields_of((table,))[key]
    try:
        read: int | float | str = msgspec.convert(value, field.annotation, strict=strict)
    except msgspec.ValidationError:
        raise ValueError(f"{key}: expected {field.expected}, got {value!r}") from None
    return read


def changed(fault: Fault, change: Change) -> Fault:
    """Give a rule with the keys of a change that mean something for it."""
    taken: dict[str, Any] = {key: value for key, value in change.items() if takes(fault, key)}
    return msgspec.structs.replace(fault, **taken)
