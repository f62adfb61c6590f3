"""Reads the Proxy Client's files: ANSI text and the INI grammar of GetPrivateProfileString."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bindpost.errors import ConfigError

MAXIMUM_SIZE: Final = 1 << 20
"""Largest file in bytes that is read; the biggest real MSPCLNT.INI was some tens of kilobytes."""

_UNICODE_MARKS: Final = {
    codecs.BOM_UTF8: "UTF-8 with a byte order mark",
    codecs.BOM_UTF16_LE: 'UTF-16 (Notepad\'s "Unicode")',
    codecs.BOM_UTF16_BE: "UTF-16 (big endian)",
}
_SAVE_AS_ANSI: Final = "the Proxy Client reads ANSI only; save the file as ANSI text (KB Q181420)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key=value` line, as written, without the blanks around both."""

    key: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """One `[section]` and its entries; of two with one key the first counts, as in Windows."""

    name: str
    line: int
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Entry | None:
        """Find a key, letter case aside."""
        wanted = key.casefold()
        return next((entry for entry in self.entries if entry.key.casefold() == wanted), None)


@dataclass(frozen=True, slots=True)
class IniFile:
    """A parsed file: `name` is what messages call it, `warnings` what was passed over."""

    name: str
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = ()

    def get(self, section: str) -> Section | None:
        """Find a section, letter case aside; of two with one name the first counts."""
        wanted = section.casefold()
        return next((one for one in self.sections if one.name.casefold() == wanted), None)


def read_ansi(path: Path, key: str) -> str:
    """
    Read a file of the Proxy Client as text; `key` is the setting that names it.

    Raises `ConfigError` when it is missing (and says so if `NAME.txt` is there instead), too
    large, or not ANSI.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_SIZE + 1)
    except FileNotFoundError:
        raise ConfigError(key, f"{path} does not exist", hint=_missing_hint(path)) from None
    except OSError as error:
        raise ConfigError(key, f"{path} cannot be read: {error.strerror}") from None
    return decode_ansi(data, str(path), key)


def decode_ansi(data: bytes, name: str, key: str) -> str:
    """Turn a file's bytes into text; raises `ConfigError` when it is too large or not ANSI."""
    if len(data) > MAXIMUM_SIZE:
        raise ConfigError(key, f"{name} is larger than {MAXIMUM_SIZE} bytes", origin=name)
    for mark, encoding in _UNICODE_MARKS.items():
        if data.startswith(mark):
            raise ConfigError(key, f"{name} is {encoding}", origin=name, hint=_SAVE_AS_ANSI)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise ConfigError(
            key,
            f"{name} holds NUL bytes; it is UTF-16 without a byte order mark, or no text",
            origin=f"{name}, line {line}",
            hint=_SAVE_AS_ANSI,
        )
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            key,
            f"{name} holds the byte {data[error.start]:#04x}, which ANSI (code page 1252) has not",
            origin=f"{name}, line {line}",
            hint=_SAVE_AS_ANSI,
        ) from None


def split_lines(text: str) -> list[str]:
    """Split at CR LF, LF and CR only: `str.splitlines` also splits at characters that are text."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def parse_ini(text: str, name: str) -> IniFile:
    """
    Read sections and entries; never raises.

    Lines that are neither are passed over with a warning, as Windows passes over them silently.
    """
    sections: list[tuple[str, int, list[Entry]]] = []
    warnings: list[str] = []
    for number, raw in enumerate(split_lines(text), start=1):
        line = raw.strip()
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            title, bracket, _ = line[1:].partition("]")
            if not bracket:
                warnings.append(f"{name}, line {number}: the section's closing ] is missing")
            sections.append((title.strip(), number, []))
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            warnings.append(f"{name}, line {number}: neither [section] nor key=value; ignored")
        elif not sections:
            warnings.append(f"{name}, line {number}: before the first [section]; ignored")
        else:
            sections[-1][2].append(Entry(key.strip(), _unquote(value.strip()), number))
    return IniFile(
        name,
        tuple(Section(title, line, tuple(entries)) for title, line, entries in sections),
        tuple(warnings),
    )


def blank_edges(text: str) -> bool:
    """Say whether blank lines stand before the first or after the last line with text."""
    lines = split_lines(text)
    if lines and not lines[-1]:
        lines.pop()  # what follows the last line's own end is not a line
    return bool(lines) and not (lines[0].strip() and lines[-1].strip())


def _unquote(value: str) -> str:
    """Take off one pair of quotes around a value, as GetPrivateProfileString does."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _missing_hint(path: Path) -> str:
    """Look for the two usual reasons of a missing file: Notepad's .txt, and letter case."""
    wanted = path.name.casefold()
    try:
        neighbours = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent}"
    for name in neighbours:
        if name.casefold() == f"{wanted}.txt":
            return f"{name} is there: Notepad added .txt to the name; rename it (KB Q181420)"
        if name.casefold() == wanted:
            return f"{name} is there: write its name with the same letter case"
    return ""
