"""Scenario files: those that bindpost brings, and people's own; read, checked, found by name."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

import msgspec

from bindpost.errors import ConfigError

from .file import parse, read
from .lines import place_in
from .scenario import Phase, Scenario, Server
from .tree import check, join

VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "exchange": "address of the Exchange machine",
        "proxy": "inner address of the proxy",
        "external": "outer address of the proxy, which the Internet dials",
        "internet": "address of the host outside",
        "any": "`0.0.0.0`, or the Exchange machine's address where all machines are one",
        "port": "the mail port",
        "control": "the proxy's own port",
        "hostname": "the service's name in its banner",
        "user": "name of the user who runs the lab",
        "folder": "the folder of the service's or the server's files",
        "phase": "the folder of the phase's evidence",
        "run": "the folder of the whole run's evidence",
    }
)
"""What stands for itself in the texts of a scenario as `$name`; `$$` is a dollar sign."""
SETTINGS_FILE: Final = "bindpost.toml"
OVERLAID: Final = frozenset({"etc/hosts", "etc/services"})
"""Files that the service sees in place of the machine's own."""
RESERVED: Final = frozenset({"stream"})
"""Names that mean something else in the API."""
_START: Final = "`bindpost lab show q203116 --toml` prints one to start from"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario with its name, and where it came from."""

    name: str
    origin: str
    text: str
    scenario: Scenario


def names() -> list[str]:
    """Give the names of the scenarios that bindpost brings, in alphabetical order."""
    found = (file.name for file in _folder().iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load(name: str) -> ScenarioFile:
    """
    Load a scenario by its name, or by the path of a file that ends in .toml.

    Raises `ConfigError` that names file, line and key.
    """
    if name.endswith(".toml"):
        path = Path(name)
        text = read(path, "", what="scenario", hint=_START)
        return read_text(path.stem, text, path)
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {near[0]}? A" if near else "`bindpost lab list` names them; a"
        raise ConfigError(
            name, "there is no such scenario", hint=f"{hint} file's name ends in .toml"
        )
    file = _folder() / f"{name}.toml"
    return read_text(name, file.read_text("utf-8"), Path(file.name))


def load_folder(folder: Path) -> dict[str, ScenarioFile]:
    """
    Load the scenarios of a folder by their names, which bindpost's own must not have.

    Raises `ConfigError`.
    """
    if not folder.is_dir():
        raise ConfigError("lab.scenarios", f"there is no folder {folder}")
    found = {path.stem: load(str(path)) for path in sorted(folder.glob("*.toml"))}
    for name, file in found.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(file.origin, "name it with small letters, digits, - and .")
        if name in RESERVED or name in names():
            raise ConfigError(file.origin, f"{name} is taken; give it another name")
    return found


def read_text(name: str, text: str, path: Path) -> ScenarioFile:
    """Read a scenario's text; `path` is for the messages. Raises `ConfigError`."""
    tree = parse(text, path, "")
    origin = place_in(text, path)
    check(tree, origin, (Scenario,))
    scenario = msgspec.convert(tree, Scenario)
    for key, problem in _problems(scenario):
        raise ConfigError(key, problem, origin=origin(key))
    return ScenarioFile(name, str(path), text, scenario)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values of variables into a text that was checked."""
    return string.Template(text).substitute(values)


def _folder() -> Traversable:
    return files("bindpost.config") / "scenarios"


def _problems(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Give what is wrong beyond types, each with its key."""
    if not scenario.phase:
        yield "phase", "there must be one at least"
    yield from _of_files("files", scenario.files)
    for name, server in scenario.server.items():
        yield from _of_server(join("server", name), server, scenario.server)
    used: set[str] = set()
    for index, phase in enumerate(scenario.phase):
        yield from _of_phase(f"phase[{index}]", phase, scenario, first=index == 0)
        if phase.name in used:
            yield f"phase[{index}].name", f"{phase.name!r} is the name of another phase"
        used.add(phase.name)


def _of_server(
    key: str, server: Server, servers: Mapping[str, Server]
) -> Iterator[tuple[str, str]]:
    if bool(server.bindpost) == bool(server.program):
        yield key, "needs either bindpost = [ARGUMENTS] or program = NAME"
    if server.otherwise and not (server.otherwise in servers and server.program):
        yield f"{key}.otherwise", f"{server.otherwise!r} is no server that could take its place"
    if server.otherwise and servers[server.otherwise].otherwise:
        yield f"{key}.otherwise", f"{server.otherwise!r} has a substitute of its own"
    yield from _of_files(f"{key}.files", server.files)
    for text in (*server.bindpost, *server.arguments, *server.prepare):
        yield from _of_text(key, text)


def _of_phase(
    key: str, phase: Phase, scenario: Scenario, *, first: bool
) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(phase.name):
        yield f"{key}.name", f"{phase.name!r}: write small letters, digits, - and ."
    for server in phase.run:
        if server not in scenario.server:
            yield f"{key}.run", f"there is no [server.{server}]"
    if phase.service == "keep" and (first or phase.files or phase.expect.check >= 0):
        why = "it is the first phase" if first else "files and check need a start"
        yield f"{key}.service", f'"keep" is not possible here: {why}'
    if phase.service == "restart" and SETTINGS_FILE not in scenario.files | phase.files:
        yield f"{key}.files", f"there is no {SETTINGS_FILE}"
    yield from _of_files(f"{key}.files", phase.files)
    for number, event in enumerate(phase.expect.event):
        own = f"{key}.expect.event[{number}]"
        for text in event.strings:
            yield from _of_text(own, text)
        for name, texts in event.alternatives().items():
            if not texts:
                yield join(f"{own}.fields", name), "the list is empty, so nothing could match"
            for text in texts:
                yield from _of_text(own, text)


def _of_files(key: str, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in given.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
            yield join(key, name), "a file's name must be relative and lead nowhere else"
        if path.parts[:1] == ("etc",) and name not in OVERLAID:
            yield join(key, name), f"of /etc only these can be laid over: {sorted(OVERLAID)}"
        yield from _of_text(join(key, name), text)


def _of_text(key: str, text: str) -> Iterator[tuple[str, str]]:
    template = string.Template(text)
    if not template.is_valid():
        yield key, "a $ stands alone; write $$ for a dollar sign"
    elif unknown := set(template.get_identifiers()) - set(VARIABLES):
        yield key, f"there is no variable ${min(unknown)}; there are ${', $'.join(VARIABLES)}"
