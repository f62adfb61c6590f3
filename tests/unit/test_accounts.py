"""Accounts: who may log in, and which mechanisms that leaves."""

from __future__ import annotations

import msgspec
import pytest

from bindpost.config.model import Ims, Limits
from bindpost.server.mailboxes import Keys
from bindpost.server.mailboxes.keys import Key
from bindpost.server.passwords import Plain, Scrypt
from bindpost.server.smtp import personality
from bindpost.server.smtp.accounts import Accounts
from bindpost.server.smtp.policy import Policy
from bindpost.server.smtp.rules import Circumstances, Rules
from bindpost.server.smtp.sasl import cram_digest

USERS = {"ann": b"secret"}
PLAIN = Keys(users={"bob": Key("Bob", Plain.make("tools"), "box")})
HASHED = Keys(users={"bob": Key("Bob", Scrypt.make("tools"), "box")})
CHALLENGE = b"<1@x>"


@pytest.mark.parametrize(
    ("accounts", "withheld"),
    [
        (Accounts(), {"SCRAM-SHA-256"}),
        (Accounts(keys=PLAIN), {"SCRAM-SHA-256"}),
        (Accounts(USERS), set()),
        (Accounts(USERS, PLAIN), set()),
        (Accounts(USERS, HASHED), {"CRAM-MD5", "SCRAM-SHA-256"}),
        (Accounts(keys=HASHED), {"CRAM-MD5", "SCRAM-SHA-256"}),
    ],
)
def test_what_not_everybody_can_use_is_withheld(accounts: Accounts, withheld: set[str]) -> None:
    """SCRAM needs to know everybody, and both need the passwords themselves."""
    assert accounts.withheld == withheld


@pytest.mark.parametrize("keys", [PLAIN, HASHED])
async def test_passwords_of_mailboxes_count_anyway(keys: Keys) -> None:
    """Every other login is good without a users' file."""
    accounts = Accounts(keys=keys)

    assert await accounts.accepts("anybody", b"anything")
    assert await accounts.accepts("BOB", b"tools")
    assert not await accounts.accepts("bob", b"anything")
    assert accounts.knows("anybody")


async def test_only_users_are_accepted() -> None:
    """Those of the file, and those of mailboxes, in any case."""
    accounts = Accounts(USERS, PLAIN)

    assert [await accounts.accepts(name, b"secret") for name in ("ann", "Ann", "bob", "eve")] == [
        True,
        True,
        False,
        False,
    ]
    assert [accounts.knows(name) for name in ("ANN", "bob", "eve")] == [True, True, False]
    assert accounts.password("Ann") == b"secret"
    assert accounts.password("BOB") == b"tools"
    assert accounts.password("eve") is None


def test_a_hash_is_no_password() -> None:
    """Who has only a hash of it can't give it."""
    assert Accounts(keys=HASHED).password("bob") is None


@pytest.mark.parametrize(
    ("accounts", "name", "password", "good"),
    [
        (Accounts(), "anybody", b"anything", True),
        (Accounts(keys=PLAIN), "anybody", b"anything", True),
        (Accounts(keys=PLAIN), "bob", b"tools", True),
        (Accounts(keys=PLAIN), "bob", b"anything", False),
        (Accounts(keys=HASHED), "bob", b"", False),
        (Accounts(USERS), "ANN", b"secret", True),
        (Accounts(USERS), "ann", b"", False),
        (Accounts(USERS), "eve", b"", False),
    ],
)
def test_a_digest_is_compared(accounts: Accounts, name: str, password: bytes, good: bool) -> None:
    """With the one under the user's password, where there is one."""
    digest = cram_digest(password, CHALLENGE)

    assert accounts.accepts_digest(name, CHALLENGE, digest) is good


def test_no_mechanism_no_keyword() -> None:
    """Where EXTERNAL is all that there is, AUTH is there for clients with a certificate only."""
    words = msgspec.structs.replace(
        personality.load("plain"),
        extensions=("AUTH EXTERNAL", "HELP"),
        auth_mechanisms=("EXTERNAL",),
    )
    rules = Rules(
        personality=words, policy=Policy.from_settings(Ims()), limits=Limits(), hostname="mx.test"
    )

    listed = {
        certified: rules.keywords[
            Circumstances(offers_tls=False, tls=True, certified=certified, trusted=False)
        ]
        for certified in (False, True)
    }
    assert listed == {False: ("HELP",), True: ("AUTH EXTERNAL", "HELP")}


def test_a_password_is_never_shown() -> None:
    """Neither it nor a key with it shows it when printed."""
    assert "tools" not in repr(PLAIN)
