"""Keys: the users and tokens that open one mailbox and nothing else."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self, final

from bindpost.config.model import Mailbox
from bindpost.errors import ConfigError

from ..password_files import read_token_file, read_user_file
from ..passwords import Password, Plain


class Key(NamedTuple):
    """A user of a mailbox."""

    name: str
    password: Password
    mailbox: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """
    All keys of all mailboxes: users by their names in small letters, tokens with their mailboxes.

    A hashed password takes long to check, so the last good one of each user is remembered as a
    keyed digest. Belongs to one event loop.
    """

    users: Mapping[str, Key] = field(default_factory=dict)
    tokens: Mapping[Plain, str] = field(default_factory=dict)
    _remembered: dict[str, bytes] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _hashing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def load(cls, tables: Sequence[tuple[str, Mailbox]], *, folder: Path) -> Self:
        """Read the files of `[[mailbox]]`es with their names. Raises `ConfigError`."""
        users: dict[str, Key] = {}
        tokens: dict[Plain, str] = {}
        for index, (mailbox, table) in enumerate(tables):
            for key in _read_users(table, mailbox, f"mailbox[{index}].users", folder):
                other = users.setdefault(key.name.casefold(), key)
                if other is not key:
                    what = f"{key.name!r} is a user of the mailbox {other.mailbox!r} too"
                    raise ConfigError(f"mailbox[{index}].users", what)
            if table.tokens:
                where = f"mailbox[{index}].tokens"
                for token in read_token_file(folder / table.tokens, where):
                    if token in tokens:
                        raise ConfigError(where, f"one of them opens {tokens[token]!r} too")
                    tokens[token] = mailbox
        return cls(users=users, tokens=tokens)

    def __bool__(self) -> bool:
        """Whether any mailbox has a key, so that logins are needed where mail is read."""
        return bool(self.users or self.tokens)

    def knows(self, name: str) -> bool:
        """Say whether a name, in any case, is a user of a mailbox."""
        return name.casefold() in self.users

    @property
    def has_hashes(self) -> bool:
        """Whether some user's password is kept as a hash only."""
        return any(not isinstance(key.password, Plain) for key in self.users.values())

    def password(self, name: str) -> bytes | None:
        """Give a user's password; None if there is no such user, or only a hash of it."""
        key = self.users.get(name.casefold())
        kept = key.password if key is not None else None
        return kept.password if isinstance(kept, Plain) else None

    async def open(self, name: str, password: bytes) -> str | None:
        """Give the mailbox that a name and password open; None if they open none."""
        key = self.users.get(name.casefold())
        if key is None:
            return None
        digest = hmac.digest(self._secret, password, "sha256")
        if hmac.compare_digest(self._remembered.get(key.name, b""), digest):
            return key.mailbox
        async with self._hashing:  # one at a time: each takes a processor and 32 MiB
            good = await asyncio.to_thread(key.password.matches, password)
        if not good:
            return None
        self._remembered[key.name] = digest
        return key.mailbox


def _read_users(table: Mailbox, mailbox: str, where: str, folder: Path) -> Iterable[Key]:
    if not table.users:
        return ()
    found = read_user_file(folder / table.users, where)
    return [Key(name, password, mailbox) for name, password in found.items()]
