"""Changes of a preset: which keys of its rules are to be others, and what that makes of a rule."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from .fault import Fault, When, takes

Change = Mapping[str, int | float | str]
"""Keys of `[[fault]]` with the values that they are to have."""
UNCHANGED: Final[Change] = MappingProxyType({})
_WHEN: Final = frozenset(When.__struct_fields__)
_TYPES: Final = {
    field.name: field.type
    for field in msgspec.structs.fields(Fault)
    if field.name not in ("name", "stage", "action", "when")
}


def read_use(given: Mapping[str, Any], *, strict: bool = True) -> tuple[When, Change]:
    """
    Tell the conditions from the changes in what somebody says of a preset.

    Not strict, the values may be texts. Raises `ValueError` with a sentence.
    """
    when = {key: value for key, value in given.items() if key in _WHEN}
    rest = {key: value for key, value in given.items() if key not in _WHEN}
    return msgspec.convert(when, When, strict=strict), read_change(rest, strict=strict)


def read_change(given: Mapping[str, Any], *, strict: bool = True) -> Change:
    """Check a change's keys and values. Raises `ValueError` with a sentence."""
    if unknown := given.keys() - _TYPES.keys():
        raise ValueError(
            f"{', '.join(sorted(unknown))}: no key that a preset can be used with; there are "
            f"{', '.join(sorted(_WHEN | _TYPES.keys()))}"
        )
    return {key: _read(key, value, strict=strict) for key, value in given.items()}


def _read(key: str, value: object, *, strict: bool) -> int | float | str:
    try:
        read: int | float | str = msgspec.convert(value, _TYPES[key], strict=strict)
    except msgspec.ValidationError as error:
        raise ValueError(f"{key}: {error}") from None
    return read


def changed(fault: Fault, change: Change) -> Fault:
    """Give a rule with the keys of a change that mean something for it."""
    taken: dict[str, Any] = {key: value for key, value in change.items() if takes(fault, key)}
    return msgspec.structs.replace(fault, **taken)
