"""Presets: faults with a story, from the files of this package and of a folder of the user's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from bindpost.config.fault import Fault, When, problem_of
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
        problem = next(filter(None, map(problem_of, file.fault)), "")
    except (OSError, ValueError, tomllib.TOMLDecodeError) as error:
        problem = str(error)
    if problem:
        raise ConfigError("fault_presets", f"{path}: {problem}")
    return Preset(path.stem, file.title, " ".join(file.story.split()), file.fault)


def use(faults: Faults, preset: Preset, scope: When = When()) -> list[Armed]:  # noqa: B008 - frozen
    """
    Put a preset's rules into force, each narrowed by `scope`; all of them, or none.

    Raises `ValueError` with a sentence.
    """
    added: list[Armed] = []
    try:
        for place, fault in enumerate(preset.faults, 1):
            name = fault.name or f"{preset.name}-{place}"
            narrowed = narrow(fault.when, scope)
            added.append(faults.add(msgspec.structs.replace(fault, name=name, when=narrowed)))
    except ValueError:
        for armed in added:
            faults.remove(armed.fault.name)
        raise
    return added


def narrow(when: When, scope: When) -> When:
    """Give a condition in which all that `scope` says counts more."""
    default = When()
    said = {
        name: value
        for name in When.__struct_fields__
        if (value := getattr(scope, name)) != getattr(default, name)
    }
    return msgspec.structs.replace(when, **said)
