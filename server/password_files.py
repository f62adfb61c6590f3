"""The files of who may log in: users with their passwords, and tokens of programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bindpost.errors import ConfigError

from .passwords import Password, Plain, Scrypt, read_password

_SHORTEST: Final = 16
"""Characters of a token; shorter ones can be guessed."""


def read_user_file(path: Path, key: str) -> Mapping[str, Password]:
    """
    Read NAME:PASSWORD lines; `key` is the setting that names the file.

    Raises `ConfigError`, which names the line and never what is in it.
    """
    users: dict[str, Password] = {}
    for number, line in _lines(path, key):
        name, colon, password = line.partition(":")
        if not (colon and name and password):
            raise _bad_line(key, path, number, "is not NAME:PASSWORD")
        if name in users:
            raise _bad_line(key, path, number, f"has the user {name!r} again")
        try:
            users[name] = read_password(password)
        except ValueError as error:
            raise _bad_line(key, path, number, f"{error}") from None
    if not users:
        raise ConfigError(key, f"there is no user in {path}", origin=str(path))
    return users


def read_token_file(path: Path, key: str) -> tuple[Plain, ...]:
    """Read tokens, one a line, as `read_user_file` reads users."""
    tokens = []
    for number, line in _lines(path, key):
        token = line.strip()
        if len(token) < _SHORTEST or not token.isascii() or not token.isprintable():
            raise _bad_line(
                key,
                path,
                number,
                f"is no token: {_SHORTEST} or more characters of ASCII, which "
                "`openssl rand -hex 32` makes",
            )
        tokens.append(Plain.make(token))
    if not tokens:
        raise ConfigError(key, f"there is no token in {path}", origin=str(path))
    return tuple(tokens)


def hash_line(name: str, password: str) -> str:
    """Give a user's line for the file; raises `ValueError` for what can't stand there."""
    if not name or ":" in name or not name.isprintable() or name.startswith("#"):
        raise ValueError("a user's name has no colon and no control character, and no # in front")
    if not password:
        raise ValueError("the password is empty")
    return f"{name}:{Scrypt.make(password)}"


def _lines(path: Path, key: str) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, with their numbers."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(key, f"cannot read {path}: {reason}", origin=str(path)) from None
    for number, line in enumerate(text.split("\n"), start=1):  # a password may have U+2028
        if line.strip() and not line.startswith("#"):
            yield number, line


def _bad_line(key: str, path: Path, number: int, what: str) -> ConfigError:
    return ConfigError(key, f"line {number} of {path} {what}", origin=str(path))
