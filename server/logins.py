"""Who may log in: everybody, or the users of a file."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from bindpost.errors import ConfigError

Users = Mapping[str, bytes]
"""Password by name; names in small letters."""


def read_users(path: Path, *, key: str = "auth.users") -> Users:
    """
    Read a file of NAME:PASSWORD lines; blank lines and lines that begin with # are skipped.

    `key` is the setting that names the file. Raises `ConfigError` that names the line, never its
    password.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(key, f"cannot read {path}: {reason}") from error
    users: dict[str, bytes] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not colon or not name:
            raise ConfigError(
                key, f"line {number} of {path} is not NAME:PASSWORD", origin=str(path)
            )
        users[name.lower()] = password.encode()
    return users


def accepts(users: Users | None, login: bytes, password: bytes) -> bool:
    """Tell whether a login is good; without a users file every login is."""
    if users is None:
        return True
    known = users.get(login.decode("utf-8", "replace").lower())
    # The comparison runs for unknown names too, so that its time tells nothing.
    return (
        hmac.compare_digest(known if known is not None else b"\0", password) and known is not None
    )
