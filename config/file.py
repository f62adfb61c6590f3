"""Reading of the configuration file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from bindpost.errors import ConfigError

from .tree import Tree

DEFAULT_NAME: Final = "bindpost.toml"
"""Looked for in the current directory when nothing names another file."""

_LARGEST: Final = 1024 * 1024
"""Bytes of a file that can be a configuration; `--config /dev/zero` must end, too."""


def read(
    path: Path,
    named_by: str,
    *,
    what: str = "configuration",
    hint: str = "`bindpost config init` prints a file to start from",
) -> str:
    """
    Read a configuration file, or another one of TOML that `what` names.

    Raises `ConfigError`. `named_by` is the flag, variable or setting; `hint` says what to do.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(
            str(path),
            f"the {what} file cannot be read: {reason}",
            origin=named_by,
            hint=hint,
        ) from None
    if len(data) > _LARGEST:
        raise ConfigError(
            str(path), f"is larger than {_LARGEST} bytes; that is no {what}", origin=named_by
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            str(path),
            f"not UTF-8: byte 0x{data[error.start]:02x} in line {line}",
            origin=named_by,
            hint="save the file as UTF-8",
        ) from None


def parse(text: str, path: Path, named_by: str) -> Tree:
    """Parse a TOML text; raises `ConfigError` with line and column."""
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(str(path), f"not TOML: {error}", origin=named_by) from None
    except RecursionError:
        raise ConfigError(
            str(path), "not a configuration: nested too deeply", origin=named_by
        ) from None
