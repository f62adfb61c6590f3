"""Who may use the web side: users by name and password, programs by a bearer token."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from bindpost.config.model import WebAccess
from bindpost.errors import ConfigError

from ..mailboxes import Keys
from ..password_files import read_token_file, read_user_file
from ..passwords import Password, Plain, Scrypt

_LONGEST: Final = 4096
"""Characters of credentials that are looked at."""


class Login(NamedTuple):
    """
    What came of credentials: if they are bad, `reason` says why; `user` is one that exists.

    `mailbox` is the only one that they open; None = they open everything.
    """

    good: bool
    scheme: str
    reason: str
    user: str | None = None
    mailbox: str | None = None


class Claim(NamedTuple):
    """A user's name and password, to be compared with a hash."""

    name: str
    password: bytes
    known: Scrypt


@dataclass(frozen=True, slots=True)
class Access:
    """
    The users and tokens that are known; without any, everybody may do everything.

    `mailboxes` names the mailbox of each user that has only one, `mailbox_tokens` that of a token.
    Passwords that are hashed take long to check, so the last good one of each user is remembered
    as a keyed digest.
    """

    users: Mapping[str, Password] = field(default_factory=dict)
    tokens: tuple[Plain, ...] = ()
    mailboxes: Mapping[str, str] = field(default_factory=dict)
    mailbox_tokens: Mapping[Plain, str] = field(default_factory=dict)
    _remembered: dict[str, bytes] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @classmethod
    def load(cls, settings: WebAccess, *, folder: Path, keys: Keys | None = None) -> Self:
        """
        Read the files, and take the keys of mailboxes beside them.

        Raises `ConfigError`, which names the line and never what is in it.
        """
        keys = keys or Keys()
        users: dict[str, Password] = {}
        tokens: tuple[Plain, ...] = ()
        if settings.users:
            users |= read_user_file(folder / settings.users, "web_access.users")
        if settings.tokens:
            tokens = read_token_file(folder / settings.tokens, "web_access.tokens")
        for name in users:
            if (other := keys.users.get(name.casefold())) is not None:
                what = f"{name!r} is a user of the mailbox {other.mailbox!r} too"
                raise ConfigError("web_access.users", what, hint="take one of the two names out")
        if not keys.tokens.keys().isdisjoint(tokens):
            raise ConfigError("web_access.tokens", "one of them opens a mailbox too")
        return cls(
            users=users | {key.name: key.password for key in keys.users.values()},
            tokens=tokens,
            mailboxes={key.name: key.mailbox for key in keys.users.values()},
            mailbox_tokens=keys.tokens,
        )

    @property
    def is_open(self) -> bool:
        """Whether nobody has to log in."""
        return not (self.users or self.tokens or self.mailbox_tokens)

    @property
    def challenges(self) -> tuple[str, ...]:
        """The values of WWW-Authenticate (RFC 7617, RFC 6750)."""
        basic = ('Basic realm="bindpost", charset="UTF-8"',) if self.users else ()
        has_tokens = self.tokens or self.mailbox_tokens
        return (*basic, 'Bearer realm="bindpost"') if has_tokens else basic

    def check(self, authorization: str) -> Login | Claim:
        """Look at an Authorization field; a Claim is for `verify`, as it takes long."""
        scheme, _, credentials = authorization.partition(" ")
        scheme, credentials = scheme.lower(), credentials.strip()
        if scheme not in ("basic", "bearer"):
            return Login(False, "other", "the scheme is neither Basic nor Bearer")
        if len(credentials) > _LONGEST:
            return Login(False, scheme, "the credentials are too long")
        if scheme == "bearer":
            return self._check_token(credentials.encode())
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

    def _check_token(self, token: bytes) -> Login:
        # Each one is compared, so that the time doesn't tell which of them came close.
        whole = [known.matches(token) for known in self.tokens]
        owned = [name for known, name in self.mailbox_tokens.items() if known.matches(token)]
        mailbox = owned[0] if owned else None
        return Login(any(whole) or bool(owned), "bearer", "no such token", mailbox=mailbox)

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
        return Login(good, "basic", "wrong password", name, self.mailboxes.get(name))

    def _digest(self, password: bytes) -> bytes:
        return hmac.digest(self._secret, password, "sha256")
