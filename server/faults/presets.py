"""Presets: faults with a story, from the files of this package and of a folder of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from bindpost.config.fault import Fault, When, problem_of, said, summary_of, takes, too_early
from bindpost.config.fault_change import UNCHANGED, Change, changed, read_change
from bindpost.config.file import parse, read
from bindpost.config.lines import place_in
from bindpost.config.tree import check
from bindpost.errors import ConfigError

from .desk import Faults
from .state import Armed

FOLDER: Final = Path(__file__).parent / "presets"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A preset's file."""

    title: str
    story: str
    fault: tuple[Fault, ...]


class Preset(msgspec.Struct, frozen=True):
    """A preset: `name` is its file's, `story` tells what it is like in the world."""

    name: str
    title: str
    story: str
    faults: tuple[Fault, ...]


def load_presets(own: Path | None = None) -> Mapping[str, Preset]:
    """
    Give all presets by name; those of the user's folder count more than bindpost's.

    Raises `ConfigError` that names the file.
    """
    folders = [FOLDER] if own is None else [FOLDER, own]
    if own is not None and not own.is_dir():
        raise ConfigError("fault_presets", f"there is no folder {own}")
    found = {path.stem: _read(path) for folder in folders for path in sorted(folder.glob("*.toml"))}
    return MappingProxyType(dict(sorted(found.items())))


def _read(path: Path) -> Preset:
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=_File)
    except (OSError, ValueError):
        file = _explained(path)
    if problem := next(filter(None, map(problem_of, file.fault)), ""):
        raise ConfigError("fault_presets", f"{path}: {problem}")
    return Preset(path.stem, file.title, " ".join(file.story.split()), file.fault)


def _explained(path: Path) -> _File:
    """Read a file that is wrong, to say which key it is, what it must be, and where it stands."""
    text = read(path, "fault_presets", what="preset", hint="docs/faults.md tells how to write one")
    tree = parse(text, path, "fault_presets")
    check(tree, place_in(text, path), (_File,))
    return msgspec.convert(tree, _File)


class LeftOut(NamedTuple):
    """A rule of a preset that can't be narrowed so, and why."""

    name: str
    summary: str
    reason: str


class Fitted(NamedTuple):
    """What a preset comes to: its rules as they are to be, and those that are left out."""

    faults: list[Fault]
    left_out: list[LeftOut]


class Used(NamedTuple):
    """A preset that is in force."""

    added: list[Armed]
    left_out: list[LeftOut]


def use(
    faults: Faults,
    preset: Preset,
    scope: When = When(),  # noqa: B008 - frozen
    change: Change = UNCHANGED,
) -> Used:
    """
    Put a preset's rules into force, as `fit` makes them; all of them, or none.

    Raises `ValueError` with a sentence.
    """
    fitted = fit(preset, scope, change)
    added: list[Armed] = []
    try:
        for fault in fitted.faults:
            armed = faults.add(fault)
            added.append(armed)
    except ValueError:
        for armed in added:
            faults.remove(armed.fault.name)
        raise
    return Used(added, fitted.left_out)


def fit(preset: Preset, scope: When, change: Change = UNCHANGED) -> Fitted:
    """
    Narrow each rule of a preset by `scope`, and change the keys that mean something for it.

    Rules at whose stage `scope` can't hold yet are left out. Raises `ValueError` with a sentence if
    none is left, or none that is takes a key of the change.
    """
    change = read_change(change)
    faults: list[Fault] = []
    left_out: list[LeftOut] = []
    for place, fault in enumerate(preset.faults, 1):
        name = fault.name or f"{preset.name}-{place}"
        narrowed = msgspec.structs.replace(fault, name=name, when=narrow(fault.when, scope))
        if too_early(narrowed):
            left_out.append(LeftOut(name, summary_of(narrowed), problem_of(narrowed)))
        else:
            faults.append(changed(narrowed, change))
    if not faults:
        reasons = "; ".join(one.reason for one in left_out)
        raise ValueError(f"{preset.name} can't be narrowed so: {reasons}")
    for key in change:
        if not any(takes(fault, key) for fault in faults):
            raise ValueError(f"no rule of {preset.name} takes {key}")
    return Fitted(faults, left_out)


def narrow(when: When, scope: When) -> When:
    """Give a condition in which all that `scope` says counts more."""
    told: dict[str, Any] = dict(said(scope))
    return msgspec.structs.replace(when, **told)
