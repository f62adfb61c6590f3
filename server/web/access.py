"""Who may use the web side: users by name and password, programs by a bearer token."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from bindpost.config.model import WebAccess
from bindpost.errors import ConfigError

from .passwords import Password, Plain, Scrypt, read_password

_SHORTEST: Final = 16
"""Characters of a token; shorter ones can be guessed."""
_LONGEST: Final = 4096
"""Characters of credentials that are looked at."""


class Login(NamedTuple):
    """What came of credentials: if they are bad, `reason` says why; `user` is one that exists."""

    good: bool
    scheme: str
    reason: str
    user: str | None = None


class Claim(NamedTuple):
    """A user's name and password, to be compared with a hash."""

    name: str
    password: bytes
    known: Scrypt


@dataclass(frozen=True, slots=True)
class Access:
    """
    The users and tokens that are known; without any, everybody may do everything.

    Passwords that are hashed take long to check, so the last good one of each user is remembered
    as a keyed digest.
    """

    users: Mapping[str, Password] = field(default_factory=dict)
    tokens: tuple[Plain, ...] = ()
    _remembered: dict[str, bytes] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @classmethod
    def load(cls, settings: WebAccess, *, folder: Path) -> Self:
        """Read the files; raises `ConfigError`, which names the line and never what is in it."""
        return cls(
            users=_read_users(folder / settings.users) if settings.users else {},
            tokens=_read_tokens(folder / settings.tokens) if settings.tokens else (),
        )

    @property
    def is_open(self) -> bool:
        """Whether nobody has to log in."""
        return not (self.users or self.tokens)

    @property
    def challenges(self) -> tuple[str, ...]:
        """The values of WWW-Authenticate (RFC 7617, RFC 6750)."""
        basic = ('Basic realm="bindpost", charset="UTF-8"',) if self.users else ()
        return (*basic, 'Bearer realm="bindpost"') if self.tokens else basic

    def check(self, authorization: str) -> Login | Claim:
        """Look at an Authorization field; a Claim is for `verify`, as it takes long."""
        scheme, _, credentials = authorization.partition(" ")
        scheme, credentials = scheme.lower(), credentials.strip()
        if scheme not in ("basic", "bearer"):
            return Login(False, "other", "the scheme is neither Basic nor Bearer")
        if len(credentials) > _LONGEST:
            return Login(False, scheme, "the credentials are too long")
        if scheme == "bearer":
            # Each token is compared, so that the time doesn't tell which of them came close.
            found = [known.matches(credentials.encode()) for known in self.tokens]
            return Login(any(found), "bearer", "no such token")
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, ValueError):
            return Login(False, "basic", "the credentials are no Base64 of UTF-8")
        name, _, password = pair.partition(":")
        return self._check_user(name, password.encode())

    async def verify(self, claim: Claim) -> Login:
        """Hash a password and compare it, in a thread."""
        good = await asyncio.to_thread(claim.known.matches, claim.password)
        if good and claim.name in self.users:
            self._remembered[claim.name] = self._digest(claim.password)
        return self._login(claim.name, good)

    def _check_user(self, name: str, password: bytes) -> Login | Claim:
        # An unknown name takes as long as a known one, so that the time doesn't tell which it is.
        known = self.users.get(name) or next(iter(self.users.values()), Plain(b""))
        if isinstance(known, Plain):
            return self._login(name, known.matches(password))
        remembered = self._remembered.get(name, b"")
        if hmac.compare_digest(remembered, self._digest(password)):
            return self._login(name, True)
        return Claim(name, password, known)

    def _login(self, name: str, good: bool) -> Login:
        if name not in self.users:
            return Login(False, "basic", "no such user")
        return Login(good, "basic", "wrong password", name)

    def _digest(self, password: bytes) -> bytes:
        return hmac.digest(self._secret, password, "sha256")


def _read_users(path: Path) -> Mapping[str, Password]:
    users: dict[str, Password] = {}
    for number, line in _lines(path, "web_access.users"):
        name, colon, password = line.partition(":")
        if not (colon and name and password):
            raise _bad_line("web_access.users", path, number, "is not NAME:PASSWORD")
        if name in users:
            raise _bad_line("web_access.users", path, number, f"has the user {name!r} again")
        try:
            users[name] = read_password(password)
        except ValueError as error:
            raise _bad_line("web_access.users", path, number, f"{error}") from None
    if not users:
        raise ConfigError("web_access.users", f"there is no user in {path}", origin=str(path))
    return users


def _read_tokens(path: Path) -> tuple[Plain, ...]:
    tokens = []
    for number, line in _lines(path, "web_access.tokens"):
        token = line.strip()
        if len(token) < _SHORTEST or not token.isascii() or not token.isprintable():
            raise _bad_line(
                "web_access.tokens",
                path,
                number,
                f"is no token: {_SHORTEST} or more characters of ASCII, which "
                "`openssl rand -hex 32` makes",
            )
        tokens.append(Plain.make(token))
    if not tokens:
        raise ConfigError("web_access.tokens", f"there is no token in {path}", origin=str(path))
    return tuple(tokens)


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


def hash_line(name: str, password: str) -> str:
    """Give a user's line for the file; raises `ValueError` for what can't stand there."""
    if not name or ":" in name or not name.isprintable() or name.startswith("#"):
        raise ValueError("a user's name has no colon and no control character, and no # in front")
    if not password:
        raise ValueError("the password is empty")
    return f"{name}:{Scrypt.make(password)}"
