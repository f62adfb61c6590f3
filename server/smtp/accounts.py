"""Accounts: who may log in to a listener, and by which mechanisms."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import final

from ..logins import Users, accepts
from ..mailboxes import Keys
from . import sasl


@final
@dataclass(frozen=True, slots=True)
class Accounts:
    """
    The users of `auth.users`, without which every login is good, and the users of mailboxes.

    A mailbox's user has its own password, even where every other login is good.
    """

    users: Users | None = None
    keys: Keys = field(default_factory=Keys)

    @property
    def withheld(self) -> frozenset[str]:
        """
        The mechanisms by which not everybody could log in who may.

        CRAM-MD5 and SCRAM-SHA-256 need the password itself, of which a hash is no substitute. In
        SCRAM the server proves that it knows the password, too, which it can't for a login that it
        has never heard of.
        """
        if self.keys.has_hashes:
            return frozenset({"CRAM-MD5", "SCRAM-SHA-256"})
        return frozenset({"SCRAM-SHA-256"} if self.users is None else ())

    def knows(self, name: str) -> bool:
        """Say whether a name may log in at all."""
        return self.users is None or name.lower() in self.users or self.keys.knows(name)

    async def accepts(self, name: str, password: bytes) -> bool:
        """Say whether a login is good; the password may be a token."""
        if self.keys.knows(name):
            return await self.keys.open(name, password) is not None
        return accepts(self.users, name.encode(), password)

    def password(self, name: str) -> bytes | None:
        """Give the password of a name; None if it is unknown, or known as a hash only."""
        if self.keys.knows(name):
            return self.keys.password(name)
        return self.users.get(name.lower()) if self.users is not None else None

    def accepts_digest(self, name: str, challenge: bytes, digest: bytes) -> bool:
        """Say whether a login by CRAM-MD5 is good."""
        password = self.password(name)
        if password is None and self.users is None and not self.keys.knows(name):
            return True
        # The comparison runs for unknown names too, so that its time tells nothing.
        right = hmac.compare_digest(sasl.cram_digest(password or b"", challenge), digest)
        return right and password is not None
