"""The client's half of an NTLM login, made by pyspnego, and what it needs to know."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bindpost.errors import ConfigError

if TYPE_CHECKING:
    from spnego import ContextProxy


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who logs in: `USER` or `DOMAIN\\USER`, and the password, which is shown nowhere."""

    user: str
    password: str = field(repr=False)


class LoginError(Exception):
    """A server's challenge that no answer can be made to; `str()` says why."""


class Login:
    """
    One login: `negotiate`, then `authenticate` with what the server answered.

    The password itself does not go over the wire; what does is good for guessing it (NTLMv2).
    """

    def __init__(self, credentials: Credentials) -> None:
        import spnego  # an extra; `require` has made sure that it is there

        self._context: ContextProxy = spnego.client(
            credentials.user,
            credentials.password,
            protocol="ntlm",
            options=spnego.NegotiateOptions.use_ntlm,
        )

    def negotiate(self) -> bytes:
        """Give the NEGOTIATE_MESSAGE."""
        return self._context.step() or b""

    def authenticate(self, challenge: bytes) -> bytes:
        """Give the AUTHENTICATE_MESSAGE for a CHALLENGE_MESSAGE; raises `LoginError`."""
        try:
            return self._context.step(challenge) or b""
        except Exception as error:  # pyspnego lets out whatever its unpacking trips over
            raise LoginError(f"its challenge is no NTLM message: {error}") from None


def read_credentials(key: str, user: str, password_file: str, folder: Path) -> Credentials | None:
    """
    Give who logs in by a table's `user` and `password_file`, None without them.

    `key` is the table's name, and `folder` what the file's name is relative to. The password is the
    file's first line. Raises `ConfigError`.
    """
    if not user and not password_file:
        return None
    if not user or not password_file:
        given, missing = ("user", "password_file") if user else ("password_file", "user")
        raise ConfigError(f"{key}.{missing}", f"is empty, but {key}.{given} is set")
    path = folder / password_file
    try:
        password = path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{key}.password_file", f"{path}: {reason}") from None
    return Credentials(user=user, password=password)


def require(key: str) -> None:
    """Raise `ConfigError` for the setting `key` when pyspnego is not installed."""
    try:
        importlib.import_module("spnego")
    except ImportError:
        raise ConfigError(
            key,
            "an NTLM login needs pyspnego, which is not installed",
            hint='install bindpost with its extra: pip install "bindpost[ntlm]"',
        ) from None
