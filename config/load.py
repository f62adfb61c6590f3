"""Loading of the settings: defaults < file < environment < flags, with each value's origin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import msgspec

from bindpost.errors import ConfigError

from .environment import FILE, LISTEN, VIA, assignments, from_text
from .fault_file import check_faults, read_faults
from .fields import SETTINGS, Field, fields_of
from .file import DEFAULT_NAME, parse, read
from .lines import nearest, place_in
from .model import Settings
from .store import check_store
from .tree import Tree, check, join, leaves
from .via import scheme_of

FLAGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "web": ("web",),
        "data": ("data",),
        "store": ("store",),
        "personality": ("personality",),
        "on_bind_failure": ("on_bind_failure",),
        "log": ("log",),
        "log_level": ("log_level",),
        "ready_file": ("ready_file",),
        "hostname": ("hostname",),
        "node": ("node",),
        "user": ("user",),
        "tls_certificate": ("tls", "certificate"),
        "tls_key": ("tls", "key"),
    }
)
"""The setting that each flag sets; `listen` and `via` stand beside them."""

_UNIX: Final = "unix:"
_TOML: Final = ".toml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    The settings in force.

    `origins` says by dotted key where each value that is not a default came from: `FILE:LINE`, the
    name of a variable, or a flag. `folder` is what relative file names in the file are relative to:
    the file's own folder, else the current one. Inside `settings` they are absolute already.
    """

    settings: Settings
    origins: Mapping[str, str]
    folder: Path


