"""Mailboxes: which messages are in which, what settings may say, whom their keys let in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bindpost.config.model import Mailbox
from bindpost.errors import ConfigError
from bindpost.server.mailboxes import Mailboxes, name_of
from bindpost.server.mailboxes.rules import AUTOMATIC_LIMIT
from bindpost.server.message.model import Envelope, Recipient, SessionFacts, utc_now
from bindpost.server.password_files import hash_line

TABLES = (
    Mailbox(name="Shop", domains=("shop.example", "*.shop.example")),
    Mailbox(name="orders", plus_tags=("orders",)),
    Mailbox(name="app", logins=("app-*",)),
    Mailbox(name="old", listeners=("127.0.0.1:2525",)),
    Mailbox(name="ci-*", plus_tags=("ci-*",), domains=("*.ci.example",)),
)


def envelope(*to: str) -> Envelope:
    """Make an envelope to these recipients."""
    return Envelope("from@example.com", tuple(map(Recipient, to)))


def session(*, login: str | None = None, listener: str = "127.0.0.1:1025") -> SessionFacts:
    """Make the facts of a session."""
    return SessionFacts("one", utc_now(), listener, "direct:", "plain", login=login)


@pytest.fixture
def mailboxes(tmp_path: Path) -> Mailboxes:
    """Give mailboxes of each kind."""
    return Mailboxes.load(TABLES, folder=tmp_path)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (["jane@shop.example"], ["shop"]),
        (["jane@SHOP.Example"], ["shop"]),
        (["jane@eu.shop.example"], ["shop"]),
        (["jane@.shop.example"], []),
        (["jane@noshop.example"], []),
        (["jane@shop.example.com"], []),
        (["jane+Orders@x.example"], ["orders"]),
        (["jane+a+orders@x.example"], ["orders"]),
        (["orders@x.example", "+orders@x.example", "jane+orders2@x.example"], []),
        (["jane+orders@shop.example"], ["orders", "shop"]),
        (["a@shop.example", "b+orders@x.example"], ["orders", "shop"]),
        (["jane+CI-4711@x.example"], ["ci-4711"]),
        (["jane+ci-@x.example"], []),
        (["jane+ci-a/b@x.example", "jane+ci- x@x.example", "jane+ci-ä@x.example"], []),
        (["jane+ci-1@x.example", "jane+ci-2@x.example"], ["ci-1", "ci-2"]),
        (["jane@run7.ci.example"], ["ci-run7"]),
        (["postmaster", "shop.example", "", "@", "\udcff@shop.example "], []),
        ([], []),
    ],
)
def test_recipients_pick_mailboxes(
    mailboxes: Mailboxes, to: Sequence[str], expected: Sequence[str]
) -> None:
    """Domains and plus-tags of any recipient count, in any case; a message may fit several."""
    assert list(mailboxes.of(envelope(*to), session())) == expected


def test_a_session_picks_mailboxes(mailboxes: Mailboxes) -> None:
    """The login and the listener count too."""
    to = envelope("jane@x.example")

    assert mailboxes.of(to, session(login="App-7")) == ("app",)
    assert mailboxes.of(to, session(login="app-")) == ()
    assert mailboxes.of(to, session(listener="127.0.0.1:2525")) == ("old",)
    assert mailboxes.of(to, session(login="app-1", listener="127.0.0.1:2525")) == ("app", "old")


def test_one_message_makes_so_many_mailboxes_at_most(mailboxes: Mailboxes) -> None:
    """However many recipients a message has, the mailboxes that it makes are bounded."""
    to = [f"x+ci-{number}@shop.example" for number in range(AUTOMATIC_LIMIT + 50)]

    found = mailboxes.of(envelope(*to), session())

    assert len(found) == AUTOMATIC_LIMIT + 1
    assert "shop" in found


def test_a_name_that_may_be_is_known(mailboxes: Mailboxes) -> None:
    """A mailbox may be asked for before its first message comes; one that no rule makes may not."""
    assert mailboxes.names == ("shop", "orders", "app", "old")
    assert mailboxes.may_make("shop")
    assert mailboxes.may_make("ci-4711")
    assert not mailboxes.may_make("ci-")
    assert not mailboxes.may_make("sales")


@pytest.mark.parametrize("text", ["", ".", "..", "-a", "a/b", "a b", "ä", "a" * 101, "a\n", "*"])
def test_what_is_no_name(text: str) -> None:
    """Names are short, and harmless in paths, addresses and logs."""
    assert name_of(text) is None


@pytest.mark.parametrize(
    ("tables", "key", "what"),
    [
        ([Mailbox(domains=("a",))], "mailbox[0].name", "is no name"),
        ([Mailbox(name="**", domains=("*",))], "mailbox[0].name", "is no name"),
        ([Mailbox(name="a/*", domains=("*",))], "mailbox[0].name", "is no name"),
        (
            [Mailbox(name="A", domains=("a",)), Mailbox(name="a", domains=("b",))],
            "mailbox[1].name",
            "two mailboxes",
        ),
        ([Mailbox(name="a")], "mailbox[0]", "nothing puts mail"),
        ([Mailbox(name="a", domains=("*a*",))], "mailbox[0].domains", "one * at most"),
        ([Mailbox(name="a", plus_tags=("",))], "mailbox[0].plus_tags", "no pattern"),
        ([Mailbox(name="a-*", logins=("x",))], "mailbox[0].logins", "has no *"),
        (
            [Mailbox(name="*", domains=("*",), listeners=("127.0.0.1:25",))],
            "mailbox[0].listeners",
            "name",
        ),
        ([Mailbox(name="*", domains=("*",), users="users")], "mailbox[0].name", "can't have keys"),
        ([Mailbox(name="a", users="nowhere")], "mailbox[0].users", "cannot read"),
        (
            [Mailbox(name="a", users="users"), Mailbox(name="b", users="others")],
            "mailbox[1].users",
            "user of the mailbox 'a' too",
        ),
        (
            [Mailbox(name=name, tokens="tokens", domains=(name,)) for name in ("a", "b")],
            "mailbox[1].tokens",
            "opens 'a' too",
        ),
    ],
)
def test_bad_settings_are_told(
    tmp_path: Path, tables: Sequence[Mailbox], key: str, what: str
) -> None:
    """What can't be is an error that names the key, and never a secret."""
    (tmp_path / "users").write_text("jane:secret-word\n", "utf-8")
    (tmp_path / "others").write_text("JANE:secret-word\n", "utf-8")
    (tmp_path / "tokens").write_text("0123456789abcdef-token\n", "utf-8")

    with pytest.raises(ConfigError) as caught:
        Mailboxes.load(tables, folder=tmp_path)

    assert caught.value.key == key
    assert what in str(caught.value)
    assert "secret-word" not in str(caught.value)


async def test_keys_open_their_mailbox(tmp_path: Path) -> None:
    """Name in any case and password open the mailbox, hashed or not, again and again."""
    (tmp_path / "a").write_text(f"{hash_line('Jane', 'right')}\n", "utf-8")
    (tmp_path / "b").write_text("bob:right:too\n", "utf-8")
    tables = [Mailbox(name="a", users="a"), Mailbox(name="b", users="b")]
    keys = Mailboxes.load(tables, folder=tmp_path).keys

    for _ in range(2):
        assert await keys.open("jane", b"right") == "a"
        assert await keys.open("bob", b"right:too") == "b"
        assert await keys.open("Jane", b"wrong") is None
        assert await keys.open("bob", b"") is None
        assert await keys.open("carol", b"right") is None
    assert keys.knows("JANE")
    assert not keys.knows("carol")


def test_users_put_mail_in_by_their_login(tmp_path: Path) -> None:
    """A mailbox's users need no rule beside: their SMTP login is one."""
    (tmp_path / "users").write_text("jane:x\n", "utf-8")
    mailboxes = Mailboxes.load([Mailbox(name="a", users="users")], folder=tmp_path)

    assert mailboxes.of(envelope("x@y"), session(login="JANE")) == ("a",)
