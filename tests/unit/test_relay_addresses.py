"""Whom mail may go to: patterns, and the addresses that a release names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.durable.patterns import Patterns
from bindpost.server.message.model import Recipient
from bindpost.server.relay.addresses import check_released, is_sendable

ANY = Patterns(())


@pytest.mark.parametrize(
    ("pattern", "address", "matches"),
    [
        ("*@example.org", "bob@example.org", True),
        ("*@example.org", "BOB@Example.Org", True),
        ("*@EXAMPLE.org", "bob@example.org", True),
        ("*@example.org", "bob@example.org.evil.example", False),
        ("*@example.org", "bob@sub.example.org", False),
        ("*@*.example.org", "bob@sub.example.org", True),
        ("bob@example.org", "bob@example.org", True),
        ("b?b@example.org", "bob@example.org", True),
        ("bob", "bob@example.org", False),
        ("*", "anything at all", True),
        ("*@[192.0.2.1]", "bob@[192.0.2.1]", True),
        ("*@[192.0.2.1]", "bob@1", False),
        ("b.b@x", "bob@x", False),
    ],
)
def test_a_pattern_matches_the_whole_address(pattern: str, address: str, matches: bool) -> None:
    """`*` and `?` stand for text, all else for itself; case is ignored."""
    assert Patterns([pattern]).match(address) is matches


def test_many_stars_are_no_trap() -> None:
    """A long address is compared with a pattern of many stars in no time."""
    assert not Patterns(["*a" * 30 + "b"]).match("a" * 2000)


def test_no_pattern_matches_nothing() -> None:
    """Without patterns nothing matches, and the list counts as empty."""
    assert not ANY
    assert not ANY.match("a@b")


@pytest.mark.parametrize(
    "address",
    ["a@b", '"a b"@example.org', "a+b@[192.0.2.1]", "bücher@example.org", "a" * 200 + "@b"],
)
def test_a_mailbox_can_be_sent_to(address: str) -> None:
    """Mailboxes by SMTP's grammar pass."""
    assert is_sendable(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "@b", "a@", "a@b@c", "a b@c", "<a@b>", "a@b>", "a@b, c@d", "a@b;c", "a@(b)"),
        *("a@b\r", "a\n@b", '"a\r\n"@b', "a@b\x85", "a@b\u2028", '"\u2028"@b', '"\ud800"@b'),
        "a" * 253 + "@b",
    ],
)
def test_what_is_no_mailbox_cannot(address: str) -> None:
    """Anything that could be more than one address on one line is refused."""
    assert not is_sendable(address)


@given(st.text())
def test_no_address_ends_a_command(address: str) -> None:
    """Whatever passes has no character that ends a line or closes the brackets of a path."""
    if is_sendable(address):
        quoted = address.startswith('"')
        assert address.splitlines() == [address]
        assert address.isprintable()
        assert quoted or not set(address) & set("<> ")


def test_each_recipient_is_taken_once() -> None:
    """Addresses that are named twice are meant once; the first one's parameters hold."""
    given_ = [Recipient("a@b", {"NOTIFY": "NEVER"}), Recipient("c@d"), Recipient("a@b")]

    assert check_released(given_, ANY) == tuple(given_[:2])


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["a@b", "bad"], "Invalid email address: bad"),
        (["a\r\nb@c"], r"Invalid email address: 'a\r\nb@c'"),
        ([], "No valid addresses found"),
        (["x@y", "bob@example.org"], "Failed: 1 Address do not match the allowlist: x@y"),
        (["x@y", "z@y"], "Failed: 2 Addresses do not match the allowlist: x@y, z@y"),
    ],
)
def test_refusals_are_in_mailpits_words(addresses: list[str], said: str) -> None:
    """What a release can't go to is told as Mailpit tells it, on one line."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared below
        check_released([Recipient(each) for each in addresses], Patterns(["a@b", "*@example.org"]))

    assert str(caught.value) == said