def load(
    *,
    file: Path | None = None,
    flags: Mapping[str, object] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
    look_around: bool = True,
) -> Loaded:
    """
    Load the settings; `environ` is the process's environment unless given.

    The file is `file`, else what `BINDPOST_CONFIG` names, else `bindpost.toml` in the current
    folder if there is one and `look_around` is set. `flags` has the keys of `FLAGS`, `listen`
    (endpoints, which replace the listeners of the file) and `via` (for every listener); a flag that
    is None was not given.

    Raises `ConfigError` for whatever is wrong; it names the key, the value and its origin.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in flags.items() if value is not None}
    draft = _Draft(_current_folder())
    _read_file(draft, file, environ, look_around=look_around)
    for assignment in assignments(environ, draft.tree):
        draft.put(assignment.path, assignment.value, assignment.field, assignment.origin)
    for name, value in given.items():
        _put_flag(draft, name, value)
    _put_listeners(draft, environ, given)
    check(draft.tree, draft.origin)
    _add_faults(draft)
    settings = msgspec.convert(draft.tree, Settings)
    _check_vias(settings, draft)
    check_faults(settings.fault, draft.origin)
    _check_store(settings, draft)
    return Loaded(settings, MappingProxyType(draft.origins), draft.folder)


@dataclass(slots=True)
class _Draft:
    """Settings in the making: the raw tree, and where its values came from."""

    folder: Path
    tree: Tree = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    """Keys that the environment or a flag set."""

    def origin(self, key: str) -> str:
        """Give where a value came from, else the table around it; empty if nobody knows."""
        return self.origins.get(nearest(key, self.origins), "")

    def put(self, path: tuple[str, ...], value: object, known_as: Field, origin: str) -> None:
        """Set one value; file names in it are relative to the current folder."""
        table, key = self.tree, ""
        for part in path[:-1]:
            table = cast("Tree", table.setdefault(part, {}))  # the file's tables were checked
            key = join(key, part)
        table[path[-1]] = _absolute(value, known_as, _current_folder())
        key = join(key, path[-1])
        self.origins[key] = origin
        self.given.add(key)

    def listeners(self) -> list[Tree]:
        """Give the listeners, the default one if there is none, to be changed in place."""
        if "listener" not in self.tree:
            default = cast("Iterable[Tree]", fields_of(SETTINGS)["listener"].default)
            self.tree["listener"] = [dict(listener) for listener in default]
        return cast("list[Tree]", self.tree["listener"])


def _read_file(
    draft: _Draft, file: Path | None, environ: Mapping[str, str], *, look_around: bool
) -> None:
    """Put the configuration file into the draft, checked, if there is one."""
    if file is not None:
        path, named_by = file, "--config"
    elif environ.get(FILE):
        path, named_by = Path(environ[FILE]), FILE
    elif look_around and os.path.exists(DEFAULT_NAME):  # Path.exists raises where this says False
        path, named_by = Path(DEFAULT_NAME), ""
    else:
        return
    text = read(path, named_by)
    draft.tree = parse(text, path, named_by)
    draft.folder = (draft.folder / path).parent
    place = place_in(text, path)
    found = list(leaves(draft.tree))
    draft.origins = {leaf.key: place(leaf.key) for leaf in found}
    check(draft.tree, draft.origin)
    for leaf in found:
        assert leaf.field is not None  # or the check had not passed
        leaf.holder[leaf.name] = _absolute(leaf.value, leaf.field, draft.folder)


def _put_flag(draft: _Draft, name: str, value: object) -> None:
    """Put a flag into the draft; `listen` and `via` are for `_put_listeners`."""
    if name in ("listen", "via"):
        return
    if name not in FLAGS:
        raise ConfigError(_flag(name), "there is no such flag", hint=f"flags: {', '.join(FLAGS)}")
    path = FLAGS[name]
    tables = SETTINGS
    for part in path[:-1]:
        tables = fields_of(tables)[part].tables
    known_as = fields_of(tables)[path[-1]]
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    draft.put(
        path, from_text(text, known_as) if isinstance(text, str) else text, known_as, _flag(name)
    )


def _put_listeners(draft: _Draft, environ: Mapping[str, str], flags: Mapping[str, object]) -> None:
    """Apply what stands for all listeners at once: `listen`, `via` and `personality`."""
    if listen := _shorthand("listen", LISTEN, environ, flags):
        endpoints, origin = listen
        known_as = fields_of(fields_of(SETTINGS)["listener"].tables)["endpoint"]
        texts = [_absolute(text, known_as, _current_folder()) for text in _split(endpoints)]
        if not texts:
            raise ConfigError("listener", "no endpoint is named", origin=origin)
        draft.tree["listener"] = [{"endpoint": text} for text in texts]
        for key in [key for key in draft.origins if key.startswith("listener[")]:
            del draft.origins[key]
        draft.origins |= {f"listener[{i}].endpoint": origin for i in range(len(texts))}
    if via := _shorthand("via", VIA, environ, flags):
        for index, listener in enumerate(draft.listeners()):
            listener["via"], draft.origins[f"listener[{index}].via"] = via
    if "personality" in draft.given:
        for index, listener in enumerate(draft.listeners()):
            if listener.get("personality"):
                listener["personality"] = draft.tree["personality"]
                draft.origins[f"listener[{index}].personality"] = draft.origins["personality"]


def _shorthand(
    name: str, variable: str, environ: Mapping[str, str], flags: Mapping[str, object]
) -> tuple[object, str] | None:
    """Give the value of a flag or, failing that, of its variable, with its origin."""
    if flags.get(name):
        return flags[name], _flag(name)
    return (environ[variable], variable) if variable in environ else None


def _split(endpoints: object) -> list[str]:
    """Give endpoints as texts, from a sequence or from one text with commas."""
    if isinstance(endpoints, str):
        return [part.strip() for part in endpoints.split(",") if part.strip()]
    return [str(endpoint) for endpoint in cast("Iterable[object]", endpoints)]


def _absolute(value: object, known_as: Field, folder: Path) -> object:
    """Make file names, those of Unix sockets included, absolute."""
    if isinstance(value, list):
        return [_absolute(part, known_as, folder) for part in value]
    if not isinstance(value, str) or not value or value in known_as.words:
        return value
    # os.path's expanduser leaves alone a ~ that it can't expand; that of pathlib raises.
    if known_as.kind == "endpoint" and value.startswith(_UNIX):
        return f"{_UNIX}{folder / os.path.expanduser(value.removeprefix(_UNIX))}"
    is_file = known_as.kind == "personality" and value.endswith(_TOML)
    if known_as.kind == "file" or is_file:
        return str(folder / os.path.expanduser(value))
    return value


def _check_vias(settings: Settings, draft: _Draft) -> None:
    vias = {f"listener[{index}].via": one.via for index, one in enumerate(settings.listener)}
    for key, via in (vias | {"pop3.via": settings.pop3.via}).items():
        try:
            scheme_of(via, settings.path)
        except ValueError as error:
            raise ConfigError(key, str(error), origin=draft.origin(key)) from None


def _add_faults(draft: _Draft) -> None:
    """Put the rules of the file that `faults` names behind those of the settings."""
    name = str(draft.tree.get("faults", ""))
    if not name:
        return
    rules = cast("list[Tree]", draft.tree.setdefault("fault", []))
    for table, places in read_faults(Path(name), draft.origin("faults") or "faults"):
        key = f"fault[{len(rules)}]"
        rules.append(table)
        draft.origins |= {f"{key}{rest}": place for rest, place in places.items()}


def _check_store(settings: Settings, draft: _Draft) -> None:
    if settings.store:
        try:
            check_store(settings.store)
        except ValueError as error:
            raise ConfigError("store", str(error), origin=draft.origin("store")) from None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(
            "current folder", f"cannot be used: {error.strerror}", hint="change to another folder"
        ) from None
