"""Personality: the wording and the keyword list of a server, read from data and found by name."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast

import msgspec
from msgspec import Meta

from bindpost.config.file import parse, read
from bindpost.config.lines import place_in
from bindpost.config.tree import Tree, check
from bindpost.errors import ConfigError

from .personality_check import problems_of
from .reply import Reply

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from importlib.resources.abc import Traversable

FILE_SUFFIX: Final = ".toml"
"""What ends in it is a file, anything else a name."""
PLUG_INS: Final = "bindpost.personalities"
"""
Entry-point group of the personalities that others add.

An entry's name is the personality's, its value the package that has the file NAME.toml.
"""
_HINT: Final = "docs/personalities.md tells how to write one"
_OWN: Final = ("name", "product", "build")
"""What a personality that extends another says itself."""

Attested = Literal["text", "code", "no"]


class ReplyText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Words for one occasion.

    `attested`: `text` (code and text are in a primary source), `code` (the code only), `no` (our
    choice). `source` names the source. `{name}` in the text is filled in when it is said.
    """

    code: int
    text: Annotated[str, Meta(extra={"kind": "text"})]
    attested: Attested = "no"
    source: str = ""


class Personality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a server speaks.

    `extensions` are EHLO's keyword lines in order; those that depend on a setting (`ETRN`, `AUTH`,
    `STARTTLS`, `SIZE`) are left out when it is off. `parameters` are the ESMTP parameters that MAIL
    and RCPT take.
    """

    name: str
    product: str
    build: str
    extensions: tuple[str, ...]
    mail_parameters: tuple[str, ...]
    rcpt_parameters: tuple[str, ...]
    auth_mechanisms: tuple[str, ...]
    reply: dict[str, ReplyText]
    helo_required: bool = False
    smtputf8: bool = False
    extends: str = ""
    """The personality that gave what this one does not say itself; empty = none."""
    announces_process_limit: bool = False
    """Whether SIZE tells the process's own bound when `ims.InboundSizeLimit` is 0 (IMS says 0)."""
    honours_dsn: bool = False
    """Whether DSN's parameters are checked in full, and NOTIFY=SUCCESS is answered (RFC 3461)."""

    lmtp: dict[str, ReplyText] = {}
    """The words that are others where it speaks LMTP (RFC 2033); empty = it does not."""

    def offers(self, keyword: str) -> bool:
        """Tell whether the keyword list has an extension."""
        return any(line.split()[0] == keyword for line in self.extensions)

    def in_lmtp(self) -> Personality:
        """
        Give it as it speaks LMTP.

        It lists no CHUNKING there: how many replies a last chunk has that is refused is not said.
        """
        left = tuple(line for line in self.extensions if line not in ("CHUNKING", "BINARYMIME"))
        return msgspec.structs.replace(self, extensions=left, reply=self.reply | self.lmtp)

    def say(self, occasion: str, **fields: object) -> Reply:
        """Give the reply for an occasion, with its fields filled in; no field makes a line."""
        words = self.reply[occasion]
        return Reply(
            words.code, tuple([line.format_map(fields) for line in words.text.split("\n")])
        )


def names() -> list[str]:
    """Give the names of bindpost's own personalities."""
    return sorted(
        f.name.removesuffix(FILE_SUFFIX)
        for f in _folder().iterdir()
        if f.name.endswith(FILE_SUFFIX)
    )


def plug_ins() -> Mapping[str, EntryPoint]:
    """Give the installed personalities by name; bindpost's own can't be replaced by one."""
    from importlib.metadata import entry_points  # dear, and most need no plug-ins

    own = names()
    return {entry.name: entry for entry in entry_points(group=PLUG_INS) if entry.name not in own}


def load(name: str) -> Personality:
    """
    Give a personality: bindpost's own or an installed one by its name, or a file's by its path.

    A path ends in `.toml`. Raises `ConfigError` for an unknown name, and for a file that can't be
    used; it names file, line and key.
    """
    if name.endswith(FILE_SUFFIX):
        text = read(Path(name), "personality", what="personality", hint=_HINT)
        return _foreign(text, Path(name))
    if name in names():
        return _own(name)
    installed = plug_ins()
    if name not in installed:
        choice = ", ".join((*names(), *sorted(installed)))
        raise ConfigError(
            "personality",
            f"there is no personality {name!r}",
            hint=f"choose {choice}, or give a file whose name ends in {FILE_SUFFIX}",
        )
    return _installed(installed[name])


@functools.cache
def _own(name: str) -> Personality:
    """Read one of bindpost's own."""
    return _read(_text(name), Path(f"{name}{FILE_SUFFIX}"))


def _installed(entry: EntryPoint) -> Personality:
    """Read that of a plug-in; whatever it fails of is told as a setting that can't be used."""
    path = Path(entry.value) / f"{entry.name}{FILE_SUFFIX}"
    try:
        text = (resources.files(entry.value) / path.name).read_text("utf-8")
    except Exception as error:
        raise ConfigError(
            "personality",
            f"the plug-in {entry.value} for {entry.name} has no file {path.name}: {error!r}",
            hint=_HINT,
        ) from error
    found = _foreign(text, path)
    if found.name != entry.name:
        raise ConfigError(
            "name",
            f"is {found.name!r}, but the package calls it {entry.name!r}",
            origin=str(path),
            hint="give both the same name",
        )
    return found


def _foreign(text: str, path: Path) -> Personality:
    """Read one that is not bindpost's own."""
    found = _read(text, path)
    if found.name in names():
        raise ConfigError(
            "name",
            f"{found.name} is bindpost's own",
            origin=place_in(text, path)("name"),
            hint="give it another name",
        )
    return found


def _read(text: str, path: Path) -> Personality:
    """Read a personality's text; `path` is for the messages. Raises `ConfigError`."""
    origin = place_in(text, path)
    tree = _extended(parse(text, path, "personality"), origin)
    check(tree, origin, (Personality,))
    found = msgspec.convert(tree, Personality)
    for key, problem in problems_of(found):
        raise ConfigError(key, problem, origin=origin(key))
    return found


def _extended(tree: Tree, origin: Callable[[str], str]) -> Tree:
    """Give a personality's data, with what it does not say taken from the one that it extends."""
    extends = tree.get("extends", "")
    if not extends:
        return tree
    if extends not in names():
        raise ConfigError(
            "extends",
            f"{extends!r} is none of bindpost's own",
            origin=origin("extends"),
            hint=f"choose {', '.join(names())}",
        )
    base = _extended(tomllib.loads(_text(str(extends))), origin)
    merged = {key: value for key, value in base.items() if key not in _OWN} | tree
    own = tree.get("reply", {})
    if isinstance(own, dict):  # or the check says what is wrong with it
        merged["reply"] = cast("Tree", base["reply"]) | own
    return merged


def _text(name: str) -> str:
    return (_folder() / f"{name}{FILE_SUFFIX}").read_text("utf-8")


def _folder() -> Traversable:
    return resources.files(__package__) / "personalities"
